"""COLMAP's camera models: what their numbers mean, and pictures without their distortion.

A model says where a lens shows the direction (u, v, 1): at ``focal * bent(u, v) + principal``. A picture is undistorted
by asking for each pixel of a pinhole's where the lens shows it, which takes no inverse. Formulas:
https://github.com/colmap/colmap/blob/main/src/colmap/sensor/models.h
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featurenerf.arrays import Numbers, floats
from featurenerf.errors import InputError

Direction = tuple[Tensor, Tensor]
"""u and v of directions (u, v, 1)."""
Bend = Callable[[Tensor, Tensor, Sequence[float]], Direction]
"""Where directions are shown, in focal lengths from the principal point, given the model's numbers of distortion."""


@dataclass(frozen=True)
class LensModel:
    """A camera model of COLMAP.

    Attributes:
        focals: how many focal lengths its numbers begin with, 1 or 2; the principal point follows.
        bends: how many numbers of distortion follow.
        bend: what these do; None is nothing.
        straight: whether it is a pinhole where all of them are 0.
    """

    focals: int
    bends: int = 0
    bend: Bend | None = None
    straight: bool = True

    @property
    def count(self) -> int:
        return self.focals + 2 + self.bends


def _polynomial(squared: Tensor, numbers: Sequence[float]) -> Tensor:
    """k1 r^2 + k2 r^4 + ..."""
    total = torch.zeros_like(squared)
    for number in reversed(numbers):
        total = (total + number) * squared
    return total


def _tangential(u: Tensor, v: Tensor, p1: float, p2: float) -> Direction:
    squared = u * u + v * v
    return 2 * p1 * u * v + p2 * (squared + 2 * u * u), 2 * p2 * u * v + p1 * (squared + 2 * v * v)


def _radial(u: Tensor, v: Tensor, k: Sequence[float]) -> Direction:
    factor = 1 + _polynomial(u * u + v * v, k)
    return u * factor, v * factor


def _opencv(u: Tensor, v: Tensor, numbers: Sequence[float]) -> Direction:
    """k1, k2, p1, p2, and of FULL_OPENCV k3 and the divisor's k4, k5, k6."""
    squared = u * u + v * v
    factor = (1 + _polynomial(squared, [*numbers[:2], *numbers[4:5]])) / (1 + _polynomial(squared, numbers[5:]))
    across, down = _tangential(u, v, numbers[2], numbers[3])
    return u * factor + across, v * factor + down


def _by_angle(u: Tensor, v: Tensor) -> Direction:
    """As far from the middle as the angle to the axis says."""
    radius = (u * u + v * v).sqrt()
    factor = torch.where(radius > 1e-6, radius.atan() / radius.clamp(min=1e-6), 1.0)
    return u * factor, v * factor


def _fisheye(u: Tensor, v: Tensor, k: Sequence[float]) -> Direction:
    return _radial(*_by_angle(u, v), k)


def _thin_prism(u: Tensor, v: Tensor, numbers: Sequence[float]) -> Direction:
    """k1, k2, p1, p2, k3, k4, sx1, sy1 of a fisheye."""
    k1, k2, p1, p2, k3, k4, sx, sy = numbers
    u, v = _by_angle(u, v)
    squared = u * u + v * v
    factor = 1 + _polynomial(squared, [k1, k2, k3, k4])
    across, down = _tangential(u, v, p1, p2)
    return u * factor + across + sx * squared, v * factor + down + sy * squared


def _field_of_view(u: Tensor, v: Tensor, numbers: Sequence[float]) -> Direction:
    omega = numbers[0]
    if abs(omega) < 1e-6:
        return u, v
    radius = (u * u + v * v).sqrt()
    bent = (2 * radius * math.tan(omega / 2)).atan() / omega
    factor = torch.where(radius > 1e-6, bent / radius.clamp(min=1e-6), 2 * math.tan(omega / 2) / omega)
    return u * factor, v * factor


MODELS = {
    "SIMPLE_PINHOLE": LensModel(1),
    "PINHOLE": LensModel(2),
    "SIMPLE_RADIAL": LensModel(1, 1, _radial),
    "RADIAL": LensModel(1, 2, _radial),
    "OPENCV": LensModel(2, 4, _opencv),
    "FULL_OPENCV": LensModel(2, 8, _opencv),
    "FOV": LensModel(2, 1, _field_of_view),
    "SIMPLE_FISHEYE": LensModel(1, 0, _fisheye, straight=False),
    "FISHEYE": LensModel(2, 0, _fisheye, straight=False),
    "OPENCV_FISHEYE": LensModel(2, 4, _fisheye, straight=False),
    "SIMPLE_RADIAL_FISHEYE": LensModel(1, 1, _fisheye, straight=False),
    "RADIAL_FISHEYE": LensModel(1, 2, _fisheye, straight=False),
    "THIN_PRISM_FISHEYE": LensModel(2, 8, _thin_prism, straight=False),
}
"""By COLMAP's names."""


def pinhole(model: str | None, params: Numbers) -> tuple[float, float, float, float]:
    """The focal lengths (x, y) and the principal point (x, y) of a camera without distortion.

    Args:
        model: COLMAP's name; None is SIMPLE_PINHOLE for three numbers, and cannot be told for others.
    Raises:
        InputError: for a model that is not known, numbers that do not fit it, or a lens that distorts.
    """
    count = floats(params, "the numbers of a camera").numel()
    if model is None and count != 3:
        raise InputError(
            f"{count} numbers may be of several camera models: give the model's name, as in model='PINHOLE' or "
            "model='SIMPLE_RADIAL'"
        )
    model = model or "SIMPLE_PINHOLE"
    lens, numbers = _checked(model, params)
    if any(numbers[lens.focals + 2 :]) or not lens.straight:
        raise InputError(
            f"the lens of this {model} camera distorts: undistort its pictures first (featurenerf.lenses.undistort), "
            "and give the camera of what that returns"
        )
    return _straight(lens, numbers)


def undistort(
    picture: Numbers, model: str, params: Numbers
) -> tuple[Float[Tensor, "c h w"], tuple[float, float, float, float]]:
    """The picture that a pinhole camera of the same focal length would have taken, and its PINHOLE numbers.

    What the lens does not show is 0 (so is alpha there). Straight lenses' pictures are returned as they are.

    Args:
        model, params: of the picture, as COLMAP's ``cameras.txt`` has them.
    Raises:
        InputError: for a model that is not known, or numbers that do not fit it.
    """
    lens, numbers = _checked(model, params)
    picture = floats(picture, "a picture")
    if picture.ndim != 3 or 0 in picture.shape or (picture.shape[0] > 4 and picture.shape[2] <= 4):
        raise InputError(
            f"a picture to undistort is (channels, height, width), not {tuple(picture.shape)}: "
            "featurenerf.pictures.to_tensor makes it of files, PIL images and (H, W, 3|4) arrays"
        )
    fx, fy, cx, cy = straight = _straight(lens, numbers)
    bends = numbers[lens.focals + 2 :]
    if lens.bend is None or (lens.straight and not any(bends)):
        return picture, straight
    height, width = picture.shape[-2:]
    x, y = (torch.arange(n, dtype=torch.float64, device=picture.device) + 0.5 for n in (width, height))
    v, u = torch.meshgrid((y - cy) / fy, (x - cx) / fx, indexing="ij")
    u, v = lens.bend(u, v, bends)
    grid = torch.stack([2 * (u * fx + cx) / width - 1, 2 * (v * fy + cy) / height - 1], -1)
    whole = F.grid_sample(picture[None], grid[None].to(picture.dtype), align_corners=False, padding_mode="zeros")
    return whole[0], straight


def straightened(model: str, params: Numbers) -> tuple[float, float, float, float]:
    """The PINHOLE numbers of the pictures that ``undistort`` makes; raises what it raises."""
    return _straight(*_checked(model, params))


def _checked(model: str, params: Numbers) -> tuple[LensModel, list[float]]:
    if model not in MODELS:
        known = ", ".join(MODELS)
        raise InputError(f"the camera model {model!r} is not known: undistort with COLMAP itself; known are {known}")
    lens = MODELS[model]
    numbers = floats(params, f"the numbers of a {model} camera", dtype=torch.float64).flatten().tolist()
    if len(numbers) != lens.count:
        raise InputError(f"a {model} camera has {lens.count} numbers, not {len(numbers)}")
    if not all(math.isfinite(number) for number in numbers):
        raise InputError(f"the numbers of a {model} camera hold NaN or infinite ones: {numbers}")
    if min(numbers[: lens.focals]) <= 0:
        raise InputError(f"the focal length of a {model} camera must be a positive number of pixels: {numbers}")
    return lens, numbers


def _straight(lens: LensModel, numbers: Sequence[float]) -> tuple[float, float, float, float]:
    return numbers[0], numbers[lens.focals - 1], numbers[lens.focals], numbers[lens.focals + 1]


def intrinsic_matrix(given: Numbers) -> Float[Tensor, "*batch 3 3"]:
    """Intrinsics as they can be: focal lengths and a principal point in pixels, and nothing else.

    Raises:
        InputError: they are none, as where they were transposed, or pixels are no rectangles.
    """
    K = floats(given, "intrinsics")
    if K.shape[-2:] != (3, 3):
        raise InputError(f"intrinsics are a (3, 3) matrix, not {tuple(K.shape)}")
    if not (K.isfinite().all() and (K[..., 0, 0] > 0).all() and (K[..., 1, 1] > 0).all()):
        raise InputError("the focal length of intrinsics must be a positive number of pixels, and all of them finite")
    last = torch.tensor([0.0, 0, 1]).to(K)
    if not ((K[..., 2, :] - last).abs() < 1e-3).all() or not (K[..., 1, 0].abs() < 1e-3).all():
        raise InputError(
            "intrinsics are [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]: these are not, as where the matrix was transposed"
        )
    if not (K[..., 0, 1].abs() <= 0.01 * K[..., 0, 0].abs()).all():
        raise InputError(
            "the intrinsics have a skew, and pixels are taken to be rectangles: undistort the picture first"
        )
    return K
