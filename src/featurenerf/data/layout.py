"""The folders and files of a data set: where they lie, how one object's are written, how a split is.

    img/<synset>/<object>/<view>.png      RGBA pictures
    camera/<synset>/<object>.json         camera_angle_x, frames[].file_path, frames[].transform_matrix
    part_2d_anno/<synset>/<object>.npz    labels (views, H, W), 0 = background
    kp_2d_anno/<synset>/<object>.npz      labels: an array of objects, for each view a (K, 3) array of x, y, id
    part_3d_anno/<synset>/<object>.npz    pts (N, 3), labels (N,)
    kp_3d_anno/<synset>/<object>.npz      pts (M, 3) candidates on the surface, labels (K, 4): x, y, z, id
    splits/<synset>.json                  train, val, test, and the pairs that are evaluated

This is the layout of the FeatureNeRF release. Camera poses on disk are camera-to-world with OpenCV's axes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image

from featurenerf.cameras import Camera
from featurenerf.data.sources import DataPath, read_file
from featurenerf.errors import InputError

Root = TypeVar("Root", Path, DataPath)

SYNSETS = {
    "airplane": "02691156",
    "bottle": "02876657",
    "car": "02958343",
    "chair": "03001627",
    "motorcycle": "03790512",
    "table": "04379243",
}
"""Folder name of each category of the release."""

OPENGL_TO_OPENCV = torch.tensor([1.0, -1.0, -1.0, 1.0])
"""Multiplies the columns of a pose; its own inverse."""


def synset_of(root: DataPath, category: str) -> str:
    """The folder name of a category given by its name or by its synset.

    Raises:
        InputError: neither a category of the release nor a folder of this data set.
    """
    if category in SYNSETS:
        return SYNSETS[category]
    if category in SYNSETS.values() or (category.isalnum() and (root / "camera" / category).is_dir()):
        return category
    known = ", ".join(f"{name} ({synset})" for name, synset in SYNSETS.items())
    raise InputError(f"there is no category {category!r}; the known ones are: {known}")


def synsets_in(root: DataPath) -> list[str]:
    """The categories of a data set that have cameras or a split file."""
    folders = {path.name for path in (root / "camera").glob("*") if path.is_dir()}
    return sorted(folders | {path.stem for path in (root / "splits").glob("*.json")})


def category_name(synset: str) -> str:
    """The name of a synset, or the synset itself where it has none."""
    return next((name for name, known in SYNSETS.items() if known == synset), synset)


def picture_folder(root: Root, synset: str, object_id: str) -> Root:
    return root / "img" / synset / object_id


def camera_file(root: Root, synset: str, object_id: str) -> Root:
    return root / "camera" / synset / f"{object_id}.json"


def annotation_file(root: Root, kind: str, synset: str, object_id: str) -> Root:
    """``kind`` is part_2d, kp_2d, part_3d or kp_3d."""
    return root / f"{kind}_anno" / synset / f"{object_id}.npz"


def split_file(root: Root, synset: str, splits_dir: Root | None = None) -> Root:
    return (root / "splits" if splits_dir is None else splits_dir) / f"{synset}.json"


AnnotationKind = Literal["part_2d", "kp_2d", "part_3d", "kp_3d"]
"""What is annotated: parts or keypoints, in pictures or in space."""
ANNOTATIONS: tuple[AnnotationKind, ...] = get_args(AnnotationKind)


def object_files(
    root: Path, synset: str, object_id: str, views: int, annotations: Sequence[AnnotationKind] = ANNOTATIONS
) -> list[Path]:
    """Every file of an object as ``write_object`` writes it, in the order of writing."""
    folder = picture_folder(root, synset, object_id)
    return [
        *(folder / picture_name(view) for view in range(views)),
        *(annotation_file(root, kind, synset, object_id) for kind in annotations),
        camera_file(root, synset, object_id),
    ]


def picture_name(view: int) -> str:
    return f"{view:03d}.png"


# ---------------------------------------------------------------------- writing


@dataclass(frozen=True, eq=False)
class ObjectRecord:
    """All that is written of one object; None where it has no such annotation.

    Attributes:
        cameras: one camera a view (a batch), OpenGL axes; one focal length for all of them.
        pictures: RGBA.
        parts: part label of each pixel, 0 = background.
        keypoints: for each view, x, y (pixel indices) and id of the visible keypoints.
        part_points, part_labels: points on the surface and their parts.
        candidates: points on the surface among which keypoints are looked for.
        keypoint_labels: x, y, z, id of the object's keypoints.
    """

    cameras: Camera
    pictures: UInt8[np.ndarray, "v h w 4"]
    parts: Int[np.ndarray, "v h w"] | None = None
    keypoints: Sequence[Int[np.ndarray, "_ 3"]] | None = None
    part_points: Float[np.ndarray, "n 3"] | None = None
    part_labels: Int[np.ndarray, " n"] | None = None
    candidates: Float[np.ndarray, "m 3"] | None = None
    keypoint_labels: Float[np.ndarray, "k 4"] | None = None


def write_object(root: Path, synset: str, object_id: str, record: ObjectRecord) -> None:
    """Writes one object; each file appears whole or not at all, the camera file last."""
    folder = picture_folder(root, synset, object_id)
    for view, picture in enumerate(record.pictures):
        replace_file(folder / picture_name(view), _png(picture))
    for kind, arrays in _annotation_arrays(record).items():
        buffer = BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        replace_file(annotation_file(root, kind, synset, object_id), buffer.getvalue())
    camera = record.cameras
    poses = (camera.pose * OPENGL_TO_OPENCV).double().tolist()
    angle = 2 * np.arctan(camera.width / 2 / float(camera.focal[0, 0]))
    frames = [{"file_path": picture_name(view), "transform_matrix": pose} for view, pose in enumerate(poses)]
    write_json(camera_file(root, synset, object_id), {"camera_angle_x": float(angle), "frames": frames})


def _annotation_arrays(record: ObjectRecord) -> dict[AnnotationKind, dict[str, np.ndarray]]:
    arrays: dict[AnnotationKind, dict[str, np.ndarray]] = {}
    if record.parts is not None:
        arrays["part_2d"] = {"labels": record.parts.astype(np.int16)}
    if record.keypoints is not None:
        by_view = np.empty(len(record.keypoints), object)  # never (views, K, 3), even where every K is the same
        for view, keypoints in enumerate(record.keypoints):
            by_view[view] = np.asarray(keypoints, np.int64)
        arrays["kp_2d"] = {"labels": by_view}
    if record.part_points is not None and record.part_labels is not None:
        arrays["part_3d"] = {
            "pts": record.part_points.astype(np.float32),
            "labels": record.part_labels.astype(np.int64),
        }
    if record.candidates is not None and record.keypoint_labels is not None:
        arrays["kp_3d"] = {
            "pts": record.candidates.astype(np.float32),
            "labels": record.keypoint_labels.astype(np.float32),
        }
    return arrays


def write_json(path: Path, value: Any) -> None:
    replace_file(path, json.dumps(value).encode())


def replace_file(path: Path, content: bytes) -> None:
    """Writes a file under another name and moves it in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def _png(picture: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


# ---------------------------------------------------------------------- reading


def read_json(path: DataPath) -> Any:
    """Raises InputError where the file is missing or is not JSON."""
    content = read_file(path)
    try:
        return json.loads(content)
    except ValueError as error:
        raise InputError(f"{path} cannot be read ({error}): make or download it again") from error


def read_made(root: DataPath, synset: str) -> dict[str, Any]:
    """What ``made/<synset>.json`` says of how a category was made; empty where there is none.

    Raises:
        InputError: when it cannot be read.
    """
    path = root / "made" / f"{synset}.json"
    content = read_json(path) if path.is_file() else {}
    if not isinstance(content, dict):
        raise InputError(f"{path} does not say what made the data: make it again, or delete the file")
    return content


@dataclass(frozen=True)
class InstancePair:
    """Two objects seen from the view of the same index: ``view`` of ``src``'s picture and of ``trg``'s."""

    src: str
    trg: str
    view: int


@dataclass(frozen=True)
class ViewPair:
    """One object from two of its views."""

    model_id: str
    src_view: int
    trg_view: int


@dataclass(frozen=True)
class PosePair:
    """Two objects from two different views."""

    src: str
    trg: str
    src_view: int
    trg_view: int


@dataclass(frozen=True)
class Split:
    """A split file. ``cross_pose_pairs`` is this program's addition: the official files have none."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    cross_inst_pairs: tuple[InstancePair, ...] = ()
    cross_view_pairs: tuple[ViewPair, ...] = ()
    cross_pose_pairs: tuple[PosePair, ...] = ()
    valid_flags_for_test: dict[str, bool] | None = None

    def ids(self, split: str) -> tuple[str, ...]:
        """The objects of ``train``, ``val`` or ``test``."""
        if split not in ("train", "val", "test"):
            raise InputError(f"there is no split {split!r}; there are train, val and test")
        return getattr(self, split)


def write_split(path: Path, split: Split) -> None:
    content: dict[str, Any] = {name: list(split.ids(name)) for name in ("train", "val", "test")}
    for kind in ("cross_inst_pairs", "cross_view_pairs", "cross_pose_pairs"):
        content[kind] = [vars(pair) for pair in getattr(split, kind)]
    content["valid_flags_for_test"] = split.valid_flags_for_test or dict.fromkeys(split.test, True)
    write_json(path, content)


def read_split(path: DataPath) -> Split:
    """Raises InputError where the file is missing, is not JSON or lacks what a split file has."""
    content = read_json(path)
    try:
        return Split(
            tuple(_text(object_id) for object_id in content["train"]),
            tuple(_text(object_id) for object_id in content["val"]),
            tuple(_text(object_id) for object_id in content["test"]),
            tuple(
                InstancePair(_text(p["src"]), _text(p["trg"]), int(p["view"]))
                for p in content.get("cross_inst_pairs", ())
            ),
            tuple(
                ViewPair(_text(p["model_id"]), int(p["src_view"]), int(p["trg_view"]))
                for p in content.get("cross_view_pairs", ())
            ),
            tuple(
                PosePair(_text(p["src"]), _text(p["trg"]), int(p["src_view"]), int(p["trg_view"]))
                for p in content.get("cross_pose_pairs", ())
            ),
            {_text(key): bool(value) for key, value in content.get("valid_flags_for_test", {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is not a split file ({type(error).__name__}: {error}): it needs the lists train, val and test of "
            "object ids, and pairs as in the FeatureNeRF release"
        ) from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not an object id")
    return value
