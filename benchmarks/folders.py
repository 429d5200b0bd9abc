"""How fast and how lean a folder of pictures is encoded, one at a time and in threads.

    python benchmarks/folders.py --pictures 200

The pictures are the shipped ones at 128 x 128, each in another tint. Prints seconds, cores that were busy (processor
time by wall time; other work on the machine lowers it) and the resident memory after every quarter.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

import featurenerf


def make_pictures(folder: Path, count: int) -> None:
    generator = np.random.default_rng(0)
    pictures = featurenerf.examples.values()
    shipped = [np.asarray(Image.open(picture).convert("RGBA").resize((128, 128))) for picture in pictures]
    for number in range(count):
        pixels = shipped[number % len(shipped)].copy()
        pixels[..., :3] = (pixels[..., :3] * generator.uniform(0.5, 1.0, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04}.png")


def one_at_a_time(folder: Path, model: featurenerf.Model) -> Iterator[object]:
    for path in sorted(folder.iterdir()):
        yield model.encode(featurenerf.prepare(path))


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def measure(name: str, fields: Iterator[object], count: int) -> None:
    wall, busy, memory = time.perf_counter(), time.process_time(), []
    for number, _ in enumerate(fields, 1):
        if number * 4 % count == 0:
            memory.append(f"{resident_mib():.0f}")
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    cores, held = f"{busy / wall:.2f} cores busy, {busy:.1f} s of processor time", ", ".join(memory)
    print(f"{name}: {wall:.1f} s, {1000 * wall / count:.0f} ms a picture, {cores}, {held} MiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--workers", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    model = featurenerf.load()
    with TemporaryDirectory() as name:
        folder = Path(name)
        make_pictures(folder, args.pictures)
        threads = (field for _, field in featurenerf.encode_folder(folder, model, workers=args.workers))
        measure(f"{args.workers} threads", threads, args.pictures)
        alone = f"one at a time, torch on {torch.get_num_threads()} threads"
        measure(alone, one_at_a_time(folder, model), args.pictures)


if __name__ == "__main__":
    main()
