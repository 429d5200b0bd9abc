"""From anybody's picture of an object to everything the model can show of it: ``prepare`` and ``lift``."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Shaped
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from featurenerf import export, figures, masks
from featurenerf.cameras import PICTURE_SIZE, Camera
from featurenerf.checkpoint import load
from featurenerf.cropping import canonical_square, cut_out
from featurenerf.errors import InputError
from featurenerf.fields.base import Field, Model
from featurenerf.outputs import REPORT, fresh_directory
from featurenerf.pictures import Picture, to_tensor

SMALLEST_OBJECT = 8
"""An object whose box has a diagonal of fewer pixels shows too little."""

Mask = Shaped[Tensor, "h w"] | Shaped[np.ndarray, "h w"] | Picture
Made = TypeVar("Made")


def prepare(
    picture: Picture, mask: Mask | None = None, size: int = PICTURE_SIZE, outline: float | None = None
) -> Float[Tensor, "4 s s"]:
    """A picture as the canonical camera would have taken it: the object cut out, centred and scaled.

    Args:
        picture: path, PIL image or (3|4, H, W) float tensor in [0, 1].
        mask: where the object is: (H, W), true or above half of its range inside; or a picture file or PIL image of
            that size, white on black. None is the picture's alpha channel, or where it has none (or an opaque one)
            an automatic mask (``featurenerf.masks``; needs the extra ``mask`` unless the background is plain).
        size: width and height of the result in pixels.
        outline: diagonal of the box around the object in the result, in units of its side; None goes by the box's
            shape (``cropping.OUTLINE_DIAGONALS``).
    Returns:
        RGBA in [0, 1]; colour is not multiplied by alpha. It goes into ``Model.encode`` as it is.
    Raises:
        InputError: for an unreadable picture, a mask of another size, or a picture in which no object is found.
    """
    tensor = to_tensor(picture).detach().float().cpu()
    rgb, height, width = tensor[:3], *tensor.shape[1:]
    alpha = masks.foreground(tensor) if mask is None else _mask(mask, height, width)
    inside = alpha > 0.5
    rows, columns = inside.any(1).nonzero()[:, 0], inside.any(0).nonzero()[:, 0]
    name = f"in {os.fspath(picture)} " if isinstance(picture, (str, os.PathLike)) else ""
    if len(rows) == 0:
        raise InputError(
            f"no object was found {name or 'in the picture '}: give a picture with transparency, or a mask"
        )
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    diagonal = float(np.hypot(bottom - top, right - left))
    if diagonal < SMALLEST_OBJECT:
        raise InputError(
            f"the object found {name}has only {right - left} x {bottom - top} pixels: give a closer picture"
        )
    return cut_out(rgb, alpha, canonical_square(left, top, right, bottom, outline), size)


@dataclass(frozen=True)
class LiftSettings:
    """What ``lift`` makes.

    Attributes:
        azimuth, elevation: where the picture was taken from, in degrees (``Camera.look_at``). Where the heading is
            unknown, 0 and 20 are assumed, and the world is then that assumed camera's.
        views: novel views on the sheet, evenly spread over a full turn.
        frames: of the turntable, a multiple of ``views``.
        size: side of the rendered pictures, in pixels.
        grid: points a side of the cube in which the mesh is looked for.
        points: at most so many in the point cloud.
        level: density taken for the surface; None is ``export.surface_level`` of the field.
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
        colours: how descriptors are shown as colours.
    """

    folder: Path
    report: dict[str, Any]
    prepared: Float[Tensor, "_ h w"]
    field: Field
    views: list[figures.View]
    colours: figures.DescriptorColours


def lift(
    picture: Picture,
    out: str | os.PathLike[str],
    model: Model | None = None,
    *,
    mask: Mask | Literal["none"] | None = None,
    settings: LiftSettings | None = None,
    colours: figures.DescriptorColours | None = None,
    progress: bool = True,
) -> Lifted:
    """One picture of an object to novel views, a turntable, a point cloud and a mesh.

    Writes ``prepared.png``, ``sheet.png``, ``turntable.mp4`` (``.gif`` without the extra ``video``), ``points.ply``,
    ``mesh.ply`` and ``report.json``. The folder appears when all of them are made; one that an earlier call made is
    replaced.

    Args:
        picture: path, PIL image or (3|4, H, W) float tensor in [0, 1].
        out: the folder to make.
        model: None is the shipped checkpoint.
        mask: as in ``prepare``; "none" takes the picture as it is, neither masked nor cropped: it must be one that
            the canonical camera could have taken.
        settings: what to make; None is the defaults.
        colours: how descriptors are shown as colours; None fits them to this object alone.
        progress: show progress bars.
    Raises:
        InputError: when the picture cannot be read or shows no object, the model sees none in it, or ``out`` holds
            something else.
    """
    settings = settings or LiftSettings()
    clock = _Clock()

    def step(name: str, work: Callable[[], Made]) -> Made:
        bar.set_description(name)
        result = clock.time(name, work)
        bar.update()
        return result

    with (
        fresh_directory(out, "lift") as folder,
        tqdm(total=6, desc="lift", unit="step", leave=False, disable=not progress) as bar,
        torch.no_grad(),
    ):
        ready = step("prepare", lambda: to_tensor(picture) if _is_none(mask) else prepare(picture, mask))
        loaded = model or clock.time("load", load)
        camera = Camera.look_at(float(settings.azimuth), float(settings.elevation), ready.shape[2], ready.shape[1])
        seen = step("encode", lambda: loaded.encode(ready, camera))
        views, shown = step("views", lambda: _write_sheet(folder, ready, seen, colours, settings, progress))
        turntable = step("turntable", lambda: _write_turntable(folder, seen, views, shown, settings, progress))
        level = export.surface_level(seen) if settings.level is None else settings.level
        around = export.all_around(settings.size)
        cloud = step("points", lambda: export.point_cloud(seen, around, settings.points, level / 2, progress))
        export.write_ply(folder / "points.ply", cloud)
        surface = step("mesh", lambda: export.mesh(seen, settings.grid, level, progress))
        export.write_ply(folder / "mesh.ply", surface)
        size = 0 if cloud.descriptor is None else cloud.descriptor.shape[1]
        triangles = 0 if surface.faces is None else len(surface.faces)
        report = {
            "made_by": "lift",
            "picture": os.fspath(picture) if isinstance(picture, (str, os.PathLike)) else type(picture).__name__,
            "prepared": "as given" if _is_none(mask) else f"{ready.shape[1]} x {ready.shape[2]}, masked and cropped",
            "model": {"field": loaded.name, "parameters": sum(p.numel() for p in loaded.parameters())},
            "camera": {
                "azimuth": settings.azimuth, "elevation": settings.elevation, "unit": "degree",
                "pose": camera.pose.tolist(), "focal": camera.focal.tolist(), "width": camera.width,
                "height": camera.height,
            },
            "frame": "right-handed, z up, +x front, +y left; with an assumed azimuth the heading is the camera's",
            "unit": "the object's bounding-box diagonal",
            "descriptors": {
                "names": [f"descriptor_{i}" for i in range(size)],
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
            "seconds": clock.seconds,
        }  # fmt: skip
        (folder / REPORT).write_text(json.dumps(report, indent=2) + "\n")
    return Lifted(Path(out), report, ready, seen, views, shown)


# ---------------------------------------------------------------------- steps of lift


def _write_sheet(
    folder: Path,
    ready: Tensor,
    seen: Field,
    colours: figures.DescriptorColours | None,
    settings: LiftSettings,
    progress: bool,
) -> tuple[list[figures.View], figures.DescriptorColours]:
    _to_image(ready).save(folder / "prepared.png")
    cameras = figures.around(settings.azimuth, settings.elevation, settings.views, settings.size)
    views = figures.render_views(seen, cameras, "views" if progress else None)
    colours = colours or figures.DescriptorColours.fit(views)
    near, far = figures.depth_range(views)
    titles = [f"{i * 360 / settings.views:+.0f}\N{DEGREE SIGN}" for i in range(settings.views)]
    rows: dict[str, list[Image.Image | None]] = {
        "colour": [figures.picture_on_paper(ready), *(figures.colour_picture(v) for v in views)],
        "depth": [None, *(figures.depth_picture(v, near, far) for v in views)],
        "descriptor": [None, *(figures.descriptor_picture(v, colours) for v in views)],
    }
    figures.sheet(rows, ["picture", *titles]).save(folder / "sheet.png")
    return views, colours


def _write_turntable(
    folder: Path,
    seen: Field,
    views: list[figures.View],
    colours: figures.DescriptorColours,
    settings: LiftSettings,
    progress: bool,
) -> str:
    """Renders the frames between the views, one at a time."""
    cameras = figures.around(settings.azimuth, settings.elevation, settings.frames, settings.size)
    apart = settings.frames // settings.views
    frames = []
    for number, camera in enumerate(tqdm(cameras, desc="turntable", leave=False, disable=not progress)):
        view = views[number // apart] if number % apart == 0 else figures.render_views(seen, [camera])[0]
        frames.append(figures.turntable_frame(view, colours))
    return figures.write_turntable(frames, folder / "turntable").name


@dataclass
class _Clock:
    """Seconds that each step took."""

    seconds: dict[str, float] = field(default_factory=dict)

    def time(self, name: str, work: Callable[[], Made]) -> Made:
        start = time.perf_counter()
        result = work()
        self.seconds[name] = round(time.perf_counter() - start, 3)
        return result


# ---------------------------------------------------------------------- small things


def _is_none(mask: Any) -> bool:
    return isinstance(mask, str) and mask == "none"


def _mask(mask: Mask, height: int, width: int) -> Float[Tensor, "h w"]:
    """A mask as opacity in [0, 1]."""
    if isinstance(mask, (str, os.PathLike, Image.Image)):
        values = to_tensor(mask)[:3].mean(0)
    else:
        values = torch.as_tensor(mask).float().cpu()
        values = values / 255 if values.numel() and values.max() > 1 else values
    if tuple(values.shape) != (height, width):
        raise InputError(f"the mask must be ({height}, {width}) like the picture, not {tuple(values.shape)}")
    return values.clamp(0, 1)


def _to_image(picture: Float[Tensor, "c h w"]) -> Image.Image:
    values = (picture.float().cpu().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(values)
