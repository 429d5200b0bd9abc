"""What corresponds between objects, and the loss of descriptors that are alike elsewhere."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from featurenerf.training.correspondence import Correspondence, correspondence_loss, correspondences


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


def in_a_row(count: int, code: float) -> Tensor:
    """Places a twentieth of the box apart along x, and a shape code of one number."""
    return torch.stack([0.05 * torch.arange(count), *torch.zeros(2, count), torch.full((count,), code)], -1)


def test_places_of_one_object_are_as_close_as_they_lie_in_the_box() -> None:
    """In units of a twentieth; what the shape and the teacher say does not matter."""
    places = in_a_row(8, 0.0)
    places[:, 3] = torch.arange(8)
    features = torch.randn(1, 8, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    (pair,) = correspondences(places[None], features, torch.ones(1, 8, 1))
    assert (pair.one, pair.other) == (0, 0)
    assert pair.i.tolist() == pair.j.tolist() == list(range(8))
    steps = torch.arange(8.0)
    torch.testing.assert_close(pair.closeness, -((steps[:, None] - steps) ** 2), rtol=1e-4, atol=1e-4)
    turned = torch.stack([places[:, 1], places[:, 2], places[:, 0], places[:, 3]], -1)  # the row goes along z
    (along_z,) = correspondences(turned[None], features, torch.ones(1, 8, 1))
    torch.testing.assert_close(along_z.closeness, pair.closeness)


def test_places_of_two_objects_are_as_close_as_box_shape_and_teacher_say() -> None:
    """Squared distances count in units of a tenth squared; features at right angles, as much as half the box."""
    places = torch.stack([in_a_row(8, 0.0), in_a_row(8, 0.1)])
    features = torch.tensor([[3.0, 0.0], [0.5, 0.0]]).unsqueeze(1).repeat(1, 8, 1)  # alike, whatever their lengths
    features[1, 1::2] = torch.tensor([0.0, 2.0])  # at right angles
    features[1, 2] = torch.tensor([-1.0, 0.0])  # the opposite
    pairs = {(pair.one, pair.other): pair for pair in correspondences(places, features, torch.ones(2, 8, 1))}
    assert set(pairs) == {(0, 0), (1, 1), (1, 0), (0, 1)}
    found = pairs[1, 0].closeness
    assert found[0, 0] == pytest.approx(25 - 1, rel=1e-4)  # 0.25 of likeness, 0.1 squared of shape, over 0.01
    assert found[0, 6] == pytest.approx(25 - 1 - 9, rel=1e-4)  # six steps of 0.05 in the box
    assert found[3, 5] == pytest.approx(-1 - 1, rel=1e-4)
    assert found[2, 2] == pytest.approx(-25 - 1, rel=1e-4)
    torch.testing.assert_close(pairs[0, 1].closeness, found.T)


def test_vectors_shorter_than_a_millionth_are_not_made_whole() -> None:
    """One of a ten-millionth comes out a tenth long: noise around nothing says little."""
    places = torch.stack([in_a_row(8, 0.0), in_a_row(8, 0.0)])
    features = torch.tensor([[1.0, 0.0], [1e-7, 0.0]]).unsqueeze(1).repeat(1, 8, 1)
    pairs = {(pair.one, pair.other): pair for pair in correspondences(places, features, torch.ones(2, 8, 1))}
    assert pairs[1, 0].closeness[0, 0] == pytest.approx(2.5, rel=1e-3)
    rays = torch.tensor([0, 1])
    pair = Correspondence(0, 0, rays, rays, torch.tensor([[50.0, 0], [0, 50]]))
    descriptors = torch.tensor([[[[1e-7, 0], [0, 1e-7]], [[1.0, 0], [0, 1]]]])
    found = float(correspondence_loss(descriptors, [pair]))  # logits of 1 and 0
    assert found == pytest.approx(0.5 * 0.313262, rel=1e-3)


def test_objects_of_fewer_than_eight_rays_are_left_out() -> None:
    places = torch.stack([in_a_row(12, 0.0)] * 4)
    present = torch.zeros(4, 12, 1)
    present[0, [1, 2, 3, 5, 7, 8, 9, 11]] = 1
    present[1, :7] = 1
    present[2, 2:] = 1
    present[3, 5:] = 1
    pairs = correspondences(places, torch.ones(4, 12, 2), present)
    assert sorted((pair.one, pair.other) for pair in pairs) == [(0, 0), (0, 2), (2, 0), (2, 2)]
    for pair in pairs:
        rays = {0: [1, 2, 3, 5, 7, 8, 9, 11], 2: list(range(2, 12))}
        assert pair.i.tolist() == rays[pair.one]
        assert pair.j.tolist() == rays[pair.other]
        assert pair.closeness.shape == (len(pair.i), len(pair.j))


def test_the_first_rays_of_both_objects() -> None:
    whole = Correspondence(3, 1, torch.arange(5), torch.arange(4) + 9, torch.arange(20.0).reshape(5, 4))
    some = whole.of_first(2)
    assert (some.one, some.other) == (3, 1)
    assert (some.i.tolist(), some.j.tolist()) == ([0, 1], [9, 10])
    assert some.closeness.tolist() == [[0, 1], [4, 5]]
    assert whole.of_first(9).closeness.shape == (5, 4)


def test_what_corresponds_is_no_function_that_is_differentiated() -> None:
    places = in_a_row(8, 0.0)[None].requires_grad_()
    (pair,) = correspondences(places, torch.ones(1, 8, 2), torch.ones(1, 8, 1))
    assert not pair.closeness.requires_grad


def test_constant_descriptors_lose_the_logarithm_of_the_number_of_rays() -> None:
    """Half of the loss is of objects with themselves, half of each with the others, however many objects there are."""
    for objects in (2, 3):
        places = torch.stack([in_a_row(12, 0.1 * o) for o in range(objects)])
        pairs = correspondences(places, torch.ones(objects, 12, 2), torch.ones(objects, 12, 1))
        found = correspondence_loss(torch.ones(objects, 2, 12, 4), pairs)
        assert float(found) == pytest.approx(math.log(12), rel=1e-5)
    alone = correspondences(in_a_row(12, 0.0)[None], torch.ones(1, 12, 2), torch.ones(1, 12, 1))
    assert float(correspondence_loss(torch.ones(1, 2, 12, 4), alone)) == pytest.approx(0.5 * math.log(12), rel=1e-5)
    assert float(correspondence_loss(torch.ones(2, 2, 12, 4), alone)) == pytest.approx(0.25 * math.log(12), rel=1e-5)


def test_the_loss_of_two_rays_in_each_of_two_pictures() -> None:
    """The first picture's rays are told (1, 0) and (0, 1), both of the second's (1, 0): cosines [[1, 1], [0, 0]].

    Forth, from a ray to the second picture's, the softmax of closeness is a half each and that of similarity too: the
    cross-entropy is log 2. Back, three quarters should go to the first ray. Logits are 10 and 0: all goes there, and
    the cross-entropy is 10 / 4 + log(1 + exp(-10)). They count alike, and one object with itself counts half.
    """
    descriptors = torch.tensor([[[[2.0, 0], [0, 1]], [[1, 0], [3, 0]]]])
    closeness = torch.tensor([[math.log(3)] * 2, [0.0] * 2])
    pair = Correspondence(0, 0, torch.tensor([0, 1]), torch.tensor([0, 1]), closeness)
    found = float(correspondence_loss(descriptors, [pair]))
    assert found == pytest.approx(0.5 * (0.693147 + 2.500045) / 2, rel=1e-5)
    warm = float(correspondence_loss(descriptors, [pair], temperature=1.0))  # logits of 1 and 0
    assert warm == pytest.approx(0.5 * (0.693147 + 0.25 + 0.313262) / 2, rel=1e-5)


def test_the_first_field_of_one_object_is_compared_with_the_second_field_of_the_other() -> None:
    descriptors = torch.full((2, 2, 4, 2), -1.0)  # rays and fields that take no part
    descriptors[1, 0, [3, 1]] = torch.tensor([[2.0, 0], [0, 1]])
    descriptors[0, 1, [0, 2]] = torch.tensor([[1.0, 0], [3, 0]])
    closeness = torch.tensor([[math.log(3)] * 2, [0.0] * 2])
    pair = Correspondence(1, 0, torch.tensor([3, 1]), torch.tensor([0, 2]), closeness)
    found = float(correspondence_loss(descriptors, [pair]))
    assert found == pytest.approx(0.25 * (0.693147 + 2.500045) / 2, rel=1e-5)  # one of two pairs, which count half


def test_first_rays_are_compared_in_both_orders() -> None:
    _, points, features, present = made(torch.eye(12), torch.eye(12), rays=168)
    pairs = correspondences(points, features, present)
    assert sorted((pair.one, pair.other) for pair in pairs) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all(pair.closeness.shape == (128, 128) for pair in pairs)
    assert all(pair.i.tolist() == pair.j.tolist() == list(range(128)) for pair in pairs)
    there, back = (next(p for p in pairs if (p.one, p.other) == order) for order in ((1, 0), (0, 1)))
    assert torch.equal(there.closeness, back.closeness.T)
    assert there.of_first(8).closeness.shape == (8, 8)
    assert torch.equal(there.of_first(8).i, there.i[:8])
