"""An SRN data set: coloured squares where known points are, seen from around."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from published import blobs

SIZE, FOCAL = 64, 66.0
POINTS = np.array([[0.0, 0.45, 0.0], [-0.3, 0.0, 0.0], [0.0, 0.0, 0.3], [0.2, -0.3, -0.2]])
"""In the world of the files: the first at the front, the second on the left, the third on top."""
IN_OURS = {0: (0.45, 0, 0), 1: (0, 0.3, 0), 2: (0, 0, 0.3), 3: (-0.3, -0.2, -0.2)}


def write_object(folder: Path, views: int, radius: float, blank: tuple[int, ...] = ()) -> None:
    (folder / "rgb").mkdir(parents=True)
    (folder / "pose").mkdir()
    (folder / "intrinsics.txt").write_text(
        f"{FOCAL:.6f} {SIZE / 2:.6f} {SIZE / 2:.6f} 0.\n0. 0. 0.\n1.\n{SIZE} {SIZE}\n"
    )
    for view in range(views):
        angle, height = 2 * np.pi * view / views + 0.3, 0.5
        position = radius * np.array(
            [np.cos(angle) * np.sqrt(1 - height**2), np.sin(angle) * np.sqrt(1 - height**2), height]
        )
        pose = blobs.look_at(position, np.zeros(3), np.array([0, 0, 1.0]))
        picture = np.full((SIZE, SIZE, 3), 255, np.uint8)
        if view not in blank:
            positions = blobs.project(pose, np.array([FOCAL, FOCAL]), np.array([SIZE / 2, SIZE / 2]), POINTS)
            far_first = np.argsort(-np.linalg.norm(POINTS - position, axis=1))
            for number in far_first:
                blobs.draw(picture, np.where(np.arange(len(POINTS))[:, None] == number, positions, -100.0))
        Image.fromarray(picture).save(folder / "rgb" / f"{view:06d}.png")
        (folder / "pose" / f"{view:06d}.txt").write_text(" ".join(map(str, pose.ravel().tolist())) + "\n")
