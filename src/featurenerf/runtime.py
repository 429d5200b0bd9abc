"""Where things run: devices, number formats, memory."""

from __future__ import annotations

import ctypes
import sys

import torch

from featurenerf.errors import InputError


def usable_device(name: str | torch.device) -> torch.device:
    """The device of that name, tried out.

    Raises:
        InputError: when there is no such device here, or this build of torch cannot use it.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"device {str(name)!r} is not usable here: give cpu, or install a torch that has it"
        ) from error
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies matrices of bfloat16 itself; one that imitates it takes longer than in float32.

    On a CPU with AVX2 alone a product of matrices took seven times as long, and a training step twenty.
    """
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported()
    return device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)


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


def peak_memory_mib() -> float | None:
    """The most memory that this process has held: of the GPU if it was used, else of the machine; None on Windows."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
