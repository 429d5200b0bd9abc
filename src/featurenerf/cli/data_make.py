"""``featurenerf data make``: a data set of procedural objects."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def make(
    out: Path,
    category: tuple[str, ...] = ("chair",),
    objects: int = 200,
    views: int = 50,
    seed: int = 0,
    size: int = 128,
    workers: int = 2,
    cameras: Literal["canonical", "wide"] = "canonical",
) -> None:
    """Make a data set of procedural objects: pictures, cameras, parts, keypoints, splits and pairs.

    Stopped half-way, the same command takes the work up again.

    Args:
        out: folder of the data set; it may hold other categories already.
        category: one or several of the categories that have a generator.
        objects: number of objects of each category; 70 % for training, 10 % for validation, 20 % for testing.
        views: pictures of each object.
        seed: another seed makes other objects.
        size: width and height of the pictures, in pixels.
        workers: processes, each on one core; the files do not depend on their number.
        cameras: canonical ones look at the object from all sides; wide ones also vary in roll, distance, lens and crop,
            as those of photographs do.
    """
    from featurenerf.synthesis.make import Recipe, make_dataset

    for name in category:  # all of them are looked at before the first is made
        Recipe(name, objects, views, seed, size, cameras)
    for name in category:
        split = make_dataset(out, name, objects, views, seed, size, workers, cameras)
        print(
            f"{out}: {name}, {len(split.train)} objects for training, {len(split.val)} for validation, "
            f"{len(split.test)} for testing, {views} views each"
        )
