"""The three protocols of the paper, as one loop over pairs with a task and a method.

A pair is a source and a target; labels and keypoints are carried from the one to the other and compared with the
target's own. Everything is deterministic, and metrics are averaged over a pair first, then over the pairs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Int, Shaped
from torch import Tensor
from tqdm import tqdm

from featurenerf.data.layout import AnnotationKind
from featurenerf.errors import InputError
from featurenerf.evaluation import metrics
from featurenerf.evaluation.methods import Background, Embedder, Encoder, End, FeatureMaps, Method, Views, composite

TaskName = Literal["2d", "view", "3d", "spair"]


@dataclass(frozen=True)
class Task:
    """What the two ends of a pair are.

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
class Pair:
    """Two views, of two objects or of one; ``also`` are further views of the source object that are encoded."""

    source_id: str
    source_view: int
    target_id: str
    target_view: int
    also: tuple[int, ...] = ()

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Pair:
        """A pair from any of the forms that split files use.

        ``{src, trg, view}`` (two objects, one view index), ``{model_id, src_view, trg_view}`` (one object, two views),
        ``{src, trg, src_view, trg_view}`` (two objects, two views).

        Raises:
            InputError: for anything else.
        """
        try:
            source = str(record["model_id"] if "model_id" in record else record["src"])
            target = str(record["model_id"] if "model_id" in record else record["trg"])
            source_view, target_view = (
                (record["view"], record["view"]) if "view" in record else (record["src_view"], record["trg_view"])
            )
            return cls(source, int(source_view), target, int(target_view))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{record!r} is no pair: it needs src, trg and view; or model_id, src_view and trg_view; "
                "or src, trg, src_view and trg_view"
            ) from error


@dataclass(frozen=True)
class Places:
    """What is annotated at one end of a pair; a place is a pixel (column, row) or a world point (x, y, z).

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
    """What one pair scored; None where there was nothing to score."""

    part_iou: float | None = None
    keypoint_accuracy: dict[str, float] | None = None
    left_right: float | None = None
    psnr: float | None = None
    psnr_foreground: float | None = None
    ssim: float | None = None


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

    def keypoint_accuracy(self) -> dict[str, float] | None:
        """The mean accuracy at each threshold over the pairs that share a keypoint."""
        found = [pair.keypoint_accuracy for pair in self.scores if pair.keypoint_accuracy is not None]
        return {name: sum(f[name] for f in found) / len(found) for name in found[0]} if found else None


def evaluate(
    task: Task | TaskName,
    pairs: Sequence[Pair],
    objects: Callable[[str], Views],
    method: Method = "descriptor",
    model: Encoder | None = None,
    teacher: FeatureMaps | None = None,
    mirror: Mapping[int, int] | None = None,
    progress: bool = True,
    background: Background = "black",
) -> Evaluation:
    """Score a method on pairs.

    What is not annotated is not scored; the views that the task ``view`` renders are compared all the same.

    Args:
        task: one of ``TASKS``, or its name.
        pairs: which views to compare.
        objects: an object of the data set by its id.
        method: what is matched (``featurenerf.evaluation.methods``).
        model: for the methods that need one; it is put in evaluation mode by whoever loaded it.
        teacher: for the method ``teacher``.
        mirror: left/right counterpart of each keypoint id; None leaves confusions out.
        progress: whether to show a bar.
        background: what rendered views and real ones are compared on.
    Raises:
        InputError: if the task is unknown, there is no pair, none has anything to score, or a ``view`` pair has two
            objects.
    """
    if isinstance(task, str) and task not in TASKS:
        raise InputError(f"{task!r} is no task over pairs of a data set's objects: give one of {', '.join(TASKS)}")
    task = TASKS[task] if isinstance(task, str) else task
    if not pairs:
        raise InputError(f"there is no pair to evaluate task {task.name!r} on: the list {task.pairs} is empty")
    embedder = Embedder(method, objects, model, teacher, background)
    scores: list[Scores] = []
    start = time.perf_counter()
    with torch.no_grad():
        for pair in tqdm(pairs, desc=f"{task.name} {method}", unit="pair", disable=not progress):
            score = _score(task, pair, embedder, mirror)
            if score is not None:
                scores.append(score)
    if not scores:
        raise InputError(
            f"none of the {len(pairs)} pairs shares a part or a keypoint, or shows an object: are they of this data?"
        )
    return Evaluation(
        task=task,
        method=method,
        scores=tuple(scores),
        skipped=len(pairs) - len(scores),
        seconds=time.perf_counter() - start,
        seconds_per_picture=embedder.seconds_per_picture,
    )


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
            raise InputError(f"object {name} has {count} views, not view {max(sources)}: give other --source-views")
    golden = (5**0.5 - 1) / 2
    spread = sorted(range(max(views.values(), default=0)), key=lambda view: view * golden % 1)
    return [
        Pair(name, first, name, view, also)
        for view in spread
        for name, count in views.items()
        if view < count and view not in sources
    ]


def _score(task: Task, pair: Pair, embedder: Embedder, mirror: Mapping[int, int] | None) -> Scores | None:
    """The scores of a pair; None if there is nothing to score."""
    if task.one_object and pair.source_id != pair.target_id:
        raise InputError(f"task 'view' compares two views of one object, not {pair.source_id} with {pair.target_id}")
    source = End(pair.source_id, pair.source_view, pair.source_view, pair.also)
    encoded = pair.source_view if task.one_object else pair.target_view
    target = End(pair.target_id, encoded, pair.target_view, pair.also if task.one_object else ())
    for end in (source, target):
        count = len(embedder.objects(end.object_id))
        for view in (end.shown, end.encoded, *end.also):
            if not 0 <= view < count:
                raise InputError(f"a pair names view {view} of object {end.object_id}, which has {count} views")
    renders = embedder.has_field and not task.in_space
    kinds = _annotated(task, embedder.objects, source, target)
    if not kinds and not (task.one_object and renders):
        raise InputError(
            f"object {target.object_id} has neither parts nor keypoints: only its novel views can be compared, with "
            "--task view and a method of the field"
        )
    if not kinds and not all(_shows_something(embedder.objects, end) for end in (source, target)):
        return None
    places = points_of if task.in_space else pixels_of
    known, wanted = places(embedder.objects, source, kinds), places(embedder.objects, target, kinds)
    parts = metrics.shared_parts(known.parts, wanted.parts)
    ids = [number for number in known.keypoints if number in wanted.keypoints] if len(wanted.candidates) else []
    if kinds and not parts and not ids:
        return None
    embed = embedder.points if task.in_space else embedder.pixels
    part_iou = accuracy = left_right = None
    if parts:
        index = embedder.closest(embed(target, wanted.labelled), embed(source, known.labelled))
        part_iou = metrics.part_iou(known.parts[index], wanted.parts, parts)
    if ids:
        asked = torch.stack([known.keypoints[number] for number in ids])
        index = embedder.closest(embed(source, asked), embed(target, wanted.candidates))
        landed = wanted.candidates[index]
        truth = torch.stack([wanted.keypoints[number] for number in ids])
        accuracy = metrics.keypoint_accuracy(metrics.distances(landed, truth), task.thresholds)
        left_right = metrics.left_right_confusion(landed, ids, wanted.keypoints, mirror) if mirror else None
    psnr = foreground = ssim = None
    if renders:
        picture = torch.as_tensor(embedder.objects(target.object_id).picture(target.shown)).numpy()
        rendered, truth_picture = embedder.picture(target), composite(picture, embedder.background)
        psnr, ssim = metrics.psnr(rendered, truth_picture), metrics.ssim(rendered, truth_picture)
        foreground = metrics.psnr(rendered, truth_picture, picture[..., 3] > 127) if picture.shape[2] == 4 else None
    return Scores(part_iou, accuracy, left_right, psnr, foreground, ssim)


def _annotated(task: Task, objects: Callable[[str], Views], *ends: End) -> tuple[AnnotationKind, ...]:
    """The kinds of annotation that an end has: reading them of one that lacks them says what is missing."""
    needed: tuple[AnnotationKind, ...] = ("part_3d", "kp_3d") if task.in_space else ("part_2d", "kp_2d")
    return tuple(kind for kind in needed if any(objects(end.object_id).has(kind) for end in ends))


def _shows_something(objects: Callable[[str], Views], end: End) -> bool:
    """Whether neither the encoded pictures nor the shown one are blank."""
    views = objects(end.object_id)
    pictures = [views.picture(view) for view in {end.encoded, end.shown, *end.also}]
    return all(picture.shape[2] == 3 or picture[..., 3].any() for picture in pictures)


def pixels_of(
    objects: Callable[[str], Views], end: End, kinds: Sequence[AnnotationKind] = ("part_2d", "kp_2d")
) -> Places:
    """The annotated pixels of the shown view: keypoints go to labelled pixels; their positions are truncated.

    Where no part is annotated, keypoints go to the pixels of the object.
    """
    views = objects(end.object_id)
    if "part_2d" in kinds:
        parts = torch.as_tensor(views.parts(end.shown)).to(torch.int64)
        on_object = parts > 0
    else:
        picture = torch.as_tensor(views.picture(end.shown))
        on_object = picture[..., 3] > 127 if picture.shape[2] == 4 else torch.ones(picture.shape[:2], dtype=torch.bool)
        parts = torch.zeros_like(on_object, dtype=torch.int64)
    keypoints = views.keypoints(end.shown) if "kp_2d" in kinds else torch.zeros(0, 3)
    found = torch.as_tensor(keypoints).reshape(-1, 3).trunc().to(torch.int64)
    limit = torch.tensor([parts.shape[1], parts.shape[0]])
    if ((found[:, :2] < 0) | (found[:, :2] >= limit)).any():
        raise InputError(
            f"view {end.shown} of object {end.object_id} has a keypoint outside its picture: "
            "its annotation is broken, see featurenerf data check"
        )
    places = on_object.nonzero()
    pixels = places.flip(-1)
    return Places(pixels, parts[places[:, 0], places[:, 1]], _by_id(found), pixels)


def points_of(
    objects: Callable[[str], Views], end: End, kinds: Sequence[AnnotationKind] = ("part_3d", "kp_3d")
) -> Places:
    """The annotated world points of an object: keypoints go to candidate points on its surface."""
    views = objects(end.object_id)
    none = (torch.zeros(0, 3), torch.zeros(0))
    points, parts = (torch.as_tensor(a) for a in (views.part_points() if "part_3d" in kinds else none))
    none = (torch.zeros(0, 3), torch.zeros(0, 4))
    candidates, found = (torch.as_tensor(a) for a in (views.keypoint_candidates() if "kp_3d" in kinds else none))
    keypoints = _by_id(found.reshape(-1, 4).float())
    return Places(points.float(), parts.to(torch.int64), keypoints, candidates.float())


def _by_id(keypoints: Shaped[Tensor, "k _"]) -> dict[int, Shaped[Tensor, " c"]]:
    """Rows of a place and an id as places by id, in order; the first row of an id counts."""
    found: dict[int, Tensor] = {}
    for row in keypoints:
        found.setdefault(int(row[-1]), row[:-1])
    return found
