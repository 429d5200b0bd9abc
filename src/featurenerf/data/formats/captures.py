"""One's own pictures with cameras: a folder with ``transforms.json`` or a COLMAP model, or a folder of such folders.

    [ROOT/]CAPTURE/transforms.json | sparse/0/{cameras,images}.{bin,txt}    and pictures, masks
    [ROOT/]CAPTURE/capture.json, ROOT/capture.json                          {"category": "chair", "up": "z"}
    ROOT/splits/<category>.json                                             as in the release

A capture is an object. Reading finds its frame from cameras and masks (``silhouettes.found_frame``), undistorts each
picture, and frames it as a camera does that stands in the same place and looks at the object's centre with z up. What
``capture.json`` does not say: the category is any, up is found from the cameras, the heading is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from featurenerf.arrays import spread
from featurenerf.cameras import Camera
from featurenerf.categories import category_name, synset_of
from featurenerf.data.formats import colmap, transforms
from featurenerf.data.formats.files import framed
from featurenerf.data.formats.shots import PinholePicture, Shot, read_shot, shrunk
from featurenerf.data.objects import Dataset, Format, ObjectViews
from featurenerf.data.splits import Split, read_split
from featurenerf.data.storage import read_json
from featurenerf.errors import InputError
from featurenerf.limits import parsing
from featurenerf.models.warp import Canonical, canonical_cameras
from featurenerf.pictures import from_bytes, to_bytes
from featurenerf.silhouettes import WorldFrame, direction, found_frame

ABOUT = "capture.json"
ANY = "object"
"""The category of captures that do not say theirs; they are opened by any other name too."""
SILHOUETTES, SILHOUETTE = 40, 256
"""How many pictures the frame is found from, and the longest side of their masks."""
KEPT = 512
"""The longest side of an automatic mask that is kept."""

Direction = str | Sequence[float]


def is_capture(folder: Path) -> bool:
    """Whether a folder is one capture; looks at names only."""
    return bool(transforms.files_in(folder)) or colmap.model_in(folder) is not None


def folders_in(root: Path) -> list[Path]:
    """The folders of the captures of a data set: itself, or those in it."""
    if is_capture(root):
        return [root]
    return sorted(folder for folder in root.iterdir() if folder.is_dir() and is_capture(folder))


def recognises(root: Path) -> bool:
    return bool(folders_in(root))


def names_capture(path: Path) -> bool:
    """Whether a path is of a capture, or a folder of captures, and not of a picture: a folder, or a camera file."""
    return path.suffix.lower() == ".json" or (path.is_dir() and recognises(path))


def categories(root: Path) -> list[str]:
    return sorted({str(_about(root, folder).get("category", ANY)) for folder in folders_in(root)})


def open_split(root: Path, category: str, split: str, splits: Path | None) -> Dataset:
    """The captures of a category. Without a split file, the last fifth of three captures or more is for testing, the
    tenth before it (at least one) for validation; fewer are in every split."""
    name, every = category_name(category), folders_in(root)
    said = {folder: category_name(str(_about(root, folder).get("category", name))) for folder in every}
    chosen = {folder.resolve().name: folder for folder in every if said[folder] == name}
    if not chosen:
        raise InputError(f"{root} has no captures of {category!r}: it has {', '.join(sorted({*said.values()}))}")
    path = (root / "splits" if splits is None else splits) / f"{name}.json"
    if path.is_file() or splits is not None:
        listed = read_split(path)
    else:
        ids, kept = list(chosen), len(chosen)
        last = max(1, kept // 5) if kept >= 3 else kept
        middle = max(1, kept // 10) if kept >= 3 else kept
        train, val, test = ids[: kept - last - middle], ids[kept - last - middle : kept - last], ids[kept - last :]
        all_three = (train, val, test) if kept >= 3 else (ids, ids, ids)
        listed = Split(*map(tuple, all_three))  # type: ignore[arg-type]
    if absent := [object_id for object_id in listed.ids(split) if object_id not in chosen]:
        raise InputError(f"{path} names {absent[0]}, which is no capture in {root}: correct it")
    objects = tuple(_capture(root, chosen[object_id], synset_of(name)) for object_id in listed.ids(split))
    return Dataset(root, synset_of(name), split, objects, listed, pairs_listed=bool(listed.origin))


FORMAT = Format("captures", recognises, categories, open_split)


def open_capture(path: Path | str, up: Direction | None = None, front: Direction | None = None) -> Capture:
    """One capture.

    Args:
        path: its folder, or its camera file.
        up, front: directions in its world, such as "z" or (0, -1, 0); None is what ``capture.json`` says, or is found.
    Raises:
        InputError: there is no capture at ``path``, it holds several, or a file is missing or broken.
    """
    path = Path(path)
    if path.is_file():
        folder = path.parent
        return _capture(folder.parent, folder, up=up, front=front, file=path)
    if not path.is_dir() or not (found := folders_in(path)):
        raise InputError(f"there is no capture at {path}: it needs transforms.json, or a COLMAP model in sparse/0")
    if len(found) > 1:
        raise InputError(f"{path} holds {len(found)} captures: give one of them, such as {found[0]}")
    return _capture(path, found[0], up=up, front=front)


def _about(root: Path, folder: Path) -> dict[str, Any]:
    """What a capture and the folder of all of them say of it."""
    about: dict[str, Any] = {}
    for path in dict.fromkeys((root / ABOUT, folder / ABOUT)):
        if path.is_file():
            content = read_json(path)
            with parsing(f"{path} does not say what a capture is", 'it may hold "category", "up" and "front"'):
                about |= {str(key): value for key, value in content.items()}
    return about


def _capture(
    root: Path,
    folder: Path,
    synset: str | None = None,
    *,
    up: Direction | None = None,
    front: Direction | None = None,
    file: Path | None = None,
) -> Capture:
    about = _about(root, folder)
    named = synset_of(str(about.get("category", ANY))) if synset is None else synset
    up, front = (about.get(name) if given is None else given for name, given in (("up", up), ("front", front)))
    return Capture(folder, named, up=up, front=front, file=file)


class Capture(ObjectViews):
    """Pictures of one object with cameras; its views are those whose picture is there.

    Attributes:
        folder: of the capture.
        file: the camera file, where it is not to be looked for.
    """

    may_be_blank = False

    def __init__(
        self,
        folder: Path,
        synset: str = ANY,
        *,
        up: Direction | None = None,
        front: Direction | None = None,
        file: Path | None = None,
    ) -> None:
        super().__init__(synset, folder.resolve().name, file or folder)
        self.folder, self.file = folder, file
        self._given = {name: None if given is None else direction(given, name) for name, given in
                       (("up", up), ("front", front))}  # fmt: skip
        self._found: dict[int, UInt8[np.ndarray, "h w 1"]] = {}

    def __len__(self) -> int:
        return len(self.shots)

    @property
    def left_out(self) -> int:
        return len(self._read[0]) - len(self.shots)

    def cameras(self) -> Camera:
        return self._cameras

    def picture(self, view: int) -> UInt8[np.ndarray, "h w 4"]:
        """The undistorted picture as its camera sees it, and the mask in alpha."""
        seen = self._undistorted(view)
        pose = torch.from_numpy(self.frame.place(self.shots[view].pose[None])[0])
        return framed(seen.rgba, replace(seen.lens, pose=pose.float()))

    @cached_property
    def shots(self) -> list[Shot]:
        """The pictures that are there, with their cameras."""
        there = [shot for shot in self._read[0] if shot.picture is not None]
        if not there:
            raise InputError(
                f"{self.source} has none of its pictures, such as {self._read[0][0].name}: move them there"
            )
        return there

    @property
    def applied(self) -> Float[np.ndarray, "4 4"] | None:
        """What nerfstudio did to the poses before it wrote them."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[list[Shot], Float[np.ndarray, "4 4"] | None]:
        files = [self.file] if self.file is not None else transforms.files_in(self.folder)
        if files:
            every = [transforms.read_transforms(path) for path in files]
            return [shot for each in every for shot in each.shots], every[0].applied
        model = colmap.model_in(self.folder)
        if model is None:
            raise InputError(f"{self.folder} has neither transforms.json nor a COLMAP model: {transforms.ADVICE}")
        return colmap.read_model(self.folder, model), None

    @cached_property
    def frame(self) -> WorldFrame:
        """Our world in the capture's."""
        chosen = spread(len(self), SILHOUETTES)
        lenses, masks = [], []
        for view in chosen:
            seen = self._undistorted(view)
            masks.append(shrunk(seen.rgba[3], SILHOUETTE) > 0.5)
            lenses.append(seen.lens.resize(masks[-1].shape[1], masks[-1].shape[0]))
        poses = np.stack([self.shots[view].pose for view in chosen])
        snap = self.file is not None or bool(transforms.files_in(self.folder))  # Blender's scenes stand on z
        with parsing(f"the frame of {self.source} cannot be found", "see docs/captures.md"):
            return found_frame(poses, lenses, masks, self._given["up"], self._given["front"], snap)

    def facing(self, degrees: float, front: str) -> Capture:
        """The same capture with its front turned about the vertical (``WorldFrame.turned``)."""
        turned = copy(self)
        turned.__dict__.pop("_cameras", None)
        turned.__dict__["frame"] = self.frame.turned(degrees, front)
        return turned

    @cached_property
    def _cameras(self) -> Camera:
        poses = torch.from_numpy(self.frame.place(np.stack([shot.pose for shot in self.shots]))).float()
        canonical = Canonical()
        with parsing(f"{self.source} has no usable cameras"):
            given = Camera.from_pose(poses, canonical.focal, canonical.size, canonical.size)
            return canonical_cameras(given, canonical)

    def _undistorted(self, view: int) -> PinholePicture:
        """A view in its file's world. An automatic mask is made once and kept, small."""
        shot = self.shots[view]
        if view not in self._found:
            seen = read_shot(shot)
            if seen.mask == "automatic":
                self._found[view] = to_bytes(shrunk(seen.alpha, KEPT)[None])
            return seen
        return read_shot(shot, from_bytes(self._found[view])[0])
