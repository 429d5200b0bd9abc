"""Matching by descriptor: which candidate means the same as a query, and what follows from it.

Arrays in, arrays out. A descriptor is compared by cosine similarity, its norm floored at 1e-6, and the best candidate
wins outright: no training, no threshold, no cycle check (the protocol of FeatureNeRF, ICCV 2023). Of two pictures that
fields were made from, what the pictures themselves show counts beside descriptors (``featurenerf.shown``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from featurenerf.arrays import ArrayLike, as_tensor, floats
from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.shown import Seen, seen_by, share

NORM_FLOOR = 1e-6
"""A descriptor shorter than this is divided by this: empty space matches nothing well."""
FOREGROUND_ALPHA = 0.5
"""A rendered pixel belongs to the object where its alpha exceeds this."""

_ROWS, _COLUMNS = 512, 8192  # one block of scores: 16 MiB of float32
_TILE = 64  # divides both


@runtime_checkable
class DescribedField(Protocol):
    """What matching needs of a field (``featurenerf.fields.base.Field`` is one)."""

    @property
    def source(self) -> Camera: ...

    def query(self, points: Tensor, directions: Tensor | None = None, channels: Sequence[str] = ...) -> Any: ...

    def render(self, camera: Camera, channels: Sequence[str] = ...) -> Mapping[str, Tensor]: ...


# ---------------------------------------------------------------------- arrays to arrays


def normalise(vectors: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
    """Unit vectors; a norm below ``NORM_FLOOR`` counts as ``NORM_FLOOR``."""
    return vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(NORM_FLOOR)


def match(query: ArrayLike, candidates: ArrayLike) -> tuple[Int64[Tensor, " n"], Float[Tensor, " n"]]:
    """The candidate most similar to each query.

    Args:
        query: (N, D) descriptors of any length, on any device; tensors or NumPy arrays.
        candidates: (M, D) descriptors, M >= 1. N and M may be of any size: scores are made a block at a time.
    Returns:
        index: (N,) of the candidate with the highest cosine similarity; the lowest index where several tie.
        score: (N,) that similarity, in [-1, 1]; no gradient flows through it.
    Raises:
        InputError: for arrays that are not (N, D) and (M, D), no candidate, or NaN or infinite numbers.
    """
    return _best(query, candidates, _cosine)


def nearest(query: ArrayLike, candidates: ArrayLike) -> tuple[Int64[Tensor, " n"], Float[Tensor, " n"]]:
    """As ``match``, by Euclidean distance; the score is minus the distance."""
    return _best(query, candidates, lambda a, b: -torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist"))


def _cosine(query: Float[Tensor, "n d"], candidates: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """Cosine similarities, equal for equal candidates: whole tiles of rows and columns, since matrix multiplication
    routines sum in another order at the edges, by which a copy could beat its original by a rounding error."""
    rows, columns = -len(query) % _TILE, -len(candidates) % _TILE
    product = F.pad(normalise(query), (0, 0, 0, rows)) @ F.pad(normalise(candidates), (0, 0, 0, columns)).T
    return product[: len(query), : len(candidates)]


@torch.no_grad()
def _best(
    query: ArrayLike, candidates: ArrayLike, similarity: Callable[[Tensor, Tensor], Tensor]
) -> tuple[Int64[Tensor, " n"], Float[Tensor, " n"]]:
    """Arg-max of a similarity over the candidates in blocks; the lowest index wins a tie."""
    query, candidates = (_exact(given, f"the {name}") for given, name in ((query, "query"), (candidates, "candidates")))
    if query.ndim != 2 or candidates.ndim != 2 or query.shape[1] != candidates.shape[1]:
        raise InputError(
            "matching needs (N, D) queries and (M, D) candidates of one D, "
            f"not {tuple(query.shape)} and {tuple(candidates.shape)}"
        )
    if len(candidates) == 0:
        raise InputError("there is no candidate to match with: the target has no visible pixel or no point")
    dtype = torch.float64 if torch.float64 in (query.dtype, candidates.dtype) else torch.float32
    query, candidates = query.to(dtype), candidates.to(query.device, dtype)
    if not (torch.isfinite(query).all() and torch.isfinite(candidates).all()):
        raise InputError("descriptors to match hold NaN or infinite numbers")
    index = torch.zeros(len(query), dtype=torch.int64, device=query.device)
    score = torch.full((len(query),), -torch.inf, dtype=dtype, device=query.device)
    for column in range(0, len(candidates), _COLUMNS):
        some = candidates[column : column + _COLUMNS]
        for row in range(0, len(query), _ROWS):
            rows = slice(row, row + _ROWS)
            scores = similarity(query[rows], some)
            best = scores.argmax(1)
            value = scores.gather(1, best[:, None])[:, 0]
            better = value > score[rows]
            index[rows] = torch.where(better, best + column, index[rows])
            score[rows] = torch.where(better, value, score[rows])
    return index, score


# ---------------------------------------------------------------------- two pictures


def comparable(
    ours: Float[Tensor, "n d"],
    theirs: Float[Tensor, "m d"],
    one: Seen | None,
    other: Seen | None,
    pixels: Int64[Tensor, "n 2"],
    candidates: Int64[Tensor, "m 2"],
) -> tuple[Float[Tensor, "n e"], Float[Tensor, "m e"]]:
    """Vectors of pixels (column, row) of two pictures, by whose cosine they are matched: that of their descriptors or,
    where both pictures show something by themselves, its weighted mean with that of what they show."""
    if one is None or other is None:
        return ours, theirs
    part = share(one, other)
    return _mixed(ours, one.vectors(pixels), part), _mixed(theirs, other.vectors(candidates), part)


def _mixed(descriptors: Float[Tensor, "n d"], seen: Float[Tensor, "n c"], part: float) -> Float[Tensor, "n e"]:
    """Vectors whose scalar products are the weighted means of two cosines."""
    return torch.cat([(1 - part) ** 0.5 * normalise(descriptors), part**0.5 * seen.to(descriptors)], -1)


@dataclass(frozen=True, eq=False)
class _Picture:
    """What matching reads of a picture of a field.

    Attributes:
        descriptors: of its pixels, not normalised.
        on_object: the pixels of the object: those that the picture that was taken covers, or where alpha exceeds 0.5.
        seen: what that picture shows by itself, where the field was made from it and keeps that.
    """

    descriptors: Float[Tensor, "h w d"]
    on_object: Bool[Tensor, "h w"]
    seen: Seen | None

    def at(self, pixels: Int64[Tensor, "n 2"]) -> Float[Tensor, "n d"]:
        """Descriptors of pixels (column, row)."""
        column, row = pixels.to(self.descriptors.device).unbind(-1)
        return self.descriptors[row, column]


@torch.no_grad()
def _picture(field: DescribedField, camera: Camera, use_pictures: bool) -> _Picture:
    rendered = field.render(camera, channels=("descriptor", "alpha"))
    seen = seen_by(first_source_camera(field), camera) if use_pictures else None
    on_object = rendered["alpha"][..., 0] > FOREGROUND_ALPHA
    if seen is not None and (covered := seen.covered()) is not None:
        on_object = covered.to(on_object.device)
    return _Picture(rendered["descriptor"], on_object, seen)


# ---------------------------------------------------------------------- fields to annotations


def transfer_keypoints(
    source: DescribedField,
    target: DescribedField,
    keypoints: ArrayLike,
    source_camera: Camera | None = None,
    target_camera: Camera | None = None,
    *,
    candidates: ArrayLike | None = None,
    use_pictures: bool = True,
) -> tuple[Float[Tensor, "k c"], Float[Tensor, " k"]]:
    """Where the keypoints of one object lie on another.

    In pictures (``candidates=None``): descriptors are rendered at both cameras, and each keypoint goes to the pixel of
    the target's object with the most similar one. In space: descriptors are queried at the points themselves.

    Where both pictures are those that the fields were made from, the network's features of the pictures themselves
    count, too: the more, the less their best matches move from one picture to the other, and less where the cameras
    see opposite sides. That last takes both worlds to have one front, as ``encode`` asks for; where they have not, and
    the objects may be seen from opposite sides, give ``use_pictures=False``. The object is then what the target's
    picture covers; in other views, and of fields that keep no picture (edited ones, those of several pictures, the
    paper's model), it is where alpha exceeds 0.5.

    Args:
        source, target: fields; they may be the same one.
        keypoints: (K, 2) pixels of the source picture, (x, y) with the first pixel's centre at (0.5, 0.5): the pixel
            that holds the keypoint counts. In space: (K, 3) world points of the source.
        source_camera, target_camera: the pictures that are meant; None is the (first) view the field was made from.
        candidates: (M, 3) world points of the target to choose from.
        use_pictures: False compares what fields say alone: rendered descriptors, on rendered alpha.
    Returns:
        positions: (K, 2) pixel centres of the target picture, or (K, 3) of the candidates.
        score: (K,) cosine similarities; with pictures, the weighted mean of two.
    Raises:
        InputError: for arrays of another shape, a keypoint outside the picture, or a target with nothing to match.
    """
    keypoints = _exact(keypoints, "keypoints")
    if candidates is not None:
        points = _points(_exact(candidates, "candidates"), "candidates")
        index, score = match(_describe(source, _points(keypoints, "keypoints")), _describe(target, points))
        return points.to(index.device)[index], score
    source_camera = _one(source_camera or first_source_camera(source))
    target_camera = _one(target_camera or first_source_camera(target))
    asked = keypoint_pixels(keypoints, source_camera.width, source_camera.height)
    one, other = _picture(source, source_camera, use_pictures), _picture(target, target_camera, use_pictures)
    pixels = other.on_object.nonzero().flip(-1)  # (M, 2) column, row
    if len(pixels) == 0:
        raise InputError("the target's picture shows no object (no pixel with alpha above 0.5): use another camera")
    index, score = match(*comparable(one.at(asked), other.at(pixels), one.seen, other.seen, asked, pixels))
    return pixels.to(index.device)[index].float() + 0.5, score


def transfer_parts(
    source: DescribedField,
    target: DescribedField,
    labels: ArrayLike,
    source_camera: Camera | None = None,
    target_camera: Camera | None = None,
    target_mask: ArrayLike | None = None,
    *,
    source_points: ArrayLike | None = None,
    target_points: ArrayLike | None = None,
    use_pictures: bool = True,
) -> Int64[Tensor, "*target_places"]:
    """The part labels of one object carried over to another: every place takes the label of its best match.

    Args:
        source, target: fields; they may be the same one.
        labels: (H, W) integers of the source picture, 0 where there is none (such pixels are not matched with). In
            space: (N,), one a source point, all of them matched with.
        source_camera, target_camera: the pictures that are meant; None is the (first) view the field was made from.
        target_mask: (H, W), true where a label is wanted; None is where the target's object is.
        source_points, target_points: (N, 3) and (M, 3) world points; given together, parts are transferred in space.
        use_pictures: as in ``transfer_keypoints``, where it says what the pictures count.
    Returns:
        (H, W) labels of the target picture, 0 outside the mask; or (M,) labels of the target points.
    Raises:
        InputError: for arrays of another shape or kind, or no labelled pixel.
    """
    labels = as_tensor(labels, "labels")
    if labels.is_floating_point() or labels.is_complex():
        raise InputError(f"part labels are integers (0 = none), not {labels.dtype}")
    labels = labels.to(torch.int64)
    if source_points is not None or target_points is not None:
        if source_points is None or target_points is None:
            raise InputError("to transfer parts in space, give both source_points and target_points")
        known = _points(_exact(source_points, "source_points"), "source_points")
        wanted = _points(_exact(target_points, "target_points"), "target_points")
        if labels.shape != known.shape[:1]:
            raise InputError(f"labels must be ({len(known)},), one a source point, not {tuple(labels.shape)}")
        index, _ = match(_describe(target, wanted), _describe(source, known))
        return labels.to(index.device)[index]
    source_camera = _one(source_camera or first_source_camera(source))
    target_camera = _one(target_camera or first_source_camera(target))
    _same_size(labels, source_camera, "labels")
    if not (labels > 0).any():
        raise InputError("no pixel of the labels is labelled (above 0): there is nothing to transfer")
    one, other = _picture(source, source_camera, use_pictures), _picture(target, target_camera, use_pictures)
    if target_mask is None:
        mask = other.on_object
    else:
        given = as_tensor(target_mask, "target_mask")
        if given.is_complex():
            raise InputError(f"target_mask is true or false, or a number, in each pixel, not {given.dtype}")
        mask = given.to(other.descriptors.device) > 0
        _same_size(mask, target_camera, "target_mask")
    labels = labels.to(one.descriptors.device)
    wanted, known = (where.nonzero().flip(-1) for where in (mask, labels > 0))
    index, _ = match(*comparable(other.at(wanted), one.at(known), other.seen, one.seen, wanted, known))
    transferred = torch.zeros(mask.shape, dtype=torch.int64, device=mask.device)
    transferred[mask] = labels[labels > 0][index.to(labels.device)].to(mask.device)
    return transferred


def _exact(given: ArrayLike, what: str) -> Tensor:
    """Numbers as a tensor of floats; lists in double precision, as NumPy has them."""
    return floats(given, what, dtype=torch.float32 if isinstance(given, (Tensor, np.ndarray)) else torch.float64)


def _one(camera: Camera) -> Camera:
    """One camera; a batch of one is it.

    Raises:
        InputError: there are several.
    """
    if camera.batch_shape.numel() != 1:
        raise InputError(
            f"marks and labels are those of one picture, and there are cameras {tuple(camera.batch_shape)}: give one"
        )
    return camera.reshape()


def first_source_camera(field: DescribedField) -> Camera:
    """The camera of the (first) picture that a field was made from."""
    return field.source.reshape(-1)[0]


def keypoint_pixels(keypoints: Shaped[Tensor, "k c"], width: int, height: int) -> Int64[Tensor, "k 2"]:
    """The (column, row) of the pixels that hold keypoints ``(x, y)``.

    Raises:
        InputError: for an array that is not (K, 2), and for a keypoint outside the picture.
    """
    if keypoints.ndim != 2 or keypoints.shape[1] != 2:
        raise InputError(
            f"keypoints of a picture are (K, 2) pixels (x, y), not {tuple(keypoints.shape)}; "
            "for (K, 3) points give candidates="
        )
    outside = ~((keypoints >= 0) & (keypoints < torch.tensor([width, height], device=keypoints.device))).all(-1)
    if outside.any():
        number = int(outside.nonzero()[0])
        where = tuple(keypoints[number].tolist())
        raise InputError(f"keypoint {number} at {where} lies outside the picture of {width} x {height} pixels")
    return keypoints.floor().to(torch.int64)


def _points(points: Tensor, name: str) -> Float[Tensor, "n 3"]:
    """World points checked, in floating point."""
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"{name} must be (N, 3) world points, not {tuple(points.shape)}")
    return points if points.is_floating_point() else points.float()


@torch.no_grad()
def _describe(field: DescribedField, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n d"]:
    """Descriptors at world points."""
    return field.query(points.to(field.source.pose.device), channels=("descriptor",)).descriptor


def _same_size(array: Tensor, camera: Camera, name: str) -> None:
    if array.shape != (camera.height, camera.width):
        raise InputError(
            f"{name} must be ({camera.height}, {camera.width}) like the picture of its camera, not {tuple(array.shape)}"
        )
