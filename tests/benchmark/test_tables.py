"""Tables of made records: means over seeds, paired differences, claims, and what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from featurenerf.benchmark.plan import Have, Plan
from featurenerf.benchmark.recipe import Experiment, Row, Training, Trial
from featurenerf.benchmark.tables import entries

EXPERIMENT = Experiment(
    "made", "Made.", {"fast": Training({})},
    {
        "field": Row(trained="fast"),
        "chance": Row("chance"),
        "feature": Row("feature", trained="fast", reference="chance"),
    },
    {"2d": Trial({"task": "2d"}, 4, "10"), "view": Trial({"task": "view"}, 4, "10")}, "field", ("chair", "car"),
)  # fmt: skip
PAIRS = [{"src": f"o{n}", "trg": f"o{n + 1}", "view": 0} for n in range(6)]


def record(
    row: str, values: list[float | None], seed: int | None = None, trial: str = "2d", category: str = "chair"
) -> Any:
    scores = {"pair": PAIRS, "part_iou": values, "keypoint_accuracy": {"5": [0.0] * 6, "10": [0.5] * 6}}
    scores |= {"psnr": [20.0] * 6, "ssim": [None] * 6, "distances": {"efficientnet-lite0": [0.1] * 6}}
    report = {"pairs_scores": scores, "privileged": row == "chance"}
    return {"row": row, "trial": trial, "category": category, "seed": seed, "report": report}


def test_seeds_are_averaged_pair_by_pair_and_compared_with_the_reference() -> None:
    better = [[0.5, 0.6, 0.7, 0.8, 0.9, None], [0.7, 0.8, 0.9, 1.0, 0.9, None]]
    records = [record("field", values, seed) for seed, values in enumerate(better)]
    records.append(record("chance", [0.1, 0.2, 0.3, 0.4, 0.4, 0.4]))
    found = {(e.row, e.category, e.metric): e for e in entries(Plan(EXPERIMENT, Have(), ()), records)}
    field, chance = found["field", "chair", "parts"], found["chance", "chair", "parts"]
    assert field.mean.value == pytest.approx((0.6 + 0.7 + 0.8 + 0.9 + 0.9) / 5)
    assert field.mean.count == 5
    assert field.seeds == pytest.approx((0.7, 0.86))
    assert field.difference is None
    assert chance.difference is not None
    assert chance.difference.value == pytest.approx(-0.5)  # on the five pairs that both have
    assert chance.claim
    assert chance.privileged
    assert found["chance", "chair", "keypoints"].difference.value == 0  # type: ignore[union-attr]
    assert not found["chance", "chair", "keypoints"].claim
    assert found["field", "chair", "keypoints"].mean.value == 0.5
    assert ("field", "chair", "psnr") not in found  # of the view that was encoded
    assert found["field", None, "parts"].mean.value == pytest.approx(0.78)  # of all categories


def test_a_claim_needs_every_seed() -> None:
    high, low = [0.9] * 6, [0.0, 0.1, 0.0, 0.1, 0.0, 0.1]
    records = [record("field", low, 0), record("field", high, 1), record("chance", [0.2, 0.21, 0.2, 0.21, 0.2, 0.2])]
    found = {(e.row, e.category, e.metric): e for e in entries(Plan(EXPERIMENT, Have(), ()), records)}
    chance = found["chance", "chair", "parts"]
    assert chance.difference is not None
    assert chance.difference.leaves_zero_out
    assert not chance.claim


def test_pictures_are_compared_in_new_views_once_a_field() -> None:
    records = [record(row, [0.5] * 6, 0, "view") for row in ("field", "feature")]
    found = {(e.row, e.metric) for e in entries(Plan(EXPERIMENT, Have(), ()), records) if e.category == "chair"}
    assert {("field", "psnr"), ("field", "efficientnet-lite0"), ("feature", "parts")} <= found
    assert ("field", "ssim") not in found  # no pair has one
    assert ("feature", "psnr") not in found  # it is the same field's
