"""Meshes of a category are found wherever they come from, turned the right way, with author and licence."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from featurenerf import limits
from featurenerf.errors import InputError
from featurenerf.synthesis.meshes.catalogue import RESERVED, find_meshes, parse_properties, read_catalogue
from featurenerf.synthesis.meshes.files import MESH_SUFFIXES, axes_rotation, read_mesh
from mesh_formats import write_obj

PROPERTIES = """# a comment
id=Free#Models
name=Free catalog
version=1.8
license=Creative Commons Attribution 3.0 Unported license  \xa9 Somebody
id#1=Free#chair1
name#1=Dining \\
  chair
tags#1=
category#1=Living room
model#1=/free/chair1/chair1.obj
creator#1=A. Author
modelRotation#1=0 0 1 0 1 0 -1 0 0
id#2=Free#desk lamp
name#2=Desk lamp
category#2=Lights
model#2=/free/lamp/lamp.obj
id#3=Free#coupe
name#3=Concept \\u00e9lan
tags#3=Car
category#3=Vehicles
model#3=/free/coupe/coupe.obj
license#3=Public domain
id#4=Free#seat
name#4=Table and chairs
category#4=Living room
model#4=/free/set/set.obj
"""


def unpacked(folder: Path, text: str = PROPERTIES) -> Path:
    for name in ("chair1", "lamp", "coupe", "set"):
        write_obj(folder / "free" / name / f"{name}.obj")
    (folder / "PluginFurnitureCatalog.properties").write_bytes(text.encode("latin-1"))
    return folder


def packed(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w") as content:
        for path in sorted(folder.rglob("*")):
            content.write(path, path.relative_to(folder))
    return archive


def test_properties() -> None:
    header, records = parse_properties(PROPERTIES)
    assert header["license"].endswith("\xa9 Somebody")
    assert records[1]["name"] == "Dining chair"
    assert records[1]["tags"] == ""
    assert records[3]["name"] == "Concept élan"


def test_catalogue_by_category(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "catalogue")
    (chair,) = find_meshes(folder, "chair")
    assert chair.id == "Free-chair1"
    assert chair.attribution.author == "A. Author"
    assert chair.attribution.licence_url == "https://creativecommons.org/licenses/by/3.0/"
    assert not chair.attribution.reserved
    # modelRotation turns the file's x to the catalogue's -z, its back; ours is z up, +x front
    np.testing.assert_allclose(chair.turn @ [1, 0, 0], [-1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(chair.turn @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(chair.turn, axes_rotation("y", "-x"), atol=1e-12)
    (car,) = find_meshes(folder, "02958343")
    assert car.attribution.licence == "Public domain"
    assert car.attribution.licence_url.endswith("/zero/1.0/")
    np.testing.assert_allclose(find_meshes(folder, "chair", "z", "x")[0].turn, np.eye(3))
    with pytest.raises(InputError, match="no mesh of category 'boat'"):
        find_meshes(folder, "boat")
    with pytest.raises(InputError, match="is left of 1 by the patterns"):
        find_meshes(folder, "chair", without=("Free-*",))


def test_others_are_none_of_the_categories_and_nothing_like_them(tmp_path: Path) -> None:
    more = ("Leather sofa", "Pedestal vase", "Iron bed", "Floor lamp")
    text = PROPERTIES + "".join(f"name#{k}={n}\nmodel#{k}=/free/set/set.obj\n" for k, n in enumerate(more, 5))
    found = find_meshes(unpacked(tmp_path, text), "other")
    assert [entry.attribution.title for entry in found] == ["Iron bed", "Floor lamp"]


def test_archives_are_read_in_place(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "catalogue")
    (folder / "free" / "chair1" / "icon.png").write_bytes(b"of the catalogue, not of the mesh")
    archive = packed(folder, tmp_path / "a.sh3f")
    (entry,) = find_meshes(archive, "chair")
    with entry.opened() as path:
        assert path.read_bytes() == (folder / "free/chair1/chair1.obj").read_bytes()
        assert sorted(p.name for p in path.parent.iterdir()) == ["a.png", "chair1.mtl", "chair1.obj"]
        assert not (path.parent.parent / "lamp").exists()
    assert not path.exists()
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(InputError, match=r"a\.sh3f"), entry.opened():
        pass
    with pytest.raises(InputError, match="is not a furniture catalogue"):
        read_catalogue(archive, "chair")


def test_reserved_catalogues_are_taken_by_name_only(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "reserved", PROPERTIES.replace("Free#Models", RESERVED[0]).replace("Free#", "R#"))
    (tmp_path / "share" / "furniture").mkdir(parents=True)
    packed(folder, tmp_path / "share" / "furniture" / "r.sh3f")
    packed(unpacked(tmp_path / "free"), tmp_path / "share" / "sweethome3d.jar")
    assert [entry.id for entry in find_meshes(tmp_path, "chair")] == ["Free-chair1"]
    assert [entry.id for entry in find_meshes(tmp_path / "share", "chair")] == ["Free-chair1"]
    (entry,) = find_meshes(tmp_path / "share" / "furniture" / "r.sh3f", "chair")
    assert entry.attribution.reserved


@pytest.mark.parametrize(
    ("model", "front"), [("model.obj", "x"), ("models/model_normalized.obj", "-z")], ids=["v1", "v2"]
)
def test_shapenet(tmp_path: Path, model: str, front: str) -> None:
    for name in ("b2", "a1"):
        write_obj(tmp_path / "03001627" / name / model)
    (tmp_path / "03001627" / "empty").mkdir()
    entries = find_meshes(tmp_path, "chair")
    assert [entry.id for entry in entries] == ["a1", "b2"]
    np.testing.assert_array_equal(entries[0].turn, axes_rotation("y", front))  # type: ignore[arg-type]
    assert "shapenet.org" in entries[0].attribution.licence_url
    assert len(find_meshes(tmp_path / "03001627", "03001627")) == 2


def test_folders_and_lists(tmp_path: Path) -> None:
    write_obj(tmp_path / "meshes" / "one" / "a.obj")
    write_obj(tmp_path / "meshes" / "two" / "a.obj")
    (tmp_path / "meshes" / "LICENSE.txt").write_text("free")
    entries = find_meshes(tmp_path / "meshes", "boat", front="-x")
    assert [entry.id for entry in entries] == ["one-a", "two-a"]
    assert "LICENSE.txt" in entries[0].attribution.licence
    np.testing.assert_array_equal(entries[0].turn, axes_rotation("y", "-x"))
    assert [entry.id for entry in find_meshes(tmp_path / "meshes", "boat", only=("two*",))] == ["two-a"]
    record = {"name": "My boat", "path": "meshes/one/a.obj", "up": "z", "front": "-y", "author": "Me", "licence": "CC0"}
    (tmp_path / "list.json").write_text(json.dumps({"objects": [record]}))
    (entry,) = find_meshes(tmp_path / "list.json", "boat")
    assert entry.id == "My_boat"
    assert (entry.attribution.author, entry.attribution.licence) == ("Me", "CC0")
    np.testing.assert_array_equal(entry.turn, axes_rotation("z", "-y"))
    for axes, said in (({"up": "q"}, "'q' is no axis"), ({"front": "-y"}, "must be different axes")):
        (tmp_path / "list.json").write_text(json.dumps({"objects": [{"name": "x", "path": "a.obj", **axes}]}))
        with pytest.raises(InputError, match=rf"list\.json: .*{said}"):
            find_meshes(tmp_path / "list.json", "boat")
    (tmp_path / "list.json").write_text('{"objects": [{"name": "x"}]}')
    with pytest.raises(InputError, match=r"list\.json is not a list of meshes"):
        find_meshes(tmp_path / "list.json", "boat")
    with pytest.raises(InputError, match="there is no"):
        find_meshes(tmp_path / "nowhere", "boat")


def ids(folder: Path) -> list[str]:
    return [entry.id for entry in find_meshes(folder, "boat")]


def test_names_that_are_not_latin_keep_apart(tmp_path: Path) -> None:
    """The digits are the first of SHA-256 of the name."""
    for name in ("椅子", "стул", "Stühle", "chair", "mesh", "_"):
        (tmp_path / f"{name}.obj").write_text("")
    digest = {name: hashlib.sha256(name.encode()).hexdigest()[:8] for name in ("椅子", "стул", "Stühle", "_")}
    assert ids(tmp_path) == sorted(
        ["chair", "mesh", f"St_hle-{digest['Stühle']}", *(f"mesh-{digest[name]}" for name in ("椅子", "стул", "_"))]
    )
    (tmp_path / "list.json").write_text(
        json.dumps({"objects": [{"name": name, "path": "a.obj"} for name in ("椅子", "стул")]})
    )
    assert ids(tmp_path / "list.json") == sorted(f"mesh-{digest[name]}" for name in ("椅子", "стул"))
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "椅子.obj").write_text("")
    assert f"below-mesh-{digest['椅子']}" not in ids(tmp_path)  # the whole path is digested
    assert len(ids(tmp_path)) == 7


def test_files_of_one_name_keep_apart(tmp_path: Path) -> None:
    for name in ("chair.obj", "chair.glb", "chair.mtl", "a b.obj", "a_b.obj", "one/a.obj", "one-a.ply", "alone.stl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    spaced, underscored = (f"a_b-obj-{hashlib.sha256(n.encode()).hexdigest()[:8]}" for n in ("a b.obj", "a_b.obj"))
    assert ids(tmp_path) == sorted(["chair-obj", "chair-glb", spaced, underscored, "one-a-obj", "one-a-ply", "alone"])
    assert [entry.id for entry in find_meshes(tmp_path, "boat", only=("chair-glb",))] == ["chair-glb"]


@pytest.mark.parametrize("suffix", MESH_SUFFIXES)
def test_every_format_is_found_in_folders_and_as_a_file(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"A{suffix.upper()}").write_text("")
    (tmp_path / "readme.txt").write_text("")
    for place in (tmp_path, tmp_path / f"A{suffix.upper()}"):
        (entry,) = find_meshes(place, "boat")
        assert (entry.id, Path(entry.model).name) == ("A", f"A{suffix.upper()}")


def test_materials_at_the_root_of_an_archive(tmp_path: Path) -> None:
    folder = tmp_path / "catalogue"
    write_obj(folder / "chair.obj")
    (folder / "tree").mkdir()
    (folder / "tree" / "unnamed.png").write_bytes(b"another's")
    text = "id#1=chair\nname#1=chair\nmodel#1=/chair.obj\n"
    (folder / "PluginFurnitureCatalog.properties").write_text(text)
    (entry,) = find_meshes(packed(folder, tmp_path / "a.sh3f"), "chair")
    with entry.opened() as path:
        assert sorted(p.name for p in path.parent.iterdir()) == ["a.png", "chair.mtl", "chair.obj"]
        assert read_mesh(path, np.eye(3)).missing == ()


def test_pictures_of_an_archive_go_by_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "catalogue"
    write_obj(folder / "free" / "chair.obj", picture="木 Ä.png")
    text = "id#1=chair\nname#1=chair\nmodel#1=/free/chair.obj\n"
    (folder / "PluginFurnitureCatalog.properties").write_text(text)
    (entry,) = find_meshes(packed(folder, tmp_path / "a.sh3f"), "chair")
    with entry.opened() as path:
        assert read_mesh(path, np.eye(3)).missing == ()


def test_an_archive_that_unpacks_to_too_much_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is unpacked."""
    with zipfile.ZipFile(tmp_path / "a.sh3f", "w", zipfile.ZIP_DEFLATED) as content:
        content.writestr("PluginFurnitureCatalog.properties", "id#1=c\nname#1=chair\nmodel#1=/c.obj\n")
        content.writestr("c.obj", "#" * 5 * 2**20)
    (found,) = find_meshes(tmp_path / "a.sh3f", "chair")
    monkeypatch.setattr(limits, "FILE_BYTES", 4 * 2**20)
    with pytest.raises(InputError, match=r"a\.sh3f: c\.obj .*its files unpack to more than 4 MiB"), found.opened():
        pass


def test_shapenets_pictures_lie_in_the_objects_folder(tmp_path: Path) -> None:
    model = tmp_path / "03001627" / "a1" / "models" / "model_normalized.obj"
    write_obj(model, picture="../images/texture0.png")
    (found,) = find_meshes(tmp_path, "chair")
    assert read_mesh(model, found.turn, found.root).missing == ()
    assert read_mesh(model, found.turn).missing == ("../images/texture0.png",)


def test_a_bad_catalogue_among_several_is_left_out_and_said(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    packed(unpacked(tmp_path / "catalogue"), tmp_path / "share" / "good.sh3f")
    (tmp_path / "share" / "bad.sh3f").write_bytes(b"PK\3\4 nothing")
    with pytest.raises(InputError, match=r"bad\.sh3f is not a furniture catalogue"):
        find_meshes(tmp_path / "share", "chair")
    broken: list[str] = []
    wanted = [entry.id for entry in find_meshes(tmp_path / "share" / "good.sh3f", "chair")]
    assert [entry.id for entry in find_meshes(tmp_path / "share", "chair", broken=broken)] == wanted
    assert len(broken) == 1
    assert broken[0].startswith(f"{tmp_path}/share/bad.sh3f is not a furniture catalogue (")
    (tmp_path / "share" / "good.sh3f").unlink()
    with pytest.raises(InputError, match=r"no mesh of category 'chair'.*1 cannot be read; the first: .*bad\.sh3f"):
        find_meshes(tmp_path / "share", "chair", broken=broken)


def test_bad_entries_of_a_list_or_catalogue_are_left_out_and_said(tmp_path: Path) -> None:
    objects = [{"name": "a", "path": "a.obj"}, {"name": "b"}, {"name": "c", "path": "c.obj", "up": "q"}, 3]
    (tmp_path / "list.json").write_text(json.dumps({"objects": objects}))
    broken: list[str] = []
    assert [entry.id for entry in find_meshes(tmp_path / "list.json", "chair", broken=broken)] == ["a"]
    assert [f"object {n}" in problem for n, problem in zip((1, 2, 3), broken, strict=True)] == [True] * 3
    (tmp_path / "c").mkdir()
    rows = ["id#1=one\nname#1=Chair\nmodel#1=/a.obj", "id#2=two\nname#2=Chair\nmodel#2=/b.obj\nmodelRotation#2=1 nan"]
    (tmp_path / "c" / "PluginFurnitureCatalog.properties").write_text("\n".join(rows))
    broken = []
    assert [entry.id for entry in find_meshes(tmp_path / "c", "chair", broken=broken)] == ["one"]
    assert "two: modelRotation is not a 3 x 3 matrix" in broken[0]
