"""COLMAP's models: ``cameras`` and ``images``, as ``.bin`` or ``.txt`` (https://colmap.github.io/format.html)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from featurenerf.cameras import Camera
from featurenerf.data.formats.shots import Shot, below, mask_of, picture_at
from featurenerf.data.storage import read_file
from featurenerf.errors import InputError
from featurenerf.lenses import MODELS
from featurenerf.limits import parsing

PLACES = ("", "sparse/0", "sparse", "colmap/sparse/0", "colmap/sparse", "dense/sparse", "dense/0/sparse")
"""Where the model lies in the folder of a capture."""
NAMES = (
    *("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "OPENCV_FISHEYE", "FULL_OPENCV", "FOV"),
    *("SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE", "THIN_PRISM_FISHEYE", "RAD_TAN_THIN_PRISM_FISHEYE"),
    *("SIMPLE_DIVISION", "DIVISION", "SIMPLE_FISHEYE", "FISHEYE"),
)
"""The camera models by their number in binary files."""

Lens = tuple[str, int, int, tuple[float, ...]]
Pose = tuple[str, int, list[float], list[float]]


def model_in(folder: Path) -> Path | None:
    """The folder of the model of a capture; None where there is none."""
    for place in PLACES:
        for ending in (".bin", ".txt"):
            if all((folder / place / f"{name}{ending}").is_file() for name in ("cameras", "images")):
                return folder / place
    return None


def read_model(folder: Path, model: Path) -> list[Shot]:
    """The pictures of a model, in the order of their names; ``folder`` is that of the capture.

    Raises:
        InputError: a file is broken, or has a camera model that is not known.
    """
    binary = (model / "images.bin").is_file() and (model / "cameras.bin").is_file()
    ending, lenses, poses = (".bin", _binary_lenses, _binary_poses) if binary else (".txt", _text_lenses, _text_poses)
    cameras, images = model / f"cameras{ending}", model / f"images{ending}"
    content = read_file(cameras)
    with parsing(f"{cameras} is not a file of COLMAP cameras", "export the model again"):
        known = dict(lenses(content))
    shots, content = [], read_file(images)
    with parsing(f"{images} is not a file of COLMAP images", "export the model again"):
        for name, lens, turn, shift in poses(content):
            if lens not in known:
                raise ValueError(f"the camera {lens} of {name} is not in {cameras.name}")
            kind, width, height, params = known[lens]
            pose = Camera.from_colmap(turn, [0.0, 0.0, 0.0], [1.0, 0.0, 0.0], 1, 1).pose.double().numpy()
            world = pose * np.array([1.0, -1.0, -1.0, 1.0])  # from OpenGL's axes to COLMAP's
            pose[:3, 3] = -world[:3, :3] @ np.array(shift)
            picture = _picture(folder, model, name)
            mask = None if picture is None else mask_of(picture, folder)
            shots.append(Shot(name, picture, mask, pose, kind, params, width, height))
    if not shots:
        raise InputError(f"{images} names no picture: COLMAP has placed none of them")
    return sorted(shots, key=lambda shot: shot.name)


def _picture(folder: Path, model: Path, name: str) -> Path | None:
    for parent in (model, *model.parents):
        for images in (parent / "images", parent):
            if (found := picture_at(below(images, name, "the picture"))) is not None:
                return found
        if parent == folder:
            break
    return None


def _known_model(name: str) -> str:
    if name not in MODELS:
        raise ValueError(
            f"the camera model {name} is not known: undistort the pictures with COLMAP, and take its model"
        )
    return name


# ---------------------------------------------------------------------- text


def _lines(content: bytes) -> Iterator[str]:
    return (line.strip() for line in content.decode("utf-8").splitlines() if not line.lstrip().startswith("#"))


def _text_lenses(content: bytes) -> Iterator[tuple[int, Lens]]:
    for line in filter(None, _lines(content)):
        number, name, width, height, *params = line.split()
        yield int(number), (_known_model(name), int(width), int(height), tuple(float(p) for p in params))


def _text_poses(content: bytes) -> Iterator[Pose]:
    """Every other line holds a picture's points, and may be empty."""
    lines = _lines(content)
    for line in lines:
        if not line:
            continue
        _, *numbers, lens, name = line.split(maxsplit=9)
        values = [float(number) for number in numbers]
        yield name, int(lens), values[:4], values[4:7]
        next(lines, None)


# ---------------------------------------------------------------------- binary (little-endian)


def _binary_lenses(content: bytes) -> Iterator[tuple[int, Lens]]:
    (count,), at = struct.unpack_from("<Q", content), 8
    for _ in range(count):
        number, model, width, height = struct.unpack_from("<iiQQ", content, at)
        name = _known_model(NAMES[model] if 0 <= model < len(NAMES) else f"number {model}")
        params = struct.unpack_from(f"<{MODELS[name].count}d", content, at + 24)
        at += 24 + 8 * len(params)
        yield number, (name, width, height, params)


def _binary_poses(content: bytes) -> Iterator[Pose]:
    (count,), at = struct.unpack_from("<Q", content), 8
    for _ in range(count):
        _, *values, lens = struct.unpack_from("<i7di", content, at)
        end = content.index(b"\0", at + 64)
        name = content[at + 64 : end].decode("utf-8")
        (points,) = struct.unpack_from("<Q", content, end + 1)
        at = end + 9 + 24 * points
        if at > len(content):
            raise ValueError(f"it ends within the points of {name}")
        yield name, lens, list(values[:4]), list(values[4:7])
