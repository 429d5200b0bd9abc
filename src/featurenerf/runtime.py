"""Where things run: devices, number formats, memory."""

from __future__ import annotations

import ctypes
import sys

import torch
import torch.nn.functional as F

from featurenerf.errors import InputError, first_line


def usable_device(name: str | torch.device) -> torch.device:
    """The device of that name, tried out. "auto" is the first that is usable of cuda, mps and cpu.

    Raises:
        InputError: when there is no such device here, or this build of torch cannot use it; it says what is missing.
    """
    if str(name) == "auto":
        return next(device for kind in ("cuda", "mps", "cpu") if (device := _usable(kind)) is not None)
    try:
        return _tried(name)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise InputError(
            f"device {str(name)!r} is not usable here: give cpu, or {_remedy(str(name), error)}"
        ) from error


def _usable(kind: str) -> torch.device | None:
    """The device of a kind, where torch says that there is one, and it does what fields need."""
    if not {"cuda": torch.cuda, "mps": torch.backends.mps}.get(kind, torch.cpu).is_available():
        return None
    try:
        return _tried(kind)
    except (RuntimeError, AssertionError, TypeError):
        return None


def _tried(name: str | torch.device) -> torch.device:
    """A device on which the operations were run that fields need, and that not every device has."""
    device = torch.device(name)
    if device.type == "meta":
        raise TypeError("tensors on it have no values")
    torch.empty(0, device=device)
    if device.type != "cpu":
        volume = torch.zeros(1, 1, 2, 2, 2, device=device)
        F.grid_sample(F.max_pool3d(volume, 3, 1, 1), torch.zeros(1, 1, 1, 1, 3, device=device), align_corners=False)
        torch.linalg.svd(torch.eye(3, device=device)[None])
        index = torch.zeros(1, 1, dtype=torch.long, device=device)
        F.embedding_bag(index, volume.reshape(-1, 1), per_sample_weights=torch.ones(1, 1, device=device), mode="sum")
    return device


def _remedy(name: str, error: Exception) -> str:
    """What to do about a device that cannot be used."""
    kind, _, number = name.partition(":")
    if kind == "cuda" and torch.version.cuda is None and torch.version.hip is None:
        return f"install a torch that has CUDA (this one, {torch.__version__}, was built without; see docs/devices.md)"
    if kind == "cuda" and not torch.cuda.is_available():
        return "see why torch finds no GPU: nvidia-smi says whether the driver runs"
    if kind == "cuda" and number.isdigit() and int(number) >= torch.cuda.device_count():
        return f"one of the {torch.cuda.device_count()} GPUs that torch finds, which count from cuda:0"
    if kind == "mps" and not torch.backends.mps.is_built():
        return "install a torch that has MPS, which is that of macOS on Apple silicon"
    if kind == "mps" and not torch.backends.mps.is_available():
        return "update macOS: MPS needs version 14 or later, and a GPU of Apple's"
    if isinstance(error, NotImplementedError):
        return f"set PYTORCH_ENABLE_MPS_FALLBACK=1 ({first_line(error)})"
    return f"auto, which takes what there is ({first_line(error)})"


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
