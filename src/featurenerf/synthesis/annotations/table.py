"""Hand-made part labels and keypoints: a JSON table of objects, their groups and places.

    {
      "category": "chair",
      "parts": ["background", "back", "seat", "leg", "arm"],
      "keypoints": ["seat front left", "seat front right", "seat centre"],
      "objects": {
        "Scopia-chair4": {
          "parts": [
            {"part": "seat", "groups": ["*|cushion"]},
            {"part": "back", "groups": ["*wood*"], "z": [0.05, null], "x": [null, -0.1]},
            {"part": "back", "whole": true, "z": [0.2, null]},
            {"part": "leg"}
          ],
          "keypoints": {"seat centre": [0.03, 0, 0.002]},
          "mirrored": {"seat front": [0.2, 0.186, -0.012]}
        }
      }
    }

Objects go by their id in the data set; places are in the package's frame (x front, y left, z up, bounding-box diagonal
1, centred). ``parts`` and ``keypoints`` at the top may be left out where the category has a generator: they are the
generator's then.

An object's ``parts`` are rules; of each place of the surface the first one that holds decides. A rule names a part, and
may ask for

- ``groups``: names of groups of the mesh file, * and ? as in a shell;
- ``x``, ``y``, ``z``, ``|y|``: the least and the greatest value, null for none;
- ``planes``: lists [a, b, c, d], the side where a x + b y + c z >= d;
- ``whole``: the middle of the bounding box of the connected piece that the place belongs to is asked, not the place.

Faces are cut where a rule's border runs through them. Every face must get a part.

``mirrored`` points stand for two keypoints, "<name> left" at +|y| and "<name> right" at -|y|. Keypoints are moved to
the nearest place of the surface.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from featurenerf.data.labels import generated_labels
from featurenerf.data.storage import read_json
from featurenerf.errors import InputError
from featurenerf.files import ASSETS
from featurenerf.synthesis.annotations.base import AnnotatedMesh, Kind
from featurenerf.synthesis.objects.labelled import LabelledMesh

_AXES = {"x": ((1, 0, 0),), "y": ((0, 1, 0),), "z": ((0, 0, 1),), "|y|": ((0, 1, 0), (0, -1, 0))}
_ON_THE_BORDER = 1e-9
_SHIPPED = ASSETS / "annotations"


def table_file(name: Path | str, category: str) -> Path:
    """The file of a table: ``name`` itself or, where that is no file, the table of that name that the package ships.

    There is one for chairs and one for tables of the free Sweet Home 3D libraries, "sweethome3d".

    Raises:
        InputError: there is neither.
    """
    shipped = _SHIPPED / f"{name}-{category}.json"
    if not Path(name).is_file() and shipped.is_file():
        return shipped
    if not Path(name).is_file():
        known = ", ".join(sorted(" of ".join(path.stem.rsplit("-", 1)) + "s" for path in _SHIPPED.glob("*.json")))
        raise InputError(f"there is no table {name} of {category}s: give a JSON file, or one that ships ({known})")
    return Path(name)


@dataclass(frozen=True)
class PartRule:
    """Where a part is. ``cuts`` are the planes along which faces are cut: normal and offset."""

    part: int
    groups: tuple[str, ...] | None
    intervals: tuple[tuple[str, float, float], ...]
    planes: tuple[tuple[float, float, float, float], ...]
    whole: bool

    @property
    def cuts(self) -> Iterator[tuple[np.ndarray, float]]:
        for axis, low, high in self.intervals:
            for normal in _AXES[axis]:
                yield from ((np.array(normal, np.float64), limit) for limit in (low, high) if np.isfinite(limit))
        yield from ((np.array(plane[:3]), plane[3]) for plane in self.planes)

    def holds(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, " n"]:
        """Whether the rule's places hold these points; its groups are not looked at."""
        values = {"x": points[:, 0], "y": points[:, 1], "z": points[:, 2], "|y|": np.abs(points[:, 1])}
        held = np.ones(len(points), bool)
        for axis, low, high in self.intervals:
            held &= (values[axis] >= low) & (values[axis] <= high)
        for *normal, offset in self.planes:
            held &= points @ np.array(normal) >= offset
        return held


@dataclass(frozen=True, eq=False)
class TableAnnotation:
    """What a table says of one object; ``origin`` is for messages."""

    rules: tuple[PartRule, ...] | None
    keypoints: dict[int, Float[np.ndarray, " 3"]] | None
    origin: str

    @property
    def kinds(self) -> frozenset[Kind]:
        known: dict[Kind, object] = {"parts": self.rules, "keypoints": self.keypoints}
        return frozenset(kind for kind, value in known.items() if value is not None)

    def apply(self, mesh: AnnotatedMesh) -> AnnotatedMesh:
        if self.rules is not None:
            mesh = apply_rules(mesh, self.rules, self.origin)
        return mesh if self.keypoints is None else mesh.with_keypoints(self.keypoints, self.origin)


class AnnotationTable:
    """The annotations of a table, a ``base.AnnotationSource``.

    Raises:
        InputError: the file is missing or is not such a table; unknown parts, keypoints and settings are named.
    """

    def __init__(self, path: Path | str, category: str | None = None) -> None:
        self.path = Path(path)
        content = read_json(self.path)
        if not isinstance(content, dict) or not isinstance(content.get("objects"), dict):
            raise InputError(f"{self.path} is not a table of annotations: it needs objects, by their ids")
        name = content.get("category", category)
        if category is not None and name != category:
            raise InputError(f"{self.path} is for {name}, not for {category}: give the table of the category")
        known = generated_labels(str(name))
        self.part_names = self._names(content, "parts", known.parts)
        self.keypoint_names = self._names(content, "keypoints", known.keypoints)
        self._rules: dict[str, tuple[PartRule, ...]] = {}
        self._keypoints: dict[str, dict[int, np.ndarray]] = {}
        for object_id, record in content["objects"].items():
            try:
                _only(record, {"parts", "keypoints", "mirrored", "note"})
                if "parts" in record:
                    self._rules[object_id] = tuple(self._rule(rule) for rule in record["parts"])
                if "keypoints" in record or "mirrored" in record:
                    self._keypoints[object_id] = self._points(record.get("keypoints", {}), record.get("mirrored", {}))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise InputError(
                    f"{self.path}: {object_id}: {error}; see featurenerf.synthesis.annotations.table"
                ) from None

    def __len__(self) -> int:
        return len({*self._rules, *self._keypoints})

    def get(self, object_id: str) -> TableAnnotation | None:
        rules, keypoints = self._rules.get(object_id), self._keypoints.get(object_id)
        if rules is None and keypoints is None:
            return None
        return TableAnnotation(rules, keypoints, f"{self.path}: {object_id}")

    # ------------------------------------------------------------------ reading

    def _names(self, content: Mapping[str, Any], key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        names = content.get(key, default)
        if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            raise InputError(f"{self.path}: {key} must be different names")
        if key == "parts" and names and names[0] != "background":
            raise InputError(f'{self.path}: the first of the parts must be "background"')
        return tuple(names)

    def _rule(self, rule: Mapping[str, Any]) -> PartRule:
        _only(rule, {"part", "groups", "planes", "whole", *_AXES})
        if rule["part"] not in self.part_names[1:]:
            raise ValueError(f"there is no part {rule['part']!r}, there are {', '.join(self.part_names[1:])}")
        groups = rule.get("groups")
        if isinstance(groups, str):
            raise TypeError("groups must be a list of names")
        return PartRule(
            self.part_names.index(rule["part"]),
            None if groups is None else tuple(groups),
            tuple((axis, *_interval(rule[axis])) for axis in _AXES if axis in rule),
            tuple(_numbers(plane, 4) for plane in rule.get("planes", ())),
            bool(rule.get("whole", False)),
        )

    def _points(self, named: Mapping[str, Any], mirrored: Mapping[str, Any]) -> dict[int, np.ndarray]:
        points = {name: np.array(_numbers(point, 3)) for name, point in named.items()}
        for name, point in mirrored.items():
            x, y, z = _numbers(point, 3)
            points |= {f"{name} left": np.array([x, abs(y), z]), f"{name} right": np.array([x, -abs(y), z])}
        unknown = sorted(set(points) - set(self.keypoint_names))
        if unknown:
            raise ValueError(f"there are no keypoints {', '.join(unknown)}")
        return {self.keypoint_names.index(name): point for name, point in points.items()}


def apply_rules(mesh: AnnotatedMesh, rules: tuple[PartRule, ...], origin: str) -> AnnotatedMesh:
    """The mesh with its faces cut along the rules' borders and labelled by them.

    Raises:
        InputError: a rule names groups that are not there, or a face is left without a part; ``origin`` says whose.
    """
    pieces = _middles_of_pieces(mesh.mesh)
    labels = np.zeros(len(mesh.mesh.faces), np.int32)
    for rule in rules:
        chosen = np.ones(len(mesh.groups), bool)
        if rule.groups is not None:
            for pattern in rule.groups:
                if not any(fnmatchcase(group, pattern) for group in mesh.groups):
                    raise InputError(f"{origin}: no group is called {pattern!r}; there are {', '.join(mesh.groups)}")
            chosen = np.array([any(fnmatchcase(group, pattern) for pattern in rule.groups) for group in mesh.groups])
        if not rule.whole:
            for normal, offset in rule.cuts:
                cut, parents = cut_faces(mesh.mesh, (labels == 0) & chosen[mesh.face_groups], normal, offset)
                mesh = replace(mesh, mesh=cut, face_groups=mesh.face_groups[parents])
                labels, pieces = labels[parents], pieces[parents]
        places = pieces if rule.whole else mesh.mesh.vertices[mesh.mesh.faces].mean(1)
        labels[(labels == 0) & chosen[mesh.face_groups] & rule.holds(places)] = rule.part
    if (labels == 0).any():
        left = sorted({mesh.groups[group] for group in mesh.face_groups[labels == 0]})
        raise InputError(
            f"{origin}: {int((labels == 0).sum())} faces of the groups {', '.join(left)} are left without a part: "
            'end with a rule for all the rest, such as {"part": "leg"}'
        )
    return replace(mesh, mesh=replace(mesh.mesh, face_parts=labels), kinds=mesh.kinds | {"parts"})


def cut_faces(
    mesh: LabelledMesh, chosen: Bool[np.ndarray, " f"], normal: Float[np.ndarray, " 3"], offset: float | int
) -> tuple[LabelledMesh, Int[np.ndarray, " g"]]:
    """The mesh with the chosen faces cut along the plane ``normal . x = offset``, and the old face of each new one.

    A face that the plane runs through becomes three; shading and texture stay as they were.
    """
    heights = (mesh.vertices @ normal - offset)[mesh.faces]
    heights[np.abs(heights) < _ON_THE_BORDER] = 0
    across = chosen & (heights.min(1) < 0) & (heights.max(1) > 0)
    if not across.any():
        return mesh, np.arange(len(mesh.faces))
    faces = np.flatnonzero(across)
    above = heights[faces] > 0
    # the corner that is alone on its side, or has a corner on the plane to either hand, comes first
    single = np.where(above.sum(1) == 1, above.argmax(1), (heights[faces] < 0).argmax(1))
    order = (single[:, None] + np.arange(3)) % 3
    first, second, third = np.moveaxis(np.take_along_axis(heights[faces], order, 1), 1, 0)

    def crossing(other: np.ndarray, corner: int) -> np.ndarray:
        """Barycentric coordinates (among the ordered corners) of where the plane meets the edge from the first."""
        share = np.where(other * first < 0, first / np.where(first == other, 1, first - other), 1.0)
        place = np.zeros((len(faces), 3))
        place[:, 0], place[:, corner] = 1 - share, share
        return place

    one, two = crossing(second, 1), crossing(third, 2)
    corners = np.broadcast_to(np.eye(3), (len(faces), 3, 3))
    triangles = [(corners[:, 0], one, two), (one, corners[:, 1], corners[:, 2]), (one, corners[:, 2], two)]
    weights = np.concatenate([np.stack(triangle, 1) for triangle in triangles])  # (3 n, 3 corners, 3)
    parents = np.tile(faces, 3)
    orders = np.tile(order, (3, 1))

    def interpolated(values: np.ndarray) -> np.ndarray:
        """Values at the corners of the new faces, from values (f, 3, c) at those of the old ones."""
        own = np.take_along_axis(values[parents], orders[..., None], 1)
        return np.einsum("nij,njc->nic", weights, own).astype(values.dtype)

    places = interpolated(mesh.vertices[mesh.faces])
    solid = np.linalg.norm(np.cross(places[:, 1] - places[:, 0], places[:, 2] - places[:, 0]), axis=1) > 1e-14
    places = places[solid]
    kept = np.flatnonzero(~across)
    old = np.concatenate([kept, parents[solid]])

    def joined(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values[kept], interpolated(values)[solid]])

    new_faces = len(mesh.vertices) + np.arange(3 * len(places)).reshape(-1, 3)
    cut = replace(
        mesh,
        vertices=np.concatenate([mesh.vertices, places.reshape(-1, 3)]),
        faces=np.concatenate([mesh.faces[kept], new_faces]).astype(np.int32),
        face_parts=mesh.face_parts[old],
        face_materials=mesh.face_materials[old],
        corner_normals=joined(mesh.corner_normals),
        uv=None if mesh.uv is None else joined(mesh.uv),
    )
    return cut, old


def _middles_of_pieces(mesh: LabelledMesh) -> Float[np.ndarray, "f 3"]:
    """For each face the middle of the bounding box of the connected piece that it belongs to."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    a, b, c = mesh.faces.T
    count = len(mesh.vertices)
    edges = coo_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, c])), (count, count))
    number, of_vertex = connected_components(edges, directed=False)
    low, high = np.full((number, 3), np.inf), np.full((number, 3), -np.inf)
    used = np.unique(mesh.faces)
    np.minimum.at(low, of_vertex[used], mesh.vertices[used])
    np.maximum.at(high, of_vertex[used], mesh.vertices[used])
    return ((low + high) / 2)[of_vertex[a]]


def _only(record: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(record) - known)
    if unknown:
        raise ValueError(f"{', '.join(unknown)} is not known, only {', '.join(sorted(known))}")


def _interval(value: Any) -> tuple[float, float]:
    low, high = value
    return (-np.inf if low is None else float(low), np.inf if high is None else float(high))


def _numbers(value: Any, count: int) -> Any:
    numbers = tuple(float(number) for number in value)
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ValueError(f"{value} are not {count} numbers")
    return numbers
