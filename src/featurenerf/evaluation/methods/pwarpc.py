"""PWarpC (Truong et al., CVPR 2022), a network for semantic matching, through its authors' program and weights.

Neither is part of this package. A user names a clone of github.com/PruneTruong/DenseMatching, with
``PWarpCSFNet_WS_spair.pth`` (trained on SPair-71k without keypoints) in its folder ``pre_trained_models``, and has
installed what that program needs.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Num
from torch import Tensor

from featurenerf.errors import InputError, first_line
from featurenerf.evaluation.methods.base import Inputs, Method, PairView, Vectors
from featurenerf.matching import nearest
from featurenerf.pictures import composite_bytes

MODEL, WEIGHTS = "PWarpCSFNet_WS", "spair"


class PWarpC(Method):
    """A flow from the source's picture to the target's says where a place goes: the candidate that is nearest to it."""

    name = "pwarpc"
    privileged = True

    network: Any

    def __init__(self, clone: Path | None = None) -> None:
        self.clone = clone
        self._flow = lru_cache(1)(lambda *views: self._estimated(*views))

    def start(self, inputs: Inputs) -> PWarpC:
        if self.clone is None:
            raise InputError(
                "the method 'pwarpc' needs a clone of github.com/PruneTruong/DenseMatching: name its folder"
            )
        started = PWarpC(self.clone)
        started.inputs, started.network = inputs, _network(self.clone)
        return started

    def vectors(self, view: PairView, places: Num[Tensor, "n c"]) -> Vectors:
        raise InputError("the method 'pwarpc' knows pairs of pictures only: take a task in pictures")

    def carry(self, source: PairView, asked: Tensor, target: PairView, candidates: Tensor) -> Int[Tensor, " n"]:
        if asked.shape[1] != 2:
            raise InputError("the method 'pwarpc' has no points in space: take a task in pictures")
        column, row = asked.unbind(-1)
        landed = asked + self._flow(source, target)[row, column]
        return nearest(landed, candidates.float())[0].cpu()

    def _estimated(self, source: PairView, target: PairView) -> Float[Tensor, "h w 2"]:
        """From each pixel of the source to where it is on the target, (x, y) in pixels."""
        one, other = (self._picture(view) for view in (source, target))
        # its flow is that of the second picture, to places on the first
        return self.network.estimate_flow(other, one, mode="channel_first")[0].permute(1, 2, 0).float().cpu()

    def _picture(self, view: PairView) -> Tensor:
        rgb = composite_bytes(np.asarray(self.inputs.objects(view.object_id).picture(view.shown)))
        return torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None]


def _network(clone: Path) -> Any:
    """The network of a clone; its modules are imported from there."""
    if not (clone / "model_selection.py").is_file():
        raise InputError(f"{clone} is no clone of github.com/PruneTruong/DenseMatching: it has no model_selection.py")
    sys.path.insert(0, str(clone))
    try:
        from model_selection import select_model

        folder = str(clone / "pre_trained_models")
        network, _ = select_model(MODEL, WEIGHTS, SimpleNamespace(network_type=MODEL), 3, 3, folder)
        return network
    except Exception as error:  # another program: anything may happen
        raise InputError(
            f"{clone} cannot be used ({first_line(error)}): install what it needs, and put {MODEL}_{WEIGHTS}.pth into "
            "its pre_trained_models"
        ) from error
    finally:
        sys.path.remove(str(clone))
