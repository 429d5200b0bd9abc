"""Running cells: those that are not done yet, in parallel processes, so that a kill at any moment loses little.

A cell that is done has a record under ``OUT/cells``, written when all else is. Whatever is half done is taken up by its
own command: data are made and features kept object by object, a training resumes from where it last saved, and an
evaluation starts anew. Two programs never work on one cell: each holds a lock on it, which ends with the process.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from featurenerf.benchmark import toy_data
from featurenerf.benchmark.cells import Cell, in_order
from featurenerf.errors import InputError, MissingExtraError
from featurenerf.files import write_json
from featurenerf.locks import locked
from featurenerf.progress import Progress
from featurenerf.runtime import threads

Call = Callable[[str, list[str]], None]
"""Runs a verb of the command line with its arguments."""
Record = dict[str, Any]
_PROGRAM: dict[tuple[str, ...], tuple[str, ...]] = {("toy",): ("python", "-m", toy_data.__name__)}
"""What stands in records for the verbs of cells that are none of the command line."""


def read_record(cell: Cell, out: Path) -> Record | None:
    """What is recorded of a cell that is done."""
    try:
        found: Record = json.loads(cell.record(out).read_text())
        return found
    except (OSError, ValueError):
        return None


def run_cells(cells: Sequence[Cell], out: Path, call: Call, workers: int = 1) -> dict[str, str]:
    """Run what is not done of the cells and of what they need.

    Args:
        call: how a command line is run in a process.
        workers: processes; each has one thread, so that numbers do not depend on how many there are.
    Returns:
        why cells could not be run, in one sentence, by key: what a user has not, such as weights of a teacher. Cells
        that need them have the same reason.
    Raises:
        RuntimeError: when a cell failed otherwise; the others were run.
    """
    every = in_order(cells)
    todo = {cell.key: cell for cell in every if read_record(cell, out) is None}
    refused: dict[str, str] = {}
    broken: dict[str, str] = {}
    clock = _Clock([cell for cell in every if cell.key not in todo], out)

    def finished(cell: Cell, outcome: tuple[str, str]) -> None:
        kind, message = outcome
        if kind == "refused":
            refused[cell.key] = message
        elif kind == "broken":
            broken[cell.key] = f"{cell.name}: {message}"
        else:
            clock.add(cell, out)
        bar.set_postfix_str(f"{cell.name}; {clock.left(todo.values(), workers)}")
        bar.update()

    def blocked(cell: Cell) -> bool:
        return any(needed.key in todo or needed.key in refused or needed.key in broken for needed in cell.needs)

    with Progress(total=len(todo), desc="cells", unit="cell", dynamic_ncols=True) as bar, _pool(workers) as submit:
        running: dict[Future[tuple[str, str]], Cell] = {}
        waiting = dict(todo)
        while waiting or running:
            for key, cell in list(waiting.items()):
                reason = next((refused[n.key] for n in cell.needs if n.key in refused), None)
                if reason is not None or any(n.key in broken for n in cell.needs):
                    del waiting[key], todo[key]
                    refused[key] = reason or "what it needs has failed"
                    bar.update()
                elif not blocked(cell) and len(running) < 2 * workers:
                    del waiting[key]
                    running[submit(_execute, cell, out, call)] = cell
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                cell = running.pop(future)
                del todo[cell.key]
                try:
                    finished(cell, future.result())
                except BrokenProcessPool as error:
                    raise InputError(
                        f"a process ended, as it does when memory is short (at {cell.name}): run the same command "
                        "again, which goes on, with fewer workers"
                    ) from error
    if broken:
        raise RuntimeError(f"{len(broken)} cells failed, the others are done; the first: {next(iter(broken.values()))}")
    return refused


def _execute(cell: Cell, out: Path, call: Call) -> tuple[str, str]:
    """Run one cell in this process: ("done" | "refused" | "broken", message)."""
    log = out / "logs" / f"{cell.kind}-{cell.key}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as lines, locked(log, wait=True):
        if read_record(cell, out) is not None:  # another program did it
            return "done", ""
        verb, *arguments = cell.command(out)
        if cell.kind == "train" and (cell.made(out) / "config.json").is_file():
            arguments.append("--resume")
        before = _seconds_before(cell, out)
        started = time.monotonic()
        try:
            with redirect_stdout(lines), redirect_stderr(lines):
                if verb == "toy":
                    toy_data.main(arguments)
                else:
                    call(verb, arguments)
        except (InputError, MissingExtraError) as error:
            return "refused", str(error)
        except Exception:
            return "broken", traceback.format_exc()
        seconds = before + time.monotonic() - started
        write_json(cell.record(out), _record(cell, out, seconds))
    return "done", ""


def _record(cell: Cell, out: Path, seconds: float) -> Record:
    about: Record = {
        "kind": cell.kind,
        "key": cell.key,
        **cell.about,
        "command": [*_PROGRAM.get(cell.verb, ("featurenerf", *cell.verb)), *cell.command(out)[len(cell.verb) :]],
        "program": cell.program,
        "seconds": round(seconds, 2),
        "estimate": cell.seconds,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
    }
    if cell.kind == "eval":
        about["report"] = json.loads(cell.made(out).read_text())
    elif cell.kind == "train":
        known = json.loads((cell.made(out) / "checkpoint" / "config.json").read_text())
        wanted = ("field", "step", "model", "train", "budget", "teacher", "peak_memory_mib", "validation", "encoder")
        about["training"] = {name: known.get(name) for name in wanted}
        about["training_seconds"] = known.get("seconds")
    return about


def _seconds_before(cell: Cell, out: Path) -> float:
    """That a training went on for before it was killed."""
    try:
        return float(json.loads((cell.made(out) / "resume" / "progress.json").read_text())["seconds"])
    except (OSError, ValueError, LookupError, TypeError):
        return 0.0


# ---------------------------------------------------------------------- processes


@contextmanager
def _pool(workers: int) -> Iterator[Callable[..., Future[tuple[str, str]]]]:
    """How work is handed out: to processes of one thread each, or done at once in this one."""
    if workers == 1:
        with threads(1):
            yield _at_once
        return
    context = multiprocessing.get_context("spawn")
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        with ProcessPoolExecutor(workers, context, _start_worker, (os.getpid(),)) as pool:
            yield pool.submit
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _at_once(work: Callable[..., tuple[str, str]], *arguments: Any) -> Future[tuple[str, str]]:
    future: Future[tuple[str, str]] = Future()
    future.set_result(work(*arguments))
    return future


def _start_worker(parent: int) -> None:
    """One thread; and an end when the program that started it has been killed."""
    torch.set_num_threads(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


# ---------------------------------------------------------------------- time


class _Clock:
    """How long cells of each kind took, beside what was expected."""

    def __init__(self, done: Sequence[Cell], out: Path) -> None:
        self.took: dict[str, list[float]] = {}
        for cell in done:
            self.add(cell, out)

    def add(self, cell: Cell, out: Path) -> None:
        record = read_record(cell, out)
        if record is not None and cell.seconds > 0:
            sums = self.took.setdefault(cell.kind, [0.0, 0.0])
            sums[0] += record["seconds"]
            sums[1] += cell.seconds

    def seconds(self, cell: Cell) -> float:
        """That a cell takes, by what others of its kind took."""
        took, expected = self.took.get(cell.kind, (1.0, 1.0))
        return cell.seconds * took / expected

    def left(self, cells: Any, workers: int) -> str:
        seconds = sum(self.seconds(cell) for cell in cells) / workers
        return f"about {duration_text(seconds)} left"


def expected_seconds(cells: Sequence[Cell], out: Path) -> Mapping[str, float]:
    """That each cell takes one core, by key: 0 where it is done, and by what has been measured in this folder."""
    done = [cell for cell in cells if read_record(cell, out) is not None]
    clock, known = _Clock(done, out), {cell.key for cell in done}
    return {cell.key: 0.0 if cell.key in known else clock.seconds(cell) for cell in cells}


def duration_text(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
