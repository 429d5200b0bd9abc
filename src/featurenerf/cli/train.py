"""``featurenerf train``: a model from a data set."""

from __future__ import annotations

import os
import sys

import tyro

from featurenerf.cli.arguments import read
from featurenerf.training.config import TrainConfig


def main(argv: list[str]) -> None:
    import torch

    from featurenerf.training.distributed import local_workers
    from featurenerf.training.interrupt import Stopped
    from featurenerf.training.loop import train

    config = read(tyro.cli, TrainConfig, args=argv, prog="featurenerf train")
    speaks = int(os.environ.get("RANK", 0)) == 0  # one of several processes
    try:
        with local_workers(config.processes_on(torch.get_num_threads()), ["-m", "featurenerf", "train", *argv]):
            checkpoint = train(config)
    except Stopped as stop:
        if speaks:
            print(f"\nfeaturenerf train: {stop} (the same command with --resume)", file=sys.stderr)
        sys.exit(stop.code)
    if speaks:
        print(f"checkpoint: {checkpoint}")
