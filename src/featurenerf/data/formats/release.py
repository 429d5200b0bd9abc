"""The layout of the FeatureNeRF release, which ``featurenerf data make`` writes too.

    img/<synset>/<object>/<view>.png      RGBA pictures
    camera/<synset>/<object>.json         camera_angle_x, frames[].file_path, frames[].transform_matrix; fl_x, fl_y, cx,
                                          cy of all (pixels of w x h), or of each frame that differs (our pixels)
    part_2d_anno/<synset>/<object>.npz    labels (views, H, W), 0 = background
    kp_2d_anno/<synset>/<object>.npz      labels: an array of objects, for each view a (K, 3) array of x, y, id
    part_3d_anno/<synset>/<object>.npz    pts (N, 3), labels (N,)
    kp_3d_anno/<synset>/<object>.npz      pts (M, 3) candidates on the surface, labels (K, 4): x, y, z, id
    splits/<synset>.json                  train, val, test, and the pairs that are evaluated
    labels/<synset>.json                  parts, keypoints, mirror: see ``LabelNames``
    made/<synset>.json                    what made the data: settings, version, families

The release itself has neither labels nor made. Camera poses on disk are camera-to-world with OpenCV's axes.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from featurenerf import limits
from featurenerf.cameras import OPENCV_TO_OPENGL, Camera
from featurenerf.categories import SYNSETS, category_name, synset_of
from featurenerf.data.formats.files import open_image, read_image
from featurenerf.data.formats.unpickle import read_npz
from featurenerf.data.labels import ANNOTATIONS, AnnotationKind, LabelNames, generated_labels
from featurenerf.data.objects import Dataset, Format, ObjectViews
from featurenerf.data.splits import read_split
from featurenerf.data.storage import DataPath, PackPath, read_json
from featurenerf.errors import InputError
from featurenerf.lenses import pinhole
from featurenerf.limits import AGAIN, parsing

UNUSABLE = {"f9c1d7748c15499c6f2bd1c4e9adb41"}
"""Objects that the release's splits list and whose pictures are not usable."""

Root = TypeVar("Root", Path, DataPath)


def picture_folder(root: Root, synset: str, object_id: str) -> Root:
    return root / "img" / synset / object_id


INTRINSICS = ("fl_x", "fl_y", "cx", "cy")
_BENDS = ("k1", "k2", "p1", "p2", "k3", "k4")
_BESIDE = (*INTRINSICS, "w", "h", *_BENDS)
"""Names of a frame's focal lengths, principal point and distortion, as nerfstudio's files have them."""


def camera_file(root: Root, synset: str, object_id: str) -> Root:
    return root / "camera" / synset / f"{object_id}.json"


def annotation_file(root: Root, kind: AnnotationKind, synset: str, object_id: str) -> Root:
    return root / f"{kind}_anno" / synset / f"{object_id}.npz"


def split_file(root: Root, synset: str, splits_dir: Root | None = None) -> Root:
    return (root / "splits" if splits_dir is None else splits_dir) / f"{synset}.json"


# ---------------------------------------------------------------------- data sets


def recognises(root: Path) -> bool:
    return (root / "camera").is_dir() or (root / "splits").is_dir()


def open_split(root: DataPath, category: str, split: str, splits: Path | None) -> Dataset:
    synset = synset_in(root, category)
    path = split_file(root, synset, splits)
    if not path.is_file():
        present = sorted(category_name(p.stem) for p in path.parent.glob("*.json"))
        raise InputError(
            f"{path} is missing: {root} holds no split of {category} (it has: {', '.join(present) or 'none'}); make it "
            "with `featurenerf data make`, or give the folder of the official split files"
        )
    listed, (names, families) = read_split(path), _names_and_families(root, synset)
    objects = tuple(ReleaseObject(root, synset, name, names) for name in listed.ids(split) if name not in UNUSABLE)
    if not objects:
        raise InputError(f"the {split} split of {category} in {path} is empty: take another split or make more objects")
    return Dataset(root, synset, split, objects, listed, families=families)


def every_object(root: DataPath, category: str) -> list[ObjectViews]:
    """The objects that have a camera file, whether a split names them or not."""
    synset = synset_in(root, category)
    found = sorted(path.stem for path in (root / "camera" / synset).glob("*.json"))
    names = LabelNames()
    with suppress(InputError):  # ``open_split`` names the file that says what labels mean
        names, _ = _names_and_families(root, synset)
    return [ReleaseObject(root, synset, object_id, names) for object_id in found]


def synset_in(root: DataPath, category: str) -> str:
    """The folder name of a category given by its name or by its synset.

    Raises:
        InputError: neither a category of the release nor a folder of this data set.
    """
    synset = synset_of(category)
    if synset in SYNSETS.values() or (synset.isalnum() and (root / "camera" / synset).is_dir()):
        return synset
    known = ", ".join(f"{name} ({synset})" for name, synset in SYNSETS.items())
    raise InputError(f"there is no category {category!r}; the known ones are: {known}")


def synsets_in(root: DataPath) -> list[str]:
    """The categories of a data set that have cameras or a split file.

    Raises:
        InputError: there is none.
    """
    found = {path.name for path in (root / "camera").glob("*") if path.is_dir()}
    found |= {path.stem for path in (root / "splits").glob("*.json")}
    if not found:
        raise InputError(f"{root} holds no category: it has neither camera/<synset>/ nor splits/<synset>.json")
    return sorted(found)


def _names_and_families(root: DataPath, synset: str) -> tuple[LabelNames, dict[str, str]]:
    """What the labels mean, and the family of each object; empty where the data set does not say so.

    Data from before there were ``labels`` have the names of our generators, or those that their annotations came with.
    """
    made, labels = (root / folder / f"{synset}.json" for folder in ("made", "labels"))
    content, known = read_json(made) if made.is_file() else {}, generated_labels(synset)
    with parsing(f"{made} does not say what made the data", "make it again, or delete the file"):
        families = content.get("families")
        names = known if content else LabelNames()
        if "annotations" in content:
            parts, keypoints = (tuple(content.get(key, ())) for key in ("part_names", "keypoint_names"))
            names = LabelNames(parts, keypoints, known.mirror if keypoints == known.keypoints else ())
    if labels.is_file():
        content = read_json(labels)
        with parsing(f"{labels} is no table of label names"):
            names = LabelNames.from_record(content)
    known_families = families.items() if isinstance(families, dict) else ()
    return names, {str(name): family for name, family in known_families if isinstance(family, str)}


def category_bytes(root: DataPath, synset: str) -> int | None:
    """Bytes of a category's files, whether in a folder or packed (without the padding of tar); None without cameras."""
    if not (root / "camera" / synset).is_dir():
        return None
    if isinstance(root, PackPath):
        return sum(size for _, _, size in root.pack.entries(synset).values())
    folders = ("img", "camera", *(f"{kind}_anno" for kind in ANNOTATIONS))
    return sum(path.stat().st_size for name in folders for path in (root / name / synset).rglob("*") if path.is_file())


FORMAT = Format("release", recognises, synsets_in, open_split, every_object, category_bytes)


# ---------------------------------------------------------------------- objects


class ReleaseObject(ObjectViews):
    """One object under ``root``; cameras and annotations are kept once they have been read."""

    may_be_blank = False

    def __init__(self, root: DataPath, synset: str, object_id: str, names: LabelNames | None = None) -> None:
        super().__init__(synset, object_id, root, names)
        self.root = root

    def __len__(self) -> int:
        return len(self._frames)

    def place(self, what: int | AnnotationKind) -> str:
        return str(self.picture_path(what) if isinstance(what, int) else self._annotation(what))

    # ------------------------------------------------------------------ cameras and pictures

    def cameras(self) -> Camera:
        return self._cameras

    def picture_path(self, view: int) -> DataPath:
        name = PurePosixPath(self._frames[view]["file_path"].replace("\\", "/")).name
        folder = picture_folder(self.root, self.synset, self.id)
        return folder / (name if name.lower().endswith(".png") else f"{name}.png")

    def picture(self, view: int) -> UInt8[np.ndarray, "h w 4"]:
        path = self.picture_path(view)
        image = read_image(path, None)
        if image.mode not in ("RGBA", "LA") and "transparency" not in image.info:
            raise InputError(f"{path} has no alpha channel: pictures must be RGBA, the object's mask in alpha")
        return np.array(image if image.mode == "RGBA" else image.convert("RGBA"))

    @property
    def _camera_file(self) -> DataPath:
        return camera_file(self.root, self.synset, self.id)

    @cached_property
    def _description(self) -> dict[str, Any]:
        content = read_json(self._camera_file)
        advice = "it needs camera_angle_x and frames with file_path and transform_matrix"
        with parsing(f"{self._camera_file} is not a camera file", advice):
            if not content["frames"] or not all(isinstance(frame["file_path"], str) for frame in content["frames"]):
                raise ValueError("no frames")
            given = {name: float(content[name]) for name in _BESIDE if content.get(name) is not None}
            if not all(given.get(name, 1.0) > 0 for name in ("w", "h")):
                raise ValueError("w or h is not positive")
            if "fl_x" not in given or "camera_angle_x" in content:
                given["angle"] = float(content["camera_angle_x"])
            return {**given, "frames": content["frames"]}

    @property
    def _frames(self) -> list[dict[str, Any]]:
        return self._description["frames"]

    @cached_property
    def _cameras(self) -> Camera:
        angle = self._description.get("angle", 1.0)
        with parsing(f"{self._camera_file}: every frame needs a 4 x 4 transform_matrix", "make it again"):
            matrices = np.asarray([frame["transform_matrix"] for frame in self._frames], np.float64)
            poses = torch.from_numpy(matrices.reshape(len(self._frames), 4, 4)).float() * OPENCV_TO_OPENGL
        if not 0 < angle < np.pi:
            raise InputError(
                f"{self._camera_file}: camera_angle_x is {angle}, not an angle in radians between 0 and pi"
            )
        width, height = self._picture_size
        usual = dict(zip(INTRINSICS, self._intrinsics(width, height), strict=True))
        with parsing(f"{self._camera_file}: fl_x, fl_y, cx and cy of a frame are numbers of pixels", "make it again"):
            numbers = torch.tensor([[float((usual | frame)[name]) for name in INTRINSICS] for frame in self._frames])
        try:
            return Camera.from_pose(poses, numbers[:, :2], width, height, principal=numbers[:, 2:])
        except InputError as error:
            where = self._first_odd(poses, numbers, width, height)
            raise InputError(f"{self._camera_file}: {error}{where}; {AGAIN}") from error

    def _first_odd(self, poses: Tensor, numbers: Tensor, width: int, height: int) -> str:
        """Which frame is the first whose numbers make no camera."""
        for number, (pose, (fx, fy, cx, cy)) in enumerate(zip(poses, numbers.tolist(), strict=True)):
            try:
                Camera.from_pose(pose, (fx, fy), width, height, principal=(cx, cy))
            except InputError:
                return f" (frame {number})"
        return ""

    def _intrinsics(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Focal lengths and principal point: what a nerfstudio file says of all frames beside the angle is taken.

        Its numbers are those of pictures of its ``w`` x ``h``, where it says so, and are scaled to ours.

        Raises:
            InputError: for a lens that distorts.
        """
        given = self._description
        across, down = width / given.get("w", width), height / given.get("h", height)
        focal = given["fl_x"] if "fl_x" in given else width / 2 / np.tan(given["angle"] / 2) / across
        middle = given.get("cx", width / 2 / across), given.get("cy", height / 2 / down)
        with parsing(f"{self._camera_file}: k1 to k4, p1 and p2 of a frame are numbers", "make it again"):
            each = [[float((given | frame).get(name) or 0.0) for name in _BENDS] for frame in given["frames"]]
        bends = next((bent for bent in each if any(bent)), each[0])
        try:
            fx, fy, cx, cy = pinhole("FULL_OPENCV", [focal, given.get("fl_y", focal), *middle, *bends, 0.0, 0.0])
        except InputError as error:
            raise InputError(f"{self._camera_file}: {error}") from error
        return fx * across, fy * down, cx * across, cy * down

    @cached_property
    def _picture_size(self) -> tuple[int, int]:
        with open_image(self.picture_path(0)) as image:
            return image.size

    # ------------------------------------------------------------------ annotations

    def has(self, kind: AnnotationKind) -> bool:
        return self._annotation(kind).is_file()

    def parts(self, view: int) -> Int[np.ndarray, "h w"]:
        return self._parts[view].astype(np.int64)

    def keypoints(self, view: int) -> Int[np.ndarray, "k 3"]:
        return self._keypoints[view]

    def part_points(self) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, " n"]]:
        return self._part_points

    def keypoint_candidates(self) -> tuple[Float[np.ndarray, "m 3"], Float[np.ndarray, "k 4"]]:
        return self._keypoint_candidates

    def _annotation(self, kind: AnnotationKind) -> DataPath:
        return annotation_file(self.root, kind, self.synset, self.id)

    @cached_property
    def _parts(self) -> np.ndarray:
        path = self._annotation("part_2d")
        labels = read_npz(path, "labels")
        width, height = self._picture_size
        _expect(path, labels.ndim == 3 and labels.shape == (len(self), height, width), f"labels are {labels.shape}")
        _expect(
            path,
            labels.dtype.kind in "iu" and 0 <= labels.min() <= labels.max() < limits.LENGTH,
            "labels are not integers from 0",
        )
        self.check_labels("part_2d", labels)
        return labels

    @cached_property
    def _keypoints(self) -> list[np.ndarray]:
        path = self._annotation("kp_2d")
        by_view = read_npz(path, "labels")
        _expect(path, by_view.ndim >= 1 and len(by_view) == len(self), f"labels are {by_view.shape}")
        found = []
        for view, keypoints in enumerate(by_view):
            with parsing(f"{path}: the keypoints of view {view} are not numbers"), np.errstate(invalid="raise"):
                keypoints = np.asarray(keypoints).astype(np.int64)
            if keypoints.size == 0:
                keypoints = keypoints.reshape(0, 3)
            _expect(path, keypoints.ndim == 2 and keypoints.shape[1] == 3, f"view {view} is {keypoints.shape}")
            self.check_labels("kp_2d", keypoints[:, 2])
            found.append(keypoints)
        return found

    @cached_property
    def _part_points(self) -> tuple[np.ndarray, np.ndarray]:
        path = self._annotation("part_3d")
        points, labels = _numbers(path, "pts", 3), read_npz(path, "labels")
        _expect(path, labels.shape == points.shape[:1] and labels.dtype.kind in "iuf", f"labels are {labels.shape}")
        _expect(path, (np.abs(labels.astype(float)) < limits.LENGTH).all(), "labels hold NaN or endless numbers")
        _expect(path, bool((labels == labels.round()).all()), "labels are not whole numbers")
        self.check_labels("part_3d", labels)
        return points, labels.astype(np.int64)

    @cached_property
    def _keypoint_candidates(self) -> tuple[np.ndarray, np.ndarray]:
        path = self._annotation("kp_3d")
        points, labels = _numbers(path, "pts", 3), _numbers(path, "labels", 4, may_be_empty=True)
        self.check_labels("kp_3d", labels[:, 3])
        return points, labels


def _numbers(path: DataPath, key: str, columns: int, *, may_be_empty: bool = False) -> Float[np.ndarray, "n c"]:
    """A table of an annotation file."""
    table = read_npz(path, key)
    if may_be_empty and table.size == 0:
        table = table.reshape(0, columns)
    right = table.ndim == 2 and table.shape[1] == columns and table.dtype.kind in "fiu"
    _expect(path, right, f"{key} are {table.shape}, not (n, {columns}) numbers")
    _expect(path, (np.abs(table) < limits.LENGTH).all(), f"{key} hold NaN, infinite or endless numbers")
    return table.astype(np.float32)


def _expect(path: DataPath, right: bool | np.bool_, what: str) -> None:
    if not right:
        raise InputError(f"{path} does not fit its object: {what}; {AGAIN}")
