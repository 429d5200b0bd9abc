"""Being told to end: a run finishes its step and saves itself first (Ctrl-C; SIGTERM, as batch systems send it)."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A run was told to end and has saved itself; resumed, it goes on as if nothing had happened.

    Attributes:
        code: with which a command ends then: 130 after SIGINT, 143 after SIGTERM.
    """

    def __init__(self, number: int, step: int, folder: Path) -> None:
        self.code = 128 + number
        name = signal.Signals(number).name
        super().__init__(f"stopped by {name} after step {step}, which is saved in {folder}: resume the run to go on")


class Interrupts:
    """While the block runs, the first signal is noted down, and the next one does what it did before.

    Outside of the main thread, where Python knows no signals, nothing is changed.

    Attributes:
        received: the signal, 0 for none.
        safe: what to raise at once on a signal, where all is saved; None while a step is under way.
    """

    def __init__(self) -> None:
        self.received = 0
        self.safe: tuple[int, Path] | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None is a handler that Python did not set
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self.__exit__()
        if self.safe is not None:
            raise Stopped(number, *self.safe)
