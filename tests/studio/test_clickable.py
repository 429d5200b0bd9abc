"""The page in which a click on one object shows the matches on all others."""

from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from analytic_field import EllipsoidModel, ellipsoid, part
from browser import opened_page
from featurenerf import Camera, InputError
from featurenerf.cli.page import main
from featurenerf.matching import match, normalise
from featurenerf.studio.clickable import ClickableObject, clickable, make_page, quantised, write_page

PICTURE = torch.full((3, 32, 32), 0.5)


@pytest.fixture(scope="module")
def side() -> ClickableObject:
    """An ellipsoid that is long along x, with three parts, seen from its left side."""
    return clickable(ellipsoid(Camera.look_at(90, 10).reshape(1)), PICTURE, "one", turns=4, size=48)


@pytest.fixture(scope="module")
def front() -> ClickableObject:
    return clickable(ellipsoid(Camera.look_at(0, 10).reshape(1)), PICTURE, "two", turns=4, size=48)


def test_pixels_name_the_surface_points_that_they_show(side: ClickableObject) -> None:
    cameras = [Camera.look_at(90 + turn, 10, 48, 48) for turn in (0, 0, 90, 180, 270)]
    assert side.shown.shape == (5, 48, 48)
    assert side.shown.max() == len(side.points)
    for camera, shown in zip(cameras, side.shown, strict=True):
        row, column = np.nonzero(shown)
        assert len(row) > 100
        points = side.points[torch.from_numpy(shown[row, column].astype(np.int64)) - 1]
        xy, _ = camera.project(points)
        assert (xy - torch.from_numpy(np.stack([column, row], -1) + 0.5)).abs().max() < 2.5  # a cell is 2 pixels wide
        seen = (points / torch.tensor([0.4, 0.22, 0.15])).norm(dim=-1)
        assert (seen - 1.05).abs().max() < 0.15
    assert (side.descriptors.norm(dim=1) - 1).abs().max() < 1e-5


def test_cells_are_described_by_the_mean_of_what_shows_them(side: ClickableObject) -> None:
    inside = (side.points[:, 0] + 0.13).abs() > 0.03
    inside &= (side.points[:, 0] - 0.13).abs() > 0.03
    kind = side.descriptors[:, :3].argmax(1)
    assert torch.equal(kind[inside], part(side.points)[inside])


def test_eight_bits_find_the_same_matches() -> None:
    """Nearly: of directions that are not in the file nothing is known."""
    torch.manual_seed(0)
    basis = torch.linalg.qr(torch.randn(96, 96)).Q * (0.8 ** torch.arange(96)).sqrt()
    one, other = (normalise(torch.randn(n, 96) @ basis.T) for n in (300, 400))
    codes = [torch.from_numpy(code).float() for code in quantised([one, other])]
    assert codes[0].shape == (300, 64)
    assert max(code.abs().max() for code in codes) == 127
    similarity = normalise(one) @ normalise(other).T
    assert (normalise(codes[0]) @ normalise(codes[1]).T - similarity).abs().mean() < 0.02
    best, _ = match(one, other)
    found, _ = match(*codes)
    lost = similarity.gather(1, best[:, None]) - similarity.gather(1, found[:, None])
    assert lost.max() < 0.1
    assert (best == found).float().mean() > 0.8


def content(path: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_a_page_is_one_file_that_loads_nothing(tmp_path: Path, side: ClickableObject, front: ClickableObject) -> None:
    path = tmp_path / "sub" / "page.html"
    evil = replace(front, title="</script><!--<script><b onclick=alert(1)>'\"&")
    write_page(path, [side, evil])
    text = path.read_text()
    assert not re.search(r"(src|href)=[\"']?(http|//)", text)
    assert text.count("</script>") == 2  # the title cannot end one
    assert text.count("<!--") + text.count("<script") == 2  # nor begin a comment, within which no script ends
    objects = content(path)["objects"]
    assert [it["title"] for it in objects] == ["one", evil.title]
    shown = np.frombuffer(zlib.decompress(base64.b64decode(objects[0]["shown"])), "<u2").reshape(5, 48, 48)
    assert np.array_equal(shown, side.shown)
    codes = np.frombuffer(zlib.decompress(base64.b64decode(objects[0]["codes"])), np.int8)
    assert codes.size == len(side.points) * objects[0]["components"]


def test_clicks_in_a_browser(tmp_path: Path, side: ClickableObject, front: ClickableObject) -> None:
    """Ten marks: each click finds a point of the same part on the other object, which is marked and turned to."""
    path = tmp_path / "page.html"
    write_page(path, [side, replace(front, title="<b>two</b>")])
    row, column = np.nonzero(side.shown[0])
    with opened_page(path.as_uri()) as page:
        page.wait_for_selector("body[data-ready=yes]")
        assert page.locator("figcaption b").nth(1).inner_text() == "<b>two</b>"
        canvas = page.locator("canvas").first
        box = canvas.bounding_box()
        blank = page.locator("canvas").nth(3).evaluate("canvas => canvas.toDataURL()")
        canvas.click(position={"x": 1, "y": 1})  # beside the object
        assert page.locator("#said").inner_text() == "Nothing is chosen yet."
        for number in np.linspace(0, len(row) - 1, 10).astype(int):
            x, y = (column[number] + 0.5) / 48 * box["width"], (row[number] + 0.5) / 48 * box["height"]
            canvas.click(position={"x": x, "y": y})
            point = side.points[int(side.shown[0, row[number], column[number]]) - 1]
            said = page.locator("figcaption span")
            assert said.nth(0).inner_text() == "chosen"
            assert float(said.nth(1).inner_text()) > 0.9
            turn = int(page.locator("input").nth(1).input_value())
            assert 1 <= turn <= 4
            assert page.locator("canvas").nth(3).evaluate("canvas => canvas.toDataURL()") != blank
            assert "A point of one is chosen" in page.locator("#said").inner_text()
            found = page.evaluate(
                "at => window.featurenerf.matches(0, 0, at[0], at[1])", [column[number] + 0.5, row[number] + 0.5]
            )
            matched = front.points[found[1]["point"]]
            if min(abs(abs(float(p[0])) - 0.13) for p in (point, matched)) > 0.03:  # away from the border of parts
                assert int(part(matched)) == int(part(point))
        canvas.focus()  # by keyboard: from the middle, four steps of 48 / 32 pixels to the right
        for _ in range(4):
            canvas.press("ArrowRight")
        canvas.press("Enter")
        x, y = 24 + 4 * 1.5, 24.0
        pointed = int(side.shown[0, int(y), int(x)]) - 1
        assert pointed >= 0
        found = page.evaluate("at => window.featurenerf.matches(0, 0, at[0], at[1])", [x, y])
        assert page.locator("figcaption span").nth(1).inner_text() == f"{found[1]['score']:.2f}"
        assert found[0]["point"] == pointed
        assert canvas.evaluate("canvas => getComputedStyle(canvas).touchAction") == "pan-y"  # fingers scroll the page
        slider = page.locator("input").nth(1)
        before = page.locator("canvas").nth(3).evaluate("canvas => canvas.toDataURL()")
        slider.fill("3" if slider.input_value() != "3" else "1")
        assert page.locator("canvas").nth(3).evaluate("canvas => canvas.toDataURL()") != before


def test_pictures_to_a_page(tmp_path: Path) -> None:
    from featurenerf.pictures import to_image

    rgba = torch.zeros(4, 64, 64)
    rgba[:, 16:48, 10:54] = 0.6
    rgba[3, 16:48, 10:54] = 1
    files = [tmp_path / name for name in ("my_chair.png", "other.png")]
    for file in files:
        to_image(rgba).save(file)
    out = make_page(tmp_path / "page.html", files, EllipsoidModel(), turns=3, progress=False)
    assert [it["title"] for it in content(out)["objects"]] == ["my chair", "other"]
    assert len(content(out)["objects"][0]["pictures"]) == 4
    with pytest.raises(InputError, match="turns is 0: it must lie between 1 and 72"):
        make_page(tmp_path / "none.html", files, EllipsoidModel(), turns=0, progress=False)
    with pytest.raises(InputError, match="at least one picture"):
        make_page(tmp_path / "none.html", [], EllipsoidModel(), progress=False)
    to_image(torch.zeros(4, 64, 64)).save(files[1])
    with pytest.raises(InputError, match="no object was found"):
        make_page(tmp_path / "none.html", files, EllipsoidModel(), progress=False)
    assert not (tmp_path / "none.html").exists()


def test_a_field_in_which_nothing_is_seen(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the model sees no object in nothing"):
        clickable(ellipsoid(opacity=0.0), PICTURE, "nothing", turns=2, size=16)


def test_the_verb_needs_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no picture"):
        main([str(tmp_path / "no.png"), "--out", str(tmp_path / "page.html")])
