"""The paper's start for its encoder: a ResNet-34 trained on ImageNet. Its weights are fetched or given, not shipped."""

from __future__ import annotations

import os
import re
from pathlib import Path

from torch import Tensor

from featurenerf.errors import InputError, MissingExtraError
from featurenerf.fields.paper import PaperModel
from featurenerf.weights import read_weights

HUB_NAME = "microsoft/resnet-34"

_NAMES = (  # transformers' to the usual ones
    (r"embedder\.embedder\.convolution", "conv1"),
    (r"embedder\.embedder\.normalization", "bn1"),
    (r"shortcut\.convolution", "downsample.0"),
    (r"shortcut\.normalization", "downsample.1"),
    (r"layer\.0\.convolution", "conv1"),
    (r"layer\.0\.normalization", "bn1"),
    (r"layer\.1\.convolution", "conv2"),
    (r"layer\.1\.normalization", "bn2"),
)


def start_from_imagenet(model: PaperModel, name_or_path: str | os.PathLike[str] = HUB_NAME) -> None:
    """Overwrite the encoder of a model with a ResNet-34 trained on ImageNet, as the paper does before training.

    Args:
        name_or_path: a ResNet of the Hugging Face hub (extra ``hub``), a directory that holds one, or a state dict
            file with the usual names (``conv1.weight``, ``layer1.0.bn1.weight``), such as torchvision's.
    Raises:
        InputError: when the weights cannot be had or are not a ResNet-34's.
        MissingExtraError: without ``transformers``, unless a file is given.
    """
    path = Path(name_or_path)
    weights = read_weights(path) if path.is_file() else _from_transformers(name_or_path)
    own = model.encoder.state_dict()
    odd = [name for name in own if name not in weights or weights[name].shape != own[name].shape]
    if odd:
        raise InputError(f"{name_or_path} is not a ResNet-34: it has nothing that fits {odd[0]}")
    model.encoder.load_state_dict({name: weights[name] for name in own})


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
    for pattern, usual in _NAMES:
        rest = re.sub(f"^{pattern}", usual, rest)
    return prefix + rest
