"""One HTML file of several objects: a click on one of them shows its best matches on all others.

The file needs no server and no network. Each object is a set of surface points with descriptors, and pictures whose
pixels say which of the points they show: a match that is found once is seen from all sides.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int8, Int64, UInt16
from PIL import Image
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.data.formats.captures import names_capture
from featurenerf.errors import InputError
from featurenerf.fields.base import Field, Rendered
from featurenerf.files import ASSETS, write_bytes
from featurenerf.matching import FOREGROUND_ALPHA, first_source_camera, normalise
from featurenerf.models.base import Model
from featurenerf.pictures import to_tensor
from featurenerf.progress import Progress
from featurenerf.studio import figures
from featurenerf.studio.captures import encoded_capture
from featurenerf.studio.prepare import prepare

CELL = 1 / 64
"""Side of the cells of space of which each is one surface point, in world units."""
COMPONENTS = 64
"""Directions of the descriptors that the file holds, of 8 bits each: those that vary most over all objects."""
LEAST_SCORE = 0.6
"""Cosine similarity below which there is no match. It tells objects of other kinds (docs/viewer.md, "Measured")."""


@dataclass(frozen=True, eq=False)
class ClickableObject:
    """An object as the page shows it.

    Attributes:
        title: what it is called.
        pictures: of one size; the given one first, then those of a turn around the object.
        shown: number of the surface point that each pixel of each picture shows, from 1; 0 is none.
        points: the surface points, in the world.
        descriptors: theirs, of length 1.
    """

    title: str
    pictures: list[Image.Image]
    shown: UInt16[np.ndarray, "v h w"]
    points: Float[Tensor, "n 3"]
    descriptors: Float[Tensor, "n d"]


@dataclass(frozen=True, eq=False)
class SurfaceCells:
    """The surface of an object, one point a cell of space, as some cameras see it.

    Attributes:
        points: in the world.
        rgb: theirs, in [0, 1].
        descriptors: theirs, of length 1.
        shown: number of the point that each pixel of each camera shows, from 1; 0 is none.
    """

    points: Float[Tensor, "n 3"]
    rgb: Float[Tensor, "n 3"]
    descriptors: Float[Tensor, "n d"]
    shown: Int64[Tensor, "v h w"]


def surface_cells(cameras: Sequence[Camera], views: Sequence[Rendered], title: str) -> SurfaceCells:
    """The surface that rendered views show (``figures.render_views``); all pictures are of one size.

    Raises:
        InputError: where no view shows an object; ``title`` is what the message calls it.
    """
    places, colors, found = [], [], []
    for camera, view in zip(cameras, views, strict=True):
        solid = view["alpha"][..., 0] > FOREGROUND_ALPHA
        depth = (view["depth"] / view["alpha"].clamp(min=1e-3))[..., 0]
        places.append(camera.to("cpu").unproject(camera.pixels().cpu(), depth)[solid])
        colors.append((view["rgb"] / view["alpha"].clamp(min=1e-3))[solid].clamp(0, 1))
        found.append(normalise(view["descriptor"][solid]))
    if not sum(map(len, places)):
        raise InputError(
            f"the model sees no object in {title}: the picture may hold none, or none of a kind that it knows"
        )
    cells = (torch.cat(places) / CELL).floor().long()
    _, number = torch.unique(cells, dim=0, return_inverse=True)
    count = torch.bincount(number).unsqueeze(1)
    if len(count) >= 2**16:
        raise InputError(f"{title} has a surface of {len(count)} cells: the world's unit must be the object's diagonal")
    points, rgb, descriptors = (
        torch.zeros(len(count), part.shape[1]).index_add(0, number, part) / count
        for part in map(torch.cat, (places, colors, found))
    )
    solid = torch.stack([view["alpha"][..., 0] > FOREGROUND_ALPHA for view in views])
    shown = torch.zeros(solid.shape, dtype=torch.long)
    shown[solid] = number + 1
    return SurfaceCells(points, rgb, normalise(descriptors), shown)


def turned(field: Field, turns: int, size: int) -> list[Camera]:
    """The camera of a field's picture, then those of a full turn around the object at the height of that one."""
    own = first_source_camera(field)
    return [own.resize(size, size), *figures.around_from(own, turns, size)]


@torch.no_grad()
def clickable(
    field: Field, picture: Float[Tensor, "c h w"], title: str, turns: int = 12, size: int = 128
) -> ClickableObject:
    """What a page needs of a field.

    Args:
        picture: the (first) one that the field was made from.
        turns: pictures of a full turn around the object, at the height of the given picture.
        size: side of the pictures, in pixels.
    Raises:
        InputError: where no picture shows an object.
    """
    cameras = turned(field, turns, size)
    return clickable_views(cameras, figures.render_views(field, cameras), picture, title)


def clickable_views(
    cameras: Sequence[Camera], views: Sequence[Rendered], picture: Float[Tensor, "c h w"], title: str
) -> ClickableObject:
    """The same of views that were rendered already (``figures.render_views``), that of the picture itself first."""
    surface = surface_cells(cameras, views, title)
    size = (surface.shown.shape[2], surface.shown.shape[1])
    given = figures.picture_on_paper(picture).resize(size, Image.Resampling.LANCZOS)
    pictures = [given, *(figures.color_picture(view) for view in views[1:])]
    shown = surface.shown.numpy().astype(np.uint16)
    return ClickableObject(title, pictures, shown, surface.points, surface.descriptors)


def make_page(
    out: Path,
    pictures: Sequence[Path],
    model: Model,
    *,
    masked: bool = True,
    turns: int = 12,
    progress: bool = True,
) -> Path:
    """A page of picture files; returns its path.

    Args:
        pictures: files; or captures, each an object (``captures.encoded_capture``).
        masked: objects are cut out of the pictures (``prepare``), which are taken as they are otherwise.
        turns: turned views of each object, 1 to 72.
    Raises:
        InputError: for a picture that cannot be read, or shows no object or none that the model knows
            (``Model.refuse_unknown``); before anything is written.
    """
    if not pictures:
        raise InputError("a page needs at least one picture")
    if not 1 <= turns <= 72:
        raise InputError(f"turns is {turns}: it must lie between 1 and 72")
    objects = []
    for path in Progress(pictures, desc="page", unit="picture", disable=not progress):
        if names_capture(path):
            ready, field = encoded_capture(path, model)
            title = path.absolute().parent.name if path.is_file() else path.absolute().name
        else:
            ready = prepare(path) if masked else to_tensor(path)
            model.refuse_unknown(ready, str(path))
            field, title = model.encode(ready), path.stem
        objects.append(clickable(field, ready, title.replace("_", " "), turns))
    write_page(Path(out), objects)
    return Path(out)


def quantised(
    descriptors: Sequence[Float[Tensor, "_ d"]], components: int = COMPONENTS
) -> list[Int8[np.ndarray, "_ k"]]:
    """Descriptors of several objects in 8 bits: their cosine similarities are about those of the descriptors.

    Each is scaled by itself, which its cosines do not see.
    """
    together = torch.cat(list(descriptors)).double()
    _, axes = torch.linalg.eigh(together.T @ together)
    basis = axes[:, -components:].flip(-1)
    kept = [part.double() @ basis for part in descriptors]
    return [(x * 127 / x.abs().amax(1, keepdim=True).clamp(min=1e-12)).round().to(torch.int8).numpy() for x in kept]


def write_page(path: Path, objects: Sequence[ClickableObject], heading: str = "Click on an object") -> None:
    """Write the page of one or several objects."""
    content = {"heading": heading, "least": LEAST_SCORE, "objects": _content(objects)}
    assets = ASSETS / "page"
    data = json.dumps(content).replace("<", "\\u003c")  # a title can neither end the script nor begin a comment in it
    page = (assets / "page.html").read_text(encoding="utf-8")
    for name in ("page.css", "page.js"):
        page = page.replace(f"/* {name} */", (assets / name).read_text(encoding="utf-8"))
    write_bytes(path, page.replace('"DATA"', data).encode())


def _content(objects: Sequence[ClickableObject]) -> list[dict[str, Any]]:
    codes = quantised([it.descriptors for it in objects])
    return [
        {
            "title": it.title,
            "size": it.shown.shape[-1],
            "pictures": [_jpeg(picture) for picture in it.pictures],
            "shown": _packed(it.shown.astype("<u2")),
            "components": code.shape[1],
            "codes": _packed(code),
        }
        for it, code in zip(objects, codes, strict=True)
    ]


def _jpeg(picture: Image.Image) -> str:
    buffer = BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _packed(array: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode()
