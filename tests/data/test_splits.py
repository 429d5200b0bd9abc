"""A split file says what it always said, byte for byte, and its pairs are of one type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from featurenerf.data.splits import Pair, Split, read_split, write_split
from featurenerf.errors import InputError

SPLIT = Split(
    ("a", "b"),
    ("c",),
    ("d", "e"),
    (Pair("d", 7, "e", 7), Pair("e", 0, "d", 0)),
    (Pair("d", 3, "d", 1),),
    (Pair("e", 2, "d", 5),),
    {"d": True, "e": False},
)
BYTES = (
    b'{"train": ["a", "b"], "val": ["c"], "test": ["d", "e"], '
    b'"cross_inst_pairs": [{"src": "d", "trg": "e", "view": 7}, {"src": "e", "trg": "d", "view": 0}], '
    b'"cross_view_pairs": [{"model_id": "d", "src_view": 3, "trg_view": 1}], '
    b'"cross_pose_pairs": [{"src": "e", "trg": "d", "src_view": 2, "trg_view": 5}], '
    b'"valid_flags_for_test": {"d": true, "e": false}}'
)


def test_the_bytes_of_a_split_file(tmp_path: Path) -> None:
    write_split(tmp_path / "new" / "split.json", SPLIT)
    assert (tmp_path / "new" / "split.json").read_bytes() == BYTES
    found = read_split(tmp_path / "new" / "split.json")
    assert found == SPLIT
    assert found.origin == str(tmp_path / "new" / "split.json")


def test_an_official_file_has_neither_pose_pairs_nor_to_have_flags(tmp_path: Path) -> None:
    path = tmp_path / "split.json"
    path.write_text('{"train": [], "val": [], "test": ["d"], "cross_view_pairs": []}')
    assert read_split(path) == Split((), (), ("d",), valid_flags_for_test={})
    write_split(path, read_split(path))
    assert json.loads(path.read_text())["valid_flags_for_test"] == {"d": True}


@pytest.mark.parametrize(
    ("record", "pair"),
    [
        ({"src": "a", "trg": "b", "view": 4}, Pair("a", 4, "b", 4)),
        ({"model_id": "a", "src_view": 1, "trg_view": 2}, Pair("a", 1, "a", 2)),
        ({"src": "a", "trg": "b", "src_view": 1, "trg_view": 2}, Pair("a", 1, "b", 2)),
    ],
)
def test_the_forms_of_a_pair(record: dict[str, Any], pair: Pair) -> None:
    assert Pair.from_record(record) == pair
    assert pair.record() == record
    assert pair.also == ()


def test_further_source_views_of_a_pair() -> None:
    record = {"model_id": "a", "src_view": 1, "trg_view": 2, "also": [3, 0]}
    assert Pair.from_record(record) == Pair("a", 1, "a", 2, (3, 0))
    assert Pair("a", 1, "a", 2, (3, 0)).record() == record


@pytest.mark.parametrize(
    "record",
    [{}, 3, {"src": "a", "view": 4}, {"src": "a", "trg": "b", "src_view": 1},
     {"src": "a", "trg": "b", "view": "left"}],
)  # fmt: skip
def test_what_is_no_pair_is_said(record: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no pair: it needs src, trg and view; or model_id, src_view and trg_view"):
        Pair.from_record(record)
    path = tmp_path / "split.json"
    path.write_text(json.dumps({"train": [], "val": [], "test": [], "cross_inst_pairs": [record]}))
    with pytest.raises(InputError, match=r"split\.json is not a split file \(.* is no pair"):
        read_split(path)


def test_a_split_of_some_objects_only() -> None:
    assert SPLIT.only({"a", "d", "e", "z"}) == Split(
        ("a",), (), ("d", "e"), SPLIT.cross_inst_pairs, SPLIT.cross_view_pairs, SPLIT.cross_pose_pairs,
        {"d": True, "e": False},
    )  # fmt: skip
    assert SPLIT.only({"b", "e"}) == Split(("b",), (), ("e",), valid_flags_for_test={"e": False})
    assert SPLIT.only({"d"}).cross_view_pairs == (Pair("d", 3, "d", 1),)
