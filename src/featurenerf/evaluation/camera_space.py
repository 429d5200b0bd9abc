"""Keypoints of one object found on another, in metres in the frame of the camera that sees it, hidden ones included.

The task is that of HouseCorr3D (arXiv 2605.28257), whose data were not out when this was written. Data are RGB-D
frames, ``FOLDER/CATEGORY.json`` and the files that it names::

    {"keypoints": ["seat front left", ...],
     "frames": [{"object": "a", "picture": "a.png", "depth": "a_depth.png", "depth_unit": 0.001, "diagonal": 0.9,
                 "intrinsics": [[fx, 0, cx], [0, fy, cy], [0, 0, 1]],
                 "keypoints": {"0": [x, y, z], ...},
                 "symmetries": [{"0": 1, "1": 0, ...}, ...]}, ...],
     "pairs": [[0, 1], ...]}

Depth is z-depth, 0 where there is none, times ``depth_unit`` in metres. Intrinsics are OpenCV's, keypoints are points
of the camera's frame (OpenCV axes) in metres. ``diagonal`` is that of the object's bounding box. A picture's alpha says
where the object is; without alpha that is found. A symmetry says to which keypoint each of them goes when the object
is turned onto itself; the identity need not be named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.data.formats.files import read_image
from featurenerf.data.splits import Pair
from featurenerf.data.storage import read_json
from featurenerf.errors import InputError
from featurenerf.evaluation import metrics
from featurenerf.evaluation.methods import METHODS, Inputs, Method
from featurenerf.evaluation.tasks import Evaluation, Scores, Task, score_pairs
from featurenerf.fields.registration import Registration
from featurenerf.lenses import intrinsic_matrix
from featurenerf.limits import parsing
from featurenerf.models.base import Model

TASK = Task("camera-space", "cross_inst_pairs", True, False, (0.05, 0.1, 0.2))
"""Its thresholds are in units of the diagonal of the target object."""
STEPS = 33
"""Candidates are the places of a cube of so many to the side where a field is solid."""
SOLID = 0.25
"""A field is solid where its density is above this share of its largest."""
HIDDEN = 0.03
"""A keypoint is hidden that lies so many diagonals or more behind what the camera sees there."""


@dataclass(frozen=True, eq=False)
class Frame:
    """What an RGB-D camera sees of an object; see the module for units.

    Attributes:
        depth: in metres, 0 where there is none.
        keypoints: point by number.
        symmetries: number of a keypoint -> number of the one that it goes to; the identity is the first.
    """

    object_id: str
    picture: Float[Tensor, "c h w"]
    depth: Float[Tensor, "h w"]
    intrinsics: Float[Tensor, "3 3"]
    diagonal: float
    keypoints: dict[int, Float[Tensor, " 3"]]
    symmetries: tuple[dict[int, int], ...]

    def hides(self, point: Float[Tensor, " 3"]) -> bool:
        """Whether something that the camera sees lies before a point."""
        x, y, _ = (self.intrinsics @ point / point[2]).tolist()
        height, width = self.depth.shape
        row, column = min(max(round(y), 0), height - 1), min(max(round(x), 0), width - 1)
        seen = float(self.depth[row, column])
        return 0 < seen < float(point[2]) - HIDDEN * self.diagonal


class Cropped(Protocol):
    """What is needed of a crop (``studio.crop.Crop`` is one)."""

    def to_picture(self, xy: Any) -> Tensor: ...
    def camera(self, intrinsics: Tensor) -> Camera: ...


Prepare = Callable[[Tensor], tuple[Tensor, Cropped]]
"""From a photograph to the picture that is encoded, and which part of the photograph it is."""


def read_frames(folder: Path, category: str) -> tuple[Callable[[int], Frame], list[Pair]]:
    """The frames of a category, each read when it is asked for by its number, and the pairs of them.

    Raises:
        InputError: for a list that is missing or broken.
    """
    path = folder / f"{category}.json"
    with parsing(f"{path} lists no RGB-D frames", "it needs keypoints, frames and pairs"):
        content = read_json(path)
        names = [str(frame["object"]) for frame in content["frames"]]
        pairs = [Pair(names[a], int(a), names[b], int(b)) for a, b in content["pairs"]]
        if min((min(pair.source_view, pair.target_view) for pair in pairs), default=0) < 0:
            raise ValueError("a pair has a negative number")

    def read(number: int) -> Frame:
        with parsing(f"frame {number} of {path} is broken", "it needs what docs/evaluation.md lists"):
            return _frame(folder, content["frames"][number])

    return read, pairs


def _frame(folder: Path, record: dict[str, Any]) -> Frame:
    picture, depth = read_image(folder / record["picture"], None), read_image(folder / record["depth"], None)
    rgba = np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))
    metres = torch.from_numpy(np.asarray(depth).astype(np.float32)) * float(record["depth_unit"])
    if metres.shape != rgba.shape[:2]:
        raise ValueError("the depth map is not as large as the picture")
    keypoints = {int(number): torch.tensor(point).float() for number, point in record["keypoints"].items()}
    turns = [
        {number: number for number in keypoints},
        *({int(k): int(v) for k, v in turn.items()} for turn in record.get("symmetries", [])),
    ]
    diagonal, unit = float(record["diagonal"]), float(record["depth_unit"])
    ahead = [point for point in keypoints.values() if point.shape == (3,) and point[2] > 0 and point.isfinite().all()]
    if not (0 < diagonal < math.inf and 0 < unit < math.inf) or len(ahead) < len(keypoints):
        raise ValueError("the diagonal, the depth's unit and each keypoint's z are positive numbers")
    if any(turn.get(number) not in keypoints for turn in turns for number in keypoints):
        raise ValueError("a symmetry leaves a keypoint out")
    intrinsics = intrinsic_matrix(record["intrinsics"]).float()
    rgb = torch.from_numpy(rgba.copy()).permute(2, 0, 1).float() / 255
    return Frame(str(record["object"]), rgb, metres, intrinsics, diagonal, keypoints, tuple(turns))


@torch.no_grad()
def placed(model: Model, frame: Frame, prepare: Prepare, diagonal: float | None = None) -> Registration:
    """Where the object of a frame is in metres; its camera is found.

    Args:
        diagonal: that of the object, in metres, where no depth map is to be used: the object's distance then follows
            from how large it is in the picture. None uses the depth map.
    Raises:
        InputError: when no object is found, or too few of its pixels have a depth.
    """
    ready, crop = prepare(frame.picture)
    camera = model.estimate_camera(ready, crop.camera(frame.intrinsics)).camera
    field = model.encode(ready, camera)
    if diagonal is None:
        return field.register(frame.depth, frame.intrinsics, crop=crop)
    pose = field.source.reshape(-1)[0].pose.cpu().double()
    rotation = torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)[:, None] * pose[:3, :3].T
    shift = -diagonal * rotation @ pose[:3, 3]
    return Registration(field, rotation, shift, diagonal, float("nan"), float("nan"))


@torch.no_grad()
def carried(
    source: Registration, target: Registration, points: Float[Tensor, "k 3"], method: Method
) -> Float[Tensor, "k 3"]:
    """Where points of one camera's frame are on another object, in the frame of the camera that sees that; metres.

    A point goes to the place of the other object's field, hidden or not, whose vector is the closest.
    """
    steps = torch.linspace(-0.5, 0.5, STEPS)
    places = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    places = places.to(target.field.source.pose)
    density = target.field.query(places, channels=("density",)).density
    solid = places[density > SOLID * density.max()]
    asked = source.to_object(points).to(source.field.source.pose)
    name = method.channels[0]
    vectors = [field.query(at, channels=(name,))[name] for field, at in ((source.field, asked), (target.field, solid))]
    return target.to_camera(solid[method.closest(*vectors).to(solid.device)].cpu()).float()


def evaluate_camera_space(
    pairs: Sequence[Pair],
    frames: Callable[[int], Frame],
    model: Model,
    prepare: Prepare,
    method: Method | str = "descriptor",
    *,
    depth: bool = True,
    progress: bool = True,
) -> tuple[Evaluation, dict[str, Any]]:
    """How far from the right places the keypoints of one object land on others, in the camera's frame.

    The source is registered with its depth map, in which its keypoints are given. Of the target there is one picture
    with intrinsics, and with ``depth`` its depth map; without, it is taken to be as large as the source. An object that
    cannot be placed counts as wrong in all its keypoints. Where the target has symmetries, the one counts under which
    the answer is closest.

    Returns:
        the evaluation, and what a report holds beside its means: how many keypoints are hidden, the accuracy of those
        and of the seen ones, the median error in metres (None where half of them are of targets that could not be
        placed), and how many such targets there are.
    Raises:
        InputError: for a method that does not compare values of a field, or where no pair shares a keypoint.
    """
    method = METHODS[method] if isinstance(method, str) else method
    if method.channels[:1] not in (("descriptor",), ("feature",), ("coordinate",)) or "feature" in method.channels[1:]:
        raise InputError(
            f"the task camera-space compares one channel of a field at points, which {method.name} does not"
        )
    every: list[tuple[float, float, bool]] = []  # of each keypoint: error in diagonals, in metres, whether it is hidden
    lost = 0

    def score(pair: Pair, ready: Method) -> Scores | None:
        nonlocal lost
        source, target = frames(pair.source_view), frames(pair.target_view)
        shared = sorted(source.keypoints.keys() & target.keypoints.keys())
        if not shared:
            return None
        truth = torch.stack([target.keypoints[number] for number in shared])
        try:
            known = placed(model, source, prepare)
            found = placed(model, target, prepare, None if depth else known.scale)
            asked = torch.stack([source.keypoints[number] for number in shared])
            landed = carried(known, found, asked, ready)
            errors = min(
                (metrics.distances(landed, _turned(target, shared, turn)) for turn in target.symmetries),
                key=lambda errors: float(errors.mean()),
            )
        except InputError:
            lost += 1
            errors = torch.full((len(shared),), torch.inf)
        hidden = [target.hides(point) for point in truth]
        every.extend((e / target.diagonal, e, h) for e, h in zip(errors.tolist(), hidden, strict=True))
        relative = errors / target.diagonal
        return Scores(
            pair,
            keypoint_accuracy=metrics.keypoint_accuracy(relative, TASK.thresholds),
            keypoint_errors=tuple(relative.tolist()),
        )

    inputs = Inputs(_no_objects, model, None)
    evaluation = score_pairs(TASK, pairs, method, inputs, score, progress)
    named, median = {"hidden": True, "seen": False}, float(np.median([metres for _, metres, _ in every]))
    return evaluation, {
        "depth": depth,
        "not_placed": lost,
        "keypoints": {name: sum(h == kind for *_, h in every) for name, kind in named.items()},
        "accuracy_by": {
            name: metrics.keypoint_accuracy(torch.tensor([e for e, _, h in every if h == kind]), TASK.thresholds)
            for name, kind in named.items()
        },
        "median_error_metres": median if math.isfinite(median) else None,
    }


def _turned(frame: Frame, numbers: Sequence[int], turn: dict[int, int]) -> Float[Tensor, "k 3"]:
    return torch.stack([frame.keypoints[turn[number]] for number in numbers])


def _no_objects(name: str) -> Any:
    raise InputError(f"{name} is of RGB-D frames: take the method of a field")
