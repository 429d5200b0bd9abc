"""Where things run, and in what."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
import torch

from featurenerf.devices import has_bfloat16, usable_device
from featurenerf.errors import InputError


def test_a_device_that_is_not_here() -> None:
    assert usable_device("cpu") == torch.device("cpu")
    for name in ("toaster", "cuda:99"):
        with pytest.raises(InputError, match=f"device '{name}' is not usable here: give cpu"):
            usable_device(name)


def test_a_processor_has_bfloat16_if_it_says_so() -> None:
    about = Path("/proc/cpuinfo")
    if not about.is_file() or platform.machine() != "x86_64":
        pytest.skip("the flags of this processor are not known")
    assert has_bfloat16(torch.device("cpu")) == ("avx512_bf16" in about.read_text().split())
