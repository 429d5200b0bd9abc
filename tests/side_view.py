"""The ellipsoid that is known exactly, seen from its left side, with its thirds labelled."""

from __future__ import annotations

import numpy as np
import torch

from analytic_field import EllipsoidModel
from featurenerf.studio.parts import PartLabels, Subject, subject

MODEL = EllipsoidModel()
SIDE = 90.0  # from the ellipsoid's left side its front (+x) is at the left of the picture


def white(width: int = 128, height: int = 128) -> torch.Tensor:
    return torch.ones(4, height, width)


def thirds(width: int = 128, height: int = 128) -> np.ndarray:
    """1, 2 and 3 in columns of a picture: the front, middle and back third of the ellipsoid seen from its left."""
    column = (np.arange(width) + 0.5) / width * 128
    return np.broadcast_to(1 + (column > 50.0) + (column > 78.0), (height, width)).astype(np.uint8)


def side_view(labels: PartLabels | None = None) -> Subject:
    return subject(MODEL, white(), labels=labels, mask="none", azimuth=SIDE, elevation=0.0)
