"""What a teacher is: a frozen 2D network whose features a field learns to predict in 3D."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Teacher(nn.Module, ABC):
    """Pictures to feature maps.

    Attributes:
        name: as in the registry.
        dim: numbers in a feature.
        size: side that pictures are resized to, in pixels.
    """

    name: str
    dim: int
    size: int

    @abstractmethod
    def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        """Feature maps of resized RGB pictures in [0, 1]; the network's own normalisation is applied here."""

    @torch.no_grad()
    def forward(self, pictures: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d hf wf"]:
        """Feature maps of RGB or RGBA pictures in [0, 1]; with alpha, the cells of the background are zero.

        The alpha channel itself is dropped and not composited, as in the authors' extraction.
        """
        resized = F.interpolate(pictures[:, :3], (self.size, self.size), mode="bilinear", align_corners=False)
        maps = self.features(resized)
        if pictures.shape[1] == 4:
            mask = F.interpolate(pictures[:, 3:], maps.shape[-2:], mode="nearest") > 0
            maps = maps * mask
        return maps
