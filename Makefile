# The verbs of the house. Each sets itself up: .venv is made if it is missing, and packages are installed once.
#   make demo      the whole benchmark on the mini corpus       make demo ARGS="--seed 1"
#   make test      the tests of every day                       make test ARGS="-k npo"
#   make test-slow the tests that train for more than a few steps
#   make check     lint, format and types, as CI sees them
#   make app       the leaderboard's page on http://127.0.0.1:7860, with the demo's results
#   make docs      the pages of docs/ as a site in build/site
#   make clean     remove caches and builds; .venv and results stay
.PHONY: help demo app test test-slow check docs clean

VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

# Nothing here may look for a network, and two workers of one thread each are what two cores carry.
TEST_ENVIRONMENT := HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 HF_EVALUATE_OFFLINE=1 OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false
# loadfile keeps the tests of a file in one worker, so that what a file's fixtures train is trained once.
PYTEST := $(TEST_ENVIRONMENT) $(BIN)/python -m pytest -n 2 --dist loadfile

help:
	@sed -n 's/^#   //p' Makefile

demo: $(INSTALLED)
	$(BIN)/clear-unlearning demo --output runs/demo $(ARGS)

# Only a demo that is not there yet is run.
app: $(INSTALLED)
	@test -f runs/demo/demo.json || $(MAKE) demo ARGS=
	$(BIN)/clear-unlearning leaderboard serve --demo runs/demo $(ARGS)

test: $(INSTALLED)
	$(PYTEST) -m "not slow and not gpu and not hub" $(ARGS)

test-slow: $(INSTALLED)
	$(PYTEST) -m "slow and not gpu and not hub" $(ARGS)

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(INSTALLED)
	$(BIN)/python docs/write_cli.py
	$(BIN)/properdocs build --strict

clean:
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path "./$(VENV)/*" -prune -exec rm -rf {} +

# An empty file says what is installed: it is older than these two exactly when there is something to install.
$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/pip
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

# A python on the PATH may be too old, lack venv (Debian) or be a pyenv shim for a version not there: so ask it, not `which`.
$(BIN)/pip:
	@for python in python3 python3.13 python3.12 python3.11; do \
	    if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	        echo "Making $(VENV) with $$($$python --version)"; \
	        exec $$python -m venv $(VENV); \
	    fi; \
	done; \
	echo "No Python 3.11 or newer with venv was found (tried python3, python3.13, python3.12, python3.11):" \
	    "install one; on Debian or Ubuntu that is 'apt-get install python3 python3-venv'." >&2; \
	exit 1
