"""Small mesh files for the tests: a chair of two boxes, and labelled points on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from featurenerf.synthesis.meshes.files import Axis, axes_rotation

BOXES = {"seat": ((0, 0, 0), (4, 2, 0.5)), "back": ((0, 0, 0.5), (0.5, 2, 5))}
"""Low and high corner of each part in the package's axes: 4 deep, 2 wide, 5 high, the back at the back."""

_QUADS = ((1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4))


def box_corners(low: tuple[float, float, float], high: tuple[float, float, float]) -> np.ndarray:
    return np.array([[(low, high)[i >> 2 & 1][0], (low, high)[i >> 1 & 1][1], (low, high)[i & 1][2]] for i in range(8)])


def placed(points: np.ndarray) -> np.ndarray:
    """Points of ``BOXES`` as the package places them: centred, bounding-box diagonal 1."""
    return (points - np.array([4, 2, 5]) / 2) / np.sqrt(45)


def write_obj(
    path: Path, up: Axis = "y", front: Axis = "z", picture: str = "a.png", placing: tuple | None = None
) -> Path:
    """The chair as an OBJ file with these axes, groups "seat" (green) and "back" (a red picture).

    ``placing``: where its middle is in the file, whose unit is its diagonal then. By default it is in centimetres.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"mtllib {path.stem}.mtl", "vt 0 0", "vt 1 0", "vt 1 1", "vt 0 1"]
    for number, (name, (low, high)) in enumerate(BOXES.items()):
        corners = box_corners(low, high) * 100 + 7
        if placing is not None:
            corners = placed(box_corners(low, high))
        corners = corners @ axes_rotation(up, front) + (0 if placing is None else np.array(placing))
        lines += [f"v {x} {y} {z}" for x, y, z in corners]
        lines += [f"g {name}", f"usemtl {name}"]
        lines += [" ".join(["f", *(f"{corner + 8 * number}/{i + 1}" for i, corner in enumerate(q))]) for q in _QUADS]
    path.write_text("\n".join(lines) + "\n")
    path.with_suffix(".mtl").write_text(f"newmtl seat\nKd 0 1 0\nnewmtl back\nKd 1 1 1\nmap_Kd {picture}\n")
    image = path.parent / picture
    image.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (255, 0, 0)).save(image)
    return path


def labelled_points(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points on the chair in the axes and units of ``BOXES``, and 0 (seat) or 1 (back) for each."""
    generator = np.random.default_rng(seed)
    points, labels = [], []
    for label, (low, high) in enumerate(BOXES.values()):
        size = np.array(high) - np.array(low)
        sides = np.array([size[1] * size[2], size[0] * size[2], size[0] * size[1]])
        axis = generator.choice(3, count // 2, p=sides / sides.sum())
        place = generator.random((count // 2, 3))
        place[np.arange(count // 2), axis] = generator.integers(0, 2, count // 2)
        points.append(np.array(low) + place * size)
        labels.append(np.full(count // 2, label))
    return np.concatenate(points), np.concatenate(labels)
