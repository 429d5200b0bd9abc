"""AC3D files, written by hand in the format of https://www.inivis.com/ac3d/man/ac3dfileformat.html."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featurenerf.errors import InputError
from featurenerf.synthesis.meshes.catalogue import find_meshes
from featurenerf.synthesis.meshes.files import axes_rotation, group_names, read_mesh

pytest.importorskip("trimesh", reason="the extra 'data' is not installed")

# an L of 3 unit squares (a polygon that is not convex) at x = 5, inside a group that is turned about z and moved; a
# strip of two triangles; and a line, which has no surface
AC3D = """AC3Db
MATERIAL "paint" rgb 1 0.5 0  amb 0.2 0.2 0.2  emis 0 0 0  spec 0.5 0.5 0.5  shi 10  trans 0
MATERIAL "" rgb 0 0 1  amb 0.2 0.2 0.2  emis 0 0 0  spec 0.5 0.5 0.5  shi 10  trans 0
OBJECT world
kids 2
OBJECT group
name "outer"
data 7
kids 12
rot 0 1 0 -1 0 0 0 0 1
loc 10 0 0
kids 1
OBJECT poly
name "wing"
texture "skin.png"
texrep 2 1
loc 5 0 0
crease 45.0
numvert 6
0 0 0
2 0 0
2 1 0
1 1 0
1 2 0
0 2 0
numsurf 2
SURF 0x20
mat 0
refs 6
0 0 0
1 1 0
2 1 0.5
3 0.5 0.5
4 0.5 1
5 0 1
SURF 0X02
mat 0
refs 2
0 0 0
3 0 0
kids 0
OBJECT poly
name "strip"
numvert 4
0 0 1
1 0 1
0 1 1
1 1 1
numsurf 1
SURF 0x14
mat 1
refs 4
0 0 0
1 0 0
2 0 0
3 0 0
kids 0
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plane" / "Models" / "plane.ac"
    path.parent.mkdir(parents=True)
    path.write_text(AC3D)
    return path


def test_places_faces_and_colours(file: Path) -> None:
    Image.fromarray(np.full((4, 4, 3), (200, 10, 10), np.uint8)).save(file.parent / "skin.png")
    assert group_names(file) == ["wing", "strip"]
    read = read_mesh(file, np.eye(3))
    placement = read.placement
    points = read.mesh.vertices * placement.size + placement.centre
    wing = points[read.mesh.faces[read.face_groups == 0]]  # (t, 3, 3)
    normals = np.cross(wing[:, 1] - wing[:, 0], wing[:, 2] - wing[:, 0])
    assert len(wing) == 4
    np.testing.assert_allclose(normals.sum(0) / 2, [0, 0, 3], atol=1e-6)  # the area of the L, and its side
    assert (normals[:, 2] > 0).all()
    # x of the object is y of the file, y is -x, and the group lies at x = 10
    np.testing.assert_allclose(wing.reshape(-1, 3).min(0), [8, 5, 0], atol=1e-6)
    np.testing.assert_allclose(wing.reshape(-1, 3).max(0), [10, 7, 0], atol=1e-6)
    strip = points[read.mesh.faces[read.face_groups == 1]]
    np.testing.assert_allclose(np.cross(strip[:, 1] - strip[:, 0], strip[:, 2] - strip[:, 0])[:, 2], [1, 1])
    materials = read.mesh.materials
    assert materials[0].texture is not None
    assert materials[0].texture[0, 0].tolist() == [200, 10, 10]
    np.testing.assert_allclose(materials[1].color, [0, 0, 1], atol=0.01)
    assert read.mesh.uv is not None
    assert read.mesh.uv[..., 0].max() == 2  # texrep
    assert read.missing == ()


def test_a_livery_of_a_folder_beside_is_found_and_a_missing_one_is_named(file: Path) -> None:
    assert read_mesh(file, np.eye(3)).missing == ("skin.png",)
    livery = file.parent.parent / "Textures" / "B" / "skin.png"
    livery.parent.mkdir(parents=True)
    Image.fromarray(np.full((4, 4, 3), 7, np.uint8)).save(livery)
    assert read_mesh(file, np.eye(3)).missing == ("skin.png",)  # the mesh's folder and what is below, by default
    read = read_mesh(file, np.eye(3), file.parent.parent)
    assert read.missing == ()
    texture = read.mesh.materials[0].texture
    assert texture is not None
    assert texture.max() == 7
    livery.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"its picture skin\.png"):
        read_mesh(file, np.eye(3), file.parent.parent)


def test_liveries_are_not_looked_for_outside_of_a_models_own_folder(file: Path) -> None:
    moved = file.parent.parent / "own" / "plane.ac"
    moved.parent.mkdir()
    file.rename(moved)
    Image.fromarray(np.full((4, 4, 3), 7, np.uint8)).save(moved.parent.parent / "skin.png")
    assert read_mesh(moved, np.eye(3)).missing == ("skin.png",)


def test_the_nose_of_flightgears_planes_becomes_the_front(file: Path) -> None:
    (entry,) = find_meshes(file.parent, "airplane")
    np.testing.assert_array_equal(entry.turn, axes_rotation("y", "-x"))


def test_a_child_too_many_and_corners_without_texture_are_forgiven(file: Path) -> None:
    file.write_text(
        AC3D.replace("OBJECT world\nkids 2", "OBJECT world\nkids 3").replace("3 0 0\nkids 0", "\n3\nkids 0")
    )
    assert group_names(file) == ["wing", "strip"]
    assert len(read_mesh(file, np.eye(3)).mesh.faces) == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "first line is not AC3D"),
        ("OBJECT world\nkids 0\n", "first line is not AC3D"),
        (AC3D[: len(AC3D) // 2], "it ends in the middle"),
        (AC3D.replace("5 0 1", "9 0 1"), "corners that it does not have"),
        ("AC3Db\nOBJECT world\nkids 0\n", "no triangles"),
        (AC3D.replace("2 1 0\n", "2 one 0\n"), "could not convert"),
    ],
)
def test_broken_files_end_in_one_sentence(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        read_mesh(file, np.eye(3))
