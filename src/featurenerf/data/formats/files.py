"""Reading the pictures of a data set: what is wrong with one is said by its name."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.data.storage import DataPath, read_file
from featurenerf.limits import AGAIN
from featurenerf.models.warp import Canonical, canonicalise
from featurenerf.picture_files import open_file
from featurenerf.pictures import to_bytes


@contextmanager
def open_image(path: DataPath) -> Iterator[Image.Image]:
    """A picture whose size and mode are known; its pixels are decoded when they are asked for.

    Raises:
        InputError: it is missing or broken.
    """
    with open_file(read_file(path), path, AGAIN) as image:
        yield image


def read_image(path: DataPath, mode: str | None = "RGB", scale: float = 1.0) -> Image.Image:
    """A picture as it is stored (no turning by EXIF).

    Args:
        mode: what it is converted to; None leaves it.
        scale: a JPEG may come smaller, but not below so much of its size; this is faster.
    Raises:
        InputError: it is missing or broken.
    """
    with open_image(path) as image:
        if scale < 1:
            image.draft(mode, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
        image.load()
        return image.copy() if mode is None or image.mode == mode else image.convert(mode)


def framed(picture: Float[Tensor, "4 _h _w"], camera: Camera) -> UInt8[np.ndarray, "s s 4"]:
    """A picture on black, and its alpha, as the canonical camera would frame it from where its own stands: RGBA, colour
    not multiplied by alpha. Its camera is that of ``models.warp.canonical_cameras``."""
    warped = canonicalise(picture[None], camera.reshape(1), Canonical())[0][0]
    alpha = warped[3:]
    rgb = (warped[:3] / alpha.clamp(min=1e-4)).clamp(0, 1) * (alpha > 0.5 / 255)
    return to_bytes(torch.cat([rgb, alpha]))
