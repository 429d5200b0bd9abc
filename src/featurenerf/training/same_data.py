"""By which the data of a run are known again, wherever they lie: the split, and what a sample of their files says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from featurenerf.arrays import spread
from featurenerf.data.objects import ObjectViews

SAMPLE_OBJECTS, SAMPLE_PICTURES = 32, 64
"""How many objects, evenly drawn, and about how many of their pictures are looked at."""


def known_data(
    train: Sequence[ObjectViews], val: Sequence[ObjectViews], views: int, *, labels: bool = False
) -> dict[str, Any]:
    """Ids of a run's objects, digests of cameras and pictures of some of them, and whether these are all "opaque".

    Args:
        views: of each object, that are used.
        labels: whether part labels are too.
    Raises:
        InputError: a file that is looked at is broken.
    """
    ids = {split: [f"{o.synset}/{o.id}" for o in objects] for split, objects in (("train", train), ("val", val))}
    every = [*train, *val]
    chosen = [every[number] for number in spread(len(every), SAMPLE_OBJECTS)]
    pictures = max(1, SAMPLE_PICTURES // len(chosen))
    sample, opaque = {}, True
    for turn, each in enumerate(chosen):
        used = min(len(each), views)
        shown = {(turn + view) % used for view in spread(used, pictures)}
        digest, seen_through = _digest(each, sorted(shown), used, labels)
        sample[f"{each.synset}/{each.id}"] = digest
        opaque &= not seen_through
    return {
        "objects": {split: len(names) for split, names in ids.items()},
        "ids": {split: hashlib.sha256("\n".join(names).encode()).hexdigest() for split, names in ids.items()},
        "sample": sample,
        "opaque": opaque,
    }


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between what ``known_data`` said, in words; empty where nothing does."""
    for split, count in now["objects"].items():
        if before["objects"][split] != count:
            return f"its {split} split has {count} objects, not {before['objects'][split]}"
        if before["ids"][split] != now["ids"][split]:
            return f"its {split} split has other objects"
    odd = [name for name, digest in now["sample"].items() if before["sample"].get(name) != digest]
    if not odd:
        return ""
    others = f" and {len(odd) - 1} more of {len(now['sample'])} looked at" if len(odd) > 1 else ""
    return f"cameras, pictures or labels of {odd[0]}{others} are others"


def _digest(each: ObjectViews, views: Sequence[int], used: int, labels: bool) -> tuple[str, bool]:
    """Of an object's cameras and of some views, and whether one of these has a pixel without the object."""
    digest, cameras, seen_through = hashlib.sha256(), each.cameras(), False
    for values in (cameras.pose[:used], cameras.focal[:used]):
        # adding 0 makes -0 a 0, and rounding keeps what readers compute differently in the last bit
        digest.update((values.numpy().astype(np.float64).round(4) + 0.0).tobytes())
    for view in views:
        picture = each.picture(view)
        digest.update(f"{view} {picture.shape}".encode())
        digest.update(np.ascontiguousarray(picture).data)
        seen_through |= bool((picture[..., 3] < 128).any())
        if labels and each.has("part_2d"):
            digest.update(np.ascontiguousarray(each.parts(view).astype(np.int64)).data)
    return digest.hexdigest()[:32], seen_through
