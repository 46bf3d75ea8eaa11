"""Hostile submissions: each is refused with its reason, or goes through harmlessly and is stored as it is.

What passes the checks is scored by `tests/clear_pipeline/test_hostile_scoring.py`, in the process that is cut off.
"""

import json
import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from leaderboard_app.intake.submission import FIELDS, SAID, clean_fields
from leaderboard_app.store.store import DuplicateSubmission
from tests.leaderboard_app.submitted import Attempt, header_bytes, unlearned

Make = Callable[[Attempt], object]
PASSES = ""
WEIGHTS, ADAPTER = "model.safetensors", "adapter_model.safetensors"
INDEX = "model.safetensors.index.json"


class Bomb:
    def __reduce__(self):
        return print, ("this runs when it is loaded",)


class Giant(bytes):
    """Claims to be huge, as the Hub's file list would."""

    def __len__(self):
        return 10**13


def files(**named: bytes) -> Make:
    return lambda attempt: attempt.files.update({name.replace("__", "."): content for name, content in named.items()})


def file(name: str, content: bytes) -> Make:
    return lambda attempt: attempt.files.update({name: content})


def edit(name: str, **changes) -> Make:
    return lambda attempt: attempt.edit(name, **changes)


def say(**changes) -> Make:
    return lambda attempt: attempt.said.update(changes)


def adapter(**settings) -> Make:
    return lambda attempt: attempt.make_adapter(**settings)


def pickle_alone(attempt: Attempt) -> None:
    del attempt.files[WEIGHTS]
    attempt.files["pytorch_model.bin"] = pickle.dumps(Bomb())


def index_outside(attempt: Attempt) -> None:
    attempt.files[INDEX] = json.dumps({"weight_map": {"a": "../../../etc/passwd"}}).encode()


def index_elsewhere(attempt: Attempt) -> None:
    attempt.files[INDEX] = json.dumps({"weight_map": {"a": "https://evil.example/model.safetensors"}}).encode()


def index_of_texts(attempt: Attempt) -> None:
    attempt.files[INDEX] = b'{"weight_map": {"a": ["model.safetensors"]}}'


def header(content, data=b"", length=None) -> Make:
    return file(WEIGHTS, header_bytes(content, data, length))


def reshaped(attempt: Attempt) -> None:
    weights = unlearned(attempt.folder)
    name = next(name for name in weights if name.endswith("q_proj.weight"))
    weights[name] = np.zeros((64, 128), np.float32)
    attempt.files[WEIGHTS] = save(weights)


def one_missing(attempt: Attempt) -> None:
    weights = unlearned(attempt.folder)
    weights.popitem()
    attempt.files[WEIGHTS] = save(weights)


def output_saved_too(attempt: Attempt, rows: int | None = None) -> None:
    """The original ties its output layer to the embedding, and this file has both."""
    weights = unlearned(attempt.folder)
    embedding = next(weight for name, weight in weights.items() if name.endswith("embed_tokens.weight"))
    attempt.files[WEIGHTS] = save({**weights, "lm_head.weight": embedding[:rows].copy()})


def of_integers(attempt: Attempt) -> None:
    attempt.files[WEIGHTS] = save({name: w.astype(np.int32) for name, w in unlearned(attempt.folder).items()})


def other_tokens(attempt: Attempt) -> None:
    content = json.loads(attempt.files["tokenizer.json"])
    vocabulary = content["model"]["vocab"]
    one, other = list(vocabulary)[10:12]
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    attempt.files["tokenizer.json"] = json.dumps(content).encode()


def many_files(attempt: Attempt) -> None:
    attempt.files.update({f"logs/{i}.txt": b"x" for i in range(600)})


def private(attempt: Attempt) -> None:
    attempt.publish()
    attempt.hub.repo("model", attempt.repo_id).private = True


def gated(attempt: Attempt) -> None:
    attempt.publish()
    attempt.hub.repo("model", attempt.repo_id).gated = True


def original_itself(attempt: Attempt) -> None:
    attempt.files[WEIGHTS] = (attempt.folder / WEIGHTS).read_bytes()


def other_rank(attempt: Attempt) -> None:
    attempt.make_adapter()
    shape = {"dtype": "F32", "shape": [4, 999], "data_offsets": [0, 4 * 999 * 4]}
    name = "base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight"
    attempt.files[ADAPTER] = header_bytes({name: shape}, bytes(4 * 999 * 4))


PAIR = "base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_{}.weight"


def half_a_pair(attempt: Attempt) -> None:
    attempt.make_adapter()
    attempt.files[ADAPTER] = save({PAIR.format("A"): np.zeros((2, 128), np.float32)})


def two_ranks(attempt: Attempt) -> None:
    attempt.make_adapter()
    sides = {PAIR.format("A"): np.zeros((2, 128), np.float32), PAIR.format("B"): np.zeros((128, 4), np.float32)}
    attempt.files[ADAPTER] = save(sides)


def strange_modules(attempt: Attempt) -> None:
    attempt.make_adapter()
    attempt.files[ADAPTER] = save(
        {"base_model.model.transformer.h.0.attn.lora_A.weight": np.zeros((2, 8), np.float32)}
    )


SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
TEMPLATE = b"{{ cycler.__init__.__globals__.os.system('touch /tmp/owned') }}"
BIDI = "\u202etxt.exe\u202c \u2066safe\u2069 \u200f\u0000\x1b[31mred"
CASES: dict[str, tuple[Make, str]] = {
    # weights that run code, or are no weights
    "pickle instead of safetensors": (pickle_alone, "may run code when it is loaded"),
    "pickle beside safetensors": (file("pytorch_model.bin", pickle.dumps(Bomb())), "may run code"),
    "pickled training arguments": (file("training_args.bin", pickle.dumps(Bomb())), "may run code"),
    "pickle named safetensors": (
        file(WEIGHTS, pickle.dumps(Bomb(), 4)),
        "model.safetensors: this is not a safetensors file",
    ),
    "checkpoint in a folder": (file("checkpoint-1/optimizer.pt", b"x"), "may run code"),
    "keras archive": (file("model.keras", b"PK"), "may run code"),
    "compiled library": (file("kernel.so", b"\x7fELF"), "is code"),
    "second weights beside": (file("evil.safetensors", save({"a": np.ones(2, np.float32)})), "is not a part of"),
    # remote code
    "code in the repository": (file("modeling_llava.py", b"import os"), "is code"),
    "auto_map in config.json": (edit("config.json", auto_map={"AutoModel": "m.M"}), "asks for remote code"),
    "auto_map of another repository": (
        edit("config.json", auto_map={"AutoModel": "evil/repo--m.M"}),
        "config.json asks for remote code",
    ),
    "auto_map in a part of config.json": (
        edit("config.json", text_config={"model_type": "llama", "auto_map": {"AutoConfig": "m.C"}}),
        "asks for remote code",
    ),
    "auto_map in the tokenizer": (
        edit("tokenizer_config.json", auto_map={"AutoTokenizer": ["m.T", None]}),
        "tokenizer_config.json asks for remote code",
    ),
    "auto_map in a folder": (
        file("checkpoint-1/config.json", b'{"auto_map": {"AutoModel": "m.M"}}'),
        "asks for remote",
    ),
    "auto_map in upper case": (file("old/CONFIG.JSON", b'{"auto_map": {"AutoModel": "m.M"}}'), "asks for remote"),
    "auto_map in the processor": (edit("processor_config.json", auto_map={"AutoProcessor": "m.P"}), "asks for remote"),
    # places outside
    "index pointing outside": (index_outside, "points at '../../../etc/passwd'"),
    "index pointing to another site": (index_elsewhere, "is not a weight file of the repository"),
    "index that is none": (index_of_texts, "has no weight_map"),
    "config pointing outside": (edit("config.json", _name_or_path="/etc/passwd", vision_tower="../.."), PASSES),
    "path traversal in a file name": (file("../../.ssh/authorized_keys", b"ssh-rsa"), "odd file name"),
    "absolute file name": (file("/etc/cron.d/job", b"* * * * *"), "odd file name"),
    "file name with control characters": (file("a\n\x1b[2Jb.txt", b"x"), "odd file name"),
    "file name turned around": (file("model\u202esrotnesetfas.txt", b"x"), "odd file name"),
    "hidden folder of dots": (file("a/.../b", b"x"), "odd file name"),
    "symbolic link as weights": (file(WEIGHTS, b"/etc/passwd"), "model.safetensors: this is not a safetensors file"),
    "symbolic link as config": (file("config.json", b"../../../etc/passwd"), "config.json is not valid JSON"),
    # bombs
    "header of an exabyte": (header({"a": 1}, b"", 2**60), "this is not a safetensors file"),
    "header longer than the file": (header({"a": 1}, b"", 10**6), "truncated"),
    "nested header": (header(b'{"a":' + b"[" * 200_000), "nested too deeply"),
    "overlapping tensors": (
        header(
            {
                "a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
                "b": {"dtype": "F32", "shape": [4], "data_offsets": [8, 24]},
            },
            bytes(24),
        ),
        "overlaps another",
    ),
    "absurd shape": (header({"a": {"dtype": "F32", "shape": [2**50, 2**50], "data_offsets": [0, 4]}}), "absurd shape"),
    "truncated safetensors": (
        lambda attempt: attempt.files.update({WEIGHTS: attempt.files[WEIGHTS][:-1000]}),
        "truncated",
    ),
    "giant repository": (file("notes.txt", Giant(b"x")), "at most"),
    "very many files": (many_files, "more than 500 files"),
    "huge config.json": (file("config.json", b'{"a": "' + b"x" * 2_000_000 + b'"}'), "config.json has"),
    "nested config.json": (file("config.json", b'{"a":' + b"[" * 100_000), "config.json is not valid JSON"),
    "huge card": (file("README.md", b"---\nlicense: apache-2.0\n---\n" + b"x" * 2_000_000), "the card has"),
    # another model
    "another architecture": (
        edit("config.json", model_type="bert", architectures=["BertModel"]),
        "model_type is 'bert'",
    ),
    "another size": (reshaped, "another base"),
    "a tensor missing": (one_missing, "1 tensors of the original are missing"),
    "tied embedding saved twice": (output_saved_too, PASSES),
    "tied embedding and another output": (lambda a: output_saved_too(a, 3), "1 tensors are not the original's"),
    "whole numbers as weights": (of_integers, "weights of type I32"),
    "quantised": (edit("config.json", quantization_config={"bits": 4}), "quantised weights"),
    "wrong vocabulary size": (
        edit("config.json", text_config={"model_type": "llama", "vocab_size": 7}),
        "vocab_size is '7'",
    ),
    "tokenizer with other ids": (other_tokens, "its token ids are not those of"),
    "the original itself": (original_itself, "nothing was unlearned"),
    "chat template with code": (file("chat_template.jinja", TEMPLATE), PASSES),
    "generation settings that cut answers": (edit("generation_config.json", max_new_tokens=1), PASSES),
    "processor that greys pictures": (edit("processor_config.json", image_processor={"do_rescale": False}), PASSES),
    # adapters
    "adapter on another base": (adapter(base_model_name_or_path="evil/other"), "the original is 'ORG/original'"),
    "adapter on a folder": (adapter(base_model_name_or_path="/etc"), "the original is 'ORG/original'"),
    "adapter on another commit": (adapter(revision="0" * 40), "revision is"),
    "adapter that is not a LoRA": (adapter(peft_type="PROMPT_TUNING"), "only LORA can be compared"),
    "adapter that imports a module": (adapter(megatron_config={}, megatron_core="os"), "megatron_config is"),
    "adapter that repeats layers": (adapter(layer_replication=[[0, 2], [0, 2]]), "layer_replication"),
    "adapter with whole modules": (adapter(modules_to_save=["lm_head"]), "modules_to_save"),
    "adapter whose modules are an endless pattern": (adapter(target_modules="(a+)+$" + ".*" * 500), PASSES),
    "adapter whose modules are all": (adapter(target_modules="all-linear"), PASSES),
    "adapter whose ranks are a pattern": (adapter(rank_pattern={"(a|a)*$": 10**6}), PASSES),
    "adapter whose scales are a pattern": (
        adapter(alpha_pattern={"(a|a)*b": 4}),
        "give names of modules, no patterns",
    ),
    "adapter whose scales have an anchor": (adapter(alpha_pattern={"^model.*": 4}), "no patterns"),
    "adapter whose scales are a list": (adapter(alpha_pattern=["q_proj"]), "alpha_pattern must give numbers"),
    "adapter of many scales": (adapter(alpha_pattern={f"m{i}": 1 for i in range(3000)}), "at most 2000 module names"),
    "adapter of a huge rank": (adapter(r=10**6), "r is '1000000'; it must be a whole number from 1 to 1024"),
    "adapter of no rank": (adapter(r=0), "r is '0'"),
    "adapter of half a rank": (adapter(r=2.5), "r is '2.5'"),
    "adapter whose rank is a truth": (adapter(r=True), "r is 'True'"),
    "adapter whose scale is a letter": (adapter(lora_alpha="x"), "alpha of lora_alpha is 'x'"),
    "adapter whose scale is NaN": (adapter(lora_alpha=float("nan")), "alpha of lora_alpha is 'nan'"),
    "adapter whose scale is endless": (adapter(alpha_pattern={"q_proj": 1e300}), "alpha of q_proj is '1e+300'"),
    "adapter that turns weights around": (adapter(fan_in_fan_out=True), "fan_in_fan_out is"),
    "adapter with an unknown setting": (adapter(hooks={"forward": "os.system"}), "unknown setting 'hooks'"),
    "adapter with an unknown setting that is off": (adapter(hooks=None), PASSES),
    "adapter with half a pair": (half_a_pair, "has no pair of matrices of one rank"),
    "adapter with two ranks in a pair": (two_ranks, "has no pair of matrices of one rank"),
    "adapter of other shapes": (other_rank, "an adapter on another base?"),
    "adapter on unknown modules": (strange_modules, "is not a LoRA matrix"),
    "adapter called a full model": (lambda a: (a.make_adapter(), a.said.update(kind="full")), "holds an adapter"),
    # who, which and how often
    "forged user": (lambda attempt: setattr(attempt, "repo_id", "stranger/npo"), "keeper is not a member of stranger"),
    "user said in a field": (say(user="ORG"), "user: unknown field"),
    "private repository": (private, "not on the Hub, or private"),
    "gated repository": (gated, "is gated"),
    "no such repository": (say(repo_id="keeper/nothing"), "is not on the Hub"),
    "no such commit": (say(revision="f" * 40), "has no such revision"),
    "repository that is a path": (say(repo_id="../../etc/passwd"), "repo_id: must be NAMESPACE/NAME"),
    "revision that is a path": (say(revision="../../main"), "revision: must be a commit"),
    "no card": (lambda attempt: attempt.files.pop("README.md"), "has no card"),
    "no licence": (file("README.md", b"# Model\n" + b"text " * 60), "names no licence"),
    "another licence": (say(licence="mit"), "the card says 'apache-2.0'"),
    # what is said
    "acts at inference": (say(acts_at_inference=True), "method: acts when the model is asked"),
    "known to act at inference": (say(method="ECO prompt corruption"), "method: acts when the model is asked"),
    "method called gold": (say(method="Gold"), "method: must not be one of"),
    "method called gold in a disguise": (say(method="_g-o-l-d_2"), "method: must not be one of"),
    "method called original": (say(method="original"), "method: must not be one of"),
    "a distance below zero": (say(self_reported={"forget_quality_statistic": -1e6}), "is -1e+06; it is 0 to 1"),
    "a utility above one": (say(self_reported={"model_utility": 2.0}), "model_utility is 2; it is 0 to 1"),
    "fewer than no people": (say(self_reported={"still_known": -5}), "still_known is -5; it is never below 0"),
    "no statement": (say(statement="yes"), "statement: must be agreed to"),
    "unknown base": (say(base_model="'; DROP TABLE submissions; --"), "base_model: unknown"),
    "unknown forget set": (say(forget="forget99"), "forget: choose from"),
    "script as address": (say(paper="javascript:alert(1)"), "paper: must be an address"),
    "file as address": (say(paper="file:///etc/passwd"), "paper: must be an address"),
    "HTML in every text": (say(method=SCRIPT, data_used=SCRIPT, contact=SCRIPT), PASSES),
    "Markdown in every text": (say(method="[x](javascript:alert(1))", data_used="![](http://e.example)"), PASSES),
    "SQL in every text": (say(method="'; DROP TABLE submissions; --", contact="' OR 1=1 --"), PASSES),
    "emoji and bidirectional text": (say(method=f"\U0001f9e0{BIDI}", contact=BIDI), PASSES),
    "huge field": (say(contact="x" * 10_000_000), "contact: has 10000000 characters"),
    "a list as a field": (say(method=["npo"]), "method: must be a text"),
    "hours that are NaN": (say(gpu_hours="nan"), "gpu_hours: must be hours"),
    "endless hours": (say(gpu_hours="1e400"), "gpu_hours: must be hours"),
    "seeds that are code": (say(seeds="__import__('os')"), "seeds: must be up to 20 whole numbers"),
    "unknown number": (say(self_reported={"<b>": 1.0}), "self_reported: unknown number"),
    "a number that is none": (say(self_reported={"retain": float("nan")}), "self_reported: retain must be"),
}


@pytest.mark.parametrize("name", CASES)
def test_hostile_submission_gets_its_answer(name, attempt, store):
    make, reason = CASES[name]
    make(attempt)
    checked = attempt.check()
    if reason == PASSES:
        assert checked.problems == ()
        number = store.submit(checked.submission)
        assert store.submission(number) == checked.submission
    else:
        assert checked.submission is None
        assert any(reason in problem for problem in checked.problems), checked.problems
    assert all("\n" not in problem and len(problem) < 700 for problem in checked.problems)


def test_good_submissions_pass(attempt):
    assert attempt.check().problems == ()
    attempt.said.pop("revision")
    attempt.make_adapter()
    assert attempt.check().problems == ()


def test_a_tag_that_moves_changes_nothing(attempt, store):
    commit = attempt.publish()
    repo = attempt.hub.repo("model", attempt.repo_id)
    repo.tags["v1"] = commit
    attempt.said["revision"] = "v1"
    submission = attempt.check(publish=False).submission
    repo.tags["v1"] = repo.commit("other weights", {"README.md": b"x"}).oid
    assert submission.commit == commit
    assert store.submission(store.submit(submission)).commit == commit


def test_replay_is_refused_and_so_is_a_hidden_model_elsewhere(attempt, store):
    number = store.submit(attempt.check().submission)
    with pytest.raises(DuplicateSubmission, match="this commit"):
        store.submit(attempt.check().submission)
    attempt.said.pop("revision")
    attempt.said["repo_id"] = attempt.repo_id = "ORG/renamed"
    store.hide(number, "keeper", "the gold model")
    with pytest.raises(DuplicateSubmission, match="the same weights is submission 1 already, and hidden by a keeper"):
        store.submit(attempt.check().submission)


def test_texts_lose_what_cannot_be_seen(attempt):
    attempt.said.update(method=f"np{BIDI}o", data_used="two\r\nlines\tand\u2028more")
    submission = attempt.check().submission
    assert submission.method == "nptxt.exe safe [31mredo"
    assert submission.data_used == "two lines and more"


values = st.one_of(
    st.text(max_size=400), st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=9),
    st.lists(st.text(max_size=3), max_size=2), st.dictionaries(st.text(max_size=9), st.floats(), max_size=3),
)  # fmt: skip
names = st.sampled_from(SAID) | st.text(max_size=20)


@settings(max_examples=150)
@given(st.dictionaries(names, values, max_size=18))
def test_fuzzed_fields_are_clean_or_named(said):
    clean, problems = clean_fields(said)
    assert clean.keys() | {problem.split(":")[0] for problem in problems} >= {
        name for name, field in FIELDS.items() if field.asked
    }
    for name, value in clean.items():
        if isinstance(value, str):
            assert len(value) <= FIELDS[name].limit
            assert value.isprintable()
    json.dumps([clean, problems], allow_nan=False).encode()
