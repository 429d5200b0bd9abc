"""One writer a folder, by whatever path, until it ends, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from featurenerf.errors import InputError
from featurenerf.files import fresh_directory
from featurenerf.locks import locked

HOLD = """
import sys, time
from pathlib import Path
from featurenerf.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def holder(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.Popen[str], Path]:
    """Another process that holds the lock of a folder."""
    folder = tmp_path_factory.mktemp("locks") / "run"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process, folder


def test_another_process_is_refused_and_a_killed_one_holds_nothing(
    holder: tuple[subprocess.Popen[str], Path], tmp_path: Path
) -> None:
    process, folder = holder
    link = tmp_path / "link"
    link.symlink_to(folder)
    for path in (folder, link, folder.parent / "x" / ".." / "run"):
        with (
            pytest.raises(InputError, match=rf"written by another featurenerf \(process {process.pid} on "),
            locked(path),
        ):
            pytest.fail("two processes hold it")
    with pytest.raises(InputError, match="wait until it ends"), fresh_directory(folder, "lift"):
        pytest.fail("two processes write it")
    with locked(folder.parent / "run2"):
        pass  # another folder
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
    assert [path.name for path in folder.parent.iterdir()] == [".run.lock"]  # which nobody holds
    with locked(folder):
        assert (folder.parent / ".run.lock").read_text().startswith(f"process {os.getpid()} on ")
    assert list(folder.parent.iterdir()) == []


def test_a_block_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    """As of two threads."""
    with locked(tmp_path / "a" / "run"):
        with pytest.raises(InputError, match="give another folder"), locked(tmp_path / "a" / "run"):
            pytest.fail("both hold it")
        assert [path.name for path in (tmp_path / "a").iterdir()] == [".run.lock"]
    assert list(tmp_path.iterdir()) == []  # nor the folder that was made for it


def test_who_waits_gets_it_when_the_other_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = locked(tmp_path / "run")
    first.__enter__()
    waited = []

    def end(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            first.__exit__(None, None, None)

    monkeypatch.setattr(time, "sleep", end)
    with locked(tmp_path / "run", wait=True):
        assert len(waited) == 2


def test_where_nothing_can_be_written_beside_a_folder_the_lock_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    system = os.open

    def refusing(path: object, *rest: int) -> int:
        if str(path) == str(tmp_path / ".mounted.lock"):
            raise PermissionError(13, "Permission denied", str(path))
        return system(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refusing)
    with locked(folder):
        assert [path.name for path in folder.iterdir()] == [".lock"]
        with pytest.raises(InputError, match="another featurenerf"), locked(folder):
            pytest.fail("both hold it")
    assert list(folder.iterdir()) == []
