"""The evaluation loop gives, to the last digit, the metrics that an independent transcription of the protocol gave."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.evaluation import Pair, evaluate, metrics
from featurenerf.evaluation import tasks as protocols
from featurenerf.evaluation.methods import PairView

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"

pytestmark = pytest.mark.skipif(
    not (GOLDEN / "protocol_expected.json").is_file(), reason=f"no golden protocol files at {GOLDEN}"
)


class Recorded:
    """An object of the golden files: annotations as they stand there, and a picture that says which object it is."""

    def __init__(self, arrays: dict[str, Tensor], number: int, side: str) -> None:
        self.arrays, self.number, self.side = arrays, number, side

    def __getitem__(self, name: str) -> Tensor:
        return self.arrays[f"case{self.number}.{self.side}_{name}"]

    def __len__(self) -> int:
        return 1

    def camera(self, view: int) -> Camera:
        return Camera.look_at(width=24, height=24)

    def has(self, kind: str) -> bool:
        return True

    def picture(self, view: int) -> np.ndarray:
        return np.full((24, 24, 4), 200 if self.side == "src" else 100, np.uint8)


class Recorded2D(Recorded):
    def parts(self, view: int) -> np.ndarray:
        return self["parts"].numpy()

    def keypoints(self, view: int) -> np.ndarray:
        return self["keypoints_xyid"].numpy()


class Recorded3D(Recorded):
    """The files hold no position of a source point: any will do, as long as the field knows it again."""

    def part_points(self) -> tuple[np.ndarray, np.ndarray]:
        return self._positions(len(self["point_parts"]), 10.0), self["point_parts"].numpy()

    def keypoint_candidates(self) -> tuple[np.ndarray, np.ndarray]:
        ids = self["keypoint_ids"]
        if self.side == "src":
            places = self._positions(len(ids), 20.0)
            return places, np.concatenate([places, ids[:, None].numpy()], 1)
        return self["candidate_xyz"].numpy(), torch.cat([self["keypoint_xyz"], ids[:, None]], 1).numpy()

    def features(self) -> dict[tuple[float, ...], Tensor]:
        named = "keypoint" if self.side == "src" else "candidate"
        return dict(
            zip(
                (tuple(p) for p in np.concatenate([self.part_points()[0], self.keypoint_candidates()[0]]).tolist()),
                torch.cat([self["point_features"], self[f"{named}_features"]]),
                strict=True,
            )
        )

    @staticmethod
    def _positions(count: int, height: float) -> np.ndarray:
        return np.stack([np.arange(count), np.zeros(count), np.full(count, height)], 1).astype(np.float32)


class RecordedField:
    pixel_offset = 0.5

    def __init__(self, recorded: Recorded) -> None:
        self.recorded, self.source = recorded, Camera.look_at([0.0])

    def render(self, camera: Camera, channels: Sequence[str]) -> dict[str, Tensor]:
        whole = {"descriptor": self.recorded["features"], "rgb": torch.zeros(24, 24, 3)}
        return {name: whole[name] for name in channels}

    def query(self, points: Tensor, directions: Tensor, channels: Sequence[str]) -> SimpleNamespace:
        assert isinstance(self.recorded, Recorded3D)
        features = self.recorded.features()
        return SimpleNamespace(descriptor=torch.stack([features[tuple(p)] for p in points.tolist()]))


class RecordedModel:
    def __init__(self, objects: dict[str, Recorded]) -> None:
        self.objects = objects

    def encode(self, picture: Tensor, camera: Camera) -> RecordedField:
        for recorded in self.objects.values():  # the picture is RGBA of one value n, on black n * n // 255
            value = int(recorded.picture(0)[0, 0, 0])
            if picture[0, 0, 0] == (value * value // 255) / 255:
                return RecordedField(recorded)
        raise AssertionError("a picture that no object has")


def run(task: protocols.Task | str, number: int) -> protocols.Evaluation:
    kind, name = (Recorded3D, "3d") if str(getattr(task, "name", task)) == "3d" else (Recorded2D, "2d")
    arrays = load_file(GOLDEN / f"protocol_{name}_inputs.safetensors")
    objects: dict[str, Recorded] = {side: kind(arrays, number, side) for side in ("src", "tgt")}
    model = RecordedModel(objects)
    pair = Pair.from_record({"src": "src", "trg": "tgt", "view": 0})
    return evaluate(task, [pair], objects.__getitem__, "descriptor", model, progress=False)


@pytest.fixture(scope="module")
def expected() -> dict[str, dict]:
    return json.loads((GOLDEN / "protocol_expected.json").read_text())


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize(
    ("task", "case", "thresholds"),
    [("2d", "case", "2.5_5_7.5_10_px"), ("3d", "case3d", "0.025_0.05_0.075_0.1")],
)
def test_metrics_are_those_of_the_protocol(
    task: str, case: str, thresholds: str, number: int, expected: dict[str, dict]
) -> None:
    result, wanted = run(task, number), expected[f"{case}{number}"]
    assert result.mean("part_iou") == wanted["part_miou"]
    accuracy = result.keypoint_accuracy()
    assert accuracy is not None
    assert list(accuracy) == thresholds.removesuffix("_px").split("_")
    assert list(accuracy.values()) == wanted[f"keypoint_accuracy_at_{thresholds}"]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_keypoints_land_where_the_protocol_says(
    number: int, expected: dict[str, dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    landed = []
    distances = metrics.distances
    monkeypatch.setattr(metrics, "distances", lambda a, b: (landed.append(a.tolist()), distances(a, b))[1])
    run("2d", number)
    assert landed == [expected[f"case{number}"]["predicted_xy_for_shared_ids"]]


def test_the_golden_cases_notice_a_change(expected: dict[str, dict], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each alteration of the protocol changes a metric of at least one case."""

    def differs() -> bool:
        for task, case in (("2d", "case"), ("3d", "case3d")):
            for number in range(3):
                result, wanted = run(task, number), expected[f"{case}{number}"]
                accuracy = list((result.keypoint_accuracy() or {}).values())
                if result.mean("part_iou") != wanted["part_miou"] or accuracy not in wanted.values():
                    return True
        return False

    assert not differs()
    with monkeypatch.context() as patch:  # parts of either end instead of both
        patch.setattr(metrics, "shared_parts", lambda a, b: sorted({*a.unique().tolist(), *b.unique().tolist()}))
        patch.setattr(metrics, "part_iou", lambda p, t, parts: sum(_iou(p, t, i) for i in parts) / len(parts))
        assert differs()
    with monkeypatch.context() as patch:  # scores not normalised
        patch.setattr("featurenerf.matching.normalise", lambda v: v)
        assert differs()
    with monkeypatch.context() as patch:  # unlabelled pixels take part in the picture
        original = protocols.pixels_of

        def all_pixels(objects, view: PairView, kinds) -> protocols.Places:
            places, parts = original(objects, view), torch.as_tensor(objects(view.object_id).parts(0))
            pixels = torch.ones_like(parts).nonzero().flip(-1)
            return protocols.Places(pixels, parts.flatten(), places.keypoints, pixels)

        patch.setattr(protocols, "pixels_of", all_pixels)
        assert differs()
    with monkeypatch.context() as patch:  # rows and columns exchanged
        patch.setattr(
            "featurenerf.evaluation.methods.builtin.ChannelMethod.vectors",
            lambda self, view, places: self.channel(
                view, places.flip(-1) if places.shape[1] == 2 else places, self.name
            ),
        )
        assert differs()


def _iou(predicted: Tensor, truth: Tensor, part: int) -> float:
    ours, real = predicted == part, truth == part
    return int((ours & real).sum()) / max(1, int((ours | real).sum()))
