"""Making a data set: procedural objects, rendered and annotated, in the layout of the release."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from featurenerf.cameras import PICTURE_SIZE, Camera
from featurenerf.categories import category_name
from featurenerf.data.formats.release import annotation_file, split_file
from featurenerf.data.formats.unpickle import read_npz
from featurenerf.data.labels import generated_labels
from featurenerf.data.pairs import unlike_pairs, with_pairs
from featurenerf.data.splits import Split, read_split, write_split
from featurenerf.data.storage import read_json
from featurenerf.errors import InputError
from featurenerf.files import remove_leftovers, write_json, writing
from featurenerf.locks import locked
from featurenerf.progress import Progress
from featurenerf.synthesis.camera_sets import CameraSet, set_cameras
from featurenerf.synthesis.meshes.appearance import Lighting
from featurenerf.synthesis.meshes.renderer import RenderScene, check_renderer, render_view
from featurenerf.synthesis.objects import CATEGORIES, family_of, generate
from featurenerf.synthesis.objects.labelled import LabelledMesh
from featurenerf.synthesis.write import ObjectRecord, object_files, write_labels, write_object

RENDERER_VERSION = 3
"""To be raised whenever the same object gives other files, or the same objects other pairs, than before."""
PART_POINTS = KEYPOINT_CANDIDATES = 2048
CANDIDATE_DISTANCE = 0.01
"""No keypoint is further than this from the nearest of its candidates."""


@dataclass(frozen=True)
class Recipe:
    """What decides every byte of a category's files."""

    category: str
    objects: int = 200
    views: int = 50
    seed: int = 0
    size: int = PICTURE_SIZE
    cameras: CameraSet = "canonical"

    def __post_init__(self) -> None:
        if self.category not in CATEGORIES:
            raise InputError(f"no generator for category {self.category!r}; there is one for: {', '.join(CATEGORIES)}")
        if self.objects < 3:
            raise InputError(f"{self.objects} objects cannot be split: two are for testing, so make 3 or more")
        check_settings(self.views, self.seed, self.size)

    @property
    def synset(self) -> str:
        return CATEGORIES[self.category].synset

    @property
    def version(self) -> str:
        """Of the program, as far as it decides the files too."""
        return f"{CATEGORIES[self.category].version}.{RENDERER_VERSION}"

    @property
    def record(self) -> dict[str, Any]:
        """As data sets note it down: canonical cameras are not mentioned, as before there were others."""
        settings = asdict(self)
        if self.cameras == "canonical":
            del settings["cameras"]
        return {**settings, "version": self.version}

    def object_id(self, index: int) -> str:
        return f"{self.category}-{self.seed}-{index:05d}"

    def generator(self, *path: int) -> np.random.Generator:
        """Random numbers that depend on the seed, the category and ``path`` only."""
        return np.random.default_rng([self.seed, int(self.synset), *path])


def make_dataset(
    out: Path | str,
    category: str,
    objects: int = 200,
    views: int = 50,
    seed: int = 0,
    size: int = PICTURE_SIZE,
    workers: int = 2,
    cameras: CameraSet = "canonical",
    progress: bool = True,
) -> Split:
    """Makes one category of a data set under ``out``, which may hold other categories already.

    The files do not depend on the number of workers. A call that was interrupted is taken up where it stopped: objects
    whose files are all there are skipped.

    Args:
        views: pictures of each object; random cameras on the upper hemisphere for training objects, fixed ones (the
            same for all objects) for validation and test objects.
        size: width and height of the pictures, in pixels.
        workers: processes; each uses one core.
        cameras: wide ones vary in elevation, roll, distance, lens and crop too (``wide_cameras``).
    Raises:
        InputError: the settings make no sense, ``out`` holds the category made with other settings, or cannot be
            written.
    """
    recipe, out = Recipe(category, objects, views, seed, size, cameras), Path(out)
    if workers < 1:
        raise InputError(f"{workers} workers make nothing: give 1 or more")
    with writing_category(out, recipe.synset):
        ids = [recipe.object_id(index) for index in range(objects)]
        families = {name: family_of(category, seed, index) for index, name in enumerate(ids)}
        record_recipe(out, recipe.synset, {**recipe.record, "families": families})
        write_labels(out, recipe.synset, generated_labels(category))
        split = split_objects(ids, recipe.generator(2))
        todo = [index for index in range(objects) if not _is_finished(out, recipe, index)]
        work = partial(_make_object, out, recipe, frozenset(split.train))
        with mapper(min(workers, len(todo))) as mapped:
            done = mapped(work, todo)
            label = f"{category}: objects"
            for _ in Progress(done, label, objects, initial=objects - len(todo), disable=not progress):
                pass
        path = split_file(out, recipe.synset)
        if todo or not path.exists():
            extents = np.stack([_extents(out, recipe.synset, name) for name in split.test])
            among = unlike_pairs(extents, [families[name] for name in split.test])
            write_split(path, with_pairs(split, views, recipe.generator, among))
    return read_split(path)


@contextmanager
def writing_category(out: Path, synset: str) -> Iterator[None]:
    """While one category is made in a data set, nobody else makes it there; others may be made beside it.

    Raises:
        InputError: another process makes the category; the disk is full, or cannot be written.
    """
    with writing(out), locked(out / synset):
        yield


def are_whole(files: Sequence[Path]) -> bool:
    """Whether an object's files are all there; a loss of power may leave empty ones. Deletes temporary ones if not."""
    whole = all(path.exists() and path.stat().st_size > 0 for path in reversed(files))
    if not whole:
        for folder in {path.parent for path in files}:
            remove_leftovers(folder)
    return whole


def check_settings(views: int, seed: int, size: int) -> None:
    """Raises InputError where no pictures can be taken so."""
    if views < 2:
        raise InputError(f"{views} views are too few: pairs of views need 2 or more")
    if seed < 0:
        raise InputError(f"the seed is {seed}: give 0 or a positive number")
    if not 8 <= size <= 2048:
        raise InputError(f"pictures of {size} pixels are not made: give a size from 8 to 2048")


PartOf = Callable[[Float[np.ndarray, "n 3"]], Int[np.ndarray, " n"]]
"""The part label of places of a surface."""


def record_object(
    mesh: LabelledMesh, cameras: Camera, generator: np.random.Generator, part_of: PartOf | None = None
) -> ObjectRecord:
    """Renders a mesh from a batch of cameras under random light, and annotates it.

    Args:
        part_of: decides the part of each place, instead of the mesh's faces.
    """
    scene = RenderScene(mesh, Lighting.random(generator))
    views = [render_view(scene, cameras[view]) for view in range(cameras.pose.shape[0])]
    part_points, faces = scene.sample_outside(PART_POINTS, generator)
    parts, part_labels = np.stack([view.parts for view in views]), mesh.face_parts[faces]
    if part_of is not None:
        depth = torch.from_numpy(np.stack([view.depth for view in views]))
        seen = (depth > 0).numpy()
        places = cameras.unproject(cameras.pixels().expand(*depth.shape, 2), depth)
        parts[seen] = part_of(places.numpy()[seen].astype(np.float64))
        part_labels = part_of(part_points)
    ids = sorted(mesh.keypoints)
    points = np.stack([mesh.keypoints[i] for i in ids]) if ids else np.empty((0, 3))
    candidates, _ = scene.sample_outside(KEYPOINT_CANDIDATES - len(ids), generator)
    near, _ = scene.sample_surface(20 * KEYPOINT_CANDIDATES, generator)
    return ObjectRecord(
        cameras=cameras,
        pictures=np.stack([view.picture for view in views]),
        parts=parts,
        keypoints=[view.keypoints for view in views],
        part_points=part_points,
        part_labels=part_labels,
        candidates=np.concatenate([candidates, *(_neighbour(point, near) for point in points)]),
        keypoint_labels=np.concatenate([points, np.array(ids, np.float64).reshape(-1, 1)], 1),
    )


def _neighbour(point: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """(1, 3): the point of the surface next to a keypoint, or the keypoint where none is near."""
    distances = np.linalg.norm(surface - point, axis=1)
    nearest = int(distances.argmin())
    return (surface[nearest] if distances[nearest] < CANDIDATE_DISTANCE else point)[None]


def _make_object(out: Path, recipe: Recipe, training: frozenset[str], index: int) -> None:
    mesh = generate(recipe.category, recipe.seed, index)
    generator = recipe.generator(1, index)
    trains = recipe.object_id(index) in training
    common = recipe.generator(3)
    cameras = set_cameras(recipe.cameras, recipe.views, recipe.size, generator, common, training=trains)
    write_object(out, recipe.synset, recipe.object_id(index), record_object(mesh, cameras, generator))


def _is_finished(out: Path, recipe: Recipe, index: int) -> bool:
    return are_whole(object_files(out, recipe.synset, recipe.object_id(index), recipe.views))


def record_recipe(out: Path, synset: str, settings: dict[str, Any]) -> None:
    """Notes down in ``out`` what decides every byte of a category's files, with the "version" of what makes them.

    Raises:
        InputError: the category is there already, from other settings, another version or another source.
        MissingExtraError: nothing can be rendered here.
    """
    check_renderer()
    path, name = out / "made" / f"{synset}.json", category_name(synset)
    if path.exists():
        made = read_json(path)
        if made != settings:
            known = made if isinstance(made, dict) else {}
            if known.get("version") != settings.get("version"):
                before, now = (s.get("version", "0") for s in (known, settings))
                raise InputError(
                    f"{out} holds {name} made by version {before} of the generator, and this is version {now}: give "
                    "another folder"
                )
            there = ", ".join(f"{key}={value}" for key, value in known.items() if not isinstance(value, dict))
            raise InputError(f"{out} holds {name} made with other settings ({there}): give another folder")
    elif (out / "camera" / synset).exists():
        raise InputError(f"{out} holds {name} from another source: give another folder")
    else:
        write_json(path, settings)


@contextmanager
def mapper(workers: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """A function like ``map`` whose work is done by so many processes, in any order.

    Raises:
        InputError: a process was killed, as the system does that runs out of memory; or could not begin, as where a
            script calls this without asking whether it is the main one.
    """
    if workers <= 1:
        yield map
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
    children: set[Any] = set()

    def mapped(work: Callable[..., Any], things: Sequence[Any]) -> Iterator[Any]:
        jobs = []
        for thing in things:
            jobs.append(pool.submit(work, thing))
            children.update(multiprocessing.active_children())
        return (done.result() for done in as_completed(jobs))

    try:
        yield mapped
    except BrokenProcessPool as error:
        for child in children:
            child.join(5)
        raise InputError(_why_broken([child.exitcode for child in children], workers)) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """What a process does first. Ctrl-C, which the terminal sends to all of them, is the first process's to answer."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _why_broken(codes: Sequence[int | None], workers: int) -> str:
    """A process of a pool ended; those that did not end by themselves were killed, by the system or by the pool."""
    if 1 in codes:
        return (
            "the processes could not begin, because each runs the main script again: put what the script does under "
            'if __name__ == "__main__":, or give 1 worker'
        )
    return f"one of {workers} processes was killed, perhaps for want of memory: give fewer workers"


# ---------------------------------------------------------------------- split


def split_objects(ids: Sequence[str], generator: np.random.Generator) -> Split:
    """70 % for training, 10 % for validation, 20 % and at least two objects for testing; no pairs yet."""
    order = [ids[int(index)] for index in generator.permutation(len(ids))]
    tests = max(2, round(0.2 * len(ids)))
    validations = max(int(len(ids) > 3), round(0.1 * len(ids)))
    return Split(
        train=tuple(sorted(order[tests + validations :])),
        val=tuple(sorted(order[tests : tests + validations])),
        test=tuple(sorted(order[:tests])),
    )


def _extents(out: Path, synset: str, object_id: str) -> Float[np.ndarray, " 3"]:
    """Of the bounding box of an object's labelled points."""
    return np.ptp(read_npz(annotation_file(out, "part_3d", synset, object_id), "pts"), axis=0)
