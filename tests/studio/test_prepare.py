from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from box_picture import box_picture
from featurenerf import masks
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


# ---------------------------------------------------------------------- masks that somebody made

DRAWN = np.zeros((12, 16), np.uint8)
DRAWN[3:9, 4:14] = 1
"""A box: rows 3 to 8, columns 4 to 13."""


def in_palette(colours: list[int], values: np.ndarray = DRAWN) -> Image.Image:
    image = Image.new("P", values.shape[::-1])
    image.putdata(values.ravel().tolist())
    image.putpalette(colours)
    return image


def with_alpha(mode: str, colour: tuple[int, ...]) -> Image.Image:
    image = Image.new(mode, (16, 12), colour)
    image.putalpha(Image.fromarray(DRAWN * 255))
    return image


WAYS = {
    "truth values": DRAWN > 0,
    "0 and 1": DRAWN,
    "0 and 1 of 64 bits": DRAWN.astype(np.int64),
    "0 and 255": DRAWN * 255,
    "0 and 65535": DRAWN.astype(np.uint16) * 65535,
    "0.0 and 1.0": DRAWN.astype(np.float64),
    "0.0 and 255.0": DRAWN * 255.0,
    "a tensor of 0 and 1": torch.from_numpy(DRAWN),
    "a half tensor": torch.from_numpy(DRAWN).half(),
    "one channel first": DRAWN[None],
    "one channel last": DRAWN[..., None],
    "colours": DRAWN[..., None] * np.array([255, 255, 255], np.uint8),
    "red": DRAWN[..., None] * np.array([200, 0, 0], np.uint8),
    "a picture's tensor": torch.from_numpy(DRAWN).float().expand(3, -1, -1),
    "alpha of an array": np.concatenate([np.full((12, 16, 3), 255, np.uint8), DRAWN[..., None] * 255], 2),
    "L of 0 and 1": Image.fromarray(DRAWN),
    "L of 0 and 255": Image.fromarray(DRAWN * 255),
    "1": Image.fromarray(DRAWN > 0),
    "I;16": Image.fromarray(DRAWN.astype(np.uint16) * 65535),
    "F": Image.fromarray(DRAWN.astype(np.float32)),
    "red of a palette": in_palette([0, 0, 0, 128, 0, 0]),
    "dark blue of a palette": in_palette([0, 0, 0, 0, 0, 9]),
    "0 and 1 of a grey palette": in_palette([0, 0, 0, 1, 1, 1]),
    "a palette without black": in_palette([10, 20, 30, 200, 100, 50]),
    "two labels of a palette": in_palette(
        [0, 0, 0, 128, 0, 0, 0, 128, 0], np.where(np.arange(16) < 9, 1, 2).astype(np.uint8) * DRAWN
    ),
    "alpha of white": with_alpha("RGB", (255, 255, 255)),
    "alpha of black": with_alpha("RGB", (0, 0, 0)),
    "alpha of white grey": with_alpha("L", (255,)),
    "RGB": Image.fromarray(DRAWN * 255).convert("RGB"),
    "opaque RGBA": Image.fromarray(DRAWN * 255).convert("RGBA"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_mask_is_read_in_every_way_that_people_write_it(tmp_path: Path, way: str) -> None:
    expected = torch.from_numpy(DRAWN > 0)
    found = masks.given(WAYS[way], 12, 16)
    assert torch.equal(found > 0.5, expected)
    assert found.max() <= 1
    mask = WAYS[way]
    if isinstance(mask, Image.Image):
        path = tmp_path / ("mask.tif" if mask.mode in ("F", "I;16") else "mask.png")
        mask.save(path)
        assert torch.equal(masks.given(path, 12, 16) > 0.5, expected)


def test_the_mask_of_a_photograph_is_as_large_as_the_photograph(tmp_path: Path) -> None:
    """A photograph of 4000 x 3000 pixels is shrunk to 2048 x 1536 when it is opened, its mask with it."""
    mask = np.zeros((3000, 4000), bool)
    mask[500:2500, 1000:3000] = True
    found = masks.given(mask, 1536, 2048)
    assert found.shape == (1536, 2048)
    assert (found > 0.5).sum() == 1024 * 1024
    assert torch.equal(found > 0.5, masks.given(mask[::2, ::2], 1536, 2048) > 0.5)
    on_side = r"must be \(1536, 2048\) like the picture, or of that shape in another size, not \(4000, 3000\)"
    with pytest.raises(InputError, match=on_side):
        masks.given(mask.T, 1536, 2048)
    Image.new("RGB", (2100, 300), (90, 120, 60)).save(tmp_path / "wide.png")
    ready = prepare(tmp_path / "wide.png", mask[:300, :2100] | (np.arange(2100) // 200 == 4))  # a box of 200 x 300
    assert outline(ready[3])[0] == pytest.approx(0.86, abs=0.02)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (DRAWN * 2, "this one's largest is 2: to take one of several labels"),
        (DRAWN * 100, "this one's largest is 100"),
        (DRAWN * 99.5, "this one's largest is 99.5"),
        (np.where(np.arange(16) < 9, 1, 255) * DRAWN, "largest is 255, and it holds 1"),
        (DRAWN.astype(np.int64) * -1, "from -1 to 0"),
        (np.where(DRAWN, np.nan, 0), "from nan to nan"),
        (DRAWN.astype(np.int64) * 100_000, "from 0 to 1e\\+05"),
        (DRAWN[0], "not \\(16,\\) uint8"),
        (np.zeros((0, 16)), "not \\(0, 16\\) float64"),
        (DRAWN.astype(complex), "not \\(12, 16\\) complex128"),
        (DRAWN[:6], "like the picture, or of that shape in another size, not \\(6, 16\\)"),
        (DRAWN.T, "not \\(16, 12\\); it lies on its side"),
    ],
)
def test_masks_that_can_be_read_in_two_ways_are_refused(mask: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        masks.given(mask, 12, 16)


def test_a_missing_mask_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no mask at .*m\.png"):
        masks.given(tmp_path / "m.png", 12, 16)
