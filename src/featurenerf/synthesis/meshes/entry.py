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

from featurenerf import limits
from featurenerf.limits import file_bytes, parsing, zip_member

_MOST_LOOKED_FOR = 10**11
"""Files beside a mesh times its bytes: some ten seconds."""


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
            what = f"{self.archive}: {self.model} cannot be read"
            with parsing(what, "get the file again"), zipfile.ZipFile(self.archive) as content:
                taken = _extract(content, self.model, folder)
            yield taken


def _extract(content: zipfile.ZipFile, model: str, folder: str) -> Path:
    """Takes out a mesh file, its material libraries, and the pictures and buffers that they name; says where it is."""
    left = limits.FILE_BYTES

    def take(name: str) -> Path:
        nonlocal left
        left -= zip_member(content, name).file_size  # of which zipfile unpacks no more than so many bytes
        if left < 0:
            raise limits.BeyondLimitError(f"its files unpack to more than {limits.mebibytes(limits.FILE_BYTES)}")
        return Path(content.extract(name, folder))  # within the folder, whatever the name says

    taken = take(model)
    parent = str(PurePosixPath(model).parent)
    beside = "" if parent == "." else parent + "/"
    names = [name for name in content.namelist() if name.startswith(beside) and name != model]
    text = _words(taken)
    if len(names) * len(text) > _MOST_LOOKED_FOR:
        raise limits.BeyondLimitError(f"{len(names)} files lie beside it, too many to look for in it")
    for is_library in (True, False):  # libraries name pictures
        for name in names:
            path = PurePosixPath(name.lower())
            if (path.suffix == ".mtl") == is_library and path.suffix and path.name in text:
                found = take(name)
                text += _words(found) if is_library else ""
    return taken


def _words(path: Path) -> str:
    """What a file says, in small letters, and its names as glTF's addresses mean them (blanks are %20 there)."""
    said = file_bytes(path).decode(errors="replace").lower()
    return said + unquote(said) if "%" in said else said
