"""Any picture of an object to one that the canonical camera could have taken."""

from __future__ import annotations

import os
from typing import Literal, overload

import numpy as np
from jaxtyping import Float
from torch import Tensor

from featurenerf import masks
from featurenerf.arrays import whole
from featurenerf.cameras import PICTURE_SIZE
from featurenerf.errors import InputError
from featurenerf.masks import Mask
from featurenerf.pictures import LARGE_SIDE, Picture, Square, canonical_square, cut_out, to_tensor
from featurenerf.studio.crop import Crop, crop_of

SMALLEST_OBJECT = 8
"""An object whose box has a diagonal of fewer pixels shows too little."""


@overload
def prepare(
    picture: Picture,
    mask: Mask | None = ...,
    size: int = ...,
    outline: float | None = ...,
    *,
    return_crop: Literal[False] = ...,
) -> Tensor: ...
@overload
def prepare(
    picture: Picture,
    mask: Mask | None = ...,
    size: int = ...,
    outline: float | None = ...,
    *,
    return_crop: Literal[True],
) -> tuple[Tensor, Crop]: ...
def prepare(
    picture: Picture,
    mask: Mask | None = None,
    size: int = PICTURE_SIZE,
    outline: float | None = None,
    *,
    return_crop: bool = False,
) -> Float[Tensor, "4 s s"] | tuple[Float[Tensor, "4 s s"], Crop]:
    """A picture as the canonical camera would have taken it: the object cut out, centred and scaled.

    Args:
        picture: path, PIL image, (H, W, 3|4) array or (3|4, H, W) float tensor (``pictures.to_tensor``).
        mask: where the object is (``masks.given``), as large as the picture or of the same shape. None is the picture's
            alpha channel, or where it has none (or an opaque one) an automatic mask (``masks.foreground``; needs the
            extra ``mask`` unless the background is plain).
        size: width and height of the result in pixels.
        outline: diagonal of the box around the object in the result, in units of its side; None goes by the box's
            shape (``pictures.OUTLINE_DIAGONALS``).
        return_crop: also say which part of the picture it is, so that marks on the photograph go in and come out in
            the photograph's pixels.
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
    tensor, alpha, square = framed(picture, mask, outline)
    ready = cut_out(tensor[:3], alpha, square, size)
    if not return_crop:
        return ready
    return ready, crop_of(picture, square, size, tensor.shape[2], tensor.shape[1])


def framed(
    picture: Picture, mask: Mask | None = None, outline: float | None = None
) -> tuple[Float[Tensor, "c h w"], Float[Tensor, "h w"], Square]:
    """The picture as it was read, where its object is in [0, 1], and the square of it that ``prepare`` cuts out.

    Arguments and errors are those of ``prepare``.
    """
    tensor = to_tensor(picture).detach().float().cpu()
    alpha = masks.foreground(tensor) if mask is None else masks.given(mask, *tensor.shape[1:])
    rows, columns = ((alpha > 0.5).any(axis).nonzero()[:, 0].tolist() for axis in (1, 0))
    name = f"in {os.fspath(picture)}" if isinstance(picture, (str, os.PathLike)) else "in the picture"
    if not rows:
        raise InputError(f"no object was found {name}: give a picture with transparency, or a mask")
    left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    if np.hypot(bottom - top, right - left) < SMALLEST_OBJECT:
        raise InputError(
            f"the object found {name} has only {right - left} x {bottom - top} pixels: give a closer picture"
        )
    return tensor, alpha, canonical_square(left, top, right, bottom, outline)
