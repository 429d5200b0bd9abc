"""The generated objects keep their promises: frame, labels, keypoints, symmetry, determinism."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from featurenerf.errors import InputError
from featurenerf.synthesis.objects import CATEGORIES, LabelledMesh, generate
from featurenerf.synthesis.objects.geometry import corner_normals, first_hits, nearest_on_triangles
from featurenerf.synthesis.objects.shapes import box, circle, loft, revolve, rounded_rectangle, slab, tube

SAMPLES = 10
LOPSIDED = {("table", "desk"), ("table", "corner")}
"""Families with something on one side only."""
ONE_SIDED = {"exhaust end right"}
"""Keypoints that may be there without their mirror image."""
CASES = [(category, index) for category in CATEGORIES for index in range(SAMPLES)]


@cache
def sample(category: str, index: int) -> LabelledMesh:
    return generate(category, 11, index)


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_same_arguments_give_the_same_object_and_others_another(category: str) -> None:
    once, again, other = generate(category, 5, 3), generate(category, 5, 3), generate(category, 6, 3)
    np.testing.assert_array_equal(once.vertices, again.vertices)
    np.testing.assert_array_equal(once.faces, again.faces)
    np.testing.assert_array_equal(once.face_parts, again.face_parts)
    assert once.keypoints.keys() == again.keypoints.keys()
    for first, second in zip(once.materials, again.materials, strict=True):
        np.testing.assert_array_equal(first.color, second.color)
    assert once.vertices.shape != other.vertices.shape or not np.array_equal(once.vertices, other.vertices)


@pytest.mark.parametrize(("category", "index"), CASES)
def test_an_object_is_well_formed(category: str, index: int) -> None:
    mesh, record = sample(category, index), CATEGORIES[category]
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    assert np.linalg.norm(high - low) == pytest.approx(1.0, abs=1e-6)  # vertices are snapped to 1e-7
    np.testing.assert_allclose(low + high, 0.0, atol=1e-6)
    assert mesh.family in record.families
    assert 500 < len(mesh.faces) < 12_000
    assert mesh.faces.min() >= 0
    assert mesh.faces.max() < len(mesh.vertices)
    assert set(np.unique(mesh.face_parts)) <= set(range(1, len(record.part_names)))
    assert mesh.face_materials.min() >= 0
    assert mesh.face_materials.max() < len(mesh.materials)
    np.testing.assert_allclose(np.linalg.norm(mesh.corner_normals, axis=-1), 1.0, atol=1e-5)
    assert mesh.uv is not None
    assert np.isfinite(mesh.uv).all()
    for material in mesh.materials:
        assert material.color.min() >= 0
        assert material.color.max() <= 1


@pytest.mark.parametrize(("category", "index"), CASES)
def test_keypoints_lie_on_the_surface_and_left_mirrors_right(category: str, index: int) -> None:
    mesh, record = sample(category, index), CATEGORIES[category]
    triangles = mesh.vertices[mesh.faces]
    assert len(mesh.keypoints) >= 5
    for key, point in mesh.keypoints.items():
        assert 0 <= key < len(record.keypoint_names)
        assert np.linalg.norm(nearest_on_triangles(point, triangles) - point) < 1e-6
        partner = record.mirror[key]
        assert record.mirror[partner] == key
        if "left" in record.keypoint_names[key]:
            assert point[1] > 0.005
        if (category, mesh.family) in LOPSIDED:
            continue
        if partner not in mesh.keypoints and record.keypoint_names[key] in ONE_SIDED:
            continue
        assert partner in mesh.keypoints, record.keypoint_names[key]
        if partner == key:
            assert abs(point[1]) < 0.05  # beside the middle where that falls between two slats
        else:
            np.testing.assert_allclose(mesh.keypoints[partner] * [1, -1, 1], point, atol=0.012)


@pytest.mark.parametrize("category", CATEGORIES)
def test_front_and_top_are_where_the_frame_says(category: str) -> None:
    """+x is the front and +z is up, by name of the keypoints."""
    names = CATEGORIES[category].keypoint_names
    pairs = {
        "chair": [("seat front left", "seat back left", 0), ("back top left", "seat front left", 2)],
        "car": [("wheel front left", "wheel back left", 0), ("roof front left", "wheel front left", 2),
                ("headlight left", "taillight left", 0)],
        "table": [("top front left", "top back left", 0), ("leg tip front left", "leg tip back left", 0),
                  ("top back left", "leg tip front left", 2)],
        "bottle": [("bottom front", "bottom back", 0), ("neck foot front", "neck foot back", 0),
                   ("cap rim front", "shoulder left", 2), ("shoulder left", "bottom left", 2)],
        "airplane": [("nose", "tail end", 0), ("wing root front left", "wing root back left", 0),
                     ("fin top", "nose", 2)],
        "motorcycle": [("wheel front left", "wheel back left", 0), ("headlight", "taillight", 0),
                       ("seat front", "seat back", 0), ("grip end left", "wheel front left", 2)],
    }[category]  # fmt: skip
    for index in range(SAMPLES):
        keypoints = sample(category, index).keypoints
        for more, less, axis in pairs:
            if names.index(more) in keypoints and names.index(less) in keypoints:
                assert keypoints[names.index(more)][axis] > keypoints[names.index(less)][axis] + 0.05


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_family_appears_and_no_two_objects_look_alike(category: str) -> None:
    assert sum(CATEGORIES[category].shares) == pytest.approx(1)
    meshes = [sample(category, index) for index in range(45)]
    assert {mesh.family for mesh in meshes} == set(CATEGORIES[category].families)
    extents = np.array([np.ptp(mesh.vertices, axis=0) for mesh in meshes])
    ratio = extents[:, 2] / extents[:, 1]
    assert ratio.max() / ratio.min() > 1.8
    centres = [tuple(np.round(mesh.vertices[mesh.faces].mean(axis=(0, 1)), 5)) for mesh in meshes]
    assert len(set(centres)) == len(centres)


@pytest.mark.parametrize("category", CATEGORIES)
def test_most_keypoints_are_seen_from_some_side(category: str) -> None:
    """A keypoint inside another solid would never be annotated."""
    pytest.importorskip("embreex", reason="needs featurenerf[data]")
    ray = pytest.importorskip("trimesh.ray.ray_pyembree", reason="needs featurenerf[data]")
    import trimesh

    seen = total = 0
    turn = np.radians(np.arange(0, 360, 30))
    for index in range(8):
        mesh = sample(category, index)
        tracer = ray.RayMeshIntersector(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False))
        for point in mesh.keypoints.values():
            rise = np.radians([5.0, 40.0, 80.0])[:, None]
            eyes = 1.3 * np.stack(
                [np.cos(rise) * np.cos(turn), np.cos(rise) * np.sin(turn), np.sin(rise) + 0 * turn], -1
            ).reshape(-1, 3)
            ways = point - eyes
            far = np.linalg.norm(ways, axis=1)
            hit, which, _ = tracer.intersects_location(eyes, ways / far[:, None], multiple_hits=False)
            free = np.ones(len(eyes), dtype=bool)
            free[which] = np.linalg.norm(hit - eyes[which], axis=1) > far[which] - 0.01
            seen, total = seen + bool(free.any()), total + 1
    assert seen / total > 0.97


SOLIDS = {
    "box": box((1, 2, 3)),
    "round box": box((1, 2, 3), 0.2, (2, 1, 3), 2),
    "cushion": slab(circle(20), 0.3, 0.1, 0.1),
    "disc": slab(circle(20), 0.3),
    "dished": slab(rounded_rectangle(2.0, 1.0, 0.2), 0.3, 0.1, -0.05),
    "cone": revolve([(1, 0), (0.5, 1)], 12),
    "tube": tube([(0, 0, 0), (1, 0, 0), (1, 1, 0)], 0.1),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_solids_are_closed_and_face_outward(name: str) -> None:
    solid = SOLIDS[name]
    assert volume(solid.vertices, solid.faces) > 0
    edges = np.concatenate([solid.faces[:, [0, 1]], solid.faces[:, [1, 2]], solid.faces[:, [2, 0]]])
    forward = {tuple(e) for e in edges.tolist()}
    assert all((b, a) in forward for a, b in forward)


def test_solids_have_the_volume_of_geometry() -> None:
    assert volume(*(lambda s: (s.vertices, s.faces))(box((1, 2, 3)))) == pytest.approx(6)
    cylinder = revolve([(1, 0), (1, 2)], 96)
    assert volume(cylinder.vertices, cylinder.faces) == pytest.approx(2 * np.pi, rel=2e-3)
    assert volume(box((1, 1, 1), 0.3, arc=3).vertices, box((1, 1, 1), 0.3, arc=3).faces) < 0.95


def test_normals_are_smooth_on_a_tube_and_flat_on_a_box() -> None:
    cube = box((1, 1, 1))
    flat = corner_normals(cube.vertices, cube.faces)
    np.testing.assert_allclose(np.sort(np.abs(flat), axis=-1), np.broadcast_to([0, 0, 1], flat.shape), atol=1e-6)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], -1)
    wall = loft(np.stack([np.column_stack([ring, np.full(24, z)]) for z in (0.0, 1.0)]), caps=False)
    smooth = corner_normals(wall.vertices, wall.faces)
    np.testing.assert_allclose(smooth[..., :2], wall.vertices[wall.faces][..., :2], atol=0.02)


def test_the_first_hit_is_the_outermost() -> None:
    cube = box((2, 2, 2))
    points = np.array([[0.2, 0.3, 0.0], [5.0, 0.0, 0.0]])
    hits = first_hits(points, np.array([0.0, 0.0, 1.0]), cube.vertices[cube.faces])
    np.testing.assert_allclose(hits[0], [0.2, 0.3, 1.0])
    assert np.isnan(hits[1]).all()


def test_an_unknown_category_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="chair"):
        generate("teapot", 0, 0)
