"""The recipes that ship. Each is a table of the paper, or answers a question that it leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from featurenerf.benchmark.recipe import Experiment, Row, Training, Trial
from featurenerf.registry import Registry
from featurenerf.training.config import LOSS_WEIGHTS

SIX = ("airplane", "bottle", "car", "chair", "motorcycle", "table")
TWO = ("chair", "car")
# What one core can train in hours, not what the paper trained (400,000 steps of width 512): docs/benchmark.md says so.
_PAPER: Mapping[str, Any] = {
    "field": "paper", "steps": 2000, "feature_dim": 64,
    "model": ("width=256", "coarse_samples=32", "importance_samples=8", "depth_samples=8"),
}  # fmt: skip
_FAST: Mapping[str, Any] = {"field": "fast", "steps": 1200}
_BARE: Mapping[str, Any] = {**_PAPER, "feature_dim": 0, "coordinate": False}
_FEW = 24
"""Pairs that a paper-type field is evaluated on: each takes a minute of a core."""


def _paper(**changes: Any) -> Training:
    return Training({**_PAPER, "teacher": "vit", **changes}, pairs=_FEW)


def _fast(**changes: Any) -> Training:
    return Training({**_FAST, **changes})


_FEATURENERF, _FAST_ROW, _LITE = "FeatureNeRF (paper's field, vit)", "fast field", "efficientnet-lite0"
_TRAININGS = {
    "vit": _paper(),
    "diffusion": _paper(teacher="diffusion"),
    "pixelnerf": Training(_BARE, pairs=_FEW),
    "labels": Training({**_BARE, "labels": True}, pairs=_FEW),
    "fast": _fast(),
}
_BASELINES = {
    "raw teacher (vit)": Row("teacher", teacher="vit"),
    "raw teacher (diffusion)": Row("teacher", teacher="diffusion"),
    f"raw teacher ({_LITE})": Row("teacher", teacher=_LITE),
    "same pixel": Row("same-pixel"),
    "chance": Row("chance"),
}
_ROWS = {
    _FEATURENERF: Row(trained="vit"),
    "FeatureNeRF (paper's field, diffusion)": Row(trained="diffusion"),
    _FAST_ROW: Row(trained="fast"),
    "PixelNeRF": Row(trained="pixelnerf"),
    "SemanticNeRF-style labels": Row("label", trained="labels"),
    "distilled feature": Row("feature", trained="vit"),
    "predicted coordinate": Row("coordinate", trained="vit"),
    "distilled feature (fast)": Row("feature", trained="fast"),
    "predicted coordinate (fast)": Row("coordinate", trained="fast"),
    **_BASELINES,
}
_2D = Trial({"task": "2d"}, 300, "10")
_TWO_SIDES = Trial({"task": "2d", "different_views": True}, 300, "10")
_VIEW = Trial({"task": "view", "perceptual": True}, 300, "10")
_3D = Trial({"task": "3d"}, 300, "0.1")


PAPER_2D = Experiment(
    "paper-2d",
    "Keypoints and parts carried between pictures, of two objects and of two views of one: every method.",
    _TRAININGS,
    _ROWS,
    {"2d": _2D, "2d two sides": _TWO_SIDES, "view": _VIEW},
    _FEATURENERF,
    SIX,
)
PAPER_3D = Experiment(
    "paper-3d",
    "Keypoints and parts carried between points in space: every method.",
    _TRAININGS,
    _ROWS,
    {"3d": _3D},
    _FEATURENERF,
    SIX,
)

# ---------------------------------------------------------------------- what each choice is worth

_WEIGHTS, _SIZES = (0.0, 0.05, 1.0), (35, 70, 140)
_OURS = [name for name in LOSS_WEIGHTS["fast"] if name not in ("rgb", "label")]
ABLATIONS = Experiment(
    "ablations",
    "One choice of the paper's field, or one loss of the fast one, changed at a time.",
    {
        "vit": _paper(),
        "no coordinate loss": _paper(**{"weights.coordinate": 0.0}),
        "coordinate loss a sample": _paper(coordinate_loss="sample"),
        "coordinate loss a ray": _paper(coordinate_loss="ray"),
        **{f"feature weight {weight:g}": _paper(**{"weights.feature": weight}) for weight in _WEIGHTS},
        "efficientnet-lite0": _paper(teacher="efficientnet-lite0"),
        "diffusion": _paper(teacher="diffusion"),
        **{f"{size} training objects": _paper(train_objects=size) for size in _SIZES},
        "fast": _fast(),
        **{f"fast without {name}": _fast(**{f"weights.{name}": 0.0}) for name in _OURS},
    },
    {
        _FEATURENERF: Row(trained="vit"),
        "no coordinate loss": Row(trained="no coordinate loss"),
        "coordinate loss a sample (as printed)": Row(trained="coordinate loss a sample"),
        "coordinate loss averaged over the ray (authors' code)": Row(trained="coordinate loss a ray"),
        **{f"descriptor: output of block {k}": Row(f"block-{k}", trained="vit") for k in range(1, 6)},
        "descriptor: feature": Row("feature", trained="vit"),
        "descriptor: descriptor and feature": Row("descriptor+feature", trained="vit"),
        **{
            f"{count} source views": Row(trained="vit", options={"extra_views": count - 1}, trials=("view",))
            for count in (2, 4)
        },
        **{f"feature weight {weight:g}": Row(trained=f"feature weight {weight:g}") for weight in _WEIGHTS},
        "teacher efficientnet-lite0": Row(trained="efficientnet-lite0"),
        "teacher diffusion": Row(trained="diffusion"),
        **{f"{size} training objects": Row(trained=f"{size} training objects") for size in _SIZES},
        _FAST_ROW: Row(trained="fast"),
        **{f"fast without {name}": Row(trained=f"fast without {name}", reference=_FAST_ROW) for name in _OURS},
    },
    {"2d": _2D, "view": _VIEW, "3d": _3D},
    _FEATURENERF,
    TWO,
)

# ---------------------------------------------------------------------- novel views, photographs, teachers

_NOVEL = {"task": "view", "source_views": (0,), "perceptual": True}
NOVEL_VIEW = Experiment(
    "novel-view",
    "One view of an object encoded, all others rendered: whether distilling costs novel views anything.",
    {name: _TRAININGS[name] for name in ("pixelnerf", "vit", "diffusion", "fast")},
    {name: _ROWS[name] for name in ("PixelNeRF", _FEATURENERF, "FeatureNeRF (paper's field, diffusion)", _FAST_ROW)},
    {
        "novel views": Trial(_NOVEL, 300, "10"),
        "novel views, SRN": Trial({"task": "view", "perceptual": True}, 300, None, "srn"),
    },
    "PixelNeRF",
    TWO,
)
SPAIR = Experiment(
    "spair",
    "Keypoints of SPair-71k's photographs, by fields trained on rendered objects, before and after CO3D.",
    {
        "vit": Training({**_PAPER, "teacher": "vit"}, "own"),
        "vit, CO3D": Training({**_PAPER, "teacher": "vit", "steps": 500}, "co3d", "vit"),
        "fast": Training(_FAST, "own"),
        "fast, CO3D": Training({**_FAST, "steps": 400}, "co3d", "fast"),
    },
    {
        _FEATURENERF: Row(trained="vit"),
        "FeatureNeRF (paper's field, vit), fine-tuned on CO3D": Row(trained="vit, CO3D"),
        _FAST_ROW: Row(trained="fast"),
        "fast field, fine-tuned on CO3D": Row(trained="fast, CO3D", reference=_FAST_ROW),
        "PWarpC": Row("pwarpc"),
        **_BASELINES,
    },
    {"spair": Trial({"task": "spair"}, 200, "0.1", "spair")},
    _FEATURENERF,
    TWO,
)
_NAMES = ("efficientnet-lite0", "vit", "diffusion")
TEACHERS = Experiment(
    "teachers",
    "The fast field distilled from each teacher, and the teacher's own maps.",
    {name: _fast(teacher=name) for name in _NAMES},
    {
        **{f"fast field of {name}": Row(trained=name) for name in _NAMES},
        **{f"raw {name}": Row("teacher", teacher=name, reference=f"fast field of {name}") for name in _NAMES},
    },
    {"2d": _2D, "2d two sides": _TWO_SIDES, "3d": _3D},
    "fast field of efficientnet-lite0",
    TWO,
)
QUICK = Experiment(
    "quick",
    "The fast field after a short training, three times, beside everything that needs none.",
    {"fast": _fast()},
    {name: row for name, row in _ROWS.items() if row.trained in ("fast", None) and row.teacher in (_LITE, None)},
    {"2d": _2D, "2d two sides": _TWO_SIDES, "view": _VIEW, "3d": _3D},
    _FAST_ROW,
    ("chair",),
    seeds=3,
)

_ALL = (PAPER_2D, PAPER_3D, ABLATIONS, NOVEL_VIEW, SPAIR, TEACHERS, QUICK)
RECIPES = Registry("recipe", Experiment, {recipe.name: recipe for recipe in _ALL})
"""Another package adds one by the entry-point group ``featurenerf.recipes``."""
