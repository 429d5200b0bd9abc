"""What every field keeps to: channels by name, values that do not change, cameras that see nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from analytic_field import ellipsoid
from featurenerf import Camera, InputError, match, transfer_keypoints
from featurenerf.fields import CHANNELS, Field, Rendered, Samples
from featurenerf.models import FastModel, Model, PaperConfig, PaperModel
from small_fast_model import SMALL, picture, small_fast_model

AHEAD = Camera.look_at(0, 20, 16, 16)
PAPER = PaperConfig(width=16, blocks=2, fuse=1, feature_dim=8, size=32, coarse_samples=8)


def models() -> list[Model]:
    torch.manual_seed(0)
    return [small_fast_model(), PaperModel(PAPER).eval()]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.name)
def test_training_the_model_changes_no_field_that_it_made(model: Model) -> None:
    points = (torch.rand(50, 3, generator=torch.Generator().manual_seed(0)) - 0.5) * 0.4
    with torch.no_grad():
        field = model.eval().encode(picture(), Camera.look_at(0, 20))
        before, shown = field.query(points), field.render(AHEAD)
        model.train()
        after, again = field.query(points), field.render(AHEAD)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(torch.equal(shown[name], again[name]) for name in shown)


def without_feature() -> list[Model]:
    torch.manual_seed(0)
    return [FastModel(replace(SMALL, feature_dim=0)), PaperModel(replace(PAPER, feature_dim=0, coordinate=False))]


@pytest.mark.parametrize("model", without_feature(), ids=lambda model: model.name)
@torch.no_grad()
def test_a_field_without_a_feature_is_rendered_and_queried_with_defaults(model: Model) -> None:
    field = model.eval().encode(picture(), Camera.look_at(0, 20))
    assert "feature" not in field.channels
    assert list(field.query(torch.zeros(2, 3))) == list(field.channels)
    assert list(field.render(AHEAD)) == ["rgb", "depth", "alpha", "descriptor"]
    with pytest.raises(InputError, match="no channel 'feature': the model was made without it; it has: "):
        field.render(AHEAD, ["feature"])


def with_labels() -> list[Model]:
    torch.manual_seed(0)
    names = ("background", "seat", "leg")
    return [FastModel(replace(SMALL, labels=names)), PaperModel(replace(PAPER, labels=names))]


@pytest.mark.parametrize("model", with_labels(), ids=lambda model: model.name)
@torch.no_grad()
def test_a_field_with_labels_renders_their_logits(model: Model) -> None:
    field = model.eval().encode(picture(), Camera.look_at(0, 20))
    assert field.channels["label"] == 3
    assert field.query(torch.zeros(2, 4, 3)).label.shape == (2, 4, 3)
    shown = field.render(AHEAD)
    assert shown.label.shape == shown["label"].shape == (16, 16, 3)
    alone = field.render(AHEAD, ["label"])
    torch.testing.assert_close(alone.label, shown.label)


def test_values_are_read_by_key_and_by_attribute() -> None:
    values = Samples(density=torch.zeros(4), height=torch.zeros(4, 1))
    assert values.density is values["density"]
    assert values.height is values["height"]
    assert values.rgb is None
    assert "rgb" not in values
    assert repr(values) == "Samples(density (4,), height (4, 1))"
    with pytest.raises(AttributeError, match="there is no channel 'width' here; there are: density, height"):
        values.width  # noqa: B018


def test_values_are_not_assigned_by_attribute() -> None:
    with pytest.raises(AttributeError):
        Samples(density=torch.zeros(1)).density = torch.ones(1)  # type: ignore[misc]


@torch.no_grad()
def test_asking_for_all_known_channels_gives_those_that_the_field_has() -> None:
    torch.manual_seed(0)
    field = PaperModel(replace(PAPER, coordinate=False)).eval().encode(picture(), Camera.look_at(0, 20))
    assert list(field.query(torch.zeros(2, 3), channels=CHANNELS)) == list(field.channels)


def test_density_is_not_rendered() -> None:
    with pytest.raises(InputError, match=r"no channel 'density'; it has: alpha, depth, rgb"):
        ellipsoid().render(AHEAD, ["density"])


def test_a_camera_that_sees_nothing_gives_an_empty_picture() -> None:
    away = replace(AHEAD, pose=AHEAD.pose @ torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0])))
    for field in (ellipsoid(), small_fast_model().encode(picture(), Camera.look_at(0, 20))):
        shown = field.render(away)
        for name, size in (("rgb", 3), ("alpha", 1), ("depth", 1), ("descriptor", field.channels["descriptor"])):
            assert shown[name].shape == (16, 16, size)
            assert not shown[name].any()
        assert field.query(torch.zeros(0, 3)).rgb.shape == (0, 3)


@torch.no_grad()
def test_rays_that_all_stay_below_the_least_alpha_are_black() -> None:
    model = small_fast_model()
    with torch.no_grad():
        model.net.to_detail[-1].bias.sub_(100)  # nothing is seen anywhere
    field = model.encode(picture(), Camera.look_at(0, 20))
    shown = field.render(AHEAD)
    assert shown.descriptor.shape == (16, 16, field.channels["descriptor"])
    assert not any(value.any() for value in shown.values())


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Splats(Field):
    """Coloured points, drawn as pixels, the nearest on top: a field that answers ``render`` without ``sample``."""

    points: Tensor
    colors: Tensor

    @property
    def channels(self) -> Mapping[str, int]:
        return {"rgb": 3, "descriptor": 3}

    def query(self, points: Tensor, directions: Tensor | None = None, channels: Sequence[str] | None = None) -> Samples:
        nearest = torch.cdist(points.reshape(-1, 3), self.points).argmin(1)
        found = self.colors[nearest].reshape(*points.shape)
        return Samples({name: found for name in channels or self.channels})

    def render(self, camera: Camera, channels: Sequence[str] | None = None) -> Rendered:
        xy, depth = camera.project(self.points)
        order = depth.argsort(descending=True)
        column, row = xy[order].floor().long().unbind(-1)
        shown = Rendered(
            alpha=torch.zeros(camera.height, camera.width, 1), depth=torch.zeros(camera.height, camera.width, 1)
        )
        shown.update({name: torch.zeros(camera.height, camera.width, 3) for name in self.channels})
        shown["alpha"][row, column] = 1.0
        shown["depth"][row, column] = depth[order, None]
        for name in self.channels:
            shown[name][row, column] = self.colors[order]
        return Rendered({name: shown[name] for name in channels or shown})


def test_a_field_that_renders_without_samples_is_matched_as_any_other() -> None:
    points = torch.tensor([[0.3, 0.0, 0.0], [0.0, 0.3, 0.0], [0.0, -0.3, 0.1]])
    source = Camera.look_at([20.0], [30.0], 64, 64)
    one = Splats(source=source, points=points, colors=torch.eye(3))
    other = Splats(source=source, points=points.flip(0), colors=torch.eye(3).flip(0))
    assert repr(one) == "Splats(rgb 3, descriptor 3; from pictures of batch shape (1,))"
    marks = source[0].project(points)[0]
    xy, score = transfer_keypoints(one, other, marks)
    assert torch.equal(xy, marks.floor() + 0.5)
    assert torch.allclose(score, torch.ones(3))
    there = transfer_keypoints(one, other, points, candidates=points)[0]
    assert torch.equal(there, points)
    assert match(one.query(points).descriptor, other.query(points).descriptor)[0].tolist() == [0, 1, 2]
