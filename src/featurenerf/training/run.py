"""The folder of a run: its settings, logs and checkpoint, and the state from which a killed run goes on exactly."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from featurenerf.errors import InputError
from featurenerf.files import (
    cannot_write,
    recover_folder,
    remove_leftovers,
    replace_folder,
    write_atomically,
    write_bytes,
    write_json,
)
from featurenerf.limits import json_file, parsing
from featurenerf.locks import locked
from featurenerf.models import Model, checkpoint
from featurenerf.models.weights import check_finite
from featurenerf.progress import Progress
from featurenerf.runtime import peak_memory_mib
from featurenerf.teachers.projection import Projection
from featurenerf.training.config import LOSS_WEIGHTS, TrainConfig
from featurenerf.training.distributed import Processes
from featurenerf.training.same_data import changes

_MAY_DIFFER = ("resume", "out", "workers", "device", "cache")
_BUDGET = ("steps", "minutes")
_STATES = frozenset({"step", "exp_avg", "exp_avg_sq"}), frozenset({"step", "momentum"})
"""What AdamW and Muon know of a weight."""
METRICS = "metrics.jsonl"
"""The log: one JSON object a line, with "step", "group" (train or val) and the values."""


class Run:
    """The folder of a run: its configuration, checkpoints and logs. One process at a time is in its ``with`` block."""

    def __init__(self, config: TrainConfig, processes: Processes, data: Mapping[str, Any]) -> None:
        """Writes nothing yet. ``data`` is what ``known_data`` says of the run's."""
        self.config, self.folder, self.processes = config, config.out, processes
        self._board: Any = None
        self._held = ExitStack()
        self.checkpoint = self.folder / "checkpoint"
        self.about: dict[str, Any] = {
            "train": {**json.loads(json.dumps(asdict(config), default=str)), "weights": config.loss_weights},
            "budget": asdict(config.budget),
            "processes": processes.size,
        }
        kept = {k: v for k, v in self.about["train"].items() if k not in _MAY_DIFFER}
        preset = {k: v for k, v in self.about["budget"].items() if k not in kept}
        known = json.loads(json.dumps(data))
        self.settings = {**kept, "budget": preset, "processes": processes.size, "known_data": known}

    def __enter__(self) -> Run:
        """Looks at what the folder holds, and, in the first process, puts right what a killed run left there.

        Raises:
            InputError: another process is at it; it holds a run and none is to be resumed, or the other way round; or a
                run with other settings or data.
        """
        with self._writing():
            if self.processes.first:
                self._held.enter_context(locked(self.folder))
            try:
                self._check_settings()
            except InputError:
                self._held.close()
                raise
            if self.processes.first and self.config.resume:
                for folder in (self.folder, self.checkpoint):
                    remove_leftovers(folder)
                for folder in (self.checkpoint, self.folder / "resume"):
                    recover_folder(folder)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._board is not None and (kind is None or issubclass(kind, KeyboardInterrupt)):
            self._board.close()  # (after an error of the disk it would wait for ever)
        self._held.close()

    def start(self, progress: Mapping[str, Any]) -> None:
        """Make the folder, if there is none yet, and open the logs; what they hold beyond ``progress`` is taken out."""
        if not self.processes.first:
            return
        with self._writing():
            write_json(self.folder / "config.json", self.settings, indent=2)
            _truncate_log(self.folder / METRICS, {"train": progress["step"], "val": progress["validated"]})
            with suppress(ImportError):  # it is optional; the plain file is always there
                from torch.utils.tensorboard import SummaryWriter

                self._board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=progress["step"] + 1)

    def restore(self, model: Model, optimizer: torch.optim.Optimizer) -> tuple[dict[str, Any], Projection | None]:
        """Take model, optimiser, progress and projection back from where the run last saved them, if it did."""
        folder = self.folder / "resume"
        if not (self.config.resume and folder.is_dir()):
            return {"step": 0, "seconds": 0.0, "validated": 0}, None
        with parsing(f"{folder} is damaged", "start again in another folder"):
            weights = load_file(folder / "model.safetensors")
            check_finite(weights, folder / "model.safetensors")
            model.load_state_dict(weights)
            state: dict[int, dict[str, Tensor]] = {}
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            for name, value in load_file(folder / "optimizer.safetensors").items():
                index, key = name.split(".")
                like = parameters[int(index)]
                if not value.isfinite().all() or (value.ndim and value.shape != like.shape):
                    raise ValueError(f"{name} of optimizer.safetensors holds NaN, or has another shape")
                if value.ndim:  # as in memory as before, or sums come out otherwise
                    value = torch.empty_like(like, dtype=value.dtype).copy_(value)
                state.setdefault(int(index), {})[key] = value
            if not all(frozenset(kept) in _STATES for kept in state.values()):
                raise ValueError("optimizer.safetensors lacks tensors")
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
            path = folder / checkpoint.TEACHER
            progress = _progress(json_file(folder / "progress.json"))
            return progress, Projection.read(path) if self.config.feature_dim else None

    def save_state(
        self, model: Model, optimizer: torch.optim.Optimizer, progress: Mapping[str, Any], projection: Projection | None
    ) -> None:
        """Write what a resumed run takes back."""
        if not self.processes.first:
            return
        new = self.folder / "resume.new"
        weights = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
        moments = {
            f"{index}.{key}": torch.as_tensor(value).detach().cpu().contiguous()
            for index, entry in optimizer.state_dict()["state"].items()
            for key, value in entry.items()
        }
        with self._writing(new):
            write_atomically(new / "model.safetensors", lambda path: save_file(weights, path))
            write_atomically(new / "optimizer.safetensors", lambda path: save_file(moments, path))
            if projection is not None:
                write_atomically(new / checkpoint.TEACHER, projection.write)
            write_json(new / "progress.json", dict(progress))
            replace_folder(new, self.folder / "resume")

    def save_checkpoint(
        self, model: Model, progress: Mapping[str, Any], scores: Mapping[str, float], projection: Projection | None
    ) -> None:
        """Log what validation gave, and write the checkpoint, whose files appear together."""
        if not self.processes.first:
            return
        self.log("val", progress["step"], scores)
        Progress.write(f"step {progress['step']}: " + ", ".join(f"{k} {v:.4g}" for k, v in scores.items()))
        where = {name: progress[name] for name in ("step", "seconds")}
        about = {**self.about, **where, "peak_memory_mib": peak_memory_mib(), "validation": dict(scores)}
        new = self.folder / "checkpoint.new"
        with self._writing(new):
            checkpoint.write(model, new, about)
            if projection is not None:
                write_atomically(new / checkpoint.TEACHER, projection.write)
            replace_folder(new, self.checkpoint)
            write_json(self.folder / "resume" / "progress.json", dict(progress))

    def log(self, group: str, step: int, values: Mapping[str, float]) -> None:
        """Values of a step, to ``metrics.jsonl`` and, where it is installed, to TensorBoard."""
        if not self.processes.first:
            return
        with self._writing(), (self.folder / METRICS).open("a") as log:
            log.write(json.dumps({"step": step, "group": group, **values}) + "\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{group}/{name}", value, step)

    @contextmanager
    def _writing(self, new: Path | None = None) -> Iterator[None]:
        """Turns an error of the disk into a sentence; the folder ``new`` is made first, and goes with an error."""
        try:
            if new is not None:
                shutil.rmtree(new, ignore_errors=True)
                new.mkdir()
            yield
        except OSError as error:
            if new is not None:
                shutil.rmtree(new, ignore_errors=True)
            raise cannot_write(self.folder, error) from error

    def _check_settings(self) -> None:
        """Refuse a folder that holds a run, to resume what is none, and to go on with other settings or data."""
        path = self.folder / "config.json"
        if not path.is_file():
            if self.config.resume:
                raise InputError(f"there is no run to resume in {self.folder}: start one without resuming")
            return
        if not self.config.resume:
            raise InputError(f"{self.folder} already holds a run: resume it, or give another folder")
        with parsing(f"{path} is damaged", "start again in another folder"):
            before = _completed(json_file(path), self.config.field)
            data = before.pop("known_data", None)
            may_differ = ("known_data", *_BUDGET, *(() if data is None else ("data", "splits")))
            odd = {k for k in {*before, *self.settings} - {*may_differ} if before.get(k) != self.settings.get(k)}
            odd |= self._shortened(before)
            changed = None if data is None else changes(data, self.settings["known_data"])
        advice = "resume with the same, or give another folder"
        if odd:
            raise InputError(f"{path} has other settings than this command ({', '.join(sorted(odd))}): {advice}")
        if changed:
            raise InputError(
                f"{self.config.data} is not the data that {self.folder} was trained on ({changed}): {advice}"
            )

    def _shortened(self, before: Mapping[str, Any]) -> set[str]:
        """Which of steps and minutes are fewer than before, or take the other's place; more of them extend a run."""
        was = replace(self.config, steps=before.get("steps"), minutes=before.get("minutes")).budget
        now = self.config.budget
        if (was.minutes is None) != (now.minutes is None):
            return {name for name in _BUDGET if before.get(name) != self.settings.get(name)}
        if was.minutes is not None and now.minutes is not None:
            return {"minutes"} if now.minutes < was.minutes else set()
        return {"steps"} if now.steps < was.steps else set()


def _progress(saved: dict[str, Any]) -> dict[str, Any]:
    """What ``progress.json`` says, looked at.

    Before there was "validated", a state was saved with a checkpoint only.
    """
    progress = {"validated": saved["step"], **saved}
    whole = all(isinstance(progress[name], int) and progress[name] >= 0 for name in ("step", "validated"))
    times = (progress["seconds"], progress.get("reserve", 0.0))
    if not whole or not all(isinstance(time, (int, float)) and 0 <= time < float("inf") for time in times):
        raise ValueError("progress.json holds no steps and seconds")
    return progress


def _completed(settings: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Settings with those that the version of the run did not know yet: what it did is what the default does."""
    later = ("coordinate", "labels", "coordinate_loss", "encoder", "imagenet", "model", "train_objects")
    defaults = json.loads(json.dumps({f.name: f.default for f in fields(TrainConfig) if f.name in later}))
    return {**defaults, **settings, "weights": {**LOSS_WEIGHTS[field], **settings["weights"]}}


def _truncate_log(path: Path, last: Mapping[str, int]) -> None:
    """Take out of a log what a killed run wrote of later steps than the last of each group."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(errors="replace").splitlines():
        with suppress(ValueError, KeyError, TypeError, RecursionError):  # it was cut short, or is damaged
            values = json.loads(line)
            if values["step"] <= last[values["group"]]:
                kept.append(f"{line}\n")
    write_bytes(path, "".join(kept).encode())
