"""Where the files of a data set lie: in a folder, or in a pack of tar shards on disk, on the web or in object storage.

    index.json                  the shards and the other files, with their sizes and SHA-256
    <synset>/members.json       for each object its shard, and the offset and size of each of its files there
    <synset>/000000.tar         shards by the WebDataset convention: one sample an object, <object>.<file>
    splits/<synset>.json        and other files that are of no object, as in the folder

A pack is read as the folder that it was made of: ``PackPath`` has the part of ``pathlib.Path`` that reading needs. Each
read asks for the bytes of one file. ``featurenerf.data.pack`` writes packs.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path
from typing import Any

from featurenerf.errors import InputError, MissingExtraError

INDEX, MEMBERS = "index.json", "members.json"
UNFINISHED = ".packing.json"
"""What a pack holds until it is complete."""
FORMAT = "featurenerf-pack"
_PAUSES = (0.5, 2.0)
"""Seconds to wait after the first and the second failure of a read over the network; the third one counts."""
_ANNOTATIONS = ("part_2d", "kp_2d", "part_3d", "kp_3d")


class Storage(ABC):
    """Files below one place."""

    where: str

    @abstractmethod
    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        """Part of a file, less at its end; raises OSError, and FileNotFoundError where there is no such file."""


class LocalStorage(Storage):
    """A folder."""

    def __init__(self, where: Path) -> None:
        self.where = str(where)
        self._root = where

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        with open(self._root / name, "rb") as file:
            file.seek(start)
            return file.read(-1 if size is None else size)


class RemoteStorage(Storage):
    """Whatever ``fsspec`` has a protocol for, chains such as ``simplecache::https://...`` included.

    Raises:
        MissingExtraError: where fsspec is not installed.
        InputError: the protocol is not known, or needs a package that is not installed.
    """

    def __init__(self, where: str) -> None:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise MissingExtraError("fsspec", "remote") from error
        self.where = where.rstrip("/")
        try:
            self._files, self._root = url_to_fs(self.where)
        except (ImportError, ValueError) as error:
            raise InputError(
                f"{where} cannot be opened ({error}): http needs pip install 'featurenerf[remote]', s3 needs s3fs, gs "
                "needs gcsfs"
            ) from error

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        path = f"{self._root.rstrip('/')}/{name}"
        for pause in (*_PAUSES, None):
            try:
                return self._files.cat_file(path) if size is None else self._files.cat_file(path, start, start + size)
            except FileNotFoundError:
                raise
            except Exception as error:  # each protocol has exceptions of its own
                if getattr(error, "status", None) == 416:  # HTTP: the file ends before that
                    return b""
                if pause is None:
                    raise OSError(str(error) or type(error).__name__) from error
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
        try:
            if index["format"] != FORMAT or index["version"] != 1:
                raise ValueError(f"format {index['format']}, version {index['version']}")
            self.shards: list[dict[str, Any]] = [
                {"url": str(s["url"]), "nsamples": int(s["nsamples"]), **_sized(s)} for s in index["shardlist"]
            ]
            self.files: dict[str, dict[str, Any]] = {name: _sized(file) for name, file in index["files"].items()}
            for name in (*self.files, *(shard["url"] for shard in self.shards)):
                if name.startswith("/") or "\\" in name or ".." in name.split("/"):
                    raise ValueError(f"{name} lies outside of the pack")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{self.place(INDEX)} is not the index of a pack ({error}): make one with `featurenerf data pack`"
            ) from error
        self.synsets = tuple(sorted({s["url"].partition("/")[0] for s in self.shards}))
        self._objects: dict[str, dict[str, dict[str, Any]]] = {}

    def place(self, name: str) -> str:
        """A file's full name, for messages."""
        return f"{self.storage.where}/{name}"

    def objects(self, synset: str) -> dict[str, dict[str, Any]]:
        """Object -> "shard" (its number) and "files": extension -> offset and size."""
        if synset not in self.synsets:
            return {}
        if synset not in self._objects:
            content = self._json(f"{synset}/{MEMBERS}")
            try:
                self._objects[synset] = {name: _placed(known, len(self.shards)) for name, known in content.items()}
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                place, what = self.place(f"{synset}/{MEMBERS}"), f"{type(error).__name__}: {error}"
                raise InputError(
                    f"{place} does not say where files are ({what}): make the pack or download it again"
                ) from error
        return self._objects[synset]

    def find(self, parts: tuple[str, ...]) -> tuple[int, int, int] | str | None:
        """What a path is: (shard, offset, size) of an object's file, the name of another file, or nothing."""
        name = "/".join(parts)
        if name in self.files:
            return name
        place = member_of(parts)
        if place is None:
            return None
        synset, object_id, extension = place
        known = self.objects(synset).get(object_id)
        if known is None or extension not in known["files"]:
            return None
        offset, size = known["files"][extension]
        return known["shard"], offset, size

    def read(self, parts: tuple[str, ...]) -> bytes:
        """The bytes of a file.

        Raises:
            FileNotFoundError: the pack holds no such file.
            InputError: the shard that holds it is missing or broken.
        """
        found = self.find(parts)
        if found is None:
            raise FileNotFoundError(self.place("/".join(parts)))
        if isinstance(found, str):
            return self._read(found, 0, self.files[found]["filesize"])
        shard, offset, size = found
        return self._read(self.shards[shard]["url"], offset, size)

    def children(self, parts: tuple[str, ...]) -> list[str]:
        """Names of the files and folders in a folder, in order."""
        depth = len(parts)
        others = [tuple(name.split("/")) for name in self.files]
        found = {path[depth] for path in others if len(path) > depth and path[:depth] == parts}
        if depth == 0:
            return sorted({*found, "img", "camera", *(f"{kind}_anno" for kind in _ANNOTATIONS)} - set(self.synsets))
        if depth == 1 and (parts[0] in ("img", "camera") or parts[0].endswith("_anno")):
            found |= set(self.synsets)
        elif depth > 1 and parts[1] in self.synsets:
            objects = self.objects(parts[1])
            chosen = objects.items() if depth == 2 else [(parts[2], objects.get(parts[2], {"files": {}}))]
            every = (path_of(parts[1], name, extension) for name, known in chosen for extension in known["files"])
            found |= {path[depth] for path in every if len(path) > depth and path[:depth] == parts}
        return sorted(found)

    def _read(self, name: str, start: int, size: int) -> bytes:
        place = self.place(name)
        try:
            content = self.storage.read(name, start, size)
        except FileNotFoundError:
            raise InputError(f"{place} is missing: make the pack or download it again") from None
        except OSError as error:
            raise InputError(f"{place} cannot be read ({error}): make the pack or download it again") from error
        if len(content) < size:
            raise InputError(f"{place} ends early: make the pack or download it again")
        if len(content) > size:
            raise InputError(f"{place}: its server sends no parts of files: put simplecache:: before the address")
        return content

    def _json(self, name: str) -> Any:
        place = self.place(name)
        try:
            return json.loads(self.storage.read(name))
        except FileNotFoundError:
            raise InputError(f"{place} is missing: make the pack or download it again") from None
        except (OSError, ValueError) as error:
            raise InputError(f"{place} cannot be read ({error}): make the pack or download it again") from error


def _sized(entry: dict[str, Any]) -> dict[str, Any]:
    return {"filesize": int(entry["filesize"]), "sha256": str(entry["sha256"])}


def _placed(known: dict[str, Any], shards: int) -> dict[str, Any]:
    shard, files = int(known["shard"]), known["files"]
    if not 0 <= shard < shards:
        raise ValueError(f"shard {shard} of {shards}")
    return {"shard": shard, "files": {name: (int(start), int(size)) for name, (start, size) in files.items()}}


def member_of(parts: tuple[str, ...]) -> tuple[str, str, str] | None:
    """Synset, object and extension under which a shard holds a file of the folder; None for files of no object."""
    if len(parts) == 4 and parts[0] == "img":
        return parts[1], parts[2], parts[3]
    if len(parts) == 3:
        stem, dot, ending = parts[2].rpartition(".")
        kind = parts[0].removesuffix("_anno")
        if dot and parts[0] == "camera" and ending == "json":
            return parts[1], stem, "camera.json"
        if dot and parts[0] != kind and kind in _ANNOTATIONS and ending == "npz":
            return parts[1], stem, f"{kind}.npz"
    return None


def path_of(synset: str, object_id: str, extension: str) -> tuple[str, ...]:
    """The other way round."""
    kind, _, ending = extension.rpartition(".")
    if extension == "camera.json":
        return "camera", synset, f"{object_id}.json"
    if kind in _ANNOTATIONS and ending == "npz":
        return f"{kind}_anno", synset, f"{object_id}.npz"
    return "img", synset, object_id, extension


class PackPath:
    """A path in the folder that a pack was made of; read-only."""

    def __init__(self, pack: Pack, *parts: str) -> None:
        self.pack, self.parts = pack, parts

    def __truediv__(self, name: str) -> PackPath:
        return PackPath(self.pack, *self.parts, *name.split("/"))

    def __str__(self) -> str:
        return "/".join([self.pack.storage.where, *self.parts])

    def __repr__(self) -> str:
        return f"PackPath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackPath) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __lt__(self, other: PackPath) -> bool:
        return self.parts < other.parts

    @property
    def name(self) -> str:
        return self.parts[-1] if self.parts else Path(self.pack.storage.where).name

    @property
    def stem(self) -> str:
        return self.name.rpartition(".")[0] or self.name

    @property
    def parent(self) -> PackPath:
        return PackPath(self.pack, *self.parts[:-1])

    def is_file(self) -> bool:
        return self.pack.find(self.parts) is not None

    def is_dir(self) -> bool:
        if len(self.parts) <= 2:  # no need to know the objects
            return not self.parts or (self.name in self.pack.children(self.parts[:-1]) and not self.is_file())
        return bool(self.pack.children(self.parts))

    def exists(self) -> bool:
        return self.is_file() or self.is_dir()

    def read_bytes(self) -> bytes:
        return self.pack.read(self.parts)

    def open(self, mode: str = "rb") -> BytesIO:
        if mode != "rb":
            raise ValueError(f"a pack can only be read as bytes, not opened as {mode!r}")
        return BytesIO(self.read_bytes())

    def iterdir(self) -> Iterator[PackPath]:
        return (self / name for name in self.pack.children(self.parts))

    def glob(self, pattern: str) -> Iterator[PackPath]:
        """The files and folders in this folder (not below) whose name fits."""
        return (path for path in self.iterdir() if fnmatchcase(path.name, pattern))


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
    if not root.is_dir():
        raise InputError(f"there is no data set at {root}: give its folder, or make one with `featurenerf data make`")
    if (root / UNFINISHED).exists():
        raise InputError(f"{root} is a pack that is not complete: run the same `featurenerf data pack` again")
    return PackPath(Pack(LocalStorage(root))) if _is_pack(root / INDEX) else root


def _is_pack(index: Path) -> bool:
    try:
        with index.open("rb") as file:
            start = file.read(200)
            return not start or FORMAT.encode() in start  # an empty one is a broken pack's
    except OSError:
        return False


def read_file(path: DataPath) -> bytes:
    """All bytes of a file.

    Raises:
        InputError: it is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} is missing: make or download it again") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}): make or download it again") from error
