"""Captures of a generated chair, written by hand in each spelling, in a world that is not ours."""

from __future__ import annotations

import json
import math
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from featurenerf.cameras import Camera

VIEWS, SIZE, FOCAL = 10, 128, 140.0
FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # between OpenGL's axes and COLMAP's

SCALE = 2.5
SHIFT = np.array([3.0, -1.0, 0.7])
TILT = np.array([[0.8, -0.6, 0.0], [0.36, 0.48, -0.8], [0.48, 0.64, 0.6]])  # a rotation: (3, 4, 5) twice


@cache
def chair() -> tuple[np.ndarray, np.ndarray]:
    """RGBA pictures and camera-to-world matrices (OpenGL axes) in the object's frame."""
    from featurenerf.synthesis.make import record_object
    from featurenerf.synthesis.objects import generate

    cameras = Camera.look_at([36.0 * k + 10 for k in range(VIEWS)], [12.0 + 25 * (k % 3) for k in range(VIEWS)])
    record = record_object(generate("chair", 3, 0), cameras, np.random.default_rng(0))
    return np.stack(record.pictures), cameras.pose.double().numpy()


def elsewhere(poses: np.ndarray, turn: np.ndarray = TILT, scale: float = SCALE) -> np.ndarray:
    """Poses of the object's frame in a world that is turned, larger, and has another origin."""
    moved = poses.copy()
    moved[:, :3, :3] = turn @ poses[:, :3, :3]
    moved[:, :3, 3] = scale * poses[:, :3, 3] @ turn.T + SHIFT
    return moved


def write_transforms(
    folder: Path, poses: np.ndarray, top: dict[str, Any], *, ending: str = ".png", each: dict[str, Any] | None = None,
    listed: str = "images/{:03d}.png", pictures: np.ndarray | None = None, name: str = "transforms.json",
) -> Path:  # fmt: skip
    """``listed`` is what the file calls a picture; it lies at images/NNN with ``ending``."""
    pictures = chair()[0] if pictures is None else pictures
    (folder / "images").mkdir(parents=True, exist_ok=True)
    frames = []
    for number, (picture, pose) in enumerate(zip(pictures, poses, strict=True)):
        Image.fromarray(picture).save(folder / "images" / f"{number:03d}{ending}")
        frames.append({"file_path": listed.format(number), "transform_matrix": pose.tolist(), **(each or {})})
    (folder / name).write_text(json.dumps({**top, "frames": frames}))
    return folder


def quaternion(matrix: np.ndarray) -> list[float]:
    """(w, x, y, z) of a rotation, the eigenvector of Bar-Itzhack's matrix with the largest eigenvalue."""
    m = matrix
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[2, 0] + m[0, 2], m[2, 1] - m[1, 2]],
            [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2], m[0, 2] - m[2, 0]],
            [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m.trace()],
        ]
    )
    x, y, z, w = np.linalg.eigh(k / 3)[1][:, -1]
    return [w, x, y, z]


def write_colmap(
    folder: Path, poses: np.ndarray, *, binary: bool, lens: tuple[int, str, list[float]] | None = None,
    pictures: np.ndarray | None = None, extension: str = ".png",
) -> Path:  # fmt: skip
    """A model in sparse/0, with two points in each picture; ``lens`` is (number, name, params) of its one camera."""
    pictures = chair()[0] if pictures is None else pictures
    height, width = pictures.shape[1:3]
    number, name, params = lens or (1, "PINHOLE", [FOCAL, FOCAL, width / 2, height / 2])
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    (folder / "images").mkdir()
    images = []
    for k, (picture, pose) in enumerate(zip(pictures, poses, strict=True)):
        Image.fromarray(picture).save(folder / "images" / f"view {k:02d}{extension}")
        world_to_camera = np.linalg.inv(pose @ FLIP)
        images.append((k + 1, quaternion(world_to_camera[:3, :3]), world_to_camera[:3, 3], f"view {k:02d}{extension}"))
    images = images[::-1]  # COLMAP lists them in any order
    if binary:
        head = struct.pack("<QIiQQ", 1, 7, number, width, height)
        (model / "cameras.bin").write_bytes(head + struct.pack(f"<{len(params)}d", *params))
        content = struct.pack("<Q", len(images))
        for image_id, q, t, file in images:
            content += struct.pack("<I7dI", image_id, *q, *t, 7) + file.encode() + b"\0" + struct.pack("<Q", 2)
            content += struct.pack("<ddqddq", 1.0, 2.0, -1, 3.0, 4.0, 5)
        (model / "images.bin").write_bytes(content)
        return folder
    numbers = " ".join(str(p) for p in params)
    (model / "cameras.txt").write_text(f"# Camera list\n7 {name} {width} {height} {numbers}\n")
    lines = ["# Image list with two lines of data per image:"]
    for image_id, q, t, file in images:
        lines += [" ".join(map(str, [image_id, *q, *t, 7, file])), "1.0 2.0 -1 3.0 4.0 5" if image_id % 2 else ""]
    (model / "images.txt").write_text("\n".join(lines) + "\n")
    return folder


def angle_x() -> float:
    """The horizontal field of view of the pictures, in radians."""
    return 2 * math.atan(SIZE / 2 / FOCAL)
