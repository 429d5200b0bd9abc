"""What the teacher says of the rays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.data.objects import Dataset
from featurenerf.errors import InputError
from featurenerf.models import FastConfig, FastModel
from featurenerf.teachers import Teacher
from featurenerf.teachers.projection import Projection, fit_projection
from featurenerf.training import targets as targets_module
from featurenerf.training.batches import Batch, Drawing, make_batch
from featurenerf.training.cache import FeatureCache, picture_key
from featurenerf.training.config import Budget
from featurenerf.training.targets import TeacherTargets, fill_cache, open_cache, training_pictures
from pictured_object import PicturedObject, rgba

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


def test_semantics_start_as_principal_components_of_the_backbones_features(objects: Dataset) -> None:
    model = FastModel(FastConfig(semantic_dim=6, backbone_size=64))
    model.initialise(training_pictures(objects))
    net = model.net
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


def test_fit_projection_is_of_the_objects_alone(objects: Dataset) -> None:
    one = fit_projection(Where(), training_pictures(objects, 16), 2)
    assert torch.equal(one.basis, fit_projection(Where(), training_pictures(objects, 16), 2).basis)
    assert 0.3 < one.mean[0] < 0.7  # objects are in the middle of their pictures
    with pytest.raises(
        InputError, match="6 components are more than the 5 numbers of a feature of where: ask for fewer"
    ):
        fit_projection(Where(), training_pictures(objects), 6)


def test_pictures_without_objects_are_refused(objects: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(objects[0]), "picture", lambda self, view: np.zeros((64, 64, 4), np.uint8))
    with pytest.raises(InputError, match="show no objects"):
        fit_projection(Where(), training_pictures(objects, 16), 2)


def test_a_ray_has_the_feature_of_its_pixel(objects: Dataset) -> None:
    batch = make_batch(objects, Drawing(BUDGET), np.random.default_rng(0))
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
        batch = make_batch(objects, Drawing(replace(BUDGET, rays=20)), np.random.default_rng(step))
        assert torch.equal(targets.of(batch)[0], TeacherTargets.of(fresh, batch)[0])
    assert sum(seen) <= 12  # three objects with four views each
    assert set(seen) == {1}  # a picture at a time, on a CPU


# ---------------------------------------------------------------------- pictures of a few pixels

CPU = torch.device("cpu")


class Pixels(Teacher):
    """The colours of a picture of four cells a side, and which pictures it was asked of."""

    name, dim, size = "pixels", 3, 4

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Tensor] = []
        self.autocast: list[bool] = []

    def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        self.asked.extend(pictures)
        self.autocast.append(torch.is_autocast_enabled("cpu"))
        return pictures


def from_one(dim: int) -> Projection:
    """Numbers counted from one: it would tell the empty background apart from nothing."""
    return Projection(torch.ones(dim), torch.eye(dim), torch.tensor(1.0), 1.0)


def rays(
    pictures: Sequence[np.ndarray],
    xy: Sequence[tuple[float, float]],
    view: Sequence[int],
    alpha: Sequence[float] | None = None,
    names: Sequence[tuple[int, int]] | None = None,
) -> Batch:
    """A batch of one object; what targets do not look at is empty.

    Args:
        pictures, names: the target views, and their object and view.
        xy, view, alpha: of the rays; opaque unless said.
    """
    count, none = len(xy), torch.zeros(1, 0, 3)
    return Batch(
        pictures=torch.zeros(1, 1, 4, *pictures[0].shape[:2]),
        cameras=Camera.look_at([0.0]).reshape(1, 1),
        xy=torch.tensor([xy]),
        origins=torch.zeros(1, count, 3),
        directions=torch.zeros(1, count, 3),
        rgb=torch.zeros(1, count, 3),
        alpha=torch.tensor(alpha or [1.0] * count).reshape(1, count, 1),
        places=torch.zeros(1, count, 27),
        met=torch.zeros(1, count, 1),
        views=np.array([names or [(0, number) for number in range(len(pictures))]]),
        view_index=torch.tensor([view]),
        targets=torch.from_numpy(np.stack(pictures)[None]),
        hull_points=none,
        in_hull=none[..., 0],
    )


def half_red() -> np.ndarray:
    """Four pixels a side: red in the left half, nothing (though it has a colour) in the right half."""
    picture = rgba(4, 4, (255, 0, 51), 255)
    picture[:, 2:] = (0, 255, 0, 0)
    return picture


def test_a_ray_beside_the_background_has_the_objects_feature() -> None:
    """Between cells, the background takes no part; where it is all but a thousandth, there is no feature."""
    targets = TeacherTargets(Pixels(), from_one(3), CPU, bf16=False)
    xy = [(1.5, 1.5), (2.0, 1.5), (2.25, 2.0), (2.4988, 1.5), (2.4995, 1.5), (3.5, 1.5)]
    feature, present = targets.of(rays([half_red()], xy, [0] * 6))
    assert present[0, :, 0].tolist() == [1, 1, 1, 1, 0, 0]
    red = torch.tensor([0.0, -1.0, -0.8])  # counted from one
    torch.testing.assert_close(feature[0, :4], red.expand(4, 3), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(feature[0, 4], red / 2, atol=1e-3, rtol=1e-2)  # half of a thousandth
    assert feature[0, 5].tolist() == [0, 0, 0]


def test_a_ray_that_sees_the_background_has_no_feature() -> None:
    targets = TeacherTargets(Pixels(), from_one(3), CPU, bf16=False)
    _, present = targets.of(rays([half_red()], [(1.5, 1.5)] * 4, [0] * 4, alpha=[0.0, 0.5, 0.51, 1.0]))
    assert present[0, :, 0].tolist() == [0, 0, 1, 1]


def test_features_are_read_between_the_cells_of_a_picture_of_any_shape() -> None:
    """Twice as high as wide: a cell is a pixel wide and two pixels high."""
    columns = np.array([0, 51, 102, 255], np.uint8)
    picture = rgba(4, 8, (0, 0, 0), 255)
    picture[..., 0] = columns
    picture[..., 1] = np.repeat(columns, 2)[:, None]
    targets = TeacherTargets(Pixels(), as_is(3), CPU, bf16=False)
    feature, _ = targets.of(rays([picture], [(0.5, 1.0), (2.0, 1.0), (2.5, 5.0), (3.5, 6.0), (0.1, 7.9)], [0] * 5))
    expected = [[0, 0], [0.3, 0], [0.4, 0.4], [1, 0.7], [0, 1]]  # the last one is beyond the middle of its cell
    torch.testing.assert_close(feature[0, :, :2], torch.tensor(expected), atol=1e-3, rtol=1e-3)


def test_each_ray_is_of_its_own_view() -> None:
    pictures = [rgba(4, 4, (51 * number, 0, 0), 255) for number in range(1, 4)]
    targets = TeacherTargets(Pixels(), as_is(3), CPU, bf16=False)
    feature, _ = targets.of(rays(pictures, [(2.0, 2.0)] * 4, [2, 0, 1, 2]))
    assert feature[0, :, 0].tolist() == pytest.approx([0.6, 0.2, 0.4, 0.6], abs=1e-3)


def test_a_view_is_known_by_its_object_and_number() -> None:
    teacher = Pixels()
    targets = TeacherTargets(teacher, as_is(3), CPU, bf16=False)
    pictures = [rgba(4, 4, (51 * number, 0, 0), 255) for number in range(1, 5)]
    names = [(0, 0), (0, 1), (1, 0), (1, 1)]
    some = rays(pictures[:2], [(2.0, 2.0)] * 2, [0, 1], names=names[:2])
    every = rays(pictures, [(2.0, 2.0)] * 4, [0, 1, 2, 3], names=names)
    for batch, count in ((some, 2), (every, 4), (every, 4)):
        feature, _ = targets.of(batch)
        assert feature[0, :, 0].tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8][: len(batch.view_index[0])], abs=1e-3)
        assert len(teacher.asked) == count


def test_maps_are_empty_on_the_background_and_one_on_the_object() -> None:
    class Opposite(Pixels):
        dim = 2

        def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
            return torch.cat([pictures[:, :1], -pictures[:, :1]], 1)  # numbers that add up to zero

    given = torch.from_numpy(half_red()).permute(2, 0, 1)[None].float() / 255
    (found,) = TeacherTargets(Opposite(), from_one(2), CPU, bf16=False).maps(given)
    assert found.dtype == torch.float16
    assert found[0].tolist() == [[0.0] * 4] * 4  # 1 - 1
    assert found[1].tolist() == [[-2.0, -2, 0, 0]] * 4  # -1 - 1
    assert found[2].tolist() == [[1.0, 1, 0, 0]] * 4


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("has", [True, False])
def test_the_teacher_runs_in_bfloat16_where_that_is_wanted_and_there(
    wanted: bool, has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets_module, "has_bfloat16", lambda device: has)
    teacher = Pixels()
    TeacherTargets(teacher, as_is(3), CPU, bf16=wanted).maps(torch.rand(1, 4, 4, 4))
    assert teacher.autocast == [wanted and has]


def test_a_cache_is_filled_with_the_first_views_once_each(tmp_path: Path) -> None:
    """Kept is the first of two numbers: (3, 4) comes back as (3, 0), whose cosine is 0.6; (1, 0) comes back whole."""
    steep, flat = rgba(4, 4, (153, 204, 0), 255), rgba(4, 4, (255, 0, 0), 255)
    flat[:, 1:, 3] = 0  # four cells; the others are the background
    objects = [PicturedObject([steep, flat, rgba(4, 4, (9, 9, 9), 255)]), PicturedObject([steep])]

    class Two(Pixels):
        dim = 2

        def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
            return super().features(pictures)[:, :2]

    first = Projection(torch.zeros(2), torch.tensor([[1.0], [0.0]]), torch.tensor(0.5), 0.6)
    FeatureCache.create(tmp_path / "cache", {}, first)
    teacher, cache = Two(), FeatureCache(tmp_path / "cache")
    targets = TeacherTargets(teacher, first, CPU, cache, bf16=False)
    filled = fill_cache(targets, objects, views=2, progress=False)
    assert filled.pictures == len(teacher.asked) == 2  # the second object's is the first one's
    assert filled.cosine == pytest.approx((16 * 0.6 + 4) / 20, abs=1e-3)
    assert 0 <= filled.seconds < 60
    assert len(FeatureCache(tmp_path / "cache")) == 2  # it is on disk
    assert cache[picture_key(flat)].tolist() == [[[2.0, 0, 0, 0]] * 4, [[1.0, 0, 0, 0]] * 4]
    again = fill_cache(targets, objects, views=2, progress=False)
    assert (again.pictures, again.cosine) == (0, None)
    assert fill_cache(targets, objects, progress=False).pictures == 1  # all views, of objects that have them
    assert len(cache) == 3


def test_a_resumed_run_keeps_its_projection(tmp_path: Path) -> None:
    objects = [PicturedObject([half_red()])]
    own, foreign = as_is(3), from_one(3)
    foreign = replace(foreign, basis=foreign.basis.flip(0))
    teacher = Pixels()
    cache, projection = open_cache(tmp_path / "cache", teacher, objects, 3, own, bf16=False)
    assert projection is cache.projection
    assert torch.equal(projection.basis, own.basis)
    assert not teacher.asked  # nothing is fitted
    assert torch.equal(open_cache(tmp_path / "cache", teacher, objects, 3, own, bf16=False)[1].basis, own.basis)
    with pytest.raises(InputError, match="has another projection than the run"):
        open_cache(tmp_path / "cache", teacher, objects, 3, foreign, bf16=False)


def test_a_projection_is_fitted_to_the_objects_of_192_pictures() -> None:
    """The same ones in every run; draws of objects and views are numpy's of the seeds 0 and 1."""
    numbered = [[rgba(4, 4, (20 * number, 0, 255), 255) for number in some] for some in ((1, 2, 3), (4, 5, 6))]
    for pictures in numbered:
        for picture in pictures:
            picture[0, :, 1] = 255  # a quarter of the object
            picture[3, :, 3] = 0  # and a quarter of the background
    objects = [PicturedObject(pictures) for pictures in numbered]
    teacher = Pixels()
    found = fit_projection(teacher, training_pictures(objects), 2)
    drawn = [round(float(picture[0, 0, 0]) * 255 / 20) - 1 for picture in teacher.asked]
    assert len(drawn) == 192
    assert drawn[:12] == [5, 4, 2, 2, 3, 0, 2, 0, 2, 4, 0, 3]
    assert min(drawn.count(number) for number in range(6)) > 192 / 6 / 2
    assert found.mean[1:].tolist() == pytest.approx([1 / 3, 1])
    assert found.explained == pytest.approx(1)
    other = Pixels()
    fit_projection(other, training_pictures(objects, 7), 2)
    assert len(other.asked) == 7
    assert torch.equal(torch.stack(other.asked), torch.stack(teacher.asked[:7]))


def test_semantics_are_fitted_to_the_cells_that_the_object_covers_somewhere() -> None:
    """On black, the two have red 1 and 0.2: a mean of 0.6, and a standard deviation of 0.4."""
    model = FastModel(FastConfig(semantic_dim=1, backbone_size=64))
    net = model.net
    seen: list[Tensor] = []

    def first_is_red(pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c 2 2"]:
        assert pictures.shape[1:] == (3, 4, 4)
        seen.extend(pictures)
        maps = torch.zeros(len(pictures), net.to_semantics.in_channels, 2, 2)
        maps[:, 0] = F.adaptive_max_pool2d(pictures[:, 0], 2)
        return maps

    net.semantic_features = first_is_red  # type: ignore[method-assign]
    picture = rgba(4, 4, (255, 255, 255))
    picture[:, :2] = (255, 0, 0, 0)
    picture[:2, :2, 3] = 255  # the cell at the top left
    picture[3, 1, 3] = 51  # a pixel of the one below it
    model.initialise(training_pictures([PicturedObject([picture])]))
    assert len(seen) == 192
    assert net.to_semantics.bias is not None
    weight, bias = net.to_semantics.weight.detach().flatten(), net.to_semantics.bias.detach()
    assert weight[0] == pytest.approx(1 / 0.4, rel=1e-3)
    assert weight[1:].abs().max() < 1e-3
    assert float(bias) == pytest.approx(-0.6 / 0.4, rel=1e-3)


def test_a_field_without_a_backbone_has_no_semantics_to_start() -> None:
    model = FastModel(FastConfig(encoder=None))
    net = model.net
    before = [value.clone() for value in net.state_dict().values()]
    model.initialise([])
    assert all(torch.equal(a, b) for a, b in zip(before, net.state_dict().values(), strict=True))
