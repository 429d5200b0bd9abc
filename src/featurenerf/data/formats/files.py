"""Reading the pictures of a data set: what is wrong with one is said by its name."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from featurenerf.data.storage import DataPath, read_file
from featurenerf.limits import AGAIN
from featurenerf.picture_files import open_file


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
