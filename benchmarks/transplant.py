"""Makes a checkpoint of today's fast field that answers as one of before format 3 does, to go on training from.

    python benchmarks/transplant.py OLD NEW

Density gets cells of one pixel for cells of two, each with what the large one had; the network gets to see alpha, at
first with weights of zero; a ray's latents are decoded once. All other weights are OLD's.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import torch
from torch import Tensor

import featurenerf
from featurenerf.models.fast import FastModel


def widened(old: Tensor, like: Tensor) -> Tensor:
    """With zeros for inputs that were not there, which come last."""
    return torch.cat([old, old.new_zeros(old.shape[0], like.shape[1] - old.shape[1], *old.shape[2:])], 1)


def transplanted(old: FastModel) -> FastModel:
    """A model of today's settings with the weights of an old one."""
    new = FastModel(replace(old.config, density_stride=1, silhouette=True, decode_once=True))
    weights, like = old.state_dict(), new.state_dict()
    stem = weights["net.stem.0.weight"]  # red, green, blue, (alpha,) x, y
    weights["net.stem.0.weight"] = torch.cat([stem[:, :3], torch.zeros_like(stem[:, :1]), stem[:, 3:]], 1)
    weights["net.to_detail.0.weight"] = widened(weights["net.to_detail.0.weight"], like["net.to_detail.0.weight"])
    for name in ("net.to_detail.2.weight", "net.to_detail.2.bias"):
        density, pixels = weights[name].split([old.config.density_bins, old.config.pixel_channels])
        weights[name] = torch.cat([density] * 4 + [pixels])
    new.load_state_dict(weights)
    return new


if __name__ == "__main__":
    made = transplanted(featurenerf.load(sys.argv[1]))  # type: ignore[arg-type]
    featurenerf.save(made, sys.argv[2])
