from __future__ import annotations

import json
from pathlib import Path

import pytest

import featurenerf
from featurenerf.cli import models
from featurenerf.errors import InputError
from small_fast_model import small_fast_model


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    models.main(["list"])
    head, first, *_ = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "field", "categories", "recogniser", "teacher", "parameters", "size", "licence"]
    assert first.split() == [
        "chair-car", "fast", "chair,", "car", "-", "efficientnet-lite0", "8.0", "million", "16.1", "MB", "(F16)", "mit",
    ]  # fmt: skip


def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    models.main(["list", "--json"])
    (known,) = json.loads(capsys.readouterr().out)
    assert known["name"] == "chair-car"
    assert known["categories"] == {"chair": "mirror", "car": "mirror"}
    assert known["teacher"].startswith("efficientnet-lite0@layers=10+13")
    assert known["steps"] == 2114
    assert "Procedural objects only" in known["data"]
    assert "Apache-2.0" in known["licences"]
    assert [row["what"].split(",")[0] for row in known["metrics"]] == ["chair", "car"]
    assert known["metrics"][0]["part mIoU"] == "0.55 / 0.52 / 0.71 / 0.58"


def test_what_is_known_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    models.main(["info", "chair-car"])
    said = capsys.readouterr().out
    assert "categories   chair, car\n" in said
    for title in ("data:", "recipe:", "licences:", "limits:", "metrics:"):
        assert f"\n{title}\n" in said
    assert "chair, 2d / 2d from two sides / view / 3d; part mIoU 0.55 / 0.52 / 0.71 / 0.58; keypoints" in said
    assert "](" not in said


def test_one_without_a_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = small_fast_model()
    featurenerf.save(
        model, tmp_path / "run", {"train": {"data": "DATA", "teacher": "edges"}, "validation": {"rgb": 0.5}}
    )
    models.main(["info", str(tmp_path / "run"), "--json"])
    known = json.loads(capsys.readouterr().out)
    assert (known["name"], known["data"], known["teacher"]) == ("run", "DATA", "edges")
    assert known["parameters"] == sum(p.numel() for p in model.parameters())
    assert known["bytes"] == sum(path.stat().st_size for path in (tmp_path / "run").iterdir())
    assert (known["licence"], known["metrics"], known["validation"]) == (None, [], {"rgb": 0.5})
    models.main(["info", str(tmp_path / "run")])
    said = capsys.readouterr().out
    assert "licence      -\n" in said
    assert said.endswith("validation:\nrgb              0.5\n")


def test_one_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no checkpoint 'nowhere'"):
        models.main(["info", "nowhere"])
    featurenerf.save(small_fast_model(), tmp_path / "run")
    (tmp_path / "run" / "model.safetensors").write_bytes(b"short")
    with pytest.raises(InputError, match=r"model\.safetensors is missing or damaged"):
        models.main(["info", str(tmp_path / "run")])
