"""The visual hull: where rays enter it, and the codes of the shape around a place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.data.objects import Dataset
from featurenerf.training.batches import Drawing
from featurenerf.training.config import Budget
from featurenerf.training.hull import Hull, shape_codes, visual_hull
from pictured_object import PicturedObject

CELLS, SHAPE_CELLS, SHAPE_DIM = 48, 24, 24


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
    points, met = hull.first_hit(origins, directions, *camera.cut)
    on_object = alpha.reshape(-1)
    assert met[on_object].float().mean() > 0.9
    assert met[~on_object].float().mean() < 0.1
    cloud = torch.from_numpy(views.part_points()[0]).float()
    away = torch.cdist(points[met & on_object], cloud).amin(1)
    assert away.median() < 0.08
    ahead = ((points - origins) * directions).sum(-1)
    assert ahead[met].min() >= 0.8


def test_places_lie_in_the_box_and_know_nothing_far_from_the_object(objects: Dataset) -> None:
    hull = visual_hull(objects[0], len(objects[0]))
    surface = torch.from_numpy(objects[0].part_points()[0]).float()
    places = hull.places(torch.cat([surface, torch.full((1, 3), -0.49)]))
    assert places.shape == (len(surface) + 1, 3 + SHAPE_DIM)
    assert places[:-1, :3].abs().max() < 0.6
    assert (places[:-1, 3:].abs().sum(1) > 0).float().mean() > 0.95
    assert places[-1, 3:].abs().sum() == 0


# ---------------------------------------------------------------------- the hull of silhouettes that are known

FRONT = [[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]
"""Axes of a camera on +x: pixel x is y, pixel y is -z."""
SIDE = [[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]]
"""Of one on +y: pixel x is -x, pixel y is -z."""


def silhouettes(masks: Sequence[np.ndarray], axes: Sequence[list[list[float]]]) -> PicturedObject:
    """Pictures from so far away that a pixel sees a row of cells."""
    pose = torch.eye(4).repeat(len(axes), 1, 1)
    pose[:, :3, :3] = torch.tensor(axes)
    pose[:, :3, 3] = 1000 * pose[:, :3, 2]
    height, width = masks[0].shape
    cameras = Camera.from_pose(pose, 48 * 1000.0, width, height, 999, 1001)
    return PicturedObject([np.stack([0 * mask] * 3 + [mask], -1) for mask in masks], cameras)


def mask(rows: slice, columns: slice, alpha: int = 255) -> np.ndarray:
    picture = np.zeros((48, 48), np.uint8)
    picture[rows, columns] = alpha
    return picture


BOX = (slice(10, 20), slice(14, 30), slice(18, 36))
"""Cells of a box inside the sphere; its silhouettes are two rectangles, seen from +x and from +y."""
OF_BOX = (mask(slice(12, 30), slice(14, 30)), mask(slice(12, 30), slice(28, 38)))


def numbers(cells: np.ndarray) -> list[int]:
    """Of the cells of a grid that are true: z counts ones, y 48, x 48 * 48."""
    return np.flatnonzero(cells.reshape(-1)).tolist()


def in_sphere() -> np.ndarray:
    """Cells whose centre is within half a unit of the origin, in integers: odd numbers of half cells."""
    x, y, z = np.meshgrid(*[2 * np.arange(48) - 47] * 3, indexing="ij")
    return x * x + y * y + z * z < 48**2


def a_box(grow: int = 0) -> np.ndarray:
    cells = np.zeros((48, 48, 48), bool)
    cells[tuple(slice(side.start - grow, side.stop + grow) for side in BOX)] = True
    return cells


def test_the_hull_of_a_box_seen_from_two_sides() -> None:
    hull = visual_hull(silhouettes(OF_BOX, (FRONT, SIDE)), 2)
    assert hull.inside.tolist() == numbers(a_box())
    assert hull.edge.tolist() == numbers(a_box(grow=2) & in_sphere() & ~a_box())  # two cells around it
    assert hull.outside.tolist() == numbers(in_sphere() & ~a_box(grow=2))
    low, high = torch.tensor([10.0, 14, 18]) / 48 - 0.5, torch.tensor([20.0, 30, 36]) / 48 - 0.5
    torch.testing.assert_close(hull.box, torch.stack([(low + high) / 2, high - low]))  # with all of the outer cells
    coarse = np.zeros((24, 24, 24), bool)
    coarse[4:11, 6:16, 8:19] = True  # cells of twice the size, and one around them
    assert hull.cells.tolist() == np.flatnonzero(coarse).tolist()
    codes = shape_codes(torch.from_numpy(a_box()))
    assert hull.codes.dtype == torch.float16
    torch.testing.assert_close(hull.codes, codes[torch.from_numpy(coarse)].half())


def test_a_pixel_with_a_trace_of_alpha_is_on_the_object() -> None:
    faint = (np.minimum(OF_BOX[0], 1), OF_BOX[1])
    assert visual_hull(silhouettes(faint, (FRONT, SIDE)), 2).inside.tolist() == numbers(a_box())


def test_a_blank_picture_carves_nothing() -> None:
    blank = np.zeros((48, 48), np.uint8)
    hull = visual_hull(silhouettes((OF_BOX[0], blank, OF_BOX[1]), (FRONT, FRONT, SIDE)), 3)
    assert hull.inside.tolist() == numbers(a_box())


def test_blank_pictures_alone_show_nothing() -> None:
    hull = visual_hull(silhouettes([np.zeros((48, 48), np.uint8)] * 2, (FRONT, SIDE)), 2)
    assert len(hull.inside) == len(hull.edge) == len(hull.cells) == len(hull.codes) == 0
    assert hull.outside.tolist() == numbers(in_sphere())
    torch.testing.assert_close(hull.box, torch.tensor([[0.0, 0, 0], [1, 1, 1]]))


def test_full_pictures_leave_the_scenes_sphere() -> None:
    hull = visual_hull(silhouettes([np.full((48, 48), 255, np.uint8)] * 2, (FRONT, SIDE)), 2)
    assert hull.inside.tolist() == numbers(in_sphere())
    assert len(hull.edge) == 0
    torch.testing.assert_close(hull.box, torch.tensor([[0.0, 0, 0], [1, 1, 1]]))


def test_what_lies_outside_of_a_picture_is_not_in_the_hull() -> None:
    """Not by half a pixel: a small opaque picture leaves the rows of cells that it shows."""
    hull = visual_hull(silhouettes([np.full((20, 12), 255, np.uint8)], (FRONT,)), 1)
    shown = np.zeros((48, 48, 48), bool)
    shown[:, 18:30, 14:34] = True
    assert hull.inside.tolist() == numbers(shown & in_sphere())


@pytest.mark.parametrize(
    ("count", "pictures", "asked"),
    [(4, 3, [0, 2, 3]), (6, 2, [0, 5]), (3, 20, [0, 1, 2]), (2, 5, [0, 1])],
)
def test_views_are_spread_over_those_that_count(count: int, pictures: int, asked: list[int]) -> None:
    views = silhouettes([OF_BOX[0]] * 7, [FRONT] * 7)
    visual_hull(views, count, pictures)
    assert views.asked == asked


def test_a_hull_is_made_once_and_kept_as_long_as_batches_are_drawn() -> None:
    views, drawing = silhouettes([OF_BOX[0]] * 7, [FRONT] * 7), Drawing(Budget(steps=1))
    first = drawing.hull_of(views, 2)
    assert drawing.hull_of(views, 2) is first
    assert views.asked == [0, 1]
    assert Drawing(Budget(steps=1)).hull_of(views, 2) is not first


def test_twenty_pictures_are_looked_at_unless_said() -> None:
    views = silhouettes([OF_BOX[0]] * 39, [FRONT] * 39)
    visual_hull(views, 39)
    assert views.asked == list(range(0, 39, 2))


# ---------------------------------------------------------------------- what is asked of a hull


def hull_of(inside: Sequence[int] = (), edge: Sequence[int] = (), cells: Sequence[int] = ()) -> Hull:
    box = torch.tensor([[0.1, 0.0, -0.1], [0.5, 0.4, 0.25]])
    codes = torch.arange(1.0, 1 + 24 * len(cells)).reshape(-1, 24)
    return Hull(np.array(inside, np.int32), np.array(edge, np.int32), box, torch.tensor(cells, dtype=torch.int), codes)


def cells_of(points: Tensor) -> list[list[int]]:
    return ((points + 0.5) * 48).floor().int().tolist()


def test_half_of_the_points_are_inside_and_a_quarter_next_to_it() -> None:
    inside, edge = [20, 30, 11], [20, 31, 11]
    hull = hull_of([(20 * 48 + 30) * 48 + 11], [(20 * 48 + 31) * 48 + 11])
    points, flags = hull.draw(403, np.random.default_rng(0))
    assert points.shape == (403, 3)
    assert flags.tolist() == [1.0] * 201 + [0.0] * 202
    assert cells_of(points[:201]) == [inside] * 201
    assert cells_of(points[201:301]) == [edge] * 100
    rest = cells_of(points[301:])
    assert inside not in rest
    assert edge not in rest
    assert len({tuple(cell) for cell in rest}) > 90
    assert points.norm(dim=-1).max() < 0.5 + 1 / 48
    within = (points[:201] + 0.5) * 48 - torch.tensor(inside)  # anywhere in their cell
    assert (within.amin(0) < 0.05).all()
    assert (within.amax(0) > 0.95).all()


def test_points_are_drawn_elsewhere_where_there_is_no_hull_or_nothing_next_to_it() -> None:
    points, flags = hull_of().draw(40, np.random.default_rng(0))
    assert flags.sum() == 0
    assert len({tuple(cell) for cell in cells_of(points)}) > 30
    _, flags = hull_of([5000]).draw(40, np.random.default_rng(0))
    assert flags.tolist() == [1.0] * 20 + [0.0] * 20
    points, flags = hull_of([], [(20 * 48 + 31) * 48 + 11]).draw(40, np.random.default_rng(0))
    assert flags.sum() == 0
    assert cells_of(points[20:30]) == [[20, 31, 11]] * 10


def test_a_ray_enters_the_hull_at_its_first_cell() -> None:
    """To half a cell: within 1 / 96 behind the face through which it comes."""
    hull = hull_of([(x * 48 + 30) * 48 + 11 for x in (20, 21, 40)])
    y, z = (30 + 0.5) / 48 - 0.5, (11 + 0.5) / 48 - 0.5
    origins = torch.tensor([[-1.0, y, z], [1.0, y, z], [-1.0, z, y], [20.5 / 48 - 0.5, -1, z]])
    directions = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [1, 0, 0], [0, 1, 0]])
    points, met = hull.first_hit(origins, directions, 0.25, 1.75)
    assert met.tolist() == [True, True, False, True]
    faces = (20 / 48 - 0.5, 41 / 48 - 0.5, 30 / 48 - 0.5)
    assert 0 <= points[0, 0] - faces[0] < 1 / 96
    assert 0 <= faces[1] - points[1, 0] < 1 / 96
    assert 0 <= points[3, 1] - faces[2] < 1 / 96
    torch.testing.assert_close(points[:2, 1:], torch.tensor([[y, z]] * 2))


def test_rays_are_walked_in_steps_of_half_a_cell() -> None:
    """From wherever rays start, what they meet is at most a step behind the face, and for some nearly a whole one."""
    hull = hull_of([(20 * 48 + 30) * 48 + 11])
    origins = torch.tensor([[-1.0, 30.5 / 48 - 0.5, 11.5 / 48 - 0.5]]).repeat(40, 1)
    origins[:, 0] -= torch.arange(40) / 40 / 24
    points, met = hull.first_hit(origins, torch.tensor([[1.0, 0, 0]]).repeat(40, 1), 0.5, 1.5)
    assert met.all()
    behind = (points[:, 0] - 20 / 48 + 0.5) * 96
    assert -1e-3 < behind.min() < 0.1
    assert 0.9 < behind.max() < 1.001


def test_a_ray_meets_nothing_before_near_and_beyond_far() -> None:
    hull = hull_of([(20 * 48 + 30) * 48 + 11])  # at depths from 0.9167 to 0.9375 of this ray
    ray = torch.tensor([[-1.0, 30.5 / 48 - 0.5, 11.5 / 48 - 0.5]]), torch.tensor([[1.0, 0, 0]])
    for near, far, expected in ((0.0, 0.9, False), (0.95, 2.0, False), (0.9, 0.95, True)):
        assert hull.first_hit(*ray, near, far)[1].tolist() == [expected]


def test_rays_from_any_distance_reach_the_hull() -> None:
    """Of one batch, without being told between which depths."""
    hull, away = hull_of([(20 * 48 + 30) * 48 + 11]), torch.tensor([0.6, 1.0, 4.0, 30.0])
    origins = torch.tensor([[-1.0, 30.5 / 48 - 0.5, 11.5 / 48 - 0.5]]).repeat(4, 1)
    origins[:, 0] = -away
    points, met = hull.first_hit(origins, torch.tensor([[1.0, 0, 0]]).repeat(4, 1))
    assert met.all()
    assert (points[:, 0] - 20 / 48 + 0.5).abs().max() < 1 / 95


def test_a_ray_beside_the_cube_meets_no_cell_at_its_rim() -> None:
    hull = hull_of([(x * 48 + 47) * 48 + 24 for x in range(48)] + [x * 48 * 48 + 24 for x in range(48)])
    beside = torch.tensor([[-1.0, 0.505, 0.01], [-1.0, -0.505, 0.01], [-1.0, 0.495, 0.01], [-1.0, -0.495, 0.01]])
    _, met = hull.first_hit(beside, torch.tensor([[1.0, 0, 0]]).repeat(4, 1), 0.0, 2.0)
    assert met.tolist() == [False, False, True, True]


def test_a_place_is_told_in_the_box_and_by_the_code_of_its_cell() -> None:
    hull = hull_of(cells=[(3 * 24 + 5) * 24 + 7])
    centre = (torch.tensor([3.0, 5, 7]) + 0.5) / 24 - 0.5
    half_way = centre + torch.tensor([0.5 / 24, 0, 0])
    quarter = centre - torch.tensor([0, 0.25 / 24, 0.5 / 24])
    places = hull.places(torch.stack([centre, half_way, quarter, centre.flip(0)]))
    box = torch.tensor([[(-17 / 48 - 0.1) / 0.5, (-13 / 48) / 0.4, (-9 / 48 + 0.1) / 0.25]])
    torch.testing.assert_close(places[:1, :3], box)
    code = torch.arange(1.0, 25)
    torch.testing.assert_close(places[:, 3:], torch.stack([code, code / 2, code * 0.375, code * 0]))


# ---------------------------------------------------------------------- the code of a shape


def described(filled: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The code of a place from its definition, with a matrix that is inverted and sums over single cells."""
    cells = (np.argwhere(filled) + 0.5) / 48 - 0.5

    def gaussian(place: np.ndarray, radius: float) -> np.ndarray:
        density = np.exp(-((cells - place) ** 2).sum(-1) / (2 * radius**2)) / ((2 * np.pi) ** 1.5 * radius**3)
        return density / 48**3

    parts = []
    for radius in (0.04, 0.1):
        weights = gaussian(at, radius)
        assert weights.sum() > 1e-4
        mean = np.average(cells, axis=0, weights=weights)
        covariance = np.cov(cells.T, aweights=weights, ddof=0)
        faces = np.diag(np.linalg.inv(covariance + (0.05 * radius) ** 2 * np.eye(3)))
        parts += [
            0.316228 * np.sqrt(np.diag(covariance)) / radius,
            0.316228 * faces / faces.sum(),
            0.223607 * (mean - at) / radius,
        ]
    for axis in range(3):
        along = np.repeat(at[None], 24, 0)
        along[:, axis] = (np.arange(24) + 0.5) / 24 - 0.5
        thin = np.array([gaussian(place, 0.02).sum() for place in along])
        before = along[:, axis] < at[axis] + 1e-6
        parts += [0.244949 * (1 - np.exp(-thin[side].sum(keepdims=True) / 24 / 0.05)) for side in (before, ~before)]
    return np.concatenate(parts)


@pytest.mark.parametrize("cell", [(9, 8, 10), (11, 9, 14), (15, 12, 8), (16, 3, 21)])
def test_the_code_of_a_place_is_what_its_definition_says(cell: tuple[int, int, int]) -> None:
    """Near a leaning board, and near a small block beside it."""
    x, y, z = np.meshgrid(*[np.arange(48)] * 3, indexing="ij")
    filled = (abs(x - y - 2) <= 1) & (z >= 10) & (z < 30 - x // 4) & (x > 12) & (x < 34)
    filled[30:34, 5:9, 40:44] = True
    found = shape_codes(torch.from_numpy(filled))[cell]
    expected = described(filled, (np.array(cell) + 0.5) / 24 - 0.5)
    torch.testing.assert_close(found, torch.from_numpy(expected).float(), rtol=2e-3, atol=2e-4)


def test_the_code_of_a_board_of_two_cells_by_hand() -> None:
    """Seen from 1/48 beside its middle: its halves are 1/32 and 1/96 away, and weigh as exp(-d^2 / 2 r^2)."""
    code = code_at(solid((23, 0, 0), (25, 48, 48)), 24, 24, 24)
    reach, faces, lies = code[:3] / 0.316228, code[3:6] / 0.316228, code[6:9] / 0.223607
    assert reach.tolist() == pytest.approx([0.25804, 1, 1], rel=1e-3)  # shares of the radius; it has no end
    assert faces.tolist() == pytest.approx([0.8789, 0.0606, 0.0606], rel=2e-3)
    assert lies.tolist() == pytest.approx([-0.48573, 0, 0], abs=1e-4)
    assert (code[9:12] / 0.316228).tolist() == pytest.approx([0.10414, 1, 1], rel=1e-3)
    assert (code[15:18] / 0.223607).tolist() == pytest.approx([-0.20607, 0, 0], abs=1e-4)


def test_a_rod_faces_all_ways_but_its_own() -> None:
    """Its variances are r^2 along x and nothing across, and (0.05 r)^2 more in all: 0.0025 to 1.0025 to 1.0025."""
    code = code_at(solid((0, 24, 24), (48, 25, 25)), 24, 24, 24)
    assert (code[3:6] / 0.316228).tolist() == pytest.approx([0.001245, 0.49938, 0.49938], rel=2e-2)
    assert code[:3].tolist() == pytest.approx([0.316228, 0, 0], abs=3e-3)


def test_the_code_of_a_place_with_nothing_around_it() -> None:
    code = shape_codes(solid((0, 0, 0), (0, 0, 0)))[3, 12, 20]
    away = torch.tensor([8.5, -0.5, -8.5]) / 24 * 0.223607  # the mean of nothing is the origin
    thirds = torch.full((3,), 0.316228 / 3)  # it faces nowhere
    expected = [torch.zeros(3), thirds, away / 0.04, torch.zeros(3), thirds, away / 0.1, torch.zeros(6)]
    torch.testing.assert_close(code, torch.cat(expected), rtol=1e-4, atol=1e-5)


def test_a_single_cell_is_a_point_until_it_is_three_radii_away() -> None:
    """Less mass than a ten thousandth counts as that much: the mean lies nearer to the origin.

    Of a cell at (x, y, z) it is exp(-d^2 / 2 r^2) / ((2 pi)^1.5 (48 r)^3): 1.4e-4 at 2.9 radii, 4.07e-6 at 3.9.
    """
    codes = shape_codes(solid((40, 24, 24), (41, 25, 25)))
    x = 40.5 / 48 - 0.5
    for cell, mean in ((20, x), (18, x), (17, x), (16, 0.0407 * x)):
        code = codes[cell, 12, 12]
        assert code.isfinite().all()
        assert code[6] == pytest.approx(0.223607 * (mean - (cell + 0.5) / 24 + 0.5) / 0.04, abs=2e-3)
    assert codes[18, 12, 12][:3].max() < 0.01  # it reaches nowhere


@pytest.mark.parametrize("inside", [True, False])
def test_points_are_drawn_where_a_share_has_no_place(inside: bool) -> None:
    """The whole sphere is inside where every picture is opaque; and it may be all edge."""
    every = np.flatnonzero((((np.indices((48,) * 3) + 0.5) / 48 - 0.5) ** 2).sum(0).ravel() < 0.25)
    none = np.zeros(0, np.int64)
    box = torch.tensor([[0.0, 0, 0], [1, 1, 1]])
    cells, codes = torch.zeros(0, dtype=torch.int32), torch.zeros(0, 24)
    hull = Hull(every if inside else none, none if inside else every, box, cells, codes)
    points, marks = hull.draw(101, np.random.default_rng(0))
    assert points.norm(dim=-1).max() < 0.5 + 0.02
    assert marks.tolist() == [float(inside)] * 101
