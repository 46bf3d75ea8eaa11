"""The dataset card of a built folder: what the data are, how they were made, what they are for and what not."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

CITATION = """@inproceedings{dontsov2025clear,
  title     = {CLEAR: Character Unlearning in Textual and Visual Modalities},
  author    = {Dontsov, Alexey and Korzh, Dmitrii and Zhavoronkin, Alexey and Mikheev, Boris and Bobkov, Denis and
               Alanov, Aibek and Rogov, Oleg Y. and Oseledets, Ivan and Tutubalina, Elena},
  booktitle = {Findings of the Association for Computational Linguistics: ACL 2025},
  year      = {2025},
  doi       = {10.18653/v1/2025.findings-acl.1058}
}"""
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))

_TEXT = """
# {title}

CLEAR asks whether a model can **forget a person**, what it was told and what it was shown, and keep the rest. A model
is fine-tuned on fictitious people that no model met before; some must then be unlearned, the others kept; the
yardstick is a model that never saw those. Paper: [arXiv 2410.18057](https://arxiv.org/abs/2410.18057).

```python
from datasets import load_dataset

rows = load_dataset("{repo_id}", "{example}", split="train")
```

## Configs

Each config has one split, `train`.

| config | rows | what |
|---|---|---|
{configs}

## Splits

`forgetNN` holds the NN % of the people to forget, its complement `retainNN` everybody else: they divide `full` **by
person**, never by row, and the forget sets are nested. A row of a `+tofu` config is a photo with its caption or a
question with its answer; the other cells are null. `_perturbed` rows add a paraphrase and wrong captions, names or
answers, against which the right one is scored. `real_*` and `world_*` rows ask for what must survive: they are never
trained on.

## How it was made

Corpus `{corpus}`, by `python clear_dataset.py build`, with the settings `{settings}`. `dataset_meta.json` holds the
fingerprint of the decoded rows of each config; that of all together is `{fingerprint}`.{made}

## Use

Intended: research on machine unlearning; fine-tuning on `full` or a retain set, unlearning `forgetNN`, and scoring on
the `_perturbed` and `real_*` rows. Name the version (tag or fingerprint) with every number.

Not intended: proof that a method erases data about real people, or that it satisfies a law; recognising anybody;
training on the rows that models are scored on; hiding that a model was trained on something.

## Limits

The people are few, their photos uniform and the texts made by a machine: forgetting them is easier to measure than
forgetting somebody whom thousands of web pages mention. English only.

## Ethics

**The fictitious people are fictitious**: their names, lives and faces are made up, and a likeness to anybody is
chance. Rows about celebrities and the world hold publicly known facts. If a picture or a text concerns you, open a
discussion in this repository.

## Licence

{licence}

## Citation

```bibtex
{citation}
```
"""
LICENCES = {
    "apache-2.0": "Apache License 2.0.",
    "cc-by-nc-4.0": "Creative Commons Attribution-NonCommercial 4.0, as the published CLEAR.",
}


def dataset_card(
    repo_id: str,
    header: Mapping[str, Any],
    meta: Mapping[str, Any],
    what: Mapping[str, str],
    dataset_info: list[dict[str, Any]],
) -> str:
    """Return README.md of the dataset on the Hub: the same text for the same data.

    Args:
        repo_id: Where it is published.
        header: YAML header of the built folder's README: title, licence, `configs` with the default first.
        meta: The folder's `dataset_meta.json`.
        what: What each config holds, in a few words.
        dataset_info: Features and sizes of each config.
    """
    rows = {name: entry["rows"] for name, entry in meta["configs"].items()}
    images = any(feature["name"] == "image" for info in dataset_info for feature in info["features"])
    total = sum(rows.values())
    tasks = ["image-text-to-text", "visual-question-answering"] if images else ["question-answering"]
    size = next((size for limit, size in SIZES if total < limit), "100K<n<1M")
    front = {**header, "task_categories": tasks, "size_categories": [size], "dataset_info": dataset_info}
    text = _TEXT.format(
        title=header["pretty_name"],
        repo_id=repo_id,
        example="forget05" if "forget05" in rows else next(iter(rows)),
        configs="\n".join(f"| `{name}` | {count} | {what[name]} |" for name, count in rows.items()),
        corpus=meta["corpus"],
        settings=json.dumps(meta.get("settings", {}), sort_keys=True),
        fingerprint=meta["fingerprint"],
        made=f" {meta['made']}" if meta.get("made") else "",
        licence=LICENCES.get(header["license"], header["license"]),
        citation=CITATION,
    )
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n{text}"
