"""Importing checkpoints of the authors' program: sizes are inferred, oddities refused with a sentence."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.cli.import_official import main
from featurenerf.errors import InputError
from featurenerf.models import checkpoint
from featurenerf.models.official import convert, import_official
from featurenerf.models.paper import PaperConfig, PaperModel

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


def without(weights: dict[str, Tensor], *starts: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in weights.items() if not name.startswith(starts)}


def test_a_tensor_that_only_the_fine_pass_has(theirs: dict[str, Tensor]) -> None:
    theirs["mlp_fine.lin_in.scale"] = torch.ones(1)
    with pytest.raises(InputError, match=r"mlp_fine\.lin_in\.scale differs from the coarse MLP's"):
        convert(theirs)


def test_numbers_become_float32_and_counters_stay(model: PaperModel, theirs: dict[str, Tensor]) -> None:
    _, weights = convert({k: v.half() if v.is_floating_point() else v for k, v in theirs.items()})
    assert {value.dtype for value in weights.values()} == {torch.float32, torch.int64}
    assert weights["encoder.bn1.num_batches_tracked"].dtype == torch.int64
    exact = model.network.input.weight
    torch.testing.assert_close(weights["network.input.weight"], exact, rtol=1e-3, atol=1e-3)
    assert not torch.equal(weights["network.input.weight"], exact)


def test_counters_that_are_there_are_kept(theirs: dict[str, Tensor]) -> None:
    theirs["encoder.model.bn1.num_batches_tracked"] = torch.tensor(7)
    del theirs["encoder.model.layer1.0.bn1.num_batches_tracked"]
    _, weights = convert(theirs)
    assert weights["encoder.bn1.num_batches_tracked"] == 7
    assert weights["encoder.layer1.0.bn1.num_batches_tracked"] == 0


@pytest.mark.parametrize("name", ["lin_in", "lin_z.0", "lin_out", "blocks.0.fc_0"])
def test_layers_without_which_no_size_is_known(theirs: dict[str, Tensor], name: str) -> None:
    ours = {
        "lin_in": "network.input.weight",
        "lin_z.0": "network.latent.weight",
        "lin_out": "network.output.weight",
        "blocks.0.fc_0": "network.blocks.0.first.weight",
    }[name]
    theirs = without(theirs, "mlp_fine.")
    weight = theirs.pop(f"mlp_coarse.{name}.weight")
    for changed in (theirs, {**theirs, f"mlp_coarse.{name}.weight": weight[0]}):  # absent, or not a matrix
        with pytest.raises(InputError, match=f"not a checkpoint of the published model: it has nothing for {ours}$"):
            convert(changed)


def test_a_file_of_something_else_lacks_all_of_them() -> None:
    with pytest.raises(InputError, match=r"nothing for network\.input\.weight, network\.output\.weight, .+first"):
        convert({})


@pytest.mark.parametrize(
    ("layer", "columns", "refused"),
    [
        ("lin_in", 6, True),  # no octave
        ("lin_in", 11, True),
        ("lin_in", 13, True),
        ("lin_in", 12, False),  # one octave
        ("lin_in", 42, False),
        ("lin_z.0", 511, True),
    ],
)
def test_inputs_that_the_published_model_has_not(
    theirs: dict[str, Tensor], layer: str, columns: int, refused: bool
) -> None:
    theirs = without(theirs, "mlp_fine.", "code.")
    for name in ("lin_z.0", "lin_z.1") if layer == "lin_z.0" else (layer,):
        theirs[f"mlp_coarse.{name}.weight"] = torch.zeros(16, columns)
    if refused:
        with pytest.raises(InputError, match="its encoder or its positional code is not that of the published model"):
            convert(theirs)
    else:
        assert convert(theirs)[0].octaves == (columns - 6) // 6


def test_latent_layers_of_two_sizes(theirs: dict[str, Tensor]) -> None:
    theirs = without(theirs, "mlp_fine.")
    theirs["mlp_coarse.lin_z.1.weight"] = torch.zeros(16, 500)
    with pytest.raises(InputError, match=r"nothing for network\.latent\.weight"):
        convert(theirs)


@pytest.mark.parametrize(("outputs", "coordinate", "feature"), [(7, True, 0), (4, False, 0), (8, True, 1)])
def test_the_outputs_that_are_left_are_the_feature(
    theirs: dict[str, Tensor], outputs: int, coordinate: bool, feature: int
) -> None:
    theirs = without(theirs, "mlp_fine.")
    for leaf in ("weight", "bias"):
        theirs[f"mlp_coarse.lin_out.{leaf}"] = theirs[f"mlp_coarse.lin_out.{leaf}"][:outputs]
    config, weights = convert(theirs, coordinate=coordinate)
    assert (config.feature_dim, config.coordinate) == (feature, coordinate)
    assert weights["network.output.bias"].shape == (outputs,)


def test_no_outputs_for_coordinates(theirs: dict[str, Tensor]) -> None:
    theirs = without(theirs, "mlp_fine.")
    theirs["mlp_coarse.lin_out.weight"] = torch.zeros(6, 16)
    with pytest.raises(
        InputError, match="its 6 outputs leave no room for a coordinate head: import it without coordinate"
    ):
        convert(theirs)


def test_the_frequency_of_the_code(theirs: dict[str, Tensor]) -> None:
    """Is read off the file, whatever its type; where there is none it is that of the published models."""
    theirs["code._freqs"] = torch.tensor([2.0, 2, 4, 4, 8, 8, 16, 16], dtype=torch.float64).reshape(1, -1, 1)
    assert convert(theirs)[0].frequency == 2.0
    del theirs["code._freqs"]
    assert convert(theirs)[0].frequency == 1.5


@pytest.mark.parametrize(
    "factors",
    [
        [1.5, 1.5, 3, 3, 6, 6],  # an octave fewer than the input has room for
        [1.5, 1.5, 3, 3, 6, 6, 12],
        [1.5, 1.5, 3, 3, 6, 6, 12, 12, 24, 24],
        [1.5, 1.5, 3, 3, 6, 6, 9, 9],
        [1.5, 1.5, 3, 3, 6, 6, 12, 12.1],
    ],
)
def test_codes_that_are_not_the_published_one(theirs: dict[str, Tensor], factors: list[float]) -> None:
    theirs["code._freqs"] = torch.tensor(factors)
    with pytest.raises(InputError, match="the frequencies of its positional code do not double"):
        convert(theirs)


def test_every_oddity_is_counted_and_one_is_named(theirs: dict[str, Tensor]) -> None:
    theirs = without(theirs, "encoder.model.bn1.weight", "encoder.model.layer1.0.conv1.weight")
    theirs["encoder.model.stranger"] = theirs["encoder.model.bn1.bias"] = torch.zeros(2)
    with pytest.raises(
        InputError, match=r": 2 tensors missing, 1 unknown, 1 of another size \(such as encoder\.bn1\.w"
    ):
        convert(theirs)


def test_a_file_is_a_model_that_is_ready(model: PaperModel, theirs: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "pixel_nerf_latest"
    torch.save(theirs, path)
    imported = import_official(str(path))
    assert imported.config == CONFIG
    assert not any(module.training for module in imported.modules())
    own = model.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in imported.state_dict().items())
    torch.save({**theirs, "other": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="pixel_nerf_latest: the tensor other is not part of the published model"):
        import_official(path)
