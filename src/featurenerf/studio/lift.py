"""From anybody's picture of an object to everything the model can show of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from featurenerf.cameras import PICTURE_SIZE, Camera
from featurenerf.errors import InputError
from featurenerf.fields.base import Field, Rendered
from featurenerf.files import REPORT, fresh_directory, write_json
from featurenerf.masks import Mask
from featurenerf.models.base import Model
from featurenerf.models.checkpoint import load
from featurenerf.pictures import Picture, to_image, to_tensor
from featurenerf.studio import export, figures
from featurenerf.studio.prepare import prepare


@dataclass(frozen=True)
class LiftSettings:
    """What ``lift`` makes.

    Attributes:
        azimuth: where the picture was taken from, in degrees: 0 is the object's front, 90 its left side. Where that is
            not known, the world is that of the assumed camera.
        elevation: degrees above the ground plane.
        views: novel views on the sheet, evenly spread over a full turn.
        frames: of the turntable, a multiple of the views.
        size: side of the rendered pictures, in pixels.
        grid: points a side of the cube in which the mesh is looked for.
        points: at most so many in the point cloud.
        level: density taken for the surface; by default the one with the outline of the rendered picture.
    """

    azimuth: float | int = 0.0
    elevation: float | int = 20.0
    views: int = 8
    frames: int = 48
    size: int = PICTURE_SIZE
    grid: int = 96
    points: int = 20000
    level: float | int | None = None

    def __post_init__(self) -> None:
        for name, low, high in (("views", 1, 64), ("frames", 1, 1000), ("size", 16, 1024), ("points", 1, 10_000_000)):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{name} is {getattr(self, name)}: it must lie between {low} and {high}")
        if self.frames % self.views:
            raise InputError(f"frames is {self.frames} and views {self.views}: frames must be a multiple of views")


@dataclass(frozen=True, eq=False)
class Lifted:
    """What ``lift`` made.

    Attributes:
        folder: where the files are.
        report: the contents of ``report.json``.
        prepared: the picture that was encoded.
        field: what it was encoded into.
        views: the field seen from around, the picture's own view first.
        colors: how descriptors are shown as colours; None where the field has none.
    """

    folder: Path
    report: dict[str, Any]
    prepared: Float[Tensor, "_ h w"]
    field: Field
    views: list[Rendered]
    colors: figures.DescriptorColors | None


def lift(
    picture: Picture,
    out: str | os.PathLike[str],
    model: Model | None = None,
    *,
    mask: Mask | Literal["none"] | None = None,
    settings: LiftSettings | None = None,
    colors: figures.DescriptorColors | None = None,
    progress: bool = True,
) -> Lifted:
    """One picture of an object to novel views, a turntable, a point cloud and a mesh.

    Writes ``prepared.png``, ``sheet.png``, ``turntable.mp4`` (``.gif`` without the extra ``video``), ``points.ply``,
    ``mesh.ply`` and ``report.json``. The folder appears when all of them are made; one that an earlier call made is
    replaced.

    Args:
        picture: path, PIL image, (H, W, 3|4) array or (3|4, H, W) float tensor (``pictures.to_tensor``).
        out: the folder to make.
        model: None is the shipped checkpoint.
        mask: as in ``prepare``; "none" takes the picture as it is, neither masked nor cropped: it must be one that
            the canonical camera could have taken.
        settings: what to make; None is the defaults.
        colors: how descriptors are shown as colours; None fits them to this object alone.
        progress: show progress bars.
    Raises:
        InputError: when the picture cannot be read or shows no object, the model sees none in it, or ``out`` holds
            something else.
    """
    settings = settings or LiftSettings()
    as_given = isinstance(mask, str) and mask == "none"
    seconds: dict[str, float] = {}
    with (
        fresh_directory(out, "lift") as folder,
        tqdm(total=6 + (model is None), desc="lift", unit="step", leave=False, disable=not progress) as bar,
        torch.no_grad(),
    ):
        with _step("prepare", bar, seconds):
            ready = to_tensor(picture) if as_given else prepare(picture, mask)
            to_image(ready).save(folder / "prepared.png")
        if model is None:
            with _step("load", bar, seconds):
                model = load()
        with _step("encode", bar, seconds):
            camera = Camera.look_at(settings.azimuth, float(settings.elevation), ready.shape[2], ready.shape[1])
            field = model.encode(ready, camera)
        with _step("views", bar, seconds):
            cameras = figures.around(settings.azimuth, settings.elevation, settings.views, settings.size)
            views = figures.render_views(field, cameras, "views" if progress else None)
            if "descriptor" in field.channels:
                colors = colors or figures.DescriptorColors.fit(views)
            _sheet(ready, views, colors).save(folder / "sheet.png")
        with _step("turntable", bar, seconds):
            turntable = _turntable(folder, field, views, colors, settings, progress)
        with _step("points", bar, seconds):
            level = export.surface_level(field) if settings.level is None else settings.level
            around = export.all_around(settings.size)
            cloud = export.point_cloud(field, around, settings.points, level / 2, progress=progress)
            export.write_ply(folder / "points.ply", cloud)
        with _step("mesh", bar, seconds):
            surface = export.mesh(field, settings.grid, level, progress=progress)
            export.write_ply(folder / "mesh.ply", surface)
        triangles = 0 if surface.faces is None else len(surface.faces)
        report = {
            "made_by": "lift",
            "picture": os.fspath(picture) if isinstance(picture, (str, os.PathLike)) else type(picture).__name__,
            "prepared": "as given" if as_given else f"{ready.shape[1]} x {ready.shape[2]}, masked and cropped",
            "model": {"field": model.name, "parameters": sum(p.numel() for p in model.parameters())},
            "camera": {
                "azimuth": settings.azimuth, "elevation": settings.elevation, "unit": "degree",
                "pose": camera.pose.tolist(), "focal": camera.focal.tolist(), "width": camera.width,
                "height": camera.height,
            },
            "frame": "right-handed, z up, +x front, +y left; with an assumed azimuth the heading is the camera's",
            "unit": "the object's bounding-box diagonal",
            "descriptors": {
                "names": [f"descriptor_{i}" for i in range(field.channels.get("descriptor", 0))],
                "normalised": False, "compare_by": "cosine similarity",
            },
            "surface_density": round(level, 2),
            "files": {
                "prepared.png": "the picture that was encoded",
                "sheet.png": "novel views: colour, depth, descriptors",
                turntable: f"{settings.frames} views around the object: colour and descriptors",
                "points.ply": f"{len(cloud.points)} points",
                "mesh.ply": f"{len(surface.points)} vertices, {triangles} triangles",
            },
            "seconds": seconds,
        }  # fmt: skip
        write_json(folder / REPORT, report, indent=2)
    return Lifted(Path(out), report, ready, field, views, colors)


@contextmanager
def _step(name: str, bar: tqdm, seconds: dict[str, float]) -> Iterator[None]:
    """Names a step on the progress bar, and notes down how long it took."""
    bar.set_description(name)
    start = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - start, 3)
    bar.update()


def _sheet(ready: Tensor, views: list[Rendered], colors: figures.DescriptorColors | None) -> Image.Image:
    near, far = figures.depth_range(views)
    rows: dict[str, list[Image.Image | None]] = {
        "colour": [figures.picture_on_paper(ready), *(figures.color_picture(v) for v in views)],
        "depth": [None, *(figures.depth_picture(v, near, far) for v in views)],
    }
    if colors is not None:
        rows["descriptor"] = [None, *(figures.descriptor_picture(v, colors) for v in views)]
    turns = [f"{i * 360 / len(views):+.0f}\N{DEGREE SIGN}" for i in range(len(views))]
    return figures.sheet(rows, ["picture", *turns])


def _turntable(
    folder: Path,
    field: Field,
    views: list[Rendered],
    colors: figures.DescriptorColors | None,
    settings: LiftSettings,
    progress: bool,
) -> str:
    """Renders the frames between the views, one at a time; returns the name of the file."""
    cameras = figures.around(settings.azimuth, settings.elevation, settings.frames, settings.size)
    apart = settings.frames // settings.views
    frames = []
    for number, camera in enumerate(tqdm(cameras, desc="turntable", leave=False, disable=not progress)):
        view = views[number // apart] if number % apart == 0 else figures.render_views(field, [camera])[0]
        frames.append(figures.turntable_frame(view, colors))
    return figures.write_turntable(frames, folder / "turntable").name
