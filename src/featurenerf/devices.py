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
