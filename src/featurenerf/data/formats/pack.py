"""Packing a data set into tar shards that stream, and checking them; ``featurenerf.data.storage`` reads them."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from featurenerf.categories import category_name
from featurenerf.data.formats.release import picture_folder, split_file, synset_in
from featurenerf.data.storage import (
    FOLDERS,
    FORMAT,
    INDEX,
    MEMBERS,
    UNFINISHED,
    Pack,
    Storage,
    data_root,
    path_of,
    read_json,
)
from featurenerf.errors import InputError
from featurenerf.files import remove_leftovers, write_atomically, write_bytes, write_json, writing
from featurenerf.locks import LOCK, locked
from featurenerf.progress import Progress

SHARD_BYTES = 64 * 10**6
_BLOCK, _RECORD = 512, 10240


@dataclass(frozen=True)
class Member:
    """A file to be packed, as <synset>/<object>.<extension>: where it lies, its bytes, when it changed (in ns)."""

    synset: str
    object_id: str
    extension: str
    source: Path
    size: int
    changed: int

    @property
    def name(self) -> str:
        return f"{self.synset}/{self.object_id}.{self.extension}"

    @cached_property
    def header(self) -> bytes:
        """The same for the same name and size: no owner, no date."""
        info = tarfile.TarInfo(self.name)
        info.size, info.mode = self.size, 0o644
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8")

    @property
    def length(self) -> int:
        return len(self.header) + self.size + -self.size % _BLOCK


@dataclass(frozen=True)
class Shard:
    """A tar file to be written; the files of an object are next to each other."""

    url: str
    members: tuple[Member, ...]

    def places(self) -> dict[str, dict[str, tuple[int, int]]]:
        """Object -> extension -> offset and size in the tar file."""
        found: dict[str, dict[str, tuple[int, int]]] = {}
        start = 0
        for member in self.members:
            found.setdefault(member.object_id, {})[member.extension] = (start + len(member.header), member.size)
            start += member.length
        return found

    @property
    def size(self) -> int:
        content = sum(member.length for member in self.members) + 2 * _BLOCK
        return content + -content % _RECORD

    def write(self, path: Path) -> None:
        with path.open("wb") as file:
            for member in self.members:
                content = member.source.read_bytes()
                if len(content) != member.size:
                    raise InputError(f"{member.source} changed while it was packed: run the command again")
                file.write(member.header + content + bytes(-member.size % _BLOCK))
            file.write(bytes(self.size - file.tell()))


def pack_dataset(
    root: Path | str,
    out: Path | str,
    category: str | None = None,
    shard_bytes: int = SHARD_BYTES,
    splits_dir: Path | str | None = None,
    *,
    progress: bool = True,
) -> Pack:
    """Pack a data set in the layout of the release; the bytes depend on its files alone.

    A call that was interrupted is taken up: shards that are there are kept.

    Args:
        category: name or synset; by default every category that has cameras.
        shard_bytes: a shard is begun where an object would make the last one larger than this.
        splits_dir: folder of the split files; by default ``splits`` of the data set.
    Raises:
        InputError: there is nothing to pack, ``out`` holds something else, or cannot be written.
    """
    source, out = data_root(root), Path(out)
    if not isinstance(source, Path):
        raise InputError(f"{root} is a pack already: give the folder that it was made of")
    if shard_bytes < 1:
        raise InputError(f"shards of {shard_bytes} bytes hold nothing: give 1 or more")
    categories = [category] if category else [path.name for path in (source / "camera").glob("*") if path.is_dir()]
    if not categories:
        raise InputError(f"{root} holds no category: it has no camera/<synset>/, and other formats are not packed")
    synsets = sorted(synset_in(source, name) for name in categories)
    shards = [shard for synset in synsets for shard in _planned(source, synset, shard_bytes)]
    others = [path for synset in synsets for path in _other_files(source, synset, splits_dir)]
    with writing(out), locked(out):
        for folder in (out, *(out / synset for synset in synsets)):
            remove_leftovers(folder)
        _record_plan(out, shards)
        for shard in Progress(shards, "shards", disable=not progress):
            path = out / shard.url
            if not (path.exists() and path.stat().st_size == shard.size):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, shard.write)
        members: dict[str, dict[str, object]] = {synset: {} for synset in synsets}
        for number, shard in enumerate(shards):
            for object_id, files in shard.places().items():
                members[shard.url.partition("/")[0]][object_id] = {"shard": number, "files": files}
        for synset, own in members.items():
            write_json(out / synset / MEMBERS, own)
        for name, path in others:
            write_bytes(out / name, path.read_bytes())
        listed = [*(name for name, _ in others), *(f"{synset}/{MEMBERS}" for synset in synsets)]
        index = {
            "format": FORMAT,
            "version": 1,
            "wids_version": 1,
            "shardlist": [
                {"url": shard.url, "nsamples": len(shard.places()), **_digest(Storage(out), shard.url)}
                for shard in Progress(shards, "checksums", disable=not progress)
            ],
            "files": {name: _digest(Storage(out), name) for name in listed},
        }
        write_json(out / INDEX, index)
        (out / UNFINISHED).unlink()
    return Pack(Storage(out))


def check_pack(pack: Pack, *, progress: bool = True) -> Iterator[str]:
    """Reads every byte of a pack; a sentence for each file whose size or SHA-256 is not that of the index."""
    expected = {shard["url"]: shard for shard in pack.shards} | pack.files
    for name, entry in Progress(expected.items(), "shards", disable=not progress):
        place, size = pack.place(name), entry["filesize"]
        try:
            found = _digest(pack.storage, name, size)
        except FileNotFoundError:
            yield f"{place} is missing"
        except OSError as error:
            yield f"{place} cannot be read ({error})"
        else:
            if found["filesize"] < size:
                yield f"{place} ends after {found['filesize']} of {size} bytes"
            elif found["sha256"] != entry["sha256"]:
                yield f"{place} is not what was packed: its SHA-256 differs"


def _digest(storage: Storage, name: str, limit: int | None = None) -> dict[str, int | str]:
    """Size and SHA-256 of a file, or of its first ``limit`` bytes."""
    digest, size = hashlib.sha256(), 0
    while size != limit:
        piece = storage.read(name, size, 2**24 if limit is None else min(2**24, limit - size))
        if not piece:
            break
        digest.update(piece)
        size += len(piece)
    return {"filesize": size, "sha256": digest.hexdigest()}


def _planned(root: Path, synset: str, shard_bytes: int) -> Iterator[Shard]:
    shards: list[list[Member]] = []
    used = 0
    for object_id in sorted(path.stem for path in (root / "camera" / synset).glob("[!.]*.json")):
        if "." in object_id:
            raise InputError(f"object {object_id} of {root} has a dot in its name, which shards cannot hold: rename it")
        members = list(_members(root, synset, object_id))
        length = sum(member.length for member in members)
        if not shards or used + length + 2 * _BLOCK > shard_bytes:
            shards.append([])
            used = 0
        shards[-1] += members
        used += length
    if not shards:
        raise InputError(f"{root} has no objects of {category_name(synset)}: nothing to pack")
    return (Shard(f"{synset}/{number:06d}.tar", tuple(members)) for number, members in enumerate(shards))


def _members(root: Path, synset: str, object_id: str) -> Iterator[Member]:
    """The files that an object has: cameras, pictures, annotations."""
    pictures = sorted(path.name for path in picture_folder(root, synset, object_id).glob("[!.]*"))
    camera, *annotations = FOLDERS
    for extension in (camera, *pictures, *annotations):
        path = root / path_of(synset, object_id, extension)
        if path.is_file():
            yield Member(synset, object_id, extension, path, path.stat().st_size, path.stat().st_mtime_ns)


def _other_files(root: Path, synset: str, splits_dir: Path | str | None) -> Iterator[tuple[str, Path]]:
    """Name in the pack and place of the files of a category that are of no object."""
    split = split_file(root, synset, None if splits_dir is None else Path(splits_dir))
    if splits_dir is not None and not split.is_file():
        raise InputError(f"{split} is missing: give the folder of the split files")
    for folder in ("splits", "labels", "made", "attribution"):
        path = split if folder == "splits" else root / folder / f"{synset}.json"
        if path.is_file():
            yield f"{folder}/{synset}.json", path


def _record_plan(out: Path, shards: Sequence[Shard]) -> None:
    """Notes down what is packed into ``out``; refuses where it holds anything else."""
    plan = [(shard.url, [(member.name, member.size, member.changed) for member in shard.members]) for shard in shards]
    recorded = {"plan": hashlib.sha256(json.dumps(plan).encode()).hexdigest()}
    path = out / UNFINISHED
    if path.exists():
        if read_json(path) != recorded:
            raise InputError(f"{out} is a half-finished pack of other files or settings: give another folder")
    elif (out / INDEX).exists():
        raise InputError(f"{out} holds a pack already: give another folder")
    elif out.exists() and (not out.is_dir() or any(path.name != LOCK for path in out.iterdir())):
        raise InputError(f"{out} holds something else: give another folder")
    else:
        write_json(path, recorded)
