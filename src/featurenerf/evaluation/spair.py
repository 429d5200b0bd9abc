"""Keypoint transfer between photographs: PCK on SPair-71k (Min et al., 2019)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from featurenerf.data.readers.spair import KeypointPair, SpairImage
from featurenerf.data.views import Dataset
from featurenerf.errors import InputError
from featurenerf.evaluation import metrics
from featurenerf.evaluation.methods import Embedder, Encoder, End, FeatureMaps, Method
from featurenerf.evaluation.protocols import Evaluation, Scores, Task

ALPHAS = (0.05, 0.1, 0.15)
TASK = Task("spair", "cross_inst_pairs", False, False, ALPHAS)
"""Its thresholds are in units of the longer side of the target's box."""


@dataclass(frozen=True)
class PckEvaluation(Evaluation):
    """``keypoint_accuracy`` is the mean over pairs.

    Attributes:
        errors: of the keypoints of each pair, in units of the longer side of the target's box.
        masks: how many of the photographs were masked how.
    """

    errors: Sequence[Float[Tensor, " k"]] = ()
    masks: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def pck_per_keypoint(self) -> dict[str, float]:
        """The share of all keypoints."""
        return pck(torch.cat(list(self.errors)))


def evaluate_spair(
    pairs: Sequence[KeypointPair],
    dataset: Dataset,
    method: Method = "descriptor",
    model: Encoder | None = None,
    teacher: FeatureMaps | None = None,
    progress: bool = True,
) -> PckEvaluation:
    """PCK of a method: each keypoint of the source goes to the pixel of the target object that is closest to it.

    Pixels are those of the pictures that ``SpairImage`` cuts out, candidates those with an alpha above a half, and
    distances are measured in the files' pictures. Pairs without keypoints and pairs of broken objects are skipped.

    Raises:
        InputError: if nothing is left, or a file of a photograph is missing or broken.
    """
    embedder = Embedder(method, dataset.__getitem__, model, teacher)
    scores, errors, used = [], [], set()
    start = time.perf_counter()
    with torch.no_grad():
        for pair in tqdm(pairs, desc=f"spair {method}", unit="pair", disable=not progress):
            if len(pair.source_keypoints) == 0 or {pair.source, pair.target} & set(dataset.broken):
                continue
            errors.append(_errors(pair, dataset, embedder))
            used |= {pair.source, pair.target}
            scores.append(Scores(keypoint_accuracy=pck(errors[-1])))
    if not scores:
        raise InputError(f"none of the {len(pairs)} pairs of {dataset.category} has a keypoint: unpack SPair-71k again")
    return PckEvaluation(
        task=TASK,
        method=method,
        scores=tuple(scores),
        skipped=len(pairs) - len(scores),
        seconds=time.perf_counter() - start,
        seconds_per_picture=embedder.seconds_per_picture,
        errors=tuple(errors),
        masks=Counter(_photograph(dataset, name).mask for name in sorted(used)),
    )


def pck(errors: Float[Tensor, " k"]) -> dict[str, float]:
    """The share of errors, in units of the longer side of the target's box, that are at most each of ``ALPHAS``."""
    return {metrics.threshold_name(alpha): int((errors <= alpha).sum()) / len(errors) for alpha in ALPHAS}


def _errors(pair: KeypointPair, dataset: Dataset, embedder: Embedder) -> Float[Tensor, " k"]:
    source, target = _photograph(dataset, pair.source), _photograph(dataset, pair.target)
    size = target.picture(0).shape[0]
    asked = torch.from_numpy(source.to_square(pair.source_keypoints)).floor().long().clamp(0, size - 1)
    candidates = (torch.from_numpy(target.picture(0))[..., 3] > 127).nonzero().flip(-1)
    index = embedder.closest(
        embedder.pixels(End(pair.source, 0, 0), asked), embedder.pixels(End(pair.target, 0, 0), candidates)
    )
    landed = target.from_square(candidates[index].double().numpy() + 0.5)
    box = pair.target_box
    distance = metrics.distances(torch.from_numpy(landed), torch.from_numpy(pair.target_keypoints))
    return distance / float(max(box[2] - box[0], box[3] - box[1]))


def _photograph(dataset: Dataset, name: str) -> SpairImage:
    found = dataset[name]
    if not isinstance(found, SpairImage):
        raise InputError(f"{dataset.root} is not SPair-71k: take another task")
    return found
