"""Exports of a field that is known exactly, read back by other people's libraries."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from analytic_field import COLOURS, RADII, EllipsoidModel, ellipsoid, part
from box_picture import box_picture
from featurenerf.errors import InputError
from featurenerf.studio.export import Geometry
from featurenerf.studio.formats import FORMATS, ExportSettings, export_field, export_picture
from featurenerf.studio.mesh_files import bake, colored_glb, rasterised, textured_glb
from featurenerf.studio.splats import splats

plyfile = pytest.importorskip("plyfile")
pygltflib = pytest.importorskip("pygltflib")
trimesh = pytest.importorskip("trimesh")
pytest.importorskip("xatlas")

ROOT = Path(__file__).parents[2]
VALIDATOR = ROOT / "build" / "npm"
# the analytic density passes 250 on the ellipsoid itself
QUICK = ExportSettings(FORMATS, grid=32, points=300, texture=64, level=250.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    files = export_field(ellipsoid(), folder, QUICK)
    assert {path.name for path in folder.iterdir()} == set(files)
    return folder


def test_a_glb_is_y_up_with_the_front_at_z(made: Path) -> None:
    mesh = trimesh.load(made / "mesh.glb", force="mesh", process=False)
    # radii along x, y, z of the field: front, left, up; in a GLB the front is z, left x, up y
    assert mesh.extents == pytest.approx(np.array([0.44, 0.3, 0.8]), abs=0.04)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.4 * 0.22 * 0.15, rel=0.1)  # and not inside out
    content = pygltflib.GLTF2().load(str(made / "mesh.glb"))
    stored = content.accessors[content.meshes[0].primitives[0].attributes.COLOR_0]
    assert (stored.componentType, stored.type, stored.normalized) == (pygltflib.UNSIGNED_BYTE, "VEC4", True)
    start = content.bufferViews[stored.bufferView].byteOffset + (stored.byteOffset or 0)
    rgba = np.frombuffer(content.binary_blob(), np.uint8, 4 * stored.count, start).reshape(-1, 4)
    colors = rgba[mesh.vertices[:, 2] > 0.25, :3].mean(0) / 255
    # the front third is (0.9... sRGB as linear): 0.1 -> 0.0100, 0.2 -> 0.0331, 0.9 -> 0.7874
    assert colors == pytest.approx(np.array([0.0100, 0.0331, 0.7874]), abs=0.01)


def test_descriptors_lie_beside_in_the_same_order(made: Path) -> None:
    for name in ("mesh", "mesh_textured"):
        mesh = trimesh.load(made / f"{name}.glb", force="mesh", process=False)
        descriptor = load_file(made / f"{name}.safetensors")["descriptor"]
        points = torch.from_numpy(np.asarray(mesh.vertices, np.float32)[:, [2, 0, 1]].copy())  # back to z up
        wanted = ellipsoid().query(points, channels=("descriptor",)).descriptor
        np.testing.assert_allclose(descriptor, wanted.numpy(), atol=1e-5)


def test_ply_files_are_read_by_others(made: Path) -> None:
    mesh, cloud = (plyfile.PlyData.read(made / f"{name}.ply") for name in ("mesh", "points"))
    names = [prop.name for prop in cloud["vertex"].properties]
    assert names == ["x", "y", "z", "red", "green", "blue", *(f"descriptor_{i}" for i in range(8))]
    points = np.stack([cloud["vertex"][axis] for axis in "xyz"], 1)
    assert len(points) == 300
    wanted = ellipsoid().query(torch.from_numpy(points), channels=("descriptor",)).descriptor.numpy()
    found = np.stack([cloud["vertex"][f"descriptor_{i}"] for i in range(8)], 1)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert np.array_equal(load_file(made / "splats.safetensors")["descriptor"], found)
    assert np.stack(mesh["face"]["vertex_indices"]).max() == len(mesh["vertex"].data) - 1


def test_a_texture_has_the_fields_colours(made: Path) -> None:
    mesh = trimesh.load(made / "mesh_textured.glb", force="mesh", process=False)
    texture = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB"))
    assert texture.shape == (64, 64, 3)
    uv = np.asarray(mesh.visual.uv)[mesh.faces].mean(1)  # trimesh counts v from the bottom up
    shown = texture[((1 - uv[:, 1]) * 64).astype(int).clip(0, 63), (uv[:, 0] * 64).astype(int).clip(0, 63)]
    centres = torch.from_numpy(mesh.triangles_center[:, [2, 0, 1]].copy()).float()
    clear = ((centres[:, 0] - 0.13).abs() > 0.05) & ((centres[:, 0] + 0.13).abs() > 0.05)
    away = np.abs(shown / 255 - COLOURS[part(centres)].numpy()).max(1)[clear.numpy()]
    assert (away < 0.01).mean() > 0.97


def test_an_obj_names_its_material_and_texture(made: Path) -> None:
    mesh = trimesh.load(made / "mesh_textured.obj", force="mesh", process=False)
    assert mesh.extents == pytest.approx(np.array([0.44, 0.3, 0.8]), abs=0.04)
    assert mesh.visual.material.image.size == (64, 64)
    assert "map_Kd mesh_textured.png" in (made / "mesh_textured.mtl").read_text()
    glb = trimesh.load(made / "mesh_textured.glb", force="mesh", process=False)
    lines = (made / "mesh_textured.obj").read_text().splitlines()
    places = np.array([line.split()[1:] for line in lines if line.startswith("v ")], float)
    np.testing.assert_allclose(places, glb.vertices, atol=2e-6)  # so that descriptors are in its order, too


def test_splats_lie_flat_on_the_surface(made: Path) -> None:
    gaussians = plyfile.PlyData.read(made / "splats.ply")["vertex"]
    names = [prop.name for prop in gaussians.properties]
    assert names == (
        "x y z nx ny nz f_dc_0 f_dc_1 f_dc_2 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3".split()  # noqa: SIM905
    )
    places = np.stack([gaussians[axis] for axis in "xyz"], 1)
    own = np.stack([-places[:, 2], places[:, 0], -places[:, 1]], 1)  # y down and -z front, to z up and +x front
    w, x, y, z = (gaussians[f"rot_{i}"] for i in range(4))
    assert np.sqrt(w**2 + x**2 + y**2 + z**2) == pytest.approx(1, abs=1e-5)
    third = np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x**2 + y**2)], 1)  # the rotated z axis
    normal = own / np.square(RADII)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    normal = np.stack([normal[:, 1], -normal[:, 2], -normal[:, 0]], 1)
    assert np.median(np.abs((third * normal).sum(1))) > 0.98
    widths = np.exp(np.stack([gaussians[f"scale_{i}"] for i in range(3)], 1))
    assert (widths[:, 2] <= widths[:, 0] + 1e-7).all()
    assert (widths[:, 2] < 0.5 * widths[:, 0]).mean() > 0.5
    opacity = 1 / (1 + np.exp(-gaussians["opacity"]))
    assert ((opacity > 0) & (opacity < 1)).all()
    assert np.median(opacity) > 0.9
    rgb = 0.5 + 0.28209479 * np.stack([gaussians[f"f_dc_{i}"] for i in range(3)], 1)
    np.testing.assert_allclose(rgb, COLOURS[part(torch.from_numpy(own))].numpy(), atol=1e-4)


def test_a_dense_grid_is_what_the_field_is_there(made: Path) -> None:
    with np.load(made / "grid.npz") as grid:
        assert grid["density"].shape == (32, 32, 32)
        assert grid["rgb"].shape == (32, 32, 32, 3)
        index = np.array([20, 14, 17])
        place = torch.from_numpy(grid["corner"] + index * grid["step"]).float()
        assert grid["density"][tuple(index)] == pytest.approx(float(ellipsoid().query(place).density), rel=1e-3)
        assert np.array_equal(grid["rgb"][tuple(index)], np.rint(COLOURS[part(place)].numpy() * 255))


def test_cameras_and_views_belong_together(made: Path) -> None:
    record = json.loads((made / "transforms.json").read_text())
    assert len(record["frames"]) == 13
    for frame in record["frames"]:
        picture = np.asarray(Image.open(made / frame["file_path"]))
        assert picture.shape == (frame["h"], frame["w"], 4)
        # points all over the ellipsoid, as the pinhole of the frame sees them, fill what the picture shows
        directions = np.random.default_rng(0).normal(size=(4000, 3))
        places = 1.08 * directions / np.linalg.norm(directions, axis=1, keepdims=True) * RADII  # alpha 0.5 is there
        there = np.linalg.inv(np.array(frame["transform_matrix"])) @ np.append(places, np.ones((4000, 1)), 1).T
        columns = frame["cx"] + frame["fl_x"] * there[0] / -there[2]
        rows = frame["cy"] - frame["fl_y"] * there[1] / -there[2]
        seen_rows, seen_columns = np.nonzero(picture[..., 3] > 127)
        for seen, wanted in ((seen_columns, columns), (seen_rows, rows)):
            assert [seen.min(), seen.max() + 1] == pytest.approx([wanted.min(), wanted.max()], abs=2.5)


def test_units_are_metres_where_they_are_given(tmp_path: Path) -> None:
    settings = ExportSettings(
        FORMATS, grid=24, points=50, texture=16, level=250.0, metres_per_unit=2.0, descriptors="npz", pca=3
    )
    export_field(ellipsoid(), tmp_path, settings)
    wanted = 2 * np.array([0.44, 0.3, 0.8])
    for name in ("mesh.glb", "mesh_textured.glb", "mesh_textured.obj"):
        mesh = trimesh.load(tmp_path / name, force="mesh", process=False)
        assert mesh.extents == pytest.approx(wanted, abs=0.1), name
    cloud = plyfile.PlyData.read(tmp_path / "points.ply")
    assert np.ptp(cloud["vertex"]["x"]) == pytest.approx(1.6, abs=0.3)
    assert any("one unit is a metre" in line for line in cloud.comments)
    gaussians = plyfile.PlyData.read(tmp_path / "splats.ply")["vertex"]
    assert np.ptp(gaussians["z"]) == pytest.approx(1.6, abs=0.3)
    assert np.exp(gaussians["scale_0"]).max() <= 0.04 + 1e-6
    with np.load(tmp_path / "grid.npz") as grid:
        assert grid["corner"].tolist() == [-1, -1, -1]
        assert grid["density"].max() == pytest.approx(250)  # 500 a diagonal of 2 metres
    first = json.loads((tmp_path / "transforms.json").read_text())["frames"][0]
    assert np.linalg.norm(np.array(first["transform_matrix"])[:3, 3]) == pytest.approx(2.6)
    with np.load(tmp_path / "mesh.npz") as beside:
        components = beside["descriptor_pca"]
    assert components.shape[1] == 3
    spread = components.var(0)
    assert spread[0] >= spread[1] >= spread[2] > 0
    content = pygltflib.GLTF2().load(str(tmp_path / "mesh.glb"))
    accessor = content.accessors[content.meshes[0].primitives[0].attributes._PCA_0]
    assert (accessor.type, accessor.count) == ("VEC3", len(components))
    binary = content.binary_blob()
    start = content.bufferViews[accessor.bufferView].byteOffset + (accessor.byteOffset or 0)
    stored = np.frombuffer(binary, "<f4", accessor.count * 3, start).reshape(-1, 3)
    np.testing.assert_allclose(stored, components, atol=1e-6)


def test_without_descriptors_there_are_none(tmp_path: Path) -> None:
    export_field(ellipsoid(), tmp_path, ExportSettings(("ply", "splats"), grid=16, points=20, descriptors="none"))
    assert {path.name for path in tmp_path.iterdir()} == {"mesh.ply", "points.ply", "splats.ply"}
    assert len(plyfile.PlyData.read(tmp_path / "points.ply")["vertex"].properties) == 6


def test_a_triangle_fills_the_texels_whose_centres_it_holds() -> None:
    corners = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [40.0, 0.0], [0.0, 40.0]])
    texels, vertices, weights = rasterised(corners, np.array([[0, 1, 2]], np.int32), 8)
    assert sorted(map(tuple, texels.tolist())) == sorted((x, y) for x in range(4) for y in range(4) if x + y <= 3)
    np.testing.assert_allclose(np.einsum("nk,nkc->nc", weights, corners[vertices]), texels + 0.5)
    texels, _, _ = rasterised(corners, np.array([[0, 3, 4]], np.int32), 8)  # larger than the texture
    assert len(texels) == 64


@pytest.mark.parametrize("scale", [1.0, 0.37])
def test_a_gaussian_stands_alone(scale: float) -> None:
    cloud = Geometry(np.array([[0.4, 0, 0]], np.float32), np.ones((1, 3), np.float32))
    vertex = plyfile.PlyData.read(io.BytesIO(splats(ellipsoid(), cloud, scale)))["vertex"]
    assert vertex["z"][0] == pytest.approx(-0.4 * scale)
    assert np.exp(vertex["scale_0"][0]) == pytest.approx(0.01 * scale)


def test_a_picture_is_exported(tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = ExportSettings(("ply",), grid=16, points=20)
    report = export_picture(
        box_picture(60, 80, (20, 50, 10, 60)), out, EllipsoidModel(), settings=settings, progress=False
    )
    assert report == json.loads((out / "report.json").read_text())
    assert {path.name for path in out.iterdir()} == {*report["files"], "report.json"}
    assert report["made_by"] == "export"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"metres_per_unit": 0.0}, "metres_per_unit is 0.0: it must be positive"),
        ({"metres_per_unit": float("nan")}, "metres_per_unit is nan"),
        ({"formats": ()}, "formats are some of glb, ply, obj, splats, grid, cameras, not none"),
        ({"points": 0}, "points is 0"),
        ({"texture": 4}, "texture is 4"),
        ({"pca": 65}, "pca is 65"),
        ({"grid": 4}, "grid is 4"),
    ],
)
def test_settings_out_of_range_get_a_sentence(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ExportSettings(**wrong)  # type: ignore[arg-type]


def test_the_validator_of_the_format_finds_nothing(tmp_path: Path) -> None:
    """Khronos' own, from npm; installed once into ``build/npm``."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no node and npm")
    if not (VALIDATOR / "node_modules" / "gltf-validator").is_dir():
        VALIDATOR.mkdir(parents=True, exist_ok=True)
        install = ["npm", "install", "--no-audit", "--no-fund", "gltf-validator@2.0.0-dev.3.10"]
        done = subprocess.run(install, cwd=VALIDATOR, capture_output=True, timeout=120, check=False)
        if done.returncode:
            pytest.skip("npm cannot install gltf-validator here")
    from featurenerf.studio.export import mesh as meshed

    mesh = meshed(ellipsoid(), 16)
    (tmp_path / "colored.glb").write_bytes(colored_glb(mesh, pca=5))
    (tmp_path / "textured.glb").write_bytes(textured_glb(bake(ellipsoid(), mesh, 32)))
    script = """
        const validator = require('gltf-validator'), fs = require('fs');
        Promise.all(process.argv.slice(1).map(f => validator.validateBytes(new Uint8Array(fs.readFileSync(f)))))
            .then(reports => console.log(JSON.stringify(reports.map(r => r.issues))));
    """
    files = [str(tmp_path / f"{name}.glb") for name in ("colored", "textured")]
    done = subprocess.run(["node", "-e", script, *files], cwd=VALIDATOR, capture_output=True, check=True, text=True)
    for issues in json.loads(done.stdout):
        assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]
