"""Public functions with what people give them: it works as the tensor would, or a sentence says what is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import featurenerf
from analytic_field import ellipsoid
from featurenerf import Camera, InputError, match, transfer_keypoints, transfer_parts
from small_fast_model import small_fast_model
from unchecked import types_unchecked

SMALL = Camera.look_at(30, 20, 8, 8)
FIELD = ellipsoid(SMALL.reshape(1))
MARKS = [[4.0, 4.0], [3.5, 4.5]]
SPACE = [[0.1, 0.0, 0.0], [-0.3, 0.0, 0.0]]


def kinds(values: list[list[float]]) -> dict[str, Any]:
    """The same numbers in the forms that people have them in."""
    return {
        "list": values,
        "tuple": tuple(map(tuple, values)),
        "float64": torch.tensor(values, dtype=torch.float64),
        "NumPy": np.array(values),
        "NumPy float32": np.array(values, np.float32),
        "NumPy big-endian": np.array(values, ">f8"),
        "NumPy reversed": np.array(values[::-1])[::-1],
        "list of arrays": [np.array(row) for row in values],
        "list of tensors": [torch.tensor(row) for row in values],
        "requires a gradient": torch.tensor(values, requires_grad=True),
        "list of tensors that require one": [torch.tensor(row, requires_grad=True) for row in values],
    }


def wrong(length: int) -> dict[str, Any]:
    """What is no table of so many numbers."""
    return {
        "no axis": 0.0,
        "too long": [[0.1] * (length + 3)],
        "three axes": np.zeros((2, 2, length)),
        "ragged": [[0.1] * length, [0.1]],
        "a name": "points",
        "None": None,
        "objects": np.array([[None] * length]),
        "complex": torch.zeros(2, length, dtype=torch.complex64),
        "NumPy complex": np.zeros((2, length), complex),
        "no values": torch.zeros(2, length, device="meta"),
        "sparse": torch.eye(length).to_sparse(),
        "NaN": [[math.nan] * length],
        "infinite": np.full((1, length), math.inf),
    }


CALLS: dict[str, tuple[list[list[float]], Callable[[Any], Any]]] = {
    "match, queries": (SPACE, lambda given: match(given, torch.eye(3))),
    "match, candidates": (SPACE, lambda given: match(torch.eye(3), given)),
    "keypoints": (MARKS, lambda given: transfer_keypoints(FIELD, FIELD, given)),
    "keypoints in space": (SPACE, lambda given: transfer_keypoints(FIELD, FIELD, given, candidates=torch.eye(3) / 4)),
    "candidates": (SPACE, lambda given: transfer_keypoints(FIELD, FIELD, torch.eye(3) / 4, candidates=given)),
    "source points": (SPACE, lambda x: transfer_parts(FIELD, FIELD, [1, 2], source_points=x, target_points=SPACE)),
    "target points": (SPACE, lambda x: transfer_parts(FIELD, FIELD, [1, 2], source_points=SPACE, target_points=x)),
}


@pytest.mark.parametrize("name", CALLS)
def test_tables_of_any_kind_are_those_tables(name: str) -> None:
    values, call = CALLS[name]
    wanted = call(torch.tensor(values))
    for kind, given in kinds(values).items():
        with types_unchecked():
            found = call(given)
        pairs = zip(found, wanted, strict=True) if isinstance(wanted, tuple) else [(found, wanted)]
        for one, other in pairs:
            torch.testing.assert_close(one.float(), other.float(), msg=kind)
    assert call(torch.tensor(values, dtype=torch.float16)) is not None
    assert call(np.array(values, np.uint16).clip(1)) is not None


@pytest.mark.parametrize("name", CALLS)
def test_tables_that_are_none_are_said(name: str) -> None:
    values, call = CALLS[name]
    for kind, given in wrong(len(values[0])).items():
        if kind == "None" and name in ("candidates", "source points", "target points"):
            continue  # which leaves it out
        with types_unchecked():
            try:
                call(given)
            except InputError:
                continue
        pytest.fail(f"{kind} was taken")


def test_nothing_is_carried_to_nowhere() -> None:
    assert [found.shape for found in match(torch.zeros(0, 3), torch.eye(3))] == [(0,), (0,)]
    assert [found.shape for found in transfer_keypoints(FIELD, FIELD, np.zeros((0, 2)))] == [(0, 2), (0,)]
    none = transfer_keypoints(FIELD, FIELD, torch.zeros(0, 3), candidates=SPACE)
    assert [found.shape for found in none] == [(0, 3), (0,)]
    assert transfer_parts(FIELD, FIELD, [1, 2], source_points=SPACE, target_points=np.zeros((0, 3))).shape == (0,)
    with pytest.raises(InputError, match="no candidate"):
        transfer_keypoints(FIELD, FIELD, SPACE, candidates=torch.zeros(0, 3))
    with pytest.raises(InputError, match="no candidate"):
        transfer_parts(FIELD, FIELD, torch.zeros(0, dtype=torch.int64), source_points=np.zeros((0, 3)),
                       target_points=SPACE)  # fmt: skip


def test_labels_of_any_kind_are_those_labels() -> None:
    labels = np.ones((8, 8), np.int64)
    wanted = transfer_parts(FIELD, FIELD, torch.from_numpy(labels))
    assert wanted.sum() > 0
    for given in (labels.tolist(), labels.astype(np.uint8), labels.astype(">i4"), labels.astype(np.uint16), labels > 0):
        with types_unchecked():
            assert torch.equal(transfer_parts(FIELD, FIELD, given), wanted)
    odd = (labels.astype(float), labels[:4], np.zeros((8, 8), int), "labels", None, torch.ones(8, 8).to_sparse(),
           torch.ones(8, 8, dtype=torch.int64, device="meta"), labels.astype(complex))  # fmt: skip
    for given in odd:
        with types_unchecked(), pytest.raises(InputError):
            transfer_parts(FIELD, FIELD, given)
    for mask in (np.ones((4, 4)), "mask", np.ones((8, 8), complex), torch.ones(8, 8, device="meta")):
        with types_unchecked(), pytest.raises(InputError):
            transfer_parts(FIELD, FIELD, labels, target_mask=mask)


def test_a_batch_of_one_camera_is_one_and_several_are_refused() -> None:
    wanted, _ = transfer_keypoints(FIELD, FIELD, MARKS, SMALL, SMALL)
    batch = SMALL.reshape(1)
    assert torch.equal(transfer_keypoints(FIELD, FIELD, MARKS, batch, batch)[0], wanted)
    labels = torch.ones(8, 8, dtype=torch.int64)
    assert transfer_parts(FIELD, FIELD, labels, batch, SMALL.reshape(1, 1)).shape == (8, 8)
    several = Camera.look_at([0.0, 90.0], 20, 8, 8)
    for call in (
        lambda: transfer_keypoints(FIELD, FIELD, MARKS, several),
        lambda: transfer_keypoints(FIELD, FIELD, MARKS, None, several),
        lambda: transfer_parts(FIELD, FIELD, labels, several),
    ):
        with pytest.raises(InputError, match=r"one picture, and there are cameras \(2,\): give one"):
            call()


# ---------------------------------------------------------------------- load, save


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_weights_have_a_type_that_weights_can_have(tmp_path: Path, dtype: torch.dtype) -> None:
    model = small_fast_model()
    with pytest.raises(InputError, match="weights cannot be torch"):
        featurenerf.save(model, tmp_path / "there", dtype=dtype)
    assert not (tmp_path / "there").exists()
    with pytest.raises(InputError, match="weights cannot be torch"):
        featurenerf.load(dtype=dtype)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("long" * 100)):
        with pytest.raises(InputError, match=r"cannot be written \(.+\): give another folder"):
            featurenerf.save(small_fast_model(), place)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["", "x" * 5000, "a\0b", "/dev/null", "~", "no/such/place"])
def test_names_of_no_checkpoint_are_said(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="checkpoint"):
        featurenerf.load(name)


def test_pictures_and_cameras_that_are_none_are_said() -> None:
    model = small_fast_model()
    with types_unchecked():
        for picture in (torch.rand(3, 5, 5).to_sparse(), torch.zeros(3, 5, 5, device="meta")):
            with pytest.raises(InputError, match="a picture tensor must be"):
                model.encode(picture)
        for camera in (np.eye(4), [np.eye(4)], "canonical", [None]):
            with pytest.raises(InputError, match=r"a camera is a featurenerf.Camera, not .*: a pose becomes one by"):
                model.encode(np.zeros((8, 8, 3)), camera)
        for size in (0, -1, 10**6, 64.0):
            with pytest.raises(InputError, match="prepared picture"):
                featurenerf.prepare(np.zeros((40, 40, 4), np.uint8), size=size)
        for outline in (0.0, -1.0, math.nan, math.inf):
            with pytest.raises(InputError, match="outline is a length in sides"):
                featurenerf.prepare(np.zeros((40, 40, 4), np.uint8), outline=outline)
