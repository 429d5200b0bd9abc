"""How well cameras are found, and whether the stated uncertainty is the actual one.

    python benchmarks/camera_estimates.py --data DATA --category chair car            # test objects, as they are
    python benchmarks/camera_estimates.py --data DATA --category chair car --prepare  # masked and cropped first
    python benchmarks/camera_estimates.py --photos FOLDER                             # annotations.json: angles by eye

DATA is a data set whose world is the object's own frame (``featurenerf data make``). Errors are angles between
rotations, in degrees; of photographs, whose angles are good to ten degrees, between directions.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

import featurenerf
from featurenerf import Camera
from featurenerf.data.open import open_dataset
from featurenerf.pictures import from_bytes

BINS = (0, 4, 6, 8, 12, 16, 25, 181)


def degrees_between(a: torch.Tensor, b: torch.Tensor) -> float:
    cosine = (float((a.double().T @ b.double()).trace()) - 1) / 2
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def table(rows: list[dict[str, float]]) -> None:
    print("\n| stated | pictures | median error | two thirds below | nine tenths below | elevation, mean |")
    print("|---|---:|---:|---:|---:|---:|")
    for low, high in itertools.pairwise(BINS):
        own = [row for row in rows if low <= row["stated"] < high]
        if own:
            errors, elevation = ([row[key] for row in own] for key in ("error", "elevation"))
            numbers = (
                " | ".join(f"{np.percentile(errors, p):.1f}" for p in (50, 67, 90)) + f" | {np.mean(elevation):.1f}"
            )
            name = f"{low} to {high}" if high < 181 else "not found"
            print(f"| {name} | {len(own)} | {numbers} |")


def summary(name: str, rows: list[dict[str, float]]) -> None:
    error, turn, elevation = (np.array([row[key] for row in rows]) for key in ("error", "turn", "elevation"))
    print(
        f"{name}: {len(rows)} pictures, rotation median {np.median(error):.1f}, 9 of 10 below "
        f"{np.percentile(error, 90):.1f}; right quarter {np.mean(turn < 45):.2f}, azimuth within 30 "
        f"{np.mean(turn < 30):.2f}, elevation off by {elevation.mean():.1f} on average; "
        f"found {np.mean([row['found'] for row in rows]):.2f}"
    )


def compared(estimate: featurenerf.CameraEstimate, truth: Camera) -> dict[str, float]:
    true = featurenerf.CameraEstimate(truth, 0.0)
    turn = abs((estimate.azimuth - true.azimuth + 180) % 360 - 180)
    error = degrees_between(estimate.camera.pose[:3, :3], truth.pose[:3, :3])
    off = abs(estimate.elevation - true.elevation)
    return {"error": error, "stated": estimate.uncertainty, "turn": turn, "elevation": off, "found": estimate.found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--category", nargs="+", default=["chair", "car"])
    parser.add_argument("--every", type=int, default=3, help="take every so many-th view")
    parser.add_argument("--prepare", action="store_true", help="mask and crop as of a photograph")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--checkpoint", default="chair-car")
    args = parser.parse_args()
    model, rows = featurenerf.load(args.checkpoint), defaultdict(list)
    for category in args.category if args.data else ():
        for views in open_dataset(args.data, category, "test", None):
            cameras = views.cameras()
            for number in range(0, len(views), args.every):
                picture = from_bytes(views.picture(number))
                estimate = model.estimate_camera(featurenerf.prepare(picture) if args.prepare else picture)
                rows[category].append(compared(estimate, cameras[number]))
    if args.photos is not None:
        for about in json.loads((args.photos / "annotations.json").read_text()).values():
            mask = args.photos / about["mask"] if about["mask"] else None
            estimate = model.estimate_camera(featurenerf.prepare(args.photos / about["file"], mask))
            truth = Camera.look_at(about["azimuth"], about["elevation"])
            rows["photographs, " + about["category"]].append(compared(estimate, truth))
            print(f"{about['file']}: {estimate}; by eye azimuth {about['azimuth']}, elevation {about['elevation']}")
    for category, own in rows.items():
        summary(category, own)
    for name, photographs in (("generated test views", False), ("photographs", True)):
        own = [row for kind, found in rows.items() for row in found if kind.startswith("photo") == photographs]
        if own:
            print(f"stated against actual error, {name}:")
            table(own)


if __name__ == "__main__":
    main()
