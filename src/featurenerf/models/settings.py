"""What the settings of a model may be: of their types, and of sizes that a machine can bear."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal, Union

from featurenerf.cameras import PICTURE_SIZE
from featurenerf.errors import InputError
from featurenerf.settings import changed


def changed_settings(config_type: type, texts: Iterable[str]) -> dict[str, Any]:
    """Settings of a model from ``NAME=VALUE`` each, such as width=64 or encoder_blocks=0+2+4+10.

    Raises:
        InputError: for a setting that there is not, or a value that cannot be one.
    """
    defaults = {f.name: f.default for f in fields(config_type) if f.default not in (MISSING, ())}
    defaults["size"] = PICTURE_SIZE
    return changed("model", texts, dict(sorted(defaults.items())))


def check_types(settings: Any) -> None:
    """Refuses a dataclass whose values are not what it says: a truth value is no number, and numbers are finite.

    Raises:
        InputError: naming the setting.
    """
    hints = typing.get_type_hints(type(settings))
    for each in fields(settings):
        value = getattr(settings, each.name)
        hint = hints[each.name]
        if not _fits(value, hint):
            wanted = hint.__name__ if isinstance(hint, type) else hint
            raise InputError(f"{each.name} is {repr(value)[:100]}: it must be {wanted}, and its numbers finite")


def check_sizes(settings: Any, bounds: Mapping[str, tuple[int, int]]) -> None:
    """Refuses settings, or items of them, that are beyond the least and the most of their names; None is admitted.

    Raises:
        InputError: naming the setting.
    """
    for name, (least, most) in bounds.items():
        value = getattr(settings, name)
        for number in value if isinstance(value, tuple) else (value,):
            if number is not None and not least <= number <= most:
                raise InputError(f"{name} is {value}: it must lie between {least} and {most}")


def _fits(value: Any, hint: Any) -> bool:
    kind, inner = typing.get_origin(hint), typing.get_args(hint)
    if kind in (Union, types.UnionType):
        return any(_fits(value, each) for each in inner)
    if kind is Literal:
        return value in inner
    if kind is tuple:
        if not isinstance(value, tuple):
            return False
        if inner[-1] is Ellipsis:
            return all(_fits(item, inner[0]) for item in value)
        return len(value) == len(inner) and all(map(_fits, value, inner))
    if kind is dict:
        return isinstance(value, dict) and all(_fits(k, inner[0]) and _fits(v, inner[1]) for k, v in value.items())
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
