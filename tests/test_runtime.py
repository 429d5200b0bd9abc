"""Where things run, and in what."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import pytest
import torch

from featurenerf.errors import InputError
from featurenerf.runtime import has_bfloat16, usable_device


def test_a_device_that_is_here() -> None:
    for name in ("cpu", torch.device("cpu")):
        device = usable_device(name)
        assert isinstance(device, torch.device)
        assert device.type == "cpu"


def test_a_device_that_is_not_here() -> None:
    for name in ("toaster", "cuda:99", torch.device("cuda:99")):
        with pytest.raises(InputError, match=f"device '{name}' is not usable here: give cpu"):
            usable_device(name)


def test_a_device_that_this_torch_was_not_built_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch without CUDA raises an AssertionError, and only when the device is used."""

    def empty(*size: int, device: torch.device) -> torch.Tensor:
        raise AssertionError(f"Torch not compiled with {device} enabled")

    monkeypatch.setattr(torch, "empty", empty)
    with pytest.raises(InputError, match="device 'cuda' is not usable here"):
        usable_device("cuda")


def test_a_processor_has_bfloat16_if_it_says_so() -> None:
    about = Path("/proc/cpuinfo")
    if not about.is_file() or platform.machine() != "x86_64":
        pytest.skip("the flags of this processor are not known")
    assert has_bfloat16(torch.device("cpu")) == ("avx512_bf16" in about.read_text().split())


@pytest.mark.parametrize("there", [True, False])
def test_a_gpu_has_bfloat16_if_it_need_not_imitate_it(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    def supported(**how: Any) -> bool:
        assert how == {"including_emulation": False}
        return there

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: not there)
    assert has_bfloat16(torch.device("cuda:0")) is there
    assert has_bfloat16(torch.device("cpu")) is not there
    assert has_bfloat16(torch.device("mps"))
