"""A model to the Hugging Face hub, with a card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from featurenerf.errors import InputError, first_line
from featurenerf.models import Model
from featurenerf.models.checkpoint import TEACHER, read_config, save
from featurenerf.models.hub import client

CARD = "README.md"


def push(
    model: Model,
    repository: str,
    *,
    commit_message: str,
    private: bool | None,
    token: str | None,
    revision: str | None,
    create_pr: bool,
    dtype: torch.dtype | None,
) -> str:
    """See ``Model.push_to_hub``."""
    hub = client()
    with TemporaryDirectory() as folder:
        write(model, Path(folder), repository, dtype)
        try:
            api = hub.HfApi(token=token)
            made = api.create_repo(repository, private=private, exist_ok=True).repo_id
            sent = {"revision": revision, "create_pr": create_pr, "commit_message": commit_message}
            return str(api.upload_folder(repo_id=made, folder_path=folder, **sent))
        except (hub.errors.HfHubHTTPError, hub.errors.HFValidationError, OSError, ValueError, RuntimeError) as error:
            raise InputError(
                f"the model could not be sent to {repository!r} at {hub.constants.ENDPOINT} ({first_line(error)}): "
                "look at the name, and log in with `hf auth login` or give a token that may write"
            ) from error


def write(model: Model, folder: Path, repository: str, dtype: torch.dtype | None = None) -> None:
    """What a repository holds: the checkpoint, and what lay beside the model's own, or a card that is made."""
    own = model.checkpoint
    about = {} if own is None else read_config(own)
    kept = {name: value for name, value in about.items() if name not in ("featurenerf", "field", "model", "saved")}
    save(model, folder, kept, dtype)
    if own is not None and (own / TEACHER).is_file():
        shutil.copyfile(own / TEACHER, folder / TEACHER)
    if own is not None and (own / CARD).is_file():
        shutil.copyfile(own / CARD, folder / CARD)
    else:
        (folder / CARD).write_text(card(model, repository, kept), encoding="utf-8")


def card(model: Model, repository: str, about: Mapping[str, Any]) -> str:
    """A card of what is known of a model without one: settings, data, validation. It names no licence of the weights,
    since that is their owner's to say."""
    categories = " and ".join(model.config.categories) or "objects of no named category"
    channels = ", ".join(f"{name} ({size})" for name, size in model.channels.items())
    training, scores = about.get("train"), about.get("validation")
    lines = [
        "---", "library_name: featurenerf", "pipeline_tag: image-to-3d",
        "tags: [featurenerf, nerf, 3d, feature-field, correspondence]", "---", f"# {repository.rpartition('/')[2]}", "",
        f"A {model.name} field of featurenerf for {categories}: one picture to {channels}.", "",
        "```python", "import featurenerf", f"model = featurenerf.load({repository!r})", "```",
    ]  # fmt: skip
    if isinstance(training, Mapping):
        lines += ["", "## Recipe", "```json", json.dumps(training, indent=2), "```"]
    if isinstance(scores, Mapping):
        rows = [f"| {name} | {value:.4g} |" for name, value in scores.items() if isinstance(value, (int, float))]
        lines += ["", "## Metrics", "On validation objects.", "", "| | value |", "|---|---:|", *rows]
    if model.frozen:
        lines += ["", "## Licences", "The frozen encoder's weights are under the licence of whoever trained them."]
    return "\n".join(lines) + "\n"
