"""What a user does in the viewer: functions from a session to the next one, and the fields that edits make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featurenerf.errors import InputError
from featurenerf.fields.edits import Plain, isolated, recolored, removed
from featurenerf.fields.regions import Part, baked
from featurenerf.fields.volume import VolumeField
from featurenerf.masks import Mask
from featurenerf.matching import match
from featurenerf.models.base import Model
from featurenerf.pictures import Picture
from featurenerf.studio.clickable import LEAST_SCORE
from featurenerf.studio.edit import SMALLEST_PART, replaced, textured
from featurenerf.studio.parts import subject
from featurenerf.studio.shipped import shipped_picture
from featurenerf.studio.viewer.state import (
    MOST_NAMES,
    EditKind,
    FieldEdit,
    KeypointPlace,
    ViewedObject,
    ViewerSession,
    clean_name,
    matches,
    whole_surface,
    with_object,
)

BRUSHES = (0.01, 0.3)
"""The least and the greatest radius of the brush, in world units."""

BAKED_GRID = 80
"""Points a side of the grid on which a part is worked out before it is edited."""


# ---------------------------------------------------------------------- objects


def opened(model: Model, picture: Picture, name: str, mask: Mask | Literal["none"] | None = None) -> ViewedObject:
    """A picture as an object of a scene.

    A picture that ships with the package is taken from the camera that is known.

    Raises:
        InputError: when the picture cannot be read or shows no object.
    """
    made = subject(model, picture, mask=mask)
    given = isinstance(picture, (str, Path)) and shipped_picture(Path(picture)) is not None
    title = clean_name(name, "an object")
    return ViewedObject(title, made, whole_surface(made.field, title), given)


def added(session: ViewerSession, made: ViewedObject) -> ViewerSession:
    """A session with one more object; the parts that are labelled on its picture come with it.

    What the picture does not show of the surface takes the label of the most similar point that has one.
    """
    session = with_object(session, made)
    of, known = session.objects[-1], made.subject.labels
    if known is None:
        return session
    parts = session.parts + tuple(n for k, n in sorted(known.names.items()) if k > 0 and n not in session.parts)
    session = replace(session, parts=parts[:MOST_NAMES])
    shown, marks = of.surface.shown[0], torch.from_numpy(known.labels)
    rows, columns = (  # the surface may be seen in pictures of another size
        ((torch.arange(now) + 0.5) * then / now).long() for now, then in zip(shown.shape, marks.shape, strict=True)
    )
    marks = marks[rows][:, columns]
    labels = torch.zeros(len(of.points), dtype=torch.int64)
    for number, name in known.names.items():
        if number > 0 and name in session.parts:
            labels[shown[(marks == number) & (shown > 0)] - 1] = session.label(name)
    known_points, hidden = labels > 0, torch.ones(len(labels), dtype=torch.bool)
    hidden[shown[shown > 0] - 1] = False
    if known_points.any() and hidden.any():
        index, _ = match(of.surface.descriptors[hidden], of.surface.descriptors[known_points])
        labels[hidden] = labels[known_points][index]
    return _labelled(session, {of.name: labels})


def without(session: ViewerSession, name: str) -> ViewerSession:
    """A session without an object and what was marked on it.

    Edits that took from it go, too, and keypoints that were placed nowhere else.
    """
    session.object(name)
    edits = {of: tuple(edit for edit in some if edit.like != name) for of, some in session.edits.items() if of != name}
    keypoints = {k: {o: p for o, p in places.items() if o != name} for k, places in session.keypoints.items()}
    return replace(
        session,
        objects=tuple(each for each in session.objects if each.name != name),
        keypoints={k: places for k, places in keypoints.items() if any(at.placed for at in places.values())},
        labels={of: some for of, some in session.labels.items() if of != name},
        edits=edits,
    )


def first_hit(
    points: Float[Tensor, "n 3"], origin: Float[Tensor, " 3"], direction: Float[Tensor, " 3"], reach: float = 0.02
) -> int | None:
    """Number of the point of a cloud that a ray meets first; None where it passes further than ``reach`` from all.

    Of the points within reach the closest to the eye says how deep the surface is; of those no deeper than it by two
    reaches, the one closest to the ray is meant.
    """
    toward = points - origin
    along = toward @ (direction / direction.norm())
    away = (toward.square().sum(1) - along.square()).clamp(min=0).sqrt()
    near = (away <= reach) & (along > 0)
    if not near.any():
        return None
    front = near & (along <= along[near].min() + 2 * reach)
    return int(torch.where(front, away, torch.inf).argmin())


# ---------------------------------------------------------------------- keypoints


def keypoint_placed(session: ViewerSession, keypoint: str, of: str, point: int) -> ViewerSession:
    """A keypoint put at a surface point of an object; one that was carried to others stays there."""
    keypoint = clean_name(keypoint, "a keypoint")
    if keypoint not in session.keypoints and len(session.keypoints) >= MOST_NAMES:
        raise InputError(f"there are {MOST_NAMES} keypoints already: remove one first")
    x, y, z = session.object(of).points[point].tolist()
    places = {**session.keypoints.get(keypoint, {}), of: KeypointPlace((x, y, z))}
    return replace(session, keypoints={**session.keypoints, keypoint: places})


def keypoint_renamed(session: ViewerSession, old: str, new: str) -> ViewerSession:
    new = clean_name(new, "a keypoint")
    if old not in session.keypoints:
        raise InputError(f"there is no keypoint {old!r}; there are: {', '.join(session.keypoints) or 'none'}")
    if new != old and new in session.keypoints:
        raise InputError(f"there is a keypoint {new!r} already: give another name")
    return replace(session, keypoints={new if k == old else k: places for k, places in session.keypoints.items()})


def keypoint_removed(session: ViewerSession, keypoint: str) -> ViewerSession:
    return replace(session, keypoints={k: places for k, places in session.keypoints.items() if k != keypoint})


def keypoints_carried(session: ViewerSession, least: float = LEAST_SCORE) -> ViewerSession:
    """Every keypoint on all objects: where no user placed it, it goes to the best match of the first that one placed.

    Where the best match scores below ``least``, there is none, and an object goes without.
    """
    carried = {}
    for keypoint, places in session.keypoints.items():
        kept = {of: place for of, place in places.items() if place.placed}
        first = next(iter(kept))
        source = session.object(first)
        point = source.nearest(torch.tensor(kept[first].place))
        others = tuple(each for each in session.objects if each.name not in kept)
        for name, found in matches(source, point, others).items():
            if found.score >= least:
                x, y, z = session.object(name).points[found.point].tolist()
                kept[name] = KeypointPlace((x, y, z), found.score, False)
        carried[keypoint] = kept
    return replace(session, keypoints=carried)


def keypoints_record(session: ViewerSession) -> dict[str, Any]:
    """Keypoints as JSON: places in each object's world (z up, +x front, its diagonal is 1)."""
    return {
        "unit": "the object's bounding-box diagonal",
        "keypoints": {
            keypoint: {of: {"xyz": list(at.place), "score": at.score, "placed": at.placed} for of, at in places.items()}
            for keypoint, places in session.keypoints.items()
        },
    }


# ---------------------------------------------------------------------- parts


def part_named(session: ViewerSession, part: str) -> ViewerSession:
    """A session that knows a part of this name."""
    part = clean_name(part, "a part")
    if part in session.parts:
        return session
    if len(session.parts) >= MOST_NAMES:
        raise InputError(f"there are {MOST_NAMES} parts already")
    return replace(session, parts=(*session.parts, part))


def painted(session: ViewerSession, part: str | None, of: str, point: int, radius: float) -> ViewerSession:
    """A dab of the brush: surface points within a radius of one of them become the part; None erases.

    Raises:
        InputError: for a radius beyond ``BRUSHES``.
    """
    if not BRUSHES[0] <= radius <= BRUSHES[1]:
        raise InputError(f"the radius of the brush is {radius}: it must lie between {BRUSHES[0]} and {BRUSHES[1]}")
    session = session if part is None else part_named(session, part)
    label = 0 if part is None else session.label(clean_name(part, "a part"))
    at, labels = session.object(of), session.labels_of(of).clone()
    labels[(at.points - at.points[point]).norm(dim=1) <= radius] = label
    return _labelled(session, {of: labels})


def parts_carried(session: ViewerSession, of: str) -> ViewerSession:
    """The parts of one object on all others: every surface point takes the label of its best match.

    Raises:
        InputError: where nothing is painted on it.
    """
    source, labels = session.object(of), session.labels_of(of)
    if not (labels > 0).any():
        raise InputError(f"no part is painted on {of}: paint one first")
    found = {}
    for other in session.objects:
        if other.name != of:
            index, _ = match(other.surface.descriptors, source.surface.descriptors)
            found[other.name] = labels[index]
    return _labelled(session, found)


def parts_of_words(session: ViewerSession, scores: Mapping[str, Tensor], words: Sequence[str]) -> ViewerSession:
    """Every surface point of all objects becomes the part whose name, one of some words, it is most like.

    Args:
        scores: name of the object -> (points, words).
    Raises:
        InputError: for less than two words.
    """
    if len(words) < 2:
        raise InputError("a part is found by what it is more like than others: give two words or more")
    for word in words:
        session = part_named(session, word)
    labels = torch.tensor([session.label(clean_name(word, "a part")) for word in words])
    return _labelled(session, {of.name: labels[scores[of.name].argmax(1)] for of in session.objects})


def part_counts(session: ViewerSession) -> dict[str, dict[str, int]]:
    """Number of surface points of each part, by object."""
    return {
        of.name: {
            part: int((session.labels_of(of.name) == number).sum()) for number, part in enumerate(session.parts, 1)
        }
        for of in session.objects
    }


def _labelled(session: ViewerSession, labels: Mapping[str, Tensor]) -> ViewerSession:
    return replace(session, labels={**session.labels, **labels})


# ---------------------------------------------------------------------- edits


def edited(
    session: ViewerSession,
    kind: EditKind,
    of: str,
    part: str,
    like: str | None = None,
    color: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> ViewerSession:
    """One more edit of an object's part, as the parts are painted now.

    Raises:
        InputError: where the part is not painted on the object, or the edit needs another object.
    """
    region = session.labels_of(of) == session.label(part)
    if not region.any():
        raise InputError(f"the part {part!r} is not painted on {of}: paint it, or carry it over")
    like_region = None
    if kind in ("texture", "replace"):
        if like is None or like == of:
            raise InputError(f"the edit {kind!r} takes from another object: choose one")
        marked = session.labels_of(like) == session.label(part)
        like_region = marked if int(marked.sum()) >= SMALLEST_PART else None
    edit = FieldEdit(kind, part, region, color, like if kind in ("texture", "replace") else None, like_region)
    return replace(session, edits={**session.edits, of: (*session.edits.get(of, ()), edit)})


def _part(of: ViewedObject, region: Bool[Tensor, " n"], own: bool = True) -> Part:
    """The part as a region of a field: of the object itself, or of any other."""
    device = of.shape.source.pose.device
    descriptors, labels, points = (x.to(device) for x in (of.surface.descriptors, region.long(), of.points))
    return Part(descriptors, labels, 1, points if own else None)


def edited_object(session: ViewerSession, of: str) -> VolumeField:
    """The field of an object after all of its edits.

    Raises:
        InputError: where an edit cannot be made, such as parts that do not correspond.
    """
    at = session.object(of)
    field = at.shape
    for edit in session.edits.get(of, ()):
        region = baked(field, _part(at, edit.region), BAKED_GRID)
        if edit.kind == "recolor":
            field = recolored(field, region, Plain(edit.color))
        elif edit.kind in ("remove", "isolate"):
            field = (removed if edit.kind == "remove" else isolated)(field, region)
        elif edit.like is not None:
            other = session.object(edit.like)
            own = edit.like_region is not None
            theirs = _part(other, edit.like_region) if edit.like_region is not None else _part(at, edit.region, own)
            now = replace(at.subject, field=field)
            if edit.kind == "texture":
                field = textured(field, region, other.subject, theirs)
            else:
                field, _ = replaced(now, region, other.subject, theirs)
    return field
