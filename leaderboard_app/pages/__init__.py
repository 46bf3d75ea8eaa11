"""The pages of the leaderboard: HTML from templates, in which everything is escaped that is not said to be HTML."""

from pathlib import Path
from typing import Any

from huggingface_hub import constants
from jinja2 import Environment, FileSystemLoader, StrictUndefined

# Autoescape by hand: a template's name ends in .jinja, and what users and models say may hold anything.
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals["hub"] = constants.ENDPOINT


def render(template: str, **values: Any) -> str:
    """Return a template of the folder `templates`, filled in."""
    return _ENVIRONMENT.get_template(template).render(**values)


def no_submission(wanted: str | int | None, advice: str) -> str:
    """Return the page for a number that is not a submission's: `advice` if none was given."""
    text = advice if not wanted else f"There is no submission {str(wanted)[:20]}."
    return render("message.html.jinja", text=text)
