"""Writing objects and label names in the layout of the release (``featurenerf.data.formats.release``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image

from featurenerf.arrays import to_npz
from featurenerf.cameras import OPENCV_TO_OPENGL, Camera
from featurenerf.data.formats.release import INTRINSICS, annotation_file, camera_file, picture_folder
from featurenerf.data.labels import ANNOTATIONS, AnnotationKind, LabelNames
from featurenerf.files import write_bytes, write_json
from featurenerf.pictures import to_png


@dataclass(frozen=True, eq=False)
class ObjectRecord:
    """All that is written of one object; None where it has no such annotation.

    Attributes:
        cameras: one camera a view (a batch), OpenGL axes.
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
    """Writes one object; each file appears whole or not at all, the camera file last.

    The disk is not waited for: that would take longer than rendering. After a loss of power files may be empty.
    """
    folder = picture_folder(root, synset, object_id)
    for view, picture in enumerate(record.pictures):
        content = to_png(Image.fromarray(picture), compress_level=3)
        write_bytes(folder / picture_name(view), content, durable=False)
    for kind, arrays in _annotation_arrays(record).items():
        write_bytes(annotation_file(root, kind, synset, object_id), to_npz(arrays), durable=False)
    camera = record.cameras
    poses = (camera.pose * OPENCV_TO_OPENGL).double().tolist()
    angle = 2 * np.arctan(camera.width / 2 / float(camera.focal[0, 0]))
    frames: list[dict[str, Any]] = [
        {"file_path": picture_name(view), "transform_matrix": pose} for view, pose in enumerate(poses)
    ]
    centre = torch.tensor([camera.width, camera.height]) / 2
    if (camera.focal != camera.focal[0, 0]).any() or (camera.principal != centre).any():
        for frame, numbers in zip(frames, torch.cat([camera.focal, camera.principal], 1).tolist(), strict=True):
            frame.update(zip(INTRINSICS, numbers, strict=True))
    write_json(camera_file(root, synset, object_id), {"camera_angle_x": float(angle), "frames": frames})


def _annotation_arrays(record: ObjectRecord) -> dict[AnnotationKind, dict[str, np.ndarray]]:
    arrays: dict[AnnotationKind, dict[str, np.ndarray]] = {}
    if record.parts is not None:
        arrays["part_2d"] = {"labels": record.parts.astype(np.int16)}
    if record.keypoints is not None:
        by_view = np.empty(len(record.keypoints), object)  # never (views, K, 3), even where every K is the same
        by_view[:] = [np.asarray(keypoints, np.int64) for keypoints in record.keypoints]
        arrays["kp_2d"] = {"labels": by_view}
    if record.part_points is not None and record.part_labels is not None:
        arrays["part_3d"] = {
            "pts": record.part_points.astype(np.float32),
            "labels": record.part_labels.astype(np.int64),
        }
    if record.candidates is not None and record.keypoint_labels is not None:
        points, labels = (a.astype(np.float32) for a in (record.candidates, record.keypoint_labels))
        arrays["kp_3d"] = {"pts": points, "labels": labels}
    return arrays


def picture_name(view: int) -> str:
    return f"{view:03d}.png"


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


def write_labels(root: Path, synset: str, names: LabelNames) -> None:
    write_json(root / "labels" / f"{synset}.json", asdict(names))
