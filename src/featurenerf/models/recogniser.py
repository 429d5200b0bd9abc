"""Which of a model's categories a picture shows, or none of these.

The fast field holds EfficientNet-Lite0, trained on ImageNet and frozen, without its last two layers. A recogniser is
those two (same file, Apache-2.0), so that it knows the 1,000 classes of ImageNet, and a small network. A category
is as likely as all of its classes together, and "none of these" as all classes of no category. What the small network
says of earlier blocks, trained on renders, is added. So photographs are recognised without any in training.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from featurenerf import masks
from featurenerf.errors import InputError, MissingExtraError, UnknownObjectError
from featurenerf.files import write_atomically
from featurenerf.limits import json_value, parsing
from featurenerf.models.encoders import BLOCK_CHANNELS, EfficientNetLite0
from featurenerf.models.weights import check_finite, read_weights
from featurenerf.pictures import Picture, Square, cut_out, on_black, to_tensor

FILE = "recogniser.safetensors"
NONE = "none of these"
SIZE = 160
"""Side of the pictures that are looked at, in pixels."""
MARGIN = 1.1
"""Their side, in units of the longer side of the object's box."""
CLASSES, EMBEDDED = 1000, 1280
"""Of ImageNet; numbers that the network finds in a picture before it tells them apart."""
BLOCKS = (10, 13)
"""What the small network reads: chairs are told from tables better here than later."""
EARLY = sum(BLOCK_CHANNELS[block] for block in BLOCKS)
HIDDEN = 32
"""Numbers in the middle of the small network."""
LEFT_OUT = -1
"""The group of classes that are neither of a category nor of none, such as car wheels."""


@dataclass(frozen=True, eq=False)
class Recogniser:
    """See the module's docstring.

    Attributes:
        categories: what is told apart, without "none of these".
        embedding_weight, embedding_bias: the network's last convolution.
        class_weight, class_bias: its classes.
        groups: which category, by number, each class is of; ``len(categories)`` is none of these, -1 left out.
        hidden_weight, hidden_bias: of the small network's first layer.
        own_weight, own_bias: of its second, for each category and, last, for none of these.
    """

    categories: tuple[str, ...]
    embedding_weight: Float[Tensor, "e c"]
    embedding_bias: Float[Tensor, " e"]
    class_weight: Float[Tensor, "n e"]
    class_bias: Float[Tensor, " n"]
    groups: Tensor
    hidden_weight: Float[Tensor, "h b"]
    hidden_bias: Float[Tensor, " h"]
    own_weight: Float[Tensor, "k h"]
    own_bias: Float[Tensor, " k"]

    @torch.no_grad()
    def describe(self, backbone: nn.Module, pictures: Float[Tensor, "n 4 s s"]) -> Float[Tensor, "n d"]:
        """What the network finds where the objects are, in pictures that ``framed`` made: its embedding and BLOCKS."""
        weight = next(backbone.parameters())
        *early, last = backbone(on_black(pictures).to(weight), (*BLOCKS, len(BLOCK_CHANNELS) - 1))
        last = F.conv2d(last.float().cpu(), self.embedding_weight[:, :, None, None], self.embedding_bias)
        found = []
        for maps in (F.relu6(last), *(each.float().cpu() for each in early)):
            cover = F.adaptive_avg_pool2d(pictures[:, 3:].float().cpu(), maps.shape[2:])
            found.append((maps * cover).sum((2, 3)) / cover.sum((2, 3)).clamp(min=1e-6))
        return torch.cat(found, 1)

    def class_sums(self, described: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Logarithms of what ImageNet's classes say of each category and of none. What has no class is like one of
        those of no category."""
        classes, none = described[:, :EMBEDDED] @ self.class_weight.T + self.class_bias, len(self.categories)
        others = (self.groups == none).sum().clamp(min=1).log()
        sums = [classes[:, self.groups == group].logsumexp(1) for group in range(none + 1)]
        return torch.stack([torch.where(each.isfinite(), each, sums[none] - others) for each in sums], 1)

    def probabilities(self, described: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Of each category and, last, of none of these."""
        hidden = F.silu(described[:, EMBEDDED:] @ self.hidden_weight.T + self.hidden_bias)
        return (self.class_sums(described) + hidden @ self.own_weight.T + self.own_bias).softmax(1)

    def write(self, folder: Path) -> None:
        """Into ``recogniser.safetensors`` of a checkpoint's directory, in half precision.

        Raises:
            OSError: it cannot be written.
        """
        tensors = {name: value.contiguous() for name, value in vars(self).items() if isinstance(value, Tensor)}
        tensors = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
        about = {"categories": json.dumps(self.categories)}
        write_atomically(folder / FILE, lambda path: save_file(tensors, path, about))


def read_recogniser(folder: Path, frozen: Sequence[nn.Module], categories: Mapping[str, str]) -> Recogniser | None:
    """That of a checkpoint's directory; None where it has none.

    Args:
        frozen: the parts of its model that are never trained.
        categories: what its model was trained on, by name.
    Raises:
        InputError: it is damaged, or belongs to another model.
    """
    path = folder / FILE
    if not path.exists():
        return None
    advice = "copy or make it again (featurenerf models recogniser), or remove it"
    tensors = read_weights(path)
    with parsing(f"{path} is damaged", advice), safe_open(path, "pt") as file:
        names = json_value((file.metadata() or {})["categories"].encode())
        made = Recogniser(tuple(str(name) for name in names), **{
            name: value.float() if value.is_floating_point() else value for name, value in tensors.items()
        })  # fmt: skip
    check_finite(tensors, path)
    count = len(made.categories) + 1
    shapes = {
        "embedding_weight": (EMBEDDED, BLOCK_CHANNELS[-1]), "embedding_bias": (EMBEDDED,),
        "class_weight": (CLASSES, EMBEDDED), "class_bias": (CLASSES,), "groups": (CLASSES,),
        "hidden_weight": (HIDDEN, EARLY), "hidden_bias": (HIDDEN,), "own_weight": (count, HIDDEN), "own_bias": (count,),
    }  # fmt: skip
    kinds = {name: value.is_floating_point() for name, value in tensors.items()}
    sound = [name for name, floating in kinds.items() if not floating] == ["groups"] and bool(
        ((made.groups >= LEFT_OUT) & (made.groups < count)).all() and (made.groups == count - 1).any()
    )
    if {name: tuple(value.shape) for name, value in tensors.items()} != shapes or not sound:
        raise InputError(f"{path} is no recogniser, or one of another version: {advice}")
    told = set(made.categories)
    if network_of(frozen) is None or len(told) < len(made.categories) or not told >= set(categories):
        raise InputError(
            f"{path}, of {' and '.join(made.categories)}, does not belong to the model beside it: {advice}"
        )
    return made


def recognised(
    recogniser: Recogniser | None, frozen: Sequence[nn.Module], picture: Picture | Sequence[Picture]
) -> dict[str, float]:
    """See ``Model.recognise``; of several pictures the mean."""
    network = network_of(frozen)
    if recogniser is None or network is None:
        raise InputError("this model has no recogniser: featurenerf models recogniser makes one for a checkpoint")
    pictures: list[Any] = list(picture) if isinstance(picture, (list, tuple)) else [picture]
    described = recogniser.describe(network, torch.stack([framed(each) for each in pictures]))
    mean = recogniser.probabilities(described).mean(0).tolist()
    return dict(zip((*recogniser.categories, NONE), mean, strict=True))


def check_known(found: Mapping[str, float], categories: Collection[str], name: str) -> None:
    """Refuses a picture of which ``recognised`` says that it most likely shows none of a model's categories.

    Raises:
        UnknownObjectError: naming the picture, and what it seems to show where the recogniser tells that apart.
    """
    likeliest = max(found, key=found.__getitem__)
    if likeliest not in categories:
        known = ", ".join(each for each in found if each in categories)
        seems = f"none of what this model knows ({known})"
        if likeliest != NONE:
            seems = f"the category {likeliest}, which this model does not know (it knows {known})"
        raise UnknownObjectError(
            f"{name} seems to show {seems}: give a picture of what it knows, or take another model"
        )


def network_of(frozen: Sequence[nn.Module]) -> EfficientNetLite0 | None:
    """The whole network that a recogniser can stand on, among a model's frozen parts."""
    whole = (part for part in frozen if isinstance(part, EfficientNetLite0) and len(part.blocks) == len(BLOCK_CHANNELS))
    return next(whole, None)


def framed(picture: Picture) -> Float[Tensor, "4 s s"]:
    """A picture's object, seen as large as can be: where alpha is, or else where ``masks.foreground`` finds it. Where
    that needs a network that is not installed, or finds nothing, the whole picture is looked at.

    Raises:
        InputError: for an unreadable picture.
    """
    tensor = to_tensor(picture).detach().float().cpu()
    try:
        alpha = masks.foreground(tensor)
    except MissingExtraError:
        alpha = torch.zeros_like(tensor[0])
    rows, columns = ((alpha > 0.5).any(axis).nonzero()[:, 0].tolist() for axis in (1, 0))
    if not rows:
        alpha, rows, columns = torch.ones_like(alpha), [0, alpha.shape[0] - 1], [0, alpha.shape[1] - 1]
    middle = ((columns[0] + columns[-1] + 1) / 2, (rows[0] + rows[-1] + 1) / 2)
    side = MARGIN * (max(columns[-1] - columns[0], rows[-1] - rows[0]) + 1)
    return cut_out(tensor[:3], alpha, Square(middle[0] - side / 2, middle[1] - side / 2, side), SIZE)
