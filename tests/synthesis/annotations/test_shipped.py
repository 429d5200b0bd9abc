"""The hand-made tables of real chairs and tables load, and fit the meshes that they were made for."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from featurenerf.data.storage import read_json
from featurenerf.synthesis.annotations.base import closest_point
from featurenerf.synthesis.annotations.table import AnnotationTable, TableAnnotation, table_file
from featurenerf.synthesis.meshes.catalogue import find_meshes
from featurenerf.synthesis.objects import CATEGORIES
from featurenerf.synthesis.render import annotated_mesh

FREE = ("Scopia-", "Kator_Legaz-", "eTeks-")
"""What the ids of the free libraries start with; those of the reserved ones do not."""
CATALOGUES = Path(os.environ.get("SWEETHOME3D", "/usr/share/sweethome3d"))
LEAST_KEYPOINTS = 9


def objects(category: str) -> list[str]:
    return list(read_json(table_file("sweethome3d", category))["objects"])


def annotation(table: AnnotationTable, object_id: str) -> TableAnnotation:
    found = table.get(object_id)
    assert found is not None
    return found


def test_a_file_of_ones_own_comes_before_a_shipped_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert table_file("sweethome3d", "chair").is_file()
    (tmp_path / "sweethome3d").touch()
    assert table_file("sweethome3d", "chair") == Path("sweethome3d")


@pytest.mark.parametrize("category", ["chair", "table"])
def test_every_object_has_parts_and_keypoints_of_the_category(category: str) -> None:
    known = CATEGORIES[category]
    table = AnnotationTable(table_file("sweethome3d", category), category)
    assert table.part_names == known.part_names
    assert table.keypoint_names == known.keypoint_names
    names = objects(category)
    assert len(names) == len(set(names)) == len(table) >= 20
    for name in names:
        assert name.startswith(FREE)
        made = annotation(table, name)
        assert made.kinds == {"parts", "keypoints"}
        assert made.rules is not None
        assert made.keypoints is not None
        assert {rule.part for rule in made.rules} <= set(range(1, len(known.part_names)))
        assert len(made.keypoints) >= LEAST_KEYPOINTS
        points = np.stack(list(made.keypoints.values()))
        assert np.abs(points).max() < 0.5
        for left in range(len(known.mirror)):  # left is at +y
            right = known.mirror[left]
            if known.keypoint_names[left].endswith("left") and {left, right} <= set(made.keypoints):
                assert made.keypoints[left][1] > made.keypoints[right][1], f"{name}: {known.keypoint_names[left]}"


@pytest.mark.parametrize("category", ["chair", "table"])
@pytest.mark.skipif(
    not CATALOGUES.is_dir(),
    reason="there is no /usr/share/sweethome3d (Debian packages sweethome3d-furniture and sweethome3d), and the "
    "environment variable SWEETHOME3D names no folder",
)
def test_they_fit_the_meshes(category: str) -> None:
    pytest.importorskip("trimesh", reason="the extra 'data' is not installed")
    table = AnnotationTable(table_file("sweethome3d", category), category)
    entries = find_meshes(CATALOGUES, category, only=tuple(objects(category)))
    assert [entry.id for entry in entries] == sorted(objects(category))
    for entry in entries:
        made = annotation(table, entry.id)
        mesh = annotated_mesh(entry, [made]).mesh
        assert made.rules is not None
        assert set(np.unique(mesh.face_parts)) == {rule.part for rule in made.rules}, entry.id
        assert made.keypoints is not None
        triangles = mesh.vertices[mesh.faces]
        for number, point in made.keypoints.items():
            assert np.linalg.norm(mesh.keypoints[number] - point) < 0.01, f"{entry.id}: keypoint {number}"
            assert closest_point(mesh.keypoints[number], triangles)[1] < 1e-6
