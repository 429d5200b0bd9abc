"""What corresponds between objects, and the loss of descriptors that are alike elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from featurenerf.training.correspondence import COMPARED, correspondence_loss, correspondences


def made(one: Tensor, two: Tensor, seed: int = 0, rays: int = 64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two objects seen twice. Descriptors are ``one`` and ``two`` (3, d) applied to waves of the place in the box."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(2, rays, 3, generator=generator) - 0.5
    waves = torch.cat([torch.sin(3 * points), torch.cos(3 * points), torch.sin(7 * points), torch.cos(7 * points)], -1)
    descriptors = torch.stack([waves @ one, waves @ two], 1)  # (o, v, r, d)
    return descriptors, points, waves, torch.ones(2, rays, 1)


def loss_of(descriptors: Tensor, points: Tensor, features: Tensor, present: Tensor) -> float:
    return float(correspondence_loss(descriptors, correspondences(points, features, present)))


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
    pairs = correspondences(points, features, present)
    for _ in range(60):
        loss = correspondence_loss(free, pairs)
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
    loss = correspondence_loss(descriptors, correspondences(points, features, present * 0))
    assert loss == 0
    loss.backward()
    assert descriptors.grad is not None
    assert descriptors.grad.abs().sum() == 0


def test_first_rays_are_compared_in_both_orders() -> None:
    _, points, features, present = made(torch.eye(12), torch.eye(12), rays=COMPARED + 40)
    pairs = correspondences(points, features, present)
    assert sorted((pair.one, pair.other) for pair in pairs) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all(pair.closeness.shape == (COMPARED, COMPARED) for pair in pairs)
    there, back = (next(p for p in pairs if (p.one, p.other) == order) for order in ((1, 0), (0, 1)))
    assert torch.equal(there.closeness, back.closeness.T)
    assert there.of_first(8).closeness.shape == (8, 8)
    assert torch.equal(there.of_first(8).i, there.i[:8])
