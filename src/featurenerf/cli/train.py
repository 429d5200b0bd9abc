"""``featurenerf train``: a model from a data set."""

from __future__ import annotations

import tyro

from featurenerf.cli.arguments import read
from featurenerf.training.config import TrainConfig


def main(argv: list[str]) -> None:
    from featurenerf.training.loop import train

    config = read(tyro.cli, TrainConfig, args=argv, prog="featurenerf train")
    print(f"checkpoint: {train(config)}")
