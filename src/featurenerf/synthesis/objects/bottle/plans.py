"""What a bottle is of: the names of its parts and points."""

from __future__ import annotations

from featurenerf.synthesis.objects.labelled import Category

BODY, NECK, CAP, HANDLE = 1, 2, 3, 4


_FAMILIES = {
    "wine": 0.14, "beer": 0.1, "soda": 0.11, "water": 0.09, "spray": 0.1, "pump": 0.1, "jug": 0.1, "spirits": 0.1,
    "squeeze": 0.06, "medicine": 0.06, "sport": 0.04,
}  # fmt: skip


CATEGORY = Category("bottle", tuple(_FAMILIES), tuple(_FAMILIES.values()))
