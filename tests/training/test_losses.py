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
    correspondence_loss,
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


# ---------------------------------------------------------------------- correspondence


def made(one: Tensor, two: Tensor, seed: int = 0, rays: int = 64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two objects seen twice. Descriptors are ``one`` and ``two`` (3, d) applied to waves of the place in the box."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(2, rays, 3, generator=generator) - 0.5
    waves = torch.cat([torch.sin(3 * points), torch.cos(3 * points), torch.sin(7 * points), torch.cos(7 * points)], -1)
    descriptors = torch.stack([waves @ one, waves @ two], 1)  # (o, v, r, d)
    return descriptors, points, waves, torch.ones(2, rays, 1)


def loss_of(descriptors: Tensor, points: Tensor, features: Tensor, present: Tensor) -> float:
    return float(correspondence_loss(descriptors, points, features, present))


def test_right_descriptors_lose_less_than_shuffled_ones() -> None:
    torch.manual_seed(0)
    turn = torch.linalg.qr(torch.randn(12, 12)).Q
    descriptors, points, features, present = made(turn, turn)
    right = loss_of(descriptors, points, features, present)
    shuffled = descriptors.clone()
    shuffled[:, 1] = shuffled[:, 1, torch.randperm(64)]
    constant = torch.ones_like(descriptors)
    assert right < 0.8 * loss_of(constant, points, features, present)
    assert right < 0.6 * loss_of(shuffled, points, features, present)
    different, *_ = made(turn, torch.linalg.qr(torch.randn(12, 12)).Q)  # each picture speaks a language of its own
    assert right < 0.6 * loss_of(different, points, features, present)


def test_lengths_of_descriptors_do_not_matter() -> None:
    turn = torch.eye(12)
    descriptors, points, features, present = made(turn, turn)
    scaled = descriptors * torch.rand(2, 2, 64, 1).add(0.1)
    assert loss_of(scaled, points, features, present) == pytest.approx(
        loss_of(descriptors, points, features, present), rel=1e-4
    )


def test_rays_that_miss_take_no_part() -> None:
    turn = torch.eye(12)
    descriptors, points, features, present = made(turn, turn)
    present[:, 40:] = 0
    spoilt = [t.clone() for t in (descriptors, points, features)]
    spoilt[0][:, :, 40:], spoilt[1][:, 40:], spoilt[2][:, 40:] = 9.0, 7.0, -3.0
    assert loss_of(*spoilt, present) == loss_of(descriptors, points, features, present)


def test_training_descriptors_finds_the_correspondence() -> None:
    """Free descriptors that minimise the loss match places of one object across its pictures."""
    torch.manual_seed(0)
    _, points, features, present = made(torch.eye(12), torch.eye(12), rays=24)
    free = torch.randn(2, 2, 24, 16, requires_grad=True)
    optimizer = torch.optim.Adam([free], lr=0.3)
    for _ in range(60):
        loss = correspondence_loss(free, points, features, present)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    units = torch.nn.functional.normalize(free.detach(), dim=-1)
    for o in range(2):
        best = (units[o, 0] @ units[o, 1].T).argmax(1)
        assert (best == torch.arange(24)).float().mean() > 0.8


def test_too_few_hits_give_zero_with_a_gradient() -> None:
    descriptors, points, features, present = made(torch.eye(12), torch.eye(12))
    descriptors.requires_grad_()
    loss = correspondence_loss(descriptors, points, features, present * 0)
    assert loss == 0
    loss.backward()
    assert descriptors.grad is not None
    assert descriptors.grad.abs().sum() == 0
