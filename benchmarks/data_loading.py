"""How fast pictures are read from a folder, a pack and an address, and whether training waits for them.

    python benchmarks/data_loading.py DATA --category chair
    python benchmarks/data_loading.py DATA --category chair --also https://host/PACK --steps 100

Packs DATA into a temporary folder, reads random views of random training objects for some seconds with one thread and
with two, prepares batches alone, and trains the fast field for some steps from each source. "Waiting" is the share of
the training time, from the second step on, that the loop spends in asking for its next batch.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro

from featurenerf.data.formats.pack import pack_dataset
from featurenerf.data.formats.release import category_bytes
from featurenerf.data.objects import Dataset
from featurenerf.data.open import open_dataset
from featurenerf.data.storage import data_root
from featurenerf.training import loop
from featurenerf.training.batches import Drawing
from featurenerf.training.config import TrainConfig


def pictures_per_second(dataset: Dataset, threads: int, seconds: float) -> float:
    """Decoded RGBA pictures; the cameras, which say the names of the pictures, have been read before."""
    lengths = [len(views) for views in dataset]
    end = time.monotonic() + seconds

    def read(seed: int) -> int:
        generator, count = np.random.default_rng(seed), 0
        while time.monotonic() < end:
            number = int(generator.integers(len(dataset)))
            dataset[number].picture(int(generator.integers(lengths[number])))
            count += 1
        return count

    started = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(read, range(threads))) / (time.monotonic() - started)


def batches_per_second(dataset: Dataset, config: TrainConfig, count: int = 20) -> float:
    """Prepared without training beside it; the first ones, for which each object's visual hull is found too."""
    stream = loop.batches(dataset, Drawing(config.budget), 0, 0, config.workers)
    started = time.monotonic()
    for _ in range(count):
        next(stream)
    return count / (time.monotonic() - started)


def waiting(config: TrainConfig) -> tuple[float, float, float]:
    """Share of the time that training waits for data, the longest wait in seconds, and steps a second."""
    real, waits, marks = loop.batches, [], []

    def timed(*args: Any) -> Iterator[Any]:
        stream = real(*args)
        while True:
            started = time.monotonic()
            batch = next(stream)
            marks.append(time.monotonic())
            waits.append(marks[-1] - started)
            yield batch

    loop.batches = timed
    try:
        loop.train(config)
    finally:
        loop.batches = real
    duration = marks[-1] - marks[0]
    return sum(waits[1:]) / duration, max(waits[1:]), (len(marks) - 1) / duration


def main(
    data: Annotated[Path, tyro.conf.Positional],
    category: str,
    also: tuple[str, ...] = (),
    seconds: float = 5.0,
    steps: int = 40,
    workers: int = 2,
    threads: int = 2,
) -> None:
    """Print the table.

    Args:
        data: folder of a data set.
        category: the one that is read.
        also: further sources: packs, or addresses of packs.
        seconds: how long pictures are read, for each source and number of threads.
        steps: training steps from each source; 0 for none.
        workers: threads that prepare batches.
        threads: of the training itself.
    """
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        pack_dataset(data, Path(folder) / "PACK", category)
        head = (
            "source",
            "objects",
            "kB an object",
            "pictures/s, 1 thread",
            "2 threads",
            "batches/s",
            "waiting",
            "longest",
        )
        print("| " + " | ".join((*head, "steps/s")) + " |\n|---" + "|---:" * len(head) + "|")
        for number, source in enumerate((str(data), f"{folder}/PACK", *also)):
            dataset = open_dataset(source, category, "train")
            count = len(list((data_root(source) / "camera" / dataset.synset).glob("*.json")))
            size = category_bytes(data_root(source), dataset.synset) / count / 1e3
            speeds = [pictures_per_second(dataset, n, seconds) for n in (1, 2)]
            row = [source, str(count), f"{size:.0f}", *(f"{speed:.0f}" for speed in speeds)]
            run = Path(folder) / f"run{number}"
            config = TrainConfig(source, (category,), run, steps=max(steps, 1), workers=workers, processes=1)
            row.append(f"{batches_per_second(dataset, config):.1f}")
            if steps:
                share, longest, rate = waiting(config)
                row += [f"{100 * share:.2f} %", f"{longest * 1e3:.0f} ms", f"{rate:.2f}"]
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    tyro.cli(main)
