"""Models to and from the Hugging Face hub: against an endpoint on this machine, and against a folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import featurenerf
from featurenerf.errors import InputError, MissingExtraError
from featurenerf.models import checkpoint
from featurenerf.models.cards import facts
from featurenerf.models.hub import is_repository
from featurenerf.models.publish import write
from hub_server import Hub, hub_server
from small_fast_model import small_fast_model

huggingface_hub = pytest.importorskip("huggingface_hub")
constants = pytest.importorskip("huggingface_hub.constants")

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # huggingface_hub's own


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_server() as server:
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
        monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", server.address)
        monkeypatch.chdir(tmp_path)
        yield server


def same_weights(one: torch.nn.Module, two: torch.nn.Module) -> bool:
    mine, other = one.state_dict(), two.state_dict()
    return mine.keys() == other.keys() and all(torch.equal(mine[name], other[name]) for name in mine)


def test_a_model_goes_there_and_comes_back(hub: Hub) -> None:
    model = small_fast_model()
    address = model.push_to_hub("me/tiny-chairs", token="hf_secret")
    assert "me/tiny-chairs" in address
    assert set(hub.repositories["me/tiny-chairs"]) >= {"config.json", "model.safetensors", "README.md"}
    assert hub.tokens >= {"Bearer hf_secret"}
    again = featurenerf.load("me/tiny-chairs")
    assert same_weights(model, again)
    before = len(hub.asked)
    assert same_weights(model, featurenerf.load("me/tiny-chairs"))
    assert not [line for line in hub.asked[before:] if "GET" in line and "resolve" in line]  # from the cache


def test_nothing_but_a_checkpoints_files_is_fetched(hub: Hub, tmp_path: Path) -> None:
    small_fast_model().push_to_hub("me/tiny", token="hf_secret")
    hub.repositories["me/tiny"]["modeling_tiny.py"] = b"raise SystemExit"
    hub.repositories["me/tiny"]["pytorch_model.bin"] = b"pickle"
    model = featurenerf.load("me/tiny")
    assert model.checkpoint is not None
    assert {path.name for path in model.checkpoint.iterdir()} == {"config.json", "model.safetensors", "README.md"}


def test_a_name_that_the_hub_has_not(hub: Hub) -> None:
    with pytest.raises(
        InputError, match="there is no checkpoint 'me/none' here, and it could not be fetched from http"
    ):
        featurenerf.load("me/none")


def test_a_path_into_a_folder_that_is_here_is_none_of_the_hubs(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "RUN").mkdir()
    assert is_repository("owner/name")
    assert not is_repository("RUN/checkpoint")
    assert not any(is_repository(name) for name in ("chair-car", "a/b/c", "/a/b", "../b", "a b/c"))
    with pytest.raises(InputError, match="there is no checkpoint 'RUN/checkpoint': give a directory"):
        featurenerf.load("RUN/checkpoint")
    assert hub.asked == []


def test_a_folder_comes_before_the_hub(hub: Hub, tmp_path: Path) -> None:
    model = small_fast_model()
    featurenerf.save(model, tmp_path / "me" / "tiny")
    assert same_weights(model, featurenerf.load("me/tiny"))
    assert hub.asked == []


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"huggingface_hub is not installed; .*featurenerf\[hub\]"):
        small_fast_model().push_to_hub("me/tiny")
    monkeypatch.setattr(checkpoint, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"there is no checkpoint 'me/tiny': .*; for one of .* hub, pip install"):
        featurenerf.load("me/tiny")


def test_the_hubs_refusal_is_said(hub: Hub) -> None:
    with pytest.raises(InputError, match="the model could not be sent to 'not a name'"):
        small_fast_model().push_to_hub("not a name", token="hf_secret")


def test_what_a_repository_holds(tmp_path: Path) -> None:
    """A folder as it would be sent: the card of a model without one, and what lies beside one that has it."""
    about = {"train": {"data": "DATA", "teacher": "edges"}, "validation": {"psnr": 21.5}, "step": 7}
    featurenerf.save(small_fast_model(), tmp_path / "run", about)
    model = featurenerf.load(tmp_path / "run")
    (tmp_path / "sent").mkdir()
    write(model, tmp_path / "sent", "me/tiny")
    card = (tmp_path / "sent" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: featurenerf\npipeline_tag: image-to-3d\n")
    assert "featurenerf.load('me/tiny')" in card
    assert "| psnr | 21.5 |" in card
    assert json.loads((tmp_path / "sent" / "config.json").read_text())["step"] == 7
    assert facts(tmp_path / "sent")["metrics"] == [{"what": "psnr", "value": "21.5"}]
    assert same_weights(model, featurenerf.load(tmp_path / "sent"))
    (tmp_path / "run" / "README.md").write_text("---\nlicense: mit\n---\nMine.")
    (tmp_path / "run" / "teacher.safetensors").write_bytes(b"basis")
    write(model, tmp_path / "sent", "me/tiny")
    assert (tmp_path / "sent" / "README.md").read_text().endswith("Mine.")
    assert (tmp_path / "sent" / "teacher.safetensors").read_bytes() == b"basis"
