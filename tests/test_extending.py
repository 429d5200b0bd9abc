"""What a user adds, as docs/fields.md prints it: a channel, an edit, an encoder; and the code of editing and export."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from documented import blocks, install
from featurenerf import Camera, load, save
from featurenerf.models import FastConfig, FastModel, PaperConfig, PaperModel
from featurenerf.studio import edit, parts
from small_fast_model import picture

BACK = Camera.look_at(215, 20, 32, 32)


@pytest.fixture(scope="module")
def page() -> dict:
    """The names that the blocks about fields, channels and edits leave behind, in the order of the page."""
    names: dict = {"__name__": "docs"}
    sys.modules["docs"] = type(sys)("docs")  # dataclasses look their module up
    with torch.no_grad():
        for code in [*blocks("fields.md")[:1], *blocks("fields.md", heading="Add a channel")]:
            exec(code, names)
        for code in blocks("fields.md", heading="Edit a field"):
            exec(code, names)
    return names


def test_a_field_says_what_it_knows(page: dict) -> None:
    assert page["chair"].channels == {"density": 1, "rgb": 3, "feature": 64, "coordinate": 3, "descriptor": 192}
    views = page["views"]
    assert list(views) == ["rgb", "depth", "alpha", "feature", "descriptor"]
    assert views.rgb is views["rgb"]
    assert views.coordinate is None
    with pytest.raises(AttributeError, match="no channel 'colour' here; there are: rgb, depth"):
        views.colour  # noqa: B018


def test_an_added_channel_is_rendered_and_queried(page: dict) -> None:
    height, alpha = page["height"], page["taller"].render(Camera.look_at(120, 30, 64, 64), ["alpha"]).alpha
    assert height.shape == (64, 64, 1)
    rows = (height / alpha.clamp(min=1e-3))[..., 0]
    solid = alpha[..., 0] > 0.9
    top, bottom = (rows[part][solid[part]].mean() for part in (slice(0, 28), slice(40, 64)))
    assert top > bottom + 0.2
    points = torch.tensor([[0.0, 0.0, 0.25]])
    assert page["taller"].query(points).height.tolist() == [[0.75]]
    assert "height" in page["taller"].render(BACK)


def test_edits_change_what_they_say_and_nothing_else(page: dict) -> None:
    chair, swapped, stool, scene = (page[name] for name in ("chair", "swapped", "stool", "scene"))
    with torch.no_grad():
        before, after = chair.render(BACK), swapped.render(BACK)
        assert torch.equal(before.alpha, after.alpha)
        assert torch.equal(before.descriptor, after.descriptor)
        changed = (before.rgb - after.rgb).abs().amax(-1) > 0.05
        assert 0.02 < changed.float().mean() < 0.5 * (before.alpha > 0.5).float().mean()
        assert stool.render(BACK, ["alpha"]).alpha.sum() < 0.9 * before.alpha.sum()
        shares = scene.render(BACK, ["instance", "alpha"])
    assert shares.instance.shape == (32, 32, 2)
    torch.testing.assert_close(shares.instance.sum(-1, keepdim=True), shares.alpha, atol=1e-3, rtol=0)
    assert (shares.instance > 0.5).any(0).any(0).all()


def test_an_encoder_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (points,), (code,) = (blocks("fields.md", language, "Add an encoder") for language in ("toml", "python"))
    group, point = points.strip().splitlines()
    name = group.removeprefix('[project.entry-points."').removesuffix('"]')
    install(tmp_path, "pyramid", code, f"[{name}]\n{point.replace(chr(34), '')}\n")
    small = {"feature_dim": 8, "size": 32}
    fast = FastConfig(encoder="pyramid", encoder_blocks=(1, 2, 3), semantic_blocks=(3,), backbone_size=32, **small)
    paper = PaperConfig(encoder="pyramid", encoder_blocks=(0, 1, 2, 3), width=16, **small)
    for number, model in enumerate((FastModel(fast).eval(), PaperModel(paper).eval())):
        again = load(save(model, tmp_path / str(number)))
        assert again.config == model.config
        with torch.no_grad():
            one, two = (m.encode(picture(), Camera.look_at(0, 20)).query(torch.zeros(1, 3)) for m in (model, again))
        assert torch.equal(one.descriptor, two.descriptor)
    sys.modules.pop("pyramid", None)


def test_the_page_on_editing_swaps_a_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worked out on fewer points than usual: the stripes are yellow, the seat was red, the back stays."""
    monkeypatch.setattr(edit, "baked", partial(edit.baked, grid=32))
    monkeypatch.setattr(parts, "MOST_LABELLED", 150)
    names: dict = {}
    for code in blocks("editing.md"):
        exec(code, names)
    views = [names[name].render(Camera.look_at(35, 20, 128, 128), ("rgb",)).rgb for name in ("swapped",)]
    before = names["chair"].field.render(Camera.look_at(35, 20, 128, 128), ("rgb",)).rgb
    assert before[69, 53].argmax() == 0
    assert before[69, 53, 1] < 0.25 < 0.5 < views[0][69, 53, 1]
    assert torch.equal(before[30], views[0][30])


def test_the_page_on_export_writes_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for code in blocks("export.md"):
        exec(code, names)
    wanted = {"mesh.ply", "points.ply", "splats.ply", "splats.safetensors"}
    assert {path.name for path in (tmp_path / "exports").iterdir()} == wanted == set(names["files"])
