"""Pictures in: read, turned upright, put on black, and cropped to what the canonical camera would have taken."""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageFile
from torch import Tensor

from featurenerf.arrays import as_tensor
from featurenerf.cameras import Number
from featurenerf.errors import InputError
from featurenerf.picture_files import as_rgb, open_file, reading, upright

Picture = str | os.PathLike[str] | Image.Image | Tensor | np.ndarray
Background = Literal["black", "white"]

LARGE_SIDE = 2048
_FLOATING = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

OUTLINE_ASPECTS = (0.95, 1.05, 1.35, 1.75, 2.25, 3.0)
OUTLINE_DIAGONALS = (0.86, 0.73, 0.73, 0.8, 0.83, 0.85)
"""Diagonal of the box around an object's outline in its canonical picture, in units of the picture's side, by the box's
width over its height (linear in between): an object's size in space is what the model expects, and a narrow outline of
a car shows a shortened one. Means over chairs and cars by ``benchmarks/measure_silhouettes.py``; they scatter by
0.05 among chairs and by 0.02 (side views) to 0.09 (front views) among cars."""
OUTLINE_CENTRE = (0.5, 0.54)
"""Where the centre of that box lies (x, y): seen from above, an object reaches further down than up."""


def open_picture(path: str | os.PathLike[str]) -> Image.Image:
    """Read a picture file, upright (EXIF), as RGB or RGBA; one with a side over 2048 pixels is shrunk to that.

    Raises:
        InputError: when the file is missing, is no picture, is cut short, or has over 200 megapixels.
    """
    path = Path(path)
    if not os.path.isfile(path):  # false, too, for a name that no file can have
        raise InputError(f"there is no picture at {path}")
    return picture_of(path, path)


def picture_of(source: str | os.PathLike[str] | bytes, name: object) -> Image.Image:
    """As ``open_picture``, of a path or of a file's content; ``name`` is what errors call it."""
    with open_file(source, name) as image:
        image.draft("RGB", (LARGE_SIDE, LARGE_SIDE))
        picture = as_rgb(upright(image))
    if max(picture.size) > LARGE_SIDE:
        picture.thumbnail((LARGE_SIDE, LARGE_SIDE), Image.Resampling.BOX)
    return picture


def to_tensor(picture: Picture) -> Float[Tensor, "c h w"]:
    """A picture as a float tensor in [0, 1] with 3 channels, or 4 where it has an alpha channel.

    Args:
        picture: a path; a PIL image (one straight from ``Image.open`` is turned as its EXIF says, another is taken as
            it lies); a (H, W, 3|4) array, uint8 or floating point in [0, 1]; or a (3|4, H, W) floating-point tensor in
            [0, 1], which is returned as it is.
    Raises:
        InputError: for an array or tensor of another shape, type or range, or an unreadable file.
    """
    if isinstance(picture, (str, os.PathLike)):
        picture = open_picture(picture)
    if isinstance(picture, Image.Image):
        if min(picture.size) < 1:
            raise InputError(f"a picture of {picture.width} x {picture.height} pixels shows nothing: give another")
        with reading(getattr(picture, "filename", "") or "the PIL image"):
            rgb = as_rgb(upright(picture) if isinstance(picture, ImageFile.ImageFile) else picture)
            picture = np.array(rgb)
    if isinstance(picture, np.ndarray):
        return _from_array(picture)
    if not isinstance(picture, Tensor):
        raise InputError(
            "a picture is a path, a PIL image, a (H, W, 3|4) array or a (3|4, H, W) float tensor, "
            f"not {type(picture).__name__}"
        )
    if picture.ndim != 3 or picture.shape[0] not in (3, 4) or picture.dtype not in _FLOATING:
        raise InputError(
            f"a picture tensor is (3, H, W) or (4, H, W) and floating point in [0, 1], "
            f"not {tuple(picture.shape)} {str(picture.dtype).removeprefix('torch.')}"
        )
    _check_range(picture, "tensor")
    return picture


def _from_array(picture: np.ndarray) -> Float[Tensor, "c h w"]:
    is_bytes = picture.dtype == np.uint8
    if picture.ndim != 3 or picture.shape[2] not in (3, 4) or not (is_bytes or picture.dtype.kind == "f"):
        hint = "; a (3|4, H, W) array is turned by .transpose(1, 2, 0)" if picture.shape[:1] in ((3,), (4,)) else ""
        raise InputError(
            "a picture array is (H, W, 3) or (H, W, 4), and uint8 or floating point in [0, 1], "
            f"not {picture.shape} {picture.dtype}{hint}"
        )
    values = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1), np.uint8 if is_bytes else np.float32))
    if is_bytes and values.numel():
        return values.float() / 255
    _check_range(values, "array")
    return values


def _check_range(picture: Tensor, kind: str) -> None:
    if picture.numel() == 0:
        raise InputError(f"a picture {kind} of shape {tuple(picture.shape)} has no pixels: give another")
    as_tensor(picture, f"a picture {kind}")  # has values, and all of them
    low, high = picture.detach().aminmax()
    if not (low >= -1e-3 and high <= 1 + 1e-3):
        raise InputError(f"a picture {kind} holds values in [0, 1]; this one goes from {low:.3g} to {high:.3g}")


def to_image(picture: Float[Tensor, "c h w"]) -> Image.Image:
    """A picture tensor in [0, 1] as 8 bits, rounded: undoes ``to_tensor``."""
    return Image.fromarray(to_bytes(picture))


def to_bytes(picture: Float[Tensor, "c h w"]) -> UInt8[np.ndarray, "h w c"]:
    """A picture tensor in [0, 1] as an array of 8 bits, rounded."""
    values = (picture.detach().float().cpu().clamp(0, 1) * 255).round().to(torch.uint8)
    return values.permute(1, 2, 0).numpy()


def from_bytes(pictures: UInt8[np.ndarray, "*b h w c"] | UInt8[Tensor, "*b h w c"]) -> Float[Tensor, "*b c h w"]:
    """Pictures of 8 bits as tensors in [0, 1]."""
    return torch.as_tensor(pictures).movedim(-1, -3).float() / 255


def to_png(picture: Image.Image, **options: int) -> bytes:
    """A picture as the content of a PNG file; ``options`` are those of Pillow."""
    content = BytesIO()
    picture.save(content, "PNG", **options)
    return content.getvalue()


def on_black(picture: Float[Tensor, "*b c h w"]) -> Float[Tensor, "*b 3 h w"]:
    """Composite an RGBA picture on black; an RGB picture is returned as it is."""
    return picture[..., :3, :, :] * picture[..., 3:, :, :] if picture.shape[-3] == 4 else picture


def given_mask(picture: Float[Tensor, "c h w"]) -> Bool[Tensor, "h w"] | None:
    """Where the object is, if the picture's alpha says that: one that is opaque everywhere does not."""
    if picture.shape[0] == 3:
        return None
    mask = picture[3].detach() > 0.5
    return None if mask.all() else mask


def with_silhouette(picture: Float[Tensor, "*b c h w"]) -> Float[Tensor, "*b 4 h w"]:
    """A picture on black, and its alpha beside it; that of an RGB picture is 1 where it is not black."""
    rgb = on_black(picture)
    alpha = picture[..., 3:, :, :] if picture.shape[-3] == 4 else (rgb > 0).any(-3, keepdim=True).to(rgb.dtype)
    return torch.cat([rgb, alpha], -3)


def composite_bytes(
    picture: UInt8[np.ndarray, "h w c"], background: Background = "black"
) -> UInt8[np.ndarray, "h w 3"]:
    """An RGB(A) picture of 8 bits on a background, truncated as in the authors' evaluation."""
    if picture.shape[2] == 3:
        return picture.copy()
    alpha = picture[..., 3:].astype(np.uint16)
    behind = 0 if background == "black" else 255 * (255 - alpha)
    return ((picture[..., :3] * alpha + behind) // 255).astype(np.uint8)


# ---------------------------------------------------------------------- the canonical square


@dataclass(frozen=True)
class Square:
    """Part of a picture, perhaps reaching beyond it: left and top, and the length of a side, in pixels."""

    x0: float
    y0: float
    side: float


def canonical_square(left: Number, top: Number, right: Number, bottom: Number, outline: Number | None = None) -> Square:
    """The square that shows an object as large, and where, as the canonical camera would.

    Args:
        left, top, right, bottom: the box around the object's outline, in pixels.
        outline: diagonal of the box in units of the square's side; None goes by the box's shape
            (``OUTLINE_DIAGONALS``).
    """
    width, height = right - left, bottom - top
    expected = outline or float(np.interp(width / height, OUTLINE_ASPECTS, OUTLINE_DIAGONALS))
    side = float(np.hypot(height, width)) / expected
    x, y = OUTLINE_CENTRE
    return Square((left + right) / 2 - x * side, (top + bottom) / 2 - y * side, side)


def cut_out(
    rgb: Float[Tensor, "3 h w"], alpha: Float[Tensor, "h w"], square: Square, size: int
) -> Float[Tensor, "4 s s"]:
    """The object of a picture, ``alpha`` being where it is, in a square of it resampled to ``size``: RGBA in [0, 1]."""
    cut = resample(torch.cat([rgb * alpha, alpha[None]]), square, size)
    return torch.cat([(cut[:3] / cut[3:].clamp(min=1e-4)).clamp(0, 1) * (cut[3:] > 1e-3), cut[3:].clamp(0, 1)])


def resample(picture: Float[Tensor, "c h w"], square: Square, size: int) -> Float[Tensor, "c s s"]:
    """A square of a picture, 0 outside the picture, resampled to ``size`` without aliasing."""
    shrink = square.side / size
    if shrink > 1:  # smooth first, to pixels of the result's size
        height, width = (max(1, round(s / shrink)) for s in picture.shape[1:])
        y_scale, x_scale = height / picture.shape[1], width / picture.shape[2]
        picture = F.interpolate(picture[None], (height, width), mode="bicubic", antialias=True)[0]
    else:
        y_scale = x_scale = 1.0
    steps = (torch.arange(size) + 0.5) / size * square.side
    x = 2 * (square.x0 + steps) * x_scale / picture.shape[2] - 1
    y = 2 * (square.y0 + steps) * y_scale / picture.shape[1] - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    return F.grid_sample(picture[None], grid[None], mode="bicubic", align_corners=False).squeeze(0).clamp(0, 1)
