"""How fast the fast field is, beside what the machine's matrix product and copy reach in the same run.

    python benchmarks/speed.py                        # the checkpoint that ships, two threads, as a library user has it
    python benchmarks/speed.py --data DATA --pairs 20 # and what decoding once a ray changes of its answers

Every job takes turns with a product of two 2048 x 2048 matrices, decoding once a ray with decoding each sample, in one
process. Seconds are medians and minima; "product" is the median times the GFLOP/s of the product, by which machines can
be compared; "needs" are the multiply-adds of the mathematics, in GFLOP, and the MB that must be read and written at
least (weights, maps, answers); "bound" is the time that both would take at what the machine reaches. The lines at the
end are the sentences of README.md ("Numbers") and docs/results.md, for this machine: write them there from an idle one.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import time
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import torch
from authors_program import training_step
from results import machine
from torch.utils.flop_counter import FlopCounterMode

import featurenerf
from featurenerf import Camera
from featurenerf.data.open import open_dataset
from featurenerf.evaluation.tasks import evaluate
from featurenerf.models import FastModel
from featurenerf.runtime import keep_freed_memory, peak_memory_mib
from featurenerf.training.config import PRESETS, Budget

SIDE, COPIED = 2048, 2**26
SOURCE = Camera.look_at(azimuth=35, elevation=20, width=256, height=256)
NEW = {size: Camera.look_at(azimuth=120, elevation=30, width=size, height=size) for size in (64, 128)}
BOTH = ["rgb", "descriptor"]
ONCE = {False: "each sample", True: "once a ray"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="chair-car")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--keep-memory", action="store_true", help="the allocator's setting of the command line")
    parser.add_argument("--cpu-time", action="store_true", help="seconds of the processor: for one thread, under load")
    parser.add_argument("--train", action="store_true", help="time training steps, too")
    parser.add_argument("--data", help="measure PSNR, parts and keypoints on pairs of this data set")
    parser.add_argument("--pairs", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.keep_memory:
        keep_freed_memory()
    model = featurenerf.load(args.checkpoint)
    with torch.no_grad():
        rows = measured(jobs(model), args.rounds, time.process_time if args.cpu_time else time.perf_counter)
        report(rows)
        sentences(rows, ONCE[model.config.decode_once], args.threads)
        if args.data:
            quality(model, args.data, args.pairs)
    if args.train:
        report(measured(steps(), args.rounds, time.process_time if args.cpu_time else time.perf_counter))


def with_decoding(model: FastModel, once: bool) -> FastModel:
    """The same weights, decoded once a ray or each sample."""
    other = copy(model)
    other.config = replace(model.config, decode_once=once)
    return other


def jobs(model: FastModel) -> dict[str, tuple[Callable[[], Any], float]]:
    """What is timed, and the MB that it must read and write at least."""
    picture = featurenerf.examples["dining_chair"]
    found: dict[str, tuple[Callable[[], Any], float]] = {}
    for once, name in ONCE.items():
        one = with_decoding(model, once)
        field = one.encode(picture, SOURCE)
        maps = bytes_of(v for v in vars(field).values() if isinstance(v, torch.Tensor))
        weights, answers = bytes_of(model.parameters()), bytes_of(field.render(NEW[128], BOTH).values())
        small = bytes_of(field.render(NEW[64], ["rgb"]).values())
        jobs_of_one = {
            "encode": (functools.partial(one.encode, picture, SOURCE), weights + maps),
            "render 128 x 128 rgb, descriptor": (functools.partial(field.render, NEW[128], BOTH), maps + answers),
            "render 64 x 64 rgb": (functools.partial(field.render, NEW[64], ["rgb"]), maps + small),
            "encode and render 128 x 128": (
                lambda one=one: one.encode(picture, SOURCE).render(NEW[128], BOTH),
                weights + 2 * maps + answers,
            ),
        }
        found.update({f"{job}, {name}": todo for job, todo in jobs_of_one.items()})
    return found


def steps() -> dict[str, tuple[Callable[[], Any], float]]:
    """Training steps of the size of the quick preset, from random weights."""
    budget = Budget(**PRESETS["fast"]["quick"])
    found: dict[str, tuple[Callable[[], Any], float]] = {}
    for once, name in ONCE.items():
        torch.manual_seed(0)
        model = FastModel(replace(FastModel.config_type(), decode_once=once)).train()
        weights = 4 * bytes_of(p for p in model.parameters() if p.requires_grad)  # read, gradient, Adam's two moments
        rays = budget.objects * budget.source_views * budget.rays
        found[f"training step of {rays} rays, {name}"] = (training_step(model, budget), weights)
    return found


def measured(
    todo: dict[str, tuple[Callable[[], Any], float]], rounds: int, clock: Callable[[], float]
) -> list[dict[str, Any]]:
    """Every job in turn, so many times; the product and the copy with them."""
    left, right, source = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE), torch.zeros(COPIED)
    target = torch.empty_like(source)
    machine = {"product": lambda: left @ right, "copy": lambda: target.copy_(source)}
    flops = {}
    for name, (job, _) in todo.items():
        with FlopCounterMode(display=False) as counter:
            job()
        flops[name] = counter.get_total_flops() / 1e9
    every = {**machine, **{name: job for name, (job, _) in todo.items()}}
    seconds: dict[str, list[float]] = {name: [] for name in every}
    for _ in range(rounds):
        for name, job in every.items():
            start = clock()
            job()
            seconds[name].append(clock() - start)
    gflops = 2 * SIDE**3 / 1e9 / statistics.median(seconds["product"])
    copied = 8 * COPIED / 1e9 / statistics.median(seconds["copy"])
    print(f"\nproduct {gflops:.0f} GFLOP/s, copy {copied:.1f} GB/s, peak memory {peak_memory_mib()} MiB\n")
    return [
        {
            "job": name,
            "median s": statistics.median(seconds[name]),
            "least s": min(seconds[name]),
            "most s": max(seconds[name]),
            "product": statistics.median(seconds[name]) * gflops,
            "needs GFLOP": flops[name],
            "needs MB": moved / 1e6,
            "bound s": flops[name] / gflops + moved / 1e9 / copied,
        }
        for name, (_, moved) in todo.items()
    ]


def bytes_of(tensors: Any) -> float:
    return float(sum(t.numel() * t.element_size() for t in tensors))


def report(rows: list[dict[str, Any]]) -> None:
    print("| " + " | ".join(rows[0]) + " |\n|" + " --- |" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(v if isinstance(v, str) else f"{v:.3g}" for v in row.values()) + " |")


def sentences(rows: list[dict[str, Any]], decoded: str, threads: int) -> None:
    """What README and results say of the checkpoint, which decodes in this way."""
    job = {row["job"].removesuffix(f", {decoded}"): row for row in rows if row["job"].endswith(decoded)}
    both, small = job["encode and render 128 x 128"], job["render 64 x 64 rgb"]
    print(
        f"\n{machine()}, {threads} threads, {datetime.now(UTC).date()}, load {os.getloadavg()[0]:.1f}:\n"
        f"Encoding a picture and rendering a new one with descriptors takes {both['least s']:.2f} to "
        f"{both['most s']:.2f} s (median {both['median s']:.2f}; {both['product']:.0f} products; the goal is 22).\n"
        f"Once encoded, {1 / small['median s']:.0f} pictures/s of 64 x 64 rgb (the goal is 20)."
    )


def quality(model: FastModel, data: str, count: int) -> None:
    """Parts, keypoints and PSNR of the views that the pairs show, both ways."""
    print("\n| category | pairs | decoded | part mIoU | keypoints within 5, 10 px | PSNR | of the object |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for category in model.config.categories:
        dataset = open_dataset(data, category, "test", None)
        objects = functools.lru_cache(64)(lambda name, dataset=dataset: copy(dataset[name]))
        inside = dataset.splits.only({views.id for views in dataset})
        lists = {
            "2d": inside.cross_inst_pairs,
            "2d, two sides": inside.cross_pose_pairs,
            "view": inside.cross_view_pairs,
        }
        for title, pairs in lists.items():
            for once, name in ONCE.items():
                asked = (title.split(",")[0], pairs[:count], objects, "descriptor", with_decoding(model, once))
                found = evaluate(*asked, progress=False)
                at = found.keypoint_accuracy() or {}
                print(
                    f"| {category} | {len(found.scores)} of {title} | {name} | {found.mean('part_iou'):.3f} "
                    f"| {at.get('5', 0):.3f}, {at.get('10', 0):.3f} "
                    f"| {found.mean('psnr'):.2f} | {found.mean('psnr_foreground'):.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
