"""From records of evaluations to tables: means with intervals, and differences to the row of reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from featurenerf.benchmark.plan import Plan
from featurenerf.benchmark.run import Record
from featurenerf.benchmark.statistics import Key, Mean, Values, differences, mean_of, over_seeds
from featurenerf.data.splits import Pair


@dataclass(frozen=True)
class Metric:
    """A score of pairs.

    Attributes:
        title: in tables.
        digits: that are shown.
        of_picture: whether it is of the rendered picture, which is shown for new views, and once for each field.
        worse: whether more of it is worse.
    """

    title: str
    digits: int
    of_picture: bool = True
    worse: bool = False


METRICS: dict[str, Metric] = {
    "parts": Metric("part mIoU", 3, of_picture=False),
    "keypoints": Metric("keypoints", 3, of_picture=False),
    "psnr": Metric("PSNR", 2),
    "ssim": Metric("SSIM", 3),
    "efficientnet-lite0": Metric("distance in EfficientNet-Lite0", 4, worse=True),
    "lpips-alex": Metric("LPIPS (AlexNet)", 4, worse=True),
}


@dataclass(frozen=True)
class Entry:
    """A cell of a table.

    Attributes:
        category: None is all of them together.
        difference: to the row of reference, which has none.
        seeds: the mean of each seed; empty for a row without a field.
        claim: whether the difference is one: its intervals leave zero out, and its sign is that of every seed.
    """

    row: str
    trial: str
    category: str | None
    metric: str
    mean: Mean
    seeds: tuple[float, ...]
    reference: str
    difference: Mean | None
    claim: bool
    privileged: bool


def entries(plan: Plan, records: Sequence[Record]) -> list[Entry]:
    """Every cell of the tables, of the evaluations that are done.

    Args:
        records: of evaluations, as ``run.read_record`` gives them.
    """
    found = []
    grouped: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        grouped.setdefault((record["row"], record["trial"]), []).append(record)
    several = len(plan.recipe.categories) > 1
    for (row, trial), mine in grouped.items():
        reference = plan.recipe.rows[row].reference or plan.recipe.reference
        others = [] if reference == row else grouped.get((reference, trial), [])
        new_view = plan.recipe.trials[trial].options["task"] == "view"
        for metric, known in METRICS.items():
            if known.of_picture and not (new_view and plan.recipe.rows[row].method in ("descriptor", "label")):
                continue
            for category in [*plan.recipe.categories, *([None] if several else [])]:
                threshold = plan.recipe.trials[trial].threshold
                own, theirs = (_by_seed(some, metric, threshold, category) for some in (mine, others))
                mean = mean_of(over_seeds([*own.values()]))
                if mean is None:
                    continue
                difference = mean_of(differences(over_seeds([*own.values()]), over_seeds([*theirs.values()])))
                seeds = tuple(sum(v.values()) / len(v) for seed, v in own.items() if seed is not None and v)
                claim = difference is not None and difference.leaves_zero_out and _same_sign(own, theirs)
                privileged = any(r["report"]["privileged"] for r in mine)
                found.append(Entry(row, trial, category, metric, mean, seeds, reference, difference, claim, privileged))
    return found


def values_of(record: Record, metric: str, threshold: str | None) -> dict[Key, float]:
    """A score of each pair of an evaluation that has it."""
    scores = record["report"]["pairs_scores"]
    if metric == "parts":
        column = scores["part_iou"]
    elif metric == "keypoints":
        column = scores["keypoint_accuracy"].get(threshold, [])
    elif metric in ("psnr", "ssim"):
        column = scores[metric]
    else:
        column = scores.get("distances", {}).get(metric, [])
    pairs = (Pair.from_record(pair) for pair in scores["pair"])
    named = zip(pairs, column, strict=False)
    return {
        (record["category"], p.source_id, p.target_id, p.source_view, p.target_view): float(value)
        for p, value in named
        if value is not None
    }


def _by_seed(
    records: Sequence[Record], metric: str, threshold: str | None, category: str | None
) -> dict[int | None, dict[Key, float]]:
    found: dict[int | None, dict[Key, float]] = {}
    for record in records:
        if category in (None, record["category"]):
            values = values_of(record, metric, threshold)
            if values:
                found.setdefault(record["seed"], {}).update(values)
    return found


def _same_sign(own: Mapping[int | None, Values], theirs: Mapping[int | None, Values]) -> bool:
    """Whether a difference has one sign, whichever seed of the one is compared with whichever of the other."""
    signs = set()
    for one in own.values():
        for other in theirs.values():
            difference = [*differences(one, other).values()]
            signs.add(sum(difference) > 0)
    return len(signs) == 1
