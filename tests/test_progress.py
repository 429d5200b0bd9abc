"""A terminal gets bars; a log gets a line now and then, and nothing that rubs out what stands before it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import featurenerf
from featurenerf import progress
from featurenerf.progress import Progress


def nested(outer: int, inner: int) -> None:
    for _ in Progress(range(outer), desc="objects", unit="object"):
        for _ in Progress(range(inner), desc="views", leave=False):
            pass


def test_quick_work_leaves_one_line_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    nested(3, 5)
    written = capsys.readouterr().err
    assert re.fullmatch(r"objects: 100% 3/3 \[00:0\d<00:00\]\n", written)


def test_slow_work_says_now_and_then_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    with Progress(total=3, desc="train") as bar:
        for number in range(3):
            bar.set_description("train")
            bar.set_postfix_str(f"loss {number}")
            bar.update()
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("train: 100% 3/3")
    assert any("1/3" in line and "loss 0" in line for line in lines)
    assert all("\r" not in line and "\x1b" not in line for line in lines)


def test_work_without_an_end_has_no_share(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(desc="train") as bar:
        bar.update(7)
    assert capsys.readouterr().err.startswith("train: 7/? [")


def test_what_is_written_between_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(total=2, desc="train", leave=False):
        Progress.write("step 1: loss 2")
    assert capsys.readouterr() == ("step 1: loss 2\n", "")


def test_a_bar_that_is_not_wanted_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(Progress(range(3), desc="objects", disable=True)) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    nested(1, 1)
    written = capsys.readouterr().err
    assert "\r" in written
    assert "objects: 100%|" in written


def test_there_is_one_progress_bar() -> None:
    package = Path(featurenerf.__file__).parent
    found = {path.name for path in package.rglob("*.py") if re.search(r"import.*\btqdm\b", path.read_text())}
    assert found == {"progress.py"}
