"""Importing checkpoints of the authors' program: sizes are inferred, oddities refused with a sentence."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from featurenerf import checkpoint
from featurenerf.cameras import Camera
from featurenerf.cli.import_official import main
from featurenerf.errors import InputError
from featurenerf.fields.official import convert, import_official
from featurenerf.fields.paper import PaperConfig, PaperModel

CONFIG = PaperConfig(width=16, blocks=4, fuse=2, feature_dim=5, octaves=4, convention="authors", size=None)


def as_theirs(model: PaperModel) -> dict[str, Tensor]:
    """A state dict with the names of their checkpoints, their unused tensors included."""
    names = {
        "encoder.": "encoder.model.",
        "network.input.": "mlp_coarse.lin_in.",
        "network.output.": "mlp_coarse.lin_out.",
        "network.blocks.": "mlp_coarse.blocks.",
    }
    theirs = {}
    for name, tensor in model.state_dict().items():
        if name.startswith("network.latent."):
            leaf = name.rpartition(".")[2]
            theirs |= {f"mlp_coarse.lin_z.{k}.{leaf}": part.clone() for k, part in enumerate(tensor.chunk(CONFIG.fuse))}
            continue
        prefix = next(p for p in names if name.startswith(p))
        new = names[prefix] + name.removeprefix(prefix).replace(".first.", ".fc_0.").replace(".second.", ".fc_1.")
        theirs[new] = tensor.clone()
    theirs |= {k.replace("coarse", "fine"): v.clone() for k, v in theirs.items() if k.startswith("mlp_coarse.")}
    factors = (CONFIG.frequency * 2.0 ** torch.arange(CONFIG.octaves)).repeat_interleave(2)
    theirs["code._freqs"] = factors.reshape(1, -1, 1)
    theirs["code._phases"] = torch.tensor([0, torch.pi / 2]).repeat(CONFIG.octaves).reshape(1, -1, 1)
    theirs["encoder.model.layer4.0.conv1.weight"] = torch.zeros(1)
    return theirs


@pytest.fixture(scope="module")
def model() -> PaperModel:
    torch.manual_seed(0)
    return PaperModel(CONFIG).eval()


@pytest.fixture
def theirs(model: PaperModel) -> dict[str, Tensor]:
    return as_theirs(model)


def test_sizes_are_inferred(model: PaperModel, theirs: dict[str, Tensor]) -> None:
    config, weights = convert(theirs)
    assert config == CONFIG
    own = model.state_dict()
    assert set(own) == set(weights)
    assert all(torch.equal(own[name], weights[name]) for name in own)


def test_what_is_not_needed_may_be_absent(theirs: dict[str, Tensor]) -> None:
    whole = convert(theirs)[1]
    unneeded = ("mlp_fine.", "encoder.model.layer4.", "code._phases")
    small = {k: v for k, v in theirs.items() if not k.startswith(unneeded) and not k.endswith("num_batches_tracked")}
    config, weights = convert(small)
    assert config == CONFIG
    assert set(weights) == set(whole)


def test_without_coordinate_head(theirs: dict[str, Tensor]) -> None:
    config, _ = convert(theirs, coordinate=False)
    assert (config.feature_dim, config.coordinate) == (8, False)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mlp_fine.lin_in.bias", "share one MLP"),
        ("mlp_coarse.lin_out.weight", "nothing for network.output.weight"),
        ("encoder.model.layer2.0.conv1.weight", "1 tensors missing"),
        ("encoder.model.conv1.weight", "another size"),
        ("mlp_coarse.lin_z.1.weight", "nothing for network.latent.weight"),
        ("code._freqs", "do not double"),
        ("encoder.model.layer1.9.conv1.weight", "1 unknown"),
        ("mlp_coarse.scale_z.0.weight", "not part of the published model"),
    ],
)
def test_refused(theirs: dict[str, Tensor], name: str, message: str) -> None:
    if message.startswith(("nothing", "1 tensors missing")):
        theirs = {k: v for k, v in theirs.items() if k != name and not k.startswith("mlp_fine.")}
    elif name in theirs and message != "another size":
        theirs[name] = theirs[name] + 1
    else:
        theirs[name] = torch.zeros(2, 2)
    with pytest.raises(InputError, match=message):
        convert(theirs)


def test_command(
    model: PaperModel, theirs: dict[str, Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(theirs, tmp_path / "pixel_nerf_latest")
    main([str(tmp_path / "pixel_nerf_latest"), "--out", str(tmp_path / "ours")])
    assert "width 16, 4 blocks, feature 5, with coordinates" in capsys.readouterr().out
    loaded = checkpoint.load(tmp_path / "ours")
    assert loaded.config == CONFIG
    assert not loaded.training
    picture, camera = torch.rand(3, 48, 64), Camera.look_at(10.0, 30.0, 64, 48, distance=2.0, near=1.5, far=2.5)
    ours, own = loaded.encode(picture, camera), model.encode(picture, camera)
    assert ours.pixel_offset == 0
    points = torch.rand(10, 3) - 0.5
    assert torch.equal(ours.query(points).descriptor, own.query(points).descriptor)  # type: ignore[arg-type]


def test_command_without_coordinate(theirs: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(theirs, tmp_path / "weights.pth")
    main([str(tmp_path / "weights.pth"), "--out", str(tmp_path / "ours"), "--no-coordinate"])
    assert checkpoint.load(tmp_path / "ours").config.feature_dim == 8


def test_nothing_is_run_or_half_written(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "run",))

    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"a": Evil()}, protocol=2))
    torch.save({"net": {"nested": torch.zeros(1)}}, tmp_path / "nested.pth")
    torch.save({"a": Evil()}, tmp_path / "evil2.pth", pickle_protocol=2)
    (tmp_path / "text.pth").write_text("not weights")
    (tmp_path / "empty.pth").touch()
    for name in ("evil", "evil2", "nested", "text", "empty", "absent"):
        with pytest.raises(InputError, match=name):
            import_official(tmp_path / f"{name}.pth")
        with pytest.raises(InputError):
            main([str(tmp_path / f"{name}.pth"), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "out").exists()
