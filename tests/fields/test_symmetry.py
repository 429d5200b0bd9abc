"""Symmetry planes: found from coordinates, and what a field does with them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from featurenerf import Camera
from featurenerf.fields import FastModel
from featurenerf.fields.symmetry import fit_planes, reflect, world_plane
from small_fast_model import SMALL, picture, small_fast_model


def turned(degrees: float, tilt: float = 0.0) -> Tensor:
    """A rotation about z, then about x."""
    a, b = torch.deg2rad(torch.tensor([degrees, tilt]))
    about_z = torch.tensor([[a.cos(), -a.sin(), 0], [a.sin(), a.cos(), 0], [0, 0, 1]])
    return torch.tensor([[1, 0, 0], [0, b.cos(), -b.sin()], [0, b.sin(), b.cos()]]) @ about_z


def seen(rotation: Tensor, shift: Tensor, noise: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """World points of one object, their coordinates in its frame, and weights; a fifth of the points are wrong, and
    count nothing."""
    dice = torch.Generator().manual_seed(0)
    coordinates = (torch.rand(1, 400, 3, generator=dice) - 0.5) * torch.tensor([0.6, 0.4, 0.7])
    points = coordinates @ rotation.T + shift
    weights = torch.ones(1, 400)
    weights[:, ::5] = 0
    points[:, ::5] = 3.0
    return points, coordinates + noise * torch.randn(coordinates.shape, generator=dice), weights


@pytest.mark.parametrize(("degrees", "tilt"), [(35.0, 0.0), (-120.0, 10.0), (90.0, -15.0)])
def test_a_plane_is_read_off_coordinates(degrees: float, tilt: float) -> None:
    """Points with opposite y in the object's frame are mirror images in the world."""
    rotation, shift = turned(degrees, tilt), torch.tensor([0.02, -0.03, 0.01])
    planes = fit_planes(*seen(rotation, shift, noise=0.03), in_world=True)
    one = torch.tensor([[0.2, 0.15, -0.3]])
    other = one * torch.tensor([1.0, -1.0, 1.0])
    image = reflect((one @ rotation.T + shift)[None], planes)[0]
    assert (image - (other @ rotation.T + shift)).norm() < 0.02
    assert planes[:, :3].norm(dim=-1) == pytest.approx(1.0, abs=1e-5)


def test_near_that_of_the_world_it_is_the_worlds() -> None:
    """Unless nothing is known of the world."""
    for degrees in (14.0, 194.0):
        given = seen(turned(degrees), torch.zeros(3))
        assert torch.equal(fit_planes(*given, in_world=True), world_plane(1, torch.device("cpu")))
        assert fit_planes(*given, in_world=False)[0, 1].abs() == pytest.approx(0.97, abs=0.01)


def test_where_nothing_fits_there_is_no_plane() -> None:
    points, coordinates, weights = seen(turned(35), torch.zeros(3))
    scrambled = coordinates[:, torch.randperm(400, generator=torch.Generator().manual_seed(1))]
    for planes in (fit_planes(points, scrambled, weights, True), fit_planes(points, coordinates, weights * 0, True)):
        assert torch.equal(planes, torch.zeros(1, 4))
        assert torch.equal(reflect(points, planes), points)


@pytest.fixture(scope="module")
def model() -> FastModel:
    return small_fast_model()


def test_a_mirrored_field_is_its_mirror_image_where_it_is_solid(model: FastModel) -> None:
    plane = torch.tensor([[0.6, 0.8, 0.0, 0.03]])
    field = replace(model.encode(picture(), Camera.look_at(20, 20)), mirror=plane)
    points = (torch.rand(300, 3, generator=torch.Generator().manual_seed(1)) - 0.5) * 0.5
    density = field.query(points).density
    image = field.query(reflect(points[None], plane)[0]).density
    plain = replace(field, mirror=None).query(points).density
    torch.testing.assert_close(density, image, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(density, plain, rtol=0.1)


def test_rays_reach_what_is_mirrored(model: FastModel) -> None:
    """Outside the box that they are cut to, nothing is opaque."""
    plane = torch.tensor([[0.8, -0.6, 0.0, 0.1]])
    field = replace(model.encode(picture(), Camera.look_at(20, 20)), mirror=plane)
    origins, directions = (x.reshape(1, -1, 3) for x in Camera.look_at(140, 30, 32, 32).rays())
    start, end = field.bounds(origins, directions, 0.8, 1.8)
    depths = torch.linspace(0.8, 1.8, 64)
    points = origins[0, :, None] + directions[0, :, None] * depths[:, None]
    outside = (depths < start[0]) | (depths > end[0])
    inside_sphere = points.norm(dim=-1) < 0.5
    density = field.query(points).density
    assert (density[outside & inside_sphere] <= 0.5).all()


def test_a_plane_that_is_none_changes_nothing(model: FastModel) -> None:
    field = model.encode(picture(), Camera.look_at(20, 20))
    points = torch.rand(50, 3) - 0.5
    none, zero = replace(field, mirror=None), replace(field, mirror=torch.zeros(1, 4))
    for name, value in vars(none.query(points)).items():
        torch.testing.assert_close(getattr(zero.query(points), name), value)


def test_objects_that_are_not_symmetric() -> None:
    torch.manual_seed(0)
    model = FastModel(replace(SMALL, symmetric=False)).eval()
    assert model.encode(picture()).mirror is None
    assert not any(name.startswith(("head.from_image", "head.to_share")) for name in model.state_dict())


def test_training_knows_the_plane(model: FastModel) -> None:
    """It is the data's own, whatever the network thinks of coordinates; every fourth field does without."""
    pictures, cameras = picture().expand(4, 1, -1, -1, -1), Camera.look_at([10.0, 80.0, 40.0, 0.0], 20.0).reshape(4, 1)
    field = model.train().encode_batch(pictures, cameras)
    model.eval()
    assert torch.equal(field.mirror[:3], world_plane(3, torch.device("cpu")))
    assert not field.mirror[3].any()
