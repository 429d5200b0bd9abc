"""Objects in the layout of the FeatureNeRF release, which ``featurenerf data make`` writes too (see ``layout``)."""

from __future__ import annotations

from functools import cached_property
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image

from featurenerf.cameras import Camera
from featurenerf.data import layout
from featurenerf.data.layout import AnnotationKind
from featurenerf.data.sources import DataPath, read_file
from featurenerf.data.unpickle import read_npz
from featurenerf.data.views import ObjectViews
from featurenerf.errors import InputError

UNUSABLE = {"f9c1d7748c15499c6f2bd1c4e9adb41"}
"""Objects that the release's splits list and whose pictures are not usable."""


class ReleaseObject(ObjectViews):
    """One object under ``root``; cameras and annotations are kept once they have been read."""

    def __init__(self, root: DataPath, synset: str, object_id: str) -> None:
        super().__init__(synset, object_id, root)
        self.root = root

    def __len__(self) -> int:
        return len(self._frames)

    # ------------------------------------------------------------------ cameras and pictures

    def cameras(self) -> Camera:
        return self._all_cameras

    def picture_path(self, view: int) -> DataPath:
        name = PurePosixPath(str(self._frames[view]["file_path"]).replace("\\", "/")).name
        if not name.lower().endswith(".png"):
            name += ".png"
        return layout.picture_folder(self.root, self.synset, self.id) / name

    def picture(self, view: int) -> UInt8[np.ndarray, "h w 4"]:
        path = self.picture_path(view)
        content = read_file(path)
        try:
            with Image.open(BytesIO(content)) as image:
                if image.mode not in ("RGBA", "LA") and "transparency" not in image.info:
                    raise InputError(f"{path} has no alpha channel: pictures must be RGBA, the object's mask in alpha")
                return np.array(image if image.mode == "RGBA" else image.convert("RGBA"))
        except InputError:
            raise
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise InputError(f"{path} cannot be read ({error}): make or download it again") from error

    @cached_property
    def _description(self) -> dict[str, Any]:
        path = layout.camera_file(self.root, self.synset, self.id)
        content = layout.read_json(path)
        try:
            frames = content["frames"]
            if not frames or not all(isinstance(frame["file_path"], str) for frame in frames):
                raise ValueError("no frames")
            float(content["camera_angle_x"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path} is not a camera file ({error}): it needs camera_angle_x and frames with file_path and "
                "transform_matrix"
            ) from error
        return content

    @property
    def _frames(self) -> list[dict[str, Any]]:
        return self._description["frames"]

    @cached_property
    def _all_cameras(self) -> Camera:
        path = layout.camera_file(self.root, self.synset, self.id)
        angle = float(self._description["camera_angle_x"])
        try:
            matrices = np.asarray([frame["transform_matrix"] for frame in self._frames], np.float32)
            poses = torch.from_numpy(matrices.reshape(len(self._frames), 4, 4)) * layout.OPENGL_TO_OPENCV
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: every frame needs a 4 x 4 transform_matrix ({error}): make it again") from error
        if not 0 < angle < np.pi:
            raise InputError(f"{path}: camera_angle_x is {angle}, not an angle in radians between 0 and pi")
        width, height = self._picture_size
        try:
            return Camera.from_pose(poses, width / 2 / np.tan(angle / 2), width, height)
        except InputError as error:
            raise InputError(f"{path}: {error}; make or download it again") from error

    @cached_property
    def _picture_size(self) -> tuple[int, int]:
        path = self.picture_path(0)
        content = read_file(path)
        try:
            with Image.open(BytesIO(content)) as image:
                return image.size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise InputError(f"{path} cannot be read ({error}): make or download it again") from error

    # ------------------------------------------------------------------ annotations

    def has(self, kind: AnnotationKind) -> bool:
        return self._annotation(kind).exists()

    def parts(self, view: int) -> Int[np.ndarray, "h w"]:
        return self._parts[view].astype(np.int64)

    def keypoints(self, view: int) -> Int[np.ndarray, "k 3"]:
        return self._keypoints[view]

    def part_points(self) -> tuple[Float[np.ndarray, "n 3"], Int[np.ndarray, " n"]]:
        return self._part_points

    def keypoint_candidates(self) -> tuple[Float[np.ndarray, "m 3"], Float[np.ndarray, "k 4"]]:
        return self._keypoint_candidates

    def _annotation(self, kind: str) -> DataPath:
        return layout.annotation_file(self.root, kind, self.synset, self.id)

    @cached_property
    def _parts(self) -> np.ndarray:
        path = self._annotation("part_2d")
        labels = read_npz(path, "labels")
        width, height = self._picture_size
        _expect(path, labels.ndim == 3 and labels.shape == (len(self), height, width), f"labels are {labels.shape}")
        _expect(path, labels.dtype.kind in "iu" and labels.min() >= 0, "labels are not integers from 0")
        return labels

    @cached_property
    def _keypoints(self) -> list[np.ndarray]:
        path = self._annotation("kp_2d")
        by_view = read_npz(path, "labels")
        _expect(path, by_view.ndim >= 1 and len(by_view) == len(self), f"labels are {by_view.shape}")
        found = []
        for view, keypoints in enumerate(by_view):
            try:
                keypoints = np.asarray(keypoints).astype(np.int64)
            except (TypeError, ValueError):
                raise InputError(f"{path}: the keypoints of view {view} are not numbers: make it again") from None
            if keypoints.size == 0:
                keypoints = keypoints.reshape(0, 3)
            _expect(path, keypoints.ndim == 2 and keypoints.shape[1] == 3, f"view {view} is {keypoints.shape}")
            found.append(keypoints)
        return found

    @cached_property
    def _part_points(self) -> tuple[np.ndarray, np.ndarray]:
        path = self._annotation("part_3d")
        points, labels = read_npz(path, "pts"), read_npz(path, "labels")
        _expect_points(path, "pts", points, 3)
        _expect(path, labels.shape == points.shape[:1] and labels.dtype.kind in "iuf", f"labels are {labels.shape}")
        return points.astype(np.float32), labels.astype(np.int64)

    @cached_property
    def _keypoint_candidates(self) -> tuple[np.ndarray, np.ndarray]:
        path = self._annotation("kp_3d")
        points, labels = read_npz(path, "pts"), read_npz(path, "labels")
        _expect_points(path, "pts", points, 3)
        labels = labels.reshape(0, 4) if labels.size == 0 else labels
        _expect_points(path, "labels", labels, 4)
        return points.astype(np.float32), labels.astype(np.float32)


def _expect(path: DataPath, right: bool | np.bool_, what: str) -> None:
    if not right:
        raise InputError(f"{path} does not fit its object: {what}; make or download it again")


def _expect_points(path: DataPath, name: str, points: np.ndarray, columns: int) -> None:
    right = points.ndim == 2 and points.shape[1] == columns and points.dtype.kind in "fiu"
    _expect(path, right, f"{name} are {points.shape}, not (n, {columns}) numbers")
    _expect(path, np.isfinite(points).all(), f"{name} hold NaN or infinite numbers")
