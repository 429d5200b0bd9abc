"""The renderer against slow and readable references, values and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from featurenerf.rendering import (
    Sampling,
    box_bounds,
    composite,
    composite_weights,
    importance_depths,
    render_rays,
    sphere_bounds,
    stratified_depths,
)


def ball(points: Tensor, directions: Tensor, channels: tuple[str, ...]) -> dict[str, Tensor]:
    """A soft ball of radius 0.3 whose colour is its position."""
    inside = torch.sigmoid((0.3 - points.norm(dim=-1, keepdim=True)) * 60)
    return {n: {"density": inside * 80, "rgb": points.sigmoid(), "descriptor": points}[n] for n in channels}


def rays(count: int = 7) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    origins = torch.tensor([1.3, 0.0, 0.0]).expand(1, count, 3)
    aims = torch.stack([torch.zeros(count), torch.linspace(-0.6, 0.6, count), torch.linspace(-0.1, 0.1, count)], -1)
    directions = torch.nn.functional.normalize(aims[None] - origins, dim=-1)
    return origins, directions, torch.full((1, count, 1), 0.8), torch.full((1, count, 1), 1.8)


def test_weights_are_nerfs_equation_3() -> None:
    density = torch.rand(2, 3, 9, dtype=torch.float64) * 30
    depths = torch.rand(2, 3, 9, dtype=torch.float64).cumsum(-1)
    far = depths[..., -1:] + 0.5
    for b in range(2):
        for r in range(3):
            transmittance = 1.0
            for s in range(9):
                step = (depths[b, r, s + 1] if s < 8 else far[b, r, 0]) - depths[b, r, s]
                opacity = 1 - torch.exp(-density[b, r, s] * step)
                assert composite_weights(density, depths, far)[b, r, s] == pytest.approx(float(transmittance * opacity))
                transmittance = transmittance * (1 - opacity)


def test_depth_of_an_opaque_ball() -> None:
    seen = render_rays(ball, *rays(), ("rgb",), Sampling(coarse=512))
    middle = 3
    assert seen.channels["alpha"][0, middle, 0] > 0.99
    assert seen.channels["depth"][0, middle, 0].item() == pytest.approx(1.0, abs=0.03)
    assert seen.channels["alpha"][0, 0, 0] < 1e-2


def test_shading_every_sample_equals_shading_the_heaviest() -> None:
    everything = render_rays(ball, *rays(), ("rgb", "descriptor"), Sampling(coarse=48))
    same = render_rays(ball, *rays(), ("rgb", "descriptor"), Sampling(coarse=48, shaded=48))
    few = render_rays(ball, *rays(), ("rgb", "descriptor"), Sampling(coarse=48, shaded=12))
    for name in ("rgb", "descriptor", "alpha", "depth"):
        assert torch.allclose(everything.channels[name], same.channels[name], atol=1e-6)
        assert torch.allclose(everything.channels[name], few.channels[name], atol=1e-2)
    assert few.depths.shape[-1] == 12


def test_fine_samples_are_merged_in_order_and_coarse_ones_evaluated_once() -> None:
    calls = []

    def counted(points: Tensor, directions: Tensor, channels: tuple[str, ...]) -> dict[str, Tensor]:
        calls.append(points.shape[1])
        return ball(points, directions, channels)

    sampling = Sampling(coarse=16, importance=8, around_depth=8)
    seen = render_rays(counted, *rays(), ("rgb",), sampling)
    assert calls == [7 * 16, 7 * 16]
    assert seen.depths.shape == (1, 7, 32)
    assert (seen.depths.diff(dim=-1) >= 0).all()
    assert seen.coarse is not None
    direct = ball((rays()[0].unsqueeze(2) + rays()[1].unsqueeze(2) * seen.depths.unsqueeze(-1)), Tensor(), ("rgb",))
    assert torch.allclose(seen.samples["rgb"], direct["rgb"], atol=1e-6)


def test_importance_follows_the_weights() -> None:
    weights = torch.zeros(1, 1, 10)
    weights[..., 4] = 1.0
    near, far = torch.zeros(1, 1, 1), torch.ones(1, 1, 1)
    depths = importance_depths(weights, near, far, 50)
    assert ((depths > 0.4) & (depths < 0.5)).float().mean() > 0.95


def test_bounds_are_where_rays_enter_and_leave() -> None:
    origins, directions = (x[:, 2:5] for x in rays()[:2])
    for depth in sphere_bounds(origins, directions, 0.5):
        assert torch.allclose((origins + directions * depth).norm(dim=-1), torch.full((1, 3), 0.5), atol=1e-5)
    box = torch.tensor([[[-0.3, -0.4, -0.5], [0.2, 0.4, 0.5]]])
    for depth, x in zip(box_bounds(origins, directions, box), (0.2, -0.3), strict=True):
        assert torch.allclose((origins + directions * depth)[0, 1, 0], torch.tensor(x), atol=1e-5)
    aside = torch.tensor([0.0, 1.0, 0.0]).expand_as(directions)
    near, far = sphere_bounds(origins, aside, 0.5)
    assert torch.equal(near, far)
    weights = composite_weights(torch.full((1, 3, 4), 50.0), stratified_depths(near, far, 4), far)
    assert torch.equal(weights, torch.zeros_like(weights))
    enter, leave = box_bounds(origins, aside, box)
    assert (leave < enter).all()


def test_skipping_transparent_rays_changes_little() -> None:
    whole = render_rays(ball, *rays(), ("rgb",), Sampling(48, shaded=12))
    some = render_rays(ball, *rays(), ("rgb",), Sampling(48, shaded=12, skip_below=1 / 512))
    assert some.samples["rgb"].shape[1] < 7
    assert torch.allclose(whole.channels["rgb"], some.channels["rgb"], atol=1 / 500)
    assert torch.equal(whole.channels["alpha"], some.channels["alpha"])


def test_rendering_is_deterministic_and_jitter_is_seeded() -> None:
    def jittered(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return render_rays(ball, *rays(), ("rgb",), Sampling(8), jitter=True, generator=generator).channels["rgb"]

    assert torch.equal(jittered(1), jittered(1))
    assert not torch.equal(jittered(1), jittered(2))
    first, second = (render_rays(ball, *rays(), ("rgb",), Sampling(8, 4, 4)).channels["rgb"] for _ in range(2))
    assert torch.equal(first, second)


def test_gradients_reach_density_and_colour() -> None:
    density = torch.full((1, 2, 5), 3.0, dtype=torch.float64, requires_grad=True)
    colour = torch.rand(1, 2, 5, 3, dtype=torch.float64, requires_grad=True)
    depths = torch.linspace(0.8, 1.6, 5, dtype=torch.float64).expand(1, 2, 5)
    far = torch.full((1, 2, 1), 1.8, dtype=torch.float64)

    def value(density: Tensor, colour: Tensor) -> Tensor:
        return composite(composite_weights(density, depths, far), depths, {"rgb": colour})["rgb"]

    assert torch.autograd.gradcheck(value, (density, colour))
