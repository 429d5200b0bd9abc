"""Which objects and views are paired."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from featurenerf.cameras import Camera
from featurenerf.data.objects import Dataset, ObjectViews
from featurenerf.data.open import open_dataset
from featurenerf.data.pairs import drawn_pairs, unlike_objects, unlike_pairs, with_pairs
from featurenerf.data.splits import Pair, Split
from featurenerf.data.storage import read_json
from featurenerf.errors import InputError
from featurenerf.files import write_json
from featurenerf.synthesis.make import make_dataset

pytest.importorskip("embreex", reason="the extra 'data' is not installed")
pytest.importorskip("trimesh", reason="the extra 'data' is not installed")


def test_pairs_differ_in_structure_and_proportion() -> None:
    extents = np.array(
        [[0.9, 0.3, 0.3], [0.7, 0.5, 0.5], [0.3, 0.3, 0.9], [0.3, 0.9, 0.3], [0.88, 0.3, 0.3], [0.5, 0.7, 0.5]]
    )
    families = ["a", "b", "b", "c", "c", "c"]
    pairs = unlike_pairs(extents, families)
    assert pairs == [(0, 2), (1, 3), (2, 0), (3, 0), (4, 2), (5, 0)]
    assert unlike_pairs(extents[:2], ["a", "a"]) == [(0, 1), (1, 0)]  # of one family: there is no other
    extents = np.random.default_rng(0).uniform(0.3, 0.9, (40, 3))
    families = [str(number % 4) for number in range(40)]
    pairs = unlike_pairs(extents, families)
    assert len(pairs) == len(set(pairs)) == 40 * round(30 / 4)
    for one in range(40):
        far = {other: float(np.linalg.norm(extents[other] - extents[one])) for other in range(40)}
        partners = [b for a, b in pairs if a == one]
        others = [other for other in far if families[other] != families[one] and other not in partners]
        assert all(families[one] != families[other] for other in partners)
        assert min(far[other] for other in partners) >= max(far[other] for other in others) - 1e-4


def test_drawn_pairs_are_the_same_each_time_and_unlike(tmp_path: Path) -> None:
    make_dataset(tmp_path, "chair", objects=60, views=3, size=16, workers=1, progress=False)
    dataset = open_dataset(tmp_path, "chair", "val")
    drawn, names = drawn_pairs(dataset), {views.id for views in dataset}
    assert drawn == drawn_pairs(open_dataset(tmp_path, "chair", "val"))
    assert drawn.cross_inst_pairs != drawn_pairs(dataset, seed=1).cross_inst_pairs
    families = read_json(tmp_path / "made" / "03001627.json")["families"]
    for pair in (*drawn.cross_inst_pairs, *drawn.cross_pose_pairs):
        assert families[pair.source_id] != families[pair.target_id]
        assert {pair.source_id, pair.target_id} <= names
    assert all(pair.source_view != pair.target_view for pair in (*drawn.cross_pose_pairs, *drawn.cross_view_pairs))
    assert {pair.source_id for pair in drawn.cross_view_pairs} == names

    any_two = {(a, b) for a in names for b in names if a != b}
    made = tmp_path / "made" / "03001627.json"

    def pairs_of_objects() -> set[tuple[str, str]]:
        found = drawn_pairs(open_dataset(tmp_path, "chair", "val")).cross_inst_pairs
        return {(pair.source_id, pair.target_id) for pair in found}

    for content in ({}, {"families": {"another": "stool"}}):
        write_json(made, content)
        assert pairs_of_objects() == any_two
    made.unlink()
    assert pairs_of_objects() == any_two
    made.write_text("[]")
    with pytest.raises(InputError, match="does not say what made the data"):
        open_dataset(tmp_path, "chair", "val")


def test_a_single_object_has_pairs_of_views_alone(tmp_path: Path) -> None:
    make_dataset(tmp_path, "chair", objects=8, views=3, size=16, workers=1, progress=False)
    drawn = drawn_pairs(open_dataset(tmp_path, "chair", "val"))
    assert (len(drawn.cross_inst_pairs), len(drawn.cross_pose_pairs), len(drawn.cross_view_pairs)) == (0, 0, 6)


# ---------------------------------------------------------------------- unlike objects, by hand


def in_a_row(places: list[float]) -> np.ndarray:
    """Extents that differ along one axis."""
    return np.array([[place, 0.5, 0.5] for place in places])


def test_a_quarter_of_the_others_are_partners_and_at_least_one() -> None:
    """The furthest ones, in the order of the objects, whatever is nearer to which."""
    places = [0.0, 0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.6, 0.4]
    assert [b for a, b in unlike_pairs(in_a_row(places), ["x"] * 9) if a == 0] == [1, 3]  # round(8 / 4)
    assert [b for a, b in unlike_pairs(in_a_row(places[:7]), ["x"] * 7) if a == 0] == [1, 3]  # round(6 / 4)
    assert [b for a, b in unlike_pairs(in_a_row(places[:6]), ["x"] * 6) if a == 0] == [1]  # round(5 / 4)
    assert [b for a, b in unlike_pairs(in_a_row(places[:2]), ["x"] * 2) if a == 0] == [1]  # round(1 / 4) is 0
    assert unlike_pairs(in_a_row(places[:1]), ["x"]) == []


def test_objects_that_are_as_far_away_to_four_digits_are_taken_in_their_order() -> None:
    assert unlike_pairs(in_a_row([0.0, 0.50001, 0.50004]), ["a", "b", "b"])[0] == (0, 1)
    assert unlike_pairs(in_a_row([0.0, 0.5001, 0.5003]), ["a", "b", "b"])[0] == (0, 2)
    assert unlike_pairs(in_a_row([0.5, 0.1, 0.9]), ["a", "b", "b"])[0] == (0, 1)  # on either side


def test_partners_are_of_other_families_even_where_one_of_the_own_is_further() -> None:
    assert unlike_pairs(in_a_row([0.0, 0.9, 0.1]), ["a", "a", "b"]) == [(0, 2), (1, 2), (2, 1)]


class Boxed(ObjectViews):
    """An object of known extents, with some number of views."""

    def __init__(self, name: str, width: float, views: int) -> None:
        super().__init__("03001627", name, Path("nowhere"))
        self.width, self.views = width, views

    def __len__(self) -> int:
        return self.views

    def cameras(self) -> Camera:
        raise NotImplementedError

    def picture(self, view: int) -> np.ndarray:
        raise NotImplementedError

    def part_points(self) -> tuple[np.ndarray, np.ndarray]:
        points = np.array([[-0.1, 0.2, 0.3], [self.width - 0.1, 0.4, 0.3], [0, 0.3, 0.3], [0, 0.25, 0.3]])
        return points, np.ones(4, np.int64)


def boxes(*objects: Boxed, families: dict[str, str] | None = None) -> Dataset:
    return Dataset(Path("nowhere"), "03001627", "val", objects, Split((), (), ()), families=families or {})


def test_unlike_objects_are_told_by_the_extents_of_their_points_in_the_order_of_their_names() -> None:
    """Named c, a, b: in order of name the widths are 0.2 (a), 0.9 (b) and 0.3 (c)."""
    objects = (Boxed("c", 0.3, 2), Boxed("a", 0.2, 2), Boxed("b", 0.9, 2))
    dataset = boxes(*objects, families={"a": "one", "b": "one", "c": "two", "d": "unused"})
    assert unlike_objects(dataset) == [(0, 2), (1, 2), (2, 1)]


def test_unlike_objects_need_every_family() -> None:
    objects = (Boxed("a", 0.3, 2), Boxed("b", 0.2, 2))
    assert unlike_objects(boxes(*objects)) is None
    assert unlike_objects(boxes(*objects, families={"a": "one"})) is None
    assert unlike_objects(boxes(*objects, families={"a": "one", "b": "one"})) == [(0, 1), (1, 0)]


# ---------------------------------------------------------------------- drawing


class FirstOnes(np.random.Generator):
    """Draws 0, 1, 2, ..., and notes down what it was asked for."""

    def __init__(self, stream: int, asked: list) -> None:
        super().__init__(np.random.PCG64(0))
        self.stream, self.asked = stream, asked

    def choice(self, a, size=None, replace=True, p=None, axis=0, shuffle=True):
        self.asked.append((self.stream, a, size, replace))
        return np.arange(size)


def test_every_pair_of_objects_and_views_can_be_drawn() -> None:
    """Two objects that may be paired one way, three views: 3 pairs of one view, 2 x 6 and 1 x 6 of two views."""
    asked: list = []
    split = with_pairs(Split(("t",), ("v",), ("a", "b")), 3, lambda stream: FirstOnes(stream, asked), [(1, 0)])
    assert asked == [(3, 3, 3, False), (4, 12, 12, False), (5, 6, 6, False)]
    assert split.cross_inst_pairs == tuple(Pair("b", view, "a", view) for view in (0, 1, 2))
    two = ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))
    assert split.cross_view_pairs == tuple(Pair(name, one, name, other) for name in "ab" for one, other in two)
    assert split.cross_pose_pairs == tuple(Pair("b", one, "a", other) for one, other in two)
    assert (split.train, split.val, split.test) == (("t",), ("v",), ("a", "b"))
    assert split.valid_flags_for_test == {"a": True, "b": True}


def test_any_two_objects_are_paired_where_nobody_says_which() -> None:
    split = with_pairs(Split((), (), ("a", "b", "c")), 1, lambda stream: FirstOnes(stream, []))
    names = [(pair.source_id, pair.target_id) for pair in split.cross_inst_pairs]
    assert names == [("a", "b"), ("a", "c"), ("b", "a"), ("b", "c"), ("c", "a"), ("c", "b")]
    assert split.cross_view_pairs == split.cross_pose_pairs == ()


def test_a_thousand_different_pairs_of_each_kind_are_drawn_at_most() -> None:
    names = tuple(f"{number:02d}" for number in range(21))
    split = with_pairs(Split((), (), names), 9, lambda stream: np.random.default_rng(stream))
    for pairs in (split.cross_inst_pairs, split.cross_view_pairs, split.cross_pose_pairs):  # of 3780, 1512 and 30240
        assert len(pairs) == len(set(pairs)) == 1000


def test_the_pairs_of_a_validation_split_are_those_that_were_always_drawn() -> None:
    """Recorded from ``default_rng([seed, stream]).choice``; object c has the fewest views, three. The order in which
    the objects are listed changes nothing."""
    objects = (Boxed("c", 0.3, 3), Boxed("a", 0.2, 5), Boxed("b", 0.9, 4))
    drawn = drawn_pairs(boxes(*objects))
    assert drawn == drawn_pairs(boxes(*objects[::-1]))
    assert (drawn.train, drawn.val, drawn.test) == ((), (), ("a", "b", "c"))
    inst = [(pair.source_id + pair.target_id, pair.source_view) for pair in drawn.cross_inst_pairs[:5]]
    assert inst == [("cb", 1), ("bc", 0), ("ac", 0), ("ac", 1), ("bc", 1)]
    views = [(pair.source_id, pair.source_view, pair.target_view) for pair in drawn.cross_view_pairs[:4]]
    assert views == [("b", 0, 1), ("a", 0, 2), ("c", 0, 1), ("b", 0, 2)]
    poses = [
        (pair.source_id + pair.target_id, pair.source_view, pair.target_view) for pair in drawn.cross_pose_pairs[:4]
    ]
    assert poses == [("ac", 2, 1), ("ba", 0, 1), ("bc", 2, 0), ("ba", 2, 1)]
    counts = [len(pairs) for pairs in (drawn.cross_inst_pairs, drawn.cross_view_pairs, drawn.cross_pose_pairs)]
    assert counts == [18, 18, 36]
    other = drawn_pairs(boxes(*objects), seed=1)
    assert set(other.cross_inst_pairs) == set(drawn.cross_inst_pairs)
    assert other.cross_inst_pairs != drawn.cross_inst_pairs
