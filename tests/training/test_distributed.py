"""Several processes: one mean gradient, one writer, the same weights everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn

from featurenerf.cli.train import main
from featurenerf.errors import InputError, MissingExtraError
from featurenerf.teachers import Teacher
from featurenerf.training import distributed, targets
from featurenerf.training.config import TrainConfig
from featurenerf.training.distributed import ALONE, Processes, join_processes, local_workers

WORKER = """
import sys
import torch
from torch import nn
from featurenerf.training.distributed import join_processes

processes, device = join_processes(torch.device("cpu"))
torch.manual_seed(0)
layer = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
unused = nn.Parameter(torch.zeros(2))
layer(torch.full((1, 3, 8, 8), 1.0 + processes.rank)).sum().backward()
processes.average_gradients([*layer.parameters(), unused])
said = processes.broadcast(0.25 + processes.rank, device)
worked = []
doubled = processes.each(lambda x: worked.append(len(x)) or 2 * x, [torch.ones(n, 2) for n in (1, 4, 3, 2)])
mean = processes.mean({"loss": torch.tensor(float(processes.rank))})
processes.wait()
torch.save({"grad": layer.weight.grad, "unused": unused.grad, "said": said, "mean": mean["loss"],
            "worked": worked, "doubled": doubled,
            "first": processes.first, "size": processes.size}, f"{sys.argv[1]}/{processes.rank}.pt")
processes.shutdown()
"""


def test_two_processes_share_the_mean_of_their_gradients(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launch, str(tmp_path / "worker.py"), str(tmp_path)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 4, 3)
    layer(torch.full((1, 3, 8, 8), 1.5)).sum().backward()  # the mean of pictures of ones and of twos
    assert layer.weight.grad is not None
    torch.testing.assert_close(one["grad"], layer.weight.grad)
    assert torch.equal(one["grad"], two["grad"])
    assert torch.equal(one["unused"], torch.zeros(2))
    assert one["said"] == two["said"] == 0.25
    assert one["mean"] == two["mean"] == 0.5
    assert (one["first"], two["first"]) == (True, False)
    assert one["size"] == 2
    assert (one["worked"], two["worked"]) == ([4, 2], [3, 1])
    for found in (one["doubled"], two["doubled"]):
        assert [x.tolist() for x in found] == [[[2.0, 2.0]] * n for n in (1, 4, 3, 2)]


def test_training_in_two_processes(data: Path, tmp_path: Path) -> None:
    """The whole command: one run folder, one checkpoint, one line of output."""
    out = tmp_path / "run"
    command = ["train", "--data", str(data), "--category", "chair", "--out", str(out), "--steps", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "featurenerf", *command, "--processes", "2"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == f"checkpoint: {out / 'checkpoint'}"
    about = json.loads((out / "checkpoint" / "config.json").read_text())
    assert about["processes"] == 2
    assert about["step"] == 1
    command += ["--processes", "1", "--resume"]
    again = subprocess.run([sys.executable, "-m", "featurenerf", *command], capture_output=True, text=True)
    assert again.returncode == 2
    assert "other settings than this command (processes)" in again.stderr


def test_after_an_error_this_process_is_alone(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may go on, as a notebook does, and train again."""

    def no_teacher(name: str) -> Teacher:
        raise RuntimeError("no teacher today")

    monkeypatch.setattr(targets, "load_teacher", no_teacher)
    command = f"--data {data} --category chair --out {tmp_path / 'run'} --steps 1 --processes 2"
    with pytest.raises(RuntimeError, match="no teacher today"):
        main(command.split())
    assert not dist.is_initialized()


def test_objects_are_shared_out() -> None:
    shares = [Processes(rank, 3).share(range(10)) for rank in range(3)]
    assert [list(share) for share in shares] == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]]
    assert list(Processes().share(range(4))) == [0, 1, 2, 3]
    assert list(Processes(2, 4).share("ab")) == ["a", "b"]  # too few to share


def test_a_process_alone_keeps_its_gradients() -> None:
    parameter = nn.Parameter(torch.ones(3))
    (parameter * 2).sum().backward()
    alone = Processes()
    alone.average_gradients([parameter])
    assert parameter.grad is not None
    assert parameter.grad.tolist() == [2, 2, 2]
    assert alone.broadcast(0.5, torch.device("cpu")) == 0.5
    assert alone.mean({"loss": torch.tensor(3.0)})["loss"] == pytest.approx(3.0)
    assert alone.first


@pytest.mark.parametrize(
    ("code", "mine", "raised", "said"),
    [
        (2, RuntimeError("closed"), InputError, r"^a\.png is broken: make it again$"),  # met by the other alone
        (1, RuntimeError("closed"), RuntimeError, "another process of this run ended: featurenerf train: a.png"),
        (0, RuntimeError("closed"), RuntimeError, "^closed$"),
        (2, InputError("b.png is broken"), InputError, "^b.png is broken$"),  # met by both
        (2, MissingExtraError("tensorboard", "train"), MissingExtraError, r"featurenerf\[train\]"),
    ],
)
def test_what_ended_another_process_is_said(code: int, mine: Exception, raised: type[Exception], said: str) -> None:
    other = f"import sys; print('featurenerf train: a.png is broken: make it again', file=sys.stderr); sys.exit({code})"
    before = dict(os.environ)
    with pytest.raises(raised, match=said), local_workers(2, ["-c", other]):
        raise mine
    assert dict(os.environ) == before


TELL = """
import json, os, sys, time
from pathlib import Path
mine = {name: os.environ.get(name) for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "OMP_NUM_THREADS",
                                                "GLOO_SOCKET_IFNAME", "FEATURENERF_RENDEZVOUS")}
path = Path(sys.argv[1]) / (mine["RANK"] + ".json")
path.with_suffix(".part").write_text(json.dumps(mine))
path.with_suffix(".part").rename(path)
time.sleep(60)
"""


def test_local_workers_are_told_who_they_are_and_end_with_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three processes share seven threads; two are started, and wait when the work is done."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    before, started = dict(os.environ), time.monotonic()
    names = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "OMP_NUM_THREADS", "GLOO_SOCKET_IFNAME", "FEATURENERF_RENDEZVOUS")
    with local_workers(3, ["-c", TELL, str(tmp_path)]):
        mine = {name: os.environ[name] for name in names}
        while not all((tmp_path / f"{rank}.json").exists() for rank in (1, 2)):
            assert time.monotonic() - started < 30
            time.sleep(0.01)
    assert time.monotonic() - started < 40  # they were to sleep for a minute
    assert dict(os.environ) == before
    assert threads == [2, 7]
    told = [mine, *(json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (1, 2))]
    assert [one["RANK"] for one in told] == [one["LOCAL_RANK"] for one in told] == ["0", "1", "2"]
    same = {name: {one[name] for one in told} for name in names if "RANK" not in name}
    loopback = "lo" if sys.platform == "linux" else "lo0"
    meeting = same.pop("FEATURENERF_RENDEZVOUS")
    assert same == {"WORLD_SIZE": {"3"}, "OMP_NUM_THREADS": {"2"}, "GLOO_SOCKET_IFNAME": {loopback}}
    assert len(meeting) == 1
    assert not Path(meeting.pop()).parent.exists()  # it was temporary


def test_more_processes_than_threads_have_one_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    with local_workers(2, ["-c", ""]):
        assert os.environ["OMP_NUM_THREADS"] == "1"


def test_one_process_starts_no_others_and_a_started_one_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    before = dict(os.environ)
    with local_workers(1, ["-c", "there is no such program"]):
        assert dict(os.environ) == before
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torchrun sets it
    before = dict(os.environ)
    with local_workers(2, ["-c", "there is no such program"]):
        assert dict(os.environ) == before
    assert dict(os.environ) == before


def test_a_run_that_nobody_started_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    processes, device = join_processes(torch.device("cpu"))
    assert processes is ALONE
    assert (processes.rank, processes.size, processes.first) == (0, 1, True)
    assert device == torch.device("cpu")
    assert not dist.is_initialized()


def test_processes_of_one_machine_meet_through_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here there is one of them; it joins once, however often it is asked to."""
    for name, value in {"WORLD_SIZE": "1", "RANK": "0", "FEATURENERF_RENDEZVOUS": str(tmp_path / "rendezvous")}.items():
        monkeypatch.setenv(name, value)
    try:
        for _ in range(2):
            assert join_processes(torch.device("cpu")) == (Processes(0, 1), torch.device("cpu"))
            assert dist.get_backend() == "gloo"
        assert (tmp_path / "rendezvous").exists()
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


@pytest.mark.parametrize(
    ("other", "raised", "said"),
    [
        ("print('featurenerf train: a.png is broken', file=sys.stderr); sys.exit(2)", InputError, "^a.png is broken$"),
        ("sys.exit(3)", RuntimeError, r"ended: it said nothing \(with exit code 3\)"),
        ("sys.exit(0)", RuntimeError, "^another process of this run ended before it began to work$"),
    ],
)
def test_a_process_that_ends_before_it_is_there_is_not_waited_for(
    other: str, raised: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    started = time.monotonic()
    with pytest.raises(raised, match=said), local_workers(2, ["-c", f"import sys; {other}"]):
        join_processes(torch.device("cpu"))
    assert time.monotonic() - started < 60  # gloo itself waits half an hour
    assert not dist.is_initialized()


def test_processes_that_do_not_start_are_waited_for_so_long_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setattr(distributed, "JOIN_SECONDS", 0.2)
    with (
        pytest.raises(InputError, match="the 2 processes of this run did not all start within 0 seconds"),
        local_workers(2, ["-c", "import time; time.sleep(60)"]),
    ):
        join_processes(torch.device("cpu"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"WORLD_SIZE": "2"}, "'RANK'"),
        ({"WORLD_SIZE": "two", "RANK": "0"}, "invalid literal"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "MASTER_ADDR"),
    ],
)
def test_an_environment_that_is_only_half_of_torchruns_is_said(
    given: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=f"did not meet .*{said}.*: WORLD_SIZE is set"):
        join_processes(torch.device("cpu"))


def test_a_parameter_without_a_gradient_stays_without_where_there_is_one_process() -> None:
    parameter = nn.Parameter(torch.ones(2))
    Processes().average_gradients([parameter])
    assert parameter.grad is None


def test_a_process_alone_does_all_of_the_work() -> None:
    things = [torch.ones(2), torch.ones(3)]
    assert [found.tolist() for found in ALONE.each(lambda thing: thing * 3, things)] == [[3, 3], [3, 3, 3]]


class Exchange:
    """Stands for the other process of a run of two: what it sends is given, what this one sends is kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, theirs: torch.Tensor, rank: int = 0) -> None:
        self.theirs, self.rank, self.sent = theirs, rank, list[torch.Tensor]()
        monkeypatch.setattr(dist, "all_reduce", self.all_reduce)
        monkeypatch.setattr(dist, "all_gather", self.all_gather)

    def all_reduce(self, mine: torch.Tensor) -> None:
        self.sent.append(mine.clone())
        mine += self.theirs

    def all_gather(self, everyone: list[torch.Tensor], own: torch.Tensor) -> None:
        self.sent.append(own.clone())
        everyone[self.rank].copy_(own)
        everyone[1 - self.rank].copy_(self.theirs)


def test_gradients_are_sent_together_and_averaged_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    one, none, two = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(2, 2))
    one.grad, two.grad = torch.tensor([1.0, 2.0]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]).T  # columns in memory
    exchange = Exchange(monkeypatch, torch.tensor([3.0, 0, 8, 1, 1, 1, 1]))
    Processes(0, 2).average_gradients([one, none, two])
    assert [sent.tolist() for sent in exchange.sent] == [[1, 2, 0, 1, 2, 3, 4]]
    assert one.grad.tolist() == [2, 1]
    assert none.grad is not None
    assert none.grad.tolist() == [4]
    assert two.grad.tolist() == [[1, 2], [1.5, 2.5]]


def test_the_largest_things_are_dealt_out_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes 1, 4 and 2: this process works on those of 4 and 1, the other on that of 2."""
    things = [torch.full((1,), 1.0), torch.full((2, 2), 2.0), torch.full((2,), 3.0)]
    exchange = Exchange(monkeypatch, torch.tensor([7.0, 8.0, 0, 0, 0]))
    found = Processes(0, 2).each(lambda thing: 10 * thing, things)
    assert [sent.tolist() for sent in exchange.sent] == [[20, 20, 20, 20, 10]]
    assert [thing.tolist() for thing in found] == [[10], [[20, 20], [20, 20]], [7, 8]]


def test_a_process_without_a_share_of_the_work_still_gets_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(monkeypatch, torch.tensor([7.0, 8.0]), rank=1)
    found = Processes(1, 2).each(lambda thing: 10 * thing, [torch.ones(2)])
    assert [sent.tolist() for sent in exchange.sent] == [[0, 0]]
    assert [thing.tolist() for thing in found] == [[7, 8]]


def test_processes_take_what_the_first_one_says(monkeypatch: pytest.MonkeyPatch) -> None:
    sources: list[int] = []

    def broadcast(mine: torch.Tensor, source: int) -> None:
        sources.append(source)
        mine.fill_(1 / 3)

    monkeypatch.setattr(dist, "broadcast", broadcast)
    assert Processes(1, 2).broadcast(5.0, torch.device("cpu")) == 1 / 3  # in double precision
    assert sources == [0]
    assert ALONE.broadcast(5.0, torch.device("cpu")) == 5.0


def test_only_processes_that_are_not_alone_wait_and_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(dist, "barrier", lambda: done.append("waited"))
    monkeypatch.setattr(dist, "destroy_process_group", lambda: done.append("left"))
    ALONE.wait()
    ALONE.shutdown()
    assert done == []
    Processes(0, 2).wait()
    assert done == ["waited"]
    Processes(1, 2).shutdown()
    assert done == ["waited", "left"]


def test_values_are_averaged_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    Exchange(monkeypatch, torch.tensor([3.0, 5.0]))
    values = {"rgb": torch.tensor(1.0, requires_grad=True), "alpha": torch.tensor(2.0, dtype=torch.float64)}
    assert Processes(0, 2).mean(values) == {"rgb": 2.0, "alpha": 3.5}


def test_how_many_processes_train(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainConfig(data="data", category=("chair",), out=Path("run"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert [config.processes_on(cores) for cores in (1, 2, 16)] == [1, 2, 2]
    assert replace(config, device="cuda").processes_on(16) == 1
    assert replace(config, field="paper").processes_on(16) == 1
    assert replace(config, processes=3).processes_on(1) == 3
    monkeypatch.setattr(sys, "platform", "win32")
    assert config.processes_on(16) == 1


@pytest.mark.parametrize(
    ("other", "raised", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", InputError, "was killed, perhaps for want of memory: give fewer"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", RuntimeError, r"ended: it said nothing \(killed by SIGSEGV\)"),
        ("sys.exit(3)", RuntimeError, r"ended: it said nothing \(with exit code 3\)"),
        ("sys.exit(2)", RuntimeError, r"ended: it said nothing \(with exit code 2\)"),
        ("1 / 0", RuntimeError, r"(?s)Traceback .*ZeroDivisionError: division by zero \(with exit code 1\)"),
    ],
)
def test_why_another_process_ended_is_never_left_open(other: str, raised: type[Exception], said: str) -> None:
    with pytest.raises(raised, match=said), local_workers(2, ["-c", f"import os, signal, sys; {other}"]):
        raise RuntimeError("connection closed by peer")
