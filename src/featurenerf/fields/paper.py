"""The paper's field: features of one or a few pictures, looked up where a point projects, decoded by an MLP.

Ye, Wang, Wang: FeatureNeRF (ICCV 2023), section 3, which builds on pixelNeRF (Yu et al., CVPR 2021). In reading order:
the picture encoder, the code of a point, the MLP, the model that puts them together, the field it makes.

Shapes: b objects, v source views, n points, h x w pixels; the latent has half of the picture's height and width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.cameras import DISTANCE, FOV, PICTURE_SIZE, Camera
from featurenerf.errors import InputError
from featurenerf.fields.base import CHANNELS, Field, Model, Samples
from featurenerf.fields.warp import Canonical
from featurenerf.rendering import Sampling

STAGES = ((64, 3), (128, 4), (256, 6))
"""Channels and blocks of the stages of ResNet-34 (He et al., CVPR 2016, table 1) that are used: all but the last."""
LATENT = 64 + sum(channels for channels, _ in STAGES)


@dataclass(frozen=True)
class PaperConfig:
    """Sizes and conventions of the paper's model; the defaults are those of the published DINO model."""

    width: int = 512
    """Hidden width of the MLP, and the length of a descriptor."""
    blocks: int = 5
    """Residual blocks of the MLP."""
    fuse: int = 3
    """Blocks that see the latent; after them the activations of several source views are averaged."""
    feature_dim: int = 384
    """Length of the distilled feature; 0 is a model without one (pixelNeRF)."""
    coordinate: bool = True
    """Whether the model predicts the coordinates of a point in the object's own frame."""
    octaves: int = 6
    """Octaves of the positional code of a point."""
    frequency: float = 1.5
    """Angular frequency of the first octave, in radians per world unit."""
    convention: Literal["centre", "authors"] = "centre"
    """Where pixels are: centres at +0.5 throughout, or as in the authors' program (for models imported from it)."""
    size: int | None = PICTURE_SIZE
    """Side of the pictures that the model was trained on; None takes pictures of any size, focal length and pose."""
    fov: float = FOV
    """Their horizontal field of view, in degrees."""
    distance: float = DISTANCE
    """The distance of their camera, in world units."""
    coarse_samples: int = 64
    """Samples along a ray in the first pass."""
    importance_samples: int = 16
    """Further samples where the first pass found weight."""
    depth_samples: int = 16
    """Further samples around the depth that the first pass found."""
    depth_std: float = 0.01
    """Standard deviation of the latter, in world units."""

    def __post_init__(self) -> None:
        if min(self.width, self.blocks, self.octaves, self.coarse_samples) < 1:
            raise InputError("width, blocks, octaves and coarse_samples of the paper field must be at least 1")
        if min(self.feature_dim, self.importance_samples, self.depth_samples) < 0:
            raise InputError("feature_dim and the numbers of samples of the paper field cannot be negative")
        if not 1 <= self.fuse <= self.blocks:
            raise InputError(f"the paper field cannot fuse views after {self.fuse} of {self.blocks} blocks")
        if not (self.frequency > 0 and self.depth_std > 0):
            raise InputError("frequency and depth_std of the paper field must be positive")
        if self.convention not in ("centre", "authors"):
            raise InputError(f"the paper field knows the conventions 'centre' and 'authors', not {self.convention!r}")
        if self.convention == "authors" and self.size is not None:
            raise InputError("a model in the authors' convention takes pictures as they are: set size to None")
        if self.size is not None and self.size < 32:
            raise InputError(f"size is {self.size}: the paper field needs pictures of at least 32 x 32 pixels")

    @property
    def canonical(self) -> Canonical | None:
        """The camera that every picture is warped to before it is encoded."""
        return None if self.size is None else Canonical(self.size, self.fov, self.distance)

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
            rows["coordinate"] = slice(end, end + 3)
        return rows


class ConvBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut: the basic block of ResNet."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Float[Tensor, "m c h w"]) -> Float[Tensor, "m d h2 w2"]:
        y = F.relu(self.bn1(self.conv1(x)))  # m d h/stride w/stride
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))  # m d h/stride w/stride


class Encoder(nn.Module):
    """ResNet-34 without its last stage; every stage brought to the size of the first and concatenated.

    Parameters have the names that ResNets are usually published under (conv1, layer1.0.bn1, ...).
    """

    def __init__(self, convention: str) -> None:
        super().__init__()
        self.convention = convention
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for number, (channels, blocks) in enumerate(STAGES, start=1):
            strides = [1 if number == 1 else 2] + [1] * (blocks - 1)
            sizes = [inputs] + [channels] * (blocks - 1)
            layer = nn.Sequential(*(ConvBlock(i, channels, s) for i, s in zip(sizes, strides, strict=True)))
            setattr(self, f"layer{number}", layer)
            inputs = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pictures: Float[Tensor, "m 3 h w"]) -> Float[Tensor, "m 512 h2 w2"]:
        """The latent of pictures in [0, 1]."""
        x = F.relu(self.bn1(self.conv1(2 * pictures - 1)))  # m 64 h/2 w/2
        stages = [x]
        x = F.max_pool2d(x, 3, 2, 1)  # m 64 h/4 w/4
        for number in range(1, len(STAGES) + 1):
            x = self.get_submodule(f"layer{number}")(x)  # m 64 h/4 w/4, m 128 h/8 w/8, m 256 h/16 w/16
            stages.append(x)
        return torch.cat([self._enlarge(stage, 2**k, stages[0]) for k, stage in enumerate(stages)], 1)  # m 512 h/2 w/2

    def _enlarge(self, stage: Float[Tensor, "m c h w"], factor: int, like: Tensor) -> Float[Tensor, "m c h2 w2"]:
        """A stage at the size of the first.

        The authors stretch it from border to border. But cell i of a stage that is ``factor`` coarser is centred on
        cell ``factor * i`` of the first stage, so with "centre" it is put there, and its last cells are repeated.
        """
        height, width = like.shape[2:]
        if self.convention == "authors":
            return F.interpolate(stage, (height, width), mode="bilinear", align_corners=True)
        spanned = [factor * (size - 1) + 1 for size in stage.shape[2:]]
        placed = F.interpolate(stage, spanned, mode="bilinear", align_corners=True)
        return F.pad(placed, (0, width - spanned[1], 0, height - spanned[0]), mode="replicate")


def positional_code(points: Float[Tensor, "*n 3"], octaves: int, frequency: float) -> Float[Tensor, "*n c"]:
    """A point, then the sines and the cosines of its coordinates times ``frequency * 2**k`` for every octave k."""
    factors = frequency * 2.0 ** torch.arange(octaves, dtype=points.dtype, device=points.device)  # o
    angles = points.unsqueeze(-2) * factors.unsqueeze(-1)  # *n o 3
    waves = torch.stack([angles.sin(), angles.cos()], -2)  # *n o 2 3
    return torch.cat([points, waves.flatten(-3)], -1)  # *n 3+6o


def bilinear(maps: Float[Tensor, "m h w c"], xy: Float[Tensor, "m n 2"]) -> Float[Tensor, "m n c"]:
    """Values of maps between their cells; ``xy`` counts cells, the first is at (0, 0). The border goes on outside.

    The same as ``grid_sample(align_corners=True, padding_mode="border")``, but reading whole cells: on a CPU about
    5 times as fast for the wide maps of this model, backward too.
    """
    m, h, w, _ = maps.shape
    size = torch.tensor([w, h], device=xy.device)
    xy = torch.minimum(xy.clamp(min=0), (size - 1).to(xy.dtype))  # m n 2
    low = torch.minimum(xy.detach().long(), (size - 2).clamp(min=0))  # m n 2
    high = torch.minimum(low + 1, size - 1)  # m n 2
    right, down = (xy - low).unbind(-1)  # m n
    start = torch.arange(m, device=xy.device).unsqueeze(-1) * (h * w)  # m 1
    above, below = start + low[..., 1] * w, start + high[..., 1] * w  # m n
    cells = torch.stack([above + low[..., 0], above + high[..., 0], below + low[..., 0], below + high[..., 0]], -1)
    shares = torch.stack([(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down], -1)  # m n 4
    table = maps.flatten(0, 2)  # m*h*w c
    values = F.embedding_bag(cells.flatten(0, 1), table, per_sample_weights=shares.flatten(0, 1), mode="sum")
    return values.unflatten(0, xy.shape[:2])  # m n c


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


class Network(nn.Module):
    """The MLP, shared by the coarse and the fine pass: the code and the latent of a point to its descriptor."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.fuse = config.fuse
        self.input = linear(config.code, config.width)
        self.latent = linear(LATENT, config.fuse * config.width)  # one layer a block, side by side
        self.blocks = nn.ModuleList(ResidualBlock(config.width) for _ in range(config.blocks))
        self.output = linear(config.width, 4 + config.feature_dim + 3 * config.coordinate)
        with torch.no_grad():  # start as a thin fog: where the density's ReLU is 0 from the start nothing is learnt
            self.output.weight[config.outputs["density"]] *= 0.1
            self.output.bias[config.outputs["density"]] = 1.0

    def project(self, latent: Float[Tensor, "m 512 h w"]) -> Float[Tensor, "m h w c"]:
        """What every cell of the latent adds to the input of the first blocks, side by side.

        A linear layer may be applied before the interpolation between cells as well as after it: once for every
        cell of a picture instead of once for every point, which saves a fifth of the work of a point.
        """
        return self.latent(latent.permute(0, 2, 3, 1))  # m h w fuse*width

    def forward(self, code: Float[Tensor, "b v n c"], latent: Float[Tensor, "b v n z"]) -> Float[Tensor, "b n w"]:
        """The descriptor: the residual stream after the last block, before any ReLU."""
        x = self.input(code)  # b v n width
        for block, added in zip(self.blocks[: self.fuse], latent.chunk(self.fuse, -1), strict=True):
            x = block(x + added)  # b v n width
        x = x.mean(1)  # b n width
        for block in self.blocks[self.fuse :]:
            x = block(x)  # b n width
        return x

    def read(self, descriptor: Float[Tensor, "b n w"], rows: slice) -> Float[Tensor, "b n _"]:
        """Some of the outputs, raw."""
        return F.linear(F.relu(descriptor), self.output.weight[rows], self.output.bias[rows])  # b n rows


class PaperModel(Model):
    """Pictures to fields: encode, and project the latent for the MLP. See ``PaperConfig``."""

    name = "paper"
    config_type = PaperConfig

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.config = config
        self.canonical = config.canonical
        self.encoder = Encoder(config.convention)
        self.network = Network(config)

    def _encode(
        self, pictures: Float[Tensor, "b v 3 h w"], cameras: Camera, scale: Float[Tensor, "b v"], assumed: bool = False
    ) -> PaperField:
        latent = self.encoder(pictures.flatten(0, 1))  # b*v 512 h/2 w/2
        maps = self.network.project(latent)  # b*v h/2 w/2 fuse*width
        config = self.config
        return PaperField(
            source=cameras,
            sampling=Sampling(config.coarse_samples, config.importance_samples, config.depth_samples, config.depth_std),
            pixel_offset=0.0 if config.convention == "authors" else 0.5,
            rays_per_chunk=128 if maps.device.type == "cpu" else 4096,
            model=self,
            maps=maps.to(torch.promote_types(maps.dtype, torch.float32)).unflatten(0, scale.shape),
            cameras=cameras,
            scale=scale,
        )

    def latent_xy(self, xy: Float[Tensor, "m n 2"], cameras: Camera, cells: tuple[int, int]) -> Float[Tensor, "m n 2"]:
        """Pixels to cells of the latent, (x, y), of which there are ``cells`` (x, y).

        Cell j comes from a convolution with stride 2 that is centred on pixel 2 j, whose centre is at 2 j + 0.5.
        The authors' program takes cells and pixels to span the same square, and pixels to be at integers.
        """
        if self.config.convention == "centre":
            return (xy - 0.5) / 2
        return xy * torch.tensor(
            [cells[0] / cameras.width, cells[1] / cameras.height], dtype=xy.dtype, device=xy.device
        )


@dataclass(frozen=True, eq=False)
class PaperField(Field):
    """What ``PaperModel`` makes of pictures. Attributes beside those of ``Field``:

    model: whose MLP decodes points.
    maps: the projected latents of all source views; float32 at least.
    cameras: of the pictures that were encoded, (b, v), in worlds scaled about the origin.
    scale: of those worlds: their units per world unit.
    """

    model: PaperModel
    maps: Float[Tensor, "b v h w c"]
    cameras: Camera
    scale: Float[Tensor, "b v"]

    def sample(
        self, points: Float[Tensor, "b n 3"], directions: Float[Tensor, "b n 3"], channels: tuple[str, ...]
    ) -> dict[str, Float[Tensor, "b n _"]]:
        """See ``Field.sample``. Points and cameras are handled in float32 whatever the type of the model.

        Raises:
            InputError: for a channel that the model was not trained with.
        """
        config, network = self.model.config, self.model.network
        for name in channels:
            if name != "descriptor" and name not in config.outputs:
                raise InputError(f"this model was trained without the channel {name!r}: leave it out")
        b, v, h, w, _ = self.maps.shape
        scale = self.scale.to(self.maps.dtype)  # b v
        local = points.unsqueeze(1).to(self.maps.dtype) * scale[..., None, None]  # b v n 3
        turned = self.cameras.rotate_to_camera(local)  # b v n 3, not translated: 0 is the object's centre
        toward = self.cameras.rotate_to_camera(directions.unsqueeze(1).to(local.dtype).expand_as(local))  # b v n 3
        code = torch.cat([positional_code(turned, config.octaves, config.frequency), toward], -1)  # b v n code

        pixels, _ = self.cameras.project(local)  # b v n 2
        cells = self.model.latent_xy(pixels.flatten(0, 1), self.cameras, (w, h))  # b*v n 2
        latent = bilinear(self.maps.flatten(0, 1), cells).unflatten(0, (b, v))  # b v n fuse*width

        dtype = self.model.dtype
        descriptor = network(code.to(dtype), latent.to(dtype))  # b n width
        raw = {name: network.read(descriptor, config.outputs[name]) for name in channels if name != "descriptor"}
        if "rgb" in raw:
            raw["rgb"] = raw["rgb"].sigmoid()
        if "density" in raw:
            raw["density"] = raw["density"].relu().to(scale.dtype) * scale.mean(1)[:, None, None]
        return {name: descriptor if name == "descriptor" else raw[name] for name in channels}

    def query(
        self,
        points: Float[Tensor, "*n 3"],
        directions: Float[Tensor, "*n 3"] | None = None,
        channels: Sequence[str] = CHANNELS,
    ) -> Samples:
        """See ``Field.query``; of all channels, those that the model was trained without are None."""
        if tuple(channels) == CHANNELS:
            channels = tuple(c for c in CHANNELS if c == "descriptor" or c in self.model.config.outputs)
        return super().query(points, directions, channels)
