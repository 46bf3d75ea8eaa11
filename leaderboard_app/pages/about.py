"""The page about the leaderboard: rules, metrics, how to submit. Only text of ours."""

from evaluate_metrics import METRICS
from leaderboard_app.store.ranking import RULE

from .table import COLUMNS

_DIRECTIONS = {"higher": "higher is better", "lower": "lower is better", "gold": "best near gold's value"}


def about_text() -> str:
    """Return the page About, as Markdown."""
    columns = "\n".join(f"- {f'**{column.title}** {column.better}'.strip()}: {column.meaning}" for column in COLUMNS)
    metrics = "\n".join(
        f"- `{name}`: {metric.what} ({_DIRECTIONS[metric.direction]})" for name, metric in METRICS.items()
    )
    return f"""
## What this is

A vision-language model has learned fictitious people; some of them must be forgotten, the others kept
([CLEAR](https://arxiv.org/abs/2410.18057)). Here unlearned models stand side by side. **No number of a submitter is
believed**: every checkpoint is downloaded at its commit and scored by us, with our processor, template and settings.
Self-reported numbers are shown beside ours, and never ranked.

*Original* has learned all people. *Gold* was trained without those to be forgotten: what unlearning should look like.

## Rules

- {RULE}
- Only weights are compared: safetensors at a commit of a public repository, without remote code. Methods that act when
  the model is asked (filters, prompts, steering) are refused in this version: we score weights with our own code, so
  that what they add would not run.
- Evaluation items are not trained on; a submitter states this. Some questions are hidden: the gap is a column.
- A submitter can withdraw; a keeper can hide a row with a reason. Both stay in the audit trail.
- When a metric changes, everything is scored again.
- What you submit, the contact included, is public.

## How to submit

Sign in, fill in the form under Submit, or use the command line:

```
clear-unlearning submit --help
```

It is checked in seconds, without downloading weights, and queued. Under Status you see where it stands.

## Columns

{columns}

## Metrics

{metrics}

## For programs

`gradio_client.Client(URL)` has the endpoints `/leaderboard`, `/row`, `/status` and `/submit`; with `token=` it
submits in your name.
"""
