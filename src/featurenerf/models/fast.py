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
from featurenerf.models.fast_head import Head, SourceFeatures, mean_of_views, place_loss
from featurenerf.models.fast_net import FastConfig as FastConfig
from featurenerf.models.fast_net import PictureNet
from featurenerf.models.occupancy import density_activation, frustum_places, occupied_box, with_image
from featurenerf.models.symmetry import fit_planes, moved, reflect, world_plane
from featurenerf.models.warp import Canonical
from featurenerf.pca import principal_components
from featurenerf.pictures import on_black
from featurenerf.rendering import Channels, Decoder, PerRay, Shading, Vectors, box_bounds, sphere_bounds
from featurenerf.shown import Shown

COMPARED_SEMANTICS = 64
"""Rays of an object whose whole descriptors are compared with another's."""
RADIUS = 0.52
"""Of the sphere around the origin that holds every object, with a margin."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FastField(VolumeField):
    """Volumes in the frustums of the source cameras, and the head that reads them."""

    head: Head
    sizes: Mapping[str, int]
    """Its channels."""
    training: bool
    """Whether the model was being trained when it made the field."""
    decode_once: bool
    """Whether the head reads a ray's latents added up, or those of each sample."""
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
        places = self._places(points)
        values: dict[str, Tensor] = {}
        if "density" in channels:
            values["density"] = density_activation(self._raw_density(places)).unsqueeze(-1)
        if rest := tuple(c for c in channels if c != "density"):
            own, image = self._source_features(places, rest)
            values.update(self.head(own, image, self._has_mirror, rest, self.training))
        return values

    def shown(self) -> Shown | None:
        if self.training or self.further.shape != (1, 1) or self.backbone.shape[1] == 0:
            return None
        return Shown(self.frustums.reshape(), self.outlines[0], self.backbone[0])

    @property
    def shading(self) -> Shading | None:
        return self._shading if self.decode_once else None

    def _shading(self, points: Float[Tensor, "b r s 3"], channels: tuple[str, ...]) -> Decoder:
        places = self._places(points.flatten(1, 2))
        # what is learnt from is looked up once; otherwise it is added up while it is looked up
        each = self._source_features(places, channels) if torch.is_grad_enabled() else None

        def decoded(shares: Float[Tensor, "b r s"]) -> Channels:
            if each is None:
                own, image = self._source_features(places, channels, shares)
            else:
                own, image = each[0].added_up(shares), None if each[1] is None else each[1].added_up(shares)
            return self.head(own, image, self._has_mirror, channels, self.training)

        return decoded

    def mirrored(self, points: Points) -> Points | None:
        """By the symmetry plane of a single field."""
        if self.mirror is None or not self.mirror[:, :3].any():
            return None
        return reflect(points.reshape(1, -1, 3), self.mirror[:1]).reshape(points.shape)

    @property
    def _has_mirror(self) -> Float[Tensor, " b"]:
        """1 for objects that have a symmetry plane."""
        return self.further.new_zeros(len(self.further)) if self.mirror is None else self.mirror[:, :3].square().sum(-1)

    def _places(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b m n 3"]:
        """Where points lie in each frustum, and, where objects are mirrored, where their images do: (depth, x, y)."""
        return frustum_places(points, self.frustums, self.further, self.depths, self.mirror)

    def _raw_density(self, places: Float[Tensor, "b m n 3"]) -> Float[Tensor, "b n"]:
        """The mean of all views, and, once trained, of the mirror images."""
        own, *image = places.split(self.further.shape[1], 1)
        raw = self._density_at(own)
        if image and not self.training:
            raw = raw.lerp(self._density_at(image[0]), self._has_mirror[:, None, None] / 2)
        return mean_of_views(raw)

    def _density_at(self, places: Float[Tensor, "b v n 3"]) -> Float[Tensor, "b v n"]:
        return sampled(self.density.unsqueeze(1), places.flatten(0, 1))[..., 0].unflatten(0, self.further.shape)

    def _source_features(
        self,
        places: Float[Tensor, "b m n 3"],
        channels: tuple[str, ...],
        shares: Float[Tensor, "b r s"] | None = None,
    ) -> tuple[SourceFeatures, SourceFeatures | None]:
        """Of points and of their mirror images; or of rays, by the shares of their points."""
        shape, dtype = self.further.shape, self.head.output.weight.dtype
        images = places.shape[1] // shape[1]
        # a map is looked up once for both: its gradient is then made once
        places = places.unflatten(1, (images, -1)).transpose(1, 2).flatten(2, 3).flatten(0, 1)  # (bv, images * n, 3)
        flat, colors, of_map = places[..., 1:], sampled(self.pictures, places[..., 1:]), self.volume.dtype
        where = torch.cat([flat, places[..., :1]], -1)
        if shares is not None:
            shares = shares.repeat(1, images, 1).repeat_interleave(shape[1], 0)  # (bv, images * r, s)
            colors, where = (
                torch.einsum("brs,brsc->brc", shares.to(x.dtype), x.unflatten(1, shares.shape[1:]))
                for x in (colors, where)
            )
        maps = (multilinear(self.volume, places, shares), multilinear(self.pixels, flat, shares))
        latent = torch.cat([*maps, where.to(of_map)], -1)
        meant = self.semantics.shape[-1] > 0 and channels != ("rgb",)
        semantics = multilinear(self.semantics, flat, shares) if meant else latent[..., :0]
        found = (x.unflatten(0, shape) for x in (latent.to(dtype), colors, semantics.to(dtype)))
        own, *image = SourceFeatures(*found).split(latent.shape[1] // images)
        return own, image[0] if image else None

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
            decode_once=self.config.decode_once,
            rays_per_chunk=4096 if flat.device.type == "cpu" else 16384,
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
