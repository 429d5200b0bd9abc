"""What a picture shows by itself, without a field: an outline, and the features of a frozen network.

A descriptor also knows the sides that a picture does not show, but it was learnt on generated objects. Where two
pictures are seen from about one side, the features tell more; where they are not, they mislead. The features say
themselves which it is: what is alike then lies at the same places. They can be wrong, and cannot tell a front from a
back. Cameras can; one that was found may be wrong by a quarter, so that less is asked of it. Where cameras were given
in worlds whose fronts differ, their turn says nothing: features may count too little, or much in opposite views.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from featurenerf.cameras import Camera

CELLS = 16
"""Cells a side of the object's box, of which each is compared with all of another picture's."""
SAME_SIDE, OTHER_SIDE = 0.2, 0.3
"""Mean moves of the best matches, in sides of the box: up to the first, two pictures count as seen from one side, from
the second on as seen from others."""
GIVEN_TURN, FOUND_TURN = (45.0, 75.0), (110.0, 140.0)
"""Degrees between two cameras, seen from the origin, from which on features count less, and not at all: of cameras that
were given, and where one was found."""
SHARE_SAME, SHARE_OTHER = 0.5, 0.05
"""How much the features count, of 1, in pictures of one side and of others; linear in between (docs/decisions.md)."""
MOST_COVERED = 0.95
"""A picture is opaque all over where more of what the network saw of it is covered: its rim may be blurred."""
_INSIDE = 0.5  # more of a pixel belongs to the object


@dataclass(frozen=True, eq=False)
class Shown:
    """What a picture shows.

    Attributes:
        camera: of the picture as the network saw it; where it stands is where the picture was taken from.
        outline: share of each pixel that the object covers.
        features: of a frozen network, coarser.
    """

    camera: Camera
    outline: Float[Tensor, "h w"]
    features: Float[Tensor, "c hf wf"]

    @cached_property
    def _cells(self) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n 2"]]:
        """Features at the cells of the object's box that it covers, and where in the box they are, from 0 to 1."""
        inside = (self.outline > _INSIDE).nonzero().flip(-1)  # (n, 2): x, y
        if len(inside) == 0:
            return self.features.new_zeros(0, len(self.features)), self.features.new_zeros(0, 2)
        low, high = inside.amin(0), inside.amax(0) + 1
        steps = (torch.arange(CELLS, device=inside.device) + 0.5) / CELLS
        places = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).flatten(0, 1)
        xy = low + places * (high - low)
        column, row = xy.floor().long().unbind(-1)
        on_object = self.outline[row, column] > _INSIDE
        return self._at(self.features, xy[on_object]), places[on_object]

    @cached_property
    def _mean(self) -> Float[Tensor, " c"]:
        return self._cells[0].mean(0).nan_to_num()

    def _at(self, maps: Float[Tensor, "c _h _w"], xy: Float[Tensor, "n 2"]) -> Float[Tensor, "n c"]:
        grid = 2 * xy / xy.new_tensor([self.camera.width, self.camera.height]) - 1
        where = grid[None, None].to(maps.device).float()
        return F.grid_sample(maps[None].float(), where, padding_mode="border", align_corners=False)[0, :, 0].T


@dataclass(frozen=True, eq=False)
class Seen:
    """What a picture shows to a camera that stands where it was taken from."""

    shown: Shown
    camera: Camera
    found: bool = False
    """Whether it was found and not given: then it may be wrong by a quarter."""

    def covered(self) -> Bool[Tensor, "h w"] | None:
        """The camera's pixels that the object covers; None where the picture is opaque all over, and does not say."""
        of, xy = self.shown, self._in_picture(self.camera.pixels().flatten(0, 1))
        inside = ((xy >= 0) & (xy < xy.new_tensor([of.camera.width, of.camera.height]))).all(-1)
        covered = (of._at(of.outline[None], xy)[:, 0] > _INSIDE) & inside.to(of.outline.device)
        if covered.sum() > MOST_COVERED * inside.sum():
            return None
        return covered.reshape(self.camera.height, self.camera.width)

    def vectors(self, pixels: Int64[Tensor, "n 2"]) -> Float[Tensor, "n c"]:
        """Features at pixels (column, row), less those of the object on average, of length 1."""
        of = self.shown
        return F.normalize(of._at(of.features, self._in_picture(pixels + 0.5)) - of._mean, dim=-1)

    def _in_picture(self, xy: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        along = self.camera.unproject(xy, torch.ones_like(xy[:, 0]))
        return self.shown.camera.to(along.device).project(along)[0]


@dataclass(frozen=True, eq=False)
class PictureCamera(Camera):
    """The camera of a picture that a field was made from, with what the picture shows, where that is known."""

    shown: Shown | None = field(default=None, repr=False)
    found: ClassVar[bool] = False


def remembering(camera: Camera, shown: Shown | None) -> Camera:
    """A camera with what its picture shows, or without."""
    if isinstance(camera, PictureCamera):
        return replace(camera, shown=shown)
    return (
        camera
        if shown is None
        else PictureCamera(**{f.name: getattr(camera, f.name) for f in fields(Camera)}, shown=shown)
    )


def seen_by(source: Camera, camera: Camera) -> Seen | None:
    """What the picture of a source camera shows to a camera; None where that is not known, or it stands elsewhere."""
    if not isinstance(source, PictureCamera) or source.shown is None:
        return None
    same = torch.equal(source.pose, camera.pose.to(source.pose))
    return Seen(source.shown, camera, source.found) if same else None


def move(one: Shown, other: Shown) -> float:
    """How far the best matches of two pictures' features move on average, in sides of the objects' boxes."""
    (ours, here), (theirs, there) = one._cells, other._cells
    if min(len(ours), len(theirs)) == 0:
        return 1.0
    likeness = F.normalize(ours - one._mean, dim=-1) @ F.normalize(theirs - other._mean, dim=-1).T.to(ours)
    there = there.to(here)
    forth, back = there[likeness.argmax(1)] - here, here[likeness.argmax(0)] - there
    return float(forth.norm(dim=-1).mean() + back.norm(dim=-1).mean()) / 2


def share(one: Seen, other: Seen) -> float:
    """How much the similarity of the pictures' own features counts beside that of descriptors, of 1."""
    ours, theirs = (seen.camera.centre.double().cpu() for seen in (one, other))
    turn = math.degrees(torch.atan2(torch.linalg.cross(ours, theirs).norm(), ours @ theirs))
    near = _falling(move(one.shown, other.shown), SAME_SIDE, OTHER_SIDE)
    facing = _falling(turn, *(FOUND_TURN if one.found or other.found else GIVEN_TURN))
    return facing * (SHARE_OTHER + (SHARE_SAME - SHARE_OTHER) * near)


def _falling(value: float, start: float, end: float) -> float:
    """1 up to ``start``, 0 from ``end`` on."""
    return min(1.0, max(0.0, (end - value) / (end - start)))
