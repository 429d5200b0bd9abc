"""What tells a model's categories from other things: its numbers by hand, its file, and what refuses by it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import featurenerf
from analytic_field import EllipsoidModel
from box_picture import box_picture
from featurenerf.cli import main
from featurenerf.errors import InputError, UnknownObjectError
from featurenerf.models import FastModel, cards, checkpoint
from featurenerf.models.recogniser import FILE, NONE, Recogniser, framed
from featurenerf.pictures import to_image
from small_fast_model import SMALL

NAMES = ("chair", "car")


def known(own_bias: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Recogniser:
    """Knows nothing but that of 1,000 equally likely classes 2 are chairs, 3 cars, 5 neither here nor there."""
    groups = torch.full((1000,), 2)
    groups[:2], groups[2:5], groups[5:10] = 0, 1, -1
    return Recogniser(
        NAMES, torch.zeros(1280, 320), torch.zeros(1280), torch.zeros(1000, 1280), torch.zeros(1000), groups,
        torch.zeros(32, 304), torch.zeros(32), torch.zeros(3, 32), torch.tensor(own_bias),
    )  # fmt: skip


@pytest.fixture(scope="module")
def model() -> FastModel:
    torch.manual_seed(0)
    config = replace(SMALL, encoder="efficientnet-lite0", semantic_dim=8, categories=dict.fromkeys(NAMES, "mirror"))
    model = FastModel(config).eval()
    model.recogniser = known((6.0, 0.0, 0.0))
    return model


@pytest.fixture(scope="module")
def saved(model: FastModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint.save(model, tmp_path_factory.mktemp("saved") / "run")


def test_classes_are_summed_by_category() -> None:
    chair, car, none = known().probabilities(torch.zeros(1, 1584))[0].tolist()
    assert (chair, car, none) == pytest.approx((2 / 995, 3 / 995, 990 / 995), rel=1e-5)


def test_the_small_network_is_added() -> None:
    """Odds of e^2 where the first number of block 10 is 1: silu(1) is 0.731059, and 2 / 0.731059 is 2.735757."""
    hidden, own, described = torch.zeros(32, 304), torch.zeros(3, 32), torch.zeros(1, 1584)
    hidden[5, 0], own[1, 5], described[0, 1280] = 1.0, 2.735757, 1.0
    chair, car, _ = replace(known(), hidden_weight=hidden, own_weight=own).probabilities(described)[0].tolist()
    assert car / chair == pytest.approx(1.5 * 7.389056, rel=1e-5)


def test_a_category_without_classes_is_like_any_other_class() -> None:
    groups = known().groups.clone()
    groups[2:5] = 2
    chair, car, none = replace(known(), groups=groups).probabilities(torch.zeros(1, 1584))[0].tolist()
    assert (car / none, chair / none) == pytest.approx((1 / 993, 2 / 993), rel=1e-5)


class Halves(nn.Module):
    """A map of 2 x 2 cells: 1 in the left ones, 3 in the right ones."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, pictures: Tensor, wanted: tuple[int, ...]) -> list[Tensor]:
        return [torch.tensor([1.0, 3.0]).expand(len(pictures), size, 2, 2) for size in (112, 192, 320)]


def test_only_where_the_object_is_counts() -> None:
    picture = torch.ones(1, 4, 8, 8)
    picture[:, 3, :, 4:] = 0.5  # a third of the object is on the right
    weight = torch.zeros(1280, 320)
    weight[0, 0] = 1.0
    found = replace(known(), embedding_weight=weight).describe(Halves(), picture)
    assert found[0, 0].item() == pytest.approx((2 * 1 + 1 * 3) / 3)
    assert not found[0, 1:1280].any()
    assert found[0, 1280:].tolist() == pytest.approx([5 / 3] * 304)


def test_an_object_is_seen_as_large_wherever_it_is() -> None:
    for picture in (box_picture(60, 90, (10, 50, 20, 60)), box_picture(200, 100, (10, 50, 20, 60))):
        alpha = framed(picture)[3]
        rows, columns = ((alpha > 0.5).any(axis).nonzero()[:, 0] for axis in (1, 0))
        assert tuple(alpha.shape) == (160, 160)
        assert len(rows) == pytest.approx(160 / 1.1, abs=2)
        assert len(columns) == pytest.approx(160 / 1.1, abs=2)
        assert (rows[0] + rows[-1] + 1).item() == pytest.approx(160, abs=2)
    assert framed(torch.zeros(3, 20, 30))[3].mean() > 0.5  # shows nothing: all of it is looked at


def test_what_a_picture_shows(model: FastModel) -> None:
    says = model.recognise(box_picture(30, 40, (10, 25, 5, 30)))
    assert list(says) == ["chair", "car", NONE]
    e6 = 403.428793
    assert list(says.values()) == pytest.approx(
        [2 * e6 / (2 * e6 + 993), 3 / (2 * e6 + 993), 990 / (2 * e6 + 993)], rel=1e-3
    )
    assert model.recognise([box_picture(30, 40, (10, 25, 5, 30))] * 2) == pytest.approx(says)
    with pytest.raises(InputError, match=r"no recogniser: featurenerf models recogniser makes one"):
        EllipsoidModel().recognise(torch.zeros(3, 8, 8))


def test_it_lies_beside_the_weights(model: FastModel, saved: Path, tmp_path: Path) -> None:
    back = featurenerf.load(saved)
    assert isinstance(back.recogniser, Recogniser)
    assert back.recogniser.categories == NAMES
    assert back.recogniser.own_bias.tolist() == [6.0, 0.0, 0.0]
    assert not [name for name in back.state_dict() if "recogniser" in name]
    assert cards.facts(saved)["recogniser"] == {}
    back.recogniser = None
    featurenerf.save(back, shutil.copytree(saved, tmp_path / "copy"))
    assert not (tmp_path / "copy" / FILE).exists()  # it would not be known to belong to what was saved
    assert featurenerf.load(tmp_path / "copy").recogniser is None
    assert cards.facts(tmp_path / "copy")["recogniser"] is None


@pytest.mark.parametrize(
    "what",
    ["cut short", "of other categories", "of one category twice", "without a network", "with NaN", "of no group"],
)
def test_a_file_that_does_not_belong_is_named(saved: Path, tmp_path: Path, what: str) -> None:
    copy = Path(shutil.copytree(saved, tmp_path / "copy"))
    if what == "cut short":
        (copy / FILE).write_bytes((copy / FILE).read_bytes()[:1000])
    elif what == "of other categories":
        replace(known(), categories=("chair", "boat")).write(copy)
    elif what == "of one category twice":
        three = known()
        weight, bias = three.own_weight[[0, 1, 1, 2]], three.own_bias[[0, 1, 1, 2]]
        groups = torch.where(three.groups == 2, 3, three.groups)
        replace(three, categories=("chair", "car", "car"), own_weight=weight, own_bias=bias, groups=groups).write(copy)
    elif what == "of no group":
        replace(known(), groups=torch.full((1000,), 7)).write(copy)
    elif what == "with NaN":
        replace(known(), own_bias=torch.full((3,), torch.nan)).write(copy)
    else:
        torch.manual_seed(0)
        copy = checkpoint.save(FastModel(replace(SMALL, categories=dict.fromkeys(NAMES, "none"))), tmp_path / "other")
        known().write(copy)
    with pytest.raises(InputError, match=r"recogniser\.safetensors") as caught:
        featurenerf.load(copy)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------- refusing


class Doubter(EllipsoidModel):
    """Knows chairs and cars, and that it sees neither."""

    def __init__(self) -> None:
        super().__init__()
        self.recogniser = known()

    def recognise(self, picture: object) -> dict[str, float]:
        return {"chair": 0.2, "car": 0.1, NONE: 0.7}


def test_encode_never_refuses() -> None:
    picture = box_picture(30, 40, (10, 25, 5, 30))
    Doubter().encode(picture)
    with pytest.raises(UnknownObjectError, match=r"^it seems to show none of what this model knows \(chair, car\): "):
        Doubter().refuse_unknown(picture, "it")
    EllipsoidModel().refuse_unknown(picture)


def test_what_only_the_recogniser_knows_is_refused_by_its_name(saved: Path, tmp_path: Path) -> None:
    """A recogniser of more categories than the model's goes with it."""
    config = replace(SMALL, encoder="efficientnet-lite0", semantic_dim=8, categories={"car": "mirror"})
    cars = FastModel(config).eval()
    cars.recogniser = known((9.0, 0.0, 0.0))
    cars = featurenerf.load(checkpoint.save(cars, tmp_path / "cars"))
    picture = box_picture(30, 40, (10, 25, 5, 30))
    assert list(cars.recognise(picture)) == ["chair", "car", NONE]
    with pytest.raises(UnknownObjectError, match=r"^it seems to show the category chair, which .* \(it knows car\): "):
        cars.refuse_unknown(picture, "it")
    both = featurenerf.load(saved)
    both.recogniser = cars.recogniser
    both.refuse_unknown(picture, "it")


SMALLEST: dict[str, Callable[[str, str], list[str]]] = {
    "lift": lambda picture, out: [picture, "--only", "points", "--points", "50", "--size", "16"],
    "edit": lambda picture, out: [picture, "--edit", "remove", "--click", "20", "15"],
    "export": lambda picture, out: [picture, "--formats", "grid", "--grid", "12"],
    "page": lambda picture, out: [picture, "--turns", "1"],
    "view": lambda picture, out: [picture, "--no-browser"],
}


@pytest.mark.parametrize("verb", SMALLEST)
def test_verbs_refuse_what_the_model_does_not_know(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("featurenerf.models.checkpoint.load", lambda name, device: Doubter())
    picture, out = str(tmp_path / "bottle.png"), str(tmp_path / "out.html")
    to_image(box_picture(30, 40, (10, 25, 5, 30))).save(picture)
    ends = [] if verb == "view" else ["--out", out]
    line = ["featurenerf", verb, *SMALLEST[verb](picture, out), *ends, "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert end.value.code == 2
    assert said == (
        f"featurenerf {verb}: {picture} seems to show none of what this model knows (chair, car): give a picture of "
        "what it knows, or take another model; --force goes on all the same"
    )
    assert not Path(out).exists()
    if verb in ("lift", "page"):
        monkeypatch.setattr(sys, "argv", [*line, "--force"])
        main()
        assert Path(out).exists()


# ---------------------------------------------------------------------- checkpoints that ship


def test_all_that_ship_together_are_small() -> None:
    assert sum(path.stat().st_size for path in checkpoint.SHIPPED.rglob("*") if path.is_file()) <= 30e6


def test_one_that_ships_no_more_names_its_successor(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "RETIRED", {"old-one": ("chair-car", "0.3.1")})
    with pytest.raises(InputError, match=r"old-one ships no more: chair-car took its place.* 0\.3\.1 was the last "):
        featurenerf.load("old-one")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(saved, tmp_path / "old-one")
    assert json.dumps(featurenerf.load("old-one").config.categories) == '{"chair": "mirror", "car": "mirror"}'
