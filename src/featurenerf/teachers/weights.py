"""Where the weights of a teacher are, whether they are the right ones, and what to do when they are not there."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn

from featurenerf.errors import InputError, MissingExtraError, first_line
from featurenerf.teachers.base import Card

_FILES = ("model.safetensors", "pytorch_model.bin")
_BESIDE = ["*.json", "*.txt", "spiece.model"]


def hub_name(card: Card) -> str:
    """``OWNER/NAME`` of a card whose source is ``hub OWNER/NAME``."""
    return card.source.removeprefix("hub ")


def on_hub_cache(card: Card) -> bool:
    """Whether a model of the hub was fetched before."""
    if find_spec("huggingface_hub") is None:
        return False
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(hub_name(card), name), str) for name in _FILES)


@contextmanager
def hub(card: Card, package: str) -> Iterator[Callable[[Sequence[str]], Path]]:
    """A function that fetches a card's files of some patterns, where they are not there yet, and says where they lie.

    Raises:
        InputError: when something fails in the block; it says how to do without the hub.
        MissingExtraError: when ``package`` and what comes with it is not installed.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.constants import HF_HUB_CACHE
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise MissingExtraError(package, "diffusion" if package == "diffusers" else "hub") from error
    name = hub_name(card)
    try:
        yield lambda patterns: Path(snapshot_download(name, allow_patterns=list(patterns)))
    except InputError:
        raise
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise InputError(
            f"{name} could not be fetched from huggingface.co ({first_line(error)}): where it can be reached "
            f"run `hf download {name} --local-dir DIR`, copy DIR here and give --teacher {card.name}:DIR; "
            f"or copy models--{name.replace('/', '--')} from its cache to {HF_HUB_CACHE} here"
        ) from error


def in_wheel(package: str) -> Callable[[Card], bool]:
    """Whether a package that carries weights is installed."""
    return lambda card: find_spec(package) is not None


def check_file(card: Card, path: Path) -> None:
    """Refuse a weights file that is not what the card says, or (where it is kept) what the hub said.

    Raises:
        InputError: when the SHA-256 is another.
    """
    expected = card.sha256.get(path.name) or _said_by_hub(path)
    if expected is None:
        return
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while part := file.read(1 << 20):
            digest.update(part)
    if digest.hexdigest() != expected:
        raise InputError(
            f"{path} is not the file of {card.name}: its SHA-256 is {digest.hexdigest()[:12]}..., not "
            f"{expected[:12]}...; fetch it again ({card.source}), or set verify=no if other weights are meant"
        )


def folder_of(card: Card, path: Path | None, verify: bool) -> Path:
    """The folder with the ``config.json`` and the weights of a model of the hub, which is fetched if need be.

    Args:
        path: a local copy, or None for the hub's.
    Raises:
        InputError: when it cannot be fetched, is incomplete, or is another (unless ``verify`` is false).
    """
    folder = _fetched(card) if path is None else path if path.is_dir() else path.parent
    files = [folder / name for name in _FILES if (folder / name).is_file()][:1] or sorted(folder.glob("model-*-of-*"))
    if not files or not (folder / "config.json").is_file():
        raise InputError(f"{folder} holds no config.json with {_FILES[0]}: copy {hub_name(card)} again, whole")
    for file in files if verify else []:
        check_file(card, file)
    return folder


def pretrained(kind: Any, card: Card, folder: Path, **options: Any) -> nn.Module:
    """A model of ``transformers``, in single precision, from a folder.

    Raises:
        InputError: when the folder holds another model, or damaged or incomplete weights.
    """
    again = f"copy {hub_name(card)} again"
    try:
        found = json.loads((folder / "config.json").read_text()).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{folder / 'config.json'} is damaged ({first_line(error)}): {again}") from error
    wanted = kind.config_class.model_type
    if found != wanted:
        raise InputError(f"{folder} holds a model of type {found}, and {card.name} is a {wanted}: {again}")
    try:
        model, report = loaded(kind, str(folder), local_files_only=True, **options)
    except (OSError, ValueError, RuntimeError, KeyError, EOFError, SafetensorError, pickle.UnpicklingError) as error:
        raise InputError(f"the weights in {folder} are damaged ({first_line(error)}): {again}") from error
    odd = sorted([*report["missing_keys"], *(str(key) for key in report["mismatched_keys"])])
    if odd:
        raise InputError(f"the weights in {folder} are incomplete: {odd[0]} is missing or of another shape; {again}")
    return model.float().eval()


def loaded(kind: Any, folder: str | None, **options: Any) -> tuple[Any, dict[str, Any]]:
    """``from_pretrained`` without its progress bar, and its report of what was missing."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        return kind.from_pretrained(folder, output_loading_info=True, **options)
    finally:
        if shown:
            logging.enable_progress_bar()


def transformers(name: str) -> Any:
    """A class of ``transformers``.

    Raises:
        MissingExtraError: without it.
        InputError: when it is too old to have the class.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "hub") from error
    try:
        return getattr(transformers, name)
    except AttributeError as error:
        raise InputError(f"transformers {transformers.__version__} has no {name}: install a newer one") from error


def _said_by_hub(path: Path) -> str | None:
    """The SHA-256 that the hub gave with a large file: its name in the cache; beside a ``--local-dir``, a note."""
    note = path.parent / ".cache" / "huggingface" / "download" / f"{path.name}.metadata"
    told = note.read_text().split() if note.is_file() else []
    candidates = [path.resolve().name, *told[1:2]]
    return next((name for name in candidates if re.fullmatch(r"[0-9a-f]{64}", name)), None)


def _fetched(card: Card) -> Path:
    with hub(card, "transformers") as fetch:
        for file in _FILES:
            folder = fetch([*_BESIDE, file])
            if (folder / file).is_file():
                break
    return folder
