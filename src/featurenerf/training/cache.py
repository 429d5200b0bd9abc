"""Projected teacher features on disk: 16 or 8 bits a number, the object's cells only, in memory-mapped shards.

A cache is a folder::

    cache.json               what the features are of: the teacher, its settings and weights, and the projection
    projection.safetensors   the principal components
    shard-*.safetensors      some hundred pictures each: keys, masks and values of the object's cells

A picture is known by its content, not by its name. Shards appear whole or not at all: a killed run loses at most the
pictures of its last minute. Several runs can fill one cache.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float16, Int8, UInt8
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from featurenerf.errors import InputError
from featurenerf.files import write_atomically, write_json, writing
from featurenerf.limits import json_file, parsing
from featurenerf.locks import LOCK
from featurenerf.teachers.projection import Projection

FORMAT = 2
"""In format 1, "bfloat16" says what was wanted, not what the teacher ran in."""
_ABOUT, _PROJECTION = "cache.json", "projection.safetensors"
SHARD_PICTURES = 512
SHARD_SECONDS = 60.0
"""A shard is written when it holds so many pictures, or when its first one is so old."""


def picture_key(picture: UInt8[np.ndarray, "h w 4"]) -> str:
    """By which a picture is found again: 128 bits of its shape and content."""
    digest = hashlib.blake2b(str(picture.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(picture).data)
    return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Cells:
    """A map without its background, a third of the size: which cells are on the object, and their features."""

    mask: Bool[Tensor, "h w"]
    values: Float16[Tensor, "n k"]

    @classmethod
    def of(cls, features: Float16[Tensor, "k1 h w"]) -> Cells:
        """Of a map whose last channel is 1 on the object, and which is zero elsewhere."""
        mask = features[-1] > 0
        return cls(mask, features[:-1, mask].T.contiguous())

    def map(self) -> Float16[Tensor, "k1 h w"]:
        """The map again."""
        whole = self.values.new_zeros(*self.mask.shape, self.values.shape[1] + 1)
        whole[self.mask] = torch.cat([self.values, torch.ones_like(self.values[:, :1])], 1)
        return whole.permute(2, 0, 1).contiguous()


class FeatureCache:
    """The maps of a folder, by picture. What is added is on disk after ``flush`` at the latest."""

    def __init__(self, folder: Path) -> None:
        """Open a cache that ``create`` has made.

        Raises:
            InputError: when there is none, or a file of it is damaged.
        """
        self.folder = folder
        self.about = _read_about(folder / _ABOUT)
        self.projection = Projection.read(folder / _PROJECTION)
        """Of the features that are kept."""
        if self.about.get("precision") == "byte" and self.projection.variances is None:
            raise InputError(f"{folder / _PROJECTION} is damaged (it lacks variances): delete the folder")
        self._steps = _steps(self.projection) if self.about.get("precision") == "byte" else None
        self.bytes = 0
        """Size of the shards."""
        self._shards: list[dict[str, Tensor]] = []
        self._places: dict[str, tuple[int, int]] = {}
        self._pending: dict[str, Tensor] = {}
        self._since = 0.0
        for path in sorted(folder.glob("shard-*.safetensors")):
            self._open(path)

    @staticmethod
    def create(
        folder: Path, about: Mapping[str, Any], projection: Projection, precision: Literal["half", "byte"] = "half"
    ) -> None:
        """Make an empty cache.

        Args:
            about: what ``expect`` compares later.
            precision: half keeps what is added to the bit; byte takes half the space, and rounds to steps of a
                twentieth of each component's standard deviation.
        Raises:
            InputError: when the folder holds something already, or cannot be written.
        """
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if any(path.name not in (_PROJECTION, LOCK) for path in folder.iterdir()):
                raise InputError(f"{folder} holds something that is no cache of features: give another folder")
            write_atomically(folder / _PROJECTION, projection.write)
            facts = {"components": projection.components, "variance_explained": projection.explained}
            write_json(folder / _ABOUT, {"format": FORMAT, **about, "precision": precision, **facts}, indent=2)

    @staticmethod
    def exists(folder: Path) -> bool:
        return (folder / _ABOUT).is_file()

    def expect(self, wanted: Mapping[str, Any]) -> None:
        """
        Raises:
            InputError: when the cache was made with something else than ``wanted``.
        """
        unknown = {"bfloat16"} if self.about["format"] == 1 else set()
        odd = sorted(key for key, value in wanted.items() if key not in unknown and self.about.get(key) != value)
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
        """The map that was added; in bytes, as it was ``rounded``."""
        if key in self._pending:
            return self._pending[key]
        number, row = self._places[key]
        shard = self._shards[number]
        h, w = shard["grid"].tolist()
        start, stop = shard["starts"][row : row + 2].tolist()
        mask = np.unpackbits(shard["masks"][row].numpy(), count=h * w).astype(bool)
        values = shard["values"][start:stop]
        if self._steps is not None:
            values = (values * self._steps).half()
        return Cells(torch.from_numpy(mask).reshape(h, w), values).map()

    def add(self, key: str, features: Float16[Tensor, "c h w"]) -> None:
        """Keep a map whose last channel is 1 on the object, and which is zero elsewhere."""
        if key in self:
            return
        if not self._pending:
            self._since = time.monotonic()
        self._pending[key] = self.rounded(features.cpu())
        if len(self._pending) >= SHARD_PICTURES or time.monotonic() - self._since > SHARD_SECONDS:
            self.flush()

    def rounded(self, features: Float16[Tensor, "c h w"]) -> Float16[Tensor, "c h w"]:
        """A map as it comes back from this cache."""
        if self._steps is None:
            return features
        values = _quantised(features[:-1].movedim(0, -1), self._steps) * self._steps
        return torch.cat([values.movedim(-1, 0).half(), features[-1:]])

    def flush(self) -> None:
        """Write what was added since the last shard."""
        if not self._pending:
            return
        cells = [Cells.of(features) for features in self._pending.values()]
        values = torch.cat([some.values for some in cells])
        counts = torch.tensor([0, *(len(some.values) for some in cells)])
        keys = np.stack([np.frombuffer(bytes.fromhex(key), np.uint8) for key in self._pending])
        tensors = {
            "keys": torch.from_numpy(keys),
            "masks": torch.from_numpy(np.stack([np.packbits(some.mask.numpy()) for some in cells])),
            "starts": counts.cumsum(0),
            "values": values if self._steps is None else _quantised(values, self._steps),
            "grid": torch.tensor(next(iter(self._pending.values())).shape[1:]),
        }
        path = self.folder / f"shard-{hashlib.sha256(keys.tobytes()).hexdigest()[:16]}.safetensors"
        with writing(self.folder):
            write_atomically(path, lambda temporary: save_file(tensors, temporary))
        self._pending = {}
        self._open(path)

    def _open(self, path: Path) -> None:
        dtype = torch.float16 if self._steps is None else torch.int8
        with parsing(f"{path} is damaged", "delete it, its pictures will be made again"):
            with safe_open(path, "pt") as file:  # maps the file: only what is looked at is read
                shard = {name: file.get_tensor(name) for name in ("keys", "masks", "starts", "values", "grid")}
            if not _fit(shard, self.projection.components) or shard["values"].dtype != dtype:
                raise ValueError("its tensors do not fit together")
        number = len(self._shards)
        self._shards.append(shard)
        self.bytes += path.stat().st_size
        for row, key in enumerate(shard["keys"].numpy()):
            self._places.setdefault(key.tobytes().hex(), (number, row))


def _fit(shard: Mapping[str, Tensor], components: int) -> bool:
    """Whether the tensors of a shard are of one set of pictures."""
    keys, masks, starts, values, grid = (shard[name] for name in ("keys", "masks", "starts", "values", "grid"))
    if keys.dtype != torch.uint8 or masks.dtype != torch.uint8 or grid.dtype != torch.int64 or grid.shape != (2,):
        return False
    h, w = grid.tolist()
    if min(h, w) < 1 or keys.shape[1:] != (16,) or masks.shape != (len(keys), -(-h * w // 8)):
        return False
    within = starts.dtype == torch.int64 and starts.shape == (len(keys) + 1,) and values.shape[1:] == (components,)
    return within and bool((starts[0] == 0) & (starts[-1] == len(values)) & (starts.diff() >= 0).all())


def _read_about(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"there is no cache of features in {path.parent}: make one with `featurenerf teachers cache`")
    with parsing(f"{path} is damaged", "delete the folder and make it again"):
        about = json_file(path)
        version, precision = about.get("format"), about.get("precision", "half")
        if precision not in ("half", "byte"):
            raise ValueError(f"its precision is {precision!r}")
    if version not in (1, FORMAT):
        raise InputError(f"{path} is of format {version}, not {FORMAT}: delete the folder and make it again")
    return about


def _steps(projection: Projection) -> Float[Tensor, " k"]:
    """What a byte counts in each component: 127 of them are six standard deviations."""
    assert projection.variances is not None
    deviation = projection.variances.sqrt().float() / projection.scale
    return (deviation * 6 / 127).clamp(min=1e-6)


def _quantised(values: Float16[Tensor, "*n k"], steps: Float[Tensor, " k"]) -> Int8[Tensor, "*n k"]:
    return (values.float() / steps).round().clamp(-127, 127).to(torch.int8)
