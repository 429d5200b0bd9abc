"""The methods of this package."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Num
from torch import Tensor

from featurenerf.evaluation.methods.base import Method, PairView, Vectors, at_pixels
from featurenerf.evaluation.methods.pwarpc import PWarpC
from featurenerf.matching import comparable, normalise

_ALPHA_FLOOR = 1e-6
BLOCKS = 5
"""Residual blocks of the paper's field, as it is published."""


class ChannelMethod(Method):
    """The vectors are a channel of the field, the first of those that it reads."""

    def __init__(self, *channels: str, name: str | None = None) -> None:
        self.name, self.channels = name or channels[0], channels

    def vectors(self, view: PairView, places: Num[Tensor, "n c"]) -> Vectors:
        return self.channel(view, places, self.channels[0])


class TransferMethod(ChannelMethod):
    """As ``transfer_keypoints`` and ``transfer_parts``: what two pictures that were taken show counts, too."""

    def carry(self, source: PairView, asked: Tensor, target: PairView, candidates: Tensor) -> Int[Tensor, " n"]:
        if asked.shape[1] == 3:
            return super().carry(source, asked, target, candidates)
        ours, theirs = self.vectors(source, asked), self.vectors(target, candidates)
        one, other = (self.inputs.seen(view) for view in (source, target))
        return self.closest(*comparable(ours, theirs, one, other, asked, candidates))


class JoinedMethod(ChannelMethod):
    """The vectors are all of its channels, each of length 1, side by side."""

    def vectors(self, view: PairView, places: Num[Tensor, "n c"]) -> Vectors:
        return torch.cat([normalise(self.channel(view, places, name)) for name in self.channels], -1)


class CoordinateMethod(ChannelMethod):
    """The vectors are coordinates; what is rendered of them is divided by alpha."""

    euclidean = True

    def vectors(self, view: PairView, places: Num[Tensor, "n c"]) -> Vectors:
        values = super().vectors(view, places)
        if places.shape[1] == 3:
            return values
        return values / self.channel(view, places, "alpha").clamp_min(_ALPHA_FLOOR)


class LabelMethod(ChannelMethod):
    """As SemanticNeRF: parts are the arg-max of the target's own label channel, keypoints go by descriptors."""

    def labels(self, target: PairView, places: Tensor, source: PairView, known: Tensor, parts: Tensor) -> Tensor:
        return self.channel(target, places, "label").argmax(-1).cpu()


class TeacherMaps(Method):
    """The teacher's map of the real picture: upsampled at a pixel, sampled at a point's projection."""

    name = "teacher"
    needs_teacher = True
    privileged = True

    def vectors(self, view: PairView, places: Num[Tensor, "n c"]) -> Vectors:
        features, whole = self.inputs.teacher_maps(view.object_id, view.shown)
        if places.shape[1] == 2:
            return at_pixels(whole, places)
        camera = self.inputs.camera(view)
        xy = camera.project(places.to(camera.pose.dtype))[0] / torch.tensor([camera.width, camera.height])
        grid = (2 * xy - 1).to(features.device, features.dtype)
        sampled = F.grid_sample(features[None], grid[None, None], padding_mode="border", align_corners=False)
        return sampled[0, :, 0].T


class SamePixel(Method):
    """Knows nothing: the closest place is the same pixel, or the same position in front of the camera."""

    name = "same-pixel"
    euclidean = True

    def vectors(self, view: PairView, places: Num[Tensor, "n c"]) -> Vectors:
        if places.shape[1] == 2:
            return places.float()
        camera = self.inputs.camera(view)
        return camera.world_to_camera(places.to(camera.pose.dtype))


class Chance(SamePixel):
    """Answers with any candidate."""

    name = "chance"

    def closest(self, query: Vectors, candidates: Float[Tensor, "m d"]) -> Int[Tensor, " n"]:
        return torch.randint(len(candidates), (len(query),), generator=self.inputs.generator)


BUILTIN: tuple[Method, ...] = (
    ChannelMethod("descriptor"),
    ChannelMethod("feature"),
    TeacherMaps(),
    SamePixel(),
    CoordinateMethod("coordinate", "alpha"),
    Chance(),
    LabelMethod("descriptor", "label", name="label"),
    PWarpC(),
    TransferMethod("descriptor", name="transfer"),
    JoinedMethod("descriptor", "feature", name="descriptor+feature"),
    *(ChannelMethod(f"block_{k}", name=f"block-{k}") for k in range(1, BLOCKS + 1)),
)
