"""A hand-made table labels every place of a mesh as its rules say, and cuts no more than it must."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from box_mesh import make_box
from featurenerf import Camera
from featurenerf.errors import InputError
from featurenerf.synthesis.annotations.base import AnnotatedMesh, closest_point
from featurenerf.synthesis.annotations.table import AnnotationTable, TableAnnotation, cut_faces, table_file
from featurenerf.synthesis.meshes.files import Placement
from featurenerf.synthesis.meshes.renderer import RenderScene, render_view

pytest.importorskip("scipy", reason="the extra 'data' is not installed")


def box() -> AnnotatedMesh:
    """The box of 0.6 x 0.48 x 0.64; its sides +-x are the group "ends", the others "wall|oak"."""
    mesh = make_box(texture=np.zeros((4, 4, 3), np.uint8))
    sides = mesh.face_parts - 1
    groups = np.where(sides < 2, 0, 1)
    return AnnotatedMesh(mesh, ("ends", "wall|oak"), groups, Placement(np.eye(3), np.zeros(3), 1.0))


def table(folder: Path, record: dict[str, Any], **more: Any) -> AnnotationTable:
    content = {"parts": ["background", "end", "low", "high"], "keypoints": ["top", "side left", "side right"], **more}
    path = folder / "table.json"
    path.write_text(json.dumps({"category": "box", **content, "objects": {"a": record}}))
    return AnnotationTable(path)


def got(known: AnnotationTable) -> TableAnnotation:
    annotation = known.get("a")
    assert annotation is not None
    return annotation


def annotated(known: AnnotationTable) -> AnnotatedMesh:
    return got(known).apply(box())


def areas(mesh: AnnotatedMesh) -> dict[int, float]:
    a, b, c = np.moveaxis(mesh.mesh.vertices[mesh.mesh.faces], 1, 0)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return {int(part): float(area[mesh.mesh.face_parts == part].sum()) for part in np.unique(mesh.mesh.face_parts)}


def test_rules_are_tried_in_order_and_cut_faces(tmp_path: Path) -> None:
    rules = [{"part": "end", "groups": ["end?"]}, {"part": "high", "groups": ["wall|*"], "z": [0.1, None]}]
    known = table(tmp_path, {"parts": [*rules, {"part": "low"}]})
    assert known.get("b") is None
    labelled = annotated(known)
    assert labelled.kinds == got(known).kinds == {"parts"}
    walls = 2 * 0.6  # of the two sides +-y, per height
    assert areas(labelled) == pytest.approx(
        {1: 2 * 0.48 * 0.64, 2: walls * 0.42 + 0.6 * 0.48, 3: walls * 0.22 + 0.6 * 0.48}
    )
    assert set(labelled.mesh.face_parts[labelled.face_groups == 0]) == {1}
    view = render_view(RenderScene(labelled.mesh), Camera.look_at(90.0, 0.0, 64, 64))
    rows = np.flatnonzero((view.parts == 3).any(1)), np.flatnonzero((view.parts == 2).any(1))
    assert rows[0].max() + 1 == rows[1].min()


def test_whole_pieces_absolute_values_and_planes(tmp_path: Path) -> None:
    known = table(tmp_path, {"parts": [{"part": "high", "whole": True, "z": [0.01, None]}, {"part": "low"}]})
    assert set(areas(annotated(known))) == {2}  # one piece, its middle is at 0
    known = table(tmp_path, {"parts": [{"part": "high", "|y|": [None, 0.1], "x": [-1, 0]}, {"part": "low"}]})
    assert areas(annotated(known))[3] == pytest.approx(0.2 * 0.64 + 2 * 0.3 * 0.2)
    known = table(tmp_path, {"parts": [{"part": "end", "planes": [[1, 0, 1, 0]]}, {"part": "low"}]})
    labelled = annotated(known)
    centres = labelled.mesh.vertices[labelled.mesh.faces].mean(1)
    np.testing.assert_array_equal(labelled.mesh.face_parts == 1, centres[:, 0] + centres[:, 2] > 0)
    assert sum(areas(labelled).values()) == pytest.approx(areas(box())[1] * 2 + 2 * 0.6 * (0.48 + 0.64))


@pytest.mark.parametrize("normal", [(1, 0, 0), (0.3, -0.8, 0.52), (0.6, 0.48, 0)])
def test_cutting_changes_neither_surface_nor_texture(normal: tuple[float, float, float]) -> None:
    mesh = make_box()
    assert mesh.uv is not None
    cut, parents = cut_faces(mesh, np.ones(len(mesh.faces), bool), np.array(normal, np.float64), 0.05)
    assert cut.uv is not None
    assert len(cut.faces) > len(mesh.faces)
    heights = cut.vertices[cut.faces] @ np.array(normal) - 0.05
    assert ((heights > -1e-9).all(1) | (heights < 1e-9).all(1)).all()
    # every new corner lies on its old face, where the texture coordinates are those of the old face
    for face, parent in enumerate(parents):
        corners, old = cut.vertices[cut.faces[face]], mesh.vertices[mesh.faces[parent]]
        weights = np.linalg.lstsq(np.vstack([old.T, np.ones(3)]), np.vstack([corners.T, np.ones(3)]), rcond=None)[0]
        assert weights.min() > -1e-6
        np.testing.assert_allclose(weights.T @ old, corners, atol=1e-9)
        np.testing.assert_allclose(weights.T @ mesh.uv[parent], cut.uv[face], atol=1e-5)


def test_keypoints_are_moved_onto_the_surface(tmp_path: Path) -> None:
    known = table(tmp_path, {"keypoints": {"top": [0.1, 0, 0.33]}, "mirrored": {"side": [0.1, -0.23, 0]}})
    found = annotated(known)
    assert found.kinds == {"keypoints"}
    np.testing.assert_allclose(found.mesh.keypoints[0], [0.1, 0, 0.32])
    np.testing.assert_allclose(found.mesh.keypoints[1], [0.1, 0.24, 0], atol=1e-12)
    np.testing.assert_allclose(found.mesh.keypoints[2], [0.1, -0.24, 0], atol=1e-12)
    with pytest.raises(InputError, match=r"a: keypoint 0 is 0\.050 of the object's diagonal away"):
        annotated(table(tmp_path, {"keypoints": {"top": [0.1, 0, 0.37]}}))


def test_closest_point_against_a_dense_search() -> None:
    generator = np.random.default_rng(0)
    triangles = generator.normal(size=(5, 3, 3))
    weights = generator.dirichlet((1, 1, 1), 20000)
    dense = np.einsum("ni,fic->nfc", weights, triangles).reshape(-1, 3)
    for point in generator.normal(size=(20, 3)) * 2:
        place, distance = closest_point(point, triangles)
        best = np.linalg.norm(dense - point, axis=1).min()
        assert best - 0.05 < distance <= best + 1e-12
        assert np.linalg.norm(place - point) == pytest.approx(distance)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"parts": [{"part": "roof"}]}, "a: there is no part 'roof'"),
        ({"parts": [{"part": "low", "zz": [0, 1]}]}, "zz is not known"),
        ({"parts": [{"part": "low", "z": 3}]}, "a: "),
        ({"parts": [{"part": "low", "groups": "wall"}]}, "list of names"),
        ({"keypoints": {"nose": [0, 0, 0]}}, "no keypoints nose"),
        ({"keypoints": {"top": [0, 0]}}, "not 3 numbers"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, record: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=rf"table\.json: .*{said}"):
        table(tmp_path, record)


def test_rules_that_do_not_fit_the_mesh(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no group is called 'oak'; there are ends, wall\|oak"):
        annotated(table(tmp_path, {"parts": [{"part": "low", "groups": ["oak"]}]}))
    with pytest.raises(InputError, match=r"faces of the groups ends, wall\|oak are left without a part"):
        annotated(table(tmp_path, {"parts": [{"part": "low", "z": [0, None]}]}))
    with pytest.raises(InputError, match="is for box, not for chair"):
        AnnotationTable(tmp_path / "table.json", "chair")


def test_names_are_the_generators_by_default(tmp_path: Path) -> None:
    path = tmp_path / "chairs.json"
    path.write_text(
        json.dumps({"objects": {"a": {"parts": [{"part": "seat"}], "mirrored": {"seat front": [0, 0, 0]}}}})
    )
    known = AnnotationTable(path, "chair")
    assert known.part_names == ("background", "back", "seat", "leg", "arm")
    assert known.keypoint_names[0] == "seat front left"
    assert len(known) == 1


def test_a_table_goes_by_its_file_or_its_name(tmp_path: Path) -> None:
    assert table_file("sweethome3d", "chair").is_file()
    with pytest.raises(InputError, match=r"no table sweethome3d of boats: .*ships \(sweethome3d of chairs, "):
        table_file("sweethome3d", "boat")
