"""Generated objects, written as SRN, CO3D or SPair-71k has them, so that recipes can be tried without those data."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
from jaxtyping import UInt8
from PIL import Image

from featurenerf.cameras import OPENCV_TO_OPENGL
from featurenerf.data.formats.spair import CATEGORIES
from featurenerf.data.formats.srn import FRONT_TO_X, SOURCE_VIEW, UNITS
from featurenerf.data.objects import Dataset, ObjectViews
from featurenerf.data.open import open_splits
from featurenerf.errors import InputError

ENLARGED = 4
"""Photographs have more pixels than toy pictures."""
PAIRS = 6


@dataclass(frozen=True)
class ToyData:
    """Write a generated category in another data set's form."""

    data: Path
    category: str
    form: Literal["srn", "co3d", "spair"]
    out: Path


def main(argv: Sequence[str]) -> None:
    config = tyro.cli(ToyData, args=list(argv))
    splits = open_splits(config.data, config.category)
    if config.form == "srn":
        write_srn(config.out, config.category, splits)
    elif config.form == "co3d":
        write_co3d(config.out, config.category, splits)
    else:
        write_spair(config.out, config.category, splits["test"])


def write_srn(root: Path, category: str, splits: dict[str, Dataset]) -> None:
    """Every object in the folder of its split; views of test objects again and again, up to the one that is encoded."""
    unit = UNITS[category]
    for split, dataset in splits.items():
        for views in dataset:
            folder, cameras = root / f"{unit.folder}_{split}" / views.id, views.cameras()
            pose = cameras.pose.clone()
            pose[:, :3, 3] /= unit.scale
            pose = FRONT_TO_X.T @ pose * OPENCV_TO_OPENGL
            for name in ("rgb", "pose"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            (focal, _), (x, y) = cameras.focal[0].tolist(), cameras.principal[0].tolist()
            size = f"{cameras.height} {cameras.width}"
            (folder / "intrinsics.txt").write_text(f"{focal} {x} {y} 0.\n0. 0. 0.\n1.\n{size}\n")
            for number in range(SOURCE_VIEW + 1 if split == "test" else len(views)):
                view = number % len(views)
                (folder / "pose" / f"{number:06d}.txt").write_text(" ".join(map(str, pose[view].flatten().tolist())))
                picture = _on_grey(views.picture(view), 255)
                Image.fromarray(picture).save(folder / "rgb" / f"{number:06d}.png")


def write_co3d(root: Path, category: str, splits: dict[str, Dataset]) -> None:
    """Every object as a sequence, in its split: pictures on grey, masks, cameras, no depth."""
    frames: list[dict[str, Any]] = []
    lists: dict[str, list[Any]] = {}
    for split, dataset in splits.items():
        lists[split] = []
        for views in dataset:
            for view in range(len(views)):
                frames.append(_co3d_frame(root, category, views, view))
                lists[split].append([views.id, view, frames[-1]["image"]["path"]])
    folder = root / category
    for name, content in (
        ("frame", frames),
        ("sequence", [{"sequence_name": v} for v in {f["sequence_name"] for f in frames}]),
    ):
        with gzip.open(folder / f"{name}_annotations.jgz", "wb") as file:
            file.write(json.dumps(content).encode())
    (folder / "set_lists").mkdir(exist_ok=True)
    (folder / "set_lists" / "set_lists_fewview_dev.json").write_text(json.dumps(lists))


def _co3d_frame(root: Path, category: str, views: ObjectViews, view: int) -> dict[str, Any]:
    relative = Path(category) / views.id
    picture, camera = _enlarged(views.picture(view)), views.camera(view)
    height, width = picture.shape[:2]
    for name in ("images", "masks"):
        (root / relative / name).mkdir(parents=True, exist_ok=True)
    image, mask = (str(relative / name) for name in (f"images/{view:06d}.jpg", f"masks/{view:06d}.png"))
    Image.fromarray(_on_grey(picture)).save(root / image, quality=95)
    Image.fromarray(picture[..., 3]).save(root / mask)
    pose = camera.pose.double().numpy()
    rotation = pose[:3, :3] @ np.diag([-1.0, 1.0, -1.0])  # OpenGL's axes to PyTorch3D's
    focal = float(camera.focal.flatten()[0]) * width / camera.width
    return {
        "sequence_name": views.id,
        "frame_number": view,
        "image": {"path": image, "size": [height, width]},
        "mask": {"path": mask, "mass": float((picture[..., 3] > 127).sum())},
        "viewpoint": {
            "R": rotation.tolist(),
            "T": (-pose[:3, 3] @ rotation).tolist(),
            "focal_length": [focal / (min(width, height) / 2)] * 2,
            "principal_point": [0.0, 0.0],
            "intrinsics_format": "ndc_isotropic",
        },
    }


def write_spair(root: Path, category: str, dataset: Dataset) -> None:
    """The data set's first pairs of objects as photographs with a box and keypoints."""
    name = CATEGORIES.get(category, category)
    for folder in (root / "JPEGImages" / name, root / "ImageAnnotation" / name, root / "PairAnnotation" / "test"):
        folder.mkdir(parents=True, exist_ok=True)
    numbers: dict[tuple[str, int], int] = {}
    known: dict[int, dict[str, Any]] = {}
    written = 0
    for pair in dataset.cross_inst_pairs:
        ends = [(pair.source_id, pair.source_view), (pair.target_id, pair.target_view)]
        for end in ends:
            number = numbers.setdefault(end, len(numbers))
            if number not in known:
                known[number] = _spair_image(root, name, f"{number:04d}", dataset[end[0]], end[1])
        source, target = (known[numbers[end]] for end in ends)
        shared = [n for n, point in source["kps"].items() if point is not None and target["kps"].get(n) is not None]
        if not shared:
            continue
        about = {
            "category": name,
            **{f"{side}_imname": end["filename"] for side, end in (("src", source), ("trg", target))},
            **{f"{side}_bndbox": end["bndbox"] for side, end in (("src", source), ("trg", target))},
            **{f"{side}_kps": [end["kps"][n] for n in shared] for side, end in (("src", source), ("trg", target))},
        }
        stems = [end["filename"].removesuffix(".jpg") for end in (source, target)]
        path = root / "PairAnnotation" / "test" / f"{written:06d}-{stems[0]}-{stems[1]}:{name}.json"
        path.write_text(json.dumps(about))
        written += 1
        if written == PAIRS:
            break
    if not written:
        raise InputError(f"no pair of {category} in {dataset.root} shares a keypoint: make more objects")


def _spair_image(root: Path, category: str, name: str, views: ObjectViews, view: int) -> dict[str, Any]:
    picture = _enlarged(views.picture(view))
    rows, columns = np.nonzero(picture[..., 3] > 127)
    Image.fromarray(_on_grey(picture)).save(root / "JPEGImages" / category / f"{name}.jpg", quality=95)
    keypoints = {str(n): [ENLARGED * int(x) + 2, ENLARGED * int(y) + 2] for x, y, n in views.keypoints(view)}
    about = {
        "filename": f"{name}.jpg",
        "category": category,
        "bndbox": [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1],
        "kps": {str(n): keypoints.get(str(n)) for n in range(30)},
    }
    (root / "ImageAnnotation" / category / f"{name}.json").write_text(json.dumps(about))
    return about


def _enlarged(picture: UInt8[np.ndarray, "h w 4"]) -> UInt8[np.ndarray, "h2 w2 4"]:
    return picture.repeat(ENLARGED, 0).repeat(ENLARGED, 1)


def _on_grey(picture: UInt8[np.ndarray, "h w 4"], grey: int = 170) -> UInt8[np.ndarray, "h w 3"]:
    alpha = picture[..., 3:].astype(np.float32) / 255
    return (picture[..., :3] * alpha + grey * (1 - alpha)).round().astype(np.uint8)


if __name__ == "__main__":
    main(sys.argv[1:])
