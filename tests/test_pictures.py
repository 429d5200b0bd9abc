"""Pictures in: what is read, how, and what is refused; the canonical square, and what is cut out of it."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from featurenerf import picture_files
from featurenerf.errors import InputError
from featurenerf.pictures import (
    Square,
    canonical_square,
    cut_out,
    from_bytes,
    on_black,
    open_picture,
    resample,
    to_bytes,
    to_png,
    to_tensor,
)
from turned_pictures import UPRIGHT, blocks
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


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
def test_a_photo_is_turned_upright(tmp_path: Path, orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(blocks(UPRIGHT[1])).save(tmp_path / f"a.{kind}", exif=exif, quality=100)
    shown = np.asarray(open_picture(tmp_path / f"a.{kind}")).astype(int)
    expected = blocks(UPRIGHT[orientation])[..., None]
    assert shown.shape == (*expected.shape[:2], 3)
    assert np.abs(shown - expected).max() <= 2


@pytest.mark.parametrize(
    "tag", [(0x0100, 2, 4, b"abc\0"), (0x011A, 2, 4, b"abc\0"), (0x0100, 9, 1, b"\xfd\xff\xff\xff")]
)
def test_a_photo_whose_other_exif_is_nonsense_is_turned_upright(
    tmp_path: Path, tag: tuple[int, int, int, bytes]
) -> None:
    """A width or a resolution that is a text, a negative width: Pillow reads them, and cannot write them."""
    entries = sorted([tag, (0x0112, 3, 1, b"\x06\0\0\0")])
    content = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + content + b"\0\0\0\0"
    Image.fromarray(blocks(UPRIGHT[1])).save(tmp_path / "a.jpg", exif=exif, quality=100)
    shown = np.asarray(open_picture(tmp_path / "a.jpg")).astype(int)
    assert np.abs(shown - blocks(UPRIGHT[6])[..., None]).max() <= 2


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


def test_over_200_megapixels_are_refused_before_they_are_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"20001 x 10000 pixels: shrink it below 200 megapixels"):
        open_picture(empty_png(tmp_path / "a.png", 20001, 10000))


def test_as_many_pixels_as_allowed_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    monkeypatch.setattr(picture_files, "MAX_PIXELS", 6)
    assert open_picture(tmp_path / "a.png").size == (3, 2)
    monkeypatch.setattr(picture_files, "MAX_PIXELS", 5)
    with pytest.raises(InputError, match="3 x 2 pixels"):
        open_picture(tmp_path / "a.png")


def test_what_pillow_thinks_a_bomb_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.png is too large to be opened safely"):
        open_picture(empty_png(tmp_path / "a.png", 30000, 30000))


def test_186_megapixels_are_not_too_many_and_nothing_is_warned_of(tmp_path: Path) -> None:
    """Pillow alone warns from 89 megapixels on and refuses from 179 on."""
    with picture_files.open_file(empty_png(tmp_path / "a.png", 18600, 10000), "a.png") as image:
        assert image.size == (18600, 10000)


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


@pytest.mark.parametrize("order", ["<", ">"])
def test_unsigned_numbers_of_32_bits_beyond_half_of_their_range_are_not_black(tmp_path: Path, order: str) -> None:
    """Pillow reads them as negative ones; the tags: 4 x 1 pixels of 32 bits, unsigned."""
    tags = [(256, 4), (257, 1), (258, 32), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 16), (339, 1)]
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags)
    numbers = struct.pack(f"{order}4I", 0, 13107, 65535, 2**32 - 1)
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 24)
    (tmp_path / "a.tif").write_bytes(start + numbers + struct.pack(f"{order}H", len(tags)) + entries + bytes(4))
    try:
        made = to_tensor(tmp_path / "a.tif")
    except InputError as error:  # Pillow has no reader for the other byte order
        assert order == ">" and "cannot be read as a picture" in str(error)  # noqa: PT017, PT018
        return
    torch.testing.assert_close(made[0, 0], torch.tensor([0.0, 0.2, 1.0, 1.0]))


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
    with types_unchecked(), pytest.raises(InputError, match="not list"):
        to_tensor(PIXELS.tolist())  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [3, 4])
def test_an_array_is_a_picture(channels: int) -> None:
    rgba = np.concatenate([PIXELS, np.full((2, 3, 1), 51, np.uint8)], 2)[..., :channels]
    made = to_tensor(rgba)
    assert (made.shape, made.dtype) == ((channels, 2, 3), torch.float32)
    assert made[:3, 1, 0].tolist() == pytest.approx([0.2, 0.4, 0.6])
    if channels == 4:
        assert made[3, 0, 0].item() == pytest.approx(0.2)
    for kind in (np.float16, np.float32, np.float64, np.dtype(">f4")):
        given = to_tensor((rgba / 255).astype(kind))
        assert given.dtype == torch.float32
        torch.testing.assert_close(given, made, atol=1e-3, rtol=0)
    torch.testing.assert_close(to_tensor(rgba[:, ::-1]), made.flip(2))  # a view with negative strides


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((2, 3), np.uint8), r"not \(2, 3\) uint8"),
        (np.zeros((2, 3, 2), np.uint8), r"not \(2, 3, 2\) uint8"),
        (np.zeros((1, 2, 3, 3), np.uint8), r"not \(1, 2, 3, 3\) uint8"),
        (np.zeros((3, 8, 9), np.float32), r"not \(3, 8, 9\) float32; a \(3\|4, H, W\) array is turned by"),
        (np.zeros((2, 3, 3), np.uint16), "uint16"),
        (np.zeros((2, 3, 3), np.int64), "int64"),
        (np.zeros((2, 3, 3), bool), "bool"),
        (np.zeros((2, 3, 3), complex), "complex128"),
        (np.full((2, 3, 3), 255.0), "from 255 to 255"),
        (np.full((2, 3, 3), np.nan), "from nan to nan"),
        (np.zeros((0, 3, 3), np.uint8), "has no pixels"),
        (np.zeros((2, 0, 3)), "has no pixels"),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=said):
        to_tensor(array)


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(InputError, match="0 x 5 pixels shows nothing"):
        to_tensor(Image.new("RGB", (0, 5)))
    with pytest.raises(InputError, match="has no pixels"):
        to_tensor(torch.zeros(3, 0, 4))


def test_a_pil_image_straight_from_its_file_is_turned_as_the_file_is(tmp_path: Path) -> None:
    """One that was made from it is taken as it lies: whoever turned it kept its EXIF, mostly."""
    exif = Image.Exif()
    exif[0x0112] = 5
    Image.fromarray(blocks(UPRIGHT[1])).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        turned = to_tensor(image)
        assert torch.equal(turned, to_tensor(tmp_path / "a.png"))
        assert np.array_equal((turned[0] * 255).round().numpy(), blocks(UPRIGHT[5]))
        assert np.array_equal((to_tensor(image.copy())[0] * 255).round().numpy(), blocks(UPRIGHT[1]))


def test_a_pil_image_whose_file_is_cut_short_is_named(tmp_path: Path) -> None:
    Image.fromarray(blocks(UPRIGHT[1])).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    with Image.open(tmp_path / "a.png") as image, pytest.raises(InputError, match=r"a\.png cannot be read"):
        to_tensor(image)


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


# ---------------------------------------------------------------------- the canonical square

WHOLE = Square(0.0, 0.0, 8.0)
"""All of a picture of 8 x 8 pixels."""


def places(width: int, height: int, unit: float) -> Tensor:
    """A picture of the x and y of its pixels' centres, in a unit that keeps them below 1."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y]) / unit


# ---------------------------------------------------------------------- which square


@pytest.mark.parametrize(
    ("aspect", "diagonal"),
    [
        (0.2, 0.86), (0.95, 0.86), (1.0, 0.795), (1.05, 0.73), (1.2, 0.73), (1.35, 0.73), (1.55, 0.765),
        (1.75, 0.8), (2.25, 0.83), (2.625, 0.84), (3.0, 0.85), (9.0, 0.85),
    ],
)  # fmt: skip
def test_the_shape_of_an_outline_says_how_large_it_is_shown(aspect: float, diagonal: float) -> None:
    """Width over height; linear between six shapes, and beyond them as the last."""
    square = canonical_square(0, 0, 100 * aspect, 100, None)
    assert square.side == pytest.approx(100 * (1 + aspect**2) ** 0.5 / diagonal, rel=1e-6)


def test_an_outline_is_centred_across_and_a_little_low() -> None:
    """The centre of the box 3 x 4, diagonal 5, comes to 0.5 of the width and 0.54 of the height of the square."""
    square = canonical_square(10, 20, 13, 24, outline=0.5)
    assert (square.side, square.x0, square.y0) == pytest.approx((10.0, 11.5 - 5.0, 22 - 5.4))


def test_an_outline_that_is_given_goes_before_the_shape() -> None:
    assert canonical_square(0, 0, 4, 3, outline=1).side == pytest.approx(5.0)
    assert canonical_square(0, 0, 4, 3).side == pytest.approx(5 / 0.73)


# ---------------------------------------------------------------------- resampling


def test_a_square_of_whole_pixels_is_cut_exactly() -> None:
    picture = torch.rand(2, 9, 8)
    torch.testing.assert_close(resample(picture, Square(1.0, 2.0, 5.0), 5), picture[:, 2:7, 1:6])


def test_outside_the_picture_it_is_black() -> None:
    picture = torch.rand(2, 6, 4)
    out = resample(picture, Square(-2.0, -1.0, 8.0), 8)
    torch.testing.assert_close(out[:, 1:7, 2:6], picture)
    beyond = torch.ones(8, 8, dtype=torch.bool)
    beyond[1:7, 2:6] = False
    assert out[:, beyond].abs().max() < 1e-5


def test_enlarging_is_bicubic_and_clamped_to_0_and_1() -> None:
    """Keys's kernel of parameter -0.75 at distances of 0.25 and 0.75 from the one bright column, negative further."""
    picture = torch.zeros(1, 8, 8)
    picture[..., 4] = 0.5
    row = resample(picture, WHOLE, 16)[0, 8]
    expected = torch.zeros(16)
    expected[[8, 9]], expected[[7, 10]] = 0.5 * 0.87890625, 0.5 * 0.26171875
    torch.testing.assert_close(row, expected, atol=1e-6, rtol=0)
    assert resample(1 - 2 * picture, WHOLE, 16).max() == 1  # beside a dark column it would be 1.1


def test_shrinking_is_bicubic_too() -> None:
    """To half: Keys's kernel of parameter -0.5, twice as wide, at 0.25 and 0.75 of its unit from one bright column."""
    picture = torch.zeros(1, 16, 16)
    picture[..., 8] = 1
    expected = torch.zeros(8)
    expected[4], expected[3] = 0.8671875 / 2, 0.2265625 / 2
    torch.testing.assert_close(resample(picture, Square(0.0, 0.0, 16.0), 8)[0, 4], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("axis", [-1, -2])
def test_shrinking_does_not_alias(axis: int) -> None:
    """Every third pixel of stripes one pixel wide would be stripes again."""
    stripes = (torch.arange(24) % 2).float()
    stripes = (stripes if axis == -1 else stripes[:, None]).expand(1, 24, 24)
    out = resample(stripes, Square(0.0, 0.0, 24.0), 8)
    assert (out[:, 1:-1, 1:-1] - 0.5).abs().max() < 0.1


@pytest.mark.parametrize("column", [5, 6, 7])
def test_a_shrunk_picture_is_as_bright_as_the_picture(column: int) -> None:
    """By 1.5: wherever one column stands out, what stands out is two thirds of it."""
    picture = torch.full((1, 12, 12), 0.5)
    picture[..., column] = 0.7
    row = resample(picture, Square(0.0, 0.0, 12.0), 8)[0, 4, 1:-1]
    assert (row - 0.5).sum().item() == pytest.approx(0.2 * 2 / 3, abs=5e-3)


@pytest.mark.parametrize(("width", "height"), [(26, 48), (48, 26), (49, 47)])
def test_a_shrunk_pixel_shows_its_own_place(width: int, height: int) -> None:
    """A square of 24 pixels shrunk to 8; the picture is no square, and need not be a whole number of results wide."""
    left, top = width - 25.0, height - 25.0
    out = resample(places(width, height, 64), Square(left, top, 24.0), 8) * 64
    middle = torch.tensor([10.5, 13.5])  # pixels 3 and 4; bicubic resampling bends a ramp, by up to 0.15 pixels here
    torch.testing.assert_close(out[0, 3, 3:5], left + middle, atol=0.2, rtol=0)
    torch.testing.assert_close(out[1, 3:5, 3], top + middle, atol=0.2, rtol=0)


def test_a_picture_smaller_than_a_pixel_of_the_result_is_seen() -> None:
    out = resample(torch.ones(1, 2, 2), Square(-49.0, -49.0, 100.0), 8)
    assert out.shape == (1, 8, 8)
    assert torch.isfinite(out).all()


# ---------------------------------------------------------------------- cutting out


def test_a_cut_out_keeps_colour_apart_from_alpha() -> None:
    rgb = torch.tensor([0.8, 0.4, 0.0])[:, None, None].expand(3, 8, 8)
    out = cut_out(rgb, torch.full((8, 8), 0.5), WHOLE, 8)
    torch.testing.assert_close(out, torch.tensor([0.8, 0.4, 0.0, 0.5])[:, None, None].expand(4, 8, 8))


def test_a_hidden_colour_does_not_bleed_into_the_object() -> None:
    """White under alpha 0, next to grey 0.25."""
    alpha = torch.zeros(8, 8)
    alpha[:, 4:] = 1
    out = cut_out(torch.where(alpha > 0, 0.25, 1.0).expand(3, 8, 8), alpha, WHOLE, 16)
    seen = out[3] > 0.01
    assert seen[:, 8:].all()
    assert out[:3, seen].min() > 0.249
    assert out[:3, seen].max() < 0.32  # where alpha overshoots and is clamped, colour is not
    assert not out[:, :, :5].any()


@pytest.mark.parametrize(("alpha", "colour"), [(0.0, 0.0), (0.0009, 0.0), (0.0011, 0.6)])
def test_where_there_is_hardly_anything_the_colour_is_black(alpha: float, colour: float) -> None:
    out = cut_out(torch.full((3, 8, 8), 0.6), torch.full((8, 8), alpha), WHOLE, 8)
    torch.testing.assert_close(out[:3, 4, 4], torch.full((3,), colour), atol=1e-4, rtol=0)
    torch.testing.assert_close(out[3, 4, 4], torch.tensor(alpha))


def test_a_cut_out_is_clamped_where_resampling_overshoots() -> None:
    """A step from black to white under alpha 0.5: beside it, colour is 1, not more, and alpha stays 0.5."""
    rgb = (torch.arange(8) >= 4).float().expand(3, 8, 8)
    out = cut_out(rgb, torch.full((8, 8), 0.5), WHOLE, 16)[:, 4:12, 4:12]
    assert out[:3].max() == 1
    assert out[:3].min() == 0
    torch.testing.assert_close(out[3], torch.full((8, 8), 0.5))


def test_bytes_become_tensors_and_bytes_again() -> None:
    tensor = from_bytes(PIXELS)
    assert tensor.shape == (3, 2, 3)
    assert tensor[:, 1, 0].tolist() == pytest.approx([0.2, 0.4, 0.6])
    assert np.array_equal(to_bytes(tensor), PIXELS)
    assert from_bytes(np.zeros((5, 2, 3, 4), np.uint8)).shape == (5, 4, 2, 3)
    assert from_bytes(torch.full((1, 1, 3), 255, dtype=torch.uint8)).tolist() == [[[1.0]], [[1.0]], [[1.0]]]
    assert to_bytes(torch.tensor([[[-1.0, 0.25, 2.0]]])).tolist() == [[[0], [64], [255]]]


def test_a_picture_as_the_content_of_a_png_file() -> None:
    content = to_png(Image.fromarray(PIXELS), compress_level=0)
    assert content.startswith(b"\x89PNG")
    assert np.array_equal(np.asarray(Image.open(BytesIO(content))), PIXELS)
    assert len(to_png(Image.new("L", (64, 64)))) < len(to_png(Image.new("L", (64, 64)), compress_level=0))
