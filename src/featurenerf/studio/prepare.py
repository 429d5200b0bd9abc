"""Any picture of an object to one that the canonical camera could have taken."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Literal, TypedDict, Unpack, overload

import numpy as np
from jaxtyping import Float
from torch import Tensor

from featurenerf import masks
from featurenerf.arrays import whole
from featurenerf.cameras import PICTURE_SIZE
from featurenerf.errors import InputError
from featurenerf.masks import Box, Found, Mask, Point
from featurenerf.networks import SaliencyNetwork
from featurenerf.pictures import LARGE_SIDE, Picture, Square, canonical_square, cut_out, to_tensor
from featurenerf.studio.crop import Crop, crop_of, full_size

SMALLEST_OBJECT = 8
"""An object whose box has a diagonal of fewer pixels shows too little."""


class Hints(TypedDict, total=False):
    """What helps to find the object of a photograph: places are in its own pixels (upright, in its full size).

    Attributes:
        box: (x0, y0, x1, y1) around the object; nothing outside is taken.
        point: (x, y) on the object.
        number: which object, counted from 1 and the largest first, where the picture shows several.
        network: by which the object is found (``networks.open_network``); None is the one of the extra ``mask``.
    """

    box: Box | None
    point: Point | None
    number: int | None
    network: SaliencyNetwork | str | os.PathLike[str] | None


@dataclass(frozen=True, eq=False)
class Framed:
    """A photograph, its object, and the square of it that ``prepare`` cuts out.

    Attributes:
        picture: as it was read, (C, H, W).
        alpha: where its object is, (H, W) in [0, 1].
        square: in pixels of ``picture``.
        found: what was found, its boxes in the photograph's own pixels; None where a mask was given.
    """

    picture: Float[Tensor, "c h w"]
    alpha: Float[Tensor, "h w"]
    square: Square
    found: Found | None

    def cut_out(self, size: int = PICTURE_SIZE) -> Float[Tensor, "4 s s"]:
        """What ``prepare`` returns."""
        return cut_out(self.picture[:3], self.alpha, self.square, size)

    def crop(self, given: Picture, size: int = PICTURE_SIZE) -> Crop:
        """Which part of the photograph that was given it is."""
        return crop_of(given, self.square, size, self.picture.shape[2], self.picture.shape[1])


@overload
def prepare(
    picture: Picture,
    mask: Mask | None = ...,
    size: int = ...,
    outline: float | None = ...,
    *,
    return_crop: Literal[False] = ...,
    **hints: Unpack[Hints],
) -> Tensor: ...
@overload
def prepare(
    picture: Picture,
    mask: Mask | None = ...,
    size: int = ...,
    outline: float | None = ...,
    *,
    return_crop: Literal[True],
    **hints: Unpack[Hints],
) -> tuple[Tensor, Crop]: ...
def prepare(
    picture: Picture,
    mask: Mask | None = None,
    size: int = PICTURE_SIZE,
    outline: float | None = None,
    *,
    return_crop: bool = False,
    **hints: Unpack[Hints],
) -> Float[Tensor, "4 s s"] | tuple[Float[Tensor, "4 s s"], Crop]:
    """A picture as the canonical camera would have taken it: the object cut out, centred and scaled.

    Args:
        picture: path, PIL image, (H, W, 3|4) array or (3|4, H, W) float tensor (``pictures.to_tensor``).
        mask: where the object is (``masks.given``), as large as the picture or of the same shape. None is the picture's
            alpha channel, or where it has none (or an opaque one) an automatic mask (``masks.find``; needs the
            extra ``mask`` unless the background is plain).
        size: width and height of the result in pixels.
        outline: diagonal of the box around the object in the result, in units of its side; None goes by the box's
            shape (``pictures.OUTLINE_DIAGONALS``).
        return_crop: also say which part of the picture it is, so that marks on the photograph go in and come out in
            the photograph's pixels.
        hints: ``box``, ``point``, ``number`` and ``network``, which say where and which the object is (``Hints``).
    Returns:
        RGBA in [0, 1]; colour is not multiplied by alpha. It goes into ``Model.encode`` as it is. With ``return_crop``
        a pair of that and a ``Crop``.
    Raises:
        InputError: for an unreadable picture, a mask of another size, or a picture in which no object is found.
    """
    size = whole(size, "the size of a prepared picture")
    if not 1 <= size <= LARGE_SIDE:
        raise InputError(f"a prepared picture has 1 to {LARGE_SIDE} pixels a side, not {size}")
    if outline is not None and not 0.01 <= outline <= 10:
        raise InputError(f"outline is a length in sides of the prepared picture, from 0.01 to 10, not {outline}")
    photograph = framed(picture, mask, outline, **hints)
    ready = photograph.cut_out(size)
    return (ready, photograph.crop(picture, size)) if return_crop else ready


def framed(picture: Picture, mask: Mask | None = None, outline: float | None = None, **hints: Unpack[Hints]) -> Framed:
    """The photograph, its object, and the square of it that ``prepare`` cuts out.

    Arguments and errors are those of ``prepare``.
    """
    tensor = to_tensor(picture).detach().float().cpu()
    given = [name for name, value in hints.items() if value is not None]
    if mask is not None and given:
        raise InputError(f"a mask already says where the object is: give no {given[0]} with it")
    found = None
    if mask is None:
        found = _found(picture, tensor, **hints)
        alpha = found.mask
    else:
        alpha = masks.given(mask, *tensor.shape[1:])
    rows, columns = ((alpha > 0.5).any(axis).nonzero()[:, 0].tolist() for axis in (1, 0))
    name = f"in {os.fspath(picture)}" if isinstance(picture, (str, os.PathLike)) else "in the picture"
    if not rows:
        raise InputError(f"no object was found {name}: give a picture with transparency, a mask, or a box around it")
    left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    if np.hypot(bottom - top, right - left) < SMALLEST_OBJECT:
        raise InputError(
            f"the object found {name} has only {right - left} x {bottom - top} pixels: give a closer picture"
        )
    return Framed(tensor, alpha, canonical_square(left, top, right, bottom, outline), found)


def _found(
    picture: Picture,
    tensor: Float[Tensor, "c h w"],
    box: Box | None = None,
    point: Point | None = None,
    number: int | None = None,
    network: SaliencyNetwork | str | os.PathLike[str] | None = None,
) -> Found:
    """The object of a photograph: hints and boxes are in its own pixels, of which reading it may leave fewer."""
    height, width = tensor.shape[1:]
    full_width, full_height = full_size(picture, width, height)
    x, y = width / full_width, height / full_height
    if box is not None:
        box = [value * (y if i % 2 else x) for i, value in enumerate(box)]
    if point is not None:
        point = [value * (y if i % 2 else x) for i, value in enumerate(point)]
    found = masks.find(tensor, box, point, number, network)
    boxes = [(round(a / x), round(b / y), round(c / x), round(d / y)) for a, b, c, d in found.boxes]
    return replace(found, boxes=boxes)
