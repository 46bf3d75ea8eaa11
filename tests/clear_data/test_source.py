"""Sources in the Arrow types of other programs have the same rows."""

import shutil

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clear_data.building.pictures import Pictures
from clear_data.source import SourceRows, open_config
from clear_dataset import build, main

WIDE = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
VIEWS = {pa.string(): pa.string_view(), pa.binary(): pa.binary_view()}
ENCODED = {pa.string(): pa.dictionary(pa.int32(), pa.string()), pa.binary(): pa.binary()}
CONFIGS = ("forget10_perturbed", "full+tofu", "real_world")


def other_type(kind: pa.DataType, types: dict, nested: bool = False) -> pa.DataType:
    """The type that another program writes; within lists and structs nothing is encoded."""
    inner = WIDE if types is ENCODED else types
    if pa.types.is_list(kind):
        return pa.large_list(other_type(kind.value_type, inner, nested=True))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(one.name, other_type(one.type, inner, nested=True)) for one in kind])
    return types.get(kind, kind)


def bytes_of(table: pa.Table) -> pa.Table:
    """The pictures as a column of bytes."""
    place = table.column_names.index("image")
    column = pa.chunked_array([chunk.field("bytes") for chunk in table.column("image").chunks])
    return table.set_column(place, "image", column)


@pytest.mark.parametrize("case", ["large", "view", "encoded", "bytes"])
def test_parquet_of_other_programs_is_read_as_our_own(tiny, tmp_path, case, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "clear"
    shutil.copytree(tiny, folder)
    types = {"large": WIDE, "view": VIEWS, "encoded": ENCODED, "bytes": {}}[case]
    for file in folder.glob("*/*.parquet"):
        table = pq.read_table(file).replace_schema_metadata(None)
        table = bytes_of(table) if case == "bytes" else table
        schema = pa.schema([pa.field(one.name, other_type(one.type, types)) for one in table.schema])
        pq.write_table(table.cast(schema), file)
    for config in CONFIGS:
        ours, theirs = SourceRows(tiny, config), SourceRows(folder, config)
        assert theirs.features == ours.features
        assert list(Pictures().describe(theirs)) == list(Pictures().describe(ours))
        assert open_config(folder, config).features == open_config(tiny, config).features
    assert main(["check", str(folder)]) == 0
    again = build(str(folder), tmp_path / "again")
    assert (again / "dataset_meta.json").is_file()
