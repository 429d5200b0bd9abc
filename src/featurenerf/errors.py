"""The one exception that a user's input can cause."""

from __future__ import annotations


class InputError(ValueError):
    """Something given to featurenerf is wrong: a file, an array, a setting.

    The message says what is wrong, where, and what to do, in a sentence or two. The command line prints it and
    exits with code 2; everything else is a bug and keeps its traceback.
    """


class UnknownObjectError(InputError):
    """A picture shows nothing that the model knows. The command line adds how to go on all the same."""


def first_line(error: BaseException) -> str:
    """What another library's error says, short enough to be quoted in a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


class MissingExtraError(ImportError):
    """A module was used whose optional dependency is not installed; the message names the extra to install."""

    def __init__(self, package: str, extra: str, why: str = "", instead: str = "") -> None:
        """
        Args:
            why: what the package is needed for, a clause of its own.
            instead: what else can be done.
        """
        self._given, self.package = (package, extra, why, instead), package
        needed, other = why and f"{why}: ", instead and f"; or {instead}"
        remedy = f"{package} is not installed; it comes with: pip install 'featurenerf[{extra}]'"
        super().__init__(f"{needed}{remedy}{other}")

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, ...]]:
        """So that one process can hand it to another; a pool of processes hangs on an error that cannot be handed."""
        return type(self), self._given
