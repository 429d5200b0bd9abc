"""Edits of a field that is known exactly: what they change, what they leave, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from analytic_field import COLOURS, ellipsoid, part
from featurenerf import Camera, InputError
from featurenerf.fields.edits import (
    Alike,
    Ball,
    Part,
    Plain,
    Texture,
    composed,
    isolated,
    recolored,
    removed,
    transformed,
)
from featurenerf.fields.volume import VolumeField
from small_fast_model import picture, small_fast_model
from unchecked import types_unchecked

SIDE = Camera.look_at(90, 0, 24, 24)
BACK = torch.tensor([[-0.3, 0.0, 0.0]])  # in the back third of the ellipsoid
MIDDLE = torch.tensor([[0.0, 0.0, 0.0]])


def descriptors(field: object, points: Tensor) -> Tensor:
    return field.query(points, channels=("descriptor",)).descriptor  # type: ignore[attr-defined]


def back_third() -> Part:
    """Labelled by three descriptors of the field itself: 1 is the back."""
    places = torch.tensor([[-0.3, 0.0, 0.0], [0.0, 0.0, 0.0], [0.3, 0.0, 0.0]])
    return Part(descriptors(ellipsoid(), places), torch.tensor([1, 2, 3]), 1)


def test_a_part_takes_a_colour_and_the_rest_stays() -> None:
    painted = recolored(ellipsoid(), back_third(), Plain((0.0, 1.0, 1.0)))
    points = torch.tensor([[-0.3, 0.05, 0.0], [-0.2, -0.1, 0.0], [0.0, 0.1, 0.05], [0.3, 0.0, 0.0]])
    assert painted.query(points).rgb.tolist() == [[0, 1, 1], [0, 1, 1], *COLOURS[part(points[2:])].tolist()]
    before, after = ellipsoid().render(SIDE), painted.render(SIDE)
    assert torch.equal(before.alpha, after.alpha)
    assert torch.equal(before.descriptor, after.descriptor)


def test_a_texture_gives_each_point_the_colour_of_the_most_similar_descriptor() -> None:
    """Of another object whose back is white, middle grey and front black."""
    places = torch.tensor([[-0.3, 0.0, 0.0], [0.0, 0.0, 0.0], [0.3, 0.0, 0.0]])
    texture = Texture(descriptors(ellipsoid(), places), torch.tensor([[1.0, 1, 1], [0.5, 0.5, 0.5], [0, 0, 0]]))
    swapped = recolored(ellipsoid(), Ball((0.0, 0.0, 0.0), 1.0), texture)
    points = torch.tensor([[-0.2, 0.1, 0.0], [0.05, 0.0, 0.1], [0.2, 0.0, 0.0]])
    assert swapped.query(points).rgb[:, 0].tolist() == [1.0, 0.5, 0.0]


def test_a_part_is_removed_or_alone() -> None:
    whole, points = ellipsoid(), torch.cat([BACK, MIDDLE])
    density = whole.query(points).density
    assert removed(whole, back_third()).query(points).density.tolist() == [0.0, density[1]]
    assert isolated(whole, back_third()).query(points).density.tolist() == [density[0], 0.0]
    both = removed(whole, back_third()).render(SIDE).alpha + isolated(whole, back_third()).render(SIDE).alpha
    shown = whole.render(SIDE).alpha
    assert (both >= shown - 1e-4).all()


NOWHERE = Ball((9.0, 0.0, 0.0), 0.1)
HALF = Ball((0.5, 0.0, 0.0), 0.5)
EDITS = {
    "recolored": lambda field, where: recolored(field, where, Plain((0.0, 1.0, 0.5))),
    "removed": removed,
    "composed": lambda field, where: composed([removed(field, where)]),
    "of edits": lambda field, where: recolored(transformed(removed(field, where)), where, Plain((0.0, 1.0, 0.5))),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_where_a_ray_is_decoded_at_once_an_edit_elsewhere_leaves_it_as_it_was(edit: Callable[..., VolumeField]) -> None:
    field = small_fast_model().encode(picture(), SIDE.resize(128, 128))
    camera = Camera.look_at(40, 20, 12, 12)
    before, after = field.render(camera), edit(field, NOWHERE).render(camera)
    assert before.alpha.max() > 0.5
    for name in before:
        torch.testing.assert_close(after[name], before[name])


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_of_one_sample_a_ray_is_decoded_at_once_as_by_samples(edit: Callable[..., VolumeField]) -> None:
    model = small_fast_model()
    model.sampling = replace(model.sampling, shaded=1)
    once = model.encode(picture(), SIDE.resize(128, 128))
    camera = Camera.look_at(40, 20, 12, 12)
    seen, expected = (edit(field, HALF).render(camera) for field in (once, replace(once, decode_once=False)))
    for name in expected:
        torch.testing.assert_close(seen[name], expected[name])
    assert (expected.rgb - once.render(camera).rgb).abs().max() > 0.1


def test_a_ray_that_is_decoded_at_once_is_painted_as_far_as_it_meets_the_region() -> None:
    """The whole of the object, or the samples of a ray that lie in it."""
    field = small_fast_model().encode(picture(), SIDE.resize(128, 128))
    camera = Camera.look_at(40, 20, 12, 12)
    plain, all_green = field.render(camera), recolored(field, Ball((0.0, 0.0, 0.0), 9.0), Plain((0.0, 1.0, 0.0)))
    torch.testing.assert_close(all_green.render(camera).rgb, plain.alpha * torch.tensor([0.0, 1.0, 0.0]))
    partly = recolored(field, HALF, Plain((0.0, 1.0, 0.0)))
    shade, points = partly.shading, torch.tensor([[[[-0.2, 0.0, 0.0], [0.1, 0.0, 0.0]]]])
    assert shade is not None
    before = field.query(points[0, 0, 0]).rgb  # what its first sample shows is decoded from that alone
    rgb = shade(points, ("rgb",))(torch.tensor([[[0.25, 0.75]]]))["rgb"][0, 0]
    torch.testing.assert_close(rgb, 0.25 * before + 0.75 * torch.tensor([0.0, 1.0, 0.0]))


def test_a_scene_of_rays_that_are_decoded_at_once_is_shared_by_density() -> None:
    field = small_fast_model().encode(picture(), SIDE.resize(128, 128))
    camera = Camera.look_at(40, 20, 12, 12)
    once = field.render(camera)
    twice = composed([field, field]).render(camera, ["alpha", "rgb", "descriptor", "instance"])
    assert (twice.alpha >= once.alpha - 1e-6).all()
    torch.testing.assert_close(twice["instance"], twice.alpha * torch.tensor([0.5, 0.5]))
    alone = composed([field, removed(field, Ball((0.0, 0.0, 0.0), 9.0))]).render(camera)
    torch.testing.assert_close(alone.rgb, once.rgb)
    torch.testing.assert_close(alone.descriptor, once.descriptor)
    torch.testing.assert_close(alone["instance"], once.alpha * torch.tensor([1.0, 0.0]))


def test_what_is_like_a_point() -> None:
    alike = Alike(descriptors(ellipsoid(), BACK)[0], least=0.95)
    known = {"descriptor": descriptors(ellipsoid(), torch.cat([BACK, MIDDLE, -BACK]))}
    assert alike(torch.zeros(3, 3), known).tolist() == [True, False, False]


def test_a_moved_field_is_seen_by_its_moved_cameras_as_before() -> None:
    """Turned by 90 degrees about z, twice as large, and shifted; optical depth does not change with the scale."""
    turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    whole = ellipsoid(Camera.look_at(30, 20, 24, 24, near=0.8, far=1.8).reshape(1))
    moved = transformed(whole, turn, torch.tensor([0.1, -0.2, 0.3]), 2.0)
    assert math.isclose(moved.source.near, 1.6)
    assert math.isclose(moved.source.far, 3.6)
    before, after = whole.render(whole.source[0]), moved.render(moved.source[0])
    torch.testing.assert_close(after.alpha, before.alpha, atol=1e-3, rtol=0)
    torch.testing.assert_close(after.rgb, before.rgb, atol=1e-3, rtol=0)
    torch.testing.assert_close(after.depth, 2 * before.depth, atol=4e-3, rtol=0)
    place = 2 * BACK @ turn.T + torch.tensor([0.1, -0.2, 0.3])
    assert moved.query(place).density == whole.query(BACK).density / 2
    assert torch.allclose(moved.query(place).descriptor, whole.query(BACK).descriptor, atol=1e-6)


def test_a_scene_holds_each_of_its_fields_and_says_which_is_where() -> None:
    left = transformed(ellipsoid(), translation=torch.tensor([0.0, 0.4, 0.0]), scale=0.5)
    right = transformed(ellipsoid(), translation=torch.tensor([0.0, -0.4, 0.0]), scale=0.5)
    scene = composed([left, right])
    points = torch.tensor([[0.0, 0.4, 0.0], [0.0, -0.4, 0.0]])
    assert scene.channels["instance"] == 2
    assert scene.query(points).instance.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert torch.equal(scene.query(points).density, left.query(points).density + right.query(points).density)
    front = Camera.look_at(0, 0, 32, 16)
    shown = scene.render(front)
    # seen from the front, +y is on the right
    assert (shown.instance[:, :16].sum((0, 1)) > 1).tolist() == [False, True]
    assert (shown.instance[:, 16:].sum((0, 1)) > 1).tolist() == [True, False]


def test_edits_of_edits() -> None:
    once = recolored(ellipsoid(), back_third(), Plain((0.0, 1.0, 1.0)))
    twice = removed(transformed(once, scale=0.5), Ball((0.0, 0.0, 0.0), 0.05))
    points = torch.tensor([[-0.15, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert twice.query(points).rgb[0].tolist() == [0, 1, 1]
    assert twice.query(points).density[1] == 0


@pytest.mark.parametrize(
    ("rotation", "translation", "scale"),
    [
        (torch.diag(torch.tensor([1.0, 1, -1])), None, 1.0),  # a reflection
        (2 * torch.eye(3), None, 1.0),
        (torch.eye(4), None, 1.0),
        (torch.eye(2), None, 1.0),
        (None, torch.zeros(2), 1.0),
        (None, torch.tensor(1.0), 1.0),
        (None, None, 0.0),
        (None, None, -1.0),
    ],
)
def test_what_moves_no_field_is_refused(rotation: Tensor | None, translation: Tensor | None, scale: float) -> None:
    with types_unchecked(), pytest.raises(InputError, match="a field is moved by a"):
        transformed(ellipsoid(), rotation, translation, scale)


def test_what_cannot_be_edited_is_said() -> None:
    whole = ellipsoid()
    region = replace(Ball((0.0, 0.0, 0.0), 1.0), channels=("width",))
    with pytest.raises(InputError, match="no channel 'width'; it has: density, rgb"):
        removed(whole, region)
    batch = ellipsoid(Camera.look_at([0.0, 90.0]).reshape(2, 1))
    with pytest.raises(InputError, match="a batch of fields cannot be edited"):
        removed(batch, Ball((0.0, 0.0, 0.0), 1.0))
    for fields in ([], [batch]):
        with pytest.raises(InputError, match="composed of single fields"):
            composed(fields)
