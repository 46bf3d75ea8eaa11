"""Speed of the evaluation beside the reference's loop and a plain one: same model, rows and threads, in one run.

    git clone https://github.com/somvy/multimodal_unlearning ../multimodal_unlearning
    python benchmarks/evaluate_speed.py --peer ../multimodal_unlearning --size mid --images 4

Each image is asked twice, for a caption and for a name, with seven answers to each question. Every loop lives in a
process of its own, so that its peak memory is its own, and they take turns. `raw` runs every token that an ideal
evaluation needs once through the model, image and answers in one sequence: no evaluation can be faster by much.

The reference's functions are run as they are. What its file imports for other purposes (hydra, natsort) is left empty;
three repairs of ours let it run a LLaVA of today's transformers, and cost no time: it counts an image as one token of
the prompt, where a processor now writes one a patch; it flattens the pixels of the wrong answers; and
`batch_encode_plus` is called by its present name. Its own generation sees no image, which makes it faster than ours
would be.
"""

import argparse
import os
import socket
import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import yaml
from datasets import Dataset, Image
from evaluate_loops import ROWS, Loop, Settings, Turn
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from clear_data.corpora.mini import Dials, mini_rows
from clear_unlearning.mini_models import CHAT_TEMPLATE, build_mini_llava, build_tokenizer
from clear_unlearning.tasks import caption_question

SIZES = {  # of the vision tower: width, layers; of the language model: width, width between, layers, words
    "small": (192, 6, 384, 1024, 4, 8000),
    "mid": (384, 12, 768, 2048, 10, 32000),
}


def build_llava(folder: Path, texts: list[str], size: str) -> None:
    """Write a random LLaVA whose CLIP looks at 336 pixels, 576 tokens: `small` has 13 M weights, `mid` 118 M."""
    vision_width, vision_layers, width, between, layers, words = SIZES[size]
    tokenizer: Any = build_tokenizer(texts)
    vision = CLIPVisionConfig(hidden_size=vision_width, intermediate_size=4 * vision_width,
                              num_hidden_layers=vision_layers, num_attention_heads=vision_width // 64, image_size=336,
                              patch_size=14, projection_dim=vision_width)  # fmt: skip
    text = LlamaConfig(vocab_size=words, hidden_size=width, intermediate_size=between, num_hidden_layers=layers,
                       num_attention_heads=width // 64, max_position_embeddings=2048,
                       pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id,
                       eos_token_id=tokenizer.eos_token_id, tie_word_embeddings=True)  # fmt: skip
    config = LlavaConfig(vision_config=vision, text_config=text, image_seq_length=576, vision_feature_layer=-2,
                         vision_feature_select_strategy="default", tie_word_embeddings=True)  # fmt: skip
    config.image_token_id = tokenizer.convert_tokens_to_ids("<image>")
    torch.manual_seed(0)
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.model_max_length = 2048
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}),
        tokenizer=tokenizer, patch_size=14, vision_feature_select_strategy="default", num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE, image_token="<image>",
    ).save_pretrained(folder)  # fmt: skip


_here: dict[str, Loop] = {}


def _start(name: str, settings: Settings, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    _here["loop"] = Loop(name, settings)


def _turn() -> Turn:
    return _here["loop"].turn()


class Contestant:
    """A loop in its own process, or in two."""

    def __init__(self, name: str, settings: Settings, count: int = 1) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        self.turns: list[Turn] = []
        self.pools: list[ProcessPoolExecutor] = []
        for rank in range(count):
            together = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count),
                        "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # fmt: skip
            given = (name, settings, together if count > 1 else {})
            self.pools.append(ProcessPoolExecutor(1, get_context("spawn"), _start, given))

    def take_turn(self) -> None:
        """Run once and keep the time."""
        futures = [pool.submit(_turn) for pool in self.pools]
        self.turns.append([future.result() for future in futures][0])

    def median(self, what: str) -> float:
        """Return the median of the turns taken."""
        return statistics.median(getattr(turn, what) for turn in self.turns)


def table(contestants: dict[str, Contestant], examples: int) -> str:
    """Return Markdown: a row each."""
    ours = contestants["ours"]
    lines = [
        "| loop | seconds | CPU seconds | rows/s | ours is faster by | largest difference of a loss | same texts "
        "| peak memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    titles = {"ours": "`evaluate`", "two": "`evaluate`, 2 processes", "plain": "plain", "peer": "reference",
              "raw": "raw forward"}  # fmt: skip
    for name, contestant in contestants.items():
        turn, seconds = contestant.turns[-1], contestant.median("seconds")
        difference = same = "-"
        if turn.losses:
            pairs = zip(ours.turns[-1].losses, turn.losses, strict=True)
            difference = f"{max(abs(a - b) for one, other in pairs for a, b in zip(one, other, strict=True)):.1e}"
            equal = sum(a == b for a, b in zip(ours.turns[-1].texts, turn.texts, strict=True))
            same = f"{equal} of {examples}"
        title = titles[name] + (f" ({turn.note})" if turn.note else "")
        lines.append(
            f"| {title} | {seconds:.2f} | {contestant.median('cpu'):.2f} | {examples / seconds:.2f} "
            f"| {seconds / ours.median('seconds'):.1f}x (CPU {contestant.median('cpu') / ours.median('cpu'):.1f}x) "
            f"| {difference} | {same} | {turn.peak:.2f} GB |"
        )
    return "\n".join(lines)


def main() -> None:
    """Build model and rows, let the loops take turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, help="checkout of multimodal_unlearning; without it the rest runs")
    parser.add_argument("--size", choices=("mini", *SIZES), default="mini", help="%(default)s")
    parser.add_argument("--images", type=int, default=16, help="each is asked twice (%(default)s)")
    parser.add_argument("--batch_size", type=int, default=16, help="of ours (%(default)s)")
    parser.add_argument("--plain_batches", type=int, nargs="+", default=[1, 2, 4, 8], help="tried for the plain loop")
    parser.add_argument("--new_tokens", type=int, default=24, help="of every generation; a random model never stops")
    parser.add_argument("--threads", type=int, default=1, help="of each process (%(default)s)")
    parser.add_argument("--dtype", default="float32", help="%(default)s")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each loop; medians are shown (%(default)s)")
    parser.add_argument("--loops", nargs="+", default=["ours", "two", "plain", "peer", "raw"], help="which loops run")
    arguments = parser.parse_args()
    os.environ |= {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": str(arguments.threads)}
    with tempfile.TemporaryDirectory(prefix="evaluate-speed-") as home:
        rows = mini_rows(Dials(persons=24))[0]["forget10_perturbed"][: arguments.images]
        rows = [{**row, "question": caption_question(i, 0)} for i, row in enumerate(rows)]
        texts = [text for row in rows for text in (row["caption"], row["name"], *row["perturbed_captions"])]
        if arguments.size == "mini":
            build_mini_llava(Path(home, "model"), texts)
        else:
            build_llava(Path(home, "model"), texts, arguments.size)
        Dataset.from_list(rows).cast_column("image", Image()).to_parquet(f"{home}/{ROWS}.parquet")
        config = {"config_name": ROWS, "data_files": [{"split": "train", "path": f"{ROWS}.parquet"}]}
        Path(home, "README.md").write_text(f"---\n{yaml.safe_dump({'configs': [config]})}---\n")
        settings = Settings(f"{home}/model", home, str(arguments.peer), arguments.threads, arguments.dtype,
                            arguments.batch_size, tuple(arguments.plain_batches), arguments.new_tokens)  # fmt: skip
        names = [name for name in arguments.loops if name != "peer" or arguments.peer]
        contestants = {name: Contestant(name, settings, 2 if name == "two" else 1) for name in names}
        for _ in range(arguments.repeats):
            for contestant in contestants.values():
                contestant.take_turn()
        print(f"{arguments.size}, {len(rows)} images, {2 * len(rows)} rows of 7 answers, {arguments.new_tokens} new "
              f"tokens, {arguments.dtype}, {arguments.threads} thread(s) a process, median of {arguments.repeats}; "
              f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")  # fmt: skip
        print(table(contestants, 2 * len(rows)))
        if "raw" in contestants:
            raw, tokens = contestants["raw"].median("seconds"), contestants["raw"].turns[0].tokens
            share = raw / contestants["ours"].median("seconds")
            print(
                f"\nraw forward: {tokens} tokens, {tokens / raw:.0f} a second; `evaluate` reaches {share:.0%} of it."
            )


if __name__ == "__main__":
    main()
