"""Keypoint transfer between photographs: PCK on SPair-71k (Min et al., 2019)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from featurenerf.data.formats.spair import KeypointPair, SpairImage
from featurenerf.data.objects import Dataset
from featurenerf.data.splits import Pair
from featurenerf.errors import InputError
from featurenerf.evaluation import metrics
from featurenerf.evaluation.methods import FeatureMaps, Inputs, Method, PairView, PictureModel
from featurenerf.evaluation.tasks import Evaluation, Scores, Task, score_pairs

ALPHAS = (0.05, 0.1, 0.15)
TASK = Task("spair", "cross_inst_pairs", False, False, ALPHAS)
"""Its thresholds are in units of the longer side of the target's box."""


def evaluate_spair(
    pairs: Sequence[KeypointPair],
    dataset: Dataset,
    method: Method | str = "descriptor",
    model: PictureModel | None = None,
    teacher: FeatureMaps | None = None,
    *,
    progress: bool = True,
) -> Evaluation:
    """PCK of a method: each keypoint of the source goes to the pixel of the target object that is closest to it.

    Pixels are those of the pictures that ``SpairImage`` cuts out, candidates those with an alpha above a half, and
    distances are measured in the files' pictures. Pairs without keypoints and pairs of broken objects are skipped.

    Raises:
        InputError: if nothing is left, or a file of a photograph is missing or broken.
    """

    def score(pair: KeypointPair, ready: Method) -> Scores | None:
        if len(pair.source_keypoints) == 0 or {pair.source, pair.target} & set(dataset.broken):
            return None
        errors = _errors(pair, dataset, ready)
        sides = Pair(pair.source, 0, pair.target, 0)
        return Scores(sides, keypoint_accuracy=pck(errors), keypoint_errors=tuple(errors.tolist()))

    return score_pairs(TASK, pairs, method, Inputs(dataset.__getitem__, model, teacher), score, progress)


def spair_summary(evaluation: Evaluation, dataset: Dataset) -> dict[str, Any]:
    """What a report holds beside the means over pairs: PCK over all keypoints, and how the photographs were masked."""
    errors = [error for scores in evaluation.scores for error in scores.keypoint_errors]
    used = {name for scores in evaluation.scores for name in (scores.pair.source_id, scores.pair.target_id)}
    masks = Counter(_photograph(dataset, name).mask for name in sorted(used))
    return {"pck_per_keypoint": pck(torch.tensor(errors, dtype=torch.float64)), "masks": masks}


def pck(errors: Float[Tensor, " k"]) -> dict[str, float]:
    """The share of errors, in units of the longer side of the target's box, that are at most each of ``ALPHAS``."""
    return {metrics.threshold_name(alpha): int((errors <= alpha).sum()) / len(errors) for alpha in ALPHAS}


def _errors(pair: KeypointPair, dataset: Dataset, method: Method) -> Float[Tensor, " k"]:
    source, target = _photograph(dataset, pair.source), _photograph(dataset, pair.target)
    size = target.picture(0).shape[0]
    asked = torch.from_numpy(source.to_square(pair.source_keypoints)).floor().long().clamp(0, size - 1)
    candidates = (torch.from_numpy(target.picture(0))[..., 3] > 127).nonzero().flip(-1)
    views = PairView(pair.source, 0, 0), PairView(pair.target, 0, 0)
    index = method.carry(views[0], asked, views[1], candidates)
    landed = target.from_square(candidates[index].double().numpy() + 0.5)
    box = pair.target_box
    distance = metrics.distances(torch.from_numpy(landed), torch.from_numpy(pair.target_keypoints))
    return distance / float(max(box[2] - box[0], box[3] - box[1]))


def _photograph(dataset: Dataset, name: str) -> SpairImage:
    found = dataset[name]
    if not isinstance(found, SpairImage):
        raise InputError(f"{dataset.root} is not SPair-71k: take another task")
    return found
