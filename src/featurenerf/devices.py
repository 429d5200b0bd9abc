"""Where things run."""

from __future__ import annotations

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
