"""Parts of a mesh file as all readers give them: a surface with one look; what its materials are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from featurenerf.synthesis.objects.labelled import Material


@dataclass(frozen=True, eq=False)
class Look:
    """How a surface looks.

    Attributes:
        color: albedo as it is displayed, RGB in [0, 1]; it multiplies the texture.
        texture: rows from v = 0 up; RGBA where it has holes.
        opacity: what the file says; 0 is not there at all.
        clamp: whether the texture's last texels go on beyond it, along u and along v; otherwise it repeats.
    """

    color: Float[np.ndarray, " 3"]
    texture: UInt8[np.ndarray, "h w c"] | None = None
    opacity: float = 1.0
    clamp: tuple[bool, bool] = (False, False)


@dataclass(frozen=True, eq=False)
class Piece:
    """A surface of a mesh file, in the file's frame.

    Attributes:
        uv: of each vertex.
        colors: of each face; they multiply the look's.
    """

    vertices: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    look: Look
    uv: Float[np.ndarray, "v 2"] | None = None
    colors: Float[np.ndarray, "f 3"] | None = None

    def materials(self) -> tuple[list[Material], Int[np.ndarray, " f"]]:
        """Its materials and the number of each face's: one for colours that are nearly alike."""
        look = self.look
        if self.colors is None:
            return [Material(look.color, texture=look.texture, clamp=look.clamp)], np.zeros(len(self.faces), np.int64)
        alike = np.rint(self.colors * 255).astype(np.int64) // 8
        _, first, numbers = np.unique(alike, axis=0, return_index=True, return_inverse=True)
        made = [Material(look.color * self.colors[i], texture=look.texture, clamp=look.clamp) for i in first]
        return made, numbers.reshape(-1)


def texture_of(picture: Image.Image, holes: bool) -> UInt8[np.ndarray, "h w c"]:
    """Rows from v = 0 up, as ``Material`` has them; RGBA where there are holes."""
    return np.ascontiguousarray(np.asarray(picture.convert("RGBA" if holes else "RGB"))[::-1])


def piece_of(geometry: Any) -> Piece:
    """A mesh of trimesh. Colours of vertices multiply those of a material."""
    vertices, faces = np.asarray(geometry.vertices, np.float64), np.asarray(geometry.faces, np.int64)
    visual = geometry.visual
    material = getattr(visual, "material", None)
    if material is None:
        return Piece(vertices, faces, Look(np.ones(3)), colors=np.asarray(visual.face_colors)[:, :3] / 255)
    picture = getattr(material, "image", None) or getattr(material, "baseColorTexture", None)
    uv = getattr(visual, "uv", None)
    uv = None if uv is None or len(uv) != len(vertices) else np.nan_to_num(np.asarray(uv, np.float64)[:, :2])
    if picture is not None:
        look = Look(np.ones(3), texture_of(picture, picture.has_transparency_data))
    else:
        look = Look(np.asarray(material.main_color)[:3] / 255)
    colors = getattr(visual, "vertex_attributes", {}).get("color")
    return Piece(vertices, faces, look, uv, None if colors is None else face_colors(colors, faces))


def face_colors(colors: np.ndarray, faces: Int[np.ndarray, "f 3"]) -> Float[np.ndarray, "f 3"]:
    """Of the colours of vertices, which count to 255 where they are whole numbers or go beyond 1."""
    values = np.nan_to_num(np.asarray(colors, np.float64)[:, :3])
    whole = np.asarray(colors).dtype.kind in "iu" or values.max(initial=0) > 1
    return np.clip(values / (255 if whole else 1), 0, 1)[faces].mean(1)
