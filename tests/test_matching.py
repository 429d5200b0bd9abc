"""Matching: the right candidate, at any size, and labels carried over as the API promises."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from featurenerf import matching
from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.matching import keypoint_pixels, match, nearest, normalise, transfer_keypoints, transfer_parts
from unchecked import types_unchecked


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def reference(query: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine arg-max, one pair at a time, in double precision."""
    index, score = [], []
    for q in query.double():
        scores = [float(q @ c) / (max(float(q.norm()), 1e-6) * max(float(c.norm()), 1e-6)) for c in candidates.double()]
        index.append(int(np.argmax(scores)))
        score.append(max(scores))
    return torch.tensor(index), torch.tensor(score)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (7, 1), (1, 70), (30, 65)])
def test_match_agrees_with_a_loop(n: int, m: int, dtype: torch.dtype) -> None:
    query, candidates = random(n, 9).to(dtype), random(m, 9, seed=1).to(dtype)
    index, score = match(query, candidates)
    expected, expected_score = reference(query, candidates)
    assert torch.equal(index, expected)
    torch.testing.assert_close(score.float(), expected_score.float(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("rule", [match, nearest])
def test_blocks_change_nothing(rule, monkeypatch: pytest.MonkeyPatch) -> None:
    query, candidates = random(50, 6), random(90, 6, seed=1)
    index, score = rule(query, candidates)
    monkeypatch.setattr(matching, "_ROWS", 8)
    monkeypatch.setattr(matching, "_COLUMNS", 16)
    blocked, blocked_score = rule(query, candidates)
    assert torch.equal(index, blocked)
    torch.testing.assert_close(score, blocked_score)


@pytest.mark.parametrize("m", [1, 5, 33, 100, 1001, 9000])
@pytest.mark.parametrize("d", [3, 64, 129])
def test_the_first_of_equal_candidates_wins(m: int, d: int) -> None:
    candidates = random(m, d)
    for n in (1, 5):
        assert (match(random(n, d, seed=2), torch.cat([candidates] * 3))[0] < m).all()
        assert (nearest(random(n, d, seed=2), torch.cat([candidates] * 3))[0] < m).all()


def test_lengths_do_not_matter_and_the_norm_is_floored() -> None:
    query = random(4, 8)
    index, score = match(query, torch.cat([torch.zeros(1, 8), query * torch.tensor([[0.1], [3.0], [70.0], [1e4]])]))
    assert index.tolist() == [1, 2, 3, 4]
    torch.testing.assert_close(score, torch.ones(4))
    torch.testing.assert_close(normalise(torch.tensor([3e-7, 4e-7])), torch.tensor([0.3, 0.4]))


def test_nearest_is_euclidean() -> None:
    index, score = nearest(torch.tensor([[1.0, 1.0]]), torch.tensor([[10.0, 10.0], [1.0, 0.5], [-1.0, 1.0]]))
    assert index.tolist() == [1]
    assert score.tolist() == [-0.5]


def test_nearest_is_exact_far_from_the_origin() -> None:
    """By a difference of squares, a copy would be some way from its original."""
    candidates = 100 + random(40, 3)
    index, score = nearest(candidates, candidates)
    assert torch.equal(index, torch.arange(40))
    assert torch.equal(score, torch.zeros(40))


def test_scores_by_hand() -> None:
    """A right angle, 45 degrees and the opposite."""
    query = torch.tensor([[0.0, 2.0]])
    for candidate, expected in (([5.0, 0.0], 0.0), ([3.0, 3.0], 0.7071068), ([0.0, -0.1], -1.0)):
        index, score = match(query, torch.tensor([candidate]))
        assert index.tolist() == [0]
        torch.testing.assert_close(score, torch.tensor([expected]))


@pytest.mark.parametrize("rule", [match, nearest])
def test_double_precision_stays_and_half_becomes_single(rule) -> None:
    """In double precision the second candidate is better by 1e-10, which single precision does not see."""
    query = torch.tensor([[1.0, 1e-9]], dtype=torch.float64)
    candidates = torch.tensor([[1.0, 1e-5], [1.0, 1e-9]], dtype=torch.float64)
    index, score = rule(query, candidates)
    assert index.tolist() == [1]
    assert score.dtype == torch.float64
    assert rule(query.float(), candidates)[1].dtype == rule(query, candidates.float())[1].dtype == torch.float64
    assert rule(query.float(), candidates)[0].tolist() == [1]
    assert rule(query.float(), candidates.float())[1].dtype == torch.float32
    assert rule(query.half(), candidates.half())[1].dtype == rule(query.half(), candidates.float())[1].dtype
    assert rule(query.half(), candidates.half())[1].dtype == torch.float32


def test_no_gradient_flows_through_a_score() -> None:
    query = random(2, 3).requires_grad_()
    assert not match(query, random(4, 3))[1].requires_grad
    assert normalise(query).requires_grad


def test_every_vector_of_a_batch_is_normalised() -> None:
    unit = normalise(torch.tensor([[[3.0, 4.0], [0.0, -2.0]], [[0.0, 0.0], [2e-6, 0.0]]]))
    assert unit.tolist() == [[[pytest.approx(0.6), pytest.approx(0.8)], [0, -1]], [[0, 0], [1, 0]]]


def test_no_query_is_no_match() -> None:
    index, score = match(torch.zeros(0, 4), torch.ones(2, 4))
    assert index.shape == score.shape == (0,)


@pytest.mark.parametrize(
    ("query", "candidates", "sentence"),
    [
        (torch.ones(2, 3), torch.ones(2, 4), "of one D"),
        (torch.ones(2, 3), torch.ones(0, 3), "no candidate"),
        (torch.full((2, 3), torch.nan), torch.ones(2, 3), "NaN"),
        (torch.ones(2, 3), torch.full((2, 3), torch.inf), "NaN"),
        (torch.ones(2, 3), torch.tensor([[1.0, 1.0, 1.0], [1.0, torch.nan, 1.0]]), "NaN"),
        (torch.tensor([[1.0, -torch.inf, 1.0]]), torch.ones(2, 3), "NaN"),
    ],
)
def test_what_cannot_be_matched_is_said(query: Tensor, candidates: Tensor, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        match(query, candidates)


@pytest.mark.parametrize("shapes", [((3,), (2, 3)), ((2, 3), (3,)), ((2, 2, 3), (2, 3)), ((2, 3), (2, 2, 3))])
def test_only_tables_can_be_matched(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    query, candidates = (torch.ones(shape) for shape in shapes)
    with types_unchecked(), pytest.raises(InputError, match=re.escape(f"not {shapes[0]} and {shapes[1]}")):
        match(query, candidates)


# ---------------------------------------------------------------------- fields


@dataclass(frozen=True)
class Painted:
    """A field whose picture at any camera is a given map of codes, and whose points are coded by their z."""

    source: Camera
    codes: Tensor  # (H, W), 0 is empty
    alpha: Tensor | None = None  # (H, W); None is 1 where there is a code
    cameras: list[Camera] = field(default_factory=list)  # that pictures were asked of

    def render(self, camera: Camera, channels: Sequence[str] = ()) -> dict[str, Tensor]:
        assert camera.batch_shape == ()
        self.cameras.append(camera)
        descriptor = 3.0 * torch.nn.functional.one_hot(self.codes, 40).float()
        alpha = (self.codes > 0).float() if self.alpha is None else self.alpha
        whole = {"descriptor": descriptor, "alpha": alpha[..., None]}
        return {name: whole[name] for name in channels}

    def query(self, points: Tensor, directions: Tensor | None = None, channels: Sequence[str] = ()) -> SimpleNamespace:
        assert channels == ("descriptor",)  # nothing else is worth its while
        return SimpleNamespace(descriptor=torch.nn.functional.one_hot((points[:, 2] * 10).round().long(), 40).float())


CAMERA = Camera.look_at(width=6, height=5)
VIEWS = Camera.look_at([0.0, 90.0], width=6, height=5)


@pytest.fixture
def source() -> Painted:
    return Painted(VIEWS, torch.arange(30).reshape(5, 6))


@pytest.fixture
def target() -> Painted:
    return Painted(VIEWS, torch.arange(30).flip(0).reshape(5, 6))


@pytest.mark.parametrize("as_array", [torch.tensor, np.array])
def test_keypoints_go_to_the_centre_of_the_best_pixel(source: Painted, target: Painted, as_array) -> None:
    keypoints = as_array([[2.0, 0.0], [5.99, 4.99], [3.5, 1.5]])  # pixels (2, 0), (5, 4), (3, 1)
    xy, score = transfer_keypoints(source, target, keypoints, CAMERA, CAMERA)
    assert xy.tolist() == [[3.5, 4.5], [0.5, 0.5], [2.5, 3.5]]
    assert score.tolist() == [1.0, 1.0, 1.0]


def test_keypoints_may_be_integers_and_cameras_left_out(source: Painted, target: Painted) -> None:
    xy, _ = transfer_keypoints(source, target, torch.tensor([[2, 0]]))
    assert xy.tolist() == [[3.5, 4.5]]


def test_keypoints_go_to_the_object_only(source: Painted) -> None:
    target = Painted(VIEWS, torch.where(torch.arange(30) == 17, 17, 0).reshape(5, 6))
    xy, _ = transfer_keypoints(source, target, torch.tensor([[0.5, 0.5]]))  # code 0, as the background's
    assert xy.tolist() == [[5.5, 2.5]]


def test_keypoints_in_space(source: Painted, target: Painted) -> None:
    candidates = torch.tensor([[1.0, 2.0, 0.3], [3.0, 4.0, 0.1], [5.0, 6.0, 0.2]])
    xyz, score = transfer_keypoints(
        source, target, torch.tensor([[9.0, 9.0, 0.1], [8.0, 8.0, 0.3]]), candidates=candidates
    )
    assert torch.equal(xyz, candidates[[1, 0]])
    assert score.tolist() == [1.0, 1.0]


def test_parts_go_to_the_object_or_the_mask(source: Painted, target: Painted) -> None:
    labels = torch.arange(30).reshape(5, 6) % 4  # a multiple of 4 is unlabelled
    everywhere = transfer_parts(source, target, labels, CAMERA, CAMERA)
    codes = target.codes
    matched = (codes > 0) & (codes % 4 > 0)
    assert torch.equal(everywhere[matched], codes[matched] % 4)
    assert everywhere[codes == 0].tolist() == [0]
    assert (everywhere[codes > 0] > 0).all()  # an unlabelled source pixel is never matched with
    mask = torch.zeros(5, 6, dtype=torch.bool)
    mask[1, 2] = True
    only = transfer_parts(source, target, labels.numpy(), target_mask=mask.numpy())
    assert (only > 0).nonzero().tolist() == [[1, 2]]
    assert only.dtype == torch.int64


def test_parts_in_space(source: Painted, target: Painted) -> None:
    known = torch.tensor([[0.0, 0.0, 0.1], [0.0, 0.0, 0.2], [0.0, 0.0, 0.3]])
    labels = transfer_parts(
        source, target, torch.tensor([0, 5, 6]), source_points=known, target_points=known[[2, 0, 1, 1]]
    )
    assert labels.tolist() == [6, 0, 5, 5]  # in space, label 0 is a label like another


def test_a_pixel_is_the_objects_where_its_alpha_exceeds_a_half() -> None:
    """Exactly 0.5 is not enough; neither for a keypoint's place nor for a label's."""
    alpha = torch.tensor([0.0, 0.1, 0.5, 0.51, 1.0, 0.49]).expand(5, 6)
    codes = torch.arange(1, 31).reshape(5, 6)
    target = Painted(VIEWS, codes, alpha)
    labelled = transfer_parts(Painted(VIEWS, codes), target, torch.ones(5, 6, dtype=torch.int64))
    assert labelled.tolist() == [[0, 0, 0, 1, 1, 0]] * 5
    xy, score = transfer_keypoints(Painted(VIEWS, codes), target, torch.tensor([[0.5, 0.5], [1.5, 0.5], [3.5, 0.5]]))
    assert xy[2].tolist() == [3.5, 0.5]
    assert set(xy[:2, 0].tolist()) <= {3.5, 4.5}
    assert score.tolist() == [0, 0, 1]


def test_pictures_are_asked_of_the_cameras_that_are_meant() -> None:
    """Of those given, or of the first view of each field."""
    codes = torch.ones(5, 6, dtype=torch.int64)
    keypoints, labels = torch.ones(1, 2), torch.ones(5, 6, dtype=torch.int64)
    here, there = (Camera.look_at(azimuth, width=6, height=5) for azimuth in (10.0, 20.0))
    own = Camera.look_at([40.0, 50.0], width=6, height=5), Camera.look_at(torch.tensor([[60.0], [70.0]]), 0.0, 6, 5)
    for transfer, what in ((transfer_keypoints, keypoints), (transfer_parts, labels)):
        source, target = Painted(own[0], codes), Painted(own[1], codes)
        transfer(source, target, what, here, there)
        transfer(source, target, what)
        assert [camera.pose.tolist() for camera in source.cameras] == [here.pose.tolist(), own[0].pose[0].tolist()]
        assert [camera.pose.tolist() for camera in target.cameras] == [there.pose.tolist(), own[1].pose[0, 0].tolist()]


def test_pictures_of_two_sizes() -> None:
    """Keypoints and labels belong to the source's size, places and masks to the target's."""
    source = Painted(Camera.look_at(width=6, height=5), torch.arange(30).reshape(5, 6))
    target = Painted(Camera.look_at(width=3, height=2), torch.tensor([[7, 8, 9], [10, 11, 12]]))
    assert transfer_keypoints(source, target, torch.tensor([[5.5, 1.5]]))[0].tolist() == [[1.5, 1.5]]  # code 11
    labels = torch.arange(30).reshape(5, 6)
    assert transfer_parts(source, target, labels).tolist() == [[7, 8, 9], [10, 11, 12]]
    mask = torch.tensor([[0, 255, 0], [0, 0, -1]])  # a mask is true above 0
    assert transfer_parts(source, target, labels, target_mask=mask).tolist() == [[0, 8, 0], [0, 0, 0]]


def test_labels_below_1_are_none() -> None:
    source = Painted(VIEWS, torch.arange(30).reshape(5, 6))
    labels = torch.where(torch.arange(30) == 9, 4, -1).reshape(5, 6)
    assert transfer_parts(source, source, labels.to(torch.int16)).flatten().tolist() == [0] + [4] * 29


@pytest.mark.parametrize(
    ("keypoint", "pixel"),
    [((0.0, 0.0), (0, 0)), ((0.99, 1.0), (0, 1)), ((5.99, 4.99), (5, 4)), ((5.0, 4.0), (5, 4))],
)
def test_a_keypoint_lies_in_the_pixel_that_holds_it(keypoint: tuple[float, float], pixel: tuple[int, int]) -> None:
    assert keypoint_pixels(torch.tensor([keypoint]), 6, 5).tolist() == [list(pixel)]


@pytest.mark.parametrize("keypoint", [(6.0, 1.0), (1.0, 5.0), (-0.01, 1.0), (1.0, -0.01), (5.5, 5.5), (6.5, 4.5)])
def test_a_keypoint_on_the_far_edge_or_beyond_lies_outside(keypoint: tuple[float, float]) -> None:
    with pytest.raises(InputError, match=r"keypoint 1 at .* lies outside the picture of 6 x 5 pixels"):
        keypoint_pixels(torch.tensor([(1.0, 1.0), keypoint, keypoint]), 6, 5)


def test_points_in_space_may_be_integers() -> None:
    source = Painted(VIEWS, torch.zeros(5, 6, dtype=torch.int64))
    keypoints = torch.tensor([[0, 0, z] for z in (3, 1, 2)])
    candidates = np.array([[9, 9, z] for z in (0, 1, 2, 3)])
    xyz, score = transfer_keypoints(source, source, keypoints, candidates=candidates)
    assert xyz.tolist() == [[9, 9, 3], [9, 9, 1], [9, 9, 2]]
    assert xyz.dtype == torch.float32
    assert score.tolist() == [1, 1, 1]
    assert transfer_keypoints(source, source, keypoints, candidates=candidates.astype(float))[0].dtype == torch.float64


EMPTY = Painted(VIEWS, torch.zeros(5, 6, dtype=torch.int64))
FULL = Painted(VIEWS, torch.ones(5, 6, dtype=torch.int64))
PIXELS, POINTS = torch.ones(3, 2), torch.ones(3, 3)
LABELS = torch.ones(5, 6, dtype=torch.int64)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: transfer_keypoints(FULL, FULL, POINTS), "give candidates="),
        (lambda: transfer_keypoints(FULL, FULL, PIXELS, candidates=POINTS), "keypoints must be"),
        (lambda: transfer_keypoints(FULL, FULL, POINTS, candidates=POINTS[:0]), "no candidate"),
        (lambda: transfer_keypoints(FULL, FULL, PIXELS * 6), r"keypoint 0 at \(6.0, 6.0\) lies outside"),
        (lambda: transfer_keypoints(FULL, FULL, -PIXELS), "lies outside"),
        (lambda: transfer_keypoints(FULL, FULL, PIXELS * torch.tensor([1.0, 5.5])), r"\(1.0, 5.5\) lies outside"),
        (
            lambda: transfer_keypoints(FULL, FULL, POINTS[:, :2], candidates=POINTS),
            r"keypoints must be .* not \(3, 2\)",
        ),
        (lambda: transfer_keypoints(FULL, FULL, PIXELS * torch.nan), "lies outside"),
        (lambda: transfer_keypoints(FULL, EMPTY, PIXELS), "shows no object"),
        (lambda: transfer_parts(FULL, FULL, LABELS[:4]), "labels must be"),
        (lambda: transfer_parts(FULL, FULL, LABELS.float()), "integers"),
        (lambda: transfer_parts(FULL, FULL, LABELS * 1j), "integers"),
        (lambda: transfer_parts(FULL, FULL, LABELS * 0), "nothing to transfer"),
        (lambda: transfer_parts(FULL, FULL, -LABELS), "nothing to transfer"),
        (lambda: transfer_parts(FULL, FULL, LABELS.T), r"labels must be \(5, 6\)"),
        (lambda: transfer_parts(FULL, FULL, LABELS, target_mask=LABELS[:, :2]), "target_mask must be"),
        (lambda: transfer_parts(FULL, FULL, LABELS[0], source_points=POINTS), "give both"),
        (lambda: transfer_parts(FULL, FULL, LABELS[0], target_points=POINTS), "give both"),
        (lambda: transfer_parts(FULL, FULL, LABELS[0], source_points=POINTS, target_points=POINTS), "labels must be"),
        (lambda: transfer_parts(FULL, FULL, LABELS[:3, :1], source_points=POINTS, target_points=POINTS), r"\(3,\)"),
    ],
)
def test_what_cannot_be_transferred_is_said(call, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        call()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: transfer_keypoints(FULL, FULL, POINTS, candidates=PIXELS), "candidates"),
        (lambda: transfer_keypoints(FULL, FULL, POINTS, candidates=POINTS[:, 0]), "candidates"),
        (lambda: transfer_parts(FULL, FULL, LABELS[0], source_points=PIXELS, target_points=POINTS), "source_points"),
        (lambda: transfer_parts(FULL, FULL, LABELS[0], source_points=POINTS, target_points=PIXELS), "target_points"),
    ],
)
def test_points_that_are_no_points_of_the_world_are_named(call, sentence: str) -> None:
    with types_unchecked(), pytest.raises(InputError, match=rf"{sentence} must be \(N, 3\) world points, not"):
        call()


def test_keypoints_that_are_no_table_are_named() -> None:
    with types_unchecked(), pytest.raises(InputError, match=r"not \(2,\); for \(K, 3\) points give candidates="):
        transfer_keypoints(FULL, FULL, PIXELS[0])


def test_an_empty_mask_gives_no_label() -> None:
    assert not transfer_parts(FULL, EMPTY, LABELS).any()
