"""``featurenerf train``: a model from a data set."""

from __future__ import annotations

import os

import tyro

from featurenerf.cli.arguments import read
from featurenerf.training.config import TrainConfig


def main(argv: list[str]) -> None:
    import torch

    from featurenerf.training.distributed import local_workers
    from featurenerf.training.loop import train

    config = read(tyro.cli, TrainConfig, args=argv, prog="featurenerf train")
    with local_workers(config.processes_on(torch.get_num_threads()), ["-m", "featurenerf", "train", *argv]):
        checkpoint = train(config)
    if int(os.environ.get("RANK", 0)) == 0:  # of several processes, one speaks
        print(f"checkpoint: {checkpoint}")
