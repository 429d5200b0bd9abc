"""Edits: functions from fields to a field, which is queried and rendered as any other.

Where a field is edited is a ``Region``, and what colour it takes there is a ``Paint``; both may look at what the field
knows of the points. Part texture swapping (paper, section 4.4) is ``recolored(b, part, texture_of(a))``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from featurenerf.arrays import floats
from featurenerf.errors import InputError
from featurenerf.fields.base import Points, chosen
from featurenerf.fields.regions import Alike as Alike
from featurenerf.fields.regions import Ball as Ball
from featurenerf.fields.regions import Paint, Region
from featurenerf.fields.regions import Painted as Painted
from featurenerf.fields.regions import Part as Part
from featurenerf.fields.regions import Plain as Plain
from featurenerf.fields.regions import Texture as Texture
from featurenerf.fields.volume import VolumeField
from featurenerf.rendering import Channels, Decoder, PerRay, PerSample, Shading, Vectors
from featurenerf.shown import remembering


def recolored(field: VolumeField, region: Region, paint: Paint) -> VolumeField:
    """The field with another colour in a region; everything else stays."""
    return edited(Recolored, field, region=region, paint=paint)


def removed(field: VolumeField, region: Region) -> VolumeField:
    """The field without a region: it is empty there."""
    return edited(Cut, field, region=region, kept=False)


def isolated(field: VolumeField, region: Region) -> VolumeField:
    """A region of the field alone: it is empty elsewhere."""
    return edited(Cut, field, region=region, kept=True)


def transformed(
    field: VolumeField,
    rotation: Float[Tensor, "3 3"] | None = None,
    translation: Float[Tensor, " 3"] | None = None,
    scale: float = 1.0,
) -> VolumeField:
    """The field moved: its point p goes to ``scale * rotation @ p + translation``.

    Raises:
        InputError: for a scale that is not positive, a matrix that is no rotation, or a translation that is no vector.
    """
    rotation = torch.eye(3) if rotation is None else floats(rotation, "a rotation").float().cpu()
    translation = torch.zeros(3) if translation is None else floats(translation, "a translation").float().cpu()
    fits = rotation.shape == (3, 3) and translation.shape == (3,) and 0 < scale < math.inf
    if not (fits and torch.allclose(rotation @ rotation.T, torch.eye(3), atol=1e-4) and rotation.det() > 0):
        raise InputError(
            "a field is moved by a (3, 3) rotation, a (3,) translation and a positive scale, not by "
            f"{rotation.tolist()}, {translation.tolist()} and {scale}"
        )
    pose = field.source.pose.clone()
    pose[..., :3, :3] = rotation.to(pose) @ pose[..., :3, :3]
    pose[..., :3, 3] = scale * field.source.centre @ rotation.T.to(pose) + translation.to(pose)
    near, far = (None if depth is None else scale * depth for depth in (field.source.near, field.source.far))
    source = replace(field.source, pose=pose, near=near, far=far)
    return edited(Transformed, field, rotation=rotation, translation=translation, scale=float(scale), source=source)


def marked(field: VolumeField, region: Region) -> VolumeField:
    """The field with a further channel, "region": 1 inside and 0 outside; rendered, the share of what is seen."""
    return edited(Marked, field, region=region)


def composed(fields: Sequence[VolumeField]) -> VolumeField:
    """Several fields in one world, seen by the first one's cameras.

    Densities add, other channels are means by density: those that all fields have, and "instance", the share of each.

    Raises:
        InputError: for no field, batches, or channels that have different lengths.
    """
    if not fields or any(field.batched for field in fields):
        raise InputError("a scene is composed of single fields, at least one")
    shared = {name: size for name, size in fields[0].channels.items() if all(name in f.channels for f in fields)}
    odd = [name for name, size in shared.items() if any(field.channels[name] != size for field in fields)]
    if odd:
        raise InputError(f"fields of different models cannot be composed: they differ in the length of {odd[0]}")
    coarse = max(field.sampling.coarse for field in fields)
    return Scene(
        source=remembering(fields[0].source, None),
        pixel_offset=fields[0].pixel_offset,
        sampling=replace(fields[0].sampling, coarse=coarse, skip_below=0.0),
        rays_per_chunk=min(field.rays_per_chunk for field in fields),
        fields=tuple(fields),
        shared=shared,
    )


# ---------------------------------------------------------------------- the fields that edits make


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class EditedField(VolumeField):
    """A field made of another one, whose channels and bounds it has."""

    base: VolumeField

    @property
    def channels(self) -> Mapping[str, int]:
        return self.base.channels

    def bounds(self, origins: Vectors, directions: Vectors, near: float, far: float) -> tuple[PerRay, PerRay]:
        return self.base.bounds(origins, directions, near, far)

    def mirrored(self, points: Points) -> Points | None:
        return self.base.mirrored(points)


def edited(kind: type[EditedField], field: VolumeField, **settings: object) -> EditedField:
    """A field of a kind made of another one, sampled as that is unless ``settings`` say otherwise.

    Raises:
        InputError: for a batch of fields, or a region or paint that needs a channel which the field has not.
    """
    if field.batched:
        raise InputError("a batch of fields cannot be edited: edit one field at a time")
    for value in settings.values():
        if isinstance(value, (Region, Paint)):
            chosen(value.channels, (), field.channels)
    common = {name: getattr(field, name) for name in ("source", "pixel_offset", "sampling", "rays_per_chunk")}
    chosen_settings: dict[str, Any] = {**common, **settings}
    # it is no longer what its picture shows
    return kind(base=field, **{**chosen_settings, "source": remembering(chosen_settings["source"], None)})


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Recolored(EditedField):
    region: Region
    paint: Paint

    def sample(self, points: Vectors, directions: Vectors, channels: tuple[str, ...]) -> Channels:
        if "rgb" not in channels:
            return self.base.sample(points, directions, channels)
        wanted = tuple(dict.fromkeys((*channels, *self.region.channels, *self.paint.channels)))
        values = self.base.sample(points, directions, wanted)
        flat, known = points[0], {name: value[0] for name, value in values.items()}
        inside = self.region(flat, known)
        if inside.any():
            some = self.paint(flat[inside], {name: value[inside] for name, value in known.items()})
            rgb = values["rgb"].clone()
            rgb[0, inside] = some.to(rgb)
            values["rgb"] = rgb
        return {name: values[name] for name in channels}

    @property
    def shading(self) -> Shading | None:
        return None if self.base.shading is None else self._shading

    def _shading(self, points: Float[Tensor, "b r s 3"], channels: tuple[str, ...]) -> Decoder:
        """A ray's colour is that of its samples outside of the region, decoded at once, and the paint of the others."""
        shading = self.base.shading
        assert shading is not None
        decode, flat = shading(points, channels), points[0].flatten(0, 1)
        if "rgb" not in channels:
            return decode
        needed = tuple(dict.fromkeys((*self.region.channels, *self.paint.channels)))
        known = self.base.sample(flat[None], torch.zeros_like(flat)[None], needed) if needed else {}
        known = {name: value[0] for name, value in known.items()}
        inside = self.region(flat, known)
        if not inside.any():
            return decode
        paint = torch.zeros_like(flat)
        paint[inside] = self.paint(flat[inside], {name: value[inside] for name, value in known.items()}).to(flat)
        color, paint, inside = shading(points, ("rgb",)), paint.view_as(points), inside.view(points.shape[:3])

        def decoded(shares: PerSample) -> Channels:
            values, painted = decode(shares), shares * inside
            share = painted.sum(-1, keepdim=True)
            rest = color((shares - painted) / (1 - share).clamp(min=1e-6))["rgb"]
            rgb = (1 - share) * rest + (painted.unsqueeze(-1) * paint).sum(2)
            return {**values, "rgb": torch.where(share > 0, rgb.to(rest), values["rgb"])}

        return decoded


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Cut(EditedField):
    region: Region
    kept: bool
    """Whether the region is what stays, or what goes."""

    def sample(self, points: Vectors, directions: Vectors, channels: tuple[str, ...]) -> Channels:
        values = self.base.sample(points, directions, channels)
        if "density" not in channels:
            return values
        density = values["density"].clone()
        there = (density[0, :, 0] > 0).nonzero()[:, 0]
        known = self.base.sample(points[:, there], directions[:, there], self.region.channels) if len(there) else {}
        inside = self.region(points[0, there], {name: value[0] for name, value in known.items()})
        density[0, there[inside != self.kept]] = 0.0
        return {**values, "density": density}

    @property
    def shading(self) -> Shading | None:
        return self.base.shading


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Marked(EditedField):
    region: Region

    @property
    def channels(self) -> Mapping[str, int]:
        return {**self.base.channels, "region": 1}

    def sample(self, points: Vectors, directions: Vectors, channels: tuple[str, ...]) -> Channels:
        own = tuple(name for name in channels if name != "region")
        if "region" not in channels:
            return self.base.sample(points, directions, own)
        values = self.base.sample(points, directions, tuple(dict.fromkeys((*own, *self.region.channels))))
        inside = self.region(points[0], {name: value[0] for name, value in values.items()})
        return {**{name: values[name] for name in own}, "region": inside[None, :, None].to(points)}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Transformed(EditedField):
    rotation: Float[Tensor, "3 3"]
    translation: Float[Tensor, " 3"]
    scale: float

    def sample(self, points: Vectors, directions: Vectors, channels: tuple[str, ...]) -> Channels:
        values = self.base.sample(self._back(points), directions @ self.rotation.to(directions), channels)
        if "density" in values:  # per unit of the world
            values["density"] = values["density"] / self.scale
        return values

    @property
    def shading(self) -> Shading | None:
        shading = self.base.shading
        return None if shading is None else lambda points, channels: shading(self._back(points), channels)

    def bounds(self, origins: Vectors, directions: Vectors, near: float, far: float) -> tuple[PerRay, PerRay]:
        turned = directions @ self.rotation.to(directions)
        start, end = self.base.bounds(self._back(origins), turned, near / self.scale, far / self.scale)
        return start * self.scale, end * self.scale

    def mirrored(self, points: Points) -> Points | None:
        there = self.base.mirrored(self._back(points))
        if there is None:
            return None
        return self.scale * there @ self.rotation.T.to(points) + self.translation.to(points)

    def _back(self, points: Points) -> Points:
        """World points in the world of the field itself."""
        return (points - self.translation.to(points)) @ self.rotation.to(points) / self.scale


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Scene(VolumeField):
    fields: tuple[VolumeField, ...]
    shared: Mapping[str, int]

    @property
    def channels(self) -> Mapping[str, int]:
        return {**self.shared, "instance": len(self.fields)}

    def sample(self, points: Vectors, directions: Vectors, channels: tuple[str, ...]) -> Channels:
        wanted = tuple(dict.fromkeys(("density", *(name for name in channels if name != "instance"))))
        found = [field.sample(points, directions, wanted) for field in self.fields]
        densities = torch.stack([values["density"] for values in found])  # (f, b, n, 1)
        total = densities.sum(0)
        shares = densities / total.clamp(min=1e-8)
        values = {name: (shares * torch.stack([v[name] for v in found])).sum(0) for name in wanted if name != "density"}
        values.update(density=total, instance=shares[..., 0].movedim(0, -1))
        return {name: values[name] for name in channels}

    @property
    def shading(self) -> Shading | None:
        return None if any(field.shading is None for field in self.fields) else self._shading

    def _shading(self, points: Float[Tensor, "b r s 3"], channels: tuple[str, ...]) -> Decoder:
        """What each field shows of a ray is decoded at once; means by how much of the ray is each one's."""
        flat, wanted = points.flatten(1, 2), tuple(name for name in channels if name != "instance")
        whose = self.sample(flat, torch.zeros_like(flat), ("instance",))["instance"].unflatten(1, points.shape[1:3])
        decoders = [field.shading(points, wanted) for field in self.fields if field.shading is not None]

        def decoded(shares: PerSample) -> Channels:
            of_each = (shares.unsqueeze(-1) * whose).unbind(-1)  # (b, r, s)
            whole = [own.sum(-1, keepdim=True) for own in of_each]
            each = zip(decoders, of_each, whole, strict=True)
            found = [decode(own / share.clamp(min=1e-6)) for decode, own, share in each]
            instance = torch.cat(whole, -1)  # (b, r, f)
            mean = {name: torch.stack([v[name] for v in found], -1) @ instance.unsqueeze(-1) for name in wanted}
            return {name: instance if name == "instance" else mean[name].squeeze(-1) for name in channels}

        return decoded

    def bounds(self, origins: Vectors, directions: Vectors, near: float, far: float) -> tuple[PerRay, PerRay]:
        starts, ends = zip(*(field.bounds(origins, directions, near, far) for field in self.fields), strict=True)
        start, end = torch.stack(starts), torch.stack(ends)
        missed = end <= start
        first, last = torch.where(missed, torch.inf, start).amin(0), torch.where(missed, -torch.inf, end).amax(0)
        return torch.where(missed.all(0), near, first), torch.where(missed.all(0), near, last)
