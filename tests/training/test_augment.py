"""Pictures made to look like photographs."""

from __future__ import annotations

import numpy as np
import torch

from featurenerf.training.augment import faulty, framings, relit


def disc(size: int = 64) -> np.ndarray:
    """A grey disc of radius 20 in the middle, opaque."""
    y, x = np.mgrid[:size, :size] + 0.5 - size / 2
    picture = np.zeros((size, size, 4), np.uint8)
    picture[x**2 + y**2 < 400] = (100, 120, 140, 255)
    return picture


def test_light_is_the_same_for_all_pictures_of_an_object() -> None:
    pictures = np.stack([disc(), disc()[::-1, :, :]])
    lit = relit(pictures, np.random.default_rng(0))
    assert (lit[..., 3] == pictures[..., 3]).all()
    inside = pictures[..., 3] > 0
    assert len(np.unique(lit[inside][:, :3], axis=0)) == 1
    assert np.abs(lit[inside][0, :3].astype(int) - (100, 120, 140)).max() > 5
    assert (lit[~inside] == 0).all()


def test_lights_differ_and_are_unbiased() -> None:
    rng = np.random.default_rng(0)
    greys = np.array([relit(disc()[None], rng)[0, 32, 32, :3].mean() for _ in range(300)])
    assert 20 < greys.std() < 60
    assert 105 < np.median(greys) < 135  # the grey itself is 120


def test_masks_are_off_by_little_and_some_pictures_have_no_fault() -> None:
    rng = np.random.default_rng(0)
    found = [faulty(disc(), rng) for _ in range(200)]
    assert all(picture.shape == (64, 64, 4) and picture.dtype == np.uint8 for picture in found)
    true = disc()[..., 3] > 127
    overlaps = np.array([((p[..., 3] > 127) & true).sum() / ((p[..., 3] > 127) | true).sum() for p in found])
    assert overlaps.min() > 0.7
    assert 0.65 < (overlaps == 1).mean() < 0.88  # 0.5 + 0.5 * 0.6 * (0.7 + what of pieces falls inside)
    assert 0.05 < np.mean([(p == disc()).all() for p in found]) < 0.2  # 0.5 * 0.6 ** 3 = 0.11
    ring = disc()
    y, x = np.mgrid[:64, :64] + 0.5 - 32
    outside = (x**2 + y**2 > 420) & (x**2 + y**2 < 600)
    left_over = [p[outside & (p[..., 3] > 127)] for p in found]
    assert any(len(pixels) and pixels[:, :3].max() > 60 for pixels in left_over)  # of the ground, in masks too large
    assert (ring == disc()).all()  # the picture given is left as it is


def test_half_of_the_pictures_are_framed_as_they_should() -> None:
    drawn = framings(1000, np.random.default_rng(0))
    assert drawn.shape == (1000, 4)
    assert drawn.dtype == torch.float32
    still = (drawn == 0).all(1)
    assert 0.45 < still.float().mean() < 0.55
    torch.testing.assert_close(drawn[~still].std(0), torch.tensor([0.1, 0.1, 0.03, 0.03]), rtol=0.1, atol=0)
    assert drawn.abs().max() <= 0.3
