"""An object of a data set whose pictures and cameras a test gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from featurenerf.cameras import Camera
from featurenerf.data.objects import ObjectViews


class PicturedObject(ObjectViews):
    """``asked`` are the views whose pictures were looked at, in turn."""

    def __init__(
        self, pictures: Sequence[np.ndarray], cameras: Camera | None = None, synset: str = "thing", name: str = "one"
    ) -> None:
        """RGBA pictures of one size; by default they are taken from all around."""
        super().__init__(synset, name, Path("given"))
        height, width = pictures[0].shape[:2]
        around = np.arange(len(pictures)) * (360 / len(pictures))
        self.pictures, self.asked = pictures, list[int]()
        self._cameras = Camera.look_at(around.tolist(), 20, width, height) if cameras is None else cameras

    def __len__(self) -> int:
        return len(self.pictures)

    def cameras(self) -> Camera:
        return self._cameras

    def picture(self, view: int) -> np.ndarray:
        self.asked.append(view)
        return self.pictures[view]


def rgba(width: int, height: int, colour: tuple[int, int, int] = (0, 0, 0), alpha: int = 0) -> np.ndarray:
    """A picture of one colour."""
    return np.tile(np.array([*colour, alpha], np.uint8), (height, width, 1))
