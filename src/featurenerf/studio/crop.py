"""From the pixels of a photograph to those of the prepared picture, and back; and the lens that took both."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import ExifTags, Image
from torch import Tensor

from featurenerf.cameras import Camera, Matrix, Number
from featurenerf.errors import InputError
from featurenerf.picture_files import exif_of, open_file
from featurenerf.pictures import Square

FULL_FRAME_DIAGONAL = math.hypot(36.0, 24.0)
"""Of the film that EXIF's FocalLengthIn35mmFilm is about, in millimetres."""
SIDEWAYS = (5, 6, 7, 8)
"""Values of EXIF's Orientation with which a photograph is turned by a quarter when it is shown."""


@dataclass(frozen=True)
class Crop:
    """The square of a photograph that a prepared picture shows. Pixels are (x, y), the first one's centre (0.5, 0.5).

    Attributes:
        x0, y0: the square's top left corner, in pixels of the photograph (upright, in its full size).
        across, down: the length of its sides, in such pixels.
        size: width and height of the prepared picture.
        width, height: of the photograph.
        focal: focal length in pixels of the photograph, as its EXIF data say; None where they do not.
    """

    x0: float | int
    y0: float | int
    across: float | int
    down: float | int
    size: int
    width: int
    height: int
    focal: float | None = None

    def to_picture(self, xy: Any) -> Float[Tensor, "*n 2"]:
        """Where positions (..., 2) of the prepared picture are in the photograph."""
        xy = _pixels(xy)
        return xy * (xy.new_tensor([self.across, self.down]) / self.size) + xy.new_tensor([self.x0, self.y0])

    def from_picture(self, xy: Any) -> Float[Tensor, "*n 2"]:
        """Where positions (..., 2) of the photograph are in the prepared picture; perhaps outside of it."""
        xy = _pixels(xy)
        return (xy - xy.new_tensor([self.x0, self.y0])) * (self.size / xy.new_tensor([self.across, self.down]))

    def camera(self, intrinsics: Matrix | np.ndarray, pose: Matrix | None = None) -> Camera:
        """The camera of the prepared picture.

        Args:
            intrinsics: (3, 3) matrix of the photograph, OpenCV's convention (integer pixel centres).
            pose: (4, 4) camera-to-world, OpenCV axes; None is the identity: the world is then the camera's own frame.
        Raises:
            InputError: for intrinsics that are not (3, 3).
        """
        known = Camera.from_opencv(
            intrinsics,
            torch.eye(4) if pose is None else pose,
            self.width,
            self.height,
        )
        step = torch.tensor([self.across, self.down]) / self.size
        principal = (known.principal - torch.tensor([self.x0, self.y0])) / step
        return Camera.from_pose(known.pose, known.focal / step, self.size, self.size, principal=principal)

    def intrinsics(self, fov: Number | None = None) -> Float[Tensor, "3 3"] | None:
        """The photograph's matrix as far as it is known: focal length, and a principal point in the middle.

        Args:
            fov: horizontal field of view of the whole photograph, in degrees; None goes by ``focal``.
        Returns:
            OpenCV's convention; None where neither says it.
        """
        focal = self.focal if fov is None else focal_of(fov, self.width)
        if focal is None:
            return None
        x, y = self.width / 2 - 0.5, self.height / 2 - 0.5
        return torch.tensor([[focal, 0.0, x], [0.0, focal, y], [0.0, 0.0, 1.0]])


def full_size(picture: object, width: int, height: int) -> tuple[int, int]:
    """Upright width and height of a photograph, of which ``width`` x ``height`` were left when it was opened."""
    return _photograph(picture, width, height)[:2]


def crop_of(picture: object, square: Square, size: int, width: int, height: int) -> Crop:
    """A square of a picture as it was opened (``width`` x ``height``, perhaps shrunk), in the file's own pixels."""
    full_width, full_height, focal = _photograph(picture, width, height)
    x, y = full_width / width, full_height / height
    return Crop(square.x0 * x, square.y0 * y, square.side * x, square.side * y, size, full_width, full_height, focal)


def focal_of(fov: Number, width: int) -> float:
    """The focal length, in pixels, of a horizontal field of view in degrees.

    Raises:
        InputError: unless it lies between 1 and 170.
    """
    if not 1 <= fov <= 170:
        raise InputError(f"a field of view of {fov} degrees is none of a photograph: it must lie between 1 and 170")
    return width / 2 / math.tan(math.radians(fov) / 2)


def _photograph(picture: object, width: int, height: int) -> tuple[int, int, float | None]:
    """Upright size of a photograph before it was shrunk, and its focal length in pixels where EXIF data say it."""
    if not isinstance(picture, (str, os.PathLike)):
        exif = exif_of(picture) if isinstance(picture, Image.Image) else None
        return width, height, None if exif is None else _focal(exif, width, height)
    with open_file(picture, picture) as image:
        exif, full, is_turned = exif_of(image), image.size, image.format == "TIFF"  # Pillow turns those itself
    if exif.get(ExifTags.Base.Orientation) in SIDEWAYS and not is_turned:
        full = full[::-1]
    return (*full, _focal(exif, *full))


def _focal(exif: Image.Exif, width: int, height: int) -> float | None:
    """Focal length in pixels. Cameras write 0 where they do not know it, and some write nonsense."""
    try:
        millimetres = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLengthIn35mmFilm)
    except Exception:  # whatever Pillow's parser raises on nonsense
        return None
    if not isinstance(millimetres, (int, float)) or not 4 <= millimetres <= 3000:
        return None
    return float(millimetres) / FULL_FRAME_DIAGONAL * math.hypot(width, height)


def _pixels(xy: Any) -> Float[Tensor, "*n 2"]:
    xy = torch.as_tensor(xy)
    if xy.ndim == 0 or xy.shape[-1] != 2:
        raise InputError(f"positions in a picture are (..., 2) pixels (x, y), not {tuple(xy.shape)}")
    return xy if xy.is_floating_point() else xy.float()
