"""The training loop: batches -> fields -> rays -> losses, with checkpoints that resume exactly."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from featurenerf import checkpoint
from featurenerf.backbone import imagenet_weights
from featurenerf.data.layout import category_name
from featurenerf.data.views import ObjectViews, open_dataset
from featurenerf.devices import has_bfloat16, usable_device
from featurenerf.errors import InputError, MissingExtraError, first_line
from featurenerf.evaluation.report import peak_memory_mib
from featurenerf.fields import FastConfig, FastModel, Model, PaperConfig, PaperModel
from featurenerf.outputs import write_atomically
from featurenerf.teachers import canonical, load_teacher, with_prompt
from featurenerf.training.batches import Batch, batches, make_batch, to_device
from featurenerf.training.config import Budget, TrainConfig
from featurenerf.training.correspondence import correspondence_loss, correspondences
from featurenerf.training.losses import hull_loss, place_loss, ray_losses, weighted
from featurenerf.training.muon import muon_for
from featurenerf.training.processes import ALONE, Processes, join_processes
from featurenerf.training.targets import Projection, TeacherTargets, fit_projection, fit_semantics, open_cache

CHANNELS = ("rgb", "feature", "coordinate", "descriptor")
VALIDATION_BATCHES = 8
SAVE_SECONDS = 300.0
"""Where steps are slow, a run validates and saves when so much time has passed."""


def train(config: TrainConfig) -> Path:
    """Train a model; returns the folder of its checkpoint.

    Raises:
        InputError: when the data set, the teacher or the run's folder do not fit the configuration.
    """
    processes, device = join_processes(usable_device(config.device))
    budget = config.budget
    objects = _objects(config, "train")
    validation = _objects(config, "val")
    run = Run(config, processes)
    processes.wait()  # until all have looked at the folder
    named = with_prompt(config.teacher, [category_name(name) for name in config.category])
    teacher = load_teacher(named).to(device)
    model = new_model(config).to(device)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer: torch.optim.Optimizer
    if budget.optimizer == "muon":
        optimizer = muon_for(model, budget.learning_rate, processes)
    else:
        optimizer = torch.optim.AdamW(trained, lr=budget.learning_rate, weight_decay=1e-4, fused=True)
    progress, projection = run.last_state(model, optimizer)
    run.about["teacher"] = {"name": canonical(named), "weights": teacher.fingerprint()}
    if projection is None and config.start_from is not None:
        projection = known_projection(config.start_from, run.about["teacher"])
    cache = None
    if config.cache is not None:
        cache, projection = open_cache(config.cache, teacher, objects, config.feature_dim, budget.bf16, projection)
    if projection is None:
        projection = fit_projection(teacher, objects, config.feature_dim)
    if isinstance(model, FastModel) and config.start_from is None and progress["step"] == 0:
        fit_semantics(model.net, objects)
    run.start(progress["step"])
    if processes.first and budget.bf16 and not has_bfloat16(device):
        tqdm.write("this device has no bfloat16: in float32 a step takes about four times as long, give more --minutes")
    targets = TeacherTargets(teacher, projection, device, budget.bf16, cache)
    held_out = TeacherTargets(teacher, projection, device, budget.bf16, cache)
    run.about["teacher_variance_explained"] = round(projection.explained, 4)

    total = budget.steps if budget.minutes is None else None
    with tqdm(
        total=total,
        initial=progress["step"],
        desc="train",
        unit="step",
        dynamic_ncols=True,
        disable=not processes.first,
    ) as bar:
        offset = _offset(model)
        stream = batches(
            processes.share(objects), budget, config.seed, progress["step"], config.workers, offset, processes.rank
        )
        started, saved = time.monotonic() - progress["seconds"], progress["seconds"]
        now = processes.agree(time.monotonic() - started, device)
        while (done := _done(budget, progress["step"], now)) < 1:
            step = progress["step"]
            for group in optimizer.param_groups:
                group["lr"] = budget.learning_rate * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * _cosine(done))
            batch = to_device(next(stream), device)
            model.train()
            losses = step_losses(model, batch, targets, budget, config.seed + step * processes.size + processes.rank)
            loss = weighted(losses, config.loss_weights)
            if not torch.isfinite(loss):
                terms = ", ".join(f"{name} {value.detach():.4g}" for name, value in losses.items())
                raise RuntimeError(f"the loss is not finite at step {step}: {terms}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            processes.average_gradients(trained)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            progress.update(step=step + 1, seconds=time.monotonic() - started)
            values = processes.mean({**losses, "loss": loss})
            psnr = _psnr(model, values["rgb"])
            run.log("train", step + 1, {**values, "psnr": psnr})
            bar.update()
            rays = (step + 1) * processes.size * budget.objects * budget.source_views * budget.rays
            speed, left = rays / progress["seconds"], _minutes_left(budget, progress)
            bar.set_postfix_str(f"loss {values['loss']:.3f}, psnr {psnr:.1f}, {speed:.0f} rays/s, {left}")
            if (step + 1) % budget.validate_every == 0 or now - saved > SAVE_SECONDS:
                saved = now
                run.validate_and_save(model, optimizer, progress, validation, held_out, projection)
            now = processes.agree(time.monotonic() - started, device)
    run.validate_and_save(model, optimizer, progress, validation, held_out, projection)
    if cache is not None:
        cache.flush()
    run.close()
    processes.leave()
    return run.checkpoint


def new_model(config: TrainConfig) -> Model:
    """The model of a configuration: with random weights drawn from its seed, or those of a checkpoint.

    Raises:
        InputError: when the checkpoint is of another field or feature dimension.
    """
    torch.manual_seed(config.seed)
    if config.start_from is not None:
        model = checkpoint.load(config.start_from)
        found = (model.name, model.config.feature_dim)
        if found != (config.field, config.feature_dim):
            raise InputError(
                f"--start-from {config.start_from} is a {found[0]} field with features of {found[1]} numbers: give "
                f"--field {found[0]} --feature-dim {found[1]}"
            )
        if isinstance(model, FastModel) and model.config.symmetric != config.symmetric:
            asked = "--symmetric" if model.config.symmetric else "--no-symmetric"
            raise InputError(f"--start-from {config.start_from} was trained with {asked}: give that here, too")
        return model
    if config.field == "fast":
        model = FastModel(FastConfig(feature_dim=config.feature_dim, symmetric=config.symmetric))
        model.net.backbone.load_state_dict(imagenet_weights())
        return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    return PaperModel(PaperConfig(feature_dim=config.feature_dim))


def known_projection(name: str, teacher: Mapping[str, str]) -> Projection | None:
    """That of the features which a checkpoint tells, so that they go on to mean the same; None if of another teacher.

    Raises:
        InputError: when its file is missing or damaged.
    """
    folder = checkpoint.directory_of(name)
    return Projection.of_checkpoint(folder) if checkpoint.read_config(folder).get("teacher") == teacher else None


def step_losses(
    model: Model, batch: Batch, targets: TeacherTargets, budget: Budget, seed: int, jitter: bool = True
) -> dict[str, Tensor]:
    """Unweighted losses of a batch: every source picture becomes a field, every field sees its object's rays."""
    o, v = batch.pictures.shape[:2]
    feature, present = targets.of(batch)
    device = batch.pictures.device
    with torch.autocast(device.type, torch.bfloat16, enabled=budget.bf16 and has_bfloat16(device)):
        field = model.encode_batch(batch.pictures.flatten(0, 1).unsqueeze(1), batch.cameras.reshape(o * v, 1))
        shaded = field.sampling.shaded and budget.shaded_samples
        field = replace(field, sampling=replace(field.sampling, shaded=shaded, skip_below=0.0))  # all rays are wanted
        origins, directions, rgb, alpha, feature, present = (
            t.repeat_interleave(v, 0)
            for t in (batch.origins, batch.directions, batch.rgb, batch.alpha, feature, present)
        )
        generator = torch.Generator(device).manual_seed(seed)
        near, far = batch.cameras.near, batch.cameras.far
        seen = field.render_rays(origins, directions, near, far, CHANNELS, jitter=jitter, generator=generator)
        points = batch.hull_points.repeat_interleave(v, 0)
        density = field.query(points, points, channels=("density",)).density if budget.hull_points else None
    losses = ray_losses(seen, origins, directions, rgb, alpha, feature, present)
    if density is not None:
        losses["hull"] = hull_loss(density, batch.in_hull.repeat_interleave(v, 0))
    if v > 1:
        # what corresponds is no reason to move a surface: the weights are not trained by it
        samples = seen.samples["descriptor"]
        descriptors = torch.einsum("brs,brsc->brc", seen.weights.detach().to(samples.dtype), samples).float()
        descriptors = descriptors.unflatten(0, (o, v))
        met = present[::v] * batch.met
        pairs = correspondences(batch.places, feature[::v], met)
        if isinstance(model, FastModel):
            own = model.config.own_dim
            whole = torch.cat([descriptors[..., :own].detach(), descriptors[..., own:]], -1)
            losses["semantics"] = correspondence_loss(whole, [pair.of_first(64) for pair in pairs])
            descriptors = descriptors[..., :own]
            losses["place"] = place_loss(model.head.to_place(descriptors), batch.places, met)
        losses["correspondence"] = correspondence_loss(descriptors, pairs)
    return losses


class Run:
    """The folder of a run: its configuration, checkpoints and logs."""

    def __init__(self, config: TrainConfig, processes: Processes) -> None:
        """Looks at what the folder holds, and writes nothing yet; only the first process ever does."""
        self.config, self.folder, self.processes = config, config.out, processes
        self.checkpoint = self.folder / "checkpoint"
        self.about: dict[str, Any] = {
            "train": {**_plain(config), "weights": config.loss_weights},
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
                raise InputError(
                    f"{self.folder} already holds a run: add --resume to go on with it, or give another --out"
                )
            self._compare(path)
        elif config.resume:
            raise InputError(f"there is no run to resume in {self.folder}: leave --resume out to start one")
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError("tensorboard", "train") from error
        self._new_writer = SummaryWriter

    def start(self, step: int) -> None:
        """Make the folder, if there is none yet, and open the log, from which steps after ``step`` are struck."""
        if not self.processes.first:
            return
        path = self.folder / "config.json"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, lambda p: p.write_text(json.dumps(self.settings, indent=2) + "\n"))
            self.writer = self._new_writer(str(self.folder / "tensorboard"), purge_step=step + 1)
        except OSError as error:
            raise InputError(f"{self.folder} cannot be written ({error.strerror}): give another --out") from error

    def last_state(self, model: Model, optimizer: torch.optim.Optimizer) -> tuple[dict[str, Any], Projection | None]:
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
            return progress, Projection.read(folder / checkpoint.TEACHER)
        except (OSError, ValueError, LookupError, RuntimeError, SafetensorError) as error:
            raise InputError(f"{folder} is damaged ({first_line(error)}): start again, with another --out") from error

    def validate_and_save(
        self,
        model: Model,
        optimizer: torch.optim.Optimizer,
        progress: dict[str, Any],
        validation: list[ObjectViews],
        targets: TeacherTargets,
        projection: Projection,
    ) -> None:
        scores = validate(model, validation, targets, self.config.budget, self.processes)
        if not self.processes.first:
            return
        self.log("val", progress["step"], scores)
        tqdm.write(f"step {progress['step']}: " + ", ".join(f"{k} {v:.4g}" for k, v in scores.items()))
        about = {**self.about, **progress, "peak_memory_mib": peak_memory_mib(), "validation": scores}
        checkpoint.save(model, self.checkpoint, about)
        write_atomically(self.checkpoint / checkpoint.TEACHER, projection.write)
        self._save_state(model, optimizer, progress, projection)

    def log(self, group: str, step: int, values: Mapping[str, float]) -> None:
        if not self.processes.first:
            return
        for name, value in values.items():
            self.writer.add_scalar(f"{group}/{name}", value, step)

    def close(self) -> None:
        if self.processes.first:
            self.writer.close()

    def _compare(self, path: Path) -> None:
        """Refuse to resume with other settings than those of ``config.json``."""
        try:
            before = json.loads(path.read_text())
            odd = sorted(k for k in {*before, *self.settings} if before.get(k) != self.settings.get(k))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is damaged ({error}): start again, with another --out") from error
        if odd:
            raise InputError(
                f"{path} has other settings than this command ({', '.join(odd)}): "
                "resume with the same, or give another --out"
            )

    def _save_state(
        self, model: Model, optimizer: torch.optim.Optimizer, progress: Mapping[str, Any], projection: Projection
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
        projection.write(new / checkpoint.TEACHER)
        (new / "progress.json").write_text(json.dumps(dict(progress)))
        if now.is_dir():
            shutil.rmtree(old, ignore_errors=True)
            os.replace(now, old)
        os.replace(new, now)
        shutil.rmtree(old, ignore_errors=True)


@torch.no_grad()
def validate(
    model: Model, objects: list[ObjectViews], targets: TeacherTargets, budget: Budget, processes: Processes = ALONE
) -> dict[str, float]:
    """Losses and PSNR on fixed rays of validation objects, without jitter; every process does a share."""
    model.eval()
    numbers = processes.share(range(VALIDATION_BATCHES))
    part = 1 / VALIDATION_BATCHES if len(numbers) == VALIDATION_BATCHES else processes.size / VALIDATION_BATCHES
    sums: dict[str, Tensor] = {}
    for number in numbers:
        synset = objects[number * len(objects) // VALIDATION_BATCHES].synset
        batch = make_batch(objects, budget, np.random.default_rng([7, number]), _offset(model), synset)
        losses = step_losses(model, to_device(batch, model.device), targets, budget, seed=0, jitter=False)
        for name, value in losses.items():
            sums[name] = sums.get(name, value.new_zeros(())) + value * part
    means = processes.mean(sums)
    return {**means, "psnr": _psnr(model, means["rgb"])}


def _objects(config: TrainConfig, split: str) -> list[ObjectViews]:
    return [
        views
        for name in config.category
        for views in open_dataset(config.data, name, split, config.splits, skip_broken=config.skip_broken)
    ]


def _psnr(model: Model, loss: float) -> float:
    """Of the colour loss; the paper field's is the sum of a coarse and a fine pass."""
    return -10 * math.log10(max(loss / (2 if model.name == "paper" else 1), 1e-10))


def _offset(model: Model) -> float:
    return 0.0 if getattr(model.config, "convention", "centre") == "authors" else 0.5


def _done(budget: Budget, step: int, seconds: float) -> float:
    return step / budget.steps if budget.minutes is None else seconds / 60 / budget.minutes


def _cosine(done: float) -> float:
    return 0.5 + 0.5 * math.cos(math.pi * done)


def _minutes_left(budget: Budget, progress: Mapping[str, Any]) -> str:
    if budget.minutes is None:
        left = progress["seconds"] / max(progress["step"], 1) * (budget.steps - progress["step"]) / 60
    else:
        left = budget.minutes - progress["seconds"] / 60
    return f"{max(left, 0):.1f} min left"


def _plain(config: TrainConfig) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(config), default=str))
