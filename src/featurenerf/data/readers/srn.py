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

import numpy as np
import torch
from jaxtyping import Float, UInt8

from featurenerf.cameras import Camera
from featurenerf.data import layout
from featurenerf.data.layout import Split
from featurenerf.data.readers.files import read_image, read_text
from featurenerf.data.views import Dataset, ObjectViews
from featurenerf.errors import InputError

SOURCE_VIEW, SECOND_SOURCE_VIEW = 64, 104
"""What PixelNeRF encodes of a test object: the first of them, or both; all other views are compared."""


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
"""The scales are means over the objects of ``featurenerf.data.synthesis``, which scatter by 0.03 and 0.12."""

_FRONT_TO_X = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
_OPENCV_TO_OPENGL = torch.tensor([1.0, -1.0, -1.0])


def recognises(root: Path) -> bool:
    return bool(categories(root))


def categories(root: Path) -> tuple[str, ...]:
    return tuple(name for name, unit in UNITS.items() if _folders(root, unit))


def open_split(root: Path, category: str, split: str, splits: Path | None) -> Dataset:
    """The objects of ``<category>s_<split>``; the test split's pairs go from view 64 to all others."""
    name = layout.category_name(category)
    if name not in UNITS or not _folders(root, UNITS[name]):
        raise InputError(f"{root} is an SRN data set without {category!r}: it has {', '.join(categories(root))}")
    if splits is not None:
        raise InputError(f"the splits of SRN data are its folders: leave --splits {splits} out")
    folders = _folders(root, UNITS[name])
    ids = {part: tuple(sorted(p.name for p in _objects(folders[part]))) for part in folders}
    every = Split(ids.get("train", ()), ids.get("val", ()), ids.get("test", ()))
    if not every.ids(split):
        where = folders.get(split, f"a folder {UNITS[name].folder}_{split}")
        raise InputError(f"{root} has no objects in {where}: unpack that part of the SRN data there")
    synset = layout.SYNSETS[name]
    objects = tuple(SrnObject(path, synset, UNITS[name], split != "test") for path in _objects(folders[split]))
    return Dataset(root, synset, split, objects, every, False, (SOURCE_VIEW,), "white")


class SrnObject(ObjectViews):
    """One object; its views are in the order of their file names.

    A few pictures of the published cars are blank. They are left out where views have no fixed numbers, in training and
    validation; in the test split, whose views are named by their numbers, they are there and their alpha is 0.
    """

    def __init__(self, folder: Path, synset: str, unit: Unit, leave_out_blank: bool) -> None:
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

    @cached_property
    def _pictures(self) -> list[Path]:
        found = sorted((self.folder / "rgb").glob("*.png"))
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
        lines = [line.split() for line in read_text(path).splitlines() if line.strip()]
        try:
            focal, x, y = (float(number) for number in lines[0][:3])
            height, width = (int(float(number)) for number in lines[-1])
        except (IndexError, ValueError) as error:
            raise InputError(
                f"{path} is not a file of SRN intrinsics ({error}): it needs `f cx cy 0.` first and `height width` last"
            ) from error
        return focal, (x, y), width, height

    @cached_property
    def _cameras(self) -> Camera:
        poses = torch.stack([self._pose(self.folder / "pose" / f"{path.stem}.txt") for path in self._pictures])
        focal, principal, width, height = self._intrinsics
        unit = self.unit
        near, far = unit.near * unit.scale, unit.far * unit.scale
        try:
            camera = Camera.from_pose(poses, focal, width, height, near, far, principal)
        except InputError as error:
            raise InputError(f"{self.folder}: {error}; download the object again") from error
        size = read_image(self._pictures[0]).size
        return camera if size == (width, height) else camera.resize(*size)

    def _pose(self, path: Path) -> Float[torch.Tensor, "4 4"]:
        """In our world, with OpenGL axes."""
        try:
            given = torch.tensor([float(number) for number in read_text(path).split()]).reshape(4, 4)
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{path} is not a pose of 16 numbers ({error}): download it again") from error
        pose = torch.eye(4)
        pose[:3, :3] = _FRONT_TO_X @ given[:3, :3] * _OPENCV_TO_OPENGL
        pose[:3, 3] = _FRONT_TO_X @ given[:3, 3] * self.unit.scale
        return pose


def _folders(root: Path, unit: Unit) -> dict[str, Path]:
    """The folder of each split that is there, in ``root`` or in its ``srn_cars`` or ``srn_chairs``."""
    found = {}
    for split in ("train", "val", "test"):
        for parent in (root, root / f"srn_{unit.folder}"):
            path = parent / f"{unit.folder}_{split}"
            if path.is_dir():
                found[split] = path
                break
    return found


def _objects(folder: Path) -> list[Path]:
    """The folders of objects; those of ``chairs_train`` lie one level deeper, in ``chairs_2.0_train``."""
    for level in ("*/", "*/*/"):
        found = {path.parent for name in ("intrinsics.txt", "pose", "rgb") for path in folder.glob(level + name)}
        if found:
            return sorted(found)
    return []
