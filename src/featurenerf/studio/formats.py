"""A field in files that other programs open: GLB, OBJ, splats, a dense grid, cameras, descriptors beside them.

The frame of PLY files, grids and cameras is the field's (z up, +x front). GLB and OBJ are y up, +z front, as the GLB
format and most programs have it; splats are y down, -z front, as viewers of splats have it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float32
from safetensors.numpy import save

from featurenerf.arrays import to_npz
from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.fields.base import Field
from featurenerf.files import REPORT, fresh_directory, write_bytes, write_json
from featurenerf.masks import Mask
from featurenerf.matching import first_source_camera, normalise
from featurenerf.models.base import Model
from featurenerf.models.settings import check_sizes
from featurenerf.pca import Components, principal_components
from featurenerf.pictures import Picture, to_image
from featurenerf.studio import export
from featurenerf.studio.export import Geometry
from featurenerf.studio.mesh_files import bake, colored_glb, textured_glb, textured_obj
from featurenerf.studio.parts import subject
from featurenerf.studio.splats import splats

Format = Literal["glb", "ply", "obj", "splats", "grid", "cameras"]
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True)
class ExportSettings:
    """What ``export_field`` writes.

    Attributes:
        formats: glb: a mesh with vertex colours, and one with a texture; ply: a mesh and a point cloud; obj: a mesh
            with a texture; splats: a Gaussian a surface point; grid: density and colour as arrays; cameras: views all
            around with transforms.json.
        grid: points a side of the cube in which the mesh is looked for, and of the dense grid.
        points: at most so many in the point cloud, and so many splats.
        level: density taken for the surface; by default the one with the outline of the rendered picture.
        texture: pixels a side of the texture.
        descriptors: how descriptors lie beside meshes and points, in the same order: as safetensors, as npz, or none.
            PLY files hold them themselves, unless it is none.
        pca: so many principal components of the descriptors instead of the descriptors; 0 is the descriptors.
        metres_per_unit: length of the object's diagonal in metres; None leaves the diagonal as the unit.
    """

    formats: tuple[Format, ...] = ("glb", "ply")
    grid: int = 96
    points: int = 20000
    level: float | int | None = None
    texture: int = 512
    descriptors: Literal["safetensors", "npz", "none"] = "safetensors"
    pca: int = 0
    metres_per_unit: float | int | None = None

    def __post_init__(self) -> None:
        check_sizes(self, {"points": (1, 10_000_000), "texture": (16, 8192), "pca": (0, 64), "grid": export.GRIDS})
        if self.metres_per_unit is not None and not 0 < self.metres_per_unit < float("inf"):
            raise InputError(f"metres_per_unit is {self.metres_per_unit}: it must be positive")
        unknown = [name for name in self.formats if name not in FORMATS]
        if unknown or not self.formats:
            raise InputError(f"formats are some of {', '.join(FORMATS)}, not {', '.join(unknown) or 'none'}")

    @property
    def scale(self) -> float:
        return 1.0 if self.metres_per_unit is None else float(self.metres_per_unit)


@torch.no_grad()
def export_field(
    field: Field, folder: Path, settings: ExportSettings | None = None, *, progress: bool = False
) -> dict[str, str]:
    """Write a field into a folder that exists, in the formats of the settings.

    Returns:
        what each file holds, by name.
    Raises:
        InputError: when the field shows no object.
        MissingExtraError: for glb and obj without the extra ``export``.
    """
    settings = settings or ExportSettings()
    wanted, files = set(settings.formats), dict[str, str]()
    level = None
    if wanted - {"grid", "cameras"}:
        level = export.surface_level(field) if settings.level is None else settings.level
    mesh = cloud = None
    if wanted & {"glb", "ply", "obj"}:
        mesh = export.mesh(field, settings.grid, level, progress=progress)
    if wanted & {"ply", "splats"} and level is not None:
        cloud = export.point_cloud(field, most=settings.points, level=level / 2, progress=progress)
    shared = [each.descriptor for each in (mesh, cloud) if each is not None and each.descriptor is not None]
    components = _components(np.concatenate(shared), settings.pca) if shared and settings.pca else None
    mesh, cloud = (None if each is None else _described(each, settings, components) for each in (mesh, cloud))
    if "ply" in wanted and mesh is not None and cloud is not None:
        for name, each in (("mesh", mesh), ("points", cloud)):
            export.write_ply(folder / f"{name}.ply", _scaled(each, settings.scale), settings.metres_per_unit)
        files["mesh.ply"] = mesh.counted
        files["points.ply"] = cloud.counted
    if "glb" in wanted and mesh is not None:
        write_bytes(folder / "mesh.glb", colored_glb(_scaled(mesh, settings.scale), settings.pca))
        files["mesh.glb"] = f"{mesh.counted}, vertex colours"
        files |= _beside(folder, "mesh", mesh, settings)
    if wanted & {"glb", "obj"} and mesh is not None:
        textured = bake(field, mesh, settings.texture)
        scaled = replace(textured, mesh=_scaled(textured.mesh, settings.scale))
        side = f"texture of {settings.texture} x {settings.texture} pixels"
        if "glb" in wanted:
            write_bytes(folder / "mesh_textured.glb", textured_glb(scaled, settings.pca))
            files["mesh_textured.glb"] = f"{textured.mesh.counted}, {side}"
        if "obj" in wanted:
            for name, content in textured_obj(scaled, "mesh_textured").items():
                write_bytes(folder / name, content)
                files[name] = textured.mesh.counted if name.endswith(".obj") else f"{side}, of the OBJ file"
        files |= _beside(folder, "mesh_textured", textured.mesh, settings)
    if "splats" in wanted and cloud is not None:
        write_bytes(folder / "splats.ply", splats(field, cloud, settings.scale))
        files["splats.ply"] = f"{len(cloud.points)} Gaussians"
        files |= _beside(folder, "splats", cloud, settings)
    if "grid" in wanted:
        files |= _write_grid(field, folder, settings)
    if "cameras" in wanted:
        files |= _write_cameras(field, folder, settings)
    return files


def export_picture(
    picture: Picture,
    out: str | os.PathLike[str],
    model: Model,
    *,
    mask: Mask | Literal["none"] | None = None,
    azimuth: float | None = None,
    elevation: float | None = None,
    settings: ExportSettings | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """One picture of an object to a folder of files that other programs open.

    Arguments are those of ``parts.subject`` and ``lift``. The folder appears when all files are made.

    Returns:
        the contents of its ``report.json``.
    Raises:
        InputError: when the picture cannot be read or shows no object, or ``out`` holds something else.
        MissingExtraError: for glb and obj without the extra ``export``.
    """
    settings = settings or ExportSettings()
    of = subject(model, picture, mask=mask, azimuth=azimuth, elevation=elevation)
    with fresh_directory(out, "export") as folder:
        to_image(of.prepared).save(folder / "prepared.png")
        files = export_field(of.field, folder, settings, progress=progress)
        unit = "the object's bounding-box diagonal" if settings.metres_per_unit is None else "metre"
        report = {
            "made_by": "export", "picture": of.name, "unit": unit,
            "frames": {
                "ply, grid, transforms.json": "right-handed, z up, +x front",
                "glb, obj": "right-handed, y up, +z front",
                "splats": "right-handed, y down, -z front",
            },
            "files": {"prepared.png": "the picture that was encoded", **files},
        }  # fmt: skip
        write_json(folder / REPORT, report, indent=2)
    return report


def _scaled(geometry: Geometry, scale: float) -> Geometry:
    return replace(geometry, points=geometry.points * np.float32(scale))


# ---------------------------------------------------------------------- descriptors


def _components(descriptors: Float32[np.ndarray, "n d"], count: int) -> Components:
    """Of L2-normalised descriptors, the same for all files of a folder."""
    count = min(count, descriptors.shape[1], max(1, len(descriptors) - 1))
    return principal_components(normalise(torch.from_numpy(descriptors)), count)


def _described(geometry: Geometry, settings: ExportSettings, components: Components | None) -> Geometry:
    if geometry.descriptor is None or settings.descriptors == "none":
        return replace(geometry, descriptor=None)
    if components is None:
        return geometry
    return replace(geometry, descriptor=components.project(normalise(torch.from_numpy(geometry.descriptor))).numpy())


def _beside(folder: Path, name: str, geometry: Geometry, settings: ExportSettings) -> dict[str, str]:
    """Descriptors of a file, a row a point, in its order."""
    if geometry.descriptor is None:
        return {}
    key = "descriptor_pca" if settings.pca else "descriptor"
    arrays = {key: np.ascontiguousarray(geometry.descriptor)}
    path = folder / f"{name}.{settings.descriptors}"
    write_bytes(path, save(arrays) if settings.descriptors == "safetensors" else to_npz(arrays))
    return {path.name: f"descriptors {tuple(geometry.descriptor.shape)} in the order of {name}"}


# ---------------------------------------------------------------------- grids, cameras


def _write_grid(field: Field, folder: Path, settings: ExportSettings) -> dict[str, str]:
    """``grid.npz``: density (g, g, g), rgb (g, g, g, 3) in 8 bits, the first point and the step; axes x, y, z."""
    side = settings.grid
    axis = torch.linspace(-export.RADIUS, export.RADIUS, side)
    density, rgb = np.zeros((side, side, side), np.float32), np.zeros((side, side, side, 3), np.uint8)
    for number, x in enumerate(axis):
        slab = torch.stack(torch.meshgrid(x, axis, axis, indexing="ij"), -1)[0].to(field.source.pose.device)
        density[number] = export.density_at(field, slab).cpu().numpy() / settings.scale
        rgb[number] = (export.colors_at(field, slab) * 255).round()
    corner = np.full(3, -export.RADIUS * settings.scale, np.float32)
    step = np.array(2 * export.RADIUS * settings.scale / (side - 1), np.float32)
    write_bytes(folder / "grid.npz", to_npz({"density": density, "rgb": rgb, "corner": corner, "step": step}))
    return {"grid.npz": f"density and colour at {side} x {side} x {side} points"}


def _write_cameras(field: Field, folder: Path, settings: ExportSettings) -> dict[str, str]:
    """Rendered views, RGBA, with ``transforms.json``: the source camera first, then twelve all around."""
    cameras = [first_source_camera(field), *export.all_around()]
    frames = []
    for number, camera in enumerate(cameras):
        name = f"views/{number:02}.png"
        seen = field.render(camera, channels=("rgb", "alpha"))
        alpha = seen["alpha"].float().cpu()
        rgba = torch.cat([seen["rgb"].float().cpu() / alpha.clamp(min=1e-4), alpha], -1).clamp(0, 1)
        (folder / "views").mkdir(exist_ok=True)
        to_image(rgba.permute(2, 0, 1)).save(folder / name)
        frames.append({"file_path": name, **_frame(camera, settings.scale)})
    write_json(folder / "transforms.json", {"camera_model": "PINHOLE", "frames": frames}, indent=1)
    return {"transforms.json": f"cameras of {len(frames)} rendered views", "views": f"{len(frames)} rendered views"}


def _frame(camera: Camera, scale: float) -> dict[str, Any]:
    """One frame of transforms.json: pixels counted from the corner, OpenGL axes, camera to world."""
    pose = camera.pose.detach().double().cpu().numpy().copy()
    pose[:3, 3] *= scale
    focal, centre = (x.detach().double().cpu().tolist() for x in (camera.focal, camera.principal))
    return {
        "fl_x": focal[0], "fl_y": focal[1], "cx": centre[0], "cy": centre[1],
        "w": camera.width, "h": camera.height, "transform_matrix": pose.tolist(),
    }  # fmt: skip
