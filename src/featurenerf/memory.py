"""What becomes of memory that is freed."""

from __future__ import annotations

import ctypes


def keep_freed_memory() -> None:
    """Let the C library keep the memory of large tensors that are freed, for the next ones.

    glibc hands large blocks, and the end of its heap, back to the system at once, and the system clears every page
    before it gives it out again: on a CPU a sixth of a training step, and a quarter of a rendered picture. It is a
    setting of the whole process, so the command line makes it and the library does not. With another C library nothing
    changes.
    """
    trim_threshold, mmap_threshold = -1, -3  # of malloc.h
    try:
        library = ctypes.CDLL(None)
        library.mallopt(mmap_threshold, 1 << 30)
        library.mallopt(trim_threshold, (1 << 31) - 1)
    except (AttributeError, OSError, TypeError):
        pass
