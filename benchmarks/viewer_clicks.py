"""How often a click in the viewer finds a keypoint on another object, what its score says, what the page's 8 bits cost.

    python benchmarks/viewer_clicks.py DATA chair car --pairs 24

DATA is of ``featurenerf data make``; pairs are those of its test split (cross-instance), which no training saw. A click
is a ray from outside at a keypoint of one object, through ``Workbench.hit`` and ``clicked``, as the page's clicks are.
It is right where the marker on the other object lies within 0.1 of that one's keypoint (the object's diagonal is 1).
Cameras are given; with ``--found`` each picture is opened as an upload is, and distances are taken in the frame of the
picture's camera.

``quantised`` is the same with the descriptors of ``featurenerf page`` (``clickable.quantised``). ``scores`` are those of
50 random surface points of the first object: "right" where what was found has the point's part, "wrong" where it has
another, "none" where the other object has no such part, "another kind" on an object of another category.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path

import numpy as np
import torch

import featurenerf
from featurenerf import Camera
from featurenerf.data.objects import ObjectViews
from featurenerf.data.open import open_dataset
from featurenerf.matching import first_source_camera, match, normalise
from featurenerf.studio.clickable import quantised
from featurenerf.studio.parts import subject
from featurenerf.studio.viewer.state import ViewedObject, whole_surface, with_object
from featurenerf.studio.viewer.workbench import Workbench

RIGHT = 0.1
"""Distance of a marker from the keypoint, in diagonals, up to which a click is right."""
POINTS = 50
"""Surface points of each pair whose scores are looked at."""
LEAST = (0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9)
"""Scores below which there might be no match."""


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


def clicks(bench: Workbench, one: np.ndarray, other: np.ndarray, ways: list[torch.Tensor]) -> list[dict[str, float]]:
    """The first ten keypoints that both objects have: how far the marker is from the true place, with what score, and
    how far the page's own descriptors put it."""
    first, second = (bench.session.object(name) for name in ("one", "other"))
    codes = [
        torch.from_numpy(each).float() for each in quantised([first.surface.descriptors, second.surface.descriptors])
    ]
    shared = [k for k in one[:, 3].astype(int) if k in other[:, 3].astype(int)][:10]
    made = []
    for keypoint in shared:
        true = torch.from_numpy(one[one[:, 3] == keypoint][0, :3]).float()
        place = moved(true[None], torch.linalg.inv(ways[0]))[0]
        outward = place / place.norm().clamp(min=1e-3)
        origin = bench.offset("one") + place + 1.5 * outward
        hit = bench.hit(origin, -outward)
        point = hit[1] if hit is not None and hit[0] == "one" else first.nearest(place)
        found = bench.clicked("one", point).found["other"]
        page = int(match(codes[0][point][None], codes[1])[0][0])
        there = moved(second.points[[found.point, page]], ways[1]).numpy() - other[other[:, 3] == keypoint][0, :3]
        away, page_away = np.linalg.norm(there, axis=1).tolist()
        made.append({"away": away, "page": page_away, "score": found.score, "same": float(page == found.point)})
    return made


def scores(bench: Workbench, objects: list[ObjectViews], ways: list[torch.Tensor], seed: int) -> dict[str, list[float]]:
    """Scores of random surface points of one object on the other, by what was found there."""
    first, second = (bench.session.object(name) for name in ("one", "other"))
    truth = [(torch.from_numpy(points).float(), labels) for points, labels in (it.part_points() for it in objects)]

    def parts(number: int, points: torch.Tensor) -> np.ndarray:
        known, labels = truth[number]
        return np.asarray(labels[torch.cdist(moved(points, ways[number]), known).argmin(1).numpy()])

    chosen = torch.from_numpy(np.random.default_rng(seed).choice(len(first.points), POINTS))
    index, score = match(first.surface.descriptors[chosen], second.surface.descriptors)
    own, theirs, there = parts(0, first.points[chosen]), parts(1, second.points[index]), set(truth[1][1].tolist())
    made: dict[str, list[float]] = {"right": [], "wrong": [], "none": []}
    for part, found, value in zip(own, theirs, score.tolist(), strict=True):
        made["none" if part not in there else "right" if part == found else "wrong"].append(value)
    return made


def summary(made: list[dict[str, float]], by_kind: dict[str, list[float]]) -> dict[str, object]:
    away, page, score = (np.array([each[key] for each in made]) for key in ("away", "page", "score"))
    right = away < RIGHT
    return {
        "clicks": len(made), "within 0.1": round(float(right.mean()), 3),
        "median distance": round(float(np.median(away)), 3),
        "quantised": {
            "within 0.1": round(float((page < RIGHT).mean()), 3),
            "the same point": round(float(np.mean([each["same"] for each in made])), 3),
        },
        "clicks' scores at 5, 50 per cent": {
            name: [round(float(q), 2) for q in np.quantile(score[which], (0.05, 0.5))] if which.any() else None
            for name, which in (("right", right), ("wrong", ~right))
        },
        "scores": {
            kind: {
                "points": len(values),
                "at 5, 50, 95 per cent": [round(float(q), 2) for q in np.quantile(values, (0.05, 0.5, 0.95))],
                "share from a score on": {str(t): round(float(np.mean(np.array(values) >= t)), 3) for t in LEAST},
            }
            for kind, values in by_kind.items() if values
        },
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("categories", nargs="+")
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--found", action="store_true")
    given = parser.parse_args()
    model = featurenerf.load()
    report: dict[str, object] = {"machine": platform.processor() or platform.machine(), "pairs": given.pairs}
    strangers: dict[str, torch.Tensor] = {}
    for category in given.categories:
        data, made = open_dataset(given.data, category, "test"), []
        by_kind: dict[str, list[float]] = {"right": [], "wrong": [], "none": [], "another kind": []}
        for number, pair in enumerate(data.cross_inst_pairs[: given.pairs]):
            bench = Workbench(model)
            objects = [data[name] for name in (pair.source_id, pair.target_id)]
            views = (pair.source_view, pair.target_view)
            ways = [
                opened(bench, each.picture(view), each.camera(view), name, given.found)
                for each, view, name in zip(objects, views, ("one", "other"), strict=True)
            ]
            made += clicks(bench, *(each.keypoint_candidates()[1] for each in objects), ways)
            for kind, values in scores(bench, objects, ways, number).items():
                by_kind[kind] += values
            own = bench.session.object("one").surface.descriptors
            for other, theirs in strangers.items():
                if other != category:
                    by_kind["another kind"] += match(own[:: max(1, len(own) // POINTS)], theirs)[1].tolist()
            strangers.setdefault(category, normalise(own))
            print(category, number + 1, round(float(np.mean([it["away"] < RIGHT for it in made])), 3), flush=True)
        report[category] = summary(made, by_kind)
        print(category, json.dumps(report[category]), flush=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
