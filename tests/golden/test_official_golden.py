"""Our paper field against numbers that the authors' program computed from the same weights, pictures and points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.fields.base import Field
from featurenerf.models import checkpoint, paper
from featurenerf.models.official import import_official
from featurenerf.models.paper import PaperModel
from featurenerf.rendering import composite, composite_weights

GOLDEN = Path(__file__).parents[3] / "shared" / "golden"
TOLERANCE = 2e-5
CASES = ("one_view", "two_view")
CHANNELS = ("density", "rgb", "feature", "coordinate", "descriptor")

pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the golden numbers are not at {GOLDEN}")


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    return load_file(GOLDEN / "official_outputs.safetensors")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PaperModel:
    """Imported, saved as a checkpoint of ours and loaded again."""
    directory = tmp_path_factory.mktemp("imported")
    checkpoint.save(import_official(GOLDEN / "official_weights.safetensors"), directory)
    loaded = checkpoint.load(directory)
    assert isinstance(loaded, PaperModel)
    return loaded


def difference(ours: Tensor, theirs: Tensor) -> float:
    """Largest absolute difference, relative to the largest number."""
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max() / theirs.abs().max())


def camera(pose: Tensor, golden: dict[str, Tensor], case: str) -> Camera:
    return Camera.from_pose(pose, golden[f"{case}.focal"].item(), 128, 128, near=0.8, far=1.8)


def encode(model: PaperModel, golden: dict[str, Tensor], case: str) -> Field:
    pictures = golden[f"{case}.images"].float() / 255
    return model.encode_batch(pictures, camera(golden[f"{case}.src_poses"], golden, case))


def samples_difference(model: PaperModel, golden: dict[str, Tensor], case: str) -> dict[str, float]:
    """How far our latent and our samples at the query points are from theirs."""
    points = golden[f"{case}.points"]
    latent = model.latent(golden[f"{case}.images"].float().flatten(0, 1) / 255)
    ours = encode(model, golden, case).query(points, golden[f"{case}.viewdirs"])
    assert ours.density is not None
    assert ours.rgb is not None
    assert ours.feature is not None
    assert ours.coordinate is not None
    assert ours.descriptor is not None
    return {
        "latent": difference(latent[:, ::16, ::4, ::4], golden[f"{case}.latent"]),
        "sigma": difference(ours.density[..., None], golden[f"{case}.sigma"]),
        "rgb": difference(ours.rgb, golden[f"{case}.rgb"]),
        "embed": difference(ours.feature, golden[f"{case}.embed"]),
        "coord_residual": difference(ours.coordinate - points, golden[f"{case}.coord_residual"]),
        "last_feat": difference(ours.descriptor, golden[f"{case}.last_feat"]),
    }


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_samples(model: PaperModel, golden: dict[str, Tensor], case: str) -> None:
    assert max(samples_difference(model, golden, case).values()) < TOLERANCE


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_rays(model: PaperModel, golden: dict[str, Tensor], case: str) -> None:
    field = encode(model, golden, case)
    target = camera(golden[f"{case}.tgt_poses"], golden, case)
    origins, directions = target.rays(field.pixel_offset)
    near_far = torch.tensor([0.8, 1.8]).expand(*origins.shape[:-1], 2)
    rays = torch.cat([origins, directions, near_far], -1)
    assert difference(rays[:, :3, :3], golden[f"{case}.rays_corner"]) < TOLERANCE
    index = golden[f"{case}.ray_pixels"]
    chosen = rays.flatten(1, 2).gather(1, index[..., None].expand(*index.shape, 8))
    assert difference(chosen, golden[f"{case}.rays"]) < TOLERANCE


def composited_difference(model: PaperModel, golden: dict[str, Tensor], case: str) -> dict[str, float]:
    """How far our composited channels are from theirs, along their rays at their depths."""
    field = encode(model, golden, case)
    rays = golden[f"{case}.rays"]  # b r 8
    b, r = rays.shape[:2]
    depths = golden[f"{case}.z"].reshape(b, r, -1)  # b r s
    points = rays[:, :, None, :3] + rays[:, :, None, 3:6] * depths[..., None]  # b r s 3
    samples = {
        name: value.reshape(b, r, depths.shape[2], -1)
        for name, value in field.sample(
            points.flatten(1, 2), rays[:, :, None, 3:6].expand_as(points).flatten(1, 2), CHANNELS
        ).items()
    }
    weights = composite_weights(samples.pop("density")[..., 0], depths, rays[..., 7:])
    ours = composite(weights, depths, samples)
    return {
        "weights": difference(weights.flatten(0, 1), golden[f"{case}.comp_weights"]),
        "depth": difference(ours["depth"].flatten(), golden[f"{case}.comp_depth"]),
        "rgb": difference(ours["rgb"].flatten(0, 1), golden[f"{case}.comp_rgb"]),
        "embed": difference(ours["feature"].flatten(0, 1), golden[f"{case}.comp_embed"]),
        "last_feat": difference(ours["descriptor"].flatten(0, 1), golden[f"{case}.comp_last_feat"]),
        "coord": difference((samples["coordinate"] - points).mean(2).flatten(0, 1), golden[f"{case}.comp_coord"]),
    }


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_composited(model: PaperModel, golden: dict[str, Tensor], case: str) -> None:
    assert max(composited_difference(model, golden, case).values()) < TOLERANCE


@torch.no_grad()
def test_public_api_renders_their_pixels(model: PaperModel, golden: dict[str, Tensor]) -> None:
    """Encode and render without a word about conventions; samples are ours, so the pictures agree only roughly."""
    picture = golden["one_view.images"][0, 0].float() / 255
    field = model.encode(picture, camera(golden["one_view.src_poses"][0, 0], golden, "one_view"))
    target = camera(golden["one_view.tgt_poses"][0], golden, "one_view")
    origins, directions = target.rays(field.pixel_offset)
    index = golden["one_view.ray_pixels"][0]
    values = field.render_rays(
        origins.reshape(1, -1, 3)[:, index], directions.reshape(1, -1, 3)[:, index], 0.8, 1.8, ("rgb", "descriptor")
    )
    assert (values.channels["rgb"][0] - golden["one_view.comp_rgb"][:96]).abs().mean() < 0.02
    ours, theirs = values.channels["descriptor"][0], golden["one_view.comp_last_feat"][:96]
    assert F.cosine_similarity(ours, theirs, dim=-1).median() > 0.99
    small = target.resize(8, 8)
    rendered = field.render(small, ("rgb", "depth"))
    assert rendered["rgb"].shape == (8, 8, 3)
    assert torch.equal(rendered["rgb"], field.render(small, ("rgb", "depth"))["rgb"])


def _relu_descriptor(patch: pytest.MonkeyPatch) -> None:
    forward = paper.PaperNetwork.forward
    patch.setattr(paper.PaperNetwork, "forward", lambda *a: forward(*a).relu())


def _code_with_pi(patch: pytest.MonkeyPatch) -> None:
    code = paper.positional_code
    patch.setattr(paper, "positional_code", lambda x, octaves, frequency: code(x, octaves, frequency * torch.pi))


def _code_interleaved(patch: pytest.MonkeyPatch) -> None:
    code = paper.positional_code

    def other(x: Tensor, octaves: int, frequency: float) -> Tensor:
        waves = code(x, octaves, frequency)[..., 3:].unflatten(-1, (octaves, 2, 3)).transpose(-3, -2)
        return torch.cat([x, waves.flatten(-3)], -1)

    patch.setattr(paper, "positional_code", other)


def _other_corners(patch: pytest.MonkeyPatch) -> None:
    latent_maps = paper.latent_maps
    patch.setattr(paper, "latent_maps", lambda maps, factors, cells: latent_maps(maps, factors, "tiles"))


def _half_a_pixel(patch: pytest.MonkeyPatch) -> None:
    look_up = paper.PaperModel.latent_xy
    patch.setattr(paper.PaperModel, "latent_xy", lambda self, xy, *a: look_up(self, xy + 0.5, *a))


def _translated_code(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Camera, "rotate_to_camera", Camera.world_to_camera)


def _fused_late(patch: pytest.MonkeyPatch) -> None:
    """Average the views only at the end (the same for one view)."""

    def forward(self: paper.PaperNetwork, code: Tensor, latent: Tensor) -> Tensor:
        x, added = self.input(code), latent.chunk(self.fuse, -1)
        for number, block in enumerate(self.blocks):
            x = block(x + added[number] if number < len(added) else x)
        return x.mean(1)

    patch.setattr(paper.PaperNetwork, "forward", forward)


@pytest.mark.parametrize(
    "alter",
    [
        _relu_descriptor,
        _code_with_pi,
        _code_interleaved,
        _other_corners,
        _half_a_pixel,
        _translated_code,
        _fused_late,
    ],
)
@torch.no_grad()
def test_an_altered_model_is_noticed(
    model: PaperModel,
    golden: dict[str, Tensor],
    monkeypatch: pytest.MonkeyPatch,
    alter: Callable[[pytest.MonkeyPatch], None],
) -> None:
    alter(monkeypatch)
    assert max(samples_difference(model, golden, "two_view").values()) > 10 * TOLERANCE
