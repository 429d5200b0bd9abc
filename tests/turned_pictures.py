"""Pictures of every orientation and kind of pixel, for the tests of what is read; PNG files are written by hand."""

from __future__ import annotations

import struct
import zlib

import numpy as np

UPRIGHT = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}
"""What a picture that is stored as the first one shows, by its EXIF orientation: 6 is a camera held with its right side
down, and of 5, 2, 4 and 7 a mirror image of one of the others."""


def blocks(numbers: list[list[int]]) -> np.ndarray:
    """A grey picture of 8 x 8 pixels a number, which a JPEG keeps as it is."""
    return np.kron(np.array(numbers, np.uint8) * 40, np.ones((8, 8), np.uint8))


def orientation_exif(orientation: int) -> bytes:
    """An EXIF block that says nothing but the orientation (tag 0x0112, one unsigned short)."""
    return b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def png(
    values: np.ndarray,
    depth: int,
    kind: int,
    orientation: int = 1,
    palette: np.ndarray | None = None,
    transparent: bytes | None = None,
) -> bytes:
    """A PNG file of whole numbers (h, w, c) with so many bits each; ``kind`` is 0 grey, 2 RGB, 3 palette, 4 grey and
    alpha, 6 RGBA; ``transparent`` is the content of tRNS."""
    height, width, channels = values.shape
    rows = b""
    for row in values.reshape(height, width * channels):
        bits = "".join(format(int(value), f"0{depth}b") for value in row)
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))]
    if orientation != 1:
        chunks.append((b"eXIf", orientation_exif(orientation)))
    if palette is not None:
        chunks.append((b"PLTE", palette.astype(np.uint8).tobytes()))
    if transparent is not None:
        chunks.append((b"tRNS", transparent))
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(x)) + k + x + struct.pack(">I", zlib.crc32(k + x)) for k, x in chunks
    )
