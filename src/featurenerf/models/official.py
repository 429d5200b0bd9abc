"""Checkpoints of the authors' program (github.com/jianglongye/featurenerf) to models of ours.

Only names and layouts are translated here: no tensor is changed. The models remember the authors' pixel convention.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
from torch import Tensor

from featurenerf.errors import InputError, first_line
from featurenerf.models.paper import PaperConfig, PaperModel
from featurenerf.models.weights import planned, read_weights

_NAMES = {
    "encoder.model.": "encoder.",
    "mlp_coarse.lin_in.": "network.input.",
    "mlp_coarse.lin_z.": "network.latent.",
    "mlp_coarse.lin_out.": "network.output.",
    "mlp_coarse.blocks.": "network.blocks.",
}
_UNUSED = ("encoder.model.layer4.", "encoder.model.fc.", "mlp_fine.", "code.")


def convert(weights: Mapping[str, Tensor], *, coordinate: bool = True) -> tuple[PaperConfig, dict[str, Tensor]]:
    """The authors' state dict to a configuration and a state dict of ``PaperModel``; sizes are inferred.

    Args:
        coordinate: whether the last three outputs of the MLP are its coordinate head.
    Raises:
        InputError: when tensors are missing or unknown, or the coarse and the fine MLP differ.
    """
    for name, tensor in weights.items():
        if name.startswith("mlp_fine."):
            twin = weights.get(name.replace("mlp_fine.", "mlp_coarse.", 1))
            if twin is None or not torch.equal(twin, tensor):
                raise InputError(
                    f"{name} differs from the coarse MLP's: only models whose two passes share one MLP can be imported"
                )
    ours: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if name.startswith(_UNUSED):
            continue
        prefix = next((p for p in _NAMES if name.startswith(p)), None)
        if prefix is None:
            raise InputError(f"the tensor {name} is not part of the published model: it cannot be imported")
        new = _NAMES[prefix] + name.removeprefix(prefix).replace(".fc_0.", ".first.").replace(".fc_1.", ".second.")
        ours[new] = tensor.float() if tensor.is_floating_point() else tensor
    fuse = _count(ours, "network.latent.")
    for leaf in ("weight", "bias"):  # ours are side by side in one layer
        layers = [ours.pop(f"network.latent.{k}.{leaf}", torch.empty(0)) for k in range(fuse)]
        if len({layer.shape[1:] for layer in layers}) == 1:
            ours[f"network.latent.{leaf}"] = torch.cat(layers)
    config = _config(weights, ours, fuse, coordinate)
    _check(planned(lambda: PaperModel(config)), ours)
    return config, ours


def import_official(path: str | os.PathLike[str], *, coordinate: bool = True) -> PaperModel:
    """The model in a checkpoint file of the authors' program, ready for inference; its parameters do not require
    gradients.

    Raises:
        InputError: when the file cannot be read, or see ``convert``.
    """
    weights = read_weights(path)
    try:
        config, converted = convert(weights, coordinate=coordinate)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # tensors of any name and shape: anything may happen
        raise InputError(f"{path} is not a checkpoint of the published model ({first_line(error)})") from error
    model = PaperModel(config)
    model.load_state_dict(converted)
    return model.eval().requires_grad_(False)


def _config(weights: Mapping[str, Tensor], ours: Mapping[str, Tensor], fuse: int, coordinate: bool) -> PaperConfig:
    needed = [f"network.{layer}.weight" for layer in ("input", "output", "latent", "blocks.0.first")]
    missing = [name for name in needed if name not in ours or ours[name].ndim != 2]
    if missing:
        raise InputError(f"this is not a checkpoint of the published model: it has nothing for {', '.join(missing)}")
    width, inputs = ours["network.input.weight"].shape
    outputs = ours["network.output.weight"].shape[0]
    if ours["network.latent.weight"].shape[1] != PaperConfig().latent or (inputs - 6) % 6 or inputs < 12:
        raise InputError("its encoder or its positional code is not that of the published model: it cannot be imported")
    feature = outputs - 4 - 3 * coordinate
    if feature < 0:
        raise InputError(f"its {outputs} outputs leave no room for a coordinate head: import it without coordinate")
    octaves = (inputs - 6) // 6
    frequency = 1.5
    if (factors := weights.get("code._freqs")) is not None:
        frequency = float(factors.flatten()[0])
        expected = (frequency * 2.0 ** torch.arange(octaves)).repeat_interleave(2)
        if factors.numel() != 2 * octaves or not torch.allclose(factors.flatten().float(), expected):
            raise InputError("the frequencies of its positional code do not double: it cannot be imported")
    return PaperConfig(
        width=width,
        blocks=_count(ours, "network.blocks."),
        fuse=fuse,
        feature_dim=feature,
        coordinate=coordinate,
        octaves=octaves,
        frequency=frequency,
        convention="authors",
        size=None,
    )


def _count(weights: Mapping[str, Tensor], prefix: str) -> int:
    return len({name.removeprefix(prefix).split(".")[0] for name in weights if name.startswith(prefix)})


def _check(own: Mapping[str, Tensor], given: dict[str, Tensor]) -> None:
    """Names and sizes must agree; counters of batches, which inference does not need, may be absent."""
    for name, tensor in own.items():
        if name not in given and name.endswith("num_batches_tracked"):
            given[name] = torch.zeros(tensor.shape, dtype=tensor.dtype)
    missing, unknown = sorted(set(own) - set(given)), sorted(set(given) - set(own))
    odd = [name for name in own if name in given and own[name].shape != given[name].shape]
    if missing or unknown or odd:
        raise InputError(
            f"this is not a checkpoint of the published model: {len(missing)} tensors missing, {len(unknown)} unknown, "
            f"{len(odd)} of another size (such as {(missing + unknown + odd)[0]})"
        )
