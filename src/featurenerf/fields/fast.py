"""A field that is fast by design: the work is done once per picture, not once per point.

A convolutional network turns the picture into a volume in the source camera's frustum (pixel x pixel x depth). A point
is answered by looking the volume up and decoding with a tiny head. Density has a fine volume of its own, one channel
deep, so that a ray finds its surface cheaply and only the samples that carry weight are decoded.

    picture -> PictureNet -> density (64 x 64 x 64), volume (32 x 32 x 16, 32 channels), pixel latent (64 x 64, 32),
               (a U-Net beside a frozen ImageNet backbone)    semantics (16 x 16, 64)
    point   -> look-ups -> Head -> rgb; own part and semantics -> output layer -> feature, coordinate

Most objects are their own mirror image, and what is hidden at a point may be seen at its image on the other side of the
symmetry plane (``featurenerf.fields.symmetry``). So volumes and pictures are looked up at both. Of latents the network
says how much the image counts; densities have one vote each, as those of several pictures have, and are trained apart.

A descriptor is the head's own part, the semantics and the feature, each as long as makes its similarity count so much.
Colour does not depend on the viewing direction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.backbone import BLOCK_CHANNELS, EfficientNetLite0
from featurenerf.cameras import DISTANCE, FAR, FOV, NEAR, PICTURE_SIZE, Camera
from featurenerf.errors import InputError
from featurenerf.fields.base import Field, Model
from featurenerf.fields.symmetry import fit_planes, reflect, world_plane
from featurenerf.fields.warp import Canonical
from featurenerf.rendering import Sampling, box_bounds, sphere_bounds

BACKBONE_BLOCKS = (4, 10, 15)
"""Blocks of the backbone that the U-Net listens to: the last at 1/8, 1/16 and 1/32 of its picture."""
SEMANTIC_BLOCKS = (10, 13)
"""Blocks of the backbone that descriptors hold a share of; those of the default teacher."""
SEMANTIC_WEIGHT, FEATURE_WEIGHT = 0.8, 0.4
"""How much the similarities of semantics and of features count in that of descriptors; the head's own part counts 1."""

DENSITY_UNIT, DENSITY_SHIFT = 60.0, 4.0
PLACE_DIM = 27
"""Numbers that say what place of its object a point is, see ``training.losses.place_loss``."""
RADIUS = 0.52
"""Of the sphere around the origin that holds every object, with a margin."""


@dataclass(frozen=True)
class FastConfig:
    """Sizes of the fast model; the defaults are those of the shipped checkpoint."""

    feature_dim: int = 64
    """Numbers in the distilled feature (a PCA of the teacher's)."""
    own_dim: int = 64
    """Numbers of the descriptor that the head finds."""
    semantic_dim: int = 64
    """Numbers of it that are what the backbone says of the picture where the point projects to; 0 without it."""
    widths: tuple[int, int, int, int] = (32, 64, 128, 256)
    """Channels at 1/2, 1/4, 1/8 and 1/16 of the picture."""
    density_bins: int = 64
    """Depth bins of the density volume."""
    volume_bins: int = 16
    """Depth bins of the latent volume."""
    volume_channels: int = 32
    pixel_channels: int = 32
    hidden: int = 128
    """Width of the head."""
    coarse_samples: int = 48
    """Density samples along a ray."""
    shaded_samples: int = 6
    """Samples of a ray that are decoded: its heaviest."""
    symmetric: bool = True
    """Objects are mirror images of themselves, about: look what is hidden up on their other side. Where a camera is
    given, the plane is y = 0 of its world, unless predicted coordinates put it more than 30 degrees off."""
    backbone: bool = True
    """Start from the features of an EfficientNet-Lite0 trained on ImageNet, frozen, beside the picture itself."""
    backbone_size: int = 256
    """Side to which pictures are resized for it."""
    size: int = PICTURE_SIZE
    """Side of the pictures that the model sees, in pixels."""
    fov: float = FOV
    distance: float = DISTANCE

    @property
    def descriptor_dim(self) -> int:
        """Numbers in the descriptor: the head's own, the semantics', and the feature's again."""
        return self.own_dim + self.semantic_dim + self.feature_dim

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        if not self.backbone:
            object.__setattr__(self, "semantic_dim", 0)
        if self.own_dim < 64:
            raise InputError(f"own_dim is {self.own_dim}: it must be at least 64")
        if self.semantic_dim < 0:
            raise InputError(f"semantic_dim is {self.semantic_dim}: it must not be negative")
        if self.size % 16 or self.size < 32:
            raise InputError(f"size is {self.size}: it must be a multiple of 16, at least 32")
        if len(self.widths) != 4 or any(w % 8 for w in self.widths):
            raise InputError(f"widths are {self.widths}: there must be four multiples of 8")


class Block(nn.Module):
    """Pre-activation residual block, resolution kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_in, self.norm_out = nn.GroupNorm(8, width), nn.GroupNorm(8, width)
        self.conv_in, self.conv_out = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        x_inner = self.conv_in(F.silu(_normed(self.norm_in, x)))
        return x + self.conv_out(F.silu(_normed(self.norm_out, x_inner)))


class PictureNet(nn.Module):
    """A U-Net from the picture to what is known along each of its pixels' rays."""

    def __init__(self, config: FastConfig) -> None:
        super().__init__()
        self.config = config
        w2, w4, w8, w16 = config.widths
        self.stem = nn.Sequential(nn.Conv2d(5, w2, 4, stride=2, padding=1), Block(w2))
        self.down4 = nn.Sequential(nn.Conv2d(w2, w4, 3, stride=2, padding=1), Block(w4))
        self.down8 = nn.Sequential(nn.Conv2d(w4, w8, 3, stride=2, padding=1), Block(w8))
        self.down16 = nn.Sequential(nn.Conv2d(w8, w16, 3, stride=2, padding=1), Block(w16))
        if config.backbone:
            self.backbone = EfficientNetLite0(max(BACKBONE_BLOCKS) + 1)
            self.adapt = nn.ModuleList(
                nn.Conv2d(BLOCK_CHANNELS[block], width, 1)
                for block, width in zip(BACKBONE_BLOCKS, (w4, w8, w16), strict=True)
            )
        if config.semantic_dim:
            self.to_semantics = nn.Conv2d(sum(BLOCK_CHANNELS[b] for b in SEMANTIC_BLOCKS), config.semantic_dim, 1)
        self.context = nn.Linear(w16, w16)
        self.deep16 = nn.Sequential(Block(w16), Block(w16))
        self.narrow8, self.up8 = nn.Conv2d(w16, w8, 1), Block(w8)
        self.narrow4, self.up4 = nn.Conv2d(w8, w4, 1), Block(w4)
        self.narrow2, self.up2 = nn.Conv2d(w4, w2, 1), Block(w2)
        self.to_volume = nn.Conv2d(w4, config.volume_bins * config.volume_channels, 1)
        self.to_shape = nn.Conv2d(w4, config.density_bins // 2, 1)
        self.to_detail = nn.Sequential(
            nn.Conv2d(w2, 2 * w2, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(2 * w2, config.density_bins + config.pixel_channels, 1),
        )

    def forward(
        self, picture: Float[Tensor, "b 3 s s"]
    ) -> tuple[
        Float[Tensor, "b h w d"], Float[Tensor, "b hv wv dv c"], Float[Tensor, "b h w cp"], Float[Tensor, "b hs ws cs"]
    ]:
        """Raw density, latent volume, pixel latent, semantics."""
        size, bins = picture.shape[-1], self.config.volume_bins
        steps = (torch.arange(size, device=picture.device, dtype=picture.dtype) + 0.5) / size * 2 - 1
        where = torch.stack(torch.meshgrid(steps, steps, indexing="ij")).expand(len(picture), 2, size, size)
        x2 = self.stem(torch.cat([picture * 2 - 1, where], 1))  # (b, w2, s/2, s/2)
        (known4, known8, known16), semantics = self._known(picture)
        x4 = self.down4(x2) + known4  # (b, w4, s/4, s/4)
        x8 = self.down8(x4) + known8  # (b, w8, s/8, s/8)
        x16 = self.down16(x8) + known16  # (b, w16, s/16, s/16)
        x16 = self.deep16(x16 + self.context(x16.mean((-2, -1)))[..., None, None])
        y8 = self.up8(x8 + _double(self.narrow8(x16)))  # (b, w8, s/8, s/8)
        y4 = self.up4(x4 + _double(self.narrow4(y8)))  # (b, w4, s/4, s/4)
        y2 = self.up2(x2 + _double(self.narrow2(y4)))  # (b, w2, s/2, s/2)
        volume = self.to_volume(F.silu(y4)).permute(0, 2, 3, 1).unflatten(-1, (bins, -1))
        coarse = _resize(self._coarse_density(F.silu(y4)), size // 2)  # (b, d, s/2, s/2)
        fine = self.to_detail(F.silu(y2)).permute(0, 2, 3, 1)
        detail, pixels = fine.split([self.config.density_bins, self.config.pixel_channels], -1)
        return coarse.permute(0, 2, 3, 1) + detail, volume, pixels, semantics.permute(0, 2, 3, 1)

    def _coarse_density(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """``to_shape``, interpolated between its depth bins: its weights are, which comes to the same."""
        weight, bias = self.to_shape.parameters()
        weights = torch.cat([weight.flatten(1), bias[:, None]], 1)  # (d/2, c + 1)
        finer = F.interpolate(weights.T[None], self.config.density_bins, mode="linear", align_corners=False)[0].T
        return F.conv2d(x, finer[:, :-1, None, None], finer[:, -1])

    def _known(self, picture: Float[Tensor, "b 3 s s"]) -> tuple[list[Tensor], Float[Tensor, "b cs hs ws"]]:
        """What the backbone says of the picture: to the U-Net at 1/4, 1/8 and 1/16 of it, and to descriptors."""
        if not self.config.backbone:
            return [picture.new_zeros(())] * 3, picture.new_zeros(len(picture), 0, 1, 1)
        maps = self._heard(picture)
        sides = (picture.shape[-1] // step for step in (4, 8, 16))
        known = [
            _resize(adapt(maps[block] * 0.25), side)
            for adapt, block, side in zip(self.adapt, BACKBONE_BLOCKS, sides, strict=True)
        ]
        semantics = _semantic(maps)
        return known, self.to_semantics(semantics) if self.config.semantic_dim else semantics[:, :0]

    def semantic_features(self, picture: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c hs ws"]:
        """What the semantics are components of."""
        return _semantic(self._heard(picture))

    def set_semantics(self, mean: Float[Tensor, " c"], basis: Float[Tensor, "c cs"]) -> None:
        """Let the semantics be ``(features - mean) @ basis``, until they are trained."""
        self.to_semantics.load_state_dict({"weight": basis.T[..., None, None], "bias": -mean @ basis})

    def _heard(self, picture: Float[Tensor, "b 3 s s"]) -> dict[int, Tensor]:
        size, wanted = self.config.backbone_size, BACKBONE_BLOCKS + SEMANTIC_BLOCKS
        resized = F.interpolate(picture, (size, size), mode="bilinear", align_corners=False)
        maps = self.backbone(resized, wanted)
        return dict(zip(wanted, maps, strict=True))


@dataclass(frozen=True)
class Seen:
    """What the source pictures know of points, at the pixels that they project to."""

    latent: Float[Tensor, "b v n c"]
    colour: Float[Tensor, "b v n 3"]
    semantics: Float[Tensor, "b v n cs"]

    def split(self, n: int) -> list[Seen]:
        """Of n points each."""
        parts = (whole.split(n, 2) for whole in (self.latent, self.colour, self.semantics))
        return [Seen(*part) for part in zip(*parts, strict=True)]


class Head(nn.Module):
    """From the latents of a point to its colour, descriptor, feature and coordinate."""

    def __init__(self, config: FastConfig) -> None:
        super().__init__()
        self.feature_dim = config.feature_dim
        latents = config.volume_channels + config.pixel_channels + 3
        self.from_view = nn.Linear(latents, config.hidden)
        if config.symmetric:
            self.from_image = nn.Linear(latents, config.hidden)
            self.to_share = nn.Linear(config.hidden, 1)
            nn.init.constant_(self.to_share.bias, -1.0)
        self.hidden = nn.Linear(config.hidden, config.hidden)
        self.to_descriptor = nn.Linear(config.hidden, config.own_dim)
        self.output = nn.Linear(config.own_dim + config.semantic_dim, config.feature_dim + 3)
        self.to_place = nn.Linear(config.own_dim, PLACE_DIM)  # trains to_descriptor; nothing else reads it
        self.to_colour = nn.Linear(config.hidden, 3)
        self.to_trust = nn.Linear(config.hidden, 1)

    def forward(
        self, here: Seen, there: Seen | None, mirrored: Float[Tensor, " b"], channels: tuple[str, ...]
    ) -> dict[str, Tensor]:
        """``here`` is of the points, ``there`` of their mirror images, where objects are ``mirrored`` (1, else 0)."""
        per_view = F.silu(self.from_view(here.latent))  # (b, v, n, hidden)
        trust, colours, semantics = self.to_trust(per_view).float(), here.colour, here.semantics
        if there is not None:
            image = F.silu(self.from_image(there.latent))
            known = mirrored[:, None, None, None]
            trust = torch.cat([trust, self.to_trust(image).float() + known.log()], 1)  # (b, 2v, n, 1)
            colours = torch.cat([colours, there.colour], 1)
            share = self.to_share(per_view).float().sigmoid() * known  # (b, v, n, 1)
            per_view = per_view.lerp(image, share.to(image.dtype))
            count = share.detach() if self.training else share
            semantics = semantics.lerp(there.semantics, count.to(semantics.dtype))
        hidden = F.silu(self.hidden(per_view.mean(1)))  # (b, n, hidden)
        values: dict[str, Tensor] = {}
        if "rgb" in channels:
            # a mixture of an own colour and of the colours seen in the sources, each as far as it is to be trusted
            own = self.to_colour(hidden).float().sigmoid()
            share = torch.cat([torch.zeros_like(trust[:, :1]), trust], 1).softmax(1)
            values["rgb"] = (share * torch.cat([own.unsqueeze(1), colours.float()], 1)).sum(1)
        if not {"descriptor", "feature", "coordinate"}.isdisjoint(channels):
            own = self.to_descriptor(hidden)  # (b, n, own_dim)
            length = (own.detach() if self.training else own).norm(dim=-1, keepdim=True)
            shown = _of_length(semantics.mean(1), length * SEMANTIC_WEIGHT**0.5)  # (b, n, semantic_dim)
            found = torch.cat([own, shown.to(own.dtype)], -1)
            feature, coordinate = self.output(found).float().split([self.feature_dim, 3], -1)
            values.update(feature=feature, coordinate=coordinate)
            if "descriptor" in channels:
                told = _of_length(feature.detach() if self.training else feature, length * FEATURE_WEIGHT**0.5)
                values["descriptor"] = torch.cat([found, told.to(found.dtype)], -1)  # (b, n, descriptor_dim)
        return {name: values[name] for name in channels if name in values}


@dataclass(frozen=True, eq=False)
class FastField(Field):
    """Volumes in the frustums of the source cameras, and the head that reads them."""

    head: Head
    frustums: Camera  # (b, v) canonical cameras
    scale: Float[Tensor, "b v"]
    pictures: Float[Tensor, "bv 3 s s"]
    density: Float[Tensor, "bv h w d"]
    volume: Float[Tensor, "bv hv wv dv c"]
    pixels: Float[Tensor, "bv h w cp"]
    semantics: Float[Tensor, "bv hs ws cs"]
    mirror: Float[Tensor, "b 4"] | None
    """Symmetry planes in the world (``symmetry.reflect``); None where nothing is mirrored."""
    box: Float[Tensor, "b 2 3"] | None
    """Low and high corner, in the world, of what is not empty in the frustums themselves; None while training."""

    def sample(
        self, points: Float[Tensor, "b n 3"], directions: Float[Tensor, "b n 3"], channels: tuple[str, ...]
    ) -> dict[str, Float[Tensor, "b n _"]]:
        here = self._grid(points)
        there = None if self.mirror is None else self._grid(reflect(points, self.mirror))
        values: dict[str, Tensor] = {}
        if "density" in channels:
            raw = self._raw_density(here)
            if there is not None and not self.head.training:
                raw = raw.lerp(self._raw_density(there), self._mirrored[:, None, None] / 2)
            raw = raw.mean(1)  # (b, n)
            values["density"] = (density_activation(raw) * self.scale.mean(1, keepdim=True).to(raw.dtype)).unsqueeze(-1)
        rest = tuple(c for c in channels if c != "density")
        if rest:
            n = points.shape[1]
            if there is None:
                seen, image = self._seen(here), None
            else:  # at once: a volume's gradient is then made once
                both = self._seen(torch.cat([here, there], 1))
                seen, image = both.split(n)
            values.update(self.head(seen, image, self._mirrored, rest))
        return values

    @property
    def _mirrored(self) -> Float[Tensor, " b"]:
        """1 for objects that have a symmetry plane."""
        return self.scale.new_zeros(len(self.scale)) if self.mirror is None else self.mirror[:, :3].square().sum(-1)

    def _grid(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "bv n 3"]:
        """Where points lie in each frustum, from -1 to 1."""
        xy, depth = self.frustums.project(points.unsqueeze(1) * self.scale[..., None, None].to(points.dtype))
        size = points.new_tensor([self.frustums.width, self.frustums.height])
        grid = torch.cat([2 * xy / size - 1, 2 * (depth.unsqueeze(-1) - NEAR) / (FAR - NEAR) - 1], -1)  # (b, v, n, 3)
        return grid.flatten(0, 1)

    def _raw_density(self, grid: Float[Tensor, "bv n 3"]) -> Float[Tensor, "b v n"]:
        return _look_up(self.density.unsqueeze(1), grid.roll(1, -1))[..., 0].unflatten(0, self.scale.shape)

    def _seen(self, grid: Float[Tensor, "bv n 3"]) -> Seen:
        flat, dtype = grid[..., :2], self.head.output.weight.dtype
        deep = multilinear(self.volume, grid.roll(1, -1))
        latent = torch.cat([deep, multilinear(self.pixels, flat), grid.to(self.volume.dtype)], -1)
        semantics = multilinear(self.semantics, flat) if self.semantics.shape[-1] else latent[..., :0]
        found = (latent.to(dtype), _look_up(self.pictures, flat), semantics.to(dtype))
        return Seen(*(x.unflatten(0, self.scale.shape) for x in found))

    def bounds(
        self, origins: Float[Tensor, "b r 3"], directions: Float[Tensor, "b r 3"], near: float, far: float
    ) -> tuple[Float[Tensor, "b r 1"], Float[Tensor, "b r 1"]]:
        start, end = sphere_bounds(origins, directions, (RADIUS / self.scale.mean(1)).reshape(-1, 1, 1))
        if self.box is not None:
            box = self.box if self.mirror is None else with_image(self.box, self.mirror)
            enter, leave = box_bounds(origins, directions, box)
            start, end = torch.maximum(start, enter), torch.minimum(end, leave)
        start = start.clamp(near, far)
        return start, torch.maximum(start, end.clamp(near, far))


class FastModel(Model):
    """See the module's docstring."""

    name = "fast"
    config_type = FastConfig

    def __init__(self, config: FastConfig) -> None:
        super().__init__()
        self.config = config
        self.canonical = Canonical(config.size, config.fov, config.distance)
        self.net = PictureNet(config)
        self.head = Head(config)

    def _encode(
        self, pictures: Float[Tensor, "b v 3 s s"], cameras: Camera, scale: Float[Tensor, "b v"], assumed: bool = False
    ) -> FastField:
        flat = pictures.flatten(0, 1)
        density, volume, pixels, semantics = self.net(flat.contiguous(memory_format=torch.channels_last))
        exact: dict[str, Any] = {} if flat.dtype == torch.float64 else {"dtype": torch.float32}
        density = density.to(**exact)
        field = FastField(
            source=cameras,
            sampling=Sampling(self.config.coarse_samples, shaded=self.config.shaded_samples, skip_below=1 / 512),
            pixel_offset=0.5,
            rays_per_chunk=16384,
            head=self.head,
            frustums=cameras,
            scale=scale,
            pictures=flat,
            density=density,
            volume=volume.to(**exact).contiguous(),
            pixels=pixels.to(**exact).contiguous(),
            semantics=semantics.to(**exact).contiguous(),
            mirror=None,
            box=None if self.training else occupied_box(density.detach(), cameras, scale),
        )
        return replace(field, mirror=self._mirror(field, not assumed)) if self.config.symmetric else field

    @torch.no_grad()
    def _mirror(self, field: FastField, in_world: bool) -> Float[Tensor, "b 4"] | None:
        """Symmetry planes, from the coordinates along every sixth ray of the source pictures.

        While training they are given; every fourth field has none, so that coordinates are learnt without, too.
        """
        b, v = field.scale.shape
        if self.training:
            with_plane = torch.arange(b, device=field.scale.device) % 4 < 3
            return world_plane(b, field.scale.device) * with_plane.unsqueeze(-1)
        steps = torch.arange(3, self.config.size, 6, device=field.scale.device) + 0.5
        xy = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).flatten(0, 1).expand(b, v, -1, 2)
        origins, directions = field.frustums.rays_through(xy)  # (b, v, r, 3)
        scale = field.scale[..., None, None].to(origins.dtype)
        origins, directions = (x.flatten(1, 2) for x in (origins / scale, directions))
        seen = field.render_rays(origins, directions, 0.0, math.inf, ("coordinate",)).channels
        alpha = seen["alpha"].clamp(min=1e-3)
        points = origins + directions * seen["depth"] / alpha
        weights = torch.where(alpha > 0.5, alpha, 0.0)[..., 0]
        with torch.autocast(points.device.type, enabled=False):
            planes = fit_planes(points * scale.mean(1), seen["coordinate"] / alpha, weights, in_world)
        planes[:, 3] /= field.scale.mean(1)
        return planes if planes[:, :3].any() else None


def density_activation(raw: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Raw numbers to density: nearly empty at 0, and opaque within a depth bin at 4."""
    return DENSITY_UNIT * F.softplus(raw - DENSITY_SHIFT)


def occupied_box(
    raw: Float[Tensor, "bv h w d"], cameras: Camera, scale: Float[Tensor, "b v"], least: float = 0.5
) -> Float[Tensor, "b 2 3"]:
    """Box, in the world, around the cells of frustum volumes whose density is at least ``least``; with a cell's margin.

    Several views are fused by the mean of their raw numbers, so what is empty in all of them is empty.
    """
    b, v = scale.shape
    h, w, d = raw.shape[1:]
    threshold = math.log(math.expm1(least / DENSITY_UNIT)) + DENSITY_SHIFT
    filled = F.max_pool3d(raw, 3, 1, 1) > threshold  # (bv, h, w, d)
    x = (torch.arange(w, device=raw.device) + 0.5) * cameras.width / w
    y = (torch.arange(h, device=raw.device) + 0.5) * cameras.height / h
    depth = NEAR + (torch.arange(d, device=raw.device) + 0.5) * (FAR - NEAR) / d
    xy = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).expand(b, v, h, w, 2)
    origins, directions = cameras.rays_through(xy)
    low, high = [], []
    for view in range(b * v):
        i, j = divmod(view, v)
        row, column, cell = filled[view].nonzero().unbind(-1)
        if len(cell) == 0:
            row, column, cell = (torch.zeros(1, dtype=torch.long, device=raw.device) for _ in range(3))
        points = origins[i, j, row, column] + directions[i, j, row, column] * depth[cell, None]
        low.append(points.amin(0) / scale[i, j])
        high.append(points.amax(0) / scale[i, j])
    return torch.stack(
        [torch.stack(low).unflatten(0, (b, v)).amin(1), torch.stack(high).unflatten(0, (b, v)).amax(1)], 1
    )


def with_image(box: Float[Tensor, "b 2 3"], planes: Float[Tensor, "b 4"]) -> Float[Tensor, "b 2 3"]:
    """The box around boxes and their mirror images."""
    x, y, z = box.unbind(-1)  # (b, 2)
    corners = torch.stack([x[:, [0, 1] * 4], y[:, [0, 0, 1, 1] * 2], z[:, [0, 0, 0, 0, 1, 1, 1, 1]]], -1)
    both = torch.cat([corners, reflect(corners, planes)], 1)
    return torch.stack([both.amin(1), both.amax(1)], 1)


def multilinear(maps: Float[Tensor, "b *size c"], grid: Float[Tensor, "b n k"]) -> Float[Tensor, "b n c"]:
    """Look channels-last maps (k = 2) or volumes (k = 3) up at places in [-1, 1] that name the last axis first.

    The same numbers as ``torch.nn.functional.grid_sample`` with ``align_corners=False`` and border padding; written as
    an ``embedding_bag`` of the four or eight corners, because forward and backward together are faster that way on a
    CPU where there are many channels.
    """
    b, *sizes, c = maps.shape  # as (height, width), where grid says (x, y)
    size = grid.new_tensor(sizes[::-1])
    position = ((grid + 1) / 2 * size - 0.5).clamp(min=0).minimum(size - 1)  # (b, n, k)
    low = position.detach().floor().minimum(size - 2).clamp(min=0)
    part = position - low
    index = torch.arange(b, device=grid.device).unsqueeze(1)
    corners = torch.zeros(1, dtype=torch.long, device=grid.device)
    weights = grid.new_ones(b, grid.shape[1], 1)
    for axis, length in reversed(list(enumerate(reversed(sizes)))):  # the slowest axis first
        index = index * length + low[..., axis].long()
        corners = torch.cat([corners * length, corners * length + min(1, length - 1)])
        share = part[..., axis : axis + 1]
        weights = torch.cat([weights * (1 - share), weights * share], -1)  # (b, n, corners)
    out = F.embedding_bag(
        (index.unsqueeze(-1) + corners).reshape(-1, len(corners)),
        maps.reshape(-1, c),
        per_sample_weights=weights.reshape(-1, len(corners)).to(maps.dtype),
        mode="sum",
    )
    return out.reshape(b, -1, c)


def _look_up(maps: Float[Tensor, "b c *size"], grid: Float[Tensor, "b n k"]) -> Float[Tensor, "b n c"]:
    """Look maps (k = 2) or volumes (k = 3) up at positions in [-1, 1]: ``grid_sample``, with border padding.

    It runs one thread an item on a CPU, so the points of a single item are split among the threads.
    """
    b, n, k = grid.shape
    parts = torch.get_num_threads() if b == 1 and n > 4096 and grid.device.type == "cpu" else 1
    grid = grid.to(maps.dtype)
    if parts > 1:
        grid = F.pad(grid, (0, 0, 0, -n % parts)).reshape(parts, -1, k)
        maps = maps.expand(parts, *maps.shape[1:])
    where = grid.reshape(*grid.shape[:2], *(1,) * (k - 1), k)
    out = F.grid_sample(maps, where, align_corners=False, padding_mode="border").flatten(2)  # (parts, c, n / parts)
    return out.transpose(1, 2).reshape(b, -1, maps.shape[1])[:, :n]


def _of_length(x: Float[Tensor, "*n c"], length: Float[Tensor, "*n 1"]) -> Float[Tensor, "*n c"]:
    return x * (length / x.norm(dim=-1, keepdim=True).clamp(min=1e-6))


def _semantic(maps: Mapping[int, Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b c hs ws"]:
    side = maps[SEMANTIC_BLOCKS[0]].shape[-1]
    return torch.cat([_resize(maps[block], side) for block in SEMANTIC_BLOCKS], 1)


def _resize(x: Float[Tensor, "b c h w"], side: int) -> Float[Tensor, "b c side side"]:
    return x if x.shape[-1] == side else F.interpolate(x, (side, side), mode="bilinear", align_corners=False)


def _normed(norm: nn.GroupNorm, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """In the precision of its weights: on a CPU the gradient in bfloat16 takes up to three times as long."""
    return norm(x.to(norm.weight.dtype)).to(x.dtype)


def _double(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
    return F.interpolate(x, scale_factor=2, mode="nearest")
