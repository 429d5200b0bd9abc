"""From a teacher's features to the few numbers that are distilled, and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from featurenerf.errors import InputError
from featurenerf.limits import parsing
from featurenerf.pca import principal_components
from featurenerf.teachers.base import Teacher


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
        return cls(**vars(principal_components(features, components)))

    @property
    def components(self) -> int:
        """Numbers in a projected feature."""
        return self.basis.shape[1]

    def __call__(self, features: Float[Tensor, "*n c"]) -> Float[Tensor, "*n k"]:
        return (features - self.mean) @ self.basis / self.scale

    def back(self, values: Float[Tensor, "*n k"]) -> Float[Tensor, "*n c"]:
        """The closest feature that has these components."""
        return values * self.scale @ self.basis.T + self.mean

    def shortened(self, components: int) -> Projection:
        """The projection to the first components, as it would have been fitted; itself, if it has no more."""
        if components == self.components:
            return self
        if self.variances is None or components > self.components:
            raise ValueError(f"a projection to {self.components} components has not the variances of {components}")
        kept = self.variances[:components]
        share = float(kept.sum() / self.variances.sum()) * self.explained
        return Projection(self.mean, self.basis[:, :components].contiguous(), kept.mean().sqrt().float(), share, kept)

    def to(self, device: torch.device) -> Projection:
        return replace(self, **{name: getattr(self, name).to(device) for name in ("mean", "basis", "scale")})

    def write(self, path: Path) -> None:
        explained = torch.tensor(self.explained, dtype=torch.float64)
        tensors = {k: v.cpu().contiguous() for k, v in vars(self).items() if isinstance(v, Tensor)}
        save_file({**tensors, "explained": explained}, path)

    @classmethod
    def read(cls, path: Path) -> Projection:
        """From a file; raises InputError when it is missing or damaged."""
        with parsing(f"{path} is missing or damaged", "copy or make the folder that holds it again"):
            tensors = load_file(path)
            mean, basis, scale, explained = (tensors[name] for name in ("mean", "basis", "scale", "explained"))
            variances = tensors.get("variances")
            fit = basis.ndim == 2 and mean.shape == basis.shape[:1] and scale.shape == () and basis.numel() > 0
            if not fit or (variances is not None and variances.shape != basis.shape[1:]):
                raise ValueError("its tensors do not fit together")
            if not all(value.is_floating_point() and value.isfinite().all() for value in tensors.values()):
                raise ValueError("it holds NaN, infinite or whole numbers")
            return cls(mean, basis, scale, float(explained), variances)


def fit_projection(teacher: Teacher, pictures: Iterable[Float[Tensor, "1 4 h w"]], components: int) -> Projection:
    """Principal components of a teacher's features on the objects of pictures.

    Args:
        pictures: RGBA in [0, 1].
    Raises:
        InputError: when the feature has fewer numbers than ``components``, or no picture shows anything.
    """
    if teacher.dim < components:
        raise InputError(
            f"{components} components are more than the {teacher.dim} numbers of a feature of {teacher.name}: "
            "ask for fewer"
        )
    device = next((p.device for p in teacher.parameters()), torch.device("cpu"))
    cells = []
    for picture in pictures:
        features = teacher(picture.to(device)).permute(0, 2, 3, 1).flatten(0, 2)
        cells.append(features[features.abs().sum(1) > 0])
    features = torch.cat(cells)
    if len(features) == 0:
        raise InputError("the training pictures show no objects: their alpha is 0, make them again")
    return Projection.fit(features, components)
