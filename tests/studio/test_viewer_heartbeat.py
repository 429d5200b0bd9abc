"""The viewer's server goes on while files are made: nothing keeps the interpreter from it for 100 ms.

A thread beats every 5 ms, as the server's would. What counts is not the time between two beats, which is long on a busy
machine, but the processor time that this process took in it: then another thread worked and let nobody else in.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("trimesh", reason="trimesh is not installed")
pytest.importorskip("xatlas", reason="xatlas is not installed")

import trimesh

from analytic_field import ellipsoid
from featurenerf.pictures import to_image
from featurenerf.studio import figures
from featurenerf.studio.export import Geometry
from featurenerf.studio.mesh_files import bake, colored_glb

MOST = 0.1  # seconds


def held(work: Callable[[], object]) -> float:
    """The longest time, in seconds of the processor, that some work let no other thread run."""
    longest, ended = [0.0], threading.Event()

    def beat() -> None:
        last = time.process_time()
        while not ended.wait(0.005):
            now = time.process_time()
            longest[0], last = max(longest[0], now - last), now

    thread = threading.Thread(target=beat)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several would count several times
    thread.start()
    try:
        time.sleep(0.02)
        work()
        time.sleep(0.02)
    finally:
        ended.set()
        thread.join()
        torch.set_num_threads(threads)
    return longest[0]


def bumpy_ball() -> Geometry:
    ball = trimesh.creation.icosphere(4, 0.4)
    points = (ball.vertices * (1 + 0.05 * np.sin(20 * ball.vertices[:, :1]))).astype(np.float32)
    return Geometry(points, np.full_like(points, 0.5), None, ball.faces.astype(np.int32))


def test_the_meter_sees_what_holds_the_interpreter() -> None:
    assert held(lambda: re.fullmatch("(a|a)+b", "a" * 22)) > MOST
    assert held(lambda: sum(n * n for n in range(10**6))) < MOST  # other threads have their turns


@pytest.mark.parametrize("what", ["texture", "mesh", "turntable"])
def test_files_are_made_beside_the_server(what: str, tmp_path: Path) -> None:
    made, field = bumpy_ball(), ellipsoid()
    frames = [to_image(torch.rand(3, 96, 192, generator=torch.Generator().manual_seed(n))) for n in range(12)]
    work: dict[str, Callable[[], object]] = {
        "texture": lambda: bake(field, made, 128),
        "mesh": lambda: colored_glb(made),
        "turntable": lambda: figures.write_turntable(frames, tmp_path / "turntable"),
    }
    work[what]()  # what is imported at first is not counted
    assert min(held(work[what]) for _ in range(2)) < MOST
