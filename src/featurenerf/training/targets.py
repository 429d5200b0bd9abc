"""The features that rays should have: the teacher's, computed when a view is first drawn, as principal components.

They are kept in memory, or in a cache on disk that later runs read (``open_cache``, ``featurenerf.training.cache``).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float16, UInt8
from torch import Tensor

from featurenerf.categories import category_name
from featurenerf.data.objects import ObjectViews
from featurenerf.errors import InputError
from featurenerf.files import remove_leftovers, writing
from featurenerf.locks import locked
from featurenerf.models import checkpoint
from featurenerf.pictures import from_bytes
from featurenerf.progress import Progress
from featurenerf.runtime import has_bfloat16
from featurenerf.teachers import Teacher, canonical, load_teacher, with_prompt
from featurenerf.teachers.projection import Projection, fit_projection
from featurenerf.training.batches import Batch
from featurenerf.training.cache import Cells, FeatureCache, picture_key
from featurenerf.training.config import TrainConfig

FIT_SEED, FIT_PICTURES = 0, 192
"""Which and how many views the projection is fitted to: the same ones whatever a run's own seed."""
_GPU_BATCH, _READ_AT_ONCE = 32, 64


class NoTargets:
    """Of a field without a feature: nothing is distilled."""

    projection: None = None
    about: Mapping[str, Any] = MappingProxyType({})

    def of(self, batch: Batch) -> tuple[Float[Tensor, "o r k"], Float[Tensor, "o r 1"]]:
        return batch.rgb[..., :0], (batch.alpha > 0.5).float()

    def of_other_objects(self) -> NoTargets:
        return self

    def close(self) -> None:
        pass


class TeacherTargets:
    """Projected teacher maps of views, computed once each and kept in half precision: in memory, or in a cache.

    Attributes:
        projection: from the teacher's features to those of the field.
        about: what configurations say of it.
    """

    def __init__(
        self,
        teacher: Teacher,
        projection: Projection,
        device: torch.device,
        cache: FeatureCache | None = None,
        about: Mapping[str, Any] | None = None,
        *,
        bf16: bool,
    ) -> None:
        self.teacher, self.projection = teacher, projection.to(device)
        self.device, self.bf16, self.cache = device, bf16 and has_bfloat16(device), cache
        self.kept = self.projection if cache is None else cache.projection.to(device)
        self.about = about or {}
        self._maps: dict[tuple[int, int], Cells] = {}
        self._keys: dict[tuple[int, int], str] = {}

    def of_other_objects(self) -> TeacherTargets:
        """The same for batches of another list of objects."""
        return TeacherTargets(self.teacher, self.projection, self.device, self.cache, self.about, bf16=self.bf16)

    def close(self) -> None:
        """At the end of a run."""
        if self.cache is not None:
            self.cache.flush()

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
        return torch.stack([projected for _, projected in self.both_maps(pictures)])

    def both_maps(self, pictures: Float[Tensor, "n 4 h w"]) -> Iterator[tuple[Tensor, Tensor]]:
        """Of each picture the teacher's map (C, H, W), and the projected one (K + 1, H, W) as ``maps`` returns it."""
        for some in pictures.to(self.device).split(1 if self.device.type == "cpu" else _GPU_BATCH):
            full = self._features(some)
            yield from zip(full, self._projected(full), strict=True)

    @torch.no_grad()
    def _features(self, pictures: Float[Tensor, "n 4 h w"]) -> Float[Tensor, "n c hf wf"]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            return self.teacher(pictures).float()

    def _projected(self, maps: Float[Tensor, "n c hf wf"]) -> Float16[Tensor, "n k1 hf wf"]:
        on_object = maps.abs().sum(1, keepdim=True) > 0
        projected = self.kept(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return torch.cat([torch.where(on_object, projected, 0.0), on_object], 1).half()

    def _made(self, batch: Batch, numbers: Mapping[Any, int]) -> Iterator[tuple[Any, Float16[Tensor, "k1 hf wf"]]]:
        """The maps of the batch's target pictures of these numbers, by key."""
        if numbers:
            pictures = batch.targets.flatten(0, 1)[list(numbers.values())]
            yield from zip(numbers, self.maps(from_bytes(pictures)), strict=True)

    def _from_memory(self, batch: Batch, views: Sequence[tuple[int, int]]) -> list[Tensor]:
        missing = {view: number for number, view in enumerate(views) if view not in self._maps}
        self._maps.update((view, Cells.of(features)) for view, features in self._made(batch, missing))
        return [self._maps[view].map() for view in views]

    def _from_cache(self, batch: Batch, views: Sequence[tuple[int, int]], cache: FeatureCache) -> list[Tensor]:
        for view, picture in zip(views, batch.targets.flatten(0, 1), strict=True):
            if view not in self._keys:
                self._keys[view] = picture_key(picture.cpu().numpy())
        missing = {self._keys[view]: number for number, view in enumerate(views) if self._keys[view] not in cache}
        for key, features in self._made(batch, missing):
            cache.add(key, features)
        found = [cache[self._keys[view]] for view in views]
        count = self.projection.components
        if count == len(found[0]) - 1:
            return found
        ratio = float(self.kept.scale / self.projection.scale)  # the first of the cache's components, scaled anew
        return [torch.cat([features[:count].float() * ratio, features[-1:].float()]) for features in found]


Targets = NoTargets | TeacherTargets
"""What the rays of a batch should have for a feature."""


@dataclass(frozen=True)
class Filled:
    """What filling a cache came to."""

    pictures: int
    """That had to be made; the others were there."""
    seconds: float
    cosine: float | None
    """Mean similarity of the object's cells, as they are kept, to the teacher's full feature; None if none was made."""


def fill_cache(
    targets: TeacherTargets, objects: Sequence[ObjectViews], views: int | None = None, *, progress: bool = True
) -> Filled:
    """Put the maps of the objects' (first) views into the cache of ``targets``, those that are not there yet."""
    cache = targets.cache
    assert cache is not None
    wanted = [(o, view) for o in objects for view in range(len(o) if views is None else min(views, len(o)))]
    made, similarity, cells, started = 0, 0.0, 0, time.monotonic()
    with (
        ThreadPoolExecutor(2) as pool,
        ExitStack() as stack,
        Progress(total=len(wanted), desc="features", unit="picture", disable=not progress) as bar,
    ):
        stack.callback(cache.flush)  # an interrupt loses nothing
        for start in range(0, len(wanted), _READ_AT_ONCE):
            some = wanted[start : start + _READ_AT_ONCE]
            pictures = {picture_key(p): p for p in pool.map(lambda one: one[0].picture(one[1]), some)}
            new = [key for key in pictures if key not in cache]
            if new:
                given = from_bytes(np.stack([pictures[key] for key in new]))
                for key, (features, projected) in zip(new, targets.both_maps(given), strict=True):
                    cache.add(key, projected)
                    on_object = projected[-1] > 0
                    stored = cache.rounded(projected.cpu()).to(projected.device)
                    decoded = targets.kept.back(stored[:-1, on_object].float().T)
                    similarity += float(F.cosine_similarity(decoded, features[:, on_object].T).sum())
                    cells += int(on_object.sum())
            made += len(new)
            bar.update(len(some))
    return Filled(made, time.monotonic() - started, similarity / cells if cells else None)


def open_targets(
    config: TrainConfig,
    objects: Sequence[ObjectViews],
    device: torch.device,
    fitted: Projection | None = None,
    *,
    progress: bool = False,
) -> Targets:
    """The targets of a run.

    Args:
        objects: the training objects.
        fitted: the projection of a run that is resumed.
        progress: show how far fitting the projection is.
    Raises:
        InputError: when the teacher or the cache does not fit the configuration.
        MissingExtraError: when the teacher's package is not installed.
    """
    if config.feature_dim == 0:
        return NoTargets()
    text = with_prompt(config.teacher, [category_name(name) for name in config.category])
    name, teacher = canonical(text), load_teacher(text).to(device)
    if fitted is None and config.start_from is not None:
        fitted = _projection_of(config.start_from, name, teacher)
    bf16, cache = config.budget.bf16 and has_bfloat16(device), None
    if config.cache is not None:
        asked = (config.cache, teacher, objects, config.feature_dim, fitted)
        cache, fitted = open_cache(*asked, bf16=bf16, progress=progress)
    if fitted is None:
        fitted = _fitted(teacher, objects, config.feature_dim, progress)
    recorded = {"name": name, "weights": teacher.fingerprint()}
    about = {"teacher": recorded, "teacher_variance_explained": round(fitted.explained, 4)}
    return TeacherTargets(teacher, fitted, device, cache, about, bf16=bf16)


def _projection_of(checkpoint_name: str, name: str, teacher: Teacher) -> Projection | None:
    """A checkpoint's, so that features go on to mean the same; None if the checkpoint is of another teacher."""
    folder = checkpoint.directory_of(checkpoint_name)
    recorded = checkpoint.read_config(folder).get("teacher")
    if not isinstance(recorded, Mapping) or recorded.get("name") != name:
        return None
    return Projection.read(folder / checkpoint.TEACHER) if teacher.has_weights(str(recorded.get("weights"))) else None


def open_cache(
    folder: Path,
    teacher: Teacher,
    objects: Sequence[ObjectViews],
    components: int,
    fitted: Projection | None = None,
    precision: Literal["half", "byte"] | None = None,
    *,
    bf16: bool,
    progress: bool = False,
) -> tuple[FeatureCache, Projection]:
    """The cache in a folder, and the projection to so many components; both are made if the folder is not there yet.

    Of several processes that ask for one that is not there, one makes it and the others wait.

    On a CPU, training with a cache of just these components in half precision ends with the same weights as without
    one. With a cache of more components or in bytes, targets are rounded otherwise.

    Args:
        objects: the training objects, which the projection is fitted to.
        components: the cache may hold more: the first of them are then taken.
        fitted: the projection of a run that is resumed, which the cache must have.
        precision: of a new cache (half, unless given); an old one must have it, if it is given.
        bf16: whether the teacher does run in bfloat16: wanted, and there.
        progress: show how far fitting the projection is.
    Raises:
        InputError: when the cache is of another teacher, or other settings, objects or pictures; or damaged.
    """
    pictures = hashlib.sha256()
    for picture in _drawn(objects):
        pictures.update(picture_key(picture).encode())
    recipe = {
        "teacher": teacher.about or teacher.name,
        "weights": teacher.fingerprint(),
        "bfloat16": bf16,
        "pictures": pictures.hexdigest(),
    }
    with writing(folder), locked(folder, wait=True):
        remove_leftovers(folder)
        if not FeatureCache.exists(folder):
            projection = fitted or _fitted(teacher, objects, components, progress)
            FeatureCache.create(folder, recipe, projection, precision or "half")
    cache = FeatureCache(folder)
    if teacher.has_weights(recorded := str(cache.about.get("weights"))):
        recipe["weights"] = recorded
    cache.expect(recipe if precision is None else {**recipe, "precision": precision})
    held = cache.projection.components
    if held < components:
        raise InputError(f"{folder} holds {held} components of a feature, not {components}: give another folder")
    projection = cache.projection.shortened(components)
    if fitted is not None and not torch.equal(fitted.basis, projection.basis):
        raise InputError(
            f"{folder} has another projection than the run, or the checkpoint that it starts from: take no cache, or "
            "give another folder"
        )
    return cache, projection


def _fitted(teacher: Teacher, objects: Sequence[ObjectViews], components: int, progress: bool) -> Projection:
    pictures = training_pictures(objects)
    shown = Progress(pictures, "fitting the projection", FIT_PICTURES, leave=False, disable=not progress)
    return fit_projection(teacher, iter(shown), components)


def training_pictures(objects: Sequence[ObjectViews], count: int | None = None) -> Iterator[Float[Tensor, "1 4 h w"]]:
    """Random views, the same ones each time: what a model is initialised on and a projection is fitted to."""
    return (from_bytes(picture[None]) for picture in islice(_drawn(objects), count))


def _drawn(objects: Sequence[ObjectViews]) -> Iterator[UInt8[np.ndarray, "h w 4"]]:
    rng = np.random.default_rng([FIT_SEED, 1])
    for _ in range(FIT_PICTURES):
        views = objects[int(rng.integers(len(objects)))]
        yield views.picture(int(rng.integers(len(views))))
