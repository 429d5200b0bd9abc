"""``featurenerf eval``: the paper's three protocols, or that of SPair-71k, on a data set, into a report."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro

from featurenerf.cli.arguments import read
from featurenerf.data.check import check_cameras
from featurenerf.data.formats.spair import SpairImage, read_pairs
from featurenerf.data.objects import Dataset
from featurenerf.data.open import open_dataset
from featurenerf.data.pairs import drawn_pairs
from featurenerf.data.splits import Pair
from featurenerf.data.storage import read_json
from featurenerf.errors import InputError
from featurenerf.evaluation import METHODS, TASKS, evaluate, make_report, markdown_table, write_report
from featurenerf.evaluation.methods.pwarpc import PWarpC
from featurenerf.evaluation.perceptual import picture_distances
from featurenerf.evaluation.spair import evaluate_spair, spair_summary
from featurenerf.evaluation.tasks import TaskName, novel_view_pairs, with_further_views
from featurenerf.limits import parsing
from featurenerf.models.checkpoint import directory_of, load, read_config
from featurenerf.runtime import usable_device

_OBJECTS_KEPT = 16  # an object's annotations are 1 to 3 MB


@dataclass(frozen=True)
class EvalConfig:
    """Transfer parts and keypoints between pairs of views and compare with the annotations."""

    data: str | Path
    """The data set: a folder (``featurenerf data make`` makes one), a pack, or the address of a pack."""
    category: str
    """A category of it, such as chair, or its synset."""
    out: Path
    """The report to write (JSON)."""
    task: TaskName = "2d"
    """2d: across objects, in pictures. view: across views of an object. 3d: across objects, at points in space. spair:
    the keypoints of SPair-71k, across photographs. camera-space: across objects that RGB-D cameras see, in metres."""
    method: str = "descriptor"
    """What is matched: of the field (descriptor, feature, coordinate, label; transfer is what users do), a baseline
    without one (teacher, same-pixel, chance), or a method that another package brings."""
    checkpoint: str | None = None
    """A checkpoint directory, or the name of a shipped one; the baselines without a field need none."""
    teacher: str | None = None
    """The teacher of ``--method teacher``, as in training; by default the one that the checkpoint was trained with."""
    pairs: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Take the first N pairs only."""
    different_views: bool = False
    """Compare objects seen from different sides (the split file's cross_pose_pairs), not from the same one."""
    source_views: tuple[int, ...] = ()
    """In the task view: encode these views of each object together, and compare all its other views."""
    extra_views: int = 0
    """In the task view: encode so many further views of the source object with each pair's own."""
    no_depth: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """In the task camera-space: do without the depth map of the target."""
    clone: Path | None = None
    """For the method pwarpc: a clone of github.com/PruneTruong/DenseMatching with its weights."""
    pair_file: Path | None = None
    """Take the pairs from this JSON list instead of the split file."""
    splits: Path | None = None
    """The folder of the split files, if not the data set's own; of CO3D, a file of ``set_lists``."""
    split: Literal["train", "val", "test"] = "test"
    """The objects to evaluate on. Pairs of the split file that leave it are left out; if all do, others are drawn."""
    background: Literal["black", "white"] | None = None
    """What novel views are compared on; by default what the data set's protocol takes: white for SRN, else black."""
    perceptual: bool = False
    """Compare novel views in the features of EfficientNet-Lite0 too, and by LPIPS where its weights are here."""
    skip_broken: bool = False
    """Leave objects with a missing or broken file out, and count them; every file is read beforehand."""
    device: str = "auto"
    """Where the model runs: cpu, cuda or mps; auto is the best that is usable."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What the field is computed in; bfloat16 is two to three times faster for the paper's field on a CPU."""
    progress: bool = True
    """Show a progress bar."""


def main(argv: list[str]) -> None:
    """Run the command line ``featurenerf eval``."""
    config = read(tyro.cli, EvalConfig, args=argv, prog="featurenerf eval", description=EvalConfig.__doc__)
    if config.out.is_dir():
        raise InputError(f"--out {config.out} is a folder: name the file that the report is to be written to")
    report = run(config)
    write_report(report, config.out)
    print(markdown_table([report]), end="")
    print(config.out)


def run(config: EvalConfig) -> dict[str, Any]:
    """The report of one evaluation.

    Raises:
        InputError: for settings, data or a checkpoint that cannot be used.
    """
    if config.pairs is not None and config.pairs < 1:
        raise InputError(f"--pairs {config.pairs} leaves nothing to evaluate: give 1 or more")
    device = usable_device(config.device)
    method = METHODS[config.method]
    if config.clone is not None and isinstance(method, PWarpC):
        method = PWarpC(config.clone)
    if method.channels and config.checkpoint is None:
        raise InputError(f"--method {config.method} needs --checkpoint: a directory, or the name of a shipped one")
    _refuse_ignored(config, method.needs_teacher)
    if config.task == "camera-space":
        return _camera_space(config, device)
    reading = {"skip_broken": config.skip_broken, "progress": config.progress}
    dataset = open_dataset(config.data, config.category, config.split, config.splits, **reading)
    photographs = isinstance(dataset[0], SpairImage)
    if photographs != (config.task == "spair"):
        raise InputError(
            f"--task {config.task} does not fit {config.data}: the task spair is of SPair-71k, which has no other"
        )
    pairs, pair_list = ([], "PairAnnotation") if photographs else _pairs(config, dataset)
    model = checkpoint_config = teacher = None
    if config.checkpoint is not None:
        model = load(config.checkpoint, device, getattr(torch, config.dtype))
        checkpoint_config = read_config(directory_of(config.checkpoint))
        if "label" in method.channels:
            _check_labels(config, tuple(checkpoint_config["model"].get("labels", ())), dataset.labels.parts)
    if method.needs_teacher:
        from featurenerf.teachers import load_teacher, trained_with, with_prompt

        named = config.teacher and with_prompt(config.teacher, [dataset.category])
        network = load_teacher(named) if named else trained_with(checkpoint_config or {})
        teacher = on_device(network, device)
    about: dict[str, Any] = {
        "category": dataset.category,
        "split": config.split,
        "checkpoint": config.checkpoint,
        "config": checkpoint_config,
        "pair_list": pair_list,
        "broken_objects": len(dataset.broken),
        "device": str(device),
    }
    if photographs:
        listed = read_pairs(Path(config.data), config.category, config.split)[: config.pairs]
        evaluation = evaluate_spair(listed, dataset, method, model, teacher, progress=config.progress)
        return make_report(evaluation, **about, **spair_summary(evaluation, dataset))
    if method.channels:
        used = dict.fromkeys(name for pair in pairs for name in (pair.source_id, pair.target_id))
        for problem in check_cameras([dataset[name] for name in used]):
            print(f"{problem}; the evaluation ends where it is needed", file=sys.stderr)
    background = config.background or dataset.background
    if config.extra_views:
        pairs = [with_further_views(pair, config.extra_views, len(dataset[pair.source_id])) for pair in pairs]
    objects = functools.lru_cache(_OBJECTS_KEPT)(lambda name: copy(dataset[name]))  # the copies read
    mirror = dict(enumerate(dataset.labels.mirror))
    asked = (config.task, pairs, objects, method, model, teacher, mirror)
    distances = picture_distances() if config.perceptual else {}
    evaluation = evaluate(*asked, progress=config.progress, background=background, distances=distances)
    return make_report(evaluation, **about, background=background)


def _camera_space(config: EvalConfig, device: torch.device) -> dict[str, Any]:
    from featurenerf.evaluation.camera_space import evaluate_camera_space, read_frames
    from featurenerf.studio.prepare import prepare

    if config.checkpoint is None:
        raise InputError(
            f"--task camera-space compares a field, and --method {config.method} has none: take descriptor"
        )
    frames, pairs = read_frames(Path(config.data), config.category)
    evaluation, about = evaluate_camera_space(
        pairs[: config.pairs],
        functools.lru_cache(_OBJECTS_KEPT)(frames),
        load(config.checkpoint, device, getattr(torch, config.dtype)),
        lambda picture: prepare(picture, return_crop=True),
        config.method,
        depth=not config.no_depth,
        progress=config.progress,
    )
    found = read_config(directory_of(config.checkpoint))
    return make_report(evaluation, config.category, config.split, config.checkpoint, found, device=str(device), **about)


def _refuse_ignored(config: EvalConfig, needs_teacher: bool) -> None:
    """Raises InputError for an option that the others leave without effect."""
    across, listed = config.task in ("2d", "3d"), config.pair_file is not None
    problems = (
        (config.source_views and config.task != "view", "--source-views is of the task view: add --task view"),
        (config.extra_views and config.task != "view", "--extra-views is of the task view: add --task view"),
        (config.no_depth and config.task != "camera-space", "--no-depth is of the task camera-space: add it"),
        (listed and config.task == "camera-space", "--pair-file is not of the task camera-space: its data list pairs"),
        (config.source_views and listed, "--source-views and --pair-file contradict each other: give one of them"),
        (
            config.different_views and not across,
            f"--different-views is of the tasks 2d and 3d, and --task {config.task} was given: leave one of them out",
        ),
        (
            config.different_views and listed,
            "--different-views and --pair-file contradict each other: give one of them",
        ),
        (listed and config.task == "spair", "--pair-file is not of the task spair, which has its own list of pairs"),
        (
            config.teacher is not None and not needs_teacher,
            "--teacher is of --method teacher: add it, or leave both out",
        ),
    )
    for wrong, sentence in problems:
        if wrong:
            raise InputError(sentence)


def on_device(network: torch.nn.Module, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network as a function of pictures from anywhere."""
    network.to(device)
    return lambda pictures: network(pictures.to(device))


def _check_labels(config: EvalConfig, learnt: tuple[str, ...], present: tuple[str, ...]) -> None:
    """Raises InputError where a checkpoint has learnt no labels, or others than those of the data set."""
    if not learnt or (present and learnt != present):
        raise InputError(
            f"--method {config.method} needs a checkpoint that was trained with --labels on such data: "
            f"{config.checkpoint} knows {', '.join(learnt) or 'none'}, {config.data} has {', '.join(present)}"
        )


def _pairs(config: EvalConfig, dataset: Dataset) -> tuple[list[Pair], str]:
    """The pairs to evaluate, and where they are from."""
    task = TASKS[config.task]
    inside = {views.id for views in dataset}
    sources = config.source_views or (dataset.source_views if task.one_object else ())
    if config.pair_file is not None:
        pairs, source = _read_pairs(config.pair_file), str(config.pair_file)
        strangers = {name for pair in pairs for name in (pair.source_id, pair.target_id)} - inside
        if strangers - set(dataset.broken):
            name = min(strangers - set(dataset.broken))
            raise InputError(f"{config.pair_file} names {name}, which is not in the {config.split} split")
        pairs = [pair for pair in pairs if not {pair.source_id, pair.target_id} & strangers]
    elif config.source_views or (sources and config.split == "test"):
        pairs = novel_view_pairs({views.id: len(views) for views in dataset}, sources)
        # in the order of the objects, each of which is encoded once then
        pairs = sorted(pairs[: config.pairs], key=lambda pair: pair.source_id)
        source = f"view {', '.join(map(str, sources))} to all others"
    else:
        source = "cross_pose_pairs" if config.different_views and not task.one_object else task.pairs
        pairs = list(getattr(dataset.splits.only(inside), source))
        if not pairs and (config.split != "test" or not dataset.pairs_listed):  # split files pair up test objects only
            pairs = list(getattr(drawn_pairs(dataset), source))
            source = "drawn, seed 0" if pairs else source  # there is none of a single object
    if not pairs:
        raise InputError(
            f"the split file of {dataset.category} has no {source} of {config.split} objects: "
            "give others with --pair-file or --splits"
        )
    return pairs[: config.pairs], source


def _read_pairs(path: Path) -> list[Pair]:
    with parsing(f"{path} holds no list of pairs", "it needs [{src, trg, src_view, trg_view}, ...]"):
        pairs = [Pair.from_record(record) for record in read_json(path)]
        if not pairs:
            raise ValueError("it is empty")
    return pairs
