"""A field that is fast by design: the work is done once per picture, not once per point.

A convolutional network (``fast_net``) turns the picture into a volume in the source camera's frustum (pixel x pixel x
depth). A point is answered by looking the volume up and decoding with a tiny head. Density has a fine volume of its
own, one channel deep, so that a ray finds its surface cheaply and only the samples that carry weight are decoded.

    point -> look-ups -> Head -> rgb; own part and semantics -> output layer -> feature, coordinate

Most objects are their own mirror image, and what is hidden at a point may be seen at its image on the other side of
the symmetry plane (``models.symmetry``). So volumes and pictures are looked up at both. Of latents the network says how
much the image counts; densities have one vote each, as those of several pictures have, and are trained apart.

A descriptor is the head's own part, the semantics and the feature, each as long as makes its similarity count so much.
Colour does not depend on the viewing direction.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.cameras import Camera
from featurenerf.fields.base import Points
from featurenerf.fields.lookup import multilinear, sampled
from featurenerf.fields.pose import assumed_camera
from featurenerf.fields.volume import VolumeField
from featurenerf.models.base import Compare, Model
from featurenerf.models.encoders import ENCODERS
from featurenerf.models.fast_net import FastConfig as FastConfig
from featurenerf.models.fast_net import PictureNet
from featurenerf.models.occupancy import density_activation, occupied_box, with_image
from featurenerf.models.symmetry import fit_planes, moved, reflect, world_plane
from featurenerf.models.warp import Canonical
from featurenerf.pca import principal_components
from featurenerf.pictures import on_black
from featurenerf.rendering import Channels, PerRay, Vectors, box_bounds, sphere_bounds
from featurenerf.shown import Shown

PLACE_DIM = 27
"""Numbers that say what place of its object a point is, see ``place_loss``."""
PLACE_UNIT = 0.25
"""Errors of places are counted in this share of the object's box, about their spread."""
COMPARED_SEMANTICS = 64
"""Rays of an object whose whole descriptors are compared with another's."""
RADIUS = 0.52
"""Of the sphere around the origin that holds every object, with a margin."""


@dataclass(frozen=True)
class SourceFeatures:
    """What the source pictures know of points, at the pixels that they project to."""

    latent: Float[Tensor, "b v n c"]
    color: Float[Tensor, "b v n 3"]
    semantics: Float[Tensor, "b v n cs"]

    def split(self, n: int) -> list[SourceFeatures]:
        """Of n points each."""
        parts = (whole.split(n, 2) for whole in (self.latent, self.color, self.semantics))
        return [SourceFeatures(*part) for part in zip(*parts, strict=True)]


class Head(nn.Module):
    """From the latents of a point to its colour, descriptor, feature and coordinate."""

    def __init__(self, config: FastConfig) -> None:
        super().__init__()
        self.feature_dim = config.feature_dim
        self.semantic_weight, self.feature_weight = config.semantic_weight, config.feature_weight
        latents = config.volume_channels + config.pixel_channels + 3
        self.from_view = nn.Linear(latents, config.hidden)
        if config.symmetric:
            self.from_image = nn.Linear(latents, config.hidden)
            self.to_share = nn.Linear(config.hidden, 1)
            nn.init.constant_(self.to_share.bias, -1.0)
        self.hidden = nn.Linear(config.hidden, config.hidden)
        self.to_descriptor = nn.Linear(config.hidden, config.own_dim)
        self.output = nn.Linear(config.own_dim + config.semantic_dim, config.feature_dim + 3)
        if config.labels:
            self.to_label = nn.Linear(config.own_dim + config.semantic_dim, len(config.labels))
        self.to_place = nn.Linear(config.own_dim, PLACE_DIM)  # trains to_descriptor; nothing else reads it
        self.to_colour = nn.Linear(config.hidden, 3)  # the name in checkpoints
        self.to_trust = nn.Linear(config.hidden, 1)

    def forward(
        self,
        here: SourceFeatures,
        there: SourceFeatures | None,
        mirrored: Float[Tensor, " b"],
        channels: tuple[str, ...],
        training: bool,
    ) -> dict[str, Tensor]:
        """Channels of points.

        Args:
            here, there: of the points and of their mirror images, where objects are ``mirrored`` (1, else 0).
            training: what makes a descriptor's parts as long as they are learns nothing from it.
        """
        per_view = F.silu(self.from_view(here.latent))  # (b, v, n, hidden)
        trust, colors, semantics = self.to_trust(per_view).float(), here.color, here.semantics
        if there is not None:
            image = F.silu(self.from_image(there.latent))
            known = mirrored[:, None, None, None]
            trust = torch.cat([trust, self.to_trust(image).float() + known.log()], 1)  # (b, 2v, n, 1)
            colors = torch.cat([colors, there.color], 1)
            share = self.to_share(per_view).float().sigmoid() * known  # (b, v, n, 1)
            per_view = per_view.lerp(image, share.to(image.dtype))
            count = share.detach() if training else share
            semantics = semantics.lerp(there.semantics, count.to(semantics.dtype))
        hidden = F.silu(self.hidden(per_view.mean(1)))  # (b, n, hidden)
        values: dict[str, Tensor] = {}
        if "rgb" in channels:
            # a mixture of an own colour and of the colours seen in the sources, each as far as it is to be trusted
            own = self.to_colour(hidden).float().sigmoid()
            share = torch.cat([torch.zeros_like(trust[:, :1]), trust], 1).softmax(1)
            values["rgb"] = (share * torch.cat([own.unsqueeze(1), colors.float()], 1)).sum(1)
        if not {"descriptor", "feature", "coordinate", "label"}.isdisjoint(channels):
            own = self.to_descriptor(hidden)  # (b, n, own_dim)
            length = (own.detach() if training else own).norm(dim=-1, keepdim=True)
            semantic_part = _of_length(semantics.mean(1), length * self.semantic_weight**0.5)  # (b, n, semantic_dim)
            known = torch.cat([own, semantic_part.to(own.dtype)], -1)
            feature, coordinate = self.output(known).float().split([self.feature_dim, 3], -1)
            values.update(feature=feature, coordinate=coordinate)
            if "label" in channels:
                values["label"] = self.to_label(known).float()
            if "descriptor" in channels:
                feature_part = feature.detach() if training else feature
                feature_part = _of_length(feature_part, length * self.feature_weight**0.5)
                values["descriptor"] = torch.cat([known, feature_part.to(known.dtype)], -1)  # (b, n, descriptor_dim)
        return {name: values[name] for name in channels}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FastField(VolumeField):
    """Volumes in the frustums of the source cameras, and the head that reads them."""

    head: Head
    sizes: Mapping[str, int]
    """Its channels."""
    training: bool
    """Whether the model was being trained when it made the field."""
    frustums: Camera  # (b, v), of the warped pictures
    further: Float[Tensor, "b v"]
    """How much further from the origin they stand than the canonical camera: so much less is depth in the volumes."""
    depths: tuple[float, float]
    """Between which the volumes lie, seen by the canonical camera."""
    pictures: Float[Tensor, "bv 3 s s"]
    density: Float[Tensor, "bv h w d"]
    volume: Float[Tensor, "bv hv wv dv c"]
    pixels: Float[Tensor, "bv hp wp cp"]
    semantics: Float[Tensor, "bv hs ws cs"]
    outlines: Float[Tensor, "bv s s"]
    backbone: Float[Tensor, "bv cb hs ws"]
    """The frozen network's features that semantics are made of."""
    mirror: Float[Tensor, "b 4"] | None
    """Symmetry planes in the world (``symmetry.reflect``); None where nothing is mirrored."""
    box: Float[Tensor, "b 2 3"] | None
    """Low and high corner, in the world, of what is not empty in the frustums themselves; None while training."""

    @property
    def channels(self) -> Mapping[str, int]:
        return self.sizes

    def sample(self, points: Vectors, directions: Vectors, channels: tuple[str, ...]) -> Channels:
        here = self._grid(points)
        there = None if self.mirror is None else self._grid(reflect(points, self.mirror))
        values: dict[str, Tensor] = {}
        if "density" in channels:
            raw = self._raw_density(here)
            if there is not None and not self.training:
                raw = raw.lerp(self._raw_density(there), self._has_mirror[:, None, None] / 2)
            raw = raw.mean(1)  # (b, n)
            values["density"] = density_activation(raw).unsqueeze(-1)
        if rest := tuple(c for c in channels if c != "density"):
            if there is None:
                own, image = self._source_features(here), None
            else:  # at once: a volume's gradient is then made once
                own, image = self._source_features(torch.cat([here, there], 1)).split(points.shape[1])
            values.update(self.head(own, image, self._has_mirror, rest, self.training))
        return values

    def shown(self) -> Shown | None:
        if self.training or self.further.shape != (1, 1) or self.backbone.shape[1] == 0:
            return None
        return Shown(self.frustums.reshape(), self.outlines[0], self.backbone[0])

    def mirrored(self, points: Points) -> Points | None:
        """By the symmetry plane of a single field."""
        if self.mirror is None or not self.mirror[:, :3].any():
            return None
        return reflect(points.reshape(1, -1, 3), self.mirror[:1]).reshape(points.shape)

    @property
    def _has_mirror(self) -> Float[Tensor, " b"]:
        """1 for objects that have a symmetry plane."""
        return self.further.new_zeros(len(self.further)) if self.mirror is None else self.mirror[:, :3].square().sum(-1)

    def _grid(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "bv n 3"]:
        """Where points lie in each frustum, from -1 to 1."""
        near, far = self.depths
        each = points.unsqueeze(1).expand(-1, self.further.shape[1], -1, -1)  # (b, v, n, 3)
        xy, depth = self.frustums.project(each)
        depth = depth - self.further.unsqueeze(-1).to(points.dtype)
        size = points.new_tensor([self.frustums.width, self.frustums.height])
        grid = torch.cat([2 * xy / size - 1, 2 * (depth.unsqueeze(-1) - near) / (far - near) - 1], -1)  # (b, v, n, 3)
        return grid.flatten(0, 1)

    def _raw_density(self, grid: Float[Tensor, "bv n 3"]) -> Float[Tensor, "b v n"]:
        return sampled(self.density.unsqueeze(1), grid.roll(1, -1))[..., 0].unflatten(0, self.further.shape)

    def _source_features(self, grid: Float[Tensor, "bv n 3"]) -> SourceFeatures:
        flat, dtype = grid[..., :2], self.head.output.weight.dtype
        deep = multilinear(self.volume, grid.roll(1, -1))
        latent = torch.cat([deep, multilinear(self.pixels, flat), grid.to(self.volume.dtype)], -1)
        semantics = multilinear(self.semantics, flat) if self.semantics.shape[-1] else latent[..., :0]
        found = (latent.to(dtype), sampled(self.pictures, flat), semantics.to(dtype))
        return SourceFeatures(*(x.unflatten(0, self.further.shape) for x in found))

    def bounds(self, origins: Vectors, directions: Vectors, near: float, far: float) -> tuple[PerRay, PerRay]:
        first, last = super().bounds(origins, directions, near, far)
        start, end = sphere_bounds(origins, directions, RADIUS)
        if self.box is not None:
            box = self.box if self.mirror is None else with_image(self.box, self.mirror)
            enter, leave = box_bounds(origins, directions, box)
            start, end = torch.maximum(start, enter), torch.minimum(end, leave)
        start, end = (torch.minimum(torch.maximum(depth, first), last) for depth in (start, end))
        return start, torch.maximum(start, end)


class FastModel(Model):
    """See the module's docstring."""

    name = "fast"
    config_type = FastConfig
    memory_format = torch.channels_last
    canonical: Canonical

    def __init__(self, config: FastConfig) -> None:
        super().__init__()
        self.config = config
        self.canonical = Canonical(config.size, config.fov, config.distance, config.near, config.far)
        self.sampling = config.sampling
        self.net = PictureNet(config)
        self.head = Head(config)

    @property
    def frozen(self) -> tuple[nn.Module, ...]:
        return () if self.config.encoder is None else (self.net.backbone,)

    @property
    def channels(self) -> dict[str, int]:
        config = self.config
        sizes = {"density": 1, "rgb": 3, "feature": config.feature_dim, "coordinate": 3}
        sizes.update(descriptor=config.descriptor_dim, label=len(config.labels))
        return {name: size for name, size in sizes.items() if size}

    def initialise(self, pictures: Iterable[Float[Tensor, "1 4 h w"]], *, imagenet: bool = True) -> None:
        """An encoder trained on ImageNet; semantics that are principal components of its features on training views.

        Raises:
            InputError, MissingExtraError: when the encoder's weights cannot be had.
        """
        if self.config.encoder is not None and imagenet:
            blocks = max(*self.config.encoder_blocks, *self.config.semantic_blocks) + 1
            self.net.backbone.load_state_dict(ENCODERS[self.config.encoder].pretrained(blocks))
        if self.config.semantic_dim == 0:
            return
        found = []
        for rgba in (picture.to(self.device) for picture in pictures):
            maps = self.net.semantic_features(on_black(rgba))
            on_object = F.adaptive_max_pool2d(rgba[:, 3], maps.shape[-2:]) > 0
            found.append(maps.permute(0, 2, 3, 1)[on_object])
        components = principal_components(torch.cat(found), self.config.semantic_dim)
        self.net.set_semantics(components.mean, components.basis / components.scale)

    def descriptor_losses(
        self,
        descriptors: Float[Tensor, "o v r d"],
        compare: Compare,
        places: Float[Tensor, "o r p"],
        met: Float[Tensor, "o r 1"],
    ) -> dict[str, Float[Tensor, ""]]:
        """The head's own part is compared, and should tell its place; semantics learn from whole descriptors."""
        own, rest = descriptors.split([self.config.own_dim, descriptors.shape[-1] - self.config.own_dim], -1)
        return {
            "semantics": compare(torch.cat([own.detach(), rest], -1), COMPARED_SEMANTICS),
            "place": place_loss(self.head.to_place(own), places, met),
            "correspondence": compare(own, None),
        }

    def _encode(self, pictures: Float[Tensor, "b v 4 s s"], cameras: Camera, assumed: bool = False) -> FastField:
        flat = pictures.flatten(0, 1)
        density, volume, pixels, semantics, backbone = self.net(flat.contiguous(memory_format=torch.channels_last))
        dtype = torch.promote_types(flat.dtype, torch.float32)
        volume, pixels, semantics = (maps.to(dtype).contiguous() for maps in (volume, pixels, semantics))
        density = density.to(dtype)
        further, depths = self.canonical.further(cameras), (self.canonical.near, self.canonical.far)
        field = FastField(
            source=cameras,
            sampling=self.sampling,
            head=self.head,
            sizes=self.channels,
            training=self.training,
            frustums=cameras,
            further=further,
            depths=depths,
            pictures=flat[:, :3],
            density=density,
            volume=volume,
            pixels=pixels,
            semantics=semantics,
            outlines=flat[:, 3],
            backbone=backbone,
            mirror=None,
            box=None,
        )
        if self.training or not assumed or cameras.batch_shape != (1, 1):
            return self._bounded(field, in_world=not assumed)
        # a plane is read off in the world of the assumed camera, whatever camera was found: so it is one and the same
        first = assumed_camera(cameras.width, cameras.height).pose.to(cameras.pose)
        first[:3, 3] *= cameras.centre.norm() / first[:3, 3].norm()
        home = self._bounded(
            replace(field, frustums=replace(cameras, pose=first.expand_as(cameras.pose))), in_world=False
        )
        return self._encode_again(home, pictures, cameras)

    def _bounded(self, field: FastField, *, in_world: bool) -> FastField:
        """A field with its bound and its symmetry plane."""
        if not self.training:
            bound = occupied_box(field.density.detach(), field.frustums, field.further, field.depths)
            field = replace(field, box=bound)
        return replace(field, mirror=self._mirror(field, in_world)) if self.config.symmetric else field

    def _encode_again(self, field: FastField, pictures: Float[Tensor, "1 1 4 s s"], cameras: Camera) -> FastField:
        if not torch.allclose(pictures[0, :, :3], field.pictures, atol=2e-3):
            return self._encode(pictures, cameras, assumed=True)
        # what the network makes of a picture does not depend on the heading and elevation of its camera, and the plane
        # that is read off it moves with the camera
        further = self.canonical.further(cameras)
        box = None if self.training else occupied_box(field.density.detach(), cameras, further, field.depths)
        mirror = field.mirror
        if not self.training:
            with torch.autocast(cameras.pose.device.type, enabled=False):  # not rounded to bfloat16
                mirror = moved(mirror, field.frustums.pose[:, 0], cameras.pose[:, 0])
        return replace(field, frustums=cameras, further=further, box=box, mirror=mirror)

    @torch.no_grad()
    def _mirror(self, field: FastField, in_world: bool) -> Float[Tensor, "b 4"] | None:
        """Symmetry planes, from the coordinates along every sixth ray of the source pictures.

        While training they are given; every fourth field has none, so that coordinates are learnt without, too.
        """
        b, v = field.further.shape
        if self.training:
            with_plane = torch.arange(b, device=field.further.device) % 4 < 3
            return world_plane(b, field.further.device) * with_plane.unsqueeze(-1)
        steps = torch.arange(3, self.config.size, 6, device=field.further.device) + 0.5
        xy = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).flatten(0, 1).expand(b, v, -1, 2)
        origins, directions = field.frustums.rays_through(xy)  # (b, v, r, 3)
        origins, directions = origins.flatten(1, 2), directions.flatten(1, 2)
        seen = field.render_rays(origins, directions, 0.0, math.inf, ("coordinate",)).channels
        alpha = seen["alpha"].clamp(min=1e-3)
        points = origins + directions * seen["depth"] / alpha
        weights = torch.where(alpha > 0.5, alpha, 0.0)[..., 0]
        with torch.autocast(points.device.type, enabled=False):
            planes = fit_planes(points, seen["coordinate"] / alpha, weights, in_world=in_world)
        return planes if planes[:, :3].any() else None


def place_loss(
    predicted: Float[Tensor, "o v r p"], places: Float[Tensor, "o r p"], present: Float[Tensor, "o r 1"]
) -> Float[Tensor, ""]:
    """Squared error of the places that a linear layer predicts from the head's part of descriptors.

    Args:
        predicted: of the rays as they are in each of an object's fields.
        places, present: as in ``Model.descriptor_losses``.
    """
    off = ((predicted.float() - places.unsqueeze(1)) / PLACE_UNIT).square().sum(-1, keepdim=True)
    return (off * present.unsqueeze(1)).sum() / (present.sum() * predicted.shape[1]).clamp(min=1)


def _of_length(x: Float[Tensor, "*n c"], length: Float[Tensor, "*n 1"]) -> Float[Tensor, "*n c"]:
    return x * (length / x.norm(dim=-1, keepdim=True).clamp(min=1e-6))
