"""Real mesh files become labelled meshes in the package's frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featurenerf import Camera
from featurenerf.errors import InputError
from featurenerf.synthesis.meshes.files import axes_rotation, group_names, load_mesh, read_mesh
from featurenerf.synthesis.meshes.renderer import RenderScene, render_view

pytest.importorskip("trimesh", reason="the extra 'data' is not installed")

OBJ = """mtllib a.mtl
v 0 0 0
v 2 0 0
v 2 1 0
v 0 1 0
v 0 0 4
v 2 0 4
v 2 1 4
v 0 1 4
vt 0 0
vt 1 0
vt 1 1
vt 0 1
g front
usemtl painted
f 5/1 6/2 7/3 8/4
f 5/1 6/2 7/3 8/4
g back
usemtl plain
f 1/1 4/2 3/3 2/4
"""
MTL = "newmtl painted\nKd 0.1 0.1 0.1\nmap_Kd a.png\nnewmtl plain\nKd 0 1 0\n"


@pytest.fixture
def obj(tmp_path: Path) -> Path:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:2] = (255, 0, 0)  # the upper half
    Image.fromarray(picture).save(tmp_path / "a.png")
    (tmp_path / "a.mtl").write_text(MTL)
    (tmp_path / "a.obj").write_text(OBJ)
    return tmp_path / "a.obj"


def test_frame_parts_and_duplicates(obj: Path) -> None:
    front, back = sorted(group_names(obj), reverse=True)
    mesh = load_mesh(obj, parts={front: 2, back: 5})
    np.testing.assert_allclose(np.ptp(mesh.vertices, 0), np.array([4, 2, 1]) / np.sqrt(21))  # z, x, y of the file
    np.testing.assert_allclose(mesh.vertices.min(0), -mesh.vertices.max(0))
    assert len(mesh.faces) == 4  # the front is there once
    assert sorted(mesh.face_parts) == [2, 2, 5, 5]
    centres = mesh.vertices[mesh.faces].mean(1)
    assert (centres[mesh.face_parts == 2, 0] > 0).all()
    assert set(load_mesh(obj, parts={"*": 3}).face_parts) == {3}
    with pytest.raises(InputError, match="no part is given"):
        load_mesh(obj, parts={front: 1})


def test_the_picture_is_the_right_way_up(obj: Path) -> None:
    view = render_view(RenderScene(load_mesh(obj)), Camera.look_at(0.0, 0.0))
    rows, columns = np.nonzero(view.picture[..., 3] == 255)
    middle = int(np.median(columns))
    upper, lower = view.picture[rows.min() + 1, middle].astype(int), view.picture[rows.max() - 1, middle].astype(int)
    assert upper[0] > upper[1] + 100
    assert lower[0] == lower[1] == lower[2] < 60
    behind = render_view(RenderScene(load_mesh(obj)), Camera.look_at(180.0, 0.0)).picture[64, 64].astype(int)
    assert behind[1] > behind[0] + 80


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.obj"):
        load_mesh(tmp_path / "missing.obj")
    (tmp_path / "broken.glb").write_bytes(b"not a mesh")
    with pytest.raises(InputError, match=r"broken\.glb"):
        load_mesh(tmp_path / "broken.glb")
    (tmp_path / "empty.off").write_text("OFF\n0 0 0\n")
    with pytest.raises(InputError, match=r"empty\.off"):
        load_mesh(tmp_path / "empty.off")


def test_pictures_beside_the_folder_and_cut_outs(tmp_path: Path, obj: Path) -> None:
    """ShapeNet's pictures are in ../images; an MTL file may keep the holes of a picture in a picture of their own."""
    (tmp_path / "models").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "images" / "Texture0.PNG")
    Image.fromarray(np.repeat([[0], [0], [255], [255]], 4, 1).astype(np.uint8)).save(tmp_path / "images" / "holes.png")
    painted = "newmtl painted\nmap_Kd ..\\images\\texture0.png\nmap_d ../images/holes.png\n"
    (tmp_path / "models" / "a.mtl").write_text(painted + "newmtl plain\nKd 0 1 0\n")
    (tmp_path / "models" / "a.obj").write_text(OBJ)
    mesh = load_mesh(tmp_path / "models" / "a.obj")
    (texture,) = (m.texture for m in mesh.materials if m.texture is not None)
    np.testing.assert_array_equal(texture[..., 3], np.repeat([[255], [255], [0], [0]], 4, 1))  # v = 0 first
    view = render_view(RenderScene(mesh), Camera.look_at(0.0, 0.0))
    colors = view.picture[view.picture[..., 3] == 255].astype(int)
    assert (colors[:, 1] > colors[:, 0] + 40).any()  # through the hole, the green back
    (tmp_path / "models" / "a.mtl").write_text("newmtl painted\nmap_Kd ../../a.png\nnewmtl plain\nmap_Kd no.png\n")
    placed = read_mesh(tmp_path / "models" / "a.obj", axes_rotation("y", "z"))
    assert placed.missing == ("../../a.png", "no.png")
    (tmp_path / "holes.png").write_bytes((tmp_path / "images" / "holes.png").read_bytes())
    (tmp_path / "models" / "a.mtl").write_text(painted.replace("images/holes", "../holes"))
    assert read_mesh(tmp_path / "models" / "a.obj", axes_rotation("y", "z")).missing == ("../../holes.png",)


def test_what_is_transparent_all_over_is_left_out(tmp_path: Path, obj: Path) -> None:
    (tmp_path / "a.mtl").write_text(MTL.replace("Kd 0 1 0", "Kd 0 1 0\nd 0.001"))
    placed = read_mesh(obj, axes_rotation("y", "z"))
    assert placed.groups == ("front_painted",)
    (tmp_path / "a.mtl").write_text("newmtl painted\nd 0\nnewmtl plain\nd 0\n")  # some exporters mean the opposite
    assert len(read_mesh(obj, axes_rotation("y", "z")).groups) == 2


def test_materials_without_a_library_go_by_their_names(tmp_path: Path, obj: Path) -> None:
    text = OBJ.replace("mtllib a.mtl\n", "").replace("usemtl painted", "usemtl amber").replace("plain", "silver")
    (tmp_path / "b.obj").write_text(text)
    colors = {tuple(material.color.round(3)) for material in load_mesh(tmp_path / "b.obj").materials}
    assert colors == {(0.576, 0.267, 0.0), (0.616, 0.616, 0.616)} or colors == {(0.573, 0.267, 0.0), (0.616,) * 3}


@pytest.mark.parametrize("suffix", ["glb", "ply", "off", "gltf"])
def test_other_formats(tmp_path: Path, suffix: str) -> None:
    """The same box, and its two halves' colours where the format has them."""
    import trimesh

    box = trimesh.creation.box((4, 1, 2))
    box.unmerge_vertices()
    if suffix != "off":
        box.visual.face_colors = np.where(box.triangles_center[:, :1] > 1, [[255, 0, 0, 255]], [[0, 0, 255, 255]])
    path = tmp_path / f"box.{suffix}"
    if suffix == "gltf":
        for name, content in trimesh.exchange.gltf.export_gltf(trimesh.Scene(box)).items():
            (tmp_path / name.replace("model", "box")).write_bytes(content)
    else:
        box.export(path)
    mesh = load_mesh(path, up="y", front="x")
    np.testing.assert_allclose(np.ptp(mesh.vertices, 0), np.array([4, 2, 1]) / np.sqrt(21), atol=1e-6)
    if suffix != "off":
        picture = render_view(RenderScene(mesh), Camera.look_at(0.0, 10.0)).picture[64, 64].astype(int)
        assert picture[0] > picture[2] + 60


def test_alpha_of_a_gltf_picture_counts_where_the_material_says_so(tmp_path: Path) -> None:
    import trimesh

    for mode, holes in (("OPAQUE", False), (None, False), ("MASK", True)):
        box = trimesh.creation.box((1, 1, 1))
        picture = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
        material = trimesh.visual.material.PBRMaterial(baseColorTexture=picture, alphaMode=mode)
        box.visual = trimesh.visual.TextureVisuals(uv=np.zeros((len(box.vertices), 2)), material=material)
        box.export(tmp_path / "box.glb")
        view = render_view(RenderScene(load_mesh(tmp_path / "box.glb")), Camera.look_at(0.0, 0.0, 32, 32))
        assert (view.picture[16, 16, 3] == 0) == holes


def test_the_placement_takes_the_files_points_along(obj: Path) -> None:
    placed = read_mesh(obj, axes_rotation("y", "z"))
    corners = np.array([(0, 0, 0), (2, 1, 4)], np.float64)
    np.testing.assert_allclose(placed.placement.apply(corners)[1], np.array([4, 2, 1]) / np.sqrt(21) / 2)
    np.testing.assert_allclose(placed.placement.apply(corners)[0], -np.array([4, 2, 1]) / np.sqrt(21) / 2)


def test_a_broken_picture_is_named(tmp_path: Path, obj: Path) -> None:
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"a picture of .*a\.obj cannot be read"):
        load_mesh(obj)
