"""OFF files: vertices and polygons as text, with the colours that either may have.

Format: http://www.geomview.org/docs/html/OFF.html. A vertex is x y z, then a normal (NOFF), then a colour (COFF).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from featurenerf.limits import ELEMENTS, BeyondLimitError
from featurenerf.synthesis.meshes.pieces import Look, Piece, face_colors

_HEADER = re.compile(rb"(?:ST)?(C?)(N?)OFF")


def read_off(content: bytes) -> Piece:
    """The surface of a file; polygons are cut into fans.

    Raises:
        ValueError, IndexError: it is no OFF file of three dimensions, or ends early.
    """
    if sum(content.count(blank) for blank in (b" ", b"\t", b"\n")) > ELEMENTS:
        raise BeyondLimitError(f"it holds more than {ELEMENTS} numbers")
    lines = [words for line in content.splitlines() if (words := line.split(b"#")[0].split())]
    header = _HEADER.match(lines[0][0])
    if header is None or b"BINARY" in lines[0]:
        raise ValueError("it does not begin with OFF, or is a binary one")
    rest = [word for word in (lines[0][0][header.end() :], *lines[0][1:]) if word]  # ModelNet has "OFF8 6 0"
    counts, at = (rest, 1) if rest else (lines[1], 2)
    vertex_count, face_count = int(counts[0]), int(counts[1])
    rows, polygons = lines[at : at + vertex_count], lines[at + vertex_count : at + vertex_count + face_count]
    if vertex_count < 0 or face_count < 0 or len(rows) < vertex_count or len(polygons) < face_count:
        raise ValueError("it ends early")
    vertices = np.array([row[:3] for row in rows], np.float64).reshape(-1, 3)
    faces: list[tuple[int, int, int]] = []
    own: list[Float[np.ndarray, " 3"] | None] = []
    for words in polygons:
        corners = [int(word) for word in words[1 : 1 + int(words[0])]]
        if len(corners) != int(words[0]):
            raise ValueError("a face has fewer corners than it says")
        fan = list(zip(corners[:1] * max(len(corners) - 2, 0), corners[1:], corners[2:], strict=False))
        faces += fan
        own += [_color(words[1 + int(words[0]) :])] * len(fan)
    triangles = np.array(faces, np.int64).reshape(-1, 3)
    if len(triangles) and not 0 <= triangles.min() <= triangles.max() < vertex_count:
        raise ValueError("a face has a corner outside the range of its vertices")
    colors = None
    if any(color is not None for color in own):
        colors = np.stack([np.full(3, 0.4) if color is None else color for color in own])
    elif header[1] and len(triangles):
        first = 6 if header[2] else 3
        whole = all(b"." not in word for row in rows for word in row[first : first + 3])
        given = np.array([row[first : first + 3] for row in rows], np.float64)
        colors = face_colors(given.astype(np.int64) if whole else given, triangles)
    look = Look(np.full(3, 0.4) if colors is None else np.ones(3))
    return Piece(vertices, triangles, look, colors=colors)


def _color(words: Sequence[bytes]) -> Float[np.ndarray, " 3"] | None:
    """Three or four numbers: to 255 where they are whole, else to 1. A single one names a colour of a map that the file
    does not hold."""
    if len(words) < 3:
        return None
    return np.clip(np.array(words[:3], np.float64) / (1 if any(b"." in word for word in words[:3]) else 255), 0, 1)
