"""Values of settings as text: in the names of teachers, and in the settings of models on the command line."""

from __future__ import annotations

from typing import Any

from featurenerf.errors import InputError


def text_of(value: Any) -> str:
    """A number, a text, a truth value ("yes", "no") or a tuple of integers ("1+2") as text."""
    if isinstance(value, tuple):
        return "+".join(map(str, value))
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def value_of(whose: str, key: str, text: str, like: Any) -> Any:
    """The text as a value of the type of ``like``.

    Args:
        whose: setting it is, for the message.
    Raises:
        InputError: where it cannot be one.
    """
    try:
        if isinstance(like, tuple):
            return tuple(int(part) for part in text.split("+"))
        return {"no": False, "yes": True}[text] if isinstance(like, bool) else type(like)(text)
    except (KeyError, ValueError) as error:
        raise InputError(f"a {whose}'s {key} cannot be {text!r}: write it as in {key}={text_of(like)}") from error
