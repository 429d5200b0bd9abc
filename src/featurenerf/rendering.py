"""Volume rendering: the one renderer of every field and every channel.

A field is seen here as a function ``sample(points, directions, channels)`` that returns one ``(b, n, c)`` tensor per
channel. Directions are unit; depths are distances along the ray. Without ``jitter`` everything is deterministic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

Vectors = Float[Tensor, "b r 3"]
"""Points or directions in the world, r for each of b fields."""
PerRay = Float[Tensor, "b r 1"]
PerSample = Float[Tensor, "b r s"]
Channels = dict[str, Float[Tensor, "b r _"]]
"""Values of points or of rays, by the names of the channels."""
SampleFunction = Callable[[Tensor, Tensor, tuple[str, ...]], dict[str, Tensor]]
Decoder = Callable[[PerSample], Channels]
Shading = Callable[[Float[Tensor, "b r s 3"], tuple[str, ...]], Decoder]
"""Looks up what is known at the samples of rays. The function that it returns adds that up along each ray, by the
shares of its samples (their sum is 1), and decodes the channels once a ray: deferred shading, as in SNeRG."""


@dataclass(frozen=True)
class Sampling:
    """Where along a ray a field is evaluated.

    Attributes:
        coarse: evenly spread samples between the ray's bounds.
        importance: further samples drawn where the coarse pass found weight (NeRF, section 5.2).
        around_depth: further samples around the coarse pass's expected depth (pixelNeRF, section B.1).
        depth_std: standard deviation of the latter, in world units.
        shaded: evaluate everything but density only at this many heaviest samples of a ray; None is all of them.
        skip_below: of a single field, rays with less alpha than this stay black but for alpha and depth.
    """

    coarse: int = 64
    importance: int = 0
    around_depth: int = 0
    depth_std: float = 0.01
    shaded: int | None = None
    skip_below: float = 0.0

    @property
    def passes(self) -> int:
        """How often a ray is composited: once, or coarse and fine."""
        return 2 if self.importance + self.around_depth else 1


@dataclass(frozen=True)
class RayValues:
    """What was found along rays: composited channels, and the samples that they were composited from.

    Attributes:
        channels: composited values by name, ``(b, r, c)``; with "alpha" (b, r, 1) and "depth" (b, r, 1) always there.
        depths, weights: of the samples behind the channels, ``(b, r, s)``.
        samples: their values by name, ``(b, r, s, c)``.
        coarse: the same for the coarse pass, where there are two.
    """

    channels: dict[str, Tensor]
    depths: Float[Tensor, "b r s"]
    weights: Float[Tensor, "b r s"]
    samples: dict[str, Tensor]
    coarse: RayValues | None = None


def sphere_bounds(
    origins: Vectors, directions: Vectors, radius: Float[Tensor, "#b 1 1"] | float
) -> tuple[PerRay, PerRay]:
    """Depths at which rays enter and leave a sphere around the origin; equal where they miss it."""
    along = -(origins * directions).sum(-1, keepdim=True)  # depth of the point nearest to the origin
    off_axis = (origins + along * directions).square().sum(-1, keepdim=True)
    half_chord = (radius**2 - off_axis).clamp(min=0).sqrt()
    return along - half_chord, along + half_chord


def box_bounds(origins: Vectors, directions: Vectors, box: Float[Tensor, "b 2 3"]) -> tuple[PerRay, PerRay]:
    """Depths at which rays enter and leave boxes, given by low and high corner; leaving is first where they miss."""
    inverse = 1 / torch.where(directions.abs() < 1e-9, 1e-9, directions)
    one, two = (box[:, :1] - origins) * inverse, (box[:, 1:] - origins) * inverse
    return torch.minimum(one, two).amax(-1, keepdim=True), torch.maximum(one, two).amin(-1, keepdim=True)


def stratified_depths(
    near: PerRay, far: PerRay, count: int, *, jitter: bool = False, generator: torch.Generator | None = None
) -> PerSample:
    """One depth in each of ``count`` equal bins: its middle, or with ``jitter`` anywhere in it."""
    return near + (far - near) * _in_each(count, near, jitter, generator) / count


def importance_depths(
    weights: PerSample,
    near: PerRay,
    far: PerRay,
    count: int,
    *,
    jitter: bool = False,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "b r n"]:
    """Depths distributed as the weights of the evenly spread coarse samples are."""
    bins = weights.shape[-1]
    density = weights.detach() + 1e-5
    cdf = (density / density.sum(-1, keepdim=True)).cumsum(-1)
    u = _in_each(count, weights, jitter, generator) / count
    index = torch.searchsorted(cdf, u, right=True).clamp(max=bins - 1)
    above = cdf.gather(-1, index)
    below = torch.where(index > 0, cdf.gather(-1, (index - 1).clamp(min=0)), 0.0)
    return near + (far - near) * (index + ((u - below) / (above - below)).clamp(0, 1)) / bins


def depths_around(
    depth: PerRay,
    near: PerRay,
    far: PerRay,
    count: int,
    std: float,
    *,
    jitter: bool = False,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "b r n"]:
    """Depths normally distributed around a surface; without jitter, the quantiles of that distribution."""
    u = _in_each(count, depth, jitter, generator) / count
    normal = torch.special.ndtri(u.clamp(1e-4, 1 - 1e-4))
    return torch.minimum(torch.maximum(depth.detach() + std * normal, near), far)


def _in_each(
    count: int, like: Float[Tensor, "b r _"], jitter: bool, generator: torch.Generator | None
) -> Float[Tensor, "b r n"]:
    """For every ray a number in each of [0, 1), [1, 2), ...: its middle, or with ``jitter`` any."""
    shape, kind = (*like.shape[:2], count), dict[str, Any](dtype=like.dtype, device=like.device)
    inside = torch.rand(shape, generator=generator, **kind) if jitter else torch.full(shape, 0.5, **kind)
    return torch.arange(count, **kind) + inside


def composite_weights(density: PerSample, depths: PerSample, far: PerRay) -> PerSample:
    """The share of each sample in its ray's colour (NeRF, equation 3); the last interval ends at ``far``."""
    intervals = torch.cat([depths[..., 1:], far], -1) - depths
    optical_depth = density * intervals
    before = optical_depth.cumsum(-1) - optical_depth
    return torch.exp(-before) * -torch.expm1(-optical_depth)


def composite(weights: PerSample, depths: PerSample, samples: Mapping[str, Float[Tensor, "b r s _"]]) -> Channels:
    """Weighted sums along the rays, on black, with "alpha" and "depth"; depth is not divided by alpha."""
    out = {name: torch.einsum("brs,brsc->brc", weights.to(v.dtype), v) for name, v in samples.items()}
    out["alpha"] = weights.sum(-1, keepdim=True)
    out["depth"] = (weights * depths).sum(-1, keepdim=True)
    return out


def render_rays(
    sample: SampleFunction,
    origins: Vectors,
    directions: Vectors,
    near: PerRay,
    far: PerRay,
    channels: tuple[str, ...],
    sampling: Sampling,
    *,
    shading: Shading | None = None,
    jitter: bool = False,
    generator: torch.Generator | None = None,
) -> RayValues:
    """Render channels along rays; "alpha" and "depth" come always.

    Args:
        shading: decodes a ray's heaviest samples at once, where ``sampling.shaded`` is given; None decodes each.
        near, far: depths between which each ray is sampled; it is empty where they are equal.
        jitter: random depths within their bins, for training.
    """
    wanted = tuple(c for c in channels if c not in ("alpha", "depth"))

    def points_at(depths: Tensor, some: Tensor | slice = slice(None)) -> Tensor:
        return origins[:, some].unsqueeze(2) + directions[:, some].unsqueeze(2) * depths.unsqueeze(-1)  # (b, r, s, 3)

    def at(depths: Tensor, names: tuple[str, ...], some: Tensor | slice = slice(None)) -> dict[str, Tensor]:
        points = points_at(depths, some)
        outward = directions[:, some].unsqueeze(2).expand_as(points)
        values = sample(points.flatten(1, 2), outward.flatten(1, 2), names)
        return {name: value.unflatten(1, depths.shape[1:]) for name, value in values.items()}

    depths = stratified_depths(near, far, sampling.coarse, jitter=jitter, generator=generator)
    if sampling.shaded is not None:
        density = at(depths, ("density",))["density"][..., 0]
        weights = composite_weights(density, depths, far)

        def shaded(depths: Tensor, shares: Tensor, alpha: Tensor, some: Tensor | slice) -> RayValues:
            if shading is None:
                weights, samples = alpha * shares, at(depths, wanted, some)
                return RayValues(composite(weights, depths, samples), depths, weights, samples)
            decoded = shading(points_at(depths, some), wanted)
            values = decoded(shares)
            channels = {name: alpha.to(value.dtype) * value for name, value in values.items()}
            # one sample a ray, where the surface is: as the samples of others, it does not depend on the weights
            fixed, depth = shares.detach(), (shares.detach() * depths).sum(-1, keepdim=True)
            values = decoded(fixed) if shares.requires_grad else values
            return RayValues(channels, depth, alpha, {name: value.unsqueeze(2) for name, value in values.items()})

        return _shade_heaviest(shaded, weights, depths, wanted, sampling)

    def composited(values: dict[str, Tensor], depths: Tensor, coarse: RayValues | None) -> RayValues:
        weights = composite_weights(values["density"][..., 0], depths, far)
        shown = {name: values[name] for name in wanted}
        return RayValues(composite(weights, depths, shown), depths, weights, shown, coarse)

    values = at(depths, ("density", *wanted))
    coarse = composited(values, depths, None)
    if sampling.passes == 1:
        return coarse
    heavy = importance_depths(coarse.weights, near, far, sampling.importance, jitter=jitter, generator=generator)
    count, std, surface = sampling.around_depth, sampling.depth_std, coarse.channels["depth"]
    around = depths_around(surface, near, far, count, std, jitter=jitter, generator=generator)
    extra = torch.cat([heavy, around], -1)
    more = at(extra, ("density", *wanted))  # the coarse samples are evaluated once and merged
    depths, order = torch.cat([depths, extra], -1).sort(-1)
    values = {k: torch.cat([v, more[k]], 2).take_along_dim(order.unsqueeze(-1), 2) for k, v in values.items()}
    return composited(values, depths, coarse)


def _shade_heaviest(
    shaded: Callable[[Tensor, Tensor, Tensor, Tensor | slice], RayValues],
    weights: PerSample,
    depths: PerSample,
    wanted: tuple[str, ...],
    sampling: Sampling,
) -> RayValues:
    """Composite ``wanted`` from the heaviest samples of each ray, scaled to the ray's whole alpha."""
    whole = composite(weights, depths, {})
    if not wanted:
        return RayValues(whole, depths, weights, {})
    alpha, rays = whole["alpha"], weights.shape[1]
    some: Tensor | slice = slice(None)
    nothing = False
    if sampling.skip_below > 0 and len(weights) == 1:
        some = (alpha[0, :, 0] > sampling.skip_below).nonzero()[:, 0]
        nothing = len(some) == 0
        some = some.new_zeros(min(1, rays)) if nothing else some  # one ray tells how long channels are
    weights, depths = weights[:, some], depths[:, some]
    heaviest = weights.detach().topk(min(sampling.shaded or 0, weights.shape[-1]), sorted=False).indices
    kept = weights.gather(-1, heaviest)
    shares = kept / kept.sum(-1, keepdim=True).clamp(min=1e-8)
    seen = shaded(depths.gather(-1, heaviest), shares, alpha[:, some], some)
    channels = seen.channels
    if isinstance(some, Tensor):
        black = {name: value.new_zeros(1, rays, value.shape[-1]) for name, value in channels.items()}
        channels = black if nothing else {name: black[name].index_copy(1, some, v) for name, v in channels.items()}
    return replace(seen, channels={**channels, **whole})
