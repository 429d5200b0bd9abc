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
    depths_around,
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


# ---------------------------------------------------------------------- numbers by hand


def column(*values: float) -> Tensor:
    """One number a ray: (1, r, 1)."""
    return torch.tensor(values)[None, :, None]


def test_sampling_unless_told() -> None:
    assert Sampling() == Sampling(
        coarse=64, importance=0, around_depth=0, depth_std=0.01, shaded=None, skip_below=0.0
    )  # fmt: skip


def test_a_sphere_is_entered_before_it_is_left() -> None:
    """0.3 off the axis, half the chord of a sphere of radius 0.5 is 0.4; of radius 0.34, 0.16; 0.2 is missed."""
    origins = torch.tensor([2.0, 0.3, 0.0]).expand(3, 1, 3)
    directions = torch.tensor([-1.0, 0.0, 0.0]).expand(3, 1, 3)
    near, far = sphere_bounds(origins, directions, torch.tensor([0.5, 0.34, 0.2]).reshape(3, 1, 1))
    torch.testing.assert_close(near.flatten(), torch.tensor([1.6, 1.84, 2.0]))
    torch.testing.assert_close(far.flatten(), torch.tensor([2.4, 2.16, 2.0]))
    inside = torch.zeros(1, 1, 3)
    assert [x.item() for x in sphere_bounds(inside, directions[:1], 0.5)] == [-0.5, 0.5]  # entered behind the origin


def test_a_box_is_entered_through_its_last_face_and_left_through_its_first() -> None:
    """The slanted ray enters x at 7/6 and y at 3/4, and leaves them at 2 and 7/4; the second box is larger."""
    origins = torch.tensor([[-1.0, -1.0, 0.0], [2.0, 0.0, 0.0], [2.0, 0.5, 0.0]]).expand(2, 3, 3)
    directions = torch.tensor([[0.6, 0.8, 0.0], [-1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]).expand(2, 3, 3)
    boxes = torch.tensor([[[-0.3, -0.4, -0.1], [0.2, 0.4, 0.1]], [[-0.4, -0.6, -0.2], [0.5, 0.6, 0.2]]])
    enter, leave = box_bounds(origins, directions, boxes)
    torch.testing.assert_close(enter[:, :2, 0], torch.tensor([[7 / 6, 1.8], [1.0, 1.5]]))
    torch.testing.assert_close(leave[:, :2, 0], torch.tensor([[7 / 4, 2.3], [2.0, 2.4]]))
    assert leave[0, 2] < enter[0, 2]  # parallel to the first box and beside it
    torch.testing.assert_close((enter[1, 2, 0], leave[1, 2, 0]), (torch.tensor(1.5), torch.tensor(2.4)))


def test_stratified_depths_are_the_middles_of_equal_bins() -> None:
    depths = stratified_depths(column(0.8, 0.0), column(1.8, 4.0), 4)
    torch.testing.assert_close(depths, torch.tensor([[[0.925, 1.175, 1.425, 1.675], [0.5, 1.5, 2.5, 3.5]]]))


def test_jitter_moves_each_stratified_depth_within_its_bin() -> None:
    near, far = torch.full((1, 2000, 1), 0.8), torch.full((1, 2000, 1), 1.8)
    depths = stratified_depths(near, far, 4, jitter=True, generator=torch.Generator().manual_seed(0))
    inside = (depths - torch.tensor([0.8, 1.05, 1.3, 1.55])) / 0.25
    assert inside.min() > -1e-5
    assert inside.max() < 1 + 1e-5
    torch.testing.assert_close(inside.mean(1), torch.full((1, 4), 0.5), atol=0.03, rtol=0)
    torch.testing.assert_close(inside.std(1), torch.full((1, 4), 12**-0.5), atol=0.02, rtol=0)


def test_importance_depths_are_quantiles_of_the_weights() -> None:
    """A quarter of the weight lies in the first bin, the rest in the second."""
    depths = importance_depths(torch.tensor([[[0.1, 0.3]]]), column(2.0), column(4.0), 4)
    torch.testing.assert_close(depths, torch.tensor([[[2.5, 3 + 1 / 6, 3.5, 3 + 5 / 6]]]), atol=1e-4, rtol=0)


def test_importance_depths_of_an_empty_ray_are_even() -> None:
    depths = importance_depths(torch.zeros(1, 1, 3), column(2.0), column(4.0), 4)
    torch.testing.assert_close(depths, torch.tensor([[[2.25, 2.75, 3.25, 3.75]]]))
    # each bin counts 1e-5 more than its weight: here 1e-5 against 3e-5, a quarter and three quarters
    faint = importance_depths(torch.tensor([[[0.0, 2e-5]]]), column(0.0), column(2.0), 4)
    torch.testing.assert_close(faint, torch.tensor([[[0.5, 1 + 1 / 6, 1.5, 1 + 5 / 6]]]))


def test_jittered_importance_depths_are_distributed_as_the_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    depths = importance_depths(
        torch.tensor([0.1, 0.3]).expand(1, 500, 2),
        torch.zeros(1, 500, 1),
        torch.full((1, 500, 1), 2.0),
        4,
        jitter=True,
        generator=generator,
    )
    first = depths < 1
    assert first.sum(-1).float().mean().item() == pytest.approx(1.0, abs=1e-2)  # a quarter of the four of each ray
    assert depths[first].std().item() == pytest.approx(12**-0.5, abs=0.02)  # anywhere in the bin
    assert depths[first].mean().item() == pytest.approx(0.5, abs=0.04)
    assert depths[~first].mean().item() == pytest.approx(1.5, abs=0.04)


def test_depths_around_a_surface_are_normal_quantiles() -> None:
    near, far = column(0.0, 0.0), column(9.0, 9.0)
    assert depths_around(column(1.0, 2.0), near, far, 1, 0.1).tolist() == [[[1.0], [2.0]]]
    two = depths_around(column(1.0, 2.0), near, far, 2, 0.1)
    torch.testing.assert_close(two, torch.tensor([[[0.9325510, 1.0674490], [1.9325510, 2.0674490]]]))
    four = depths_around(column(1.0), column(0.0), column(9.0), 4, 0.2)
    torch.testing.assert_close(four, torch.tensor([[[0.7699301, 0.9362721, 1.0637279, 1.2300699]]]))


def test_depths_around_a_surface_stay_between_near_and_far() -> None:
    depths = depths_around(column(1.0), column(0.95), column(1.02), 2, 0.1)
    torch.testing.assert_close(depths, torch.tensor([[[0.95, 1.02]]]))


def test_depths_around_a_surface_reach_3_72_standard_deviations() -> None:
    depths = depths_around(column(1.0), column(0.0), column(9.0), 20000, 0.1)
    torch.testing.assert_close(depths.amin(), torch.tensor(1 - 0.3719016), atol=1e-4, rtol=0)
    torch.testing.assert_close(depths.amax(), torch.tensor(1 + 0.3719016), atol=1e-4, rtol=0)


def test_jittered_depths_around_a_surface_are_normally_distributed() -> None:
    near, far = torch.zeros(1, 1000, 1), torch.full((1, 1000, 1), 9.0)
    generator = torch.Generator().manual_seed(0)
    depths = depths_around(torch.ones(1, 1000, 1), near, far, 2, 0.1, jitter=True, generator=generator)
    assert depths.mean().item() == pytest.approx(1.0, abs=5e-3)
    assert depths.std().item() == pytest.approx(0.1, abs=5e-3)
    assert (depths[..., 0] <= 1).all()  # its half each
    assert (depths[..., 1] >= 1).all()


def test_a_composite_by_hand() -> None:
    weights, depths = torch.tensor([[[0.5, 0.25]]]), torch.tensor([[[1.0, 2.0]]])
    rgb = torch.tensor([[[[1.0, 0.0, 0.2], [0.0, 1.0, 0.4]]]])
    out = composite(weights, depths, {"rgb": rgb, "feature": torch.full((1, 1, 2, 1), 8.0).bfloat16()})
    assert set(out) == {"rgb", "feature", "alpha", "depth"}
    torch.testing.assert_close(out["rgb"], torch.tensor([[[0.5, 0.25, 0.2]]]))
    assert out["alpha"].tolist() == [[[0.75]]]
    assert out["depth"].tolist() == [[[1.0]]]
    assert out["feature"].tolist() == [[[6.0]]]
    assert out["feature"].dtype == torch.bfloat16  # a channel keeps its type


# ---------------------------------------------------------------------- along rays

LN2 = 0.6931472


class Fog:
    """A field of one density a half-space (y above 0, and below), that remembers what it was asked for."""

    def __init__(self, above: float, below: float = 0.0) -> None:
        self.above, self.below = above, below
        self.asked: list[tuple[int, tuple[str, ...]]] = []

    def __call__(self, points: Tensor, directions: Tensor, channels: tuple[str, ...]) -> dict[str, Tensor]:
        self.asked.append((points.shape[1], channels))
        density = torch.where(points[..., 1:2] > 0, self.above, self.below)
        values = {"density": density, "rgb": directions, "descriptor": points, "feature": torch.ones_like(density)}
        return {name: values[name] for name in channels}


def through_fog(*heights: float, fields: int = 1) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rays along +x, from depth 1 to 2, at heights y."""
    origins = torch.tensor([[0.0, y, 0.0] for y in heights]).expand(fields, -1, 3)
    directions = torch.tensor([1.0, 0.0, 0.0]).expand_as(origins)
    return origins, directions, torch.ones_like(origins[..., :1]), torch.full_like(origins[..., :1], 2.0)


def test_a_ray_by_hand() -> None:
    """Two samples: three quarters of the light stop at the first, half of the rest at the second."""
    fog = Fog(4 * LN2)
    seen = render_rays(fog, *through_fog(0.5), ("rgb", "descriptor", "alpha", "depth"), Sampling(coarse=2))
    torch.testing.assert_close(seen.depths, torch.tensor([[[1.25, 1.75]]]))
    torch.testing.assert_close(seen.weights, torch.tensor([[[0.75, 0.125]]]))
    torch.testing.assert_close(seen.samples["descriptor"], torch.tensor([[[[1.25, 0.5, 0], [1.75, 0.5, 0]]]]))
    torch.testing.assert_close(seen.channels["alpha"], torch.tensor([[[0.875]]]))
    torch.testing.assert_close(seen.channels["depth"], torch.tensor([[[1.15625]]]))
    torch.testing.assert_close(seen.channels["rgb"], torch.tensor([[[0.875, 0.0, 0.0]]]))  # the way the ray goes
    torch.testing.assert_close(seen.channels["descriptor"], torch.tensor([[[1.15625, 0.4375, 0.0]]]))
    assert set(seen.samples) == {"rgb", "descriptor"}
    assert fog.asked == [(2, ("density", "rgb", "descriptor"))]
    assert seen.coarse is None


@pytest.mark.parametrize("sampling", [Sampling(4, importance=3), Sampling(4, around_depth=3)])
def test_no_gradient_flows_through_where_samples_are(sampling: Sampling) -> None:
    density = torch.tensor(2.0, requires_grad=True)

    def grey(points: Tensor, directions: Tensor, channels: tuple[str, ...]) -> dict[str, Tensor]:
        return {n: {"density": density.expand_as(points[..., :1]), "rgb": points}[n] for n in channels}

    seen = render_rays(grey, *through_fog(0.5), ("rgb",), sampling)
    assert seen.weights.requires_grad
    assert seen.channels["rgb"].requires_grad
    assert not seen.depths.requires_grad
    assert not seen.samples["rgb"].requires_grad


def test_samples_around_a_depth_near_the_end_stay_between_near_and_far() -> None:
    for opacity, end in ((1e4, 1.0), (LN2, 2.0)):
        seen = render_rays(Fog(opacity), *through_fog(0.5), ("rgb",), Sampling(1, around_depth=8, depth_std=3.0))
        assert seen.depths.min() >= 1.0
        assert seen.depths.max() <= 2.0
        assert (seen.depths == end).any()


def test_samples_around_a_depth_are_spread_by_depth_std() -> None:
    seen = render_rays(Fog(1e4), *through_fog(0.5), ("rgb",), Sampling(1, around_depth=2, depth_std=0.1))
    torch.testing.assert_close(seen.depths, torch.tensor([[[1.4325510, 1.5, 1.5674490]]]))  # the surface is at 1.5


def test_importance_samples_follow_the_coarse_weights() -> None:
    """An opaque first half: what stops all light is in the first of two bins."""
    seen = render_rays(Fog(1e4), *through_fog(0.5), ("rgb",), Sampling(2, importance=2))
    torch.testing.assert_close(seen.depths, torch.tensor([[[1.125, 1.25, 1.375, 1.75]]]), atol=1e-4, rtol=0)
    assert seen.coarse is not None
    torch.testing.assert_close(seen.coarse.depths, torch.tensor([[[1.25, 1.75]]]))
    torch.testing.assert_close(seen.coarse.channels["depth"], torch.tensor([[[1.25]]]))
    torch.testing.assert_close(seen.channels["depth"], torch.tensor([[[1.125]]]), atol=1e-4, rtol=0)


def test_every_channel_is_merged_in_the_order_of_depths() -> None:
    seen = render_rays(
        Fog(LN2), *through_fog(0.5, 0.7), ("rgb", "descriptor"), Sampling(3, importance=2, around_depth=2)
    )
    assert (seen.depths.diff(dim=-1) >= 0).all()
    torch.testing.assert_close(seen.samples["descriptor"][..., 0], seen.depths)
    # one density all along: whatever the samples are, alpha is that of the way behind the first of them
    torch.testing.assert_close(seen.channels["alpha"][..., 0], 1 - 0.5 ** (2 - seen.depths[..., 0]))


def test_jitter_moves_the_further_samples_too() -> None:
    """Opaque: the coarse pass's depth is its first sample, around which one more lies exactly, or with jitter not."""
    generator = torch.Generator().manual_seed(0)
    around = render_rays(Fog(1e4), *through_fog(0.5), ("rgb",), Sampling(1, 0, 1), jitter=True, generator=generator)
    assert 0 < around.depths.diff().item() < 0.04
    # empty: importance samples are even, or with jitter not
    empty = render_rays(Fog(0.0), *through_fog(0.5), ("rgb",), Sampling(1, 1), jitter=True, generator=generator)
    assert (empty.depths - 1.5).abs().min() > 1e-3


def test_jitter_of_every_kind_is_seeded() -> None:
    def jittered(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        sampling = Sampling(2, 2, 2)
        return render_rays(Fog(LN2), *through_fog(0.5), ("rgb",), sampling, jitter=True, generator=generator).depths

    assert torch.equal(jittered(1), jittered(1))
    assert not torch.equal(jittered(1), jittered(2))


def test_the_heaviest_samples_are_scaled_to_the_alpha_of_the_ray() -> None:
    """Weights 0.75 and 0.125: the first stands for both, 0.875, in what is shaded; alpha and depth are of both."""
    fog = Fog(4 * LN2)
    seen = render_rays(fog, *through_fog(0.5), ("descriptor", "feature"), Sampling(2, shaded=1))
    torch.testing.assert_close(seen.depths, torch.tensor([[[1.25]]]))
    torch.testing.assert_close(seen.weights, torch.tensor([[[0.875]]]))
    torch.testing.assert_close(seen.channels["descriptor"], torch.tensor([[[0.875 * 1.25, 0.4375, 0.0]]]))
    torch.testing.assert_close(seen.channels["feature"], torch.tensor([[[0.875]]]))
    torch.testing.assert_close(seen.channels["alpha"], torch.tensor([[[0.875]]]))
    torch.testing.assert_close(seen.channels["depth"], torch.tensor([[[1.15625]]]))
    assert set(seen.samples) == {"descriptor", "feature"}
    assert fog.asked == [(2, ("density",)), (1, ("descriptor", "feature"))]


def test_a_ray_is_decoded_at_once() -> None:
    """Weights 0.75 and 0.125 of samples at 1.25 and 1.75: their shares are 6/7 and 1/7, the mean is 37/28."""
    asked = []

    def squared_depth(points: Tensor, channels: tuple[str, ...]):  # type: ignore[no-untyped-def]
        asked.append((tuple(points.shape), channels))
        return lambda shares: {"feature": (shares[..., None] * points[..., :1]).sum(2).square()}

    fog = Fog(4 * LN2)
    seen = render_rays(fog, *through_fog(0.5), ("feature",), Sampling(2, shaded=2), shading=squared_depth)
    assert asked == [((1, 1, 2, 3), ("feature",))]
    assert fog.asked == [(2, ("density",))]
    torch.testing.assert_close(seen.channels["feature"], torch.tensor([[[0.875 * (37 / 28) ** 2]]]))
    torch.testing.assert_close(seen.samples["feature"], torch.tensor([[[[(37 / 28) ** 2]]]]))
    torch.testing.assert_close(seen.weights, torch.tensor([[[0.875]]]))
    torch.testing.assert_close(seen.depths, torch.tensor([[[37 / 28]]]))
    torch.testing.assert_close(seen.channels["depth"], torch.tensor([[[0.75 * 1.25 + 0.125 * 1.75]]]))


def test_what_a_ray_shows_moves_its_surface_and_its_samples_do_not() -> None:
    strength = torch.tensor(2.0, requires_grad=True)

    def fog(points: Tensor, directions: Tensor, channels: tuple[str, ...]) -> dict[str, Tensor]:
        return {"density": strength.expand(1, points.shape[1], 1)}

    def depth(points: Tensor, channels: tuple[str, ...]):  # type: ignore[no-untyped-def]
        return lambda shares: {"feature": (shares[..., None] * points[..., :1]).sum(2)}

    seen = render_rays(fog, *through_fog(0.5), ("feature",), Sampling(2, shaded=2), shading=depth)
    assert torch.equal(seen.samples["feature"].detach() * seen.weights[..., None], seen.channels["feature"][:, :, None])
    assert torch.autograd.grad(seen.channels["feature"].sum(), strength, retain_graph=True)[0] != 0
    assert not seen.samples["feature"].requires_grad
    assert not seen.depths.requires_grad


def test_thin_fog_is_scaled_to_its_alpha_and_nothing_stays_nothing() -> None:
    alpha = 1 - 2.718281828 ** (-1e-3 * 7 / 8)  # four samples, the first at 1/8
    thin = render_rays(Fog(1e-3), *through_fog(0.5), ("feature",), Sampling(4, shaded=1))
    assert thin.channels["feature"].item() == pytest.approx(alpha, rel=1e-3)
    assert thin.channels["alpha"].item() == pytest.approx(alpha, rel=1e-3)
    empty = render_rays(Fog(0.0), *through_fog(0.5), ("feature", "descriptor"), Sampling(4, shaded=1))
    for value in empty.channels.values():
        assert not value.any()


def test_no_more_samples_are_shaded_than_there_are() -> None:
    seen = render_rays(Fog(4 * LN2), *through_fog(0.5), ("feature",), Sampling(2, shaded=9))
    torch.testing.assert_close(seen.channels["feature"], torch.tensor([[[0.875]]]))
    assert seen.depths.shape == (1, 1, 2)


def test_nothing_is_shaded_for_alpha_and_depth() -> None:
    fog = Fog(4 * LN2)
    seen = render_rays(fog, *through_fog(0.5), ("alpha", "depth"), Sampling(2, shaded=1))
    assert fog.asked == [(2, ("density",))]
    assert set(seen.channels) == {"alpha", "depth"}
    assert seen.samples == {}
    torch.testing.assert_close(seen.channels["alpha"], torch.tensor([[[0.875]]]))
    torch.testing.assert_close(seen.channels["depth"], torch.tensor([[[1.15625]]]))
    torch.testing.assert_close(seen.weights, torch.tensor([[[0.75, 0.125]]]))


def test_rays_with_less_alpha_than_skip_below_stay_black() -> None:
    """From the middle of one sample to the end is half the way: alpha is 0.75 above, and 0.5 below."""
    fog = Fog(4 * LN2, below=2 * LN2)
    seen = render_rays(fog, *through_fog(-0.5, 0.5, -0.7), ("feature", "rgb"), Sampling(1, shaded=1, skip_below=0.6))
    torch.testing.assert_close(seen.channels["feature"], column(0.0, 0.75, 0.0))
    torch.testing.assert_close(seen.channels["rgb"][..., :1], column(0.0, 0.75, 0.0))
    torch.testing.assert_close(seen.channels["alpha"], column(0.5, 0.75, 0.5))
    torch.testing.assert_close(seen.channels["depth"], column(0.75, 1.125, 0.75))
    assert fog.asked == [(3, ("density",)), (1, ("feature", "rgb"))]
    every = render_rays(fog, *through_fog(-0.5, 0.5), ("feature",), Sampling(1, shaded=1, skip_below=0.4))
    torch.testing.assert_close(every.channels["feature"], column(0.5, 0.75))


def test_no_ray_is_skipped_unless_asked_nor_of_several_fields() -> None:
    plain = Fog(4 * LN2)
    render_rays(plain, *through_fog(-0.5, 0.5), ("feature",), Sampling(1, shaded=1))
    assert plain.asked[1] == (2, ("feature",))  # the empty ray too
    fog = Fog(4 * LN2, below=2 * LN2)
    seen = render_rays(fog, *through_fog(-0.5, 0.5, fields=2), ("feature",), Sampling(1, shaded=1, skip_below=0.6))
    assert fog.asked[1] == (2, ("feature",))
    torch.testing.assert_close(seen.channels["feature"], column(0.5, 0.75).expand(2, 2, 1))


def test_only_weights_choose_the_heaviest_samples_but_they_carry_gradients() -> None:
    density = torch.tensor(2.0, requires_grad=True)

    def grey(points: Tensor, directions: Tensor, channels: tuple[str, ...]) -> dict[str, Tensor]:
        return {n: {"density": density.expand_as(points[..., :1]), "rgb": points}[n] for n in channels}

    seen = render_rays(grey, *through_fog(0.5), ("rgb",), Sampling(4, shaded=2))
    assert not seen.depths.requires_grad
    seen.channels["rgb"].sum().backward()
    assert density.grad is not None
    assert density.grad > 0  # denser is brighter
