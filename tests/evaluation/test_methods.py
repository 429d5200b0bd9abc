"""The vectors that the methods give to places, and which of them are close."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.evaluation import methods
from featurenerf.evaluation.methods import Embedder, End, composite, point_directions
from given_object import GivenField, GivenModel, GivenObject

WIDTH, HEIGHT = 6, 4
FRONT = Camera.look_at([0.0, 90.0, 180.0], 0.0, WIDTH, HEIGHT)
"""From the front the camera's axes (right, up, backward) are the world's (y, z, x)."""


def pictures(views: int = 3) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(0)
    return tuple(random.integers(0, 256, (HEIGHT, WIDTH, 4), dtype=np.uint8) for _ in range(views))


def shown(**maps: Tensor) -> tuple[Embedder, GivenField]:
    """An embedder of the method that the first map is named after, and the one field that it sees."""
    known = GivenObject(FRONT, pictures())
    whole = {"rgb": torch.zeros(HEIGHT, WIDTH, 3), "alpha": torch.ones(HEIGHT, WIDTH, 1), **maps}
    field = GivenField(known, [whole] * 3)
    return Embedder(next(iter(maps)), {"a": known}.__getitem__, GivenModel(field)), field  # type: ignore[arg-type]


def positions() -> Tensor:
    """Each pixel's own (row, column)."""
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    return torch.stack([rows, columns], -1).float()


# ---------------------------------------------------------------------- the list of methods


def test_the_methods_and_those_that_need_a_model() -> None:
    assert methods.METHODS == ("descriptor", "feature", "teacher", "same-pixel", "coordinate", "chance")
    assert methods.FIELD_METHODS == ("descriptor", "feature", "coordinate")
    assert [m for m in methods.METHODS if Embedder(m, {}.get, GivenModel(), lambda p: p).has_field] == [
        "descriptor",
        "feature",
        "coordinate",
    ]


@pytest.mark.parametrize("method", ["descriptor", "feature", "coordinate"])
def test_a_method_of_the_field_without_a_model_is_refused(method: methods.Method) -> None:
    with pytest.raises(InputError, match=f"method '{method}' needs a checkpoint"):
        Embedder(method, {}.get, None, lambda pictures: pictures)


def test_the_baselines_need_what_they_use_alone() -> None:
    Embedder("same-pixel", {}.get)
    Embedder("chance", {}.get)
    Embedder("teacher", {}.get, teacher=lambda pictures: pictures)
    with pytest.raises(InputError, match="needs a teacher"):
        Embedder("teacher", {}.get, GivenModel())


# ---------------------------------------------------------------------- which vectors are close


@pytest.mark.parametrize("method", ["descriptor", "feature", "teacher"])
def test_descriptors_are_compared_by_their_angle(method: methods.Method) -> None:
    embedder = Embedder(method, {}.get, GivenModel(), lambda pictures: pictures)
    candidates = torch.tensor([[9.0, 0.0], [0.9, 0.5], [0.0, 3.0]])
    assert embedder.closest(torch.tensor([[1.0, 0.0], [0.2, 0.1]]), candidates).tolist() == [0, 1]


@pytest.mark.parametrize("method", ["same-pixel", "coordinate"])
def test_positions_are_compared_by_their_distance(method: methods.Method) -> None:
    embedder = Embedder(method, {}.get, GivenModel())
    candidates = torch.tensor([[9.0, 0.0], [0.9, 0.5], [0.0, 3.0]])
    assert embedder.closest(torch.tensor([[1.0, 0.0], [0.2, 2.6]]), candidates).tolist() == [1, 2]


def test_chance_throws_one_die_for_all_pairs_from_seed_0() -> None:
    """The draws are those that published reports were made with."""
    embedder = Embedder("chance", {}.get)
    first, second = (embedder.closest(torch.zeros(6, 2), torch.zeros(10, 2)).tolist() for _ in range(2))
    assert first == RECORDED_DRAWS[:6]
    assert second == RECORDED_DRAWS[6:]


RECORDED_DRAWS = [4, 9, 3, 0, 3, 9, 7, 3, 7, 3, 1, 6]
"""``torch.randint(10, (6,))`` twice, after ``manual_seed(0)``."""


# ---------------------------------------------------------------------- pixels


@pytest.mark.parametrize("method", ["same-pixel", "chance"])
def test_a_pixel_is_its_own_position(method: methods.Method) -> None:
    places = torch.tensor([[5, 1], [0, 3]])
    assert Embedder(method, {}.get).pixels(End("a", 0, 0), places).tolist() == [[5.0, 1.0], [0.0, 3.0]]


@pytest.mark.parametrize("method", ["descriptor", "feature"])
def test_a_pixel_is_a_column_and_a_row_of_the_rendered_map(method: str) -> None:
    embedder, field = shown(**{method: positions()})
    assert embedder.pixels(End("a", 0, 0), torch.tensor([[5, 1], [0, 3]])).tolist() == [[1.0, 5.0], [3.0, 0.0]]
    assert field.asked == [(method, "rgb")]


def test_a_rendered_coordinate_is_divided_by_alpha_that_is_floored() -> None:
    alpha = torch.ones(HEIGHT, WIDTH, 1)
    alpha[0, :4, 0] = torch.tensor([0.5, 1e-6, 1e-8, 0.0])
    embedder, field = shown(coordinate=torch.full((HEIGHT, WIDTH, 3), 2e-7), alpha=alpha)
    places = torch.tensor([[0, 0], [1, 0], [2, 0], [3, 0], [4, 0]])
    values = embedder.pixels(End("a", 0, 0), places)
    torch.testing.assert_close(values[:, 0], torch.tensor([4e-7, 0.2, 0.2, 0.2, 2e-7]))
    assert field.asked == [("coordinate", "rgb", "alpha")]


def test_the_view_that_is_shown_is_rendered_from_the_view_that_is_encoded() -> None:
    known = GivenObject(FRONT, pictures())
    maps = [{"descriptor": torch.full((HEIGHT, WIDTH, 1), float(view)), "rgb": torch.zeros(1)} for view in range(3)]
    model = GivenModel(GivenField(known, maps))
    embedder = Embedder("descriptor", {"a": known}.__getitem__, model)
    assert embedder.pixels(End("a", 2, 1), torch.tensor([[0, 0]])).tolist() == [[1.0]]
    assert model.encoded == [(2,)]


def test_a_model_is_given_pictures_on_black_and_their_cameras() -> None:
    known = GivenObject(FRONT, pictures())
    model = GivenModel(GivenField(known, [{"descriptor": positions(), "rgb": torch.zeros(1)}] * 3))
    embedder = Embedder("descriptor", {"a": known}.__getitem__, model)
    embedder.pixels(End("a", 1, 1, (0, 2)), torch.tensor([[0, 0]]))
    assert model.encoded == [(1, 0, 2)]
    red, alpha = (int(known.pictures[1][2, 3, channel]) for channel in (0, 3))
    assert model.pictures[0].shape == (3, HEIGHT, WIDTH)
    assert float(model.pictures[0][0, 2, 3]) == pytest.approx(red * alpha // 255 / 255)
    assert [float(p.max()) <= 1 for p in model.pictures] == [True] * 3


# ---------------------------------------------------------------------- the teacher


def test_the_teacher_is_given_the_picture_with_its_alpha() -> None:
    known, given = GivenObject(FRONT, pictures()), []

    def teacher(batch: Tensor) -> Tensor:
        given.append(batch)
        return batch.new_zeros(1, 2, 2, 3)

    Embedder("teacher", {"a": known}.__getitem__, teacher=teacher).pixels(End("a", 0, 2), torch.tensor([[0, 0]]))
    (batch,) = given
    expected = torch.from_numpy(known.pictures[2].astype(np.float32)).permute(2, 0, 1)[None] / 255
    torch.testing.assert_close(batch, expected)


def test_a_coarse_teacher_map_is_interpolated_over_a_wide_picture() -> None:
    """A map of 3 x 2 places is read at ((x + 0.5) * 3 / 6 - 0.5, (y + 0.5) * 2 / 4 - 0.5), its border repeated."""
    known = GivenObject(FRONT, pictures())
    across, down = torch.tensor([0.0, 10.0, 20.0]).expand(2, 3), torch.tensor([[0.0], [100.0]]).expand(2, 3)
    coarse = torch.stack([across, down])[None]
    embedder = Embedder("teacher", {"a": known}.__getitem__, teacher=lambda batch: coarse)
    places = torch.tensor([[0, 0], [1, 1], [2, 2], [5, 3]])
    expected = torch.tensor([[0.0, 0.0], [2.5, 25.0], [7.5, 75.0], [20.0, 100.0]])
    torch.testing.assert_close(embedder.pixels(End("a", 0, 0), places), expected)
    points = known.camera(0).unproject(torch.tensor([[0.5, 0.5], [1.5, 1.5], [2.5, 2.5], [9.0, 9.0]]), torch.ones(4))
    torch.testing.assert_close(embedder.points(End("a", 0, 0), points), expected, atol=1e-4, rtol=0)


# ---------------------------------------------------------------------- points


@pytest.mark.parametrize("method", ["same-pixel", "chance"])
def test_a_point_is_its_own_position_in_front_of_the_camera(method: methods.Method) -> None:
    known = GivenObject(FRONT, pictures())
    embedder = Embedder(method, {"a": known}.__getitem__)
    point = torch.tensor([[0.1, 0.2, 0.3]], dtype=torch.float64)
    front, side = (embedder.points(End("a", view, view), point) for view in (0, 1))
    torch.testing.assert_close(front, torch.tensor([[0.2, 0.3, 0.1 - 1.3]]))
    torch.testing.assert_close(side, torch.tensor([[-0.1, 0.3, 0.2 - 1.3]]))


def test_a_point_has_what_the_field_of_the_encoded_view_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many points are queried at a time; whatever the field's numbers are, the vectors are float32."""
    known = GivenObject(FRONT, pictures())
    sizes: list[int] = []

    def at(points: Tensor, directions: Tensor) -> dict[str, Tensor]:
        sizes.append(len(points))
        assert points.shape == directions.shape
        return {"feature": (points * 2).half()}

    field = GivenField(known, at=at)
    model = GivenModel(field)
    monkeypatch.setattr(methods, "_POINTS", 4)
    points = torch.arange(30).reshape(10, 3) / 128
    vectors = Embedder("feature", {"a": known}.__getitem__, model).points(End("a", 2, 0), points)
    assert vectors.dtype == torch.float32
    assert torch.equal(vectors, points * 2)
    assert sizes == [4, 4, 2]
    assert model.encoded == [(2,)]
    assert set(field.asked) == {("feature",)}


def test_the_ray_of_a_point_starts_in_the_pixel_that_holds_it() -> None:
    """Beyond a border the last column and the last row count, which differ in a wide picture."""
    camera = Camera.look_at(0.0, 0.0, WIDTH, HEIGHT)
    pixels = torch.tensor([[3.9, 1.1], [0.2, 3.8], [-7.0, 2.5], [9.0, 9.0], [2.5, -0.4]])
    points = camera.unproject(pixels, torch.full((5,), 1.1))
    for offset in (0.5, 0.0):
        start = torch.tensor([[3, 1], [0, 3], [0, 2], [5, 3], [2, 0]]) + offset
        focal = 3 / float(np.tan(np.deg2rad(49.13 / 2)))
        flat = (start - torch.tensor([3.0, 2.0])) / focal
        expected = torch.stack([-torch.ones(5), flat[:, 0], -flat[:, 1]], -1)
        expected = expected / expected.norm(dim=-1, keepdim=True)
        torch.testing.assert_close(point_directions(points, camera, offset), expected)


# ---------------------------------------------------------------------- pictures


def test_a_rendered_picture_is_clamped_and_truncated() -> None:
    rgb = torch.zeros(HEIGHT, WIDTH, 3)
    rgb[1, 2] = torch.tensor([-0.5, 1.5, 0.5])
    rgb[0, 5, 0] = 0.99999
    embedder, _ = shown(descriptor=positions(), rgb=rgb)
    picture = embedder.picture(End("a", 0, 0))
    assert picture.dtype == np.uint8
    assert picture[1, 2].tolist() == [0, 255, 127]
    assert picture[0, 5].tolist() == [254, 0, 0]


def test_a_rendered_picture_on_white_is_brighter_by_what_alpha_lacks() -> None:
    alpha = torch.ones(HEIGHT, WIDTH, 1)
    alpha[2, 3] = 0.25
    rgb = torch.zeros(HEIGHT, WIDTH, 3)
    rgb[2, 3] = torch.tensor([0.0, 0.1, 0.2])
    known = GivenObject(FRONT, pictures())
    field = GivenField(known, [{"descriptor": positions(), "rgb": rgb, "alpha": alpha}] * 3)
    embedder = Embedder("descriptor", {"a": known}.__getitem__, GivenModel(field), background="white")
    picture = embedder.picture(End("a", 0, 0))
    assert picture[2, 3].tolist() == [191, 216, 242]  # 255 times 0.75, 0.85 and 0.95
    assert picture[0, 0].tolist() == [0, 0, 0]
    assert field.asked == [("descriptor", "rgb", "alpha")]


def test_compositing_returns_a_picture_of_its_own() -> None:
    rgb = np.full((2, 4, 3), 7, np.uint8)
    composite(rgb)[:] = 0
    assert rgb.min() == 7
    assert composite(rgb, "white").tolist() == rgb.tolist()
    assert composite(np.full((1, 1, 4), 255, np.uint8), "white").tolist() == [[[255, 255, 255]]]
    assert composite(np.array([[[200, 0, 10, 100]]], np.uint8)).tolist() == [[[78, 0, 3]]]  # 78.4, 0, 3.9
    assert composite(np.array([[[200, 0, 10, 100]]], np.uint8), "white").tolist() == [[[233, 155, 158]]]


# ---------------------------------------------------------------------- what is kept, and what it took


def test_fields_and_maps_are_kept_while_they_are_recent() -> None:
    known = GivenObject(FRONT, pictures())
    model = GivenModel(GivenField(known, [{"descriptor": positions(), "rgb": torch.zeros(1)}] * 3))
    embedder = Embedder("descriptor", {"a": known}.__getitem__, model)
    place = torch.tensor([[0, 0]])
    for encoded, view in ((0, 0), (0, 1), (0, 0), (1, 0)):
        embedder.pixels(End("a", encoded, view), place)
    assert model.encoded == [(0,), (1,)]
    assert (embedder.encoded, embedder.shown) == (2, 3)
    embedder.pixels(End("a", 0, 0, (1,)), place)  # made of two pictures, it is another field
    assert model.encoded[2:] == [(0, 1)]
    assert (embedder.encoded, embedder.shown) == (3, 4)


def test_what_was_used_longest_ago_goes_first() -> None:
    made: list[str] = []
    recent: methods._Recent[str] = methods._Recent(2)
    for key in "abacab":
        assert recent.get(key, lambda k=key: (made.append(k), k)[1]) == key  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]
    assert list(recent) == ["a", "b"]


def test_four_fields_and_four_maps_are_kept() -> None:
    cameras = Camera.look_at([10.0 * view for view in range(5)], 0.0, WIDTH, HEIGHT)
    known = GivenObject(cameras, pictures(5))
    model = GivenModel(GivenField(known, [{"descriptor": positions(), "rgb": torch.zeros(1)}] * 5))
    embedder = Embedder("descriptor", {"a": known}.__getitem__, model)

    def look(encoded: int, view: int) -> None:
        embedder.pixels(End("a", encoded, view), torch.tensor([[0, 0]]))

    for encoded in (0, 1, 2, 3, 0):
        look(encoded, 0)
    assert (embedder.encoded, embedder.shown) == (4, 4)
    look(0, 1)  # a map of the field of view 0, which is kept
    look(4, 0)  # takes the place of the field of view 1, which was used longest ago
    look(0, 2)
    assert model.encoded == [(0,), (1,), (2,), (3,), (4,)]
    look(1, 1)
    assert model.encoded[5:] == [(1,)]


def test_teacher_maps_are_made_once_for_pixels_and_points() -> None:
    known, calls = GivenObject(FRONT, pictures()), []
    embedder = Embedder(
        "teacher", {"a": known}.__getitem__, teacher=lambda batch: (calls.append(1), torch.zeros(1, 2, 2, 3))[1]
    )
    for end in (End("a", 0, 0), End("a", 0, 0), End("a", 0, 1)):
        embedder.pixels(end, torch.tensor([[0, 0]]))
        embedder.points(end, torch.zeros(1, 3))
    assert len(calls) == embedder.shown == 2
    assert embedder.encoded == 0


def test_seconds_are_a_share_of_the_pictures_encoded_or_shown() -> None:
    embedder = Embedder("chance", {}.get)
    assert embedder.seconds_per_picture is None
    embedder.seconds = 6.0
    for embedder.encoded, embedder.shown, seconds in ((2, 3, 2.0), (4, 3, 1.5), (0, 1, 6.0)):
        assert embedder.seconds_per_picture == seconds


def test_the_clock_runs_while_something_is_rendered_queried_or_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1, 100, 3))
    monkeypatch.setattr(methods, "time", SimpleNamespace(perf_counter=lambda: float(next(now))))
    known = GivenObject(FRONT, pictures())
    maps = [{"descriptor": positions(), "rgb": torch.zeros(1)}] * 3
    field = GivenField(known, maps, lambda points, directions: {"descriptor": points})
    embedder = Embedder("descriptor", {"a": known}.__getitem__, GivenModel(field))
    embedder.pixels(End("a", 0, 0), torch.tensor([[0, 0]]))
    assert embedder.seconds == 3.0
    embedder.points(End("a", 0, 0), torch.zeros(1, 3))
    assert embedder.seconds == 6.0
    asked = Embedder("teacher", {"a": known}.__getitem__, teacher=lambda batch: torch.zeros(1, 2, 2, 3))
    asked.pixels(End("a", 0, 0), torch.tensor([[0, 0]]))
    assert asked.seconds == 3.0
