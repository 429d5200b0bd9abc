"""A mesh that can be rendered: where it lies, how it is turned, and who made it under which licence."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from urllib.parse import unquote

import numpy as np

from featurenerf.errors import InputError

LARGEST_ARCHIVED = 1 << 30
"""Bytes of a mesh and the files that it names, unpacked, at most."""


@dataclass(frozen=True)
class Attribution:
    """Who made a mesh, where it comes from, and under which licence, in the words of its source."""

    title: str = ""
    author: str = ""
    licence: str = ""
    licence_url: str = ""
    source: str = ""
    reserved: bool = False


@dataclass(frozen=True)
class MeshEntry:
    """A mesh that can be rendered.

    Attributes:
        id: its id in the data set.
        model: the mesh file, or its name within ``archive``.
        rotation: rows of the rotation from the file's frame to the package's.
        archive: the zip file that holds it, if one does.
        root: the folder that its pictures lie in or below, where that is not its own (ShapeNet v2, FlightGear).
    """

    id: str
    model: str
    rotation: tuple[tuple[float, float, float], ...]
    archive: Path | None = None
    attribution: Attribution = Attribution()
    root: Path | None = None

    @property
    def turn(self) -> np.ndarray:
        return np.array(self.rotation, np.float64)

    @contextmanager
    def opened(self) -> Iterator[Path]:
        """The mesh file on disk, with its materials and pictures; taken out of its archive where it is in one.

        Raises:
            InputError: the archive cannot be read, or does not hold the mesh.
        """
        if self.archive is None:
            yield Path(self.model)
            return
        with TemporaryDirectory(prefix="featurenerf-") as folder:
            try:
                with zipfile.ZipFile(self.archive) as content:
                    taken = _extract(content, self.model, folder)
            except InputError:
                raise
            except Exception as error:  # zipfile's unpackers raise whatever they do
                raise InputError(
                    f"{self.archive}: {self.model} cannot be read ({error}): get the file again"
                ) from error
            yield taken


def _extract(content: zipfile.ZipFile, model: str, folder: str) -> Path:
    """Takes out a mesh file, its material libraries, and the pictures and buffers that they name; says where it is."""
    left = LARGEST_ARCHIVED

    def take(name: str) -> Path:
        nonlocal left
        left -= content.getinfo(name).file_size  # of which zipfile unpacks no more than so many bytes
        if left < 0:
            raise InputError(
                f"{content.filename}: {model} and its files have over {LARGEST_ARCHIVED >> 20} MiB: leave it out"
            )
        return Path(content.extract(name, folder))  # within the folder, whatever the name says

    taken = take(model)
    parent = str(PurePosixPath(model).parent)
    beside = "" if parent == "." else parent + "/"
    names = [name for name in content.namelist() if name.startswith(beside) and name != model]
    text = _words(taken)
    for is_library in (True, False):  # libraries name pictures
        for name in names:
            path = PurePosixPath(name.lower())
            if (path.suffix == ".mtl") == is_library and path.suffix and path.name in text:
                found = take(name)
                text += _words(found) if is_library else ""
    return taken


def _words(path: Path) -> str:
    """What a file says, in small letters, and its names as glTF's addresses mean them (blanks are %20 there)."""
    said = path.read_bytes().decode(errors="replace").lower()
    return said + unquote(said) if "%" in said else said
