"""One writer a folder: what two processes write at a time, neither finds as it left it."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from featurenerf.errors import InputError

LOCK = ".lock"
"""Name of the lock in a folder beside which there is no right to write."""
_SECONDS = 0.1
_UNKNOWN = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """While the block runs, no other process is in such a block with the same folder, whatever path it gives.

    The lock is a file ``.NAME.lock`` beside the folder (``.lock`` in it, where there is no right to write beside it),
    which the system holds for the process and gives up when that ends, however it ends: no lock is ever stale. The file
    says which process it is; it goes with the block. On file systems that know no locks there is none.

    Args:
        folder: need not be there; the folders above it are made, and go again if they stay empty.
        wait: for the other process to end its block, instead of raising.
    Raises:
        InputError: when another process is in such a block.
        OSError: when the lock cannot be written.
    """
    folder = Path(os.path.realpath(folder))
    made = [above for above in folder.parents if not above.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    descriptor, path = _acquired(folder, wait)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()  # while it is held, so that nobody else's is deleted
        os.close(descriptor)
        with suppress(OSError):
            for above in made:
                above.rmdir()


def _acquired(folder: Path, wait: bool) -> tuple[int, Path]:
    """The descriptor of the lock file that is held, and where it is."""
    while True:
        path = folder.with_name(f".{folder.name}.lock")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except (PermissionError, OSError) as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS) or not folder.is_dir():
                raise
            path = folder / LOCK
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if _try(descriptor):
                if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:  # else its holder deleted it
                    with suppress(OSError):  # the disk may be full
                        os.ftruncate(descriptor, 0)
                        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
                    return descriptor, path
            elif not wait:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace") if os.name == "posix" else ""
                raise InputError(
                    f"{folder} is being written by another featurenerf ({holder or 'another process'}): wait until it "
                    "ends, or give another folder"
                )
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        time.sleep(_SECONDS)


def _try(descriptor: int) -> bool:
    """Whether the lock could be had."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _UNKNOWN
    return True
