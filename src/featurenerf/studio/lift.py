"""From anybody's picture of an object to everything the model can show of it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Unpack, get_args

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featurenerf.cameras import PICTURE_SIZE, Camera
from featurenerf.errors import InputError
from featurenerf.fields.base import Field, Rendered
from featurenerf.fields.pose import CameraEstimate
from featurenerf.files import REPORT, fresh_directory, write_json
from featurenerf.masks import Mask
from featurenerf.models.base import Model
from featurenerf.models.checkpoint import load
from featurenerf.models.settings import check_sizes
from featurenerf.pictures import Picture, to_image, to_tensor
from featurenerf.progress import Progress
from featurenerf.studio import camera_path, export, figures
from featurenerf.studio.crop import Crop, focal_of
from featurenerf.studio.prepare import Framed, Hints, framed

Product = Literal["sheet", "turntable", "points", "mesh"]
PRODUCTS: tuple[Product, ...] = get_args(Product)
_RANGES = {
    "azimuth": (-360_000, 360_000), "elevation": (-90, 90), "views": (1, 64), "frames": (1, 1000), "size": (16, 1024),
    "grid": export.GRIDS, "points": (1, 10_000_000),
}  # fmt: skip


@dataclass(frozen=True)
class LiftSettings:
    """What ``lift`` makes.

    Attributes:
        azimuth: where the picture was taken from, in degrees: 0 is the object's front, 90 its left side. None, as of
            the elevation, finds it.
        elevation: degrees above the ground plane.
        fov: horizontal field of view of the whole photograph, in degrees; None goes by its EXIF data, and where these
            do not say it, the field of view is that of the canonical camera.
        views: novel views on the sheet, evenly spread over a full turn.
        frames: of the turntable, a multiple of the views.
        size: side of the rendered pictures, in pixels.
        grid: points a side of the cube in which the mesh is looked for.
        points: at most so many in the point cloud.
        level: density taken for the surface; by default the one with the outline of the rendered picture.
        only: what is made, of sheet, turntable, points and mesh; by default all of it.
    """

    azimuth: float | int | None = None
    elevation: float | int | None = None
    fov: float | int | None = None
    views: int = 8
    frames: int = 48
    size: int = PICTURE_SIZE
    grid: int = 96
    points: int = 20000
    level: float | int | None = None
    only: tuple[Product, ...] = ()

    def __post_init__(self) -> None:
        if (self.azimuth is None) != (self.elevation is None):
            raise InputError("azimuth and elevation say together where a picture was taken from: give both or neither")
        if self.fov is not None:
            focal_of(self.fov, self.size)
        check_sizes(self, _RANGES)
        if self.level is not None and not 0 < self.level < math.inf:
            raise InputError(f"level is {self.level}: it is a density, so it must be positive")
        if self.frames % self.views:
            raise InputError(f"frames is {self.frames} and views {self.views}: frames must be a multiple of views")
        for name in self.only:
            if name not in PRODUCTS:
                raise InputError(f"only names {name!r}: it must name some of {', '.join(PRODUCTS)}")

    def makes(self, *products: Product) -> bool:
        """Whether any of these is made."""
        return not self.only or not {*products}.isdisjoint(self.only)


@dataclass(frozen=True, eq=False, repr=False)
class Lifted:
    """What ``lift`` made.

    Attributes:
        folder: where the files are.
        report: the contents of ``report.json``.
        prepared: the picture that was encoded.
        field: what it was encoded into.
        views: the field seen from around, the picture's own view first; empty where neither sheet nor turntable was
            made.
        colors: how descriptors are shown as colours; None where the field has none, or no view was made.
    """

    folder: Path
    report: dict[str, Any]
    prepared: Float[Tensor, "_ h w"]
    field: Field
    views: list[Rendered]
    colors: figures.DescriptorColors | None

    def __repr__(self) -> str:
        return f"Lifted({self.folder}: {', '.join(self.report['files'])})"

    def _repr_png_(self) -> bytes | None:
        sheet = self.folder / "sheet.png"
        return sheet.read_bytes() if sheet.is_file() else None


def lift(
    picture: Picture,
    out: str | os.PathLike[str],
    model: Model | None = None,
    *,
    mask: Mask | Literal["none"] | None = None,
    settings: LiftSettings | None = None,
    colors: figures.DescriptorColors | None = None,
    path: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **hints: Unpack[Hints],
) -> Lifted:
    """One picture of an object to novel views, a turntable, a point cloud and a mesh.

    Writes ``mask.png`` (what was taken of the picture), ``prepared.png``, ``sheet.png``, ``turntable.mp4`` (``.gif``
    without the extra ``video``), ``points.ply``, ``mesh.ply`` and ``report.json``, or what ``settings.only`` names of
    it. The folder appears when all of it is made; one that an earlier call made is replaced.

    Args:
        picture: path, PIL image, (H, W, 3|4) array or (3|4, H, W) float tensor (``pictures.to_tensor``).
        out: the folder to make.
        model: None is the shipped checkpoint.
        mask: as in ``prepare``; "none" takes the picture as it is, neither masked nor cropped: it must be one that
            the canonical camera could have taken.
        settings: what to make; None is the defaults.
        colors: how descriptors are shown as colours; None fits them to this object alone.
        path: a ``transforms.json`` in the object's frame; ``path.mp4`` shows what its cameras see in turn.
        progress: show progress bars.
        hints: ``box``, ``point``, ``number`` and ``network``: where and which the object is, as in ``prepare``.
    Raises:
        InputError: when the picture cannot be read or shows no object, the model sees none in it or none that it knows
            (``Model.refuse_unknown``), or ``out`` holds something else.
    """
    settings = settings or LiftSettings()
    if isinstance(picture, (str, os.PathLike)) and os.path.isdir(picture):
        raise InputError(f"{os.fspath(picture)} is a folder: give a picture of it, or take lift_folder for all of them")
    as_given = isinstance(mask, str) and mask == "none"
    name = os.fspath(picture) if isinstance(picture, (str, os.PathLike)) else None
    if as_given and any(hint is not None for hint in hints.values()):
        raise InputError("a picture that is taken as it is needs no box, point, number or network")
    seconds: dict[str, float] = {}
    with (
        fresh_directory(out, "lift") as folder,
        Progress(
            total=6 + (model is None) + (path is not None), desc="lift", unit="step", leave=False, disable=not progress
        ) as bar,
        torch.no_grad(),
    ):
        with named_step("prepare", bar, seconds):
            photograph = None if as_given else framed(picture, mask, **hints)
            if photograph is None:
                ready, crop = to_tensor(picture), None
            else:
                ready, crop = photograph.cut_out(), photograph.crop(picture)
                figures.taken(photograph.picture, photograph.alpha).save(folder / "mask.png")
            to_image(ready).save(folder / "prepared.png")
        if model is None:
            with named_step("load", bar, seconds):
                model = load()
        with named_step("encode", bar, seconds):
            model.refuse_unknown(ready, name or "the picture")
            field = _encoded(model, ready, crop, settings)
            camera = field.source.reshape(-1)[0]
        products = made(folder, ready, field, settings, colors, partial(named_step, bar=bar, seconds=seconds), progress)
        files = {} if photograph is None else {"mask.png": "the picture, and what of it was taken"}
        files |= {"prepared.png": "the picture that was encoded", **products.files}
        if path is not None:
            with named_step("path", bar, seconds):
                files |= camera_path.write(
                    folder, field, camera_path.read(path, settings.size), products.colors, progress
                )
        report = {
            "made_by": "lift",
            "picture": name or type(picture).__name__,
            "prepared": "as given" if as_given else f"{ready.shape[1]} x {ready.shape[2]}, masked and cropped",
            "objects": _objects(photograph),
            "model": {"field": model.name, "parameters": sum(p.numel() for p in model.parameters())},
            "camera": {
                **_how_sure(field.estimate), **angles_of(camera), "unit": "degree",
                "pose": camera.pose.tolist(), "focal": camera.focal.tolist(), "width": camera.width,
                "height": camera.height,
            },
            "frame": "right-handed, z up, +x front, +y left; where the camera is assumed, the heading is the camera's",
            **products.record(field),
            "files": files,
            "seconds": seconds,
        }  # fmt: skip
        write_json(folder / REPORT, report, indent=2)
    return Lifted(Path(out), report, ready, field, products.views, products.colors)


@dataclass(frozen=True, eq=False)
class Products:
    """What was made of a field: its views, their colours, what each file holds, and the density of the surface."""

    views: list[Rendered]
    colors: figures.DescriptorColors | None
    files: dict[str, str]
    level: float | int | None

    def record(self, field: Field) -> dict[str, Any]:
        """What a report says of them."""
        return {
            "unit": "the object's bounding-box diagonal",
            "descriptors": {
                "names": [f"descriptor_{i}" for i in range(field.channels.get("descriptor", 0))],
                "normalised": False, "compare_by": "cosine similarity",
            },
            "surface_density": None if self.level is None else round(self.level, 2),
        }  # fmt: skip


def made(
    folder: Path,
    ready: Float[Tensor, "_ h w"],
    field: Field,
    settings: LiftSettings,
    colors: figures.DescriptorColors | None,
    step: Callable[[str], AbstractContextManager[None]],
    progress: bool,
) -> Products:
    """Writes sheet, turntable, points and mesh of a field, as far as they are wanted; ``ready`` is its picture."""
    source, views, files = field.source.reshape(-1)[0], list[Rendered](), dict[str, str]()
    if settings.makes("sheet", "turntable"):
        with step("views"):
            cameras = figures.around_from(source, settings.views, settings.size)
            views = figures.render_views(field, cameras, "views" if progress else None)
            if "descriptor" in field.channels:
                colors = colors or figures.DescriptorColors.fit(views)
    if settings.makes("sheet"):
        _sheet(ready, views, colors).save(folder / "sheet.png")
        files["sheet.png"] = "novel views: colour, depth, descriptors"
    if settings.makes("turntable"):
        with step("turntable"):
            around = figures.around_from(source, settings.frames, settings.size)
            turntable = _turntable(folder, field, views, colors, around, progress)
        files[turntable] = f"{settings.frames} views around the object: colour and descriptors"
    level = None
    if settings.makes("points", "mesh"):
        level = export.surface_level(field) if settings.level is None else settings.level
    if settings.makes("points") and level is not None:
        with step("points"):
            sides = export.all_around(settings.size)
            cloud = export.point_cloud(field, sides, settings.points, level / 2, progress=progress)
            export.write_ply(folder / "points.ply", cloud)
        files["points.ply"] = cloud.counted
    if settings.makes("mesh"):
        with step("mesh"):
            surface = export.mesh(field, settings.grid, level, progress=progress)
            export.write_ply(folder / "mesh.ply", surface)
        files["mesh.ply"] = surface.counted
    return Products(views, colors, files, level)


def _encoded(model: Model, ready: Tensor, crop: Crop | None, settings: LiftSettings) -> Field:
    """The field of a prepared picture with the camera that is given, or else found as far as the lens is known."""
    width, height = ready.shape[2], ready.shape[1]
    if settings.azimuth is not None and settings.elevation is not None:
        return model.encode(ready, Camera.look_at(settings.azimuth, float(settings.elevation), width, height))
    whole = crop or Crop(0.0, 0.0, float(width), float(height), width, width, height)
    intrinsics = whole.intrinsics(settings.fov)
    if intrinsics is None:
        return model.encode(ready)
    estimate = model.estimate_camera(ready, whole.camera(intrinsics).resize(width, height))
    return replace(model.encode(ready, estimate.camera), estimate=estimate) if estimate.found else model.encode(ready)


def _objects(photograph: Framed | None) -> dict[str, Any] | None:
    """Every object that was found, and which of them was taken, 0 being all; None where a mask was given."""
    if photograph is None or photograph.found is None:
        return None
    return {"boxes": [list(box) for box in photograph.found.boxes], "taken": photograph.found.number}


def _how_sure(estimate: CameraEstimate | None) -> dict[str, Any]:
    """Whether the camera was given, found, or assumed where none was found; how sure it is, and what else it may be."""
    if estimate is None:
        return {"how": "given"}
    if not estimate.found:
        return {"how": "assumed: none was found"}
    others = [{name: round(value, 1) for name, value in angles_of(c).items()} for c in estimate.alternatives]
    return {"how": "found", "uncertainty": round(estimate.uncertainty, 1), "alternatives": others}


def angles_of(camera: Camera) -> dict[str, float]:
    """Where a camera stands, for a report: degrees, and the distance in diagonals of the object."""
    stands = CameraEstimate(camera, 0.0)
    return {name: round(getattr(stands, name), 3) for name in ("azimuth", "elevation", "roll", "distance")}


@contextmanager
def named_step(name: str, bar: Progress, seconds: dict[str, float]) -> Iterator[None]:
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
    cameras: list[Camera],
    progress: bool,
) -> str:
    """Renders the frames between the views, one at a time; returns the name of the file."""
    apart = len(cameras) // len(views)
    frames = []
    for number, camera in enumerate(Progress(cameras, desc="turntable", leave=False, disable=not progress)):
        view = views[number // apart] if number % apart == 0 else figures.render_views(field, [camera])[0]
        frames.append(figures.turntable_frame(view, colors))
    return figures.write_turntable(frames, folder / "turntable").name
