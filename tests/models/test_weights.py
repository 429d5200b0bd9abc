"""Weights of other programs: what is read, and what is refused."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from featurenerf.errors import InputError
from featurenerf.models.weights import read_weights

WEIGHTS = {"a": torch.tensor([1.0, 2.0]), "b.c": torch.tensor([[3]], dtype=torch.int64)}


@pytest.mark.parametrize("as_text", [str, Path])
@pytest.mark.parametrize("write", [save_file, torch.save], ids=["safetensors", "torch"])
def test_both_formats_whatever_the_name(tmp_path: Path, write: Any, as_text: Any) -> None:
    write(WEIGHTS, tmp_path / "weights")
    read = read_weights(as_text(tmp_path / "weights"))
    assert read.keys() == WEIGHTS.keys()
    assert type(read) is dict
    for name, value in WEIGHTS.items():
        assert torch.equal(read[name], value)
        assert read[name].dtype == value.dtype


def test_a_state_dict_of_a_network(tmp_path: Path) -> None:
    network = nn.Linear(2, 1)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    assert type(network.state_dict()) is OrderedDict
    read = read_weights(tmp_path / "weights.pth")
    assert type(read) is dict
    assert torch.equal(read["weight"], network.weight)


def test_a_tensor_comes_to_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing in the file is run."""
    torch.save(WEIGHTS, tmp_path / "weights.pth")
    asked, load = {}, torch.load

    def loading(path: Path, **how: Any) -> Any:
        asked.update(how)
        return load(path, **how)

    monkeypatch.setattr(torch, "load", loading)
    read_weights(tmp_path / "weights.pth")
    assert asked == {"map_location": "cpu", "weights_only": True}


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.pth", tmp_path):
        with pytest.raises(InputError, match="there is no file"):
            read_weights(path)


@pytest.mark.parametrize(
    "content",
    [
        torch.zeros(2),
        [torch.zeros(2)],
        {"a": torch.zeros(2), "step": 3},
        {"net": {"a": torch.zeros(2)}},
    ],
    ids=["tensor", "list", "number", "nested"],
)
def test_more_than_tensors_by_name(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(
        InputError, match=r"weights\.pth holds more than tensors by name: save the network's state_dict"
    ):
        read_weights(tmp_path / "weights.pth")


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("run"),)


def test_damaged_or_with_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(WEIGHTS, tmp_path / "whole")
    save_file(WEIGHTS, tmp_path / "whole.safetensors")
    torch.save({"a": Evil()}, tmp_path / "evil")
    contents = {
        "empty": b"",
        "text": b"not weights",
        "half": (tmp_path / "whole").read_bytes()[:300],
        "half of the other format": (tmp_path / "whole.safetensors").read_bytes()[:-3],
        "pickled": pickle.dumps({"a": Evil()}, protocol=2),
        "evil": (tmp_path / "evil").read_bytes(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name} is damaged, or not weights, or holds code beside them"):
            read_weights(tmp_path / name)
    assert not Path("run").exists()


def test_damaged_safetensors_by_name(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "weights.safetensors")
    whole = (tmp_path / "weights.safetensors").read_bytes()
    (tmp_path / "weights.safetensors").write_bytes(whole[:-3])
    with pytest.raises(InputError, match=r"weights\.safetensors is damaged"):
        read_weights(tmp_path / "weights.safetensors")
