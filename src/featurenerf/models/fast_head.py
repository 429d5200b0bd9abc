"""The fast model's head: from what is looked up, at a point or along a ray, to the channels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.models.fast_net import FastConfig

PLACE_DIM = 27
"""Numbers that say what place of its object a point is, see ``place_loss``."""
PLACE_UNIT = 0.25
"""Errors of places are counted in this share of the object's box, about their spread."""


@dataclass(frozen=True)
class SourceFeatures:
    """What the source pictures know of points, at the pixels that they project to."""

    latent: Float[Tensor, "b v n c"]
    color: Float[Tensor, "b v n 3"]
    semantics: Float[Tensor, "b v n cs"]

    def added_up(self, shares: Float[Tensor, "b r s"]) -> SourceFeatures:
        """Along rays, by the shares of their samples."""
        whole = (x.unflatten(2, shares.shape[1:]) for x in (self.latent, self.color, self.semantics))  # (b, v, r, s, c)
        return SourceFeatures(*(torch.einsum("brs,bvrsc->bvrc", shares.to(x.dtype), x) for x in whole))

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
        hidden = F.silu(self.hidden(mean_of_views(per_view)))  # (b, n, hidden)
        values: dict[str, Tensor] = {}
        if "rgb" in channels:
            # a mixture of an own colour and of the colours seen in the sources, each as far as it is to be trusted
            own = self.to_colour(hidden).float().sigmoid()
            share = torch.cat([torch.zeros_like(trust[:, :1]), trust], 1).softmax(1)
            values["rgb"] = (share * torch.cat([own.unsqueeze(1), colors.float()], 1)).sum(1)
        if not {"descriptor", "feature", "coordinate", "label"}.isdisjoint(channels):
            own = self.to_descriptor(hidden)  # (b, n, own_dim)
            length = (own.detach() if training else own).norm(dim=-1, keepdim=True)
            semantic_part = _of_length(
                mean_of_views(semantics), length * self.semantic_weight**0.5
            )  # (b, n, semantic_dim)
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


def _of_length(x: Float[Tensor, "*n c"], length: Float[Tensor, "*n 1"]) -> Float[Tensor, "*n c"]:
    return x * (length / x.norm(dim=-1, keepdim=True).clamp(min=1e-6))


def mean_of_views(x: Float[Tensor, "b v *n"]) -> Float[Tensor, "b ..."]:
    """Of all views; of one there is nothing to add up."""
    return x[:, 0] if x.shape[1] == 1 else x.mean(1)


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
