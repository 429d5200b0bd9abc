"""KeypointNet, ShapeNet Part and PartNet are read from files in the published formats, and brought to the mesh."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from featurenerf.errors import InputError
from featurenerf.synthesis.annotations.base import AnnotatedMesh, AnnotationSource
from featurenerf.synthesis.annotations.keypointnet import KeypointNet
from featurenerf.synthesis.annotations.partnet import PartNet
from featurenerf.synthesis.annotations.points import nearest_labels
from featurenerf.synthesis.annotations.shapenet_part import ShapeNetPart
from featurenerf.synthesis.annotations.split_lists import read_split_lists
from featurenerf.synthesis.meshes.files import Axis, axes_rotation, read_mesh
from mesh_formats import labelled_points, placed, write_obj

pytest.importorskip("trimesh", reason="the extra 'data' is not installed")
pytest.importorskip("scipy", reason="the extra 'data' is not installed")

CHAIR = "03001627"


V2_ORIGIN = (0.02, -0.05, 0.01)


def mesh(tmp_path: Path, front: Axis) -> AnnotatedMesh:
    path = write_obj(tmp_path / "model.obj", "y", front, placing=V2_ORIGIN if front == "-z" else None)
    return AnnotatedMesh.of(read_mesh(path, axes_rotation("y", front)))


def annotated(source: AnnotationSource, of: AnnotatedMesh) -> AnnotatedMesh:
    annotation = source.get("m1")
    assert annotation is not None
    return annotation.apply(of)


def assert_parts(found: AnnotatedMesh, labels: dict[int, int]) -> None:
    """Places well inside the seat and the back have the labels that 0 and 1 stand for."""
    assert found.kinds == {"parts"}
    assert found.part_points is not None
    assert found.part_labels is not None
    points, truth = labelled_points(400, seed=1)
    clear = np.abs(points[:, 2] - 0.5) > 0.3
    got = nearest_labels(placed(points), found.part_points, found.part_labels)
    np.testing.assert_array_equal(got[clear], [labels[label] for label in truth[clear]])
    assert got[0] != 0
    assert nearest_labels(np.array([[0.4, 0, 0.4]]), found.part_points, found.part_labels)[0] == 0


# ---------------------------------------------------------------------- KeypointNet

KEYPOINTS = np.array([(4, 0, 0.5), (4, 2, 0.5), (0, 0, 5), (0, 2, 5), (2, 1, 0)], np.float64)
IDS = (3, 7, 0, 1, 12)


def keypointnet(folder: Path, **wrong: Any) -> Path:
    """Two chairs and a table, in the frame of v2: y up, front -z, diagonal 1, the origin not in the middle."""
    points = placed(KEYPOINTS) @ axes_rotation("y", "-z") + V2_ORIGIN
    entry = {
        "class_id": CHAIR,
        "model_id": "m1",
        "keypoints": [
            {
                "xyz": point.tolist(),
                "rgb": [54, 53, 57],
                "semantic_id": number,
                "pcd_info": {"point_index": 5},
                "mesh_info": {"face_index": 2, "face_uv": [0.2, 0.3, 0.5]},
            }
            for number, point in zip(IDS, points, strict=True)
        ],
        "symmetries": {"reflection": [{"kp_indexes": [[3, 7]]}], "rotation": []},
    }
    other = {**entry, "class_id": "04379243", "model_id": "t1"}
    path = folder / "annotations" / "chair.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([entry, other, {**entry, "model_id": "m2", **wrong}]))
    return folder


@pytest.mark.parametrize("front", ["-z", "x"], ids=["the mesh of v2", "the mesh of v1"])
def test_keypointnet(tmp_path: Path, front: Axis) -> None:
    known = KeypointNet(keypointnet(tmp_path), "chair")
    assert isinstance(known, AnnotationSource)
    assert len(known) == 2
    assert known.get("t1") is None
    found = annotated(known, mesh(tmp_path, front))
    assert found.kinds == {"keypoints"}
    assert sorted(found.mesh.keypoints) == sorted(IDS)
    for number, point in zip(IDS, placed(KEYPOINTS), strict=True):
        np.testing.assert_allclose(found.mesh.keypoints[number], point, atol=1e-9 if front == "-z" else 0.01)


def test_keypointnet_broken_entries_are_named_and_skipped_when_asked(tmp_path: Path) -> None:
    folder = keypointnet(tmp_path, keypoints=[{"semantic_id": 0, "xyz": [0, 1]}])
    with pytest.raises(InputError, match=r"chair\.json: entry 2 \(m2\) is broken .*skip_broken"):
        KeypointNet(folder, "chair")
    known = KeypointNet(folder, "chair", skip_broken=True)
    assert (len(known), len(known.broken)) == (1, 1)
    with pytest.raises(InputError, match=r"table\.json is missing"):
        KeypointNet(folder, "table")
    far = keypointnet(tmp_path, keypoints=[{"semantic_id": n, "xyz": [n, 9, n * n]} for n in range(4)])
    annotation = KeypointNet(far, "chair").get("m2")
    assert annotation is not None
    with pytest.raises(InputError, match="away from its surface"):
        annotation.apply(mesh(tmp_path, "-z"))


# ---------------------------------------------------------------------- ShapeNet Part


def shapenet_part(folder: Path, form: str, front: Axis = "x") -> Path:
    """Points on the chair in the axes (y, front), in a unit of their own; the back is the 1st part."""
    points, parts = labelled_points(2000)
    points = (points @ axes_rotation("y", front)) * 0.3 + 2
    category = folder / CHAIR
    if form == "v0":
        (category / "points").mkdir(parents=True)
        (category / "points_label").mkdir()
        np.savetxt(category / "points" / "m1.pts", points, fmt="%.6f")
        np.savetxt(category / "points_label" / "m1.seg", 2 - parts, fmt="%d")
    else:
        category.mkdir(parents=True)
        normals = np.tile([0.0, 1.0, 0.0], (len(points), 1))
        np.savetxt(category / "m1.txt", np.column_stack([points, normals, 13 - parts]), fmt="%.6f")
    return folder


@pytest.mark.parametrize("form", ["v0", "normal"])
@pytest.mark.parametrize("mesh_front", ["x", "-z"])
def test_shapenet_part(tmp_path: Path, form: str, mesh_front: Axis) -> None:
    known = ShapeNetPart(shapenet_part(tmp_path / "parts", form), "chair")
    assert known.part_names == ("background", "back", "seat", "leg", "arm")
    assert known.get("m2") is None
    assert_parts(annotated(known, mesh(tmp_path, mesh_front)), {0: 2, 1: 1})


def test_points_turned_otherwise_are_turned_back(tmp_path: Path) -> None:
    for number, front in enumerate(("z", "-x", "-z")):
        known = ShapeNetPart(shapenet_part(tmp_path / str(number), "normal", front), "chair")  # type: ignore[arg-type]
        assert_parts(annotated(known, mesh(tmp_path, "-z")), {0: 2, 1: 1})


def test_shapenet_part_broken_files(tmp_path: Path) -> None:
    known = ShapeNetPart(shapenet_part(tmp_path / "v0", "v0"), "03001627")
    label_file = tmp_path / "v0" / CHAIR / "points_label" / "m1.seg"
    label_file.write_text("1\n2\n")
    with pytest.raises(InputError, match=r"m1\.seg has 2 labels for 2000 points"):
        annotated(known, mesh(tmp_path, "x"))
    label_file.write_text("9\n" * 2000)
    with pytest.raises(InputError, match=r"m1\.seg has labels 9 to 9"):
        annotated(known, mesh(tmp_path, "x"))
    label_file.unlink()
    with pytest.raises(InputError, match=r"m1\.seg is missing"):
        annotated(known, mesh(tmp_path, "x"))
    (tmp_path / "v0" / CHAIR / "points" / "m1.pts").write_text("0 0 zero\n")
    with pytest.raises(InputError, match=r"m1\.pts holds more than rows of numbers"):
        annotated(known, mesh(tmp_path, "x"))
    cube = np.random.default_rng(0).random((500, 3)) * [1, 5, 1]
    np.savetxt(tmp_path / "v0" / CHAIR / "points" / "m1.pts", cube)
    label_file.write_text("1\n" * 500)
    with pytest.raises(InputError, match=r"m1\.pts: its points lie .* they belong to another mesh"):
        annotated(known, mesh(tmp_path, "x"))
    with pytest.raises(InputError, match="no category 'bottle'"):
        ShapeNetPart(tmp_path / "v0", "bottle")
    with pytest.raises(InputError, match="02958343 is missing"):
        ShapeNetPart(tmp_path / "v0", "car")


# ---------------------------------------------------------------------- PartNet

RESULT = [
    {
        "text": "Chair",
        "name": "chair",
        "id": 0,
        "children": [
            {"text": "Back", "name": "chair_back", "id": 1, "objs": ["new-0"]},
            {
                "text": "Seat",
                "name": "seat_assembly",
                "id": 2,
                "children": [{"text": "Seat surface", "name": "seat_surface", "id": 5, "objs": ["original-3"]}],
            },
        ],
    }
]
MERGED = [
    {
        "text": "Chair",
        "name": "chair",
        "id": 0,
        "ori_id": 0,
        "objs": ["new-0", "original-3"],
        "children": [
            {"text": "Chair Back", "name": "chair_back", "id": 1, "ori_id": 1, "objs": ["new-0"]},
            {"text": "Chair Seat", "name": "chair_seat", "id": 2, "ori_id": 2, "objs": ["original-3"]},
        ],
    }
]
LEVEL = "2 chair/chair_head subcomponents\n5 chair/chair_back subcomponents\n45 chair/chair_seat subcomponents\n"


def partnet(folder: Path, sampled_from: str = "shapenet") -> Path:
    points, parts = labelled_points(2000)
    points = placed(points) @ axes_rotation("y", "z") * 1.8
    samples = folder / "2241" / "point_sample"
    samples.mkdir(parents=True)
    leaves = np.where(parts == 0, 5, 1)
    if sampled_from == "shapenet":
        rows = np.column_stack(
            [points, np.zeros((len(points), 3)), np.full((len(points), 3), 128), np.ones(len(points))]
        )
        np.savetxt(samples / "sample-points-all-pts-nor-rgba-10000.txt", rows, fmt=["%.6f"] * 6 + ["%d"] * 3 + ["%.1f"])
        np.savetxt(samples / "sample-points-all-label-10000.txt", leaves, fmt="%d")
    else:
        np.savetxt(samples / "pts-10000.txt", points)
        np.savetxt(samples / "label-10000.txt", leaves, fmt="%d")
    (folder / "2241" / "meta.json").write_text(json.dumps({"model_id": "m1", "model_cat": "Chair", "anno_id": "2241"}))
    (folder / "2241" / "result.json").write_text(json.dumps(RESULT))
    (folder / "2241" / "result_after_merging.json").write_text(json.dumps(MERGED))
    return folder


@pytest.mark.parametrize("sampled_from", ["shapenet", "partnet"])
def test_partnet(tmp_path: Path, sampled_from: str) -> None:
    folder = partnet(tmp_path / "data", sampled_from)
    known = PartNet(folder, "chair")
    assert known.part_names[1:3] == ("chair/chair_head", "chair/chair_back")
    assert_parts(annotated(known, mesh(tmp_path, "-z")), {0: 5, 1: 2})
    table = tmp_path / "stats" / "after_merging_label_ids" / "Chair-level-1.txt"
    table.parent.mkdir(parents=True)
    table.write_text(LEVEL)
    known = PartNet(folder, "chair")
    assert known.part_names == ("background", "chair/chair_head", "chair/chair_back", "chair/chair_seat")
    assert_parts(annotated(known, mesh(tmp_path, "x")), {0: 3, 1: 2})


def test_partnet_without_the_merged_tree_and_with_broken_ones(tmp_path: Path) -> None:
    folder = partnet(tmp_path / "data")
    (folder / "2241" / "result_after_merging.json").unlink()
    known = PartNet(folder, "chair")
    found = annotated(known, mesh(tmp_path, "-z"))
    assert found.part_labels is not None
    assert set(found.part_labels.tolist()) == {0, 2}  # the seat's name is none of level 1 before merging
    (folder / "2241" / "result_after_merging.json").write_text('[{"name": "chair", "id": 0}]')
    with pytest.raises(InputError, match="none of its points belongs to a part"):
        annotated(known, mesh(tmp_path, "-z"))
    (folder / "2241" / "result.json").write_text('[{"id": 1}]')
    with pytest.raises(InputError, match=r"2241: result\.json or result_after_merging\.json is broken"):
        annotated(known, mesh(tmp_path, "-z"))
    (folder / "2241" / "point_sample" / "sample-points-all-label-10000.txt").unlink()
    with pytest.raises(InputError, match="lacks sample-points-all-pts"):
        annotated(known, mesh(tmp_path, "-z"))
    (folder / "7").mkdir()
    (folder / "7" / "meta.json").write_text("{}")
    with pytest.raises(InputError, match=r"meta\.json does not name its model_id"):
        PartNet(folder, "chair")
    assert len(PartNet(folder, "chair", skip_broken=True).broken) == 1
    (folder / "7" / "meta.json").unlink()
    with pytest.raises(InputError, match="holds no annotation of a table"):
        PartNet(folder, "table")
    with pytest.raises(InputError, match="parts of a bottle are not known"):
        PartNet(folder, "bottle")


# ---------------------------------------------------------------------- splits

LISTS = {"train": ["a", "b"], "val": ["c"], "test": ["d"]}


def write_lists(folder: Path, form: str) -> None:
    for name, ids in LISTS.items():
        if form == "keypointnet":
            (folder / f"{name}.txt").write_text("".join(f"{CHAIR}-{i}\n" for i in ids) + f"04379243-{name}\n")
        elif form == "shapenet part":
            content = [f"shape_data/{CHAIR}/{i}" for i in ids] + [f"shape_data/04379243/{name}"]
            (folder / f"shuffled_{name}_file_list.json").write_text(json.dumps(content))
        elif form == "partnet":
            content = [{"anno_id": f"1{i}", "model_id": i} for i in ids]
            (folder / f"Chair.{name}.json").write_text(json.dumps(content))
    if form == "shapenet":
        rows = [
            f"0,{synset},{CHAIR},{i},{name}" for name, ids in LISTS.items() for i in ids for synset in ("03001627",)
        ]
        (folder / "all.csv").write_text(
            "\n".join(["id,synsetId,subSynsetId,modelId,split", *rows, "9,4379243,1,z,val"])
        )
    if form == "release":
        (folder / f"{CHAIR}.json").write_text(json.dumps(LISTS))


@pytest.mark.parametrize("form", ["keypointnet", "shapenet part", "partnet", "shapenet", "release"])
def test_official_splits(tmp_path: Path, form: str) -> None:
    write_lists(tmp_path, form)
    split = read_split_lists(tmp_path, CHAIR)
    assert (split.train, split.val, split.test) == (("a", "b"), ("c",), ("d",))


def test_a_folder_without_splits(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no split of Chair"):
        read_split_lists(tmp_path, CHAIR)
    write_lists(tmp_path, "keypointnet")
    with pytest.raises(InputError, match="lists no object of Car"):
        read_split_lists(tmp_path, "02958343")
