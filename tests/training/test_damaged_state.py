"""What a killed run left behind and a disk has changed since: each file of it is named, and nothing goes on from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from featurenerf.errors import InputError
from fuzz_readers import READERS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    READERS["run"].write(tmp_path)
    READERS["run"].read(tmp_path)  # whole, it goes on
    return tmp_path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"step": "3"}, "progress.json holds no steps and seconds"),
        ({"step": -1}, "progress.json holds no steps and seconds"),
        ({"seconds": 1e400}, "progress.json holds no steps and seconds"),
        ({"reserve": []}, "progress.json holds no steps and seconds"),
    ],
)
def test_progress_that_cannot_be(root: Path, change: dict, said: str) -> None:
    path = root / "run" / "resume" / "progress.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=rf"run/resume is damaged \({said}\): start again in another folder"):
        READERS["run"].read(root)


def test_nesting_without_end(root: Path) -> None:
    (root / "run" / "resume" / "progress.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"run/resume is damaged \(RecursionError"):
        READERS["run"].read(root)
    (root / "run" / "config.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"run/config\.json is damaged \(RecursionError"):
        READERS["run"].read(root)


@pytest.mark.parametrize("name", ["model", "optimizer"])
def test_numbers_that_are_none(root: Path, name: str) -> None:
    path = root / "run" / "resume" / f"{name}.safetensors"
    tensors = load_file(path)
    key = next(key for key, value in tensors.items() if value.is_floating_point() and value.ndim)
    tensors[key].view(-1)[0] = torch.nan
    save_file(tensors, path)
    with pytest.raises(InputError, match=r"run/resume is damaged"):
        READERS["run"].read(root)


def test_a_state_without_one_of_its_tensors(root: Path) -> None:
    path = root / "run" / "resume" / "optimizer.safetensors"
    tensors = load_file(path)
    del tensors["0.exp_avg_sq"]
    save_file(tensors, path)
    with pytest.raises(InputError, match=r"optimizer\.safetensors lacks tensors"):
        READERS["run"].read(root)
