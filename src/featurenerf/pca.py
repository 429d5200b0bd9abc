"""Principal components."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Components:
    """The directions in which vectors vary most.

    Attributes:
        mean: of the vectors.
        basis: unit vectors, the one along which they vary most first; their largest number is positive.
        variances: along each.
        scale: by which a component has unit variance on average.
        explained: share of the whole variance.
    """

    mean: Float[Tensor, " c"]
    basis: Float[Tensor, "c k"]
    variances: Float[Tensor, " k"]
    scale: Float[Tensor, ""]
    explained: float

    def project(self, vectors: Float[Tensor, "*n c"]) -> Float[Tensor, "*n k"]:
        """Where vectors lie along the directions, from the mean."""
        return (vectors - self.mean) @ self.basis


def principal_components(vectors: Float[Tensor, "n c"], count: int) -> Components:
    mean = vectors.mean(0)
    centred = (vectors - mean).double()
    values, directions = torch.linalg.eigh(centred.T @ centred / len(vectors))
    basis = directions[:, -count:].flip(1)
    basis = basis * basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign()  # eigenvectors have no sign
    kept = values[-count:].flip(0).clamp(min=0)
    explained = float(kept.sum() / values.clamp(min=0).sum())
    basis = basis.float().contiguous()  # in memory as after reading it, or products come out otherwise
    return Components(mean, basis, kept, kept.mean().sqrt().float(), explained)
