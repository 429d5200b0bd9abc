"""Checkpoints: a directory with ``config.json`` and ``model.safetensors``, and nothing that runs code."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from featurenerf import limits
from featurenerf.categories import category_name
from featurenerf.errors import InputError
from featurenerf.files import ASSETS, write_atomically, write_json, writing
from featurenerf.limits import json_file, parsing
from featurenerf.models import MODELS, Model, hub, recogniser
from featurenerf.models.weights import check_finite, planned
from featurenerf.runtime import usable_device

SHIPPED = ASSETS / "checkpoints"
DEFAULT = "chair-car"
RETIRED: dict[str, tuple[str, str]] = {}
"""Checkpoints that shipped once: what took their place, and the last version that had them."""
FORMAT = 4
"""Of the configuration. Before format 4 the fast field decoded each sample of a ray. Before format 3 it knew no
silhouettes, and cells of its density were two pixels wide. In format 1 it had ``backbone`` for ``encoder``, and
named no categories."""
CONFIG, WEIGHTS = "config.json", "model.safetensors"
SAVED = "saved"
"""The entry of the configuration, and of the header of the weights, by which they are known to belong together."""
TEACHER = "teacher.safetensors"
"""How the features are made of the teacher's, in the checkpoint of a trained model."""


def load(
    name: str | os.PathLike[str] = DEFAULT,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    *,
    revision: str | None = None,
) -> Model:
    """A model from a checkpoint: one that ships with the package, a directory, or a repository of the Hugging Face hub.

    Its parameters do not require gradients, so that what its fields answer goes into NumPy as it is;
    ``model.requires_grad_()`` makes those that are trained require them. Gradients flow to pictures, poses and points
    that require them either way.

    Args:
        name: of one that ships; a directory; or OWNER/NAME of the hub (extra ``hub``), which is fetched once.
        device: cpu, cuda or mps; "auto" is the best that is usable.
        revision: branch, tag or commit of the hub's repository.
    Raises:
        InputError: when there is no such checkpoint, or its files are damaged or do not belong together.
    """
    _check_dtype(dtype)
    directory, device = directory_of(name, revision), usable_device(device)
    config, path = read_config(directory), directory / WEIGHTS
    if not path.is_file():
        raise InputError(f"the checkpoint {directory} has no {WEIGHTS}: it is incomplete, copy or train it again")
    with parsing(f"{path} is damaged", "copy or train it again"), safe_open(path, "pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        saved = (file.metadata() or {}).get(SAVED)
    settings, field = _settings(config, directory / CONFIG), config["field"]
    own = _shapes(settings, field, directory / CONFIG)
    odd = sorted(name for name in {*own, *shapes} if own.get(name) != shapes.get(name))
    if odd:
        raise InputError(
            f"{path} does not belong to {directory / CONFIG}: {len(odd)} tensors are missing, unknown or of another "
            f"size, such as {odd[0]}; take both files from one training"
        )
    if saved != config.get(SAVED):
        raise InputError(
            f"{path} does not belong to {directory / CONFIG}: they were not written together, as when a program is "
            "killed while it saves; take both files from one training"
        )
    model = MODELS[field](settings)
    with parsing(f"{path} is damaged", "copy or train it again"):
        weights = load_file(path)
        model.load_state_dict(weights)
    check_finite(weights, path)
    model.checkpoint = directory
    model.recogniser = recogniser.read_recogniser(directory, model.frozen, settings.categories)
    return model.to(device=device, dtype=dtype).eval().requires_grad_(False)


def save(
    model: Model,
    directory: str | os.PathLike[str],
    about: Mapping[str, Any] | None = None,
    dtype: torch.dtype | None = None,
) -> Path:
    """Write a model and its configuration. Both say which belong together: a program may be killed between the two.

    Args:
        about: further entries of the configuration (training settings, metrics).
        dtype: what the weights are stored as; None keeps theirs, ``torch.float16`` halves the file.
    Raises:
        InputError: the directory cannot be written, or weights cannot be of that type.
    """
    with writing(directory):
        return write(model, directory, about, dtype)


def write(
    model: Model,
    directory: str | os.PathLike[str],
    about: Mapping[str, Any] | None = None,
    dtype: torch.dtype | None = None,
) -> Path:
    """As ``save``, for those who say themselves what an error of the disk means (OSError)."""
    directory = Path(directory)
    _check_dtype(dtype)
    config = {"featurenerf": FORMAT, "field": model.name, "model": asdict(model.config), **(about or {})}
    weights = {
        k: v.detach().to("cpu", dtype if v.is_floating_point() else None).contiguous()
        for k, v in model.state_dict().items()
    }
    digest = hashlib.sha256(json.dumps(config).encode())
    for value in weights.values():
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    saved = digest.hexdigest()[:16]
    directory.mkdir(parents=True, exist_ok=True)
    write_atomically(directory / WEIGHTS, lambda path: save_file(weights, path, {SAVED: saved}))
    write_json(directory / CONFIG, {**config, SAVED: saved}, indent=2)
    if model.recogniser is None:
        (directory / recogniser.FILE).unlink(missing_ok=True)
    else:
        model.recogniser.write(directory)
    return directory


def _check_dtype(dtype: torch.dtype | None) -> None:
    if dtype is not None and not (dtype.is_floating_point and dtype.itemsize > 1):
        raise InputError(f"weights cannot be {dtype}: give torch.float32, float64, float16 or bfloat16")


def read_config(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """The ``config.json`` of a checkpoint directory."""
    path = Path(directory) / CONFIG
    if not path.exists():
        raise InputError(f"{directory} is not a checkpoint: it has no {CONFIG}")
    with parsing(f"{path} is damaged", "copy or train the checkpoint again"):
        config = json_file(path)
    ours = isinstance(config, dict) and isinstance(config.get("field"), str) and isinstance(config.get("model"), dict)
    if not ours or config["field"] not in MODELS:
        raise InputError(f"{path} is not the configuration of a featurenerf checkpoint (fields: {', '.join(MODELS)})")
    version = config.get("featurenerf", 1)
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= FORMAT:
        raise InputError(
            f"{path} is of format {version!r}, and this featurenerf reads formats up to {FORMAT}: install a newer one"
        )
    return _upgraded(config, version)


def _upgraded(config: Mapping[str, Any], version: int) -> dict[str, Any]:
    """A configuration of an older format in today's form. What it does not say is as it was then."""
    settings = dict(config["model"])
    if version < 4 and config["field"] == "fast":
        settings = {"decode_once": False, **settings}
    if version < 3 and config["field"] == "fast":
        settings = {"density_stride": 2, "silhouette": False, **settings}
    if version > 1:
        return {**config, "featurenerf": FORMAT, "model": settings}
    if "backbone" in settings:
        settings["encoder"] = "efficientnet-lite0" if settings.pop("backbone") else None
    training = config.get("train")
    named = training.get("category") if isinstance(training, dict) else None
    if isinstance(named, list) and all(isinstance(name, str) for name in named):
        settings["categories"] = dict.fromkeys(
            map(category_name, named), "mirror" if settings.get("symmetric") else "none"
        )
    return {**config, "featurenerf": FORMAT, "model": settings}


def build(config: Mapping[str, Any], where: str | os.PathLike[str] = "the configuration") -> Model:
    """A model with random weights from the contents of a ``config.json``; absent settings have their defaults.

    Raises:
        InputError: the settings are unknown, make no model, or one beyond ``limits.PARAMETERS``.
    """
    settings, field = _settings(config, where), config["field"]
    _shapes(settings, field, where)
    return MODELS[field](settings)


def _settings(config: Mapping[str, Any], where: str | os.PathLike[str]) -> Any:
    """The settings of a model in the contents of a ``config.json``."""
    config_type = MODELS[config["field"]].config_type
    known = {f.name for f in fields(config_type)}
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in config["model"].items()}
    if not set(given) <= known:
        odd = ", ".join(sorted(set(given) - known))
        raise InputError(f"{where} was written by another version of featurenerf: it has the unknown settings {odd}")
    with parsing(f"the settings in {where} make no model", "copy or train the checkpoint again"):
        return config_type(**given)


def _shapes(settings: Any, field: str, where: str | os.PathLike[str]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a model, found without memory.

    Raises:
        InputError: the settings make no model, or there are more than ``limits.PARAMETERS`` numbers.
    """
    advice = "copy or train the checkpoint again"
    with parsing(f"the settings in {where} make no model", advice):
        found = {name: tuple(value.shape) for name, value in planned(lambda: MODELS[field](settings)).items()}
    if sum(map(math.prod, found.values())) > limits.PARAMETERS:
        raise InputError(
            f"the settings in {where} make no model (it would have more than {limits.PARAMETERS} numbers): {advice}"
        )
    return found


def directory_of(name: str | os.PathLike[str], revision: str | None = None) -> Path:
    """Where a checkpoint lies: one that ships, by its bare name, or a directory, or one of the hub, which is fetched.

    A folder that has the name of one that ships is given with its path: ``./chair-car``, or a ``Path``.

    Raises:
        InputError: there is none.
    """
    ships = {path.name: path for path in sorted(SHIPPED.glob("*"))}
    if isinstance(name, str) and name in ships:
        return ships[name]
    if os.path.isdir(name):
        return Path(name)
    if str(name) in ships:
        return ships[str(name)]
    if str(name) in RETIRED:
        successor, version = RETIRED[str(name)]
        raise InputError(
            f"the checkpoint {name} ships no more: {successor} took its place, and featurenerf {version} was the last "
            f"version that had it; give {successor}, or a directory with a copy of the old one"
        )
    before = Path(f"{os.fspath(name).rstrip('/')}.old")
    if os.path.isfile(before / CONFIG):  # see ``files.replace_folder``
        raise InputError(
            f"{name} is not there, and {before} is: the program was killed when it put a new checkpoint in its place; "
            "resume the run, which puts it back, or load that folder"
        )
    on_hub = ""
    if isinstance(name, str) and hub.is_repository(name):
        if find_spec("huggingface_hub") is not None:
            return hub.fetched(name, revision)
        on_hub = "; for one of the Hugging Face hub, pip install 'featurenerf[hub]'"
    known = ", ".join(ships) or "none"
    raise InputError(
        f"there is no checkpoint {str(name)!r}: give a directory, or one of those that ship ({known}){on_hub}"
    )
