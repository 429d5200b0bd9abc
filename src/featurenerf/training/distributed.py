"""Training by several processes that average their gradients: a core each on a laptop, a GPU each on a cluster.

Each draws from a share of the objects that is its own, and alone keeps what it computes of them, so N processes take
steps of N times as many objects and together keep no more than one does. ``featurenerf train --processes N``
starts them on one machine, ``torchrun --nnodes M --nproc-per-node N -m featurenerf train ...`` on several.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from featurenerf.errors import InputError, MissingExtraError, first_line

_T = TypeVar("_T")


@dataclass(frozen=True)
class Processes:
    """The processes of a run, and which of them this is."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and shows progress."""
        return self.rank == 0

    def share(self, things: Sequence[_T]) -> Sequence[_T]:
        """Every ``size``-th of them, from this process's rank on; all of them where there are too few to share."""
        return things[self.rank :: self.size] if len(things) >= self.size else things

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give every process the mean of their gradients."""
        if self.size == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        together = torch.cat([in_memory_order(gradient).flatten() for gradient in gradients])
        dist.all_reduce(together)
        together /= self.size
        for gradient, mean in zip(gradients, together.split([g.numel() for g in gradients]), strict=True):
            ordered = in_memory_order(gradient)
            ordered.copy_(mean.view_as(ordered))

    def each(self, work: Callable[[Tensor], Tensor], things: Sequence[Tensor]) -> list[Tensor]:
        """What ``work``, which keeps shape and type, makes of each of them: every process does a share, all get all."""
        if self.size == 1:
            return [work(thing) for thing in things]
        order = sorted(range(len(things)), key=lambda index: -things[index].numel())
        shares = [order[rank :: self.size] for rank in range(self.size)]
        lengths = [sum(things[index].numel() for index in share) for share in shares]
        everyone = list(things[0].new_empty(self.size, max(lengths)))
        own = torch.zeros_like(everyone[0])
        if shares[self.rank]:
            torch.cat([work(things[i]).flatten() for i in shares[self.rank]], out=own[: lengths[self.rank]])
        dist.all_gather(everyone, own)
        found = list(things)
        for share, length, sent in zip(shares, lengths, everyone, strict=True):
            parts = sent[:length].split([things[index].numel() for index in share])
            for index, part in zip(share, parts, strict=True):
                found[index] = part.view_as(things[index])
        return found

    def broadcast(self, value: float, device: torch.device) -> float:
        """The first process's value."""
        if self.size == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=device)
        dist.broadcast(shared, 0)
        return float(shared)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def shutdown(self) -> None:
        """At the end of the run."""
        if self.size > 1:
            dist.destroy_process_group()

    def mean(self, values: dict[str, Tensor]) -> dict[str, float]:
        """The mean of each value over the processes."""
        together = torch.stack([value.detach().float() for value in values.values()])
        if self.size > 1:
            dist.all_reduce(together)
        return dict(zip(values, (together / self.size).tolist(), strict=True))


def in_memory_order(tensor: Tensor, like: Tensor | None = None, start: int = 0) -> Tensor:
    """A view whose axes from ``start`` on are ordered as those of ``like``, or its own, lie in memory.

    Nothing is moved when it is made flat, where channels come last either.
    """
    strides = (tensor if like is None else like).stride()
    return tensor.permute(*range(start), *sorted(range(start, tensor.ndim), key=lambda axis: -strides[axis]))


ALONE = Processes()
"""The one process of a run that has no others."""

_RENDEZVOUS = "FEATURENERF_RENDEZVOUS"
"""Environment variable: the file through which processes of one machine find each other."""
_ENDED = ".ended"
"""What that file's name has after it for the mark of a process that has ended."""
JOIN_SECONDS = 300.0
"""How long processes of one machine wait for each other at the start."""


@contextmanager
def local_workers(count: int, arguments: Sequence[str]) -> Iterator[None]:
    """While this process works, ``count - 1`` others do too: ``python ARGUMENTS``, silent, sharing the cores with it.

    They meet through a file and talk over the loopback interface: nothing listens to the network. A process that
    torchrun started, or this, starts none.

    Raises:
        InputError: when one of them met something wrong in what the user gave, such as a broken file of its share.
        RuntimeError: when one of them ends early otherwise; its last lines are in the message.
    """
    if count == 1 or "WORLD_SIZE" in os.environ:
        yield
        return
    threads, before = torch.get_num_threads(), dict(os.environ)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # its last reader may still write
        share = str(max(1, threads // count))
        shared = {"WORLD_SIZE": str(count), "OMP_NUM_THREADS": share, _RENDEZVOUS: str(Path(folder) / "rendezvous")}
        shared["GLOO_SOCKET_IFNAME"] = "lo" if sys.platform == "linux" else "lo0"
        os.environ.update(shared, RANK="0", LOCAL_RANK="0")
        torch.set_num_threads(int(share))
        others, logs = [], [Path(folder) / f"{rank}.log" for rank in range(1, count)]
        for rank, log in enumerate(logs, 1):
            with log.open("w") as file:
                own = {**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank)}
                command = [sys.executable, *arguments]
                others.append(subprocess.Popen(command, env=own, stdout=subprocess.DEVNULL, stderr=file))
            Thread(target=_mark_end, args=(others[-1], Path(f"{shared[_RENDEZVOUS]}{_ENDED}")), daemon=True).start()
        try:
            yield
        except (InputError, MissingExtraError):  # which they met too
            raise
        except Exception as error:
            for log, other in zip(logs, others, strict=True):
                with suppress(subprocess.TimeoutExpired):  # it goes on: the error is this process's own
                    other.wait(5)
                if other.returncode:
                    raise _why(other.returncode, log.read_text(errors="replace").strip()) from error
            raise
        finally:
            os.environ.clear()
            os.environ.update(before)
            torch.set_num_threads(threads)
            for other in others:
                other.terminate()
                other.wait()
            if dist.is_initialized():  # an error kept the run from leaving it
                dist.destroy_process_group()


def _why(code: int, said: str) -> Exception:
    """What ended another process: its exit code, and what it wrote to the standard error."""
    if code == 2 and said:
        return InputError(said.rpartition("featurenerf train: ")[2])
    name = signal.Signals(-code).name if -code in {*signal.Signals} else ""
    if name == "SIGKILL":
        return InputError(
            "another process of this run was killed, perhaps for want of memory: give fewer processes, or resume the "
            "run where there is more"
        )
    how = f"killed by {name}" if name else f"with exit code {code}"
    return RuntimeError(f"another process of this run ended: {said[-2000:] or 'it said nothing'} ({how})")


def join_processes(device: torch.device) -> tuple[Processes, torch.device]:
    """The processes that torchrun or ``local_workers`` made of this run, and this one's device; else it is alone.

    Raises:
        InputError: they do not all start, or the environment does not say how they meet.
        RuntimeError: another one ended before it was there.
    """
    if "WORLD_SIZE" not in os.environ:
        return ALONE, device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        rendezvous, backend = os.environ.get(_RENDEZVOUS), "nccl" if device.type == "cuda" else "gloo"
        try:
            rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
            if not rendezvous:
                dist.init_process_group(backend, init_method="env://", rank=rank, world_size=size)
        except (KeyError, ValueError, dist.DistError) as error:
            raise InputError(
                f"the processes of this run did not meet ({first_line(error)}): WORLD_SIZE is set, so torchrun is "
                "expected to have started all of them; unset it for a run of one process"
            ) from error
        if rendezvous:
            dist.init_process_group(backend, store=_met(rendezvous, rank, size), rank=rank, world_size=size)
    return Processes(dist.get_rank(), dist.get_world_size()), device


def _met(rendezvous: str, rank: int, size: int) -> Any:
    """What the processes of one machine find each other through, once all of them are there.

    Raises:
        RuntimeError: one has ended before it was there.
        InputError: they are not there in time.
    """
    store: Any = dist.FileStore(rendezvous, size)  # type: ignore[attr-defined]  # torch does not say that it exports it
    names = [f"here {other}" for other in range(size)]
    store.set(names[rank], "")
    last = time.monotonic() + JOIN_SECONDS
    while not store.check(names):
        if Path(f"{rendezvous}{_ENDED}").exists():
            raise RuntimeError("another process of this run ended before it began to work")
        if time.monotonic() > last:
            raise InputError(
                f"the {size} processes of this run did not all start within {JOIN_SECONDS:.0f} seconds: give fewer, or "
                "try again when the machine has less to do"
            )
        time.sleep(0.05)
    return store


def _mark_end(process: subprocess.Popen[bytes], mark: Path) -> None:
    """Wait for a process's end, and leave a mark for those that wait for it."""
    process.wait()
    with suppress(OSError):  # the run has ended too, and its folder is gone
        mark.touch()
