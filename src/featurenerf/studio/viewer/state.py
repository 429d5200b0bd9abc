"""What a session of the viewer is, as values that never change: objects, keypoints, parts, edits, and their past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from featurenerf.errors import InputError
from featurenerf.fields.base import Field
from featurenerf.fields.volume import VolumeField
from featurenerf.matching import match
from featurenerf.studio import figures
from featurenerf.studio.clickable import SurfaceCells, surface_cells, turned
from featurenerf.studio.export import all_around
from featurenerf.studio.parts import Subject

EditKind = Literal["texture", "recolor", "remove", "isolate", "replace"]
EDITS: tuple[EditKind, ...] = get_args(EditKind)
MOST_OBJECTS = 16
"""Objects of a session."""
MOST_NAMES = 64
"""Names of keypoints, and of parts."""
NAME_LENGTH = 60
"""Letters of a name; it is cut there."""
SURFACE_SIZE = 128
"""Side of the pictures that a surface is found in."""
_REMEMBERED = 50  # steps that can be undone


@torch.no_grad()
def whole_surface(shape: Field, title: str) -> SurfaceCells:
    """The surface of a field, seen by its own camera first and then from all sides, from below to above.

    Raises:
        InputError: where the field shows no object.
    """
    cameras = [turned(shape, 1, SURFACE_SIZE)[0], *all_around(SURFACE_SIZE)]
    return surface_cells(cameras, figures.render_views(shape, cameras), title)


@dataclass(frozen=True, eq=False)
class ViewedObject:
    """A picture that became an object of the scene.

    Attributes:
        name: no other object of the session has it.
        subject: the picture and the field that it was encoded into.
        surface: of that field; marks are points of it.
        camera_given: whether the picture's camera was given; it was found otherwise.
    """

    name: str
    subject: Subject
    surface: SurfaceCells
    camera_given: bool = False

    @property
    def shape(self) -> VolumeField:
        """The field, as it was encoded."""
        return self.subject.field

    @property
    def points(self) -> Float[Tensor, "n 3"]:
        return self.surface.points

    def nearest(self, place: Float[Tensor, " 3"]) -> int:
        """Number of the surface point that is closest to a place in the object's world."""
        return int((self.points - place).norm(dim=1).argmin())


@dataclass(frozen=True)
class KeypointPlace:
    """Where a keypoint is on an object.

    Attributes:
        place: in the object's world.
        score: of the match that carried it there, a cosine; 1 where a user placed it.
        placed: whether a user placed it.
    """

    place: tuple[float, float, float]
    score: float = 1.0
    placed: bool = True


@dataclass(frozen=True, eq=False)
class FieldEdit:
    """An edit of one object, with the marks that it was made with.

    Attributes:
        region: of the surface points of the object, those that are the part.
        color: for "recolor", in [0, 1].
        like: name of the object that lends texture or shape.
        like_region: its part, as ``region``; None is where the part is carried over.
    """

    kind: EditKind
    part: str
    region: Bool[Tensor, " n"]
    color: tuple[float, float, float] = (0.0, 0.0, 0.0)
    like: str | None = None
    like_region: Bool[Tensor, " m"] | None = None


@dataclass(frozen=True, eq=False)
class ViewerSession:
    """Everything that is saved and undone.

    Attributes:
        keypoints: name of the keypoint -> name of the object -> where it is.
        parts: names of the labels 1, 2, ...
        labels: name of the object -> label of each surface point, 0 = none.
        edits: name of the object -> its edits, in their order.
    """

    objects: tuple[ViewedObject, ...] = ()
    keypoints: Mapping[str, Mapping[str, KeypointPlace]] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    labels: Mapping[str, Int64[Tensor, " _"]] = field(default_factory=dict)
    edits: Mapping[str, tuple[FieldEdit, ...]] = field(default_factory=dict)

    def object(self, name: str) -> ViewedObject:
        """Raises InputError for a name that no object has."""
        for each in self.objects:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.objects)
        raise InputError(f"there is no object {name!r}; there are: {known or 'none'}")

    def labels_of(self, name: str) -> Int64[Tensor, " n"]:
        found = self.labels.get(name)
        return torch.zeros(len(self.object(name).points), dtype=torch.int64) if found is None else found

    def keypoints_left(self) -> tuple[str, ...]:
        """Keypoints that some object is without, in words."""
        names = {
            keypoint: [of.name for of in self.objects if of.name not in at] for keypoint, at in self.keypoints.items()
        }
        return tuple(f"{keypoint} on {', '.join(missing)}" for keypoint, missing in names.items() if missing)

    def label(self, part: str) -> int:
        """Raises InputError for a name that no part has."""
        if part not in self.parts:
            raise InputError(f"there is no part {part!r}; there are: {', '.join(self.parts) or 'none'}")
        return self.parts.index(part) + 1


@dataclass(frozen=True, eq=False)
class History:
    """A session, what it was before, and what was undone."""

    present: ViewerSession = field(default_factory=ViewerSession)
    past: tuple[ViewerSession, ...] = ()
    undone: tuple[ViewerSession, ...] = ()

    def then(self, session: ViewerSession, same_step: bool = False) -> History:
        """The next session; one that belongs to the same step as the present one takes its place."""
        return History(session, self.past if same_step else (*self.past, self.present)[-_REMEMBERED:])

    def undo(self) -> History:
        if not self.past:
            raise InputError("there is nothing to undo")
        return History(self.past[-1], self.past[:-1], (*self.undone, self.present))

    def redo(self) -> History:
        if not self.undone:
            raise InputError("there is nothing to redo")
        return History(self.undone[-1], (*self.past, self.present), self.undone[:-1])


def clean_name(text: str, what: str) -> str:
    """A name as it is kept: one line, not too long.

    Raises:
        InputError: where nothing is left.
    """
    name = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:NAME_LENGTH].strip()
    if not name:
        raise InputError(f"{what} needs a name")
    return name


@dataclass(frozen=True, eq=False)
class FoundMatch:
    """What of an object is most like a point.

    Attributes:
        point: number of the surface point.
        score: its cosine similarity.
        scores: those of all surface points.
    """

    point: int
    score: float
    scores: Float[Tensor, " n"]


def matches(of: ViewedObject, point: int, others: tuple[ViewedObject, ...]) -> dict[str, FoundMatch]:
    """The best match of a surface point on each of several objects, by name."""
    query = of.surface.descriptors[point][None]
    found = {}
    for other in others:
        index, score = match(query, other.surface.descriptors)
        found[other.name] = FoundMatch(int(index[0]), float(score[0]), other.surface.descriptors @ query[0])
    return found


def with_object(session: ViewerSession, made: ViewedObject) -> ViewerSession:
    """A session with one more object, whose name is changed where another has it.

    Raises:
        InputError: where there are too many.
    """
    if len(session.objects) >= MOST_OBJECTS:
        raise InputError(f"a scene holds at most {MOST_OBJECTS} objects: remove one first")
    taken, name, number = {each.name for each in session.objects}, made.name, 2
    while name in taken:
        name, number = f"{made.name} {number}", number + 1
    return replace(session, objects=(*session.objects, replace(made, name=name)))
