"""The folder of a run: its settings, logs and checkpoint, and the state from which a killed run goes on exactly."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from featurenerf.errors import InputError, first_line
from featurenerf.files import write_atomically, write_bytes, write_json
from featurenerf.models import Model, checkpoint
from featurenerf.runtime import peak_memory_mib
from featurenerf.teachers.projection import Projection
from featurenerf.training.config import LOSS_WEIGHTS, TrainConfig
from featurenerf.training.distributed import Processes

METRICS = "metrics.jsonl"
"""The log: one JSON object a line, with "step", "group" (train or val) and the values."""


class Run:
    """The folder of a run: its configuration, checkpoints and logs."""

    def __init__(self, config: TrainConfig, processes: Processes) -> None:
        """Looks at what the folder holds, and writes nothing yet; only the first process ever does."""
        self.config, self.folder, self.processes = config, config.out, processes
        self._board: Any = None
        self.checkpoint = self.folder / "checkpoint"
        self.about: dict[str, Any] = {
            "train": {**json.loads(json.dumps(asdict(config), default=str)), "weights": config.loss_weights},
            "budget": asdict(config.budget),
            "processes": processes.size,
        }
        may_differ = ("resume", "out", "workers", "device", "cache")
        kept = {k: v for k, v in self.about["train"].items() if k not in may_differ}
        preset = {k: v for k, v in self.about["budget"].items() if k not in kept}
        self.settings = {**kept, "budget": preset, "processes": processes.size}
        path = self.folder / "config.json"
        if path.is_file():
            if not config.resume:
                raise InputError(f"{self.folder} already holds a run: resume it, or give another folder")
            self._compare(path)
        elif config.resume:
            raise InputError(f"there is no run to resume in {self.folder}: start one without resuming")

    def start(self, step: int) -> None:
        """Make the folder, if there is none yet, and open the logs, from which steps after ``step`` are struck."""
        if not self.processes.first:
            return
        try:
            write_json(self.folder / "config.json", self.settings, indent=2)
            _strike(self.folder / METRICS, step)
            with suppress(ImportError):  # it is optional; the plain file is always there
                from torch.utils.tensorboard import SummaryWriter

                self._board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=step + 1)
        except OSError as error:
            raise InputError(f"{self.folder} cannot be written ({error.strerror}): give another folder") from error

    def restore(self, model: Model, optimizer: torch.optim.Optimizer) -> tuple[dict[str, Any], Projection | None]:
        """Take model, optimiser, progress and projection back from where the run last saved them, if it did."""
        folder = self.folder / "resume"
        if not folder.is_dir():
            folder = self.folder / "resume.old"  # killed between the two renames of ``_save_state``
        if not (self.config.resume and folder.is_dir()):
            return {"step": 0, "seconds": 0.0}, None
        try:
            model.load_state_dict(load_file(folder / "model.safetensors"))
            state: dict[int, dict[str, Tensor]] = {}
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            for name, value in load_file(folder / "optimizer.safetensors").items():
                index, key = name.split(".")
                like = parameters[int(index)]
                if value.shape == like.shape:  # as in memory as before, or sums come out otherwise
                    value = torch.empty_like(like, dtype=value.dtype).copy_(value)
                state.setdefault(int(index), {})[key] = value
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
            progress = json.loads((folder / "progress.json").read_text())
            path = folder / checkpoint.TEACHER
            return progress, Projection.read(path) if self.config.feature_dim else None
        except (OSError, ValueError, LookupError, RuntimeError, SafetensorError) as error:
            raise InputError(f"{folder} is damaged ({first_line(error)}): start again in another folder") from error

    def save(
        self,
        model: Model,
        optimizer: torch.optim.Optimizer,
        progress: dict[str, Any],
        scores: Mapping[str, float],
        projection: Projection | None,
    ) -> None:
        """Log what validation gave, and write the checkpoint and the state that a resumed run takes back."""
        if not self.processes.first:
            return
        self.log("val", progress["step"], scores)
        tqdm.write(f"step {progress['step']}: " + ", ".join(f"{k} {v:.4g}" for k, v in scores.items()))
        about = {**self.about, **progress, "peak_memory_mib": peak_memory_mib(), "validation": dict(scores)}
        checkpoint.save(model, self.checkpoint, about)
        if projection is not None:
            write_atomically(self.checkpoint / checkpoint.TEACHER, projection.write)
        self._save_state(model, optimizer, progress, projection)

    def log(self, group: str, step: int, values: Mapping[str, float]) -> None:
        """Values of a step, to ``metrics.jsonl`` and, where it is installed, to TensorBoard."""
        if not self.processes.first:
            return
        with (self.folder / METRICS).open("a") as log:
            log.write(json.dumps({"step": step, "group": group, **values}) + "\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{group}/{name}", value, step)

    def close(self) -> None:
        if self._board is not None:
            self._board.close()

    def _compare(self, path: Path) -> None:
        """Refuse to resume with other settings than those of ``config.json``."""
        try:
            before = _completed(json.loads(path.read_text()), self.config.field)
            odd = sorted(k for k in {*before, *self.settings} if before.get(k) != self.settings.get(k))
        except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise InputError(f"{path} is damaged ({error}): start again in another folder") from error
        if odd:
            advice = "resume with the same, or give another folder"
            raise InputError(f"{path} has other settings than this command ({', '.join(odd)}): {advice}")

    def _save_state(
        self, model: Model, optimizer: torch.optim.Optimizer, progress: Mapping[str, Any], projection: Projection | None
    ) -> None:
        new, now, old = (self.folder / name for name in ("resume.new", "resume", "resume.old"))
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        save_file({k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}, new / "model.safetensors")
        moments = {
            f"{index}.{key}": torch.as_tensor(value).detach().cpu().contiguous()
            for index, entry in optimizer.state_dict()["state"].items()
            for key, value in entry.items()
        }
        save_file(moments, new / "optimizer.safetensors")
        if projection is not None:
            projection.write(new / checkpoint.TEACHER)
        (new / "progress.json").write_text(json.dumps(dict(progress)))
        if now.is_dir():
            shutil.rmtree(old, ignore_errors=True)
            os.replace(now, old)
        os.replace(new, now)
        shutil.rmtree(old, ignore_errors=True)


def _completed(settings: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Settings with those that the version of the run did not know yet: what it did is what the default does."""
    later = ("coordinate", "labels", "coordinate_loss", "encoder", "imagenet", "model", "train_objects")
    defaults = json.loads(json.dumps({f.name: f.default for f in fields(TrainConfig) if f.name in later}))
    return {**defaults, **settings, "weights": {**LOSS_WEIGHTS[field], **settings["weights"]}}


def _strike(path: Path, step: int) -> None:
    """Take out of a log what a killed run wrote of later steps."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text().splitlines():
        with suppress(ValueError, KeyError, TypeError):  # it was cut short
            if json.loads(line)["step"] <= step:
                kept.append(f"{line}\n")
    write_bytes(path, "".join(kept).encode())
