"""What somebody meets in the first ten minutes: examples, NumPy in and out, gradients where they are asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import featurenerf
from analytic_field import ellipsoid
from featurenerf import Camera, InputError
from featurenerf.models import FastConfig, FastModel
from featurenerf.pictures import to_tensor
from featurenerf.training.config import TrainConfig
from featurenerf.training.loop import new_model
from small_fast_model import picture, small_fast_model
from unchecked import types_unchecked


@pytest.fixture
def loaded(tmp_path: Path) -> featurenerf.Model:
    """A small model that was written and read again."""
    featurenerf.save(small_fast_model(), tmp_path / "small")
    return featurenerf.load(tmp_path / "small")


# ---------------------------------------------------------------------- examples


def test_examples_are_the_pictures_that_ship() -> None:
    names = ["dining_chair", "teak_armchair", "striped_chair", "office_chair", "hatchback", "beetle", "people_carrier"]
    assert list(featurenerf.examples) == names
    assert len(featurenerf.examples) == 7
    assert "beetle" in featurenerf.examples
    assert "tractor" not in featurenerf.examples
    with pytest.raises(InputError, match="there is no example 'tractor'; there are: dining_chair, teak_armchair"):
        featurenerf.examples["tractor"]
    assert repr(featurenerf.examples).startswith("Examples(dining_chair, ")


def test_an_example_is_taken_where_a_path_is_and_knows_its_camera() -> None:
    chair = featurenerf.examples["dining_chair"]
    assert to_tensor(chair).shape == (4, 256, 256)
    assert featurenerf.prepare(chair).shape == (4, 128, 128)
    own, small = chair.camera(), chair.camera(64, 32)
    assert (own.width, own.height, small.width, small.height) == (256, 256, 64, 32)
    assert torch.allclose(own.pose, Camera.look_at(35, 20).pose)
    assert torch.allclose(chair.camera(turn=10).pose, Camera.look_at(45, 20).pose)
    assert chair._repr_png_().startswith(b"\x89PNG")


# ---------------------------------------------------------------------- gradients


def test_a_loaded_model_requires_no_gradients_until_asked(loaded: featurenerf.Model) -> None:
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert not loaded.training
    assert loaded.requires_grad_() is loaded
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    field = loaded.encode(picture(), Camera.look_at())
    field.query(torch.zeros(2, 3)).density.sum().backward()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in loaded.parameters())


def test_a_frozen_encoder_stays_frozen_when_gradients_are_asked_for() -> None:
    model = FastModel(FastConfig(encoder="efficientnet-lite0")).requires_grad_(False).requires_grad_()
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen
    assert frozen == {name for name, _ in model.named_parameters() if name.startswith("net.backbone.")}


def test_training_from_a_checkpoint_trains_all_but_the_frozen_encoder(tmp_path: Path) -> None:
    featurenerf.save(small_fast_model(), tmp_path / "small")
    config = TrainConfig(
        data="DATA", category=("chair",), out=tmp_path / "run", start_from=str(tmp_path / "small"), feature_dim=8
    )
    model = new_model(config, [])
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_gradients_flow_to_pictures_poses_and_points(loaded: featurenerf.Model) -> None:
    shown, points = picture().requires_grad_(), torch.tensor([[0.0, 0.05, 0.1]]).requires_grad_()
    source, target = (Camera.look_at(azimuth, 20).pose.requires_grad_() for azimuth in (0, 60))
    field = loaded.encode(shown, replace(Camera.look_at(), pose=source))
    samples = field.query(points)
    samples.descriptor.square().sum().backward(retain_graph=True)
    assert all(given.grad is not None and given.grad.any() for given in (shown, source, points))
    shown.grad = None
    views = field.render(replace(Camera.look_at(60, 20, 16, 16), pose=target), ["rgb", "depth"])
    (views.rgb.sum() + views.depth.sum()).backward()
    assert all(given.grad is not None and given.grad.any() for given in (shown, target))
    assert all(parameter.grad is None for parameter in loaded.parameters())


def test_what_is_made_is_no_inference_tensor(loaded: featurenerf.Model) -> None:
    field = loaded.encode(picture(), Camera.look_at())
    views = field.render(Camera.look_at(30, 20, 16, 16))
    assert not any(value.is_inference() for value in (*views.values(), *field.query(torch.zeros(1, 3)).values()))
    assert (views.rgb * torch.ones(3, requires_grad=True)).requires_grad  # as an inference tensor could not be used


# ---------------------------------------------------------------------- NumPy


def test_answers_go_into_numpy_as_they_are(loaded: featurenerf.Model) -> None:
    field = loaded.encode(picture(), Camera.look_at())
    for values in (field.render(Camera.look_at(30, 20, 16, 16)), field.query(torch.zeros(2, 3))):
        for name, value in values.items():
            assert np.array_equal(np.asarray(value), value.numpy()), name
    index, score = featurenerf.match(torch.eye(3), torch.eye(3))
    assert index.numpy().tolist() == [0, 1, 2]
    assert np.asarray(score).shape == (3,)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, list])
def test_points_of_numpy_and_lists_are_the_same_points(kind: type) -> None:
    field, values = ellipsoid(), [[0.25, 0.0, 0.0], [-0.25, 0.0, 0.0], [0.0, 0.5, 0.0]]
    given = values if kind is list else np.array(values, kind)
    found, wanted = field.query(given, channels=["rgb", "density"]), field.query(torch.tensor(values))
    assert found.rgb.dtype == torch.float32
    assert torch.equal(found.rgb, wanted.rgb)
    assert found.density.tolist() == [500.0, 500.0, 0.0]
    turned = np.array(values, np.float32)[::-1]  # a view that runs backwards
    assert field.query(turned).density.tolist() == [0.0, 500.0, 500.0]


def test_whole_numbers_are_points_too() -> None:
    assert ellipsoid().query(torch.zeros(1, 3, dtype=torch.int64)).density.tolist() == [500.0]


@pytest.mark.parametrize("points", [[["a", "b", "c"]], [[0.0, 0.0], [0.0]], np.array([None, None, None])])
def test_what_is_no_array_of_numbers_is_said(points: object) -> None:
    with types_unchecked(), pytest.raises(InputError, match="points must be numbers, as a tensor, an array or lists: "):
        ellipsoid().query(points)


def test_descriptors_of_numpy_are_matched() -> None:
    query, candidates = np.array([[0.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 3.0], [1.0, 1.0]], np.float32)
    index, score = featurenerf.match(query, candidates)
    assert index.tolist() == [1]
    assert score.tolist() == [1.0]
    assert featurenerf.match([[0.0, 2.0]], torch.from_numpy(candidates))[0].tolist() == [1]


def test_marks_of_numpy_and_lists_are_carried() -> None:
    field = ellipsoid(Camera.look_at(width=32, height=32).reshape(1))
    marks = [[16.0, 16.0]]
    wanted, _ = featurenerf.transfer_keypoints(field, field, torch.tensor(marks))
    for given in (np.array(marks), np.array(marks, np.float32), marks):
        assert torch.equal(featurenerf.transfer_keypoints(field, field, given)[0], wanted)
    labels = np.zeros((32, 32), np.uint8)
    labels[14:18, 14:18] = 3
    assert set(featurenerf.transfer_parts(field, field, labels).unique().tolist()) == {0, 3}


def test_a_pil_image_is_a_picture(loaded: featurenerf.Model) -> None:
    image = Image.fromarray((picture().permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    assert loaded.encode(image, Camera.look_at()).source.width == 128
