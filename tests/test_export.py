from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.measure import marching_cubes

from analytic_field import COLOURS, RADII, ellipsoid, part
from featurenerf import export
from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.export import Geometry, read_ply, write_ply

# the analytic density passes a level at distance 1.1 - 0.2 * level / 500 of the unit ellipsoid
LEVEL = 250.0
STEP = 1 / 47


def test_points_lie_on_the_surface_with_its_colours_and_descriptors() -> None:
    cloud = export.point_cloud(ellipsoid(), export.all_around(64), most=3000)
    distance = np.linalg.norm(cloud.points / RADII, axis=1)
    assert len(cloud.points) == 3000
    assert np.all((distance > 0.9) & (distance < 1.15))
    places = torch.from_numpy(cloud.points)
    assert np.allclose(cloud.rgb, COLOURS[part(places)].numpy(), atol=1e-6)
    assert np.allclose(cloud.descriptor[:, 3:6], cloud.points, atol=1e-6)
    for axis in range(3):  # from all sides
        assert cloud.points[:, axis].min() < -0.85 * RADII[axis]
        assert cloud.points[:, axis].max() > 0.85 * RADII[axis]


def test_mesh_is_the_level_set_closed_and_outward() -> None:
    mesh = export.mesh(ellipsoid(), grid=48, level=LEVEL)
    distance = np.linalg.norm(mesh.points / RADII, axis=1)
    assert np.abs(distance - 1).max() < 0.05
    assert np.allclose(mesh.descriptor[:, 3:6], mesh.points, atol=1e-6)
    a, b, c = (mesh.points[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6  # positive only where faces turn outward
    assert volume == pytest.approx(4 / 3 * np.pi * np.prod(RADII), rel=0.03)
    edges = np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]), axis=1)
    _, shared = np.unique(edges, axis=0, return_counts=True)
    assert np.all(shared == 2)


@pytest.mark.parametrize("opacity", [20.0, 100.0, 500.0])
def test_the_surface_has_the_outline_of_the_picture(opacity: float) -> None:
    camera = Camera.look_at(30, 20, 64, 64)
    field = ellipsoid(camera.reshape(1), opacity)
    solid = field.render(camera, ("alpha",))["alpha"][..., 0] > 0.5
    mesh = export.mesh(field, grid=64)
    xy, _ = camera.project(torch.from_numpy(mesh.points))
    rows, columns = solid.nonzero().unbind(-1)
    box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    assert (torch.cat([xy.amin(0), xy.amax(0)]) - box).abs().max() < 1.6


def test_colours_of_a_mesh_are_those_below_its_surface() -> None:
    sphere = np.stack(np.meshgrid(*[np.linspace(-1, 1, 24)] * 3, indexing="ij"), -1)
    points, faces, _, _ = marching_cubes(1 - np.linalg.norm(sphere, axis=-1), 0.3)
    normals = export._normals(points, faces[:, ::-1])
    outward = points - 11.5
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    assert np.einsum("ij,ij->i", normals, outward).min() > 0.9


def test_mesh_touching_the_cube_is_closed_and_specks_are_dropped() -> None:
    density = np.zeros((8, 8, 8), np.float32)
    density[:4] = 1
    density[7, 7, 7] = 1
    cleaned = export._without_small_pieces(density, 0.5)
    assert cleaned[7, 7, 7] == 0
    assert np.array_equal(cleaned[:4], density[:4])


def test_an_empty_field_is_said_to_be_empty() -> None:
    for make in (
        lambda f: export.point_cloud(f, export.all_around(16)),
        lambda f: export.mesh(f, grid=16),
        lambda f: export.mesh(f, grid=16, level=5.0),
    ):
        with pytest.raises(InputError, match="picture may hold no"):
            make(ellipsoid(opacity=0.0))
    with pytest.raises(InputError, match="grid"):
        export.mesh(ellipsoid(), grid=4)


def some_geometry(faces: bool, descriptor: bool = True) -> Geometry:
    generator = np.random.default_rng(0)
    points = generator.normal(size=(50, 3)).astype(np.float32)
    rgb = (generator.integers(0, 256, (50, 3)) / 255).astype(np.float32)
    triangles = generator.permuted(np.tile(np.arange(50, dtype=np.int32), (30, 1)), axis=1)[:, :3]
    values = generator.normal(size=(50, 7)).astype(np.float32) if descriptor else None
    return Geometry(points, rgb, values, triangles if faces else None)


@pytest.mark.parametrize("faces", [False, True])
@pytest.mark.parametrize("descriptor", [False, True])
def test_ply_round_trip(tmp_path: Path, faces: bool, descriptor: bool) -> None:
    given = some_geometry(faces, descriptor)
    write_ply(tmp_path / "a.ply", given)
    read = read_ply(tmp_path / "a.ply")
    assert np.array_equal(read.points, given.points)
    assert np.allclose(read.rgb, given.rgb, atol=1e-7)
    assert (read.descriptor is None) == (not descriptor)
    assert descriptor is False or np.array_equal(read.descriptor, given.descriptor)
    assert (read.faces is None) == (not faces)
    assert faces is False or np.array_equal(read.faces, given.faces)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ply"]


def test_another_program_reads_our_ply(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh", reason="trimesh comes with the extra data")
    given = some_geometry(faces=True)
    write_ply(tmp_path / "a.ply", given)
    other = trimesh.load(tmp_path / "a.ply", process=False)
    assert np.array_equal(other.vertices.astype(np.float32), given.points)
    assert np.array_equal(other.faces, given.faces)
    assert np.array_equal(other.visual.vertex_colors[:, :3], np.rint(given.rgb * 255))
    raw = other.metadata["_ply_raw"]["vertex"]["data"]
    assert np.array_equal(np.ravel(raw["descriptor_6"]), given.descriptor[:, 6])


def test_damaged_ply_files_get_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    with pytest.raises(InputError, match=r"a\.ply cannot be read"):
        read_ply(path)
    write_ply(path, some_geometry(faces=True))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match="cut short"):
        read_ply(path)
    path.write_bytes(b"ply\nformat ascii 1.0\nelement vertex 0\nend_header\n")
    with pytest.raises(InputError, match="not a PLY file that featurenerf wrote"):
        read_ply(path)
