"""What the generators make: a mesh with materials, part labels and named keypoints.

World frame: right-handed, z up, +x front, +y left; the bounding box is centred at the origin, its diagonal is 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int32, UInt8

from featurenerf.categories import SYNSETS
from featurenerf.data.labels import generated_labels


@dataclass(frozen=True, eq=False)
class Material:
    """The appearance of a group of faces (a Blinn-Phong surface).

    Attributes:
        color: albedo, RGB in [0, 1]; where there is a texture, the albedo is ``color * texture / 255``.
        specular: strength of the highlight, 0 (matt) to 1 (mirror-like).
        shininess: exponent of the highlight, about 4 (broad) to 200 (sharp).
        texture: RGB, repeats without a seam; row 0 is v = 0. None: the plain colour. RGBA: holes where alpha < 128.
        clamp: along u and along v, whether the texture's last texels go on beyond it instead.
    """

    color: Float[np.ndarray, " 3"]
    specular: float | int = 0.1
    shininess: float | int = 10.0
    texture: UInt8[np.ndarray, "h w c"] | None = None
    clamp: tuple[bool, bool] = (False, False)


@dataclass(frozen=True, eq=False)
class LabelledMesh:
    """A triangle mesh whose every face has a part and a material, and whose surface carries named points.

    Attributes:
        vertices: world frame, bounding-box diagonal 1, centred at the origin.
        faces: vertex indices, counter-clockwise seen from outside.
        face_parts: part label of each face, 1 and up (0 means background and is never used).
        face_materials: index into ``materials`` of each face.
        materials: the object's materials.
        corner_normals: unit shading normal at each corner: smooth where the surface is curved, flat where it is flat.
        uv: texture coordinates at each corner; one unit is one repeat of the texture.
        keypoints: keypoint id -> a point on the surface; the id is absent where the object lacks that part.
        family: the kind of object within its category.
    """

    vertices: Float64[np.ndarray, "v 3"]
    faces: Int32[np.ndarray, "f 3"]
    face_parts: Int32[np.ndarray, " f"]
    face_materials: Int32[np.ndarray, " f"]
    materials: tuple[Material, ...]
    corner_normals: Float32[np.ndarray, "f 3 3"]
    uv: Float32[np.ndarray, "f 3 2"] | None
    keypoints: dict[int, Float64[np.ndarray, " 3"]]
    family: str = ""


@dataclass(frozen=True)
class Category:
    """A kind of object that can be generated.

    Attributes:
        name: such as "chair".
        families: the kinds of objects within the category.
        shares: how common each family is, adding up to 1.
        version: to be raised whenever the same seed makes another object than before.
    """

    name: str
    families: tuple[str, ...]
    shares: tuple[float, ...]
    version: int = 2

    @property
    def synset(self) -> str:
        """Its WordNet offset, the name of its folder in a data set."""
        return SYNSETS[self.name]

    @property
    def part_names(self) -> tuple[str, ...]:
        """Name of each part label; label 0 is "background"."""
        return generated_labels(self.name).parts

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """Name of each keypoint id."""
        return generated_labels(self.name).keypoints

    @property
    def mirror(self) -> tuple[int, ...]:
        """Id of each keypoint's left/right mirror image, itself where it lies on the plane of symmetry."""
        return generated_labels(self.name).mirror
