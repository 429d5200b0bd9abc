"""The fast field: its look-ups against torch's, and what every field promises."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from featurenerf import Camera, InputError
from featurenerf.fields.base import Field
from featurenerf.fields.lookup import multilinear, sampled
from featurenerf.models import FastConfig, FastModel
from featurenerf.models.fast import FastField
from featurenerf.models.fast_net import Block, PictureNet
from featurenerf.models.occupancy import density_activation, occupied_box, with_image
from featurenerf.models.warp import Canonical, canonical_cameras
from featurenerf.rendering import RayValues, Sampling
from plain_fast_model import plain_net, plain_samples
from small_fast_model import SMALL, picture, small_fast_model

WITH_BACKBONE = replace(SMALL, encoder="efficientnet-lite0", backbone_size=64, semantic_dim=16, size=64)


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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("side", [40, SMALL.size, 3 * SMALL.size])
def test_half_precision_takes_pictures_of_any_size(dtype: torch.dtype, side: int) -> None:
    """Half precision cannot be resized on a CPU: it happens before."""
    half, whole = small_fast_model().to(dtype), small_fast_model()
    given, camera = picture(size=side), Camera.look_at(30, 20, side, side)
    points = torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.0, 0.1]])
    rough, exact = half.encode(given, camera).query(points), whole.encode(given, camera).query(points)
    torch.testing.assert_close(rough.rgb.float(), exact.rgb, atol=0.05, rtol=0)


def test_a_picture_is_an_array_too(model: FastModel) -> None:
    values = (picture() * 255).round().byte().permute(1, 2, 0).numpy()
    points = torch.rand(4, 3) - 0.5
    expected = model.encode(torch.from_numpy(values).permute(2, 0, 1).float() / 255).query(points)
    for given in (values, values.astype("float32") / 255):
        torch.testing.assert_close(model.encode(given).query(points).rgb, expected.rgb)


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
        first.further = torch.ones(1, 1)  # type: ignore[misc]


def test_render_is_what_its_rays_are(model: FastModel) -> None:
    """Skipping rays that miss and chunking change nothing."""
    field, camera = model.encode(picture()), Camera.look_at(70, 30, 24, 24)
    whole = field.render(camera, ("rgb", "depth", "alpha"))
    origins, directions = camera.rays()
    seen = field.render_rays(origins.reshape(1, -1, 3), directions.reshape(1, -1, 3), *camera.cut, ("rgb",)).channels
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
    """Their similarities count 1, 0.8 and 0.4; the second and third have the directions of the
    semantics where points project to and of the feature."""
    torch.manual_seed(0)
    sizes = replace(SMALL, encoder="efficientnet-lite0", backbone_size=64, semantic_dim=16)
    model, camera = FastModel(sizes).eval(), Camera.look_at(0, 20)
    points = (torch.rand(9, 3) - 0.5) * 0.4
    with torch.no_grad():
        found = model.encode(picture(), camera).query(points)
        semantics = model.net.to_semantics(model.net.semantic_features(picture()[None]))
        grid = (camera.project(points)[0] / 64 - 1)[None, None]
        there = F.grid_sample(semantics, grid, align_corners=False, padding_mode="border")[0, :, 0].T
    own, shown, told = found.descriptor.split([64, 16, model.config.feature_dim], -1)
    for part, direction, weight in ((shown, there, 0.8), (told, found.feature, 0.4)):
        assert torch.allclose(F.normalize(part, dim=-1), F.normalize(direction, dim=-1), atol=1e-3)
        assert torch.allclose(part.norm(dim=-1) ** 2, weight * own.norm(dim=-1) ** 2, rtol=1e-4)


def test_gradients_of_descriptors_are_exact() -> None:
    """Though in training semantics and feature do not train the head's part of a descriptor by their length."""
    torch.manual_seed(0)
    sizes = replace(SMALL, encoder="efficientnet-lite0", backbone_size=64, semantic_dim=16)
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


def test_the_backbone_is_frozen(seeing: FastModel) -> None:
    assert not any(p.requires_grad for p in seeing.net.backbone.parameters())
    assert all(p.requires_grad for n, p in seeing.named_parameters() if not n.startswith("net.backbone."))


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


@pytest.mark.parametrize("distance", [0.9, 1.6, 2.6, 6.0])
def test_a_picture_of_the_same_framing_is_the_same_field_seen_along_other_rays(
    model: FastModel, distance: float
) -> None:
    """A lens in proportion to distance: what a pixel shows at a depth behind the origin's is the same."""
    near = Camera.look_at(30, 20)
    far = Camera.from_pose(Camera.look_at(30, 20, distance=distance).pose, near.focal * distance / 1.3, 128, 128)
    here, there = model.encode(picture(), near), model.encode(picture(), far)
    generator = torch.Generator().manual_seed(0)
    xy = torch.rand(40, 2, generator=generator) * 100 + 14
    behind = torch.rand(40, generator=generator) * 0.8 - 0.4
    a, b = here.query(near.unproject(xy, 1.3 + behind)), there.query(far.unproject(xy, distance + behind))
    assert a.density.std() > 0.2
    for name, value in a.items():
        torch.testing.assert_close(b[name], value, atol=2e-3, rtol=2e-3)


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
        lambda m: m.encode(picture()).render(Camera.look_at([[0.0, 1.0]], 0.0)),
    ],
)
def test_mistakes_are_named(model: FastModel, call) -> None:
    with pytest.raises(InputError):
        call(model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"own_dim": 63}, "own_dim is 63: it must lie between 64 and 4096"),
        ({"encoder": "efficientnet-lite0", "semantic_dim": -1}, "semantic_dim is -1: it must lie between 0 and 4096"),
        ({"size": 100}, "size is 100: it must be a multiple of 16"),
        ({"size": 40}, "size is 40: it must be a multiple of 16"),
        ({"size": 16}, "size is 16: it must be a multiple of 16, at least 32"),
        ({"widths": (16, 16, 24, 30)}, "four multiples of 8"),
        ({"widths": (12, 16, 24, 32)}, "four multiples of 8"),
    ],
)
def test_contradictory_settings_are_refused(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(SMALL, **change)


def test_settings_at_their_bounds() -> None:
    config = replace(SMALL, own_dim=64, size=32, encoder="efficientnet-lite0", semantic_dim=0, widths=(8, 8, 8, 8))
    assert (config.own_dim, config.size, config.semantic_dim, config.widths) == (64, 32, 0, (8, 8, 8, 8))
    assert config.descriptor_dim == 64 + 0 + 8


def test_defaults_of_a_new_model() -> None:
    assert asdict(FastConfig()) == {
        "feature_dim": 64, "own_dim": 64, "semantic_dim": 64, "widths": (32, 64, 128, 256), "density_bins": 64,
        "volume_bins": 16, "volume_channels": 32, "pixel_channels": 32, "hidden": 128, "coarse_samples": 48,
        "shaded_samples": 6, "symmetric": True, "encoder": "efficientnet-lite0", "encoder_blocks": (4, 10, 15),
        "semantic_blocks": (10, 13), "backbone_size": 256, "semantic_weight": 0.8, "feature_weight": 0.4, "labels": (),
        "size": 128, "fov": 49.13, "distance": 1.3, "near": 0.8, "far": 1.8, "categories": {},
        "density_stride": 1, "silhouette": True, "decode_once": True,
    }  # fmt: skip


# ---------------------------------------------------------------------- against the plain model


def randomised(config: FastConfig) -> FastModel:
    """Nothing of it starts at zero, which would hide mistakes; what it sees is solid here and empty there."""
    torch.manual_seed(0)
    model = FastModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("conv_out.weight"):
                parameter.normal_(0, 0.05)
            elif name.startswith("net.backbone.") and name.endswith("weight"):
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5)
            elif name.startswith("head."):
                parameter.mul_(3)
        model.net.to_detail[-1].weight.mul_(40)
    return model


@pytest.fixture(scope="module")
def seeing() -> FastModel:
    """With a backbone, of random weights, and semantics."""
    return randomised(WITH_BACKBONE)


def rgba(seed: int, size: int) -> Tensor:
    """A random picture on black whose alpha goes from 0 to 1, from left to right."""
    alpha = torch.linspace(0, 1, size).expand(1, size, size)
    return torch.cat([picture(seed, size) * alpha, alpha])


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("silhouette", [True, False])
@pytest.mark.parametrize("backbone", [True, False])
@torch.no_grad()
def test_the_net_is_the_plain_one(backbone: bool, silhouette: bool, stride: int) -> None:
    config = replace(WITH_BACKBONE if backbone else SMALL, density_stride=stride, silhouette=silhouette)
    net = randomised(config).net
    pictures = torch.stack([rgba(0, 64), rgba(1, 64)])
    found, wanted = net(pictures), plain_net(net, pictures)
    wide = 64 // stride
    sides = [(wide, wide, 16), (16, 16, 8, 8), (32, 32, 8)]
    sides += [(4, 4, 16), (304, 4, 4)] if backbone else [(1, 1, 0), (0, 1, 1)]
    for ours, plain, side in zip(found, wanted, sides, strict=True):
        assert ours.shape == (2, *side)
        assert not plain.numel() or plain.std((1, 2)).mean() > 0.05
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_outside_of_the_silhouette_there_is_nothing() -> None:
    """Not even where the mirror image says so: the picture's own view shows no more than the picture."""
    model = randomised(SMALL)
    assert model.config.silhouette
    alpha = torch.zeros(1, 128, 128)
    alpha[:, 40:90, 30:80] = 1
    shown = torch.cat([picture(0, 128), alpha])
    seen = model.encode(shown, Camera.look_at(30, 10)).render(Camera.look_at(30, 10), ["alpha"]).alpha[..., 0]
    assert seen[alpha[0] == 0].max() < 0.02
    assert seen[alpha[0] > 0].mean() > 0.3


@torch.no_grad()
def test_what_the_backbone_says_counts(seeing: FastModel) -> None:
    """Each of its three maps."""
    before = seeing.net(rgba(0, 64)[None])
    for adapt in seeing.net.adapt:
        weight = adapt.weight.clone()
        adapt.weight.mul_(1.5)
        after = seeing.net(rgba(0, 64)[None])
        adapt.weight.copy_(weight)
        for one, other in zip(before[:3], after[:3], strict=True):
            assert (one - other).abs().max() > 1e-2 * one.std()


@torch.no_grad()
def test_a_block_is_the_plain_one() -> None:
    """x + conv(silu(norm(conv(silu(norm(x)))))), with norms of eight groups; it starts as x and a bias."""
    torch.manual_seed(0)
    block, x = Block(24), torch.randn(2, 24, 5, 5)
    torch.testing.assert_close(block(x), x + block.conv_out.bias[:, None, None])
    for parameter in block.parameters():
        parameter.normal_(0, 0.5)

    def normed(x: Tensor, norm: torch.nn.GroupNorm) -> Tensor:
        groups = x.reshape(2, 8, 3 * 25)
        spread = (groups.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        x = ((groups - groups.mean(-1, keepdim=True)) / spread).reshape(2, 24, 5, 5)
        return x * norm.weight[:, None, None] + norm.bias[:, None, None]

    y = F.conv2d(F.silu(normed(x, block.norm_in)), block.conv_in.weight, block.conv_in.bias, padding=1)
    y = F.conv2d(F.silu(normed(y, block.norm_out)), block.conv_out.weight, block.conv_out.bias, padding=1)
    torch.testing.assert_close(block(x), x + y, rtol=1e-4, atol=1e-4)


VIEWS = [Camera.look_at(20, 20, 64, 64), Camera.look_at(100, 30, 64, 64, distance=2.6)]
"""The second stands further away."""


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("mirrored", [True, False])
@pytest.mark.parametrize("training", [True, False])
@torch.no_grad()
def test_a_field_is_the_plain_one(seeing: FastModel, views: int, mirrored: bool, training: bool) -> None:
    """Of one view and of two: raw densities, activations, semantics are averaged, colours mixed as they are trusted."""
    field = seeing.encode([picture(k, 64) for k in range(views)], VIEWS[:views])
    normal = F.normalize(torch.tensor([0.3, 0.9, -0.2]), dim=0)
    plane = torch.cat([normal, torch.tensor([0.04])])
    field = replace(field, mirror=plane[None] if mirrored else None)
    points = (torch.rand(200, 3, generator=torch.Generator().manual_seed(1)) - 0.5) * 0.9
    field = replace(field, training=training)
    found = field.sample(points[None], torch.zeros(1, 200, 3), tuple(plain_samples(field, points)))
    wanted = plain_samples(field, points, training)
    assert wanted["density"].min() < 1
    assert wanted["density"].max() > 5
    for name, value in wanted.items():
        assert value.std(0).max() > 0.02
        torch.testing.assert_close(found[name][0], value, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("mirrored", [True, False])
@torch.no_grad()
def test_a_ray_is_decoded_from_what_its_samples_add_up_to(seeing: FastModel, views: int, mirrored: bool) -> None:
    field = seeing.encode([picture(k, 64) for k in range(views)], VIEWS[:views])
    plane = torch.tensor([0.0, 1.0, 0.0, 0.04])
    field = replace(field, mirror=plane[None] if mirrored else None)
    generator = torch.Generator().manual_seed(1)
    points = (torch.rand(40, 5, 3, generator=generator) - 0.5) * 0.9
    shares = torch.rand(40, 5, generator=generator).softmax(-1)
    wanted = plain_samples(field, points.flatten(0, 1), shares=shares)
    del wanted["density"]
    found = field.shading(points[None], tuple(wanted))(shares[None])
    each = field.sample(points.reshape(1, -1, 3), torch.zeros(1, 200, 3), tuple(wanted))
    for name, value in wanted.items():
        torch.testing.assert_close(found[name][0], value, rtol=2e-4, atol=2e-4)
        decoded_first = torch.einsum("rs,rsc->rc", shares, each[name][0].unflatten(0, (40, 5)))
        assert (decoded_first - value).abs().max() > 1e-3, name
    assert torch.equal(found["rgb"], field.shading(points[None], ("rgb",))(shares[None])["rgb"])


@torch.no_grad()
def test_it_is_a_setting_whether_rays_or_samples_are_decoded(seeing: FastModel) -> None:
    """Of one sample a ray it is the same."""
    camera = Camera.look_at(60, 20, 24, 24)
    for shaded, same in ((1, True), (6, False)):
        once, each = (
            FastModel(replace(seeing.config, shaded_samples=shaded, decode_once=once)).eval() for once in (True, False)
        )
        for model in (once, each):
            model.load_state_dict(seeing.state_dict())
        first, second = (m.encode(picture(0, 64), VIEWS[0]).render(camera, ("descriptor",)) for m in (once, each))
        assert torch.allclose(first.descriptor, second.descriptor, atol=1e-4) == same
    assert each.encode(picture(0, 64), VIEWS[0]).shading is None


@torch.no_grad()
def test_two_views_are_not_one(seeing: FastModel) -> None:
    """Every channel listens to both, and each knows where its camera stands."""
    points = (torch.rand(50, 3, generator=torch.Generator().manual_seed(1)) - 0.5) * 0.6
    pictures = [picture(k, 64) for k in range(2)]
    both = seeing.encode(pictures, VIEWS)
    assert both.further.tolist() == [[0.0, pytest.approx(1.3)]]
    assert tuple(both.source.batch_shape) == (2,)
    for alone in (seeing.encode(p, c) for p, c in zip(pictures, VIEWS, strict=True)):
        alone = alone.query(points)
        for name, value in both.query(points).items():
            assert (value - alone[name]).abs().mean() > 0.02 * alone[name].abs().mean(), name


@torch.no_grad()
def test_objects_of_a_batch_have_planes_of_their_own(seeing: FastModel) -> None:
    """One of them none: its colours are mixed of no image's."""
    pictures = torch.stack([picture(0, 64), picture(1, 64), picture(2, 64)])[:, None]
    cameras = Camera.look_at([10.0, 80.0, 140.0], 20.0, 64, 64).reshape(3, 1)
    planes = torch.tensor([[0.0, 1.0, 0.0, 0.1], [0.0, 0.0, 0.0, 0.0], [0.6, 0.8, 0.0, 0.0]])
    points = torch.rand(3, 30, 3, generator=torch.Generator().manual_seed(1)) - 0.5
    batch = replace(seeing.encode_batch(pictures, cameras), mirror=planes)
    together = batch.query(points)
    for i in range(3):
        alone = seeing.encode(pictures[i, 0], cameras[i, 0])
        wanted = plain_samples(replace(alone, mirror=None if i == 1 else planes[i : i + 1]), points[i])
        for name, value in wanted.items():
            found = getattr(together, name)[i].reshape(value.shape)
            torch.testing.assert_close(found, value, rtol=5e-4, atol=5e-4)


@torch.no_grad()
def test_only_what_is_asked_for_is_answered(seeing: FastModel) -> None:
    field = seeing.encode(picture(0, 64), VIEWS[0])
    points = torch.rand(1, 4, 3) - 0.5
    whole = field.sample(points, points, ("density", "rgb", "feature", "coordinate", "descriptor"))
    for names in (
        ("rgb",),
        ("density",),
        ("feature",),
        ("coordinate", "density"),
        ("descriptor",),
        ("descriptor", "rgb"),
    ):
        some = field.sample(points, points, names)
        assert some.keys() == set(names)
        assert all(torch.equal(value, whole[name]) for name, value in some.items())


def test_a_descriptor_of_nothing_is_finite() -> None:
    """Where semantics or the feature are zero, they have no direction."""
    model = randomised(WITH_BACKBONE)
    with torch.no_grad():
        for layer in (model.net.to_semantics, model.head.output):
            layer.weight.zero_()
            layer.bias.zero_()
    points = torch.rand(4, 3, requires_grad=True)
    descriptor = model.encode(picture(0, 64), VIEWS[0]).query(points).descriptor
    own, rest = descriptor.split([64, 16 + 8], -1)
    assert own.abs().min() > 0
    assert not rest.any()
    descriptor.sum().backward()
    assert points.grad.isfinite().all()


@pytest.mark.parametrize("training", [True, False])
def test_what_trains_what(training: bool) -> None:
    """In training the semantics of a descriptor train the backbone's side alone, and not how much a mirror image counts
    nor the head's part by its length; the feature in it trains nothing."""
    model = randomised(WITH_BACKBONE).train(training)
    field = model.encode_batch(picture(0, 64)[None, None], VIEWS[0].reshape(1, 1))
    field = replace(field, mirror=torch.tensor([[0.0, 1.0, 0.0, 0.0]]))
    descriptor = field.query(torch.rand(1, 5, 3) - 0.5).descriptor
    head, parts = model.head, descriptor.split([64, 16, 8], -1)
    asked = [head.to_descriptor.weight, head.to_share.weight, head.output.weight, model.net.to_semantics.weight]

    def trained(part: Tensor) -> list[bool]:
        gradients = torch.autograd.grad(part.sum(), asked, retain_graph=True, allow_unused=True)
        return [gradient is not None and bool(gradient.any()) for gradient in gradients]

    assert trained(parts[0]) == [True, True, False, False]
    assert trained(parts[1]) == [not training, not training, False, True]
    assert trained(parts[2]) == [not training] * 4


def test_a_new_head_trusts_images_little() -> None:
    assert FastModel(SMALL).head.to_share.bias.tolist() == [-1.0]
    assert FastModel(SMALL).head.to_place.weight.shape == (27, 64)


# ---------------------------------------------------------------------- semantics


@torch.no_grad()
def test_semantics_are_components_of_two_maps() -> None:
    torch.manual_seed(0)
    net = PictureNet(WITH_BACKBONE)
    pictures = torch.stack([rgba(0, 64), rgba(1, 64)])
    features = net.semantic_features(pictures[:, :3])
    assert features.shape == (2, 112 + 192, 4, 4)
    maps = net.backbone(pictures[:, :3], [10, 13])
    torch.testing.assert_close(features[:, :112], maps[0])
    mean, basis = torch.randn(304), torch.randn(304, 16)
    net.set_semantics(mean, basis)
    wanted = (features.permute(0, 2, 3, 1) - mean) @ basis
    torch.testing.assert_close(net(pictures)[3], wanted, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_a_backbone_without_semantics() -> None:
    model = randomised(replace(WITH_BACKBONE, semantic_dim=0))
    assert not any("to_semantics" in name for name in model.state_dict())
    assert model.encode(picture(0, 64), VIEWS[0]).query(torch.rand(3, 3)).descriptor.shape == (3, 64 + 8)


# ---------------------------------------------------------------------- density and where it is


def test_density_of_raw_numbers() -> None:
    """60 log(1 + exp(raw - 4))."""
    raw = torch.tensor([0.0, 4.0, 5.0, 24.0], dtype=torch.float64)
    wanted = [60 * math.log1p(math.exp(-4)), 60 * math.log(2), 60 * math.log1p(math.e), 60 * 20.0]
    assert density_activation(raw).tolist() == pytest.approx(wanted, rel=1e-6)


def cell_places(cells: list[tuple[int, int, int]], azimuth: float, distance: float) -> list[tuple[float, ...]]:
    """World points of cells (row, column, depth) of 8 x 8 x 8, and of their neighbours, in the frustum of a camera at
    elevation 0 whose lens is in proportion to its distance."""
    places, a = [], math.radians(azimuth)
    for cell in cells:
        for row, column, deep in itertools.product(*(range(max(c - 1, 0), min(c + 2, 8)) for c in cell)):
            tangent = math.tan(math.radians(49.13) / 2) * 1.3 / distance
            right, up = ((column + 0.5) / 4 - 1) * tangent, (1 - (row + 0.5) / 4) * tangent
            depth = distance - 0.5 + (deep + 0.5) / 8
            long = math.sqrt(1 + right**2 + up**2)
            ahead, right, up = depth / long, depth * right / long, depth * up / long
            x, y = distance - ahead, right
            places.append((x * math.cos(a) - y * math.sin(a), x * math.sin(a) + y * math.cos(a), up))
    return places


def test_the_box_by_hand() -> None:
    """Of two objects with two views each, around the cells that are filled and their neighbours, in world units."""
    azimuths, distance = [[0.0, 90.0], [30.0, 200.0]], [[1.3, 2.6], [0.9, 1.3]]
    filled = [[(2, 5, 3)], [(4, 4, 4), (6, 1, 5)], [(0, 7, 7)], [(3, 3, 2)]]
    raw = torch.full((4, 8, 8, 8), -0.80)
    for view, cells in enumerate(filled):
        for cell in cells:
            raw[(view, *cell)] = -0.77  # a density of 0.5 is -0.7834
    given = [
        Camera.stack([Camera.look_at(a, 0.0, distance=d) for a, d in zip(*row, strict=True)])
        for row in zip(azimuths, distance, strict=True)
    ]
    cameras = canonical_cameras(Camera.stack(given).reshape(4), Canonical()).reshape(2, 2)
    found = occupied_box(raw, cameras, torch.tensor(distance) - 1.3, (0.8, 1.8))
    assert found.shape == (2, 2, 3)
    for i in range(2):
        places = [place for j in range(2) for place in cell_places(filled[2 * i + j], azimuths[i][j], distance[i][j])]
        for axis in range(3):
            assert float(found[i, 0, axis]) == pytest.approx(min(p[axis] for p in places), abs=1e-5)
            assert float(found[i, 1, axis]) == pytest.approx(max(p[axis] for p in places), abs=1e-5)


def test_the_box_of_pictures_that_are_not_square_in_cells() -> None:
    """Columns are counted along x, rows along y."""
    raw = torch.full((1, 2, 4, 8), -10.0)
    raw[0, 0, 3, 0] = 10.0
    low, high = occupied_box(raw, Camera.look_at(0.0, 0.0).reshape(1, 1), torch.zeros(1, 1), (0.8, 1.8))[0]
    tangent = math.tan(math.radians(49.13) / 2)
    outer, inner, up, depth = 0.75 * tangent, 0.25 * tangent, 0.5 * tangent, 0.8 + 1.5 / 8  # centres of cells
    right = depth * outer / math.sqrt(1 + outer**2 + up**2)
    top = depth * up / math.sqrt(1 + inner**2 + up**2)
    assert float(high[1]) == pytest.approx(right, abs=1e-5)
    assert float(high[2]) == pytest.approx(top, abs=1e-5)
    assert float(low[2]) == pytest.approx(-top, abs=1e-5)


def test_a_view_that_sees_nothing_adds_nothing_to_the_box() -> None:
    cameras, raw = Camera.look_at([0.0, 90.0], 0.0), torch.full((2, 8, 8, 8), -10.0)
    raw[0, 4, 4, 4] = 10.0
    both = occupied_box(raw, cameras.reshape(1, 2), torch.zeros(1, 2), (0.8, 1.8))
    alone = occupied_box(raw[:1], cameras[:1].reshape(1, 1), torch.zeros(1, 1), (0.8, 1.8))
    assert torch.equal(both, alone)


def test_the_box_of_nothing_is_a_point() -> None:
    camera = Camera.look_at(0.0, 0.0).reshape(1, 1)
    box = occupied_box(torch.full((1, 8, 8, 8), -10.0), camera, torch.zeros(1, 1), (0.8, 1.8))
    assert box.tolist() == [[[0.0] * 3] * 2]


def test_the_box_of_a_density_is_a_choice() -> None:
    raw = torch.full((1, 8, 8, 8), 3.9)
    raw[0, 4, 4, 4] = 4.1  # of 44.7; 4 is 41.6
    frustums = (Camera.look_at(0.0, 0.0).reshape(1, 1), torch.zeros(1, 1), (0.8, 1.8))
    whole, some = occupied_box(raw, *frustums)[0], occupied_box(raw, *frustums, least=60 * math.log(2))[0]
    assert (whole[1] - whole[0] > 0.7).all()
    assert (some[1] - some[0] < 0.5).all()


def test_a_box_and_its_image() -> None:
    box = torch.tensor([[[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]]).expand(3, 2, 3)
    planes = torch.tensor([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.6, 0.0, 0.8, -1.0]])
    # the third sends (x, y, z) to (0.28 x - 0.96 z + 1.2, y, -0.96 x - 0.28 z + 1.6)
    wanted = [
        [[1, -4, 3], [2, 4, 6]],
        [[1, 2, 3], [2, 4, 6]],
        [[0.28 - 5.76 + 1.2, 2, -1.92 - 1.68 + 1.6], [2, 4, 6]],
    ]
    torch.testing.assert_close(with_image(box, planes), torch.tensor(wanted))


@pytest.mark.parametrize("signs", list(itertools.product((1, -1), repeat=3)))
def test_a_box_and_its_image_in_a_plane_aslant(signs: tuple[int, int, int]) -> None:
    """Whichever corner's image lies farthest."""
    normal = [sign * part for sign, part in zip(signs, (2 / 7, 3 / 7, 6 / 7), strict=True)]
    low, high = (-0.1, -0.2, -0.3), (0.2, 0.1, 0.4)
    corners = list(itertools.product(*zip(low, high, strict=True)))
    for corner in corners[:]:
        off = sum(n * c for n, c in zip(normal, corner, strict=True)) + 0.05
        corners.append(tuple(c - 2 * off * n for n, c in zip(normal, corner, strict=True)))
    wanted = [[extreme(c[axis] for c in corners) for axis in range(3)] for extreme in (min, max)]
    found = with_image(torch.tensor([[low, high]]), torch.tensor([[*normal, 0.05]]))
    torch.testing.assert_close(found, torch.tensor([wanted]))


BOX = torch.tensor([[[-0.1, -0.2, -0.3], [0.2, 0.1, 0.4]]])


@pytest.mark.parametrize(
    ("origin", "direction", "changes", "near_far", "wanted"),
    [
        ((1.3, 0, 0), (-1, 0, 0), {"box": None}, (0.0, math.inf), (0.8, 1.8)),
        ((1.3, 0, 0), (-1, 0, 0), {"box": None}, (0.7, 1.9), (0.78, 1.82)),
        ((4.0, 0, 0), (-1, 0, 0), {"box": None}, (0.0, math.inf), (3.5, 4.5)),
        ((0.3, 0, 0), (-1, 0, 0), {"box": None}, (0.0, math.inf), (0.0, 0.8)),
        ((1.3, 0, 0), (-1, 0, 0), {"box": None}, (0.8, 1.8), (0.8, 1.8)),
        ((2.6, 0, 0), (-1, 0, 0), {"box": None}, (0.8, 9.0), (2.08, 3.12)),
        ((1.3, 0, 0), (-1, 0, 0), {}, (0.8, 1.8), (1.1, 1.4)),
        ((1.3, 0, 0), (-1, 0, 0), {}, (1.2, 1.3), (1.2, 1.3)),
        ((1.3, 0, 0), (-1, 0, 0), {}, (1.5, 1.8), (1.5, 1.5)),  # it ends before near
        ((1.3, 0, 0), (-1, 0, 0), {}, (0.8, 1.0), (1.0, 1.0)),  # it starts after far
        ((1.3, 0.3, 0), (-1, 0, 0), {}, (0.8, 1.8), None),  # beside the box
        ((1.3, 0.6, 0), (-1, 0, 0), {"box": None}, (0.8, 1.8), None),  # beside the sphere
        ((0, 1.3, 0), (0, -1, 0), {}, (0.8, 1.8), (1.2, 1.5)),
        ((0, 1.3, 0), (0, -1, 0), {"mirror": torch.tensor([[0.0, 1.0, 0.0, 0.0]])}, (0.8, 1.8), (1.1, 1.5)),
        ((0, 1.3, 0), (0, -1, 0), {"mirror": torch.tensor([[0.0, 1.0, 0.0, -0.1]])}, (0.8, 1.8), (0.9, 1.5)),
    ],
)  # fmt: skip
@torch.no_grad()
def test_where_rays_are_sampled(
    seeing: FastModel,
    origin: tuple[float, ...],
    direction: tuple[float, ...],
    changes: dict,
    near_far: tuple[float, float],
    wanted: tuple[float, float] | None,
) -> None:
    """Within 0.52 of the origin, and in the box and its image; a ray that misses is empty."""
    field = replace(seeing.encode(picture(0, 64), VIEWS[0]), **{"mirror": None, "box": BOX, **changes})
    rays = (torch.tensor([[value]], dtype=torch.float32) for value in (origin, direction))
    start, end = (float(bound) for bound in field.bounds(*rays, *near_far))
    if wanted is None:
        assert start == end
    else:
        assert (start, end) == (pytest.approx(wanted[0], abs=1e-5), pytest.approx(wanted[1], abs=1e-5))


# ---------------------------------------------------------------------- what encode makes


def test_what_a_field_is_made_with(seeing: FastModel) -> None:
    field = seeing.encode(picture(0, 64), VIEWS[0])
    assert field.sampling == Sampling(coarse=32, shaded=8, skip_below=1 / 512)
    assert (field.pixel_offset, field.rays_per_chunk) == (0.5, 4096)
    assert field.box is not None
    assert FastModel(replace(SMALL, size=64, fov=30.0, distance=2.0)).canonical == Canonical(64, 30.0, 2.0)
    batch = FastModel(SMALL).encode_batch(picture()[None, None], Camera.look_at().reshape(1, 1))  # in training
    assert batch.box is None


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [(torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)],
)
@torch.no_grad()
def test_volumes_are_kept_in_float32_at_least(dtype: torch.dtype, kept: torch.dtype) -> None:
    field = FastModel(WITH_BACKBONE).eval().to(dtype).encode(picture(0, 64), VIEWS[0])
    for volume in (field.density, field.volume, field.pixels, field.semantics):
        assert volume.dtype == kept
    samples = field.query(torch.rand(4, 3))  # of float32, whatever the model
    assert samples.descriptor.dtype == dtype
    assert samples.density.dtype == kept
    for value in (samples.rgb, samples.feature, samples.coordinate):
        assert value.dtype == torch.float32
        assert value.isfinite().all()


def test_every_fourth_field_trains_without_a_plane() -> None:
    model = FastModel(SMALL)
    cameras = Camera.look_at([float(k) for k in range(9)], 20.0).reshape(9, 1)
    field = model.encode_batch(picture().expand(9, 1, -1, -1, -1), cameras)
    assert field.mirror.tolist() == [[0.0, float(k not in (3, 7)), 0.0, 0.0] for k in range(9)]
    alone = FastModel(replace(SMALL, symmetric=False))
    assert alone.encode_batch(picture()[None, None], cameras[:1]).mirror is None


SHIFT = torch.tensor([0.02, -0.03, 0.01])
FOV_AT_2_6 = 2 * math.degrees(math.atan(math.tan(math.radians(49.13) / 2) / 2))
"""Of a picture that shows as much as the canonical one."""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict:
    """Rays see an object that is turned by ``told["degrees"]`` about z and moved by SHIFT. Their
    alphas are those of ``told["alpha"]`` in turn; where alpha is 0.5 or less they see nonsense. What they were asked
    for is left in ``told``."""
    told: dict = {"alpha": [0.0, 0.3, 0.5, 0.51, 0.8, 1.0], "degrees": 20.0}

    def render_rays(
        self: FastField, origins: Tensor, directions: Tensor, near: float, far: float, channels: tuple[str, ...]
    ) -> RayValues:
        b, r = origins.shape[:2]
        told.update(origins=origins, directions=directions, asked=(near, far, channels))
        alpha = torch.tensor(told["alpha"]).repeat(r)[:r].expand(b, r).unsqueeze(-1)
        depth = origins.norm(dim=-1, keepdim=True) + 0.3 * torch.sin(torch.arange(r) * 1.0)[:, None]
        points = origins + directions * depth
        a = math.radians(told["degrees"])
        turn = torch.tensor([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
        turned = (points.unsqueeze(-2) * turn).sum(-1)
        coordinate = torch.where(alpha > 0.5, turned + SHIFT, 7.0)
        seen = {"alpha": alpha, "depth": depth * alpha, "coordinate": coordinate * alpha}
        return RayValues(seen, depth, depth, {})

    monkeypatch.setattr(FastField, "render_rays", render_rays)
    return told


def test_the_plane_is_read_along_every_sixth_ray(model: FastModel, told: dict) -> None:
    """Of pixels 3, 9, ..., as far as rays go, in every view; 441 of 128 x 128."""
    cameras = [Camera.look_at(20, 20), Camera.look_at(100, 30, distance=2.6, fov=FOV_AT_2_6)]
    model.encode([picture(0), picture(1)], cameras)
    assert told["asked"] == (0.0, math.inf, ("coordinate",))
    assert told["origins"].shape == (1, 2 * 441, 3)
    steps = [3.5 + 6 * k for k in range(21)]
    wanted = torch.tensor([[x, y] for y in steps for x in steps])
    for view, camera in enumerate(cameras):
        own = slice(441 * view, 441 * (view + 1))
        points = told["origins"][0, own] + 1.1 * told["directions"][0, own]
        torch.testing.assert_close(camera.project(points)[0], wanted, rtol=1e-4, atol=1e-2)
        torch.testing.assert_close(told["origins"][0, own], camera.centre.expand(441, 3))


@pytest.mark.parametrize("distance", [1.3, 2.6])
@pytest.mark.parametrize("degrees", [20.0, 50.0])
def test_the_plane_that_coordinates_tell(model: FastModel, told: dict, distance: float, degrees: float) -> None:
    """Of what is seen with an alpha above 1/2. It gives way to that of the world where a camera was given and the two
    are less than 30 degrees apart. It has no gradient, and is not rounded to bfloat16."""
    told["degrees"] = degrees
    camera = Camera.look_at(0, 20, distance=distance, fov=FOV_AT_2_6)
    with torch.autocast("cpu", torch.bfloat16):
        given = model.encode(picture().requires_grad_(), camera).mirror
        assumed = model.encode(picture()).mirror
    a = math.radians(degrees)
    if degrees < 30:
        assert given.tolist() == [[0.0, 1.0, 0.0, 0.0]]
    else:
        assert given[0].tolist() == pytest.approx([math.sin(a), math.cos(a), 0.0, -0.03], abs=1e-4)
    assert assumed[0].tolist() == pytest.approx([math.sin(a), math.cos(a), 0.0, -0.03], abs=1e-4)
    assert not given.requires_grad


def test_no_plane_where_nothing_is_solid(model: FastModel, told: dict) -> None:
    for alpha in ([0.0], [0.0, 0.5]):
        told["alpha"] = alpha
        assert model.encode(picture(), Camera.look_at(0, 20)).mirror is None


# ---------------------------------------------------------------------- look-ups


@pytest.mark.parametrize("size", [(5, 7), (5, 7, 3)])
@pytest.mark.parametrize("batch", [1, 2])
def testsampleds_that_are_split_among_threads(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, ...], batch: int
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    dice = torch.Generator().manual_seed(0)
    maps = torch.rand(batch, 2, *size, generator=dice)
    grid = torch.rand(batch, 4099, len(size), generator=dice) * 2.4 - 1.2
    where = grid.reshape(batch, 4099, *(1,) * (len(size) - 1), len(size))
    wanted = F.grid_sample(maps, where, align_corners=False, padding_mode="border").flatten(2).transpose(1, 2)
    found = sampled(maps, grid)
    assert found.shape == (batch, 4099, 2)
    torch.testing.assert_close(found, wanted)
