"""The recogniser of a checkpoint is made of pictures of its categories and of other things."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import featurenerf
from featurenerf.cli import models
from featurenerf.data.formats.release import split_file
from featurenerf.data.splits import Split, write_split
from featurenerf.errors import InputError
from featurenerf.models import FastModel, checkpoint
from featurenerf.models.recogniser import FILE, NONE
from featurenerf.synthesis.write import write_object
from featurenerf.training import recogniser
from featurenerf.training.recogniser import fitted, untrained
from release_data import record
from small_fast_model import SMALL

CHAIR = "03001627"


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recogniser, "STEPS", 20)


def test_imagenets_classes_of_the_categories() -> None:
    """The names of the classes, by their places in the list of ILSVRC 2012."""
    groups = untrained(("car", "table", "boat")).groups
    assert groups[[817, 751, 468, 609]].tolist() == [0, 0, 0, 0]  # sports car, racer, cab, jeep
    assert groups[[532, 526]].tolist() == [1, 1]  # dining table, desk
    assert groups[[281, 404, 559, 846]].tolist() == [3, 3, 3, 3]  # tabby, airliner, folding chair, table lamp
    assert groups[[479, 736]].tolist() == [-1, -1]  # car wheel, pool table
    assert not (groups == 2).any()


def described(seed: int, shift: float) -> torch.Tensor:
    """20 pictures of which ImageNet says nothing, and the early blocks something."""
    early = torch.rand(20, 304, generator=torch.Generator().manual_seed(seed)) + shift
    return torch.cat([torch.zeros(20, 1280), early], 1)


def test_what_imagenet_does_not_tell_apart_is_learnt() -> None:
    blank = untrained(("chair", "boat"))
    seen = {"chair": described(0, 0.0), "boat": described(1, 0.5), "lamp": described(2, 1.0), "bed": described(3, 1.5)}
    one, again = fitted(blank, seen), fitted(blank, seen)
    assert torch.equal(one.hidden_weight, again.hidden_weight)
    assert torch.equal(one.own_weight, again.own_weight)
    found = [one.probabilities(each).argmax(1) for each in seen.values()]
    assert [each.unique().tolist() for each in found] == [[0], [1], [2], [2]]
    assert torch.equal(one.class_weight, blank.class_weight)


@pytest.mark.parametrize(("left", "lacks"), [("chair", "other things"), ("lamp", "chair and boat")])
def test_both_kinds_of_pictures_are_needed(left: str, lacks: str) -> None:
    seen = {"chair": described(0, 0.0), "boat": described(1, 0.5)} if left == "chair" else {"lamp": described(2, 1.0)}
    with pytest.raises(InputError, match=f"there are no pictures of {lacks} to learn from"):
        fitted(untrained(("chair", "boat")), seen)


def data(root: Path) -> Path:
    """Red chairs and green lamps, two of each to learn from and one to try."""
    for category, colour in ((CHAIR, (200, 0, 0)), ("lamp", (0, 200, 0))):
        ids = [f"{category}{number}" for number in range(3)]
        for number, name in enumerate(ids):
            views = record(number)
            views.pictures[..., :3] = np.array(colour) + 5 * number
            views.pictures[..., 3] = 0
            views.pictures[:, 3:13, 4:12, 3] = 255
            write_object(root, category, name, views)
        write_split(split_file(root, category), Split(tuple(ids[:2]), (), tuple(ids[2:])))
    return root


def test_a_checkpoint_gets_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    config = replace(SMALL, encoder="efficientnet-lite0", semantic_dim=8, categories={"chair": "mirror"})
    model = FastModel(config).eval()
    model.initialise([torch.rand(1, 4, 128, 128, generator=torch.Generator().manual_seed(0))])
    directory = checkpoint.save(model, tmp_path / "run", {"note": "kept"})
    before = (directory / "model.safetensors").read_bytes()
    line = ["recogniser", "--data", str(data(tmp_path / "data")), "--checkpoint", str(directory), "--no-progress"]
    models.main(line)
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == f"{directory}: recogniser made"
    assert (directory / "model.safetensors").read_bytes() == before
    config_file = json.loads((directory / "config.json").read_text())
    assert config_file["note"] == "kept"
    assert config_file["recogniser"] == {"pictures": {"chair": 6, "lamp": 6}, "recognised": {"chair": 1.0, "lamp": 1.0}}
    made = (directory / FILE).read_bytes()
    models.main(line)
    assert (directory / FILE).read_bytes() == made
    models.main(["info", str(directory)])
    assert "recognised   100 % of lamp\n" in capsys.readouterr().out
    views = record(9).pictures[0].copy()
    views[...] = 0
    views[3:13, 4:12] = (0, 190, 0, 255)
    says = featurenerf.load(directory).recognise(views)
    assert list(says) == ["chair", NONE]
    assert says[NONE] > 0.5


def test_models_for_which_none_can_be_made(tmp_path: Path) -> None:
    torch.manual_seed(0)
    for name, changes, lacks in (
        ("small", {"categories": {"chair": "mirror"}}, "does not hold a whole efficientnet-lite0"),
        ("nameless", {"encoder": "efficientnet-lite0", "semantic_dim": 8}, "names no category"),
    ):
        directory = checkpoint.save(FastModel(replace(SMALL, **changes)), tmp_path / name)
        with pytest.raises(InputError, match=f"{name} {lacks}: a recogniser cannot be made for it"):
            models.main(["recogniser", "--data", str(tmp_path), "--checkpoint", str(directory)])
