"""A submission that passes all checks, on the loopback Hub, for tests to spoil."""

import json
import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from huggingface_hub import HfApi
from safetensors.numpy import load_file, save

from leaderboard_app.bases import Base
from leaderboard_app.intake.submission_checks import Checked, SubmissionChecks, identify
from tests.loopback_hub.server import LoopbackHub

BASE, ORIGINAL = "mini-image", "ORG/original"
MODEL_FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
               "processor_config.json", "chat_template.jinja")  # fmt: skip
CARD = "---\nlicense: apache-2.0\n---\n# A model that was made to forget\n\n" + "It was made for tests. " * 12


def header_bytes(content: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with any header."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def publish(hub: LoopbackHub, repo_id: str, files: dict[str, bytes], title: str = "weights") -> str:
    """Puts files on the Hub as they are, past all that a client would refuse; returns the commit."""
    repo = hub.repos.get(("model", repo_id)) or hub.create("model", repo_id)
    return repo.commit(title, dict(files)).oid


def publish_original(hub: LoopbackHub, folder: Path, dataset: str = "clear", **more: Any) -> Base:
    """Puts an original model on the Hub, and says so in a row of the bases."""
    files = {name: (folder / name).read_bytes() for name in (*MODEL_FILES, "model.safetensors")}
    commit = publish(hub, ORIGINAL, files)
    return Base(BASE, ORIGINAL, commit, dataset, ("forget05", "forget10"), **more)


def unlearned(folder: Path, noise: float = 0.05, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights of a model near the one in a folder."""
    dice = np.random.default_rng(seed)
    weights = load_file(folder / "model.safetensors")
    return {name: (w + noise * w.std() * dice.standard_normal(w.shape)).astype(w.dtype) for name, w in weights.items()}


def build_data(home: Path, built: Path) -> Path:
    """A public dataset and hidden items of its people; returns the folder of both."""
    from clear_data.corpora.hidden import build_hidden

    shutil.copytree(built, home / "clear")
    build_hidden(home / "clear", "a secret of many characters", home / "hidden", False, lambda config: None)
    return home


def publish_scored(hub: LoopbackHub, folder: Path, data: Path, home: Path) -> Base:
    """Puts an original on the Hub, with two golds beside it; the first two rows of each task are scored."""
    golds = []
    for seed in (1, 2):
        golds.append(home / f"gold-{seed}")
        shutil.copytree(folder, golds[-1])
        (golds[-1] / "model.safetensors").write_bytes(save(unlearned(folder, 1.0, seed), {"format": "pt"}))
    places = [str(gold) for gold in golds]
    more = {"golds": {"forget10": places, "forget05": places}, "hidden": str(data / "hidden"), "max_examples": 2}
    return publish_original(hub, folder, str(data / "clear"), **more)


def adapter_files(base: Base, rank: int = 2, seed: int = 0) -> dict[str, bytes]:
    """A LoRA adapter on two layers of the mini model."""
    dice = np.random.default_rng(seed)
    modules = [f"model.language_model.layers.{layer}.self_attn.q_proj" for layer in (0, 1)]
    weights = {}
    for module in modules:
        for side, shape in (("A", (rank, 128)), ("B", (128, rank))):
            matrix = dice.standard_normal(shape).astype(np.float32) * 0.1
            weights[f"base_model.model.{module}.lora_{side}.weight"] = matrix
    settings = {
        "peft_type": "LORA", "base_model_name_or_path": base.original, "revision": base.commit, "r": rank,
        "lora_alpha": 4, "lora_dropout": 0.0, "bias": "none", "target_modules": modules, "modules_to_save": None,
    }  # fmt: skip
    return {"adapter_config.json": json.dumps(settings).encode(), "adapter_model.safetensors": save(weights)}


@dataclass
class Attempt:
    """A repository and what is said of it; good as it is made, and changed by a test."""

    hub: LoopbackHub
    base: Base
    folder: Path
    user: str = "keeper"
    token: str = "hf_keeper"
    repo_id: str = "keeper/npo"
    files: dict[str, bytes] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fills in what is good."""
        self.files = {name: (self.folder / name).read_bytes() for name in MODEL_FILES}
        self.files |= {"model.safetensors": save(unlearned(self.folder)), "README.md": CARD.encode()}
        self.said = {
            "kind": "full", "base_model": BASE, "method": "npo", "paper": "https://arxiv.org/abs/2404.05868",
            "forget": "forget10", "modality": "both", "data_used": "forget10 and retain90", "seeds": "0, 1",
            "gpu_hours": 0.5, "licence": "apache-2.0", "contact": "keeper@example.org", "statement": True,
        }  # fmt: skip

    def make_adapter(self, **settings: Any) -> None:
        """Turns it into an adapter, with other settings."""
        self.files = {"README.md": CARD.encode(), **adapter_files(self.base)}
        self.edit("adapter_config.json", **settings)
        self.said["kind"] = "adapter"

    def edit(self, name: str, **changes: Any) -> None:
        """Changes keys of a JSON file."""
        self.files[name] = json.dumps({**json.loads(self.files.get(name, b"{}")), **changes}).encode()

    def publish(self) -> str:
        """Puts the files on the Hub and names their commit."""
        commit = publish(self.hub, self.repo_id, self.files)
        return self.said.setdefault("revision", commit)

    def check(self, publish: bool = True) -> Checked:
        """Publishes it and has it checked as the page does."""
        if publish:
            self.publish()
        self.said.setdefault("repo_id", self.repo_id)
        checks = SubmissionChecks({BASE: self.base}, HfApi(self.hub.url, token=False))
        return checks.check(self.said, identify(HfApi(self.hub.url, token=self.token)))
