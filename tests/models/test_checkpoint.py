"""Checkpoint directories: what is written comes back, and what is wrong is said in a sentence."""

from __future__ import annotations

import json
import os
import shutil
import stat
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import featurenerf
from featurenerf import files as outputs
from featurenerf.errors import InputError
from featurenerf.models import FastConfig, FastModel, PaperConfig, PaperModel, checkpoint
from featurenerf.models.base import Model

SMALL = FastConfig(
    feature_dim=8, widths=(8, 8, 16, 16), density_bins=8, volume_bins=4, volume_channels=8, pixel_channels=8,
    hidden=32, encoder=None, size=32,
)  # fmt: skip


def fast() -> Model:
    torch.manual_seed(0)
    return FastModel(SMALL)


def paper() -> Model:
    torch.manual_seed(0)
    return PaperModel(PaperConfig(width=16, blocks=2, fuse=1, feature_dim=8, size=32))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint.save(fast(), tmp_path_factory.mktemp("saved") / "a" / "b", {"note": "kept"})


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def refused(directory: Path) -> str:
    with pytest.raises(InputError) as caught:
        checkpoint.load(directory)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


@pytest.mark.parametrize("make", [fast, paper])
def test_round_trip(make: type[Model], tmp_path: Path) -> None:
    model = make()
    back = featurenerf.load(featurenerf.save(model, tmp_path))
    assert type(back) is type(model)
    assert back.config == model.config
    assert not back.training
    own, read = model.state_dict(), back.state_dict()
    assert own.keys() == read.keys()
    assert all(torch.equal(own[name], read[name]) for name in own)


def test_what_is_written(saved: Path) -> None:
    assert sorted(p.name for p in saved.iterdir()) == ["config.json", "model.safetensors"]
    config = checkpoint.read_config(saved)
    assert config["field"] == "fast"
    assert config["note"] == "kept"
    assert config["model"]["feature_dim"] == 8


def test_every_setting_and_what_is_said_besides(tmp_path: Path) -> None:
    checkpoint.save(fast(), tmp_path, {"train": {"steps": 3}, "step": 2})
    text = (tmp_path / "config.json").read_text()
    assert text.startswith('{\n  "featurenerf": 4,\n  "field": "fast",\n  "model": {\n    "feature_dim": 8,\n')
    assert text.endswith("}\n")
    config = json.loads(text)
    assert list(config) == ["featurenerf", "field", "model", "train", "step", "saved"]
    assert config["model"] == json.loads(json.dumps(asdict(SMALL)))
    assert (config["train"], config["step"]) == ({"steps": 3}, 2)


def test_settings_that_are_lists_come_back_as_tuples(saved: Path) -> None:
    config = checkpoint.read_config(saved)
    assert config["model"]["widths"] == [8, 8, 16, 16]
    assert checkpoint.build(config).config.widths == (8, 8, 16, 16)
    assert checkpoint.load(saved).config == SMALL


def test_a_model_that_is_built_has_weights_of_its_own(saved: Path) -> None:
    one, two = (checkpoint.build(checkpoint.read_config(saved)).net.stem[0].weight for _ in range(2))
    assert not torch.equal(one, two)


def kinds(path: Path) -> set[torch.dtype]:
    return {value.dtype for value in load_file(path / "model.safetensors").values()}


@pytest.mark.parametrize("make", [fast, paper])
def test_half_a_file(make: type[Model], tmp_path: Path) -> None:
    """Numbers are stored in half precision, counters stay; the model itself does not change. Loading gives float32."""
    model = make()
    counters = {torch.int64} if isinstance(model, PaperModel) else set()
    exact = {name: value.clone() for name, value in model.state_dict().items()}
    checkpoint.save(model, tmp_path / "whole")
    checkpoint.save(model, tmp_path / "half", dtype=torch.float16)
    assert kinds(tmp_path / "whole") == {torch.float32} | counters
    assert kinds(tmp_path / "half") == {torch.float16} | counters
    assert model.dtype == torch.float32
    back = checkpoint.load(tmp_path / "half")
    assert {p.dtype for p in back.parameters()} == {torch.float32}
    for name, value in back.state_dict().items():
        assert torch.equal(value, exact[name].half().to(value.dtype))
        assert torch.equal(exact[name], model.state_dict()[name])


def test_weights_are_kept_in_their_own_precision(tmp_path: Path) -> None:
    checkpoint.save(fast().double(), tmp_path)
    assert kinds(tmp_path) == {torch.float64}


def test_weights_in_another_order_of_memory(tmp_path: Path) -> None:
    """As training on a CPU has them; safetensors refuses them."""
    model = fast().to(memory_format=torch.channels_last)
    assert not model.net.stem[0].weight.is_contiguous()
    back = checkpoint.load(checkpoint.save(model, tmp_path))
    assert torch.equal(back.net.stem[0].weight, model.net.stem[0].weight)


def test_what_is_loaded_is_ready_for_use(tmp_path: Path) -> None:
    """All of it: a paper model in training would normalise by the picture at hand."""
    model = paper().train()
    checkpoint.save(model, tmp_path)
    assert model.training
    assert not any(module.training for module in checkpoint.load(tmp_path).modules())


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_others_may_read_what_the_umask_lets_them(tmp_path: Path, name: str) -> None:
    before = os.umask(0o022)
    try:
        checkpoint.save(fast(), tmp_path / "a")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "a" / name).stat().st_mode) == 0o644


def test_a_folder_does_not_shadow_what_ships(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare name that ships is what ships; the folder of that name has a path."""
    monkeypatch.chdir(tmp_path)
    package = Path(featurenerf.__file__).parent
    shipped = package / "assets" / "checkpoints" / "chair-car"
    assert checkpoint.directory_of("chair-car") == shipped
    assert checkpoint.directory_of(Path("chair-car")) == shipped  # there is no such folder
    Path("other").touch()
    with pytest.raises(InputError, match=r"there is no checkpoint 'other': give a directory, .* \(chair-car\)$"):
        checkpoint.directory_of("other")
    shutil.copytree(saved, "chair-car")
    shutil.copytree(saved, "own")
    assert checkpoint.directory_of("chair-car") == shipped
    assert checkpoint.directory_of("./chair-car") == checkpoint.directory_of(Path("chair-car")) == Path("chair-car")
    assert checkpoint.directory_of("own") == Path("own")
    assert featurenerf.load().config != SMALL
    assert featurenerf.load("./chair-car").config == SMALL


def test_nothing_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SHIPPED", tmp_path / "absent")
    assert "those that ship (none)" in refused(Path("nonsense"))


def test_saving_replaces(copy: Path) -> None:
    other = paper()
    checkpoint.save(other, copy)
    assert isinstance(checkpoint.load(copy), PaperModel)
    assert "note" not in checkpoint.read_config(copy)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def failing(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        outputs.write_atomically(path, failing)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_dtype_and_device(saved: Path) -> None:
    model = checkpoint.load(saved, device="cpu", dtype=torch.float64)
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    with pytest.raises(InputError, match="device 'meta' is not usable here"):  # tensors on it have no values
        checkpoint.load(saved, device="meta")
    field = model.encode(torch.rand(3, 32, 32))
    points = torch.rand(4, 3, dtype=torch.float64) * 0.2
    single = checkpoint.load(str(saved)).encode(torch.rand(3, 32, 32)).query(points.float())
    assert field.query(points).descriptor.shape == single.descriptor.shape == (4, model.config.descriptor_dim)
    with pytest.raises(InputError, match="'abacus' is not usable here"):
        checkpoint.load(saved, device="abacus")


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_checkpoint_that_a_kill_left_moved_aside_is_named(copy: Path, tmp_path: Path, ending: str) -> None:
    """``files.replace_folder`` was killed between its two renames."""
    aside = copy.rename(tmp_path / "checkpoint.old")
    with pytest.raises(InputError, match=f"checkpoint{ending} is not there, and {aside} is: .* resume the run"):
        checkpoint.load(f"{tmp_path / 'checkpoint'}{ending}")
    assert checkpoint.load(aside).checkpoint == aside


def test_unknown_name(tmp_path: Path) -> None:
    assert "no checkpoint 'nonsense'" in refused(Path("nonsense"))
    assert "no config.json" in refused(tmp_path)


@pytest.mark.parametrize("content", ["", "{", '{"field": "fast"', "\x00\x01"])
def test_damaged_config(copy: Path, content: str) -> None:
    (copy / "config.json").write_text(content)
    message = refused(copy)
    assert str(copy / "config.json") in message
    assert "damaged" in message


@pytest.mark.parametrize(
    "content",
    ["[]", "3", "{}", '{"field": "fast"}', '{"field": "nerf", "model": {}}', '{"field": ["fast"], "model": {}}'],
)
def test_json_that_is_not_ours(copy: Path, content: str) -> None:
    (copy / "config.json").write_text(content)
    assert "not the configuration of a featurenerf checkpoint" in refused(copy)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"hidden": None}, "does not belong to"),  # absent settings have their defaults
        ({"colour": 3}, "unknown settings colour"),
        ({"size": 33}, "size is 33"),
        ({"hidden": "wide"}, "config.json make no model"),
        ({"hidden": -1}, "config.json make no model"),
        ({"widths": 5}, "config.json make no model"),
    ],
)
def test_settings_that_make_no_model(copy: Path, change: dict[str, object], match: str) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["model"] = {k: v for k, v in {**config["model"], **change}.items() if v is not None}
    (copy / "config.json").write_text(json.dumps(config))
    assert match in refused(copy)


def test_missing_weights(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    message = refused(copy)
    assert str(copy) in message
    assert "no model.safetensors" in message


@pytest.mark.parametrize("keep", [0, 5, 1000])
def test_damaged_weights(copy: Path, keep: int) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    message = refused(copy)
    assert str(path) in message
    assert "damaged" in message


def test_weights_of_another_config(copy: Path) -> None:
    path = copy / "model.safetensors"
    weights = load_file(path)
    first, *_ = weights
    odd = {"missing": first, "size": first, "unknown": "stranger"}
    changes = {
        "missing": {name: value for name, value in weights.items() if name != first},
        "size": {**weights, first: torch.zeros(3, 3, 3)},
        "unknown": {**weights, "stranger": torch.zeros(2)},
        "another field's": paper().state_dict(),
    }
    for what, tensors in changes.items():
        save_file({name: value.contiguous() for name, value in tensors.items()}, path)
        message = refused(copy)
        assert f"{path} does not belong to {copy / 'config.json'}: " in message
        if what != "another field's":
            assert f": 1 tensors are missing, unknown or of another size, such as {odd[what]};" in message


def test_a_config_of_another_size(copy: Path) -> None:
    """Its weights fit by name, not by shape; the first by the alphabet is named."""
    config = json.loads((copy / "config.json").read_text())
    config["model"]["hidden"] = 40
    (copy / "config.json").write_text(json.dumps(config))
    message = refused(copy)
    assert "of another size, such as head.from_image.bias; take both files from one training" in message


def test_a_model_of_another_kind(copy: Path) -> None:
    """A configuration is read by the field that it names."""
    config = checkpoint.read_config(copy)
    with pytest.raises(InputError, match="the configuration was written by another version"):
        checkpoint.build({**config, "field": "paper"})
    wider = checkpoint.build({**config, "model": asdict(replace(SMALL, hidden=40))})
    assert wider.head.hidden.out_features == 40


def test_a_config_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    assert "is damaged" in refused(tmp_path)
    (tmp_path / "config.json").rmdir()
    (tmp_path / "config.json").write_bytes(b'{"field": "\xff"}')
    assert "is damaged" in refused(tmp_path)


def rewrite(directory: Path, **changes: object) -> None:
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize("version", [99, 5, 0, "2", None])
def test_a_format_of_a_newer_version_is_refused(copy: Path, version: object) -> None:
    rewrite(copy, featurenerf=version)
    message = refused(copy)
    assert f"is of format {version!r}" in message
    assert "install a newer one" in message


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_checkpoint_of_an_older_format_loads(tmp_path: Path, version: int) -> None:
    """Before 4 the fast field decoded every sample. Before 3 it knew no silhouettes, and cells of its density were two
    pixels wide. In 1 it had ``backbone`` for ``encoder``, named no categories, and lacked what it could not choose."""
    torch.manual_seed(0)
    coarse = {} if version == 3 else {"density_stride": 2, "silhouette": False}
    before = FastModel(replace(SMALL, decode_once=False, **coarse)).eval()
    checkpoint.save(before, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["featurenerf"] == 4
    new = {"decode_once", *coarse}
    if version == 1:
        new |= {"encoder", "encoder_blocks", "semantic_blocks", "semantic_weight", "feature_weight", "labels", "near"}
        new |= {"far", "categories"}
    old = {name: value for name, value in config["model"].items() if name not in new}
    said = {"backbone": False} if version == 1 else {}
    rewrite(tmp_path, featurenerf=version, model={**old, **said}, train={"category": ["chair", "car"]})
    model = checkpoint.load(tmp_path)
    assert model.config.encoder is None
    assert not model.config.decode_once
    assert model.config.silhouette == (version == 3)
    assert model.config.categories == ({"chair": "mirror", "car": "mirror"} if version == 1 else {})
    points = torch.rand(5, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))
    then, now = (m.encode(picture).query(points).descriptor for m in (model, before))
    assert torch.equal(then, now)


def test_what_a_model_needs_stands_in_its_configuration(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = replace(
        SMALL, labels=("background", "seat"), categories={"chair": "mirror"}, near=0.7, far=2.0, semantic_weight=0.5,
        feature_weight=0.1,
    )  # fmt: skip
    model = FastModel(sizes).eval()
    again = checkpoint.load(checkpoint.save(model, tmp_path))
    assert again.config == sizes
    points = torch.rand(5, 3) - 0.5
    one, two = (m.encode(torch.full((3, 32, 32), 0.5)).query(points) for m in (model, again))
    assert one.label.shape == (5, 2)
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(
    "settings",
    [
        {"near": 2.0},
        {"far": float("inf")},
        {"encoder": "abacus"},
        {"encoder_blocks": [1, 2]},
        {"labels": None},
        {"categories": None},
        {"categories": ["chair"]},
        {"categories": {"chair": "nonsense"}},
    ],
)
def test_settings_that_contradict_each_other(copy: Path, settings: dict[str, object]) -> None:
    config = json.loads((copy / "config.json").read_text())
    rewrite(copy, model={**config["model"], **settings})
    assert "make no model" in refused(copy)


@pytest.mark.parametrize(
    "settings",
    [
        {"volume_bins": 1_000_000},
        {"volume_bins": -1},
        {"volume_bins": 0},
        {"volume_bins": 4.5},
        {"volume_bins": True},
        {"volume_channels": 10**30},
        {"density_bins": 0},
        {"density_bins": 50_000},
        {"widths": [8, 8, 16, 8_000_000]},
        {"widths": [0, 8, 16, 16]},
        {"pixel_channels": -8},
        {"hidden": 0},
        {"feature_dim": 1_000_000},
        {"own_dim": 100_000_000},
        {"size": 16_000},
        {"size": None},
        {"backbone_size": 10**9},
        {"shaded_samples": -1},
        {"semantic_weight": float("nan")},
        {"feature_weight": float("inf")},
        {"distance": "near"},
        {"labels": [f"part {number}" for number in range(2000)]},
        {"symmetric": "yes"},
        {"encoder": 3},
    ],
)
def test_absurd_settings_are_refused_before_they_take_memory(copy: Path, settings: dict[str, object]) -> None:
    config = json.loads((copy / "config.json").read_text())
    rewrite(copy, model={**config["model"], **settings})
    assert "make no model" in refused(copy)


def test_settings_that_are_bearable_one_by_one_and_not_together(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    rewrite(copy, model={**config["model"], "widths": [2048] * 4, "volume_bins": 4})
    assert "make no model (it would have more than 268435456 numbers)" in refused(copy)
    rewrite(copy, model={**config["model"], "size": 1024, "volume_bins": 512, "volume_channels": 64})
    assert "a volume of a picture would hold more than 67108864 numbers" in refused(copy)


def test_weights_that_are_no_numbers(copy: Path) -> None:
    path = copy / "model.safetensors"
    weights, saved = load_file(path), json.loads((copy / "config.json").read_text())["saved"]
    weights["head.hidden.bias"][3] = float("nan")
    save_file(weights, path, {"saved": saved})
    assert f"the tensor head.hidden.bias of {path} holds NaN or infinite numbers" in refused(copy)


def test_a_killed_save_is_noticed(copy: Path, saved: Path) -> None:
    """Weights are renamed first, then the configuration: between the two, the old one stands beside new weights."""
    other = fast()
    torch.nn.init.ones_(other.head.hidden.bias)
    checkpoint.save(other, copy, {"note": "kept"})
    assert checkpoint.load(copy).head.hidden.bias[0] == 1
    shutil.copy(saved / "config.json", copy)
    assert "they were not written together" in refused(copy)
    before = json.loads((saved / "config.json").read_text())
    del before["saved"]  # of a version that did not say so
    (copy / "config.json").write_text(json.dumps(before))
    assert "they were not written together" in refused(copy)


def test_what_is_saved_twice_is_the_same(copy: Path, saved: Path) -> None:
    checkpoint.save(fast(), copy, {"note": "kept"})
    for name in ("config.json", "model.safetensors"):
        assert (copy / name).read_bytes() == (saved / name).read_bytes()


@pytest.mark.parametrize("depth", [70, 100_000])
def test_a_deep_config_is_refused(copy: Path, depth: int) -> None:
    (copy / "config.json").write_text("[" * depth + "]" * depth)
    assert "is damaged" in refused(copy)


def test_format_1_named_categories_by_their_synsets_too(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    old = {name: value for name, value in config["model"].items() if name not in ("encoder", "categories")}
    rewrite(copy, featurenerf=1, model={**old, "backbone": False}, train={"category": ["03001627", "car", "sofa"]})
    assert checkpoint.read_config(copy)["model"]["categories"] == dict.fromkeys(("chair", "car", "sofa"), "mirror")
