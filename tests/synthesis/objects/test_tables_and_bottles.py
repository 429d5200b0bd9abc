"""What the names of tables' and bottles' parts and keypoints promise."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from featurenerf.synthesis.objects import CATEGORIES, LabelledMesh
from featurenerf.synthesis.objects import bottle as bottles
from featurenerf.synthesis.objects import table as tables
from featurenerf.synthesis.objects.bottle import plans as bottle_plans
from featurenerf.synthesis.objects.bottle.walls import rounded, wall_angles, wall_of
from featurenerf.synthesis.objects.table import plans as table_plans

MODULES = {"table": tables, "bottle": bottles}
CASES = [(name, family, seed) for name in MODULES for family in CATEGORIES[name].families for seed in range(3)]


@cache
def made(category: str, family: str, seed: int) -> LabelledMesh:
    return MODULES[category].make(np.random.default_rng(seed), family)


def named(category: str, mesh: LabelledMesh) -> dict[str, np.ndarray]:
    return {CATEGORIES[category].keypoint_names[number]: point for number, point in mesh.keypoints.items()}


@pytest.mark.parametrize(("category", "family", "seed"), CASES)
def test_nothing_is_seen_from_behind(category: str, family: str, seed: int) -> None:
    """A hole, or a solid turned inside out, would show the back of a face."""
    pytest.importorskip("embreex", reason="needs featurenerf[data]")
    ray = pytest.importorskip("trimesh.ray.ray_pyembree", reason="needs featurenerf[data]")
    import trimesh

    mesh, rng = made(category, family, seed), np.random.default_rng(0)
    tracer = ray.RayMeshIntersector(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False))
    eyes = rng.normal(size=(3000, 3))
    eyes *= 1.3 / np.linalg.norm(eyes, axis=1, keepdims=True)
    ways = mesh.vertices[mesh.faces[rng.integers(len(mesh.faces), size=3000)]].mean(axis=1) - eyes
    first = tracer.intersects_first(eyes, ways)
    a, b, c = (mesh.vertices[mesh.faces[first[first >= 0], k]] for k in range(3))
    assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), ways[first >= 0]) > 0).mean() < 2e-3


@pytest.mark.parametrize("family", CATEGORIES["table"].families)
@pytest.mark.parametrize("seed", range(3))
def test_a_table_stands_on_its_tips_and_ends_in_its_top(family: str, seed: int) -> None:
    mesh = made("table", family, seed)
    at, low = named("table", mesh), mesh.vertices[:, 2].min()
    for name, point in at.items():
        if name.startswith("leg tip"):
            assert point[2] < low + 0.06, name
            assert (point[0] > 0) == ("front" in name) or family == "corner"
    assert at["top centre"][2] > low + 0.2
    flat = [point[2] for name, point in at.items() if name.startswith("top")]
    assert np.ptp(flat) < 0.06
    if "drawer left" in at and "drawer right" in at:
        assert at["drawer left"][0] > 0
        assert at["drawer left"][2] < at["top centre"][2]
    parts = set(np.unique(mesh.face_parts))
    assert {table_plans.TOP} <= parts
    assert (table_plans.BENCH in parts) == (family == "picnic") == ("bench front centre" in at)
    assert ("shelf centre" in at) == (table_plans.SHELF in parts)


@pytest.mark.parametrize("family", CATEGORIES["bottle"].families)
@pytest.mark.parametrize("seed", range(3))
def test_a_bottles_points_climb_from_its_bottom_to_its_cap(family: str, seed: int) -> None:
    mesh = made("bottle", family, seed)
    at = named("bottle", mesh)
    parts = set(np.unique(mesh.face_parts))
    order = ["bottom left", "shoulder left", "neck foot left", "cap rim left"]
    heights = [at[name][2] for name in order if name in at]
    assert heights == sorted(heights)
    assert ("neck foot front" in at) == (bottle_plans.NECK in parts)
    assert ("cap top centre" in at) == (bottle_plans.CAP in parts)
    assert ("handle top" in at) == (bottle_plans.HANDLE in parts)
    if "cap top centre" in at:
        assert at["cap top centre"][2] > at["cap rim left"][2] - 1e-3
    if family == "jug":
        assert at["handle top"][0] < at["cap top centre"][0]
    if family in ("spray", "pump"):
        assert at["nozzle tip"][0] > at["cap top centre"][0] + 0.05
    if {"label centre", "cap rim left"} <= at.keys():
        assert at["bottom left"][2] < at["label centre"][2] < at["cap rim left"][2]


def test_a_wall_is_round_at_the_mouth_and_as_deep_as_asked() -> None:
    profile = rounded([(0.04, 0, 0), (0.05, 0, 0.002), (0.05, 0.12, 0.02), (0.012, 0.16, 0.01), (0.012, 0.2, 0)])
    wall = wall_of(profile, depth=0.03, power=4)
    assert wall.height == pytest.approx(0.2, abs=1e-4)
    assert 0.1 < wall.shoulder < 0.14 < wall.foot < 0.17
    body, mouth = wall.ring(wall_angles(), [0.06, 0.2])
    np.testing.assert_allclose(np.abs(body[:, :2]).max(axis=0), [0.03, 0.05], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(mouth[:, :2], axis=1), 0.012, rtol=1e-6)
    np.testing.assert_allclose(wall.at(90, 0.06, out=0.001), [0, 0.051, 0.06], atol=1e-9)
