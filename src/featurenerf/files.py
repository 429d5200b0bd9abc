"""Files and folders of results that are either whole or not there, also after a kill or a loss of power."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from safetensors import SafetensorError

from featurenerf.errors import InputError
from featurenerf.limits import json_file
from featurenerf.locks import LOCK, locked

ASSETS = Path(__file__).parent / "assets"
"""What ships with the package: checkpoints, pictures, annotations."""
REPORT = "report.json"
"""What every folder of results holds; its "made_by" says which command made it."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Codes of the errors by which a disk says that it is full, or a quota that it is used up."""
_HOST = re.sub(r"\W", "_", socket.gethostname())
_TEMPORARY = re.compile(r"\..+\.(?:(?P<host>\w+)-)?(?P<process>\d+)\.tmp")
_DAY = 86400


def write_atomically(path: Path, write: Callable[[Path], Any], *, durable: bool = True) -> None:
    """Call ``write(temporary path)`` and rename, so that a reader never sees half a file.

    Args:
        durable: have the disk keep the content before the name, which takes some milliseconds. Without, a file may be
            empty after a loss of power.
    Raises:
        OSError: the file cannot be written; safetensors' own error of a full disk becomes one too.
    """
    temporary = path.with_name(f".{path.name}.{_HOST}-{os.getpid()}.tmp")
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_umask())  # safetensors writes files for their owner alone
        if durable:
            _sync(temporary)
        os.replace(temporary, path)
        if durable:
            _sync(path.parent)
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any, indent: int | None = None) -> None:
    """Write a value as JSON; the folders above it are made."""
    write_bytes(path, (json.dumps(value, indent=indent) + ("" if indent is None else "\n")).encode())


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write a file; the folders above it are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda temporary: temporary.write_bytes(content), durable=durable)


def cannot_write(where: str | os.PathLike[str], error: OSError) -> InputError:
    """The sentence for what cannot be written."""
    advice = "free some space, or give another folder" if error.errno in FULL else "give another folder"
    return InputError(f"{os.fspath(where)} cannot be written ({error.strerror or error}): {advice}")


@contextmanager
def writing(where: str | os.PathLike[str]) -> Iterator[None]:
    """An error of the disk within the block becomes a sentence that names ``where``."""
    try:
        yield
    except OSError as error:
        raise cannot_write(where, error) from error


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files that killed processes left in a folder; those of a process that still runs stay."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        found = _TEMPORARY.fullmatch(path.name)
        with suppress(OSError):  # another process was faster, or it is not ours to delete
            if found and not _may_be_in_use(path, found["host"], int(found["process"])):
                path.unlink()


def replace_folder(new: Path, now: Path) -> None:
    """Put a folder in the place of another: a reader sees the one or the other, and never files of both.

    A kill between the two renames leaves the other at ``NOW.old``: see ``recover_folder``.
    """
    _swap(new, now, now.with_name(f"{now.name}.old"))


def recover_folder(now: Path) -> None:
    """Undo or finish what a kill left of ``replace_folder(NOW.new, NOW)``."""
    old = now.with_name(f"{now.name}.old")
    if old.is_dir() and not now.exists():
        os.replace(old, now)
    for path in (old, now.with_name(f"{now.name}.new")):
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def fresh_directory(out: str | os.PathLike[str], made_by: str) -> Iterator[Path]:
    """A temporary folder beside ``out`` that takes its place when the block ends well, and vanishes when it does not.

    The block must write ``report.json`` with ``"made_by": made_by`` into it: by this a folder is known as our own, and
    may be replaced next time. Where ``out`` is a symbolic link, the folder that it names is replaced. A folder that
    cannot be renamed (a mount point; its parent is not ours) gets the new files one by one, the report last.

    Raises:
        InputError: before the block runs, when ``out`` is a file, holds something that ``made_by`` did not make, or is
            being written by another process; when the disk is full.
    """
    given, out = out, Path(os.path.realpath(out))
    stays = out.is_dir() and (os.path.ismount(out) or not os.access(out.parent, os.W_OK))
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(out))
            _clean_beside(out)
            held = {path.name for path in out.iterdir()} - {LOCK} if out.is_dir() else set()
            if out.exists() and not (out.is_dir() and (not held or maker(out) == made_by)):
                raise InputError(
                    f"{given} holds something that `featurenerf {made_by}` did not make: give another folder"
                )
            place = out if stays else out.parent
            temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=place))
        except OSError as error:
            raise InputError(f"{given} cannot be made ({error.strerror}): give another folder") from error
        stack.callback(shutil.rmtree, temporary, ignore_errors=True)
        try:
            temporary.chmod(0o777 & ~_umask())
            yield temporary
            if stays:
                _move_into(temporary, out)
            else:
                _swap(temporary, out, temporary.with_suffix(".before"))
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise cannot_write(given, error) from error


def _swap(new: Path, now: Path, aside: Path) -> None:
    """Rename a folder to another, which is moved aside and goes; it comes back where that fails."""
    _sync_all(new)
    if now.exists():
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(now, aside)
    try:
        os.replace(new, now)
    except OSError:
        if aside.exists():
            os.replace(aside, now)
        raise
    _sync(now.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _move_into(temporary: Path, out: Path) -> None:
    """Fill a folder with what another one inside it holds, after what it held before is gone but its report."""
    _sync_all(temporary)
    for path in out.iterdir():
        if path.is_dir() and not path.is_symlink() and path != temporary:
            shutil.rmtree(path)
        elif path not in (temporary, out / REPORT, out / LOCK):
            path.unlink()
    for path in sorted(temporary.iterdir(), key=lambda path: path.name == REPORT):
        os.replace(path, out / path.name)
    _sync(out)


def _clean_beside(out: Path) -> None:
    """Delete what killed calls of ``fresh_directory`` left, and put back what one had moved aside."""
    ours = re.compile(rf"\.{re.escape(out.name)}\.\w{{8}}\.(tmp|before)")
    for folder in (out.parent, out):
        for path in [path for path in folder.iterdir() if ours.fullmatch(path.name)] if folder.is_dir() else []:
            with suppress(OSError):
                if path.suffix == ".before" and not out.exists():
                    os.replace(path, out)
            shutil.rmtree(path, ignore_errors=True)


def maker(directory: Path) -> str | None:
    """The command that made a folder of results, by its report; None where there is no report that says."""
    try:
        report = json_file(directory / REPORT)
    except (OSError, ValueError, RecursionError):
        return None
    return report.get("made_by") if isinstance(report, dict) else None


def _may_be_in_use(path: Path, host: str | None, process: int) -> bool:
    """Whether the process that wrote a temporary file may still run; one of another machine is given a day."""
    if os.name != "posix" or host not in (None, _HOST):
        return time.time() - path.stat().st_mtime < _DAY
    if process == os.getpid():  # of an earlier process of this number: ours has only begun
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True


def _sync_all(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def _sync(path: Path) -> None:
    """Have the disk keep a file's content, or a folder's names (where the system can)."""
    if os.name != "posix" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # of file systems that cannot
            raise
    finally:
        os.close(descriptor)


_ASKING = Lock()


def _umask() -> int:
    with _ASKING:  # two threads at once would leave it at 0
        mask = os.umask(0)
        os.umask(mask)
    return mask
