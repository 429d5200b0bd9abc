"""``featurenerf data render``: a data set from real meshes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from featurenerf.errors import InputError
from featurenerf.synthesis.meshes.files import Axis


def render(
    meshes: Path,
    category: str,
    out: Path,
    views: int = 50,
    size: int = 128,
    seed: int = 0,
    workers: int = 2,
    up: Axis | None = None,
    front: Axis | None = None,
    only: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
    limit: int | None = None,
    annotations: Path | None = None,
    parts: Path | None = None,
    keypoints: Path | None = None,
    splits: Path | None = None,
    all_test: bool = False,
    skip_broken: bool = False,
    cameras: Literal["canonical", "wide"] = "canonical",
) -> None:
    """Make a data set of real meshes: pictures, cameras, splits, pairs, and parts and keypoints where known.

    Stopped half-way, the same command takes the work up again.

    Args:
        meshes: a folder of OBJ, GLB, glTF, PLY, OFF, STL or AC3D files; a Sweet Home 3D catalogue (.sh3f, .jar, a
            folder of such); a ShapeNet folder; or a JSON list of meshes.
        category: such as chair; catalogues and ShapeNet folders are searched for it.
        out: folder of the data set; it may hold other categories already.
        views: pictures of each object.
        size: width and height of the pictures, in pixels.
        seed: another seed takes other views under other light, and splits otherwise.
        workers: processes, each on one core; the files do not depend on their number.
        up: the files' axis that points up; by default y, or what the catalogue says.
        front: the files' axis that points to the object's front; by default z, or what the catalogue says; -z for
            ShapeNet v2, x for v1.
        only: patterns of the ids to take, such as "Scopia-*".
        without: patterns of the ids to leave out.
        limit: take the first so many meshes.
        annotations: hand-made table of parts and keypoints, a JSON file; or sweethome3d, the one for chairs and tables
            of the free furniture libraries.
        parts: folder of ShapeNet Part (either release) or of PartNet.
        keypoints: folder of KeypointNet.
        splits: folder of an official split; by default 70 % of the objects are for training, 10 % for validation, 20 %
            for testing.
        all_test: all objects are for testing.
        skip_broken: leave out what is broken or missing, name it and count it, instead of stopping there.
        cameras: canonical ones look at the object from all sides; wide ones also vary in roll, distance, lens and crop,
            as those of photographs do.
    """
    from featurenerf.categories import category_name, synset_of
    from featurenerf.data.splits import Split
    from featurenerf.synthesis.annotations.split_lists import read_split_lists
    from featurenerf.synthesis.meshes.catalogue import find_meshes
    from featurenerf.synthesis.render import render_meshes

    if limit is not None and limit < 1:
        raise InputError(f"--limit {limit} leaves no mesh: give 1 or more")
    broken: list[str] = []
    found = find_meshes(meshes, category, up, front, only, without, broken if skip_broken else None)
    entries = found[:limit]
    if any(entry.attribution.reserved for entry in entries):
        print(f"{meshes}: this catalogue is reserved for the last test: train on none of it, select nothing by it")
    synset = synset_of(category)
    sources, problems = _sources(category, annotations, parts, keypoints, skip_broken)
    broken += problems
    if splits is not None and all_test:
        raise InputError("--splits and --all-test contradict each other: give one of them")
    split = None if splits is None else read_split_lists(splits, synset)
    if all_test:
        split = Split((), (), tuple(entry.id for entry in entries))
    done = render_meshes(out, entries, category, views, seed, size, workers, sources, split, skip_broken, cameras)
    for object_id, names in done.missing.items():
        print(f"{object_id} lacks {', '.join(names)}: plain colours are shown instead")
    for object_id, problem in done.skipped.items():
        print(f"skipped {object_id}: {problem}")
    for problem in broken:
        print(f"skipped {problem}")
    made, known = done.split, done.annotated
    print(
        f"{out}: {category_name(synset)}, {len(made.train)} objects for training, {len(made.val)} for "
        f"validation, {len(made.test)} for testing, {views} views each; {known['parts']} with parts, "
        f"{known['keypoints']} with keypoints; {len(done.skipped) + len(broken)} skipped; authors and licences in "
        f"{out / 'attribution' / synset}.json"
    )


def _sources(
    category: str, annotations: Path | None, parts: Path | None, keypoints: Path | None, skip_broken: bool
) -> tuple[list[Any], list[str]]:
    """The annotations asked for, and what is wrong with those of them that are left out."""
    from featurenerf.categories import category_name
    from featurenerf.synthesis.annotations.keypointnet import KeypointNet
    from featurenerf.synthesis.annotations.partnet import PartNet
    from featurenerf.synthesis.annotations.shapenet_part import ShapeNetPart
    from featurenerf.synthesis.annotations.table import AnnotationTable, table_file

    category = category_name(category)
    sources: list[Any] = []
    broken: list[str] = []
    if parts is not None:
        if not parts.is_dir():
            raise InputError(f"there is no folder {parts}: give ShapeNet Part's or PartNet's")
        is_partnet = next(parts.glob("*/meta.json"), None) is not None
        if is_partnet:
            partnet = PartNet(parts, category, skip_broken=skip_broken)
            sources.append(partnet)
            broken += partnet.broken
        else:
            sources.append(ShapeNetPart(parts, category))
    if keypoints is not None:
        known = KeypointNet(keypoints, category, skip_broken)
        sources.append(known)
        broken += known.broken
    if annotations is not None:
        sources.append(AnnotationTable(table_file(annotations, category), category))
    return sources, broken
