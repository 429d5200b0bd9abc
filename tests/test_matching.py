"""Matching: the right candidate, at any size, and labels carried over as the API promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from featurenerf import matching
from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.matching import match, nearest, normalise, transfer_keypoints, transfer_parts


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
    ],
)
def test_what_cannot_be_matched_is_said(query: Tensor, candidates: Tensor, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        match(query, candidates)


# ---------------------------------------------------------------------- fields


@dataclass(frozen=True)
class Painted:
    """A field whose picture at any camera is a given map of codes, and whose points are coded by their z."""

    source: Camera
    codes: Tensor  # (H, W), 0 is empty

    def render(self, camera: Camera, channels: Sequence[str] = ()) -> dict[str, Tensor]:
        assert camera.batch_shape == ()
        descriptor = 3.0 * torch.nn.functional.one_hot(self.codes, 40).float()
        whole = {"descriptor": descriptor, "alpha": (self.codes > 0).float()[..., None]}
        return {name: whole[name] for name in channels}

    def query(self, points: Tensor, directions: Tensor | None = None, channels: Sequence[str] = ()) -> SimpleNamespace:
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
        (lambda: transfer_keypoints(FULL, FULL, PIXELS * torch.nan), "lies outside"),
        (lambda: transfer_keypoints(FULL, EMPTY, PIXELS), "shows no object"),
        (lambda: transfer_parts(FULL, FULL, LABELS[:4]), "labels must be"),
        (lambda: transfer_parts(FULL, FULL, LABELS.float()), "integers"),
        (lambda: transfer_parts(FULL, FULL, LABELS * 0), "nothing to transfer"),
        (lambda: transfer_parts(FULL, FULL, LABELS, target_mask=LABELS[:, :2]), "target_mask must be"),
        (lambda: transfer_parts(FULL, FULL, LABELS[0], source_points=POINTS), "give both"),
        (lambda: transfer_parts(FULL, FULL, LABELS[0], source_points=POINTS, target_points=POINTS), "labels must be"),
    ],
)
def test_what_cannot_be_transferred_is_said(call, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        call()


def test_an_empty_mask_gives_no_label() -> None:
    assert not transfer_parts(FULL, EMPTY, LABELS).any()
