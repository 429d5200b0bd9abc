"""Reading a verb's arguments: what is wrong with them is said in a sentence, as everything else is."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from featurenerf.errors import InputError

if TYPE_CHECKING:
    from featurenerf.models.base import Model

Checkpoint = Annotated[
    str | None, tyro.conf.arg(help="directory, or name of one that ships; by default the shipped one.")
]
Device = Annotated[str, tyro.conf.arg(help="cpu, cuda or mps; auto is the best that is usable.")]
Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]
"""An option that needs no counterpart with ``no-``."""
Force = Annotated[
    Flag,
    tyro.conf.arg(help="go on with a picture that shows nothing the model knows, as far as its recogniser can tell."),
]


def read(parse: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What a parser of tyro returns.

    Raises:
        InputError: in place of tyro's box, when the arguments do not fit.
    """
    box = io.StringIO()
    try:
        with redirect_stderr(box):
            return parse(*args, **options)
    except SystemExit as end:
        if end.code in (0, None):
            raise
        raise InputError(f"{_sentence(box.getvalue())} (--help says more)") from None


def command(function: Callable[..., None]) -> Callable[[list[str]], None]:
    """The ``main`` of a verb that is one function: its parameters are the options, its docstring is the help."""
    prog = f"featurenerf {function.__name__.replace('_', '-')}"
    return lambda argv: read(tyro.cli, postponed(function), prog=prog, args=argv)()


def commands(
    verb: str, description: str | None, functions: Mapping[str, Callable[..., None]]
) -> Callable[[list[str]], None]:
    """The ``main`` of a verb whose first argument names one of several functions."""
    given = {name: postponed(function) for name, function in functions.items()}
    options: dict[str, Any] = {"prog": f"featurenerf {verb}", "description": description}
    return lambda argv: read(tyro.extras.subcommand_cli_from_dict, given, args=argv, **options)()


def postponed(command: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """A function with the same parameters that returns the call instead of making it: first all is parsed."""
    return functools.wraps(command)(lambda *args, **options: functools.partial(command, *args, **options))


def loaded(checkpoint: str | None, device: str, force: bool) -> Model:
    """A checkpoint's model, the default's where none is named; with ``force`` it refuses no picture."""
    from featurenerf.models.checkpoint import DEFAULT, load

    model = load(checkpoint or DEFAULT, device=device)
    if force:
        model.recogniser = None
    return model


def mask_of(mask: Path | None, no_mask: bool) -> Path | Literal["none"] | None:
    """What the options say of where the object is, as ``prepare`` and ``lift`` take it."""
    if mask is not None and no_mask:
        raise InputError("--mask and --no-mask contradict each other: give one of them")
    return "none" if no_mask else mask


def print_files(folder: Path, report: Mapping[str, Any]) -> None:
    """What a report says of each file of its folder."""
    for name, what in report["files"].items():
        print(f"{folder / name}: {what}")


def _sentence(box: str) -> str:
    """The first paragraph of tyro's box, without its title and the explanations of options."""
    lines = [line.strip("│").rstrip() for line in box.splitlines() if not line.startswith(("╭", "╰"))]
    if "╭" not in box:  # where there is no Unicode, the title and a rule come first
        lines = lines[2:]
    end = next((number for number, line in enumerate(lines) if not line.strip(" ─-")), len(lines))
    text = " ".join(line.strip() for line in lines[:end] if not line.startswith(" " * 9)).rstrip(".")
    text = re.sub("^Missing from [^:]*: ", "missing: ", re.sub(r"^Error parsing [A-Z]\w*: ", "", text))
    return text or "the arguments do not fit"
