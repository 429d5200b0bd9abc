"""CO3D, version 2 (Reizenstein et al., 2021): frames of videos around real objects, with cameras, masks and depth.

    <category>/frame_annotations.jgz          gzipped JSON: image, mask, depth and viewpoint of every frame
    <category>/set_lists/set_lists_*.json     train, val, test: lists of [sequence, frame number, path of the picture]
    <category>/<sequence>/                    images/*.jpg, masks/*.png, depths/*.png, depth_masks/*.png

An object is a sequence; its world is that of structure from motion. Reading finds from cameras and masks alone where
the object is, how large it is and which way is up, and turns every frame into the picture of a camera that stands in
the same place, looks at the object's centre with z up, and holds a sphere of diameter 1. The heading is not known: +x
points to where the first camera stands.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from featurenerf.arrays import spread
from featurenerf.cameras import Camera
from featurenerf.categories import category_name, synset_of
from featurenerf.data.formats.files import framed, read_image
from featurenerf.data.objects import Dataset, Format, ObjectViews
from featurenerf.data.splits import SPLITS, Split
from featurenerf.data.storage import read_file, read_json
from featurenerf.errors import InputError
from featurenerf.limits import AGAIN, LENGTH, PIXELS, gunzipped, json_value, parsing
from featurenerf.models.warp import Canonical, canonical_cameras
from featurenerf.pictures import from_bytes
from featurenerf.silhouettes import WorldFrame, mask_box, middle_and_size

SET_LIST = "set_lists_fewview_dev.json"
"""The set list that is read unless another one is given."""
OUTLINE = 0.95
"""Diagonal of the box around an object's outline, in units of its bounding box's: a mean over our own objects."""
MASKS = 20
"""How many of a sequence's masks are looked at for its centre and size."""

_PYTORCH3D_TO_OPENGL = np.diag([-1.0, 1.0, -1.0])  # +x left, +y up, +z ahead: half a turn about y

Frame = dict[str, Any]


def recognises(root: Path) -> bool:
    return any(root.glob("*/frame_annotations.jgz"))


def categories(root: Path) -> list[str]:
    return sorted(path.parent.name for path in root.glob("*/frame_annotations.jgz"))


def open_split(root: Path, category: str, split: str, splits: Path | None) -> Dataset:
    """The sequences with frames in a split of a set list, each with those frames.

    Args:
        splits: a file of ``set_lists``, or a folder that holds ``SET_LIST``; None is the category's own.
    """
    name = category_name(category)
    path = root / name / "frame_annotations.jgz"
    if not path.is_file():
        raise InputError(f"{root} is a CO3D data set without {category!r}: it has {', '.join(categories(root))}")
    listed = splits or root / name / "set_lists"
    listed = listed / SET_LIST if listed.is_dir() else listed
    numbers = {part: _frame_numbers(listed, part) for part in SPLITS}
    ids: dict[str, Any] = {part: tuple(numbers[part]) for part in SPLITS}
    every = Split(**ids)
    if not every.ids(split):
        raise InputError(f"the {split} list of {listed} is empty: give another file of set_lists")
    frames = _frames(path, path.stat().st_mtime_ns)
    objects = tuple(
        Co3dObject(root, synset_of(name), sequence, chosen, frames.get(sequence, {}), path)
        for sequence, chosen in numbers[split].items()
    )
    return Dataset(root, synset_of(name), split, objects, every, pairs_listed=False)


FORMAT = Format("co3d", recognises, categories, open_split)


class Co3dObject(ObjectViews):
    """One sequence; its views are the chosen frames, in order, less those without a camera or with an empty mask."""

    may_be_blank = False

    def __init__(
        self, root: Path, synset: str, sequence: str, chosen: list[int], frames: dict[int, Frame], annotations: Path
    ) -> None:
        super().__init__(synset, sequence, annotations)
        self.root, self.chosen, self.frames = root, chosen, frames

    def __len__(self) -> int:
        return len(self._chosen)

    def cameras(self) -> Camera:
        """One focal length a view: the closer the camera, the shorter."""
        return self._cameras

    def picture(self, view: int) -> UInt8[np.ndarray, "h w 4"]:
        """The frame as its camera sees it, in colour, and its mask as alpha."""
        frame = self._chosen[view]
        shrink = float((self._original[view].focal / self._cameras[view].focal).amax())
        picture = from_bytes(np.array(read_image(self._file(frame, "image"), "RGB", 2 / shrink)))
        size = (picture.shape[2], picture.shape[1])
        _check_shape(self._file(frame, "image"), size, self._structure[3][view])
        mask = _read_mask(self._file(frame, "mask"), size)
        camera = self._original[view].resize(*size)
        return framed(torch.cat([picture * mask, mask]), camera)

    def depth(self, view: int) -> Float[np.ndarray, "h w"]:
        """Depth along the ray of each pixel of ``picture``, in world units; 0 where it was not measured.

        Raises:
            InputError: the frame has none, or its file is missing or broken.
        """
        frame, camera, original = self._chosen[view], self._cameras[view], self._original[view]
        path = self._file(frame, "depth")
        with parsing(f"{self._frame_name(frame)} has no depth"):
            scale, masked = float(frame["depth"]["scale_adjustment"]), frame["depth"].get("mask_path")
            mask_path = self.root / masked if masked else None
        ahead = _read_depth(path) * scale
        if mask_path is not None:
            valid = _read_mask(mask_path, (ahead.shape[1], ahead.shape[0]))
            ahead = ahead * (valid[0].numpy() > 0)
        original = original.resize(ahead.shape[1], ahead.shape[0])
        origins, directions = camera.rays()
        xy, _ = original.project(origins + directions)
        column, row = xy.floor().long().unbind(-1)
        inside = (column >= 0) & (column < original.width) & (row >= 0) & (row < original.height)
        values = torch.from_numpy(ahead)[row.clamp(0, original.height - 1), column.clamp(0, original.width - 1)]
        cosine = -original.rotate_to_camera(directions)[..., 2]  # with the axis that the file's depth is along
        return (values * inside / cosine.clamp(min=1e-6) * self._world.scale).float().numpy()

    # ------------------------------------------------------------------ frames

    @property
    def left_out(self) -> int:
        return len(self.chosen) - len(self._chosen)

    @cached_property
    def _chosen(self) -> list[Frame]:
        found = []
        for number in self.chosen:
            if number not in self.frames:
                raise InputError(
                    f"{self.source} lacks frame {number} of sequence {self.id}, which the set list names: {AGAIN}, or "
                    "give another set list"
                )
            with parsing(f"{self.source}: frame {number} of sequence {self.id} is broken"):
                if _is_usable(self.frames[number]):
                    found.append(self.frames[number])
        if not found:
            raise InputError(f"{self.source} has no camera for sequence {self.id}: take another set list")
        return found

    def _frame_name(self, frame: Frame) -> str:
        return f"{self.source}: frame {frame.get('frame_number')} of sequence {self.id}"

    def _file(self, frame: Frame, kind: str) -> Path:
        with parsing(f"{self._frame_name(frame)} has no {kind}"):
            return self.root / frame[kind]["path"]

    @cached_property
    def _structure(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of every view what ``_camera`` says, in the world of the file."""
        rows = []
        for frame in self._chosen:
            with parsing(f"{self._frame_name(frame)} has no usable camera"):
                rows.append(_camera(frame))
        poses, focals, principals, sizes = (np.stack(column) for column in zip(*rows, strict=True))
        return poses, focals, principals, sizes

    # ------------------------------------------------------------------ the world

    @cached_property
    def _world(self) -> WorldFrame:
        """Our world in that of the file."""
        poses, focals, principals, sizes = self._structure
        boxes = {}
        for view in spread(len(self), MASKS):
            size = (int(sizes[view, 0]), int(sizes[view, 1]))
            box = mask_box(_read_mask(self._file(self._chosen[view], "mask"), size)[0].numpy() > 0.5)
            if box is not None:
                boxes[view] = box
        whole = {v: b for v, b in boxes.items() if (b[:2] > 0).all() and (b[2:] < sizes[v]).all()} or boxes
        used, box = np.array(list(whole), int), np.array(list(whole.values())).reshape(-1, 4)
        found = middle_and_size(box, focals[used], principals[used], poses[used])
        if found is None:
            raise InputError(
                f"sequence {self.id} of {self.source} cannot be centred: fewer than two of its {len(self)} frames "
                "show the object in their masks, or they show it from one side; take another set list"
            )
        origin, outline = found
        up = _up(poses[:, :3, 3], poses[:, :3, 1])
        front = poses[0, :3, 3] - origin
        front = front - up * (front @ up)
        if outline <= 0 or np.linalg.norm(front) < 1e-6:
            raise InputError(f"sequence {self.id} of {self.source} cannot be centred: its cameras are degenerate")
        front /= np.linalg.norm(front)
        axes = np.stack([front, np.cross(up, front), up])
        return WorldFrame(axes, origin, OUTLINE / outline, "found from the cameras", "the first camera", len(used))

    @cached_property
    def _original(self) -> Camera:
        """The cameras of the files' pictures, in our world, for pictures of the first one's size."""
        poses, focals, principals, sizes = self._structure
        width, height = int(sizes[0, 0]), int(sizes[0, 1])
        ratio = sizes[0] / sizes  # 1, since the frames of a video have one size
        pose, focal, principal = (
            torch.from_numpy(a) for a in (self._world.place(poses), focals * ratio, principals * ratio)
        )
        with parsing(f"{self.source}: sequence {self.id} has no usable cameras"):
            return Camera.from_pose(pose, focal, width, height, principal=principal)

    @cached_property
    def _cameras(self) -> Camera:
        return canonical_cameras(self._original, Canonical())


def _is_usable(frame: Frame) -> bool:
    """Whether a frame has a camera, and a mask that holds more than a thousandth of the picture."""
    mass = (frame.get("mask") or {}).get("mass")
    least = 1e-3 * float(np.prod(frame["image"]["size"])) if mass is not None else 0.0
    return frame.get("viewpoint") is not None and (mass is None or mass > least)


# ---------------------------------------------------------------------- geometry


def _camera(frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pose (camera-to-world, OpenGL axes), focal length, principal point and size (x, y) in pixels."""
    viewpoint = frame["viewpoint"]
    height, width = (int(n) for n in frame["image"]["size"])
    if not (0 < height <= PIXELS and 0 < width <= PIXELS // height):
        raise ValueError(f"its picture is said to have {width} x {height} pixels")
    rotation, translation = np.array(viewpoint["R"], float), np.array(viewpoint["T"], float)
    size = np.array([width, height], float)
    formats = {"ndc_norm_image_bounds": size / 2, "ndc_isotropic": np.full(2, size.min() / 2)}
    form = viewpoint.get("intrinsics_format", "ndc_norm_image_bounds")
    if form not in formats:
        raise ValueError(f"its intrinsics_format is {form!r}")
    focal = np.array(viewpoint["focal_length"], float) * formats[form]
    principal = size / 2 - np.array(viewpoint["principal_point"], float) * formats[form]
    if rotation.shape != (3, 3) or translation.shape != (3,) or focal.shape != (2,) or principal.shape != (2,):
        raise ValueError("an array of it has another shape")
    if not all((np.abs(array) < LENGTH).all() for array in (rotation, translation, focal, principal)):
        raise ValueError("an array of it holds NaN or numbers without bounds")
    # rows: x_camera = x_world R + T, so that the columns of R are the camera's axes in the world
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation @ _PYTORCH3D_TO_OPENGL, -rotation @ translation
    return pose, focal, principal, size


def _up(centres: Float[np.ndarray, "n 3"], ups: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, " 3"]:
    """The normal of the plane that the cameras lie in, on the side that they call up; or the mean of their ups."""
    mean = ups.mean(0)
    if len(centres) >= 3:
        _, spread, axes = np.linalg.svd(centres - centres.mean(0))
        if spread[1] > 0.05 * spread[0]:
            return axes[2] * (1.0 if axes[2] @ mean >= 0 else -1.0)
    return mean / np.linalg.norm(mean)


# ---------------------------------------------------------------------- files


@lru_cache(maxsize=4)
def _frames(path: Path, changed: int) -> dict[str, dict[int, Frame]]:
    """Sequence -> frame number -> annotation."""
    packed = read_file(path)
    with parsing(f"{path} cannot be read"):
        content = json_value(gunzipped(packed))
    found: dict[str, dict[int, Frame]] = {}
    with parsing(f"{path} is no list of frame annotations"):
        for frame in content:
            found.setdefault(str(frame["sequence_name"]), {})[int(frame["frame_number"])] = frame
    return found


def _frame_numbers(path: Path, split: str) -> dict[str, list[int]]:
    """Sequence -> numbers of its frames in a split; in order."""
    if not path.is_file():
        present = ", ".join(sorted(found.name for found in path.parent.glob("*.json"))) or "none"
        raise InputError(f"{path} is missing: give a file of set_lists (beside it are: {present})")
    content = read_json(path)
    found: dict[str, list[int]] = {}
    with parsing(f"{path} is not a set list of CO3D"):
        for sequence, number, *_ in content.get(split, ()):
            found.setdefault(str(sequence), []).append(int(number))
    return {sequence: sorted(numbers) for sequence, numbers in sorted(found.items())}


def _read_mask(path: Path, size: tuple[int, int]) -> Float[Tensor, "1 h w"]:
    """In [0, 1], as (width, height) large; it may be stored at another scale."""
    image = read_image(path, "L")
    _check_shape(path, image.size, size)
    image = image if image.size == size else image.resize(size, Image.Resampling.BOX)
    return torch.from_numpy(np.array(image))[None].float() / 255


def _check_shape(path: Path, size: tuple[int, int], expected: Any) -> None:
    """Refuses a picture or mask that is not the expected one (width, height) at some scale, to a pixel."""
    (width, height), (w, h) = size, (int(n) for n in expected)
    if abs(width * h - height * w) > max(w, h, width, height):
        raise InputError(f"{path} is {width} x {height}, which is no {w} x {h} made smaller or larger: {AGAIN}")


def _read_depth(path: Path) -> Float[np.ndarray, "h w"]:
    """The 16 bits of each pixel are those of a half-precision number."""
    values = np.array(read_image(path, None))
    if values.ndim != 2 or values.dtype.kind not in "iu" or values.dtype.itemsize < 2:
        raise InputError(f"{path} is not a depth map: it needs one channel of 16 bits; {AGAIN}")
    return np.nan_to_num(values.astype(np.uint16).view(np.float16).astype(np.float32), nan=0, posinf=0, neginf=0)
