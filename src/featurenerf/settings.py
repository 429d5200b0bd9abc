"""Values of settings as text: in the names of teachers, and in the settings of models on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from featurenerf.errors import InputError


def text_of(value: Any) -> str:
    """A number, a text, a truth value ("yes", "no") or a tuple of integers ("1+2") as text."""
    if isinstance(value, tuple):
        return "+".join(map(str, value))
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def changed(whose: str, texts: Iterable[str], now: Mapping[str, Any]) -> dict[str, Any]:
    """The values that ``KEY=VALUE`` texts give to settings, each of the type that the setting has now.

    Args:
        whose: settings they are, for messages.
    Raises:
        InputError: for a setting that there is not, or a value that cannot be one.
    """
    found: dict[str, Any] = {}
    for each in texts:
        key, equals, text = each.partition("=")
        if not equals or key not in now:
            known = ",".join(f"{name}={text_of(value)}" for name, value in now.items())
            raise InputError(f"this {whose} has no setting {each!r}; it has: {known}")
        like = now[key]
        try:
            if isinstance(like, tuple):
                found[key] = tuple(int(part) for part in text.split("+"))
            else:
                found[key] = {"no": False, "yes": True}[text] if isinstance(like, bool) else type(like)(text)
        except (KeyError, ValueError) as error:
            raise InputError(f"a {whose}'s {key} cannot be {text!r}: write it as in {key}={text_of(like)}") from error
    return found
