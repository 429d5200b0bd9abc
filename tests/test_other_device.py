"""Everything that a field is used for, on a device that is not the CPU (imitated where there is none)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

import featurenerf
from box_picture import box_picture
from featurenerf import Camera
from featurenerf.fields import VolumeField
from featurenerf.fields.edits import Ball, Part, Plain, Texture, composed, isolated, recolored, removed, transformed
from featurenerf.models import FastConfig, FastModel, Model, PaperConfig, PaperModel
from featurenerf.studio.lift import LiftSettings, lift
from other_device import elsewhere
from small_fast_model import SMALL, picture, small_fast_model

HERE = Camera.look_at(20, 30, 16, 16)


@pytest.fixture(autouse=True)
def device() -> Iterator[torch.device]:
    with torch.no_grad(), elsewhere() as there:
        yield there


def paper_model() -> Model:
    torch.manual_seed(0)
    return PaperModel(PaperConfig(width=16, blocks=1, fuse=1, feature_dim=4, size=32)).eval()


def encoded(model: Model, device: torch.device, size: int = 128) -> VolumeField:
    return model.to(device).encode(picture(size=size), Camera.look_at(0, 20, size, size))


def on(device: torch.device, *values: Tensor | None) -> bool:
    return all(value is not None and value.device == device for value in values)


def test_the_imitation_refuses_what_a_device_refuses(device: torch.device) -> None:
    there, here = torch.ones(3, device=device), torch.ones(3)
    with pytest.raises(RuntimeError, match="tensors on two devices"):
        there + here
    with pytest.raises(RuntimeError, match="numpy"):
        there.numpy()
    assert (there.cpu() + here).tolist() == [2.0, 2.0, 2.0]
    assert torch.tensor([1.0, 5.0], device=device).tolist() == [1.0, 5.0]


@pytest.mark.parametrize("kind", ["fast", "paper"])
def test_fields_answer_where_the_model_is(device: torch.device, kind: str) -> None:
    field = encoded(small_fast_model(), device) if kind == "fast" else encoded(paper_model(), device, 32)
    assert on(device, *field.query([[0.0, 0.0, 0.1]]).values(), *field.query(torch.zeros(2, 3)).values())
    views = field.render(HERE)
    assert on(device, *views.values())
    assert views.rgb.cpu().numpy().shape == (16, 16, 3)


def test_the_answers_are_those_of_the_cpu(device: torch.device) -> None:
    there = encoded(small_fast_model(), device).render(HERE)
    here = encoded(small_fast_model(), torch.device("cpu")).render(HERE)
    for name, value in there.items():
        assert torch.equal(value.cpu(), here[name]), name


def test_a_frozen_encoder_and_an_assumed_camera(device: torch.device) -> None:
    torch.manual_seed(0)
    model = FastModel(FastConfig(**{**vars(SMALL), "encoder": "efficientnet-lite0", "semantic_dim": 8})).eval()
    field = model.to(device).encode(picture())
    assert on(device, field.render(HERE).descriptor)
    several = model.encode([picture(), picture(1)], [Camera.look_at(a) for a in (0, 90)])
    assert on(device, several.render(HERE).descriptor)


def test_marks_and_parts_are_carried(device: torch.device) -> None:
    field = encoded(small_fast_model(), device)
    xy, score = featurenerf.transfer_keypoints(field, field, [[8.0, 8.0]], HERE, HERE)
    assert on(device, xy, score)
    labels = torch.ones(16, 16, dtype=torch.int64)
    assert on(device, featurenerf.transfer_parts(field, field, labels, HERE, HERE))
    points = torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0]])
    assert on(device, featurenerf.transfer_keypoints(field, field, points, candidates=points)[0])


def test_edits(device: torch.device) -> None:
    field = encoded(small_fast_model(), device)
    seen = field.render(HERE)
    descriptors, rgb = seen.descriptor.flatten(0, 1).cpu(), seen.rgb.flatten(0, 1).cpu()
    part = Part(descriptors, torch.arange(256) % 2, 1)
    ball = Ball((0.0, 0.0, 0.0), 0.3)
    edits = [
        recolored(field, ball, Plain((1.0, 0.0, 0.0))), recolored(field, part, Texture(descriptors, rgb)),
        removed(field, part), isolated(field, ball), composed([transformed(field, scale=0.5), field]),
    ]  # fmt: skip
    for edit in edits:
        assert on(device, edit.render(HERE, ["rgb"]).rgb)


def test_lift(device: torch.device, tmp_path: Path) -> None:
    settings = LiftSettings(views=2, frames=2, size=16, grid=12, points=50)
    shown = box_picture(60, 80, (20, 50, 10, 60))
    made = lift(shown, tmp_path / "out", small_fast_model().to(device), settings=settings, progress=False)
    assert set(made.report["files"]) >= {"points.ply", "mesh.ply", "sheet.png"}
