"""Results are whole or not there, and nothing that is not ours is replaced."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from featurenerf.errors import InputError
from featurenerf.files import fresh_directory, remove_leftovers, write_atomically, writing


def finished(out: Path, text: str = "", made_by: str = "lift") -> None:
    """A result as a command leaves it."""
    with fresh_directory(out, made_by) as folder:
        (folder / "report.json").write_text(json.dumps({"made_by": made_by}))
        (folder / "result.txt").write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


# ---------------------------------------------------------------------- files


def test_a_file_is_written_beside_itself_and_renamed(tmp_path: Path) -> None:
    path, seen = tmp_path / "file.json", []
    path.write_text("old")

    def write(temporary: Path) -> None:
        temporary.write_text("new")
        seen.append((temporary.parent, temporary.name.startswith("."), temporary.suffix, path.read_text()))

    write_atomically(path, write)
    assert seen == [(tmp_path, True, ".tmp", "old")]
    assert path.read_text() == "new"
    assert names(tmp_path) == ["file.json"]


def test_two_processes_do_not_write_one_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()

    def write(temporary: Path) -> None:
        seen.add(temporary)
        temporary.touch()

    for process in (7, 8):
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        write_atomically(tmp_path / "file", write)
    write_atomically(tmp_path / "other", write)
    assert len(seen) == 3


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_no_file(tmp_path: Path, error: BaseException) -> None:
    def write(temporary: Path) -> None:
        temporary.write_text("half")
        raise error

    with pytest.raises(type(error)):
        write_atomically(tmp_path / "file", write)
    assert names(tmp_path) == []


def test_a_write_that_fails_before_its_file_is_there_says_why(tmp_path: Path) -> None:
    def write(temporary: Path) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(tmp_path / "file", write)


# ---------------------------------------------------------------------- folders


def test_a_folder_appears_when_its_block_ends(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "out"
    with fresh_directory(str(out), "lift") as folder:
        assert folder.parent == out.parent
        assert (folder.name.startswith(".out."), folder.suffix) == (True, ".tmp")
        assert names(folder) == []
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("text")
        assert not out.exists()
    assert (out / "deep" / "file").read_text() == "text"
    assert names(out.parent) == ["out"]


def test_a_folder_of_ones_own_is_replaced_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    finished(out, "old")
    (out / "further").touch()
    with fresh_directory(out, "lift") as folder:
        assert (out / "result.txt").read_text() == "old"  # until the new one is whole
        (folder / "result.txt").write_text("new")
    assert (out / "result.txt").read_text() == "new"
    assert names(out) == ["result.txt"]
    assert names(tmp_path) == ["out"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    finished(tmp_path / "out", "new")
    assert names(tmp_path / "out") == ["report.json", "result.txt"]


@pytest.mark.parametrize(
    "report",
    [
        None,
        "{",
        "[]",
        "{}",
        '"lift"',
        '{"made_by": "demo"}',
        b"\xff",
    ],
)
def test_a_folder_of_somebody_elses_is_refused_before_the_block_runs(
    tmp_path: Path, report: str | bytes | None
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    if report is not None:
        (out / "report.json").write_bytes(report if isinstance(report, bytes) else report.encode())
    before = names(out)
    with (
        pytest.raises(
            InputError, match=r"out holds something that `featurenerf lift` did not make: give another folder"
        ),
        fresh_directory(out, "lift"),
    ):
        pytest.fail("the block ran")
    assert names(out) == before
    assert names(tmp_path) == ["out"]


def test_a_file_is_not_replaced_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match="did not make"), fresh_directory(tmp_path / "out", "lift"):
        pytest.fail("the block ran")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match=r"file/deeper/out cannot be made \(.+\): give another folder"),
        fresh_directory(tmp_path / "file" / "deeper" / "out", "lift"),
    ):
        pytest.fail("the block ran")


@pytest.mark.parametrize("error", [InputError("wrong"), KeyboardInterrupt()])
def test_a_block_that_fails_leaves_everything_as_it_was(tmp_path: Path, error: BaseException) -> None:
    def fail(out: Path) -> None:
        with fresh_directory(out, "lift") as folder:
            (folder / "half").write_text("half")
            raise error

    finished(tmp_path / "old", "old")
    for out in (tmp_path / "old", tmp_path / "new"):
        with pytest.raises(type(error)):
            fail(out)
    assert names(tmp_path) == ["old"]
    assert names(tmp_path / "old") == ["report.json", "result.txt"]


def test_a_folder_has_the_mode_that_folders_get(tmp_path: Path, umask: int) -> None:
    """Not that of a temporary one, which others cannot read."""
    finished(tmp_path / "out")
    assert mode(tmp_path / "out") == {0o022: 0o755, 0o077: 0o700}[umask]
    assert os.umask(umask) == umask  # as it was


def test_a_rename_that_fails_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, renames, replace = tmp_path / "out", [], os.replace
    finished(out, "old")

    def failing(source: Path, target: Path) -> None:
        renames.append(target)
        if len(renames) == 2:  # the old folder is aside, the new one comes in
            raise OSError("disk full")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="disk full"):
        finished(out, "new")
    assert (out / "result.txt").read_text() == "old"
    assert names(tmp_path) == ["out"]


# ---------------------------------------------------------------------- kills, links, disks


def test_a_symbolic_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    """The folder is replaced and the link stays, also where it names a folder that is not there yet."""
    real, link = tmp_path / "disk" / "real", tmp_path / "out"
    real.parent.mkdir()
    link.symlink_to(real)
    for text in ("first", "second"):
        finished(link, text)
        assert (real / "result.txt").read_text() == text
    assert link.is_symlink()
    assert names(tmp_path) == ["disk", "out"]
    assert names(real.parent) == ["real"]


def test_a_folder_that_cannot_be_renamed_gets_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a mount point, which a container writes to."""
    out, system, moved = tmp_path / "out", os.replace, []
    out.mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(out))

    def replacing(source: Path, target: Path) -> None:
        if out in (Path(source), Path(target)):
            raise OSError(16, "Device or resource busy")
        moved.append(Path(target).name)
        system(source, target)

    monkeypatch.setattr(os, "replace", replacing)
    finished(out, "old")
    (out / "deep").mkdir()
    (out / "deep" / "further").touch()
    finished(out, "new")
    assert (out / "result.txt").read_text() == "new"
    assert names(out) == ["report.json", "result.txt"]
    assert names(tmp_path) == ["out"]
    assert moved[-1] == "report.json"  # what says that the folder is whole comes last


def test_what_killed_calls_left_beside_a_folder_goes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    finished(out, "old")
    out.rename(tmp_path / ".out.abcdefgh.before")  # killed between the two renames
    (tmp_path / ".out.abcdefgh.tmp").mkdir()
    (tmp_path / ".out.x.abcdefgh.tmp").mkdir()  # of another folder, out.x
    with fresh_directory(out, "lift") as folder:
        assert (out / "result.txt").read_text() == "old"
        shutil.copytree(out, folder, dirs_exist_ok=True)
    assert (out / "result.txt").read_text() == "old"
    assert names(tmp_path) == [".out.x.abcdefgh.tmp", "out"]


def test_temporary_files_of_processes_that_are_gone_go(tmp_path: Path) -> None:
    host = socket.gethostname().replace("-", "_").replace(".", "_")
    gone, running, elsewhere = 2**30, os.getppid(), "other_machine"
    kept = [
        f".a.json.{host}-{running}.tmp",
        f".a.json.{elsewhere}-{gone}.tmp",
        ".a.json.tmp",
        "a.json",
        f"a.{gone}.tmp",
    ]
    for name in (*kept, f".a.json.{host}-{gone}.tmp", f".a.json.{gone}.tmp", f".b.{host}-{os.getpid()}.tmp"):
        (tmp_path / name).touch()
    old = tmp_path / f".c.{elsewhere}-{running}.tmp"
    old.touch()
    os.utime(old, (0, 0))
    remove_leftovers(tmp_path)
    assert names(tmp_path) == sorted(kept)
    remove_leftovers(tmp_path / "absent")


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"out cannot be written \(No space left on device\): free some space"),
        fresh_directory(tmp_path / "out", "lift"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(FileNotFoundError), fresh_directory(tmp_path / "out", "lift"):
        raise FileNotFoundError("another error is nobody's disk")
    assert names(tmp_path) == []


def test_the_disk_has_the_content_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: order.append(os.readlink(f"/proc/self/fd/{file}")) or sync(file))
    monkeypatch.setattr(os, "replace", lambda one, two: order.append("renamed") or replace(one, two))
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not say which file is open")
    write_atomically(tmp_path / "file", lambda path: path.write_text("text"))
    assert [Path(entry).name.split(".")[1] if ".tmp" in entry else Path(entry).name for entry in order] == [
        "file", "renamed", tmp_path.name,
    ]  # fmt: skip
    order.clear()
    write_atomically(tmp_path / "file", lambda path: path.write_text("text"), durable=False)
    assert order == ["renamed"]
    order.clear()
    finished(tmp_path / "out", "text")
    assert {"result.txt", "report.json"} <= {Path(entry).name for entry in order}
    assert order[-1] == str(tmp_path)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), r"\(No space left on device\): free some space, or give"),
        (OSError(errno.EACCES, "Permission denied"), r"\(Permission denied\): give another folder$"),
    ],
)
def test_an_error_of_the_disk_is_a_sentence(error: OSError, sentence: str) -> None:
    with pytest.raises(InputError, match=f"^here/file cannot be written {sentence}"), writing(Path("here/file")):
        raise error


def test_another_error_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError), writing("here"):
        raise ZeroDivisionError
