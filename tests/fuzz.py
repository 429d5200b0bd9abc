"""A fuzzer, `make fuzz`: small valid files are damaged and read, and every end but a value or a sentence is printed.

    python tests/fuzz.py --seconds 600 --seed 7      more of it, from another seed
    python tests/fuzz.py --only npz --seed 7 --number 123      one case again

A case is known by its reader, the seed and its number, whatever ran before it. ``tests/test_fuzz.py`` runs a minute of
it, and the cases of ``fuzz_seeds.txt``: those that once ended otherwise.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from captures_by_hand import write_colmap, write_transforms
from featurenerf import Camera, prepare
from featurenerf.data.formats.captures import open_capture
from featurenerf.data.formats.unpickle import read_npz
from featurenerf.data.open import open_dataset
from featurenerf.data.splits import read_split
from featurenerf.data.storage import data_root, read_json
from featurenerf.errors import InputError, MissingExtraError
from featurenerf.models import FastConfig, FastModel, checkpoint
from featurenerf.models.official import import_official
from featurenerf.models.weights import read_weights
from featurenerf.pictures import open_picture
from featurenerf.synthesis.meshes.catalogue import find_meshes
from featurenerf.synthesis.meshes.files import read_mesh
from featurenerf.teachers.onnx_file import read_onnx
from featurenerf.teachers.projection import Projection
from mesh_formats import write_obj
from release_data import CHAIR, write_release

SECONDS, MEGABYTES = 10.0, 1024
"""What one case may take: processor seconds, and memory beyond the most that was taken before it."""
ODD = ("NaN", "-1", "1e400", "9" * 400, "null", "[]", "{}", '"\\ud800"', "true", "[[[[]]]]", '"../../x"', "0", "1e-300")
"""What is put in the place of a JSON value."""


@dataclass(frozen=True)
class Reader:
    """Valid files below a folder, and what reads them."""

    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    damaged: str = "**/*"
    """Of the files, those that are damaged."""


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
}


def _calls(chance: random.Random) -> None:
    """A public function with odd arguments."""
    numbers = (0.0, -1.0, float("nan"), float("inf"), 1e30, 45.0)
    sizes = (0, -3, 1, 16, 2**40)
    chosen = [chance.choice(numbers) for _ in range(3)]
    match chance.randrange(4):
        case 0:
            Camera.look_at(chosen[0], chosen[1], chance.choice(sizes), chance.choice(sizes))
        case 1:
            prepare(torch.rand(chance.choice((1, 2, 3, 4)), chance.choice((0, 1, 40)), chance.choice((0, 1, 40))))
        case 2:
            Camera.from_pose(torch.full((4, 4), chosen[0]), chosen[1], 16, 16)
        case _:
            checkpoint.load(chance.choice(("", ".", "nonsense", "a\0b", "/dev/zero", "../..")))


def damaged(content: bytes, is_json: bool, chance: random.Random) -> bytes:
    """A file's content with one fault: a flipped bit, an end too early, bytes put in or replaced, odd values."""
    place = chance.randrange(len(content) + 1)
    kind = chance.randrange(8 if is_json else 6)
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[:place] + chance.randbytes(chance.choice((1, 4, 100))) + content[place:]
    if kind == 2:
        return content[:place] + b"\xff" * chance.choice((1, 8)) + content[place + 8 :]
    if kind == 3:
        return content[:place] + content[chance.randrange(len(content) + 1) :]
    if kind >= 6:
        return json.dumps(_odd(json.loads(content), chance)).replace('"<ODD>"', chance.choice(ODD)).encode()
    flipped = bytearray(content or b"x")
    for _ in range(chance.choice((1, 1, 3))):
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def _odd(value: Any, chance: random.Random) -> Any:
    """A JSON value with a mark in the place of one of those within it."""
    if not isinstance(value, (dict, list)) or not value or chance.random() < 0.15:
        return "<ODD>"
    key = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
    copy = value.copy()
    copy[key] = _odd(value[key], chance)
    return copy


def run_case(name: str, seed: int, number: int, folder: Path) -> str | None:
    """One case; what is wrong with how it ended, if anything."""
    chance = random.Random(f"{name} {seed} {number}")
    restore: tuple[Path, bytes] | None = None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    wrong = None
    try:
        if name == "calls":
            _calls(chance)
        else:
            reader = READERS[name]
            path = chance.choice(sorted(path for path in folder.glob(reader.damaged) if path.is_file()))
            restore = path, path.read_bytes()
            path.write_bytes(damaged(restore[1], path.suffix == ".json", chance))
            reader.read(folder)
    except (InputError, MissingExtraError):
        pass
    except Exception:
        wrong = traceback.format_exc(limit=-4)
    finally:
        if restore is not None:
            restore[0].write_bytes(restore[1])
    seconds = time.process_time() - start
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most) / 1024
    if seconds > SECONDS or megabytes > MEGABYTES:
        wrong = f"it took {seconds:.1f} s and {megabytes:.0f} MB" + (f"\n{wrong}" if wrong else "")
    return None if wrong is None else f"{name} {seed} {number}: {wrong}"


def run(seconds: float, seed: int, names: list[str], first: int = 0) -> tuple[int, list[str]]:
    """Cases of each reader in turn until the time is over: how many, and what was wrong."""
    wrong, count, number = [], 0, first
    end = time.monotonic() + seconds
    with folders(names) as where, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while time.monotonic() < end:
            for name in names:
                if (problem := run_case(name, seed, number, where.get(name, Path()))) is not None:
                    wrong.append(problem)
                count += 1
                if time.monotonic() >= end:
                    break
            number += 1
    return count, wrong


class folders:
    """The valid files of each reader, in a folder of its own, for as long as the block runs."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def __enter__(self) -> dict[str, Path]:
        self.root = tempfile.TemporaryDirectory()
        found = {}
        for name in dict.fromkeys(self.names):
            if name in READERS:
                found[name] = Path(self.root.name) / name
                found[name].mkdir()
                READERS[name].write(found[name])
        return found

    def __exit__(self, *_: Any) -> None:
        self.root.cleanup()


def kept() -> Iterator[tuple[str, int, int]]:
    """The cases of ``fuzz_seeds.txt``."""
    for line in (Path(__file__).parent / "fuzz_seeds.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, seed, number = line.split()[:3]
            yield name, int(seed), int(number)


NAMES = [*READERS, "calls"]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=NAMES, nargs="*", default=NAMES)
    parser.add_argument("--number", type=int, help="one case alone")
    given = parser.parse_args()
    if given.number is None:
        tried, problems = run(given.seconds, given.seed, given.only)
    else:
        with folders(given.only) as where:
            found = [run_case(name, given.seed, given.number, where.get(name, Path())) for name in given.only]
        tried, problems = len(found), [problem for problem in found if problem is not None]
    print("\n".join(problems))
    print(f"{tried} cases, {len(problems)} of which end in neither a value nor a sentence")
    sys.exit(bool(problems))
