"""Which places of two objects correspond, found without labels, and the loss for descriptors to be alike there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

RADIUS = 0.05
"""Distance, in the box, within which places of one object are the same; across objects it is twice that."""
LIKENESS = 0.25
"""Squared distance between places whose teacher features are at right angles, beside that in the box and in shape."""
COMPARED = 128
"""Rays of an object that are compared with another's."""
FEWEST = 8
"""Rays below which an object is left out."""


@dataclass(frozen=True)
class Correspondence:
    """What corresponds between the rays of two objects of a batch, or of an object and itself.

    Attributes:
        one, other: numbers of the objects.
        i, j: numbers of their rays.
        closeness: how close each two are, to be read through a softmax.
    """

    one: int
    other: int
    i: Int[Tensor, " n"]
    j: Int[Tensor, " m"]
    closeness: Float[Tensor, "n m"]

    def of_first(self, count: int) -> Correspondence:
        """Of the first rays of both."""
        i, j, closeness = self.i[:count], self.j[:count], self.closeness[:count, :count]
        return Correspondence(self.one, self.other, i, j, closeness)


@torch.no_grad()
def correspondences(
    places: Float[Tensor, "o r p"], features: Float[Tensor, "o r k"], present: Float[Tensor, "o r 1"]
) -> list[Correspondence]:
    """What corresponds between each two objects of a batch, in both orders, and in each of them.

    Of one object, position says all. Of two, nobody says which places correspond. What is known without labels is
    where a surface point lies in its object's bounding box, what the object is like around it (``hull.shape_codes``),
    and what the teacher says of it.

    Args:
        places: where the rays meet their object, in its box (each axis goes from -0.5 to 0.5), and the shape code
            there (``Hull.places``); distances are Euclidean.
        features: the teacher's, of the rays.
        present: 1 for rays that meet the object; the first ``COMPARED`` of them are compared.
    """
    chosen = [rays.nonzero()[:COMPARED, 0] for rays in present[..., 0] > 0]
    semantics = F.normalize(features, dim=-1, eps=1e-6)
    found = []
    for one, i in enumerate(chosen):
        if len(i) < FEWEST:
            continue
        x = places[one, i]
        found.append(Correspondence(one, one, i, i, squared_distances(x[:, :3], x[:, :3]) / -(RADIUS**2)))
        for other, j in enumerate(chosen[:one]):
            if len(j) < FEWEST:
                continue
            alike = LIKENESS * semantics[one, i] @ semantics[other, j].T
            closeness = (alike - squared_distances(x, places[other, j])) / (2 * RADIUS) ** 2
            found.append(Correspondence(one, other, i, j, closeness))
            found.append(Correspondence(other, one, j, i, closeness.T))
    return found


def squared_distances(a: Float[Tensor, "n k"], b: Float[Tensor, "m k"]) -> Float[Tensor, "n m"]:
    return torch.cdist(a, b).square()


def correspondence_loss(
    descriptors: Float[Tensor, "o v r d"], pairs: Sequence[Correspondence], temperature: float = 0.1
) -> Float[Tensor, ""]:
    """Descriptors should be alike where places correspond: in two pictures of one object, and across objects.

    Of each ray's cosine similarities to the rays of a second field, as a softmax, the loss asks for the softmax of
    closeness; and the other way round. The second field is of the same object seen in another picture, and of another
    object of the batch.
    """
    units = F.normalize(descriptors, dim=-1, eps=1e-6)
    count = len(descriptors)
    terms = []
    for pair in pairs:
        logits = units[pair.one, 0, pair.i] @ units[pair.other, 1, pair.j].T / temperature
        forth = (pair.closeness.softmax(1) * logits.log_softmax(1)).sum(1).mean()
        back = (pair.closeness.softmax(0) * logits.log_softmax(0)).sum(0).mean()
        share = 0.5 / count if pair.one == pair.other else 0.5 / (count * (count - 1))
        terms.append(-(forth + back) / 2 * share)
    return torch.stack(terms).sum() if terms else descriptors.sum() * 0
