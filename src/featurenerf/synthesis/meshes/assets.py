"""The files that a mesh file names: material libraries, pictures, buffers. They lie in its own folder or below."""

from __future__ import annotations

import glob
from pathlib import Path

from PIL import Image

from featurenerf.errors import InputError
from featurenerf.limits import file_bytes, parsing
from featurenerf.picture_files import open_file, reading
from featurenerf.pictures import to_png

LARGEST_TEXTURE = 512
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tga", ".tif", ".tiff", ".webp", ".avif")


class AssetResolver:
    """Finds what a mesh file names. It is what trimesh calls a resolver.

    Names may be written for Windows: with backslashes, and in any case. A name with folders that are not there is
    looked for beside the mesh file.

    Attributes:
        missing: the names that were asked for and are not there, or lie outside.
    """

    def __init__(self, mesh: Path, root: Path | None = None) -> None:
        self._mesh = mesh
        self._folder = mesh.parent.resolve()
        self._root = self._folder if root is None else root.resolve()
        self.missing: list[str] = []

    def path(self, name: str) -> Path:
        """Raises FileNotFoundError where there is no such file in the folder or below."""
        plain = name.strip().strip('"').replace("\\", "/")
        for wanted in (plain, plain.split("/")[-1]):
            path = (self._folder / wanted).resolve() if "\0" not in wanted and wanted else self._folder
            if not path.is_relative_to(self._root):
                break
            if not path.is_file() and path.parent.is_dir():
                path = next((other for other in path.parent.iterdir() if other.name.lower() == path.name.lower()), path)
            if path.is_file():
                return path
        self.missing.append(name)
        raise FileNotFoundError(name)

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError, and InputError for a file that is too large."""
        return read_file(self.path(name))

    def get(self, name: str) -> bytes:
        """For trimesh, which opens pictures itself: they are handed on as small PNG files."""
        path = self.path(name)
        if path.suffix.lower() not in PICTURES:
            return read_file(path)
        return to_png(self.opened(read_file(path), path))

    __getitem__ = get

    def opened(self, content: bytes, name: object) -> Image.Image:
        """A picture, shrunk to the size that textures have.

        Raises:
            InputError: it cannot be read.
        """
        sentence = f"a picture of {self._mesh} cannot be read: {name}"
        with open_file(content, sentence, "get it again") as image, reading(sentence, "get it again"):
            image.draft(None, (2 * LARGEST_TEXTURE, 2 * LARGEST_TEXTURE))
            picture = image.convert("RGBA" if image.has_transparency_data else "RGB")
        scale = LARGEST_TEXTURE / max(picture.size)
        if scale < 1:
            size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
            picture = picture.resize(size, Image.Resampling.BOX)
        return picture

    def texture(self, name: str) -> Image.Image | None:
        """A picture by its name; None where it is missing. Raises InputError where it cannot be read."""
        try:
            path = self.path(name)
        except FileNotFoundError:
            return None
        return self.opened(read_file(path), path)

    def livery(self, name: str) -> Image.Image | None:
        """A picture that an AC3D file names, or None.

        FlightGear has models in a folder ``Models`` and liveries in folders beside it, of which the first is taken.

        Raises:
            ValueError: it is there and cannot be read.
        """
        last = name.replace("\\", "/").split("/")[-1]
        try:
            path = self.path(name)
        except FileNotFoundError:
            liveries = sorted(self._root.rglob(glob.escape(last))) if last else []
            if not liveries:
                return None
            self.missing.remove(name)
            path = liveries[0]
        try:
            return self.opened(read_file(path), path)
        except InputError as error:
            raise ValueError(f"its picture {name}: {error}") from error


def read_file(path: Path) -> bytes:
    """A mesh file, material library or buffer of at most ``limits.FILE_BYTES``.

    Raises:
        InputError: it cannot be read, or is larger.
    """
    with parsing(f"{path} cannot be read", "give another mesh"):
        return file_bytes(path)
