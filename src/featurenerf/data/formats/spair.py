"""SPair-71k (Min et al., 2019): photographs with a box and keypoints each, and pairs of them.

    JPEGImages/<category>/<image>.jpg
    ImageAnnotation/<category>/<image>.json                      bndbox [x1, y1, x2, y2], kps {"0": [x, y] or null}
    PairAnnotation/{trn,val,test}/<id>-<src>-<trg>:<category>.json
    Layout/large/{trn,val,test}.txt                              the pairs of a split, a line each

An object is a photograph: one view. It is cut to the square that the canonical camera would show of an object with its
box; its alpha is the automatic mask inside the box, or the box itself where there is no mask. Its camera is assumed.
The files number the keypoints and do not name them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from featurenerf import masks
from featurenerf.cameras import PICTURE_SIZE, Camera
from featurenerf.categories import SYNSETS, category_name
from featurenerf.data.formats.files import read_image
from featurenerf.data.labels import AnnotationKind
from featurenerf.data.objects import Dataset, Format, ObjectViews
from featurenerf.data.splits import SPLITS, Split
from featurenerf.data.storage import read_file, read_json
from featurenerf.errors import InputError, MissingExtraError
from featurenerf.limits import LENGTH, parsing
from featurenerf.pictures import Square, canonical_square, cut_out, to_bytes, to_tensor

CATEGORIES = {"airplane": "aeroplane", "motorcycle": "motorbike"}
"""What SPair-71k calls the categories of other data sets, where it has another name for them."""
MASK_MARGIN = 0.15
"""The automatic mask sees the box and so much of its longer side around it."""
_FOLDERS = {"train": "trn", "val": "val", "test": "test"}
_AGAIN = "unpack it again"

MaskName = Literal["automatic", "box"]


@dataclass(frozen=True)
class KeypointPair:
    """Two photographs and the keypoints that both show, in pixel indices of the files' pictures.

    Attributes:
        source, target: ids of the photographs.
        source_keypoints, target_keypoints: (x, y), row by row the same keypoints.
        target_box: left, top, right and bottom of the target object.
    """

    source: str
    target: str
    source_keypoints: Float[np.ndarray, "k 2"]
    target_keypoints: Float[np.ndarray, "k 2"]
    target_box: Float[np.ndarray, " 4"]


def recognises(root: Path) -> bool:
    return (root / "PairAnnotation").is_dir()


def categories(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "ImageAnnotation").glob("*") if path.is_dir())


def open_split(root: Path, category: str, split: str, splits: Path | None) -> Dataset:
    """The photographs that the pairs of a split name; the pairs themselves are for ``read_pairs``."""
    if splits is not None:
        raise InputError(f"the splits of SPair-71k are its folders: leave {splits} out")
    name = _category(root, category)
    ids: dict[str, Any] = {
        part: tuple(sorted({image for path in _pair_files(root, name, part) for image in _images(path)}))
        for part in SPLITS
    }
    every = Split(**ids)
    synset = SYNSETS.get(category_name(category), name)
    objects = tuple(SpairImage(root, name, synset, image) for image in every.ids(split))
    if not objects:
        raise InputError(f"{root} has no {split} pairs of {name} in PairAnnotation/{_FOLDERS[split]}: {_AGAIN}")
    return Dataset(root, synset, split, objects, every, pairs_listed=False)


FORMAT = Format("spair", recognises, categories, open_split)


def read_pairs(root: Path, category: str, split: str) -> list[KeypointPair]:
    """The pairs of a category and a split, in the order of the layout file.

    Raises:
        InputError: naming a file that is missing or broken.
    """
    return [_read_pair(path) for path in _pair_files(root, _category(root, category), split)]


class SpairImage(ObjectViews):
    """One photograph."""

    def __init__(self, root: Path, category: str, synset: str, image: str) -> None:
        self.path = root / "JPEGImages" / category / f"{image}.jpg"
        self.annotation = root / "ImageAnnotation" / category / f"{image}.json"
        super().__init__(synset, image, self.path)

    def __len__(self) -> int:
        return 1

    def cameras(self) -> Camera:
        """The canonical camera, from the front and 20 degrees above: nobody knows where the real one stood."""
        return Camera.look_at([0.0])

    def picture(self, view: int) -> UInt8[np.ndarray, "h w 4"]:
        return self._cut[0].copy()

    @property
    def mask(self) -> MaskName:
        """Where the alpha of the picture comes from."""
        return self._cut[1]

    def has(self, kind: AnnotationKind) -> bool:
        return kind == "kp_2d"

    def keypoints(self, view: int) -> Int[np.ndarray, "k 3"]:
        """In pixels of ``picture``; those that it does not show are left out."""
        _, keypoints = self._annotations
        ids = np.array(sorted(keypoints), np.int64)
        pixels = self.to_square(np.array([keypoints[number] for number in ids], float).reshape(-1, 2))
        found = np.concatenate([np.floor(pixels).astype(np.int64), ids[:, None]], 1)
        return found[((pixels >= 0) & (pixels < PICTURE_SIZE)).all(1)]

    def to_square(self, keypoints: Float[np.ndarray, "k 2"]) -> Float[np.ndarray, "k 2"]:
        """Pixel indices in the file's picture as positions in ``picture``."""
        square = self.square
        return (keypoints + 0.5 - (square.x0, square.y0)) * (PICTURE_SIZE / square.side)

    def from_square(self, positions: Float[np.ndarray, "k 2"]) -> Float[np.ndarray, "k 2"]:
        """The inverse of ``to_square``."""
        square = self.square
        return positions * (square.side / PICTURE_SIZE) + (square.x0, square.y0) - 0.5

    @property
    def square(self) -> Square:
        """The part of the file's picture that ``picture`` shows."""
        return canonical_square(*self._annotations[0].tolist())

    @cached_property
    def _annotations(self) -> tuple[np.ndarray, dict[int, tuple[float, float]]]:
        """The box, and the keypoints by id."""
        content = read_json(self.annotation)
        with parsing(f"{self.annotation} is no image annotation of SPair-71k", _AGAIN):
            found = {int(number): point for number, point in content["kps"].items() if point is not None}
            keypoints = {number: (float(x), float(y)) for number, (x, y) in found.items()}
            if not all(0 <= number < 2**31 and _is_place(point) for number, point in keypoints.items()):
                raise ValueError("a keypoint is nowhere")
            return _box(content["bndbox"]), keypoints

    @cached_property
    def _cut(self) -> tuple[UInt8[np.ndarray, "h w 4"], MaskName]:
        rgb = to_tensor(read_image(self.path))
        inside = _inside(self._annotations[0], rgb.shape[2], rgb.shape[1])
        if not inside.any():
            raise InputError(f"{self.annotation}: its box lies outside the picture: {_AGAIN}")
        mask = _automatic_mask(rgb, inside)
        rgba = cut_out(rgb, inside.float() if mask is None else mask, self.square, PICTURE_SIZE)
        return to_bytes(rgba), "box" if mask is None else "automatic"


def _automatic_mask(rgb: Float[Tensor, "3 h w"], inside: Bool[Tensor, "h w"]) -> Float[Tensor, "h w"] | None:
    """The object in a box by ``featurenerf.masks``; None without the extra ``mask``, or where it finds nothing."""
    rows, columns = inside.any(1).nonzero()[:, 0], inside.any(0).nonzero()[:, 0]
    margin = round(MASK_MARGIN * max(len(rows), len(columns)))
    around = tuple(slice(max(0, int(line[0]) - margin), int(line[-1]) + 1 + margin) for line in (rows, columns))
    found = torch.zeros_like(rgb[0])
    try:
        found[around] = masks.foreground(rgb[(slice(None), *around)])
    except MissingExtraError:
        return None
    found = found * inside
    return found if (found > 0.5).sum() > 0.02 * inside.sum() else None


def _inside(box: Float[np.ndarray, " 4"], width: int, height: int) -> Bool[Tensor, "h w"]:
    left, top, right, bottom = box.tolist()
    x, y = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    return ((y > top) & (y < bottom))[:, None] & ((x > left) & (x < right))[None]


# ---------------------------------------------------------------------- files


def _category(root: Path, category: str) -> str:
    """The name of a category's folder."""
    name = CATEGORIES.get(category_name(category), category_name(category))
    present = categories(root)
    if name not in present:
        raise InputError(f"{root} is SPair-71k without {name!r}: it has {', '.join(present) or 'no ImageAnnotation'}")
    return name


def _pair_files(root: Path, category: str, split: str) -> list[Path]:
    """As the layout file lists them, or all that are in the folder where there is no layout file."""
    part = _FOLDERS[split]
    folder, listed = root / "PairAnnotation" / part, root / "Layout" / "large" / f"{part}.txt"
    if listed.is_file():
        names = read_file(listed).decode(errors="replace").split()
        return [folder / f"{name}.json" for name in names if name.endswith(f":{category}")]
    return sorted(folder.glob(f"*:{category}.json"))


def _images(path: Path) -> tuple[str, str]:
    """The two images that a pair's file name names: <id>-<src>-<trg>:<category>.json."""
    parts = path.stem.partition(":")[0].split("-")
    if len(parts) != 3:
        raise InputError(f"{path} is not named as a pair of SPair-71k, <id>-<image>-<image>:<category>.json")
    return parts[1], parts[2]


def _read_pair(path: Path) -> KeypointPair:
    content: dict[str, Any] = read_json(path)
    with parsing(f"{path} is no pair annotation of SPair-71k", _AGAIN):
        source, target = (np.array(content[key], float).reshape(-1, 2) for key in ("src_kps", "trg_kps"))
        if len(source) != len(target):
            raise ValueError(f"{len(source)} keypoints and {len(target)}")
        if not (_is_place(source) and _is_place(target)):
            raise ValueError("a keypoint is nowhere")
        names = [Path(content[key]).stem for key in ("src_imname", "trg_imname")]
        return KeypointPair(names[0], names[1], source, target, _box(content["trg_bndbox"]))


def _box(corners: Any) -> Float[np.ndarray, " 4"]:
    box = np.array(corners, float)
    if box.shape != (4,) or not _is_place(box) or (box[2:] <= box[:2]).any():
        raise ValueError(f"{corners} is no box")
    return box


def _is_place(numbers: Any) -> bool:
    return bool((np.abs(np.asarray(numbers, float)) < LENGTH).all())
