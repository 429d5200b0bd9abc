"""Keys: the same cell has the same one, and whatever it says or runs changes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from featurenerf.benchmark import sources
from featurenerf.benchmark.cells import Cell, Made, in_order, options
from featurenerf.benchmark.sources import code_hash

DATA = Cell("data", ("data", "make"), ("--category", "chair"), "p")


def training(seed: int = 0, program: str = "p", data: Cell = DATA) -> Cell:
    return Cell("train", ("train",), ("--data", Made(data), "--seed", str(seed)), program)


def test_a_key_is_of_what_is_said_and_run_and_of_what_is_needed() -> None:
    same, other = training(), Cell("data", ("data", "make"), ("--category", "car"), "p")
    assert training().key == same.key
    assert len({same.key, training(1).key, training(program="q").key, training(data=other).key, DATA.key}) == 5
    renamed = Cell("train", ("train",), same.arguments, "p", {"field": "another name"}, 7.0)
    assert renamed.key == same.key


def test_a_command_can_be_typed() -> None:
    out = Path("OUT")
    evaluation = Cell("eval", ("eval",), ("--checkpoint", Made(training()), "--task", "2d"), "p")
    run, report = f"OUT/runs/{training().key}", f"OUT/reports/{evaluation.key}.json"
    assert training().command(out) == ["train", "--data", f"OUT/data/{DATA.key}", "--seed", "0", "--out", run]
    assert evaluation.command(out) == ["eval", "--checkpoint", f"{run}/checkpoint", "--task", "2d", "--out", report]


def test_what_is_needed_comes_first_and_once() -> None:
    one, two = training(0), training(1)
    assert [cell.key for cell in in_order([one, two, one])] == [DATA.key, one.key, two.key]


def test_settings_as_options() -> None:
    settings = {"source_views": (0, 1), "perceptual": True, "coordinate": False, "weights.feature": 0.5, "steps": None}
    assert [*options(settings)] == [
        *("--source-views", "0", "1", "--perceptual", "--no-coordinate", "--weights.feature", "0.5"),
    ]


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Hashes while a module of the package has other text."""
    real = sources._file

    def hashes(module: str, change: Callable[[str], str], *arguments: Any) -> str:
        copy = tmp_path / f"{module}.py"
        copy.write_text(change(real(module).read_text()))
        monkeypatch.setattr(sources, "_file", lambda name: copy if name == module else real(name))
        found = code_hash(*arguments)
        monkeypatch.setattr(sources, "_file", real)
        return found

    return hashes


def test_a_hash_is_of_the_modules_that_are_used(edited: Callable[..., str]) -> None:
    def more(text: str) -> str:
        return text + "\nANOTHER = 1\n"

    train = (("cli.train",), "paper", "efficientnet-lite0")
    before = code_hash(*train)
    for used in ("models.paper", "training.losses", "teachers.efficientnet"):
        assert edited(used, more, *train) != before, used
    for unused in ("models.fast", "models.symmetry", "teachers.diffusion", "evaluation.tasks"):
        assert edited(unused, more, *train) == before, unused
    baseline = (("cli.eval",), None, None, "same-pixel")
    assert edited("models.paper", more, *baseline) == code_hash(*baseline)
    assert edited("evaluation.metrics", more, *baseline) != code_hash(*baseline)


def test_comments_and_docstrings_are_no_program(edited: Callable[..., str]) -> None:
    train = (("cli.train",), "fast", None)

    def remarked(text: str) -> str:
        return '"""Another docstring."""\n' + text.split('"""', 2)[2].replace("\n\n\n", "\n\n# a remark\n\n\n")

    assert edited("training.losses", remarked, *train) == code_hash(*train)
