"""Pictures made to look like photographs: their light, their faults, and masks that are not quite right.

Light is one for all pictures of an object in a step, since rays are compared with them. Faults are of source pictures
alone: what is learnt is to answer a faulty picture as the right one.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageFilter
from torch import Tensor

Pictures = UInt8[np.ndarray, "t h w 4"]
Picture = UInt8[np.ndarray, "h w 4"]


def relit(pictures: Pictures, rng: np.random.Generator) -> Pictures:
    """The same pictures under another light: exposure, contrast, white balance, saturation."""
    rgb = pictures[..., :3].astype(np.float32) / 255
    exposure, contrast, saturation = np.exp(rng.normal(0, (0.25, 0.2, 0.25)))
    rgb = rgb * exposure * np.exp(rng.normal(0, 0.06, 3))
    rgb = rgb.clip(0, 1) ** contrast
    grey = rgb.mean(-1, keepdims=True)
    rgb = grey + saturation * (rgb - grey)
    changed = (rgb * 255).round().clip(0, 255).astype(np.uint8)
    return np.concatenate([changed, pictures[..., 3:]], -1)


def faulty(picture: Picture, rng: np.random.Generator) -> Picture:
    """A picture as a camera and a program that finds objects would give it: each fault in some of the pictures."""
    image, alpha = Image.fromarray(picture[..., :3]), Image.fromarray(picture[..., 3])
    if rng.random() < 0.5:
        image = _with_ground(image, alpha, rng)
        alpha = _as_found(alpha, rng)
    if rng.random() < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.0)))
    if rng.random() < 0.4:
        noise = rng.normal(0, 255 * rng.uniform(0, 0.04), (*picture.shape[:2], 3))
        image = Image.fromarray((np.asarray(image) + noise).round().clip(0, 255).astype(np.uint8))
    if rng.random() < 0.4:
        buffer = BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(30, 95)))
        image = Image.open(buffer, formats=("JPEG",)).convert("RGB")
    return np.concatenate([np.asarray(image), np.asarray(alpha)[..., None]], -1)


def _with_ground(image: Image.Image, alpha: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The object before a ground of two colours, which shows where its mask will be too large."""
    height = alpha.height
    colours = rng.uniform(0, 255, (2, 3)).round()
    horizon = np.arange(height) > height * rng.uniform(0.3, 0.9)
    ground = colours[horizon.astype(int)][:, None].repeat(alpha.width, 1).astype(np.uint8)
    return Image.composite(image, Image.fromarray(ground), alpha)


def _as_found(alpha: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A mask with an edge that is off by a pixel or two, and at times a piece too much or too little."""
    kind = rng.random()
    if kind < 0.4:
        alpha = alpha.filter(ImageFilter.MaxFilter(3) if kind < 0.25 else ImageFilter.MinFilter(3))
    if rng.random() < 0.3:
        mask = np.array(alpha)
        rows, columns = np.nonzero(mask > 127)
        if len(rows):
            at = int(rng.integers(len(rows)))
            radii = mask.shape[0] * rng.uniform(0.02, 0.08, 2)
            y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
            piece = ((y - rows[at]) / radii[0]) ** 2 + ((x - columns[at]) / radii[1]) ** 2 < 1
            mask[piece] = 255 if rng.random() < 0.7 else 0
            alpha = Image.fromarray(mask)
    return alpha


def framings(count: int, rng: np.random.Generator) -> Float[Tensor, "n 4"]:
    """Of pictures whose camera is not quite known (``models.warp.reframed``); half are framed as they should."""
    drawn = rng.normal(0, (0.1, 0.1, 0.03, 0.03), (count, 4)).clip(-0.3, 0.3)
    return torch.from_numpy(np.where(rng.random((count, 1)) < 0.5, 0, drawn)).float()
