from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.measure import marching_cubes
from torch import Tensor

from analytic_field import COLOURS, RADII, FormulaField, ellipsoid, formula_field, part
from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.rendering import Sampling
from featurenerf.studio import export
from featurenerf.studio.export import Geometry, read_ply, write_ply

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
    normals = export.vertex_normals(points, faces[:, ::-1])
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


# ---------------------------------------------------------------------- the level of the surface


def balls(*given: tuple[tuple[float, float, float], float, float]) -> FormulaField:
    """Balls of a centre, a radius and a density; the first one that holds a point counts."""

    def formula(points: Tensor) -> Tensor:
        density = torch.zeros_like(points[..., 0])
        for centre, radius, value in reversed(given):
            inside = (points - torch.tensor(centre, dtype=points.dtype)).norm(dim=-1) < radius
            density = torch.where(inside, torch.full_like(density, value), density)
        return density

    return formula_field(formula)


CENTRE = (0.0, 0.0, 0.0)


def test_the_levels_are_forty_equal_steps_from_a_half_to_a_hundred() -> None:
    assert len(export.LEVELS) == 40
    assert export.LEVELS[0] == 0.5
    assert export.LEVELS[39] == pytest.approx(100)
    assert export.LEVELS[20] / export.LEVELS[19] == pytest.approx(200 ** (1 / 39))


def test_the_crispest_level_below_the_density_of_a_ball_is_its_surface() -> None:
    """0.5 * 200 ** (22 / 39) = 9.931 is the last one below 10."""
    assert export.surface_level(balls((CENTRE, 0.4, 10.0))) == pytest.approx(9.931, abs=1e-3)


def test_what_lies_outside_the_sphere_is_not_looked_at() -> None:
    def formula(points: Tensor) -> Tensor:
        radius = points.norm(dim=-1)
        return torch.where(radius < 0.3, 10.0, torch.where(radius > 0.501, 90.0, 0.0))

    assert export.surface_level(formula_field(formula)) == pytest.approx(9.931, abs=1e-3)


@pytest.mark.parametrize(("core", "level"), [(0.36, 4.395), (0.3821, 4.395), (0.3832, 44.26), (0.39, 44.26)])
def test_a_crisper_level_may_lose_two_hundredths_of_the_outline(core: float, level: float) -> None:
    """A core of density 50 in a fog of density 5 with a radius of 0.4, in a picture of 64 x 64 pixels.

    The rays of 1624 pixels meet the fog, and 1560 of them have an alpha above a half: levels below 5, the last of which
    is 4.395, overlap by 1560 / 1624 = 0.9606. Levels from there to 50, the last of which is 44.26, see the core only:
    1280, 1460, 1468 and 1528 pixels, which overlap by 0.8205, 0.9359, 0.9410 and 0.9795.
    """
    assert export.surface_level(balls((CENTRE, core, 50.0), (CENTRE, 0.4, 5.0))) == pytest.approx(level, abs=0.01)


def test_the_outline_is_that_of_a_picture_of_64_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    render = FormulaField.render
    monkeypatch.setattr(
        FormulaField,
        "render",
        lambda self, camera, channels: (
            sizes.append((camera.width, camera.height, *channels)),
            render(self, camera, channels),
        )[1],
    )
    export.surface_level(balls((CENTRE, 0.4, 10.0)))
    assert sizes == [(64, 64, "alpha")]


@pytest.mark.parametrize(("front", "back"), [(10.0, 60.0), (60.0, 10.0)])
def test_the_whole_depth_of_the_sphere_is_looked_at(front: float, back: float) -> None:
    """A ball next to the camera and one at the far end, beside it in the picture: the thinner one decides."""
    field = balls(((0.4, 0.0, 0.15), 0.07, front), ((-0.4, 0.0, -0.15), 0.07, back))
    assert export.surface_level(field) == pytest.approx(9.931, abs=1e-3)


def test_an_alpha_of_half_shows_nothing() -> None:
    """Through the middle of a ball of radius 0.4 alpha is 1 - exp(-0.8 * density)."""
    with pytest.raises(InputError, match="shows no solid object"):
        export.surface_level(balls((CENTRE, 0.4, 0.84)))  # 0.489
    assert export.surface_level(balls((CENTRE, 0.4, 0.95))) == pytest.approx(0.8609, abs=1e-3)  # alpha 0.532


# ---------------------------------------------------------------------- point clouds


def test_twelve_cameras_stand_all_around() -> None:
    cameras = export.all_around(32)
    assert [(camera.width, camera.height) for camera in cameras] == [(32, 32)] * 12
    centres = torch.stack([camera.centre for camera in cameras]).double() / 1.3
    elevations = torch.rad2deg(torch.asin(centres[:, 2]))
    assert elevations.tolist() == pytest.approx([-15] * 4 + [20] * 4 + [50] * 4, abs=1e-3)
    azimuths = torch.rad2deg(torch.atan2(centres[:, 1], centres[:, 0])) % 360
    expected = [0, 90, 180, 270, 30, 120, 210, 300, 60, 150, 240, 330]
    assert ((azimuths - torch.tensor(expected) + 180) % 360).tolist() == pytest.approx([180] * 12, abs=1e-3)
    assert export.all_around()[0].width == 128


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FoggyField(FormulaField):
    """Shows every camera the same alpha, and a depth that is the same for all of its pixels."""

    alpha: Tensor | float = 1.0
    depth: float = 1.0

    def render(self, camera: Camera, channels: Sequence[str] = ()) -> dict[str, Tensor]:  # type: ignore[override]
        alpha = torch.as_tensor(self.alpha).expand(camera.height, camera.width)[..., None]
        whole = {"alpha": alpha, "depth": alpha * self.depth}
        return {name: whole[name] for name in channels}


def shown(alpha: Tensor | float = 1.0, formula=lambda points: torch.full_like(points[..., 0], 9.0)) -> FoggyField:
    source = Camera.look_at(0.0, 0.0, 4, 4).reshape(1)
    return FoggyField(source=source, sampling=Sampling(8), formula=formula, alpha=alpha)


FRONT = Camera.look_at(0.0, 0.0, 4, 4)
"""At (1.3, 0, 0), y to the right, z up; its focal length is 2 / tan(24.565 degrees) = 4.375 pixels."""


def test_depth_in_fog_is_divided_by_its_alpha() -> None:
    """Pixel (2, 1) has alpha 0.7 and all others 0.5, which is not solid; the depth behind 0.7 is 1."""
    alpha = torch.full((4, 4), 0.5)
    alpha[1, 2] = 0.7
    cloud = export.point_cloud(shown(alpha), [FRONT], level=1.0)
    aside = 0.5 / 4.375
    length = math.sqrt(1 + 2 * aside**2)
    assert cloud.points.tolist() == [pytest.approx([1.3 - 1 / length, aside / length, aside / length], abs=1e-4)]
    assert cloud.rgb.tolist() == [pytest.approx([np.linalg.norm(cloud.points), 1.0, 0.0], abs=1e-6)]
    assert np.array_equal(cloud.descriptor, cloud.points)
    assert cloud.faces is None


@pytest.mark.parametrize(
    ("offset", "kept"), [(-0.02, False), (-0.01, True), (0.0, True), (0.01, True), (0.02, True), (0.03, False)]
)
def test_a_point_counts_where_the_field_is_dense_next_to_it(offset: float, kept: bool) -> None:
    """The field is dense in a layer 0.004 thick only, at some distance behind the depth that is shown."""

    def layer(points: Tensor) -> Tensor:
        distance = (points - torch.tensor([1.3, 0.0, 0.0])).norm(dim=-1)
        return torch.where((distance - 1 - offset).abs() < 0.002, 5.0, 0.0)

    if kept:
        assert len(export.point_cloud(shown(1.0, layer), [FRONT], level=4.9).points) == 16
    for level in (5.0,) if kept else (4.9, 5.0):
        with pytest.raises(InputError, match="shows no solid object"):
            export.point_cloud(shown(1.0, layer), [FRONT], level=level)


def test_half_the_level_of_the_surface_is_dense_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "surface_level", lambda field: 17.9)
    assert len(export.point_cloud(shown(), [FRONT]).points) == 16  # of density 9
    monkeypatch.setattr(export, "surface_level", lambda field: 18.0)
    with pytest.raises(InputError, match="shows no solid object"):
        export.point_cloud(shown(), [FRONT])


def test_points_beyond_the_limit_are_left_out_evenly() -> None:
    alpha = torch.zeros(4, 4)
    alpha[1], alpha[3, 0] = 1.0, 1.0
    whole = export.point_cloud(shown(alpha), [FRONT], most=5, level=1.0).points
    assert len(whole) == 5
    for most, places in ((4, [0, 1, 3, 4]), (3, [0, 2, 4]), (2, [0, 4])):
        assert np.array_equal(export.point_cloud(shown(alpha), [FRONT], most=most, level=1.0).points, whole[places])


def test_twenty_thousand_points_from_all_around_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(export.point_cloud(shown(), [Camera.look_at(0.0, 0.0, 150, 150)], level=1.0).points) == 20000
    monkeypatch.setattr(export, "all_around", lambda: [FRONT] * 3)
    assert len(export.point_cloud(shown(), level=1.0).points) == 48


def test_points_are_queried_in_the_field_s_own_precision() -> None:
    def formula(points: Tensor) -> Tensor:
        assert points.dtype == torch.float64
        return points[..., 0]

    camera = Camera.look_at(0.0, 0.0).reshape(1)
    field = formula_field(formula, Camera(camera.pose.double(), camera.focal, camera.principal, 128, 128))
    points = torch.arange(30).reshape(10, 3) / 64
    assert torch.equal(export.density_at(field, points), points[:, 0])
    assert np.array_equal(export._descriptors(field, points), points.numpy())


# ---------------------------------------------------------------------- meshes


def test_the_colours_of_a_mesh_are_read_below_its_surface_and_its_descriptors_on_it() -> None:
    """A ball off the middle whose density falls by 1000 a unit: it is 200 at a radius of 0.2. Red is the radius."""
    centre = torch.tensor([0.1, -0.05, 0.15])
    field = formula_field(lambda points: 1000 * (0.4 - (points - centre).norm(dim=-1)).clamp(min=0))
    mesh = export.mesh(field, grid=32, level=200.0)
    outward = mesh.points - centre.numpy()
    assert np.abs(np.linalg.norm(outward, axis=1) - 0.2).max() < 2e-3
    assert np.array_equal(mesh.descriptor, mesh.points)
    below = mesh.points - 0.015 * outward / 0.2
    error = np.abs(mesh.rgb[:, 0] - np.linalg.norm(below, axis=1))
    assert error.max() < 2.5e-3  # the normals of a coarse mesh are not quite those of the ball
    assert error.mean() < 5e-4
    assert np.array_equal(mesh.rgb[:, 1:], np.tile(np.float32([1, 0]), (len(mesh.points), 1)))


def test_what_fills_the_cube_is_cut_off_at_the_sphere_and_closed() -> None:
    mesh = export.mesh(formula_field(lambda points: torch.full_like(points[..., 0], 10.0)), grid=21, level=5.0)
    radius = np.linalg.norm(mesh.points, axis=1)
    assert 0.42 < radius.min() < radius.max() < 0.53  # the samples are 0.05 apart
    assert mesh.points.max(0) == pytest.approx([0.525] * 3, abs=1e-6)  # half a step beyond the last sample
    assert mesh.points.min(0) == pytest.approx([-0.525] * 3, abs=1e-6)
    edges = np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]), axis=1)
    assert np.all(np.unique(edges, axis=0, return_counts=True)[1] == 2)


def test_a_piece_of_four_percent_of_the_largest_is_kept_and_one_below_a_percent_dropped() -> None:
    """Balls with radii of 0.3, 0.1026 (4 % of its volume) and 0.05 (0.5 %)."""
    mesh = export.mesh(
        balls(((-0.15, 0.0, 0.0), 0.3, 50.0), ((0.35, 0.0, 0.0), 0.1026, 50.0), ((0.0, 0.0, 0.43), 0.05, 50.0)),
        grid=48,
        level=25.0,
    )
    assert mesh.points[:, 0].max() == pytest.approx(0.4526, abs=0.02)
    assert mesh.points[:, 2].max() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(("largest", "kept"), [(100, True), (101, False)])
def test_a_piece_of_exactly_a_hundredth_is_kept(largest: int, kept: bool) -> None:
    density = np.zeros((3, 3, 120), np.float32)
    density[0, 0, :largest] = 0.6
    density[2, 2, 5] = 0.7
    density[2, 0, 9] = 0.5  # not above the level, and so no piece
    cleaned = export._without_small_pieces(density, 0.5)
    assert cleaned[2, 2, 5] == np.float32(0.7 if kept else 0.0)
    cleaned[2, 2, 5] = density[2, 2, 5]
    assert np.array_equal(cleaned, density)


def test_what_meets_at_a_corner_is_one_piece() -> None:
    density = np.zeros((9, 9, 120), np.float32)
    density[0, 0, :115] = 1
    density[1, 1, 115] = 1
    density[5, 5, 5] = 1
    cleaned = export._without_small_pieces(density, 0.5)
    assert cleaned[1, 1, 115] == 1
    assert cleaned[5, 5, 5] == 0


def test_the_normal_of_a_vertex_is_the_mean_of_its_triangles_by_area() -> None:
    """A triangle of area 2 that faces +z and one of area 0.5 that faces +x meet at the first vertex."""
    points = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0], [0, 1, 0], [0, 0, 1], [9, 9, 9]], np.float32)
    faces = np.array([[0, 1, 2], [0, 3, 4]], np.int32)
    normals = export.vertex_normals(points, faces)
    assert normals[0] == pytest.approx(np.array([1, 0, 4]) / np.sqrt(17), abs=1e-6)
    assert normals[1:].tolist() == [[0, 0, 1], [0, 0, 1], [1, 0, 0], [1, 0, 0], [0, 0, 0]]  # the last has no triangle
    assert normals.dtype == np.float32


def test_a_mesh_takes_the_level_of_the_surface_and_says_where_nothing_passes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    field = formula_field(lambda points: 1000 * (0.4 - points.norm(dim=-1)).clamp(min=0))
    monkeypatch.setattr(export, "surface_level", lambda field: 100.0)
    assert np.linalg.norm(export.mesh(field, grid=24).points, axis=1) == pytest.approx(0.3, abs=5e-3)
    with pytest.raises(InputError, match=r"nowhere denser than 401: .* or the level is too high"):
        export.mesh(field, grid=9, level=401.0)
    flat = formula_field(lambda points: torch.full_like(points[..., 0], 10.0))
    with pytest.raises(InputError, match="nowhere denser than 10:"):
        export.mesh(flat, grid=9, level=10.0)


def test_progress_is_shown_where_it_is_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("featurenerf.progress.LINE_SECONDS", 0.0)  # a log gets lines now and then
    field = balls((CENTRE, 0.4, 10.0))
    export.mesh(field, grid=8, level=5.0)
    export.point_cloud(shown(), [FRONT], level=1.0)
    assert capsys.readouterr().err == ""
    export.mesh(field, grid=8, level=5.0, progress=True)
    assert "mesh" in capsys.readouterr().err
    export.point_cloud(shown(), [FRONT], level=1.0, progress=True)
    assert "point cloud" in capsys.readouterr().err


@pytest.mark.parametrize(("grid", "taken"), [(7, False), (8, True), (512, True), (513, False)])
def test_a_grid_has_8_to_512_points_a_side(grid: int, taken: bool) -> None:
    class AskedError(Exception):
        pass

    def asked(points: Tensor) -> Tensor:
        raise AskedError

    with pytest.raises(AskedError if taken else InputError, match=None if taken else f"not {grid}"):
        export.mesh(formula_field(asked), grid=grid, level=1.0)


def test_a_grid_has_96_points_a_side_unless_told_otherwise() -> None:
    """From -0.5 to 0.5 in steps of 1 / 95; the first layer of points in the sphere is the second one."""

    class AskedError(Exception):
        pass

    def asked(points: Tensor) -> Tensor:
        assert points[..., 0].unique().tolist() == pytest.approx([-0.5 + 1 / 95])
        raise AskedError

    with pytest.raises(AskedError):
        export.mesh(formula_field(asked), level=1.0)


# ---------------------------------------------------------------------- PLY files, byte by byte


def test_the_bytes_of_a_ply_file(tmp_path: Path) -> None:
    points = np.array([[1, 2, 3], [-1, 0.5, 0], [0, 0, 7]], np.float32)
    rgb = np.array([[0.498, 1.5, -0.2], [0.1, 0.2, 0.3], [1, 0, 1]], np.float32)  # 126.99, 382.5 and -51 of 255
    descriptor = np.array([[0.25, 8], [1, 2], [3, 4]], np.float32)
    write_ply(tmp_path / "a.ply", Geometry(points, rgb, descriptor, np.array([[2, 0, 1]], np.int32)))
    head = (
        "ply\nformat binary_little_endian 1.0\ncomment made by featurenerf\n"
        "comment frame: right-handed, z up, +x front; one unit is the bounding-box diagonal of the object\n"
        "element vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\n"
        "property float descriptor_0\nproperty float descriptor_1\n"
        "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    )
    body = struct.pack("<3f3B2f", 1, 2, 3, 127, 255, 0, 0.25, 8)
    body += struct.pack("<3f3B2f", -1, 0.5, 0, 26, 51, 76, 1, 2) + struct.pack("<3f3B2f", 0, 0, 7, 255, 0, 255, 3, 4)
    assert (tmp_path / "a.ply").read_bytes() == head.encode() + body + struct.pack("<B3i", 3, 2, 0, 1)


def test_a_mesh_without_a_face_is_still_a_mesh(tmp_path: Path) -> None:
    given = some_geometry(faces=True)
    write_ply(tmp_path / "a.ply", Geometry(given.points, given.rgb, None, np.zeros((0, 3), np.int32)))
    read = read_ply(tmp_path / "a.ply")
    assert read.faces is not None
    assert read.faces.shape == (0, 3)
    assert read.rgb.dtype == read.points.dtype == np.float32


@pytest.mark.parametrize("faces", [False, True])
@pytest.mark.parametrize("change", [b"\0", b"\0" * 13, -1, -13])
def test_a_ply_file_with_a_byte_too_many_or_too_few_is_refused(
    tmp_path: Path, faces: bool, change: bytes | int
) -> None:
    path = tmp_path / "a.ply"
    write_ply(path, some_geometry(faces))
    content = path.read_bytes()
    path.write_bytes(content + change if isinstance(change, bytes) else content[:change])
    with pytest.raises(InputError, match="cut short or damaged"):
        read_ply(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"ply\n", b"plx\n"),
        (b"end_header\n", b"end_header "),
        (b"element vertex 50", b"element corner 50"),
        (b"element vertex 50", b"element vertex fifty"),
        (b"element vertex 50", b"element vertex"),
        (b"property float y", b"property float w"),
        (b"property float x\nproperty float y", b"property float y\nproperty float x"),
        (b"property uchar blue\n", b"property uchar blue\nproperty uchar alpha\n"),
        (b"descriptor_3", b"descriptor_9"),
        (b"property uchar blue", b"property uchar bl\xffue"),
    ],
)
def test_another_kind_of_ply_file_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = tmp_path / "a.ply"
    write_ply(path, some_geometry(faces=True))
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    with pytest.raises(InputError, match="not a PLY file that featurenerf wrote"):
        read_ply(path)
