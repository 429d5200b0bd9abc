"""Where an object is, by what its field says of it: the camera that took a picture, and the pose in a depth map.

A field predicts the ``coordinate`` of each visible point, its place in the object's own frame; where the point is in
the camera's frame is known too. A robust fit of the one to the other is the pose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from featurenerf.alignment import about_z, robust_similarity
from featurenerf.cameras import DISTANCE, Camera
from featurenerf.errors import InputError
from featurenerf.shown import PictureCamera

GRID = 40
"""Rays a side of the source picture whose coordinates are compared."""
SOLID_ALPHA = 0.8
"""Rays with less alpha pass a border or something thin: their mean depth may be nowhere."""
LEAST_RAYS = 12
"""An object that fewer rays meet is not found."""
SPREAD = 0.05
"""Error of a coordinate, in diagonals of the object, at which it counts half."""
CENTRE_WEIGHT = 1.0
"""Of the assumption that the object's centre is in front of the picture's, relative to all coordinates together."""
LARGEST_UNCERTAINTY = 25.0
"""Degrees; coordinates that scatter more say nothing of the camera."""
UNSURE = 15.0
"""Degrees; past it, quarter turns of the heading are alternatives (``docs/cameras.md`` has the table)."""
SIZES = (1.0, 0.85, 1.1)
"""A picture in which nothing is found is looked at again as one of an object so much smaller or larger."""
ROLL_IN_UNCERTAINTIES = 2.0
"""A roll is taken to be 0 unless it exceeds so many uncertainties: people hold cameras upright."""
SAME_SHAPE = 0.9
"""An object is its own turned image where so much of its visible surface turns into itself."""
SAME_DENSITY, SAME_COLOR = 0.25, 0.15
"""A turned point is on the surface where it has this share of the surface's density, and no channel differs more."""


@runtime_checkable
class Coordinated(Protocol):
    """What is needed of a field (``fields.base.Field`` is one)."""

    @property
    def source(self) -> Camera: ...
    @property
    def channels(self) -> Mapping[str, int]: ...
    @property
    def batched(self) -> bool: ...
    @property
    def estimate(self) -> Any: ...

    def query(self, points: Any, directions: Any = None, channels: Sequence[str] | None = None) -> Any: ...

    def render(self, camera: Camera, channels: Sequence[str] | None = None) -> Any: ...


@dataclass(frozen=True, eq=False)
class FoundCamera(PictureCamera):
    """A camera that was found and not given. Its world is the object's frame, but for the error of the estimate: where
    the object's mirror plane is, the field then knows better than the world."""

    found: ClassVar[bool] = True


@dataclass(frozen=True, eq=False)
class CameraEstimate:
    """The camera that took a picture, in the object's own frame (+x front, z up, diagonal 1).

    Attributes:
        camera: the most likely one; where nothing was found, the one that was assumed.
        uncertainty: degrees. The angle by which what the field says of single points scatters about the camera: two
            thirds of the estimates are less wrong than this. 180 where nothing was found.
        alternatives: cameras that explain the picture as well or nearly so, the likeliest first: an object that looks
            alike from several sides has them, and a picture that the model is unsure of.
        found: whether there is an estimate at all.
    """

    camera: Camera
    uncertainty: float
    alternatives: tuple[Camera, ...] = ()
    found: bool = True

    @property
    def azimuth(self) -> float:
        """Heading, in degrees: 0 looks at the object's front, 90 at its left side."""
        x, y, _ = self.camera.centre.double().tolist()
        return math.degrees(math.atan2(y, x))

    @property
    def elevation(self) -> float:
        """Degrees above the ground plane."""
        x, y, z = self.camera.centre.double().tolist()
        return math.degrees(math.atan2(z, math.hypot(x, y)))

    @property
    def roll(self) -> float:
        """Degrees by which the camera was turned counter-clockwise (as its holder sees it) about the line of sight."""
        centre = self.camera.centre
        offset = _towards(centre).to(centre.device).mT @ self.camera.pose[:3, :3].double()
        return math.degrees(math.atan2(float(offset[1, 0]), float(offset[0, 0])))

    @property
    def distance(self) -> float:
        """From the object's centre, in diagonals of the object. It follows from the size in the picture."""
        return float(self.camera.centre.norm())

    def __repr__(self) -> str:
        if not self.found:
            return "CameraEstimate(nothing found)"
        angles = f"azimuth {self.azimuth:.1f}, elevation {self.elevation:.1f}, roll {self.roll:.1f}"
        return (
            f"CameraEstimate({angles}, distance {self.distance:.2f}, uncertainty {self.uncertainty:.1f}, "
            f"{len(self.alternatives)} alternatives)"
        )


def not_found(camera: Camera) -> CameraEstimate:
    """What is said of a picture in which nothing was found."""
    return CameraEstimate(camera, 180.0, (), found=False)


def assumed_camera(width: int, height: int, lens: Camera | None = None) -> Camera:
    """A camera in front of the object whose picture has the object in its middle and as large as the canonical one.

    Args:
        lens: the picture's intrinsics; its pose is not read. None is the canonical field of view, on axis.
    Raises:
        InputError: for a lens of another picture size.
    """
    plain = Camera.look_at(width=width, height=height)
    if lens is None:
        return plain
    if lens.batch_shape or (lens.width, lens.height) != (width, height):
        raise InputError(
            f"a picture of {width} x {height} pixels came with a lens of {lens.width} x {lens.height}: "
            "give a single camera of the picture's size (Camera.resize)"
        )
    offset = (torch.tensor([width / 2, height / 2]) - lens.principal.cpu()) / lens.focal.cpu()
    middle = torch.tensor([float(offset[0]), -float(offset[1]), -1.0], dtype=torch.float64)  # the ray, in camera axes
    middle = middle / middle.norm()
    focal = float(lens.focal.mean()) / float(-middle[2]) ** 1.5  # off the axis a picture is stretched
    distance = DISTANCE * focal / float(plain.focal[0])
    ahead = torch.tensor([0.0, 0.0, -1.0], dtype=torch.float64)
    axis = torch.linalg.cross(middle, ahead)
    cross = torch.tensor(
        [[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]], dtype=torch.float64
    )
    framing = torch.eye(3, dtype=torch.float64) + cross + cross @ cross / (1 + middle @ ahead)
    pose = Camera.look_at(distance=distance).pose.double()
    pose[:3, :3] = pose[:3, :3] @ framing
    return Camera.from_pose(pose, lens.focal.cpu(), width, height, principal=lens.principal.cpu())


def nearer(camera: Camera, share: float) -> Camera:
    """A camera at this share of its distance from the origin: what its picture shows is then as much smaller."""
    pose = camera.pose.clone()
    pose[..., :3, 3] *= share
    return replace(camera, pose=pose)


@torch.no_grad()
def estimated_camera(field: Coordinated) -> CameraEstimate:
    """The camera of a field's (first) picture. That the field was made with says what the picture's intrinsics are, and
    that the world's origin is where the object's centre is about.
    """
    source = field.source.reshape(-1)[0]
    if "coordinate" not in field.channels or field.batched:
        return not_found(source)
    seen = visible(field, source, GRID)
    local, coordinates, weights = seen.local, seen.coordinates, seen.weights
    if len(weights) < LEAST_RAYS or not torch.isfinite(coordinates).all():
        return not_found(source)
    centre = source.world_to_camera(torch.zeros(1, 3, device=source.pose.device)).cpu().double()
    points, targets = torch.cat([local, centre]), torch.cat([coordinates, torch.zeros_like(centre)])
    counted = torch.cat([weights, CENTRE_WEIGHT * weights.sum().reshape(1)])
    fixed = torch.arange(len(points)) == len(weights)
    motion, _ = robust_similarity(points, targets, counted, SPREAD, fixed=fixed)
    uncertainty = _scatter(local - centre, coordinates, weights, motion.rotation)
    if not uncertainty < LARGEST_UNCERTAINTY:
        return not_found(source)
    framing = _towards(source.centre).mT @ source.pose[:3, :3].cpu().double()  # how it looks past the origin
    rotation = _without_small_roll(motion.rotation, framing, uncertainty)
    camera = _posed(source, rotation, centre[0])
    turns = [about_z(degrees) for degrees in (180.0, 90.0, 270.0)]
    turned = [_posed(source, turn @ rotation, centre[0]) for turn in turns]
    in_camera = [rotation.mT @ turn @ rotation for turn in turns]
    alike = [share > SAME_SHAPE for share in _turned_shares(field, source, local, in_camera, centre)]
    likely = [camera for camera, same in zip(turned, alike, strict=True) if same]
    others = [camera for camera, same in zip(turned, alike, strict=True) if not same and uncertainty > UNSURE]
    return CameraEstimate(camera, uncertainty, (*likely, *others))


@dataclass(frozen=True, eq=False)
class Visible:
    """What a field shows of its object in its source picture, ray by ray where the object is solid.

    Attributes:
        pixels: of the source picture, (x, y).
        local: points in the source camera's axes (OpenGL), in world units.
        world: the same in the world.
        coordinates: the same in the object's own frame, as the field predicts it.
        weights: alpha.
    """

    pixels: Float[Tensor, "n 2"]
    local: Float[Tensor, "n 3"]
    world: Float[Tensor, "n 3"]
    coordinates: Float[Tensor, "n 3"]
    weights: Float[Tensor, " n"]


def visible(field: Coordinated, source: Camera, grid: int) -> Visible:
    """What is visible along ``grid`` rays a row of the source picture; all on the CPU in float64."""
    camera = source.resize(grid, max(1, round(grid * source.height / source.width)))
    seen = field.render(camera, channels=("coordinate", "depth", "alpha"))
    alpha = seen["alpha"].reshape(-1, 1).cpu().double()
    solid = alpha[:, 0] > SOLID_ALPHA
    depth, coordinate = (seen[name].reshape(len(alpha), -1).cpu().double() / alpha for name in ("depth", "coordinate"))
    pixels = camera.pixels().cpu().double().reshape(-1, 2)
    local = _in_camera_axes(camera).unproject(pixels, depth[:, 0])[solid]
    pose = source.pose.cpu().double()
    step = torch.tensor([source.width / camera.width, source.height / camera.height], dtype=torch.float64)
    world = local @ pose[:3, :3].T + pose[:3, 3]
    return Visible(pixels[solid] * step, local, world, coordinate[solid], alpha[solid, 0])


def _in_camera_axes(camera: Camera) -> Camera:
    """A camera as it sees itself: at the origin, looking along -z."""
    moved = replace(camera, pose=torch.eye(4, device=camera.pose.device))
    return moved.to("cpu")


def _scatter(points: Tensor, coordinates: Tensor, weights: Tensor, rotation: Tensor) -> float:
    """Root mean square angle, in degrees and as seen from the centre, between points and their coordinates."""
    error = (points @ rotation.mT - coordinates).square().sum(-1)
    share = (weights * error).sum() / (weights * points.square().sum(-1)).sum().clamp(min=1e-12)
    return math.degrees(math.sqrt(float(share)))


def _without_small_roll(rotation: Tensor, framing: Tensor, uncertainty: float) -> Tensor:
    """A camera's rotation, upright where its roll is no more than what one must expect of an upright camera."""
    upright = _towards((rotation @ framing.mT)[:, 2]) @ framing
    offset = upright.mT @ rotation
    roll = math.degrees(math.acos(max(-1.0, min(1.0, (float(offset.trace()) - 1) / 2))))
    return upright if roll <= ROLL_IN_UNCERTAINTIES * uncertainty else rotation


def _towards(direction: Float[Tensor, " xyz"]) -> Float[Tensor, "3 3"]:
    """Rotation of an upright camera that looks at the origin from a direction."""
    x, y, z = (direction / direction.norm()).double().tolist()
    angles = math.degrees(math.atan2(y, x)), math.degrees(math.atan2(z, math.hypot(x, y)))
    return Camera.look_at(*angles).pose[:3, :3].double()


def _posed(source: Camera, rotation: Tensor, centre: Tensor) -> Camera:
    """The source camera turned in the world so that the object's centre (in camera axes) is the origin."""
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3], pose[:3, 3] = rotation, -(rotation @ centre)
    values = {field.name: getattr(source, field.name) for field in fields(Camera)}
    return FoundCamera(**{**values, "pose": pose.to(source.pose)})


def _turned_shares(
    field: Coordinated, source: Camera, local: Tensor, turns: Sequence[Tensor], centre: Tensor
) -> list[float]:
    """The share of the visible surface that is as solid, and has about its colour, after each turn about the centre."""
    known = ("density", "rgb") if "rgb" in field.channels else ("density",)
    pose = source.pose.cpu().double()
    every = torch.cat([local, *((local - centre) @ turn.mT + centre for turn in turns)]) @ pose[:3, :3].mT + pose[:3, 3]
    values = field.query(every.to(source.pose), channels=known)
    here, *there = values["density"].float().cpu().split(len(local))
    same = [density > here.median() * SAME_DENSITY for density in there]
    if "rgb" in known:
        before, *after = values["rgb"].float().cpu().split(len(local))
        near = [(before - color).abs().amax(-1) < SAME_COLOR for color in after]
        same = [one & other for one, other in zip(same, near, strict=True)]
    return [float(share.float().mean()) for share in same]
