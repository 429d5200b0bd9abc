"""Files and folders of results that are either whole or not there."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from featurenerf.errors import InputError

ASSETS = Path(__file__).parent / "assets"
"""What ships with the package: checkpoints, pictures, annotations."""
REPORT = "report.json"
"""What every folder of results holds; its "made_by" says which command made it."""


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Call ``write(temporary path)`` and rename, so that a reader never sees half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_umask())  # safetensors writes files for their owner alone
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any, indent: int | None = None) -> None:
    """Write a value as JSON; the folders above it are made."""
    write_bytes(path, (json.dumps(value, indent=indent) + ("" if indent is None else "\n")).encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file; the folders above it are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


@contextmanager
def fresh_directory(out: str | os.PathLike[str], made_by: str) -> Iterator[Path]:
    """A temporary folder beside ``out`` that takes its place when the block ends well, and vanishes when it does not.

    The block must write ``report.json`` with ``"made_by": made_by`` into it: by this a folder is known as our own, and
    may be replaced next time.

    Raises:
        InputError: when ``out`` is a file, or holds something that ``made_by`` did not make; before the block runs.
    """
    out = Path(out)
    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or _maker(out) == made_by)):
        raise InputError(f"{out} holds something that `featurenerf {made_by}` did not make: give another folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent))
    except OSError as error:
        raise InputError(f"{out} cannot be made ({error.strerror}): give another folder") from error
    try:
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        before = temporary.with_suffix(".before")
        if out.exists():
            os.replace(out, before)
        try:
            os.replace(temporary, out)
        except OSError:
            if before.exists():
                os.replace(before, out)
            raise
        shutil.rmtree(before, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _maker(directory: Path) -> str | None:
    try:
        report = json.loads((directory / REPORT).read_text())
    except (OSError, ValueError):
        return None
    return report.get("made_by") if isinstance(report, dict) else None


_ASKING = Lock()


def _umask() -> int:
    with _ASKING:  # two threads at once would leave it at 0
        mask = os.umask(0)
        os.umask(mask)
    return mask
