"""What a training step draws: of the right pixels, and decided by seed and step alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.data.formats.release import ReleaseObject
from featurenerf.data.objects import Dataset
from featurenerf.data.open import open_dataset
from featurenerf.synthesis.make import make_dataset
from featurenerf.training.batches import Batch, Drawing, batches, make_batch, to_device
from featurenerf.training.config import Budget
from featurenerf.training.hull import visual_hull
from pictured_object import PicturedObject, rgba

BUDGET = Budget(steps=1, objects=2, source_views=2, target_views=3, rays=60, views=4, hull_points=40)


def assert_same(one: Batch, two: Batch) -> None:
    for field in fields(Batch):
        a, b = getattr(one, field.name), getattr(two, field.name)
        if isinstance(a, Camera):
            a, b = a.pose, b.pose
        assert np.array_equal(np.asarray(a), np.asarray(b)), field.name


def test_a_batch_depends_on_seed_and_step_alone(objects: Dataset) -> None:
    one = list(islice(batches(objects, Drawing(BUDGET), seed=4, start=0, workers=1), 4))
    three = list(islice(batches(objects, Drawing(BUDGET), seed=4, start=2, workers=3), 2))
    assert_same(one[2], three[0])
    assert_same(one[3], three[1])
    other = next(batches(objects, Drawing(BUDGET), seed=5, start=2, workers=1))
    assert not torch.equal(other.xy, one[2].xy)
    assert not torch.equal(one[1].xy, one[2].xy)


def test_categories_take_turns(objects: Dataset, tmp_path: Path) -> None:
    make_dataset(tmp_path, "car", objects=6, views=4, seed=0, size=64, workers=1, progress=False)
    mixed = [*objects, *open_dataset(tmp_path, "car", "train")]
    drawn = [
        [{mixed[number].synset for number in batch.views[:, 0, 0]} for batch in islice(stream, 9)]
        for stream in (
            batches(mixed, Drawing(BUDGET), seed=0, start=0, workers=1, process=process) for process in (0, 1)
        )
    ]
    assert all(len(synsets) == 1 for synsets in drawn[0])
    assert drawn[0][1:] == drawn[1][:-1]  # the second process is one ahead
    counts = Counter(synset for synsets in drawn[0] for synset in synsets)
    assert len(counts) == 2
    for synset, count in counts.items():
        assert count == pytest.approx(9 * sum(views.synset == synset for views in mixed) / len(mixed), abs=1)


def test_shapes(objects: Dataset) -> None:
    batch = make_batch(objects, Drawing(BUDGET), np.random.default_rng(0))
    assert batch.pictures.shape == (2, 2, 4, 64, 64)
    assert batch.cameras.batch_shape == (2, 2)
    assert batch.targets.shape == (2, 3, 64, 64, 4)
    assert batch.xy.shape == (2, 60, 2)
    assert batch.view_index.flatten().bincount().tolist() == [40, 40, 40]
    assert batch.views.shape == (2, 3, 2)
    assert batch.hull_points.shape == (2, 40, 3)
    assert batch.in_hull.shape == (2, 40)
    assert to_device(batch, torch.device("cpu")).views is batch.views


def test_fewer_objects_and_views_than_asked_for(objects: Dataset) -> None:
    greedy = replace(BUDGET, objects=5, target_views=6, views=50)
    batch = make_batch(objects[:2], Drawing(greedy), np.random.default_rng(0))
    assert batch.targets.shape[:2] == (5, 6)
    assert batch.views[..., 1].max() <= 3


def test_only_the_first_views_are_used(objects: Dataset) -> None:
    for step in range(8):
        batch = make_batch(objects, Drawing(replace(BUDGET, target_views=2, views=2)), np.random.default_rng(step))
        assert batch.views[..., 1].max() <= 1


def test_rays_have_the_colours_of_their_pixels(objects: Dataset) -> None:
    batch = make_batch(objects, Drawing(BUDGET), np.random.default_rng(1))
    for o in range(2):
        for r in range(60):
            x, y = batch.xy[o, r].long().tolist()
            number, view = batch.views[o, batch.view_index[o, r]]
            r_, g_, b_, a_ = objects[int(number)].picture(int(view))[y, x] / 255.0
            assert batch.alpha[o, r].item() == pytest.approx(a_, abs=1e-6)
            assert batch.rgb[o, r].tolist() == pytest.approx([r_ * a_, g_ * a_, b_ * a_], abs=1e-6)


def test_rays_meet_the_points_that_their_pixels_show(objects: Dataset) -> None:
    """Surface points of the object project to the pixels of rays that pass by them."""
    batch = make_batch(objects, Drawing(replace(BUDGET, rays=300)), np.random.default_rng(2))
    for o in range(2):
        for r in range(0, 300, 7):
            number, view = batch.views[o, batch.view_index[o, r]]
            camera = objects[int(number)].camera(int(view))
            along = batch.origins[o, r] + 1.1 * batch.directions[o, r]
            assert torch.allclose(camera.project(along[None])[0][0], batch.xy[o, r], atol=1e-3)
            assert torch.allclose(batch.origins[o, r], camera.centre, atol=1e-5)
    solid = batch.alpha[..., 0] == 1
    points = torch.stack([torch.from_numpy(objects[int(v[0, 0])].part_points()[0]) for v in batch.views])  # (o, n, 3)
    for o in range(2):
        away = points[o] - batch.origins[o, solid[o]][:, None]  # (r, n, 3)
        off = torch.linalg.cross(away, batch.directions[o, solid[o]][:, None].expand_as(away)).norm(dim=-1).amin(1)
        assert off.quantile(0.9) < 0.02


def test_the_authors_pixels_start_at_whole_numbers(objects: Dataset) -> None:
    ours = make_batch(objects, Drawing(BUDGET), np.random.default_rng(3))
    theirs = make_batch(objects, Drawing(BUDGET, 0.0), np.random.default_rng(3))
    assert torch.equal(theirs.xy, ours.xy - 0.5)
    assert torch.equal(theirs.rgb, ours.rgb)
    assert not torch.allclose(theirs.directions, ours.directions, atol=1e-4)


def test_half_of_the_rays_hit_the_object(objects: Dataset) -> None:
    batch = make_batch(objects, Drawing(replace(BUDGET, rays=600)), np.random.default_rng(4))
    hits = (batch.alpha > 0.5).float().mean().item()
    assert 0.5 <= hits < 0.95
    assert (batch.alpha == 0).any()


def test_an_empty_picture_still_gives_rays(objects: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReleaseObject, "picture", lambda self, view: np.zeros((64, 64, 4), np.uint8))
    empty = [ReleaseObject(views.source, views.synset, views.id) for views in objects]
    batch = make_batch(empty, Drawing(BUDGET), np.random.default_rng(0))
    assert batch.alpha.sum() == 0
    assert batch.places.isfinite().all()
    assert batch.met.sum() == 0
    assert batch.in_hull.sum() == 0


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_the_hull_holds_the_object(data: Path, split: str) -> None:
    for views in open_dataset(data, "chair", split):
        points = torch.from_numpy(views.part_points()[0])
        low, high = points.amin(0), points.amax(0)
        hull = visual_hull(views, 4)
        centre, size = hull.box
        assert (centre - size / 2 < low + 0.04).all()
        assert (centre + size / 2 > high - 0.04).all()
        assert overlap(hull.box, torch.stack([(low + high) / 2, high - low])) > 0.35  # of four views
        assert ((centre - (low + high) / 2).abs() < 0.2).all()
        cells = ((points + 0.5) * 48).long().clamp(0, 47)
        numbers = (cells[:, 0] * 48 + cells[:, 1]) * 48 + cells[:, 2]
        assert np.isin(numbers, np.concatenate([hull.inside, hull.edge])).mean() > 0.98
        everything = np.concatenate([hull.inside, hull.edge, hull.outside])
        assert len(np.unique(everything)) == len(everything)


def test_hull_points_lie_where_they_say(objects: Dataset) -> None:
    """A point that counts as inside is on the object in every picture, give or take a cell."""
    views = objects[0]
    points, inside = visual_hull(views, 4).draw(400, np.random.default_rng(0))
    assert inside.sum() == 200
    assert points.norm(dim=-1).max() < 0.5 + 1 / 48
    on = torch.ones(400, dtype=torch.bool)
    for view in range(4):
        alpha = torch.from_numpy(views.picture(view)[..., 3].astype(np.float32))
        near = torch.nn.functional.max_pool2d(alpha[None], 5, 1, 2)[0]  # a cell is 1.2 pixels of these pictures
        x, y = views.camera(view).project(points)[0].long().clamp(0, 63).unbind(-1)
        on &= near[y, x] > 0
    assert on[inside > 0].all()
    assert on[inside == 0].float().mean() < 0.6


def overlap(one: Tensor, two: Tensor) -> float:
    """Intersection over union of boxes given by centre and size."""
    low = torch.maximum(one[0] - one[1] / 2, two[0] - two[1] / 2)
    high = torch.minimum(one[0] + one[1] / 2, two[0] + two[1] / 2)
    shared = (high - low).clamp(min=0).prod()
    return float(shared / (one[1].prod() + two[1].prod() - shared))


# ---------------------------------------------------------------------- pictures of a few pixels


def one_pixel(x: int, y: int) -> np.ndarray:
    """A picture of 40 by 24 pixels, of which one is of the object; it is just opaque enough, and another one is not."""
    picture = rgba(40, 24)
    picture[y, x, 3] = 128
    picture[23 - y, 39 - x, 3] = 127
    return picture


def pixels_of(picture: np.ndarray) -> np.ndarray:
    """Pixels (x, y) of 5000 rays drawn from a picture."""
    budget = Budget(steps=1, objects=1, source_views=1, target_views=1, rays=5000, views=1, hull_points=0)
    batch = make_batch([PicturedObject([picture])], Drawing(budget, 0.0), np.random.default_rng(0))
    assert torch.equal(batch.xy, batch.xy.floor())
    return batch.xy[0].numpy().astype(int)


def test_half_of_the_rays_hit_two_fifths_fall_near_and_a_tenth_anywhere() -> None:
    xy = pixels_of(one_pixel(20, 9))
    hits = (xy == (20, 9)).all(-1)
    near = (abs(xy - (20, 9)) <= 3).all(-1)  # the bounding box and three pixels around it
    assert 2500 <= hits.sum() < 2600  # besides those of the others that fall there
    assert 4500 <= near.sum() < 4550
    around = xy[near & ~hits]
    assert around.min(0).tolist() == [17, 6]
    assert around.max(0).tolist() == [23, 12]
    assert xy.min(0).tolist() == [0, 0]
    assert xy.max(0).tolist() == [39, 23]
    for start in range(0, 5000, 500):  # whichever rays are taken, there are some of each kind
        assert 180 < hits[start : start + 500].sum() < 330


@pytest.mark.parametrize(("x", "y", "low", "high"), [(1, 2, [0, 0], [4, 5]), (37, 22, [34, 19], [39, 23])])
def test_the_box_around_an_object_ends_with_the_picture(x: int, y: int, low: list[int], high: list[int]) -> None:
    xy = pixels_of(one_pixel(x, y))
    assert xy.min() >= 0
    assert (xy <= (39, 23)).all()
    within = ((xy >= low) & (xy <= high)).all(-1)
    assert 4500 <= within.sum() < 4550
    often = np.unique(xy[:, 0], return_counts=True)[1] > 200, np.unique(xy[:, 1], return_counts=True)[1] > 200
    assert [(np.flatnonzero(some)[0], np.flatnonzero(some)[-1]) for some in often] == [*zip(low, high, strict=True)]


def test_each_pixel_of_an_object_is_hit_as_often() -> None:
    picture = one_pixel(20, 9)
    picture[9, 30, 3] = picture[15, 20, 3] = 255
    xy = pixels_of(picture)
    for pixel in ((20, 9), (30, 9), (20, 15)):
        assert 700 < (xy == pixel).all(-1).sum() < 1000  # a third of 2500, and a few


def test_rays_of_a_picture_without_an_object_fall_anywhere() -> None:
    xy = pixels_of(rgba(40, 24))
    for axis, size in enumerate((40, 24)):
        counts = np.bincount(xy[:, axis], minlength=size)
        assert len(counts) == size
        assert counts.min() > 0.7 * 5000 / size
        assert counts.max() < 1.3 * 5000 / size


def test_rays_are_spread_evenly_over_the_views() -> None:
    views = PicturedObject([rgba(8, 8, (9, 9, 9), 255)] * 2)
    budget = Budget(steps=1, objects=1, source_views=1, target_views=2, rays=5, views=2, hull_points=0)
    batch = make_batch([views], Drawing(budget), np.random.default_rng(0))
    assert batch.view_index.tolist() == [[0, 0, 0, 1, 1]]


def test_fields_are_encoded_from_the_first_views_that_were_drawn() -> None:
    """On black, with their cameras; also rays are of the colours on black, and of the views' own cameras."""
    pictures = [rgba(8, 6, (51, 102, 255), 51 * number) for number in range(1, 6)]
    views = PicturedObject(pictures)
    budget = Budget(steps=1, objects=1, source_views=2, target_views=4, rays=32, views=5, hull_points=0)
    batch = make_batch([views], Drawing(budget), np.random.default_rng(1))
    drawn = batch.views[0, :, 1].tolist()
    assert len(set(drawn)) == 4
    for number in range(2):
        opacity = 0.2 * (drawn[number] + 1)
        colours = batch.pictures[0, number].flatten(1)
        assert torch.allclose(colours, torch.tensor([[0.2], [0.4], [1.0], [1.0]]) * opacity, atol=1e-6)
        assert torch.equal(batch.cameras.pose[0, number], views.camera(drawn[number]).pose)
    assert np.array_equal(batch.targets[0].numpy(), np.stack([pictures[view] for view in drawn]))
    opacity = 0.2 * (torch.tensor(drawn)[batch.view_index[0]] + 1)
    assert torch.allclose(batch.alpha[0, :, 0], opacity)
    assert torch.allclose(batch.rgb[0], torch.tensor([0.2, 0.4, 1.0]) * opacity.unsqueeze(1))
    assert torch.equal(batch.origins[0], views.cameras().centre[torch.tensor(drawn)][batch.view_index[0]])
    assert (batch.xy % 1 == 0.5).all()


def test_objects_and_views_are_drawn_once_where_there_are_enough() -> None:
    objects = [PicturedObject([rgba(8, 8, (9, 9, 9), 255)] * 3, name=str(number)) for number in range(3)]
    budget = Budget(steps=1, objects=3, source_views=1, target_views=3, rays=4, views=3, hull_points=0)
    for seed in range(4):
        batch = make_batch(objects, Drawing(budget), np.random.default_rng(seed))
        assert sorted(batch.views[:, 0, 0].tolist()) == [0, 1, 2]
        assert all(sorted(views[:, 1].tolist()) == [0, 1, 2] for views in batch.views)


def test_pictures_of_views_that_do_not_count_are_not_read() -> None:
    views = PicturedObject([rgba(8, 8, (9, 9, 9), 255)] * 5)
    budget = Budget(steps=1, objects=1, source_views=1, target_views=2, rays=4, views=3, hull_points=0)
    for seed in range(4):
        make_batch([views], Drawing(budget), np.random.default_rng(seed))
    assert set(views.asked) == {0, 1, 2}  # also for the visual hull


def test_a_batch_is_of_the_category_that_is_said() -> None:
    objects = [PicturedObject([rgba(8, 8, (9, 9, 9), 255)], synset=synset) for synset in ("cup", "hat", "cup")]
    budget = Budget(steps=1, objects=2, source_views=1, target_views=1, rays=4, views=1, hull_points=0)
    for seed in range(4):
        hats = make_batch(objects, Drawing(budget), np.random.default_rng(seed), synset="hat")
        assert hats.views[:, 0, 0].tolist() == [1, 1]
        cups = make_batch(objects, Drawing(budget), np.random.default_rng(seed), synset="cup")
        assert sorted(cups.views[:, 0, 0].tolist()) == [0, 2]
    anything = [make_batch(objects, Drawing(budget), np.random.default_rng(seed)).views[:, 0, 0] for seed in range(10)]
    assert set(np.concatenate(anything).tolist()) == {0, 1, 2}


def test_rays_meet_the_hull_where_they_enter_it() -> None:
    """Opaque pictures leave the scene's sphere: its box is the cube, and rays through it come in at its surface."""
    views = PicturedObject([rgba(16, 16, (9, 9, 9), 255)] * 3)
    budget = Budget(steps=1, objects=1, source_views=1, target_views=3, rays=300, views=3, hull_points=0)
    batch = make_batch([views], Drawing(budget), np.random.default_rng(0))
    nearest = -(batch.origins * batch.directions).sum(-1, keepdim=True)
    off = (batch.origins + nearest * batch.directions).norm(dim=-1)[0]
    met = batch.met[0, :, 0]
    assert met[off < 0.4].all()
    assert not met[off > 0.52].any()
    places = batch.places[0, off < 0.4]
    assert places.shape[1] == 27
    assert (places[:, :3].norm(dim=-1) - 0.5).abs().max() < 0.04
    toward = (places[:, :3] * batch.directions[0, off < 0.4]).sum(-1)
    assert (toward < 0).all()


def test_points_of_the_scene_are_drawn_in_the_hull_and_around_it() -> None:
    """A picture whose left half is of the object: from +x that is where y is negative."""
    picture = rgba(16, 16, (9, 9, 9), 255)
    picture[:, 8:] = 0
    budget = Budget(steps=1, objects=1, source_views=1, target_views=1, rays=4, views=1, hull_points=40)
    batch = make_batch([PicturedObject([picture])], Drawing(budget), np.random.default_rng(0))
    assert batch.in_hull.tolist() == [[1.0] * 20 + [0.0] * 20]
    assert (batch.hull_points[0, :20, 1] < 0).all()
    assert (batch.hull_points[0, 20:, 1] > 0).all()


def test_categories_follow_the_golden_section() -> None:
    """Step after step the place in the list is 0.618 of it further on, round and round."""
    objects = [PicturedObject([rgba(8, 8, (9, 9, 9), 255)], synset=synset) for synset in ("cup", "hat", "pen")]
    budget = Budget(steps=1, objects=1, source_views=1, target_views=1, rays=4, views=1, hull_points=0)

    def taken(count: int, **where: int) -> list[int]:
        drawn = list(islice(batches(objects, Drawing(budget), seed=0, workers=0, **where), count))
        assert all((batch.xy % 1 == 0.5).all() for batch in drawn)
        return [int(batch.views[0, 0, 0]) for batch in drawn]

    assert taken(9, start=0) == [0, 1, 0, 2, 1, 0, 2, 0, 2]
    assert taken(4, start=3, process=1) == [1, 0, 2, 0]


def test_photographic_batches_change_sources_alone(objects: Dataset) -> None:
    """What rays should be is of the clean pictures, under the same light; teacher pictures are the data's own."""
    plain = make_batch(objects, Drawing(BUDGET), np.random.default_rng(0))
    assert plain.framing is None
    batch = make_batch(objects, Drawing(BUDGET, photographic=True), np.random.default_rng(0))
    assert batch.framing is not None
    assert batch.framing.shape == (2, 2, 4)
    assert (batch.pictures - plain.pictures).abs().max() > 0.05
    first = objects[int(batch.views[0, 0, 0])]
    given = torch.from_numpy(first.picture(int(batch.views[0, 0, 1])))
    assert torch.equal(batch.targets[0, 0], given)
    on_object = batch.alpha[0, :, 0] == 1
    clean = torch.stack([torch.from_numpy(first.picture(int(v))) for v in batch.views[0, :, 1]]).float() / 255
    column, row = batch.xy[0].long().unbind(-1)
    own = clean[batch.view_index[0], row, column]
    assert torch.equal(own[:, 3], batch.alpha[0, :, 0])
    assert (own[on_object, :3] - batch.rgb[0, on_object]).abs().mean() > 0.01
