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


def test_auto_takes_the_best_that_passes_the_try_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    usable = {"cuda", "mps", "cpu"}

    def tried(name: str) -> torch.device:
        if name not in usable:
            raise NotImplementedError("aten::grid_sampler_3d")
        return torch.device(name)

    monkeypatch.setattr("featurenerf.runtime._tried", tried)
    for best in ("cuda", "mps", "cpu"):
        assert usable_device("auto") == torch.device(best)
        usable.remove(best)


def test_auto_does_not_ask_for_what_torch_does_not_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert usable_device("auto") == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "built", "seen", "remedy"),
    [
        ("cuda", None, 0, r"install a torch that has CUDA \(this one, .*, was built without; see docs/devices.md\)"),
        ("cuda", "13.0", 0, "see why torch finds no GPU: nvidia-smi says whether the driver runs"),
        ("cuda:7", "13.0", 2, "one of the 2 GPUs that torch finds, which count from cuda:0"),
        ("mps", None, 0, "install a torch that has MPS, which is that of macOS on Apple silicon"),
        ("toaster", None, 0, r"auto, which takes what there is \(out of order\)"),
    ],
)
def test_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, name: str, built: str | None, seen: int, remedy: str
) -> None:
    def tried(name: str) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr("featurenerf.runtime._tried", tried)
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: seen > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: seen)
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: False)
    with pytest.raises(InputError, match=f"device '{name}' is not usable here: give cpu, or {remedy}$"):
        usable_device(name)


def test_an_operation_that_a_device_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def tried(name: str) -> None:
        raise NotImplementedError("The operator 'aten::x' is not currently implemented for the MPS device.\nMore.")

    monkeypatch.setattr("featurenerf.runtime._tried", tried)
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(InputError, match=r"set PYTORCH_ENABLE_MPS_FALLBACK=1 \(The operator 'aten::x' is not .*\)$"):
        usable_device("mps")
