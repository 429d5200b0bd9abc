"""One picture of a capture: its file, its mask, its lens and its pose, whatever program found them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featurenerf import masks
from featurenerf.cameras import Camera
from featurenerf.data.formats.files import open_image
from featurenerf.errors import InputError
from featurenerf.lenses import MODELS, straightened, undistort
from featurenerf.limits import LENGTH, PIXELS
from featurenerf.picture_files import as_rgb, upright
from featurenerf.pictures import from_bytes

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".heic")
"""What a name without an extension may mean, in turn (upper case too)."""
MASK_FOLDERS = ("masks", "mask")
SIDE = 2048
"""A picture with a longer side is shrunk to it."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture with its camera, in the capture's own world.

    Attributes:
        name: as the capture calls it.
        picture: the file; None is a camera without a picture.
        mask: the file of its mask, where there is one.
        pose: camera-to-world, OpenGL axes.
        model, params: COLMAP's name of the lens and its numbers, for a picture of ``width`` x ``height``.
    """

    name: str
    picture: Path | None
    mask: Path | None
    pose: Float[np.ndarray, "4 4"]
    model: str
    params: tuple[float, ...]
    width: int
    height: int

    def __post_init__(self) -> None:
        if not (0 < self.height <= PIXELS and 0 < self.width <= PIXELS // self.height):
            raise ValueError(f"{self.name} is said to have {self.width} x {self.height} pixels")
        if not (np.abs(self.pose) < LENGTH).all():
            raise ValueError(f"the pose of {self.name} holds NaN or numbers without bounds")

    def lens(self) -> Camera:
        """The camera in the capture's world, without its distortion."""
        fx, fy, cx, cy = straightened(self.model, self.params)
        pose = torch.from_numpy(self.pose)
        return Camera.from_pose(pose, (fx, fy), self.width, self.height, principal=(cx, cy))


@dataclass(frozen=True, eq=False)
class PinholePicture:
    """A picture as a pinhole camera would have taken it.

    Attributes:
        rgba: on black, and the object's mask, in [0, 1].
        lens: its camera; the pose is that of the capture's world.
        mask: how the mask is known: "file", "alpha" or "automatic".
        alpha: it, before it was undistorted.
    """

    rgba: Float[Tensor, "4 h w"]
    lens: Camera
    mask: str
    alpha: Float[Tensor, "h w"]


def read_shot(shot: Shot, known: Float[Tensor, "_ _"] | None = None) -> PinholePicture:
    """Reads a picture and its mask, and undistorts both.

    Args:
        known: the mask as an earlier call found it, perhaps smaller; None looks for it.
    Raises:
        InputError: a file is missing or broken, or of another shape than its camera says.
        MissingExtraError: where only a network can find the object, and the extra ``mask`` is not installed.
    """
    if shot.picture is None:
        raise InputError(f"{shot.name} has a camera and no picture: name its file")
    picture = from_bytes(np.array(_stored(shot.picture, shot)))
    height, width = picture.shape[1:]
    if known is not None:
        alpha, how = masks.given(known, height, width), "automatic"
    elif shot.mask is not None:
        with open_image(shot.mask):  # one that is missing or broken is named as such
            pass
        how = "file"
        try:
            alpha = masks.given(shot.mask, height, width)
        except InputError as error:
            raise InputError(f"{shot.mask}: {error}") from error
    else:
        how = "alpha" if len(picture) == 4 and picture[3].min() < 0.99 else "automatic"
        alpha = masks.foreground(picture)
    x, y = width / shot.width, height / shot.height
    at = MODELS[shot.model].focals
    scales = (*(x, y)[:at], x, y)
    params = (*(n * scale for n, scale in zip(shot.params, scales, strict=False)), *shot.params[at + 2 :])
    rgba, (fx, fy, cx, cy) = undistort(torch.cat([picture[:3] * alpha, alpha[None]]), shot.model, params)
    pose = torch.from_numpy(shot.pose)
    return PinholePicture(rgba, Camera.from_pose(pose, (fx, fy), width, height, principal=(cx, cy)), how, alpha)


def shrunk(alpha: Float[Tensor, "h w"], side: int) -> Float[Tensor, "h2 w2"]:
    """A mask with no side longer than ``side``."""
    ratio = min(1.0, side / max(alpha.shape))
    size = [max(1, round(n * ratio)) for n in alpha.shape]
    return F.interpolate(alpha[None, None], size, mode="bilinear", antialias=True)[0, 0]


def _stored(path: Path, shot: Shot) -> Image.Image:
    """The pixels as they lie in the file, as structure from motion sees them; turned as EXIF says where only that has
    the shape of the camera's picture."""
    with open_image(path) as image:
        plain, turned = image.size, upright(image).size
        fits = [abs(w * shot.height - h * shot.width) <= max(w, h, shot.width, shot.height) for w, h in (plain, turned)]
        if not any(fits):
            raise InputError(
                f"{path} is {plain[0]} x {plain[1]}, and its camera is of a {shot.width} x {shot.height} picture: "
                "give the pictures that the cameras were made of, or the same ones made smaller"
            )
        image.draft("RGB", (SIDE, SIDE))
        image.load()
        picture = as_rgb(image if fits[0] else upright(image))
    if max(picture.size) > SIDE:
        picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return picture


# ---------------------------------------------------------------------- names


def below(folder: Path, name: str, what: str) -> Path:
    """The path of a file of a capture.

    Raises:
        ValueError: it is not below the capture's folder.
    """
    parts = PurePosixPath(name.replace("\\", "/"))
    path = Path(os.path.normpath(folder / parts))
    if parts.is_absolute() or ":" in name[:3] or not path.is_relative_to(folder):
        raise ValueError(f"{what} {name} lies outside of {folder}: move it there, and write its path from there")
    return path


def picture_at(path: Path) -> Path | None:
    """The file of a picture whose name may lack its extension; None where there is none."""
    if path.is_file():
        return path
    for extension in EXTENSIONS:
        for spelled in (extension, extension.upper()):
            if (found := path.with_name(path.name + spelled)).is_file():
                return found
    return None


def mask_of(picture: Path, folder: Path) -> Path | None:
    """The mask of a picture by where it lies: ``masks/<name>`` (COLMAP adds .png to the whole name) in the capture's
    folder or next to the folder of pictures, or ``<name>_mask.png`` beside the picture."""
    inside = picture.relative_to(folder)
    inner = [inside, Path(*inside.parts[1:])] if len(inside.parts) > 1 else [inside]
    for masks_folder in (folder / name for name in MASK_FOLDERS):
        for name in inner:
            base = masks_folder / name
            for path in (base, base.with_name(f"{base.name}.png"), base.with_suffix(".png")):
                if path != picture and path.is_file():
                    return path
    beside = picture.with_name(f"{picture.stem}_mask.png")
    return beside if beside.is_file() else None
