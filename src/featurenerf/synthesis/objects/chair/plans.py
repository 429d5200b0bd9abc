"""What a chair is of: its parts' names, its measures and its finishes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Finish
from featurenerf.synthesis.objects.labelled import Category
from featurenerf.synthesis.objects.shapes import Scalar

BACK, SEAT, LEG, ARM = 1, 2, 3, 4


_FAMILIES = {
    "side": 0.17, "arm": 0.12, "sofa": 0.12, "office": 0.1, "pedestal": 0.06, "shell": 0.09, "stool": 0.06,
    "cantilever": 0.06, "rocker": 0.04, "bench": 0.05, "folding": 0.05, "lounge": 0.04, "tub": 0.04,
}  # fmt: skip


CATEGORY = Category("chair", tuple(_FAMILIES), tuple(_FAMILIES.values()))


@dataclass(frozen=True)
class ChairPlan:
    """What a chair's parts share: its measures and its finishes."""

    height: float
    width: float
    depth: float
    back: float
    back_width: float
    recline: float
    curve: float
    taper: float
    frame: Finish
    cover: Finish
    back_cover: Finish
    legs: Finish

    inset: float = 0.0
    """How far before the seat's end the back stands: a round seat is too narrow there."""

    @property
    def foot(self) -> float:
        """x of the back's foot."""
        return -self.depth / 2 + 0.02 + self.inset

    def fit(self, outline: np.ndarray) -> ChairPlan:
        """The plan with a back that stands on a seat of this outline."""
        for inset in (0.0, 0.03, 0.06, 0.09):
            there = np.abs(outline[:, 0] + self.depth / 2 - 0.03 - inset) < 0.035
            room = 2 * float(np.abs(outline[there, 1]).max(initial=0.0))
            if room > 0.6 * self.width:
                break
        return replace(self, inset=inset, back_width=min(self.back_width, max(room, 0.5 * self.width)))

    def lean(self, p: np.ndarray) -> np.ndarray:
        """Back coordinates (depth, across, up from the seat) to the chair's, leaning, tapering and curving."""
        t = p[:, 2] / self.back
        s = p[:, 1] / (self.back_width / 2)
        sine, cosine = np.sin(self.recline), np.cos(self.recline)
        hollow = self.curve * (np.minimum(s**2, 1.5) - 1) * np.clip(1.5 * t, 0, 1)
        x = self.foot + p[:, 0] * cosine - p[:, 2] * sine + hollow
        y = p[:, 1] * (1 + self.taper * t)
        return np.stack([x, y, self.height + p[:, 2] * cosine + p[:, 0] * sine], axis=-1)

    def at(self, across: Scalar, up: Scalar, depth: Scalar = 0.0) -> Float[np.ndarray, " 3"]:
        """A point of the back: across in [-1, 1], up in [0, 1]."""
        return self.lean(np.array([[depth, across * self.back_width / 2, up * self.back]]))[0]


def draw_plan(
    rng: np.random.Generator,
    height: tuple[Scalar, Scalar] = (0.4, 0.5),
    width: tuple[Scalar, Scalar] = (0.38, 0.54),
    depth: tuple[Scalar, Scalar] = (0.36, 0.52),
    back: tuple[Scalar, Scalar] = (0.3, 0.62),
    recline: tuple[Scalar, Scalar] = (2, 16),
    soft: Scalar = 0.4,
) -> ChairPlan:
    """Draw measures (metres, degrees) and finishes; ``soft`` is the share of upholstered covers."""
    frame = materials.any_of(
        rng, (0.5, materials.wood), (0.2, materials.metal), (0.15, materials.plastic), (0.15, materials.painted)
    )
    if rng.random() < soft:
        cover = materials.any_of(rng, (0.55, materials.fabric), (0.45, materials.leather))
    else:
        cover = (
            frame
            if rng.random() < 0.6
            else materials.any_of(rng, (0.4, materials.wood), (0.4, materials.plastic), (0.2, materials.wicker))
        )
    one = rng.random() < 0.1
    width_ = rng.uniform(*width)
    return ChairPlan(
        height=rng.uniform(*height),
        width=width_,
        depth=min(rng.uniform(*depth), 1.25 * width_ + 0.1),
        back=rng.uniform(*back),
        back_width=width_ * rng.uniform(0.8, 1.0),
        recline=np.radians(rng.uniform(*recline)),
        curve=rng.choice([0.0, rng.uniform(0.02, 0.09)]),
        taper=rng.choice([0.0, rng.uniform(-0.2, 0.15)]),
        frame=frame,
        cover=frame if one else cover,
        back_cover=frame
        if one
        else (
            cover if rng.random() < 0.75 else materials.any_of(rng, (0.5, materials.fabric), (0.5, materials.plastic))
        ),
        legs=frame
        if one or rng.random() < 0.8
        else materials.any_of(rng, (0.5, materials.metal), (0.5, materials.wood)),
    )
