"""A teacher of another package: registered through an entry point, listed, loaded, trained with."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import documented
from featurenerf import cli
from featurenerf.errors import InputError
from featurenerf.teachers import TEACHERS, canonical, load_teacher

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a package ``edges`` of some code with an entry point where Python finds packages."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "edges", None)  # so that it is gone afterwards
    monkeypatch.delitem(sys.modules, "edges")
    return lambda code, point: documented.install(tmp_path, "edges", code, f"[featurenerf.teachers]\n{point}\n")


def test_the_one_in_the_docs(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    (code,), (settings,) = (
        documented.blocks("teachers.md", language, "Bring your own") for language in ("python", "toml")
    )
    assert len([line for line in code.splitlines() if line and not line.startswith(("from", "import"))]) <= 10
    group, point = settings.strip().splitlines()
    assert group == '[project.entry-points."featurenerf.teachers"]'
    install(code, point.replace('"', ""))
    assert "edges" in TEACHERS.names()
    teacher = load_teacher("edges@size=64")
    maps = teacher(torch.rand(2, 4, 32, 32))
    assert maps.shape == (2, teacher.dim, 64, 64)
    assert canonical("edges@size=64") == teacher.about == "edges@layers=0,size=64,verify=yes,covered=no"
    sys.argv = ["featurenerf", "teachers", "list"]
    cli.main()
    assert re.search(r"^edges +my own +MIT +128 ", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import a_package_that_is_not_there", "cannot be imported: ModuleNotFoundError"),
        ("CARD = 3", "edges:CARD is not a Card of that name"),
    ],
)
def test_broken_ones(install: Install, capsys: pytest.CaptureFixture[str], code: str, sentence: str) -> None:
    """They are refused when they are asked for, and hide nobody else."""
    install(code, "edges = edges:CARD")
    with pytest.raises(InputError, match=sentence):
        TEACHERS["edges"]
    sys.argv = ["featurenerf", "teachers", "list"]
    cli.main()
    listed = capsys.readouterr().out
    assert re.search(r"^edges .* no: it cannot be imported$", listed, re.MULTILINE)
    assert "dino-vits8" in listed


def test_names_of_ours_are_not_taken_over(install: Install) -> None:
    install("CARD = 3", "dino-vits8 = edges:CARD")
    assert TEACHERS.names().count("dino-vits8") == 1
    assert TEACHERS["dino-vits8"].source == "hub facebook/dino-vits8"
