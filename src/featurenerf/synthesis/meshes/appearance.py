"""Lights and materials, in the form that the renderer looks them up in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from featurenerf.synthesis.objects.labelled import Material

_LINEAR = np.square(np.arange(256, dtype=np.float32) / 255)


@dataclass(frozen=True, eq=False)
class Lighting:
    """Light that stands still in the world: hemispheric ambient light and a few directional lights.

    Attributes:
        directions: unit vectors towards the lights; the first one casts shadows.
        intensities: linear RGB of each light.
        sky, ground: linear RGB of the ambient light from above and from below.
    """

    directions: Float[np.ndarray, "l 3"]
    intensities: Float[np.ndarray, "l 3"]
    sky: Float[np.ndarray, " 3"]
    ground: Float[np.ndarray, " 3"]

    @classmethod
    def random(cls, generator: np.random.Generator) -> Lighting:
        """A key light from above and a weaker fill light from the other side, slightly coloured."""
        azimuth = generator.uniform(0, 2 * np.pi)
        angles = np.array([azimuth, azimuth + np.pi + generator.uniform(-1.2, 1.2)])
        heights = np.deg2rad([generator.uniform(25, 75), generator.uniform(5, 50)])
        directions = np.stack([np.cos(heights) * np.cos(angles), np.cos(heights) * np.sin(angles), np.sin(heights)], -1)

        def tinted(level: float, spread: float) -> np.ndarray:
            return level * generator.uniform(1 - spread, 1 + spread, 3)

        ambient = generator.uniform(0.3, 0.55)
        intensities = np.stack([tinted(generator.uniform(0.5, 0.9), 0.06), tinted(generator.uniform(0.05, 0.3), 0.06)])
        return cls(directions, intensities, tinted(ambient, 0.05), tinted(ambient * generator.uniform(0.3, 0.8), 0.05))

    @classmethod
    def default(cls) -> Lighting:
        """A white key light from the front left above and a fill light from the right."""
        directions = np.array([[0.5, 0.4, 0.77], [0.3, -0.9, 0.3]])
        return cls(
            directions / np.linalg.norm(directions, axis=1, keepdims=True),
            np.array([[0.75] * 3, [0.15] * 3]),
            np.full(3, 0.45),
            np.full(3, 0.25),
        )


@dataclass(frozen=True, eq=False)
class MaterialTable:
    """All materials of a mesh in arrays; the textures lie one after the other in one table of texels."""

    colors: np.ndarray  # (m, 3), linear
    specular: np.ndarray  # (m,)
    shininess: np.ndarray  # (m,)
    texels: np.ndarray  # (t, 4) uint8
    start: np.ndarray  # (m,) index of the first texel
    size: np.ndarray  # (m, 2) height, width
    clamp: np.ndarray  # (m, 2) bool, along u and v
    has_textures: bool
    has_holes: bool

    @classmethod
    def of(cls, materials: tuple[Material, ...]) -> MaterialTable:
        """Materials with one texture share its texels; each without has a white one of its own."""
        keys = [number if m.texture is None else id(m.texture) for number, m in enumerate(materials, -len(materials))]
        own: dict[int, np.ndarray] = {}
        for key, m in zip(keys, materials, strict=True):
            if key not in own:
                own[key] = _texture_rgba(m.texture)
        starts = np.cumsum([0, *(table.shape[0] * table.shape[1] for table in own.values())])
        start = dict(zip(own, starts[:-1].tolist(), strict=True))
        tables = list(own.values())
        return cls(
            np.stack([np.square(m.color) for m in materials]).astype(np.float32),
            np.array([m.specular for m in materials], np.float32),
            np.array([m.shininess for m in materials], np.float32),
            np.concatenate([table.reshape(-1, 4) for table in tables]),
            np.array([start[key] for key in keys]),
            np.array([own[key].shape[:2] for key in keys]),
            np.array([m.clamp for m in materials]),
            any(m.texture is not None for m in materials),
            any((table[..., 3] < 128).any() for table in tables),
        )

    def albedo(self, material: np.ndarray, uv: np.ndarray | None) -> np.ndarray:
        """Linear RGB; the texture is read at the nearest texel (the samples of a pixel smooth it)."""
        colors = self.colors.take(material, 0)
        if uv is None or not self.has_textures:
            return colors
        return colors * _LINEAR.take(self.texels.take(self._index(material, uv), 0)[:, :3])

    def alpha(self, material: np.ndarray, uv: np.ndarray | None) -> np.ndarray:
        if uv is None:
            return self.texels[self.start[material], 3]
        return self.texels[self._index(material, uv), 3]

    def _index(self, material: np.ndarray, uv: np.ndarray) -> np.ndarray:
        size = self.size.take(material, 0)
        place = uv - np.floor(uv)
        if self.clamp.any():
            place = np.where(self.clamp.take(material, 0), uv.clip(0, 1), place)
        column = np.minimum((place[:, 0] * size[:, 1]).astype(np.int64), size[:, 1] - 1)
        row = np.minimum((place[:, 1] * size[:, 0]).astype(np.int64), size[:, 0] - 1)
        return self.start[material] + row * size[:, 1] + column


def _texture_rgba(texture: np.ndarray | None) -> np.ndarray:
    if texture is None:
        return np.full((1, 1, 4), 255, np.uint8)
    if texture.shape[2] == 4:
        return texture
    return np.concatenate([texture, np.full((*texture.shape[:2], 1), 255, np.uint8)], 2)
