"""Real meshes become a data set: the right way round, whole or not at all, the same whoever renders them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from featurenerf.categories import SYNSETS
from featurenerf.cli.data import main
from featurenerf.data.check import check_dataset
from featurenerf.data.formats.release import split_file
from featurenerf.data.labels import ANNOTATIONS
from featurenerf.data.objects import ObjectViews
from featurenerf.data.open import open_dataset
from featurenerf.data.splits import Pair, Split, read_split
from featurenerf.data.storage import read_json
from featurenerf.errors import InputError
from featurenerf.synthesis import render
from featurenerf.synthesis.annotations.shapenet_part import ShapeNetPart
from featurenerf.synthesis.annotations.table import AnnotationTable
from featurenerf.synthesis.meshes.catalogue import find_meshes
from featurenerf.synthesis.meshes.files import axes_rotation
from featurenerf.synthesis.render import render_meshes
from featurenerf.synthesis.write import ObjectRecord, write_object
from mesh_formats import labelled_points, placed, write_obj

pytest.importorskip("embreex", reason="the extra 'data' is not installed")
pytest.importorskip("trimesh", reason="the extra 'data' is not installed")

CHAIR = SYNSETS["chair"]
SETTINGS: dict[str, Any] = {"views": 3, "size": 48, "workers": 1, "progress": False}
TABLE = {
    "category": "chair",
    "objects": {
        "b": {
            "parts": [{"part": "seat", "groups": ["seat*"]}, {"part": "back"}],
            "mirrored": {"seat front": placed(np.array([4, 2, 0.5])).tolist()},
        }
    },
}


@pytest.fixture
def meshes(tmp_path: Path) -> Path:
    for name in "abcd":
        write_obj(tmp_path / "meshes" / f"{name}.obj")
    return tmp_path / "meshes"


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def every_object(root: Path) -> dict[str, ObjectViews]:
    split = read_split(split_file(root, CHAIR))
    names = [name for name in ("train", "val", "test") if split.ids(name)]
    return {views.id: views for name in names for views in open_dataset(root, "chair", name)}


def views_from_the_front(views: ObjectViews) -> int:
    """How many views look at the front; in them the green seat and the red back are where they project to."""
    from_front = [view for view in range(len(views)) if views.camera(view).centre[0] > 0.3]
    places = {"seat": (3, 1, 0.5), "back": (0.5, 1, 3)}
    for view in from_front:
        for name, place in places.items():
            xy, _ = views.camera(view).project(torch.from_numpy(placed(np.array([place]))).float())
            red, green, _, alpha = views.picture(view)[int(xy[0, 1]), int(xy[0, 0])].astype(int)
            assert alpha == 255
            assert (red > green) == (name == "back"), (view, name)
    return len(from_front)


def test_a_folder_without_annotations(tmp_path: Path, meshes: Path) -> None:
    done = render_meshes(tmp_path / "out", find_meshes(meshes, "chair"), "chair", **SETTINGS)
    assert check_dataset(tmp_path / "out", progress=False) == []
    assert [len(done.split.ids(name)) for name in ("train", "val", "test")] == [1, 1, 2]
    assert len(done.split.cross_inst_pairs) == 6
    assert done.annotated == {"parts": 0, "keypoints": 0}
    objects = every_object(tmp_path / "out")
    assert sorted(objects) == list("abcd")
    assert sum(views_from_the_front(views) for views in objects.values()) >= 4
    assert not any(views.has(kind) for views in objects.values() for kind in ANNOTATIONS)
    about = read_json(tmp_path / "out" / "attribution" / f"{CHAIR}.json")
    assert sorted(about["objects"]) == list("abcd")
    assert about["objects"]["a"]["source"] == "a.obj"
    assert not (tmp_path / "out" / "labels").exists()


def test_up_and_front_are_the_files(tmp_path: Path) -> None:
    axes = {"a": ("z", "x"), "b": ("x", "-y"), "c": ("-y", "z"), "d": ("-x", "y")}
    for name, (up, front) in axes.items():
        write_obj(tmp_path / "meshes" / f"{name}.obj", up, front)  # type: ignore[arg-type]
    records = [
        {"name": name, "path": f"meshes/{name}.obj", "up": up, "front": front} for name, (up, front) in axes.items()
    ]
    (tmp_path / "list.json").write_text(json.dumps({"objects": records}))
    render_meshes(tmp_path / "out", find_meshes(tmp_path / "list.json", "chair"), "chair", **SETTINGS)
    objects = every_object(tmp_path / "out")
    assert len(objects) == 4
    assert sum(views_from_the_front(views) for views in objects.values()) >= 4


def test_hand_made_parts_and_keypoints(tmp_path: Path, meshes: Path) -> None:
    (tmp_path / "table.json").write_text(json.dumps(TABLE))
    table = AnnotationTable(tmp_path / "table.json", "chair")
    out = tmp_path / "out"
    done = render_meshes(out, find_meshes(meshes, "chair"), "chair", sources=(table,), **SETTINGS)
    assert done.annotated == {"parts": 1, "keypoints": 1}
    assert check_dataset(out, progress=False) == []
    objects = every_object(out)
    assert [name for name in sorted(objects) if objects[name].has("part_2d")] == ["b"]
    views = objects["b"]
    points, labels = views.part_points()
    np.testing.assert_array_equal(labels == 1, points[:, 2] > placed(np.array([0, 0, 0.5]))[2])
    assert views.keypoint_candidates()[1][:, 3].tolist() == [0, 1]
    for view in range(len(views)):
        picture, parts = views.picture(view).astype(int), views.parts(view)
        clear = (parts > 0) & (picture[..., 3] == 255)
        red = picture[..., 0] > picture[..., 1]
        assert (red[clear] == (parts[clear] == 1)).mean() > 0.97
        for x, y, number in views.keypoints(view):
            side = 1 if number == 0 else -1  # 0 is the left one, +y
            xy, _ = views.camera(view).project(torch.tensor([[2, side, -2.0]]) / np.sqrt(45))
            assert (x, y) == tuple(np.floor(xy[0].numpy()).astype(int))
    made = read_json(out / "made" / f"{CHAIR}.json")
    assert made["part_names"] == ["background", "back", "seat", "leg", "arm"]
    assert made["annotations"] == ["AnnotationTable"]
    names = read_json(out / "labels" / f"{CHAIR}.json")
    assert names["parts"] == made["part_names"]
    assert names["keypoints"] == made["keypoint_names"]
    assert names["mirror"][:4] == [1, 0, 3, 2]
    assert views.names.keypoints[0] == "seat front left"


def test_parts_of_labelled_points(tmp_path: Path, meshes: Path) -> None:
    points, parts = labelled_points(4000)
    (tmp_path / "parts" / CHAIR).mkdir(parents=True)
    rows = np.column_stack([points @ axes_rotation("y", "x"), np.zeros((len(points), 3)), 13 - parts])
    np.savetxt(tmp_path / "parts" / CHAIR / "c.txt", rows)
    source = ShapeNetPart(tmp_path / "parts", "chair")
    render_meshes(tmp_path / "out", find_meshes(meshes, "chair"), "chair", sources=(source,), **SETTINGS)
    assert check_dataset(tmp_path / "out", progress=False) == []
    views = every_object(tmp_path / "out")["c"]
    assert views.has("part_3d")
    assert not views.has("kp_3d")
    for view in range(len(views)):
        picture, labels = views.picture(view).astype(int), views.parts(view)
        clear = (labels > 0) & (picture[..., 3] == 255)
        assert ((picture[..., 0] > picture[..., 1])[clear] == (labels[clear] == 1)).mean() > 0.9
        assert (labels[picture[..., 3] == 0] == 0).all()
    assert len(views.part_points()[0]) == 2048


def test_the_same_bytes_for_any_workers_and_after_an_interruption(
    tmp_path: Path, meshes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = find_meshes(meshes, "chair")
    render_meshes(tmp_path / "one", entries, "chair", **SETTINGS)
    render_meshes(tmp_path / "two", entries, "chair", **{**SETTINGS, "workers": 2})
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    done: list[str] = []

    def interrupted(root: Path, synset: str, object_id: str, record: ObjectRecord) -> None:
        if object_id == "c" and "c" not in done:
            done.append(object_id)
            raise KeyboardInterrupt
        done.append(object_id)
        write_object(root, synset, object_id, record)

    monkeypatch.setattr(render, "write_object", interrupted)
    with pytest.raises(KeyboardInterrupt):
        render_meshes(tmp_path / "three", entries, "chair", **SETTINGS)
    render_meshes(tmp_path / "three", entries, "chair", **SETTINGS)
    assert done == ["a", "b", "c", "c", "d"]
    assert contents(tmp_path / "three") == contents(tmp_path / "one")
    with pytest.raises(InputError, match="holds chair made with other settings"):
        render_meshes(tmp_path / "three", entries, "chair", **{**SETTINGS, "views": 4})
    with pytest.raises(InputError, match="holds chair made with other settings"):
        render_meshes(tmp_path / "three", entries[:3], "chair", split=Split((), (), ("a", "b", "c")), **SETTINGS)


def test_a_changed_table_is_noticed(tmp_path: Path, meshes: Path) -> None:
    def render(seat: str) -> None:
        (tmp_path / "table.json").write_text(json.dumps(TABLE).replace("seat*", seat))
        sources = [AnnotationTable(tmp_path / "table.json", "chair")]
        render_meshes(tmp_path / "out", find_meshes(meshes, "chair"), "chair", sources=sources, **SETTINGS)

    render("seat*")
    render("seat*")  # there is nothing left to do
    with pytest.raises(InputError, match="holds chair made with other settings"):
        render("back*")


def test_settings_that_made_nothing_are_forgotten(tmp_path: Path, meshes: Path) -> None:
    for path in meshes.glob("*.obj"):
        path.write_text("v nothing")
    entries = find_meshes(meshes, "chair")
    with pytest.raises(InputError, match="none of the 4 meshes can be rendered"):
        render_meshes(tmp_path / "out", entries, "chair", skip_broken=True, **SETTINGS)
    for path in meshes.glob("*.obj"):
        write_obj(path)
    render_meshes(tmp_path / "out", entries, "chair", seed=5, **SETTINGS)


def test_a_category_of_nothing_is_not_made(tmp_path: Path, meshes: Path) -> None:
    for path in meshes.glob("*.obj"):
        path.write_text("nothing")
    with pytest.raises(InputError, match=r"none of the 4 meshes can be rendered; the first: .*a\.obj"):
        render_meshes(tmp_path / "out", find_meshes(meshes, "chair"), "chair", skip_broken=True, **SETTINGS)
    assert not split_file(tmp_path / "out", CHAIR).exists()


def test_broken_meshes_are_named_and_skipped_when_asked(tmp_path: Path, meshes: Path) -> None:
    (meshes / "b.obj").write_text("v 0 0\nnot a mesh\n")
    (meshes / "e.glb").write_bytes(b"glTF")
    entries = find_meshes(meshes, "chair")
    with pytest.raises(InputError, match=r"b\.obj .*skip_broken leaves b out"):
        render_meshes(tmp_path / "out", entries, "chair", **SETTINGS)
    done = render_meshes(tmp_path / "out", entries, "chair", skip_broken=True, **SETTINGS)
    assert sorted(done.skipped) == ["b", "e"]
    assert "e.glb" in done.skipped["e"]
    assert sorted(every_object(tmp_path / "out")) == ["a", "c", "d"]
    assert check_dataset(tmp_path / "out", progress=False) == []


def test_an_official_split_is_kept(tmp_path: Path, meshes: Path) -> None:
    split = Split(("d",), ("c",), ("b", "a", "gone"), (Pair("b", 1, "a", 1), Pair("a", 0, "gone", 0)))
    entries = find_meshes(meshes, "chair")
    with pytest.raises(InputError, match=r"1 objects of the split have no mesh \(gone"):
        render_meshes(tmp_path / "out", entries, "chair", split=split, **SETTINGS)
    done = render_meshes(tmp_path / "out", entries, "chair", split=split, skip_broken=True, **SETTINGS)
    assert sorted(done.skipped) == ["gone"]
    assert done.split.test == ("b", "a")
    assert done.split.cross_inst_pairs == (Pair("b", 1, "a", 1),)
    objects = every_object(tmp_path / "out")
    torch.testing.assert_close(objects["a"].cameras().pose, objects["c"].cameras().pose)  # fixed ones
    assert not torch.equal(objects["a"].cameras().pose, objects["d"].cameras().pose)


def test_pairs_are_drawn_among_annotated_objects(tmp_path: Path, meshes: Path) -> None:
    record = {"parts": [{"part": "seat"}]}
    (tmp_path / "table.json").write_text(json.dumps({"objects": dict.fromkeys("acd", record)}))
    table = AnnotationTable(tmp_path / "table.json", "chair")
    split = Split((), (), tuple("abcd"))
    done = render_meshes(
        tmp_path / "out", find_meshes(meshes, "chair"), "chair", sources=(table,), split=split, **SETTINGS
    )
    assert done.split.test == tuple("abcd")
    assert {pair.source_id for pair in done.split.cross_inst_pairs} == set("acd")
    assert done.split.valid_flags_for_test == {"a": True, "b": False, "c": True, "d": True}


def test_mistakes(tmp_path: Path, meshes: Path) -> None:
    entries = find_meshes(meshes, "chair")
    for wrong, said in (
        ({"views": 1}, "too few"),
        ({"workers": 0}, "0 workers"),
        ({"size": 4}, "4 pixels"),
        ({"split": Split(("x",), (), ())}, "1 objects of the split have no mesh"),
    ):
        with pytest.raises(InputError, match=said):
            render_meshes(tmp_path / "out", entries, "chair", **{**SETTINGS, **wrong})
    for few in (2, 3):  # of three, none is left to validate on, and training would refuse the data
        with pytest.raises(InputError, match=f"{few} objects cannot be split.* give 4 or more"):
            render_meshes(tmp_path / "out", entries[:few], "chair", **SETTINGS)
    with pytest.raises(InputError, match="cannot be a category"):
        render_meshes(tmp_path / "out", entries, "../chair", **SETTINGS)
    assert not (tmp_path / "out").exists()


def test_command_line(tmp_path: Path, meshes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "table.json").write_text(json.dumps(TABLE))
    out = tmp_path / "out"
    common = f"render --meshes {meshes} --category chair --out {out} --views 2 --size 32 --workers 1".split()
    main([*common, "--annotations", str(tmp_path / "table.json")])
    said = capsys.readouterr().out
    assert "1 objects for training, 1 for validation, 2 for testing" in said
    assert "1 with parts, 1 with keypoints; 0 skipped" in said
    main(["check", str(out)])
    main([*(str(tmp_path / "tests") if word == str(out) else word for word in common), "--all-test"])
    assert "0 objects for training, 0 for validation, 4 for testing" in capsys.readouterr().out
    with pytest.raises(InputError, match="--limit 0"):
        main([*common, "--limit", "0"])
    with pytest.raises(InputError, match="there is no folder"):
        main([*common, "--parts", str(tmp_path / "nowhere")])


def test_a_bad_glb_is_left_out_and_counted(tmp_path: Path, meshes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    glb = b"glTF" + (2).to_bytes(4, "little") + (28).to_bytes(4, "little") + (8).to_bytes(4, "little") + b"JSON{}      "
    for name, content in {
        "cut.glb": glb[:20], "empty.glb": b"", "hollow.glb": glb, "deep.gltf": b"[" * 100_000, "list.gltf": b"[]",
        "old.gltf": b'{"asset": {"version": "1.0"}}',
        "draco.gltf": b'{"asset": {"version": "2.0"}, "extensionsRequired": ["XYZ_squeezed"]}',
    }.items():  # fmt: skip
        (meshes / name).write_bytes(content)
    out = tmp_path / "out"
    common = f"render --meshes {meshes} --category chair --out {out} --views 2 --size 32 --workers 1".split()
    main([*common, "--skip-broken"])
    said = capsys.readouterr().out
    assert "7 skipped" in said
    assert "skipped draco: " in said
    assert "it requires XYZ_squeezed, which is not known here" in said
    assert sorted(every_object(out)) == list("abcd")
