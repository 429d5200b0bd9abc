"""Public functions with odd arguments, for the fuzzer: each takes what a type checker lets through."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import featurenerf
from featurenerf import Camera, Field, prepare
from featurenerf.fields.edits import Ball, Plain, composed, isolated, recolored, removed, transformed
from featurenerf.lenses import undistort
from featurenerf.masks import foreground
from featurenerf.models import FastModel, checkpoint
from featurenerf.pictures import to_tensor
from featurenerf.studio import export
from featurenerf.studio.lift import LiftSettings
from small_fast_model import small_fast_model
from unchecked import types_unchecked

NUMBERS = (0.0, -1.0, math.nan, math.inf, 1e30, 1e-30, 45.0, 1.3)
SIZES = (0, -3, 1, 16, 2**40)
PLACES = ("", ".", "nonsense", "a\0b", "/dev/zero", "../..", "a" * 300, Path("nowhere"))
DEVICES = ("", "nonsense", "cuda:99", "meta", "cpu:-1", "cpu")
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool)


@cache
def _model() -> FastModel:
    return small_fast_model()


@cache
def _field() -> Field:
    return _model().encode(torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0)))


class _Odd:
    """Odd values of each kind, drawn by chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def number(self) -> float:
        return self.chance.choice(NUMBERS)

    def size(self) -> int:
        return self.chance.choice(SIZES)

    def shape(self, *wanted: int) -> tuple[int, ...]:
        """The shape, or one with an axis that is empty, one longer, missing or too many."""
        shape = list(wanted)
        place, kind = self.chance.randrange(len(shape)), self.chance.randrange(6)
        if kind == 0:
            shape[place] = 0
        elif kind == 1:
            shape[place] += 1
        elif kind == 2:
            del shape[place]
        elif kind == 3:
            shape.insert(place, self.chance.choice((0, 1, 2)))
        return tuple(shape)

    def array(self, *wanted: int) -> Any:
        """Numbers in about this shape: a tensor of some precision, or on no device, an array, or lists."""
        values = torch.rand(self.shape(*wanted), generator=torch.Generator().manual_seed(self.chance.randrange(99)))
        if self.chance.random() < 0.3 and values.numel():
            values.view(-1)[self.chance.randrange(values.numel())] = self.number()
        kind = self.chance.randrange(5)
        if kind == 0:
            return values.numpy().astype(self.chance.choice((np.float32, np.float64, np.float16, np.complex64, object)))
        if kind == 1:
            return values.tolist()
        if kind == 2:
            return values.nan_to_num(0, 0, 0).clamp(0, 255).to(self.chance.choice(DTYPES))
        return values.to("meta") if kind == 3 and self.chance.random() < 0.3 else values

    def picture(self) -> Any:
        side = self.chance.choice((1, 5, 40))
        kind = self.chance.randrange(4)
        if kind == 0:
            mode = self.chance.choice(
                ("1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16")
            )
            return Image.new(mode, (side, self.chance.choice((1, 40))))
        if kind == 1:
            return self.array(side, 40, self.chance.choice((1, 3, 4)))
        return self.array(self.chance.choice((1, 3, 4)), side, 40)

    def camera(self) -> Camera:
        side = self.chance.choice((1, 8, 12))
        more: dict[str, Any] = {}
        for name in ("distance", "fov", "near", "far"):
            if self.chance.random() < 0.2:
                more[name] = self.number()
        return Camera.look_at(self.number(), self.number(), side, self.chance.choice((1, 8)), **more)

    def pose(self) -> Any:
        return self.array(4, 4) if self.chance.random() < 0.6 else Camera.look_at(30, 20).pose.numpy()

    def ball(self) -> Ball:
        return (
            Ball((self.number(), 0.0, self.number()), self.number())
            if self.chance.random() < 0.3
            else Ball((0.1, 0, 0), 0.2)
        )


def _match(odd: _Odd) -> Any:
    return featurenerf.match(odd.array(5, 8), odd.array(7, 8))


def _render(odd: _Odd) -> Any:
    channels = odd.chance.choice((None, ("rgb",), ("depth", "alpha"), ("colour",), (), ("coordinate",)))
    return _field().render(odd.camera(), channels)


def _edit(odd: _Odd) -> Any:
    field: Any = _field()
    region = odd.ball()
    made = odd.chance.choice(
        (
            lambda: recolored(field, region, Plain((odd.number(), 0.5, odd.number()))),
            lambda: removed(field, region),
            lambda: isolated(field, region),
            lambda: transformed(field, translation=odd.array(3), scale=odd.number()),
            lambda: composed([field] * odd.chance.randrange(3)),
        )
    )()
    return made.query(torch.zeros(2, 3))


def _encode(odd: _Odd) -> Any:
    camera = odd.camera() if odd.chance.random() < 0.5 else Camera.look_at(30, 20, 40, 40)
    return _model().encode(odd.picture(), camera)


def _export(odd: _Odd) -> Any:
    if odd.chance.random() < 0.5:
        return export.mesh(_field(), odd.chance.choice((-1, 0, 1, 2, 8)), odd.number())
    return export.surface_level(_field())


def _lens(odd: _Odd) -> Any:
    model = odd.chance.choice(("PINHOLE", "SIMPLE_RADIAL", "OPENCV", "FULL_OPENCV", "FOV", "OPENCV_FISHEYE", "odd", ""))
    return undistort(odd.picture(), model, [odd.number() for _ in range(odd.chance.choice((0, 3, 4, 5, 8, 12)))])


CALLS: dict[str, Callable[[_Odd], Any]] = {
    "Camera.look_at": lambda odd: Camera.look_at(odd.number(), odd.number(), odd.size(), odd.size()),
    "Camera.look_at, arrays": lambda odd: Camera.look_at(odd.array(2), odd.array(2), 16, 16, distance=odd.number()),
    "Camera.from_pose": lambda odd: Camera.from_pose(odd.pose(), odd.number(), odd.size(), odd.size()),
    "Camera.from_opencv": lambda odd: Camera.from_opencv(odd.array(3, 3), odd.pose(), 16, odd.size()),
    "Camera.from_colmap": lambda odd: Camera.from_colmap(
        odd.array(4), odd.array(3), odd.array(odd.chance.choice((3, 4, 8))), 16, 16,
        model=odd.chance.choice((None, "PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "odd")),
    ),
    "camera.project": lambda odd: odd.camera().project(odd.array(5, 3)),
    "camera.unproject": lambda odd: odd.camera().unproject(odd.array(5, 2), odd.array(5)),
    "camera.rays_through": lambda odd: odd.camera().rays_through(odd.array(5, 2)),
    "prepare": lambda odd: prepare(odd.picture(), mask=odd.chance.choice((None, odd.array(40, 40)))),
    "to_tensor": lambda odd: to_tensor(odd.picture()),
    "foreground": lambda odd: foreground(odd.picture()),
    "undistort": _lens,
    "load": lambda odd: checkpoint.load(odd.chance.choice(PLACES)),
    "load a device": lambda odd: checkpoint.load(device=odd.chance.choice(DEVICES)),
    "encode": _encode,
    "query": lambda odd: _field().query(odd.array(6, 3), odd.chance.choice((None, odd.array(6, 3)))),
    "render": _render,
    "match": _match,
    "transfer_keypoints": lambda odd: featurenerf.transfer_keypoints(_field(), _field(), odd.array(3, 2)),
    "transfer_parts": lambda odd: featurenerf.transfer_parts(_field(), _field(), odd.array(128, 128)),
    "edit": _edit,
    "export": _export,
    "settings": lambda odd: LiftSettings(grid=odd.size(), frames=odd.size(), level=odd.number()),
    "read_ply": lambda odd: export.read_ply(odd.chance.choice(PLACES)),
}  # fmt: skip


def call(name: str, chance: random.Random) -> None:
    """A function of ``CALLS`` with odd arguments."""
    with types_unchecked(), torch.no_grad():
        CALLS[name](_Odd(chance))
