"""The fast model's network: from a picture to what is known along each of its pixels' rays.

    picture -> density (128 x 128 x 64), volume (32 x 32 x 16, 32 channels), pixel latent (64 x 64, 32),
               semantics (16 x 16, 64)

A U-Net beside a frozen ImageNet backbone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.cameras import PICTURE_SIZE
from featurenerf.errors import InputError
from featurenerf.models.base import ModelConfig
from featurenerf.models.encoders import ENCODERS
from featurenerf.models.settings import check_sizes
from featurenerf.rendering import Sampling

EMPTIED, PARTLY = 16.0, 0.25
"""Raw density is less by the first outside of the silhouette: then also the mean with a mirror image's is empty. A
pixel that the object covers by the second is not outside: thin parts cover no more."""

_BOUNDS = {
    "own_dim": (64, 4096), "semantic_dim": (0, 4096), "widths": (8, 2048), "density_bins": (2, 1024),
    "volume_bins": (1, 512), "volume_channels": (1, 512), "pixel_channels": (1, 1024), "hidden": (1, 4096),
    "coarse_samples": (1, 4096), "shaded_samples": (1, 4096), "encoder_blocks": (0, 999), "semantic_blocks": (0, 999),
    "backbone_size": (32, 2048), "semantic_weight": (0, 1000), "feature_weight": (0, 1000),
}  # fmt: skip
"""The least and the most that a setting can be."""
_MOST_CELLS = 2**26
"""Numbers in a volume of a picture: 256 MiB."""


@dataclass(frozen=True)
class FastConfig(ModelConfig):
    """Sizes of the fast model; the defaults are those of the shipped checkpoint."""

    own_dim: int = 64
    """Numbers of the descriptor that the head finds."""
    semantic_dim: int = 64
    """Numbers of it that are what the backbone says of the picture where the point projects to; 0 without it."""
    widths: tuple[int, int, int, int] = (32, 64, 128, 256)
    """Channels at 1/2, 1/4, 1/8 and 1/16 of the picture."""
    density_bins: int = 64
    """Depth bins of the density volume."""
    density_stride: int = 1
    """Pixels of the picture that a cell of the density volume is wide: 1 or 2."""
    silhouette: bool = True
    """The network sees where the object is in the picture (alpha), and there is nothing outside."""
    volume_bins: int = 16
    """Depth bins of the latent volume."""
    volume_channels: int = 32
    pixel_channels: int = 32
    hidden: int = 128
    """Width of the head."""
    coarse_samples: int = 48
    """Density samples along a ray."""
    shaded_samples: int = 6
    """Samples of a ray that are looked up: its heaviest."""
    decode_once: bool = True
    """A ray's latents are added up and decoded at once; or those of each sample are, for six times the work."""
    symmetric: bool = True
    """Objects are mirror images of themselves, about: look what is hidden up on their other side. Where a camera is
    given, the plane is y = 0 of its world, unless predicted coordinates put it more than 30 degrees off."""
    encoder: str | None = "efficientnet-lite0"
    """The encoder (``models.encoders``), trained on ImageNet and frozen, that is read beside the picture itself; None
    for none."""
    encoder_blocks: tuple[int, ...] = (4, 10, 15)
    """Its blocks that the U-Net takes in at 1/4, 1/8 and 1/16 of the picture."""
    semantic_blocks: tuple[int, ...] = (10, 13)
    """Its blocks that descriptors hold a share of; those of the default teacher."""
    backbone_size: int = 256
    """Side to which pictures are resized for it."""
    semantic_weight: float = 0.8
    """How much the similarity of semantics counts in that of descriptors; the head's own part counts 1."""
    feature_weight: float = 0.4
    """How much the similarity of features counts in that of descriptors."""
    size: int = field(default=PICTURE_SIZE, kw_only=True)
    """Side of the pictures that the model sees, in pixels."""

    @property
    def sampling(self) -> Sampling:
        return Sampling(self.coarse_samples, shaded=self.shaded_samples, skip_below=1 / 512)

    @property
    def descriptor_dim(self) -> int:
        """Numbers in the descriptor: the head's own, the semantics', and the feature's again."""
        return self.own_dim + self.semantic_dim + self.feature_dim

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder is None:
            object.__setattr__(self, "semantic_dim", 0)
        check_sizes(self, _BOUNDS)
        if self.density_bins % 2:
            raise InputError(f"density_bins are {self.density_bins}: there must be an even number")
        if self.density_stride not in (1, 2):
            raise InputError(f"density_stride is {self.density_stride}: it must be 1 or 2")
        if len(self.encoder_blocks) != 3 or not self.semantic_blocks:
            raise InputError("encoder_blocks of the fast field must be three, semantic_blocks at least one")
        read = (*self.encoder_blocks, *self.semantic_blocks)
        if self.encoder is not None and not all(0 <= b < len(ENCODERS[self.encoder].strides) for b in read):
            last = len(ENCODERS[self.encoder].strides) - 1
            raise InputError(
                f"{self.encoder} has the blocks 0 to {last}: name encoder_blocks and semantic_blocks of them"
            )
        if self.size % 16 or self.size < 32:
            raise InputError(f"size is {self.size}: it must be a multiple of 16, at least 32")
        if len(self.widths) != 4 or any(w % 8 for w in self.widths):
            raise InputError(f"widths are {self.widths}: there must be four multiples of 8")
        side, fine = self.size // 4, self.size // self.density_stride
        if max(side**2 * self.volume_bins * self.volume_channels, fine**2 * self.density_bins) > _MOST_CELLS:
            raise InputError(
                f"a volume of a picture would hold more than {_MOST_CELLS} numbers: choose a smaller size, fewer bins "
                "or fewer channels"
            )


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
        seen = 4 if config.silhouette else 3
        self.stem = nn.Sequential(nn.Conv2d(seen + 2, w2, 4, stride=2, padding=1), Block(w2))
        self.down4 = nn.Sequential(nn.Conv2d(w2, w4, 3, stride=2, padding=1), Block(w4))
        self.down8 = nn.Sequential(nn.Conv2d(w4, w8, 3, stride=2, padding=1), Block(w8))
        self.down16 = nn.Sequential(nn.Conv2d(w8, w16, 3, stride=2, padding=1), Block(w16))
        if config.encoder is not None:
            encoder, used = ENCODERS[config.encoder], (*config.encoder_blocks, *config.semantic_blocks)
            if min(used) < 0 or max(used) >= len(encoder.channels):
                raise InputError(f"{encoder.name} has the blocks 0 to {len(encoder.channels) - 1}, not all of {used}")
            self.backbone = encoder.make(max(used) + 1).requires_grad_(False)
            self.adapt = nn.ModuleList(
                nn.Conv2d(encoder.channels[block], width, 1)
                for block, width in zip(config.encoder_blocks, (w4, w8, w16), strict=True)
            )
            semantic_channels = sum(encoder.channels[block] for block in config.semantic_blocks)
        if config.semantic_dim:
            self.to_semantics = nn.Conv2d(semantic_channels, config.semantic_dim, 1)
        self.context = nn.Linear(w16, w16)
        self.deep16 = nn.Sequential(Block(w16), Block(w16))
        self.narrow8, self.up8 = nn.Conv2d(w16, w8, 1), Block(w8)
        self.narrow4, self.up4 = nn.Conv2d(w8, w4, 1), Block(w4)
        self.narrow2, self.up2 = nn.Conv2d(w4, w2, 1), Block(w2)
        self.to_volume = nn.Conv2d(w4, config.volume_bins * config.volume_channels, 1)
        self.to_shape = nn.Conv2d(w4, config.density_bins // 2, 1)
        parts = (2 // config.density_stride) ** 2  # cells of the density volume in a cell of y2
        self.to_detail = nn.Sequential(
            nn.Conv2d(w2 if parts == 1 else w2 + 4 * seen, 2 * w2, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(2 * w2, parts * config.density_bins + config.pixel_channels, 1),
        )

    def forward(
        self, rgba: Float[Tensor, "b 4 s s"]
    ) -> tuple[
        Float[Tensor, "b h w d"],
        Float[Tensor, "b hv wv dv c"],
        Float[Tensor, "b hp wp cp"],
        Float[Tensor, "b hs ws cs"],
        Float[Tensor, "b cb hs ws"],
    ]:
        """Raw density, latent volume, pixel latent, semantics, and what those are components of; of a picture on black,
        alpha beside it."""
        size, bins = rgba.shape[-1], self.config.volume_bins
        picture, alpha = rgba.split([3, 1], 1)
        seen = (rgba if self.config.silhouette else picture) * 2 - 1
        steps = (torch.arange(size, device=picture.device, dtype=picture.dtype) + 0.5) / size * 2 - 1
        where = torch.stack(torch.meshgrid(steps, steps, indexing="ij")).expand(len(picture), 2, size, size)
        x2 = self.stem(torch.cat([seen, where], 1))  # (b, w2, s/2, s/2)
        (added4, added8, added16), semantics, joined = self._from_backbone(picture)
        x4 = self.down4(x2) + added4  # (b, w4, s/4, s/4)
        x8 = self.down8(x4) + added8  # (b, w8, s/8, s/8)
        x16 = self.down16(x8) + added16  # (b, w16, s/16, s/16)
        x16 = self.deep16(x16 + self.context(x16.mean((-2, -1)))[..., None, None])
        y8 = self.up8(x8 + F.interpolate(self.narrow8(x16), scale_factor=2))  # (b, w8, s/8, s/8)
        y4 = self.up4(x4 + F.interpolate(self.narrow4(y8), scale_factor=2))  # (b, w4, s/4, s/4)
        y2 = self.up2(x2 + F.interpolate(self.narrow2(y4), scale_factor=2))  # (b, w2, s/2, s/2)
        volume = self.to_volume(F.silu(y4)).permute(0, 2, 3, 1).unflatten(-1, (bins, -1))
        each, stride, known = 2 // self.config.density_stride, self.config.density_stride, F.silu(y2)
        if each > 1:  # y2 is half as large as the density volume: it is shown each cell's pixels again
            known = torch.cat([known, F.pixel_unshuffle(seen, 2)], 1)
        fine = self.to_detail(known).permute(0, 2, 3, 1)
        detail, pixels = fine.split([each**2 * self.config.density_bins, self.config.pixel_channels], -1)
        detail = detail.unflatten(-1, (each, each, -1)).transpose(2, 3).flatten(3, 4).flatten(1, 2)  # (b, h, w, d)
        density = _resize(self._coarse_density(F.silu(y4)), size // stride).permute(0, 2, 3, 1) + detail
        if self.config.silhouette:
            covered = F.max_pool2d(alpha, stride).permute(0, 2, 3, 1)
            density = density - EMPTIED * (1 - (covered / PARTLY).clamp(max=1))
        return density, volume, pixels, semantics.permute(0, 2, 3, 1), joined

    def _coarse_density(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """``to_shape``, interpolated between its depth bins: its weights are, which comes to the same."""
        weight, bias = self.to_shape.parameters()
        weights = torch.cat([weight.flatten(1), bias[:, None]], 1)  # (d/2, c + 1)
        finer = F.interpolate(weights.T[None], self.config.density_bins, mode="linear", align_corners=False)[0].T
        return F.conv2d(x, finer[:, :-1, None, None], finer[:, -1])

    def _from_backbone(
        self, picture: Float[Tensor, "b 3 s s"]
    ) -> tuple[list[Tensor], Float[Tensor, "b cs hs ws"], Float[Tensor, "b cb hs ws"]]:
        """What is added to the U-Net at 1/4, 1/8 and 1/16 of the picture, the semantics of descriptors, and what those
        are components of."""
        config = self.config
        if config.encoder is None:
            none = picture.new_zeros(len(picture), 0, 1, 1)
            return [picture.new_zeros(())] * 3, none, none
        maps = self._backbone_maps(picture)
        sides = (picture.shape[-1] // stride for stride in (4, 8, 16))
        blocks = zip(self.adapt, config.encoder_blocks, sides, strict=True)
        added = [_resize(adapt(maps[block] * 0.25), side) for adapt, block, side in blocks]
        joined = self._joined(maps)
        return added, self.to_semantics(joined) if config.semantic_dim else joined[:, :0], joined

    def semantic_features(self, picture: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c hs ws"]:
        """What the semantics are components of."""
        return self._joined(self._backbone_maps(picture))

    def set_semantics(self, mean: Float[Tensor, " c"], basis: Float[Tensor, "c cs"]) -> None:
        """Let the semantics be ``(features - mean) @ basis``, until they are trained."""
        self.to_semantics.load_state_dict({"weight": basis.T[..., None, None], "bias": -mean @ basis})

    def _backbone_maps(self, picture: Float[Tensor, "b 3 s s"]) -> dict[int, Tensor]:
        """The outputs of the backbone's blocks that are used, by their numbers."""
        size, wanted = self.config.backbone_size, (*self.config.encoder_blocks, *self.config.semantic_blocks)
        resized = F.interpolate(picture, (size, size), mode="bilinear", align_corners=False)
        return dict(zip(wanted, self.backbone(resized, wanted), strict=True))

    def _joined(self, maps: Mapping[int, Float[Tensor, "b _ _ _"]]) -> Float[Tensor, "b c hs ws"]:
        """The semantic blocks' outputs side by side, at the size of the first."""
        blocks = self.config.semantic_blocks
        return torch.cat([_resize(maps[block], maps[blocks[0]].shape[-1]) for block in blocks], 1)


def _resize(x: Float[Tensor, "b c h w"], side: int) -> Float[Tensor, "b c side side"]:
    return x if x.shape[-1] == side else F.interpolate(x, (side, side), mode="bilinear", align_corners=False)


def _normed(norm: nn.GroupNorm, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """In the precision of its weights: on a CPU the gradient in bfloat16 takes up to three times as long."""
    return norm(x.to(norm.weight.dtype)).to(x.dtype)
