"""What the fuzzer damages: small valid files, one entry for each reader of the package, and how they are read."""

from __future__ import annotations

import gzip
import json
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from captures_by_hand import write_colmap, write_transforms
from featurenerf import Camera
from featurenerf.data.formats.captures import open_capture
from featurenerf.data.formats.spair import read_pairs
from featurenerf.data.formats.unpickle import read_npz
from featurenerf.data.open import open_dataset
from featurenerf.data.splits import read_split
from featurenerf.data.storage import data_root, read_json
from featurenerf.errors import InputError
from featurenerf.models import FastConfig, FastModel, cards, checkpoint
from featurenerf.models.official import import_official
from featurenerf.models.weights import read_weights
from featurenerf.pictures import open_picture
from featurenerf.studio.export import Geometry, read_ply, write_ply
from featurenerf.studio.parts import read_labels, read_painted
from featurenerf.synthesis.annotations.keypointnet import KeypointNet
from featurenerf.synthesis.annotations.partnet import PartNet
from featurenerf.synthesis.annotations.shapenet_part import ShapeNetPart
from featurenerf.synthesis.annotations.split_lists import read_split_lists
from featurenerf.synthesis.annotations.table import AnnotationTable
from featurenerf.synthesis.meshes.catalogue import find_meshes
from featurenerf.synthesis.meshes.files import read_mesh
from featurenerf.teachers import load_teacher
from featurenerf.teachers.onnx_file import read_onnx
from featurenerf.teachers.projection import Projection
from featurenerf.training.cache import FeatureCache
from featurenerf.training.config import TrainConfig
from featurenerf.training.distributed import ALONE
from featurenerf.training.run import Run
from gltf_by_hand import Gltf
from mesh_formats import write_obj
from published import co3d, spair, srn
from release_data import CHAIR, write_release


@dataclass(frozen=True)
class Reader:
    """Valid files below a folder, and what reads them."""

    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    damaged: str = "**/*"
    """Of the files, those that are damaged."""
    inside: bool = False
    """Whether it is a member of the archive, or the header of the file, that is damaged: no checksum is in the way."""


def _write_npz(folder: Path) -> None:
    keypoints = np.empty(2, object)
    keypoints[:] = [np.arange(6).reshape(2, 3), np.zeros((0, 3), int)]
    np.savez_compressed(folder / "a.npz", labels=keypoints, pts=np.arange(12.0).reshape(4, 3))


def _write_weights(folder: Path) -> None:
    state = {"a.weight": torch.arange(6.0).reshape(2, 3), "bn.running_var": torch.ones(3), "count": torch.tensor(3)}
    torch.save(state, folder / "new.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)


def _write_checkpoint(folder: Path) -> None:
    sizes: dict[str, Any] = {"widths": (8, 8, 8, 8), "density_bins": 4, "volume_bins": 2, "volume_channels": 4}
    config = FastConfig(feature_dim=4, pixel_channels=4, hidden=8, encoder=None, size=32, **sizes)
    checkpoint.save(FastModel(config), folder / "c")


def _write_pictures(folder: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 20, 4), dtype=np.uint8))
    picture.save(folder / "a.png")
    for kind in ("jpg", "webp", "bmp", "gif", "tiff"):
        picture.convert("RGB").save(folder / f"a.{kind}")


def _write_catalogue(folder: Path) -> None:
    (folder / "mesh").mkdir()
    write_obj(folder / "mesh" / "a.obj")
    said = "id=x\nid#1=chair\nname#1=Chair\nmodel#1=/a.obj\nmodelRotation#1=1 0 0 0 1 0 0 0 1\n"
    with zipfile.ZipFile(folder / "c.sh3f", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("PluginFurnitureCatalog.properties", said)
        for path in (folder / "mesh").iterdir():
            archive.write(path, path.name)


def _write_projection(folder: Path) -> None:
    Projection.fit(torch.randn(20, 6, generator=torch.Generator().manual_seed(0)), 3).write(folder / "p.safetensors")


def _write_onnx(folder: Path) -> None:
    tensor = b"\x08\x02\x10\x01\x42\x01w\x4a\x08\x00\x00\x80\x3f\x00\x00\x00\x40"
    graph = b"\x2a" + bytes([len(tensor)]) + tensor
    (folder / "a.onnx").write_bytes(b"\x3a" + bytes([len(graph)]) + graph)


def _write_pack(folder: Path) -> None:
    from featurenerf.data.formats.pack import pack_dataset

    write_release(folder / "data")
    pack_dataset(folder / "data", folder / "pack", progress=False)


def _read_objects(root: Path) -> None:
    for views in open_dataset(root, "chair", "test"):
        list(views.problems())
        views.cameras()
        views.picture(0), views.parts(0), views.keypoints(0), views.part_points(), views.keypoint_candidates()


def _write_captures(folder: Path) -> None:
    """Four pictures of a box, by a camera file and by models of COLMAP."""
    poses = Camera.look_at([0, 90, 180, 270], 20).pose.double().numpy()
    picture = np.zeros((4, 16, 16, 4), np.uint8)
    picture[:, 4:12, 5:11] = 255
    write_transforms(folder / "a", poses, {"fl_x": 17.5, "w": 16, "h": 16}, pictures=picture)
    for binary in (True, False):
        lens = (1, "PINHOLE", [17.5, 17.5, 8.0, 8.0])
        write_colmap(folder / f"{binary}", poses, binary=binary, lens=lens, pictures=picture)


def _read_captures(folder: Path) -> None:
    problem = None
    for name in ("a", "True", "False"):
        try:
            open_capture(folder / name).cameras()
        except InputError as error:
            problem = error
    if problem is not None:
        raise problem


def _each(pattern: str, read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    def all_of(folder: Path) -> None:
        problem = None
        for path in sorted(folder.rglob(pattern)):
            try:
                read(path)
            except InputError as error:
                problem = error
        if problem is not None:
            raise problem

    return all_of


def _read_catalogue(folder: Path) -> None:
    for entry in find_meshes(folder / "c.sh3f", "chair"):
        with entry.opened() as path:
            read_mesh(path, np.eye(3))


# ---------------------------------------------------------------------- meshes


AC3D = """AC3Db
MATERIAL "paint" rgb 1 0.5 0  amb 0.2 0.2 0.2  emis 0 0 0  spec 0.5 0.5 0.5  shi 10  trans 0
OBJECT world
kids 1
OBJECT poly
name "wing"
texture "skin.png"
texrep 2 1
loc 5 0 0
numvert 4
0 0 0
2 0 0
2 1 0
0 2 0
numsurf 1
SURF 0x20
mat 0
refs 4
0 0 0
1 1 0
2 1 0.5
3 0.5 0.5
kids 0
"""


def _write_gltf(folder: Path) -> None:
    for name in ("a.glb", "b.gltf"):
        made = Gltf()
        made.attribute("COLOR_0", np.eye(3, dtype=np.float32))
        made.attribute("TEXCOORD_0", np.eye(3, 2, dtype=np.float32))
        Image.new("RGB", (4, 4), (200, 30, 30)).save(folder / "c.png")
        made.material(pbrMetallicRoughness={"baseColorTexture": made.picture((folder / "c.png").read_bytes())})
        made.write(folder / name)


def _write_plain_meshes(folder: Path) -> None:
    (folder / "a.off").write_text("OFF\n4 2 0\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 1 2\n3 0 1 3 255 0 0\n")
    (folder / "a.ac").write_text(AC3D)
    Image.new("RGB", (4, 4)).save(folder / "skin.png")
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    colours = np.full((4, 3), 0.5, np.float32)
    write_ply(folder / "a.ply", Geometry(corners, colours, None, np.array([[0, 1, 2], [0, 1, 3]], np.int32)))
    (folder / "a.stl").write_bytes(
        bytes(80) + (2).to_bytes(4, "little") + b"".join(
            np.r_[np.zeros(3), corners[list(face)].ravel()].astype("<f4").tobytes() + b"\0\0"
            for face in ((0, 1, 2), (0, 1, 3))
        )
    )  # fmt: skip


def _meshes(*patterns: str) -> Callable[[Path], Any]:
    def read(folder: Path) -> None:
        for pattern in patterns:
            _each(pattern, lambda path: read_mesh(path, np.eye(3)))(folder)

    return read


# ---------------------------------------------------------------------- data sets and annotations


def _write_co3d(folder: Path) -> None:
    co3d.write_category(folder, {"a": "train"}, 3)


def _read_views(root: Path, split: str, category: str = "chair") -> None:
    for views in open_dataset(root, category, split):
        list(views.problems())
        views.cameras()
        views.picture(len(views) - 1)
        if views.has("kp_2d"):
            views.keypoints(0)
        if hasattr(views, "depth"):
            views.depth(0)


def _write_srn(folder: Path) -> None:
    srn.write_object(folder / "srn_cars" / "cars_train" / "a", 3, 1.3)


def _write_spair(folder: Path) -> None:
    for name in ("2008_000001", "2008_000002"):
        spair.write_image(folder, "chair", name, [50, 30, 250, 180], {0: [80, 60], 1: [200, 70]})
    spair.write_pair(folder, "chair", "2008_000001", "2008_000002")


def _read_spair(root: Path) -> None:
    read_pairs(root, "chair", "test")
    _read_views(root, "test")


def _write_annotations(folder: Path) -> None:
    points = [[0.1, 0.2, 0.3], [-0.1, 0.0, 0.2]]
    keypoints = [{"xyz": point, "semantic_id": number} for number, point in enumerate(points)]
    _json(folder / "annotations" / "chair.json", [{"class_id": CHAIR, "model_id": "m", "keypoints": keypoints}])
    _json(folder / "partnet" / "1" / "meta.json", {"model_id": "m", "model_cat": "Chair"})
    tree = [{"name": "chair", "id": 0, "children": [{"name": n, "id": i} for i, n in ((1, "chair_seat"), (2, "x"))]}]
    _json(folder / "partnet" / "1" / "result.json", tree)
    samples = folder / "partnet" / "1" / "point_sample"
    (folder / CHAIR).mkdir()
    samples.mkdir()
    (samples / "pts-10000.txt").write_text("0 0 0 0 0 1\n1 0 0 0 0 1\n0 1 0 0 0 1\n")
    (samples / "label-10000.txt").write_text("1\n2\n1\n")
    (folder / CHAIR / "m.txt").write_text("0 0 0 0 0 1 12\n1 0 0 0 0 1 13\n0 1 1 0 0 1 14\n")
    rules = [{"part": "seat", "z": [None, 0.1]}, {"part": "back"}]
    marks = {"parts": rules, "mirrored": {"seat front": [0.2, 0.1, 0.0]}}
    names = ["seat front left", "seat front right"]
    _json(folder / "table.json", {"parts": ["background", "seat", "back"], "keypoints": names, "objects": {"m": marks}})
    write_obj(folder / "mesh" / "model.obj")


def _read_annotations(folder: Path) -> None:
    from featurenerf.synthesis.annotations.base import AnnotatedMesh

    placed = AnnotatedMesh.of(read_mesh(folder / "mesh" / "model.obj", np.eye(3)))
    sources: tuple[Callable[[], Any], ...] = (
        lambda: KeypointNet(folder, "chair"),
        lambda: PartNet(folder / "partnet", "chair"),
        lambda: ShapeNetPart(folder, "chair"),
        lambda: AnnotationTable(folder / "table.json", "chair"),
    )
    for source in sources:
        try:
            found = source().get("m")
            if found is not None:
                found.apply(placed)
        except InputError:
            continue


def _write_lists(folder: Path) -> None:
    for name in ("csv", "keypointnet", "part", "partnet"):
        (folder / name).mkdir()
    (folder / "csv" / "all.csv").write_text(f"id,synsetId,modelId,split\n1,{CHAIR},a,train\n2,{CHAIR},b,test\n")
    for split in ("train", "val", "test"):
        (folder / "keypointnet" / f"{split}.txt").write_text(f"{CHAIR}-{split}1\n")
        _json(folder / "part" / f"shuffled_{split}_file_list.json", [f"shape_data/{CHAIR}/{split}1"])
        _json(folder / "partnet" / f"Chair.{split}.json", [{"anno_id": "1", "model_id": f"{split}1"}])


def _read_lists(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        try:
            read_split_lists(path, CHAIR)
        except InputError:
            continue


def _json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _read_over_http(folder: Path) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder / "pack"))) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            _read_objects(data_root(f"http://127.0.0.1:{server.server_port}"))  # type: ignore[arg-type]
        finally:
            server.shutdown()
            thread.join()


# ---------------------------------------------------------------------- caches, runs, teachers


def _write_cache(folder: Path) -> None:
    values = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    for precision in ("half", "byte"):
        FeatureCache.create(folder / precision, {"teacher": "x"}, Projection.fit(values, 3), precision)  # type: ignore[arg-type]
        cache = FeatureCache(folder / precision)
        cell = torch.zeros(4, 2, 2, dtype=torch.float16)
        cell[:, 0, 1] = 1
        cache.add("ab" * 16, cell)
        cache.flush()


def _read_cache(folder: Path) -> None:
    for precision in ("half", "byte"):
        cache = FeatureCache(folder / precision)
        cache.expect({"teacher": "x"})
        if "ab" * 16 in cache:
            cache["ab" * 16]


def _tiny_model() -> FastModel:
    sizes: dict[str, Any] = {"widths": (8, 8, 8, 8), "density_bins": 4, "volume_bins": 2, "volume_channels": 4}
    return FastModel(FastConfig(feature_dim=4, pixel_channels=4, hidden=8, encoder=None, size=32, **sizes))


def _run(folder: Path, *, resume: bool) -> Run:
    config = TrainConfig(data=folder, category=("chair",), out=folder / "run", feature_dim=3, resume=resume)
    known = {"objects": {"train": 1}, "ids": {"train": "x"}, "sample": {"a": "b"}, "opaque": False}
    return Run(config, ALONE, known)


def _write_run(folder: Path) -> None:
    model = _tiny_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    progress = {"step": 3, "seconds": 1.5, "validated": 3}
    with _run(folder, resume=False) as run:
        (folder / "run").mkdir(exist_ok=True)
        run.start({"step": 0, "validated": 0})
        run.log("train", 3, {"loss": 1.0})
        run.save_state(model, optimizer, progress, Projection.fit(torch.randn(20, 6), 3))


def _read_run(folder: Path) -> None:
    model = _tiny_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    with _run(folder, resume=True) as run:
        progress, _ = run.restore(model, optimizer)
        run.start(progress)
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()


def _write_labels(folder: Path) -> None:
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(folder / "a.png")
    _json(folder / "a.json", ["seat", "leg"])
    _json(folder / "painted.json", {"points": [[0, 0, 0], [0.1, 0, 0]], "radius": 0.1})
    write_ply(folder / "b.ply", Geometry(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32), None, None))


def _read_labels(folder: Path) -> None:
    for read in (
        lambda: read_labels(folder / "a.png"),
        lambda: read_painted(folder / "painted.json"),
        lambda: read_ply(folder / "b.ply"),
    ):
        try:
            read()
        except InputError:
            continue


def _write_teacher(folder: Path) -> None:
    from teachers.tiny_weights import write_weights

    (folder / "dino").mkdir()
    write_weights("dinov2-small", folder / "dino")


TEACHERS = find_spec("transformers") is not None
REMOTE = find_spec("aiohttp") is not None

READERS = {
    "npz": Reader(_write_npz, _each("*.npz", lambda path: (read_npz(path, "labels"), read_npz(path, "pts")))),
    "release": Reader(write_release, _read_objects),
    "captures": Reader(_write_captures, _read_captures),
    "split": Reader(write_release, lambda root: read_split(root / "splits" / f"{CHAIR}.json"), "splits/*"),
    "json": Reader(write_release, _each("*.json", read_json), "**/*.json"),
    "pack": Reader(_write_pack, lambda root: _read_objects(data_root(root / "pack")), "pack/**/*"),  # type: ignore[arg-type]
    "weights": Reader(_write_weights, _each("*.pth", lambda path: (read_weights(path), import_official(path)))),
    "checkpoint": Reader(_write_checkpoint, lambda root: checkpoint.load(root / "c")),
    "projection": Reader(_write_projection, lambda root: Projection.read(root / "p.safetensors")),
    "onnx": Reader(_write_onnx, lambda root: read_onnx(root / "a.onnx")),
    "pictures": Reader(_write_pictures, _each("a.*", open_picture)),
    "meshes": Reader(lambda root: write_obj(root / "a.obj"), lambda root: read_mesh(root / "a.obj", np.eye(3))),
    "catalogue": Reader(_write_catalogue, _read_catalogue, "c.sh3f"),
    "gltf": Reader(_write_gltf, _meshes("*.glb", "*.gltf")),
    "plain meshes": Reader(_write_plain_meshes, _meshes("*.off", "*.ac", "*.ply", "*.stl")),
    "co3d": Reader(_write_co3d, lambda root: _read_views(root, "train")),
    "srn": Reader(_write_srn, lambda root: _read_views(root, "train", "car")),
    "spair": Reader(_write_spair, _read_spair),
    "annotations": Reader(_write_annotations, _read_annotations),
    "split lists": Reader(_write_lists, _read_lists),
    "cache": Reader(_write_cache, _read_cache, "*/*"),
    "run": Reader(_write_run, _read_run, "run/**/*.json*"),
    "run state": Reader(_write_run, _read_run, "run/resume/*"),
    "card": Reader(_write_checkpoint, lambda root: cards.facts(root / "c"), "c/*"),
    "labels": Reader(_write_labels, _read_labels),
    # within their archives, or their headers
    "npz inside": Reader(
        _write_npz, _each("*.npz", lambda path: (read_npz(path, "labels"), read_npz(path, "pts"))), inside=True
    ),
    "weights inside": Reader(
        _write_weights,
        _each("new.pth", lambda path: (read_weights(path), import_official(path))),
        "new.pth",
        inside=True,
    ),
    "catalogue inside": Reader(_write_catalogue, _read_catalogue, "c.sh3f", inside=True),
    "co3d inside": Reader(_write_co3d, lambda root: _read_views(root, "train"), "**/*.jgz", inside=True),
    "checkpoint inside": Reader(
        _write_checkpoint, lambda root: checkpoint.load(root / "c"), "c/*.safetensors", inside=True
    ),
    "cache inside": Reader(_write_cache, _read_cache, "*/*.safetensors", inside=True),
    "run inside": Reader(_write_run, _read_run, "run/resume/*.safetensors", inside=True),
    "gltf inside": Reader(_write_gltf, _meshes("*.glb"), "a.glb", inside=True),
    **({"http": Reader(_write_pack, _read_over_http, "pack/**/*")} if REMOTE else {}),
    **(
        {"teacher": Reader(_write_teacher, lambda root: load_teacher(f"dinov2-small:{root / 'dino'}"))}
        if TEACHERS
        else {}
    ),
}


def opened_up(
    content: bytes, suffix: str, choose: Callable[[list[str]], str]
) -> tuple[bytes, bool, Callable[[bytes], bytes]]:
    """What is inside of a file, whether that is JSON, and how the file is made of what it is changed to."""
    if suffix == ".jgz":
        return gzip.decompress(content), True, lambda inner: gzip.compress(inner, 1)
    if suffix in (".safetensors", ".glb"):
        at, place = (8, 0) if suffix == ".safetensors" else (20, 12)
        width = 8 if suffix == ".safetensors" else 4
        size = int.from_bytes(content[place : place + width], "little")

        def joined(inner: bytes) -> bytes:
            return (
                content[:place]
                + len(inner).to_bytes(width, "little")
                + content[place + width : at]
                + inner
                + content[at + size :]
            )

        return content[at : at + size], True, joined
    with zipfile.ZipFile(BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = choose(sorted(members))

    def packed(inner: bytes) -> bytes:
        written = BytesIO()
        with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED if suffix == ".pth" else zipfile.ZIP_DEFLATED) as archive:
            for name, member in members.items():
                archive.writestr(name, inner if name == chosen else member)
        return written.getvalue()

    return members[chosen], False, packed
