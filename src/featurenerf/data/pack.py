"""Packing a data set into tar shards that stream, and checking them; ``sources`` says what a pack looks like."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tqdm import tqdm

from featurenerf.data import layout
from featurenerf.data.sources import (
    FORMAT,
    INDEX,
    MEMBERS,
    UNFINISHED,
    DataPath,
    Pack,
    PackPath,
    data_root,
    member_of,
    path_of,
)
from featurenerf.errors import InputError

SHARD_BYTES = 64 * 10**6
_BLOCK, _RECORD = 512, 10240


@dataclass(frozen=True)
class Member:
    """A file to be packed: its name in the shard, where it lies, its bytes, and when it was changed (nanoseconds)."""

    name: str
    source: Path
    size: int
    changed: int

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
    """A tar file to be written: objects, each with all of its files."""

    url: str
    objects: tuple[tuple[str, tuple[Member, ...]], ...]

    def places(self) -> dict[str, dict[str, tuple[int, int]]]:
        """Object -> extension -> offset and size in the tar file."""
        found: dict[str, dict[str, tuple[int, int]]] = {}
        start = 0
        for object_id, members in self.objects:
            files = found[object_id] = {}
            for member in members:
                extension = member.name.rpartition("/")[2].removeprefix(f"{object_id}.")
                files[extension] = (start + len(member.header), member.size)
                start += member.length
        return found

    @property
    def size(self) -> int:
        content = sum(member.length for _, members in self.objects for member in members) + 2 * _BLOCK
        return content + -content % _RECORD

    def write(self, path: Path) -> None:
        """Under another name first: a shard is whole or not there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        with partial.open("wb") as file:
            for _, members in self.objects:
                for member in members:
                    content = member.source.read_bytes()
                    if len(content) != member.size:
                        raise InputError(f"{member.source} changed while it was packed: run the command again")
                    file.write(member.header + content + bytes(-member.size % _BLOCK))
            file.write(bytes(self.size - file.tell()))
        os.replace(partial, path)


def pack_dataset(
    root: Path | str,
    out: Path | str,
    category: str | None = None,
    shard_bytes: int = SHARD_BYTES,
    splits_dir: Path | str | None = None,
    progress: bool = True,
) -> Pack:
    """Pack a data set in the layout of ``featurenerf.data.layout``; the bytes depend on its files alone.

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
    synsets = [layout.synset_of(source, category)] if category else _synsets(source)
    shards = {synset: _planned(source, synset, shard_bytes) for synset in synsets}
    others = [path for synset in synsets for path in _other_files(source, synset, splits_dir)]
    every = [shard for own in shards.values() for shard in own]
    try:
        _claim(out, every)
        for shard in tqdm(every, "shards", disable=not progress):
            path = out / shard.url
            if not (path.exists() and path.stat().st_size == shard.size):
                shard.write(path)
        number = 0
        for synset, own in shards.items():
            members = {}
            for shard in own:
                for object_id, files in shard.places().items():
                    members[object_id] = {"shard": number, "files": files}
                number += 1
            layout.write_json(out / synset / MEMBERS, members)
        for name, path in others:
            layout.replace_file(out / name, path.read_bytes())
        listed = [*(name for name, _ in others), *(f"{synset}/{MEMBERS}" for synset in synsets)]
        index = {
            "format": FORMAT,
            "version": 1,
            "wids_version": 1,
            "shardlist": [
                {"url": s.url, "nsamples": len(s.objects), "filesize": s.size, "sha256": _sha256(out / s.url)}
                for s in tqdm(every, "checksums", disable=not progress)
            ],
            "files": {
                name: {"filesize": (out / name).stat().st_size, "sha256": _sha256(out / name)} for name in listed
            },
        }
        layout.write_json(out / INDEX, index)
        (out / UNFINISHED).unlink()
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error}): free some space or give another --out") from error
    packed = data_root(out)
    assert isinstance(packed, PackPath)
    return packed.pack


def check_pack(pack: Pack, progress: bool = True) -> Iterator[str]:
    """Reads every byte of a pack; a sentence for each file whose size or SHA-256 is not that of the index."""
    expected = {shard["url"]: shard for shard in pack.shards} | pack.files
    for name, entry in tqdm(expected.items(), "shards", disable=not progress):
        place = pack.place(name)
        digest, size = hashlib.sha256(), 0
        try:
            while size < entry["filesize"]:
                piece = pack.storage.read(name, size, min(2**24, entry["filesize"] - size))
                if not piece:
                    break
                digest.update(piece)
                size += len(piece)
        except FileNotFoundError:
            yield f"{place} is missing"
            continue
        except OSError as error:
            yield f"{place} cannot be read ({error})"
            continue
        if size < entry["filesize"]:
            yield f"{place} ends after {size} of {entry['filesize']} bytes"
        elif digest.hexdigest() != entry["sha256"]:
            yield f"{place} is not what was packed: its SHA-256 differs"


def _planned(root: Path, synset: str, shard_bytes: int) -> list[Shard]:
    shards: list[Shard] = []
    objects: list[tuple[str, tuple[Member, ...]]] = []
    used = 0

    def close() -> None:
        shards.append(Shard(f"{synset}/{len(shards):06d}.tar", tuple(objects)))
        objects.clear()

    for object_id in sorted(path.stem for path in (root / "camera" / synset).glob("[!.]*.json")):
        if "." in object_id:
            raise InputError(f"object {object_id} of {root} has a dot in its name, which shards cannot hold: rename it")
        members = tuple(_members(root, synset, object_id))
        length = sum(member.length for member in members)
        if objects and used + length + 2 * _BLOCK > shard_bytes:
            close()
            used = 0
        objects.append((object_id, members))
        used += length
    if not objects:
        raise InputError(f"{root} has no objects of {layout.category_name(synset)}: nothing to pack")
    close()
    return shards


def _members(root: Path, synset: str, object_id: str) -> Iterator[Member]:
    """The files that an object has: cameras, pictures, annotations."""
    pictures = sorted(path.name for path in layout.picture_folder(root, synset, object_id).glob("[!.]*"))
    for extension in ("camera.json", *pictures, *(f"{kind}.npz" for kind in layout.ANNOTATIONS)):
        parts = path_of(synset, object_id, extension)
        path = root.joinpath(*parts)
        if member_of(parts) == (synset, object_id, extension) and path.is_file():
            status = path.stat()
            yield Member(f"{synset}/{object_id}.{extension}", path, status.st_size, status.st_mtime_ns)


def _synsets(root: Path) -> list[str]:
    found = sorted(path.name for path in (root / "camera").glob("*") if path.is_dir())
    if not found:
        raise InputError(
            f"{root} holds no category: it has no camera/<synset>/, and other formats than ours are not packed"
        )
    return found


def _other_files(root: Path, synset: str, splits_dir: Path | str | None) -> Iterator[tuple[str, Path]]:
    """Name in the pack and place of the files of a category that are of no object."""
    split = layout.split_file(root, synset, None if splits_dir is None else Path(splits_dir))
    if splits_dir is not None and not split.is_file():
        raise InputError(f"{split} is missing: give the folder of the split files")
    beside = [(folder, root / folder / f"{synset}.json") for folder in ("made", "attribution")]
    for folder, path in (("splits", split), *beside):
        if path.is_file():
            yield f"{folder}/{synset}.json", path


def _claim(out: Path, shards: Sequence[Shard]) -> None:
    """Notes down what is packed into ``out``; refuses where it holds anything else."""
    plan = [(s.url, [(m.name, m.size, m.changed) for _, members in s.objects for m in members]) for s in shards]
    claim = {"plan": hashlib.sha256(json.dumps(plan).encode()).hexdigest()}
    path = out / UNFINISHED
    if path.exists():
        if layout.read_json(path) != claim:
            raise InputError(f"{out} is a half-finished pack of other files or settings: give another --out")
    elif (out / INDEX).exists():
        raise InputError(f"{out} holds a pack already: give another --out")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} holds something else: give another --out")
    else:
        layout.write_json(path, claim)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def category_bytes(root: DataPath, synset: str) -> int:
    """Bytes of a category's files, whether in a folder or packed (without the padding of tar)."""
    if isinstance(root, PackPath):
        return sum(size for known in root.pack.objects(synset).values() for _, size in known["files"].values())
    folders = ("img", "camera", *(f"{kind}_anno" for kind in layout.ANNOTATIONS))
    return sum(path.stat().st_size for name in folders for path in (root / name / synset).rglob("*") if path.is_file())
