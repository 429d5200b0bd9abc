"""Colours of airplanes, and pictures painted on their surfaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from featurenerf.synthesis.objects import materials
from featurenerf.synthesis.objects.assembly import Finish
from featurenerf.synthesis.objects.labelled import Material
from featurenerf.synthesis.objects.shapes import Numbers, Scalar, Surface

HUES = ((0.78, 0.08, 0.1), (0.55, 0.05, 0.12), (0.06, 0.12, 0.38), (0.08, 0.25, 0.65), (0.2, 0.55, 0.85),
         (0.05, 0.5, 0.5), (0.08, 0.45, 0.2), (0.05, 0.25, 0.15), (0.92, 0.45, 0.05), (0.95, 0.78, 0.1),
         (0.4, 0.12, 0.5), (0.08, 0.08, 0.1), (0.4, 0.42, 0.45), (0.85, 0.2, 0.5))  # fmt: skip
_CAMOUFLAGE = (
    ((0.55, 0.58, 0.6), (0.4, 0.44, 0.48), (0.66, 0.68, 0.7)),
    ((0.3, 0.36, 0.2), (0.45, 0.38, 0.25), (0.5, 0.53, 0.55)),
    ((0.68, 0.58, 0.42), (0.45, 0.33, 0.22), (0.7, 0.75, 0.78)),
    ((0.2, 0.27, 0.18), (0.32, 0.34, 0.3), (0.45, 0.47, 0.48)),
    ((0.35, 0.48, 0.6), (0.22, 0.33, 0.47), (0.62, 0.7, 0.76)),
    ((0.27, 0.29, 0.31), (0.27, 0.29, 0.31), (0.3, 0.32, 0.34)),
)  # fmt: skip
DARK = (0.07, 0.08, 0.1)


@dataclass(frozen=True, eq=False)
class Livery:
    """Colours of an airplane; ``style`` says how they are laid on it."""

    kind: str
    style: str
    base: np.ndarray
    under: np.ndarray
    first: np.ndarray
    second: np.ndarray
    wing: np.ndarray
    gloss: tuple[Scalar, Scalar]
    glass: Finish
    waves: np.ndarray
    """(5, 3) frequencies (per metre, times 2 pi) and phase of the waves that camouflage is made of."""

    def plain(self, color: np.ndarray) -> Finish:
        return Finish(Material(color, *self.gloss))

    def blotches(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Smooth noise about 0 over the plane, without a seam between fuselage and wings."""
        return np.sin(u[..., None] * self.waves[:, 0] + v[..., None] * self.waves[:, 1] + self.waves[:, 2]).sum(axis=-1)


def draw_livery(rng: np.random.Generator, kind: str, length: Scalar) -> Livery:
    def near(color: Numbers, by: Scalar = 0.05) -> np.ndarray:
        return np.clip(np.asarray(color) * rng.uniform(1 - by, 1 + by) + rng.normal(0, by / 3, 3), 0.02, 0.97)

    white, grey = near([rng.uniform(0.86, 0.96)] * 3, 0.02), near([rng.uniform(0.55, 0.72)] * 3, 0.03)
    chosen = rng.choice(len(HUES), 3, replace=False)
    first, second, third = (near(HUES[k], 0.12) for k in chosen)
    base, under, wing = white, white, grey
    gloss = (rng.uniform(0.3, 0.7), rng.uniform(30, 90))
    styles = {
        "airline": ("cheat", "wrap", "belly", "full", "wave", "cheat", "plain"),
        "private": ("swoosh", "lines", "two-tone", "swoosh"),
        "sport": ("two-tone", "swoosh", "lines", "nose"),
        "warbird": ("camouflage", "two-tone", "bands"),
        "military": ("camouflage", "grey", "grey", "camouflage"),
        "display": ("two-tone", "swoosh", "lines"),
        "glider": ("plain", "nose", "lines"),
        "bare": ("nose", "cheat", "plain"),
    }[kind]
    style = str(rng.choice(styles))
    if kind == "airline":
        under = grey if rng.random() < 0.4 else white
        if style == "full":
            base = under = first
            first, second = white, second
    elif kind in ("private", "sport", "display"):
        if rng.random() < (0.25 if kind == "private" else 0.65):
            base, first = first, (white if rng.random() < 0.6 else third)
        under = base
        wing = base if rng.random() < 0.75 else (white if rng.random() < 0.5 else grey)
    elif kind in ("military", "warbird"):
        base, first, under = (near(c, 0.06) for c in _CAMOUFLAGE[rng.integers(len(_CAMOUFLAGE))])
        if kind == "warbird" and style != "camouflage":
            base = near(((0.1, 0.16, 0.32), (0.3, 0.33, 0.18), (0.85, 0.7, 0.1))[rng.integers(3)], 0.1)
            first = under = near(HUES[9] if rng.random() < 0.4 else grey)
        elif style == "grey":
            first = base
        wing = base
        gloss = (rng.uniform(0.03, 0.15), rng.uniform(5, 12))
    elif kind == "bare":
        base = under = wing = near([rng.uniform(0.6, 0.72)] * 3, 0.02)
        gloss = (rng.uniform(0.8, 1.0), rng.uniform(20, 50))
    else:
        wing = base
    shade = rng.uniform(0.05, 0.18) * np.array([1 - rng.uniform(0, 0.3), 1.0, 1 + rng.uniform(0, 0.5)])
    if kind in ("military", "display") and rng.random() < 0.25:
        shade = np.array([0.35, 0.25, 0.08])
    return Livery(
        kind=kind,
        style=style,
        base=base,
        under=under,
        first=first,
        second=second,
        wing=wing,
        gloss=gloss,
        glass=materials.plain(shade, rng.uniform(0.7, 1.0), rng.uniform(60, 150)),
        waves=np.column_stack([rng.normal(0, 16 / length, (5, 2)), rng.uniform(0, 2 * np.pi, 5)]),
    )


class Canvas:
    """A picture painted in metres and thrown on a surface along the axis that is not one of its two."""

    def __init__(self, surface: Surface, color: np.ndarray, axes: tuple[int, int] = (0, 2), texels: int = 320) -> None:
        points = surface.vertices[:, axes]
        self._surface, self._points = surface, points
        self._low, self._size = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-6)
        columns, rows = np.clip(np.ceil(texels * self._size / self._size.max()), 8, None).astype(int)
        u = self._low[0] + (np.arange(columns) + 0.5) / columns * self._size[0]
        v = self._low[1] + (np.arange(rows) + 0.5) / rows * self._size[1]
        self.u, self.v = np.meshgrid(u, v)
        self.texel = float(self._size.max()) / texels
        self._picture = np.broadcast_to(color, (rows, columns, 3)).copy()

    def paint(self, where: np.ndarray, color: np.ndarray, opacity: Scalar = 1.0) -> None:
        """Lay a colour where a mask says; a mask of fractions mixes."""
        if where.dtype == bool:
            self._picture[where] += opacity * (color - self._picture[where])
        else:
            self._picture += (opacity * where)[..., None] * (color - self._picture)

    def line(self, away: np.ndarray, where: np.ndarray | bool, color: np.ndarray, opacity: Scalar) -> None:
        """A line of about one texel where the signed distance ``away`` (metres) is 0."""
        self.paint(np.clip(1.3 - np.abs(away) / self.texel, 0, 1) * where, color, opacity)

    def glyphs(
        self, rng: np.random.Generator, count: int, at: tuple[Scalar, Scalar], size: Scalar, color: Numbers
    ) -> None:
        """A word of made-up block letters from a point on, towards the tail."""
        for k in range(count):
            u, v = (at[0] - self.u) / (0.62 * size) - 1.25 * k, (self.v - at[1]) / size
            inside = (u >= 0) & (u < 1) & (v >= 0) & (v < 1)
            strokes = np.stack([u < 0.34, u > 0.66, v < 0.24, v > 0.76, np.abs(v - 0.5) < 0.13])
            drawn = np.array([True, *(rng.random(4) < 0.6)])
            self.paint(inside & strokes[drawn].any(axis=0), np.asarray(color))

    def roundel(self, at: tuple[Scalar, Scalar], radius: Scalar, colors: Sequence[Numbers]) -> None:
        away = np.hypot(self.u - at[0], self.v - at[1]) / radius
        for k, color in enumerate(colors):
            self.paint(away < 1 - k / len(colors), np.asarray(color))

    def finish(self, gloss: tuple[Scalar, Scalar]) -> tuple[Surface, Finish]:
        """The surface with coordinates of the picture, and the picture as its finish."""
        picture = (np.clip(self._picture, 0, 1) * 255).round().astype(np.uint8)
        uv = np.clip((self._points - self._low) / self._size, 0.001, 0.999)
        return replace(self._surface, uv=uv[self._surface.faces]), Finish(Material(np.ones(3), *gloss, picture))


ROUNDELS = (
    ((0.1, 0.15, 0.45), (0.9, 0.9, 0.9), (0.75, 0.1, 0.1)), ((0.75, 0.1, 0.1), (0.9, 0.9, 0.9), (0.1, 0.15, 0.45)),
    ((0.75, 0.1, 0.1), (0.9, 0.75, 0.1)), ((0.1, 0.15, 0.45), (0.92, 0.92, 0.92)), ((0.75, 0.1, 0.1),),
    ((0.2, 0.22, 0.25), (0.5, 0.52, 0.55)), ((0.1, 0.35, 0.15), (0.9, 0.9, 0.9), (0.85, 0.5, 0.1)),
)  # fmt: skip
