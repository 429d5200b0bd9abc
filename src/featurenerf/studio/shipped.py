"""The pictures that ship with the package, and what is known of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from PIL import Image

from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.files import ASSETS
from featurenerf.pictures import to_tensor
from featurenerf.studio import figures

PICTURES = ASSETS / "pictures"


@dataclass(frozen=True)
class DemoPicture:
    """A picture of the demo and what is known of it, as ``pictures.json`` says it.

    Attributes:
        folder: where its files are.
        keypoints: name -> (x, y) in pixels of the file; empty where nobody marked any.
        parts_file: labels of the picture's pixels; None where nobody marked any.
        part_names: what the labels mean, that of 0 first; empty where nobody marked any.
    """

    name: str
    folder: Path
    file: str
    category: str
    azimuth: float | int
    elevation: float | int
    author: str
    licence: str
    licence_url: str
    keypoints: Mapping[str, Sequence[float]] = field(default_factory=dict)
    parts_file: str | None = None
    part_names: Sequence[str] = ()

    @property
    def path(self) -> Path:
        return self.folder / self.file

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")

    @cached_property
    def parts(self) -> Int64[np.ndarray, "h w"] | None:
        """Part labels of the picture's pixels."""
        return None if self.parts_file is None else np.array(Image.open(self.folder / self.parts_file), np.int64)

    def camera(self, width: int, height: int, turn: float = 0.0) -> Camera:
        """The camera that took it, or one turned around the object, with a picture of some size."""
        return Camera.look_at(float(self.azimuth) + turn, self.elevation, width, height)

    def on_paper(self, size: int) -> Image.Image:
        return figures.picture_on_paper(to_tensor(self.path)).resize((size, size), Image.Resampling.LANCZOS)


def read_pictures(folder: Path = PICTURES) -> list[DemoPicture]:
    """The pictures that ``pictures.json`` of a folder names.

    Raises:
        InputError: where it is missing or damaged.
    """
    path = folder / "pictures.json"
    try:
        return [DemoPicture(name, folder, **record) for name, record in json.loads(path.read_text()).items()]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is missing or damaged ({error!r}): install featurenerf again") from error


def shipped_picture(path: Path) -> DemoPicture | None:
    """What is known of a picture that ships with the package, by its file or that of its labels; None of others."""
    if path.resolve().parent != PICTURES.resolve():
        return None
    return next((picture for picture in read_pictures() if path.name in (picture.file, picture.parts_file)), None)
