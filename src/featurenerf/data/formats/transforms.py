"""``transforms.json``, in the spellings of Blender's NeRF scenes, of nerfstudio and of Instant-NGP.

    camera_angle_x | fl_x, fl_y | x_fov     of all frames, or in each; camera_angle_y, y_fov
    cx, cy, w, h                            pixels
    k1 k2 k3 k4 p1 p2, camera_model, is_fisheye
    applied_transform, applied_scale        what was done to the poses before they were written (nerfstudio)
    frames[]: file_path, transform_matrix, mask_path

``transform_matrix`` is camera-to-world with OpenGL's axes. ``file_path`` may lack the extension.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from featurenerf.data.formats.files import open_image
from featurenerf.data.formats.shots import Shot, below, mask_of, picture_at
from featurenerf.data.storage import read_json
from featurenerf.errors import InputError
from featurenerf.lenses import MODELS
from featurenerf.limits import parsing

NAMES = ("transforms.json", "transforms_train.json", "transforms_val.json", "transforms_test.json")
"""The first alone, or the others in turn, as in Blender's scenes."""
ADVICE = "it needs frames with file_path and a 4 x 4 transform_matrix, and camera_angle_x or fl_x"


@dataclass(frozen=True, eq=False)
class Transforms:
    """What a file says.

    Attributes:
        shots: one a frame, in the order of the file.
        applied: from the world before nerfstudio turned it to the world of the poses; None where nothing was done.
    """

    shots: list[Shot]
    applied: Float[np.ndarray, "4 4"] | None = None


def files_in(folder: Path) -> list[Path]:
    """The camera files of a capture; none where it has none."""
    first, *others = (folder / name for name in NAMES)
    return [first] if first.is_file() else [path for path in others if path.is_file()]


def read_transforms(path: Path, size: tuple[int, int] | None = None) -> Transforms:
    """Reads a file; its pictures lie below its folder.

    Args:
        size: (width, height) of frames for which the file does not say it; pictures are then not looked for.
    Raises:
        InputError: it is no such file, or has a lens that is not known.
    """
    content = read_json(path)
    with parsing(f"{path} is not a camera file", ADVICE):
        shared = {key: value for key, value in content.items() if key != "frames"}
        shots = [_shot(path.parent, {**shared, **_own(frame)}, size) for frame in content["frames"]]
        applied = _matrix(content["applied_transform"]) if content.get("applied_transform") is not None else None
        if applied is not None:
            applied[:3, :] *= float(content.get("applied_scale", 1.0))
    if not shots:
        raise InputError(f"{path} has no frames: {ADVICE}")
    return Transforms(shots, applied)


def _own(frame: Mapping[str, Any]) -> dict[str, Any]:
    """A frame's values. Its angle of view beats a focal length of all frames, and the other way round."""
    kept = {key: value for key, value in frame.items() if value is not None}
    if {"camera_angle_x", "x_fov"} & kept.keys() and "fl_x" not in kept:
        kept["fl_x"] = kept["fl_y"] = None
    return kept


def _shot(folder: Path, frame: dict[str, Any], size: tuple[int, int] | None) -> Shot:
    name = frame.get("file_path")
    picture = None if name is None or size is not None else picture_at(below(folder, str(name), "the picture"))
    mask = frame.get("mask_path")
    found = None
    if mask is not None and size is None:
        found = below(folder, str(mask), "the mask")
    elif picture is not None:
        found = mask_of(picture, folder)
    width, height = _size(frame, picture, size)
    model, params = _lens(frame, width, height)
    pose = _matrix(frame["transform_matrix"])
    return Shot("a frame" if name is None else str(name), picture, found, pose, model, params, width, height)


def _size(frame: Mapping[str, Any], picture: Path | None, size: tuple[int, int] | None) -> tuple[int, int]:
    if frame.get("w") is not None and frame.get("h") is not None:
        return round(float(frame["w"])), round(float(frame["h"]))
    if picture is not None:
        with open_image(picture) as image:
            return image.size
    if size is not None:
        return size
    return 1, 1  # the picture is missing: the view is left out


def _lens(frame: Mapping[str, Any], width: int, height: int) -> tuple[str, tuple[float, ...]]:
    """COLMAP's name of the lens, and its numbers."""
    fx, fy = (_focal(frame, axis, side) for axis, side in (("x", width), ("y", height)))
    fx = fy if fx is None else fx
    if fx is None:
        raise ValueError("camera_angle_x, fl_x and x_fov are all missing")
    fy = fx if fy is None else fy
    middle = [
        side / 2 if frame.get(key) is None else float(frame[key]) for key, side in (("cx", width), ("cy", height))
    ]
    k1, k2, k3, k4, p1, p2 = (float(frame.get(key) or 0.0) for key in ("k1", "k2", "k3", "k4", "p1", "p2"))
    model = str(frame.get("camera_model") or "OPENCV").upper()
    if frame.get("is_fisheye") or model in ("FISHEYE", "OPENCV_FISHEYE"):
        if p1 or p2:
            raise ValueError("a fisheye has k1 to k4 alone, and p1 or p2 is not 0")
        return "OPENCV_FISHEYE", (fx, fy, *middle, k1, k2, k3, k4)
    if model not in MODELS and model != "PERSPECTIVE":
        raise ValueError(f"camera_model {frame['camera_model']} is not known: undistort the pictures first")
    if model in MODELS and not MODELS[model].straight:
        raise ValueError(f"camera_model {model} is written in another way than OPENCV_FISHEYE: convert it to that")
    if k4:
        raise ValueError(f"k4 is {k4}: of a lens that is no fisheye, k1, k2, k3, p1 and p2 are known")
    return "FULL_OPENCV", (fx, fy, *middle, k1, k2, p1, p2, k3, 0.0, 0.0, 0.0)


def _focal(frame: Mapping[str, Any], axis: str, side: int) -> float | None:
    if frame.get(f"fl_{axis}") is not None:
        focal = float(frame[f"fl_{axis}"])
    elif frame.get(f"camera_angle_{axis}") is not None or frame.get(f"{axis}_fov") is not None:
        angle = frame.get(f"camera_angle_{axis}")
        angle = math.radians(float(frame[f"{axis}_fov"])) if angle is None else float(angle)
        if not 0 < angle < math.pi:
            raise ValueError(f"the angle of view along {axis} is {angle}, not one in radians between 0 and pi")
        focal = side / 2 / math.tan(angle / 2)
    else:
        return None
    if not 0 < focal < math.inf:
        raise ValueError(f"the focal length along {axis} is {focal}")
    return focal


def _matrix(given: Any) -> Float[np.ndarray, "4 4"]:
    """A pose of 4 x 4, 3 x 4 or 16 numbers."""
    matrix = np.asarray(given, np.float64)
    matrix = matrix.reshape(4, 4) if matrix.size == 16 else np.concatenate([matrix.reshape(3, 4), [[0.0, 0, 0, 1]]])
    if not np.isfinite(matrix).all() or not np.allclose(matrix[3], [0, 0, 0, 1], atol=1e-4):
        raise ValueError("a matrix holds NaN, or its last row is not 0, 0, 0, 1")
    gram = matrix[:3, :3] @ matrix[:3, :3].T
    if np.abs(gram - np.eye(3)).max() > 1e-2 or np.linalg.det(matrix[:3, :3]) < 0:
        raise ValueError("the 3 x 3 part of a matrix is no rotation: it stretches or mirrors")
    return matrix
