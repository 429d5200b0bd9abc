"""Checkpoints: a directory with ``config.json`` and ``model.safetensors``, and nothing that runs code."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from featurenerf.errors import InputError
from featurenerf.files import ASSETS, write_atomically, write_json
from featurenerf.models import MODELS, Model
from featurenerf.runtime import usable_device

SHIPPED = ASSETS / "checkpoints"
DEFAULT = "chair-car"
FORMAT = 3
"""Of the configuration. Before format 3 the fast field knew no silhouettes, and cells of its density were two pixels
wide. In format 1 it had ``backbone`` for ``encoder``, and named no categories."""
CONFIG, WEIGHTS = "config.json", "model.safetensors"
TEACHER = "teacher.safetensors"
"""How the features are made of the teacher's, in the checkpoint of a trained model."""


def load(
    name: str | os.PathLike[str] = DEFAULT, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> Model:
    """A model from a checkpoint: one that ships with the package, by name, or a directory.

    Raises:
        InputError: when there is no such checkpoint, or its files are damaged or do not belong together.
    """
    directory, device = directory_of(name), usable_device(device)
    model = build(read_config(directory), directory / CONFIG)
    path = directory / WEIGHTS
    if not path.is_file():
        raise InputError(f"the checkpoint {directory} has no {WEIGHTS}: it is incomplete, copy or train it again")
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is damaged ({error}): copy or train it again") from error
    own = {name: tensor.shape for name, tensor in model.state_dict().items()}
    odd = sorted(name for name in {*own, *weights} if name not in weights or own.get(name) != weights[name].shape)
    if odd:
        raise InputError(
            f"{path} does not belong to {directory / CONFIG}: {len(odd)} tensors are missing, unknown or of another "
            f"size, such as {odd[0]}; take both files from one training"
        )
    model.load_state_dict(weights)
    return model.to(device=device, dtype=dtype).eval()


def save(
    model: Model,
    directory: str | os.PathLike[str],
    about: Mapping[str, Any] | None = None,
    dtype: torch.dtype | None = None,
) -> Path:
    """Write a model and its configuration.

    Args:
        about: further entries of the configuration (training settings, metrics).
        dtype: what the weights are stored as; None keeps theirs, ``torch.float16`` halves the file.
    """
    directory = Path(directory)
    config = {"featurenerf": FORMAT, "field": model.name, "model": asdict(model.config), **(about or {})}
    weights = {
        k: v.detach().to("cpu", dtype if v.is_floating_point() else None).contiguous()
        for k, v in model.state_dict().items()
    }
    write_json(directory / CONFIG, config, indent=2)
    write_atomically(directory / WEIGHTS, lambda path: save_file(weights, path))
    return directory


def read_config(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """The ``config.json`` of a checkpoint directory."""
    path = Path(directory) / CONFIG
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{directory} is not a checkpoint: it has no {CONFIG}") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is damaged ({error}): copy or train the checkpoint again") from error
    ours = isinstance(config, dict) and isinstance(config.get("field"), str) and isinstance(config.get("model"), dict)
    if not ours or config["field"] not in MODELS:
        raise InputError(f"{path} is not the configuration of a featurenerf checkpoint (fields: {', '.join(MODELS)})")
    version = config.get("featurenerf", 1)
    if not isinstance(version, int) or not 1 <= version <= FORMAT:
        raise InputError(
            f"{path} is of format {version!r}, and this featurenerf reads formats up to {FORMAT}: install a newer one"
        )
    return _upgraded(config, version)


def _upgraded(config: Mapping[str, Any], version: int) -> dict[str, Any]:
    """A configuration of an older format in today's form. What it does not say is as it was then."""
    settings = dict(config["model"])
    if version < 3 and config["field"] == "fast":
        settings = {"density_stride": 2, "silhouette": False, **settings}
    if version > 1:
        return {**config, "featurenerf": FORMAT, "model": settings}
    if "backbone" in settings:
        settings["encoder"] = "efficientnet-lite0" if settings.pop("backbone") else None
    training = config.get("train")
    named = training.get("category") if isinstance(training, dict) else None
    if isinstance(named, list) and all(isinstance(name, str) for name in named):
        settings["categories"] = dict.fromkeys(named, "mirror" if settings.get("symmetric") else "none")
    return {**config, "featurenerf": FORMAT, "model": settings}


def build(config: Mapping[str, Any], where: str | os.PathLike[str] = "the configuration") -> Model:
    """A model with random weights from the contents of a ``config.json``; absent settings have their defaults."""
    model_type = MODELS[config["field"]]
    known = {f.name for f in fields(model_type.config_type)}
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in config["model"].items()}
    if not set(given) <= known:
        odd = ", ".join(sorted(set(given) - known))
        raise InputError(f"{where} was written by another version of featurenerf: it has the unknown settings {odd}")
    try:
        return model_type(model_type.config_type(**given))
    except (InputError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"the settings in {where} make no model ({reason}): copy or train the checkpoint again"
        ) from error


def directory_of(name: str | os.PathLike[str]) -> Path:
    """Where a checkpoint lies: a directory itself, or one that ships, by name; InputError when there is none."""
    for directory in (Path(name), SHIPPED / str(name)):
        if directory.is_dir():
            return directory
    known = ", ".join(sorted(path.name for path in SHIPPED.glob("*"))) or "none"
    raise InputError(f"there is no checkpoint {str(name)!r}: give a directory, or one of those that ship ({known})")
