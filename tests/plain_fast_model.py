"""The fast model as its docstrings say it, slow and in reading order: what ``featurenerf.models.fast`` must compute."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from featurenerf.models.fast import FastField, PictureNet


def resized(x: Tensor, side: int) -> Tensor:
    return F.interpolate(x, (side, side), mode="bilinear", align_corners=False)


def doubled(x: Tensor) -> Tensor:
    """Every cell four times."""
    return x.repeat_interleave(2, -1).repeat_interleave(2, -2)


def plain_net(net: PictureNet, rgba: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Raw density, latent volume, pixel latent, semantics and what those are components of, of pictures."""
    config, size = net.config, rgba.shape[-1]
    picture, alpha = rgba[:, :3], rgba[:, 3:]
    shown = 2 * (rgba if config.silhouette else picture) - 1
    steps = torch.tensor([(2 * i + 1) / size - 1 for i in range(size)])
    rows = steps[:, None].expand(len(picture), 1, size, size)
    columns = steps[None, :].expand(len(picture), 1, size, size)
    x2 = net.stem(torch.cat([shown, rows, columns], 1))
    known: list[Tensor | int] = [0, 0, 0]
    semantics = joined = torch.zeros(len(picture), 0, 1, 1)
    if config.encoder:
        maps = net.backbone(resized(picture, config.backbone_size), range(16))
        known = [
            resized(adapt(0.25 * maps[block]), size // step)
            for adapt, block, step in zip(net.adapt, (4, 10, 15), (4, 8, 16), strict=True)
        ]
        joined = torch.cat([maps[10], resized(maps[13], maps[10].shape[-1])], 1)
        semantics = net.to_semantics(joined)
    x4 = net.down4(x2) + known[0]
    x8 = net.down8(x4) + known[1]
    x16 = net.down16(x8) + known[2]
    whole = x16.flatten(2).mean(-1)
    x16 = net.deep16(x16 + net.context(whole)[:, :, None, None])
    y8 = net.up8(x8 + doubled(net.narrow8(x16)))
    y4 = net.up4(x4 + doubled(net.narrow4(y8)))
    y2 = net.up2(x2 + doubled(net.narrow2(y4)))
    volume = net.to_volume(F.silu(y4)).unflatten(1, (config.volume_bins, config.volume_channels))
    shape = net.to_shape(F.silu(y4)).permute(0, 2, 3, 1)  # half of the bins; those between are interpolated
    shape = F.interpolate(shape.flatten(0, 2)[:, None], config.density_bins, mode="linear")[:, 0]
    shape = shape.unflatten(0, (len(picture), size // 4, size // 4)).permute(0, 3, 1, 2)
    bins = config.density_bins
    if config.density_stride == 2:
        fine = net.to_detail(F.silu(y2))
        detail, pixels = fine[:, :bins], fine[:, bins:]
    else:  # channel 4 c + 2 y + x is channel c of the pixel (y, x) of a cell's four
        pixels_of_cells = torch.stack([shown[:, :, y::2, x::2] for y in (0, 1) for x in (0, 1)], 2).flatten(1, 2)
        fine = net.to_detail(torch.cat([F.silu(y2), pixels_of_cells], 1))
        detail, pixels = torch.zeros(len(rgba), bins, size, size), fine[:, 4 * bins :]
        for y in (0, 1):
            for x in (0, 1):
                start = (2 * y + x) * bins
                detail[:, :, y::2, x::2] = fine[:, start : start + bins]
    density = resized(shape, size // config.density_stride) + detail
    if config.silhouette:
        covered = F.max_pool2d(alpha, config.density_stride)
        density = density - 16 * (1 - (4 * covered).clamp(max=1))
    return (
        density.permute(0, 2, 3, 1),
        volume.permute(0, 3, 4, 1, 2),
        pixels.permute(0, 2, 3, 1),
        semantics.permute(0, 2, 3, 1),
        joined,
    )


def plain_samples(
    field: FastField, points: Tensor, training: bool = False, shares: Tensor | None = None
) -> dict[str, Tensor]:
    """All channels of a field of one object at points (n, 3), view by view; or of rays that these are the samples of,
    by their ``shares`` (r, s)."""
    head = field.head
    views = field.further.shape[1]
    plane = None if field.mirror is None else field.mirror[0]
    raw, hidden, semantics, colours, trust = [], [], [], [], []
    images = None if plane is None else points - 2 * (points @ plane[:3] + plane[3])[:, None] * plane[:3]
    for view in range(views):
        here_raw, here_latent, here_colour, here_semantics = added_up(plain_look_up(field, points, view), shares)
        here_hidden = F.silu(head.from_view(here_latent))
        colours.append(here_colour)
        trust.append(head.to_trust(here_hidden))
        if images is None:
            raw.append(here_raw)
            hidden.append(here_hidden)
            semantics.append(here_semantics)
            continue
        there_raw, there_latent, there_colour, there_semantics = added_up(plain_look_up(field, images, view), shares)
        there_hidden = F.silu(head.from_image(there_latent))
        colours.append(there_colour)
        trust.append(head.to_trust(there_hidden))
        share = torch.sigmoid(head.to_share(here_hidden))
        raw.append(here_raw if training else (here_raw + there_raw) / 2)
        hidden.append((1 - share) * here_hidden + share * there_hidden)
        semantics.append((1 - share) * here_semantics + share * there_semantics)
    density = 60 * F.softplus(sum(raw) / views - 4)
    fused = F.silu(head.hidden(sum(hidden) / views))
    own_colour = torch.sigmoid(head.to_colour(fused))
    shares = torch.softmax(torch.stack([torch.zeros_like(trust[0]), *trust]), 0)  # the own colour's trust is 0
    rgb = sum(share * colour for share, colour in zip(shares, [own_colour, *colours], strict=True))
    own = head.to_descriptor(fused)
    length = own.norm(dim=-1, keepdim=True)
    shown = F.normalize(sum(semantics), dim=-1) * length * 0.8**0.5
    feature, coordinate = head.output(torch.cat([own, shown], -1)).split([field.head.feature_dim, 3], -1)
    told = F.normalize(feature, dim=-1) * length * 0.4**0.5
    descriptor = torch.cat([own, shown, told], -1)
    return {
        "density": density[:, None],
        "rgb": rgb,
        "feature": feature,
        "coordinate": coordinate,
        "descriptor": descriptor,
    }


def added_up(found: tuple[Tensor, ...], shares: Tensor | None) -> tuple[Tensor, ...]:
    """What was found at samples of rays, added up along each ray."""
    if shares is None:
        return found
    return tuple((value.reshape(*shares.shape, -1) * shares[..., None]).sum(1).squeeze(-1) for value in found)


def plain_look_up(field: FastField, points: Tensor, view: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Raw density, latent, colour and semantics of points in one view's frustum, between depths of 0.8 and 1.8."""
    camera = field.frustums[0, view]
    xy, depth = camera.project(points)
    depth = depth - (camera.centre.norm() - 1.3)
    x, y, z = 2 * xy[:, 0] / camera.width - 1, 2 * xy[:, 1] / camera.height - 1, 2 * (depth - 0.8) - 1

    def flat(maps: Tensor) -> Tensor:
        where = torch.stack([x, y], -1)[None, None]
        maps = maps.movedim(-1, 0)[None]
        return F.grid_sample(maps, where, align_corners=False, padding_mode="border")[0, :, 0].T

    def deep(volume: Tensor) -> Tensor:  # (h, w, d, c)
        where = torch.stack([z, x, y], -1)[None, None, None]
        volume = volume.movedim(-1, 0)[None]
        return F.grid_sample(volume, where, align_corners=False, padding_mode="border")[0, :, 0, 0].T

    latent = torch.cat([deep(field.volume[view]), flat(field.pixels[view]), torch.stack([x, y, z], -1)], -1)
    raw = deep(field.density[view][..., None])[:, 0]
    return raw, latent, flat(field.pictures[view].movedim(0, -1)), flat(field.semantics[view])
