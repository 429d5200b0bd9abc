"""``featurenerf benchmark``: a recipe's data, trainings and evaluations, into one report."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Annotated

import tyro

from featurenerf.benchmark.plan import Have, Plan, plan
from featurenerf.cli.arguments import read
from featurenerf.errors import InputError
from featurenerf.files import writing
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
    have: Annotated[Have, tyro.conf.arg(name="")] = field(default_factory=Have)
    workers: int = os.cpu_count() or 1
    """Cells that run at a time, in processes of one thread each. One is enough on a GPU."""
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
    with writing(config.out):
        config.out.mkdir(parents=True, exist_ok=True)
    refused = run_cells(planned.cells, config.out, call, config.workers)
    print(write_reports(planned, config.out, refused))


def planned_cells(config: BenchmarkConfig) -> Plan:
    """The plan of a command."""
    from featurenerf.benchmark.recipes import RECIPES
    from featurenerf.models.encoders import with_imagenet_weights

    recipe = RECIPES[config.recipe]
    if config.seeds is not None and config.seeds < 1:
        raise InputError(f"--seeds {config.seeds} trains nothing: give 1 or more")
    recipe = replace(recipe, categories=config.category or recipe.categories, seeds=config.seeds or recipe.seeds)
    have = config.have
    odd = [text for text in have.checkpoint if not all(text.partition("="))]
    if odd:
        raise InputError(f"--checkpoint {odd[0]}: write LABEL=CHECKPOINT, such as shipped=chair-car")
    encoder = have.encoder or with_imagenet_weights(("resnet34", "efficientnet-lite0"))
    return plan(recipe, replace(have, encoder=encoder, device=str(usable_device(have.device))))


def call(verb: str, arguments: list[str]) -> None:
    """Run a verb of the command line in this process."""
    import_module(f"featurenerf.cli.{verb.replace('-', '_')}").main(arguments)
