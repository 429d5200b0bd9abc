"""The vectors that the methods give to places, and which of them are close."""

from __future__ import annotations

import gc
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from documented import blocks, install
from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.evaluation import Pair, evaluate
from featurenerf.evaluation.methods import METHODS, Inputs, Method, PairView, base
from featurenerf.evaluation.methods.base import point_directions
from featurenerf.pictures import composite_bytes
from given_object import GivenField, GivenModel, GivenObject

WIDTH, HEIGHT = 6, 4
FRONT = Camera.look_at([0.0, 90.0, 180.0], 0.0, WIDTH, HEIGHT)
"""From the front the camera's axes (right, up, backward) are the world's (y, z, x)."""


def pictures(views: int = 3) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(0)
    return tuple(random.integers(0, 256, (HEIGHT, WIDTH, 4), dtype=np.uint8) for _ in range(views))


def start(name: str, objects: dict[str, GivenObject] | None = None, *inputs, **more) -> Method:
    """A method that has started on objects, with a model, a teacher and a background."""
    return METHODS[name].start(Inputs((objects or {}).__getitem__, *inputs, **more))


def shown(**maps: Tensor) -> tuple[Method, GivenField]:
    """The method that the first map is named after, and the one field that it sees."""
    known = GivenObject(FRONT, pictures())
    whole = {"rgb": torch.zeros(HEIGHT, WIDTH, 3), "alpha": torch.ones(HEIGHT, WIDTH, 1), **maps}
    field = GivenField(known, [whole] * 3)
    return start(next(iter(maps)), {"a": known}, GivenModel(field)), field


def positions() -> Tensor:
    """Each pixel's own (row, column)."""
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    return torch.stack([rows, columns], -1).float()


# ---------------------------------------------------------------------- the list of methods


def test_the_methods_and_those_that_need_a_model() -> None:
    of_field = ["descriptor", "feature", "coordinate", "label", "transfer", "descriptor+feature"]
    of_field += ["block-1", "block-2", "block-3", "block-4", "block-5"]
    every = ["descriptor", "feature", "teacher", "same-pixel", "coordinate", "chance", "label", "pwarpc"]
    every += of_field[4:]
    assert METHODS.names() == every
    assert [METHODS[name].name for name in every] == every
    assert [name for name in every if METHODS[name].channels] == of_field
    assert [name for name in every if METHODS[name].needs_teacher] == ["teacher"]
    assert [name for name in every if METHODS[name].privileged] == ["teacher", "pwarpc"]


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(InputError, match="there is no method 'colour'; there are: descriptor, feature, teacher"):
        METHODS["colour"]


def test_a_method_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/evaluation.md prints it: descriptors and features of length 1, side by side."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (code,), (points,) = (blocks("evaluation.md", language, "Add a method") for language in ("python", "toml"))
    assert len(code.splitlines() + points.splitlines()) <= 25
    group, point = points.strip().splitlines()
    name = group.removeprefix('[project.entry-points."').removesuffix('"]')
    install(tmp_path, "joined", code, f"[{name}]\n{point.replace(chr(34), '')}\n")
    monkeypatch.delitem(sys.modules, "joined", raising=False)
    assert "joined" in METHODS.names()
    known = GivenObject(FRONT, pictures(), tuple(np.full((HEIGHT, WIDTH), 1 + view) for view in range(3)))
    values = {"descriptor": torch.tensor([3.0, 4.0]), "feature": torch.tensor([0.0, 0.2, 0.0])}
    maps = {channel: value.expand(HEIGHT, WIDTH, -1) for channel, value in values.items()}
    field = GivenField(
        known,
        [{**maps, "rgb": torch.zeros(HEIGHT, WIDTH, 3)}] * 3,
        lambda points, directions: {channel: value.expand(len(points), -1) for channel, value in values.items()},
    )
    started = start("joined", {"a": known}, GivenModel(field))
    for places in (torch.tensor([[5, 1], [0, 3]]), torch.zeros(2, 3)):
        expected = torch.tensor([[0.6, 0.8, 0.0, 1.0, 0.0]] * 2)
        torch.testing.assert_close(started.vectors(PairView("a", 0, 0), places), expected)
    pair = Pair("a", 0, "a", 0)
    result = evaluate("2d", [pair], {"a": known}.__getitem__, "joined", GivenModel(field), progress=False)
    assert (result.method.name, result.mean("part_iou")) == ("joined", 1.0)
    with pytest.raises(InputError, match="method 'joined' needs a checkpoint"):
        start("joined")


def test_a_method_starts_anew_for_each_evaluation() -> None:
    first, second = start("chance"), start("chance")
    assert first.closest(torch.zeros(6, 2), torch.zeros(10, 2)).tolist() == RECORDED_DRAWS[:6]
    assert second.closest(torch.zeros(6, 2), torch.zeros(10, 2)).tolist() == RECORDED_DRAWS[:6]
    assert not hasattr(METHODS["chance"], "inputs")


@pytest.mark.parametrize("method", ["descriptor", "feature", "coordinate", "label"])
def test_a_method_of_the_field_without_a_model_is_refused(method: str) -> None:
    with pytest.raises(InputError, match=f"method '{method}' needs a checkpoint"):
        start(method, None, None, lambda pictures: pictures)


def test_the_baselines_need_what_they_use_alone() -> None:
    start("same-pixel")
    start("chance")
    start("teacher", None, teacher=lambda pictures: pictures)
    with pytest.raises(InputError, match="needs a teacher"):
        start("teacher", None, GivenModel())


# ---------------------------------------------------------------------- which vectors are close


@pytest.mark.parametrize("method", ["descriptor", "feature", "teacher", "label"])
def test_descriptors_are_compared_by_their_angle(method: str) -> None:
    started = start(method, None, GivenModel(), lambda pictures: pictures)
    candidates = torch.tensor([[9.0, 0.0], [0.9, 0.5], [0.0, 3.0]])
    assert started.closest(torch.tensor([[1.0, 0.0], [0.2, 0.1]]), candidates).tolist() == [0, 1]


@pytest.mark.parametrize("method", ["same-pixel", "coordinate"])
def test_positions_are_compared_by_their_distance(method: str) -> None:
    started = start(method, None, GivenModel())
    candidates = torch.tensor([[9.0, 0.0], [0.9, 0.5], [0.0, 3.0]])
    assert started.closest(torch.tensor([[1.0, 0.0], [0.2, 2.6]]), candidates).tolist() == [1, 2]


def test_chance_throws_one_die_for_all_pairs_from_seed_0() -> None:
    """The draws are those that published reports were made with."""
    started = start("chance")
    first, second = (started.closest(torch.zeros(6, 2), torch.zeros(10, 2)).tolist() for _ in range(2))
    assert first == RECORDED_DRAWS[:6]
    assert second == RECORDED_DRAWS[6:]


RECORDED_DRAWS = [4, 9, 3, 0, 3, 9, 7, 3, 7, 3, 1, 6]
"""``torch.randint(10, (6,))`` twice, after ``manual_seed(0)``."""


# ---------------------------------------------------------------------- pixels


@pytest.mark.parametrize("method", ["same-pixel", "chance"])
def test_a_pixel_is_its_own_position(method: str) -> None:
    places = torch.tensor([[5, 1], [0, 3]])
    assert start(method).vectors(PairView("a", 0, 0), places).tolist() == [[5.0, 1.0], [0.0, 3.0]]


@pytest.mark.parametrize("method", ["descriptor", "feature"])
def test_a_pixel_is_a_column_and_a_row_of_the_rendered_map(method: str) -> None:
    started, field = shown(**{method: positions()})
    assert started.vectors(PairView("a", 0, 0), torch.tensor([[5, 1], [0, 3]])).tolist() == [[1.0, 5.0], [3.0, 0.0]]
    assert field.asked == [(method, "rgb")]


def test_a_rendered_coordinate_is_divided_by_alpha_that_is_floored() -> None:
    alpha = torch.ones(HEIGHT, WIDTH, 1)
    alpha[0, :4, 0] = torch.tensor([0.5, 1e-6, 1e-8, 0.0])
    started, field = shown(coordinate=torch.full((HEIGHT, WIDTH, 3), 2e-7), alpha=alpha)
    places = torch.tensor([[0, 0], [1, 0], [2, 0], [3, 0], [4, 0]])
    values = started.vectors(PairView("a", 0, 0), places)
    torch.testing.assert_close(values[:, 0], torch.tensor([4e-7, 0.2, 0.2, 0.2, 2e-7]))
    assert field.asked == [("coordinate", "alpha", "rgb")]


def test_the_view_that_is_shown_is_rendered_from_the_view_that_is_encoded() -> None:
    known = GivenObject(FRONT, pictures())
    maps = [{"descriptor": torch.full((HEIGHT, WIDTH, 1), float(view)), "rgb": torch.zeros(1)} for view in range(3)]
    model = GivenModel(GivenField(known, maps))
    started = start("descriptor", {"a": known}, model)
    assert started.vectors(PairView("a", 2, 1), torch.tensor([[0, 0]])).tolist() == [[1.0]]
    assert model.encoded == [(2,)]


def test_a_model_is_given_pictures_on_black_and_their_cameras() -> None:
    known = GivenObject(FRONT, pictures())
    model = GivenModel(GivenField(known, [{"descriptor": positions(), "rgb": torch.zeros(1)}] * 3))
    started = start("descriptor", {"a": known}, model)
    started.vectors(PairView("a", 1, 1, (0, 2)), torch.tensor([[0, 0]]))
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

    start("teacher", {"a": known}, teacher=teacher).vectors(PairView("a", 0, 2), torch.tensor([[0, 0]]))
    (batch,) = given
    expected = torch.from_numpy(known.pictures[2].astype(np.float32)).permute(2, 0, 1)[None] / 255
    torch.testing.assert_close(batch, expected)


def test_a_coarse_teacher_map_is_interpolated_over_a_wide_picture() -> None:
    """A map of 3 x 2 places is read at ((x + 0.5) * 3 / 6 - 0.5, (y + 0.5) * 2 / 4 - 0.5), its border repeated."""
    known = GivenObject(FRONT, pictures())
    across, down = torch.tensor([0.0, 10.0, 20.0]).expand(2, 3), torch.tensor([[0.0], [100.0]]).expand(2, 3)
    coarse = torch.stack([across, down])[None]
    started = start("teacher", {"a": known}, teacher=lambda batch: coarse)
    places = torch.tensor([[0, 0], [1, 1], [2, 2], [5, 3]])
    expected = torch.tensor([[0.0, 0.0], [2.5, 25.0], [7.5, 75.0], [20.0, 100.0]])
    torch.testing.assert_close(started.vectors(PairView("a", 0, 0), places), expected)
    points = known.camera(0).unproject(torch.tensor([[0.5, 0.5], [1.5, 1.5], [2.5, 2.5], [9.0, 9.0]]), torch.ones(4))
    torch.testing.assert_close(started.vectors(PairView("a", 0, 0), points), expected, atol=1e-4, rtol=0)


# ---------------------------------------------------------------------- part labels

SOURCE, TARGET = PairView("a", 0, 0), PairView("a", 1, 1)


def test_a_place_takes_the_label_of_the_closest_labelled_place() -> None:
    started = start("same-pixel")
    known, parts = torch.tensor([[0, 0], [5, 0], [5, 3]]), torch.tensor([4, 7, 2])
    places = torch.tensor([[1, 0], [5, 2], [4, 1]])
    assert started.labels(TARGET, places, SOURCE, known, parts).tolist() == [4, 2, 7]


def labelled() -> tuple[Method, GivenField]:
    """The method ``label`` on a field whose logits of labels 0 to 3 are known."""
    known = GivenObject(FRONT, pictures())
    logits = torch.zeros(HEIGHT, WIDTH, 4)
    logits[1, 5, 3], logits[1, 5, 2], logits[3, 0, 2] = 2.0, 1.5, 0.1
    logits[2, 2] = torch.tensor([0.3, -1.0, -0.2, 0.1])
    maps = {"descriptor": positions(), "rgb": torch.zeros(1), "label": logits}

    def at(points: Tensor, directions: Tensor) -> dict[str, Tensor]:
        return {"descriptor": points, "label": torch.stack([-points[:, 0], points[:, 1], points[:, 2] - 0.5], 1)}

    field = GivenField(known, [{}, maps, {}], at)
    return start("label", {"a": known}, GivenModel(field)), field


def test_labels_are_those_that_the_target_knows_itself() -> None:
    """Whatever is known of the source, whose picture is not rendered; background is an answer, too."""
    started, field = labelled()
    places, nothing = torch.tensor([[5, 1], [0, 3], [2, 2]]), torch.zeros(0, 2, dtype=torch.int64)
    assert started.labels(TARGET, places, SOURCE, nothing, torch.zeros(0, dtype=torch.int64)).tolist() == [3, 2, 0]
    assert started.vectors(TARGET, places).tolist() == [[1.0, 5.0], [3.0, 0.0], [2.0, 2.0]]
    assert field.asked == [("descriptor", "label", "rgb")]


def test_labels_of_points_are_queried() -> None:
    started, field = labelled()
    points = torch.tensor([[0.1, 0.3, 0.2], [0.3, 0.1, 0.9], [-0.2, -0.3, 0.2]])
    assert started.labels(TARGET, points, SOURCE, points[:1], torch.tensor([1])).tolist() == [1, 2, 0]
    assert field.asked == [("label",)]
    assert torch.equal(started.vectors(TARGET, points), points)


# ---------------------------------------------------------------------- points


@pytest.mark.parametrize("method", ["same-pixel", "chance"])
def test_a_point_is_its_own_position_in_front_of_the_camera(method: str) -> None:
    known = GivenObject(FRONT, pictures())
    started = start(method, {"a": known})
    point = torch.tensor([[0.1, 0.2, 0.3]], dtype=torch.float64)
    front, side = (started.vectors(PairView("a", view, view), point) for view in (0, 1))
    torch.testing.assert_close(front, torch.tensor([[0.2, 0.3, 0.1 - 1.3]]))
    torch.testing.assert_close(side, torch.tensor([[-0.1, 0.3, 0.2 - 1.3]]))


def test_a_point_has_what_the_field_of_the_encoded_view_says() -> None:
    """Whatever the field's numbers are, the vectors are float32."""
    known = GivenObject(FRONT, pictures())
    sizes: list[int] = []

    def at(points: Tensor, directions: Tensor) -> dict[str, Tensor]:
        sizes.append(len(points))
        assert points.shape == directions.shape
        return {"feature": (points * 2).half()}

    field = GivenField(known, at=at)
    model = GivenModel(field)
    points = torch.arange(30).reshape(10, 3) / 128
    vectors = start("feature", {"a": known}, model).vectors(PairView("a", 2, 0), points)
    assert vectors.dtype == torch.float32
    assert torch.equal(vectors, points * 2)
    assert sizes == [10]
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
    started, _ = shown(descriptor=positions(), rgb=rgb)
    picture = started.inputs.picture(PairView("a", 0, 0), ("descriptor",))
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
    started = start("descriptor", {"a": known}, GivenModel(field), background="white")
    picture = started.inputs.picture(PairView("a", 0, 0), ("descriptor",))
    assert picture[2, 3].tolist() == [191, 216, 242]  # 255 times 0.75, 0.85 and 0.95
    assert picture[0, 0].tolist() == [0, 0, 0]
    assert field.asked == [("descriptor", "rgb", "alpha")]


def test_compositing_returns_a_picture_of_its_own() -> None:
    rgb = np.full((2, 4, 3), 7, np.uint8)
    composite_bytes(rgb)[:] = 0
    assert rgb.min() == 7
    assert composite_bytes(rgb, "white").tolist() == rgb.tolist()
    assert composite_bytes(np.full((1, 1, 4), 255, np.uint8), "white").tolist() == [[[255, 255, 255]]]
    assert composite_bytes(np.array([[[200, 0, 10, 100]]], np.uint8)).tolist() == [[[78, 0, 3]]]  # 78.4, 0, 3.9
    assert composite_bytes(np.array([[[200, 0, 10, 100]]], np.uint8), "white").tolist() == [[[233, 155, 158]]]


# ---------------------------------------------------------------------- what is kept, and what it took


def test_fields_and_maps_are_kept_while_they_are_recent() -> None:
    known = GivenObject(FRONT, pictures())
    model = GivenModel(GivenField(known, [{"descriptor": positions(), "rgb": torch.zeros(1)}] * 3))
    started = start("descriptor", {"a": known}, model)
    place = torch.tensor([[0, 0]])
    for encoded, view in ((0, 0), (0, 1), (0, 0), (1, 0)):
        started.vectors(PairView("a", encoded, view), place)
    assert model.encoded == [(0,), (1,)]
    assert (started.inputs.encoded, started.inputs.shown) == (2, 3)
    started.vectors(PairView("a", 0, 0, (1,)), place)  # made of two pictures, it is another field
    assert model.encoded[2:] == [(0, 1)]
    assert (started.inputs.encoded, started.inputs.shown) == (3, 4)


def test_fields_and_maps_go_with_the_evaluation() -> None:
    known = GivenObject(FRONT, pictures(), tuple(np.ones((HEIGHT, WIDTH), int) for _ in range(3)))
    made: list[weakref.ref] = []

    def encode(picture: Tensor, camera: Camera) -> GivenField:
        field = GivenField(known, [{"descriptor": positions(), "rgb": torch.zeros(HEIGHT, WIDTH, 3)}] * 3)
        made.append(weakref.ref(field))
        return field

    gc.disable()
    try:
        pairs = [Pair("a", 0, "a", 1)]
        model = SimpleNamespace(encode=encode)
        evaluate("2d", pairs, {"a": known}.__getitem__, model=model, progress=False)
        assert [field() for field in made] == [None, None]
    finally:
        gc.enable()


def test_four_fields_and_four_maps_are_kept() -> None:
    cameras = Camera.look_at([10.0 * view for view in range(5)], 0.0, WIDTH, HEIGHT)
    known = GivenObject(cameras, pictures(5))
    model = GivenModel(GivenField(known, [{"descriptor": positions(), "rgb": torch.zeros(1)}] * 5))
    started = start("descriptor", {"a": known}, model)

    def look(encoded: int, view: int) -> None:
        started.vectors(PairView("a", encoded, view), torch.tensor([[0, 0]]))

    for encoded in (0, 1, 2, 3, 0):
        look(encoded, 0)
    assert (started.inputs.encoded, started.inputs.shown) == (4, 4)
    look(0, 1)  # a map of the field of view 0, which is kept
    look(4, 0)  # takes the place of the field of view 1, which was used longest ago
    look(0, 2)
    assert model.encoded == [(0,), (1,), (2,), (3,), (4,)]
    look(1, 1)
    assert model.encoded[5:] == [(1,)]


def test_teacher_maps_are_made_once_for_pixels_and_points() -> None:
    known, calls = GivenObject(FRONT, pictures()), []
    started = start("teacher", {"a": known}, teacher=lambda batch: (calls.append(1), torch.zeros(1, 2, 2, 3))[1])
    for view in (PairView("a", 0, 0), PairView("a", 0, 0), PairView("a", 0, 1)):
        started.vectors(view, torch.tensor([[0, 0]]))
        started.vectors(view, torch.zeros(1, 3))
    assert len(calls) == started.inputs.shown == 2
    assert started.inputs.encoded == 0


def test_seconds_are_a_share_of_the_pictures_encoded_or_shown() -> None:
    started = start("chance")
    assert started.inputs.seconds_per_picture is None
    started.inputs.seconds = 6.0
    for started.inputs.encoded, started.inputs.shown, seconds in ((2, 3, 2.0), (4, 3, 1.5), (0, 1, 6.0)):
        assert started.inputs.seconds_per_picture == seconds


def test_the_clock_runs_while_something_is_rendered_queried_or_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1, 100, 3))
    monkeypatch.setattr(base, "time", SimpleNamespace(perf_counter=lambda: float(next(now))))
    known = GivenObject(FRONT, pictures())
    maps = [{"descriptor": positions(), "rgb": torch.zeros(1)}] * 3
    field = GivenField(known, maps, lambda points, directions: {"descriptor": points})
    started = start("descriptor", {"a": known}, GivenModel(field))
    started.vectors(PairView("a", 0, 0), torch.tensor([[0, 0]]))
    assert started.inputs.seconds == 3.0
    started.vectors(PairView("a", 0, 0), torch.zeros(1, 3))
    assert started.inputs.seconds == 6.0
    asked = start("teacher", {"a": known}, teacher=lambda batch: torch.zeros(1, 2, 2, 3))
    asked.vectors(PairView("a", 0, 0), torch.tensor([[0, 0]]))
    assert asked.inputs.seconds == 3.0
