"""What of a picture is the object: by a plain background's colour, by a network, and by the colours of both sides.

The network sees 224 x 224 pixels, so thin parts are faint and outlines are soft in what it says. The picture's colours
are finer. Shadows on a plain background differ from it by brightness alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from featurenerf.errors import MissingExtraError

Look = Callable[[Tensor], Tensor]
"""From a picture (3, H, W) in [0, 1] to its saliency (H, W) in [0, 1]."""

PLAIN_SHARE, PLAIN_SPREAD = 0.8, 0.04
"""A background is plain where this share of the picture's rim is within this (of 1) of the rim's median colour."""
SALIENT = 0.4
"""A picture whose saliency nowhere exceeds this shows no object."""
LEVEL = 0.42
"""The object begins at this share of the way from the surroundings' median saliency to the object's."""
SURE, UNSURE = 4.0, 1.0
"""The largest logarithm of odds of what is known, and of what the network says where a plain background is in doubt."""
AGREEMENT = (0.5, 0.9)
"""Where colours and network overlap (intersection over union) by less, the colours ran away, and by more, the network
alone draws the better outline."""
MOST_RIM = 0.5
"""What covers more than this share of the picture's rim is not an object but a background, or no picture of one."""

SHADOW_DARKEST = 0.4
"""A shadow leaves at least this share of the background's light."""
SHADOW_TINT = 0.09
"""How far (of 1) the channels' shares of the background's light differ in a shadow: it has the background's hue."""
SHADOW_STEP = 0.035
"""A shadow's edge is soft: from a pixel to the next the light changes by less than this share."""
GAP = 0.12
"""What is enclosed by the object and nearer to the background's colour than this is perhaps a gap."""
SPECK = 0.1
"""What has a smaller share of the largest object's pixels is none."""
NEARLY_TOUCHING = 0.015
"""Pieces of an object are at most this share of the picture's longer side apart."""
COLORS = 24
"""Bins a channel of the histograms of colours."""

_WORKING = 448  # longest side that outlines are refined on
_MARGIN = 0.15


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


def darker(rgb: Float[Tensor, "3 h w"], ground: Float[Tensor, " 3"]) -> Bool[Tensor, "h w"]:
    """Where a picture has the hue of its background, as light or darker: what a shadow may be."""
    share = rgb / ground[:, None, None].clamp(min=0.05)
    light = share.mean(0)
    return (light > SHADOW_DARKEST) & (light < 1 + SHADOW_TINT) & (share.amax(0) - share.amin(0) < SHADOW_TINT)


def shadow(
    rgb: Float[Tensor, "3 h w"], ground: Float[Tensor, " 3"], background: Bool[Tensor, "h w"]
) -> Bool[Tensor, "h w"]:
    """Where a shadow lies on a background of one colour: its hue, darker, and reached from it over soft steps alone."""
    from skimage.measure import label

    dark = darker(rgb, ground)
    light = (rgb / ground[:, None, None].clamp(min=0.05)).mean(0)
    smooth = F.avg_pool2d(F.pad(light[None, None], (1, 1, 1, 1), mode="replicate"), 3, 1)[0, 0]
    high, low = (F.max_pool2d(sign * smooth[None, None], 3, 1, 1)[0, 0] for sign in (1, -1))
    passable = (dark & (high + low < 2 * SHADOW_STEP)) | background
    pieces = label(passable.cpu().numpy(), connectivity=1)
    reached = np.zeros(pieces.max() + 1, dtype=bool)
    reached[np.unique(pieces[background.cpu().numpy()])] = True
    reached[0] = False
    # the steps at the shadow's own outline are wider than one pixel: the next ones belong to it too
    grown = F.max_pool2d(torch.from_numpy(reached[pieces]).float()[None, None], 3, 1, 1)[0, 0] > 0
    return (grown.to(rgb.device) & dark) & ~background


def without_doubt(rgb: Float[Tensor, "3 h w"], plain: Float[Tensor, "h w"], look: Look) -> Float[Tensor, "h w"]:
    """What stands before a plain background, without its shadow and without gaps that are nearly of its colour."""
    color = _rim(rgb).median(1).values
    background = plain == 0
    near = (rgb - color[:, None, None]).abs().amax(0) < GAP
    doubt = (darker(rgb, color) | near) & ~background
    if not doubt.sum() > 0.005 * (~background).sum():
        return plain
    try:
        score = look(rgb)
    except MissingExtraError:
        # white on white looks like a shadow: where hardly anything has another hue than the ground, it is no shadow
        if (background | doubt).float().mean() > 1 - 0.2 * (~background).float().mean():
            return plain
        cast = shadow(rgb, color, background)
        plain, doubt, score = torch.where(cast, 0.0, plain), doubt & ~cast, 1 - cast.float()
        background = plain == 0
    if score.max() < SALIENT:
        return plain
    opacity = _refined(rgb, score, doubt, background)
    if opacity is None:
        return plain
    kept = _resized(opacity, tuple(rgb.shape[1:])).to(rgb.device) > 0.5
    return torch.where(doubt & ~kept, 0.0, plain)


def detailed(rgb: Float[Tensor, "3 h w"], look: Look, most_rim: float = MOST_RIM) -> Float[Tensor, "h w"]:
    """The opacity of what the network finds salient; where it misses thin parts, the picture's colours help."""
    height, width = rgb.shape[1:]
    first = look(rgb)
    alone = salient(rgb, look, first, most_rim)
    top, bottom, left, right = _surroundings(_main_piece(first), height, width)
    if top == bottom:
        return alone
    score = first.clone()
    score[top:bottom, left:right] = (score[top:bottom, left:right] + look(rgb[:, top:bottom, left:right])) / 2
    opacity = _refined(rgb, score)
    if opacity is None or float(_rim(opacity > 0.5).float().mean()) > most_rim:
        return alone
    opacity = _resized((2 * opacity - 0.5).clamp(0, 1), (height, width)).to(rgb.device)
    return alone if _overlap(opacity > 0.5, alone > 0.5) > AGREEMENT[1] else opacity


def _refined(
    rgb: Float[Tensor, "3 h w"],
    score: Float[Tensor, "h w"],
    doubt: Bool[Tensor, "h w"] | None = None,
    away: Bool[Tensor, "h w"] | None = None,
) -> Float[Tensor, "_ _"] | None:
    """The opacity by score and colours in working size; None where colours ran away with the object, or lost it.

    Args:
        doubt: where the score counts little, and colours decide; what is neither this nor away is the object. None
            leaves all to the score.
        away: what is not the object.
    """
    from skimage.measure import label

    size = _working_size(rgb)
    small = F.interpolate(rgb[None].float().cpu(), size, mode="bilinear", antialias=True)[0]
    score = _resized(score, size)
    otsu = _otsu(score)
    inside = score > otsu
    if inside.all():
        return None
    low, high = float(score[~inside].median()), float(score[inside].median())
    # a bright part of the object must not make the others background: the level is nearer to the surroundings
    prior = (8 * (score - min(otsu, low + LEVEL * (high - low))) / (high - low)).clamp(-SURE, SURE)
    if doubt is not None and away is not None:
        unsure, ground = (_resized(where.float().cpu(), size) for where in (doubt, away))
        prior = torch.where(unsure > 0.01, prior.clamp(-UNSURE, UNSURE), SURE)
        prior = torch.where(ground > 0.99, -SURE, prior)
        inside = (prior > 0) & (ground < 0.99)
    opacity = by_colors(small, prior)
    pieces = label((opacity > 0.5).numpy(), connectivity=2)
    known = np.zeros(pieces.max() + 1, dtype=bool)
    known[np.unique(pieces[inside.numpy()])] = True  # what only colours see, apart from the object, is not of it
    opacity = torch.where(torch.from_numpy(known[pieces]) | (opacity <= 0.5), opacity, 0.0)
    return opacity if _overlap(opacity > 0.5, inside) >= AGREEMENT[0] else None


def _overlap(first: Bool[Tensor, "h w"], second: Bool[Tensor, "h w"]) -> float:
    """Intersection over union."""
    return float((first & second).sum() / (first | second).sum().clamp(min=1))


def salient(
    rgb: Float[Tensor, "3 h w"], look: Look, first: Float[Tensor, "h w"] | None = None, most_rim: float = MOST_RIM
) -> Float[Tensor, "h w"]:
    """The opacity of a picture's most salient object, by a network alone.

    The network looks twice, at the picture and at the object's surroundings, and a guided filter (He et al. 2013)
    moves its soft outline to the picture's edges.
    """
    height, width = rgb.shape[1:]
    empty = torch.zeros(height, width)
    first = look(rgb) if first is None else first
    top, bottom, left, right = _surroundings(_main_piece(first), height, width)
    if top == bottom:
        return empty
    crop = rgb[:, top:bottom, left:right]
    shrink = min(1.0, _WORKING / max(crop.shape[1:]))
    size = tuple(max(8, round(s * shrink)) for s in crop.shape[1:])
    small = F.interpolate(crop[None].cpu(), size, mode="bilinear", antialias=True)[0]
    both = torch.stack([look(small), _resized(_resized(first, (height, width))[top:bottom, left:right], size)])
    score = _guided_filter(small.mean(0), both.mean(0), radius=max(2, round(max(size) / 60)))
    piece = _main_piece(score)
    if not piece.any() or _rim_share(piece, top, bottom, left, right, (height, width)) > most_rim:
        return empty
    level = _otsu(score)
    opacity = ((score - level) / 0.16 + 0.5).clamp(0, 1)
    grown = F.max_pool2d(piece[None].float(), 5, 1, 2)[0]  # the soft outline of the piece, but no other piece
    empty[top:bottom, left:right] = _resized(opacity * grown, (bottom - top, right - left))
    return empty.to(rgb.device)


def by_colors(rgb: Float[Tensor, "3 h w"], prior: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """What is known of the object, moved by what its colours and those of its surroundings say.

    Args:
        rgb: in [0, 1].
        prior: logarithm of the odds that a pixel is the object's.
    Returns:
        Opacity in [0, 1], 0.5 where neither outweighs the other. Colours say at most 2 for or against: they decide
        where the prior is nearer to 0 than that, and nowhere else.
    """
    from scipy.ndimage import gaussian_filter
    from skimage.color import rgb2lab

    lab = rgb2lab(rgb.permute(1, 2, 0).numpy()) / (100, 110, 110) + (0, 0.5, 0.5)
    bins = (lab * (COLORS, 2 * COLORS, 2 * COLORS)).clip(0, 2 * COLORS - 1).astype(int)
    shape = (COLORS + 1, 2 * COLORS, 2 * COLORS)
    flat = np.ravel_multi_index(tuple(bins[..., i].clip(0, shape[i] - 1) for i in range(3)), shape)
    radius = max(1, round(max(prior.shape) / 150))
    # only what is near to the object says what its surroundings look like
    reach = max(3, max(prior.shape) // 8)
    near = F.max_pool2d((prior > 0).float()[None, None], 2 * reach + 1, 1, reach)[0, 0] > 0
    opacity = prior.sigmoid()
    for _ in range(2):
        inside, outside = (opacity * (opacity > 0.6)).numpy(), ((1 - opacity) * ((opacity < 0.4) & near)).numpy()
        if inside.sum() < 1 or outside.sum() < 1:
            return opacity
        histograms = (
            np.bincount(flat.ravel(), w.ravel(), np.prod(shape)).reshape(shape) / w.sum() for w in (inside, outside)
        )
        of_object, of_others = (gaussian_filter(h, 1.0, mode="constant") for h in histograms)
        says = np.log((of_object + 1e-6) / (of_others + 1e-6)).clip(-2, 2).ravel()[flat]
        says = torch.from_numpy(says).float()
        opacity = _guided_filter(rgb.mean(0), (prior + says).sigmoid(), radius, epsilon=1e-4).clamp(0, 1)
    return opacity


def objects(mask: Float[Tensor, "h w"]) -> list[Bool[Tensor, "h w"]]:
    """The objects of a mask as they lie apart, the largest first.

    Pieces that are nearly touching are one. A piece whose middle lies in the box of a larger one belongs to that. Of
    the others, those of less than a tenth of the largest are specks, and left out.
    """
    from scipy.ndimage import maximum_filter
    from skimage.measure import label, regionprops

    inside = (mask > 0.5).cpu().numpy()
    reach = max(1, round(max(inside.shape) * NEARLY_TOUCHING / 2))
    pieces = label(maximum_filter(inside, 2 * reach + 1), connectivity=2) * inside
    found: list[tuple[list[int], tuple[float, ...]]] = []
    regions = sorted(regionprops(pieces), key=lambda region: -region.area)
    for region in regions:
        row, column = region.centroid
        for numbers, (top, left, bottom, right) in found:
            if top <= row < bottom and left <= column < right:
                numbers.append(region.label)
                break
        else:
            if region.area >= SPECK * regions[0].area:
                found.append(([region.label], region.bbox))
    return [torch.from_numpy(np.isin(pieces, numbers)) for numbers, _ in found]


def _working_size(rgb: Float[Tensor, "3 h w"]) -> tuple[int, int]:
    shrink = min(1.0, _WORKING / max(rgb.shape[1:]))
    return max(8, round(rgb.shape[1] * shrink)), max(8, round(rgb.shape[2] * shrink))


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
