"""Picture files: the formats that are read, how large they may be, and how each kind of pixel becomes 8 bits."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from featurenerf.errors import InputError, first_line
from featurenerf.limits import PIXELS, opened

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "TGA")
"""The readers of Pillow that are used, by its names; TGA has no signature and is tried last. HEIC comes with the extra
``heif``. Whatever else Pillow knows (PostScript calls another program) is not opened."""
MAX_PIXELS = PIXELS
"""A larger picture is refused before its pixels are read."""
REMEDY = "give a PNG, JPEG or WebP file"

_FOREIGN = {
    b"%!PS": "PostScript", b"\xc5\xd0\xd3\xc6": "PostScript", b"%PDF": "PDF", b"8BPS": "Photoshop",
    b"v/1\x01": "OpenEXR", b"#?RADIANCE": "Radiance HDR", b"\xff\x0a": "JPEG XL", b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000", b"\xff\x4f\xff\x51": "JPEG 2000", b"DDS ": "DDS", b"\xabKTX ": "KTX",
    b"\0\0\1\0": "icon", b"<svg": "SVG", b"<?xml": "XML", b"<!DOCTYPE": "web page", b"<html": "web page",
    b"PK\3\4": "zip archive",
}  # fmt: skip
"""What people give in place of a picture, by its first bytes."""
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_SMALL_GREY = {"1": 255, "L;2": 85, "L;4": 17}
"""White over the largest number in a pixel of a PNG with fewer than 8 bits, by Pillow's name of their layout."""
_SAMPLE_FORMAT, _UNSIGNED = 339, "unsigned"
"""The tag of a TIFF that says what its numbers are, and what is noted of one of unsigned numbers of 32 bits, which
Pillow reads as signed ones."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a stored picture upright, by its EXIF orientation."""


@contextmanager
def open_file(source: str | os.PathLike[str] | bytes, name: object, remedy: str = REMEDY) -> Iterator[Image.Image]:
    """A picture file whose size and mode are known; its pixels are read when they are asked for, within the block.

    Args:
        source: a path, or a file's content.
        name: what errors call it.
        remedy: what errors say to do.
    Raises:
        InputError: it cannot be read, is of another format, or has no or over 200 million pixels.
    """
    with reading(name, remedy), BytesIO(source) if isinstance(source, bytes) else opened(source) as file:
        image = _identified(file, name)
        if image.width * image.height > MAX_PIXELS:
            raise InputError(
                f"{name} is too large to be opened safely: it has {image.width} x {image.height} pixels: shrink it "
                f"below {MAX_PIXELS // 1_000_000} megapixels first"
            )
        yield image


@contextmanager
def reading(name: object, remedy: str = REMEDY) -> Iterator[None]:
    """Whatever goes wrong with a picture within the block is an ``InputError`` that names it."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # Pillow's readers raise whatever their parsers do
        raise InputError(f"{name} cannot be read as a picture ({first_line(error)}): {remedy}") from error


def _identified(file: BytesIO | BufferedReader, name: object) -> Image.Image:
    """Not by ``Image.open``: its own guard warns from 89 megapixels on and refuses 179, and where it is given a path it
    maps uncompressed files into memory, which garbles TIFFs that lie on their side (Pillow 13)."""
    start = file.read(64)
    is_heic = start[4:8] == b"ftyp" and start[8:12] in _HEIC and b"avif" not in start
    foreign = next((kind for mark, kind in _FOREIGN.items() if start.lstrip().startswith(mark)), None)
    if is_heic:
        image = _heic(file, name)
    elif foreign is not None:
        raise UnidentifiedImageError(f"{'an' if foreign[0] in 'aeioAEIO' else 'a'} {foreign} file")
    else:
        image = _by_pillow(file, start)
    if min(image.size) < 1:
        raise UnidentifiedImageError("it has no pixels")
    return image


def _by_pillow(file: BytesIO | BufferedReader, start: bytes) -> Image.Image:
    if not set(FORMATS) <= set(Image.OPEN):
        Image.init()
    problem = "it is of no format that is known"
    for known in FORMATS:
        factory, accept = Image.OPEN.get(known, (None, None))  # AVIF is not in every Pillow
        if factory is None or (accept is not None and accept(start) is not True):
            continue
        file.seek(0)
        try:
            image = factory(file, "")
        except (SyntaxError, IndexError, TypeError, struct.error) as error:
            problem = f"as {known}: {first_line(error)}" if accept is not None else problem
            continue
        _scale_transparency(image)
        if image.format == "TIFF" and image.mode == "I":
            image.info[_UNSIGNED] = image.tag_v2.get(_SAMPLE_FORMAT, (1,)) == (1,)  # type: ignore[attr-defined]
        return image
    raise UnidentifiedImageError(problem)


def _heic(file: BytesIO | BufferedReader, name: object) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise InputError(
            f"{name} is a HEIC picture: save it as JPEG or PNG, or pip install 'featurenerf[heif]'"
        ) from error
    file.seek(0)
    return HeifImageFile(file, "")


def _scale_transparency(image: Image.Image) -> None:
    """The transparent colour of a PNG in the unit of the pixels that Pillow makes of it, not in the file's."""
    value = image.info.get("transparency")
    tile = getattr(image, "tile", None)
    if image.format != "PNG" or value is None or not tile:
        return
    layout = str(tile[0][3])
    if layout in _SMALL_GREY and isinstance(value, int):
        scaled = value * _SMALL_GREY[layout]
        image.info["transparency"] = scaled if scaled <= 255 else value  # Pillow 13 has scaled that of 1 bit itself
    elif layout.startswith("RGB;16") and isinstance(value, tuple):
        image.info["transparency"] = tuple(v >> 8 for v in value)


def upright(image: Image.Image) -> Image.Image:
    """A copy of a picture straight from its file, turned and mirrored as its EXIF says; as it lies where that is
    nonsense."""
    image.load()  # a TIFF turns itself here, a PNG may have its EXIF behind its pixels
    turn = _TURNS.get(exif_of(image).get(0x0112, 1))
    return image.copy() if turn is None else image.transpose(turn)


def exif_of(image: Image.Image) -> Image.Exif:
    """What a picture's EXIF says; nothing where it is nonsense."""
    try:
        return image.getexif()
    except Exception:  # whatever Pillow's parser raises; the pixels are there all the same
        return Image.Exif()


def as_rgb(image: Image.Image) -> Image.Image:
    """Any picture as RGB of 8 bits, or RGBA where it has transparency of any kind. Of 16 bits, 65535 is white; of
    floating-point numbers, 1.

    Raises:
        ValueError: floating-point numbers outside of [0, 1]; a colour space that Pillow cannot convert.
    """
    if image.mode == "La":
        image = image.convert("LA")
    elif image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _eight_bits(image)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _eight_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    transparent = image.info.get("transparency")
    if image.mode == "F":
        low, high = float(values.min()), float(values.max())
        if not (low >= -1e-3 and high <= 1 + 1e-3):
            raise ValueError(f"its floating-point numbers go from {low:.3g} to {high:.3g}, and 1 must be white")
        grey = np.rint(values.clip(0, 1) * 255).astype(np.uint8)
    else:
        values = values.view(np.uint32) if image.info.get(_UNSIGNED) else values
        grey = (values.clip(0, 65535) // 257).astype(np.uint8)
    made = Image.fromarray(grey)
    if isinstance(transparent, int):
        made.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return made
