"""What a bottle is of: the names of its parts and points."""

from __future__ import annotations

from featurenerf.data.synthesis.objects import Category

BODY, NECK, CAP, HANDLE = 1, 2, 3, 4


_KEYPOINTS = (
    "cap top centre", "cap rim front", "cap rim left", "cap rim right", "cap rim back",
    "neck foot front", "neck foot left", "neck foot right", "neck foot back", "shoulder left", "shoulder right",
    "bottom front", "bottom left", "bottom right", "bottom back", "label centre", "handle top", "handle bottom",
    "nozzle tip",
)  # fmt: skip


_FAMILIES = {
    "wine": 0.14, "beer": 0.1, "soda": 0.11, "water": 0.09, "spray": 0.1, "pump": 0.1, "jug": 0.1, "spirits": 0.1,
    "squeeze": 0.06, "medicine": 0.06, "sport": 0.04,
}  # fmt: skip


CATEGORY = Category(
    name="bottle",
    synset="02876657",
    part_names=("background", "body", "neck", "cap", "handle"),
    keypoint_names=_KEYPOINTS,
    mirror=(0, 1, 3, 2, 4, 5, 7, 6, 8, 10, 9, 11, 13, 12, 14, 15, 16, 17, 18),
    families=tuple(_FAMILIES),
    shares=tuple(_FAMILIES.values()),
)
