"""Freed memory is used again, and not asked for anew; or handed back."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from featurenerf.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
for _ in range(8):
    torch.ones(10_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    torch.ones(10_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


HELD = """
import torch
from pathlib import Path
from featurenerf.memory import hand_back_freed_memory, keep_freed_memory

def held():
    return int(Path("/proc/self/statm").read_text().split()[1])

keep_freed_memory()
many = [torch.ones(1_000_000) for _ in range(100)]
del many
before = held()
hand_back_freed_memory()
print(before - held())
"""

glibc_only = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")


@glibc_only
def test_pages_are_kept() -> None:
    faults = {
        how: int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, check=True).stdout)
        for how in ("keep", "as it is")
    }
    assert 2 * faults["keep"] < faults["as it is"]


@glibc_only
def test_pages_are_handed_back_when_that_is_asked() -> None:
    pages = int(subprocess.run([sys.executable, "-c", HELD], capture_output=True, check=True).stdout)
    assert pages * 4096 > 300e6
