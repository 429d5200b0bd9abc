"""The command line as a user meets it: help, verbs, and mistakes that end in a sentence and exit code 2."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from featurenerf import cli
from featurenerf.benchmark.plan import Have
from featurenerf.cli.arguments import postponed, read
from featurenerf.errors import InputError, MissingExtraError
from featurenerf.synthesis.make import make_dataset
from featurenerf.training.config import TrainConfig


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Exit code of ``featurenerf ARGUMENTS`` in this process."""
    monkeypatch.setattr(sys, "argv", ["featurenerf", *map(str, arguments)])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def mistake(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What is said of arguments that are wrong."""
    assert call(monkeypatch, *arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert 1 <= len(said.err.splitlines()) <= 6
    assert "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_lists_the_verbs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert call(monkeypatch, *arguments) == 0
    said = capsys.readouterr().out
    assert all(f"  {verb} " in said for verb in cli.VERBS)
    assert "  --version " in said


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.strip() == version("featurenerf")


@pytest.mark.parametrize("verb", [*cli.VERBS, "data make", "data check"])
def test_every_verb_has_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    assert call(monkeypatch, *verb.split(), "--help") == 0
    said = capsys.readouterr().out
    assert said.startswith("usage:")
    assert f"featurenerf {verb}" in said


def test_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "featurenerf", "lift", "nowhere.png"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "featurenerf lift: missing: --out PATH (--help says more)\n"


def test_an_unknown_verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no verb 'dance'; there are: demo, lift" in mistake(monkeypatch, capsys, "dance")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("train", "missing: --data STR|PATH --category [STR [STR ...]] --out PATH"),
        ("train --data d --category chair --out o --bogus 3", "Unrecognized options: --bogus"),
        ("train --data d --category chair --out o --field cube", "invalid choice 'cube' for argument '--field'"),
        ("train --data d --category chair --out o --steps many", "Error parsing --steps"),
        ("eval --data d --category chair", "missing: --out PATH"),
        ("lift", "missing: PATH"),
        ("demo --bogus", "Unrecognized options: --bogus"),
        ("data", "Expected one of {make, render, pack, info, view, check}"),
        ("data bake", "Unrecognized options: bake"),
        ("data make", "missing: --out PATH"),
        ("import-official", "missing: PATH --out PATH"),
    ],
)
def test_wrong_arguments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: str, sentence: str
) -> None:
    said = mistake(monkeypatch, capsys, *arguments.split())
    assert said.startswith(f"featurenerf {arguments.split()[0]}: {sentence}")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("error", [InputError("it is wrong"), MissingExtraError("thing", "data")])
def test_errors_of_verbs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception) -> None:
    def failing(argv: list[str]) -> None:
        raise error

    monkeypatch.setattr("featurenerf.cli.data.main", failing)
    assert mistake(monkeypatch, capsys, "data", "make") == f"featurenerf data: {error}\n"


def test_bugs_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featurenerf.cli.data.main", lambda argv: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call(monkeypatch, "data")


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stopped(argv: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("featurenerf.cli.data.main", stopped)
    assert call(monkeypatch, "data") == 130
    assert "interrupted" in capsys.readouterr().err


def test_train_says_what_is_wrong_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    start = ("train", "--out", out, "--category", "chair")
    assert "there is no data set at nowhere" in mistake(monkeypatch, capsys, *start, "--data", "nowhere")
    assert ": steps is 0: it must be positive" in mistake(
        monkeypatch, capsys, *start, "--data", tmp_path, "--steps", "0"
    )
    assert "holds no split of chair" in mistake(monkeypatch, capsys, *start, "--data", tmp_path)
    assert not out.exists()


def test_a_command_is_parsed_before_it_works() -> None:
    done: list[int] = []

    def command(number: int) -> None:
        done.append(number)

    call_later = read(postponed(command), number=3)
    assert done == []
    call_later()
    assert done == [3]


def test_a_missing_extra_is_said_by_another_process() -> None:
    """A pool hangs for good on an error that does not come back whole."""
    error = MissingExtraError("embreex", "data")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is MissingExtraError
    assert str(again) == str(error)


def test_without_the_renderer_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embreex.rtcore_scene", None)
    with pytest.raises(MissingExtraError, match=r"featurenerf\[data\]"):
        make_dataset(tmp_path / "out", "chair", objects=4, views=2, workers=2, progress=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", sorted(Path(cli.__file__).parent.glob("*.py")), ids=lambda p: p.stem)
def test_auto_is_the_device_of_every_verb_that_has_one(path: Path) -> None:
    """A GPU that is there is used unless told otherwise."""
    defaults = re.findall(r"^    device: [^=]+= (.*?),?$", path.read_text(), re.MULTILINE)
    assert defaults in ([], ['"auto"'])
    if path.stem in ("demo", "lift", "eval", "teachers_cache", "edit", "export", "page"):
        assert defaults
    assert TrainConfig.device == Have.device == "auto"
