"""What an experiment is: fields to train, rows and trials of a table, and how large it all is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Source = Literal["own", "srn", "spair", "co3d"]
"""Where objects are from: generated (or the folder that a user names), or data sets that a user has."""


TOY_PAIRS = 3


@dataclass(frozen=True)
class Training:
    """A field that is trained, one for each category and seed.

    Attributes:
        settings: of ``TrainConfig``, by name, but for data, category, seed and folders. The teachers "vit" and
            "diffusion" stand for those that the user names.
        source: the data that it is trained on; None is the data of the trial.
        start: the field that it starts from, by name.
        pairs: it is evaluated on no more pairs than this, because it is slow.
    """

    settings: Mapping[str, Any]
    source: Source | None = None
    start: str | None = None
    pairs: int | None = None


@dataclass(frozen=True)
class Row:
    """A line of the tables.

    Attributes:
        method: of evaluation (``featurenerf eval --method``).
        trained: which ``Training`` it is of; None is a baseline without one.
        checkpoint: a field that is there already, in the place of one that is trained.
        teacher: of the method "teacher".
        options: further ones of ``featurenerf eval``, by name.
        reference: the row that it is compared with; None is that of the recipe.
        trials: those that it is part of; none is all.
    """

    method: str = "descriptor"
    trained: str | None = None
    checkpoint: str | None = None
    teacher: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    reference: str | None = None
    trials: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """A column of the tables: a task on pairs.

    Attributes:
        options: of ``featurenerf eval``, by name.
        pairs: how many of them.
        threshold: of keypoints, by name; None where there are no keypoints.
    """

    options: Mapping[str, Any]
    pairs: int
    threshold: str | None
    source: Source = "own"


@dataclass(frozen=True)
class Experiment:
    """A matrix of rows x trials x categories x seeds.

    Attributes:
        about: what it shows, in a sentence.
        reference: the row that the others are compared with.
        objects, views, size: of the generated data, a category.
    """

    name: str
    about: str
    trainings: Mapping[str, Training]
    rows: Mapping[str, Row]
    trials: Mapping[str, Trial]
    reference: str
    categories: tuple[str, ...]
    seeds: int = 2
    objects: int = 400
    views: int = 20
    size: int = 128

    def toy(self) -> Experiment:
        """The same rows and trials, so small that it ends in minutes and its numbers mean nothing."""
        return replace(
            self,
            trainings={name: _toy_training(training) for name, training in self.trainings.items()},
            trials={name: replace(trial, pairs=TOY_PAIRS) for name, trial in self.trials.items()},
            categories=self.categories[:1],
            seeds=min(2, self.seeds) if len(self.trainings) < 3 else 1,
            objects=10,
            views=5,
            size=32,
        )


_TOY_MODELS = {
    "paper": ("width=16", "coarse_samples=6", "importance_samples=2", "depth_samples=2", "size=32"),
    "fast": (
        *("widths=8+16+16+16", "density_bins=8", "volume_bins=4", "volume_channels=8", "pixel_channels=8", "hidden=16"),
        *("coarse_samples=8", "shaded_samples=3", "size=32", "backbone_size=64"),
    ),
}


def _toy_training(training: Training) -> Training:
    known = training.settings
    small: dict[str, Any] = {"steps": 2, "rays": 12, "objects": 2, "model": _TOY_MODELS[known.get("field", "fast")]}
    if known.get("field") == "paper":
        small["encoder"] = "efficientnet-lite0"
    if known.get("feature_dim") != 0:
        small["feature_dim"] = 8
    if known.get("train_objects"):
        small["train_objects"] = max(1, known["train_objects"] // 35)
    return replace(training, settings={**known, **small})
