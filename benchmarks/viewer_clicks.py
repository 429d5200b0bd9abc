"""How often a click in the viewer finds a keypoint on another object, what its score says, what the page's 8 bits cost.

    python benchmarks/viewer_clicks.py DATA chair car --pairs 24

DATA is of ``featurenerf data make``; pairs are those of its test split (cross-instance), which no training saw. A click
is a ray from outside at a keypoint of one object, through ``Workbench.hit`` and ``clicked``, as the page's clicks are.
It is right where the marker on the other object lies within 0.1 of that one's keypoint (the object's diagonal is 1).
Cameras are given; with ``--found`` each picture is opened as an upload is, and distances are taken in the frame of the
picture's camera.

``quantised`` is the same with the descriptors of ``featurenerf page`` (``clickable.quantised``). ``scores`` are those
of 50 random surface points of the first object: "right" where what was found has the point's part, "wrong" where it
has another, "none" where the other object has no such part, "another kind" on an object of another category.

    python benchmarks/viewer_clicks.py --frames

tells what a volume render takes (``viewer.volume.scene_view``), in CPU seconds of one core: other programs that run
meanwhile change those little. "product" is that of two 1024 x 1024 matrices.

    python benchmarks/viewer_clicks.py --orbit 20

opens the viewer and looks at it as a page whose camera turns for so many seconds, a step each 20 ms: frames that arrive
each second, and their heights in pixels. These are seconds of the clock: all that runs meanwhile counts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

import featurenerf
from featurenerf import Camera
from featurenerf.cameras import OPENCV_TO_OPENGL
from featurenerf.data.objects import ObjectViews
from featurenerf.data.open import open_dataset
from featurenerf.matching import first_source_camera, match, normalise
from featurenerf.models.base import Model
from featurenerf.studio.clickable import quantised
from featurenerf.studio.parts import subject
from featurenerf.studio.viewer.app import ViewerApp
from featurenerf.studio.viewer.frames import FULL
from featurenerf.studio.viewer.state import ViewedObject, whole_surface, with_object
from featurenerf.studio.viewer.volume import PlacedField, scene_view
from featurenerf.studio.viewer.workbench import SPACING, Workbench

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


def cpu_seconds(work: Callable[[], object], times: int = 3) -> float:
    """Of one of several repetitions, after one that does not count."""
    work()
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times


def frames(model: Model) -> dict[str, dict[str, float]]:
    """Seconds of one core for a frame: one chair that fills a square page, and two on a wide one."""
    torch.set_num_threads(1)
    shapes = [subject(model, featurenerf.examples[name].path).field for name in ("dining_chair", "office_chair")]
    one = [PlacedField(shapes[0], torch.zeros(3))]
    two = [
        PlacedField(shape, torch.tensor([0.0, y, 0.0]))
        for shape, y in zip(shapes, (-SPACING / 2, SPACING / 2), strict=True)
    ]
    matrix, made = torch.randn(1024, 1024), {}
    for name, placed, aspect, distance in (("one object", one, 1.0, 1.4), ("two objects", two, 1.5, 2.2)):
        made[name] = {
            f"{round(rows * aspect)} x {rows}": round(
                cpu_seconds(
                    lambda r=rows, p=placed, a=aspect, d=distance: scene_view(
                        Camera.look_at(40.0, 25.0, round(a * r), r, distance=d), p
                    )
                ), 3,
            )
            for rows in (32, 48, 64, 96, 128)
        }  # fmt: skip
    return {**made, "product": {"1024": round(cpu_seconds(lambda: matrix @ matrix, 10), 4)}}


def orbit(model: Model, seconds: float) -> dict[str, object]:
    """Frames of a volume that arrive at a page while its camera turns around one chair."""
    import msgspec
    import viser
    import zstandard
    from viser import _messages
    from websockets.sync.client import connect
    from websockets.typing import Subprotocol

    app = ViewerApp(model)
    app.panel.shape.value = "volume"
    app.open_pictures([featurenerf.examples["dining_chair"].path])
    app.queue.rest(600)
    heights, used = list[int](), time.process_time()
    plain = app.renders._send
    app.renders._send = lambda client, rows, stop: bool(heights.append(rows)) or plain(client, rows, stop)  # type: ignore[func-returns-value,method-assign]
    protocol = Subprotocol(f"viser-v{viser.__version__}")
    page = connect(app.address.replace("http", "ws"), subprotocols=[protocol], max_size=None, compression=None)
    arrived, moving = 0, True

    def read() -> None:
        nonlocal arrived
        for got in page:
            if isinstance(got, bytes):
                text = zstandard.ZstdDecompressor().decompressobj().decompress(got[16:])
                arrived += moving and b"BackgroundImageMessage" in text

    threading.Thread(target=read, daemon=True).start()
    start = time.perf_counter()
    while (now := time.perf_counter() - start) < seconds:
        w, x, y, z = _turn(now)
        eye = Camera.look_at(30 * now, 20, 8, 8, distance=2.0).centre.tolist()
        message = _messages.ViewerCameraMessage(
            (w, x, y, z), tuple(eye), 0.7, 0.1, 100.0, 512, 512, (0.0, 0.0, 0.0), (0.0, 0.0, 1.0)
        )
        page.send(msgspec.msgpack.encode(message.as_serializable_dict()))
        time.sleep(0.02)
    moving = False
    coarse = [rows for rows in heights if rows not in FULL[1:]]
    page.close()
    app.close()
    return {
        "frames a second": round(arrived / seconds, 1), "heights": sorted(coarse)[:: max(1, len(coarse) // 10)],
        "CPU seconds a frame": round((time.process_time() - used) / max(len(heights), 1), 3),
        "threads": torch.get_num_threads(), "load": os.getloadavg()[0],
    }  # fmt: skip


def _turn(seconds: float) -> list[float]:
    """The rotation of a page's camera (OpenCV's axes to the world's) that orbits at 30 degrees a second."""
    pose = Camera.look_at(30 * seconds, 20, 8, 8, distance=2.0).pose * OPENCV_TO_OPENGL
    return [float(v) for v in np.roll(Rotation.from_matrix(pose[:3, :3].numpy()).as_quat(), 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("categories", nargs="*")
    parser.add_argument("--frames", action="store_true")
    parser.add_argument("--orbit", type=float)
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--found", action="store_true")
    given = parser.parse_args()
    model = featurenerf.load()
    if given.frames:
        print(json.dumps(frames(model)))
    if given.orbit:
        print(json.dumps(orbit(model, given.orbit)))
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
            print(category, number + 1, json.dumps(summary(made, by_kind)), flush=True)
        report[category] = summary(made, by_kind)
    if given.categories:
        print(json.dumps(report))


if __name__ == "__main__":
    main()
