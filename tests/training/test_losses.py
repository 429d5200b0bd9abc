"""The losses on made rays: zero where all is right, and larger the more is wrong."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from featurenerf.models.fast_head import PLACE_DIM, place_loss
from featurenerf.rendering import RayValues
from featurenerf.training.hull import SHAPE_DIM
from featurenerf.training.losses import Rays, hull_loss, ray_losses, weighted

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


def two_rays(**changes: Tensor) -> tuple[RayValues, dict[str, Tensor]]:
    """Two rays from the origin, along x and along y, with samples at depths 1 and 2 of weights 0.5 and 0.25."""
    truth = {
        "origins": torch.zeros(1, 2, 3),
        "directions": torch.tensor([[[1.0, 0, 0], [0, 1, 0]]]),
        "rgb": torch.zeros(1, 2, 3),
        "alpha": torch.ones(1, 2, 1),
        "feature": torch.zeros(1, 2, 2),
        "present": torch.ones(1, 2, 1),
    }
    channels = {name: truth[name].clone() for name in ("rgb", "alpha", "feature")}
    channels |= {name: value for name, value in changes.items() if name in channels}
    exact = torch.tensor([[[[1.0, 0, 0], [2, 0, 0]], [[0, 1, 0], [0, 2, 0]]]])
    samples = {"coordinate": changes.get("coordinate", exact)}
    weights = torch.tensor([0.5, 0.25]).expand(1, 2, 2)
    return RayValues(channels, torch.tensor([1.0, 2.0]).expand(1, 2, 2), weights, samples), truth


def test_nothing_is_lost_where_all_is_right() -> None:
    seen, truth = rays()
    losses = ray_losses(seen, Rays(**truth))
    assert set(losses) == {"rgb", "alpha", "feature", "coordinate"}
    assert all(float(value) == pytest.approx(0, abs=2e-4) for value in losses.values())


@pytest.mark.parametrize("name", ["rgb", "alpha", "feature", "coordinate"])
def test_each_error_has_its_loss(name: str) -> None:
    seen, truth = rays(**{name: 0.1})
    losses = ray_losses(seen, Rays(**truth))
    assert [n for n, value in losses.items() if value > 2e-4] == [name]
    expected = {
        "alpha": -0.6 * math.log(0.9),  # cross-entropy of three rays in five, which hit
        "coordinate": 0.9
        * 3
        * (0.1 / 0.25) ** 2,  # three samples of weight 0.3, three axes, in quarters of the diagonal
    }
    assert float(losses[name]) == pytest.approx(expected.get(name, 0.01), rel=2e-3)


def test_the_colour_loss_is_a_mean_over_rays_and_channels() -> None:
    seen, truth = two_rays(rgb=torch.tensor([[[0.3, 0, 0], [0, -0.9, 0]]]))
    assert float(ray_losses(seen, Rays(**truth))["rgb"]) == pytest.approx((0.09 + 0.81) / 6)


def test_the_feature_loss_is_a_mean_over_the_rays_that_have_one() -> None:
    seen, truth = two_rays(feature=torch.tensor([[[1.0, -3], [2, 0]]]))  # means of squares: 5 and 2
    for present, expected in (([1.0, 1.0], 3.5), ([1.0, 0.0], 5.0), ([0.0, 1.0], 2.0), ([0.0, 0.0], 0.0)):
        there = torch.tensor(present).reshape(1, 2, 1)
        assert float(ray_losses(seen, Rays(**{**truth, "present": there}))["feature"]) == pytest.approx(expected)


def test_the_coordinate_loss_is_a_mean_over_the_rays_opacity() -> None:
    """In quarters of the diagonal, the samples of the first ray are off by 1 and 2, those of the second by 2 and 4."""
    predicted = torch.tensor([[[[1.0, 0, 0.25], [2, -0.5, 0]], [[0.5, 1, 0], [0, 1, 0]]]])
    seen, truth = two_rays(coordinate=predicted)  # 0.5 * 1 + 0.25 * 4 = 1.5, and 0.5 * 4 + 0.25 * 16 = 6
    for alpha, expected in (
        ([1.0, 1.0], 3.75),
        ([1.0, 0.0], 1.5),
        ([1.0, 0.5], 4.5 / 1.5),
        ([0.5, 0.0], 0.75),  # less than one ray in all: a faint edge counts less
    ):
        opacity = torch.tensor(alpha).reshape(1, 2, 1)
        assert float(ray_losses(seen, Rays(**{**truth, "alpha": opacity}))["coordinate"]) == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_opacity_loss_is_a_cross_entropy_that_ends_at_a_ten_thousandth(dtype: torch.dtype) -> None:
    """Also where a renderer works in bfloat16, which knows no number between 0.996 and 1."""
    for predicted, true, expected in (
        (0.25, 1.0, 1.386294),  # -log 0.25
        (0.25, 0.0, 0.287682),  # -log 0.75
        (0.0, 1.0, 9.210340),  # -log 0.0001
        (1.0, 0.0, 9.210340),
        (1.0, 1.0, 0.000100),
    ):
        seen, truth = two_rays(alpha=torch.full((1, 2, 1), predicted, dtype=dtype))
        found = ray_losses(seen, Rays(**{**truth, "alpha": torch.full((1, 2, 1), true)}))["alpha"]
        assert float(found) == pytest.approx(expected, rel=1e-3)


def test_features_count_where_there_are_any_and_coordinates_on_the_object() -> None:
    seen, truth = rays()
    seen.channels["feature"] = seen.channels["feature"] + (1 - truth["present"])
    seen.samples["coordinate"][:, 3:] += 1.0  # rays that miss
    losses = ray_losses(seen, Rays(**truth))
    assert float(losses["feature"]) == pytest.approx(0, abs=1e-10)
    assert float(losses["coordinate"]) == pytest.approx(0, abs=1e-10)


def test_no_hits_no_nan() -> None:
    seen, truth = rays(feature=1.0)
    losses = ray_losses(seen, Rays(**{**truth, "alpha": truth["alpha"] * 0, "present": truth["present"] * 0}))
    assert all(value.isfinite() for value in losses.values())
    assert losses["feature"] == losses["coordinate"] == 0


def test_the_coordinate_loss_does_not_move_densities() -> None:
    seen, truth = rays(coordinate=0.1)
    weights = seen.weights.clone().requires_grad_()
    seen = RayValues(seen.channels, seen.depths, weights, seen.samples)
    assert not ray_losses(seen, Rays(**truth))["coordinate"].requires_grad


def test_coarse_and_fine_pass_add_up() -> None:
    coarse, truth = rays(rgb=0.1)
    alone = ray_losses(coarse, Rays(**truth))["rgb"]
    both, _ = rays(coarse, rgb=0.2)
    assert float(ray_losses(both, Rays(**truth))["rgb"]) == pytest.approx(float(alone) + 0.04, rel=1e-4)


def test_every_loss_of_the_coarse_pass_counts_as_much_as_of_the_fine() -> None:
    wrong = {
        "rgb": torch.full((1, 2, 3), 0.5),
        "alpha": torch.full((1, 2, 1), 0.25),
        "feature": torch.full((1, 2, 2), 3.0),
        "coordinate": torch.tensor([[[[1.0, 0, 0.25], [2, 0, 0]], [[0, 1.25, 0], [0, 2, 0]]]]),
    }
    coarse, truth = two_rays(**wrong)
    fine, _ = two_rays(rgb=torch.full((1, 2, 3), 0.1))
    both = RayValues(fine.channels, fine.depths, fine.weights, fine.samples, coarse)
    found = {name: float(value) for name, value in ray_losses(both, Rays(**truth)).items()}
    expected = {"rgb": 0.25 + 0.01, "alpha": 1.386294 + 0.0001, "feature": 9.0, "coordinate": 0.5}
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_hull_loss_of_three_points(dtype: torch.dtype) -> None:
    """Solid inside: -log(1 - 1/e) / 2. Empty inside: -log(1 - exp(-0.0001)) / 2. Two optical depths outside: 2."""
    density = torch.tensor([[50.0, 0, 100]], dtype=dtype)
    found = hull_loss(density, torch.tensor([[1.0, 1, 0]]))
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx((0.229338 + 4.605195 + 2) / 3, rel=1e-4)
    for point, expected in enumerate((0.229338, 4.605195, 2.0)):
        alone = hull_loss(density[:, point : point + 1], torch.tensor([[1.0, 1, 0]])[:, point : point + 1])
        assert float(alone) == pytest.approx(expected, rel=1e-3)


def test_a_dense_point_outside_is_pushed_down_as_hard_as_a_thin_one() -> None:
    density = torch.tensor([[0.0, 5000.0]], requires_grad=True)
    hull_loss(density, torch.zeros(1, 2)).backward()
    assert density.grad is not None
    assert density.grad.flatten().tolist() == pytest.approx([0.01, 0.01])  # 0.02 of each, halved by the mean


def test_hull_loss_wants_matter_inside_and_none_outside() -> None:
    inside = torch.tensor([[1.0, 1, 0, 0]])
    solid = 500.0  # ten optical depths in a step of 0.02
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
    predicted = places.unsqueeze(1).repeat(1, 2, 1, 1)  # two fields of each object
    present = torch.tensor([1.0, 1, 0, 0, 0]).expand(B, R).unsqueeze(-1)
    assert float(place_loss(predicted, places, present)) == 0
    predicted[:, :, 2:] += 9  # where there is no object
    assert float(place_loss(predicted, places, present)) == 0
    predicted[0, 1, 0, 5] += 0.25  # one number of one of the eight rays
    assert float(place_loss(predicted, places, present)) == pytest.approx(1 / 8)
    assert float(place_loss(predicted, places, 0 * present)) == 0


def test_the_place_loss_of_two_fields() -> None:
    """One number off by a quarter in one field; two by a half, to either side, in the other."""
    places = torch.tensor([[[0.1, 0.2], [9.0, 9.0]]])
    predicted = torch.tensor([[[[0.35, 0.2], [0, 0]], [[-0.4, 0.7], [0, 0]]]])
    present = torch.tensor([[[1.0], [0]]])
    assert float(place_loss(predicted, places, present)) == pytest.approx((1 + 8) / 2)
    assert float(place_loss(predicted[:, :1], places, present)) == pytest.approx(1)


def test_the_head_tells_as_many_numbers_as_a_place_has() -> None:
    assert PLACE_DIM == 3 + SHAPE_DIM == 27


def test_weighted_sum() -> None:
    weights = {"rgb": 2.0, "feature": 0.5, "alpha": 100.0}  # of a loss that is not there
    assert weighted({"rgb": torch.tensor(3.0), "feature": torch.tensor(4.0)}, weights) == 8


def test_coordinates_are_compared_by_weight_a_sample_or_a_ray() -> None:
    """Errors of a quarter of a diagonal, one unit, forward and backward along the first ray."""
    wrong = torch.tensor([[[[1.25, 0, 0], [1.75, 0, 0]], [[0, 1, 0], [0, 2, 0]]]])
    seen, truth = two_rays(coordinate=wrong)
    for kind, expected in (("weighted", (0.5 + 0.25) / 2), ("sample", 2 / 4), ("ray", 0.0)):
        assert float(ray_losses(seen, Rays(**truth), kind)["coordinate"]) == pytest.approx(expected), kind
    both = torch.tensor([[[[1.25, 0, 0], [2.25, 0, 0]], [[0, 1, 0], [0, 2, 0]]]])
    seen, truth = two_rays(coordinate=both)
    assert float(ray_losses(seen, Rays(**truth), "ray")["coordinate"]) == pytest.approx(1 / 2)
