"""What people give for points, poses and cameras: it works as the tensor would, or a sentence says what is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from analytic_field import EllipsoidModel, ellipsoid, formula_field
from featurenerf import Camera, InputError
from featurenerf.cameras import FOV
from featurenerf.fields import VolumeField
from featurenerf.fields.edits import Ball, Plain, composed, isolated, recolored, removed, transformed
from featurenerf.models import FastModel
from featurenerf.rendering import Sampling
from small_fast_model import SMALL
from unchecked import types_unchecked

POINTS = [[0.1, 0.0, 0.05], [-0.2, 0.1, 0.0]]
SAME: dict[str, Any] = {
    "list": POINTS,
    "tuple": tuple(map(tuple, POINTS)),
    "float32": torch.tensor(POINTS),
    "float64": torch.tensor(POINTS, dtype=torch.float64),
    "float16": torch.tensor(POINTS, dtype=torch.float16),
    "bfloat16": torch.tensor(POINTS, dtype=torch.bfloat16),
    "NumPy": np.array(POINTS),
    "NumPy float32": np.array(POINTS, np.float32),
    "NumPy big-endian": np.array(POINTS, ">f8"),
    "NumPy reversed": np.array(POINTS[::-1])[::-1],
    "list of arrays": [np.array(point) for point in POINTS],
    "list of tensors": [torch.tensor(point) for point in POINTS],
    "not contiguous": torch.tensor(POINTS).T.contiguous().T,
}
WRONG: dict[str, Any] = {
    "no axis": 0.0,
    "two numbers": [[0.0, 0.0]],
    "ragged": [[0.0, 0.0, 0.0], [0.0]],
    "a name": "points",
    "None": None,
    "objects": np.array([[None, 0, 0]]),
    "complex": torch.zeros(2, 3, dtype=torch.complex64),
    "no values": torch.zeros(2, 3, device="meta"),
}
NOT_FINITE = {"NaN": [[0.0, 0.0, math.nan]], "infinite": torch.full((1, 3), math.inf)}

FIELDS: dict[str, Callable[[], VolumeField]] = {
    "fast": lambda: FastModel(SMALL).eval().encode(torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))),
    "recolored": lambda: recolored(ellipsoid(), Ball((0.1, 0.0, 0.0), 0.2), Plain((1.0, 0.0, 0.0))),
    "removed": lambda: removed(ellipsoid(), Ball((0.1, 0.0, 0.0), 0.2)),
    "isolated": lambda: isolated(ellipsoid(), Ball((0.1, 0.0, 0.0), 0.2)),
    "transformed": lambda: transformed(ellipsoid(), translation=torch.tensor([0.0, 0.1, 0.0]), scale=0.7),
    "composed": lambda: composed([ellipsoid(), ellipsoid()]),
}


@pytest.fixture(scope="module", params=FIELDS)
def field(request: pytest.FixtureRequest) -> VolumeField:
    torch.manual_seed(0)
    with torch.no_grad():
        return FIELDS[request.param]()


# ---------------------------------------------------------------------- query


@torch.no_grad()
def test_points_of_any_kind_are_those_points(field: VolumeField) -> None:
    wanted = field.query(torch.tensor(POINTS))
    for kind, given in SAME.items():
        with types_unchecked():
            found = field.query(given)
        coarse = kind in ("float16", "bfloat16")
        for name, value in wanted.items():
            assert found[name].shape == value.shape, kind
            if not coarse:
                torch.testing.assert_close(found[name].float(), value, atol=1e-3, rtol=1e-3)
    whole = field.query(torch.tensor([[0, 0, 0]]))
    torch.testing.assert_close(whole["density"], field.query(torch.zeros(1, 3))["density"])


@pytest.mark.parametrize("kind", [*WRONG, *NOT_FINITE])
def test_points_that_are_none_are_said(field: VolumeField, kind: str) -> None:
    with types_unchecked(), pytest.raises(InputError, match="points"):
        field.query({**WRONG, **NOT_FINITE}[kind])
    if kind != "None":
        with types_unchecked(), pytest.raises(InputError, match=r"directions|points"):
            field.query(POINTS, {**WRONG, **NOT_FINITE}[kind])


@torch.no_grad()
def test_no_points_have_no_samples(field: VolumeField) -> None:
    one = field.query(torch.zeros(1, 3))
    for shape in ((0, 3), (4, 0, 3), (0, 7, 3)):
        none = field.query(torch.zeros(shape))
        for name, value in one.items():
            assert none[name].shape == (*shape[:-1], *value.shape[1:])
            assert none[name].dtype == value.dtype


def test_a_batch_of_fields_takes_as_many_points_for_each() -> None:
    cameras = Camera.look_at([0.0, 50.0], 20.0).reshape(2, 1)
    batch = FastModel(SMALL).eval().encode_batch(torch.rand(2, 1, 3, 128, 128), cameras)
    assert batch.query(np.zeros((2, 4, 3)))["density"].shape == (2, 4)
    assert batch.query(torch.zeros(2, 0, 3))["rgb"].shape == (2, 0, 3)
    for shape in ((3, 4, 3), (1, 4, 3), (3,)):
        with pytest.raises(InputError, match=r"points of a batch of 2 fields are \(2, \.\.\., 3\), not"):
            batch.query(torch.zeros(shape))


# ---------------------------------------------------------------------- render


@torch.no_grad()
@pytest.mark.parametrize("distance", [0.3, 0.9, 1.3, 1.8, 2.0, 2.25, 2.6, 6.0, 30.0])
def test_a_picture_from_any_distance(field: VolumeField, distance: float) -> None:
    """Through a lens in proportion, an object is about as large; it is never cut to where 1.3 would see it."""
    fov = 2 * math.degrees(math.atan(math.tan(math.radians(FOV) / 2) * 1.3 / distance))
    seen = field.render(Camera.look_at(30, 20, 12, 12, distance=distance, fov=fov))
    assert all(value.isfinite().all() for value in seen.values())
    if distance >= 0.9:
        share = seen["alpha"].mean() / field.render(Camera.look_at(30, 20, 12, 12))["alpha"].mean().clamp(min=1e-6)
        assert 0.6 < share < 1.6 or seen["alpha"].mean() < 0.01
        met = seen["alpha"][..., 0] > 0.9
        depth = (seen["depth"] / seen["alpha"].clamp(min=1e-3))[..., 0]
        assert ((depth[met] - distance).abs() < 0.52).all()


@torch.no_grad()
def test_a_camera_that_sees_nothing_has_an_empty_picture(field: VolumeField) -> None:
    here = Camera.look_at(30, 20, 8, 6)
    cameras = {
        "away": Camera.from_pose(here.pose @ torch.diag(torch.tensor([-1.0, 1, -1, 1])), 8.0, 8, 6),
        "corner": Camera.from_pose(here.pose, 150.0, 8, 6, principal=(400.0, 300.0)),
        "cut before": Camera.look_at(30, 20, 8, 6, near=0.01, far=0.02),
        "cut behind": Camera.look_at(30, 20, 8, 6, near=50.0, far=60.0),
    }
    for name, camera in cameras.items():
        seen = field.render(camera)
        assert {value.shape[:2] for value in seen.values()} == {(6, 8)}, name
        assert not any(value.any() for value in seen.values()), name


@torch.no_grad()
def test_several_cameras_are_several_pictures(field: VolumeField) -> None:
    cameras = Camera.look_at([10.0, 80.0], 20.0, 6, 5)
    both = field.render(cameras)
    for view in range(2):
        for name, value in field.render(cameras[view]).items():
            assert both[name].shape == (2, *value.shape)
            torch.testing.assert_close(both[name][view], value, atol=1e-4, rtol=1e-4)
    assert field.render(cameras[:1])["alpha"].shape == (1, 5, 6, 1)
    assert field.render(cameras[:0])["alpha"].shape == (0, 5, 6, 1)
    source = field.source.resize(6, 5)
    assert field.render(source)["alpha"].shape == (*source.batch_shape, 5, 6, 1)


@torch.no_grad()
def test_a_field_that_is_empty_everywhere() -> None:
    empty = formula_field(lambda points: torch.zeros_like(points[..., 0]))
    for sampling in (Sampling(16), Sampling(16, shaded=4, skip_below=1e-3), Sampling(8, 4, 4)):
        seen = VolumeField.render(type(empty)(**{**vars(empty), "sampling": sampling}), Camera.look_at(0, 0, 4, 4))
        assert not any(value.any() for value in seen.values())
        assert seen["descriptor"].shape == (4, 4, 3)


@torch.no_grad()
def test_black_pictures_become_fields() -> None:
    model = FastModel(SMALL).eval()
    with torch.no_grad():
        for parameter in model.net.parameters():
            parameter.zero_()
    for pictures, cameras in (
        (torch.zeros(3, 128, 128), None),
        ([torch.zeros(3, 128, 128)] * 2, [Camera.look_at(0, 20), Camera.look_at(90, 20)]),
    ):
        field = model.encode(pictures, cameras)
        assert field.query(POINTS)["density"].shape == (2,)
        assert field.render(Camera.look_at(40, 20, 8, 8))["rgb"].shape == (8, 8, 3)


# ---------------------------------------------------------------------- encode


FLIP = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))


@pytest.mark.parametrize(
    ("camera", "sentence"),
    [
        (Camera.from_pose(Camera.look_at(30, 20).pose @ FLIP, 140.0, 128, 128), "looks away .* OpenGL"),
        (Camera.look_at(30, 20, distance=900), "pixels across"),
        (Camera.look_at(30, 20, distance=0.2), "inside the object"),
        (Camera.look_at([0.0, 90.0], 20), "1 pictures came with 2 cameras"),
    ],
)
def test_cameras_that_cannot_be_are_said(camera: Camera, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        EllipsoidModel().encode(torch.rand(3, 128, 128), camera)
    with pytest.raises(InputError, match=f"picture 2: .*{sentence}" if camera.batch_shape == () else "2 pictures"):
        EllipsoidModel().encode([torch.rand(3, 128, 128)] * 2, [Camera.look_at(), camera])


def test_a_batch_of_one_camera_is_a_camera() -> None:
    camera = Camera.look_at(30, 20)
    for given in (camera.reshape(1), [camera.reshape(1)], camera.reshape(1, 1)):
        field = EllipsoidModel().encode(torch.rand(3, 128, 128), given)
        assert field.source == camera.reshape(1)
    both = Camera.look_at([0.0, 90.0], 20.0)
    assert EllipsoidModel().encode([torch.rand(3, 128, 128)] * 2, both).source == both


# ---------------------------------------------------------------------- cameras


def test_cameras_are_compared_by_their_numbers() -> None:
    camera = Camera.look_at(30, 20)
    assert camera == Camera.look_at(30, 20)
    assert len({camera, Camera.look_at(30, 20)}) == 1
    others = (Camera.look_at(31, 20), camera.reshape(1), camera.resize(64, 64), Camera.look_at(30, 20, far=9.0), "it")
    assert all(camera != other for other in others)


@pytest.mark.parametrize("method", ["world_to_camera", "rotate_to_camera", "project", "rays_through", "unproject"])
def test_what_cameras_do_takes_numbers_of_any_kind(method: str) -> None:
    camera, length = Camera.look_at(30, 20), 2 if method in ("rays_through", "unproject") else 3
    further = (1.0,) if method == "unproject" else ()

    def call(given: Any) -> list[torch.Tensor]:
        with types_unchecked():
            found = getattr(camera, method)(given, *further)
        return list(found) if isinstance(found, tuple) else [found]

    wanted = call(torch.tensor(POINTS)[:, :length])
    for kind in ("list", "tuple", "float64", "NumPy", "NumPy big-endian", "NumPy reversed"):
        given = SAME[kind]
        given = [point[:length] for point in given] if isinstance(given, (list, tuple)) else given[:, :length]
        for one, other in zip(call(given), wanted, strict=True):
            torch.testing.assert_close(one.float(), other, atol=1e-3, rtol=1e-4)
    assert all(each.shape[0] == 0 for each in call(torch.zeros(0, length)))
    for kind, given in WRONG.items():
        with pytest.raises(InputError):
            call(given if kind != "two numbers" else [[0.0] * (length + 1)])
    with pytest.raises(InputError, match=r"are \(2, \.\.\., "), types_unchecked():
        getattr(Camera.look_at([0.0, 1.0], 0.0), method)(torch.zeros(3, 4, length), *further)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Camera.look_at(distance=0.0),
        lambda: Camera.look_at(distance=math.nan),
        lambda: Camera.look_at(fov=180.0),
        lambda: Camera.look_at(math.nan),
        lambda: Camera.look_at([0.0, 1.0], [0.0, 1.0, 2.0]),
        lambda: Camera.look_at("front"),
        lambda: Camera.look_at(width=8.5),
        lambda: Camera.look_at().to("cuda:99"),
        lambda: Camera.look_at().to("nowhere"),
        lambda: Camera.look_at().reshape(2),
        lambda: Camera.look_at()[0],
        lambda: Camera.look_at().resize(0, 4),
        lambda: Camera.stack([]),
        lambda: Camera.stack([Camera.look_at(), Camera.look_at([0.0, 1.0])]),
        lambda: Camera.from_opencv(np.eye(4), np.eye(4), 8, 4),
        lambda: Camera.from_opencv(np.eye(3), np.eye(3), 8, 4),
        lambda: Camera.from_pose(np.full((4, 4), "x"), 1.0, 8, 4),
        lambda: Camera.look_at().unproject(torch.zeros(3, 2), torch.zeros(4)),
        lambda: Plain((2.0, 0.0, 0.0)),
        lambda: Plain((0.0, math.nan, 0.0)),
        lambda: Ball((0.0, 0.0, 0.0), -1.0),
    ],
)
def test_cameras_that_cannot_be_made_are_said(make: Callable[[], Any]) -> None:
    with types_unchecked(), pytest.raises(InputError):
        make()
