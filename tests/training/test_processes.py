"""Several processes: one mean gradient, one writer, the same weights everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn

from featurenerf.cli.train import main
from featurenerf.errors import InputError, MissingExtraError
from featurenerf.teachers import Teacher
from featurenerf.training import loop
from featurenerf.training.config import TrainConfig
from featurenerf.training.processes import Processes, companions

WORKER = """
import sys
import torch
from torch import nn
from featurenerf.training.processes import join_processes

processes, device = join_processes(torch.device("cpu"))
torch.manual_seed(0)
layer = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
unused = nn.Parameter(torch.zeros(2))
layer(torch.full((1, 3, 8, 8), 1.0 + processes.rank)).sum().backward()
processes.average_gradients([*layer.parameters(), unused])
said = processes.agree(0.25 + processes.rank, device)
worked = []
doubled = processes.each(lambda x: worked.append(len(x)) or 2 * x, [torch.ones(n, 2) for n in (1, 4, 3, 2)])
mean = processes.mean({"loss": torch.tensor(float(processes.rank))})
processes.wait()
torch.save({"grad": layer.weight.grad, "unused": unused.grad, "said": said, "mean": mean["loss"],
            "worked": worked, "doubled": doubled,
            "first": processes.first, "size": processes.size}, f"{sys.argv[1]}/{processes.rank}.pt")
processes.leave()
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

    monkeypatch.setattr(loop, "load_teacher", no_teacher)
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
    assert alone.agree(0.5, torch.device("cpu")) == 0.5
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
    with pytest.raises(raised, match=said), companions(2, ["-c", other]):
        raise mine
    assert dict(os.environ) == before


def test_how_many_processes_train(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainConfig(data="data", category=("chair",), out=Path("run"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert [config.processes_on(cores) for cores in (1, 2, 16)] == [1, 2, 2]
    assert replace(config, device="cuda").processes_on(16) == 1
    assert replace(config, field="paper").processes_on(16) == 1
    assert replace(config, processes=3).processes_on(1) == 3
    monkeypatch.setattr(sys, "platform", "win32")
    assert config.processes_on(16) == 1
