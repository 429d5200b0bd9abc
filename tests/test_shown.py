"""What pictures show by themselves, and how much it counts beside descriptors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from featurenerf import Camera, transfer_keypoints, transfer_parts
from featurenerf.cameras import DISTANCE, FAR, FOV, NEAR
from featurenerf.fields.pose import FoundCamera
from featurenerf.models.warp import Canonical, canonicalise
from featurenerf.shown import PictureCamera, Seen, Shown, remembering, seen_by, share
from test_matching import Painted

SIDE = 16


def features() -> Tensor:
    """Of each cell its own vector, unlike all others."""
    return torch.eye(SIDE * SIDE).unflatten(0, (SIDE, SIDE)).movedim(-1, 0)


def taken(maps: Tensor, azimuth: float = 0.0, outline: Tensor | None = None) -> Seen:
    camera = Camera.look_at(azimuth, width=SIDE, height=SIDE)
    return Seen(Shown(camera, torch.ones(SIDE, SIDE) if outline is None else outline, maps), camera)


def test_pictures_of_one_side_count_half() -> None:
    assert share(taken(features()), taken(features(), 30.0)) == pytest.approx(0.5)


def test_pictures_whose_matches_move_count_little() -> None:
    """Turned over, a cell moves by half a box on average."""
    assert share(taken(features()), taken(features().flip(-1))) == pytest.approx(0.05)


def test_in_between_the_share_falls_linearly() -> None:
    """From a mean move of 0.2 to one of 0.3."""
    rolled = features().roll(1, -1)  # 15 of 16 cells by 1 / 16, one by 15 / 16: 0.1171875 on average
    assert share(taken(features()), taken(rolled)) == pytest.approx(0.5)
    rolled = features().roll(2, -1)  # 14 of 16 by 2 / 16, two by 14 / 16: 0.21875
    assert share(taken(features()), taken(rolled)) == pytest.approx(0.5 - 0.45 * 0.1875)


@pytest.mark.parametrize(
    ("found", "azimuth", "expected"),
    [
        *((False, 45, 0.5), (False, -60, 0.25), (False, 75, 0), (False, 180, 0)),
        *((True, 110, 0.5), (True, -125, 0.25), (True, 140, 0), (True, 180, 0)),
    ],
)
def test_a_front_is_no_back(found: bool, azimuth: float, expected: float) -> None:
    """However alike: cameras tell. At no height they turn by their azimuths; of found ones, less is believed."""
    one, other = (Camera.look_at(a, 0.0, SIDE, SIDE) for a in (0.0, azimuth))
    shown = taken(features()).shown
    assert share(Seen(shown, one), Seen(shown, other, found)) == pytest.approx(expected, abs=1e-4)


def test_a_picture_without_an_object_is_like_no_other() -> None:
    empty = taken(features(), outline=torch.zeros(SIDE, SIDE))
    assert share(empty, taken(features())) == pytest.approx(0.05)


def test_the_object_is_what_the_outline_covers_for_any_camera_at_the_place() -> None:
    outline = torch.zeros(SIDE, SIDE)
    outline[4:8, 2:12] = 1.0
    seen = taken(features(), outline=outline)
    assert torch.equal(covered(seen), outline > 0)
    larger = covered(Seen(seen.shown, seen.camera.resize(2 * SIDE, 2 * SIDE)))
    assert torch.equal(larger[9:15, 5:23], torch.ones(6, 18, dtype=torch.bool))
    assert not larger[:7].any()
    wide = Camera.look_at(width=SIDE, height=SIDE, fov=120.0)
    outline = torch.ones(SIDE, SIDE)
    outline[:4] = 0.0
    nearly_everything = covered(Seen(taken(features(), outline=outline).shown, wide))
    assert nearly_everything[8, 8]
    assert not nearly_everything[0].any()  # outside of the picture


def covered(seen: Seen) -> Tensor:
    found = seen.covered()
    assert found is not None
    return found


@pytest.mark.parametrize("size", [(64, 64), (128, 64), (64, 128)])
@pytest.mark.parametrize("distance", [1.1, 1.3, 2.0])
def test_a_picture_without_transparency_does_not_say_where_its_object_is(
    size: tuple[int, int], distance: float
) -> None:
    """Whether it is larger than what the network sees of it, or smaller: then there is nothing around it."""
    camera = Camera.look_at(0, 20, *size, distance=distance)
    opaque, target = torch.ones(1, 1, 4, size[1], size[0]), Canonical(64, FOV, DISTANCE, NEAR, FAR)
    warped, seen_as = canonicalise(opaque[0], camera.reshape(1), target)
    shown = Shown(seen_as.reshape(), warped[0, 3], features())
    assert Seen(shown, camera).covered() is None
    half = torch.cat([opaque[0][..., : size[0] // 2], torch.zeros(1, 4, size[1], size[0] - size[0] // 2)], -1)
    shown = Shown(seen_as.reshape(), canonicalise(half, camera.reshape(1), target)[0][0, 3], features())
    assert Seen(shown, camera).covered() is not None


def test_features_are_told_from_their_mean() -> None:
    constant = features() + 5.0
    vectors = taken(constant).vectors(torch.tensor([[3, 2], [3, 2], [9, 2]]))
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    assert vectors[0] @ vectors[1] == pytest.approx(1.0)
    assert vectors[0] @ vectors[2] == pytest.approx(-1 / (SIDE**2 - 1), abs=1e-4)


def test_only_the_camera_that_took_it_knows_a_picture() -> None:
    shown = taken(features()).shown
    own = remembering(shown.camera, shown)
    assert isinstance(own, PictureCamera)
    seen = seen_by(own, Camera.look_at(width=5, height=4))
    assert seen is not None
    assert (seen.camera.width, seen.camera.height) == (5, 4)
    assert seen_by(own, Camera.look_at(1.0)) is None
    assert seen_by(shown.camera, shown.camera) is None
    assert seen_by(remembering(own, None), own) is None
    found = FoundCamera(own.pose, own.focal, own.principal, SIDE, SIDE)
    known = remembering(found, shown)
    assert isinstance(known, FoundCamera)
    assert [of.found for of in (seen_by(known, known), seen) if of] == [True, False]


def test_matching_goes_by_what_pictures_show() -> None:
    """Descriptors that are all alike leave it to features, and candidates are what the outline covers."""
    codes = torch.ones(SIDE, SIDE, dtype=torch.int64)
    outline = torch.ones(SIDE, SIDE)
    outline[0] = 0.0
    one, other = (
        Painted(remembering(seen.camera.reshape(1), seen.shown), codes)
        for seen in (taken(features()), taken(features(), outline=outline))
    )
    marks = torch.tensor([[4.5, 9.5], [12.5, 3.5]])
    assert transfer_keypoints(one, other, marks)[0].tolist() == marks.tolist()
    alone, score = transfer_keypoints(one, other, marks, use_pictures=False)
    assert alone.tolist() == [[0.5, 0.5]] * 2  # all alike: the first
    assert score.tolist() == [1.0, 1.0]
    elsewhere = Camera.look_at(5.0, width=SIDE, height=SIDE)
    assert transfer_keypoints(one, other, marks, target_camera=elsewhere)[0].tolist() == [[0.5, 0.5]] * 2
    labels = torch.arange(SIDE).expand(SIDE, SIDE) // 4 + 1
    carried = transfer_parts(one, other, labels)
    assert torch.equal(carried[1:], labels[1:])
    assert not carried[0].any()
    assert set(transfer_parts(one, other, labels, use_pictures=False).unique().tolist()) == {1}
