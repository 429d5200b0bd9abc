"""One thread that does the model's work beside the server: what is asked later under one name replaces what waits."""

from __future__ import annotations

import threading
from collections.abc import Callable

from featurenerf.errors import InputError, MissingExtraError, first_line

Task = Callable[[], None]


class WorkQueue:
    """Tasks by name, done one after the other in a thread.

    A task that waits is dropped when another one of its name comes. Tasks without a name are never dropped. Those
    that are urgent come first, in the order in which they were asked.

    Attributes:
        dropped: how many were.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        """
        Args:
            say: called with a sentence when a task fails, from the thread. The thread goes on.
        """
        self._say = say
        self._waiting: list[tuple[str | None, bool, Task]] = []
        self._change = threading.Condition()
        self._ended = self._busy = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="featurenerf-view", daemon=True)
        self._thread.start()

    def ask(self, task: Task, name: str | None = None, urgent: bool = False) -> None:
        """Have a task done; returns at once."""
        with self._change:
            kept = [each for each in self._waiting if name is None or each[0] != name]
            self.dropped += len(self._waiting) - len(kept)
            place = next((i for i, each in enumerate(kept) if not each[1]), len(kept)) if urgent else len(kept)
            self._waiting = [*kept[:place], (name, urgent, task), *kept[place:]]
            self._change.notify_all()

    def forget(self, name: str) -> None:
        """Drop the tasks of a name that wait."""
        with self._change:
            kept = [each for each in self._waiting if each[0] != name]
            self.dropped += len(self._waiting) - len(kept)
            self._waiting = kept

    def hurries(self) -> bool:
        """Whether an urgent task waits: one that is at work and is not urgent may stop, and ask to be done later."""
        with self._change:
            return any(urgent for _, urgent, _ in self._waiting)

    def rest(self, seconds: float | int) -> bool:
        """Wait until nothing is to be done; False where that takes longer."""
        with self._change:
            return self._change.wait_for(lambda: not self._waiting and not self._busy, seconds)

    def end(self, seconds: float | int = 10.0) -> None:
        """Finish the task at hand, drop the others, end the thread."""
        with self._change:
            self._ended, self._waiting = True, []
            self._change.notify_all()
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            with self._change:
                self._busy = False
                self._change.notify_all()
                self._change.wait_for(lambda: bool(self._waiting) or self._ended)
                if self._ended:
                    return
                _, _, task = self._waiting.pop(0)
                self._busy = True
            try:
                task()
            except (InputError, MissingExtraError) as error:
                self._say(str(error))
            except Exception as error:  # a viewer with other objects in it stays up
                self._say(f"that did not work ({type(error).__name__}: {first_line(error)})")
