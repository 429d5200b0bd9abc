"""What becomes of memory that is freed."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def keep_freed_memory() -> None:
    """Let the C library keep the memory of large tensors that are freed, for the next ones.

    glibc hands large blocks, and the end of its heap, back to the system at once, and the system clears every page
    before it gives it out again: on a CPU a sixth of a training step, and a quarter of a rendered picture. It is a
    setting of the whole process, so the command line makes it and the library does not. With another C library nothing
    changes.
    """
    trim_threshold, mmap_threshold = -1, -3  # of malloc.h
    _call("mallopt", mmap_threshold, 1 << 30)
    _call("mallopt", trim_threshold, (1 << 31) - 1)


def hand_back_freed_memory() -> None:
    """Once, after work that needs much memory and is done seldom."""
    _call("malloc_trim", 0)


def _call(function: str, *arguments: int) -> None:
    with suppress(AttributeError, OSError, TypeError):  # another C library
        getattr(ctypes.CDLL(None), function)(*arguments)
