"""Fuselages and lifting surfaces: lofts of superellipses and of airfoils."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from featurenerf.synthesis.objects.shapes import Numbers, Scalar, Surface, loft, rotation

FORWARD = rotation("y", 90)
"""Turns what was revolved about z to the front."""


def _smooth(at: np.ndarray, knots: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Monotone cubic interpolation (Fritsch and Carlson, 1980) of the columns of ``values``."""
    step = np.diff(knots)[:, None]
    slope = np.diff(values, axis=0) / step
    before, after = slope[:-1], slope[1:]
    same = before * after > 0
    w1, w2 = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
    bend = np.where(same, w1 / np.where(same, before, 1.0) + w2 / np.where(same, after, 1.0), 1.0)
    tangent = np.concatenate([slope[:1], np.where(same, (w1 + w2) / bend, 0.0), slope[-1:]])
    k = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    h, t = step[k], ((at - knots[k]) / step[k, 0])[:, None]
    return (
        values[k] * (1 + 2 * t) * (1 - t) ** 2
        + h * tangent[k] * t * (1 - t) ** 2
        + values[k + 1] * t**2 * (3 - 2 * t)
        + h * tangent[k + 1] * t**2 * (t - 1)
    )


@dataclass(frozen=True, eq=False)
class FuselageShape:
    """A fuselage: superellipses along x, from the tail to the nose."""

    x: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    half: np.ndarray
    power: np.ndarray

    @classmethod
    def of(cls, rows: Numbers, length: Scalar, high: Scalar, wide: Scalar) -> FuselageShape:
        """Through rows (share of the length from the nose, top, bottom, half width, power), in half heights and half
        widths; between them smooth, and round at the nose."""
        table = np.asarray(rows, dtype=np.float64)
        knots = np.sqrt(table[:, 0])
        at = np.unique(np.concatenate([np.linspace(0, 1, 22), np.sqrt(np.linspace(0, 1, 20)), knots]).round(3))
        top, bottom, half, power = _smooth(at, knots, table[:, 1:]).T
        x = length * (0.5 - at**2)
        order = slice(None, None, -1)
        return cls(x[order], high * top[order], high * bottom[order], wide * half[order], power[order])

    def at(self, x: np.ndarray | Scalar) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Middle height, half height, half width and power of the section."""
        top, bottom, half, power = (np.interp(x, self.x, c) for c in (self.top, self.bottom, self.half, self.power))
        return np.asarray((top + bottom) / 2), np.asarray((top - bottom) / 2), np.asarray(half), np.asarray(power)

    def ceiling(self, x: Scalar) -> float:
        return float(np.interp(x, self.x, self.top))

    def floor(self, x: Scalar) -> float:
        return float(np.interp(x, self.x, self.bottom))

    def width(self, x: np.ndarray | Scalar, z: np.ndarray | Scalar) -> np.ndarray:
        """Half width at a height; 0 above and below the hull."""
        middle, high, half, power = self.at(x)
        return np.asarray(half * np.clip(1 - np.abs((z - middle) / high) ** power, 0, 1) ** (1 / power))

    def point(self, x: np.ndarray | Scalar, angle: np.ndarray | Scalar, lift: Scalar = 0.0) -> np.ndarray:
        """The point at an angle (degrees from the left side, 90 on top), lifted off the surface."""
        middle, high, half, power = self.at(x)
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        y = half * np.sign(c) * np.abs(c) ** (2 / power) + lift * c
        z = middle + high * np.sign(s) * np.abs(s) ** (2 / power) + lift * s
        return np.stack(np.broadcast_arrays(np.asarray(x, dtype=np.float64), y, z), axis=-1)

    def surface(self, count: int = 24) -> Surface:
        return loft(self.point(self.x[:, None], np.arange(count) * 360 / count))


_CHORD = (1 - np.cos(np.linspace(0, np.pi, 9))) / 2
_THICK = 5 * (0.2969 * np.sqrt(_CHORD) - 0.126 * _CHORD - 0.3516 * _CHORD**2 + 0.2843 * _CHORD**3 - 0.1015 * _CHORD**4)
_CAMBER = 4 * _CHORD * (1 - _CHORD)
"""Half thickness of the NACA four-digit series per thickness, and a parabola of camber, along the chord."""


@dataclass(frozen=True, eq=False)
class Foil:
    """A lifting surface: airfoils with their chords along x, from root to tip."""

    front: np.ndarray
    """(n, 3) leading edge."""
    chord: np.ndarray
    thick: np.ndarray
    """Thickness over chord."""
    camber: float = 0.0

    def surface(self) -> Surface:
        along = np.gradient(self.front, axis=0) * [0, 1, 1]
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        normal = np.cross(along, [-1.0, 0.0, 0.0])
        half = _THICK * self.thick[:, None]
        bow = self.camber * _CAMBER
        over, under = (bow + half)[:, ::-1], (bow - half)[:, 1:]
        share = np.concatenate([_CHORD[::-1], _CHORD[1:]])
        rise = np.concatenate([over, under], axis=1)
        chord = self.chord[:, None, None]
        return loft(
            self.front[:, None] - chord * share[:, None] * [1.0, 0, 0] + chord * rise[..., None] * normal[:, None]
        )

    def at(self, where: np.ndarray | Scalar, axis: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Leading edge's x, height (or y, for a fin) and chord where the span has come so far along an axis."""
        span = np.maximum.accumulate(self.front[:, axis])
        other = 3 - axis
        front, across, chord = (
            np.asarray(np.interp(where, span, c)) for c in (self.front[:, 0], self.front[:, other], self.chord)
        )
        return front, across, chord

    @property
    def tip(self) -> np.ndarray:
        """The middle of the tip's chord."""
        return self.front[-1] - np.array([0.5 * float(self.chord[-1]), 0.0, 0.0])


def panel(
    root: Numbers,
    outward: Numbers,
    span: Scalar,
    chord: Numbers,
    sweep: Scalar,
    thick: Numbers,
    tip: str = "square",
    camber: Scalar = 0.0,
    shares: Numbers = (0.0, 1.0),
    setback: Numbers | None = None,
    rise: Numbers | None = None,
) -> Foil:
    """A lifting surface of straight panels.

    Args:
        root: leading edge at the root.
        outward: unit direction of the span, across x.
        span: from root to tip.
        chord, thick: at the shares of the span.
        sweep: of the leading edge, degrees.
        tip: "square", "round", "raked" or "winglet".
        setback: how far the leading edge lies back at the shares, instead of ``sweep``.
        rise: how far it lies up at the shares, besides ``outward``.
    """
    share = np.asarray(shares, dtype=np.float64)
    back = span * share * np.tan(np.radians(sweep)) if setback is None else np.asarray(setback, dtype=np.float64)
    cut = {"square": 0.995, "round": 0.93, "raked": 0.93, "winglet": 0.96}[tip]
    at = np.unique(np.concatenate([share[share < cut], [cut]]))
    at = np.unique(np.concatenate([at, np.linspace(0, cut, 4)])) if len(at) < 4 else at
    c, b, t = (
        np.interp(at, share, np.broadcast_to(np.asarray(k, dtype=np.float64), share.shape))
        for k in (chord, back, thick)
    )
    up = np.interp(at, share, np.zeros(len(share)) if rise is None else np.asarray(rise, dtype=np.float64))
    way = np.asarray(outward, dtype=np.float64)
    front = (
        np.asarray(root, dtype=np.float64) + np.outer(at * span, way) + np.outer(up, [0, 0, 1]) - np.outer(b, [1, 0, 0])
    )
    slope = float((b[-1] - b[-2]) / max((at[-1] - at[-2]) * span, 1e-9))
    end, last = front[-1], float(c[-1])
    more: list[tuple[np.ndarray, float, float]] = []
    if tip in ("square", "round"):
        reach = (1 - cut) * span
        for f in (0.35, 0.7, 0.92, 1.0) if tip == "round" else (0.6, 1.0):
            shrink = np.sqrt(max(1 - f * f, 0.04)) if tip == "round" else (0.99 if f < 1 else 0.96)
            flat = 1.0 if f < 0.9 and tip == "round" else (0.75 if f < 1 else 0.2)
            shift = reach * f * slope + last * (1 - shrink) * 0.45
            more.append((end + way * reach * f - [shift, 0, 0], last * shrink, float(t[-1]) * flat))
    elif tip == "raked":
        for f, shrink in ((0.5, 0.7), (0.9, 0.42), (1.0, 0.3)):
            reach = (1 - cut) * span * f
            more.append(
                (end + way * reach - [reach * (slope + 0.8), 0, 0], last * shrink, float(t[-1]) * (1 if f < 1 else 0.3))
            )
    else:
        high, bend = 0.3 * last + 0.045 * span, 0.012 * span
        place = end
        for k, angle in enumerate(np.radians([20, 45, 65, 75])):
            step = bend if k < 3 else 0.5 * high
            place = place + step * (np.cos(angle) * way + np.sin(angle) * np.array([0.0, 0.0, 1.0]))
            place = place - [step * (slope if k < 2 else 0.7), 0.0, 0.0]
            more.append((place, last * (0.95, 0.88, 0.8, 0.55)[k], float(t[-1])))
        place = place + 0.4 * high * np.array([-0.7, *(np.cos(angle) * way + [0, 0, np.sin(angle)])[1:]])
        more += [
            (place, 0.34 * last, float(t[-1])),
            (place + np.array([-0.02 * high, 0, 0.03 * high]), 0.3 * last, 0.2 * float(t[-1])),
        ]
    return Foil(
        np.concatenate([front, [m[0] for m in more]]),
        np.concatenate([c, [m[1] for m in more]]),
        np.concatenate([t, [m[2] for m in more]]),
        camber,
    )
