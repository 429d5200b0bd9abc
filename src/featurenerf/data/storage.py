"""Where the files of a data set lie: in a folder, or in a pack of tar shards on disk, on the web or in object storage.

    index.json                  the shards and the other files, with their sizes and SHA-256
    <synset>/members.json       for each object its shard, and the offset and size of each of its files there
    <synset>/000000.tar         shards by the WebDataset convention: one sample an object, <object>.<file>
    splits/<synset>.json        and other files that are of no object, as in the folder

A pack is read as the folder that it was made of: ``PackPath`` has the part of ``pathlib.Path`` that reading needs. Each
read asks for the bytes of one file. ``featurenerf.data.formats.pack`` writes packs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from featurenerf import limits
from featurenerf.data.labels import ANNOTATIONS
from featurenerf.errors import InputError, first_line
from featurenerf.limits import AGAIN, file_bytes, json_value, parsing

INDEX, MEMBERS = "index.json", "members.json"
UNFINISHED = ".packing.json"
"""What a pack holds until it is complete."""
FORMAT = "featurenerf-pack"
_AGAIN_PACK = "make the pack or download it again"
_PAUSES = (0.5, 2.0)
"""Seconds to wait after the first and the second failure of a read over the network; the third one counts."""
FOLDERS = {"camera.json": "camera"} | {f"{kind}.npz": f"{kind}_anno" for kind in ANNOTATIONS}
"""The folder of each file that an object has one of; all its other files are pictures."""


class Storage:
    """Files below a folder."""

    def __init__(self, where: Path | str) -> None:
        self.where = str(where)

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        """Part of a file, less at its end, or a JSON file as a whole.

        Raises:
            OSError, ValueError: it cannot be read, or is too large; FileNotFoundError where there is no such file.
        """
        path = Path(f"{self.where}/{name}")  # fsspec takes three times as long
        if size is None:
            return file_bytes(path, limits.JSON_BYTES)
        with path.open("rb") as file:
            file.seek(start)
            return file.read(size)


class RemoteStorage(Storage):
    """Files below an address: whatever ``fsspec`` has a protocol for, chains such as ``simplecache::https://...`` too.

    Raises:
        InputError: the protocol is not known, or needs a package that is not installed.
    """

    def __init__(self, where: str) -> None:
        from fsspec.core import url_to_fs

        super().__init__(where.rstrip("/"))
        try:
            options: dict[str, Any] = {}
            if "http://" in where or "https://" in where:
                from featurenerf.data.remote import http_options

                options = http_options(where)
            self._files, self._root = url_to_fs(self.where, **options)
        except (ImportError, ValueError) as error:
            raise InputError(
                f"{where} cannot be opened ({error}): http needs pip install 'featurenerf[remote]', s3 needs s3fs, gs "
                "needs gcsfs"
            ) from error

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        path, part = f"{self._root.rstrip('/')}/{name}", () if size is None else (start, start + size)
        for pause in (*_PAUSES, None):
            try:
                return self._files.cat_file(path, *part)
            except FileNotFoundError:
                raise
            except (TimeoutError, limits.BeyondLimitError) as error:  # it would be so again
                raise OSError(first_line(error) if str(error) else "its server sends nothing") from error
            except Exception as error:  # each protocol has exceptions of its own
                if getattr(error, "status", None) == 416:  # HTTP: the file ends before that
                    return b""
                if pause is None:
                    raise OSError(first_line(error)) from error
                time.sleep(pause)
        raise AssertionError


class Pack:
    """The index of a pack; what lies where is read when it is first asked for, by category.

    Attributes:
        shards: for each its "url" (below the pack), "nsamples", "filesize" and "sha256"; the names are those of
            webdataset's own index.
        files: name of every other file -> "filesize" and "sha256".
        synsets: the categories that have objects.

    Raises:
        InputError: the index is missing or is not one.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        index = self._json(INDEX)
        with parsing(f"{self.place(INDEX)} is not the index of a pack", "make one with `featurenerf data pack`"):
            if (index["format"], index["version"]) != (FORMAT, 1):
                raise ValueError(f"format {index['format']}, version {index['version']}")
            self.shards: list[dict[str, Any]] = [
                {"url": str(s["url"]), "nsamples": _whole(s["nsamples"]), **_sized(s)} for s in index["shardlist"]
            ]
            self.files: dict[str, dict[str, Any]] = {name: _sized(file) for name, file in index["files"].items()}
            for name in (*self.files, *(shard["url"] for shard in self.shards)):
                if name.startswith("/") or "\\" in name or ".." in name.split("/"):
                    raise ValueError(f"{name} lies outside of the pack")
        self.synsets = tuple(sorted({s["url"].partition("/")[0] for s in self.shards}))
        self._entries: dict[str, dict[str, tuple[str, int, int]]] = {}  # no functools.cache: a pack can be pickled

    def place(self, name: str) -> str:
        """A file's full name, for messages."""
        return f"{self.storage.where}/{name}"

    def entries(self, synset: str) -> dict[str, tuple[str, int, int]]:
        """The path of each file of a category's objects -> its shard, offset and size."""
        if synset in self.synsets and synset not in self._entries:
            content = self._json(f"{synset}/{MEMBERS}")
            urls = {number: shard["url"] for number, shard in enumerate(self.shards)}
            with parsing(f"{self.place(f'{synset}/{MEMBERS}')} does not say where files are", _AGAIN_PACK):
                self._entries[synset] = {
                    path_of(synset, object_id, extension): (url, _whole(start), _whole(size))
                    for object_id, known in content.items()
                    for url in [urls[known["shard"]]]
                    for extension, (start, size) in known["files"].items()
                }
        return self._entries.get(synset, {})

    def find(self, parts: tuple[str, ...]) -> tuple[str, int, int] | None:
        """The file, offset and size that a path's bytes have in the pack; None where there is no such path."""
        name = "/".join(parts)
        if name in self.files:
            return name, 0, self.files[name]["filesize"]
        return self.entries(parts[1]).get(name) if len(parts) > 2 else None

    def read(self, parts: tuple[str, ...]) -> bytes:
        """The bytes of a file.

        Raises:
            FileNotFoundError: the pack holds no such file.
            InputError: the shard that holds it is missing or broken.
        """
        found = self.find(parts)
        if found is None:
            raise FileNotFoundError(self.place("/".join(parts)))
        place, size = self.place(found[0]), found[2]
        if size > limits.FILE_BYTES:
            raise InputError(
                f"{place}: a file in it is larger than {limits.mebibytes(limits.FILE_BYTES)}: {_AGAIN_PACK}"
            )
        content = self._read(*found)
        if len(content) < size:
            raise InputError(f"{place} ends early: {_AGAIN_PACK}")
        if len(content) > size:
            raise InputError(f"{place}: its server sends no parts of files: put simplecache:: before the address")
        return content

    def children(self, parts: tuple[str, ...]) -> list[str]:
        """Names of the files and folders in a folder, in order."""
        prefix, paths = "".join(f"{part}/" for part in parts), [*self.files]
        if len(parts) < 2:  # no need to know the objects
            paths += [f"{folder}/{synset}/" for folder in ("img", *FOLDERS.values()) for synset in self.synsets]
        else:
            paths += self.entries(parts[1])
        found = {path.removeprefix(prefix).partition("/")[0] for path in paths if path.startswith(prefix)}
        return sorted(found if parts else found - set(self.synsets))

    def _json(self, name: str) -> Any:
        content = self._read(name)
        with parsing(f"{self.place(name)} cannot be read", _AGAIN_PACK):
            return json_value(content)

    def _read(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        try:
            return self.storage.read(name, start, size)
        except FileNotFoundError:
            raise InputError(f"{self.place(name)} is missing: {_AGAIN_PACK}") from None
        except (OSError, ValueError) as error:
            raise InputError(f"{self.place(name)} cannot be read ({first_line(error)}): {_AGAIN_PACK}") from error


def _sized(entry: dict[str, Any]) -> dict[str, Any]:
    return {"filesize": _whole(entry["filesize"]), "sha256": str(entry["sha256"])}


def _whole(value: Any) -> int:
    """A place or a length in a file."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError(f"{value!r} is no number of bytes")
    return value


def path_of(synset: str, object_id: str, extension: str) -> str:
    """The path in the folder of what a shard holds as <object>.<extension>."""
    if extension in FOLDERS:
        return f"{FOLDERS[extension]}/{synset}/{object_id}.{extension.rpartition('.')[2]}"
    return f"img/{synset}/{object_id}/{extension}"


@dataclass(frozen=True)
class PackPath:
    """A path in the folder that a pack was made of; read-only."""

    pack: Pack
    parts: tuple[str, ...] = ()

    def __truediv__(self, name: str) -> PackPath:
        return PackPath(self.pack, (*self.parts, *name.split("/")))

    def __str__(self) -> str:
        return "/".join([self.pack.storage.where, *self.parts])

    @property
    def name(self) -> str:
        return self.parts[-1] if self.parts else Path(self.pack.storage.where).name

    @property
    def stem(self) -> str:
        return self.name.rpartition(".")[0] or self.name

    @property
    def parent(self) -> PackPath:
        return PackPath(self.pack, self.parts[:-1])

    def is_file(self) -> bool:
        return self.pack.find(self.parts) is not None

    def is_dir(self) -> bool:
        if 0 < len(self.parts) <= 2:  # no need to know the objects
            return self.name in self.pack.children(self.parts[:-1]) and not self.is_file()
        return not self.parts or bool(self.pack.children(self.parts))

    def read_bytes(self) -> bytes:
        return self.pack.read(self.parts)

    def glob(self, pattern: str) -> Iterator[PackPath]:
        """The files and folders in this folder (not below) whose name fits."""
        return (self / name for name in self.pack.children(self.parts) if fnmatchcase(name, pattern))


DataPath = Path | PackPath
"""A file or folder of a data set; all that reads one goes by this."""


def data_root(where: DataPath | str) -> DataPath:
    """The root of a data set: a folder, a pack, or the address of a pack (anything with :// or ::).

    Raises:
        InputError: nothing is there, the pack is not complete, or its index is broken.
    """
    if isinstance(where, PackPath):
        return where
    if isinstance(where, str) and ("://" in where or "::" in where):
        return PackPath(Pack(RemoteStorage(where)))
    root = Path(where)
    if not os.path.isdir(root):
        raise InputError(f"there is no data set at {root}: give its folder, or make one with `featurenerf data make`")
    if (root / UNFINISHED).exists():
        raise InputError(f"{root} is a pack that is not complete: run the same `featurenerf data pack` again")
    return PackPath(Pack(Storage(root))) if _is_pack(root / INDEX) else root


def _is_pack(index: Path) -> bool:
    if not index.is_file():
        return False
    with suppress(OSError), index.open("rb") as file:
        start = file.read(200)
        return not start or FORMAT.encode() in start  # an empty one is a broken pack's
    return False


# ---------------------------------------------------------------------- reading


def read_file(path: DataPath) -> bytes:
    """All bytes of a file.

    Raises:
        InputError: it is missing or cannot be read.
    """
    with parsing(f"{path} cannot be read"):
        try:
            return path.read_bytes() if isinstance(path, PackPath) else file_bytes(path)
        except FileNotFoundError:
            missing = InputError(f"{path} is missing: {AGAIN}")
        except InputError as error:  # of a pack, which names the file
            missing = error
    raise missing


def read_json(path: DataPath) -> Any:
    """Raises InputError where the file is missing or is not JSON."""
    content = read_file(path)
    with parsing(f"{path} cannot be read"):
        return json_value(content)
