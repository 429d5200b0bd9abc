"""The visual hull: where rays enter it, and the codes of the shape around a place."""

from __future__ import annotations

import torch
from torch import Tensor

from featurenerf.data.views import Dataset
from featurenerf.training.hull import CELLS, SHAPE_CELLS, SHAPE_DIM, shape_codes, visual_hull


def solid(low: tuple[int, int, int], high: tuple[int, int, int]) -> Tensor:
    """A box of cells."""
    filled = torch.zeros(CELLS, CELLS, CELLS, dtype=torch.bool)
    filled[low[0] : high[0], low[1] : high[1], low[2] : high[2]] = True
    return filled


def code_at(filled: Tensor, x: int, y: int, z: int) -> Tensor:
    """The code at a cell of the fine grid."""
    step = CELLS // SHAPE_CELLS
    return shape_codes(filled)[x // step, y // step, z // step]


def test_a_rod_is_unlike_a_board_and_like_another_rod() -> None:
    middle = CELLS // 2
    rod = solid((middle - 1, middle - 1, 4), (middle + 1, middle + 1, 44))
    longer = solid((9, 9, 2), (11, 11, 46))
    board = solid((8, 8, middle - 1), (40, 40, middle + 1))
    here = code_at(rod, middle, middle, middle)
    assert here.shape == (SHAPE_DIM,)
    assert here.isfinite().all()
    to_rod = (here - code_at(longer, 10, 10, middle)).norm()
    to_board = (here - code_at(board, middle, middle, middle)).norm()
    assert to_rod < 0.3 * to_board


def test_the_code_says_which_way_a_board_faces_and_what_lies_above() -> None:
    middle = CELLS // 2
    flat = code_at(solid((8, 8, middle - 1), (40, 40, middle + 1)), middle, middle, middle)
    upright = code_at(solid((middle - 1, 8, 8), (middle + 1, 40, 40)), middle, middle, middle)
    per_scale = (SHAPE_DIM - 6) // 2
    assert flat[3:6].argmax() == 2  # its normal is z
    assert upright[3:6].argmax() == 0
    assert flat[per_scale + 3 : per_scale + 6].argmax() == 2
    post = solid((20, 20, 4), (28, 28, 44))
    (*_, below, above), (*_, under, over) = code_at(post, middle, middle, 5), code_at(post, middle, middle, 42)
    assert above > 1.2 * below
    assert under > 1.2 * over


def test_nothing_has_a_code_of_numbers() -> None:
    assert shape_codes(solid((0, 0, 0), (0, 0, 0))).isfinite().all()


def test_rays_enter_the_hull_at_the_object(objects: Dataset) -> None:
    views = objects[0]
    hull = visual_hull(views, len(views))
    camera = views.camera(0)
    alpha = torch.from_numpy(views.picture(0)[..., 3]) > 0
    origins, directions = (t.reshape(-1, 3) for t in camera.rays())
    points, met = hull.first_hit(origins, directions, camera.near, camera.far)
    on_object = alpha.reshape(-1)
    assert met[on_object].float().mean() > 0.9
    assert met[~on_object].float().mean() < 0.1
    cloud = torch.from_numpy(views.part_points()[0]).float()
    away = torch.cdist(points[met & on_object], cloud).amin(1)
    assert away.median() < 0.08
    ahead = ((points - origins) * directions).sum(-1)
    assert ahead[met].min() >= camera.near


def test_places_lie_in_the_box_and_know_nothing_far_from_the_object(objects: Dataset) -> None:
    hull = visual_hull(objects[0], len(objects[0]))
    surface = torch.from_numpy(objects[0].part_points()[0]).float()
    places = hull.places(torch.cat([surface, torch.full((1, 3), -0.49)]))
    assert places.shape == (len(surface) + 1, 3 + SHAPE_DIM)
    assert places[:-1, :3].abs().max() < 0.6
    assert (places[:-1, 3:].abs().sum(1) > 0).float().mean() > 0.95
    assert places[-1, 3:].abs().sum() == 0
