"""Reading the files of a data set: what is wrong with one is said by its name."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image

from featurenerf.errors import InputError


def read_image(path: Path, mode: str | None = "RGB", scale: float = 1.0) -> Image.Image:
    """A picture as it is stored (no turning by EXIF).

    Args:
        mode: what it is converted to; None leaves it.
        scale: a JPEG may come smaller, but not below so much of its size; this is faster.
    Raises:
        InputError: it is missing or broken.
    """
    try:
        with Image.open(path) as image:
            if scale < 1:
                image.draft(mode, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
            image.load()
            return image.copy() if mode is None or image.mode == mode else image.convert(mode)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: download it again") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read ({error}): download it again") from error


def read_text(path: Path) -> str:
    """Raises InputError where it is missing or broken."""
    try:
        return path.read_text()
    except FileNotFoundError:
        raise InputError(f"{path} is missing: download it again") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}): download it again") from error
