"""What every field and every model does, seen through a field and a model that remember what they were asked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from featurenerf import Camera, InputError
from featurenerf.fields import VolumeField
from featurenerf.models import Model
from featurenerf.models.warp import Canonical
from featurenerf.rendering import Sampling
from unchecked import types_unchecked

LN2 = math.log(2)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Witness(VolumeField):
    """A fog whose colour is the viewing direction and whose coordinate is the point."""

    asked: list[tuple[Tensor, Tensor, tuple[str, ...]]] = field(default_factory=list)

    @property
    def channels(self) -> dict[str, int]:
        return {"density": 1, "rgb": 3, "feature": 2, "coordinate": 3, "descriptor": 6}

    def sample(self, points: Tensor, directions: Tensor, channels: tuple[str, ...]) -> dict[str, Tensor]:
        self.asked.append((points, directions, channels))
        values = {
            "density": torch.full_like(points[..., :1], 2 * LN2),
            "rgb": directions,
            "feature": points[..., :2],
            "coordinate": points,
            "descriptor": torch.cat([points, points], -1),
        }
        return {name: values[name] for name in channels}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class HalfWitness(Witness):
    """Nothing is known of rays that go to the left of the world's x axis."""

    def bounds(self, origins: Tensor, directions: Tensor, near: float, far: float) -> tuple[Tensor, Tensor]:
        start, end = super().bounds(origins, directions, near, far)
        return start, torch.where(directions[..., 1:2] > 0, end, start)


FRONT = Camera.look_at(0, 0, 3, 2, distance=2)
ONE = FRONT.reshape(1)
TWO_VIEWS = Camera.look_at([0.0, 90.0], 0.0, 3, 2, distance=2)
TWO_FIELDS = TWO_VIEWS.reshape(2, 1)


def witness(source: Camera = ONE, kind: type[Witness] = Witness, **settings: Any) -> Witness:
    given = {"sampling": Sampling(1), "pixel_offset": 0.5, "rays_per_chunk": 1000, **settings}
    return kind(source=source, **given)


def unit(*xyz: float) -> Tensor:
    """Vectors of three, made as long as 1."""
    vectors = torch.tensor(xyz).reshape(-1, 3)
    return vectors / vectors.square().sum(-1, keepdim=True).sqrt()


# ---------------------------------------------------------------------- query


def test_a_query_gives_what_is_asked_for_and_no_more() -> None:
    known = witness()
    points = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    seen = known.query(points, channels=("density", "feature"))
    assert seen.density is not None
    torch.testing.assert_close(seen.density, torch.full((2,), 2 * LN2))
    assert seen.feature is not None
    assert torch.equal(seen.feature, points[:, :2])
    assert (seen.rgb, seen.coordinate, seen.descriptor) == (None, None, None)
    assert [channels for _, _, channels in known.asked] == [("density", "feature")]
    assert torch.equal(known.asked[0][0], points[None])


def test_a_query_gives_everything_unless_told() -> None:
    known = witness()
    known.query(torch.zeros(2, 3))
    assert known.asked[0][2] == ("density", "rgb", "feature", "coordinate", "descriptor")


@pytest.mark.parametrize("shape", [(), (4,), (0,), (2, 5), (1, 1, 2)])
def test_a_query_keeps_the_shape_of_its_points(shape: tuple[int, ...]) -> None:
    points = torch.rand(*shape, 3)
    seen = witness().query(points)
    assert seen.density is not None
    assert seen.density.shape == shape
    assert seen.coordinate is not None
    assert torch.equal(seen.coordinate, points)
    assert seen.descriptor is not None
    assert seen.descriptor.shape == (*shape, 6)


def test_points_are_seen_from_the_first_source_camera_unless_told() -> None:
    """It stands at (2, 0, 0); the second, at (0, 2, 0), does not count. From where it stands there is no direction."""
    known = witness(TWO_VIEWS)
    points = torch.tensor([[0.0, 0.0, 0.0], [2.0, 3.0, 0.0], [5.0, 4.0, 0.0], [2.0, 0.0, 0.0]])
    seen = known.query(points, channels=("rgb",))
    expected = torch.tensor([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 0.0]])
    assert seen.rgb is not None
    torch.testing.assert_close(seen.rgb, expected, atol=1e-6, rtol=0)
    given = torch.tensor([[0.0, 0.0, 1.0]]).expand(4, 3)
    told = known.query(points, given, ("rgb",))
    assert told.rgb is not None
    assert torch.equal(told.rgb, given)


def test_each_field_of_a_batch_is_seen_from_its_own_camera() -> None:
    known = witness(TWO_FIELDS)
    points = torch.tensor([[[0.0, 0.0, 0.0], [2.0, 1.0, 0.0]], [[0.0, 0.0, 0.0], [1.0, 2.0, 0.0]]])
    seen = known.query(points, channels=("rgb", "coordinate"))
    expected = torch.tensor([[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
    assert seen.rgb is not None
    torch.testing.assert_close(seen.rgb, expected, atol=1e-6, rtol=0)
    assert seen.coordinate is not None
    assert torch.equal(seen.coordinate, points)
    nested = known.query(torch.zeros(2, 4, 5, 3), torch.ones(2, 4, 5, 3), ("density",))
    assert nested.density is not None
    assert nested.density.shape == (2, 4, 5)
    assert known.asked[1][0].shape == known.asked[1][1].shape == (2, 20, 3)


def test_directions_have_the_points_precision() -> None:
    known = witness()
    known.query(torch.zeros(2, 3, dtype=torch.float64))
    known.query(torch.zeros(2, 3, dtype=torch.float64), torch.ones(2, 3))
    assert [directions.dtype for _, directions, _ in known.asked] == [torch.float64] * 2


@pytest.mark.parametrize(
    ("points", "directions", "channels", "sentence"),
    [
        (torch.zeros(2, 3), None, ("colour",), "no channel 'colour'; it has: density, rgb, feature, coo"),
        (torch.zeros(2, 3), None, ("rgb", "alpha"), "no channel 'alpha'"),
        (torch.zeros(2, 4), None, ("rgb",), r"world coordinates, not \(2, 4\)"),
        (torch.tensor(1.0), None, ("rgb",), r"world coordinates, not \(\)"),
        (torch.tensor([[0.0, 0.0, 0.0], [0.0, torch.nan, 0.0]]), None, ("rgb",), "NaN or infinite"),
        (torch.tensor([[0.0, 0.0, -torch.inf]]), None, ("rgb",), "NaN or infinite"),
        (torch.zeros(2, 3), torch.zeros(1, 3), ("rgb",), r"directions \(1, 3\) and points \(2, 3\) differ in shape"),
    ],
)  # fmt: skip
def test_what_cannot_be_queried_is_said(
    points: Tensor, directions: Tensor | None, channels: tuple[str, ...], sentence: str
) -> None:
    known = witness()
    with types_unchecked(), pytest.raises(InputError, match=sentence):
        known.query(points, directions, channels)
    assert known.asked == []


# ---------------------------------------------------------------------- render


def test_a_picture_by_hand() -> None:
    """Two rows of three. Between depths 1 and 2 is one sample, at 1.5, where half the light stops."""
    camera = Camera.from_pose(FRONT.pose, (2, 1), 3, 2, near=1.0, far=2.0)
    seen = witness().render(camera, ("rgb", "alpha", "depth", "coordinate"))
    assert list(seen) == ["rgb", "alpha", "depth", "coordinate"]
    assert {name: tuple(value.shape) for name, value in seen.items()} == {
        "rgb": (2, 3, 3), "alpha": (2, 3, 1), "depth": (2, 3, 1), "coordinate": (2, 3, 3),
    }  # fmt: skip
    torch.testing.assert_close(seen["alpha"], torch.full((2, 3, 1), 0.5))
    torch.testing.assert_close(seen["depth"], torch.full((2, 3, 1), 0.75))
    # right is +y, up is +z, ahead is -x; the picture's middle (1.5, 1) is half a pixel below the upper row's centres
    ways = unit(-1, -0.5, 0.5, -1, 0, 0.5, -1, 0.5, 0.5, -1, -0.5, -0.5, -1, 0, -0.5, -1, 0.5, -0.5).reshape(2, 3, 3)
    torch.testing.assert_close(seen["rgb"], 0.5 * ways, atol=1e-6, rtol=0)
    torch.testing.assert_close(seen["coordinate"], 0.5 * (torch.tensor([2.0, 0, 0]) + 1.5 * ways), atol=1e-6, rtol=0)


def test_what_is_rendered_unless_told() -> None:
    assert list(witness().render(FRONT)) == ["rgb", "depth", "alpha", "feature", "descriptor"]


def test_rays_start_where_in_a_pixel_the_field_says() -> None:
    """At its upper left corner: half a pixel to the left of its centre, and half a pixel above."""
    camera = Camera.from_pose(FRONT.pose, (2, 1), 3, 2, near=1.0, far=2.0)
    seen = witness(pixel_offset=0.0).render(camera, ("rgb",))
    torch.testing.assert_close(seen["rgb"][0, 0], 0.5 * unit(-1, -0.75, 1)[0], atol=1e-6, rtol=0)


def test_a_batch_of_fields_takes_a_batch_of_cameras() -> None:
    cameras = Camera.from_pose(TWO_VIEWS.pose, (2, 1), 3, 2, near=1.0, far=2.0)
    seen = witness(TWO_FIELDS).render(cameras, ("rgb",))["rgb"]
    assert seen.shape == (2, 2, 3, 3)
    middle = unit(-1, 0, 0.5, -1, 0, -0.5, 0, -1, 0.5, 0, -1, -0.5).reshape(2, 2, 3)
    torch.testing.assert_close(seen[:, :, 1], 0.5 * middle, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("source", "camera", "channels", "sentence"),
    [
        (ONE, FRONT, ("rgb", "density"), "no channel 'density'.*; it has: alpha, depth, rgb, feature"),
        (ONE, FRONT, ("",), "no channel ''"),
        (ONE, TWO_VIEWS.reshape(1, 2), ("rgb",), r"batch shape \(\), not \(1, 2\)"),
        (TWO_FIELDS, TWO_FIELDS.reshape(2, 1, 1), ("rgb",), r"batch shape \(2,\), not \(2, 1, 1\)"),
        (ONE, FRONT, "rgb", r"channels are a list of names: give \['rgb'\]"),
        (TWO_FIELDS, FRONT, ("rgb",), r"batch shape \(2,\), not \(\)"),
        (TWO_FIELDS, ONE, ("rgb",), r"batch shape \(2,\), not \(1,\)"),
    ],
)
def test_what_cannot_be_rendered_is_said(source: Camera, camera: Camera, channels: tuple[str, ...], sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        witness(source).render(camera, channels)


@pytest.mark.parametrize(
    ("source", "camera", "rays_per_chunk", "calls"),
    [
        (ONE, FRONT, 1000, [6]),
        (ONE, FRONT, 6, [6]),
        (ONE, FRONT, 4, [4, 2]),
        (ONE, FRONT, 0, [1] * 6),
        (TWO_FIELDS, TWO_VIEWS, 4, [2, 2, 2]),  # of each field
        (TWO_FIELDS, TWO_VIEWS, 1, [1] * 6),
    ],
)
def test_rays_are_rendered_some_at_a_time(source: Camera, camera: Camera, rays_per_chunk: int, calls: list) -> None:
    known = witness(source, rays_per_chunk=rays_per_chunk)
    seen = known.render(camera, ("coordinate",))["coordinate"]
    assert [points.shape[1] for points, _, _ in known.asked] == calls
    torch.testing.assert_close(seen, witness(source).render(camera, ("coordinate",))["coordinate"])


def test_only_rays_that_meet_a_fields_bounds_are_looked_at() -> None:
    """Of three columns the left one goes to -y and the middle one straight ahead; both stay black."""
    known = witness(kind=HalfWitness)
    seen = known.render(FRONT, ("alpha", "rgb"))
    assert [points.shape[1] for points, _, _ in known.asked] == [2]
    assert (seen["alpha"][..., 0] > 0).tolist() == [[False, False, True]] * 2
    assert not seen["rgb"][:, :2].any()
    assert (seen["rgb"][:, 2, 1] > 0).all()


def test_rays_of_a_batch_are_looked_at_together() -> None:
    """The second field is looked at from its own left, where no ray goes to the left."""
    known = witness(TWO_FIELDS, HalfWitness)
    seen = known.render(Camera.look_at([0.0, -90.0], 0.0, 3, 2, distance=2), ("alpha",))["alpha"][..., 0]
    assert [points.shape[1] for points, _, _ in known.asked] == [6]
    assert (seen > 0).tolist() == [[[False, False, True]] * 2, [[True, True, True]] * 2]


def test_rays_for_training_are_sampled_as_the_field_says() -> None:
    known = witness(kind=HalfWitness, sampling=Sampling(2, importance=3))
    origins = torch.tensor([2.0, 0.0, 0.0]).expand(1, 2, 3)
    directions = unit(-1, -1, 0, -1, 1, 0)[None]
    values = known.render_rays(origins, directions, 1.0, 2.0, ("rgb",))
    assert values.depths.shape == (1, 2, 5)
    assert (values.depths[:, 0] == 1).all()  # it stays without the bounds
    assert values.coarse is not None
    torch.testing.assert_close(values.coarse.depths[0, 1], torch.tensor([1.25, 1.75]))
    assert set(values.channels) == {"rgb", "alpha", "depth"}

    def jittered(seed: int) -> Tensor:
        dice = torch.Generator().manual_seed(seed)
        return known.render_rays(origins, directions, 1.0, 2.0, ("rgb",), jitter=True, generator=dice).depths[:, 1]

    assert torch.equal(jittered(0), jittered(0))
    assert not torch.equal(jittered(0), jittered(1))
    assert not torch.equal(jittered(0), values.depths[:, 1])


def test_a_field_is_sampled_from_near_to_far_unless_it_knows_better() -> None:
    origins = torch.zeros(2, 5, 3)
    start, end = witness(TWO_FIELDS).bounds(origins, origins, 0.7, 1.9)
    torch.testing.assert_close(start, torch.full((2, 5, 1), 0.7))
    torch.testing.assert_close(end, torch.full((2, 5, 1), 1.9))


# ---------------------------------------------------------------------- encode


class WitnessModel(Model):
    name = "witness"
    channels = {"density": 1, "rgb": 3, "feature": 2, "coordinate": 3, "descriptor": 6}  # noqa: RUF012

    def __init__(self, canonical: Canonical | None = None, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.canonical = canonical
        self.weight = nn.Parameter(torch.zeros(1, dtype=dtype))
        self.given: list[tuple[Tensor, Camera, bool]] = []

    def _encode(self, pictures: Tensor, cameras: Camera, assumed: bool = False) -> VolumeField:
        self.given.append((pictures[:, :, :3], cameras, assumed))
        self.alpha = pictures[:, :, 3]
        return witness(cameras)


def grey(value: float, width: int = 3, height: int = 2) -> Tensor:
    return torch.full((3, height, width), value)


@torch.no_grad()
def test_a_model_is_told_where_the_object_is() -> None:
    """By alpha; of an RGB picture, everything that is not black."""
    model, shown = WitnessModel(), torch.zeros(3, 2, 3)
    shown[1, 0, 2] = 0.4
    model.encode(shown)
    assert model.alpha.tolist() == [[[[0, 0, 1], [0, 0, 0]]]]
    model.given.clear()
    model.encode(torch.cat([shown, torch.full((1, 2, 3), 0.25)]))
    assert model.alpha.tolist() == [[[[0.25] * 3] * 2]]
    assert model.given[0][0].max() == pytest.approx(0.1)  # on black
    model.encode_batch(shown[None, None], Camera.look_at(width=3, height=2).reshape(1, 1))
    assert model.alpha.sum() == 1


def test_a_picture_alone_is_taken_from_the_front_20_degrees_up() -> None:
    model = WitnessModel()
    made = model.encode(torch.cat([grey(0.8), grey(0.5)[:1]]))
    pictures, cameras, assumed = model.given[0]
    torch.testing.assert_close(pictures, torch.full((1, 1, 3, 2, 3), 0.4))  # on black
    expected = torch.tensor([1.2216004, 0.0, 0.4446262])
    torch.testing.assert_close(cameras.centre, expected.expand(1, 1, 3), atol=1e-6, rtol=0)
    assert (cameras.width, cameras.height) == (3, 2)
    assert assumed
    assert made.source.batch_shape == (1,)
    assert not made.batched
    torch.testing.assert_close(made.source.centre[0], expected, atol=1e-6, rtol=0)


def test_a_camera_that_is_given_is_not_assumed() -> None:
    for picture, camera in ((grey(0.5), FRONT), ([grey(0.5)], [FRONT]), ((grey(0.5),), (FRONT,))):
        model = WitnessModel()
        made = model.encode(picture, camera)
        assert not model.given[0][2]
        assert torch.equal(made.source.pose, FRONT.pose[None])


def test_pictures_may_be_images_and_files(tmp_path) -> None:
    image = Image.new("RGB", (3, 2), (51, 51, 51))
    image.save(tmp_path / "a.png")
    for picture in (image, str(tmp_path / "a.png"), tmp_path / "a.png"):
        model = WitnessModel()
        model.encode(picture)
        torch.testing.assert_close(model.given[0][0], torch.full((1, 1, 3, 2, 3), 0.2))


def test_several_pictures_are_views_of_one_object() -> None:
    model = WitnessModel()
    made = model.encode([grey(0.2), grey(0.4)], [TWO_VIEWS[0], TWO_VIEWS[1]])
    pictures, cameras, _ = model.given[0]
    torch.testing.assert_close(pictures[0, :, 0, 0, 0], torch.tensor([0.2, 0.4]))
    assert (pictures.shape, cameras.batch_shape) == ((1, 2, 3, 2, 3), (1, 2))
    assert torch.equal(cameras.pose[0], TWO_VIEWS.pose)
    assert torch.equal(made.source.pose, TWO_VIEWS.pose)


def test_pictures_are_warped_to_the_canonical_camera() -> None:
    """What the field says of its source is in the user's world and pixels, of the first picture's size."""
    model = WitnessModel(Canonical(4, 90.0, 1.0))
    angle = 2 * math.degrees(math.atan(0.25))  # a focal length of 8 pixels; the other's is 8, too
    views = [Camera.look_at(0, 0, 8, 8, distance=2, fov=53.130102), Camera.look_at(90, 0, 4, 2, distance=4, fov=angle)]
    made = model.encode([grey(0.2, 8, 8), grey(0.4, 4, 2)], views)
    pictures, cameras, _ = model.given[0]
    assert pictures.shape == (1, 2, 3, 4, 4)
    torch.testing.assert_close(pictures[0, 0, 0, 1:3, 1:3], torch.full((2, 2), 0.2))
    torch.testing.assert_close(pictures[0, 1, 0, :, 1:3], torch.tensor([0.0, 0.4, 0.4, 0.0])[:, None].expand(4, 2))
    torch.testing.assert_close(cameras.focal[0], torch.tensor([[4.0, 4.0], [8.0, 8.0]]))
    torch.testing.assert_close(cameras.centre[0], torch.tensor([[2.0, 0, 0], [0, 4, 0]]), atol=1e-6, rtol=0)
    assert (cameras.width, cameras.height) == (4, 4)
    torch.testing.assert_close(made.source.centre, torch.tensor([[2.0, 0, 0], [0, 4, 0]]), atol=1e-6, rtol=0)
    assert (made.source.width, made.source.height) == (8, 8)
    torch.testing.assert_close(made.source.focal, torch.tensor([[8.0, 8.0], [16.0, 32.0]]))


def test_pictures_have_the_models_precision() -> None:
    model = WitnessModel(dtype=torch.bfloat16)
    model.encode(grey(0.5))
    assert model.given[0][0].dtype == torch.bfloat16 == model.dtype
    assert model.device == torch.device("cpu")


@pytest.mark.parametrize(
    ("pictures", "cameras", "sentence"),
    [
        ([], None, "at least one picture"),
        ([grey(0.5)] * 2, None, "need a list of cameras"),
        ([grey(0.5)] * 2, [FRONT], "2 pictures came with 1 cameras"),
        ([grey(0.5)] * 2, FRONT, "2 pictures came with 1 cameras"),
        (grey(0.5), [FRONT] * 2, "1 pictures came with 2 cameras"),
        (grey(0.5, 4, 2), FRONT, "a picture of 4 x 2 pixels came with a camera of 3 x 2"),
        (grey(0.5, 3, 3), FRONT, "a picture of 3 x 3 pixels came with a camera of 3 x 2"),
        ([grey(0.5), grey(0.5, 4)], [FRONT, FRONT.resize(4, 2)], "only if they have one size"),
    ],
)
def test_pictures_and_cameras_that_do_not_fit_are_said(pictures, cameras, sentence: str) -> None:
    model = WitnessModel()
    with pytest.raises(InputError, match=sentence):
        model.encode(pictures, cameras)
    assert model.given == []


def test_a_batch_of_objects_keeps_its_order() -> None:
    """Two objects with three views each; canonical pictures, and the cameras that were given as the source."""
    model = WitnessModel(Canonical(2, 90.0, 1.0))
    values = torch.tensor([[0.0, 0.1, 0.2], [0.3, 0.4, 0.5]])
    angles = torch.tensor([[0.0, 30.0, 60.0], [90.0, 120.0, 150.0]])
    cameras = Camera.look_at(angles, 0.0, 4, 4, distance=2, fov=90)
    made = model.encode_batch(values[:, :, None, None, None].expand(2, 3, 3, 4, 4), cameras)
    pictures, canonical, assumed = model.given[0]
    torch.testing.assert_close(pictures, values[:, :, None, None, None].expand(2, 3, 3, 2, 2))
    azimuths = torch.rad2deg(torch.atan2(canonical.centre[..., 1], canonical.centre[..., 0]))
    torch.testing.assert_close(azimuths, angles, atol=1e-4, rtol=0)
    torch.testing.assert_close(canonical.centre.norm(dim=-1), torch.full((2, 3), 2.0))
    assert not assumed
    assert made.source is cameras
    assert made.batched


@pytest.mark.parametrize("shape", [(2, 2), (3, 2), (1, 3)])
def test_a_batch_of_pictures_needs_as_many_cameras(shape: tuple[int, int]) -> None:
    cameras = Camera.look_at(torch.zeros(shape), 0.0, 4, 4)
    with pytest.raises(
        InputError, match=rf"pictures of batch shape \(2, 3\) came with cameras of \({shape[0]}, {shape[1]}\)"
    ):
        WitnessModel().encode_batch(torch.zeros(2, 3, 3, 4, 4), cameras)
