"""From a teacher's features to the few numbers that are distilled, and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from featurenerf.checkpoint import TEACHER
from featurenerf.errors import InputError, first_line


@dataclass(frozen=True)
class Projection:
    """Principal components of a teacher's features, scaled so that a component has unit variance on average.

    A feature f becomes ``(f - mean) @ basis / scale``; ``feature * scale @ basis.T + mean`` goes back.
    """

    mean: Float[Tensor, " c"]
    basis: Float[Tensor, "c k"]
    scale: Float[Tensor, ""]
    explained: float
    """Share of the variance that the components hold."""
    variances: Float[Tensor, " k"] | None = None
    """Of the components, before they are scaled (None in files of old runs)."""

    @classmethod
    def fit(cls, features: Float[Tensor, "n c"], components: int) -> Projection:
        mean = features.mean(0)
        centred = (features - mean).double()
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(features))
        basis = vectors[:, -components:].flip(1)
        basis = basis * basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign()  # eigenvectors have no sign
        kept = values[-components:].flip(0).clamp(min=0)
        explained = float(kept.sum() / values.clamp(min=0).sum())
        basis = basis.float().contiguous()  # in memory as after reading it, or products come out otherwise
        return cls(mean, basis, kept.mean().sqrt().float(), explained, kept)

    def __call__(self, features: Float[Tensor, "*n c"]) -> Float[Tensor, "*n k"]:
        return (features - self.mean) @ self.basis / self.scale

    def back(self, values: Float[Tensor, "*n k"]) -> Float[Tensor, "*n c"]:
        """The closest feature that has these components."""
        return values * self.scale @ self.basis.T + self.mean

    def shortened(self, components: int) -> Projection:
        """The projection to the first components, as it would have been fitted; itself, if it has no more."""
        if components == len(self.basis.T):
            return self
        if self.variances is None or components > len(self.basis.T):
            raise ValueError(f"a projection to {len(self.basis.T)} components has not the variances of {components}")
        kept = self.variances[:components]
        share = float(kept.sum() / self.variances.sum()) * self.explained
        return Projection(self.mean, self.basis[:, :components].contiguous(), kept.mean().sqrt().float(), share, kept)

    def write(self, path: Path) -> None:
        share = torch.tensor(self.explained, dtype=torch.float64)
        tensors = {"mean": self.mean, "basis": self.basis, "scale": self.scale, "explained": share}
        if self.variances is not None:
            tensors["variances"] = self.variances
        save_file({name: value.cpu().contiguous() for name, value in tensors.items()}, path)

    @classmethod
    def read(cls, path: Path) -> Projection:
        tensors = load_file(path)
        return cls(
            tensors["mean"], tensors["basis"], tensors["scale"], float(tensors["explained"]), tensors.get("variances")
        )

    @classmethod
    def of_checkpoint(cls, folder: Path) -> Projection:
        """That of the features which a trained model tells.

        Raises:
            InputError: when the checkpoint lacks the file, or it is damaged.
        """
        path = folder / TEACHER
        try:
            return cls.read(path)
        except (OSError, KeyError, SafetensorError) as error:
            raise InputError(
                f"{path} is missing or damaged ({first_line(error)}): take a checkpoint that `train` wrote"
            ) from error

    def to(self, device: torch.device) -> Projection:
        mean, basis, scale = (tensor.to(device) for tensor in (self.mean, self.basis, self.scale))
        return Projection(mean, basis, scale, self.explained, self.variances)
