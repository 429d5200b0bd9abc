"""What the teacher says of the rays: features computed when a view is first drawn, kept as principal components."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from featurenerf.data.views import ObjectViews
from featurenerf.errors import InputError
from featurenerf.teachers import Teacher
from featurenerf.training.batches import Batch


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

    @classmethod
    def fit(cls, features: Float[Tensor, "n c"], components: int) -> Projection:
        mean = features.mean(0)
        centred = (features - mean).double()
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(features))
        basis = vectors[:, -components:].flip(1)
        basis = basis * basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign()  # eigenvectors have no sign
        kept = values[-components:].clamp(min=0)
        return cls(mean, basis.float(), kept.mean().sqrt().float(), float(kept.sum() / values.clamp(min=0).sum()))

    def __call__(self, features: Float[Tensor, "*n c"]) -> Float[Tensor, "*n k"]:
        return (features - self.mean) @ self.basis / self.scale

    def write(self, path: Path) -> None:
        share = torch.tensor(self.explained, dtype=torch.float64)
        tensors = {"mean": self.mean, "basis": self.basis, "scale": self.scale, "explained": share}
        save_file({name: value.cpu().contiguous() for name, value in tensors.items()}, path)

    @classmethod
    def read(cls, path: Path) -> Projection:
        tensors = load_file(path)
        return cls(tensors["mean"], tensors["basis"], tensors["scale"], float(tensors["explained"]))

    def to(self, device: torch.device) -> Projection:
        return Projection(self.mean.to(device), self.basis.to(device), self.scale.to(device), self.explained)


class TeacherTargets:
    """Projected teacher maps of views, computed once each and kept in half precision."""

    def __init__(self, teacher: Teacher, projection: Projection, device: torch.device, bf16: bool) -> None:
        self.teacher, self.projection = teacher, projection.to(device)
        self.device, self.bf16 = device, bf16
        self._maps: dict[tuple[int, int], Tensor] = {}

    def of(self, batch: Batch) -> tuple[Float[Tensor, "o r k"], Float[Tensor, "o r 1"]]:
        """Features of the batch's rays, and 1 where there is one (0 on the background)."""
        keys = [(int(o), int(v)) for o, v in batch.views.reshape(-1, 2)]
        missing = {key: position for position, key in enumerate(keys) if key not in self._maps}
        if missing:
            pictures = batch.targets.flatten(0, 1)[torch.as_tensor(list(missing.values()), device=batch.targets.device)]
            for key, projected in zip(missing, teacher_maps(self, pictures), strict=True):
                self._maps[key] = projected
        maps = torch.stack([self._maps[key] for key in keys]).to(self.device).float()  # (o * t, k + 1, h, w)
        o, t = batch.views.shape[:2]
        height, width = batch.targets.shape[-2:]
        size = batch.xy.new_tensor([width, height])
        grid = (2 * batch.xy / size - 1).unsqueeze(1).expand(o, t, -1, 2).flatten(0, 1).unsqueeze(2)
        at_all = F.grid_sample(maps, grid, align_corners=False, padding_mode="border")[..., 0].unflatten(0, (o, t))
        chosen = batch.view_index[:, None, None].expand(o, 1, at_all.shape[2], -1)
        values = at_all.gather(1, chosen)[:, 0].transpose(1, 2)  # (o, r, k + 1)
        weight = values[..., -1:]
        present = (weight > 1e-3) & (batch.alpha > 0.5)
        return values[..., :-1] / weight.clamp(min=1e-3), present.float()


def teacher_maps(targets: TeacherTargets, pictures: Float[Tensor, "n 4 h w"]) -> Float[Tensor, "n k1 hf wf"]:
    """Projected feature maps with the background zero, and a last channel that is 1 on the object."""
    with torch.no_grad(), torch.autocast(targets.device.type, torch.bfloat16, enabled=targets.bf16):
        maps = targets.teacher(pictures).float()
    on_object = (maps.abs().sum(1, keepdim=True) > 0).float()
    projected = targets.projection(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return torch.cat([projected * on_object, on_object], 1).half()


def fit_projection(
    teacher: Teacher, objects: list[ObjectViews], components: int, seed: int, pictures: int = 192
) -> Projection:
    """Principal components of the teacher's features on the objects of random training views.

    Raises:
        InputError: when the feature has fewer numbers than ``components``, or no picture shows anything.
    """
    if teacher.dim < components:
        raise InputError(
            f"--feature-dim is {components}, more than the {teacher.dim} numbers of a feature of {teacher.name}: "
            "lower it"
        )
    rng = np.random.default_rng([seed, 1])
    found = []
    for _ in range(max(1, pictures // 16)):
        drawn = []
        for _ in range(16):
            views = objects[int(rng.integers(len(objects)))]
            drawn.append(torch.from_numpy(views.picture(int(rng.integers(len(views))))))
        maps = teacher(torch.stack(drawn).permute(0, 3, 1, 2).float() / 255)
        cells = maps.permute(0, 2, 3, 1).flatten(0, 2)
        found.append(cells[cells.abs().sum(1) > 0])
    features = torch.cat(found)
    if len(features) == 0:
        raise InputError(f"the pictures under {objects[0].source} show no objects: their alpha is 0, make them again")
    return Projection.fit(features, components)
