"""Pictures of known points: coloured squares where a hand-written projection says that the points are seen."""

from __future__ import annotations

import numpy as np

COLOURS = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200], [200, 200, 30], [30, 200, 200]])


def look_at(position: np.ndarray, target: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Camera-to-world of a camera with OpenCV axes (x right, y down, z ahead)."""
    ahead = (target - position) / np.linalg.norm(target - position)
    right = np.cross(ahead, up)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :4] = np.stack([right, np.cross(ahead, right), ahead, position], 1)
    return pose


def project(pose: np.ndarray, focal: np.ndarray, principal: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Positions from the picture's top left corner, of points in the world of an OpenCV camera-to-world pose."""
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    return local[:, :2] / local[:, 2:] * focal + principal


def draw(picture: np.ndarray, positions: np.ndarray, radius: float = 2.0) -> None:
    """Paint a square of each colour around each position, exact to the pixel's fraction it covers by rounding."""
    rows, columns = np.indices(picture.shape[:2]) + 0.5
    for (x, y), colour in zip(positions, COLOURS, strict=False):
        picture[(abs(columns - x) < radius) & (abs(rows - y) < radius), :3] = colour


def find(picture: np.ndarray, index: int, tolerance: int = 90) -> np.ndarray | None:
    """The mean position of the pixels of a colour; None where there are none."""
    near = abs(picture[..., :3].astype(int) - COLOURS[index]).max(-1) < tolerance
    if picture.shape[2] == 4:
        near &= picture[..., 3] > 127
    rows, columns = np.nonzero(near)
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5]) if len(rows) else None
