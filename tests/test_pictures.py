"""Pictures in: what is read, how, and what is refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from featurenerf import pictures
from featurenerf.errors import InputError
from featurenerf.pictures import on_black, open_picture, to_tensor
from unchecked import types_unchecked

PIXELS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[51, 102, 153], [0, 0, 0], [255, 255, 255]]], np.uint8)
"""Two rows of three."""


# ---------------------------------------------------------------------- files


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        image = open_picture(path)
        assert image.mode == "RGB"
        assert np.array_equal(np.asarray(image), PIXELS)


@pytest.mark.parametrize(("orientation", "quarters"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_a_photo_is_turned_upright(tmp_path: Path, orientation: int, quarters: int) -> None:
    """Counter-clockwise by so many quarters of a turn; 6 is a camera held with its right side down."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(np.asarray(open_picture(tmp_path / "a.png")), np.rot90(PIXELS, quarters))


@pytest.mark.parametrize(
    ("size", "shrunk"),
    [((4096, 40), (2048, 20)), ((40, 4096), (20, 2048)), ((2050, 410), (2048, 410)), ((2048, 3), (2048, 3))],
)
@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_side_over_2048_pixels_is_shrunk_to_that(
    tmp_path: Path, size: tuple[int, int], shrunk: tuple[int, int], kind: str
) -> None:
    Image.new("RGB", size, (200, 100, 50)).save(tmp_path / f"a.{kind}")
    image = open_picture(tmp_path / f"a.{kind}")
    assert image.size == shrunk
    assert np.abs(np.asarray(image).astype(int) - [200, 100, 50]).max() <= 2


def test_a_shrunk_picture_holds_means(tmp_path: Path) -> None:
    stripes = np.zeros((2, 4096, 3), np.uint8)
    stripes[:, ::2] = 200
    Image.fromarray(stripes).save(tmp_path / "a.png")
    assert (np.asarray(open_picture(tmp_path / "a.png")) == 100).all()


def empty_png(path: Path, width: int, height: int) -> Path:
    """A grey PNG that says its size and ends before its first pixel."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(x)) + k + x + struct.pack(">I", zlib.crc32(k + x)) for k, x in chunks)
    )
    return path


def test_over_200_megapixels_are_refused_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # Pillow's own guard is lower
    with pytest.raises(InputError, match=r"20001 x 10000 pixels: shrink it below 200 megapixels"):
        open_picture(empty_png(tmp_path / "a.png", 20001, 10000))


def test_as_many_pixels_as_allowed_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    monkeypatch.setattr(pictures, "MAX_PIXELS", 6)
    assert open_picture(tmp_path / "a.png").size == (3, 2)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 5)
    with pytest.raises(InputError, match="3 x 2 pixels"):
        open_picture(tmp_path / "a.png")


def test_what_pillow_thinks_a_bomb_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.png is too large to be opened safely"):
        open_picture(empty_png(tmp_path / "a.png", 30000, 30000))


def test_files_that_are_no_pictures_are_named(tmp_path: Path) -> None:
    for missing in (tmp_path / "absent.png", tmp_path):  # a folder is no picture either
        with pytest.raises(InputError, match="there is no picture at"):
            open_picture(missing)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match=r"text\.png cannot be read as a picture"):
        open_picture(tmp_path / "text.png")
    with pytest.raises(InputError, match=r"short\.png cannot be read as a picture"):
        open_picture(empty_png(tmp_path / "short.png", 3, 2))


# ---------------------------------------------------------------------- to tensors


def test_a_picture_becomes_channels_between_0_and_1(tmp_path: Path) -> None:
    image = Image.fromarray(PIXELS)
    image.save(tmp_path / "a.png")
    expected = torch.tensor(
        [
            [[1.0, 0, 0], [0.2, 0, 1]],
            [[0.0, 1, 0], [0.4, 0, 1]],
            [[0.0, 0, 1], [0.6, 0, 1]],
        ]
    )
    for given in (image, tmp_path / "a.png", str(tmp_path / "a.png")):
        made = to_tensor(given)
        assert made.dtype == torch.float32
        torch.testing.assert_close(made, expected)


def test_alpha_is_a_fourth_channel(tmp_path: Path) -> None:
    image = Image.fromarray(PIXELS).convert("RGBA")
    image.putalpha(51)
    image.save(tmp_path / "a.png")
    for given in (image, tmp_path / "a.png"):
        made = to_tensor(given)
        assert made.shape == (4, 2, 3)
        torch.testing.assert_close(made[3], torch.full((2, 3), 0.2))
        torch.testing.assert_close(made[:3, 1, 0], torch.tensor([0.2, 0.4, 0.6]))


def test_every_kind_of_picture_becomes_colours(tmp_path: Path) -> None:
    grey = Image.new("L", (3, 2), 51)
    torch.testing.assert_close(to_tensor(grey), torch.full((3, 2, 3), 0.2))
    torch.testing.assert_close(to_tensor(Image.new("1", (3, 2), 1)), torch.ones(3, 2, 3))
    with_alpha = Image.merge("LA", (grey, Image.new("L", (3, 2), 102)))
    torch.testing.assert_close(to_tensor(with_alpha)[:, 0, 0], torch.tensor([0.2, 0.2, 0.2, 0.4]))
    palette = Image.fromarray(PIXELS).convert("P", palette=Image.Palette.ADAPTIVE, colors=6)
    torch.testing.assert_close(to_tensor(palette)[:, 1, 0], torch.tensor([0.2, 0.4, 0.6]), atol=0.01, rtol=0)
    assert to_tensor(palette).shape == (3, 2, 3)
    palette.save(tmp_path / "a.png", transparency=palette.getpixel((0, 0)))
    see_through = to_tensor(tmp_path / "a.png")
    assert see_through.shape == (4, 2, 3)
    assert see_through[3].tolist() == [[0, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize(("kind", "name"), [(np.uint16, "a.png"), (np.int32, "a.tif")])
def test_sixteen_bits_become_eight(tmp_path: Path, kind: type, name: str) -> None:
    """65535 is white; what a picture of whole numbers holds beyond is cut off."""
    values = np.array([[0, 257, 51 * 257, 65280, 65535]], kind)
    image = Image.fromarray(values)
    image.save(tmp_path / name)
    for given in (image, tmp_path / name):
        made = to_tensor(given)
        assert made.shape == (3, 1, 5)
        torch.testing.assert_close(made[0], torch.tensor([[0.0, 1 / 255, 0.2, 254 / 255, 1.0]]))
    if kind is np.int32:
        assert to_tensor(Image.fromarray(np.array([[-70000, 70000]], kind)))[0].tolist() == [[0, 1]]


@pytest.mark.parametrize("channels", [3, 4])
def test_a_tensor_is_taken_as_it_is(channels: int) -> None:
    for dtype in (torch.float16, torch.float32, torch.float64):
        picture = torch.rand(channels, 5, 6).to(dtype)
        assert to_tensor(picture) is picture


@pytest.mark.parametrize(("off", "fine"), [(0.0009, True), (0.0011, False)])
def test_a_tensor_may_leave_0_and_1_by_a_thousandth(off: float, fine: bool) -> None:
    low, high = torch.full((3, 2, 2), 0.5), torch.full((3, 2, 2), 0.5)
    low[0, 0, 0], high[2, 1, 1] = -off, 1 + off
    for picture in (low, high):
        if fine:
            assert to_tensor(picture) is picture
        else:
            with pytest.raises(InputError, match=r"values in \[0, 1\]; this one goes from"):
                to_tensor(picture)


def test_the_range_of_a_wrong_tensor_is_said() -> None:
    picture = torch.zeros(3, 2, 2)
    picture[0, 0, 0], picture[1, 1, 1] = -0.25, 255
    with pytest.raises(InputError, match=r"goes from -0\.25 to 255"):
        to_tensor(picture)
    picture[0, 0, 0] = torch.nan
    with pytest.raises(InputError, match="goes from nan"):
        to_tensor(picture)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((2, 5, 6), torch.float32),
        ((5, 5, 6), torch.float32),
        ((5, 6, 3), torch.float32),
        ((3, 5), torch.float32),
        ((1, 3, 5, 6), torch.float32),
        ((3, 3, 5, 6), torch.float32),
        ((3, 5, 6), torch.uint8),
        ((3, 5, 6), torch.bool),
    ],
)
def test_tensors_of_another_shape_or_type_are_refused(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    name = str(dtype).split(".")[1]
    with pytest.raises(InputError, match=rf"not \({', '.join(map(str, shape))}\) {name}"):
        to_tensor(torch.zeros(shape, dtype=dtype))


def test_anything_else_is_refused() -> None:
    with types_unchecked(), pytest.raises(InputError, match="not ndarray"):
        to_tensor(PIXELS)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- on black


def test_alpha_is_composited_on_black() -> None:
    picture = torch.tensor([0.8, 0.4, 1.0, 0.5])[:, None, None].expand(4, 2, 3)
    expected = torch.tensor([0.4, 0.2, 0.5])[:, None, None].expand(3, 2, 3)
    torch.testing.assert_close(on_black(picture), expected)
    torch.testing.assert_close(on_black(picture.expand(2, 4, 2, 3)), expected.expand(2, 3, 2, 3))


def test_a_picture_without_alpha_is_left_alone() -> None:
    for shape in ((3, 2, 3), (4, 3, 2, 3)):
        picture = torch.rand(shape)
        assert on_black(picture) is picture
