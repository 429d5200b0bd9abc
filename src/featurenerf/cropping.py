"""The square of a picture that the canonical camera would have taken of an object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featurenerf.cameras import Number

OUTLINE_ASPECTS = (0.95, 1.05, 1.35, 1.75, 2.25, 3.0)
OUTLINE_DIAGONALS = (0.86, 0.73, 0.73, 0.8, 0.83, 0.85)
"""Diagonal of the box around an object's outline in its canonical picture, in units of the picture's side, by the box's
width over its height (linear in between): an object's size in space is what the model expects, and a narrow outline of
a car shows a shortened one. Means over chairs and cars by ``benchmarks/measure_silhouettes.py``; they scatter by
0.05 among chairs and by 0.02 (side views) to 0.09 (front views) among cars."""
OUTLINE_CENTRE = (0.5, 0.54)
"""Where the centre of that box lies (x, y): seen from above, an object reaches further down than up."""


@dataclass(frozen=True)
class Square:
    """Part of a picture, perhaps reaching beyond it: left and top, and the length of a side, in pixels."""

    x0: float
    y0: float
    side: float


def canonical_square(left: Number, top: Number, right: Number, bottom: Number, outline: Number | None = None) -> Square:
    """The square that shows an object as large, and where, as the canonical camera would.

    Args:
        left, top, right, bottom: the box around the object's outline, in pixels.
        outline: diagonal of the box in units of the square's side; None goes by the box's shape
            (``OUTLINE_DIAGONALS``).
    """
    width, height = right - left, bottom - top
    expected = outline or float(np.interp(width / height, OUTLINE_ASPECTS, OUTLINE_DIAGONALS))
    side = float(np.hypot(height, width)) / expected
    x, y = OUTLINE_CENTRE
    return Square((left + right) / 2 - x * side, (top + bottom) / 2 - y * side, side)


def cut_out(
    rgb: Float[Tensor, "3 h w"], alpha: Float[Tensor, "h w"], square: Square, size: int
) -> Float[Tensor, "4 s s"]:
    """The object of a picture, ``alpha`` being where it is, in a square of it resampled to ``size``: RGBA in [0, 1]."""
    cut = resample(torch.cat([rgb * alpha, alpha[None]]), square, size)
    return torch.cat([(cut[:3] / cut[3:].clamp(min=1e-4)).clamp(0, 1) * (cut[3:] > 1e-3), cut[3:].clamp(0, 1)])


def resample(picture: Float[Tensor, "c h w"], square: Square, size: int) -> Float[Tensor, "c s s"]:
    """A square of a picture, 0 outside the picture, resampled to ``size`` without aliasing."""
    shrink = square.side / size
    if shrink > 1:  # smooth first, to pixels of the result's size
        height, width = (max(1, round(s / shrink)) for s in picture.shape[1:])
        y_scale, x_scale = height / picture.shape[1], width / picture.shape[2]
        picture = F.interpolate(picture[None], (height, width), mode="bicubic", antialias=True)[0]
    else:
        y_scale = x_scale = 1.0
    steps = (torch.arange(size) + 0.5) / size * square.side
    x = 2 * (square.x0 + steps) * x_scale / picture.shape[2] - 1
    y = 2 * (square.y0 + steps) * y_scale / picture.shape[1] - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    return F.grid_sample(picture[None], grid[None], mode="bicubic", align_corners=False).squeeze(0).clamp(0, 1)
