"""Airplanes: which parts and points each family has, where they lie, and the shapes they are lofted from."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from featurenerf.synthesis.objects.airplane import CATEGORY, make
from featurenerf.synthesis.objects.airplane.foils import FuselageShape, panel
from featurenerf.synthesis.objects.airplane.liveries import Canvas
from featurenerf.synthesis.objects.airplane.plans import BODY, ENGINE, TAIL, WING
from featurenerf.synthesis.objects.labelled import LabelledMesh
from featurenerf.synthesis.objects.shapes import Surface, box

SAMPLES = 4
CASES = [(family, index) for family in CATEGORY.families for index in range(SAMPLES)]
ALWAYS = (
    "nose", "tail end", "windshield", "wing tip left", "wing root front left", "wing root back left",
)  # fmt: skip
PAIRED_ENGINES = ("airliner", "four engines", "rear engines", "twin propellers", "fighter", "delta", "transport")


@cache
def sample(family: str, index: int) -> LabelledMesh:
    return make(np.random.default_rng([3, index]), family)


def points(family: str, index: int) -> dict[str, np.ndarray]:
    return {CATEGORY.keypoint_names[key]: point for key, point in sample(family, index).keypoints.items()}


@pytest.mark.parametrize(("family", "index"), CASES)
def test_each_family_has_its_parts_and_points(family: str, index: int) -> None:
    labels = {BODY, WING, TAIL} if family == "glider" else {BODY, WING, TAIL, ENGINE}
    assert set(np.unique(sample(family, index).face_parts)) == labels
    names = set(points(family, index))
    assert names >= set(ALWAYS)
    assert ("fin top" in names) == ("fin base front" in names)
    assert ("stabiliser tip left" in names) == (family != "delta")
    assert not {"fin top", "twin fin top left"} <= names
    if family not in ("low wing", "glider"):  # these may have a V tail
        assert {"fin top", "twin fin top left"} & names
    assert ("engine front left" in names) == (family in PAIRED_ENGINES) or family == "seaplane"
    if family == "four engines":
        assert "outer engine front left" in names
    elif family != "transport":
        assert "outer engine front left" not in names


@pytest.mark.parametrize(("family", "index"), CASES)
def test_the_points_lie_in_the_order_of_an_airplane(family: str, index: int) -> None:
    at, mesh = points(family, index), sample(family, index)
    assert at["nose"][0] > at["windshield"][0] > at["tail end"][0]
    assert at["windshield"][2] > at["nose"][2]
    assert at["wing root front left"][0] > at["wing root back left"][0] + 0.03
    assert at["wing tip left"][1] > at["wing root front left"][1] + 0.1
    wing = mesh.vertices[mesh.faces[mesh.face_parts == WING]][..., 1]
    assert at["wing tip left"][1] > 0.84 * wing.max()  # the lower wing of a biplane is the shorter one
    if "stabiliser tip left" in at:
        assert at["stabiliser tip left"][0] < at["wing root back left"][0]
    if "fin top" in at:
        assert at["fin top"][2] > at["fin base front"][2] > at["tail end"][2] - 0.03
        assert at["fin base front"][0] > at["fin top"][0]
    if "outer engine front left" in at:
        assert at["outer engine front left"][1] > at["engine front left"][1] + 0.05


@pytest.mark.parametrize(("family", "index"), CASES)
def test_what_is_seen_from_outside_faces_outward(family: str, index: int) -> None:
    pytest.importorskip("embreex", reason="needs featurenerf[data]")
    ray = pytest.importorskip("trimesh.ray.ray_pyembree", reason="needs featurenerf[data]")
    import trimesh

    mesh = sample(family, index)
    rng = np.random.default_rng(0)
    ways = rng.normal(size=(6000, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    targets = mesh.vertices[rng.integers(len(mesh.vertices), size=6000)] + rng.normal(0, 0.01, (6000, 3))
    tracer = ray.RayMeshIntersector(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False))
    hit = tracer.intersects_first(targets - 2 * ways, ways)
    corners = mesh.vertices[mesh.faces[hit[hit >= 0]]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    towards = np.einsum("ij,ij->i", normals, ways[hit >= 0]) < 0
    assert (hit >= 0).sum() > 1000
    assert towards.mean() > 0.99  # but for panes, which stand a little off the fuselage, seen along it


def volume(surface: Surface) -> float:
    a, b, c = (surface.vertices[surface.faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


@pytest.mark.parametrize("tip", ["square", "round", "raked", "winglet"])
def test_a_wing_is_closed_and_as_thick_as_its_airfoil(tip: str) -> None:
    wing = panel((0, 0, 0), (0, 1, 0), 4.0, (1.0, 0.5), 20.0, 0.12, tip)
    surface = wing.surface()
    edges = np.concatenate([surface.faces[:, [0, 1]], surface.faces[:, [1, 2]], surface.faces[:, [2, 0]]])
    forward = {tuple(edge) for edge in edges.tolist()}
    assert all((b, a) in forward for a, b in forward)
    assert volume(surface) > 0
    root = surface.vertices[np.abs(surface.vertices[:, 1]) < 1e-9]
    assert np.ptp(root[:, 0]) == pytest.approx(1.0, abs=1e-6)
    assert np.ptp(root[:, 2]) == pytest.approx(0.12, rel=0.03)
    front, height, chord = wing.at(2.0)
    assert front == pytest.approx(-2 * np.tan(np.radians(20)))
    assert height == pytest.approx(0, abs=1e-9)
    assert chord == pytest.approx(0.75)


def test_a_hull_passes_through_its_rows_and_knows_its_width() -> None:
    rows = [(0.0, 0.05, -0.05, 0.05, 2), (0.25, 1, -1, 1, 2), (0.75, 1, -1, 1, 2), (1.0, 0.5, 0.3, 0.1, 2)]
    hull = FuselageShape.of(rows, 10.0, 1.5, 1.2)
    middle, high, half, power = hull.at(0.0)
    assert (middle, high, half, power) == pytest.approx((0, 1.5, 1.2, 2))
    assert hull.ceiling(-5.0) == pytest.approx(0.75)
    assert hull.floor(-5.0) == pytest.approx(0.45)
    surface = hull.surface()
    assert volume(surface) > 0
    assert np.ptp(surface.vertices[:, 0]) == pytest.approx(10.0)
    x, y, z = hull.point(3.0, 35.0)
    assert hull.width(x, z) == pytest.approx(y)
    assert hull.width(3.0, 2.0) == 0
    assert hull.point(3.0, 35.0, 0.1) - hull.point(3.0, 35.0) == pytest.approx(
        [0, 0.1 * np.cos(np.radians(35)), 0.1 * np.sin(np.radians(35))]
    )


def test_a_canvas_puts_paint_where_it_was_laid() -> None:
    canvas = Canvas(box((4.0, 2.0, 1.0)), np.full(3, 0.5), (0, 1))
    canvas.paint(canvas.u > 1.0, np.array([1.0, 0.0, 0.0]))
    canvas.paint(np.full(canvas.v.shape, 0.5) * (canvas.v < -0.5), np.zeros(3))
    surface, finish = canvas.finish((0.1, 10.0))
    picture = finish.material.texture
    assert picture is not None

    def color(x: float, y: float) -> np.ndarray:
        k = np.argmin(np.abs(surface.vertices[surface.faces][..., :2] - [x, y]).sum(axis=-1))
        u, v = surface.uv.reshape(-1, 2)[k]
        return picture[int(v * picture.shape[0]), int(u * picture.shape[1])]

    np.testing.assert_array_equal(color(2, 1), [255, 0, 0])
    np.testing.assert_array_equal(color(2, -1), [128, 0, 0])
    np.testing.assert_array_equal(color(-2, 1), [128, 128, 128])
    np.testing.assert_array_equal(color(-2, -1), [64, 64, 64])
