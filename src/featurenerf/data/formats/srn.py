"""SRN cars and chairs: renders of ShapeNet v2 (Sitzmann et al., 2019), in the form that PixelNeRF published them in.

    [srn_cars/]cars_{train,val,test}/<object>/intrinsics.txt        f cx cy 0. / 0. 0. 0. / 1. / height width
                                              rgb/000000.png ...    on white
                                              pose/000000.txt ...   16 numbers, camera-to-world, OpenCV axes

The world of the files is z up with the object's front to +y; the object's longest edge is 1 (1.16 to 1.37 diagonals of
our unit, see ``UNITS``). Reading turns it about z, so that the front is +x, and scales it by one number a category.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from featurenerf.cameras import OPENCV_TO_OPENGL, Camera
from featurenerf.categories import SYNSETS, category_name
from featurenerf.data.formats.files import read_image
from featurenerf.data.objects import Dataset, Format, ObjectViews
from featurenerf.data.splits import SPLITS, Split
from featurenerf.data.storage import read_file
from featurenerf.errors import InputError
from featurenerf.limits import parsing

SOURCE_VIEW = 64
"""What PixelNeRF encodes of a test object (or this and view 104); all other views are compared."""


@dataclass(frozen=True)
class Unit:
    """A category of the data set.

    Attributes:
        folder: what the names of its folders begin with.
        scale: our units in one of the files': 1 over the bounding box's diagonal in units of its longest edge.
        near, far: PixelNeRF's, in units of the files.
    """

    folder: str
    scale: float
    near: float
    far: float


UNITS = {"car": Unit("cars", 1 / 1.16, 0.8, 1.8), "chair": Unit("chairs", 1 / 1.37, 1.25, 2.75)}
"""The scales are means over the objects of ``featurenerf.synthesis.objects``, which scatter by 0.03 and 0.12."""

FRONT_TO_X = torch.tensor([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def recognises(root: Path) -> bool:
    return bool(categories(root))


def categories(root: Path) -> list[str]:
    return [name for name, unit in UNITS.items() if _folders(root, unit)]


def open_split(root: Path, category: str, split: str, splits: Path | None) -> Dataset:
    """The objects of ``<category>s_<split>``; the test split's pairs go from view 64 to all others."""
    name = category_name(category)
    if name not in categories(root):
        raise InputError(f"{root} is an SRN data set without {category!r}: it has {', '.join(categories(root))}")
    if splits is not None:
        raise InputError(f"the splits of SRN data are its folders: leave {splits} out")
    unit, synset = UNITS[name], SYNSETS[name]
    folders = {part: _objects(folder) for part, folder in _folders(root, unit).items()}
    ids: dict[str, Any] = {part: tuple(folder.name for folder in folders.get(part, ())) for part in SPLITS}
    every = Split(**ids)
    if not every.ids(split):
        raise InputError(f"{root} has no objects in a folder {unit.folder}_{split}: unpack that part of the data there")
    objects = tuple(SrnObject(folder, synset, unit, leave_out_blank=split != "test") for folder in folders[split])
    return Dataset(
        root, synset, split, objects, every, pairs_listed=False, source_views=(SOURCE_VIEW,), background="white"
    )


FORMAT = Format("srn", recognises, categories, open_split)


class SrnObject(ObjectViews):
    """One object; its views are in the order of their file names.

    A few pictures of the published cars are blank. They are left out where views have no fixed numbers, in training and
    validation; in the test split, whose views are named by their numbers, they are there and their alpha is 0.
    """

    def __init__(self, folder: Path, synset: str, unit: Unit, *, leave_out_blank: bool) -> None:
        super().__init__(synset, folder.name, folder)
        self.folder, self.unit, self.leave_out_blank = folder, unit, leave_out_blank

    def __len__(self) -> int:
        return len(self._pictures)

    def cameras(self) -> Camera:
        return self._cameras

    def picture(self, view: int) -> UInt8[np.ndarray, "h w 4"]:
        """What is not exactly white is the object."""
        rgb = np.array(read_image(self._pictures[view]))
        alpha = np.where((rgb != 255).any(-1, keepdims=True), 255, 0).astype(np.uint8)
        return np.concatenate([rgb, alpha], -1)

    @property
    def left_out(self) -> int:
        return len(self._files) - len(self._pictures)

    @property
    def _files(self) -> list[Path]:
        return sorted((self.folder / "rgb").glob("*.png"))

    @cached_property
    def _pictures(self) -> list[Path]:
        found = self._files
        if self.leave_out_blank:
            found = [path for path in found if not self._is_blank(path)]
        if not found:
            raise InputError(f"{self.folder / 'rgb'} holds no picture that shows anything: download the object again")
        return found

    def _is_blank(self, path: Path) -> bool:
        """Whether a picture is all white; only small files are looked at (a blank 128 x 128 takes about 400 bytes)."""
        _, _, width, height = self._intrinsics
        return path.stat().st_size < width * height / 16 and bool((np.array(read_image(path)) == 255).all())

    @cached_property
    def _intrinsics(self) -> tuple[float, tuple[float, float], int, int]:
        """Focal length, principal point, width and height of the pictures that they are of."""
        path = self.folder / "intrinsics.txt"
        lines = [line.split() for line in read_file(path).splitlines() if line.strip()]
        with parsing(f"{path} is not a file of SRN intrinsics", "it needs `f cx cy 0.` first and `height width` last"):
            focal, x, y = (float(number) for number in lines[0][:3])
            height, width = (int(float(number)) for number in lines[-1])
        return focal, (x, y), width, height

    @cached_property
    def _cameras(self) -> Camera:
        """In our world, with OpenGL axes."""
        poses = []
        for path in (self.folder / "pose" / f"{picture.stem}.txt" for picture in self._pictures):
            content = read_file(path)
            with parsing(f"{path} is not a pose of 16 numbers"):
                poses.append(np.array(content.split(), np.float32).reshape(4, 4))
        pose = FRONT_TO_X @ torch.from_numpy(np.stack(poses)) * OPENCV_TO_OPENGL
        pose[:, :3, 3] *= self.unit.scale
        pose[:, 3] = torch.tensor([0.0, 0, 0, 1])
        focal, principal, width, height = self._intrinsics
        near, far = self.unit.near * self.unit.scale, self.unit.far * self.unit.scale
        with parsing(f"{self.folder} has no usable cameras"):
            camera = Camera.from_pose(pose, focal, width, height, near, far, principal)
        size = read_image(self._pictures[0]).size
        return camera if size == (width, height) else camera.resize(*size)


def _folders(root: Path, unit: Unit) -> dict[str, Path]:
    """The folder of each split that is there, in ``root`` or in its ``srn_cars`` or ``srn_chairs``."""
    found: dict[str, Path] = {}
    for parent in (root / f"srn_{unit.folder}", root):
        paths = {split: parent / f"{unit.folder}_{split}" for split in SPLITS}
        found |= {split: path for split, path in paths.items() if path.is_dir()}
    return found


def _objects(folder: Path) -> list[Path]:
    """The folders of objects; those of ``chairs_train`` lie one level deeper, in ``chairs_2.0_train``."""
    for level in ("*/", "*/*/"):
        found = {path.parent for name in ("intrinsics.txt", "pose", "rgb") for path in folder.glob(level + name)}
        if found:
            return sorted(found)
    return []
