"""The losses on made rays: zero where all is right, and larger the more is wrong."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from featurenerf.fields.fast import PLACE_DIM
from featurenerf.rendering import RayValues
from featurenerf.training.hull import SHAPE_DIM
from featurenerf.training.losses import (
    COORDINATE_UNIT,
    HULL_STEP,
    hull_loss,
    place_loss,
    ray_losses,
    weighted,
)

B, R, S = 2, 5, 3


def rays(coarse: RayValues | None = None, **errors: float) -> tuple[RayValues, dict[str, Tensor]]:
    """What rays saw and what they should have seen; ``errors`` are added to the former, taken from opacities."""
    torch.manual_seed(0)
    truth = {
        "origins": torch.randn(B, R, 3),
        "directions": torch.nn.functional.normalize(torch.randn(B, R, 3), dim=-1),
        "rgb": torch.rand(B, R, 3),
        "alpha": torch.tensor([1.0, 1, 1, 0, 0]).expand(B, R).unsqueeze(-1),
        "feature": torch.randn(B, R, 4),
        "present": torch.tensor([1.0, 1, 0, 0, 0]).expand(B, R).unsqueeze(-1),
    }
    depths = torch.rand(B, R, S).sort(-1).values + 1
    points = truth["origins"].unsqueeze(2) + truth["directions"].unsqueeze(2) * depths.unsqueeze(-1)
    channels = {name: truth[name] + errors.get(name, 0.0) for name in ("rgb", "feature")}
    channels["alpha"] = (truth["alpha"] - errors.get("alpha", 0.0)).clamp(0, 1)
    samples = {"coordinate": points + errors.get("coordinate", 0.0)}
    return RayValues(channels, depths, torch.full((B, R, S), 0.3), samples, coarse), truth


def test_nothing_is_lost_where_all_is_right() -> None:
    seen, truth = rays()
    losses = ray_losses(seen, **truth)
    assert set(losses) == {"rgb", "alpha", "feature", "coordinate"}
    assert all(float(value) == pytest.approx(0, abs=2e-4) for value in losses.values())


@pytest.mark.parametrize("name", ["rgb", "alpha", "feature", "coordinate"])
def test_each_error_has_its_loss(name: str) -> None:
    seen, truth = rays(**{name: 0.1})
    losses = ray_losses(seen, **truth)
    assert [n for n, value in losses.items() if value > 2e-4] == [name]
    expected = {
        "alpha": -0.6 * math.log(0.9),  # cross-entropy of three rays in five, which hit
        "coordinate": 0.9 * 3 * (0.1 / COORDINATE_UNIT) ** 2,  # three samples of weight 0.3, three axes
    }
    assert float(losses[name]) == pytest.approx(expected.get(name, 0.01), rel=2e-3)


def test_features_count_where_there_are_any_and_coordinates_on_the_object() -> None:
    seen, truth = rays()
    seen.channels["feature"] = seen.channels["feature"] + (1 - truth["present"])
    seen.samples["coordinate"][:, 3:] += 1.0  # rays that miss
    losses = ray_losses(seen, **truth)
    assert float(losses["feature"]) == pytest.approx(0, abs=1e-10)
    assert float(losses["coordinate"]) == pytest.approx(0, abs=1e-10)


def test_no_hits_no_nan() -> None:
    seen, truth = rays(feature=1.0)
    losses = ray_losses(seen, **{**truth, "alpha": truth["alpha"] * 0, "present": truth["present"] * 0})
    assert all(value.isfinite() for value in losses.values())
    assert losses["feature"] == losses["coordinate"] == 0


def test_the_coordinate_loss_does_not_move_densities() -> None:
    seen, truth = rays(coordinate=0.1)
    weights = seen.weights.clone().requires_grad_()
    seen = RayValues(seen.channels, seen.depths, weights, seen.samples)
    assert not ray_losses(seen, **truth)["coordinate"].requires_grad


def test_coarse_and_fine_pass_add_up() -> None:
    coarse, truth = rays(rgb=0.1)
    alone = ray_losses(coarse, **truth)["rgb"]
    both, _ = rays(coarse, rgb=0.2)
    assert float(ray_losses(both, **truth)["rgb"]) == pytest.approx(float(alone) + 0.04, rel=1e-4)


def test_hull_loss_wants_matter_inside_and_none_outside() -> None:
    inside = torch.tensor([[1.0, 1, 0, 0]])
    solid = 10 / HULL_STEP
    right = float(hull_loss(torch.tensor([[solid, solid, 0, 0]]), inside))
    assert right == pytest.approx(0, abs=1e-3)
    assert float(hull_loss(torch.zeros(1, 4), inside)) > right + 0.1
    assert float(hull_loss(torch.full((1, 4), solid), inside)) > right + 0.1
    density = torch.zeros(1, 4, requires_grad=True)
    hull_loss(density, inside).backward()
    assert density.grad is not None
    assert density.grad.isfinite().all()
    assert (density.grad[inside == 0] > 0).all()


def test_place_loss_counts_the_rays_that_meet_the_object() -> None:
    torch.manual_seed(0)
    places = torch.randn(B, R, 27)
    told = places.unsqueeze(1).repeat(1, 2, 1, 1)  # two fields of each object
    present = torch.tensor([1.0, 1, 0, 0, 0]).expand(B, R).unsqueeze(-1)
    assert float(place_loss(told, places, present)) == 0
    told[:, :, 2:] += 9  # where there is no object
    assert float(place_loss(told, places, present)) == 0
    told[0, 1, 0, 5] += COORDINATE_UNIT  # one number of one of the eight rays
    assert float(place_loss(told, places, present)) == pytest.approx(1 / 8)
    assert float(place_loss(told, places, 0 * present)) == 0


def test_the_head_tells_as_many_numbers_as_a_place_has() -> None:
    assert PLACE_DIM == 3 + SHAPE_DIM


def test_weighted_sum() -> None:
    weights = {"rgb": 2.0, "feature": 0.5}
    assert weighted({"rgb": torch.tensor(3.0), "feature": torch.tensor(4.0)}, weights) == 8
