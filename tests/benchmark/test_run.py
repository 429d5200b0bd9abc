"""Running cells with a command line that is made up: what is done is kept, what is not is done again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from featurenerf.benchmark.cells import Cell, Made
from featurenerf.benchmark.run import _Clock, duration_text, expected_seconds, read_record, run_cells
from featurenerf.errors import InputError

DATA = Cell("data", ("data", "make"), ("--category", "chair"), "p", {"category": "chair"}, 10.0)
TRAIN = Cell("train", ("train",), ("--data", Made(DATA), "--steps", "4"), "p", {"field": "fast"}, 100.0)
EVALUATIONS = [
    Cell("eval", ("eval",), ("--checkpoint", Made(TRAIN), "--pairs", str(n)), "p", {"row": f"row {n}"}, 1.0)
    for n in range(3)
]


class CommandLine:
    """Stands for the program: a training is four steps, saved one by one; what it leaves, it takes up again."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.calls: list[list[str]] = []
        self.steps, self.kill_at = 0, kill_at

    def __call__(self, verb: str, arguments: list[str]) -> None:
        self.calls.append([verb, *arguments])
        out = Path(arguments[arguments.index("--out") + 1])
        print("working")
        if verb == "train":
            checkpoint = out / "checkpoint"
            checkpoint.mkdir(parents=True, exist_ok=True)
            saved = out / "steps"
            done = json.loads(saved.read_text()) if "--resume" in arguments and saved.exists() else 0
            (out / "config.json").write_text("{}")
            for step in range(done, 4):
                self._tick()
                saved.write_text(json.dumps(step + 1))
            (checkpoint / "config.json").write_text(json.dumps({"step": 4, "seconds": 2.5}))
        elif verb == "eval":
            out.parent.mkdir(parents=True, exist_ok=True)
            self._tick()
            out.write_text(json.dumps({"part_miou": 0.5, "pairs": int(arguments[arguments.index("--pairs") + 1])}))
        else:
            out.mkdir(parents=True, exist_ok=True)
            self._tick()

    def _tick(self) -> None:
        if self.steps == self.kill_at:
            raise KeyboardInterrupt
        self.steps += 1


def numbers(out: Path) -> list[object]:
    return [read_record(cell, out)["report"] for cell in EVALUATIONS]  # type: ignore[index]


def test_what_is_needed_is_made_and_what_is_done_is_kept(tmp_path: Path) -> None:
    program = CommandLine()
    assert run_cells(EVALUATIONS, tmp_path, program) == {}
    assert [call[0] for call in program.calls] == ["data", "train", "eval", "eval", "eval"]
    assert numbers(tmp_path) == [{"part_miou": 0.5, "pairs": n} for n in range(3)]
    record = read_record(TRAIN, tmp_path)
    assert record is not None
    assert record["command"][:2] == ["featurenerf", "train"]
    assert record["training"]["step"] == 4
    assert (tmp_path / "logs" / f"train-{TRAIN.key}.log").read_text() == "working\n"
    again = CommandLine()
    run_cells(EVALUATIONS, tmp_path, again)
    assert again.calls == []
    EVALUATIONS[1].record(tmp_path).unlink()
    run_cells(EVALUATIONS, tmp_path, again)
    assert [call[0] for call in again.calls] == ["eval"]


@pytest.mark.parametrize("kill_at", range(8))
def test_a_kill_at_any_moment_loses_what_was_being_done(tmp_path: Path, kill_at: int) -> None:
    """One piece of data, four steps of training, three evaluations: each of the eight is interrupted once."""
    with pytest.raises(KeyboardInterrupt):
        run_cells(EVALUATIONS, tmp_path, CommandLine(kill_at))
    rest = CommandLine()
    run_cells(EVALUATIONS, tmp_path, rest)
    assert rest.steps == 8 - kill_at
    assert numbers(tmp_path) == [{"part_miou": 0.5, "pairs": n} for n in range(3)]
    resumed = [call for call in rest.calls if call[0] == "train"]
    assert [("--resume" in call) for call in resumed] == ([] if kill_at > 4 else [kill_at > 0])


def test_a_record_that_was_cut_short_is_none(tmp_path: Path) -> None:
    run_cells(EVALUATIONS, tmp_path, CommandLine())
    EVALUATIONS[0].record(tmp_path).write_text('{"kind": "ev')
    rest = CommandLine()
    run_cells(EVALUATIONS, tmp_path, rest)
    assert rest.steps == 1


def test_what_a_user_has_not_leaves_out_what_needs_it(tmp_path: Path) -> None:
    other = Cell("eval", ("eval",), ("--method", "chance"), "p", {"row": "chance"})

    def program(verb: str, arguments: list[str]) -> None:
        if verb == "train":
            raise InputError("the hub does not answer")
        CommandLine()(verb, [*arguments, "--pairs", "1"])

    refused = run_cells([*EVALUATIONS, other], tmp_path, program)
    assert refused == dict.fromkeys([TRAIN.key, *(cell.key for cell in EVALUATIONS)], "the hub does not answer")
    assert read_record(other, tmp_path) is not None


def test_a_fault_is_said_when_the_rest_is_done(tmp_path: Path) -> None:
    other = Cell("eval", ("eval",), ("--pairs", "7"), "p", {"row": "chance"})

    def program(verb: str, arguments: list[str]) -> None:
        if verb == "train":
            raise ZeroDivisionError("a bug")
        CommandLine()(verb, arguments)

    with pytest.raises(RuntimeError, match=r"(?s)1 cells failed.*train fast.*ZeroDivisionError: a bug"):
        run_cells([*EVALUATIONS, other], tmp_path, program)
    assert read_record(other, tmp_path) is not None


def test_two_programs_do_not_work_on_one_cell(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    path = tmp_path / "logs" / f".data-{DATA.key}.log.lock"
    path.parent.mkdir()
    code = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX)"
    code += "; print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        ended: list[int | None] = []

        def program(verb: str, arguments: list[str]) -> None:
            ended.append(holder.poll())
            CommandLine()(verb, arguments)

        Timer(0.3, holder.kill).start()
        run_cells([DATA], tmp_path, program)
    assert ended == [-9]  # the lock ends with its process


def test_time_left_goes_by_what_cells_of_a_kind_took(tmp_path: Path) -> None:
    every = [DATA, TRAIN, *EVALUATIONS]
    assert expected_seconds(every, tmp_path) == {cell.key: cell.seconds for cell in every}
    run_cells(EVALUATIONS[:1], tmp_path, CommandLine())
    path = EVALUATIONS[0].record(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "seconds": 5.0}))  # five times what was expected
    expected = expected_seconds(every, tmp_path)
    assert [expected[cell.key] for cell in every] == [0.0, 0.0, 0.0, 5.0, 5.0]
    assert _Clock(EVALUATIONS[:1], tmp_path).left(EVALUATIONS[1:], workers=2) == "about 5 s left"
    assert (duration_text(5.0), duration_text(600.0), duration_text(9000.0)) == ("5 s", "10 min", "2.5 h")
