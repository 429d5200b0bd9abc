"""Models of the hub (huggingface.co): fetched or found, checked, and loaded; and what to do where that fails."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from safetensors import SafetensorError

from featurenerf.errors import InputError, MissingExtraError, first_line
from featurenerf.limits import json_file, parsing
from featurenerf.models.hub import client
from featurenerf.teachers.base import TRANSFORMERS_FILES, Card, Settings

LOADING_ERRORS = (OSError, ValueError, RuntimeError, KeyError, TypeError, EOFError, SafetensorError, UnpicklingError)
"""What ``loaded`` and ``from_pretrained`` raise for damaged files and for those of another model."""

_COMPANIONS = ("*.json", "*.txt", "spiece.model")  # of the weights: configuration and tokenizer


def fetch(card: Card, patterns: Sequence[str]) -> Path:
    """The folder of a card's model, with the files of these patterns; they are fetched if they are not there yet.

    Raises:
        InputError: when that fails; it says how to do without the hub.
    """
    hub, name = client(card.extra), card.repository
    try:
        return Path(hub.snapshot_download(name, allow_patterns=list(patterns)))
    except (hub.errors.HfHubHTTPError, OSError, ValueError) as error:
        raise InputError(
            f"{name} could not be fetched from huggingface.co ({first_line(error)}): where it can be reached "
            f"run `hf download {name} --local-dir DIR`, copy DIR here and name the teacher {card.name}:DIR; "
            f"or copy models--{name.replace('/', '--')} from its cache to {hub.constants.HF_HUB_CACHE} here"
        ) from error


def check_file(card: Card, settings: Settings, path: Path) -> None:
    """Refuse a weights file that is not what the card says, or (where it is kept) what the hub said.

    Raises:
        InputError: when the SHA-256 is another, unless ``settings.verify`` is false.
    """
    expected = card.sha256.get(path.name) or _sha256_of_hub(path)
    if expected is None or not settings.verify:
        return
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    if digest.hexdigest() != expected:
        raise InputError(
            f"{path} is not the file of {card.name}: its SHA-256 is {digest.hexdigest()[:12]}..., not "
            f"{expected[:12]}...; fetch it again ({card.source}), or set verify=no if other weights are meant"
        )


def _sha256_of_hub(path: Path) -> str | None:
    """What the hub gave with a large file: its name in the cache; in a ``--local-dir``, the second word of a note."""
    note = path.parent / ".cache" / "huggingface" / "download" / f"{path.name}.metadata"
    noted = note.read_text().split()[1:2] if note.is_file() else []
    return next((name for name in (path.resolve().name, *noted) if re.fullmatch(r"[0-9a-f]{64}", name)), None)


def pretrained(name: str, card: Card, settings: Settings, path: Path | None, **options: Any) -> Any:
    """A model, in single precision, by the name of its class in ``transformers``; ``name_or_path`` is its folder.

    Args:
        path: a local copy of ``config.json`` and the weights, or None for the hub's.
    Raises:
        InputError: when the model cannot be fetched, or the folder holds another one, or damaged or incomplete weights.
    """
    kind, again = transformers_class(name), f"copy {card.repository} again"
    if path is None:
        folder = fetch(card, [*_COMPANIONS, TRANSFORMERS_FILES[0]])
        if not (folder / TRANSFORMERS_FILES[0]).is_file():
            folder = fetch(card, [*_COMPANIONS, TRANSFORMERS_FILES[1]])
    else:
        folder = path if path.is_dir() else path.parent
    present = [folder / file for file in TRANSFORMERS_FILES if (folder / file).is_file()]
    files = present[:1] or sorted(folder.glob("model-*-of-*"))
    if not files or not (folder / "config.json").is_file():
        raise InputError(f"{folder} holds no config.json with {TRANSFORMERS_FILES[0]}: {again}, whole")
    for file in files:
        check_file(card, settings, file)
    with parsing(f"{folder / 'config.json'} is damaged", again):
        found = json_file(folder / "config.json").get("model_type")
    wanted = kind.config_class.model_type
    if found != wanted:
        raise InputError(f"{folder} holds a model of type {found}, and {card.name} is a {wanted}: {again}")
    with parsing(f"the weights in {folder} are damaged", again):
        return loaded(kind, folder, local_files_only=True, **options).float()


def loaded(kind: Any, folder: Path | None, **options: Any) -> Any:
    """A model by its class's ``from_pretrained``, without a progress bar and with none of its weights left random.

    Raises:
        ValueError: when a tensor is missing or of another shape; others of ``LOADING_ERRORS``, when a file is damaged.
    """
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model, report = kind.from_pretrained(folder, output_loading_info=True, **options)
    finally:
        if shown:
            logging.enable_progress_bar()
    odd = sorted([*report["missing_keys"], *(str(key) for key in report["mismatched_keys"])])
    if odd:
        raise ValueError(f"{odd[0]} is missing or of another shape")
    return model.eval()


def transformers_class(name: str) -> Any:
    """A class of ``transformers``; InputError is raised when the package is too old to have it."""
    try:
        import transformers

        return getattr(transformers, name)
    except ImportError as error:
        raise MissingExtraError("transformers", "hub") from error
    except AttributeError as error:
        raise InputError(f"transformers {transformers.__version__} has no {name}: install a newer one") from error
