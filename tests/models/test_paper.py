"""The paper's field: its fast look-up against a plain one, its conventions, types, and refusals."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.fields.lookup import interpolate
from featurenerf.models.encoders import ConvBlock, ResNet34
from featurenerf.models.paper import (
    PaperConfig,
    PaperField,
    PaperModel,
    PaperNetwork,
    ResidualBlock,
    linear,
    positional_code,
)
from featurenerf.models.warp import Canonical
from featurenerf.rendering import Sampling

SMALL = PaperConfig(
    width=24,
    blocks=3,
    fuse=2,
    feature_dim=6,
    octaves=3,
    size=64,
    coarse_samples=16,
    importance_samples=4,
    depth_samples=4,
)


def make_model(config: PaperConfig = SMALL) -> PaperModel:
    torch.manual_seed(0)
    model = PaperModel(config)
    for parameter in model.network.parameters():  # the blocks start as identities, which would hide mistakes
        torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


def views(azimuths: list[list[float]]) -> Camera:
    return Camera.stack([Camera.look_at(row, 20.0, 64, 64) for row in azimuths])


def plain(
    model: PaperModel, pictures: Tensor, cameras: Camera, points: Tensor, directions: Tensor
) -> dict[str, Tensor]:
    """The same field as the papers write it: the latent is looked up first, and each block projects it."""
    b, v = pictures.shape[:2]
    config, network = model.config, model.network
    latent = model.latent(pictures.flatten(0, 1))  # b*v 512 h w
    local = points[:, None].expand(b, v, -1, 3)
    xy, _ = cameras.project(local)
    cells = (xy - 0.5) / 2
    size = torch.tensor([latent.shape[3], latent.shape[2]])
    grid = 2 * cells / (size - 1) - 1
    looked_up = F.grid_sample(latent, grid.flatten(0, 1)[:, None], align_corners=True, padding_mode="border")
    z = looked_up[:, :, 0].transpose(1, 2).unflatten(0, (b, v))  # b v n 512
    rotation = cameras.pose[..., :3, :3]
    turned = torch.einsum("bvij,bvni->bvnj", rotation, local)
    toward = torch.einsum("bvij,bni->bvnj", rotation, directions)
    x = network.input(torch.cat([positional_code(turned, config.octaves, config.frequency), toward], -1))
    weights, biases = network.latent.weight.chunk(config.fuse), network.latent.bias.chunk(config.fuse)
    for number, block in enumerate(network.blocks):
        if number == config.fuse:
            x = x.mean(1)
        if number < config.fuse:
            x = x + F.linear(z, weights[number], biases[number])
        x = x + block.second(F.relu(block.first(F.relu(x))))
    out = network.output(F.relu(x))
    return {
        "density": F.relu(out[..., 3:4]),
        "rgb": torch.sigmoid(out[..., :3]),
        "feature": out[..., 4:10],
        "coordinate": out[..., 10:],
        "descriptor": x,
    }


def test_fast_look_up_is_the_plain_one_and_so_are_its_gradients() -> None:
    model = make_model()
    pictures = torch.rand(2, 2, 3, 64, 64, requires_grad=True)
    cameras = views([[0.0, 70.0], [120.0, 200.0]])
    points = (torch.rand(2, 50, 3) - 0.5).requires_grad_()
    directions = F.normalize(torch.randn(2, 50, 3), dim=-1)
    channels = ("density", "rgb", "feature", "coordinate", "descriptor")
    parameters = [pictures, points, *(p for p in model.parameters())]

    def gradients(values: dict[str, Tensor]) -> list[Tensor]:
        torch.manual_seed(1)
        loss = sum((value * torch.randn_like(value)).sum() for value in values.values())
        return list(torch.autograd.grad(loss, parameters))  # type: ignore[arg-type]

    fast = model.encode_batch(pictures, cameras).sample(points, directions, channels)
    slow = plain(model, pictures, cameras, points, directions)
    for name in channels:
        assert (fast[name] - slow[name]).abs().max() <= 2e-5 * slow[name].abs().max()
    for a, b in zip(gradients(fast), gradients(slow), strict=True):
        assert (a - b).abs().max() <= 2e-5 * b.abs().max().clamp(min=1e-3)


@pytest.mark.parametrize("shape", [(8, 5), (1, 4), (1, 1)])
def test_bilinear_is_grid_sample(shape: tuple[int, int]) -> None:
    maps = torch.randn(2, *shape, 7, dtype=torch.float64, requires_grad=True)
    xy = (torch.rand(2, 30, 2, dtype=torch.float64) * 12 - 2).requires_grad_()
    size = torch.tensor([shape[1], shape[0]])
    grid = 2 * xy / (size - 1).clamp(min=1) - 1
    nchw = maps.permute(0, 3, 1, 2)
    theirs = F.grid_sample(nchw, grid[:, None], align_corners=True, padding_mode="border")[:, :, 0].transpose(1, 2)
    ours = interpolate(maps, xy)
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn_like(ours)
    for a, b in zip(
        torch.autograd.grad((ours * weights).sum(), [maps, xy]),
        torch.autograd.grad((theirs * weights).sum(), [maps, xy]),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("axis", ["x", "y"])
def test_pixels_and_cells_agree(monkeypatch: pytest.MonkeyPatch, axis: str) -> None:
    """A point is looked up in the cell whose receptive field is centred on its pixel, at every stage."""
    monkeypatch.setattr(F, "max_pool2d", F.avg_pool2d)  # as symmetric, but linear
    encoder = make_model().double()
    for parameter in encoder.encoder.parameters():
        parameter.data.fill_(1.0 if parameter.ndim == 1 else 1 / parameter[0].numel())
    picture = torch.ones(1, 3, *((32, 640) if axis == "x" else (640, 32)), dtype=torch.float64, requires_grad=True)
    latent = encoder.latent(picture)[0]  # 512 16 320
    model, camera = make_model(), Camera.look_at(width=picture.shape[3], height=picture.shape[2])
    for channel in (0, 64, 128, 256):  # the first of every stage
        for cell in (160, 163):
            value = latent[channel, 7, cell] if axis == "x" else latent[channel, cell, 7]
            (seen,) = torch.autograd.grad(value, picture, retain_graph=True)
            profile = seen.sum((0, 1, 2 if axis == "x" else 3))
            centre = float((profile * (torch.arange(640) + 0.5)).sum() / profile.sum())
            found = model.latent_xy(torch.full((1, 1, 2), centre), camera, (latent.shape[2], latent.shape[1]))
            assert float(found[0, 0, 0]) == pytest.approx(cell, abs=1e-4)


@pytest.mark.parametrize(("convention", "steady"), [("centre", True), ("authors", False)])
@torch.no_grad()
def test_a_moved_picture_moves_its_latent(convention: str, steady: bool) -> None:
    """By 16 pixels, a cell of the coarsest stage; the authors' stretched stages do not."""
    torch.manual_seed(0)
    encoder = PaperModel(PaperConfig(width=8, feature_dim=0, convention=convention, size=None)).eval()
    picture = torch.rand(1, 3, 640, 32)
    moved = encoder.latent(picture[:, :, 16:])[0, :, :152]  # of rows 16 to 320
    whole = encoder.latent(picture)[0, :, 8:160]
    same = (moved - whole)[:, 142:150].abs().max() < 1e-4 * whole.abs().max()
    assert bool(same) == steady


def test_a_point_is_looked_up_where_it_is_seen() -> None:
    """Change one pixel: of the points along rays, only those that project near it may change."""
    model = make_model()
    camera = Camera.look_at(30.0, 20.0, 64, 64)
    xy = camera.pixels().reshape(-1, 2)
    points = camera.unproject(xy, torch.full((64 * 64,), 1.3))
    picture = torch.rand(3, 64, 64)
    changed = picture.clone()
    changed[:, 40, 16] += 0.5
    stem = [0, 64]
    with torch.no_grad():
        before, after = (
            model.latent(p[None])[:, slice(*stem)].permute(0, 2, 3, 1) for p in (picture, changed.clamp(0, 1))
        )
        projected, _ = camera.project(points)
        cells = model.latent_xy(projected[None], camera, (32, 32))
        moved = (interpolate(before, cells) - interpolate(after, cells)).abs().sum(-1).reshape(64, 64)
    rows, columns = moved.nonzero().unbind(-1)
    assert abs(rows.double().mean() - 40) <= 0.5
    assert abs(columns.double().mean() - 16) <= 0.5


def test_fields_are_values() -> None:
    model = make_model()
    first = model.encode(torch.rand(3, 64, 64))
    points = torch.rand(20, 3) - 0.5
    before = first.query(points)
    second = model.encode(torch.rand(3, 64, 64))
    after = first.query(points)
    assert before.descriptor is not None
    assert after.descriptor is not None
    assert torch.equal(before.descriptor, after.descriptor)
    assert not torch.equal(before.descriptor, second.query(points).descriptor)  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.maps = torch.ones(1, 1)  # type: ignore[attr-defined, misc]


def test_one_field_of_a_batch_is_that_field() -> None:
    model = make_model()
    pictures, cameras = torch.rand(2, 1, 3, 64, 64), views([[0.0], [50.0]])
    points = torch.rand(2, 7, 5, 3) - 0.5
    batched = model.encode_batch(pictures, cameras).query(points)
    single = model.encode(pictures[1, 0], cameras[1, 0]).query(points[1])
    for channel in ("density", "rgb", "feature", "coordinate", "descriptor"):
        torch.testing.assert_close(getattr(batched, channel)[1], getattr(single, channel), rtol=1e-4, atol=1e-3)


def test_the_order_of_views_does_not_matter() -> None:
    model = make_model()
    pictures = [torch.rand(3, 64, 64) for _ in range(2)]
    cameras = [Camera.look_at(a, 20.0, 64, 64) for a in (0.0, 100.0)]
    points, toward = torch.rand(30, 3) - 0.5, F.normalize(torch.randn(30, 3), dim=-1)
    one = model.encode(pictures, cameras).query(points, toward)
    other = model.encode(pictures[::-1], cameras[::-1]).query(points, toward)
    torch.testing.assert_close(one.descriptor, other.descriptor, rtol=1e-4, atol=1e-5)


def test_a_picture_of_the_same_framing_says_the_same_of_the_same_places() -> None:
    """From twice the distance through twice the lens, of places in the plane through the origin that faces the camera:
    they have the same pixels, in rays of another direction."""
    model = make_model()
    picture = torch.rand(3, 128, 128)
    near = Camera.look_at(30.0, 20.0)
    far = Camera.from_pose(Camera.look_at(30.0, 20.0, distance=2.6).pose, near.focal * 2, 128, 128)
    right, up = near.pose[:3, 0], near.pose[:3, 1]
    points = (torch.rand(40, 1) - 0.5) * right + (torch.rand(40, 1) - 0.5) * up
    a, b = (model.encode(picture, camera).query(points, points) for camera in (near, far))
    torch.testing.assert_close(a.descriptor, b.descriptor, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(a.density, b.density, rtol=1e-3, atol=1e-3)


def test_render_is_deterministic_differentiable_and_made_of_samples() -> None:
    model = make_model()
    field = model.encode(torch.rand(3, 64, 64))
    camera = Camera.look_at(60.0, 10.0, 6, 5)
    rendered = field.render(camera)
    again = dataclasses.replace(field, rays_per_chunk=7).render(camera)
    assert rendered["descriptor"].shape == (5, 6, 24)
    assert rendered["feature"].shape == (5, 6, 6)
    for name, value in rendered.items():
        torch.testing.assert_close(value, again[name], rtol=1e-4, atol=1e-5)
    rendered["descriptor"].sum().backward()
    assert model.encoder.conv1.weight.grad is not None
    assert model.encoder.conv1.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.1), (torch.float64, 1e-4)])
def test_other_types(dtype: torch.dtype, tolerance: float) -> None:
    model = make_model()
    picture = torch.rand(3, 64, 64)
    points = torch.rand(50, 3) - 0.5
    with torch.no_grad():
        expected = model.encode(picture).query(points).descriptor
        other = model.to(dtype).encode(picture)
        found = other.query(points).descriptor
        assert other.render(Camera.look_at(10.0, 10.0, 4, 4), ("rgb", "depth"))["rgb"].isfinite().all()
    assert expected is not None
    assert found is not None
    assert (expected - found).norm() / expected.norm() < tolerance


def test_channels_that_the_model_has_not() -> None:
    model = make_model(dataclasses.replace(SMALL, feature_dim=0, coordinate=False))
    field = model.encode(torch.rand(3, 64, 64))
    points = torch.rand(5, 3) - 0.5
    samples = field.query(points)
    assert samples.feature is None
    assert samples.coordinate is None
    assert samples.rgb is not None
    with pytest.raises(InputError, match="no channel 'coordinate': the model was made without it"):
        field.query(points, channels=("coordinate",))
    with pytest.raises(InputError, match="no channel 'feature': the model was made without it"):
        field.render(Camera.look_at(0.0, 0.0, 4, 4), ("feature",))


def test_only_what_is_asked_for_is_returned() -> None:
    field = make_model().encode(torch.rand(3, 64, 64))
    assert isinstance(field, PaperField)
    points = torch.rand(1, 5, 3)
    assert list(field.sample(points, points, ("density",))) == ["density"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width is 0: it must lie between 1 and 4096"),
        ({"blocks": 0, "fuse": 0}, "blocks is 0: it must lie between 1 and 64"),
        ({"octaves": 0}, "octaves is 0: it must lie between 1 and 32"),
        ({"coarse_samples": 0}, "coarse_samples is 0: it must lie between 1 and 4096"),
        ({"fuse": 4}, "fuse views after 4 of 3 blocks"),
        ({"fuse": 0}, "fuse views after 0 of 3 blocks"),
        ({"feature_dim": -1}, "feature_dim is -1: it must lie between 0 and 8192"),
        ({"importance_samples": -1}, "importance_samples is -1: it must lie between 0 and 4096"),
        ({"depth_samples": -1}, "depth_samples is -1: it must lie between 0 and 4096"),
        ({"frequency": 0.0}, "must be positive"),
        ({"depth_std": 0.0}, "must be positive"),
        ({"convention": "authors"}, "set size to None"),
        ({"size": 31}, "size is 31"),
    ],
)
def test_contradictory_settings(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataclasses.replace(SMALL, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"width": 1, "blocks": 1, "fuse": 1, "octaves": 1, "coarse_samples": 1},
        {"feature_dim": 0, "importance_samples": 0, "depth_samples": 0},
        {"fuse": 3},
        {"size": 32},
        {"convention": "authors", "size": None},
        {"size": None},
        {"frequency": 0.5, "depth_std": 0.5},
    ],
)
def test_settings_at_their_bounds(change: dict[str, object]) -> None:
    config = dataclasses.replace(SMALL, **change)  # type: ignore[arg-type]
    assert change.items() <= dataclasses.asdict(config).items()


def test_defaults_are_the_published_ones() -> None:
    assert dataclasses.asdict(PaperConfig()) == {
        "width": 512, "blocks": 5, "fuse": 3, "feature_dim": 384, "coordinate": True, "octaves": 6, "frequency": 1.5,
        "convention": "centre", "size": 128, "fov": 49.13, "distance": 1.3, "near": 0.8, "far": 1.8,
        "encoder": "resnet34", "encoder_blocks": (0, 1, 2, 3), "labels": (), "categories": {},
        "coarse_samples": 64, "importance_samples": 16, "depth_samples": 16, "depth_std": 0.01,
    }  # fmt: skip


def test_sizes_that_follow_from_settings() -> None:
    config = dataclasses.replace(SMALL, size=48, fov=30.0, distance=2.0)
    assert config.code == 3 + 2 * 3 * 3 + 3
    assert config.outputs == {
        "rgb": slice(0, 3),
        "density": slice(3, 4),
        "feature": slice(4, 10),
        "coordinate": slice(10, 13),
    }
    without = dataclasses.replace(SMALL, feature_dim=0)
    assert without.outputs == {"rgb": slice(0, 3), "density": slice(3, 4), "coordinate": slice(4, 7)}
    assert list(dataclasses.replace(SMALL, coordinate=False).outputs) == ["rgb", "density", "feature"]
    assert config.canonical == Canonical(48, 30.0, 2.0)
    assert dataclasses.replace(SMALL, size=None).canonical is None
    for coordinate, rows in ((True, 13), (False, 10)):
        network = PaperNetwork(dataclasses.replace(SMALL, coordinate=coordinate))
        assert network.output.weight.shape == (rows, 24)
        assert network.input.weight.shape == (24, 24)
        assert network.latent.weight.shape == (2 * 24, 512)


def test_config_survives_json() -> None:
    assert PaperConfig(**dataclasses.asdict(SMALL)) == SMALL
    imported = dataclasses.replace(SMALL, convention="authors", size=None)
    assert PaperConfig(**dataclasses.asdict(imported)) == imported


@pytest.mark.parametrize("seed", range(4))
@torch.no_grad()
def test_a_new_model_is_a_fog_not_nothing(seed: int) -> None:
    """Were the density 0 everywhere, as ReLU makes it by half a chance, training could not begin."""
    torch.manual_seed(seed)
    model = PaperModel(dataclasses.replace(SMALL, width=128))  # in training: its normalisation sees the batch
    field = model.encode_batch(torch.rand(2, 1, 3, 64, 64), views([[0.0], [50.0]]))
    density = field.query(torch.rand(2, 300, 3) - 0.5).density
    assert density is not None
    assert (density > 0).float().mean() > 0.8
    assert density.mean() < 5


def test_published_size() -> None:
    """3.6 M multiply-adds a point without the look-ups' projections being shared (PaperConfig's defaults)."""
    model = PaperModel(PaperConfig())
    per_point = sum(p.numel() for p in model.network.parameters() if p.ndim == 2)
    assert per_point == 42 * 512 + 3 * 512 * 512 + 10 * 512 * 512 + 512 * 391


# ---------------------------------------------------------------------- its pieces, by hand


def test_the_code_of_a_point() -> None:
    """The point; sines of its three coordinates, cosines of them; the same at twice the frequency."""
    x, y, z = point = (0.3, -1.0, 2.0)
    wanted = [
        *point,
        *(math.sin(1.5 * c) for c in (x, y, z)), *(math.cos(1.5 * c) for c in (x, y, z)),
        *(math.sin(3.0 * c) for c in (x, y, z)), *(math.cos(3.0 * c) for c in (x, y, z)),
    ]  # fmt: skip
    found = positional_code(torch.tensor([[point]], dtype=torch.float64), 2, 1.5)
    torch.testing.assert_close(found, torch.tensor([[wanted]], dtype=torch.float64))


@torch.no_grad()
def test_a_block_of_the_encoder() -> None:
    """relu(second(relu(first(x))) + x) with normalisation after each convolution, before the sum."""
    block = ConvBlock(1, 1, 1).eval()
    assert isinstance(block.downsample, torch.nn.Identity)
    for conv, factor in ((block.conv1, 2.0), (block.conv2, 0.5)):
        conv.weight.zero_()
        conv.weight[0, 0, 1, 1] = factor
    block.bn1.running_mean.fill_(1.0)
    block.bn2.bias.fill_(-0.25)
    x = torch.tensor([[[[3.0, 0.4, -2.0, 0.2]]]])  # first: 2x - 1 = 5, -0.2, -5, -0.6, so 5, 0, 0, 0
    wanted = torch.tensor([[[[2.5 - 0.25 + 3, -0.25 + 0.4, 0.0, 0.0]]]])
    torch.testing.assert_close(block(x), wanted, rtol=1e-4, atol=0)


def test_a_block_that_changes_its_size_has_a_shortcut_of_its_own() -> None:
    x = torch.rand(1, 4, 8, 8)
    for inputs, outputs, stride, side in ((4, 4, 2, 4), (4, 6, 1, 8), (4, 6, 2, 4)):
        block = ConvBlock(inputs, outputs, stride)
        assert block(x).shape == (1, outputs, side, side)
        conv, norm = block.downsample
        assert conv.weight.shape == (outputs, inputs, 1, 1)
        assert isinstance(norm, torch.nn.BatchNorm2d)
        assert all(layer.bias is None for layer in (conv, block.conv1, block.conv2))


def passing_model(convention: Literal[centre, authors]) -> PaperModel:
    """Its convolutions pass on what they are given: the stem the three colours, a shortcut every second cell, and the
    blocks nothing of their own."""
    model = PaperModel(PaperConfig(width=8, feature_dim=0, convention=convention, size=None)).eval()
    encoder = model.encoder
    with torch.no_grad():
        for module in encoder.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.zero_()
            elif isinstance(module, torch.nn.BatchNorm2d):
                module.eps = 0.0
        encoder.conv1.weight[:3, :, 3, 3] = torch.eye(3)
        for layer in (encoder.layer2, encoder.layer3):
            layer[0].downsample[0].weight[:3, :3, 0, 0] = torch.eye(3)
    return model


@torch.no_grad()
def test_the_latent_by_hand() -> None:
    """Colours in [-1, 1], clipped at 0; the stem's every second pixel; the greatest of 3 x 3; every second again."""
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    stem = (2 * picture - 1).clamp(min=0)[0, :, ::2, ::2]  # 32 x 32
    around = torch.full((3, 34, 34), -1.0)
    around[:, 1:-1, 1:-1] = stem
    pooled = torch.stack([around[:, i : i + 32 : 2, j : j + 32 : 2] for i in range(3) for j in range(3)]).amax(0)  # 16
    for convention in ("centre", "authors"):
        latent = passing_model(convention).latent(picture)[0]
        assert latent.shape == (512, 32, 32)
        stages = {0: stem, 64: pooled, 128: pooled[:, ::2, ::2], 256: pooled[:, ::4, ::4]}
        assert [int(c) for c in latent.sum((1, 2)).nonzero()[:, 0]] == [c + k for c in stages for k in range(3)]
        for (channel, stage), factor in zip(stages.items(), (1, 2, 4, 8), strict=True):
            found, side = latent[channel : channel + 3], stage.shape[-1]
            if convention == "centre":  # cell i lies at factor * i, and the last one goes on
                torch.testing.assert_close(found[:, ::factor, ::factor], stage)
                torch.testing.assert_close(found[:, 31, ::factor], stage[:, side - 1])
                torch.testing.assert_close(found[:, ::factor, 31], stage[:, :, side - 1])
                if factor == 4:  # a quarter of the way between two cells
                    torch.testing.assert_close(found[:, 4, 9], 0.75 * stage[:, 1, 2] + 0.25 * stage[:, 1, 3])
                    torch.testing.assert_close(found[:, 9, 4], 0.75 * stage[:, 2, 1] + 0.25 * stage[:, 3, 1])
            else:  # stretched from corner to corner
                torch.testing.assert_close(found[:, ::31, ::31], stage[:, :: side - 1, :: side - 1])
                at = 10 * (side - 1) / 31
                low, part = int(at), at % 1
                between = (1 - part) * stage[:, 0, low] + part * stage[:, 0, min(low + 1, side - 1)]
                torch.testing.assert_close(found[:, 0, 10], between)


def test_what_layers_start_from() -> None:
    """A spread that keeps that of activations (He et al.), no bias; a block of the MLP is the identity."""
    torch.manual_seed(0)
    layer = linear(200, 300)
    assert layer.weight.std().item() == pytest.approx((2 / 200) ** 0.5, rel=0.02)
    assert not layer.bias.any()
    encoder = ResNet34()
    assert encoder.conv1.weight.std().item() == pytest.approx((2 / (64 * 7 * 7)) ** 0.5, rel=0.03)
    assert encoder.layer2[0].conv1.weight.std().item() == pytest.approx((2 / (128 * 3 * 3)) ** 0.5, rel=0.03)
    assert [len(getattr(encoder, f"layer{number}")) for number in (1, 2, 3)] == [3, 4, 6]
    block, x = ResidualBlock(16), torch.randn(5, 16)
    assert torch.equal(block(x), x)
    assert block.first.weight.any()


def test_the_mlp_starts_as_a_thin_fog() -> None:
    """Density starts around 1, and varies a tenth as much as the other outputs."""
    torch.manual_seed(0)
    output = PaperNetwork(PaperConfig(width=400, feature_dim=3)).output
    assert output.bias.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    spread = output.weight.std(dim=1)
    assert spread[3].item() == pytest.approx(0.1 * (2 / 400) ** 0.5, rel=0.15)
    for row in (0, 1, 2, 4, 9):
        assert spread[row].item() == pytest.approx((2 / 400) ** 0.5, rel=0.15)


@torch.no_grad()
def test_a_block_of_the_mlp() -> None:
    block = ResidualBlock(2)
    block.first.weight.copy_(torch.tensor([[1.0, 1.0], [0.0, -1.0]]))
    block.first.bias.copy_(torch.tensor([0.0, 1.0]))
    block.second.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
    block.second.bias.copy_(torch.tensor([0.5, 0.0]))
    # relu(x) = (0, 4); first: (4, -3), relu: (4, 0); second: (8.5, 0)
    torch.testing.assert_close(block(torch.tensor([-1.0, 4.0])), torch.tensor([7.5, 4.0]))


def test_pixels_to_cells_of_both_conventions() -> None:
    """Cell j is centred on pixel 2 j, whose centre is at 2 j + 0.5; the authors stretch pixels to cells."""
    xy, camera = torch.tensor([[[10.0, 20.0], [0.5, 0.5]]]), Camera.look_at(width=6, height=20)
    centre = make_model()
    assert centre.latent_xy(xy, camera, (3, 5)).tolist() == [[[4.75, 9.75], [0.0, 0.0]]]
    authors = make_model(dataclasses.replace(SMALL, convention="authors", size=None))
    assert authors.latent_xy(xy, camera, (3, 5)).tolist() == [[[5.0, 5.0], [0.25, 0.125]]]


def test_what_a_field_is_made_with() -> None:
    model = make_model(dataclasses.replace(SMALL, depth_std=0.02, fov=30.0, distance=2.0))
    field = model.encode(torch.rand(3, 64, 64))
    assert model.canonical == Canonical(64, 30.0, 2.0)
    assert field.sampling == Sampling(coarse=16, importance=4, around_depth=4, depth_std=0.02)
    assert field.pixel_offset == 0.5
    assert field.rays_per_chunk == 128
    authors = make_model(dataclasses.replace(SMALL, convention="authors", size=None)).encode(torch.rand(3, 64, 64))
    assert authors.pixel_offset == 0.0


@pytest.mark.parametrize(
    ("dtype", "kept"),
    [(torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)],
)
@torch.no_grad()
def test_points_are_projected_in_float32_at_least(dtype: torch.dtype, kept: torch.dtype) -> None:
    field = make_model().to(dtype).encode(torch.rand(3, 64, 64))
    assert field.maps.dtype == kept
    samples = field.query(torch.rand(5, 3) - 0.5)
    assert samples.density.dtype == kept
    assert samples.descriptor.dtype == samples.feature.dtype == dtype


@torch.no_grad()
def test_density_is_per_unit_of_the_world() -> None:
    """From wherever it was seen; what is negative is empty, and colours lie between 0 and 1."""
    model = make_model()
    for parameter in model.network.parameters():
        parameter.zero_()
    model.network.output.bias[:4] = torch.tensor([0.0, 3.0, -3.0, 2.0])
    cameras = [Camera.look_at(0.0, 20.0, 64, 64, distance=distance) for distance in (1.3, 2.6)]
    field = model.encode([torch.rand(3, 64, 64)] * 2, cameras)
    samples = field.query(torch.rand(3, 3) - 0.5)
    torch.testing.assert_close(samples.density, torch.full((3,), 2.0))
    wanted = torch.tensor([0.5, 1 / (1 + math.exp(-3)), 1 / (1 + math.exp(3))])
    torch.testing.assert_close(samples.rgb, wanted.expand(3, 3))
    model.network.output.bias[3] = -2.0
    assert not field.query(torch.rand(3, 3) - 0.5).density.any()


def test_blocks_inside_are_channels_that_are_asked_for_by_name() -> None:
    """Each is what the next one takes in; the last is the descriptor, and nothing is computed unasked."""
    model = make_model()
    seen: dict[int, Tensor] = {}
    for k, block in enumerate(model.network.blocks, 1):
        block.register_forward_hook(lambda _, __, out, k=k: seen.__setitem__(k, out.detach()))
    field = model.encode(torch.rand(3, 64, 64), Camera.look_at(30, 20, 64, 64))
    points = torch.randn(5, 3) * 0.2
    with torch.no_grad():
        assert "block_1" not in field.query(points)
        whole = field.query(points, channels=("descriptor",)).descriptor
        expected = {1: seen[1][0, 0], 2: seen[2].mean(1)[0], 3: seen[3][0]}
        for k, value in expected.items():
            assert torch.equal(field.query(points, channels=(f"block_{k}",))[f"block_{k}"], value), k
        assert torch.equal(whole, expected[3])
        shown = field.render(Camera.look_at(0, 20, 8, 8), channels=("block_2", "descriptor"))
        assert shown["block_2"].shape == (8, 8, 24)
        turned = torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0]))  # about the camera's own up
        away = dataclasses.replace(Camera.look_at(0, 20, 4, 4), pose=Camera.look_at(0, 20, 4, 4).pose @ turned)
        assert field.render(away, channels=("block_1",))["block_1"].shape == (4, 4, 24)
    with pytest.raises(InputError, match="no channel 'block_4'"):
        field.query(points, channels=("block_4",))
