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
from featurenerf.evaluation import METHODS, TASKS, Evaluation, Pair, evaluate
from featurenerf.evaluation import tasks as protocols
from featurenerf.evaluation.methods import Inputs, PairView
from featurenerf.evaluation.methods.base import point_directions
from featurenerf.evaluation.tasks import Scores, novel_view_pairs, pixels_of, points_of
from featurenerf.pictures import composite_bytes
from given_object import GivenField, GivenModel, GivenObject, digits, lettered

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
        picture = torch.from_numpy(composite_bytes(self.known.picture(view)))
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


def run(task: str, method: str, *pairs: Pair, model: FakeModel | None = None):
    return evaluate(task, pairs, objects, method, model or FakeModel(), all_knowing_teacher, MIRROR, progress=False)


ACROSS, VIEWS = Pair("0", 1, "3", 1), Pair("2", 0, "2", 2)


@pytest.mark.parametrize("method", ["descriptor", "feature", "coordinate"])
@pytest.mark.parametrize("task", ["2d", "view", "3d"])
def test_a_field_that_knows_the_answers_scores_one(task: str, method: str) -> None:
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
@pytest.mark.parametrize("method", ["descriptor", "feature", "teacher", "same-pixel", "coordinate", "chance"])
def test_twice_is_the_same(task: str, method: str) -> None:
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
    teacher = METHODS["teacher"].start(Inputs(objects, teacher=lambda pictures: coarse))
    view = PairView("1", 0, 0)
    camera = objects("1").camera(0)
    pixels = torch.tensor([[0, 0], [5, 9], [8, 15], [15, 2]])
    points = camera.unproject(pixels + 0.5, torch.full((4,), 1.2))
    expected = ((pixels + 0.5) / 4 - 0.5).clamp(0, 3)  # bilinear, corners not aligned
    torch.testing.assert_close(teacher.vectors(view, pixels), expected)
    torch.testing.assert_close(teacher.vectors(view, points), expected, atol=1e-4, rtol=0)


# ---------------------------------------------------------------------- pairs and mistakes


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
    def run_unlabelled(task: str, method: str, *pairs: Pair, blank: int | None = None):
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
    assert composite_bytes(rgba, "white").tolist() == [[[255, 177, 128], [7, 8, 9], [255, 255, 255]]]


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
    assert composite_bytes(rgba).tolist() == [[[128, 50, 1], [7, 8, 9], [0, 0, 0]]]
    assert composite_bytes(rgba[..., :3]).tolist() == rgba[..., :3].tolist()


# ---------------------------------------------------------------------- one pair of each task, worked out by hand


def rgba(grey: int, alpha: Sequence[int], width: int) -> np.ndarray:
    """A picture of one grey whose rows have one alpha each."""
    picture = np.full((len(alpha), width, 4), grey, np.uint8)
    picture[..., 3] = np.array(alpha)[:, None]
    return picture


def rendered(values: Sequence[int], width: int) -> Tensor:
    """Rows of one grey each, such that 8 bits hold it exactly."""
    return ((torch.tensor(values).float() + 0.5) / 255)[:, None, None].expand(-1, width, 3)


def test_a_pair_of_the_task_2d_by_hand() -> None:
    """Places of equal letters match; pictures are 7 wide and 6 high; "y" is on the source's unlabelled ground.

    Parts: the labelled pixels of the target, in order, take a 1, d 2, c 2, b 1, e 2, f 3 and a 1; the truth is 1 1 2 2
    2 2 4. Both have 1 (intersection 1, union 4) and 2 (intersection 2, union 5).
    Keypoints: (3.7, 0.2) is pixel (3, 0), "c", and lands on (2, 0), 2 from the truth; (2, 1) is "d" and lands right;
    (2.9, 2.9) is "f" and lands 3 and 4 from the truth, 5 in all, which is no hit of 5.
    Pictures: 100 on black is 100, 50 and 49 for an alpha of 255, 128 and 127; alpha 127 is background. Of six rows the
    first and the third are off by 51 of 255.
    """
    source = GivenObject(
        Camera.look_at([0.0], 0.0, 7, 6),
        (rgba(0, [255] * 6, 7),),
        (digits("0112000 0122000 0030000 0000000 0000000 0000000"),),
        (np.array([[3.7, 0.2, 0], [2.0, 1.0, 1], [2.9, 2.9, 2], [0.0, 0.0, 5]]),),
    )
    target = GivenObject(
        Camera.look_at([90.0], 0.0, 7, 6),
        (rgba(100, [255, 128, 127, 0, 0, 0], 7),),
        (digits("1122000 0224000 0000000 0000000 0000000 0000000"),),
        (np.array([[4.6, 0.9, 0], [1.5, 0.5, 1], [5.0, 5.0, 2], [0.0, 0.0, 6]]),),
    )
    ground = " ......."
    known = lettered(".abcy.. .ade... ..f...." + 3 * ground) * 3
    asked = lettered("adcb... .efa... .y....." + 3 * ground) * 0.2
    model = GivenModel(
        GivenField(source, [{"descriptor": known, "rgb": rendered([0] * 6, 7)}]),
        GivenField(target, [{"descriptor": asked, "rgb": rendered([151, 50, 100, 0, 0, 0], 7)}]),
    )
    pair = Pair("source", 0, "target", 0)
    result = evaluate(
        "2d", [pair], {"source": source, "target": target}.__getitem__, model=model, mirror=MIRROR, progress=False
    )
    (scores,) = result.scores
    assert scores.part_iou == pytest.approx((1 / 4 + 2 / 5) / 2)
    assert scores.keypoint_accuracy == {"2.5": 2 / 3, "5": 2 / 3, "7.5": 1.0, "10": 1.0}
    assert scores.keypoint_errors == (2.0, 0.0, 5.0)
    assert scores.pair == pair
    assert scores.left_right == 0.5  # 0 lands next to where 1 belongs; 1 is right; 2 is its own mirror image
    assert scores.psnr == pytest.approx(18.75061263)  # 10 log10 (1 / (0.04 * 2 / 6))
    assert scores.psnr_foreground == pytest.approx(16.98970004)  # 10 log10 (1 / (0.04 * 1 / 2))
    assert scores.ssim is None  # of six rows
    assert (result.method.name, result.task.name, result.skipped) == ("descriptor", "2d", 0)
    assert model.encoded == [(0,), (0,)]
    assert model.with_gradients == [False, False]


def test_a_pair_of_the_task_2d_by_the_label_channel_by_hand() -> None:
    """The target's labelled pixels are told 1, 2, 1 and background by its own field; the truth is 1 1 2 2.

    Part 1: intersection 1, union 3. Part 2: intersection 0, union 3. The keypoint goes to the equal letter, 2 away.
    """
    source = wide((rgba(0, [255] * 3, 5),), part_maps=(digits("12000 00000 00000"),), marks=(np.array([[0, 0, 3]]),))
    target = GivenObject(
        Camera.look_at([90.0], 0.0, 5, 3),
        (rgba(0, [255] * 3, 5),),
        (digits("11220 00000 00000"),),
        (np.array([[1, 0, 3]]),),
    )
    logits = torch.zeros(3, 5, 3)
    logits[0, :4] = torch.tensor([[0.0, 0.2, 0.1], [-2.0, -3.0, -1.0], [0.0, 9.0, 8.0], [0.5, 0.4, 0.3]])
    rgb = torch.zeros(3, 5, 3)
    model = GivenModel(
        GivenField(source, [{"descriptor": lettered("ab... ..... ....."), "label": logits * 0, "rgb": rgb}]),
        GivenField(target, [{"descriptor": lettered("bbba. ..... ....."), "label": logits, "rgb": rgb}]),
    )
    objects = {"source": source, "target": target}.__getitem__
    result = evaluate("2d", [Pair("source", 0, "target", 0)], objects, "label", model, progress=False)
    (scores,) = result.scores
    assert scores.part_iou == pytest.approx((1 / 3 + 0 / 3) / 2)
    assert scores.keypoint_accuracy == {"2.5": 1.0, "5": 1.0, "7.5": 1.0, "10": 1.0}
    assert scores.keypoint_errors == (2.0,)
    assert scores.psnr == 100.0


def test_a_pair_of_the_task_view_by_hand() -> None:
    """The field of view 2 is looked at from view 2 and from view 0; pictures are 8 wide and 7 high.

    Parts: the target's labelled pixels take b 2, a 1 and c 2; the truth is 1 1 2: 1 / 2 and 1 / 2.
    Keypoints: 4 lands on the "b" at (0, 3), three below the truth.
    Pictures: every pixel is 110 and should be 100, so SSIM is (22000 + 6.5025) / (22100 + 6.5025).
    """
    blank, empty = " 00000000", " ........"
    known = GivenObject(
        Camera.look_at([0.0, 30.0, 60.0], 0.0, 8, 7),
        (rgba(100, [255] * 7, 8), rgba(0, [255] * 7, 8), rgba(0, [255] * 7, 8)),
        (
            digits("00000000 " * 3 + "11200000" + 3 * blank),
            digits("00000000" + 6 * blank),
            digits("12200000" + 6 * blank),
        ),
        (np.array([[0, 0, 4]]), np.zeros((0, 3)), np.array([[1, 0, 4]])),
    )
    maps = [
        {"descriptor": lettered(rows + 3 * empty), "rgb": rendered([110] * 7, 8)}
        for rows in ("........ " * 3 + "bac.....", "zzzzzzzz" + 3 * empty, "abc....." + 3 * empty)
    ]
    model = GivenModel(GivenField(known, maps))
    (scores,) = evaluate("view", [Pair("x", 2, "x", 0)], lambda name: known, model=model, progress=False).scores
    assert scores.part_iou == 0.5
    assert scores.keypoint_accuracy == {"2.5": 0.0, "5": 1.0, "7.5": 1.0, "10": 1.0}
    assert scores.left_right is None  # nobody says which keypoints are mirrored
    assert scores.psnr == scores.psnr_foreground == pytest.approx(28.13080361)  # 20 log10 25.5
    assert scores.ssim == pytest.approx(0.9954764, abs=1e-6)
    assert model.encoded == [(2,)]


def test_a_pair_of_the_task_3d_by_hand() -> None:
    """Points of equal letters match.

    Parts: the target's points take a 0, b 1, c 1, d 2 and e 3; the truth is 1 1 0 2 2. Both have 1 (intersection 1,
    union 3) and 2 (intersection 1, union 2); label 0 and the source's 3 are no parts of both.
    Keypoints: 0 lands 0.03 from the truth, 1 lands right, 7 is not the target's.
    """
    letters = {
        (0.0, 0.0, 0.0): "a", (0.1, 0.0, 0.0): "b", (0.2, 0.0, 0.0): "c", (0.3, 0.0, 0.0): "d", (0.4, 0.0, 0.0): "e",
        (0.0, 0.1, 0.0): "f", (0.0, 0.2, 0.0): "g", (0.0, 0.1, 0.25): "f", (0.0, 0.2, 0.25): "g", (0.0, 0.3, 0.25): "h",
    }  # fmt: skip

    def at(points: Tensor, directions: Tensor) -> dict[str, Tensor]:
        names = [letters[tuple(round(value, 5) for value in point)] for point in points.tolist()]
        return {"descriptor": lettered(" ".join(names))[:, 0] * 5}

    line = np.stack([np.arange(5) / 10, np.zeros(5), np.zeros(5)], 1).astype(np.float32)
    source = GivenObject(
        Camera.look_at([0.0], 0.0, 8, 8),
        (rgba(0, [255] * 8, 8),),
        surface=(line, np.array([0, 1, 1, 2, 3])),
        choices=(line, np.array([[0, 0.1, 0, 0], [0, 0.2, 0, 1], [0, 0.1, 0, 7]])),
    )
    target = GivenObject(
        Camera.look_at([90.0], 0.0, 8, 8),
        (rgba(0, [255] * 8, 8),),
        surface=(line, np.array([1, 1, 0, 2, 2])),
        choices=(
            np.array([[0, 0.3, 0.25], [0, 0.1, 0.25], [0, 0.2, 0.25]]),
            np.array([[0, 0.13, 0.25, 0], [0, 0.2, 0.25, 1]]),
        ),
    )
    model = GivenModel(GivenField(source, at=at), GivenField(target, at=at))
    result = evaluate(
        "3d", [Pair("s", 0, "t", 0)], {"s": source, "t": target}.__getitem__, model=model, mirror=MIRROR, progress=False
    )
    (scores,) = result.scores
    assert scores.part_iou == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert scores.keypoint_accuracy == {"0.025": 0.5, "0.05": 1.0, "0.075": 1.0, "0.1": 1.0}
    assert scores.left_right == 0.0
    assert scores.psnr is scores.psnr_foreground is scores.ssim is None


# ---------------------------------------------------------------------- what is annotated at an end


def wide(pictures: tuple[np.ndarray, ...], **annotations) -> GivenObject:
    """An object of pictures 5 wide and 3 high."""
    cameras = Camera.look_at([20.0 * view for view in range(len(pictures))], 0.0, 5, 3)
    return GivenObject(cameras, pictures, **annotations)


def test_keypoints_go_to_the_labelled_pixels_in_reading_order() -> None:
    known = wide((rgba(0, [0] * 3, 5),), part_maps=(digits("00020 10000 00003"),), marks=(np.zeros((0, 3)),))
    places = pixels_of(lambda name: known, PairView("a", 0, 0))
    assert places.labelled.tolist() == places.candidates.tolist() == [[3, 0], [0, 1], [4, 2]]
    assert places.parts.tolist() == [2, 1, 3]
    assert places.keypoints == {}


def test_a_keypoint_at_a_fraction_lies_in_the_pixel_that_it_is_truncated_to() -> None:
    marks = np.array([[3.7, 1.2, 5], [4.99, 2.99, 0], [-0.9, 0.5, 2], [0.0, 0.0, 5]])
    known = wide((rgba(0, [0] * 3, 5),), part_maps=(digits("11111 11111 11111"),), marks=(marks,))
    places = pixels_of(lambda name: known, PairView("a", 0, 0))
    assert {number: place.tolist() for number, place in places.keypoints.items()} == {
        5: [3, 1],  # the first of an id counts
        0: [4, 2],
        2: [0, 0],
    }
    assert list(places.keypoints) == [5, 0, 2]


@pytest.mark.parametrize("mark", [(5, 0), (0, 3), (-1, 0), (0, -1)])
def test_a_keypoint_outside_its_picture_is_refused(mark: tuple[int, int]) -> None:
    marks = (np.zeros((0, 3)), np.array([[4, 2, 0], [*mark, 1]]))
    known = wide((rgba(0, [0] * 3, 5),) * 2, part_maps=(digits("11111 11111 11111"),) * 2, marks=marks)
    with pytest.raises(InputError, match="view 1 of object a has a keypoint outside its picture"):
        pixels_of(lambda name: known, PairView("a", 0, 1))


def test_without_parts_the_pixels_of_alpha_above_127_are_the_object() -> None:
    picture = rgba(200, [100, 127, 128], 5)
    known = wide((picture, picture[..., :3]), marks=(np.array([[1, 0, 3]]), np.zeros((0, 3))))
    places = pixels_of(lambda name: known, PairView("a", 0, 0), ("kp_2d",))
    assert places.labelled.tolist() == places.candidates.tolist() == [[0, 2], [1, 2], [2, 2], [3, 2], [4, 2]]
    assert places.parts.tolist() == [0] * 5
    assert places.keypoints[3].tolist() == [1, 0]
    whole = pixels_of(lambda name: known, PairView("a", 0, 1), ("kp_2d",))
    assert len(whole.candidates) == 15  # a picture without alpha is all object
    assert whole.candidates[5].tolist() == [0, 1]


def test_what_is_not_asked_for_is_not_read() -> None:
    known = wide((rgba(0, [0] * 3, 5),), part_maps=(digits("11111 11111 11111"),))
    assert pixels_of(lambda name: known, PairView("a", 0, 0), ("part_2d",)).keypoints == {}
    points, labels = np.array([[0.1, 0.2, 0.3]]), np.array([4], np.int16)
    known = wide((rgba(0, [0] * 3, 5),), surface=(points, labels), choices=(points, np.array([[1, 2, 3, 9]])))
    places = points_of(lambda name: known, PairView("a", 0, 0), ("part_3d",))
    assert (places.parts.tolist(), places.candidates.shape, places.keypoints) == ([4], (0, 3), {})
    places = points_of(lambda name: known, PairView("a", 0, 0), ("kp_3d",))
    assert (places.labelled.shape, places.parts.shape) == ((0, 3), (0,))
    assert places.keypoints[9].tolist() == [1, 2, 3]
    torch.testing.assert_close(places.candidates, torch.tensor([[0.1, 0.2, 0.3]]))
    both = points_of(lambda name: known, PairView("a", 0, 0))
    torch.testing.assert_close(both.labelled, both.candidates)
    assert both.parts.dtype == torch.int64


# ---------------------------------------------------------------------- which pairs are scored


def test_the_tasks_are_those_of_the_paper() -> None:
    pixels, world = (2.5, 5, 7.5, 10), (0.025, 0.05, 0.075, 0.1)
    assert {
        name: (task.name, task.pairs, task.in_space, task.one_object, task.thresholds) for name, task in TASKS.items()
    } == {
        "2d": ("2d", "cross_inst_pairs", False, False, pixels),
        "view": ("view", "cross_view_pairs", False, True, pixels),
        "3d": ("3d", "cross_inst_pairs", True, False, world),
    }


def test_view_numbers_in_a_list_of_pairs_are_read_whatever_their_type() -> None:
    assert Pair.from_record({"src": "7", "trg": "8", "view": "3"}) == Pair("7", 3, "8", 3)
    assert Pair.from_record({"src": "a", "trg": "b", "view": 1, "src_view": 2, "trg_view": 3}) == Pair("a", 1, "b", 1)
    for wrong in ({"src": "a", "trg": "b", "view": None}, {"src": "a", "trg": "b", "src_view": 0}):
        with pytest.raises(InputError, match="is no pair"):
            Pair.from_record(wrong)


@pytest.mark.parametrize(
    "pair", [Pair("0", -1, "1", 0), Pair("0", 0, "1", 3), Pair("0", 3, "1", 0), Pair("0", 0, "1", -1)]
)
def test_a_view_that_there_is_not_is_named(pair: Pair) -> None:
    with pytest.raises(InputError, match=r"names view (-1|3) of object [01], which has 3 views"):
        run("2d", "same-pixel", pair)


def test_the_source_of_a_pair_across_objects_is_made_of_all_its_views() -> None:
    """The target of the task 2d is another object: it is made of its one view."""
    first = wide((rgba(9, [255] * 3, 5),) * 3, part_maps=(digits("11111 22222 00000"),) * 3)
    other = GivenObject(Camera.look_at([200.0, 220.0], 0.0, 5, 3), first.pictures[:2], first.part_maps)
    maps = [{"descriptor": lettered("aaaaa bbbbb ....."), "rgb": torch.zeros(3, 5, 3)}] * 3
    model = GivenModel(GivenField(first, maps), GivenField(other, maps))
    objects = {"a": first, "b": other}.__getitem__
    evaluate("2d", [Pair("a", 0, "b", 1, (2,))], objects, model=model, progress=False)
    assert model.encoded == [(1,), (0, 2)]
    with pytest.raises(InputError, match="names view 3 of object a"):
        evaluate("2d", [Pair("a", 0, "b", 1, (3,))], objects, model=model, progress=False)


def test_a_target_without_a_labelled_pixel_has_nowhere_for_keypoints_to_go() -> None:
    marks = (np.array([[1, 1, 0]]),)
    first = wide((rgba(9, [255] * 3, 5),), part_maps=(digits("11111 22222 00000"),), marks=marks)
    bare = wide((rgba(9, [255] * 3, 5),), part_maps=(digits("00000 00000 00000"),), marks=marks)
    pairs = [Pair("a", 0, "b", 0), Pair("a", 0, "a", 0)]
    result = evaluate("2d", pairs, {"a": first, "b": bare}.__getitem__, "same-pixel", progress=False)
    assert (len(result.scores), result.skipped) == (1, 1)
    assert result.scores[0].keypoint_accuracy == {"2.5": 1.0, "5": 1.0, "7.5": 1.0, "10": 1.0}


def test_an_annotated_view_is_scored_although_its_picture_is_blank() -> None:
    known = wide((rgba(9, [0] * 3, 5),), part_maps=(digits("11111 22222 00000"),))
    (scores,) = evaluate("2d", [Pair("a", 0, "a", 0)], lambda name: known, "same-pixel", progress=False).scores
    assert scores.part_iou == 1.0


@pytest.mark.parametrize(
    ("alphas", "channels", "scored"), [((0, 0), 4, 0), ((1, 0), 4, 0), ((0, 1), 4, 0), ((1, 1), 4, 1), ((0, 0), 3, 1)]
)
def test_a_novel_view_counts_where_both_pictures_show_something(
    alphas: tuple[int, int], channels: int, scored: int
) -> None:
    """An alpha of 1 of 255 anywhere is something; a picture without alpha always is."""
    pictures = [rgba(9, [255] * 3, 5), *(rgba(9, [0, alpha, 0], 5)[..., :channels] for alpha in alphas)]
    known = wide(tuple(pictures))
    model = GivenModel(GivenField(known, [{"descriptor": torch.zeros(3, 5, 2), "rgb": torch.zeros(3, 5, 3)}] * 3))
    pairs = [Pair("a", 0, "a", 0), Pair("a", 1, "a", 2)]
    result = evaluate("view", pairs, lambda name: known, model=model, progress=False)
    assert (len(result.scores), result.skipped) == (1 + scored, 1 - scored)
    assert (result.scores[-1].psnr_foreground is None) == (scored == 1)  # no pixel above 127


def test_a_blank_view_among_those_that_are_encoded_together_shows_nothing() -> None:
    known = wide((rgba(9, [255] * 3, 5), rgba(9, [255] * 3, 5), rgba(9, [0] * 3, 5)))
    model = GivenModel(GivenField(known, [{"descriptor": torch.zeros(3, 5, 2), "rgb": torch.zeros(3, 5, 3)}] * 3))
    with pytest.raises(InputError, match="none of the 1 pairs"):
        evaluate("view", [Pair("a", 0, "a", 1, (2,))], lambda name: known, model=model, progress=False)


@pytest.mark.parametrize("lacking", ["0", "3"])
def test_either_end_that_lacks_what_the_other_has_is_read(lacking: str) -> None:
    class Lacking(Unlabelled):
        def keypoints(self, view: int) -> np.ndarray:
            raise InputError("no keypoints here")

    mixed = {"0": FakeObject(0), "3": FakeObject(3), lacking: Lacking(int(lacking), ("part_2d",))}
    with pytest.raises(InputError, match="no keypoints here"):
        evaluate("2d", [ACROSS], mixed.__getitem__, "descriptor", FakeModel(), progress=False)


def test_novel_views_are_spread_by_the_golden_ratio() -> None:
    """In the order of n / 1.618... modulo 1: 0.0, 0.618, 0.236, 0.854, 0.472, 0.090, 0.708 and 0.326 of 0 to 7."""
    pairs = novel_view_pairs({"x": 5, "y": 4}, (1,))
    expected = [("x", 0), ("y", 0), ("x", 2), ("y", 2), ("x", 4), ("x", 3), ("y", 3)]
    assert pairs == [Pair(name, 1, name, view) for name, view in expected]
    assert [pair.target_view for pair in novel_view_pairs({"x": 8}, (2,))] == [0, 5, 7, 4, 1, 6, 3]
    assert [pair.target_view for pair in novel_view_pairs({"x": 5}, (3, 0))] == [2, 4, 1]
    assert novel_view_pairs({"x": 5}, (3, 0))[0] == Pair("x", 3, "x", 2, (0,))
    assert novel_view_pairs({}, (0,)) == []
    with pytest.raises(InputError, match="object y has 4 views, not view 4"):
        novel_view_pairs({"x": 5, "y": 4}, (4, 0))
    with pytest.raises(InputError, match="object x has 5 views"):
        novel_view_pairs({"x": 5}, (-1,))


# ---------------------------------------------------------------------- the mean over pairs


def test_means_are_over_the_pairs_that_have_the_score() -> None:
    scores = (
        Scores(ACROSS, 0.5, {"5": 1.0, "10": 1.0}, psnr=20.0),
        Scores(ACROSS, None, None, 0.25),
        Scores(ACROSS, 0.0, {"5": 0.0, "10": 0.5}, 0.75),
    )
    result = Evaluation(TASKS["2d"], METHODS["descriptor"], scores, 0, 1.0, None)
    assert result.mean("part_iou") == 0.25
    assert result.mean("left_right") == 0.5
    assert result.mean("psnr") == 20.0
    assert result.mean("ssim") is None
    assert result.keypoint_accuracy() == {"5": 0.5, "10": 0.75}
    assert Evaluation(TASKS["2d"], METHODS["descriptor"], scores[1:2], 0, 1.0, None).keypoint_accuracy() is None


def test_seconds_are_those_that_the_pairs_took(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([10.0, 14.5])
    monkeypatch.setattr(protocols, "time", SimpleNamespace(perf_counter=lambda: next(now)))
    assert run("2d", "same-pixel", ACROSS).seconds == 4.5


def test_progress_is_shown_unless_it_is_not_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    evaluate("2d", [ACROSS], objects, "same-pixel", progress=False)
    assert capsys.readouterr().err == ""
    evaluate("2d", [ACROSS], objects, "same-pixel")
    assert "2d same-pixel: 100%" in capsys.readouterr().err
