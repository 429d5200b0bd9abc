"""Weights of other programs: what is damaged, packed or no number is a sentence, and torch says nothing before it."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from featurenerf import limits
from featurenerf.errors import InputError
from featurenerf.models.weights import read_weights

STATE = OrderedDict(
    {"conv.weight": torch.arange(8.0).reshape(2, 4), "bn.running_var": torch.ones(2), "bn.count": torch.tensor(3)}
)


@pytest.mark.parametrize("old", [False, True])
def test_both_formats_of_torch_are_read(tmp_path: Path, old: bool) -> None:
    torch.save(STATE, tmp_path / "a.pth", _use_new_zipfile_serialization=not old)
    found = read_weights(tmp_path / "a.pth")
    assert list(found) == list(STATE)
    assert all(torch.equal(found[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("name", ["a.pth", "a.tar", "a.pt"])
def test_damaged_files_are_a_sentence_without_warnings(tmp_path: Path, old: bool, name: str) -> None:
    path = tmp_path / name
    torch.save(STATE, path, _use_new_zipfile_serialization=not old)
    content = path.read_bytes()
    refused = 0
    for number in range(0, len(content), 1 + len(content) // 40):
        flipped = bytearray(content)
        flipped[number] ^= 1 << number % 8
        for damaged in (content[:number], bytes(flipped)):
            path.write_bytes(damaged)
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                try:
                    read_weights(path)
                except InputError as error:
                    refused += 1
                    assert str(path) in str(error)  # noqa: PT017
            assert not said
    assert refused > 30


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({**STATE, 3: torch.zeros(1)}, "holds more than tensors by name"),
        ({**STATE, "epoch": 3}, "holds more than tensors by name"),
        ([torch.zeros(1)], "holds more than tensors by name"),
        ({"a": torch.tensor([1.0, float("nan")])}, "the tensor a of .* holds NaN or infinite numbers"),
        ({"a": torch.tensor([float("inf")]).half()}, "the tensor a of .* holds NaN or infinite numbers"),
        ({"bn.running_var": torch.tensor([1.0, -0.5])}, "the tensor bn.running_var of .* is a negative variance"),
        ({"a": torch.zeros(2, 2).to_sparse()}, "is sparse, quantised or without numbers"),
    ],
)
def test_what_no_network_has(tmp_path: Path, state: Any, said: str) -> None:
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(InputError, match=said):
        read_weights(tmp_path / "a.pth")


def test_a_number_that_is_said_to_be_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"a": torch.zeros(1).expand(100_000, 100_000)}, tmp_path / "a.pth")
    with pytest.raises(InputError, match="holds more than 268435456 numbers"):
        read_weights(tmp_path / "a.pth")
    torch.save({"a": torch.zeros(1).expand(1000, 1000)}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"is \(1000, 1000\) and has fewer numbers than that"):
        read_weights(tmp_path / "a.pth")


def test_an_archive_that_is_packed(tmp_path: Path) -> None:
    """PyTorch packs none; 16 MB of zeros are 16 kB."""
    torch.save({"a": torch.zeros(4_000_000)}, tmp_path / "a.pth")
    with zipfile.ZipFile(tmp_path / "a.pth") as stored, zipfile.ZipFile(tmp_path / "b.pth", "w", 8) as packed:
        for name in stored.namelist():
            packed.writestr(name, stored.read(name))
    assert (tmp_path / "b.pth").stat().st_size < 100_000
    with pytest.raises(InputError, match=r"b\.pth is damaged, or not weights"):
        read_weights(tmp_path / "b.pth")


def test_code_is_not_run(tmp_path: Path) -> None:
    class Maker:
        def __reduce__(self) -> tuple:
            return Path.mkdir, (tmp_path / "made",)

    for save in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))):
        save({"a": Maker()}, tmp_path / "a.pth")
        with pytest.raises(InputError, match="code beside them, which is never run"):
            read_weights(tmp_path / "a.pth")
    assert not (tmp_path / "made").exists()


def test_an_absurd_width_of_the_authors_checkpoint_takes_no_memory(tmp_path: Path) -> None:
    from featurenerf.models.official import import_official

    weights = {
        "mlp_coarse.lin_in.weight": torch.zeros(40_000, 42),
        "mlp_coarse.lin_out.weight": torch.zeros(391, 1),
        "mlp_coarse.lin_z.0.weight": torch.zeros(1, 512),
        "mlp_coarse.blocks.0.fc_0.weight": torch.zeros(1, 1),
    }
    torch.save(weights, tmp_path / "latest")
    with pytest.raises(InputError, match="width is 40000: it must lie between 1 and 4096"):
        import_official(tmp_path / "latest")
    assert limits.PARAMETERS == 2**28
