"""PartNet: points of ShapeNet meshes with the parts of its coarsest level ("level 1").

``<annotation>/meta.json`` names the ShapeNet mesh (``model_id``) and the category (``model_cat``).
``point_sample/sample-points-all-pts-nor-rgba-10000.txt`` (x y z nx ny nz R G B a) with
``sample-points-all-label-10000.txt``, or else ``pts-10000.txt`` with ``label-10000.txt``, are points and the leaf ids
of ``result.json``, a tree of ``{name, id, children | objs}``. ``result_after_merging.json`` is the tree with the names
that the levels use; each of its nodes stands for the node ``ori_id`` of the other one. The parts of a level are lines
``2 chair/chair_head subcomponents`` of ``stats/after_merging_label_ids/Chair-level-1.txt``.

Points are y up, front +z. There are no cars, airplanes or motorcycles.

Source: Mo et al., "PartNet: A Large-scale Benchmark for Fine-grained and Hierarchical Part-level 3D Object
Understanding", 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featurenerf.categories import category_name
from featurenerf.data.storage import read_json
from featurenerf.errors import InputError
from featurenerf.limits import file_bytes, parsing
from featurenerf.progress import Progress
from featurenerf.synthesis.annotations.base import AnnotatedMesh, Kind
from featurenerf.synthesis.annotations.points import read_numbers, with_labelled_points

_LEVEL_1 = {
    "bottle": (),
    "chair": ("chair/chair_head", "chair/chair_back", "chair/chair_arm", "chair/chair_base", "chair/chair_seat"),
    "table": (
        "table/game_table/ping_pong_table/ping_pong_net",
        "table/game_table/ping_pong_table/tabletop",
        "table/game_table/ping_pong_table/table_base",
        "table/game_table/pool_table/tabletop",
        "table/game_table/pool_table/table_base",
        "table/picnic_table/regular_table/tabletop",
        "table/picnic_table/regular_table/table_base",
        "table/picnic_table/bench",
        "table/regular_table/tabletop",
        "table/regular_table/table_base",
    ),
}
"""Level 1 of the release's tables, for those who do not have its ``stats`` folder."""

_POINT_FILES = (
    ("sample-points-all-pts-nor-rgba-10000.txt", ("sample-points-all-label-10000.txt", "label-10000.txt")),
    ("pts-10000.txt", ("label-10000.txt",)),
)


@dataclass(frozen=True)
class PartNetAnnotation:
    """The folder of one annotation, and the paths of the parts of the level."""

    folder: Path
    paths: tuple[str, ...]

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset({"parts"})

    def apply(self, mesh: AnnotatedMesh) -> AnnotatedMesh:
        path, points, leaves = _points(self.folder)
        parts = _part_of_leaves(self.folder, self.paths)
        labels = np.array([parts.get(int(leaf), 0) for leaf in leaves], np.int64)
        if not labels.any():
            raise InputError(f"{self.folder}: none of its points belongs to a part of level 1: download it again")
        return with_labelled_points(mesh, points, labels, "y", "z", str(path))


class PartNet:
    """The level-1 parts of one category, a ``base.AnnotationSource``.

    Args:
        folder: the one that holds a folder for each annotation.
        level_table: file of the parts of a level; by default the one of level 1 in ``stats`` in or beside ``folder``,
            or else what it holds in the release.
    Raises:
        InputError: no parts are known of the category, there is no annotation of it, or a ``meta.json`` is broken. With
            ``skip_broken`` the latter is noted in ``broken`` instead.
    """

    keypoint_names: tuple[str, ...] = ()

    def __init__(
        self, folder: Path | str, category: str, level_table: Path | str | None = None, skip_broken: bool = False
    ) -> None:
        self.folder = Path(folder)
        name = category_name(category)
        self._paths = _level(self.folder, name, None if level_table is None else Path(level_table))
        self.part_names: tuple[str, ...] = ("background", *self._paths)
        self._annotations: dict[str, Path] = {}
        metas = sorted(self.folder.glob("*/meta.json"), key=lambda path: (len(path.parent.name), path.parent.name))
        self.broken: list[str] = []
        for path in Progress(metas, "PartNet: annotations", leave=False, disable=len(metas) < 1000):
            try:
                model_id, is_of = _meta(path, name)
            except InputError as error:
                if not skip_broken:
                    raise
                self.broken.append(str(error))
                continue
            if is_of:
                self._annotations.setdefault(model_id, path.parent)
        if not self._annotations:
            raise InputError(
                f"{self.folder} holds no annotation of a {name}: give the folder with <annotation>/meta.json"
            )

    def get(self, object_id: str) -> PartNetAnnotation | None:
        folder = self._annotations.get(object_id)
        return None if folder is None else PartNetAnnotation(folder, self._paths)


def _meta(path: Path, category: str) -> tuple[str, bool]:
    """The mesh that an annotation is of, and whether it is of the category."""
    meta = read_json(path)
    if not isinstance(meta, dict) or not isinstance(meta.get("model_id"), str):
        raise InputError(f"{path} does not name its model_id: download it again, or leave it out with skip_broken")
    return meta["model_id"], str(meta.get("model_cat", category)).lower() == category


def _level(folder: Path, category: str, table: Path | None) -> tuple[str, ...]:
    title = category.capitalize()
    places = [root / "stats" / name for root in (folder, folder.parent) for name in _TABLE_FOLDERS]
    if table is None:
        table = next((p / f"{title}-level-1.txt" for p in places if (p / f"{title}-level-1.txt").is_file()), None)
    if table is None:
        if not _LEVEL_1.get(category):
            raise InputError(
                f"PartNet's parts of a {category} are not known: put stats/after_merging_label_ids/{title}-level-1.txt "
                f"into {folder}"
            )
        return _LEVEL_1[category]
    with parsing(f"{table} cannot be read as a table of parts", "download it again"):
        return tuple(line.split()[1] for line in file_bytes(table).decode().splitlines() if line.strip())


_TABLE_FOLDERS = ("after_merging_label_ids", "after_merging2_label_ids")


def _points(folder: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """The file of points, points (n, 3) and leaf ids (n,) of an annotation."""
    samples = folder / "point_sample"
    for points_name, labels_names in _POINT_FILES:
        labels_path = next((samples / name for name in labels_names if (samples / name).is_file()), None)
        if (samples / points_name).is_file() and labels_path is not None:
            points = read_numbers(samples / points_name, 3)[:, :3]
            leaves = read_numbers(labels_path, 1)[:, 0].astype(np.int64)
            if len(leaves) != len(points):
                raise InputError(f"{labels_path} has {len(leaves)} labels for {len(points)} points: download it again")
            return samples / points_name, points, leaves
    raise InputError(f"{samples} lacks {_POINT_FILES[0][0]} or its labels: download it again")


def _part_of_leaves(folder: Path, paths: tuple[str, ...]) -> dict[int, int]:
    """Part label of each leaf id of ``result.json`` that belongs to a part of the level."""
    result = read_json(folder / "result.json")
    merged_path = folder / "result_after_merging.json"
    merged = read_json(merged_path) if merged_path.is_file() else None
    try:
        leaves = {int(node["id"]): _leaves(node) for root in result for _, node in _walk(root)}
        found: dict[int, int] = {}
        for root in result if merged is None else merged:
            for path, node in _walk(root):
                if path in paths:
                    own = leaves[int(node["id"] if merged is None else node["ori_id"])]
                    found |= dict.fromkeys(own, paths.index(path) + 1)
    except (LookupError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise InputError(
            f"{folder}: result.json or result_after_merging.json is broken ({type(error).__name__}: {error}): download "
            "it again"
        ) from error
    return found


def _walk(node: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every node of a tree with its path of names."""
    path = f"{above}/{node['name']}" if above else str(node["name"])
    yield path, node
    for child in node.get("children", ()):
        yield from _walk(child, path)


def _leaves(node: dict[str, Any]) -> tuple[int, ...]:
    children = node.get("children", ())
    return tuple(leaf for child in children for leaf in _leaves(child)) if children else (int(node["id"]),)
