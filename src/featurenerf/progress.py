"""Progress bars: on a terminal those of tqdm; in a log, which keeps every state of a bar, a line now and then."""

from __future__ import annotations

import sys
import time
from typing import Any

import tqdm as _tqdm

LINE_SECONDS = 15.0
"""Where there is no terminal, a bar that takes longer writes a line so often."""


class Progress(_tqdm.tqdm):  # type: ignore[misc]  # tqdm has no types
    """``tqdm.tqdm``; where the standard error is no terminal, lines.

    There, a bar that ends says so in a last line; one with ``leave=False``, a part of something larger, does not.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._lines, self._said = not sys.stderr.isatty(), time.monotonic()
        self._shown: Any = None
        if self._lines:
            share = "" if self._total(args, options) is None else "{percentage:3.0f}% "
            options["bar_format"] = f"{{desc}}: {share}{{n_fmt}}/{{total_fmt}} [{{elapsed}}<{{remaining}}{{postfix}}]"
            options["mininterval"] = LINE_SECONDS
        super().__init__(*args, **options)

    @staticmethod
    def _total(args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        things = args[0] if args else options.get("iterable")
        given = args[2] if len(args) > 2 else options.get("total")
        return given if given is not None else getattr(things, "__len__", lambda: None)()

    def display(self, msg: str | None = None, pos: int | None = None) -> Any:
        """Show how far it is, if it is time."""
        if not self._lines:
            return super().display(msg, pos)
        if time.monotonic() - self._said >= LINE_SECONDS:
            self._say()
        return True

    def set_description(self, desc: str | None = None, refresh: bool = True) -> None:
        """What is being done now; tqdm's own adds a second colon to it."""
        self.set_description_str(desc, refresh)

    def clear(self, nolock: bool = False) -> None:
        """Before something else is written: a line stays."""
        if not self._lines:
            super().clear(nolock)

    def close(self) -> None:
        """The end of it."""
        if self._lines and not getattr(self, "disable", True):
            if self.leave and self._shown != self.n:
                self._say()
            self.disable = True
            self._decr_instances(self)
        super().close()

    def _say(self) -> None:
        self._said, self._shown = time.monotonic(), self.n
        print(self, file=sys.stderr, flush=True)
