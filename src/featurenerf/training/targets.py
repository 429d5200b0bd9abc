"""What the teacher says of the rays: features computed when a view is first drawn, kept as principal components.

They are kept in memory, or in a cache on disk that later runs read (``open_cache``, ``featurenerf.training.cache``).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float16, UInt8
from torch import Tensor
from tqdm import tqdm

from featurenerf.data.views import ObjectViews
from featurenerf.devices import has_bfloat16
from featurenerf.errors import InputError
from featurenerf.fields.fast import PictureNet
from featurenerf.teachers import Teacher
from featurenerf.training.batches import Batch
from featurenerf.training.cache import Cells, FeatureCache, picture_key
from featurenerf.training.projection import Projection

FIT_SEED, FIT_PICTURES = 0, 192
"""Which and how many views the projection is fitted to: the same ones whatever a run's own seed."""
_GPU_BATCH, _READ_AT_ONCE = 32, 64


class TeacherTargets:
    """Projected teacher maps of views, computed once each and kept in half precision: in memory, or in a cache."""

    def __init__(
        self,
        teacher: Teacher,
        projection: Projection,
        device: torch.device,
        bf16: bool,
        cache: FeatureCache | None = None,
    ) -> None:
        self.teacher, self.projection = teacher, projection.to(device)
        self.device, self.bf16, self.cache = device, bf16 and has_bfloat16(device), cache
        self.kept = self.projection if cache is None else cache.projection.to(device)
        self._maps: dict[tuple[int, int], Cells] = {}
        self._keys: dict[tuple[int, int], str] = {}

    def of(self, batch: Batch) -> tuple[Float[Tensor, "o r k"], Float[Tensor, "o r 1"]]:
        """Features of the batch's rays, and 1 where there is one (0 on the background)."""
        views = [(int(o), int(v)) for o, v in batch.views.reshape(-1, 2)]
        drawn = self._from_memory(batch, views) if self.cache is None else self._from_cache(batch, views, self.cache)
        maps = torch.stack(drawn).to(self.device).float()  # (o * t, k + 1, h, w)
        o, t = batch.views.shape[:2]
        height, width = batch.targets.shape[2:4]
        size = batch.xy.new_tensor([width, height])
        grid = (2 * batch.xy / size - 1).unsqueeze(1).expand(o, t, -1, 2).flatten(0, 1).unsqueeze(2)
        at_all = F.grid_sample(maps, grid, align_corners=False, padding_mode="border")[..., 0].unflatten(0, (o, t))
        chosen = batch.view_index[:, None, None].expand(o, 1, at_all.shape[2], -1)
        values = at_all.gather(1, chosen)[:, 0].transpose(1, 2)  # (o, r, k + 1)
        weight = values[..., -1:]
        present = (weight > 1e-3) & (batch.alpha > 0.5)
        return values[..., :-1] / weight.clamp(min=1e-3), present.float()

    def maps(self, pictures: Float[Tensor, "n 4 h w"]) -> Float16[Tensor, "n k1 hf wf"]:
        """Projected feature maps with the background zero, and a last channel that is 1 on the object.

        On a CPU a picture at a time, which is faster there, and what a picture gives does not depend on its batch.
        """
        return torch.cat([self._projected(self._features(some)) for some in self._portions(pictures)])

    def _portions(self, pictures: Float[Tensor, "n 4 h w"]) -> Sequence[Tensor]:
        return pictures.to(self.device).split(1 if self.device.type == "cpu" else _GPU_BATCH)

    @torch.no_grad()
    def _features(self, pictures: Float[Tensor, "n 4 h w"]) -> Float[Tensor, "n c hf wf"]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            return self.teacher(pictures).float()

    def _projected(self, maps: Float[Tensor, "n c hf wf"]) -> Float16[Tensor, "n k1 hf wf"]:
        on_object = maps.abs().sum(1, keepdim=True) > 0
        projected = self.kept(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return torch.cat([torch.where(on_object, projected, 0.0), on_object], 1).half()

    def _made(self, batch: Batch, numbers: Sequence[int]) -> Float16[Tensor, "n k1 hf wf"]:
        """The maps of some of the batch's target pictures."""
        return self.maps(_in_floats(batch.targets.flatten(0, 1)[list(numbers)]))

    def _from_memory(self, batch: Batch, views: Sequence[tuple[int, int]]) -> list[Tensor]:
        missing = {view: number for number, view in enumerate(views) if view not in self._maps}
        if missing:
            made = self._made(batch, list(missing.values()))
            self._maps.update((view, Cells.of(features)) for view, features in zip(missing, made, strict=True))
        return [self._maps[view].map() for view in views]

    def _from_cache(self, batch: Batch, views: Sequence[tuple[int, int]], cache: FeatureCache) -> list[Tensor]:
        for view, picture in zip(views, batch.targets.flatten(0, 1), strict=True):
            if view not in self._keys:
                self._keys[view] = picture_key(picture.cpu().numpy())
        missing = {self._keys[view]: number for number, view in enumerate(views) if self._keys[view] not in cache}
        if missing:
            made = self._made(batch, list(missing.values()))
            for key, features in zip(missing, made, strict=True):
                cache.add(key, features)
        found = [cache[self._keys[view]] for view in views]
        count = len(self.projection.basis.T)
        if count == len(found[0]) - 1:
            return found
        ratio = float(self.kept.scale / self.projection.scale)  # the first of the cache's components, scaled anew
        return [torch.cat([features[:count].float() * ratio, features[-1:].float()]) for features in found]


@dataclass(frozen=True)
class Filled:
    """What filling a cache came to."""

    pictures: int
    """That had to be made; the others were there."""
    seconds: float
    cosine: float | None
    """Mean similarity of the object's cells, as they are kept, to the teacher's full feature; None if none was made."""


def fill_cache(
    targets: TeacherTargets, objects: Sequence[ObjectViews], views: int | None = None, progress: bool = True
) -> Filled:
    """Put the maps of the objects' (first) views into the cache of ``targets``, those that are not there yet."""
    cache = targets.cache
    assert cache is not None
    wanted = [(o, view) for o in objects for view in range(len(o) if views is None else min(views, len(o)))]
    made, similarity, cells, started = 0, 0.0, 0, time.monotonic()
    with (
        ThreadPoolExecutor(2) as pool,
        tqdm(total=len(wanted), desc="features", unit="picture", disable=not progress) as bar,
    ):
        for start in range(0, len(wanted), _READ_AT_ONCE):
            some = wanted[start : start + _READ_AT_ONCE]
            pictures = {picture_key(p): p for p in pool.map(lambda one: one[0].picture(one[1]), some)}
            new = [key for key in pictures if key not in cache]
            if new:
                given = _in_floats(torch.from_numpy(np.stack([pictures[key] for key in new])))
                number = 0
                for portion in targets._portions(given):
                    full = targets._features(portion)
                    for features, kept in zip(full, targets._projected(full), strict=True):
                        cache.add(new[number], kept)
                        number += 1
                        there = kept[-1] > 0
                        stored = cache.rounded(kept.cpu()).to(kept.device)
                        decoded = targets.kept.back(stored[:-1, there].float().T)
                        similarity += float(F.cosine_similarity(decoded, features[:, there].T).sum())
                        cells += int(there.sum())
            made += len(new)
            bar.update(len(some))
    cache.flush()
    return Filled(made, time.monotonic() - started, similarity / cells if cells else None)


def open_cache(
    folder: Path,
    teacher: Teacher,
    objects: Sequence[ObjectViews],
    components: int,
    bf16: bool,
    fitted: Projection | None = None,
    precision: Literal["half", "byte"] | None = None,
) -> tuple[FeatureCache, Projection]:
    """The cache in a folder, and the projection to so many components; both are made if the folder is not there yet.

    With a cache of just these components in half precision, training ends with the same weights as without one (on a
    CPU; on a GPU a map depends in its last bits on what else was in the teacher's batch). With a cache of more
    components or in bytes, targets are rounded otherwise.

    Args:
        objects: the training objects, which the projection is fitted to.
        components: the cache may hold more: the first of them are then taken.
        fitted: the projection of a run that is resumed, which the cache must have.
        precision: of a new cache (half, unless said); an old one must have it, if it is said.
    Raises:
        InputError: when the cache is of another teacher, or other settings, objects or pictures; or damaged.
    """
    pictures = hashlib.sha256()
    for picture in _drawn(objects, FIT_SEED, FIT_PICTURES):
        pictures.update(picture_key(picture).encode())
    recipe = {
        "teacher": teacher.about or teacher.name,
        "weights": teacher.fingerprint(),
        "bfloat16": bf16,
        "pictures": pictures.hexdigest(),
    }
    if not FeatureCache.exists(folder):
        projection = fitted or fit_projection(teacher, objects, components)
        FeatureCache.create(folder, recipe, projection, precision or "half")
    cache = FeatureCache(folder)
    cache.expect(recipe if precision is None else {**recipe, "precision": precision})
    held = len(cache.projection.basis.T)
    if held < components:
        raise InputError(f"{folder} holds {held} components of a feature, not {components}: give another folder")
    projection = cache.projection.shortened(components)
    if fitted is not None and not torch.equal(fitted.basis, projection.basis):
        raise InputError(
            f"{folder} has another projection than the run, or the checkpoint that it starts from: leave --cache "
            "out, or give another folder"
        )
    return cache, projection


def fit_projection(
    teacher: Teacher,
    objects: Sequence[ObjectViews],
    components: int,
    seed: int = FIT_SEED,
    pictures: int = FIT_PICTURES,
) -> Projection:
    """Principal components of the teacher's features on the objects of random training views.

    Raises:
        InputError: when the feature has fewer numbers than ``components``, or no picture shows anything.
    """
    if teacher.dim < components:
        raise InputError(
            f"--feature-dim is {components}, more than the {teacher.dim} numbers of a feature of {teacher.name}: "
            "lower it"
        )
    device = next((p.device for p in teacher.parameters()), torch.device("cpu"))
    found = []
    for picture in _drawn(objects, seed, pictures):
        maps = teacher(_in_floats(torch.from_numpy(picture[None]).to(device)))
        cells = maps.permute(0, 2, 3, 1).flatten(0, 2)
        found.append(cells[cells.abs().sum(1) > 0])
    features = torch.cat(found)
    if len(features) == 0:
        raise InputError(f"the pictures under {objects[0].source} show no objects: their alpha is 0, make them again")
    return Projection.fit(features, components)


@torch.no_grad()
def fit_semantics(net: PictureNet, objects: Sequence[ObjectViews]) -> None:
    """Let a fast field's semantics start as principal components of its backbone's features on training views."""
    if net.config.semantic_dim == 0:
        return
    device = net.to_semantics.weight.device
    found = []
    for picture in _drawn(objects, FIT_SEED, FIT_PICTURES):
        rgba = _in_floats(torch.from_numpy(picture[None]).to(device))
        maps = net.semantic_features(rgba[:, :3] * rgba[:, 3:])
        on_object = F.adaptive_max_pool2d(rgba[:, 3], maps.shape[-2:]) > 0
        found.append(maps.permute(0, 2, 3, 1)[on_object])
    projection = Projection.fit(torch.cat(found), net.config.semantic_dim)
    net.set_semantics(projection.mean, projection.basis / projection.scale)


def _drawn(objects: Sequence[ObjectViews], seed: int, pictures: int) -> Iterator[UInt8[np.ndarray, "h w 4"]]:
    """Random views."""
    rng = np.random.default_rng([seed, 1])
    for _ in range(pictures):
        views = objects[int(rng.integers(len(objects)))]
        yield views.picture(int(rng.integers(len(views))))


def _in_floats(pictures: UInt8[Tensor, "n h w 4"]) -> Float[Tensor, "n 4 h w"]:
    return pictures.permute(0, 3, 1, 2).float() / 255
