"""A teacher of another package: registered through an entry point, listed, loaded, trained with."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest
import torch

from featurenerf import cli
from featurenerf.errors import InputError
from featurenerf.teachers import canonical, card, load_teacher, names

DOCS = Path(__file__).parents[2] / "docs" / "teachers.md"


def documented(language: str) -> str:
    """The block of that language under "Bring your own"."""
    section = DOCS.read_text().split("## Bring your own")[1]
    found = re.search(rf"^```{language}\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Puts a package with an entry point where Python finds packages."""

    def installing(code: str, points: str) -> None:
        (tmp_path / "edges.py").write_text(code)
        about = tmp_path / "edges-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: edges\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[featurenerf.teachers]\n{points}\n")
        importlib.invalidate_caches()

    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "edges", raising=False)
    yield installing
    sys.modules.pop("edges", None)


def test_the_one_in_the_docs(install, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    code, settings = documented("python"), documented("toml")
    assert len([line for line in code.splitlines() if line and not line.startswith(("from", "import"))]) <= 10
    group, point = settings.strip().splitlines()
    assert group == '[project.entry-points."featurenerf.teachers"]'
    install(code, point.replace('"', ""))
    assert "edges" in names()
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
def test_broken_ones(install, capsys: pytest.CaptureFixture[str], code: str, sentence: str) -> None:  # type: ignore[no-untyped-def]
    """They are refused when they are asked for, and hide nobody else."""
    install(code, "edges = edges:CARD")
    with pytest.raises(InputError, match=sentence):
        card("edges")
    sys.argv = ["featurenerf", "teachers", "list"]
    cli.main()
    listed = capsys.readouterr().out
    assert re.search(r"^edges .* no: it cannot be imported$", listed, re.MULTILINE)
    assert "dino-vits8" in listed


def test_names_of_ours_are_not_taken_over(install) -> None:  # type: ignore[no-untyped-def]
    install("CARD = 3", "dino-vits8 = edges:CARD")
    assert names().count("dino-vits8") == 1
    assert card("dino-vits8").source == "hub facebook/dino-vits8"
