"""Where a part of an object is: from labels of one picture, from a painted place, a click, or words.

A ``Subject`` is a picture that was encoded, with what was marked on it. Each function here makes a region of fields
(``fields.edits.Region``) of such marks. A region acts on any field of the same model: what is marked on one object is
thereby carried over to another.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from featurenerf.cameras import PICTURE_SIZE, Camera
from featurenerf.data.formats.captures import names_capture
from featurenerf.errors import InputError
from featurenerf.fields.regions import Alike, Painted, Part, Region
from featurenerf.fields.volume import VolumeField
from featurenerf.limits import file_bytes, json_file, json_value, parsing
from featurenerf.masks import Mask
from featurenerf.matching import FOREGROUND_ALPHA, first_source_camera
from featurenerf.models.base import Model
from featurenerf.picture_files import open_file
from featurenerf.pictures import LARGE_SIDE, Picture, Square, to_tensor
from featurenerf.studio.captures import encoded_capture
from featurenerf.studio.prepare import framed
from featurenerf.studio.shipped import shipped_picture

UNLABELLED = ("background", "none")
"""Names that a list of part names may begin with: the list then begins with the name of 0, not of 1."""

MOST_LABELLED = 1200
"""So many labelled pixels of a picture are compared with, evenly drawn: the time that it takes grows with them."""


@dataclass(frozen=True, eq=False)
class PartLabels:
    """Part labels of a picture's pixels, and what they mean.

    Attributes:
        labels: 0 where there is none.
        names: of numbers; those without a name are called by their number.
        origin: the file, for messages.
    """

    labels: Int64[np.ndarray, "h w"]
    names: Mapping[int, str]
    origin: str

    def number(self, part: str) -> int:
        """The number of a part, which is given by its name or number.

        Raises:
            InputError: for one that is not known, or of which no pixel is labelled.
        """
        marked = [int(n) for n in np.unique(self.labels) if n > 0]
        number = next((n for n, name in self.names.items() if name == part and n > 0), None)
        if number is None and part.isdecimal() and int(part) > 0:
            number = int(part)
        if number in marked:
            return number
        known = ", ".join(f"{self.names[n]} ({n})" if n in self.names else str(n) for n in marked)
        wrong = f"there is no part {part!r} in" if number is None else f"no pixel is labelled {part} in"
        raise InputError(f"{wrong} {self.origin}: it has {known}")


def read_labels(path: str | os.PathLike[str], names: Sequence[str] = ()) -> PartLabels:
    """Part labels from an integer PNG (palette or grey, 0 = none).

    Args:
        names: of the labels 1, 2, ... (or of 0, 1, ... where the first is "background" or "none"). Where there are
            none, the file of the same name ending in ``.json`` beside it says them: such a list, or an object of
            number and name; or ``pictures.json``, of the pictures that ship.
    Raises:
        InputError: when a file is missing or no such file, or nothing is labelled.
    """
    path = Path(path)
    if not os.path.isfile(path):
        raise InputError(f"there is no file of labels at {path}")
    with open_file(path, f"{path} cannot be read as labels: it", "give a PNG of numbers") as image:
        if image.mode not in ("P", "L", "I", "I;16", "I;16B", "I;16L", "1"):
            raise InputError(
                f"{path} is a picture of colours ({image.mode}): labels are a PNG of numbers (palette or grey)"
            )
        labels = np.asarray(image).astype(np.int64)
    if not (labels > 0).any():
        raise InputError(f"{path} labels nothing: all of its pixels are 0")
    return PartLabels(labels, _named(names) if names else _names_beside(path), str(path))


def _names_beside(path: Path) -> Mapping[int, str]:
    beside = path.with_suffix(".json")
    if beside.is_file():
        form = "it should hold a list of names, or an object of number and name"
        with parsing(f"{beside} does not name parts", form):
            return _named(json_file(beside))
    shipped = shipped_picture(path)
    return _named(shipped.part_names) if shipped is not None else {}


def _named(names: Any) -> dict[int, str]:
    """Names by number; ValueError, TypeError or AttributeError for what are none."""
    if isinstance(names, Mapping):
        found = {int(number): name for number, name in names.items()}
    else:
        if isinstance(names, str):
            raise TypeError("a text is no list of names")
        first = 0 if names and names[0] in UNLABELLED else 1
        found = dict(enumerate(names, first))
    if not all(isinstance(name, str) for name in found.values()):
        raise TypeError("a name is not a text")
    return found


# ---------------------------------------------------------------------- pictures that were encoded


@dataclass(frozen=True, eq=False)
class Subject:
    """A picture that was encoded, with what was marked on it.

    Attributes:
        name: what messages call it.
        field: what it was encoded into.
        prepared: the picture that was encoded.
        square: which part of the picture as it was read that is, in its pixels; None is all of it.
        size: width and height of the picture as it was read.
        labels: of the prepared picture's pixels; None where there are none.
    """

    name: str
    field: VolumeField
    prepared: Float[Tensor, "_ h w"]
    square: Square | None
    size: tuple[int, int]
    labels: PartLabels | None

    @property
    def camera(self) -> Camera:
        """The camera of the prepared picture, with the pixels in which descriptors are compared."""
        return first_source_camera(self.field).resize(PICTURE_SIZE, PICTURE_SIZE)


def subject(
    model: Model,
    picture: Picture,
    *,
    labels: PartLabels | None = None,
    mask: Mask | Literal["none"] | None = None,
    azimuth: float | None = None,
    elevation: float | None = None,
) -> Subject:
    """Encode a picture of which parts may be labelled.

    A picture that ships with the package is taken as it is, from the camera that is known, with the labels that it has.
    Of a capture (a folder of pictures with cameras, or its camera file) three pictures are encoded together.

    Args:
        labels: of the picture's own pixels.
        mask: as of ``lift``.
        azimuth, elevation: where it was taken from, in degrees; without them it is found (``Model.encode``).
    Raises:
        InputError: when the picture cannot be read, shows no object or none that the model knows
            (``Model.refuse_unknown``), or labels are of another size.
    """
    name = os.fspath(picture) if isinstance(picture, (str, os.PathLike)) else "the picture"
    shipped = shipped_picture(Path(picture)) if isinstance(picture, (str, os.PathLike)) else None
    if isinstance(picture, (str, os.PathLike)) and names_capture(Path(picture)):
        if any(each is not None for each in (labels, mask, azimuth, elevation)):
            raise InputError(f"{name} is a capture, which has cameras and masks: leave labels, mask and angles out")
        ready, field = encoded_capture(Path(picture), model)
        return Subject(name, field, ready, None, (ready.shape[2], ready.shape[1]), None)
    if shipped is not None:
        mask = "none" if mask is None else mask
        if azimuth is None and elevation is None:
            azimuth, elevation = float(shipped.azimuth), float(shipped.elevation)
        if labels is None and shipped.parts_file is not None:
            labels = read_labels(shipped.folder / shipped.parts_file)
    square = None
    if isinstance(mask, str) and mask == "none":
        ready = read = to_tensor(picture)
    else:
        photograph = framed(picture, mask)
        ready, read, square = photograph.cut_out(), photograph.picture, photograph.square
    size = (read.shape[2], read.shape[1])
    if (azimuth is None) != (elevation is None):
        raise InputError("azimuth and elevation say together where a picture was taken from: give both or neither")
    camera = None
    if azimuth is not None and elevation is not None:
        camera = Camera.look_at(azimuth, elevation, ready.shape[2], ready.shape[1])
    model.refuse_unknown(ready, name)
    field = model.encode(ready, camera)
    made = Subject(name, field, ready, square, size, None)
    return made if labels is None else replace(made, labels=_prepared(made, labels))


def _prepared(of: Subject, given: PartLabels) -> PartLabels:
    """Labels of the prepared picture's pixels, of those of the picture as it was read."""
    height, width = given.labels.shape
    whole = width / of.size[0]  # a picture that is too large is shrunk when it is read, its labels are not
    shrunk = max(of.size) == LARGE_SIDE and max(width, height) > LARGE_SIDE and abs(height / whole - of.size[1]) < 1
    if (width, height) != of.size and not shrunk:
        raise InputError(
            f"{given.origin} has {width} x {height} pixels and {of.name} {of.size[0]} x {of.size[1]}: "
            "label the picture's own pixels"
        )
    square = of.square or Square(0.0, 0.0, float(of.size[0]))
    steps = (np.arange(PICTURE_SIZE) + 0.5) / PICTURE_SIZE * square.side
    tall = 1.0 if of.square else of.size[1] / of.size[0]
    columns, rows = (np.floor((start + steps * part) * whole).astype(int) for start, part in
                     ((square.x0, 1.0), (square.y0, tall)))  # fmt: skip
    seen = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    cut = given.labels[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)]
    return replace(given, labels=np.where(seen, cut, 0))


# ---------------------------------------------------------------------- regions


@dataclass(frozen=True, eq=False)
class SurfacePixels:
    """What a subject's own camera sees of its field, a row a pixel of the object.

    Attributes:
        pixels: row and column.
        rgb: colour of the object, in [0, 1].
    """

    pixels: Int64[Tensor, "n 2"]
    points: Float[Tensor, "n 3"]
    rgb: Float[Tensor, "n 3"]
    descriptor: Float[Tensor, "n d"]

    def among(self, which: Bool[Tensor, " n"] | Int64[Tensor, " m"]) -> SurfacePixels:
        return SurfacePixels(self.pixels[which], self.points[which], self.rgb[which], self.descriptor[which])


@torch.no_grad()
def surface(field: VolumeField, camera: Camera) -> SurfacePixels:
    """What a camera sees of a field.

    Raises:
        InputError: where that is nothing.
    """
    seen = field.render(camera, channels=("rgb", "descriptor", "depth", "alpha"))
    pixels = (seen["alpha"][..., 0] > FOREGROUND_ALPHA).nonzero()
    if len(pixels) == 0:
        raise InputError("the picture shows no object, or the model does not know its kind")
    alpha, depth, rgb, descriptor = (
        seen[name][pixels[:, 0], pixels[:, 1]] for name in ("alpha", "depth", "rgb", "descriptor")
    )
    points = camera.to(depth.device).unproject(pixels.flip(-1).to(depth) + 0.5, (depth / alpha)[:, 0])
    return SurfacePixels(pixels, points, (rgb / alpha).clamp(0, 1), descriptor)


def labelled_part(field: VolumeField, part: str, subjects: Sequence[Subject]) -> Part:
    """A part of a field's object, from labels of pictures of it or of others.

    Args:
        subjects: those that have labels are taken, at least one. Labels of the field's own picture say where the part
            is in space, too, and where its mirror image is.
    Raises:
        InputError: where nothing is labelled, or the part is not known.
    """
    descriptors, labels, places = [], [], []
    for of in subjects:
        if of.labels is None:
            continue
        number = of.labels.number(part)
        seen = surface(of.field, of.camera)
        marks = torch.from_numpy(of.labels.labels).to(seen.pixels.device)[seen.pixels[:, 0], seen.pixels[:, 1]]
        if not (marks == number).any():
            raise InputError(f"the part {part!r} of {of.labels.origin} lies beside the object that {of.name} shows")
        seen, marks = seen.among(marks > 0), marks[marks > 0]
        seen, marks = seen.among(some := _some(len(marks))), marks[some]
        images = [seen.points]
        if of.field is not field:
            images = [torch.full_like(seen.points, torch.nan)]
        elif (mirrored := field.mirrored(seen.points)) is not None:
            images.append(mirrored)
        for there in images:
            descriptors.append(seen.descriptor)
            labels.append((marks == number).long())
            places.append(there)
    if not labels:
        raise InputError(f"no labels say where the part {part!r} is: give labels of one of the pictures")
    joined = torch.cat(places)
    return Part(torch.cat(descriptors), torch.cat(labels), 1, None if joined.isnan().all() else joined)


def _some(count: int) -> Int64[Tensor, " n"]:
    """Indices of at most ``MOST_LABELLED``, evenly drawn."""
    return torch.linspace(0, count - 1, min(count, MOST_LABELLED)).round().long()


def clicked(of: Subject, x: float, y: float, least: float) -> Alike:
    """What is as similar (cosine) to a pixel of a subject's picture, as it was read.

    Raises:
        InputError: where the pixel shows no object.
    """
    square = of.square or Square(0.0, 0.0, float(of.size[0]))
    tall = square.side if of.square else float(of.size[1])
    column = int((x - square.x0) / square.side * PICTURE_SIZE)
    row = int((y - square.y0) / tall * PICTURE_SIZE)
    seen = surface(of.field, of.camera)
    here = (seen.pixels == torch.tensor([row, column], device=seen.pixels.device)).all(1)
    if not here.any():
        raise InputError(f"at ({x:g}, {y:g}) {of.name} shows no object: click on it")
    return Alike(seen.descriptor[here][0], least)


def read_painted(path: str | os.PathLike[str]) -> Painted:
    """A painted place, of a JSON file ``{"points": [[x, y, z], ...], "radius": r}``, in world units.

    Raises:
        InputError: when the file is missing, or no such file.
    """
    form = 'it should hold {"points": [[x, y, z], ...], "radius": r}'
    with parsing(f"{path} cannot be read", form):
        content = file_bytes(Path(path))
    with parsing(f"{path} is no painted place", form):
        record = json_value(content)
        points, radius = torch.tensor(record["points"], dtype=torch.float32), float(record["radius"])
    if points.ndim != 2 or points.shape[1] != 3 or not torch.isfinite(points).all() or not 0 < radius < float("inf"):
        raise InputError(f"{path} is no painted place: points are (x, y, z), at least one, and the radius is positive")
    return Painted(points, radius)


def share(field: VolumeField, region: Region, points: Float[Tensor, "n 3"]) -> Bool[Tensor, " n"]:
    """Which points of a field's object lie in a region."""
    return region(points, field.query(points, channels=region.channels))
