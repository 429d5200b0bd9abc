"""SPair-71k: photographs with a coloured square at every keypoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from published import blobs

WIDTH, HEIGHT = 300, 200


def write_image(
    root: Path, category: str, name: str, box: list[int], keypoints: dict[int, list[int]], plain: bool = True
) -> None:
    for folder in ("JPEGImages", "ImageAnnotation"):
        (root / folder / category).mkdir(parents=True, exist_ok=True)
    picture = np.full((HEIGHT, WIDTH, 3), 240, np.uint8)
    if not plain:
        picture[:] = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3))
    left, top, right, bottom = box
    picture[top + 4 : bottom - 4, left + 4 : right - 4] = 110
    for number, (x, y) in keypoints.items():
        picture[y - 6 : y + 7, x - 6 : x + 7] = blobs.COLOURS[number]
    Image.fromarray(picture).save(root / "JPEGImages" / category / f"{name}.jpg", quality=97, subsampling=0)
    annotation = {
        "filename": f"{name}.jpg", "src_database": "PASCAL VOC", "image_width": WIDTH, "image_height": HEIGHT,
        "image_depth": 3, "category": category, "pose": "Unspecified", "truncated": 0, "occluded": 0, "difficult": 0,
        "bndbox": box, "kps": {str(n): keypoints.get(n) for n in range(30)}, "azimuth_id": 3,
    }  # fmt: skip
    (root / "ImageAnnotation" / category / f"{name}.json").write_text(json.dumps(annotation))


def write_pair(root: Path, category: str, source: str, target: str, number: int = 1, split: str = "test") -> Path:
    """The pair of two images, and its line in the layout file."""
    ends = {}
    for side, name in (("src", source), ("trg", target)):
        image = json.loads((root / "ImageAnnotation" / category / f"{name}.json").read_text())
        ends[side] = {int(n): p for n, p in image["kps"].items() if p is not None}
        ends[f"{side}_box"] = image["bndbox"]
    shared = sorted(set(ends["src"]) & set(ends["trg"]))
    annotation: dict[str, object] = {
        "pair_id": number, "filename": f"{source}-{target}:{category}", "category": category,
        "mirror": 0, "viewpoint_variation": 1, "scale_variation": 0, "truncation": 0, "occlusion": 0,
        "kps_ids": [str(n) for n in shared],
    }  # fmt: skip
    for side, name in (("src", source), ("trg", target)):
        annotation |= {
            f"{side}_imname": f"{name}.jpg", f"{side}_imsize": [WIDTH, HEIGHT, 3],
            f"{side}_bndbox": ends[f"{side}_box"], f"{side}_kps": [ends[side][n] for n in shared], f"{side}_pose": 3,
        }  # fmt: skip
    folder, layout = root / "PairAnnotation" / split, root / "Layout" / "large"
    folder.mkdir(parents=True, exist_ok=True)
    layout.mkdir(parents=True, exist_ok=True)
    line = f"{number:06d}-{source}-{target}:{category}"
    path = folder / f"{line}.json"
    path.write_text(json.dumps(annotation))
    with open(layout / f"{split}.txt", "a") as file:
        file.write(line + "\n")
    return path
