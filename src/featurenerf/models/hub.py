"""Checkpoints on the Hugging Face hub: a repository of ``config.json`` and ``model.safetensors``, and no code."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from featurenerf.errors import InputError, MissingExtraError, first_line

FILES = ("config.json", "model.safetensors", "teacher.safetensors", "recogniser.safetensors", "README.md")
"""What a checkpoint's repository holds; nothing else is fetched."""


def client(extra: str = "hub") -> Any:
    """The package ``huggingface_hub``, which ``extra`` installs.

    Raises:
        MissingExtraError: where it is not installed.
    """
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError as error:
        why = "repositories of the Hugging Face hub need a program that fetches them"
        raise MissingExtraError("huggingface_hub", extra, why) from error
    return huggingface_hub


def is_repository(name: str) -> bool:
    """Whether a name can be one of the hub, OWNER/NAME, and is not a path into a folder that is here."""
    return re.fullmatch(r"[\w.-]+/[\w.-]+", name) is not None and not os.path.isdir(os.path.dirname(name))


def fetched(repository: str, revision: str | None = None) -> Path:
    """The folder of a repository's checkpoint: its files are fetched unless the hub's cache has them.

    Raises:
        InputError: when that fails.
        MissingExtraError: without the extra ``hub``.
    """
    hub = client()
    try:
        folder = hub.snapshot_download(repository, revision=revision, allow_patterns=list(FILES))
    except (hub.errors.HfHubHTTPError, OSError, ValueError, hub.errors.HFValidationError) as error:
        raise InputError(
            f"there is no checkpoint {repository!r} here, and it could not be fetched from {hub.constants.ENDPOINT} "
            f"({first_line(error)}): give a directory, or look at the name; where the hub cannot be reached, copy the "
            "repository's files to a directory"
        ) from error
    return Path(folder)
