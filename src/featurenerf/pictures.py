"""Pictures in: from a file, a PIL image or an array to a tensor."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from featurenerf.errors import InputError

Picture = str | os.PathLike[str] | Image.Image | Tensor

MAX_PIXELS = 200_000_000
LARGE_SIDE = 2048


def open_picture(path: str | os.PathLike[str]) -> Image.Image:
    """Read a picture file, upright (EXIF), as RGB or RGBA; one with a side over 2048 pixels is shrunk to that.

    Raises:
        InputError: when the file is missing, is no picture, is cut short, or has over 200 megapixels.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no picture at {path}")
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"{path} has {image.width} x {image.height} pixels: shrink it below 200 megapixels first"
                )
            image.draft("RGB", (LARGE_SIDE, LARGE_SIDE))
            orientation = image.getexif().get(0x0112, 1)
            image.load()
            picture = _as_rgb(image)
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} is too large to be opened safely: shrink it below 200 megapixels first") from error
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(f"{path} cannot be read as a picture ({error}): give a PNG, JPEG or WebP file") from error
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270, 8: Image.Transpose.ROTATE_90}.get(orientation)
    if turn is not None:
        picture = picture.transpose(turn)
    if max(picture.size) > LARGE_SIDE:
        picture.thumbnail((LARGE_SIDE, LARGE_SIDE), Image.Resampling.BOX)
    return picture


def to_tensor(picture: Picture) -> Float[Tensor, "c h w"]:
    """A picture as a float tensor in [0, 1] with 3 channels, or 4 where it has an alpha channel.

    Raises:
        InputError: for a tensor of another shape, type or range, or an unreadable file.
    """
    if isinstance(picture, (str, os.PathLike)):
        picture = open_picture(picture)
    if isinstance(picture, Image.Image):
        array = torch.from_numpy(np.array(_as_rgb(picture)))
        return array.permute(2, 0, 1).float() / 255
    if not isinstance(picture, Tensor):
        raise InputError(
            f"a picture is a path, a PIL image or a (3|4, H, W) float tensor, not {type(picture).__name__}"
        )
    if picture.ndim != 3 or picture.shape[0] not in (3, 4) or not picture.is_floating_point():
        raise InputError(
            f"a picture tensor is (3, H, W) or (4, H, W) and floating point in [0, 1], "
            f"not {tuple(picture.shape)} {str(picture.dtype).removeprefix('torch.')}"
        )
    low, high = picture.detach().aminmax()
    if not (low >= -1e-3 and high <= 1 + 1e-3):
        raise InputError(f"a picture tensor holds values in [0, 1]; this one goes from {low:.3g} to {high:.3g}")
    return picture


def on_black(picture: Float[Tensor, "*b c h w"]) -> Float[Tensor, "*b 3 h w"]:
    """Composite an RGBA picture on black; an RGB picture is returned as it is."""
    return picture[..., :3, :, :] * picture[..., 3:, :, :] if picture.shape[-3] == 4 else picture


def _as_rgb(image: Image.Image) -> Image.Image:
    has_alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    mode = "RGBA" if has_alpha else "RGB"
    if image.mode.startswith("I;16") or image.mode == "I":
        image = Image.fromarray((np.asarray(image, dtype=np.float32) / 257).clip(0, 255).astype(np.uint8))
    return image if image.mode == mode else image.convert(mode)
