"""Which objects and views are paired."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from featurenerf.data import layout
from featurenerf.data.make import make_dataset
from featurenerf.data.pairs import drawn_pairs, unlike_pairs
from featurenerf.data.views import open_dataset
from featurenerf.errors import InputError

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
    families = layout.read_json(tmp_path / "made" / "03001627.json")["families"]
    for pair in (*drawn.cross_inst_pairs, *drawn.cross_pose_pairs):
        assert families[pair.src] != families[pair.trg]
        assert {pair.src, pair.trg} <= names
    assert all(pair.src_view != pair.trg_view for pair in (*drawn.cross_pose_pairs, *drawn.cross_view_pairs))
    assert {pair.model_id for pair in drawn.cross_view_pairs} == names

    any_two = {(a, b) for a in names for b in names if a != b}
    made = tmp_path / "made" / "03001627.json"
    for content in ({}, {"families": {"another": "stool"}}):
        layout.write_json(made, content)
        assert {(pair.src, pair.trg) for pair in drawn_pairs(dataset).cross_inst_pairs} == any_two
    made.unlink()
    assert {(pair.src, pair.trg) for pair in drawn_pairs(dataset).cross_inst_pairs} == any_two
    made.write_text("[]")
    with pytest.raises(InputError, match="does not say what made the data"):
        drawn_pairs(dataset)


def test_a_single_object_has_pairs_of_views_alone(tmp_path: Path) -> None:
    make_dataset(tmp_path, "chair", objects=8, views=3, size=16, workers=1, progress=False)
    drawn = drawn_pairs(open_dataset(tmp_path, "chair", "val"))
    assert (len(drawn.cross_inst_pairs), len(drawn.cross_pose_pairs), len(drawn.cross_view_pairs)) == (0, 0, 6)
