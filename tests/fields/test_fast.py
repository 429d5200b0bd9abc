"""The fast field: its look-ups against torch's, and what every field promises."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from featurenerf import Camera, InputError
from featurenerf.fields import FastConfig, FastModel
from featurenerf.fields.base import Field
from featurenerf.fields.fast import FEATURE_WEIGHT, SEMANTIC_WEIGHT, multilinear
from small_fast_model import SMALL, picture, small_fast_model


@pytest.fixture(scope="module")
def model() -> FastModel:
    return small_fast_model()


@pytest.mark.parametrize("shape", [(4, 5, 6), (1, 3, 2), (2, 1, 1), (7, 5), (1, 4)])
def test_multilinear_is_grid_sample(shape: tuple[int, ...]) -> None:
    k = len(shape)
    maps = torch.rand(2, *shape, 3, dtype=torch.float64, requires_grad=True)
    grid = (torch.rand(2, 50, k, dtype=torch.float64) * 2.6 - 1.3).requires_grad_()
    ours = multilinear(maps, grid)
    where = grid.reshape(2, 50, *(1,) * (k - 1), k)
    theirs = F.grid_sample(maps.movedim(-1, 1), where, align_corners=False, padding_mode="border")
    theirs = theirs.flatten(2).transpose(1, 2)
    assert torch.allclose(ours, theirs, atol=1e-12)
    weight = torch.rand_like(ours)
    mine = torch.autograd.grad((ours * weight).sum(), (maps, grid), retain_graph=True)
    other = torch.autograd.grad((theirs * weight).sum(), (maps, grid))
    for a, b in zip(mine, other, strict=True):
        assert torch.allclose(a, b, atol=1e-10)


def test_shapes(model: FastModel) -> None:
    field = model.encode(picture())
    samples = field.query(torch.rand(2, 3, 3) - 0.5)
    assert samples.density.shape == (2, 3)
    assert samples.rgb.shape == samples.coordinate.shape == (2, 3, 3)
    assert samples.feature.shape == (2, 3, 8)
    assert samples.descriptor.shape == (2, 3, 64 + 8)
    rendered = field.render(Camera.look_at(40, 25, 20, 12))
    assert {k: tuple(v.shape) for k, v in rendered.items()} == {
        "rgb": (12, 20, 3),
        "depth": (12, 20, 1),
        "alpha": (12, 20, 1),
        "feature": (12, 20, 8),
        "descriptor": (12, 20, 72),
    }


def test_a_field_does_not_change_when_another_picture_is_encoded(model: FastModel) -> None:
    points = torch.rand(9, 3) - 0.5
    first = model.encode(picture(0))
    before = first.query(points)
    second = model.encode(picture(1))
    assert torch.equal(first.query(points).descriptor, before.descriptor)
    assert not torch.equal(second.query(points).descriptor, before.descriptor)
    with pytest.raises(AttributeError):
        first.scale = torch.ones(1, 1)  # type: ignore[misc]


def test_render_is_what_its_rays_are(model: FastModel) -> None:
    """Skipping rays that miss and chunking change nothing."""
    field, camera = model.encode(picture()), Camera.look_at(70, 30, 24, 24)
    whole = field.render(camera, ("rgb", "depth", "alpha"))
    origins, directions = camera.rays()
    seen = field.render_rays(
        origins.reshape(1, -1, 3), directions.reshape(1, -1, 3), camera.near, camera.far, ("rgb",)
    ).channels
    chunked = replace(field, rays_per_chunk=50).render(camera, ("rgb", "depth", "alpha"))
    for name in ("rgb", "depth", "alpha"):
        assert torch.allclose(whole[name].reshape(1, 576, -1), seen[name], atol=1e-5)
        assert torch.allclose(chunked[name], whole[name], atol=1e-5)


def test_the_box_holds_all_that_is_not_empty(model: FastModel) -> None:
    """What lies outside the box that rays are cut to is empty, for one view and for two."""
    points = (torch.rand(4000, 3, generator=torch.Generator().manual_seed(3)) - 0.5) * 0.58
    cameras = [Camera.look_at(20, 20), Camera.look_at(100, 30)]
    for field in (model.encode(picture(0), cameras[0]), model.encode([picture(0), picture(1)], cameras)):
        low, high = field.box[0]
        outside = ((points < low) | (points > high)).any(-1)
        assert (field.query(points).density[outside] <= 0.5).all()


def test_the_three_parts_of_a_descriptor() -> None:
    """Their similarities count 1, SEMANTIC_WEIGHT and FEATURE_WEIGHT; the second and third have the directions of the
    semantics where points project to and of the feature."""
    torch.manual_seed(0)
    sizes = replace(SMALL, backbone=True, backbone_size=64, semantic_dim=16)
    model, camera = FastModel(sizes).eval(), Camera.look_at(0, 20)
    points = (torch.rand(9, 3) - 0.5) * 0.4
    with torch.no_grad():
        found = model.encode(picture(), camera).query(points)
        semantics = model.net.to_semantics(model.net.semantic_features(picture()[None]))
        grid = (camera.project(points)[0] / 64 - 1)[None, None]
        there = F.grid_sample(semantics, grid, align_corners=False, padding_mode="border")[0, :, 0].T
    own, shown, told = found.descriptor.split([64, 16, model.config.feature_dim], -1)
    for part, direction, weight in ((shown, there, SEMANTIC_WEIGHT), (told, found.feature, FEATURE_WEIGHT)):
        assert torch.allclose(F.normalize(part, dim=-1), F.normalize(direction, dim=-1), atol=1e-3)
        assert torch.allclose(part.norm(dim=-1) ** 2, weight * own.norm(dim=-1) ** 2, rtol=1e-4)


def test_gradients_of_descriptors_are_exact() -> None:
    """Though in training semantics and feature do not train the head's part of a descriptor by their length."""
    torch.manual_seed(0)
    sizes = replace(SMALL, backbone=True, backbone_size=64, semantic_dim=16)
    model, step, toward = FastModel(sizes), 1e-3, F.normalize(torch.ones(3), dim=0)
    point = torch.tensor([0.031, -0.052, 0.043])
    for training in (False, True):
        field = model.train(training).encode(picture(), Camera.look_at(0, 20))

        def lengths(along: Tensor | float, field: Field = field) -> list[Tensor]:
            """Squared, of the head's part, the backbone's, and the feature's."""
            descriptor = field.query((point + along * toward)[None]).descriptor[0]
            return [part.square().sum() for part in descriptor.split([64, 16, SMALL.feature_dim])]

        along = torch.zeros((), requires_grad=True)
        own, *others = (torch.autograd.grad(part, along, retain_graph=True)[0] for part in lengths(along))
        wanted = [
            (ahead - behind).item() / (2 * step) for ahead, behind in zip(lengths(step), lengths(-step), strict=True)
        ]
        assert own == pytest.approx(wanted[0], rel=0.02)
        for found, right in zip(others, wanted[1:], strict=True):
            assert found == pytest.approx(0 if training else right, rel=0.02, abs=1e-4)
            assert abs(right) > 1e-3


def test_semantics_need_the_backbone() -> None:
    assert replace(SMALL, semantic_dim=16).semantic_dim == 0
    assert FastConfig(semantic_dim=16).descriptor_dim == 64 + 16 + 64


def test_with_the_backbone() -> None:
    model = FastModel(replace(SMALL, backbone=True, backbone_size=64, semantic_dim=16)).eval()
    assert model.encode(picture()).query(torch.rand(3, 3) - 0.5).descriptor.isfinite().all()
    assert not any(p.requires_grad for p in model.net.backbone.parameters())


def test_a_batch_is_its_fields(model: FastModel) -> None:
    pictures, cameras = torch.stack([picture(0), picture(1)])[:, None], Camera.look_at([10.0, 80.0], 20.0).reshape(2, 1)
    batch = model.encode_batch(pictures, cameras)
    points = torch.rand(2, 5, 3) - 0.5
    together = batch.query(points)
    views = batch.render(Camera.look_at([0.0, 50.0], 20.0, 16, 16), ("rgb", "descriptor"))
    for i in range(2):
        alone = model.encode(pictures[i, 0], cameras[i, 0])
        assert torch.allclose(alone.query(points[i]).descriptor, together.descriptor[i], atol=1e-4)
        assert torch.allclose(alone.query(points[i]).density, together.density[i], atol=1e-3)
        view = alone.render(Camera.look_at([0.0, 50.0], 20.0, 16, 16)[i], ("rgb",))
        assert torch.allclose(view["rgb"], views["rgb"][i], atol=1e-4)


def test_several_views_are_fused_in_the_world(model: FastModel) -> None:
    """Twice the same view is that view; the order does not matter."""
    points, camera, other = torch.rand(6, 3) - 0.5, Camera.look_at(20, 20), Camera.look_at(100, 30)
    once = model.encode(picture(0), camera).query(points)
    twice = model.encode([picture(0), picture(0)], [camera, camera]).query(points)
    assert torch.allclose(once.descriptor, twice.descriptor, atol=1e-4)
    ab = model.encode([picture(0), picture(1)], [camera, other]).query(points)
    ba = model.encode([picture(1), picture(0)], [other, camera]).query(points)
    assert torch.allclose(ab.descriptor, ba.descriptor, atol=1e-4)
    assert not torch.allclose(ab.descriptor, once.descriptor, atol=1e-2)


def test_the_world_turns_with_the_camera(model: FastModel) -> None:
    """Nothing but the camera ties a field to the world: another azimuth is a rotated field."""
    points = torch.rand(8, 3) - 0.5
    turn = Camera.look_at(90, 0).pose[:3, :3] @ Camera.look_at(0, 0).pose[:3, :3].T
    here = model.encode(picture(), Camera.look_at(0, 20)).query(points)
    there = model.encode(picture(), Camera.look_at(90, 20)).query(points @ turn.T)
    assert torch.allclose(here.density, there.density, atol=1e-3)
    assert torch.allclose(here.descriptor, there.descriptor, atol=1e-3)


def test_a_farther_camera_is_a_larger_world(model: FastModel) -> None:
    """The same picture from twice the distance is an object twice as large."""
    near, far = Camera.look_at(30, 20), Camera.look_at(30, 20, distance=2.6, near=1.6, far=3.6)
    small, large = model.encode(picture(), near), model.encode(picture(), far)
    points = torch.rand(8, 3) - 0.5
    a, b = small.query(points), large.query(points * 2)
    assert torch.allclose(a.descriptor, b.descriptor, atol=1e-3)
    assert torch.allclose(a.density, b.density * 2, rtol=1e-3)
    one, two = small.render(near, ("rgb", "depth", "alpha")), large.render(far, ("rgb", "depth", "alpha"))
    assert torch.allclose(one["alpha"], two["alpha"], atol=2e-3)
    assert torch.allclose(one["depth"] * 2, two["depth"], atol=5e-3)


def test_a_given_camera_is_honoured(model: FastModel) -> None:
    """A larger picture with another focal length and principal point gives about the same field."""
    smooth = F.interpolate(picture(0, 8)[None], (128, 128), mode="bicubic").clamp(0, 1)[0]
    wide = torch.zeros(3, 320, 320)
    wide[:, 40:296, 24:280] = F.interpolate(smooth[None], (256, 256), mode="bilinear")[0]
    base = Camera.look_at(15, 20)
    camera = Camera.from_pose(base.pose, base.focal * 2, 320, 320, principal=(128 + 24, 128 + 40))
    points = (torch.rand(40, 3) - 0.5) * 0.6
    here, there = model.encode(smooth, base).query(points), model.encode(wide, camera).query(points)
    assert F.cosine_similarity(here.descriptor, there.descriptor, dim=-1).min() > 0.99


def test_gradients_flow_through_query_and_render(model: FastModel) -> None:
    picture_ = picture().requires_grad_()
    field = model.encode(picture_)
    field.query(torch.rand(4, 3) - 0.5).descriptor.sum().backward()
    assert picture_.grad is not None
    assert picture_.grad.abs().sum() > 0
    picture_.grad = None
    model.encode(picture_).render(Camera.look_at(30, 20, 8, 8), ("rgb", "alpha"))["rgb"].sum().backward()
    assert picture_.grad.abs().sum() > 0


def test_half_precision(model: FastModel) -> None:
    half = FastModel(SMALL).to(torch.bfloat16)
    half.load_state_dict({k: v.bfloat16() for k, v in model.state_dict().items()})
    points = (torch.rand(20, 3) - 0.5) * 0.6
    exact, rough = model.encode(picture()).query(points), half.encode(picture()).query(points)
    assert F.cosine_similarity(exact.descriptor, rough.descriptor.float(), dim=-1).mean() > 0.98
    assert half.encode(picture()).render(Camera.look_at(0, 20, 8, 8), ("rgb",))["rgb"].isfinite().all()


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.encode([]),
        lambda m: m.encode([picture(), picture()]),
        lambda m: m.encode(picture(), [Camera.look_at(), Camera.look_at()]),
        lambda m: m.encode(picture(), Camera.look_at(width=64)),
        lambda m: m.encode(picture() * 300),
        lambda m: m.encode("no/such/picture.png"),
        lambda m: m.encode(picture()).query(torch.full((4, 3), float("nan"))),
        lambda m: m.encode(picture()).query(torch.rand(4, 3), channels=("colour",)),
        lambda m: m.encode(picture()).render(Camera.look_at([0.0, 1.0], 0.0)),
    ],
)
def test_mistakes_are_named(model: FastModel, call) -> None:
    with pytest.raises(InputError):
        call(model)


@pytest.mark.parametrize(
    "change", [{"own_dim": 32}, {"backbone": True, "semantic_dim": -1}, {"size": 100}, {"widths": (16, 16, 24, 30)}]
)
def test_contradictory_settings_are_refused(change: dict) -> None:
    with pytest.raises(InputError):
        replace(SMALL, **change)
