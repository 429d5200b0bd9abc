"""Features that can be compared with words: against the whole models, and down to the points of a field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from test_registry import close, normalised, outputs_of, run, tiny
from tiny_weights import WORDS, whole_model
from torch import Tensor

import featurenerf
from featurenerf.errors import InputError
from featurenerf.models import FastConfig, FastModel, checkpoint
from featurenerf.pictures import to_image
from featurenerf.studio import clickable
from featurenerf.studio.viewer import actions, state
from featurenerf.studio.viewer.workbench import Workbench
from featurenerf.teachers import canonical, load_teacher
from featurenerf.teachers.word_search import WordSearch
from featurenerf.training.targets import Projection

Weights = Callable[[str], Path]
BOTH = ["clip-b16", "siglip-b16"]
NUMBERS = {"clip-b16": [3, 2], "siglip-b16": [3, 2, 0, 0, 0, 0, 0, 0]}
"""What the tokenizer makes of "seat": CLIP's text side looks at the end alone, SigLIP's was trained with padding."""


@torch.no_grad()
def dense(name: str, pictures: Tensor) -> Tensor:
    """Patches in the space of words, by way of the whole model in which patches attend to themselves alone."""
    model = whole_model(name)
    given = normalised(name, pictures)
    vision = model.vision_model
    if name == "clip-b16":
        attention = next(m for n, m in vision.named_modules() if n.endswith("11.self_attn"))

        def to_itself(module: Any, args: Any, kwargs: Any, output: Any) -> Any:
            x = kwargs["hidden_states"]
            return module.out_proj(module.v_proj(x)), None

        attention.register_forward_hook(to_itself, with_kwargs=True)
        last = next(m for n, m in vision.named_modules() if n.endswith("layers.11"))
        with outputs_of(last) as found:
            run(model, normalised(name, pictures))
        features = model.visual_projection(vision.post_layernorm(found[0]))[:, 1:]
    else:
        tokens = vision(given, interpolate_pos_encoding=True).last_hidden_state
        features = torch.stack([vision.head(tokens[:, n : n + 1]) for n in range(tokens.shape[1])], 1)
    side = round(features.shape[1] ** 0.5)
    return features.transpose(1, 2).unflatten(2, (side, side))


@pytest.mark.parametrize("name", BOTH)
def test_patches(name: str, weights: Weights) -> None:
    pictures = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    assert close(tiny(name, weights)(pictures), dense(name, pictures))


@pytest.mark.parametrize("name", BOTH)
def test_words(name: str, weights: Weights) -> None:
    teacher = tiny(name, weights)
    embedded = teacher.embed_text(WORDS[:2])
    assert embedded.shape == (2, teacher.dim)
    with torch.no_grad():
        found = whole_model(name).get_text_features(torch.tensor([NUMBERS[name]]))
    assert close(embedded[:1], getattr(found, "pooler_output", found))
    assert not torch.allclose(embedded[0], embedded[1])
    assert close(teacher.embed_text(["seat"]), embedded[:1])  # whatever stands beside it


def test_other_facets_have_no_words(weights: Weights) -> None:
    with pytest.raises(InputError, match=r"facet=token.* has no words: load it with facet=words"):
        tiny("clip-b16", weights, "facet=token").embed_text(["seat"])
    with pytest.raises(InputError, match="dinov2-small cannot be asked in words: take clip-b16"):
        tiny("dinov2-small", weights).embed_text(["seat"])


def test_a_folder_without_its_tokenizer(weights: Weights, tmp_path: Path) -> None:
    whole_model("clip-b16").save_pretrained(tmp_path)
    with pytest.raises(InputError, match="holds no tokenizer"):
        load_teacher(f"clip-b16:{tmp_path}")
    assert load_teacher(f"clip-b16@facet=token:{tmp_path}").dim == 16


@pytest.fixture
def trained(weights: Weights, tmp_path: Path) -> Path:
    """A checkpoint that says it was distilled from the tiny CLIP, with as many components as the feature has."""
    teacher = tiny("clip-b16", weights)
    sizes = FastConfig(
        feature_dim=teacher.dim, widths=(8, 8, 16, 16), density_bins=8, volume_bins=4, volume_channels=8,
        pixel_channels=8, hidden=32, encoder=None, size=32,
    )  # fmt: skip
    named = canonical(f"clip-b16@verify=no:{weights('clip-b16')}")
    about = {"teacher": {"name": named, "weights": teacher.fingerprint()}}
    checkpoint.save(FastModel(sizes), tmp_path, about)
    cells = teacher(torch.rand(2, 3, 96, 96)).permute(0, 2, 3, 1).flatten(0, 2)
    Projection.fit(cells, teacher.dim).write(tmp_path / "teacher.safetensors")
    return tmp_path


def test_points_of_a_field_are_scored_by_words(trained: Path, weights: Weights) -> None:
    """A feature that goes through the projection and back is as close to words as the teacher's own."""
    search = WordSearch.of(trained)
    teacher = tiny("clip-b16", weights)
    own = teacher(torch.rand(1, 3, 96, 96)).permute(0, 2, 3, 1)[0, :3]
    scores = search.scores(Projection.read(trained / "teacher.safetensors")(own), WORDS)
    assert scores.shape == (*own.shape[:2], len(WORDS))
    assert torch.allclose(scores, F.cosine_similarity(own.unsqueeze(-2), teacher.embed_text(WORDS), dim=-1), atol=1e-4)
    field = checkpoint.load(trained).encode(torch.rand(3, 32, 32))
    points = torch.rand(1, 5, 3) - 0.5
    feature = field.query(points, F.normalize(points, dim=-1), channels=("feature",)).feature
    assert search.scores(feature, ["seat"]).abs().max() <= 1 + 1e-5
    with pytest.raises(InputError, match="no words"):
        search.scores(feature, [])


def test_words_for_the_wrong_checkpoint(trained: Path, weights: Weights) -> None:
    with pytest.raises(InputError, match=r"siglip-b16 have 16 numbers.* features of 10: give the teacher"):
        WordSearch.of(trained, f"siglip-b16@verify=no:{weights('siglip-b16')}")
    config = json.loads((trained / "config.json").read_text())
    config["teacher"]["weights"] = "0" * 64
    (trained / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="trained with other weights of clip-b16"):
        WordSearch.of(trained)
    assert load_file(trained / "teacher.safetensors")
    (trained / "teacher.safetensors").unlink()
    with pytest.raises(InputError, match=r"teacher\.safetensors is missing"):
        WordSearch.of(trained)


def test_the_viewer_is_asked_in_words(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of random weights: what is shown is what the teacher's words say of the field's features."""
    monkeypatch.setattr(state, "SURFACE_SIZE", 24)
    monkeypatch.setattr(clickable, "FOREGROUND_ALPHA", -1.0)  # everything is surface
    bench = Workbench(checkpoint.load(trained))
    assert bench.has_words
    rgba = torch.ones(4, 32, 32)
    rgba[3, :4] = 0
    to_image(rgba).save(tmp_path / "one.png")
    bench.add(tmp_path / "one.png", "one", mask="none")
    bench.ask(["seat", "leg"])
    of = bench.session.object("one")
    feature = of.shape.query(of.points, channels=("feature",)).feature
    exact = WordSearch.of(trained).scores(feature, ["seat", "leg"])
    assert bench.asked is not None
    assert torch.allclose(bench.asked.scores["one"], exact, atol=1e-5)
    bench.becomes(actions.parts_of_words(bench.session, bench.asked.scores, ["seat", "leg"]))
    assert torch.equal(bench.session.labels_of("one"), exact.argmax(1) + 1)
    assert not Workbench(featurenerf.load()).has_words  # its teacher has none
