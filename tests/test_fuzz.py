"""A minute of the fuzzer (`make fuzz` runs more of it), and the cases that are kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

import fuzz
from featurenerf import match
from featurenerf.errors import InputError
from featurenerf.pictures import to_tensor


def test_kept_cases() -> None:
    cases = list(fuzz.kept())
    assert len(cases) >= 9
    with fuzz.folders([name for name, *_ in cases]) as where:
        wrong = [
            problem
            for name, seed, number in cases
            if (problem := fuzz.run_case(name, seed, number, where.get(name, Path())))
        ]
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


@pytest.mark.parametrize("place", ["a" * 300, "a" * 300 + "/b", "a\0b", "/dev/zero"])
def test_places_that_cannot_be(place: str) -> None:
    """Longer than a file's name may be, no name at all, and a file without an end: each is a sentence."""
    from featurenerf.data.open import open_dataset
    from featurenerf.models import checkpoint
    from featurenerf.models.weights import read_weights
    from featurenerf.studio.export import read_ply
    from featurenerf.synthesis.meshes.catalogue import find_meshes

    readers = (checkpoint.load, read_weights, read_ply, lambda given: open_dataset(given, "chair"))
    for read in (*readers, lambda given: find_meshes(given, "chair")):
        with pytest.raises(InputError):
            read(place)


def test_arrays_without_values() -> None:
    with pytest.raises(InputError, match=r"a picture tensor must be real .*, not torch\.float32 on the device meta"):
        to_tensor(torch.zeros(3, 8, 8, device="meta"))
    with pytest.raises(InputError, match=r"the query must be real numbers .*, not torch\.float32 on the device meta"):
        match(torch.zeros(2, 3, device="meta"), torch.zeros(2, 3))
