"""What glTF files say of geometry and base colour, extensions included; what is not known is named."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from featurenerf.errors import InputError
from featurenerf.synthesis.meshes import gltf as gltf_files
from featurenerf.synthesis.meshes.files import PlacedMesh, load_mesh, read_mesh
from featurenerf.synthesis.meshes.gltf import HONOURED, IGNORED, read_gltf
from gltf_by_hand import CORNERS, Gltf

pytest.importorskip("trimesh", reason="the extra 'data' is not installed")

SAMPLES = [
    "ADOBE_materials_clearcoat_specular", "ADOBE_materials_clearcoat_tint", "EXT_lights_ies",
    "EXT_lights_image_based", "EXT_mesh_features", "EXT_mesh_gpu_instancing", "EXT_meshopt_compression",
    "EXT_structural_metadata", "EXT_texture_webp", "KHR_animation_pointer", "KHR_audio_emitter",
    "KHR_draco_mesh_compression", "KHR_interactivity", "KHR_lights_punctual", "KHR_materials_anisotropy",
    "KHR_materials_clearcoat", "KHR_materials_diffuse_transmission", "KHR_materials_dispersion",
    "KHR_materials_emissive_strength", "KHR_materials_ior", "KHR_materials_iridescence",
    "KHR_materials_pbrSpecularGlossiness", "KHR_materials_sheen", "KHR_materials_specular",
    "KHR_materials_transmission", "KHR_materials_unlit", "KHR_materials_variants", "KHR_materials_volume",
    "KHR_materials_volume_scatter", "KHR_mesh_quantization", "KHR_node_hoverability", "KHR_node_selectability",
    "KHR_node_visibility", "KHR_physics_rigid_bodies", "KHR_texture_basisu", "KHR_texture_transform", "KHR_xmp",
    "KHR_xmp_json_ld", "MSFT_lod", "MSFT_packing_normalRoughnessMetallic",
    "MSFT_packing_occlusionRoughnessMetallic", "MSFT_texture_dds",
]  # fmt: skip
"""Extensions that the sample files of Khronos and of glTF's readers use."""
REFUSED = {"EXT_meshopt_compression", "KHR_texture_basisu", "MSFT_texture_dds"}


def png(*rows: list[tuple[int, ...]]) -> bytes:
    written = BytesIO()
    values = np.array(rows, np.uint8)
    Image.fromarray(values).save(written, "PNG")
    return written.getvalue()


FOUR = png([(10, 0, 0), (20, 0, 0)], [(30, 0, 0), (40, 0, 0)])
"""Upper left 10, upper right 20, lower left 30, lower right 40."""


def read(gltf: Gltf, tmp_path: Path) -> PlacedMesh:
    return read_mesh(gltf.write(tmp_path / "a.glb"), np.eye(3))


def extent(gltf: Gltf, tmp_path: Path) -> list[float]:
    """Of the mesh in the file's unit."""
    placed = read(gltf, tmp_path)
    return np.round(np.ptp(placed.mesh.vertices, 0) * placed.placement.size, 5).tolist()


def color(gltf: Gltf, tmp_path: Path) -> list[float]:
    """Linear, of the only material."""
    (material,) = read(gltf, tmp_path).mesh.materials
    return np.square(material.color).tolist()


def texel(gltf: Gltf, tmp_path: Path) -> int:
    """What the first corner of the first face sees of ``FOUR``."""
    mesh = read(gltf, tmp_path).mesh
    assert mesh.uv is not None
    texture = mesh.materials[0].texture
    assert texture is not None
    u, v = mesh.uv[0, 0] % 1
    return int(texture[int(v * texture.shape[0]), int(u * texture.shape[1]), 0])


@pytest.mark.parametrize("name", SAMPLES)
def test_every_extension_of_the_samples_is_read_or_named(tmp_path: Path, name: str) -> None:
    gltf = Gltf()
    gltf.tree["extensionsUsed"] = gltf.tree["extensionsRequired"] = [name]
    assert (name in HONOURED | IGNORED) == (name not in REFUSED)
    if name in REFUSED:
        with pytest.raises(InputError, match=rf"a\.glb .*it requires {name}, which is not known here: export it"):
            read(gltf, tmp_path)
    else:
        assert extent(gltf, tmp_path) == [2, 1, 0]


def test_several_unknown_extensions_are_all_named(tmp_path: Path) -> None:
    gltf = Gltf()
    gltf.tree["extensionsRequired"] = ["ZZ_b", "KHR_materials_unlit", "AA_a"]
    with pytest.raises(InputError, match="it requires AA_a, ZZ_b, which"):
        read(gltf, tmp_path)


@pytest.mark.parametrize("suffix", ["glb", "gltf"])
def test_the_frame_and_the_nodes(tmp_path: Path, suffix: str) -> None:
    gltf = Gltf()
    gltf.tree["nodes"] = [
        {"children": [1, 2], "scale": [2, 1, 1]},
        {"mesh": 0, "rotation": [0, 0, np.sqrt(0.5), np.sqrt(0.5)]},  # a quarter turn about z: x to y
        {"mesh": 0, "matrix": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 5, 0, 7, 1]},
        {"mesh": 0, "translation": [100, 0, 0]},  # in no scene
    ]
    pieces = read_mesh(gltf.write(tmp_path / f"a.{suffix}"), np.eye(3))
    points = pieces.mesh.vertices * pieces.placement.size + pieces.placement.centre
    expected = [(0, 0, 0), (0, 2, 0), (-2, 0, 0), (10, 0, 7), (14, 0, 7), (10, 1, 7)]
    assert sorted(tuple(p) for p in points.round(4).tolist()) == sorted(tuple(map(float, p)) for p in expected)
    assert pieces.groups == ("thing", "thing_1")


def test_nodes_that_are_not_visible_are_not_there(tmp_path: Path) -> None:
    gltf = Gltf()
    hidden = {"KHR_node_visibility": {"visible": False}}
    gltf.tree["nodes"] = [{"mesh": 0}, {"extensions": hidden, "children": [2]}, {"mesh": 0, "translation": [9, 0, 0]}]
    gltf.tree["scenes"] = [{"nodes": [0, 1]}]
    assert extent(gltf, tmp_path) == [2, 1, 0]


def test_instances(tmp_path: Path) -> None:
    gltf = Gltf()
    places = np.array([(0, 0, 0), (0, 0, 3)], np.float32)
    sizes = np.array([(1, 1, 1), (2, 5, 1)], np.float32)
    attributes = {"TRANSLATION": gltf.array(places), "SCALE": gltf.array(sizes)}
    gltf.node["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": attributes}}
    assert extent(gltf, tmp_path) == [4, 5, 3]


@pytest.mark.parametrize(
    ("dtype", "normalized", "expected"),
    [
        (np.int8, True, [1, 0.50394, 0]), (np.uint8, True, [0.49804, 0.25098, 0]),
        (np.int16, True, [0.00388, 0.00195, 0]),
        (np.int8, False, [127, 64, 0]), (np.uint16, False, [127, 64, 0]), (np.float32, False, [127, 64, 0]),
    ],
)  # fmt: skip
def test_quantised_positions(tmp_path: Path, dtype: type, normalized: bool, expected: list[float]) -> None:
    """127 / 127, 64 / 127; 127 / 255, 64 / 255; 127 / 32767, 64 / 32767."""
    gltf = Gltf(np.array([(0, 0, 0), (127, 0, 0), (0, 64, 0)], dtype), normalized)
    assert extent(gltf, tmp_path) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("mode", "order", "faces"),
    [
        (4, None, [(0, 1, 2)]),
        (4, [0, 1, 2, 2, 1, 3], [(0, 1, 2), (2, 1, 3)]),
        (5, [0, 1, 2, 3], [(0, 1, 2), (2, 1, 3)]),
        (6, [0, 1, 3, 2], [(0, 1, 3), (0, 3, 2)]),
    ],
)
def test_lists_strips_and_fans(tmp_path: Path, mode: int, order: list[int] | None, faces: list[tuple]) -> None:
    corners = np.array([(0, 0, 0), (2, 0, 0), (0, 1, 0), (2, 1, 0)], np.float32)
    gltf = Gltf(corners if order else corners[:3])
    gltf.primitive["mode"] = mode
    if order:
        gltf.primitive["indices"] = gltf.array(np.array(order, np.uint16))
    placed = read(gltf, tmp_path)
    points = (placed.mesh.vertices * placed.placement.size + placed.placement.centre).round(3)
    found = [tuple(int(np.abs(corners - points[i]).sum(1).argmin()) for i in face) for face in placed.mesh.faces]
    assert found == faces


def test_sparse_arrays(tmp_path: Path) -> None:
    gltf = Gltf()
    where, new = gltf.view(np.array([1], np.uint16).tobytes()), gltf.view(np.array([8, 0, 0], np.float32).tobytes())
    gltf.tree["accessors"][0]["sparse"] = {
        "count": 1, "indices": {"bufferView": where, "componentType": 5123}, "values": {"bufferView": new},
    }  # fmt: skip
    assert extent(gltf, tmp_path) == [8, 1, 0]


# ---------------------------------------------------------------------- colours


@pytest.mark.parametrize(
    ("colors", "normalized"),
    [
        (np.array([(1, 0.5, 0)] * 3, np.float32), False),
        (np.array([(1, 0.5, 0, 0.2)] * 3, np.float32), False),
        (np.array([(255, 128, 0, 255)] * 3, np.uint8), True),
        (np.array([(65535, 32768, 0)] * 3, np.uint16), True),
    ],
)
def test_colours_of_vertices_multiply_the_materials(tmp_path: Path, colors: np.ndarray, normalized: bool) -> None:
    """Both are linear; without a material they are the colours."""
    gltf = Gltf()
    gltf.attribute("COLOR_0", colors, normalized)
    assert color(gltf, tmp_path) == pytest.approx([1, 0.5, 0], abs=0.01)
    gltf.material(name="plain")  # white: that is where the colours were lost
    assert color(gltf, tmp_path) == pytest.approx([1, 0.5, 0], abs=0.01)
    gltf.material(pbrMetallicRoughness={"baseColorFactor": [0.5, 0.5, 1, 1]})
    assert color(gltf, tmp_path) == pytest.approx([0.5, 0.25, 0], abs=0.01)
    gltf.attribute("TEXCOORD_0", np.full((3, 2), 0.25, np.float32))
    gltf.material(pbrMetallicRoughness={"baseColorTexture": gltf.picture(FOUR)})
    assert color(gltf, tmp_path) == pytest.approx([1, 0.5, 0], abs=0.01)
    assert texel(gltf, tmp_path) == 10


def test_specular_and_glossy_materials(tmp_path: Path) -> None:
    gltf = Gltf()
    said: dict[str, Any] = {"diffuseFactor": [0.25, 0.5, 1, 1], "specularFactor": [1, 1, 1]}
    gltf.material(extensions={"KHR_materials_pbrSpecularGlossiness": said}, pbrMetallicRoughness={})
    assert color(gltf, tmp_path) == pytest.approx([0.25, 0.5, 1])
    gltf.attribute("TEXCOORD_0", np.full((3, 2), 0.75, np.float32))
    said["diffuseTexture"] = gltf.picture(FOUR)
    assert color(gltf, tmp_path) == pytest.approx([0.25, 0.5, 1])
    assert texel(gltf, tmp_path) == 40


def test_a_picture_of_one_pixel_has_its_colour(tmp_path: Path) -> None:
    from featurenerf.synthesis.meshes.appearance import MaterialTable

    gltf = Gltf()
    gltf.attribute("TEXCOORD_0", np.zeros((3, 2), np.float32))
    gltf.material(pbrMetallicRoughness={"baseColorTexture": gltf.picture(png([(255, 0, 0)]))})
    table = MaterialTable.of(read(gltf, tmp_path).mesh.materials)
    assert table.albedo(np.zeros(1, np.int64), np.zeros((1, 2), np.float32)).tolist() == [[1, 0, 0]]


# ---------------------------------------------------------------------- textures


@pytest.mark.parametrize(
    ("transform", "place", "seen"),
    [
        ({}, (0.25, 0.25), 10),
        ({}, (0.75, 0.25), 20),
        ({}, (0.25, 0.75), 30),
        ({"offset": [0.5, 0]}, (0.25, 0.25), 20),
        ({"offset": [0, 0.5]}, (0.25, 0.25), 30),
        ({"scale": [3, 1]}, (0.25, 0.25), 20),
        ({"scale": [1, 3]}, (0.25, 0.25), 30),
        # counter-clockwise with v down: (u, v) goes to (v, -u), which repeats
        ({"rotation": np.pi / 2}, (0.25, 0.75), 40),
        ({"rotation": np.pi / 2, "offset": [0, 1], "scale": [1, 0.5]}, (0.75, 0.5), 10),
    ],
)
def test_texture_transforms(tmp_path: Path, transform: dict, place: tuple[float, float], seen: int) -> None:
    gltf = Gltf()
    gltf.attribute("TEXCOORD_0", np.full((3, 2), place, np.float32))
    info = {**gltf.picture(FOUR), "extensions": {"KHR_texture_transform": transform}}
    gltf.material(pbrMetallicRoughness={"baseColorTexture": info})
    assert texel(gltf, tmp_path) == seen


def test_the_coordinates_that_a_texture_names(tmp_path: Path) -> None:
    gltf = Gltf()
    gltf.attribute("TEXCOORD_0", np.full((3, 2), 0.25, np.float32))
    gltf.attribute("TEXCOORD_1", np.full((3, 2), 192, np.uint8), True)
    info = {**gltf.picture(FOUR), "texCoord": 1}
    gltf.material(pbrMetallicRoughness={"baseColorTexture": info})
    assert texel(gltf, tmp_path) == 40
    info["extensions"] = {"KHR_texture_transform": {"texCoord": 0}}
    assert texel(gltf, tmp_path) == 10


@pytest.mark.parametrize(("place", "seen"), [((1.25, 0.25), 20), ((1.75, 0.25), 10), ((0.25, -0.25), 10)])
def test_textures_that_repeat_mirrored(tmp_path: Path, place: tuple[float, float], seen: int) -> None:
    gltf = Gltf()
    gltf.attribute("TEXCOORD_0", np.full((3, 2), place, np.float32))
    gltf.tree["samplers"] = [{"wrapS": 33648, "wrapT": 33648}]
    gltf.material(pbrMetallicRoughness={"baseColorTexture": gltf.picture(FOUR, sampler=0)})
    assert texel(gltf, tmp_path) == seen


def test_textures_that_do_not_repeat(tmp_path: Path) -> None:
    from featurenerf.synthesis.meshes.appearance import MaterialTable

    gltf = Gltf()
    gltf.attribute("TEXCOORD_0", np.zeros((3, 2), np.float32))
    gltf.tree["samplers"] = [{"wrapS": 33071}]
    gltf.material(pbrMetallicRoughness={"baseColorTexture": gltf.picture(FOUR, sampler=0)})
    (material,) = read(gltf, tmp_path).mesh.materials
    assert material.clamp == (True, False)
    beyond = np.array([(1.25, 0.75), (-0.25, 0.75), (0.25, 1.75)], np.float32)
    seen = MaterialTable.of((material,)).albedo(np.zeros(3, np.int64), beyond)[:, 0]
    np.testing.assert_allclose(np.sqrt(seen) * 255, [20, 10, 10], atol=0.01)


@pytest.mark.parametrize("form", ["WEBP", "AVIF"])
def test_pictures_of_other_formats(tmp_path: Path, form: str) -> None:
    gltf = Gltf()
    written = BytesIO()
    Image.new("RGB", (4, 4), (90, 0, 0)).save(written, form, lossless=True, quality=100)
    gltf.attribute("TEXCOORD_0", np.full((3, 2), 0.25, np.float32))
    info = gltf.picture(FOUR)
    gltf.tree["images"].append({"bufferView": gltf.view(written.getvalue())})
    gltf.tree["textures"][0]["extensions"] = {f"EXT_texture_{form.lower()}": {"source": 1}}
    gltf.material(pbrMetallicRoughness={"baseColorTexture": info})
    assert texel(gltf, tmp_path) == pytest.approx(90, abs=3)


def test_a_picture_that_cannot_be_read_has_its_stand_in_or_is_named_as_missing(tmp_path: Path) -> None:
    gltf = Gltf()
    gltf.attribute("TEXCOORD_0", np.full((3, 2), 0.25, np.float32))
    info = gltf.picture(FOUR, extensions={"KHR_texture_basisu": {"source": 0}})
    gltf.material(pbrMetallicRoughness={"baseColorTexture": info})
    assert texel(gltf, tmp_path) == 10
    del gltf.tree["textures"][0]["source"]
    assert read(gltf, tmp_path).missing == ("a texture (KHR_texture_basisu)",)
    gltf.tree["textures"][0] = {"source": 0}
    gltf.tree["images"] = [{"uri": "my%20wood.png"}]
    assert read(gltf, tmp_path).missing == ("my wood.png",)
    (tmp_path / "my wood.png").write_bytes(FOUR)
    assert texel(gltf, tmp_path) == 10
    (tmp_path / "my wood.png").write_bytes(FOUR[:50])
    with pytest.raises(InputError, match=r"a picture of .*a\.glb cannot be read: .*my wood\.png"):
        read(gltf, tmp_path)


@pytest.mark.parametrize(
    ("mode", "factor", "said", "there"),
    [("OPAQUE", 0.0, {}, True), ("BLEND", 0.01, {}, False), ("BLEND", 0.5, {}, True), ("MASK", 0.4, {}, False),
     ("MASK", 0.4, {"alphaCutoff": 0.3}, True)],
)  # fmt: skip
def test_what_is_transparent_all_over_is_left_out(
    tmp_path: Path, mode: str, factor: float, said: dict, there: bool
) -> None:
    gltf = Gltf()
    gltf.material(alphaMode=mode, pbrMetallicRoughness={"baseColorFactor": [1, 1, 1, factor]}, **said)
    gltf.tree["materials"].append({})
    second = {"attributes": {"POSITION": gltf.array(CORNERS * 3)}, "material": 1}
    gltf.tree["meshes"][0]["primitives"].append(second)
    assert len(read(gltf, tmp_path).groups) == 1 + there


# ---------------------------------------------------------------------- compressed, broken, huge


def test_draco(tmp_path: Path) -> None:
    draco = pytest.importorskip("DracoPy", reason="the extra 'data' is not installed")
    packed = draco.encode(CORNERS, np.array([[0, 1, 2]], np.uint32), preserve_order=True, quantization_bits=14)
    (number,) = (a["unique_id"] for a in draco.decode(packed).attributes)
    gltf = Gltf()
    del gltf.tree["accessors"][0]["bufferView"]
    said = {"bufferView": gltf.view(packed), "attributes": {"POSITION": number}}
    gltf.primitive["extensions"] = {"KHR_draco_mesh_compression": said}
    gltf.tree["accessors"].append({"componentType": 5123, "count": 3, "type": "SCALAR"})
    gltf.primitive["indices"] = 1
    gltf.tree["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    assert extent(gltf, tmp_path) == pytest.approx([2, 1, 0], abs=1e-3)


def test_draco_without_its_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "DracoPy", None)
    gltf = Gltf()
    gltf.primitive["extensions"] = {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 0}}}
    assert extent(gltf, tmp_path) == [2, 1, 0]  # not required: it is there in the usual form, too
    gltf.tree["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    with pytest.raises(InputError, match="compressed by KHR_draco_mesh_compression: pip install DracoPy"):
        read(gltf, tmp_path)


BROKEN = {
    "an array of 2000000000 rows": lambda t: t["accessors"][0].update(count=2_000_000_000),
    "a buffer ends early": lambda t: t["accessors"][0].update(count=4),
    "two parents": lambda t: t["nodes"].append({"children": [0]}) or t["scenes"][0].update(nodes=[0, 1]),
    "no 7 among its meshes": lambda t: t["nodes"][0].update(mesh=7),
    "no -1 among its accessors": lambda t: t["meshes"][0]["primitives"][0]["attributes"].update(POSITION=-1),
    "glTF 1.0, not 2.0": lambda t: t["asset"].update(version="1.0"),
    "holds no triangles": lambda t: t["meshes"][0]["primitives"][0].update(mode=0),
}


@pytest.mark.parametrize("said", BROKEN)
def test_broken_and_huge_files_are_named(tmp_path: Path, said: str) -> None:
    """Before memory is taken for them."""
    gltf = Gltf()
    BROKEN[said](gltf.tree)
    with pytest.raises(InputError, match=rf"a\.glb .*{said}"):
        read(gltf, tmp_path)


def test_instances_that_make_too_many_triangles_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gltf_files, "LARGEST", 30)
    gltf = Gltf()
    places = gltf.array(np.zeros((10, 3), np.float32))
    gltf.node["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": places}}}
    assert len(read(gltf, tmp_path).groups) == 10
    monkeypatch.setattr(gltf_files, "LARGEST", 29)
    with pytest.raises(InputError, match=r"a\.glb .*(over 9 triangles|an array of 10 rows)"):
        read(gltf, tmp_path)


def test_a_files_data_may_be_inside_of_it(tmp_path: Path) -> None:
    import base64
    import json

    gltf = Gltf()
    data = "data:application/octet-stream;base64," + base64.b64encode(gltf.content).decode()
    tree = {**gltf.tree, "buffers": [{"byteLength": len(gltf.content), "uri": data}]}
    (tmp_path / "a.gltf").write_text(json.dumps(tree))
    assert len(load_mesh(tmp_path / "a.gltf").faces) == 1
    for uri in ("../secret.bin", "/etc/passwd", "nothing.bin"):
        (tmp_path / "a.gltf").write_text(json.dumps({**tree, "buffers": [{"byteLength": 36, "uri": uri}]}))
        with pytest.raises(InputError, match=r"its file .* is missing, or lies outside of its folder"):
            load_mesh(tmp_path / "a.gltf")


def test_it_reads_what_trimesh_writes_as_trimesh_reads_it(tmp_path: Path) -> None:
    import trimesh

    from featurenerf.synthesis.meshes.assets import AssetResolver

    scene = trimesh.Scene()
    for number in range(3):
        turn = trimesh.transformations.rotation_matrix(0.4 * number, [1, 2, 3], [0.1, 0, 0])
        scene.add_geometry(trimesh.creation.icosphere(1), geom_name=f"ball {number}", transform=turn)
    scene.export(tmp_path / "a.glb")
    ours = read_gltf((tmp_path / "a.glb").read_bytes(), AssetResolver(tmp_path / "a.glb"))
    theirs = trimesh.load_scene(tmp_path / "a.glb", process=False)
    assert sorted(ours) == sorted(theirs.geometry)
    for node in theirs.graph.nodes_geometry:
        transform, name = theirs.graph[node]
        points = trimesh.transform_points(theirs.geometry[name].vertices, transform)
        np.testing.assert_allclose(ours[name].vertices, points, atol=1e-6)
        np.testing.assert_array_equal(ours[name].faces, theirs.geometry[name].faces)
