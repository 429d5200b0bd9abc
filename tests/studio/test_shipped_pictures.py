"""The pictures that ship with the package: complete, small, and annotated where the annotations say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import featurenerf
from featurenerf.synthesis.objects import CATEGORIES

FOLDER = Path(featurenerf.__file__).parent / "assets" / "pictures"
RECORDS: dict[str, dict[str, Any]] = json.loads((FOLDER / "pictures.json").read_text())
ANNOTATED = [name for name, record in RECORDS.items() if "parts_file" in record]


@pytest.mark.parametrize("name", RECORDS)
def test_picture_has_a_cut_out_object_and_an_attribution(name: str) -> None:
    record = RECORDS[name]
    path = FOLDER / record["file"]
    picture = np.asarray(Image.open(path))
    assert picture.shape == (256, 256, 4)
    assert path.stat().st_size < 100_000
    assert 0.05 < (picture[..., 3] > 127).mean() < 0.6
    assert not picture[[0, -1], :, 3].any()
    assert not picture[:, [0, -1], 3].any()
    line = next(line for line in (FOLDER / "ATTRIBUTION.md").read_text().splitlines() if f"`{record['file']}`" in line)
    assert record["author"] in line
    assert record["licence_url"] in line


@pytest.mark.parametrize("name", ANNOTATED)
def test_part_labels_and_keypoints_lie_on_the_object(name: str) -> None:
    record = RECORDS[name]
    category = CATEGORIES[record["category"]]
    image = Image.open(FOLDER / record["parts_file"])
    assert image.mode == "P"
    labels = np.asarray(image)
    alpha = np.asarray(Image.open(FOLDER / record["file"]))[..., 3]
    assert (alpha[labels > 0] > 0).all()
    assert (labels[alpha == 255] > 0).all()
    assert set(np.unique(labels)) <= set(range(len(category.part_names)))
    assert len(np.unique(labels)) >= 4
    assert len(record["keypoints"]) >= 10
    for keypoint, (x, y) in record["keypoints"].items():
        assert keypoint in category.keypoint_names
        column, row = int(x), int(y)
        assert alpha[row - 2 : row + 3, column - 2 : column + 3].any(), f"{keypoint} is off the object"


def test_left_and_right_keypoints_lie_on_their_sides_of_a_chair_seen_from_its_front() -> None:
    keypoints = RECORDS["dining_chair"]["keypoints"]
    pairs = [
        (n, n.replace("left", "right"))
        for n in keypoints
        if n.endswith("left") and n.replace("left", "right") in keypoints
    ]
    assert len(pairs) >= 4
    for left, right in pairs:  # the chair's left is the viewer's right
        assert keypoints[left][0] > keypoints[right][0]


def test_both_categories_have_an_annotated_source_and_a_target() -> None:
    for category in ("chair", "car"):
        names = [name for name, record in RECORDS.items() if record["category"] == category]
        assert set(names) & set(ANNOTATED)
        assert set(names) - set(ANNOTATED)
