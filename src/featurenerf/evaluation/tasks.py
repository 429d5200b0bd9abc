"""The three protocols of the paper, as one loop over pairs with a task and a method.

A pair is a source and a target; labels and keypoints are carried from the one to the other and compared with the
target's own. Everything is deterministic, and metrics are averaged over a pair first, then over the pairs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from featurenerf.arrays import GOLDEN
from featurenerf.data.labels import AnnotationKind
from featurenerf.data.objects import ObjectViews
from featurenerf.data.splits import Pair
from featurenerf.errors import InputError
from featurenerf.evaluation import metrics
from featurenerf.evaluation.methods import METHODS, FeatureMaps, Inputs, Method, PairView, PictureModel
from featurenerf.evaluation.perceptual import PictureDistance
from featurenerf.pictures import Background, composite_bytes
from featurenerf.progress import Progress

TaskName = Literal["2d", "view", "3d", "spair", "camera-space"]
P = TypeVar("P")


@dataclass(frozen=True)
class Task:
    """What the two views of a pair are.

    Attributes:
        name: as on the command line.
        pairs: the list of the split file that it runs over.
        in_space: whether places are world points rather than pixels.
        one_object: whether the target is another view of the source object, looked at in the source's own field.
        thresholds: keypoint thresholds, in pixels or world units.
    """

    name: TaskName
    pairs: Literal["cross_inst_pairs", "cross_view_pairs"]
    in_space: bool
    one_object: bool
    thresholds: tuple[float, ...]


TASKS: dict[TaskName, Task] = {
    "2d": Task("2d", "cross_inst_pairs", False, False, metrics.PIXEL_THRESHOLDS),
    "view": Task("view", "cross_view_pairs", False, True, metrics.PIXEL_THRESHOLDS),
    "3d": Task("3d", "cross_inst_pairs", True, False, metrics.WORLD_THRESHOLDS),
}
"""The tasks: across objects in pictures, across views of an object in pictures, across objects in space."""


@dataclass(frozen=True)
class Places:
    """What is annotated in one view of a pair; a place is a pixel (column, row) or a world point (x, y, z).

    Attributes:
        labelled, parts: the places with a part label, and the labels. In space label 0 is one of them.
        keypoints: place by keypoint id.
        candidates: the places that a keypoint can be transferred to.
    """

    labelled: Shaped[Tensor, "n c"]
    parts: Int[Tensor, " n"]
    keypoints: Mapping[int, Shaped[Tensor, " c"]]
    candidates: Shaped[Tensor, "m c"]


@dataclass(frozen=True)
class Scores:
    """What one pair scored; None where there was nothing to score.

    ``keypoint_errors`` are how far each keypoint landed from the right place, in the units of the thresholds;
    ``distances`` those of the rendered picture from the real one, by name.
    """

    pair: Pair
    part_iou: float | None = None
    keypoint_accuracy: Mapping[str, float] | None = None
    left_right: float | None = None
    psnr: float | None = None
    psnr_foreground: float | None = None
    ssim: float | None = None
    keypoint_errors: tuple[float, ...] = ()
    distances: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """The scores of all pairs, in order, and what they took."""

    task: Task
    method: Method
    scores: tuple[Scores, ...]
    skipped: int
    seconds: float
    seconds_per_picture: float | None

    def mean(self, name: str) -> float | None:
        """The mean of a score over the pairs that have it."""
        return metrics.mean([value for pair in self.scores if (value := getattr(pair, name)) is not None])

    def distances(self) -> dict[str, float] | None:
        """The mean of each distance of pictures, over the pairs that have it."""
        found = [pair.distances for pair in self.scores if pair.distances]
        return {name: sum(f[name] for f in found) / len(found) for name in found[0]} if found else None

    def keypoint_accuracy(self) -> dict[str, float] | None:
        """The mean accuracy at each threshold over the pairs that share a keypoint."""
        found = [pair.keypoint_accuracy for pair in self.scores if pair.keypoint_accuracy is not None]
        return {name: sum(f[name] for f in found) / len(found) for name in found[0]} if found else None


def evaluate(
    task: Task | TaskName,
    pairs: Sequence[Pair],
    objects: Callable[[str], ObjectViews],
    method: Method | str = "descriptor",
    model: PictureModel | None = None,
    teacher: FeatureMaps | None = None,
    mirror: Mapping[int, int] | None = None,
    *,
    progress: bool = True,
    background: Background = "black",
    distances: Mapping[str, PictureDistance] | None = None,
) -> Evaluation:
    """Score a method on pairs.

    What is not annotated is not scored; the views that the task ``view`` renders are compared all the same.

    Args:
        task: one of ``TASKS``, or its name.
        pairs: which views to compare.
        objects: an object of the data set by its id.
        method: what is matched; one of ``METHODS``, or its name.
        model: for the methods that need one; it is put in evaluation mode by whoever loaded it.
        teacher: for the methods that need one.
        mirror: left/right counterpart of each keypoint id; None leaves confusions out.
        progress: whether to show a bar.
        background: what rendered views and real ones are compared on.
        distances: by which they are compared, beside PSNR and SSIM, by name.
    Raises:
        InputError: if the task or method is unknown, its model or teacher is missing, there is no pair, none has
            anything to score, or a ``view`` pair has two objects.
    """
    if isinstance(task, str) and task not in TASKS:
        raise InputError(f"{task!r} is no task over pairs of a data set's objects: give one of {', '.join(TASKS)}")
    task = TASKS[task] if isinstance(task, str) else task
    if not pairs:
        raise InputError(f"there is no pair to evaluate task {task.name!r} on: the list {task.pairs} is empty")
    inputs = Inputs(objects, model, teacher, background)
    compared = distances or {}
    return score_pairs(
        task, pairs, method, inputs, lambda pair, ready: _score(task, pair, ready, mirror, compared), progress
    )


def score_pairs(
    task: Task,
    pairs: Sequence[P],
    method: Method | str,
    inputs: Inputs,
    score: Callable[[P, Method], Scores | None],
    progress: bool,
) -> Evaluation:
    """The scores of the pairs that have any, by a method that is made ready for them."""
    method = METHODS[method] if isinstance(method, str) else method
    ready, start = method.start(inputs), time.perf_counter()
    with torch.no_grad():
        bar = Progress(pairs, desc=f"{task.name} {method.name}", unit="pair", disable=not progress)
        scores = tuple(found for pair in bar if (found := score(pair, ready)) is not None)
    if not scores:
        problem = f"none of the {len(pairs)} pairs shares a part or a keypoint, or shows an object"
        raise InputError(f"{problem}: are they of this data?")
    seconds = time.perf_counter() - start
    return Evaluation(task, method, scores, len(pairs) - len(scores), seconds, inputs.seconds_per_picture)


def novel_view_pairs(views: Mapping[str, int], sources: Sequence[int]) -> list[Pair]:
    """Each object's source views against all of its other views; the first N are spread over objects and views.

    Args:
        views: how many views each object has.
        sources: the views that are encoded, together.
    Raises:
        InputError: if an object lacks a source view.
    """
    first, also = sources[0], tuple(sources[1:])
    for name, count in views.items():
        if not all(0 <= source < count for source in sources):
            raise InputError(f"object {name} has {count} views, not view {max(sources)}: give other source views")
    spread = sorted(range(max(views.values(), default=0)), key=lambda view: view * GOLDEN % 1)
    return [
        Pair(name, first, name, view, also)
        for view in spread
        for name, count in views.items()
        if view < count and view not in sources
    ]


def with_further_views(pair: Pair, further: int, views: int) -> Pair:
    """The pair with so many further views of the source object encoded: those that follow its own, not the target's.

    Raises:
        InputError: where the object has not so many.
    """
    others = [(pair.source_view + step) % views for step in range(1, views)]
    free = [view for view in others if pair.source_id != pair.target_id or view != pair.target_view]
    if len(free) < further:
        raise InputError(
            f"object {pair.source_id} has {views} views, too few for {further} further ones: ask for fewer"
        )
    return replace(pair, also=(*pair.also, *free[:further]))


def _score(
    task: Task, pair: Pair, method: Method, mirror: Mapping[int, int] | None, compared: Mapping[str, PictureDistance]
) -> Scores | None:
    """The scores of a pair; None if there is nothing to score."""
    objects = method.inputs.objects
    if task.one_object and pair.source_id != pair.target_id:
        raise InputError(f"task 'view' compares two views of one object, not {pair.source_id} with {pair.target_id}")
    source = PairView(pair.source_id, pair.source_view, pair.source_view, pair.also)
    other = PairView(pair.target_id, pair.target_view, pair.target_view)
    target = replace(source, shown=pair.target_view) if task.one_object else other
    for side in (source, target):
        count = len(objects(side.object_id))
        for view in (side.shown, side.encoded, *side.also):
            if not 0 <= view < count:
                raise InputError(f"a pair names view {view} of object {side.object_id}, which has {count} views")
    renders = bool(method.channels) and not task.in_space
    needed: tuple[AnnotationKind, ...] = ("part_3d", "kp_3d") if task.in_space else ("part_2d", "kp_2d")
    # what one side has is read of both: reading it of one that lacks it says what is missing
    kinds = tuple(kind for kind in needed if any(objects(side.object_id).has(kind) for side in (source, target)))
    if not kinds and not (task.one_object and renders):
        raise InputError(
            f"object {target.object_id} has neither parts nor keypoints: only its novel views can be compared, in the "
            "task view with a method of the field"
        )
    if not kinds and not all(_shows_something(objects, side) for side in (source, target)):
        return None
    places_of = points_of if task.in_space else pixels_of
    known, wanted = places_of(objects, source, kinds), places_of(objects, target, kinds)
    parts = metrics.shared_parts(known.parts, wanted.parts)
    ids = [number for number in known.keypoints if number in wanted.keypoints] if len(wanted.candidates) else []
    if kinds and not parts and not ids:
        return None
    part_iou = accuracy = left_right = psnr = foreground = ssim = None
    errors, distances = torch.zeros(0), {}
    if parts:
        predicted = method.labels(target, wanted.labelled, source, known.labelled, known.parts)
        part_iou = metrics.part_iou(predicted, wanted.parts, parts)
    if ids:
        asked, truth = (torch.stack([of.keypoints[number] for number in ids]) for of in (known, wanted))
        landed = wanted.candidates[method.carry(source, asked, target, wanted.candidates)]
        errors = metrics.distances(landed, truth)
        accuracy = metrics.keypoint_accuracy(errors, task.thresholds)
        left_right = metrics.left_right_confusion(landed, ids, wanted.keypoints, mirror) if mirror else None
    if renders:
        picture = np.asarray(objects(target.object_id).picture(target.shown))
        rendered = method.inputs.picture(target, method.channels)
        real = composite_bytes(picture, method.inputs.background)
        psnr, ssim = metrics.psnr(rendered, real), metrics.ssim(rendered, real)
        distances = {name: distance(rendered, real) for name, distance in compared.items()}
        foreground = metrics.psnr(rendered, real, picture[..., 3] > 127) if picture.shape[2] == 4 else None
    return Scores(pair, part_iou, accuracy, left_right, psnr, foreground, ssim, tuple(errors.tolist()), distances)


def _shows_something(objects: Callable[[str], ObjectViews], side: PairView) -> bool:
    """Whether neither the encoded pictures nor the shown one are blank."""
    views = objects(side.object_id)
    pictures = [views.picture(view) for view in {side.encoded, side.shown, *side.also}]
    return all(picture.shape[2] == 3 or picture[..., 3].any() for picture in pictures)


def pixels_of(
    objects: Callable[[str], ObjectViews], side: PairView, kinds: Sequence[AnnotationKind] = ("part_2d", "kp_2d")
) -> Places:
    """The annotated pixels of the shown view: keypoints go to labelled pixels; their positions are truncated.

    Where no part is annotated, keypoints go to the pixels of the object.
    """
    views = objects(side.object_id)
    if "part_2d" in kinds:
        parts = torch.as_tensor(views.parts(side.shown)).long()
        on_object = parts > 0
    else:
        picture = torch.as_tensor(views.picture(side.shown))
        on_object = picture[..., 3] > 127 if picture.shape[2] == 4 else torch.ones(picture.shape[:2], dtype=torch.bool)
        parts = torch.zeros_like(on_object, dtype=torch.int64)
    keypoints = views.keypoints(side.shown) if "kp_2d" in kinds else torch.zeros(0, 3)
    found = torch.as_tensor(keypoints).reshape(-1, 3).trunc().long()
    if ((found[:, :2] < 0) | (found[:, :2] >= torch.tensor([*parts.shape[::-1]]))).any():
        raise InputError(
            f"view {side.shown} of object {side.object_id} has a keypoint outside its picture: "
            "its annotation is broken, see featurenerf data check"
        )
    places = on_object.nonzero()
    pixels = places.flip(-1)
    return Places(pixels, parts[places[:, 0], places[:, 1]], _by_id(found), pixels)


def points_of(
    objects: Callable[[str], ObjectViews], side: PairView, kinds: Sequence[AnnotationKind] = ("part_3d", "kp_3d")
) -> Places:
    """The annotated world points of an object: keypoints go to candidate points on its surface."""
    views = objects(side.object_id)
    surface = views.part_points() if "part_3d" in kinds else (np.zeros((0, 3)), np.zeros(0))
    choices = views.keypoint_candidates() if "kp_3d" in kinds else (np.zeros((0, 3)), np.zeros((0, 4)))
    points, parts, candidates, found = map(torch.as_tensor, (*surface, *choices))
    return Places(points.float(), parts.long(), _by_id(found.reshape(-1, 4).float()), candidates.float())


def _by_id(keypoints: Shaped[Tensor, "k _"]) -> dict[int, Shaped[Tensor, " c"]]:
    """Rows of a place and an id as places by id, in order; the first row of an id counts."""
    found: dict[int, Tensor] = {}
    for row in keypoints:
        found.setdefault(int(row[-1]), row[:-1])
    return found
