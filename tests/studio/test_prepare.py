from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from box_picture import box_picture
from featurenerf.errors import InputError
from featurenerf.studio.prepare import prepare


def outline(alpha: torch.Tensor) -> tuple[float, float, float]:
    """Diagonal and centre (x, y) of the box around what is opaque, in units of the picture's side."""
    rows, columns = (alpha > 0.5).any(1).nonzero()[:, 0], (alpha > 0.5).any(0).nonzero()[:, 0]
    low, high = np.array([columns[0], rows[0]]), np.array([columns[-1], rows[-1]]) + 1
    return float(np.linalg.norm(high - low)) / len(alpha), *((low + high) / 2 / len(alpha))


@pytest.mark.parametrize(
    ("shape", "box", "expected"),
    [
        ((300, 400), (100, 220, 40, 330), 0.8344),  # shrunk
        ((40, 60), (10, 30, 20, 35), 0.86),  # enlarged
        ((500, 200), (0, 500, 0, 200), 0.86),  # touches every border
        ((128, 128), (100, 128, 90, 128), 0.7313),  # in a corner
    ],
)
def test_prepare_scales_and_centres(shape: tuple[int, int], box: tuple[int, int, int, int], expected: float) -> None:
    picture = box_picture(*shape, box)
    ready = prepare(picture, picture[3])
    assert ready.shape == (4, 128, 128)
    diagonal, x, y = outline(ready[3])
    assert diagonal == pytest.approx(expected, abs=0.02)
    assert (x, y) == pytest.approx((0.5, 0.54), abs=0.01)
    seen = ready[:3, ready[3] > 0.99]
    share = ((seen > 0.9).float().mean(1)).numpy()
    assert share[:2] == pytest.approx([0.5, 0.5], abs=0.07)  # the quarters are where they were
    assert ready[0, 58, 64] > 0.9 > 0.1 > ready[0, 78, 64]


def test_prepare_changes_a_prepared_picture_little() -> None:
    wide = box_picture(300, 400, (100, 220, 40, 330))
    assert outline(prepare(wide, outline=0.6)[3])[0] == pytest.approx(0.6, abs=0.02)
    once = prepare(box_picture(300, 400, (100, 220, 40, 330)))
    twice = prepare(once)
    assert (once[3] - twice[3]).abs().mean() < 0.01


def test_prepare_shrinks_without_aliasing() -> None:
    picture = torch.ones(4, 1024, 1024)
    picture[:3, ::2] = 0  # stripes of one pixel
    ready = prepare(picture, picture[3])
    inside = ready[:3, ready[3] > 0.999]
    assert (inside - 0.5).abs().max() < 0.1


def test_prepare_takes_masks_of_any_kind(tmp_path: Path) -> None:
    picture = box_picture(60, 80, (20, 50, 10, 60))
    expected = prepare(picture)
    mask = picture[3]
    drawn = Image.fromarray((mask.numpy() * 255).astype(np.uint8))
    drawn.save(tmp_path / "mask.png")
    for kind in (mask, mask > 0, mask.numpy(), (mask.numpy() * 255).astype(np.uint8), drawn, tmp_path / "mask.png"):
        assert torch.allclose(prepare(picture[:3], kind), expected, atol=1e-5)
    with pytest.raises(InputError, match=r"mask must be \(60, 80\)"):
        prepare(picture[:3], mask[:-1])


def test_prepare_finds_an_object_on_plain_ground() -> None:
    picture = torch.full((3, 100, 100), 0.9)
    picture[:, 30:60, 20:80] = torch.tensor([0.1, 0.4, 0.2])[:, None, None]
    diagonal, _, _ = outline(prepare(picture)[3])
    assert diagonal == pytest.approx(0.81, abs=0.03)  # twice as wide as high


def test_pictures_without_an_object_get_a_sentence(tmp_path: Path) -> None:
    Image.new("RGBA", (50, 50)).save(tmp_path / "empty.png")
    with pytest.raises(InputError, match=r"no object was found in .*empty\.png"):
        prepare(tmp_path / "empty.png")
    Image.new("RGB", (50, 50), (200, 100, 0)).save(tmp_path / "plain.png")
    with pytest.raises(InputError, match=r"no object was found in .*plain\.png"):
        prepare(tmp_path / "plain.png")
    with pytest.raises(InputError, match="3 x 2 pixels"):
        prepare(box_picture(50, 50, (10, 12, 10, 13)))


def test_large_pictures_work(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    picture = Image.new("RGB", (8700, 5800), "white")  # 50 megapixels
    picture.paste((180, 20, 20), (2000, 2000, 6000, 4000))
    picture.save(path, compress_level=0)
    diagonal, _, _ = outline(prepare(path)[3])
    assert diagonal == pytest.approx(0.81, abs=0.02)
