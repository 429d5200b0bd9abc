"""Real mesh files become labelled meshes in the package's frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featurenerf import Camera
from featurenerf.data.mesh_files import group_names, load_mesh
from featurenerf.data.mesh_renderer import Scene, render_view
from featurenerf.errors import InputError

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
    view = render_view(Scene(load_mesh(obj)), Camera.look_at(0.0, 0.0))
    rows, columns = np.nonzero(view.picture[..., 3] == 255)
    middle = int(np.median(columns))
    upper, lower = view.picture[rows.min() + 1, middle].astype(int), view.picture[rows.max() - 1, middle].astype(int)
    assert upper[0] > upper[1] + 100
    assert lower[0] == lower[1] == lower[2] < 60
    behind = render_view(Scene(load_mesh(obj)), Camera.look_at(180.0, 0.0)).picture[64, 64].astype(int)
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
