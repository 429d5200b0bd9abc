from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from analytic_field import COLOURS, ellipsoid
from featurenerf.errors import InputError
from featurenerf.fields.base import Rendered
from featurenerf.studio import figures
from featurenerf.studio.figures import DescriptorColors, Panel


@pytest.fixture(scope="module")
def views() -> list[Rendered]:
    return figures.render_views(ellipsoid(), figures.around(90, 20, 4, 48))


def test_views_are_the_field_s_own(views: list[Rendered]) -> None:
    side = views[0]  # from +y: the front (blue) lies at the left
    middle = side.alpha[24, :, 0] > 0.9
    columns = middle.nonzero()[:, 0]
    assert torch.allclose(side.rgb[24, columns[1]], COLOURS[2], atol=0.1)
    assert torch.allclose(side.rgb[24, columns[-2]], COLOURS[0], atol=0.1)


def test_descriptor_colours_are_one_for_all_views_and_tell_parts_apart(views: list[Rendered]) -> None:
    colours = DescriptorColors.fit(views)
    shown = [colours(v.descriptor)[v.alpha[..., 0] > 0.9] for v in views]
    parts = [v.rgb[v.alpha[..., 0] > 0.9].argmax(-1) for v in views]
    means = torch.stack([torch.cat(shown)[torch.cat(parts) == p].mean(0) for p in range(3)])
    assert torch.pdist(means).min() > 0.5
    for some, kinds in zip(shown, parts, strict=True):  # each view agrees with the means of all
        nearest = torch.cdist(some, means).argmin(1)
        assert (nearest == kinds).float().mean() > 0.95
    assert min(s.min() for s in shown) >= 0
    assert max(s.max() for s in shown) <= 1


def test_descriptor_colours_ignore_length_and_are_deterministic(views: list[Rendered]) -> None:
    colours, again = DescriptorColors.fit(views), DescriptorColors.fit(views)
    descriptors = views[0].descriptor[views[0].alpha[..., 0] > 0.9]
    assert torch.equal(colours(descriptors), again(descriptors))
    assert torch.allclose(colours(descriptors), colours(7 * descriptors), atol=1e-5)


def test_nothing_to_fit_gets_a_sentence() -> None:
    empty = figures.render_views(ellipsoid(opacity=0.0), figures.around(0, 20, 1, 16))
    with pytest.raises(InputError, match="no object"):
        DescriptorColors.fit(empty)


def test_pictures_are_on_paper_and_near_is_brighter(views: list[Rendered]) -> None:
    view = views[1]
    near, far = figures.depth_range(views)
    assert 0.8 < near < 1.0 < far < 1.5
    for picture in (figures.color_picture(view), figures.depth_picture(view, near, far)):
        assert picture.getpixel((0, 0)) == figures.PAPER
    depth = view.depth / view.alpha.clamp(min=1e-3)
    flat = torch.where(view.alpha > 0.99, depth, torch.tensor(9.0))[..., 0]
    grey = np.asarray(figures.depth_picture(view, near, far).convert("L")).reshape(-1)
    solid = (flat < 9).flatten().nonzero()[:, 0]
    order = solid[flat.flatten()[solid].argsort()]
    assert grey[order[:20]].mean() > grey[order[-20:]].mean() + 60


def test_sheet_puts_every_picture_in_its_place() -> None:
    red, blue = (Image.new("RGB", (10, 10), c) for c in ("red", "blue"))
    page = np.asarray(figures.sheet({"first": [red, None], "second": [None, blue]}, ["a", "b"], "title", cell=50))
    (ys, xs) = np.nonzero((page == (255, 0, 0)).all(-1))
    (yb, xb) = np.nonzero((page == (0, 0, 255)).all(-1))
    assert len(ys) == len(yb) == 2500
    assert xb.min() > xs.max()
    assert yb.min() > ys.max()


@pytest.mark.parametrize("extra", [True, False])
def test_turntable_is_a_video_or_a_gif(
    extra: bool, tmp_path: Path, views: list[Rendered], monkeypatch: pytest.MonkeyPatch
) -> None:
    colours = DescriptorColors.fit(views)
    frames = [figures.turntable_frame(v, colours, 64) for v in views]
    assert [f.size for f in frames] == [(128, 64)] * 4
    if extra:
        imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="the extra video is not installed")
        path = figures.write_turntable(frames, tmp_path / "turn")
        assert path.name == "turn.mp4"
        count, seconds = imageio_ffmpeg.count_frames_and_secs(str(path))
        assert (count, round(seconds)) == (8, 8)
    else:
        monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
        path = figures.write_turntable(frames, tmp_path / "turn")
        assert path.name == "turn.gif"
        with Image.open(path) as gif:
            assert getattr(gif, "n_frames", 1) == 4
    assert list(tmp_path.iterdir()) == [path]


def test_keypoints_are_drawn_where_they_lie() -> None:
    plain = Image.new("RGB", (64, 64), figures.PAPER)
    points = np.array([[16.0, 48.0], [np.nan, np.nan], [60.0, 4.0]])
    drawn = np.asarray(figures.draw_keypoints(plain, points, 128)).astype(int)
    changed = np.abs(drawn - figures.PAPER).sum(-1) > 60
    assert changed[90:103, 26:39].any()
    assert changed[2:15, 114:127].any()
    changed[88:104, 24:40] = changed[:18, 110:] = False
    assert not changed.any()


def test_parts_are_tinted_and_the_rest_is_left() -> None:
    grey = Image.new("RGB", (32, 32), (200, 200, 200))
    parts = np.zeros((32, 32), np.int64)
    parts[:16, :16], parts[16:, 16:] = 1, 2
    drawn = np.asarray(figures.draw_parts(grey, parts, 64)).astype(int)
    assert np.all(drawn[5:10, 50:60] == 200)
    assert np.ptp(drawn[10, 10]) > 60
    assert np.abs(drawn[10, 10] - drawn[50, 50]).sum() > 60


def test_transfer_figure_shows_all_panels(views: list[Rendered]) -> None:
    picture = figures.color_picture(views[0])
    parts = torch.randint(0, 3, (48, 48))
    source = Panel("source", picture, torch.rand(3, 2) * 48, parts)
    targets = [Panel("with both", picture, np.random.default_rng(0).random((3, 2)) * 48, parts), Panel("none", picture)]
    names = (["one", "two", "three"], ["background", "seat", "back"])
    both = figures.transfer_figure(source, targets, *names, "title", cell=64)
    parts_only = figures.transfer_figure(Panel("s", picture, None, parts), [], (), names[1], cell=64)
    assert both.width > 3 * 64
    assert both.height > 2 * 64 + 2 * 26
    assert parts_only.height < both.height - 64


SEEN = {  # Machado et al. 2009, severity 1: linear red, green, blue as the colour-blind see them
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def lab_seen(colors: np.ndarray, by: str) -> np.ndarray:
    from skimage.color import rgb2lab

    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(SEEN[by]).T, 0, 1)
    return np.asarray(rgb2lab(np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)[None])[0])


@pytest.mark.parametrize("by", SEEN)
def test_palettes_are_readable_by_the_colour_blind(by: str) -> None:
    """Parts differ from each other and from the grey of no part; scales only get brighter. 2.3 is just noticeable."""
    parts = np.array([*(figures.part_color(n) for n in range(1, 11)), (191, 191, 191)]) / 255
    lab = lab_seen(parts, by)
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + 100 * np.eye(len(lab))
    assert apart.min() > 12
    scale = lab_seen(figures.viridis(torch.linspace(0, 1, 21)).numpy(), by)
    assert np.diff(scale[:, 0]).min() > 2
