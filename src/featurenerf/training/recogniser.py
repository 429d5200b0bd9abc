"""The recogniser of a checkpoint (``models.recogniser``), from pictures of its categories and of other things."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from featurenerf.categories import category_name
from featurenerf.data.objects import ObjectViews
from featurenerf.data.open import format_of, open_splits
from featurenerf.data.storage import DataPath, data_root
from featurenerf.errors import InputError
from featurenerf.files import write_json
from featurenerf.limits import json_file
from featurenerf.models.checkpoint import CONFIG, load
from featurenerf.models.encoders import EfficientNetLite0, imagenet_classifier
from featurenerf.models.recogniser import CLASSES, DESCRIBED, EMBEDDED, LEFT_OUT, NONE, Recogniser, framed, network_of
from featurenerf.progress import Progress
from featurenerf.training.augment import faulty, relit

IMAGENET = {
    "airplane": (404, 895),  # airliner, warplane
    "bottle": (440, 720, 737, 898, 907),  # beer, pill, pop, water, wine
    "car": (407, 436, 468, 511, 609, 627, 656, 661, 717, 734, 751, 817),
    # ambulance, beach wagon, cab, convertible, jeep, limousine, minivan, Model T, pickup, police van, racer, sports car
    "chair": (423, 559, 765, 857),  # barber chair, folding chair, rocking chair, throne
    "motorcycle": (665, 670),  # moped, motor scooter
    "table": (526, 532),  # desk, dining table
}
"""Classes of ImageNet, by the number that they have in its file of weights, that are of a category."""
NEITHER = (479, 581, 654, 675, 703, 736, 831, 864, 867, 899, 908)
"""Of a category or not, as one likes: car wheel, grille, minibus, moving van, park bench, pool table, studio couch, tow
truck, trailer truck, water jug, wing."""
DECAY = 1e-3
"""How much the squares of the added layer's weights cost, beside the mean loss of a picture."""
OTHERS = 2.0
"""How much pictures of other things count, beside those of a category."""
BATCH = 16


def make_recogniser(
    data: Sequence[DataPath | str], directory: Path, pictures: int = 300, *, progress: bool = True
) -> dict[str, Any]:
    """Makes the recogniser of a checkpoint and puts it beside its weights, which stay as they are.

    Pictures of the checkpoint's own categories are its examples, and those of all others examples of "none of these".
    It is trained on the data sets' training objects; the same data give the same recogniser.

    Args:
        data: data sets.
        directory: of the checkpoint.
        pictures: at most, to learn from of each category of each data set; a third of that tells how good it is.
    Returns:
        what goes into the checkpoint's configuration, by category: how many pictures there were, and which share of
        those of validation and test objects is recognised.
    Raises:
        InputError: the checkpoint names no categories or has no such network; the data have no picture of one of its
            categories, or of another.
        MissingExtraError: without the extra ``train``.
    """
    model = load(directory)
    network, categories = network_of(model.frozen), tuple(model.config.categories)
    if network is None or not categories:
        lacks = "names no category" if network is not None else "does not hold a whole efficientnet-lite0"
        raise InputError(f"the model of {directory} {lacks}: a recogniser cannot be made for it")
    blank = untrained(categories)
    found: dict[str, dict[str, list[Tensor]]] = {"train": {}, "test": {}}
    plan = [(root, name) for root in map(data_root, data) for name in format_of(root).categories(root)]
    counts = {"train": pictures, "test": pictures // 3}
    bar = Progress(total=sum(counts.values()) * len(plan), desc="recogniser", unit="picture", disable=not progress)
    with bar:
        for root, name in plan:
            for split, objects in _halves(root, name).items():
                seen = _described(blank, network, objects, counts[split], split == "train", bar)
                found[split].setdefault(category_name(name), []).append(seen)
    together = {split: {n: torch.cat(parts) for n, parts in of.items()} for split, of in found.items()}
    made = fitted(blank, together["train"])
    record = {
        "pictures": {name: len(each) for name, each in together["train"].items()},
        "recognised": {name: _right(made, name, each) for name, each in together["test"].items() if len(each)},
    }
    made.write(directory)
    write_json(directory / CONFIG, {**json_file(directory / CONFIG), "recogniser": record}, indent=2)
    return record


def untrained(categories: tuple[str, ...]) -> Recogniser:
    """A recogniser that knows ImageNet alone.

    Raises:
        MissingExtraError: where its weights are not installed.
    """
    groups = torch.full((CLASSES,), len(categories))
    groups[list(NEITHER)] = LEFT_OUT
    for number, name in enumerate(categories):
        groups[list(IMAGENET.get(name, ()))] = number
    none = len(categories) + 1
    return Recogniser(
        categories, **imagenet_classifier(), groups=groups, own_weight=torch.zeros(none, DESCRIBED - EMBEDDED),
        own_bias=torch.zeros(none),
    )  # fmt: skip


def fitted(blank: Recogniser, described: Mapping[str, Float[Tensor, "_ d"]]) -> Recogniser:
    """With the added layer that explains the pictures best.

    Args:
        described: what the network finds in pictures, by category.
    """
    lacking = [name for name in blank.categories if not len(described.get(name, ()))]
    known = [name for name in described if name not in blank.categories and len(described[name])]
    if lacking or not known:
        raise InputError(
            f"there are no pictures of {' and '.join(lacking) or 'other things'} to learn from: give data with some"
        )
    numbers = [min([*blank.categories, name].index(name), len(blank.categories)) for name in described]
    sizes = [len(each) for each in described.values()]
    targets = torch.repeat_interleave(torch.tensor(numbers), torch.tensor(sizes))
    together = torch.cat(list(described.values()))
    features, sums = together[:, EMBEDDED:].double(), blank.class_sums(together).double()
    mean, spread = features.mean(0), features.std(0).clamp(min=1e-3)
    counts = torch.bincount(targets, minlength=len(blank.categories) + 1)
    weights = 1 / counts.double()
    weights[-1] *= OTHERS
    own_weight, own_bias = _least((features - mean) / spread, sums, targets, weights / (weights * counts).sum())
    own_weight = own_weight / spread
    values = dict(vars(blank))
    return Recogniser(
        **{**values, "own_weight": own_weight.float(), "own_bias": (own_bias - own_weight @ mean).float()}
    )


def _least(
    features: Float[Tensor, "n d"],
    sums: Float[Tensor, "n k"],
    targets: Int64[Tensor, " n"],
    weights: Float[Tensor, " k"],
) -> tuple[Float[Tensor, "k e"], Float[Tensor, " k"]]:
    """The layer of least loss, which is convex in it."""
    weight = torch.zeros(sums.shape[1], features.shape[1], dtype=features.dtype, requires_grad=True)
    bias = torch.zeros(sums.shape[1], dtype=features.dtype, requires_grad=True)
    search = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        said = F.cross_entropy(sums + features @ weight.T + bias, targets, reduction="none")
        value = (weights[targets] * said).sum() + DECAY * weight.square().sum()
        value.backward()
        return value

    search.step(loss)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


def _halves(root: DataPath, name: str) -> dict[str, list[ObjectViews]]:
    """The objects for training, and all others."""
    splits = open_splits(root, name)
    return {
        "train": list(splits.get("train", ())),
        "test": [views for split in ("val", "test") for views in splits.get(split, ())],
    }


@torch.no_grad()
def _described(
    blank: Recogniser, network: EfficientNetLite0, objects: Sequence[ObjectViews], count: int, training: bool, bar: Any
) -> Float[Tensor, "n d"]:
    found, batch = [torch.zeros(0, DESCRIBED)], list[Tensor]()
    for picture in _pictures(objects, count, training):
        batch.append(framed(torch.from_numpy(picture).permute(2, 0, 1).float() / 255))
        if len(batch) == BATCH:
            found.append(blank.describe(network, torch.stack(batch)))
            batch.clear()
        bar.update()
    if batch:
        found.append(blank.describe(network, torch.stack(batch)))
    return torch.cat(found)


def _pictures(objects: Sequence[ObjectViews], count: int, training: bool) -> Iterator[np.ndarray]:
    """Views of all objects in turn, each another; every second one for training as a poor photograph shows it."""
    for number in range(min(count, sum(map(len, objects)))):
        turn, which = divmod(number, len(objects))
        views = objects[which]
        picture = views.picture((5 * which + 7 * turn) % len(views))
        if training and number % 2:
            rng = np.random.default_rng(number)
            picture = faulty(relit(picture[None], rng)[0], rng)
        yield picture


def _right(made: Recogniser, name: str, described: Float[Tensor, "n d"]) -> float:
    names = [*made.categories, NONE]
    wanted = names.index(name if name in made.categories else NONE)
    return round(float((made.probabilities(described).argmax(1) == wanted).double().mean()), 4)
