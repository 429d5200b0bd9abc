"""The pictures that ship with the package, with their cameras and what was marked on them by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from PIL import Image

from featurenerf.cameras import Camera, Number
from featurenerf.data.formats.files import read_image
from featurenerf.errors import InputError
from featurenerf.files import ASSETS
from featurenerf.limits import json_file, parsing
from featurenerf.pictures import open_picture, to_tensor
from featurenerf.studio import figures

PICTURES = ASSETS / "pictures"


@dataclass(frozen=True)
class DemoPicture:
    """A picture that ships and what is known of it, as ``pictures.json`` says it.

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
        return None if self.parts_file is None else np.array(read_image(self.folder / self.parts_file, None), np.int64)

    def __fspath__(self) -> str:
        """Where it is: it is taken wherever a path of a picture is."""
        return os.fspath(self.path)

    def _repr_png_(self) -> bytes:
        return self.path.read_bytes()

    def camera(self, width: int | None = None, height: int | None = None, turn: Number = 0.0) -> Camera:
        """The camera that took it, or one turned around the object; with a picture of its own size, or of another."""
        own = open_picture(self.path).size if width is None or height is None else (width, height)
        return Camera.look_at(float(self.azimuth) + turn, self.elevation, width or own[0], height or own[1])

    def on_paper(self, size: int) -> Image.Image:
        return figures.picture_on_paper(to_tensor(self.path)).resize((size, size), Image.Resampling.LANCZOS)


def read_pictures(folder: Path = PICTURES) -> list[DemoPicture]:
    """The pictures that ``pictures.json`` of a folder names.

    Raises:
        InputError: where it is missing or damaged.
    """
    path = folder / "pictures.json"
    with parsing(f"{path} is missing or damaged", "install featurenerf again"):
        return [DemoPicture(name, folder, **record) for name, record in json_file(path).items()]


class Examples(Mapping[str, DemoPicture]):
    """The pictures that ship with the package, by name; each is taken wherever a path is.

        chair = featurenerf.examples["dining_chair"]
        field = model.encode(chair, chair.camera())

    Raises:
        InputError: for a name that there is not.
    """

    @cached_property
    def _pictures(self) -> dict[str, DemoPicture]:
        return {picture.name: picture for picture in read_pictures()}

    def __getitem__(self, name: str) -> DemoPicture:
        if name not in self._pictures:
            raise InputError(f"there is no example {name!r}; there are: {', '.join(self._pictures)}")
        return self._pictures[name]

    def __contains__(self, name: object) -> bool:
        return name in self._pictures

    def __iter__(self) -> Iterator[str]:
        return iter(self._pictures)

    def __len__(self) -> int:
        return len(self._pictures)

    def __repr__(self) -> str:
        return f"Examples({', '.join(self._pictures)})"


examples = Examples()


def shipped_picture(path: Path) -> DemoPicture | None:
    """What is known of a picture that ships with the package, by its file or that of its labels; None of others."""
    if path.resolve().parent != PICTURES.resolve():
        return None
    return next((picture for picture in read_pictures() if path.name in (picture.file, picture.parts_file)), None)
