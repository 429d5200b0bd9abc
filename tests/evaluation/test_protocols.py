"""The evaluation loop: a field that knows the answers scores 1, a baseline scores what it must, by every path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.evaluation import METHODS, Method, Pair, evaluate
from featurenerf.evaluation.methods import FIELD_METHODS, Embedder, End, composite, point_directions
from featurenerf.evaluation.protocols import novel_view_pairs

SIZE = 16
CODES = 64  # a code is part + 8 * (keypoint id + 1)
MIRROR = {0: 1, 1: 0, 2: 2}


class FakeObject:
    """Stripes of parts with keypoints on them, one way up in the first view and shifted in the others."""

    def __init__(self, seed: int, views: int = 3) -> None:
        self.seed, self.views = seed, views
        self.cameras = Camera.look_at([40.0 * v for v in range(views)], [10.0 + seed] * views, width=SIZE, height=SIZE)

    def __len__(self) -> int:
        return self.views

    def camera(self, view: int) -> Camera:
        return self.cameras[view]

    def has(self, kind: str) -> bool:
        return True

    def parts(self, view: int) -> np.ndarray:
        labels = np.zeros((SIZE, SIZE), np.int64)
        top = 2 + (self.seed + 2 * view) % 5
        for part in (1, 2, 3):
            labels[top + 3 * (part - 1) : top + 3 * part, 3:13] = part
        return labels

    def keypoints(self, view: int) -> np.ndarray:
        top = 2 + (self.seed + 2 * view) % 5
        return np.array([[4, top + 1, 0], [11, top + 1, 1], [8, top + 7, 2]])

    def codes(self, view: int) -> np.ndarray:
        codes = self.parts(view)
        for x, y, number in self.keypoints(view):
            codes[y, x] += 8 * (number + 1)
        return codes

    def picture(self, view: int) -> np.ndarray:
        """Codes as red, the object and the view as green and blue."""
        codes = self.codes(view)
        rgba = np.zeros((SIZE, SIZE, 4), np.uint8)
        rgba[..., 0], rgba[..., 1], rgba[..., 2] = codes * 4, 100 + self.seed, 50 + view
        rgba[..., 3] = np.where(codes > 0, 255, 0)
        return rgba

    def part_points(self) -> tuple[np.ndarray, np.ndarray]:
        points = np.random.default_rng(self.seed).uniform(-0.3, 0.3, (60, 3)).astype(np.float32)
        return points, np.arange(60) % 4  # label 0 is among them

    def keypoint_candidates(self) -> tuple[np.ndarray, np.ndarray]:
        candidates = np.random.default_rng(100 + self.seed).uniform(-0.3, 0.3, (40, 3)).astype(np.float32)
        return candidates, np.concatenate([candidates[:3], np.arange(3)[:, None]], 1)

    def point_codes(self) -> dict[tuple[float, ...], int]:
        points, labels = self.part_points()
        candidates, _ = self.keypoint_candidates()
        numbers = [*labels.tolist(), *(8 * (min(n, 3) + 1) + 7 for n in range(len(candidates)))]
        return dict(zip(map(tuple, np.concatenate([points, candidates]).tolist()), numbers, strict=True))


def one_hot(codes: Tensor) -> Tensor:
    return F.one_hot(codes.long(), CODES).float()


TABLE = torch.randn(CODES, 3, generator=torch.Generator().manual_seed(0))  # coordinate of each code


@dataclass(frozen=True)
class FakeField:
    """What is annotated, as a field; alpha differs from picture to picture."""

    known: FakeObject
    source: Camera
    seen: list[tuple[Tensor, Tensor]]
    pixel_offset: float = 0.5

    def render(self, camera: Camera, channels: Sequence[str]) -> dict[str, Tensor]:
        view = next(v for v in range(len(self.known)) if torch.equal(self.known.camera(v).pose, camera.pose))
        codes = torch.from_numpy(self.known.codes(view))
        alpha = torch.full((SIZE, SIZE, 1), 1 / (1 + 4 * view + 3 * self.known.seed))
        picture = torch.from_numpy(composite(self.known.picture(view)))
        whole = {
            "descriptor": one_hot(codes) * alpha,
            "feature": one_hot(codes) * 7,
            "coordinate": TABLE[codes] * alpha,
            "alpha": alpha,
            "rgb": (picture.float() + 0.5) / 255,
        }
        return {name: whole[name] for name in channels}

    def query(self, points: Tensor, directions: Tensor, channels: Sequence[str]) -> SimpleNamespace:
        self.seen.append((points, directions))
        table = self.known.point_codes()
        codes = torch.tensor([table[tuple(p)] for p in points.tolist()])
        whole = {"descriptor": one_hot(codes), "feature": one_hot(codes), "coordinate": TABLE[codes]}
        return SimpleNamespace(**{name: whole[name] for name in channels})


class FakeModel:
    def __init__(self, pixel_offset: float = 0.5) -> None:
        self.encoded: list[tuple[int, int]] = []
        self.seen: list[tuple[Tensor, Tensor]] = []
        self.pixel_offset = pixel_offset

    def encode(self, picture: Tensor, camera: Camera) -> FakeField:
        assert picture.shape == (3, SIZE, SIZE)
        seed, view = (round(float(picture[c].max()) * 255) - base for c, base in ((1, 100), (2, 50)))
        self.encoded.append((seed, view))
        torch.testing.assert_close(FakeObject(seed).camera(view).pose, camera.pose)
        return FakeField(FakeObject(seed), camera.reshape(1), self.seen, self.pixel_offset)


def all_knowing_teacher(pictures: Tensor) -> Tensor:
    """The codes that a picture shows, at full size."""
    assert pictures.shape == (1, 4, SIZE, SIZE)
    return one_hot((pictures[0, 0] * 255 / 4).round()).permute(2, 0, 1)[None]


def objects(name: str) -> FakeObject:
    return FakeObject(int(name))


def run(task: str, method: Method, *pairs: Pair, model: FakeModel | None = None):
    return evaluate(task, pairs, objects, method, model or FakeModel(), all_knowing_teacher, MIRROR, progress=False)


ACROSS, VIEWS = Pair("0", 1, "3", 1), Pair("2", 0, "2", 2)


@pytest.mark.parametrize("method", FIELD_METHODS)
@pytest.mark.parametrize("task", ["2d", "view", "3d"])
def test_a_field_that_knows_the_answers_scores_one(task: str, method: Method) -> None:
    result = run(task, method, VIEWS if task == "view" else ACROSS)
    assert result.mean("part_iou") == 1.0
    assert set((result.keypoint_accuracy() or {}).values()) == {1.0}
    assert result.mean("left_right") == 0.0
    assert result.skipped == 0
    if task == "3d":
        assert result.mean("psnr") is None
    else:
        assert result.mean("psnr") == result.mean("psnr_foreground") == 100.0
        assert result.mean("ssim") == 1.0
    assert result.seconds_per_picture is not None


@pytest.mark.parametrize("task", ["2d", "view"])
def test_a_teacher_that_knows_the_answers_scores_one_in_pictures(task: str) -> None:
    result = run(task, "teacher", VIEWS if task == "view" else ACROSS)
    assert result.mean("part_iou") == 1.0
    assert set((result.keypoint_accuracy() or {}).values()) == {1.0}
    assert result.mean("psnr") is None


@pytest.mark.parametrize("task", ["2d", "view", "3d"])
def test_same_pixel_is_right_about_equal_pictures_only(task: str) -> None:
    same = run(task, "same-pixel", Pair("1", 0, "1", 0))
    assert same.mean("part_iou") == 1.0
    assert set((same.keypoint_accuracy() or {}).values()) == {1.0}
    other = run(task, "same-pixel", VIEWS if task == "view" else ACROSS)
    assert other.mean("part_iou") is not None
    assert other.mean("part_iou") < 0.7
    assert other.mean("psnr") is other.seconds_per_picture is None


@pytest.mark.parametrize("task", ["2d", "3d"])
def test_chance_is_wrong_even_about_equal_pictures_and_the_same_each_time(task: str) -> None:
    one, two = (run(task, "chance", Pair("1", 0, "1", 0), ACROSS) for _ in range(2))
    assert one.scores == two.scores
    assert one.mean("part_iou") is not None
    assert 0 < one.mean("part_iou") < 0.5


def test_same_pixel_gives_the_nearest_label_by_position() -> None:
    """Object 3's stripes lie 3 rows (one stripe) below those of object 0: each takes the label of the next one."""
    result = run("2d", "same-pixel", Pair("0", 0, "3", 0))
    # target parts 1, 2 lie on source parts 2, 3; target part 3 lies below and is nearest to source part 3
    assert result.mean("part_iou") == pytest.approx((0 + 0 + 1 / 2) / 3)
    # keypoints 0, 1 land in their own column on the top row of the target, one row above the truth; 2 misses by 3
    assert result.keypoint_accuracy() == {"2.5": 2 / 3, "5": 1.0, "7.5": 1.0, "10": 1.0}


def test_the_view_task_never_sees_the_target_picture() -> None:
    model = FakeModel()
    run("view", "descriptor", VIEWS, model=model)
    assert model.encoded == [(2, 0)]


def test_pictures_are_encoded_once_and_the_metrics_are_means_over_pairs() -> None:
    model = FakeModel()
    pairs = [Pair("0", 0, "0", 0), Pair("0", 0, "3", 0), Pair("3", 0, "0", 0)]
    result = run("2d", "descriptor", *pairs, model=model)
    assert sorted(model.encoded) == [(0, 0), (3, 0)]
    each = [run("2d", "same-pixel", pair).mean("part_iou") for pair in pairs]
    assert run("2d", "same-pixel", *pairs).mean("part_iou") == pytest.approx(sum(each) / 3)
    assert len(result.scores) == 3


@pytest.mark.parametrize("task", ["2d", "3d"])
@pytest.mark.parametrize("method", METHODS)
def test_twice_is_the_same(task: str, method: Method) -> None:
    first, second = (run(task, method, ACROSS, Pair("1", 0, "2", 2)) for _ in range(2))
    assert first.scores == second.scores


class Stranger(FakeObject):
    """Shares nothing with the others."""

    def parts(self, view: int) -> np.ndarray:
        return super().parts(view) * 10

    def keypoints(self, view: int) -> np.ndarray:
        return super().keypoints(view) + np.array([0, 0, 10])


def test_pairs_that_share_nothing_are_skipped_and_counted() -> None:
    def some_strange(name: str) -> FakeObject:
        return Stranger(int(name)) if name == "5" else FakeObject(int(name))

    pairs = [Pair("0", 0, "5", 0), ACROSS]
    result = evaluate("2d", pairs, some_strange, "descriptor", FakeModel(), progress=False)
    assert (len(result.scores), result.skipped) == (1, 1)
    assert result.mean("part_iou") == 1.0
    with pytest.raises(InputError, match="none of the 1 pairs"):
        evaluate("2d", pairs[:1], some_strange, "descriptor", FakeModel(), progress=False)


def test_a_pair_that_shares_parts_only_counts_for_parts_only() -> None:
    class NoKeypoints(FakeObject):
        def keypoints(self, view: int) -> np.ndarray:
            return np.zeros((0, 3), np.int64)

    result = evaluate("2d", [ACROSS], lambda n: NoKeypoints(int(n)), "descriptor", FakeModel(), progress=False)
    assert result.mean("part_iou") == 1.0
    assert result.keypoint_accuracy() is None
    assert result.mean("left_right") is None


def test_label_0_takes_part_in_space_but_is_no_part() -> None:
    """A point whose best match is unlabelled is lost to its part, and agreement on label 0 earns nothing."""

    class Halves(FakeObject):
        def part_points(self) -> tuple[np.ndarray, np.ndarray]:
            points = np.array([[0.0, 0, 0.1], [0, 0, -0.1], [0.1, 0, 0.1], [0.1, 0, -0.1]], np.float32)
            return points, np.array([0, 1, 1, 0] if self.seed == 0 else [1, 1, 1, 0])

    result = evaluate("3d", [Pair("0", 0, "1", 0)], lambda n: Halves(int(n)), "same-pixel", progress=False)
    assert result.mean("part_iou") == pytest.approx(2 / 3)


# ---------------------------------------------------------------------- places in space


@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_points_are_looked_at_through_the_pixel_that_they_fall_in(offset: float) -> None:
    model = FakeModel(offset)
    run("3d", "descriptor", ACROSS, model=model)
    camera = objects("3").camera(1)
    points, directions = model.seen[0]  # the target's part points
    xy = camera.project(points)[0]
    pixels = torch.tensor([[int(x), int(y)] for x, y in xy.tolist()]).clamp(0, SIZE - 1)
    rays = camera.rays(offset)[1]
    torch.testing.assert_close(directions, rays[pixels[:, 1], pixels[:, 0]])


def test_points_outside_the_picture_take_the_nearest_pixel() -> None:
    camera = Camera.look_at(width=4, height=4)
    corner = camera.unproject(torch.tensor([[-50.0, 70.0]]), torch.tensor([1.0]))
    torch.testing.assert_close(point_directions(corner, camera, 0.5)[0], camera.rays()[1][3, 0])


def test_the_teacher_map_is_sampled_where_points_project_to() -> None:
    """A coarse map of the picture's x and y: pixels and points agree on it."""
    step = torch.arange(4).float()
    coarse = torch.stack(torch.meshgrid(step, step, indexing="xy"))[None]
    embedder = Embedder("teacher", objects, teacher=lambda pictures: coarse)
    end = End("1", 0, 0)
    camera = objects("1").camera(0)
    pixels = torch.tensor([[0, 0], [5, 9], [8, 15], [15, 2]])
    points = camera.unproject(pixels + 0.5, torch.full((4,), 1.2))
    expected = ((pixels + 0.5) / 4 - 0.5).clamp(0, 3)  # bilinear, corners not aligned
    torch.testing.assert_close(embedder.pixels(end, pixels), expected)
    torch.testing.assert_close(embedder.points(end, points), expected, atol=1e-4, rtol=0)


# ---------------------------------------------------------------------- pairs and mistakes


def test_pairs_of_every_form() -> None:
    assert Pair.from_record({"src": "a", "trg": "b", "view": 3}) == Pair("a", 3, "b", 3)
    assert Pair.from_record({"model_id": "a", "src_view": 1, "trg_view": 2}) == Pair("a", 1, "a", 2)
    assert Pair.from_record({"src": "a", "trg": "b", "src_view": 1, "trg_view": 2}) == Pair("a", 1, "b", 2)
    for wrong in ({"src": "a", "trg": "b"}, {"src": "a", "trg": "b", "view": "x"}, {}):
        with pytest.raises(InputError, match="is no pair"):
            Pair.from_record(wrong)


def test_an_unknown_task_is_named() -> None:
    with pytest.raises(InputError, match="'spair' is no task over pairs of a data set's objects: give one of 2d, view"):
        evaluate("spair", [Pair("a", 0, "b", 0)], {}.__getitem__)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: run("2d", "descriptor"), "no pair"),
        (lambda: run("view", "descriptor", ACROSS), "two views of one object"),
        (lambda: run("2d", "descriptor", Pair("0", 0, "1", 7)), "names view 7 of object 1, which has 3 views"),
        (lambda: evaluate("2d", [ACROSS], objects, "descriptor"), "needs a checkpoint"),
        (lambda: evaluate("2d", [ACROSS], objects, "teacher"), "needs a teacher"),
    ],
)
def test_mistakes_are_said(call, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        call()


class Unlabelled(FakeObject):
    """Some kinds of annotation are missing; a blank view shows nothing."""

    def __init__(self, seed: int, kinds: tuple[str, ...] = (), blank: int | None = None) -> None:
        super().__init__(seed)
        self.kinds, self.blank = kinds, blank

    def has(self, kind: str) -> bool:
        return kind in self.kinds

    def picture(self, view: int) -> np.ndarray:
        return super().picture(view) * np.array([1, 1, 1, view != self.blank], np.uint8)


def test_novel_views_are_compared_without_any_annotation() -> None:
    def run_unlabelled(task: str, method: Method, *pairs: Pair, blank: int | None = None):
        return evaluate(task, pairs, lambda n: Unlabelled(int(n), (), blank), method, FakeModel(), progress=False)

    result = run_unlabelled("view", "descriptor", VIEWS)
    assert (result.mean("psnr"), result.mean("ssim"), result.mean("part_iou")) == (100.0, 1.0, None)
    assert result.keypoint_accuracy() is None
    result = run_unlabelled("view", "descriptor", Pair("2", 0, "2", 1), VIEWS, blank=1)
    assert (len(result.scores), result.skipped) == (1, 1)
    with pytest.raises(InputError, match="shows an object"):
        run_unlabelled("view", "descriptor", Pair("2", 0, "2", 1), blank=0)
    for task, method, pair in (("2d", "descriptor", ACROSS), ("view", "same-pixel", VIEWS), ("3d", "feature", ACROSS)):
        with pytest.raises(InputError, match="neither parts nor keypoints"):
            run_unlabelled(task, method, pair)


@pytest.mark.parametrize("task", ["2d", "view", "3d"])
def test_the_kind_that_is_annotated_is_scored(task: str) -> None:
    pair = VIEWS if task == "view" else ACROSS
    for kinds, other in ((("part_2d", "part_3d"), False), (("kp_2d", "kp_3d"), True)):
        result = evaluate(task, [pair], lambda n, k=kinds: Unlabelled(int(n), k), "descriptor", FakeModel(), None, {})
        assert (result.mean("part_iou"), result.keypoint_accuracy() is None) == (None if other else 1.0, not other)


@pytest.mark.parametrize("task", ["2d", "3d"])
def test_an_end_that_lacks_what_the_other_has_is_named(task: str) -> None:
    class Lacking(Unlabelled):
        def keypoints(self, view: int) -> np.ndarray:
            raise InputError("no keypoints here")

        def keypoint_candidates(self) -> tuple[np.ndarray, np.ndarray]:
            raise InputError("no keypoints here")

    mixed = {"0": FakeObject(0), "3": Lacking(3, ("part_2d", "part_3d"))}
    with pytest.raises(InputError, match="no keypoints here"):
        evaluate(task, [ACROSS], mixed.__getitem__, "descriptor", FakeModel(), progress=False)


def test_on_white_what_is_transparent_is_white() -> None:
    """The fake field renders on black: seen on white it is brighter by what its alpha lacks."""
    on_black, on_white = (
        evaluate("view", [VIEWS], objects, "descriptor", FakeModel(), progress=False, background=b).mean("psnr")
        for b in ("black", "white")
    )
    assert on_black == 100.0
    assert on_white < 20
    rgba = np.array([[[255, 101, 3, 128], [7, 8, 9, 255], [7, 8, 9, 0]]], np.uint8)
    assert composite(rgba, "white").tolist() == [[[255, 177, 128], [7, 8, 9], [255, 255, 255]]]


def test_several_pictures_are_encoded_together() -> None:
    class Several(FakeModel):
        def encode(self, picture, camera):
            fields = [super(Several, self).encode(p, c) for p, c in zip(picture, camera, strict=True)]
            return fields[0]

    model = Several()
    pairs = novel_view_pairs({"1": 5, "2": 4}, (1, 0))
    assert set(pairs) == {Pair(n, 1, n, v, (0,)) for n, count in (("1", 5), ("2", 4)) for v in range(2, count)}
    assert {pair.source_id for pair in pairs[:2]} == {"1", "2"}
    evaluate("view", [Pair("2", 1, "2", 2, (0,))], objects, "descriptor", model, progress=False)
    assert model.encoded == [(2, 1), (2, 0)]
    with pytest.raises(InputError, match="object 2 has 4 views, not view 4"):
        novel_view_pairs({"1": 5, "2": 4}, (0, 4))
    with pytest.raises(InputError, match="names view 9 of object 2"):
        evaluate("view", [Pair("2", 1, "2", 2, (9,))], objects, "descriptor", model, progress=False)


def test_pictures_go_on_black_truncated() -> None:
    rgba = np.array([[[255, 101, 3, 128], [7, 8, 9, 255], [7, 8, 9, 0]]], np.uint8)
    assert composite(rgba).tolist() == [[[128, 50, 1], [7, 8, 9], [0, 0, 0]]]
    assert composite(rgba[..., :3]).tolist() == rgba[..., :3].tolist()
