"""Projected teacher features on disk: half precision, the object's cells only, in memory-mapped shards.

A cache is a folder::

    cache.json               what the features are of: the teacher, its settings and weights, and the projection
    projection.safetensors   the principal components
    shard-*.safetensors      some hundred pictures each: keys, masks and values of the object's cells

A picture is known by its content, not by its name. Shards appear whole or not at all: a killed run loses at most the
pictures of its last minute. Several runs can fill one cache.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float16, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from featurenerf.checkpoint import write_atomically
from featurenerf.errors import InputError

FORMAT = 1
SHARD_PICTURES = 512
SHARD_SECONDS = 60.0
"""A shard is written when it holds so many pictures, or when its first one is so old."""


def picture_key(picture: UInt8[np.ndarray, "h w 4"]) -> str:
    """By which a picture is found again: 128 bits of its shape and content."""
    digest = hashlib.blake2b(str(picture.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(picture).data)
    return digest.hexdigest()


class FeatureCache:
    """The maps of a folder, by picture. What is added is on disk after ``flush`` at the latest."""

    def __init__(self, folder: Path) -> None:
        """Open a cache that ``create`` has made.

        Raises:
            InputError: when there is none, or a file of it is damaged.
        """
        self.folder = folder
        self.about = _read_about(folder)
        self.bytes = 0
        """Size of the shards."""
        self._shards: list[dict[str, Tensor]] = []
        self._places: dict[str, tuple[int, int]] = {}
        self._pending: dict[str, Tensor] = {}
        self._since = 0.0
        for path in sorted(folder.glob("shard-*.safetensors")):
            self._open(path)

    @staticmethod
    def create(folder: Path, about: Mapping[str, Any], write_projection: Any) -> None:
        """Make an empty cache; ``write_projection(path)`` writes its projection.

        Raises:
            InputError: when the folder holds something already, or cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(path for path in folder.iterdir() if path.name != "projection.safetensors"):
                raise InputError(f"{folder} holds something that is no cache of features: give another folder")
            write_atomically(folder / "projection.safetensors", write_projection)
            content = json.dumps({"format": FORMAT, **about}, indent=2) + "\n"
            write_atomically(folder / "cache.json", lambda path: path.write_text(content))
        except OSError as error:
            raise InputError(f"{folder} cannot be written ({error.strerror}): give another folder") from error

    @staticmethod
    def exists(folder: Path) -> bool:
        return (folder / "cache.json").is_file()

    def expect(self, wanted: Mapping[str, Any]) -> None:
        """
        Raises:
            InputError: when the cache was made with something else than ``wanted``.
        """
        odd = sorted(key for key, value in wanted.items() if self.about.get(key) != value)
        if odd:
            raise InputError(
                f"{self.folder} holds features that were made otherwise ({', '.join(odd)}): give another folder for "
                "these, or delete it"
            )

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self._places) + len(self._pending)

    def __contains__(self, key: str) -> bool:
        return key in self._places or key in self._pending

    def __getitem__(self, key: str) -> Float16[Tensor, "c h w"]:
        """The map that was added, to the bit."""
        if key in self._pending:
            return self._pending[key]
        number, row = self._places[key]
        shard = self._shards[number]
        h, w = shard["grid"].tolist()
        start, stop = shard["starts"][row : row + 2].tolist()
        mask = np.unpackbits(shard["masks"][row].numpy(), count=h * w).astype(bool)
        values = shard["values"][start:stop]
        whole = torch.zeros(h * w, values.shape[1] + 1, dtype=torch.float16)
        cells = torch.from_numpy(mask)
        whole[cells, :-1] = values
        whole[cells, -1] = 1
        return whole.T.unflatten(1, (h, w)).contiguous()

    def add(self, key: str, features: Float16[Tensor, "c h w"]) -> None:
        """Keep a map whose last channel is 1 on the object, and which is zero elsewhere."""
        if key in self:
            return
        if not self._pending:
            self._since = time.monotonic()
        self._pending[key] = features.cpu()
        if len(self._pending) >= SHARD_PICTURES or time.monotonic() - self._since > SHARD_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what was added since the last shard."""
        if not self._pending:
            return
        maps = [features.flatten(1).T for features in self._pending.values()]
        masks = [rows[:, -1] > 0 for rows in maps]
        counts = torch.tensor([0, *(int(mask.sum()) for mask in masks)])
        keys = np.stack([np.frombuffer(bytes.fromhex(key), np.uint8) for key in self._pending])
        tensors = {
            "keys": torch.from_numpy(keys),
            "masks": torch.from_numpy(np.stack([np.packbits(mask.numpy()) for mask in masks])),
            "starts": counts.cumsum(0),
            "values": torch.cat([rows[mask, :-1] for rows, mask in zip(maps, masks, strict=True)]).contiguous(),
            "grid": torch.tensor(next(iter(self._pending.values())).shape[1:]),
        }
        path = self.folder / f"shard-{hashlib.sha256(keys.tobytes()).hexdigest()[:16]}.safetensors"
        write_atomically(path, lambda temporary: save_file(tensors, temporary))
        self._pending = {}
        self._open(path)

    def _open(self, path: Path) -> None:
        try:
            with safe_open(path, "pt") as file:  # maps the file: only what is looked at is read
                shard = {name: file.get_tensor(name) for name in ("keys", "masks", "starts", "values", "grid")}
            if len(shard["starts"]) != len(shard["keys"]) + 1 or shard["values"].dtype != torch.float16:
                raise ValueError("its tensors do not fit together")
        except (OSError, SafetensorError, ValueError) as error:
            raise InputError(f"{path} is damaged ({error}): delete it, its pictures will be made again") from error
        number = len(self._shards)
        self._shards.append(shard)
        self.bytes += path.stat().st_size
        for row, key in enumerate(shard["keys"].numpy()):
            self._places.setdefault(key.tobytes().hex(), (number, row))


def _read_about(folder: Path) -> dict[str, Any]:
    path = folder / "cache.json"
    try:
        about = json.loads(path.read_text())
        if not isinstance(about, dict):
            raise ValueError("not an object")
    except FileNotFoundError:
        raise InputError(
            f"there is no cache of features in {folder}: make one with `featurenerf teachers cache`"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}): delete the folder and make it again") from error
    if about.get("format") != FORMAT:
        raise InputError(
            f"{path} is of format {about.get('format')}, not {FORMAT}: delete the folder and make it again"
        )
    return about
