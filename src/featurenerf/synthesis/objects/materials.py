"""Colours and seamless textures of wood, fabric, leather, metal, plastic, stone, paint and glass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt8

from featurenerf.synthesis.objects.assembly import Finish
from featurenerf.synthesis.objects.labelled import Material
from featurenerf.synthesis.objects.shapes import Numbers, Scalar

SIZE = 64
_WOODS = ((0.55, 0.36, 0.2), (0.72, 0.53, 0.33), (0.4, 0.24, 0.13), (0.28, 0.16, 0.1), (0.82, 0.67, 0.47),
          (0.5, 0.25, 0.14), (0.62, 0.45, 0.3), (0.9, 0.79, 0.62))  # fmt: skip
_HUES = ((0.75, 0.1, 0.1), (0.12, 0.2, 0.55), (0.1, 0.4, 0.25), (0.85, 0.65, 0.15), (0.85, 0.4, 0.12),
         (0.2, 0.5, 0.65), (0.45, 0.2, 0.45), (0.85, 0.75, 0.6), (0.5, 0.35, 0.22), (0.35, 0.45, 0.2),
         (0.75, 0.5, 0.5), (0.6, 0.15, 0.25))  # fmt: skip
_HIDES = ((0.08, 0.07, 0.07), (0.3, 0.17, 0.1), (0.5, 0.3, 0.17), (0.85, 0.8, 0.72), (0.45, 0.08, 0.08),
          (0.2, 0.2, 0.22), (0.65, 0.45, 0.28), (0.9, 0.9, 0.88))  # fmt: skip


def _jitter(rng: np.random.Generator, color: Numbers, by: Scalar = 0.06) -> Float[np.ndarray, " 3"]:
    return np.clip(np.asarray(color) * rng.uniform(1 - 2.5 * by, 1 + 2.5 * by) + rng.normal(0, by / 2, 3), 0.02, 0.98)


def any_color(rng: np.random.Generator) -> Float[np.ndarray, " 3"]:
    """Furniture colours: black, white and grey half of the time."""
    kind = rng.random()
    if kind < 0.17:
        return _jitter(rng, [rng.uniform(0.04, 0.14)] * 3, 0.02)
    if kind < 0.34:
        return _jitter(rng, [rng.uniform(0.82, 0.95)] * 3, 0.02)
    if kind < 0.48:
        return _jitter(rng, [rng.uniform(0.2, 0.7)] * 3, 0.03)
    if kind < 0.9:
        return _jitter(rng, _HUES[rng.integers(len(_HUES))], 0.08)
    return rng.uniform(0.05, 0.95, 3)


def any_of(rng: np.random.Generator, *choices: tuple[Scalar, Callable[[np.random.Generator], Finish]]) -> Finish:
    """A finish of one of the kinds, drawn by their weights."""
    weights = np.array([weight for weight, _ in choices])
    return choices[rng.choice(len(choices), p=weights / weights.sum())][1](rng)


def _noise(rng: np.random.Generator, fine_u: Scalar, fine_v: Scalar) -> Float[np.ndarray, "h w"]:
    """Seamless smooth noise, mean 0, deviation 1; about ``fine`` blobs across the tile in each direction."""
    frequency = np.fft.fftfreq(SIZE) * SIZE
    window = np.exp(-((frequency[None, :] / fine_u) ** 2) - (frequency[:, None] / fine_v) ** 2)
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(SIZE, SIZE))) * window).real
    return (noise - noise.mean()) / max(float(noise.std()), 1e-9)


def _grey(pattern: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    return np.repeat((np.clip(pattern, 0, 1) * 255).round().astype(np.uint8)[..., None], 3, axis=2)


def _mix(pattern: Float[np.ndarray, "h w"], first: np.ndarray, second: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    t = np.clip(pattern, 0, 1)[..., None]
    return ((first * (1 - t) + second * t) * 255).round().astype(np.uint8)


def _coordinates() -> tuple[np.ndarray, np.ndarray]:
    v, u = np.meshgrid(np.arange(SIZE) / SIZE, np.arange(SIZE) / SIZE, indexing="ij")
    return u, v


def wood(rng: np.random.Generator) -> Finish:
    """Grain along u."""
    _, v = _coordinates()
    rings = int(rng.integers(2, 6))
    warp = rng.uniform(0.2, 0.6) * _noise(rng, 1.0, 2.0)
    band = 0.5 + 0.5 * np.sin(2 * np.pi * rings * v + 2.0 * warp)
    grain = 1 - rng.uniform(0.1, 0.4) * band + rng.uniform(0.02, 0.07) * _noise(rng, 2.0, 20.0)
    varnish = rng.random()
    color = _jitter(rng, _WOODS[rng.integers(len(_WOODS))], 0.06)
    return Finish(Material(color, 0.05 + 0.35 * varnish**2, 8 + 50 * varnish, _grey(grain)), rng.uniform(0.15, 0.35))


def fabric(rng: np.random.Generator) -> Finish:
    """Plain weave, stripes, checks, dots or blots, in one or two colours."""
    u, v = _coordinates()
    kind = rng.random()
    first, second = any_color(rng), any_color(rng)
    weave = 0.9 + 0.06 * np.sign(np.sin(16 * np.pi * u) * np.sin(16 * np.pi * v)) + 0.04 * _noise(rng, 12, 12)
    if kind < 0.5:
        return Finish(Material(first, 0.02, 4.0, _grey(weave)), rng.uniform(0.04, 0.12))
    count = int(rng.integers(1, 5))
    if kind < 0.68:
        across = u if rng.random() < 0.7 else v
        pattern = (np.sin(2 * np.pi * count * across) > rng.uniform(-0.8, 0.8)).astype(float)
    elif kind < 0.8:
        pattern = 0.5 * (np.sin(2 * np.pi * count * u) > 0) + 0.5 * (np.sin(2 * np.pi * count * v) > 0)
    elif kind < 0.9:
        pattern = (np.sin(2 * np.pi * count * u) * np.sin(2 * np.pi * count * v) > rng.uniform(0.4, 0.8)).astype(float)
    else:
        pattern = 1 / (1 + np.exp(-6 * (_noise(rng, rng.uniform(2, 5), rng.uniform(2, 5)) - rng.uniform(-0.5, 0.8))))
    texture = _mix(pattern, first, second) * np.clip(weave, 0, 1)[..., None]
    return Finish(Material(np.ones(3), 0.02, 4.0, texture.astype(np.uint8)), rng.uniform(0.12, 0.4))


def leather(rng: np.random.Generator) -> Finish:
    """A fine irregular grain with a broad sheen."""
    grain = 0.92 + 0.05 * _noise(rng, 14, 14) + 0.04 * _noise(rng, 2, 2)
    color = _jitter(rng, _HIDES[rng.integers(len(_HIDES))], 0.05)
    return Finish(Material(color, rng.uniform(0.15, 0.4), rng.uniform(12, 40), _grey(grain)), rng.uniform(0.15, 0.4))


def wicker(rng: np.random.Generator) -> Finish:
    """Woven cane."""
    u, v = _coordinates()
    over = np.abs(np.sin(4 * np.pi * u)) * np.abs(np.cos(8 * np.pi * v))
    under = np.abs(np.cos(4 * np.pi * u)) * np.abs(np.sin(8 * np.pi * v))
    pattern = 0.4 + 0.6 * np.maximum(over, under)
    color = _jitter(rng, _WOODS[rng.integers(len(_WOODS))] if rng.random() < 0.8 else any_color(rng), 0.05)
    return Finish(Material(color, 0.08, 10.0, _grey(pattern)), rng.uniform(0.08, 0.18))


def metal(rng: np.random.Generator) -> Finish:
    """Chrome, brushed steel, brass, or painted tube."""
    kind = rng.random()
    if kind < 0.3:
        return Finish(Material(_jitter(rng, (0.7, 0.71, 0.73), 0.03), 0.9, 90.0))
    if kind < 0.5:
        brushed = _grey(0.88 + 0.07 * _noise(rng, 1.5, 24.0))
        return Finish(Material(_jitter(rng, (0.6, 0.6, 0.62), 0.04), 0.5, 25.0, brushed), 0.2)
    if kind < 0.6:
        return Finish(Material(_jitter(rng, (0.72, 0.55, 0.25), 0.04), 0.7, 50.0))
    if kind < 0.85:
        return Finish(Material(_jitter(rng, (0.07, 0.07, 0.08), 0.02), rng.uniform(0.2, 0.6), 30.0))
    return Finish(Material(any_color(rng), rng.uniform(0.2, 0.6), 40.0))


def plastic(rng: np.random.Generator) -> Finish:
    """One even colour with a soft or sharp highlight."""
    return Finish(Material(any_color(rng), rng.uniform(0.1, 0.5), rng.uniform(10, 70)))


def marble(rng: np.random.Generator) -> Finish:
    """Polished stone with veins: white, black, green or beige."""
    u, v = _coordinates()
    across = np.sin(2 * np.pi * (u + v) + rng.uniform(0.8, 1.8) * _noise(rng, 2.0, 2.0))
    vein = np.exp(-np.abs(across) * rng.uniform(5, 14)) * np.clip(0.6 + 0.4 * _noise(rng, 2, 2), 0, 1)
    grounds = ((0.92, 0.92, 0.9), (0.1, 0.1, 0.11), (0.13, 0.26, 0.2), (0.82, 0.74, 0.62), (0.55, 0.55, 0.56))
    first = _jitter(rng, grounds[rng.choice(5, p=[0.45, 0.2, 0.08, 0.15, 0.12])], 0.03)
    second = first * 0.55 + (0.4 if first.mean() < 0.4 else 0.0)
    texture = _mix(0.8 * vein + 0.05 * _noise(rng, 4, 4) ** 2, first, second)
    return Finish(Material(np.ones(3), rng.uniform(0.3, 0.7), 60.0, texture), rng.uniform(0.5, 0.9))


def glass(rng: np.random.Generator) -> Finish:
    """Sheet glass, drawn as what it mirrors: pale green, blue or grey, or smoked, with broad soft reflections."""
    tints = ((0.72, 0.85, 0.82), (0.66, 0.8, 0.86), (0.78, 0.82, 0.82), (0.2, 0.23, 0.24), (0.36, 0.28, 0.22))
    tint = _jitter(rng, tints[rng.choice(5, p=[0.35, 0.25, 0.15, 0.15, 0.1])], 0.03)
    texture = _grey(0.86 + 0.07 * _noise(rng, 1.0, 1.5))
    return Finish(Material(tint, rng.uniform(0.7, 1.0), rng.uniform(80, 180), texture), 1.2)


def painted(rng: np.random.Generator) -> Finish:
    """Painted wood: an even colour, hardly any grain."""
    texture = _grey(0.95 + 0.03 * _noise(rng, 2.0, 12.0))
    return Finish(Material(any_color(rng), rng.uniform(0.05, 0.4), rng.uniform(8, 50), texture), 0.3)


def plain(color: Numbers, specular: Scalar = 0.1, shininess: Scalar = 10.0) -> Finish:
    """One even colour."""
    return Finish(Material(np.asarray(color, dtype=np.float64), specular, shininess))


def car_paint(rng: np.random.Generator) -> Finish:
    """White, silver, grey and black two times in three, then the usual colours."""
    kind = rng.random()
    if kind < 0.2:
        color = _jitter(rng, (0.88, 0.88, 0.87), 0.03)
    elif kind < 0.36:
        color = _jitter(rng, (0.62, 0.63, 0.65), 0.04)
    elif kind < 0.46:
        color = _jitter(rng, (0.3, 0.31, 0.33), 0.05)
    elif kind < 0.6:
        color = _jitter(rng, (0.06, 0.06, 0.07), 0.03)
    elif kind < 0.74:
        color = _jitter(rng, (0.65, 0.07, 0.07), 0.06)
    elif kind < 0.86:
        color = _jitter(rng, (0.1, 0.2, 0.5), 0.08)
    else:
        color = any_color(rng)
    return Finish(Material(color, rng.uniform(0.3, 0.9), rng.uniform(30, 120)))
