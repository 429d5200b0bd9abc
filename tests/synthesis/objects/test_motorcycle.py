"""Motorcycles: which parts and points each family has, where they lie, and that their solids face outward."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from featurenerf.synthesis.objects.assembly import Assembly
from featurenerf.synthesis.objects.labelled import LabelledMesh
from featurenerf.synthesis.objects.motorcycle import CATEGORY, make
from featurenerf.synthesis.objects.motorcycle.pieces import hull, ring, shell
from featurenerf.synthesis.objects.motorcycle.plans import BODY, HANDLE, LIGHT, SEAT, TANK, WHEEL
from featurenerf.synthesis.objects.shapes import Surface, circle

CASES = [(family, index) for family in CATEGORY.families for index in range(2)]
ALWAYS = {
    "wheel front left", "wheel back right", "front tyre foremost", "back tyre rearmost", "grip end left", "headlight",
    "taillight", "seat front", "seat back", "exhaust end right", "foot rest left",
}  # fmt: skip


@cache
def sample(family: str, index: int) -> LabelledMesh:
    return make(np.random.default_rng([3, index]), family)


def points(family: str, index: int) -> dict[str, np.ndarray]:
    return {CATEGORY.keypoint_names[key]: point for key, point in sample(family, index).keypoints.items()}


def volume(surface: Surface) -> float:
    a, b, c = (surface.vertices[surface.faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def open_edges(surface: Surface) -> int:
    """Edges that no neighbour runs back along, vertices at the same place being one."""
    _, same = np.unique(surface.vertices.round(9), axis=0, return_inverse=True)
    faces = same.reshape(-1)[surface.faces]
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = {(int(a), int(b)) for a, b in ends if a != b}
    return sum((b, a) not in edges for a, b in edges)


@pytest.mark.parametrize(("family", "index"), CASES)
def test_each_family_has_its_parts_and_points(family: str, index: int) -> None:
    labels = {TANK, SEAT, WHEEL, HANDLE, LIGHT, BODY} - ({TANK} if family == "scooter" else set())
    assert set(np.unique(sample(family, index).face_parts)) == labels
    names = set(points(family, index))
    assert names >= ALWAYS
    assert ("tank top" in names) == (family != "scooter")
    assert ("mirror left" in names) == ("mirror right" in names)
    if family != "chopper":
        assert "front fender tip" in names


@pytest.mark.parametrize(("family", "index"), CASES)
def test_the_points_lie_where_a_motorcycle_has_them(family: str, index: int) -> None:
    at, mesh = points(family, index), sample(family, index)
    wheels = mesh.vertices[mesh.faces[mesh.face_parts == WHEEL]].reshape(-1, 3)
    assert mesh.vertices[:, 2].min() == pytest.approx(wheels[:, 2].min(), abs=1e-9)  # it stands on its wheels
    assert at["front tyre foremost"][0] == pytest.approx(wheels[:, 0].max(), abs=2e-3)
    assert at["back tyre rearmost"][0] == pytest.approx(wheels[:, 0].min(), abs=2e-3)
    for axle, end in (("wheel front left", "front tyre foremost"), ("wheel back right", "back tyre rearmost")):
        assert at[axle][2] == pytest.approx(at[end][2], abs=0.02)
    order = ["taillight", "seat back", "seat front", "headlight"]
    along = [at[name][0] for name in order]
    assert along[1:] == sorted(along[1:])
    assert along[0] < along[2] - 0.1
    assert at["grip end left"][2] > at["wheel front left"][2] + 0.1
    assert at["exhaust end right"][1] < -0.02
    if "tank top" in at:
        assert at["seat front"][0] < at["tank top"][0] < at["headlight"][0]
    if "mirror left" in at:
        assert at["mirror left"][2] > at["grip end left"][2]


def test_families_have_the_proportions_of_their_kind() -> None:
    def mean(family: str, measure: str) -> float:
        values = []
        for index in range(2):
            at, mesh = points(family, index), sample(family, index)
            base = at["wheel front left"][0] - at["wheel back left"][0]
            radius = at["wheel front left"][2] - mesh.vertices[:, 2].min()
            seat = at["seat front"][2] - mesh.vertices[:, 2].min()
            values.append({"seat": seat / base, "radius": radius / base}[measure])
        return float(np.mean(values))

    assert mean("enduro", "seat") > mean("naked", "seat") > mean("cruiser", "seat") > mean("chopper", "seat")
    assert mean("scooter", "radius") < 0.85 * mean("moped", "radius")


@pytest.mark.parametrize("family", CATEGORY.families)
def test_every_solid_is_closed_and_faces_outward(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    solids: list[Surface] = []
    whole = sample(family, 0)
    monkeypatch.setattr(Assembly, "add", lambda self, surface, *rest: solids.append(surface))
    monkeypatch.setattr(Assembly, "build", lambda self, family: whole)
    make(np.random.default_rng([3, 0]), family)
    assert len(solids) > 40
    for solid in solids:
        assert volume(solid) > 0
        assert open_edges(solid) == 0


def test_the_pieces_have_the_volume_of_geometry() -> None:
    torus = ring(circle(40, 0.1) + np.array([1.0, 0.0]), 80)
    assert volume(torus) == pytest.approx(2 * np.pi**2 * 0.01, rel=0.02)
    rod = hull([(-1.0, 0.0, 0.1, 0.2), (1.0, 0.0, 0.1, 0.2)], 9, 40, 2.0)
    assert volume(rod) == pytest.approx(2 * np.pi * 0.02, rel=0.06)
    path = np.stack([np.linspace(0, 1, 5), np.zeros(5), np.zeros(5)], -1)
    for bulge, up in ((0.1, (0.0, 0.0, 1.0)), (0.0, (0.0, 0.0, 1.0)), (0.1, (0.0, 0.0, -1.0))):
        plate = shell(path, 0.3, bulge, 0.02, up)
        assert volume(plate) > 0.5 * 0.6 * 0.02
        assert plate.vertices[:, 2].min() >= -0.13
