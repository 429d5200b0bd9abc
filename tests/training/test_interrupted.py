"""Runs that are told to end, that find no space, that are two, or that go on elsewhere: nothing is lost or mixed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file

from featurenerf import progress
from featurenerf.cli import train as command
from featurenerf.data.open import open_dataset
from featurenerf.errors import InputError
from featurenerf.locks import locked
from featurenerf.models import checkpoint
from featurenerf.training import loop, run
from featurenerf.training.config import PRESETS, Budget, TrainConfig
from featurenerf.training.distributed import ALONE
from featurenerf.training.interrupt import Interrupts, Stopped
from featurenerf.training.loop import Clock, train
from featurenerf.training.same_data import changes, known_data

Tiny = Callable[..., TrainConfig]


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], None], group: str = "train") -> None:
    """Do something once, when a step is logged."""
    log, done = loop.Run.log, []

    def logging(self: loop.Run, what: str, number: int, values: dict) -> None:
        log(self, what, number, values)
        if (what, number) == (group, step) and not done:
            done.append(number)
            act()

    monkeypatch.setattr(loop.Run, "log", logging)


def kill() -> None:
    raise Killed


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "checkpoint" / "model.safetensors")


def assert_same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> None:
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


def logged(out: Path, group: str) -> list[int]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line["step"] for line in lines if line["group"] == group]


# ---------------------------------------------------------------------- signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_told_to_end_saves_its_step_and_goes_on_exactly(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    straight = train(tiny(steps=6, out=tmp_path / "straight"))
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    with monkeypatch.context() as patch:
        at_step(patch, 4, lambda: os.kill(os.getpid(), number))  # step 4 is logged: step 5 is under way when it ends
        with pytest.raises(Stopped) as stopped:
            train(tiny(steps=6))
    out = tiny().out
    assert stopped.value.code == code
    assert (
        str(stopped.value) == f"stopped by {number.name} after step 5, which is saved in {out}: resume the run to go on"
    )
    assert json.loads((out / "resume" / "progress.json").read_text())["step"] == 5
    assert json.loads((out / "checkpoint" / "config.json").read_text())["step"] == 3
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []  # no lock
    assert_same(weights(straight.parent), weights(train(tiny(steps=6, resume=True)).parent))


def test_a_signal_while_validating_waits_for_nothing(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step is saved before validation, which may take longer than a batch system waits."""
    validate = loop.validate

    def told(*arguments: object) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("validation went on")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "validate", told)
        with pytest.raises(Stopped, match="after step 3"):
            train(tiny(steps=3))
    assert loop.validate is validate
    assert not (tiny().out / "checkpoint").exists()
    train(tiny(steps=3, resume=True))  # it was done, but for this
    assert (logged(tiny().out, "train"), logged(tiny().out, "val")) == ([1, 2, 3], [3])
    assert json.loads((tiny().out / "checkpoint" / "config.json").read_text())["step"] == 3


def test_the_command_says_how_to_go_on(
    tiny: Tiny, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tiny().out
    arguments = f"--data {data} --category chair --out {out} --steps 4 --feature-dim 8 --processes 1".split()
    with monkeypatch.context() as patch:
        at_step(patch, 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(SystemExit) as end:
            command.main(arguments)
    assert end.value.code == 143
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("featurenerf train: stopped by SIGTERM after step 2, which is saved in")
    assert said.endswith("(the same command with --resume)")
    command.main([*arguments, "--resume"])
    assert capsys.readouterr().out.splitlines()[-1] == f"checkpoint: {out / 'checkpoint'}"


def test_a_second_signal_does_what_it_did_before() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's job in the background has none
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.received == signal.SIGINT
        with pytest.raises(KeyboardInterrupt) as second:
            os.kill(os.getpid(), signal.SIGINT)
        assert not isinstance(second.value, Stopped)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_told_to_end_puts_away_what_is_half_made(tmp_path: Path, end: signal.Signals) -> None:
    script = f"""
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from featurenerf import cli
from featurenerf.files import fresh_directory
import types
def main(rest):
    with fresh_directory({str(tmp_path / "out")!r}, "lift") as folder:
        (folder / "half").write_text("half")
        os.kill(os.getpid(), {int(end)})
        time.sleep(30)
sys.modules["featurenerf.cli.lift"] = types.SimpleNamespace(main=main)
sys.argv = ["featurenerf", "lift"]
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    how = {signal.SIGTERM: (143, "terminated"), signal.SIGINT: (130, "interrupted")}[end]
    assert (done.returncode, done.stderr.strip()) == (how[0], f"featurenerf lift: {how[1]}")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- kill and resume

PAIR = '''
"""Two processes train: straight on, and killed at several steps, each time resumed."""
import sys
from pathlib import Path

import pytest
import torch

folder, data, tests = map(Path, sys.argv[1:])
sys.path[:0] = [str(tests), str(tests / "training")]
from test_interrupted import Killed, assert_same, at_step, kill, weights
from tiny_runs import tiny_runs

from featurenerf.training import distributed, loop

torch.set_num_threads(1)
patch = pytest.MonkeyPatch()
patch.setattr(distributed.Processes, "shutdown", lambda self: None)  # they meet once, and go on together
make = tiny_runs(patch, data, folder)

def run(out, **changes):
    return loop.train(make(steps=5, out=folder / out, **changes)).parent

with distributed.local_workers(2, sys.argv):
    straight = run("straight")
    for step in (5, 2):
        with pytest.MonkeyPatch().context() as killing:
            at_step(killing, step, kill)
            with pytest.raises(Killed):
                run(f"killed-{step}")
        resumed = run(f"killed-{step}", resume=True)
        if loop.join_processes(torch.device("cpu"))[0].first:
            assert_same(weights(straight), weights(resumed))
            print("same", step)
'''


def test_two_processes_that_are_killed_go_on_exactly(data: Path, tmp_path: Path) -> None:
    (tmp_path / "pair.py").write_text(PAIR)
    call = [sys.executable, str(tmp_path / "pair.py"), str(tmp_path), str(data), str(Path(__file__).parents[1])]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [line for line in done.stdout.splitlines() if "same" in line] == ["same 5", "same 2"]


@pytest.mark.parametrize("rename", [1, 2])
def test_a_checkpoint_never_has_files_of_two_steps(tiny: Tiny, monkeypatch: pytest.MonkeyPatch, rename: int) -> None:
    """Killed at either rename of the second checkpoint."""
    out, system, renames = tiny().out, os.replace, []

    def dying(source: Path, target: Path) -> None:
        if "checkpoint" in Path(target).name + Path(source).name:
            renames.append(target)
            if len(renames) == 1 + rename:  # the first is that of the first checkpoint
                raise Killed
        system(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dying)
        with pytest.raises(Killed):
            train(tiny(steps=6))
    left = [path for path in (out / "checkpoint", out / "checkpoint.old") if path.is_dir()]
    assert [json.loads((path / "config.json").read_text())["step"] for path in left] == [3]
    assert (out / "checkpoint.new").is_dir()
    (out / "checkpoint.new" / ".model.safetensors.1234.tmp").touch()
    (out / ".config.json.999999999.tmp").touch()  # of a process that is gone
    train(tiny(steps=6, resume=True))
    assert json.loads((out / "checkpoint" / "config.json").read_text())["step"] == 6
    written = ["checkpoint", "config.json", "metrics.jsonl", "resume", "tensorboard"]
    assert sorted(path.name for path in out.iterdir()) == written


def test_a_killed_checkpoint_is_put_back_before_anything_else(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tiny().out
    train(tiny(steps=3))
    before = weights(out)
    (out / "checkpoint").rename(out / "checkpoint.old")
    monkeypatch.setattr(loop, "new_model", lambda *_: kill())
    with pytest.raises(Killed):
        train(tiny(steps=6, resume=True))
    assert_same(before, weights(out))


# ---------------------------------------------------------------------- the disk


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "model.safetensors")


@pytest.mark.parametrize(("module", "name"), [(checkpoint, "save_file"), (run, "save_file"), (run, "write_json")])
def test_a_full_disk_is_a_sentence_and_leaves_what_was_there(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    out = tiny().out
    with monkeypatch.context() as patch:
        at_step(patch, 4, lambda: patch.setattr(module, name, full))
        with pytest.raises(InputError) as error:
            train(tiny(steps=6))
    assert str(error.value) == (
        f"{out} cannot be written (No space left on device): free some space, or give another folder"
    )
    assert json.loads((out / "checkpoint" / "config.json").read_text())["step"] == 3
    assert weights(out)
    assert sorted(path.name for path in out.iterdir() if path.suffix in (".new", ".tmp")) == []
    train(tiny(steps=6, resume=True))
    assert logged(out, "train") == [1, 2, 3, 4, 5, 6]


def test_a_full_disk_while_logging_is_a_sentence(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")

    def fill() -> None:
        (tiny().out / "metrics.jsonl").unlink()
        (tiny().out / "metrics.jsonl").symlink_to("/dev/full")

    at_step(monkeypatch, 1, fill)
    with pytest.raises(InputError, match="No space left on device"):
        train(tiny(steps=3))


def test_safetensors_own_error_of_a_full_disk_is_one_too(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(run, "save_file", refusing)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\): free some space"):
        train(tiny(steps=3))


# ---------------------------------------------------------------------- two writers


def test_two_runs_of_one_folder_are_refused(tiny: Tiny) -> None:
    with locked(tiny().out), pytest.raises(InputError, match=r"run is being written by another featurenerf \(process"):
        train(tiny(steps=1))
    assert not tiny().out.exists()
    train(tiny(steps=1))


# ---------------------------------------------------------------------- the same data


def test_a_run_goes_on_with_the_same_data_elsewhere(tiny: Tiny, data: Path, tmp_path: Path) -> None:
    straight = train(tiny(steps=4, out=tmp_path / "straight"))
    train(tiny(steps=3))
    shutil.copytree(data, tmp_path / "moved")
    moved = train(tiny(steps=4, data=tmp_path / "moved", resume=True))
    assert json.loads((moved / "config.json").read_text())["train"]["data"] == str(tmp_path / "moved")
    assert json.loads((straight / "config.json").read_text())["step"] == 4


def edit_picture(root: Path) -> str:
    path = sorted((root / "img").rglob("*.png"))[1]
    picture = np.array(Image.open(path))
    picture[30, 30, :3] ^= 255
    Image.fromarray(picture).save(path)
    return path.parent.name


def edit_split(root: Path) -> str:
    path = next((root / "splits").glob("*.json"))
    split = json.loads(path.read_text())
    split["train"] = split["train"][:-1]
    path.write_text(json.dumps(split))
    return "train split has 2 objects, not 3"


def edit_camera(root: Path) -> str:
    path = sorted((root / "camera").rglob("*.json"))[0]
    camera = json.loads(path.read_text())
    camera["frames"][0]["transform_matrix"][0][3] += 0.01
    path.write_text(json.dumps(camera))
    return path.stem


@pytest.mark.parametrize("edit", [edit_picture, edit_split, edit_camera])
def test_data_that_changed_are_named(tiny: Tiny, data: Path, tmp_path: Path, edit: Callable[[Path], str]) -> None:
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    train(tiny(steps=1, data=copy))
    what = edit(copy)
    with pytest.raises(InputError, match=r"is not the data that .* was trained on .*resume with the same") as error:
        train(tiny(steps=1, data=copy, resume=True))
    split = json.loads(next((data / "splits").glob("*.json")).read_text())
    if what.startswith("chair") and what in split["test"]:
        pytest.skip("of a test object, which training does not read")
    assert what in str(error.value)


def test_a_run_of_before_there_was_a_fingerprint_goes_on_at_its_path(tiny: Tiny, data: Path, tmp_path: Path) -> None:
    train(tiny(steps=1))
    path = tiny().out / "config.json"
    settings = json.loads(path.read_text())
    del settings["known_data"]
    path.write_text(json.dumps(settings))
    shutil.copytree(data, tmp_path / "moved")
    with pytest.raises(InputError, match=r"other settings than this command \(data\)"):
        train(tiny(steps=1, data=tmp_path / "moved", resume=True))
    train(tiny(steps=1, resume=True))


def test_only_views_that_are_used_are_looked_at(data: Path) -> None:
    objects = list(open_dataset(data, "chair", "train"))
    known = known_data(objects, objects[:1], 2)
    assert known["objects"] == {"train": 3, "val": 1}
    assert set(known["sample"]) == {f"{each.synset}/{each.id}" for each in objects}
    assert not known["opaque"]
    assert changes(known, known_data(objects, objects[:1], 2)) == ""
    assert "are others" in changes(known, known_data(objects, objects[:1], 3))
    assert changes(known, known_data(objects[::-1], objects[:1], 2)) == "its train split has other objects"


def test_a_large_data_set_is_not_read_whole(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (each, *_) = open_dataset(data, "chair", "train")
    read: list[int] = []
    picture = type(each).picture
    monkeypatch.setattr(type(each), "picture", lambda self, view: read.append(view) or picture(self, view))
    known_data([each] * 5000, [each] * 100, 4)
    assert len(read) == 64
    assert set(read) == {0, 1, 2, 3}


# ---------------------------------------------------------------------- more steps, more minutes


def test_a_run_can_be_extended(tiny: Tiny) -> None:
    train(tiny(steps=3))
    train(tiny(steps=5, resume=True))
    out = tiny().out
    assert (logged(out, "train"), logged(out, "val")) == ([1, 2, 3, 4, 5], [3, 5])
    assert json.loads((out / "config.json").read_text())["steps"] == 5
    with pytest.raises(InputError, match=r"other settings than this command \(steps\)"):
        train(tiny(steps=4, resume=True))
    with pytest.raises(InputError, match=r"other settings than this command \(minutes, steps\)"):
        train(tiny(minutes=3.0, resume=True))
    train(tiny(steps=5, resume=True))  # done: nothing is validated anew
    assert logged(out, "val") == [3, 5]


def test_minutes_can_be_extended(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS["fast"], "quick", {**PRESETS["fast"]["quick"], "minutes": 0.001})
    train(tiny())  # the preset's
    with pytest.raises(InputError, match=r"\(minutes\)"):
        train(tiny(minutes=0.0001, resume=True))
    train(tiny(minutes=0.002, resume=True))


# ---------------------------------------------------------------------- minutes


class FakeTime:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize(("step", "validation", "every"), [(6.0, 20.0, 7), (6.0, 25.0, 1000), (12.0, 30.0, 1000)])
def test_three_minutes_are_three_minutes(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, step: float, validation: float, every: int
) -> None:
    """From the call to the end of the last validation, whether its time is known from one before or not."""
    clock = FakeTime()
    monkeypatch.setattr(loop, "time", clock)
    monkeypatch.setitem(PRESETS["fast"]["quick"], "validate_every", every)
    if every == 1000:
        monkeypatch.setattr(loop, "VALIDATION_BATCHES", round(validation / step / 0.6))

    def takes(name: str, module: object, seconds: float, answer: object = None) -> None:
        real = getattr(module, name)

        def later(*arguments: object, **options: object) -> object:
            clock.now += seconds
            return real(*arguments, **options) if answer is None else answer

        monkeypatch.setattr(module, name, later)

    takes("open_targets", loop, 15.0)
    takes("step_losses", loop, step)
    takes("validate", loop, validation, {"psnr": 1.0})
    train(tiny(minutes=3.0))
    assert 180 - 2 * step <= clock.now - 1000 <= 180 + 2 * step
    assert logged(tiny().out, "val")[-1] == logged(tiny().out, "train")[-1]


def test_the_shortest_run_does_one_step(tiny: Tiny) -> None:
    train(tiny(minutes=1e-9))
    assert (logged(tiny().out, "train"), logged(tiny().out, "val")) == ([1], [1])


def test_the_clock_counts_speed_without_what_went_before(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTime()
    monkeypatch.setattr(loop, "time", fake)
    budget = Budget(steps=100, minutes=2.0, objects=2, source_views=2, rays=50)
    clock = Clock(budget, {"step": 0, "seconds": 0.0, "validated": 0}, ALONE, torch.device("cpu"), 970.0)
    for _ in range(10):
        fake.now += 1
        clock.count()
    with clock.validating():
        fake.now += 20
    clock.tick()
    assert clock.speed == "200 rays/s, 1.0 min left"  # 2000 rays in 10 s; 60 of 120 s are over
    assert clock.done == 60 / (120 - 20)
    assert clock.progress == {"step": 10, "seconds": 60.0, "validated": 10, "reserve": 20.0}


def test_a_run_is_never_silent(tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    train(tiny(steps=3))
    said = capsys.readouterr().err
    for what in ("fitting the projection: ", "train: ", "validating and saving: "):
        assert what in said


# ---------------------------------------------------------------------- what cannot be learnt from


def opaque(data: Path, to: Path, *, every: bool) -> Path:
    """A copy whose pictures, all of them or those of one object, are opaque everywhere."""
    shutil.copytree(data, to)
    split = json.loads(next((data / "splits").glob("*.json")).read_text())
    for path in (to / "img").rglob("*.png"):
        if every or path.parent.name == split["train"][0]:
            picture = np.array(Image.open(path))
            picture[..., 3] = 255
            Image.fromarray(picture).save(path)
    return to


def test_pictures_without_a_mask_are_refused(tiny: Tiny, data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"opaque everywhere: training the fast field needs the object's mask"):
        train(tiny(steps=1, data=opaque(data, tmp_path / "data", every=True)))
    assert not tiny().out.exists()


def test_one_object_without_a_mask_does_not_end_a_run(tiny: Tiny, data: Path, tmp_path: Path) -> None:
    train(tiny(steps=3, data=opaque(data, tmp_path / "data", every=False)))


# ---------------------------------------------------------------------- a cache for two


def test_of_two_processes_one_makes_the_cache(tiny: Tiny, data: Path, tmp_path: Path) -> None:
    """The other waits for it, and opens it."""
    objects = list(open_dataset(data, "chair", "train"))
    config = replace(tiny(), cache=tmp_path / "cache")
    with locked(tmp_path / "cache"):
        made: list[object] = []
        other = threading.Thread(target=lambda: made.append(loop.open_targets(config, objects, torch.device("cpu"))))
        other.start()
        other.join(0.5)
        assert made == []
        assert not (tmp_path / "cache").exists()
    other.join(20)
    assert len(made) == 1
    again = loop.open_targets(config, objects, torch.device("cpu"))
    assert torch.equal(again.projection.basis, made[0].projection.basis)  # type: ignore[attr-defined, union-attr]
