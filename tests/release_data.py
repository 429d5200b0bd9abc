"""A small data set in the layout of the release: four chairs of random pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from featurenerf import Camera
from featurenerf.data.formats.release import split_file
from featurenerf.data.splits import Pair, Split, write_split
from featurenerf.synthesis.write import ObjectRecord, write_object

CHAIR = "03001627"
IDS = ("aa", "bb", "cc", "dd")
CAMERAS = Camera.look_at([10.0, 200.0, 300.0], [5.0, 30.0, 70.0], 16, 16)


def record(seed: int = 0) -> ObjectRecord:
    generator = np.random.default_rng(seed)
    return ObjectRecord(
        cameras=CAMERAS,
        pictures=generator.integers(0, 256, (3, 16, 16, 4), dtype=np.uint8),
        parts=generator.integers(0, 5, (3, 16, 16)),
        keypoints=[generator.integers(0, 16, (2, 3)) for _ in range(3)],  # as many in each view: still a list of arrays
        part_points=generator.normal(size=(20, 3)),
        part_labels=generator.integers(1, 5, 20),
        candidates=generator.normal(size=(30, 3)),
        keypoint_labels=np.array([[0.1, 0.2, 0.3, 4], [0.5, 0.6, 0.7, 9]]),
    )


def write_release(root: Path) -> None:
    for seed, object_id in enumerate(IDS):
        write_object(root, CHAIR, object_id, record(seed))
    split = Split(("aa",), ("bb",), ("cc", "dd"), (Pair("cc", 2, "dd", 2),), (Pair("cc", 0, "cc", 1),))
    write_split(split_file(root, CHAIR), split)
