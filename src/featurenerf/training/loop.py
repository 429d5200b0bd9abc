"""The training loop: batches -> fields -> rays -> losses, with checkpoints that resume exactly."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from signal import SIGTERM
from typing import Any

import numpy as np
import torch
from torch import Tensor

from featurenerf.categories import category_name
from featurenerf.data.check import check_cameras
from featurenerf.data.objects import ObjectViews, part_names
from featurenerf.data.open import open_dataset
from featurenerf.errors import InputError
from featurenerf.models import MODELS, Model, checkpoint
from featurenerf.models.settings import changed_settings
from featurenerf.progress import Progress
from featurenerf.runtime import has_bfloat16, usable_device
from featurenerf.training.batches import Batch, Drawing, batches, make_batch, to_device
from featurenerf.training.config import Budget, CoordinateLoss, TrainConfig
from featurenerf.training.correspondence import correspondence_loss, correspondences
from featurenerf.training.distributed import ALONE, Processes, join_processes
from featurenerf.training.interrupt import Interrupts, Stopped
from featurenerf.training.losses import hull_loss, ray_losses, weighted
from featurenerf.training.optimizer import new_optimizer
from featurenerf.training.run import Run
from featurenerf.training.same_data import known_data
from featurenerf.training.targets import FIT_PICTURES, Targets, open_targets, training_pictures

VALIDATION_BATCHES = 8
FORWARD_SHARE = 0.6
"""Of the time of a training step, what a batch of validation takes, about."""
SAVE_SECONDS = 300.0
"""Where steps are slow, a run validates and saves when so much time has passed."""


def train(config: TrainConfig) -> Path:
    """Train a model; returns the folder of its checkpoint.

    Raises:
        InputError: when the data set, the teacher or the run's folder do not fit the configuration, another process
            writes the folder, or its disk is full.
        Stopped: after SIGINT or SIGTERM, once the step is done and saved.
    """
    started = time.monotonic()
    processes, device = join_processes(usable_device(config.device))
    budget = config.budget
    objects, validation = dataset_objects(config, "train"), dataset_objects(config, "val")
    odd = check_cameras(objects)
    data = known_data(objects, validation, budget.views, labels=config.labels)
    if data["opaque"] and budget.hull_points:
        raise InputError(
            f"the pictures of {config.data} that were looked at are opaque everywhere: training the {config.field} "
            "field needs the object's mask in their alpha, see docs/data.md"
        )
    with Run(config, processes, data) as run:
        processes.wait()  # until all have looked at the folder
        for problem in odd if processes.first else ():
            Progress.write(f"{problem}; the run goes on with it")
        _train(config, run, objects, validation, started, device)
        processes.shutdown()
    return run.checkpoint


def _train(
    config: TrainConfig,
    run: Run,
    objects: Sequence[ObjectViews],
    validation: Sequence[ObjectViews],
    started: float,
    device: torch.device,
) -> None:
    processes, budget = run.processes, config.budget
    model = new_model(config, objects).to(device)
    optimizer = new_optimizer(model, budget, processes)
    progress, projection = run.restore(model, optimizer)
    targets = open_targets(config, objects, device, projection, progress=processes.first)
    if config.start_from is None and progress["step"] == 0:
        shown = Progress(
            training_pictures(objects), "initialising", FIT_PICTURES, leave=False, disable=not processes.first
        )
        model.initialise(iter(shown), imagenet=config.imagenet)
    run.about.update(targets.about)
    run.start(progress)
    if processes.first and budget.bf16 and not has_bfloat16(device):
        Progress.write("this device has no bfloat16: in float32 a step takes four times as long, give more minutes")
    clock = Clock(budget, progress, processes, device, started)
    drawing = Drawing(budget, model.pixel_offset, labelled="label" in model.channels, photographic=config.photographic)
    stream = batches(processes.share(objects), drawing, config.seed, clock.step, config.workers, processes.rank)
    trained = [p for p in model.parameters() if p.requires_grad]
    held_out = targets.of_other_objects()

    with progress_bar(budget, clock.step, processes) as bar, Interrupts() as interrupts:

        def save_and_validate() -> None:
            run.save_state(model, optimizer, progress, targets.projection)
            interrupts.safe = clock.step, run.folder  # from here on nothing is lost
            if interrupts.received:
                raise Stopped(interrupts.received, *interrupts.safe)
            bar.set_description("validating and saving")
            with clock.validating():
                scores = validate(model, validation, held_out, drawing, processes)
            run.save_checkpoint(model, progress, scores, targets.projection)
            bar.set_description("train")
            interrupts.safe = None

        while clock.done < 1 or clock.step == 0:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(budget, clock.step, clock.done)
            batch = to_device(next(stream), device)
            model.train()
            seed = config.seed + clock.step * processes.size + processes.rank
            losses = step_losses(model, batch, targets, budget, seed=seed, coordinate_loss=config.coordinate_loss)
            loss = weighted(losses, config.loss_weights)
            if not torch.isfinite(loss):
                terms = ", ".join(f"{name} {value.detach():.4g}" for name, value in losses.items())
                raise RuntimeError(f"the loss is not finite at step {clock.step}: {terms}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            processes.average_gradients(trained)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            clock.count()
            stopping = loss.new_tensor(float(interrupts.received > 0))  # of any process: all of them stop at one step
            values = processes.mean({**losses, "loss": loss, "stop": stopping})
            stop = values.pop("stop") > 0
            values["psnr"] = psnr(model, values["rgb"])
            run.log("train", clock.step, values)
            bar.update()
            bar.set_postfix_str(f"loss {values['loss']:.3f}, psnr {values['psnr']:.1f}, {clock.speed}")
            if stop:
                run.save_state(model, optimizer, progress, targets.projection)
                targets.close()
                raise Stopped(interrupts.received or SIGTERM, clock.step, run.folder)
            if clock.step % budget.validate_every == 0 or clock.since_saved > SAVE_SECONDS:
                clock.saved()
                save_and_validate()
            clock.tick()
        if progress["validated"] != clock.step:
            save_and_validate()
    targets.close()


def dataset_objects(config: TrainConfig, split: str) -> list[ObjectViews]:
    """The objects of all categories of a run."""
    most = config.train_objects if split == "train" else None
    opened = (
        open_dataset(config.data, c, split, config.splits, skip_broken=config.skip_broken) for c in config.category
    )
    return [views for dataset in opened for views in dataset[:most]]


def new_model(config: TrainConfig, objects: Sequence[ObjectViews]) -> Model:
    """The model of a configuration: with random weights drawn from its seed, or those of a checkpoint.

    Raises:
        InputError: when the checkpoint's model has other settings.
    """
    torch.manual_seed(config.seed)
    model_type = MODELS[config.field]
    labels = part_names(objects) if config.labels else ()
    asked = {name: getattr(config, name) for name in ("feature_dim", "symmetric", "coordinate")} | {"labels": labels}
    settings = {field.name: asked[field.name] for field in fields(model_type.config_type) if field.name in asked}
    settings |= {**_encoder(config, model_type), **changed_settings(model_type.config_type, config.model)}
    if not config.coordinate and "coordinate" not in settings:
        raise InputError(f"the {config.field} field always predicts coordinates: leave coordinate on")
    symmetry = "mirror" if settings.get("symmetric") else "none"
    categories = {category_name(name): symmetry for name in config.category}
    if config.start_from is None:
        model = model_type(model_type.config_type(**settings, categories=categories))
        return model.to(memory_format=model.memory_format)  # type: ignore[call-overload]  # torch's stubs lack it
    model = checkpoint.load(config.start_from).requires_grad_()
    if model.name != config.field:
        raise InputError(f"{config.start_from} is a {model.name} field, not a {config.field} one: give that field")
    if labels and not model.config.labels:
        model = with_labels(model, labels)
    odd = [name for name, value in settings.items() if getattr(model.config, name) != value]
    if odd:
        found = ", ".join(f"{name} {getattr(model.config, name)}" for name in odd)
        raise InputError(f"the model of {config.start_from} has {found}: train with the same")
    if not categories.keys() <= model.config.categories.keys():
        model.recogniser = None  # it would refuse the new ones
    model.config = replace(model.config, categories={**model.config.categories, **categories})
    return model


def with_labels(model: Model, labels: tuple[str, ...]) -> Model:
    """The same weights, and new ones for a channel "label": they are the last rows of the outputs, or a layer."""
    other = type(model)(replace(model.config, labels=labels))
    weights = other.state_dict()
    for name, value in model.state_dict().items():
        weights[name][tuple(slice(size) for size in value.shape)] = value
    other.load_state_dict(weights)
    other.recogniser = model.recogniser
    return other.to(memory_format=model.memory_format)  # type: ignore[call-overload]  # torch's stubs lack it


def _encoder(config: TrainConfig, model_type: type[Model]) -> dict[str, Any]:
    """The settings of the encoder: of a run that is resumed or continues a checkpoint, those that it has."""
    before = config.start_from
    if config.resume and (config.out / "checkpoint" / checkpoint.CONFIG).is_file():
        before = str(config.out / "checkpoint")
    if before is None:
        return model_type.encoder_settings(config.encoder, config.imagenet)
    found = checkpoint.read_config(checkpoint.directory_of(before))["model"]
    kept = {name: found[name] for name in ("encoder", "encoder_blocks") if name in found}
    if config.encoder not in (None, kept.get("encoder")):
        raise InputError(f"the model of {before} has the encoder {kept.get('encoder')}: train with the same")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}


def step_losses(
    model: Model,
    batch: Batch,
    targets: Targets,
    budget: Budget,
    *,
    seed: int,
    jitter: bool = True,
    coordinate_loss: CoordinateLoss = "weighted",
) -> dict[str, Tensor]:
    """Unweighted losses of a batch: every source picture becomes a field, every field sees its object's rays."""
    o, v = batch.pictures.shape[:2]
    feature, present = targets.of(batch)
    device = batch.pictures.device
    with torch.autocast(device.type, torch.bfloat16, enabled=budget.bf16 and has_bfloat16(device)):
        framing = None if batch.framing is None else batch.framing.reshape(o * v, 1, 4)
        pictures = batch.pictures.flatten(0, 1).unsqueeze(1)
        field = model.encode_batch(pictures, batch.cameras.reshape(o * v, 1), framing)
        field = replace(field, sampling=model.training_sampling(budget.shaded_samples))
        rays = batch.rays(feature, present).repeated(v)
        (near, far), generator = batch.cameras.cut, torch.Generator(device).manual_seed(seed)
        channels = tuple(name for name in model.channels if name != "density")
        seen = field.render_rays(rays.origins, rays.directions, near, far, channels, jitter=jitter, generator=generator)
        points = batch.hull_points.repeat_interleave(v, 0)
        density = field.query(points, points, channels=("density",)).density if budget.hull_points else None
    losses = ray_losses(seen, rays, coordinate_loss)
    if density is not None:
        losses["hull"] = hull_loss(density, batch.in_hull.repeat_interleave(v, 0))
    if v > 1:
        # what corresponds is no reason to move a surface: the weights are not trained by it
        samples = seen.samples["descriptor"]
        descriptors = torch.einsum("brs,brsc->brc", seen.weights.detach().to(samples.dtype), samples).float()
        met = present * batch.met
        pairs = correspondences(batch.places, feature, met)

        def compare(descriptors: Tensor, rays: int | None) -> Tensor:
            return correspondence_loss(descriptors, [pair if rays is None else pair.of_first(rays) for pair in pairs])

        losses.update(model.descriptor_losses(descriptors.unflatten(0, (o, v)), compare, batch.places, met))
    return losses


@torch.no_grad()
def validate(
    model: Model, objects: Sequence[ObjectViews], targets: Targets, drawing: Drawing, processes: Processes = ALONE
) -> dict[str, float]:
    """Losses and PSNR on fixed rays of validation objects, without jitter; every process does a share."""
    model.eval()
    numbers = processes.share(range(VALIDATION_BATCHES))
    part = 1 / VALIDATION_BATCHES if len(numbers) == VALIDATION_BATCHES else processes.size / VALIDATION_BATCHES
    sums: dict[str, Tensor] = {}
    for number in numbers:
        synset = objects[number * len(objects) // VALIDATION_BATCHES].synset
        batch = make_batch(objects, drawing, np.random.default_rng([7, number]), synset)
        losses = step_losses(model, to_device(batch, model.device), targets, drawing.budget, seed=0, jitter=False)
        for name, value in losses.items():
            sums[name] = sums.get(name, value.new_zeros(())) + value * part
    means = processes.mean(sums)
    return {**means, "psnr": psnr(model, means["rgb"])}


def psnr(model: Model, loss: float) -> float:
    """Of the colour loss, in dB; that of a coarse and a fine pass is the sum of both."""
    return -10 * math.log10(max(loss / model.sampling.passes, 1e-10))


def learning_rate(budget: Budget, step: int, done: float) -> float:
    """A hundred steps of warming up, then a cosine down to a fiftieth."""
    return budget.learning_rate * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * done)))


class Clock:
    """How far a run has come, from its start to the end of its last validation. All processes go by the first's clock.

    Attributes:
        progress: as it is saved: "step"; "seconds"; "validated", the step of the last validation; "reserve", the
            seconds that one takes.
    """

    def __init__(
        self, budget: Budget, progress: dict[str, Any], processes: Processes, device: torch.device, started: float
    ) -> None:
        """``started`` is when, by ``time.monotonic``, this process began with the run."""
        self.budget, self.progress, self.processes, self.device = budget, progress, processes, device
        self._started, self._saved = started - progress["seconds"], progress["seconds"]
        self._first, self._begun = progress["step"], time.monotonic()
        self._validating = 0.0
        self.tick()

    @property
    def step(self) -> int:
        return self.progress["step"]

    def tick(self) -> None:
        """Look at the clock."""
        self._now = self.processes.broadcast(time.monotonic() - self._started, self.device)
        self._reserve = self.processes.broadcast(self._last_validation, self.device)

    def count(self) -> None:
        """A step is done."""
        self.progress.update(step=self.step + 1, seconds=time.monotonic() - self._started)

    def saved(self) -> None:
        self._saved = self._now

    @contextmanager
    def validating(self) -> Iterator[None]:
        """Notes down how long the block takes."""
        begun = time.monotonic()
        yield
        seconds = time.monotonic() - begun
        self._validating += seconds
        now = time.monotonic() - self._started
        self.progress.update(validated=self.step, reserve=seconds, seconds=now)

    @property
    def since_saved(self) -> float:
        return self._now - self._saved

    @property
    def done(self) -> float:
        """Share of the budget that is spent: of the steps, or of the time that the last validation leaves."""
        if self.budget.minutes is None:
            return self.step / self.budget.steps
        return self._now / max(self.budget.minutes * 60 - self._reserve, 1e-9)

    @property
    def speed(self) -> str:
        """Rays a second, and the minutes that are left."""
        budget, steps = self.budget, max(self.step - self._first, 1)
        seconds = time.monotonic() - self._begun - self._validating
        rays = steps * self.processes.size * budget.objects * budget.source_views * budget.rays
        if budget.minutes is None:
            left = seconds / steps * (budget.steps - self.step) / 60
        else:
            left = budget.minutes - self._now / 60
        return f"{rays / seconds:.0f} rays/s, {max(left, 0):.1f} min left"

    @property
    def _last_validation(self) -> float:
        """Seconds that the last validation will take: as the one before, or what the steps let expect."""
        if "reserve" in self.progress:
            return self.progress["reserve"]
        steps = self.step - self._first
        each = (time.monotonic() - self._begun) / steps if steps else 0.0
        return FORWARD_SHARE * each * VALIDATION_BATCHES / self.processes.size


def progress_bar(budget: Budget, step: int, processes: Processes) -> Progress:
    total = budget.steps if budget.minutes is None else None
    hidden = not processes.first
    return Progress(total=total, initial=step, desc="train", unit="step", dynamic_ncols=True, disable=hidden)
