"""Headers of safetensors files that are read with distrust: what is refused, and that nothing else is."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from leaderboard_app.intake.safetensors_header import HEADER_LIMIT, Tensor, parameters, parse_header
from tests.leaderboard_app.submitted import header_bytes


def entry(shape=(2, 2), offsets=(0, 16), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_header_of_a_real_file_is_read():
    file = save({"a": np.zeros((2, 3), np.float32), "b": np.ones(4, np.float16)}, {"format": "pt"})
    tensors = parse_header(file, len(file))
    assert {name: (t.dtype, t.shape) for name, t in tensors.items()} == {"a": ("F32", (2, 3)), "b": ("F16", (4,))}
    assert parameters(tensors) == 10
    assert parse_header(file[: 8 + int.from_bytes(file[:8], "little")], len(file)) == tensors  # no weights needed


def test_a_scalar_and_an_empty_tensor_are_possible():
    file = save({"s": np.array(1, np.float32), "e": np.zeros((0, 3), np.float32)})
    assert parse_header(file, len(file))["s"] == Tensor("F32", (), 0, 4)


DATA = bytes(16)
BROKEN = {
    "empty file": (b"", "too short"),
    "length alone": (struct.pack("<Q", 0), "truncated"),
    "pickle": (b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}." + DATA, "header of"),
    "header longer than the file": (header_bytes({"a": entry()}, DATA, length=5000), "truncated"),
    "header of an exabyte": (header_bytes({"a": entry()}, DATA, length=2**60), "not a safetensors file"),
    "header above our limit": (header_bytes({"a": entry()}, DATA, length=HEADER_LIMIT + 1), "at most"),
    "no JSON": (header_bytes(b"{" * 40, DATA), "not valid JSON"),
    "no UTF-8": (header_bytes(b'{"\xff\xfe": 1}', DATA), "not valid JSON"),
    "a list": (header_bytes([1, 2]), "not a JSON object"),
    "nested without end": (header_bytes(b'{"a":' + b"[" * 100_000), "nested too deeply"),
    "no tensor": (header_bytes({"__metadata__": {"format": "pt"}}), "0 tensors"),
    "the same name twice": (
        header_bytes(b'{"a":' + json.dumps(entry()).encode() + b',"a":' + json.dumps(entry()).encode() + b"}", DATA),
        "stands twice",
    ),
    "metadata that are no texts": (header_bytes({"__metadata__": {"a": [1]}, "a": entry()}, DATA), "metadata"),
    "metadata that are NaN": (header_bytes(b'{"__metadata__": NaN}', DATA), "not a number of JSON"),
    "unknown dtype": (header_bytes({"a": entry(dtype="OBJECT")}, DATA), "unknown dtype"),
    "negative shape": (header_bytes({"a": entry(shape=(-2, -2))}, DATA), "absurd shape"),
    "shape with a truth value": (header_bytes({"a": entry(shape=(True, 4))}, DATA), "absurd shape"),
    "absurd shape": (header_bytes({"a": entry(shape=(2**40, 2**40))}, DATA), "absurd shape"),
    "too many dimensions": (header_bytes({"a": entry(shape=[1] * 64)}, DATA), "absurd shape"),
    "shape and bytes differ": (header_bytes({"a": entry(shape=(3, 3))}, DATA), "bytes for a shape of"),
    "offsets backwards": (header_bytes({"a": entry(offsets=(16, 0))}, DATA), "absurd offsets"),
    "overlapping": (
        header_bytes({"a": entry(), "b": entry(offsets=(8, 24))}, bytes(24)),
        "overlaps another",
    ),
    "a hole": (header_bytes({"a": entry(), "b": entry(offsets=(32, 48))}, bytes(48)), "leaves a hole"),
    "truncated": (header_bytes({"a": entry()}, DATA[:10]), "truncated"),
    "appendix": (header_bytes({"a": entry()}, DATA + b"#!/bin/sh"), "appendix"),
    "name with control characters": (header_bytes({"a\x1b[2J": entry()}, DATA), "printable"),
    "missing offsets": (header_bytes({"a": {"dtype": "F32", "shape": [2, 2]}}, DATA), "needs dtype"),
    "too many tensors": (
        header_bytes({f"t{i}": entry((0,), (0, 0)) for i in range(20_001)}),
        "20001 tensors",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_header_is_refused_with_its_reason(what):
    file, reason = BROKEN[what]
    with pytest.raises(ValueError, match=reason):
        parse_header(file, len(file))


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_file_is_refused_or_read_but_never_crashes(data):
    file = bytearray(save({"a": np.zeros((2, 3), np.float32), "b": np.ones(4, np.float16)}))
    for _ in range(data.draw(st.integers(1, 6))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(file)))
    try:
        tensors = parse_header(bytes(file[:cut]), cut)
    except ValueError:
        return
    assert sum(tensor.end - tensor.begin for tensor in tensors.values()) <= cut
