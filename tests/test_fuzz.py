"""A minute of the fuzzer (`make fuzz` runs more of it), and the cases that are kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import fuzz
from featurenerf.errors import InputError


def test_kept_cases() -> None:
    cases = list(fuzz.kept())
    assert len(cases) >= 9
    with fuzz.folders([name for name, *_ in cases]) as where:
        wrong = [problem for name, seed, number in cases if (problem := fuzz.run_case(name, seed, number, where[name]))]
    assert wrong == []


def test_a_minute() -> None:
    """Sixty seconds, or as many as FUZZ_SECONDS says."""
    count, wrong = fuzz.run(float(os.environ.get("FUZZ_SECONDS", "60")), 0, fuzz.NAMES)
    assert wrong == []
    assert count >= len(fuzz.NAMES)


@pytest.mark.parametrize("fault", [KeyError("a"), MemoryError(), RecursionError(), ValueError("no sentence of ours")])
def test_other_ends_are_found(fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(folder: Path) -> None:
        raise fault

    monkeypatch.setitem(fuzz.READERS, "bad", fuzz.Reader(lambda root: (root / "a").write_bytes(b"content"), read))
    fuzz.READERS["bad"].write(tmp_path)
    assert type(fault).__name__ in str(fuzz.run_case("bad", 0, 0, tmp_path))
    assert (tmp_path / "a").read_bytes() == b"content"  # the file is as before
    monkeypatch.setitem(fuzz.READERS, "bad", fuzz.Reader(print, lambda root: (_ for _ in ()).throw(InputError("said"))))
    assert fuzz.run_case("bad", 0, 0, tmp_path) is None
    monkeypatch.setattr(fuzz, "SECONDS", -1.0)
    assert "it took" in str(fuzz.run_case("bad", 0, 0, tmp_path))
