"""Every kind of pixel in every orientation and format; what is no picture, and why."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from featurenerf.errors import InputError
from featurenerf.pictures import open_picture, to_tensor
from turned_pictures import UPRIGHT, blocks, orientation_exif, png

NUMBERS = np.array(UPRIGHT[1])
BRIGHT = {1: 0, 2: 1, 3: 1, 4: 0, 5: 0, 6: 1}
"""One bit for each number: no turn or mirror image of it is the same."""


def shown(path: Path) -> np.ndarray:
    """(h, w, 3 or 4) of 8 bits."""
    return (to_tensor(path) * 255).round().byte().permute(1, 2, 0).numpy()


def turned(colours: dict[int, tuple[int, ...]], orientation: int) -> np.ndarray:
    return np.array([[colours[number] for number in row] for row in UPRIGHT[orientation]], np.uint8)


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_grey_of_any_depth(tmp_path: Path, orientation: int, depth: int) -> None:
    """Without and with a transparent level, which is the one of number 2."""
    full = 2**depth - 1
    level = {n: full * BRIGHT[n] if depth == 1 else full * n // 6 for n in range(1, 7)}
    grey = {n: {1: 255, 2: 85, 4: 17, 8: 1}.get(depth, 0) * v if depth < 16 else v // 257 for n, v in level.items()}
    values = np.vectorize(level.get)(NUMBERS)[..., None]
    (tmp_path / "a.png").write_bytes(png(values, depth, 0, orientation))
    assert np.array_equal(shown(tmp_path / "a.png"), turned({n: (g,) * 3 for n, g in grey.items()}, orientation))
    (tmp_path / "b.png").write_bytes(png(values, depth, 0, orientation, transparent=struct.pack(">H", level[2])))
    rgba = {n: (g, g, g, 0 if level[n] == level[2] else 255) for n, g in grey.items()}
    assert np.array_equal(shown(tmp_path / "b.png"), turned(rgba, orientation))


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("depth", [8, 16])
def test_colours_and_alpha_of_8_and_16_bits(tmp_path: Path, orientation: int, depth: int) -> None:
    unit = 1 if depth == 8 else 257
    rgba = {n: (40 * n, 255 - 40 * n, 10 * n, 20 * n) for n in range(1, 7)}
    values = np.array([[rgba[n] for n in row] for row in NUMBERS]) * unit
    for kind, part in ((2, values[..., :3]), (6, values), (4, values[..., [0, 3]])):
        (tmp_path / "a.png").write_bytes(png(part, depth, kind, orientation))
        expected = {2: lambda c: c[:3], 6: lambda c: c, 4: lambda c: (c[0], c[0], c[0], c[3])}[kind]
        assert np.array_equal(shown(tmp_path / "a.png"), turned({n: expected(c) for n, c in rgba.items()}, orientation))
    see_through = struct.pack(">HHH", *(values[0, 1, :3]))  # number 2
    (tmp_path / "a.png").write_bytes(png(values[..., :3], depth, 2, orientation, transparent=see_through))
    expected_rgba = {n: (*c[:3], 0 if n == 2 else 255) for n, c in rgba.items()}
    assert np.array_equal(shown(tmp_path / "a.png"), turned(expected_rgba, orientation))


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_palettes_of_any_depth(tmp_path: Path, orientation: int, depth: int) -> None:
    index = {n: min(BRIGHT[n] if depth == 1 else n % 4, 2**depth - 1) for n in range(1, 7)}
    palette = np.array([(200, 10, 20), (30, 180, 40), (50, 60, 160), (70, 80, 90)])[: 2**depth]
    values = np.vectorize(index.get)(NUMBERS)[..., None]
    (tmp_path / "a.png").write_bytes(png(values, depth, 3, orientation, palette))
    colours = {n: tuple(int(c) for c in palette[i]) for n, i in index.items()}
    assert np.array_equal(shown(tmp_path / "a.png"), turned(colours, orientation))
    (tmp_path / "a.png").write_bytes(png(values, depth, 3, orientation, palette, bytes([255, 51])))
    rgba = {n: (*c, 51 if index[n] == 1 else 255) for n, c in colours.items()}
    assert np.array_equal(shown(tmp_path / "a.png"), turned(rgba, orientation))


MADE = {
    "L": lambda n: Image.fromarray(blocks(n)),
    "1": lambda n: Image.fromarray(blocks(n) > 90),
    "RGB": lambda n: Image.fromarray(blocks(n)).convert("RGB"),
    "RGBA": lambda n: Image.fromarray(blocks(n)).convert("RGBA"),
    "LA": lambda n: Image.fromarray(blocks(n)).convert("LA"),
    "P": lambda n: Image.fromarray(blocks(n)).convert("P"),
    "CMYK": lambda n: Image.fromarray(blocks(n)).convert("RGB").convert("CMYK"),
    "YCbCr": lambda n: Image.fromarray(blocks(n)).convert("YCbCr"),
    "I;16": lambda n: Image.fromarray(blocks(n).astype(np.uint16) * 257),
    "I": lambda n: Image.fromarray(blocks(n).astype(np.int32) * 257),
    "F": lambda n: Image.fromarray(blocks(n).astype(np.float32) / 255),
}
"""A picture of numbers in each of Pillow's modes that files have."""
TIFF = ["L", "1", "RGB", "RGBA", "LA", "P", "CMYK", "I;16", "I", "F"]
FILES = [
    *(("tif", {}, mode) for mode in [*TIFF, "YCbCr"]),
    *(("tif", {"compression": "tiff_lzw"}, mode) for mode in TIFF),
    *(("tif", {"compression": "tiff_adobe_deflate"}, mode) for mode in TIFF),
    *(("tif", {"compression": "packbits"}, mode) for mode in TIFF),
    *(("tif", {"compression": "jpeg"}, mode) for mode in ("L", "RGB")),
    *(("jpg", {"quality": 100}, mode) for mode in ("L", "RGB", "CMYK", "YCbCr")),
    *(("webp", {"lossless": True}, mode) for mode in ("RGB", "RGBA")),
    *(("png", {}, mode) for mode in ("L", "1", "LA", "P", "RGB", "RGBA", "I;16")),
]


@pytest.mark.parametrize(("suffix", "options", "mode"), FILES)
def test_every_kind_of_file_is_turned_upright(tmp_path: Path, suffix: str, options: dict, mode: str) -> None:
    image = MADE[mode](UPRIGHT[1])
    for orientation, numbers in UPRIGHT.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(tmp_path / f"a.{suffix}", exif=exif, **options)
        found = shown(tmp_path / f"a.{suffix}")
        expected = (blocks(numbers) > 90) * 255 if mode == "1" else blocks(numbers).astype(int)
        assert found.shape[:2] == expected.shape
        assert np.abs(found[..., :3].astype(int) - expected[..., None]).max() <= 4, orientation
        assert (found[..., 3:] == 255).all()


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_heic_picture_is_turned_upright(tmp_path: Path, orientation: int) -> None:
    heif = pytest.importorskip("pillow_heif", reason="the extra 'heif' is not installed")
    made = heif.from_pillow(Image.fromarray(blocks(UPRIGHT[1])).convert("RGB"))
    made.save(tmp_path / "a.heic", quality=100, exif=b"Exif\0\0" + orientation_exif(orientation))
    found = shown(tmp_path / "a.heic").astype(int)
    expected = blocks(UPRIGHT[orientation])[..., None]
    assert found.shape[:2] == expected.shape[:2]
    assert np.abs(found - expected).max() <= 30  # chroma and the steps between blocks suffer


def test_without_its_extra_a_heic_picture_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "IMG_1.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(InputError, match=r"IMG_1\.jpg is a HEIC picture: save it as JPEG or PNG, or pip install 'feat"):
        open_picture(tmp_path / "IMG_1.jpg")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "a PostScript file"),
        (b"%PDF-1.7\n", "a PDF file"),
        (b"8BPS\0\1" + bytes(50), "a Photoshop file"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 file"),
        (b"v/1\x01" + bytes(50), "an OpenEXR file"),
        (b"\0\0\1\0\1\0" + bytes(50), "an icon file"),
        (b"\n<svg xmlns='http://www.w3.org/2000/svg'/>", "a SVG file"),
        (b"<!DOCTYPE html><title>404</title>", "a web page file"),
        (b"", "of no format that is known"),
        (bytes(200), "cannot be read as a picture"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png cannot be read as a picture.*: give a PNG") as error:
        open_picture(tmp_path / "a.png")
    assert said in str(error.value)


def test_a_postscript_file_never_reaches_pillows_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would look for Ghostscript."""
    from PIL import EpsImagePlugin

    def ran(*_: object, **__: object) -> None:
        raise AssertionError("Ghostscript was called")

    Image.new("RGB", (4, 4)).save(tmp_path / "a.eps")
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", ran)
    with pytest.raises(InputError, match="a PostScript file"):
        open_picture(tmp_path / "a.eps")


@pytest.mark.parametrize(("low", "high", "fits"), [(0.0, 1.0, True), (-0.5, 1.0, False), (0.0, 255.0, False)])
def test_floating_point_pictures_go_from_0_to_1(tmp_path: Path, low: float, high: float, fits: bool) -> None:
    Image.fromarray(np.array([[low, 0.2, high]], np.float32)).save(tmp_path / "a.tif")
    if fits:
        torch.testing.assert_close(to_tensor(tmp_path / "a.tif")[0], torch.tensor([[0.0, 0.2, 1.0]]))
        return
    with pytest.raises(InputError, match=rf"a\.tif .*go from {low:.3g} to {high:.3g}, and 1 must be white"):
        open_picture(tmp_path / "a.tif")


def test_of_an_animation_the_first_picture_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    for suffix in ("gif", "webp", "png", "tif"):
        options = {"lossless": True} if suffix == "webp" else {}
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **options)
        assert shown(tmp_path / f"a.{suffix}")[0, 0, :3].tolist() == [255, 0, 0]


def reason(path: Path) -> str:
    """Why it is refused; nothing where it is read."""
    try:
        assert open_picture(path).size == (16, 16)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "gif", "bmp"])
def test_wherever_a_file_is_cut_a_sentence_says_so(tmp_path: Path, suffix: str) -> None:
    """Or it is read, where nothing of weight is missing."""
    noise = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / f"whole.{suffix}")
    whole = (tmp_path / f"whole.{suffix}").read_bytes()
    refused = 0
    for length in range(0, len(whole), max(1, len(whole) // 25)):
        (tmp_path / f"a.{suffix}").write_bytes(whole[:length])
        said = reason(tmp_path / f"a.{suffix}")
        refused += bool(said)
        assert f"a.{suffix} cannot be read" in (said or f"a.{suffix} cannot be read")
    assert refused >= 20
