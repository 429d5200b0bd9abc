"""Meshes with colours or a texture for other programs: GLB and OBJ, y up, +z front."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt32
from PIL import Image

from featurenerf.errors import MissingExtraError
from featurenerf.fields.base import Field
from featurenerf.pictures import to_png
from featurenerf.studio import export
from featurenerf.studio.export import Geometry

TO_Y_UP = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], np.float32)
"""Turns points so that y is up and +z the front."""


@dataclass(frozen=True, eq=False)
class Textured:
    """A mesh whose vertices have a place in a texture: uv in [0, 1], v from the bottom up."""

    mesh: Geometry
    uv: Float32[np.ndarray, "n 2"]
    texture: Image.Image


def bake(field: Field, mesh: Geometry, size: int) -> Textured:
    """A mesh cut into charts (xatlas), and the field's colours on them, read as those of the vertices are.

    Vertices on the seams between charts are there twice.

    Raises:
        MissingExtraError: without the extra ``export``.
    """
    from scipy.ndimage import distance_transform_edt

    assert mesh.faces is not None
    which, faces, uv = _unwrapped(mesh.points, mesh.faces, size)
    normals = export.vertex_normals(mesh.points, mesh.faces)[which]
    cut = Geometry(
        mesh.points[which], mesh.rgb[which], None if mesh.descriptor is None else mesh.descriptor[which],
        faces.astype(np.int32),
    )  # fmt: skip
    texels, corners, weights = rasterised(uv.astype(np.float64) * size, cut.faces, size)
    points = np.einsum("nk,nkc->nc", weights, cut.points[corners]) - export.COLOR_DEPTH * np.einsum(
        "nk,nkc->nc", weights, normals[corners]
    )
    texture = np.zeros((size, size, 3), np.float32)
    filled = np.zeros((size, size), bool)
    texture[texels[:, 1], texels[:, 0]] = export.colors_at(field, torch.from_numpy(points.astype(np.float32)))
    filled[texels[:, 1], texels[:, 0]] = True
    closest = distance_transform_edt(~filled, return_distances=False, return_indices=True)
    picture = Image.fromarray((texture[tuple(closest)] * 255).round().astype(np.uint8)[::-1])  # v from the bottom up
    return Textured(cut, uv.astype(np.float32), picture)


_UNWRAP = """
import io, sys
import numpy as np, xatlas

given, found = np.load(io.BytesIO(sys.stdin.buffer.read())), io.BytesIO()
atlas, charts, packing = xatlas.Atlas(), xatlas.ChartOptions(), xatlas.PackOptions()
atlas.add_mesh(given["points"], given["faces"])
charts.max_iterations, packing.resolution, packing.padding, packing.bilinear = 1, int(given["size"]), 2, True
atlas.generate(charts, packing)
np.savez(found, *atlas[0])
sys.stdout.buffer.write(found.getvalue())
"""


def _unwrapped(
    points: Float32[np.ndarray, "n 3"], faces: Int[np.ndarray, "f 3"], size: int
) -> tuple[UInt32[np.ndarray, " m"], UInt32[np.ndarray, "f 3"], Float32[np.ndarray, "m 2"]]:
    """Which vertices those of a mesh that is cut into charts are, its faces, and the places in the texture.

    In a process of its own: xatlas lets no other thread of Python run for seconds, and the viewer's pages would stand.
    """
    if find_spec("xatlas") is None:
        raise MissingExtraError("xatlas", "export")
    given = BytesIO()
    np.savez(given, points=points, faces=faces.astype(np.uint32), size=size)
    done = subprocess.run([sys.executable, "-P", "-c", _UNWRAP], input=given.getvalue(), capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"xatlas could not cut a mesh of {len(points)} vertices: {done.stderr.decode()[-500:]}")
    found = np.load(BytesIO(done.stdout))
    return found["arr_0"], found["arr_1"], found["arr_2"]


def rasterised(
    uv: Float[np.ndarray, "n 2"], faces: Int[np.ndarray, "f 3"] | None, size: int
) -> tuple[Int[np.ndarray, "t 2"], Int[np.ndarray, "t 3"], Float[np.ndarray, "t 3"]]:
    """The texels (x, y) whose centres lie in triangles; the vertices of each one's triangle, and their weights."""
    assert faces is not None
    corners = uv[faces]  # (f, 3, 2)
    low = np.floor(corners.min(1)).astype(int).clip(0, size - 1)
    extent = (np.ceil(corners.max(1)).astype(int) - low).max(1).clip(1)
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for side in 2 ** np.arange(int(np.ceil(np.log2(max(extent.max(), 2)))) + 1):  # triangles of about one size at once
        group = np.flatnonzero((extent <= side) & (extent > side // 2))
        steps = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="xy"), -1).reshape(-1, 2)
        for some in np.array_split(group, max(1, len(group) * len(steps) // 2_000_000)):
            texels = low[some][:, None] + steps
            a, b, c = (corners[some, k][:, None] for k in range(3))
            place = texels + 0.5
            whole = _turn(b - a, c - a)
            with np.errstate(divide="ignore", invalid="ignore"):
                second, third = _turn(place - a, c - a) / whole, _turn(b - a, place - a) / whole
            weights = np.stack([1 - second - third, second, third], -1)
            inside = (weights >= -1e-9).all(-1) & (texels < size).all(-1)
            owner = np.broadcast_to(some[:, None], inside.shape)[inside]
            found.append((texels[inside], faces[owner], weights[inside]))
    texels, vertices, weights = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return texels, vertices, weights


def _turn(a: Float[np.ndarray, "*#n 2"], b: Float[np.ndarray, "*#n 2"]) -> Float[np.ndarray, "*n"]:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _trimesh(mesh: Geometry, visual: Any, pca: int) -> Any:
    """A mesh as trimesh has it, y up; principal components of descriptors as attributes of up to four numbers each."""
    import trimesh

    attributes: dict[str, Any] = {}
    if pca and mesh.descriptor is not None:
        for first in range(0, mesh.descriptor.shape[1], 4):
            some = mesh.descriptor[:, first : first + 4]
            attributes[f"_PCA_{first // 4}"] = np.ascontiguousarray(some if some.shape[1] > 1 else some[:, 0])
    return trimesh.Trimesh(
        mesh.points @ TO_Y_UP.T, mesh.faces, visual=visual, vertex_attributes=attributes, process=False
    )


def _visuals() -> Any:
    try:
        import trimesh.visual
    except ImportError as error:
        raise MissingExtraError("trimesh", "export") from error
    return trimesh.visual


def colored_glb(mesh: Geometry, pca: int = 0) -> bytes:
    """A binary glTF 2.0 file of a mesh with vertex colours (linear, as the format wants).

    Raises:
        MissingExtraError: without the extra ``export``.
    """
    visuals = _visuals()
    linear = np.where(mesh.rgb <= 0.04045, mesh.rgb / 12.92, ((mesh.rgb + 0.055) / 1.055) ** 2.4)
    rgba = np.concatenate([linear, np.ones_like(linear[:, :1])], 1)
    matt = visuals.material.PBRMaterial(metallicFactor=0.0, roughnessFactor=1.0, name="vertex colours")
    visual = visuals.TextureVisuals(material=matt)
    visual.vertex_attributes["color"] = (rgba * 255).round().astype(np.uint8)
    return _trimesh(mesh, visual, pca).export(file_type="glb", include_normals=True)


def textured_glb(textured: Textured, pca: int = 0) -> bytes:
    """A binary glTF 2.0 file of a mesh with a texture.

    Raises:
        MissingExtraError: without the extra ``export``.
    """
    visuals = _visuals()
    matt = visuals.material.PBRMaterial(
        metallicFactor=0.0, roughnessFactor=1.0, baseColorTexture=textured.texture, name="texture"
    )
    visual = visuals.TextureVisuals(uv=textured.uv, material=matt)
    return _trimesh(textured.mesh, visual, pca).export(file_type="glb", include_normals=True)


def textured_obj(textured: Textured, stem: str) -> dict[str, bytes]:
    """An OBJ file of a mesh with a texture, its material and its picture, by name."""
    mesh = textured.mesh
    assert mesh.faces is not None
    normals = export.vertex_normals(mesh.points, mesh.faces)
    lines = ["# made by featurenerf: y up, +z front", f"mtllib {stem}.mtl", "usemtl texture"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in mesh.points @ TO_Y_UP.T]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in textured.uv]
    lines += [f"vn {x:.4f} {y:.4f} {z:.4f}" for x, y, z in normals @ TO_Y_UP.T]
    lines += [f"f {a}/{a}/{a} {b}/{b}/{b} {c}/{c}/{c}" for a, b, c in mesh.faces + 1]
    material = f"newmtl texture\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nmap_Kd {stem}.png\n"
    return {
        f"{stem}.obj": ("\n".join(lines) + "\n").encode(),
        f"{stem}.mtl": material.encode(),
        f"{stem}.png": to_png(textured.texture),
    }
