"""Colours of surface points, by what they are to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor

from featurenerf.fields.volume import VolumeField
from featurenerf.studio import figures
from featurenerf.studio.clickable import LEAST_SCORE, SurfaceCells
from featurenerf.studio.export import density_at
from featurenerf.studio.viewer.state import ViewedObject

Shown = Literal["rgb", "depth", "normals", "descriptors", "parts", "similarity", "words"]
SHOWN: tuple[Shown, ...] = get_args(Shown)
_STEP = 0.02  # over which density is compared to find normals, in world units
_PLAIN = 0.75  # grey of points without a part


def descriptor_colors(objects: Sequence[ViewedObject], most: int = 20000) -> figures.DescriptorColors:
    """Colours of descriptors, the same on all objects: three principal components of all of them together."""
    together = torch.cat([each.surface.descriptors for each in objects])
    return figures.DescriptorColors.of(together[:: -(-len(together) // most)])


@torch.no_grad()
def normals(shape: VolumeField, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """Unit vectors along which the density of a field falls; zero where it does not change."""
    steps = torch.eye(3) * _STEP
    around = torch.stack([points + sign * step for step in steps for sign in (1, -1)]).to(shape.source.pose.device)
    density = density_at(shape, around).cpu().log1p().reshape(3, 2, -1)
    falling = (density[:, 1] - density[:, 0]).T
    return falling / falling.norm(dim=1, keepdim=True).clamp(min=1e-6)


def heat(scores: Float[Tensor, " n"], least: float = LEAST_SCORE) -> Float[Tensor, "n 3"]:
    """Similarities as colours: dark 0.2 below ``least``, bright at 1 (viridis, which the colour-blind can read)."""
    return figures.viridis(((scores - least + 0.2) / (1.2 - least)).clamp(0, 1))


def part_colors(labels: Int64[Tensor, " n"]) -> Float[Tensor, "n 3"]:
    """Labels as colours; grey where there is none."""
    table = [[_PLAIN] * 3] + [[c / 255 for c in figures.part_color(n)] for n in range(1, int(labels.max()) + 1)]
    return torch.tensor(table)[labels]


def depth_colors(points: Float[Tensor, "n 3"], eye: Float[Tensor, " 3"]) -> Float[Tensor, "n 3"]:
    """Distance from an eye as colours, bright where near."""
    away = (points - eye).norm(dim=1)
    return figures.viridis(1 - (away - away.min()) / (away.max() - away.min()).clamp(min=1e-6))


def colors(
    shown: Shown,
    surface: SurfaceCells,
    shape: VolumeField,
    palette: figures.DescriptorColors | None,
    labels: Int64[Tensor, " n"],
    scores: Float[Tensor, " n"] | None,
) -> UInt8[np.ndarray, "n 3"]:
    """Colours of the points of a surface.

    Args:
        shape: whose surface it is.
        palette: of descriptors; needed for those alone.
        labels: of its points.
        scores: of its points, to the last click, or to words as ``toward_first`` has them; None before the first.
    """
    if shown == "depth":
        made = depth_colors(surface.points, shape.source.reshape(-1)[0].centre.cpu())
    elif shown == "normals":
        made = (normals(shape, surface.points) + 1) / 2
    elif shown == "descriptors" and palette is not None:
        made = palette(surface.descriptors)
    elif shown == "parts":
        made = part_colors(labels)
    elif shown == "similarity" and scores is not None:
        made = heat(scores)
    elif shown == "words" and scores is not None:
        made = figures.viridis(scores)
    else:
        made = surface.rgb
    return (made * 255).round().byte().numpy()


def toward_first(scores: Mapping[str, Float[Tensor, "_ w"]]) -> dict[str, Float[Tensor, " _"]]:
    """How much more the points of objects are like the first of some words than like the others.

    In [0, 1] over all objects together: the height of such scores says little.
    """
    most = {of: s[:, 0] - s[:, 1:].amax(1) if s.shape[1] > 1 else s[:, 0] for of, s in scores.items()}
    low, high = min(float(s.min()) for s in most.values()), max(float(s.max()) for s in most.values())
    return {of: (s - low) / max(high - low, 1e-6) for of, s in most.items()}


def heat_picture(of: ViewedObject, seen_as: Float[Tensor, "n 3"]) -> Image.Image:
    """Colours of an object's surface points on its picture: grey where it shows no object."""
    shown = of.surface.shown[0]
    size = (shown.shape[1], shown.shape[0])
    paper = figures.picture_on_paper(of.subject.prepared).resize(size, Image.Resampling.LANCZOS)
    grey = np.asarray(paper.convert("L").convert("RGB"), np.float32)
    seen = (shown > 0).numpy()
    bright = (seen_as * 255).numpy()
    grey[seen] = 0.3 * grey[seen] + 0.7 * bright[shown[shown > 0].numpy() - 1]
    return Image.fromarray(grey.round().astype(np.uint8))


def nearest_point(points: Float[Tensor, "n 3"], known: Float[Tensor, "m 3"]) -> Int64[Tensor, " n"]:
    """Number of the known point that is closest to each point."""
    from scipy.spatial import cKDTree

    return torch.from_numpy(cKDTree(known.numpy()).query(points.numpy())[1]).long()
