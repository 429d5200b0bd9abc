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
    """ShapeNet's pictures are in ../images, within the object's folder; an MTL file may keep the holes of a picture
    in a picture of their own."""
    (tmp_path / "models").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "images" / "Texture0.PNG")
    Image.fromarray(np.repeat([[0], [0], [255], [255]], 4, 1).astype(np.uint8)).save(tmp_path / "images" / "holes.png")
    painted = "newmtl painted\nmap_Kd ..\\images\\texture0.png\nmap_d ../images/holes.png\n"
    (tmp_path / "models" / "a.mtl").write_text(painted + "newmtl plain\nKd 0 1 0\n")
    (tmp_path / "models" / "a.obj").write_text(OBJ)
    outside = read_mesh(tmp_path / "models" / "a.obj", axes_rotation("y", "z"))
    assert outside.missing == ("..\\images\\texture0.png",)
    mesh = load_mesh(tmp_path / "models" / "a.obj", root=tmp_path)
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
    placed = read_mesh(tmp_path / "models" / "a.obj", axes_rotation("y", "z"), tmp_path)
    assert placed.missing == ("../../holes.png",)


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


# ---------------------------------------------------------------------- what files say about colour

TRIANGLE = "v 0 0 0 {0}\nv 2 0 0 {0}\nv 0 1 0 {0}\nvt 0 0\nvt 1 0\nvt 0 1\n"


def colours(path: Path) -> list[list[float]]:
    """Of each face, rounded."""
    mesh = load_mesh(path)
    return [np.round(mesh.materials[i].color, 2).tolist() for i in mesh.face_materials]


def test_colours_of_vertices_multiply_the_material(tmp_path: Path) -> None:
    """OBJ files have none of their own rule; this is what glTF and three.js do."""
    (tmp_path / "a.mtl").write_text("newmtl white\nKd 1 1 1\nnewmtl half\nKd 0.5 0.5 0.5\n")
    for material, expected in (("white", [1.0, 0.2, 0.0]), ("half", [0.5, 0.1, 0.0]), ("none", [1.0, 0.2, 0.0])):
        text = f"mtllib a.mtl\n{TRIANGLE.format('1 0.2 0')}usemtl {material}\nf 1/1 2/2 3/3\n"
        (tmp_path / "a.obj").write_text(text)
        assert colours(tmp_path / "a.obj") == [pytest.approx(expected, abs=0.01)]
    (tmp_path / "a.obj").write_text(TRIANGLE.format("1 0.2 0") + "f 1 2 3\n")
    assert colours(tmp_path / "a.obj") == [pytest.approx([1.0, 0.2, 0.0], abs=0.01)]


def test_colours_of_vertices_multiply_a_picture(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (255, 255, 0)).save(tmp_path / "a.png")
    (tmp_path / "a.mtl").write_text("newmtl painted\nmap_Kd a.png\n")
    (tmp_path / "a.obj").write_text(f"mtllib a.mtl\n{TRIANGLE.format('0 1 1')}usemtl painted\nf 1/1 2/2 3/3\n")
    view = render_view(RenderScene(load_mesh(tmp_path / "a.obj")), Camera.look_at(0.0, 0.0))
    seen = view.picture[view.picture[..., 3] == 255].astype(int)
    assert len(seen) > 100
    assert (seen[:, 1] > seen[:, 0] + 60).all()  # green is what both have
    assert (seen[:, 1] > seen[:, 2] + 60).all()


@pytest.mark.parametrize("kind", ["vertices", "faces"])
def test_colours_of_a_ply_file(tmp_path: Path, kind: str) -> None:
    colour = "property uchar red\nproperty uchar green\nproperty uchar blue\n"
    of_vertices, of_faces = (colour, "") if kind == "vertices" else ("", colour)
    own, face = (" 255 51 0", "") if kind == "vertices" else ("", " 255 51 0")
    (tmp_path / "a.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
        f"{of_vertices}element face 1\nproperty list uchar int vertex_indices\n{of_faces}end_header\n"
        f"0 0 0{own}\n2 0 0{own}\n0 1 0{own}\n3 0 1 2{face}\n"
    )
    assert colours(tmp_path / "a.ply") == [pytest.approx([1.0, 0.2, 0.0], abs=0.01)]


@pytest.mark.parametrize("names", ["red green blue", "diffuse_red diffuse_green diffuse_blue", "r g b"])
def test_colours_of_a_ply_file_by_other_names(tmp_path: Path, names: str) -> None:
    properties = "".join(f"property uchar {name}\n" for name in names.split())
    (tmp_path / "a.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
        f"{properties}element face 1\nproperty list uchar int vertex_indices\nend_header\n"
        "0 0 0 255 51 0\n2 0 0 255 51 0\n0 1 0 255 51 0\n3 0 1 2\n"
    )
    assert colours(tmp_path / "a.ply") == [pytest.approx([1.0, 0.2, 0.0], abs=0.01)]


OFF_CORNERS = ("0 0 0", "2 0 0", "0 1 0", "2 2 0")


@pytest.mark.parametrize(
    ("header", "vertex", "faces", "wanted"),
    [
        ("COFF\n4 1 0", " 255 51 0 255", ["3 0 1 2"], [[1.0, 0.2, 0.0]]),
        ("COFF\n4 1 0", " 1.0 0.2 0.0 1.0", ["3 0 1 2"], [[1.0, 0.2, 0.0]]),
        ("CNOFF 4 1 0", " 0 0 1 255 51 0", ["3 0 1 2"], [[1.0, 0.2, 0.0]]),
        ("NOFF 4 1 0", " 0 0 1", ["3 0 1 2"], [[0.4, 0.4, 0.4]]),
        ("OFF4 2 0", "", ["3 0 1 2 255 0 0", "3 0 1 3 0.0 1.0 0.0"], [[1, 0, 0], [0, 1, 0]]),
        ("# a\nOFF # b\n4 1 0", "", ["4 0 1 3 2 0 0 255"], [[0, 0, 1], [0, 0, 1]]),
        ("OFF\n4 1 0", "", ["3 0 1 2 7"], [[0.4, 0.4, 0.4]]),
    ],
)
def test_colours_of_an_off_file(
    tmp_path: Path, header: str, vertex: str, faces: list[str], wanted: list[list[float]]
) -> None:
    (tmp_path / "a.off").write_text("\n".join([header, *(c + vertex for c in OFF_CORNERS), *faces]))
    assert colours(tmp_path / "a.off") == [pytest.approx(each, abs=0.01) for each in wanted]


@pytest.mark.parametrize(
    "text", ["", "OFF", "OFF\n3 1 0\n0 0 0", "OFF BINARY\n3 1 0", "OFF\n1 1 0\n0 0 0\n3 0", "PLY", "OFF\n-1 -1 0"]
)
def test_off_files_that_are_none_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.off").write_text(text)
    with pytest.raises(InputError, match=r"a\.off"):
        load_mesh(tmp_path / "a.off")


@pytest.mark.parametrize(
    ("said", "place", "texel"),
    [
        ("a.png", (0.25, 0.25), [255, 0, 0]),
        ("-s 2 1 1 a.png", (0.5, 0.25), [255, 0, 0]),
        ("-s 2 a.png", (0.5, 0.25), [255, 0, 0]),
        ("-o 0.5 0 0 a.png", (0.75, 0.25), [255, 0, 0]),
        ("-o 0.1 0.2 -s 2 3 1 -blendu on a.png", (0.6, 0.95), [255, 0, 0]),
        ("-clamp on -bm 1.5 -imfchan m a.png", (0.25, 0.25), [255, 0, 0]),
        ("-mm 0.2 0.5 a.png", (0.25, 0.25), [178, 51, 51]),
        ("-texres 512 -type sphere -t 0 0 0 a.png", (0.25, 0.25), [255, 0, 0]),
        ("my wood.png", (0.25, 0.25), [0, 0, 255]),
        ("-s 2 2 2 my wood.png", (0.5, 0.5), [0, 0, 255]),
        ("C:\\Users\\me\\Desktop\\A.PNG", (0.25, 0.25), [255, 0, 0]),
        ("木.png", (0.25, 0.25), [0, 255, 0]),
    ],
)
def test_options_of_map_kd(tmp_path: Path, said: str, place: tuple[float, float], texel: list[int]) -> None:
    """A face whose corners all lie at u = v = 0.25, and where it lies in the picture."""
    for name, colour in (("a.png", (255, 0, 0)), ("my wood.png", (0, 0, 255)), ("木.png", (0, 255, 0))):
        Image.new("RGB", (4, 4), colour).save(tmp_path / name)
    (tmp_path / "a.mtl").write_text(f"newmtl painted\nKd 1 1 1\nmap_Kd {said}\n", encoding="utf-8")
    corners = "v 0 0 0\nv 2 0 0\nv 0 1 0\nvt 0.25 0.25\n"
    (tmp_path / "a.obj").write_text(f"mtllib a.mtl\n{corners}usemtl painted\nf 1/1 2/1 3/1\n")
    mesh = load_mesh(tmp_path / "a.obj")
    assert mesh.uv is not None
    np.testing.assert_allclose(mesh.uv[0], [place] * 3, atol=1e-6)
    (material,) = mesh.materials
    assert material.texture is not None
    assert material.texture[0, 0].tolist() == texel
    assert material.clamp == (("-clamp on" in said,) * 2)


def test_several_material_libraries(tmp_path: Path) -> None:
    (tmp_path / "a.mtl").write_text("newmtl one\nKd 1 0 0\n")
    (tmp_path / "b.mtl").write_text("newmtl two\nKd 0 1 0\n")
    (tmp_path / "my own.mtl").write_text("newmtl one\nKd 0 0 1\nnewmtl two\nKd 0 0 1\n")
    faces = "usemtl one\nf 1 2 3\nusemtl two\nf 1 3 4\nusemtl two\nf 1 2 4\n"
    corners = "v 0 0 0\nv 2 0 0\nv 0 1 0\nv 0 0 1\n"
    for libraries in ("mtllib a.mtl b.mtl\n", "mtllib a.mtl\nmtllib b.mtl\n"):
        (tmp_path / "a.obj").write_text(libraries + corners + faces)
        assert {tuple(c) for c in colours(tmp_path / "a.obj")} == {(1.0, 0.0, 0.0), (0.0, 1.0, 0.0)}
    (tmp_path / "a.obj").write_text("mtllib my own.mtl\n" + corners + faces)
    assert {tuple(c) for c in colours(tmp_path / "a.obj")} == {(0.0, 0.0, 1.0)}
    (tmp_path / "a.obj").write_text("mtllib none.mtl a.mtl\n" + corners + faces)
    assert read_mesh(tmp_path / "a.obj", np.eye(3)).missing == ("none.mtl",)


def test_a_picture_of_another_format_is_not_opened(tmp_path: Path, obj: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "b.eps")
    (tmp_path / "b.eps").rename(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a picture of .*a\.obj cannot be read: .*a\.png .*a PostScript file"):
        load_mesh(obj)


def test_a_picture_lies_in_the_meshs_folder_or_below(tmp_path: Path, obj: Path) -> None:
    (tmp_path / "own").mkdir()
    for name in ("a.obj", "a.mtl"):
        (tmp_path / name).rename(tmp_path / "own" / name)
    for said in ("../a.png", str(tmp_path / "a.png"), "below/../../a.png", "link.png"):
        if said == "link.png":
            (tmp_path / "own" / said).symlink_to(tmp_path / "a.png")
        (tmp_path / "own" / "a.mtl").write_text(MTL.replace("a.png", said))
        assert read_mesh(tmp_path / "own" / "a.obj", np.eye(3)).missing == (said,)
    (tmp_path / "own" / "below").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "own" / "below" / "a.png")
    (tmp_path / "own" / "a.mtl").write_text(MTL.replace("a.png", "below/a.png"))
    assert read_mesh(tmp_path / "own" / "a.obj", np.eye(3)).missing == ()


@pytest.mark.parametrize("binary", [True, False])
def test_stl_files(tmp_path: Path, binary: bool) -> None:
    import trimesh

    trimesh.creation.box((4, 1, 2)).export(tmp_path / "a.stl", file_type="stl" if binary else "stl_ascii")
    mesh = load_mesh(tmp_path / "a.stl", up="y", front="x")
    np.testing.assert_allclose(np.ptp(mesh.vertices, 0), np.array([4, 2, 1]) / np.sqrt(21), atol=1e-6)


def test_other_kinds_of_files_are_named(tmp_path: Path) -> None:
    for name in ("a.fbx", "a.blend", "a.zip", "a.dae", "a.3mf", "a"):
        (tmp_path / name).write_bytes(b"PK\3\4")
        with pytest.raises(InputError, match=rf"{name} is of a kind that is not read: give one of \.obj, \.glb"):
            load_mesh(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.off", "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 9\n", "outside the range of its vertices"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "cannot be read as a mesh"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv nan 1 0\nf 1 2 3\n", "a\\.obj"),
        ("a.obj", "v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n", "has no extent"),
        ("a.obj", "v 0 0 0\nv 1 1 1\nv 2 2 2\nf 1 2 3\n", "no triangle that has an area"),
        ("a.stl", "solid\nfacet normal 0 0 1\nouter loop\n", "a\\.stl"),
        ("a.ply", "ply\nformat ascii 1.0\nelement vertex 2000000000\nproperty float x\nend_header\n0\n", "a\\.ply"),
    ],
)
def test_broken_meshes_are_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said):
        load_mesh(tmp_path / name)
