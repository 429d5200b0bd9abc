"""Training by several processes that average their gradients: a core each on a laptop, a GPU each on a cluster.

Each draws objects of its own, so N processes take steps of N times as many objects. ``featurenerf train --processes N``
starts them on one machine, ``torchrun --nnodes M --nproc-per-node N -m featurenerf train ...`` on several.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Processes:
    """The processes of a run, seen from one of them."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and shows progress."""
        return self.rank == 0

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give every process the mean of their gradients."""
        if self.size == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        together = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(together)
        together /= self.size
        for gradient, mean in zip(gradients, together.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def agree(self, value: float, device: torch.device) -> float:
        """What the first process says."""
        if self.size == 1:
            return value
        said = torch.tensor(value, dtype=torch.float64, device=device)
        dist.broadcast(said, 0)
        return float(said)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def leave(self) -> None:
        """At the end of the run."""
        if self.size > 1:
            dist.destroy_process_group()

    def mean(self, values: dict[str, Tensor]) -> dict[str, float]:
        """The mean of each value over the processes."""
        together = torch.stack([value.detach().float() for value in values.values()])
        if self.size > 1:
            dist.all_reduce(together)
        return dict(zip(values, (together / self.size).tolist(), strict=True))


@contextmanager
def companions(count: int, arguments: Sequence[str]) -> Iterator[None]:
    """While this process works, ``count - 1`` others do too: ``python ARGUMENTS``, silent, sharing the cores with it.

    They are told of each other as torchrun would tell them; one that torchrun started, or this, starts none.
    """
    if count == 1 or "WORLD_SIZE" in os.environ:
        yield
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    threads = max(1, torch.get_num_threads() // count)
    before = dict(os.environ)
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": count, "OMP_NUM_THREADS": threads}
    os.environ.update({name: str(value) for name, value in told.items()}, RANK="0", LOCAL_RANK="0")
    others = [
        subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for rank in range(1, count)
    ]
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        for other in others:
            other.terminate()
            other.wait()


def join_processes(device: torch.device) -> tuple[Processes, torch.device]:
    """The processes that torchrun has started together with this one, and this one's device; else it is alone."""
    if "WORLD_SIZE" not in os.environ:
        return Processes(), device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Processes(dist.get_rank(), dist.get_world_size()), device
