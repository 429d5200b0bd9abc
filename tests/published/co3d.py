"""A CO3D category: a ball with coloured squares on it, in a world of arbitrary place, turn and size."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from published import blobs

WIDTH, HEIGHT = 320, 240
FOCAL = np.array([300.0, 310.0])
PRINCIPAL = np.array([165.0, 112.0])
RADIUS, DISTANCE = 2.0, 9.0
CENTRE = np.array([3.0, -20.0, 7.0])
UP = np.array([0.36, 0.48, 0.8])
SIDE = np.array([0.8, -0.6, 0.0])
AHEAD = np.cross(UP, SIDE)
DIRECTIONS = np.array([SIDE, -SIDE, UP, AHEAD, -AHEAD])
POINTS = CENTRE + RADIUS * DIRECTIONS
"""On the ball, one of each of ``blobs.COLOURS``."""
SCALE_ADJUSTMENT = 0.37


def pose_of(view: int, views: int) -> np.ndarray:
    angle, height = 2 * np.pi * view / views + 0.2, 0.35
    around = np.cos(angle) * SIDE + np.sin(angle) * AHEAD
    position = CENTRE + DISTANCE * (np.sqrt(1 - height**2) * around + height * UP)
    return blobs.look_at(position, CENTRE + 0.3 * np.array([np.sin(3 * angle), 0, 1]), UP)


def write_frame(root: Path, category: str, sequence: str, number: int, view: int, views: int, form: str) -> Any:
    """Frame ``number`` of the annotations lies in files of another number, as in the published data."""
    folder = Path(category) / sequence
    for name in ("images", "masks", "depths", "depth_masks"):
        (root / folder / name).mkdir(parents=True, exist_ok=True)
    pose = pose_of(view, views)
    name = f"frame{view + 1:06d}"
    rows, columns = np.indices((HEIGHT, WIDTH)) + 0.5
    local = np.stack([(columns - PRINCIPAL[0]) / FOCAL[0], (rows - PRINCIPAL[1]) / FOCAL[1], np.ones_like(rows)], -1)
    rays = local @ pose[:3, :3].T  # of length 1 ahead
    away = pose[:3, 3] - CENTRE
    a, b, c = (rays**2).sum(-1), 2 * rays @ away, away @ away - RADIUS**2
    root_of = b**2 - 4 * a * c
    inside = root_of > 0
    ahead = np.where(inside, (-b - np.sqrt(np.maximum(root_of, 0))) / (2 * a), 0)
    picture = np.random.default_rng(view).integers(90, 130, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    picture[inside] = 150
    towards = ((POINTS - CENTRE) * (pose[:3, 3] - POINTS)).sum(1) > 0
    positions = np.where(towards[:, None], blobs.project(pose, FOCAL, PRINCIPAL, POINTS), -100)
    blobs.draw(picture, positions, 5)
    Image.fromarray(picture).save(root / folder / "images" / f"{name}.jpg", quality=97, subsampling=0)
    Image.fromarray((inside * 255).astype(np.uint8)).save(root / folder / "masks" / f"{name}.png")
    bits = (ahead / SCALE_ADJUSTMENT).astype(np.float16).view(np.uint16)
    Image.fromarray(bits).save(root / folder / "depths" / f"{name}.jpg.geometric.png")
    valid = inside & (columns < WIDTH - 40)
    Image.fromarray(valid).save(root / folder / "depth_masks" / f"{name}.png")  # 1 bit
    flip = np.diag([-1.0, -1.0, 1.0])  # OpenCV's axes to PyTorch3D's
    rotation = pose[:3, :3] @ flip
    rescale = np.array([WIDTH, HEIGHT]) / 2 if form == "ndc_norm_image_bounds" else min(WIDTH, HEIGHT) / 2
    return {
        "sequence_name": sequence,
        "frame_number": number,
        "frame_timestamp": number / 30,
        "image": {"path": str(folder / "images" / f"{name}.jpg"), "size": [HEIGHT, WIDTH]},
        "depth": {
            "path": str(folder / "depths" / f"{name}.jpg.geometric.png"),
            "scale_adjustment": SCALE_ADJUSTMENT,
            "mask_path": str(folder / "depth_masks" / f"{name}.png"),
        },
        "mask": {"path": str(folder / "masks" / f"{name}.png"), "mass": float(inside.sum())},
        "viewpoint": {
            "R": rotation.tolist(),
            "T": (-pose[:3, 3] @ rotation).tolist(),
            "focal_length": (FOCAL / rescale).tolist(),
            "principal_point": ((np.array([WIDTH, HEIGHT]) / 2 - PRINCIPAL) / rescale).tolist(),
            "intrinsics_format": form,
        },
        "meta": {"frame_type": "train_known"},
    }


def write_category(
    root: Path, sequences: dict[str, str], views: int = 8, category: str = "chair", form: str = "ndc_isotropic"
) -> None:
    """``sequences``: name -> the split that it is of."""
    frames, lists = [], {"train": [], "val": [], "test": []}
    for sequence, split in sequences.items():
        for view in range(views):
            number = 10 + 2 * view
            frames.append(write_frame(root, category, sequence, number, view, views, form))
            lists[split].append([sequence, number, frames[-1]["image"]["path"]])
    write_annotations(root / category, frames)
    with gzip.open(root / category / "sequence_annotations.jgz", "wb") as file:
        file.write(json.dumps([{"sequence_name": s, "category": category} for s in sequences]).encode())
    (root / category / "set_lists").mkdir()
    (root / category / "set_lists" / "set_lists_fewview_dev.json").write_text(json.dumps(lists))


def write_annotations(folder: Path, frames: list[Any]) -> None:
    with gzip.open(folder / "frame_annotations.jgz", "wb") as file:
        file.write(json.dumps(frames).encode())


def read_annotations(folder: Path) -> list[Any]:
    with gzip.open(folder / "frame_annotations.jgz", "rb") as file:
        return json.loads(file.read())
