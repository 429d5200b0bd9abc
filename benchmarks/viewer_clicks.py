"""How often a click in the viewer finds a keypoint on another object, and how fast its volume render is.

    python benchmarks/viewer_clicks.py DATA chair car --pairs 10

DATA is of ``featurenerf data make``; pairs are those of its test split (cross-instance), which no training saw. A click
is a ray from outside at a keypoint of one object, through ``Workbench.hit`` and ``clicked``, as the page's clicks are.
It is right where the marker on the other object lies within 0.1 of that one's keypoint (the object's diagonal is 1).
Cameras are given; with ``--found`` each picture is opened as an upload is, and distances are taken in the frame of the
picture's camera.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np
import torch

import featurenerf
from featurenerf import Camera
from featurenerf.data.open import open_dataset
from featurenerf.matching import first_source_camera
from featurenerf.studio.parts import subject
from featurenerf.studio.viewer.state import ViewedObject, whole_surface, with_object
from featurenerf.studio.viewer.workbench import Workbench


def opened(bench: Workbench, picture: np.ndarray, camera: Camera, name: str, found: bool) -> torch.Tensor:
    """Add a picture; returns the matrix from the world of its field to the true one."""
    if found:
        bench.add(picture, name)
        own = first_source_camera(bench.session.object(name).shape)
        return camera.pose @ torch.linalg.inv(own.pose)
    x, y, z = camera.centre.tolist()
    azimuth, elevation = np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))
    made = subject(bench.model, picture, mask="none", azimuth=float(azimuth), elevation=float(elevation))
    bench.becomes(with_object(bench.session, ViewedObject(name, made, whole_surface(made.field, name), True)))
    return torch.eye(4)


def moved(points: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def clicks(bench: Workbench, one: np.ndarray, other: np.ndarray, ways: list[torch.Tensor]) -> list[float]:
    """Distances between found and true places of the first ten keypoints that both objects have."""
    shared = [k for k in one[:, 3].astype(int) if k in other[:, 3].astype(int)][:10]
    away = []
    for keypoint in shared:
        true = torch.from_numpy(one[one[:, 3] == keypoint][0, :3]).float()
        place = moved(true[None], torch.linalg.inv(ways[0]))[0]
        outward = place / place.norm().clamp(min=1e-3)
        origin = bench.offset("one") + place + 1.5 * outward
        hit = bench.hit(origin, -outward)
        point = hit[1] if hit is not None and hit[0] == "one" else bench.session.object("one").nearest(place)
        found = bench.clicked("one", point).found["other"].point
        there = moved(bench.session.object("other").points[found][None], ways[1])[0].numpy()
        away.append(float(np.linalg.norm(there - other[other[:, 3] == keypoint][0, :3])))
    return away


def frames_a_second(bench: Workbench, rows: int, frames: int = 12) -> float:
    """Of two objects on a wide page."""
    start = time.perf_counter()
    for number in range(frames):
        bench.view(Camera.look_at(30.0 * number, 25.0, round(1.5 * rows), rows, distance=2.8))
    return frames / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("categories", nargs="+")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--found", action="store_true")
    given = parser.parse_args()
    model = featurenerf.load()
    report: dict[str, object] = {"machine": platform.processor() or platform.machine(), "pairs": given.pairs}
    bench = Workbench(model)
    for category in given.categories:
        data, away = open_dataset(given.data, category, "test"), []
        for pair in data.cross_inst_pairs[: given.pairs]:
            bench = Workbench(model)
            objects = [data[name] for name in (pair.source_id, pair.target_id)]
            views = (pair.source_view, pair.target_view)
            ways = [
                opened(bench, each.picture(view), each.camera(view), name, given.found)
                for each, view, name in zip(objects, views, ("one", "other"), strict=True)
            ]
            away += clicks(bench, *(each.keypoint_candidates()[1] for each in objects), ways)
        report[category] = {
            "clicks": len(away), "within 0.1": round(float(np.mean(np.array(away) < 0.1)), 3),
            "median distance": round(float(np.median(away)), 3),
        }  # fmt: skip
        print(category, report[category], flush=True)
    report["frames a second"] = {rows: round(frames_a_second(bench, rows), 1) for rows in (48, 128)}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
