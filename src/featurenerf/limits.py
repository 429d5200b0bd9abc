"""What one file may take of the machine. Every reader goes by these numbers, before it takes memory.

A file that is larger than a real one ever is, or that unpacks to more, is refused in a sentence that names it.
``docs/inputs.md`` lists the limits.
"""

from __future__ import annotations

import gzip
import json
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

from featurenerf.errors import InputError, MissingExtraError, UnknownObjectError, first_line

AGAIN = "make or download it again"

FILE_BYTES = 2**30
"""Of a file that is read as a whole."""
UNPACKED_BYTES = 2**29
"""Of a member of an archive when it is unpacked, and of an array of numbers."""
JSON_BYTES = 2**28
"""Of a JSON text, unpacked. As Python's values it takes several times as much."""
ELEMENTS = 10_000_000
"""Values in a JSON file."""
DEPTH = 64
"""Of lists within lists, and of whatever else can hold its like."""
PICKLE_OPERATIONS = 1_000_000
"""Of the pickle that an array of objects is stored as, and values in its lists."""
PIXELS = 200_000_000
"""Of a picture, and of what a data set says of its size."""
LENGTH = 1e6
"""Coordinates of a data set: numbers beyond this are no places, neither in space nor in a picture."""
PARAMETERS = 2**28
"""Numbers in a network, whose weights then take 1 GiB."""
SILENCE = 15.0
"""Seconds that a server may send nothing."""
TRANSFER = 300.0
"""Seconds that a server may take to send what it was asked for."""
DOWNLOAD_BYTES = 2**34
"""Of a file that is copied from a server to this machine before it is read."""


class BeyondLimitError(ValueError):
    """Something is larger, longer or elsewhere than it may be. The message says what; a reader adds which file."""


@contextmanager
def parsing(what: str, advice: str = AGAIN) -> Iterator[None]:
    """What goes wrong inside, while the content of a file is taken apart, becomes an InputError that names the file.

    Any error of the parsers counts: those of the standard library alone raise twenty kinds for damaged files. A file
    that is whole and shows what the model does not know is not damaged.
    """
    try:
        yield
    except (ImportError, MissingExtraError, UnknownObjectError):
        raise
    except Exception as error:
        why = first_line(error)
        if not isinstance(error, (OSError, InputError, BeyondLimitError)) and type(error) is not ValueError:
            why = f"{type(error).__name__}: {why}"
        raise InputError(f"{what} ({why}): {advice}") from error


def mebibytes(count: int) -> str:
    return f"{count >> 20} MiB"


def file_bytes(path: Path, most: int | None = None) -> bytes:
    """All bytes of a file of at most ``most`` (by default FILE_BYTES).

    Raises:
        OSError, ValueError: it cannot be read, is no regular file, or is larger.
    """
    most = FILE_BYTES if most is None else most
    with opened(path) as file:
        content = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
    if len(content) > most:
        raise BeyondLimitError(f"it is larger than {mebibytes(most)}")
    return content


def opened(path: str | os.PathLike[str]) -> BufferedReader:
    """A regular file to read from: a pipe would wait for whoever writes to it, and a device never ends.

    Raises:
        OSError: it cannot be opened, or is something else.
    """
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError("it is no regular file")
    return file


def _without_waiting(path: str, flags: int) -> int:
    """A pipe that nobody writes to is opened at once, and refused then."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def json_value(content: bytes | str) -> Any:
    """The value of a JSON text of at most JSON_BYTES, ELEMENTS and DEPTH.

    Raises:
        ValueError, RecursionError: it is no JSON, or beyond a limit.
    """
    if len(content) > JSON_BYTES:
        raise BeyondLimitError(f"it is larger than {mebibytes(JSON_BYTES)}")
    marks: tuple[Any, ...] = (",", "[", "{") if isinstance(content, str) else (b",", b"[", b"{")
    if sum(content.count(mark) for mark in marks) > ELEMENTS:
        raise BeyondLimitError(f"it holds more than {ELEMENTS} values")
    value = json.loads(content)
    level = [value]
    for _ in range(DEPTH):
        children = (
            item.values() if isinstance(item, dict) else item for item in level if isinstance(item, (dict, list))
        )
        level = [child for some in children for child in some if isinstance(child, (dict, list))]
        if not level:
            return value
    raise BeyondLimitError(f"its lists are nested more than {DEPTH} deep")


def json_file(path: Path) -> Any:
    """The value of a JSON file; what it raises is for ``parsing``."""
    return json_value(file_bytes(path))


def gunzipped(packed: bytes) -> bytes:
    """The content of a gzip file with a JSON text.

    Raises:
        OSError, EOFError, ValueError, zlib.error: it is none, or unpacks to more than JSON_BYTES.
    """
    with gzip.GzipFile(fileobj=BytesIO(packed)) as file:
        content = file.read(JSON_BYTES + 1)
    if len(content) > JSON_BYTES:
        raise BeyondLimitError(f"it unpacks to more than {mebibytes(JSON_BYTES)}")
    return content


def zip_member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """What a zip file says of a member that is within the limits: ``zipfile`` unpacks no more than it says.

    Raises:
        KeyError, ValueError: it is not there, is packed in an unusual way, or unpacks to more than UNPACKED_BYTES.
    """
    member = archive.getinfo(name)
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is packed by method {member.compress_type}, not deflated")
    if member.file_size > UNPACKED_BYTES:
        raise BeyondLimitError(f"{name} unpacks to more than {mebibytes(UNPACKED_BYTES)}")
    return member


def unzipped(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member of a zip file; raises what ``zip_member`` and ``zipfile`` raise."""
    with archive.open(zip_member(archive, name)) as file:
        return file.read()
