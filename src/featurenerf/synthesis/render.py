"""Rendering real meshes into a data set, as ``make`` does generated ones."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np

from featurenerf.cameras import PICTURE_SIZE
from featurenerf.categories import category_name, synset_of
from featurenerf.data.formats.release import split_file
from featurenerf.data.labels import AnnotationKind, LabelNames, generated_labels
from featurenerf.data.pairs import with_pairs
from featurenerf.data.splits import Split, write_split
from featurenerf.errors import InputError, MissingExtraError, first_line
from featurenerf.files import write_json
from featurenerf.progress import Progress
from featurenerf.synthesis.annotations.base import AnnotatedMesh, Annotation, AnnotationSource, Kind
from featurenerf.synthesis.annotations.points import nearest_labels
from featurenerf.synthesis.camera_sets import CameraSet, set_cameras
from featurenerf.synthesis.make import (
    PART_POINTS,
    RENDERER_VERSION,
    are_whole,
    check_settings,
    mapper,
    record_object,
    record_recipe,
    split_objects,
    writing_category,
)
from featurenerf.synthesis.meshes.entry import MeshEntry
from featurenerf.synthesis.meshes.files import read_mesh
from featurenerf.synthesis.write import ObjectRecord, object_files, write_labels, write_object

READER_VERSION = 2
"""To be raised whenever the same mesh file gives another mesh than before."""
_ANNOTATIONS: dict[Kind, tuple[AnnotationKind, ...]] = {
    "parts": ("part_2d", "part_3d"),
    "keypoints": ("kp_2d", "kp_3d"),
}


@dataclass(frozen=True)
class RenderSettings:
    """What decides the files of each object, beside its mesh and its annotations."""

    synset: str
    views: int
    seed: int
    size: int
    cameras: CameraSet = "canonical"

    def generator(self, *path: int | str) -> np.random.Generator:
        """Random numbers that depend on the seed, the category and ``path`` only."""
        words = (self.synset, *path)
        return np.random.default_rng([self.seed, *(crc32(str(word).encode()) for word in words)])


@dataclass(frozen=True)
class RenderReport:
    """What came of a call.

    Attributes:
        split: of the objects that were rendered.
        annotated: how many of them have parts, and how many have keypoints.
        skipped: why each object that is not there was left out.
        missing: the pictures that were not there, of objects that this call rendered in plain colours for it.
    """

    split: Split
    annotated: dict[Kind, int]
    skipped: dict[str, str]
    missing: dict[str, tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class _Task:
    entry: MeshEntry
    annotations: tuple[Annotation, ...]
    training: bool

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset(kind for annotation in self.annotations for kind in annotation.kinds)

    @property
    def files(self) -> tuple[AnnotationKind, ...]:
        return tuple(file for kind in sorted(self.kinds) for file in _ANNOTATIONS[kind])


def render_meshes(
    out: Path | str,
    meshes: Sequence[MeshEntry],
    category: str,
    views: int = 50,
    seed: int = 0,
    size: int = PICTURE_SIZE,
    workers: int = 2,
    sources: Sequence[AnnotationSource] = (),
    split: Split | None = None,
    skip_broken: bool = False,
    cameras: CameraSet = "canonical",
    progress: bool = True,
) -> RenderReport:
    """Renders meshes into one category of the data set ``out``, with splits, pairs, and who made each mesh.

    The files do not depend on the number of workers, nor an object's files on which others there are, but for its place
    in the split. A call that was interrupted is taken up where it stopped.

    Args:
        meshes: as ``catalogue.find_meshes`` finds them.
        category: its name or synset; another name becomes the name of its folders.
        views, size: pictures of each object, and their width and height in pixels.
        sources: annotations; where two know the parts of an object, the later one is believed.
        split: objects for training, validation and testing; meshes that it does not name are left out. By default 70,
            10 and 20 % are drawn.
        skip_broken: leave out objects that cannot be read or annotated, or that the split names and that are not there,
            instead of raising.
        cameras: wide ones vary in elevation, roll, distance, lens and crop too (``wide_cameras``).
    Raises:
        InputError: the settings make no sense; an object is broken; ``out`` holds the category made otherwise.
    """
    out, settings = Path(out), RenderSettings(synset_of(category), views, seed, size, cameras)
    check_settings(views, seed, size)
    if not settings.synset.isalnum():
        raise InputError(f"{category!r} cannot be a category's name: take letters and digits")
    if workers < 1:
        raise InputError(f"{workers} workers render nothing: give 1 or more")
    by_id = {entry.id: entry for entry in meshes}
    skipped = {} if split is None else _missing(split, by_id, skip_broken)
    if split is None:
        if len(by_id) < 4:
            raise InputError(
                f"{len(by_id)} objects cannot be split: two are for testing, and training needs two more, one of them "
                "for validation, so give 4 or more, or a split of your own"
            )
        split = split_objects(sorted(by_id), settings.generator("split"))
    split = split.only(set(by_id))
    ids = sorted({*split.train, *split.val, *split.test})
    if not ids:
        raise InputError("the split names none of these meshes: give the split of the data set that they come from")
    tasks = [_Task(by_id[i], _known(sources, i), i in split.train) for i in ids]
    missing: dict[str, tuple[str, ...]] = {}
    with writing_category(out, settings.synset):
        try:
            record_recipe(out, settings.synset, _described(settings, tasks, sources))
            _write_attribution(out, settings.synset, tasks)
            todo = [task for task in tasks if not _is_finished(out, settings, task)]
            with mapper(min(workers, len(todo))) as mapped:
                done = mapped(partial(_render, out, settings, skip_broken), todo)
                label = f"{category_name(settings.synset)}: objects"
                bar = Progress(done, label, len(ids), initial=len(ids) - len(todo), disable=not progress)
                for object_id, problem, not_there in bar:
                    if problem is not None:
                        skipped[object_id] = problem
                    if not_there:
                        missing[object_id] = not_there
            left = set(ids) - set(skipped)
            if not left:
                raise InputError(f"none of the {len(ids)} meshes can be rendered; the first: {skipped[ids[0]]}")
            split = split.only(left)
            if not split.cross_inst_pairs and not split.cross_view_pairs:
                split = _with_pairs(split, {task.entry.id: task.kinds for task in tasks}, settings)
            names = _label_names(settings.synset, sources)
            if names != LabelNames():
                write_labels(out, settings.synset, names)
            write_split(split_file(out, settings.synset), split)
        except InputError:
            if not (out / "camera" / settings.synset).exists():  # nothing was made: other settings may be tried
                (out / "made" / f"{settings.synset}.json").unlink(missing_ok=True)
            raise
    counts = Counter(kind for task in tasks if task.entry.id not in skipped for kind in task.kinds)
    return RenderReport(split, {kind: counts[kind] for kind in _ANNOTATIONS}, skipped, missing)


def annotated_mesh(entry: MeshEntry, annotations: Sequence[Annotation] = ()) -> AnnotatedMesh:
    """The mesh of an entry, placed and annotated.

    Raises:
        InputError: the mesh or an annotation cannot be read, or they do not fit.
    """
    with entry.opened() as path:
        mesh = AnnotatedMesh.of(read_mesh(path, entry.turn, entry.root))
    for annotation in annotations:
        mesh = annotation.apply(mesh)
    return mesh


def _render(
    out: Path, settings: RenderSettings, skip_broken: bool, task: _Task
) -> tuple[str, str | None, tuple[str, ...]]:
    """Writes one object's files; returns its id, what is wrong with it where it is skipped, and pictures it lacks."""
    object_id = task.entry.id
    try:
        mesh, record = _recorded(settings, task)
    except InputError as error:
        if not skip_broken:
            raise InputError(f"{error}; skip_broken leaves {object_id} out") from error
        return object_id, str(error), ()
    write_object(out, settings.synset, object_id, _known_only(record, mesh.kinds))
    return object_id, None, mesh.missing


def _recorded(settings: RenderSettings, task: _Task) -> tuple[AnnotatedMesh, ObjectRecord]:
    """The mesh of an object, and what is written of it.

    Raises:
        InputError: a file of it is broken, in whatever way that shows.
    """
    try:
        mesh = annotated_mesh(task.entry, task.annotations)
        generator = settings.generator("object", task.entry.id)
        common = settings.generator("cameras")
        cameras = set_cameras(
            settings.cameras, settings.views, settings.size, generator, common, training=task.training
        )
        points, labels = mesh.part_points, mesh.part_labels
        if points is None or labels is None:
            return mesh, record_object(mesh.mesh, cameras, generator)
        record = record_object(mesh.mesh, cameras, generator, lambda places: nearest_labels(places, points, labels))
        chosen = np.sort(generator.permutation(len(points))[:PART_POINTS])
        return mesh, replace(record, part_points=points[chosen], part_labels=labels[chosen])
    except (InputError, MissingExtraError):
        raise
    except Exception as error:  # what a mesh that can be read does to its renderer
        raise InputError(
            f"{task.entry.model} cannot be rendered ({type(error).__name__}: {first_line(error)}): get it again"
        ) from error


def _known_only(record: ObjectRecord, kinds: frozenset[Kind]) -> ObjectRecord:
    if "parts" not in kinds:
        record = replace(record, parts=None, part_points=None, part_labels=None)
    if "keypoints" not in kinds:
        record = replace(record, keypoints=None, candidates=None, keypoint_labels=None)
    return record


def _known(sources: Sequence[AnnotationSource], object_id: str) -> tuple[Annotation, ...]:
    found = (source.get(object_id) for source in sources)
    return tuple(annotation for annotation in found if annotation is not None)


def _is_finished(out: Path, settings: RenderSettings, task: _Task) -> bool:
    return are_whole(object_files(out, settings.synset, task.entry.id, settings.views, task.files))


def _described(
    settings: RenderSettings, tasks: Sequence[_Task], sources: Sequence[AnnotationSource]
) -> dict[str, object]:
    """What is noted down in ``made``: a later call with anything else is refused."""
    digest = hashlib.sha256()
    for task in tasks:
        known = [_content(annotation) for annotation in task.annotations]
        digest.update(repr((task.entry.id, task.entry.rotation, task.training, sorted(task.kinds), known)).encode())
    names = _label_names(settings.synset, sources)
    return {
        "category": category_name(settings.synset),
        "objects": len(tasks),
        "views": settings.views,
        "seed": settings.seed,
        "size": settings.size,
        **({} if settings.cameras == "canonical" else {"cameras": settings.cameras}),
        "meshes": digest.hexdigest()[:16],
        "annotations": [type(source).__name__ for source in sources],
        "part_names": list(names.parts),
        "keypoint_names": list(names.keypoints),
        "version": f"mesh.{RENDERER_VERSION}.{READER_VERSION}",
    }


def _content(annotation: Annotation) -> list[tuple[str, str]]:
    """What an annotation says, wherever its files lie."""
    said = {name: value for name, value in vars(annotation).items() if name != "origin"}
    for name, value in said.items():
        if isinstance(value, Path):
            said[name] = hashlib.sha256(value.read_bytes()).hexdigest() if value.is_file() else value.name
    return [(name, repr(value)) for name, value in said.items()]


def _label_names(synset: str, sources: Sequence[AnnotationSource]) -> LabelNames:
    """Of the later of two sources that have names. Keypoints that are named as the generator's mirror each other so."""
    parts = next((s.part_names for s in reversed(sources) if s.part_names), ())
    keypoints = next((s.keypoint_names for s in reversed(sources) if s.keypoint_names), ())
    known = generated_labels(synset)
    return LabelNames(parts, keypoints, known.mirror if keypoints == known.keypoints else ())


def _write_attribution(out: Path, synset: str, tasks: Sequence[_Task]) -> None:
    """Who made the meshes, beside the pictures of them: they stay under the meshes' licences."""
    about = {
        "note": "The pictures show these 3D models, centred, scaled, turned and rendered, under the models' licences.",
        "objects": {task.entry.id: asdict(task.entry.attribution) for task in tasks},
    }
    write_json(out / "attribution" / f"{synset}.json", about)


def _with_pairs(split: Split, kinds: dict[str, frozenset[Kind]], settings: RenderSettings) -> Split:
    """Pairs among the test objects that have all annotations that any of them has; the flags say which they are."""
    known = frozenset[Kind]().union(*(kinds[name] for name in split.test))
    among = tuple(name for name in split.test if kinds[name] == known)
    if len(among) < 2:
        among = split.test
    paired = with_pairs(replace(split, test=among), settings.views, settings.generator)
    return replace(paired, test=split.test, valid_flags_for_test={name: name in among for name in split.test})


def _missing(split: Split, by_id: dict[str, MeshEntry], skip: bool) -> dict[str, str]:
    missing = sorted({*split.train, *split.val, *split.test} - set(by_id))
    if missing and not skip:
        raise InputError(
            f"{len(missing)} objects of the split have no mesh ({', '.join(missing[:3])} ...): get them, or leave them "
            "out with skip_broken"
        )
    return dict.fromkeys(missing, "the split names it, and it has no mesh")
