"""What the checkpoint that ships answers: against what was recorded, of one chair and one car.

The numbers are those of float32 on a CPU. Processors with and without AVX-512 and float64 differ from them by 2e-5 of
a number at most; the tolerance is 5e-4. Where they change on purpose (another checkpoint, other pictures), delete the
record, make it again, and say in the commit why:

    rm tests/recorded/shipped_model.json && python tests/test_shipped_model.py
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import featurenerf
from featurenerf import Camera
from featurenerf.fields.base import Field
from featurenerf.models import FastConfig
from featurenerf.models.base import Model
from featurenerf.models.checkpoint import directory_of
from featurenerf.pictures import to_tensor, with_silhouette

RECORD = Path(__file__).parent / "recorded" / "shipped_model.json"
PICTURES = Path(featurenerf.__file__).parent / "assets" / "pictures"
AZIMUTHS = {"dining_chair": 35, "hatchback": 40}
TOLERANCE = 5e-4


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def weights_file() -> Path:
    return directory_of("chair-car") / "model.safetensors"


def encode(model: Model, name: str) -> Field:
    with torch.no_grad():
        return model.encode(PICTURES / f"{name}.png", Camera.look_at(AZIMUTHS[name], 20, 256, 256))


def assumed_plane(model: Model, name: str) -> Tensor:
    """The mirror plane in the world of the camera that is assumed before the true one is found."""
    picture = with_silhouette(to_tensor(PICTURES / f"{name}.png"))
    with torch.no_grad():
        return model._estimate(picture, None)[0].mirror  # what encode starts from


def answers(field: Field, points: Tensor) -> dict[str, Tensor]:
    """Every channel at every point; those of one number are (n, 1)."""
    with torch.no_grad():
        return {name: value.reshape(len(points), -1) for name, value in field.query(points).items()}


def view(field: Field, name: str) -> dict[str, Tensor]:
    """The object from its other side, at 144 pixels; a quarter of them see it."""
    with torch.no_grad():
        seen = field.render(Camera.look_at(AZIMUTHS[name] + 85, 30, 12, 12), ("rgb", "alpha", "depth"))
    return {channel: value.reshape(144, -1) for channel, value in seen.items()}


@pytest.fixture(scope="module")
def model() -> Model:
    return featurenerf.load()


@pytest.fixture(scope="module")
def fields(model: Model) -> dict[str, Field]:
    return {name: encode(model, name) for name in AZIMUTHS}


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    return json.loads(RECORD.read_text())


@pytest.fixture(params=AZIMUTHS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def far_off(found: Tensor, recorded: list[list[float]], least: float = 0.0) -> float:
    """The largest distance of rows, in lengths of the recorded ones, which count as ``least`` at least."""
    expected = torch.tensor(recorded)
    assert found.shape == expected.shape
    return float(((found - expected).norm(dim=-1) / expected.norm(dim=-1).clamp(min=least)).max())


def test_the_record_is_of_the_files_that_ship(record: dict[str, Any]) -> None:
    assert record["weights"] == sha256(weights_file()), "another checkpoint ships: see the top of this file"
    for name in AZIMUTHS:
        assert record[name]["picture"] == sha256(PICTURES / f"{name}.png"), "another picture: see the top of this file"


def test_a_record_is_not_overwritten() -> None:
    before = RECORD.read_bytes()
    with pytest.raises(FileExistsError, match="delete it first"):
        write_record(RECORD)
    assert RECORD.read_bytes() == before


def test_the_record_tells_solid_from_empty_and_holds_few_bytes(record: dict[str, Any], name: str) -> None:
    density = torch.tensor(record[name]["points"]["density"])
    assert (density > 50).sum() >= 3
    assert (density < 0.01).sum() >= 3
    assert RECORD.stat().st_size < 200_000


def test_it_is_made_of_the_defaults(model: Model) -> None:
    of_format_2 = {"density_stride": 2, "silhouette": False, "decode_once": False}
    assert model.config == FastConfig(categories={"chair": "mirror", "car": "mirror"}, **of_format_2)


@pytest.mark.parametrize("channel", ["density", "rgb", "coordinate", "feature"])
def test_what_points_are(fields: dict[str, Field], record: dict[str, Any], name: str, channel: str) -> None:
    recorded = record[name]["points"]
    found = answers(fields[name], torch.tensor(recorded["place"]))[channel]
    assert far_off(found, recorded[channel], least=1e-2) < TOLERANCE


@pytest.mark.parametrize("part", [slice(0, 64), slice(64, 128), slice(128, 192)], ids=["own", "semantics", "feature"])
def test_descriptors(fields: dict[str, Field], record: dict[str, Any], name: str, part: slice) -> None:
    recorded = record[name]["points"]
    found = answers(fields[name], torch.tensor(recorded["place"]))["descriptor"]
    assert far_off(found[:, part], [row[part] for row in recorded["descriptor"]]) < TOLERANCE


@pytest.mark.parametrize("channel", ["rgb", "alpha", "depth"])
def test_a_view_of_the_other_side(fields: dict[str, Field], record: dict[str, Any], name: str, channel: str) -> None:
    assert far_off(view(fields[name], name)[channel], record[name]["view"][channel], least=1.0) < TOLERANCE


def test_the_mirror_plane(model: Model, fields: dict[str, Field], record: dict[str, Any], name: str) -> None:
    """It is that of the world where the camera is given. Where it is assumed to stand in front of the object, the plane
    is found: the object's own, turned by as much as the camera really stood aside, within 5 degrees."""
    assert fields[name].mirror.tolist() == [[0, 1, 0, 0]]
    plane = assumed_plane(model, name)
    assert far_off(plane, [record[name]["assumed_plane"]]) < TOLERANCE
    azimuth = math.radians(AZIMUTHS[name])
    assert plane[0, :3] @ torch.tensor([math.sin(azimuth), math.cos(azimuth), 0.0]) > math.cos(math.radians(5))


def test_the_camera_is_found(model: Model, name: str) -> None:
    """Within 5 degrees of where these pictures were taken from. The world is then the object's own; its mirror plane is
    near the world's, where the field has it. The field is the one that the found camera gives when it is given."""
    with torch.no_grad():
        found = model.encode(PICTURES / f"{name}.png")
        given = model.encode(PICTURES / f"{name}.png", found.estimate.camera)
    assert found.estimate.found
    assert given.estimate is None
    assert found.estimate.azimuth == pytest.approx(AZIMUTHS[name], abs=5)
    assert found.estimate.elevation == pytest.approx(20, abs=5)
    assert found.estimate.roll == pytest.approx(0, abs=0.1)
    assert found.estimate.distance == pytest.approx(1.3, abs=1e-4)
    assert 2 < found.estimate.uncertainty < 8
    assert found.estimate.alternatives == ()
    assert 0 < 1 - found.mirror[0, 1] < 1 - math.cos(math.radians(5))
    assert abs(found.mirror[0, 3]) < 0.02
    assert torch.equal(found.source.pose, given.source.pose)
    points = torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.2, -0.3], [-0.2, 0.1, 0.1]])
    for channel, value in answers(found, points).items():
        torch.testing.assert_close(value, answers(given, points)[channel], rtol=1e-3, atol=1e-3)


def test_shares_of_the_recorded_descriptors(record: dict[str, Any], name: str) -> None:
    """The similarities of semantics and feature count 0.8 and 0.4 of that of the head's own part; a record of anything
    else is wrong."""
    own, semantics, feature = (
        part.norm(dim=-1) for part in torch.tensor(record[name]["points"]["descriptor"]).split(64, -1)
    )
    torch.testing.assert_close(semantics**2 / own**2, torch.full_like(own, 0.8), rtol=1e-4, atol=0)
    torch.testing.assert_close(feature**2 / own**2, torch.full_like(own, 0.4), rtol=1e-4, atol=0)


def places(field: Field) -> Tensor:
    """Of 2000 random points, 20 from the emptiest to the most solid."""
    points = (torch.rand(2000, 3, generator=torch.Generator().manual_seed(0)) - 0.5) * 0.9
    order = answers(field, points)["density"][:, 0].argsort()
    chosen = torch.cat([order[200:1600:280], order[-170::12]])  # 5 that are empty, 15 at and in the object
    return (points[chosen] * 1e4).round() / 1e4


def rounded(values: Tensor) -> list[list[float]]:
    return [[float(f"{number:.6g}") for number in row] for row in values.tolist()]


def write_record(path: Path) -> None:
    """One line a point or pixel."""
    if path.exists():
        raise FileExistsError(f"{path} is there: delete it first, and say in the commit why")
    model = featurenerf.load()
    record: dict[str, Any] = {"weights": sha256(weights_file())}
    for name in AZIMUTHS:
        field = encode(model, name)
        points = places(field)
        at_points = {"place": points, **answers(field, points)}
        record[name] = {
            "picture": sha256(PICTURES / f"{name}.png"),
            "points": {channel: rounded(value) for channel, value in at_points.items()},
            "view": {channel: rounded(value) for channel, value in view(field, name).items()},
            "assumed_plane": rounded(assumed_plane(model, name))[0],
        }
    text = json.dumps(record, separators=(",", ":")).replace("],[", "],\n[").replace('":', '": ')
    path.write_text(text + "\n")


if __name__ == "__main__":
    write_record(RECORD)
