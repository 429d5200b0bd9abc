"""What fields, models and results print, and what notebooks show of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from analytic_field import EllipsoidModel, ellipsoid
from box_picture import box_picture
from featurenerf.cameras import Camera
from featurenerf.fields.base import Rendered, Samples
from featurenerf.studio.lift import LiftSettings, lift
from small_fast_model import picture, small_fast_model


def shown(thing: Any) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(thing._repr_png_())).convert("RGB"))


def view(height: int = 8, width: int = 8) -> Rendered:
    """The left half is red, near above and far below, the right half empty."""
    alpha = torch.zeros(height, width, 1)
    alpha[:, : width // 2] = 1
    depth = torch.linspace(1, 2, height)[:, None, None].expand(height, width, 1)
    return Rendered(rgb=alpha * torch.tensor([1.0, 0.0, 0.0]), alpha=alpha, depth=alpha * depth)


def test_a_view_is_shown_on_white_with_its_depth() -> None:
    pixels = shown(view())
    assert pixels.shape == (160, 320, 3)  # two panels of 8 x 8, twenty times as large
    assert pixels[80, 20].tolist() == [255, 0, 0]
    assert pixels[80, 140].tolist() == [255, 255, 255]
    near, far = pixels[5, 180], pixels[155, 180]
    assert near.tolist() == [255, 255, 255]
    assert far.tolist() == [51, 51, 51]  # a fifth of white


def test_descriptors_are_shown_where_there_are_some() -> None:
    described = Rendered(**view(), descriptor=torch.rand(8, 8, 5, generator=torch.Generator().manual_seed(0)))
    pixels = shown(described)
    assert pixels.shape == (160, 480, 3)
    assert pixels[80, 470].tolist() == [255, 255, 255]
    assert len(np.unique(pixels[::20, 320:400:20].reshape(-1, 3), axis=0)) > 16  # of 32 pixels


def test_a_batch_is_shown_in_rows_four_at_most() -> None:
    batch = Rendered({name: value.expand(6, *value.shape) for name, value in view().items()})
    assert shown(batch).shape == (640, 320, 3)


def test_an_empty_view_and_one_of_one_channel() -> None:
    empty = Rendered({name: torch.zeros_like(value) for name, value in view().items()})
    assert (shown(empty) == 255).all()
    assert Rendered()._repr_png_() is None
    assert Rendered(alpha=torch.ones(4, 4, 1))._repr_png_() is None
    assert Rendered(rgb=torch.rand(4, 4, 3).requires_grad_())._repr_png_() is not None


def test_a_field_shows_itself_from_two_sides() -> None:
    pixels = shown(ellipsoid(Camera.look_at(0, 0, 16, 16).reshape(1)))
    assert pixels.shape == (320, 480, 3)
    middle = pixels[80, 80].astype(int)  # seen from the front: the front third, which is blue
    assert middle[2] > 200 > middle[0]
    batch = small_fast_model().encode_batch(picture()[None, None], Camera.look_at().reshape(1, 1))
    assert batch._repr_png_() is not None


def test_short_texts() -> None:
    model = small_fast_model()
    field = model.encode(picture(), Camera.look_at())
    assert repr(field) == (
        "FastField(density 1, rgb 3, feature 8, coordinate 3, descriptor 72; from pictures of batch shape (1,))"
    )
    assert repr(model).startswith("FastModel(0.1 million parameters, of no named category, channels density 1, rgb 3,")
    assert repr(model).endswith("descriptor 72, float32 on cpu)")
    assert "<th>categories</th>" in model._repr_html_()
    assert repr(view()) == "Rendered(rgb (8, 8, 3), alpha (8, 8, 1), depth (8, 8, 1))"
    assert repr(Samples(density=torch.zeros(5))) == "Samples(density (5,))"


def test_what_was_lifted(tmp_path: Path) -> None:
    settings = LiftSettings(views=2, frames=2, size=16, grid=12, points=50)
    made = lift(box_picture(60, 80, (20, 50, 10, 60)), tmp_path / "a", EllipsoidModel(), settings=settings)
    assert repr(made).startswith(f"Lifted({tmp_path / 'a'}: mask.png, prepared.png, sheet.png, turntable.")
    assert made._repr_png_() == (tmp_path / "a" / "sheet.png").read_bytes()
