"""What the teacher says of the rays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featurenerf.data.views import Dataset
from featurenerf.errors import InputError
from featurenerf.fields import FastConfig, FastModel
from featurenerf.teachers import Teacher
from featurenerf.training.batches import make_batch
from featurenerf.training.config import Budget
from featurenerf.training.targets import Projection, TeacherTargets, fit_projection, fit_semantics

BUDGET = Budget(steps=1, objects=2, source_views=1, target_views=2, rays=200, views=4)


class Where(Teacher):
    """Says of every cell where it is and what colour: (x, y, r, g, b), x and y from 0 to 1."""

    name, dim, size = "where", 5, 64

    def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        steps = (torch.arange(self.size) + 0.5) / self.size
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        where = torch.stack([x, y]).expand(len(pictures), 2, self.size, self.size)
        return torch.cat([where, pictures], 1)


def as_is(dim: int) -> Projection:
    return Projection(torch.zeros(dim), torch.eye(dim), torch.tensor(1.0), 1.0)


def test_projection_round_trip() -> None:
    """Features that vary in three directions only come back from three components, and have unit variance."""
    torch.manual_seed(0)
    features = torch.randn(500, 3) * torch.tensor([3.0, 2.0, 1.0]) @ torch.randn(3, 7) + 5
    projection = Projection.fit(features, 3)
    values = projection(features)
    assert values.shape == (500, 3)
    assert projection.explained == pytest.approx(1, abs=1e-4)
    assert torch.allclose(values * projection.scale @ projection.basis.T + projection.mean, features, atol=1e-4)
    assert values.mean(0).abs().max() < 1e-4
    assert values.var(0, correction=0).mean() == pytest.approx(1, abs=1e-3)
    assert (values.var(0)[:-1] >= values.var(0)[1:]).all()  # the strongest comes first


def test_semantics_start_as_principal_components_of_the_backbones_features(objects: Dataset) -> None:
    net = FastModel(FastConfig(semantic_dim=6, backbone_size=64)).net
    fit_semantics(net, objects)
    every = np.stack([o.picture(view) for o in objects for view in range(4)])
    given = torch.from_numpy(every).permute(0, 3, 1, 2) / 255
    seen = net.to_semantics(net.semantic_features(given[:, :3] * given[:, 3:])).detach()
    assert seen.shape == (len(every), 6, 4, 4)
    on_object = F.adaptive_max_pool2d(given[:, 3], seen.shape[-2:]) > 0
    values = seen.permute(0, 2, 3, 1)[on_object]
    assert values.mean(0).abs().max() < 0.3  # over the pictures that were drawn it is 0
    assert values.var(0).mean() == pytest.approx(1, abs=0.2)
    basis = net.to_semantics.weight[:, :, 0, 0].detach()
    crossed = basis @ basis.T
    assert torch.allclose(crossed, torch.eye(6) * crossed[0, 0], atol=1e-3 * float(crossed[0, 0]))


def test_projection_does_not_depend_on_the_order_of_features() -> None:
    """An eigenvector has no sign of its own; the components have."""
    torch.manual_seed(1)
    features = torch.randn(300, 6) * torch.arange(1, 7)
    one, two = Projection.fit(features, 4), Projection.fit(features.flip(0), 4)
    assert torch.allclose(one.basis, two.basis, atol=1e-3)
    largest = one.basis.gather(0, one.basis.abs().argmax(0, keepdim=True))
    assert (largest > 0).all()
    assert 0.5 < one.explained < 1


def test_projection_on_disk(tmp_path: Path) -> None:
    projection = Projection.fit(torch.randn(50, 6), 4)
    projection.write(tmp_path / "teacher.safetensors")
    back = Projection.read(tmp_path / "teacher.safetensors")
    assert torch.equal(back.mean, projection.mean)
    assert torch.equal(back.basis, projection.basis)
    assert torch.equal(back.scale, projection.scale)
    assert back.explained == projection.explained


def test_fit_projection_is_of_the_objects_alone(objects: Dataset) -> None:
    one = fit_projection(Where(), list(objects), 2, seed=3, pictures=16)
    assert torch.equal(one.basis, fit_projection(Where(), list(objects), 2, seed=3, pictures=16).basis)
    assert 0.3 < one.mean[0] < 0.7  # objects are in the middle of their pictures
    with pytest.raises(InputError, match="--feature-dim is 6, more than the 5 numbers of a feature of where"):
        fit_projection(Where(), list(objects), 6, seed=3)


def test_pictures_without_objects_are_refused(objects: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(objects[0]), "picture", lambda self, view: np.zeros((64, 64, 4), np.uint8))
    with pytest.raises(InputError, match="show no objects"):
        fit_projection(Where(), list(objects), 2, seed=3, pictures=16)


def test_a_ray_has_the_feature_of_its_pixel(objects: Dataset) -> None:
    batch = make_batch(objects, BUDGET, np.random.default_rng(0))
    targets = TeacherTargets(Where(), as_is(5), torch.device("cpu"), bf16=False)
    feature, present = targets.of(batch)
    assert feature.shape == (2, 200, 5)
    solid = present[..., 0] > 0
    assert torch.equal(solid, batch.alpha[..., 0] > 0.5)
    assert torch.allclose(feature[..., :2][solid], (batch.xy / 64)[solid], atol=2e-3)
    opaque = solid & (batch.alpha[..., 0] == 1)
    assert torch.allclose(feature[..., 2:][opaque], batch.rgb[opaque], atol=2e-3)


def test_maps_are_computed_once_a_view(objects: Dataset) -> None:
    seen: list[int] = []

    class Counting(Where):
        def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
            seen.append(len(pictures))
            return super().features(pictures)

    targets = TeacherTargets(Counting(), as_is(5), torch.device("cpu"), bf16=False)
    fresh = TeacherTargets(Where(), as_is(5), torch.device("cpu"), bf16=False)
    for step in range(12):
        batch = make_batch(objects, replace(BUDGET, rays=20), np.random.default_rng(step))
        assert torch.equal(targets.of(batch)[0], TeacherTargets.of(fresh, batch)[0])
    assert sum(seen) <= 12  # three objects with four views each
