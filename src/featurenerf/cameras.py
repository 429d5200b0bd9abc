"""Cameras and rays, in the one convention that the whole package uses.

World: right-handed, z up, +x front (so +y is left); one unit is the object's bounding-box diagonal.
Camera: OpenGL axes (+x right, +y up, looking along -z); ``pose`` takes camera coordinates to world coordinates.
Pixels: ``(x, y)`` from the top left corner of the picture, the centre of the first pixel is (0.5, 0.5) and the
principal point is (width / 2, height / 2) unless given. Depth is the distance along the ray, not the z coordinate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featurenerf.arrays import Numbers, floats, whole
from featurenerf.errors import InputError, first_line
from featurenerf.lenses import intrinsic_matrix, pinhole
from featurenerf.limits import PIXELS

Number = int | float
Matrix = Tensor | Sequence[Sequence[Number]]
Points = Float[Tensor, "*batch_n 3"]
Pixels = Float[Tensor, "*batch_n 2"]

DISTANCE = 1.3
"""Distance of the canonical camera from the origin: a sphere of radius 0.5 just fits its picture."""
FOV = 49.13
"""Horizontal field of view of the canonical camera, in degrees (a focal length of 140 pixels at width 128)."""
NEAR, FAR = 0.8, 1.8
"""Depths between which the canonical camera sees that sphere."""
PICTURE_SIZE = 128
OPENCV_TO_OPENGL = torch.tensor([1.0, -1.0, -1.0, 1.0])
"""A pose times this has the other's axes."""
TENSORS = ("pose", "focal", "principal")
"""What of a camera has batch dimensions."""


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera, or a batch of them with the same picture size.

    Attributes:
        pose: camera-to-world matrices, OpenGL axes.
        focal: focal lengths (x, y) in pixels.
        principal: principal points (x, y) in pixels.
        width, height: picture size in pixels.
        near, far: depths that pictures are cut to, in world units; None is no cut: where rays are sampled follows from
            the field, which lies in the sphere of radius 0.5 around the origin.
    """

    pose: Float[Tensor, "*batch 4 4"]
    focal: Float[Tensor, "*batch 2"]
    principal: Float[Tensor, "*batch 2"]
    width: int
    height: int
    near: Number | None = None
    far: Number | None = None

    def __post_init__(self) -> None:
        for name in TENSORS:
            object.__setattr__(self, name, floats(getattr(self, name), f"a camera's {name}"))
        for name in ("width", "height"):
            object.__setattr__(self, name, whole(getattr(self, name), f"the {name} of a picture"))
        problem = "has no pixels" if min(self.width, self.height) < 1 else f"is beyond {PIXELS // 10**6} megapixels"
        if min(self.width, self.height) < 1 or self.width * self.height > PIXELS:
            raise InputError(f"a picture of {self.width} x {self.height} pixels {problem}")
        if self.pose.shape[-2:] != (4, 4):
            raise InputError(f"a camera pose is a (4, 4) camera-to-world matrix, not {tuple(self.pose.shape)}")
        for name in ("focal", "principal"):
            if getattr(self, name).shape != (*self.batch_shape, 2):
                found, wanted = tuple(getattr(self, name).shape), (*self.batch_shape, 2)
                raise InputError(f"{name} of a camera with poses {tuple(self.pose.shape)} is {wanted}, not {found}")
        self._check_pose()
        if not (torch.isfinite(self.focal).all() and (self.focal > 0).all()):
            raise InputError("the focal length must be a positive number of pixels")
        if not torch.isfinite(self.principal).all():
            raise InputError("the principal point holds NaN or infinite numbers")
        near, far = self.cut
        if not 0 <= near < far:
            raise InputError(f"near ({near}) and far ({far}) must satisfy 0 <= near < far")

    def _check_pose(self) -> None:
        if not torch.isfinite(self.pose).all():
            raise InputError("the camera pose holds NaN or infinite numbers")
        if self.pose.numel() == 0:
            return
        rotation = self.pose[..., :3, :3]
        if (rotation @ rotation.mT - torch.eye(3).to(rotation)).abs().max() > 1e-2:
            raise InputError("the camera pose must be a rotation and a translation; its 3 x 3 part is not a rotation")
        right, up, back = rotation.unbind(-1)
        if (torch.linalg.cross(right, up) * back).sum(-1).min() < 0:
            raise InputError(
                "the camera pose mirrors: its 3 x 3 part is a reflection, not a rotation; one axis was negated, or two "
                "were exchanged, of the camera or of the world (from OpenCV's axes to OpenGL's, negate y and z)"
            )
        last = self.pose[..., 3, :]
        if (last - torch.tensor([0.0, 0, 0, 1]).to(last)).abs().max() > 1e-3:
            raise InputError(
                "the last row of a camera pose is 0, 0, 0, 1: another one is not a camera-to-world matrix, or one that "
                "was transposed"
            )

    def __eq__(self, other: object) -> bool:
        """Whether every number is the same; on whatever devices."""
        if not isinstance(other, Camera):
            return NotImplemented
        numbers = [(c.width, c.height, *c.cut, c.batch_shape) for c in (self, other)]
        pairs = ((getattr(self, name), getattr(other, name)) for name in TENSORS)
        return numbers[0] == numbers[1] and all(torch.equal(a, b.to(a.device)) for a, b in pairs)

    def __hash__(self) -> int:
        return hash((self.width, self.height, *self.cut, self.batch_shape))

    # ------------------------------------------------------------------ ways to make one

    @classmethod
    def look_at(
        cls,
        azimuth: Numbers = 0.0,
        elevation: Numbers = 20.0,
        width: int = PICTURE_SIZE,
        height: int = PICTURE_SIZE,
        distance: Number = DISTANCE,
        fov: Number = FOV,
        near: Number | None = None,
        far: Number | None = None,
    ) -> Camera:
        """A camera that looks at the origin, the world's z axis up in its picture; a batch for sequences of angles.

        Args:
            azimuth: degrees; 0 looks at the object's front from +x, counter-clockwise seen from above.
            elevation: degrees above the ground plane.
            distance: from the origin, in world units.
            fov: horizontal field of view, in degrees.
        Raises:
            InputError: for numbers that no camera has.
        """
        if not (0 < distance < math.inf and 0 < fov < 180):
            raise InputError(f"a camera has a distance above 0 and a fov between 0 and 180, not {distance} and {fov}")
        angles = (floats(angle, "azimuth and elevation", dtype=torch.float64) for angle in (azimuth, elevation))
        az, el = (angle.double().deg2rad() for angle in angles)
        if not (az.isfinite().all() and el.isfinite().all()):
            raise InputError("azimuth and elevation of a camera are degrees, not NaN or infinite")
        try:
            az, el = torch.broadcast_tensors(az, el)
        except RuntimeError as error:
            raise InputError(f"azimuths {tuple(az.shape)} and elevations {tuple(el.shape)} are not as many") from error
        width, height = whole(width, "the width of a picture"), whole(height, "the height of a picture")
        backward = torch.stack([el.cos() * az.cos(), el.cos() * az.sin(), el.sin()], -1)
        right = torch.stack([-az.sin(), az.cos(), torch.zeros_like(az)], -1)
        up = torch.linalg.cross(backward, right)
        pose = torch.eye(4, dtype=torch.float64, device=az.device).repeat(*az.shape, 1, 1)
        pose[..., :3, :] = torch.stack([right, up, backward, backward * distance], -1)
        focal = width / 2 / math.tan(math.radians(fov) / 2)
        return cls.from_pose(pose.float(), focal, width, height, near, far)

    @classmethod
    def from_pose(
        cls,
        pose: Numbers,
        focal: Numbers,
        width: int,
        height: int,
        near: Number | None = None,
        far: Number | None = None,
        principal: Numbers | None = None,
    ) -> Camera:
        """A camera from its (..., 4, 4) camera-to-world matrix, OpenGL axes.

        Args:
            focal: in pixels; one number, a pair (x, y), or a (..., 2) tensor.
            principal: (x, y) in pixels; None is the picture's centre.
        """
        pose = floats(pose, "a camera's pose").float()
        pairs = {"focal": focal, "principal": (width / 2, height / 2) if principal is None else principal}
        each = []
        for name, given in pairs.items():
            pair = floats(given, f"a camera's {name}", pose.device).float()
            try:
                each.append(pair.expand(*pose.shape[:-2], 2))
            except RuntimeError as error:
                raise InputError(
                    f"{name} is one number, a pair (x, y), or a pair for each camera, not {tuple(pair.shape)} "
                    f"for poses {tuple(pose.shape)}"
                ) from error
        return cls(pose, each[0], each[1], width, height, near, far)

    @classmethod
    def from_opencv(
        cls,
        intrinsics: Numbers,
        pose: Numbers,
        width: int,
        height: int,
        near: Number | None = None,
        far: Number | None = None,
    ) -> Camera:
        """A camera from OpenCV's convention (+x right, +y down, looking along +z; integer pixel centres).

        Args:
            intrinsics: (3, 3) matrix K; its principal point counts pixel centres as integers, as OpenCV does.
            pose: (4, 4) camera-to-world. For OpenCV's own ``rvec, tvec`` (world-to-camera) invert the matrix first.
        """
        K = intrinsic_matrix(intrinsics).float()
        pose = floats(pose, "a camera's pose", K.device).float()
        if pose.shape[-2:] != (4, 4):
            raise InputError(f"a camera pose is a (4, 4) camera-to-world matrix, not {tuple(pose.shape)}")
        pose = pose * OPENCV_TO_OPENGL.to(K.device)
        focal = torch.stack([K[..., 0, 0], K[..., 1, 1]], -1)
        return cls.from_pose(pose, focal, width, height, near, far, principal=K[..., :2, 2] + 0.5)

    @classmethod
    def from_colmap(
        cls,
        qvec: Numbers,
        tvec: Numbers,
        params: Numbers,
        width: int,
        height: int,
        near: Number | None = None,
        far: Number | None = None,
        model: str | None = None,
    ) -> Camera:
        """A camera from a line of COLMAP's ``images.txt`` and one of ``cameras.txt``.

        Args:
            qvec, tvec: world-to-camera rotation (w, x, y, z) and translation.
            params: of the camera model; COLMAP's pixel centres are at +0.5.
            model: its name; None is SIMPLE_PINHOLE for three numbers, and refused for others.
        Raises:
            InputError: for a lens that distorts (``lenses.undistort`` the pictures first), or a model that is unknown.
        """
        fx, fy, cx, cy = pinhole(model, floats(params, "params", dtype=torch.float64).flatten().tolist())
        turn, shift = floats(qvec, "qvec", dtype=torch.float64).double(), floats(tvec, "tvec").float().cpu()
        if turn.shape != (4,) or shift.shape != (3,) or not turn.norm() > 0:
            raise InputError("qvec is a quaternion (w, x, y, z) that is not 0, tvec a translation (x, y, z)")
        w, x, y, z = F.normalize(turn, dim=0).tolist()
        rotation = torch.tensor(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )
        pose = torch.eye(4)
        pose[:3] = torch.cat([rotation.T, -rotation.T @ shift[:, None]], 1)
        return cls.from_pose(pose * OPENCV_TO_OPENGL, (fx, fy), width, height, near, far, principal=(cx, cy))

    @classmethod
    def stack(cls, cameras: Sequence[Camera], dim: int = 0) -> Camera:
        """Cameras of one picture size as a batch, with the least near and greatest far (none where one has none)."""
        if not cameras:
            raise InputError("no cameras were given to stack: give at least one")
        first = cameras[0]
        if not -1 - len(first.batch_shape) <= dim <= len(first.batch_shape):
            raise InputError(f"cameras of batch shape {tuple(first.batch_shape)} cannot be stacked along axis {dim}")
        if len({(c.batch_shape, c.width, c.height) for c in cameras}) > 1:
            raise InputError("cameras of different picture sizes or batch shapes cannot be stacked: resize them first")
        here = [c.to(first.pose.device) for c in cameras]
        tensors: dict[str, Any] = {name: torch.stack([getattr(c, name) for c in here], dim) for name in TENSORS}
        nears, fars = [c.near for c in here], [c.far for c in here]
        near = None if None in nears else min(near or 0 for near in nears)
        far = None if None in fars else max(far or 0 for far in fars)
        return replace(first, **tensors, near=near, far=far)

    # ------------------------------------------------------------------ what it is

    @property
    def batch_shape(self) -> torch.Size:
        return self.pose.shape[:-2]

    @property
    def centre(self) -> Float[Tensor, "*batch 3"]:
        """Where the camera stands, in the world."""
        return self.pose[..., :3, 3]

    @property
    def cut(self) -> tuple[float, float]:
        """Near and far as numbers: 0 and infinity where there is no cut."""
        return float(self.near or 0.0), math.inf if self.far is None else float(self.far)

    def __getitem__(self, index: int | slice | Tensor | tuple[Any, ...]) -> Camera:
        """Index the batch."""
        if not self.batch_shape:
            raise InputError("this is one camera, not a batch of them: there is nothing to index")
        try:
            return self._each(lambda tensor: tensor[index])
        except (IndexError, TypeError) as error:
            raise InputError(
                f"of {tuple(self.batch_shape)} cameras none is at {index!r}: {first_line(error)}"
            ) from error

    def __iter__(self) -> Iterator[Camera]:
        return (self[number] for number in range(self.batch_shape[0] if self.batch_shape else 1))

    def to(self, device: torch.device | str) -> Camera:
        try:
            return self._each(lambda tensor: tensor.to(device))
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise InputError(f"a camera cannot be moved to the device {device}: {first_line(error)}") from error

    def reshape(self, *batch: int) -> Camera:
        """The same cameras with another batch shape."""
        try:
            self.pose[..., 0, 0].reshape(batch)
        except RuntimeError as error:
            raise InputError(f"{tuple(self.batch_shape)} cameras cannot be reshaped to {batch}") from error
        return self._each(lambda tensor: tensor.reshape(*batch, *tensor.shape[len(self.batch_shape) :]))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Camera:
        changed: dict[str, Any] = {name: change(getattr(self, name)) for name in TENSORS}
        return replace(self, **changed)

    def resize(self, width: int, height: int) -> Camera:
        """The camera of the same picture resampled to another size."""
        width, height = whole(width, "the width of a picture"), whole(height, "the height of a picture")
        scale = torch.tensor([width / self.width, height / self.height], device=self.pose.device)
        return replace(self, focal=self.focal * scale, principal=self.principal * scale, width=width, height=height)

    # ------------------------------------------------------------------ what it does

    def world_to_camera(self, points: Numbers) -> Points:
        """World points ``(*batch, ..., 3)`` in camera coordinates."""
        points = self._given(points, 3, "points")
        return _times(points - self._aligned(self.centre, points), self._aligned(self.pose[..., :3, :3], points))

    def rotate_to_camera(self, vectors: Numbers) -> Points:
        """World directions ``(*batch, ..., 3)`` in camera axes (rotated, not translated)."""
        vectors = self._given(vectors, 3, "directions")
        return _times(vectors, self._aligned(self.pose[..., :3, :3], vectors))

    def project(self, points: Numbers) -> tuple[Pixels, Float[Tensor, "*batch_n"]]:
        """World points ``(*batch, ..., 3)`` to pixels ``(..., 2)`` and depth ``(...)``.

        Depth is the distance from the camera; it is negative for points behind the camera.
        """
        points = self._given(points, 3, "points")
        local = self.world_to_camera(points)
        ahead = torch.where(local[..., 2:].abs() < 1e-8, 1e-8, -local[..., 2:])
        flat = local[..., :2] / ahead * torch.tensor([1.0, -1.0], dtype=points.dtype, device=points.device)
        xy = flat * self._aligned(self.focal, points) + self._aligned(self.principal, points)
        return xy, local.norm(dim=-1) * ahead[..., 0].sign()

    def unproject(self, xy: Numbers, depth: Numbers) -> Points:
        """Pixels ``(*batch, ..., 2)`` at a depth (distance along the ray) to world points: undoes ``project``.

        Args:
            depth: ``(*batch, ...)``, or one number for all.
        """
        origins, directions = self.rays_through(xy)
        along = floats(depth, "depths", directions.device)
        if along.ndim and along.shape != directions.shape[:-1]:
            wanted = tuple(directions.shape[:-1])
            raise InputError(f"depths of pixels {(*wanted, 2)} are {wanted}, not {tuple(along.shape)}")
        return origins + directions * along.unsqueeze(-1)

    def rays_through(self, xy: Numbers) -> tuple[Points, Points]:
        """Origins and unit directions, in the world, of the rays through pixels ``(*batch, ..., 2)``."""
        xy = self._given(xy, 2, "pixels")
        flat = (xy - self._aligned(self.principal, xy)) / self._aligned(self.focal, xy)
        local = torch.stack([flat[..., 0], -flat[..., 1], -torch.ones_like(flat[..., 0])], -1)
        directions = _times(local, self._aligned(self.pose[..., :3, :3], xy).mT)
        directions = directions / directions.norm(dim=-1, keepdim=True)
        return self._aligned(self.centre, xy).expand_as(directions), directions

    def pixels(self, offset: float = 0.5) -> Float[Tensor, "h w 2"]:
        """The (x, y) of every pixel centre. ``offset=0`` is the convention of the authors' program."""
        x, y = (torch.arange(n, dtype=torch.float32, device=self.pose.device) for n in (self.width, self.height))
        return torch.stack(torch.meshgrid(x + offset, y + offset, indexing="xy"), -1)

    def rays(self, offset: float = 0.5) -> tuple[Float[Tensor, "*batch h w 3"], Float[Tensor, "*batch h w 3"]]:
        """Origins and unit directions, in the world, of the rays of all pixels."""
        return self.rays_through(self.pixels(offset).expand(*self.batch_shape, self.height, self.width, 2))

    def _given(self, values: Numbers, length: int, what: str) -> Tensor:
        """Points, directions or pixels that fit this batch of cameras."""
        tensor, batch = floats(values, what, self.pose.device), self.batch_shape
        fits = tensor.ndim > len(batch) and tensor.shape[-1] == length
        if not (fits and all(n in (1, m) or m == 1 for n, m in zip(tensor.shape, batch, strict=False))):
            wanted = ", ".join([*(str(n) for n in batch), "...", str(length)])
            raise InputError(f"{what} are ({wanted}) for these cameras, not {tuple(tensor.shape)}")
        return tensor

    def _aligned(self, value: Tensor, points: Tensor) -> Tensor:
        """A per-camera value ``(*batch, ...)`` with ones inserted after batch so that it meets ``points``."""
        batch = len(self.batch_shape)
        ones = (1,) * (points.ndim - 1 - batch)
        return value.reshape(*value.shape[:batch], *ones, *value.shape[batch:]).to(points.dtype)


def _times(vectors: Float[Tensor, "*n 3"], matrix: Float[Tensor, "*m 3 3"]) -> Float[Tensor, "*n 3"]:
    """Row vectors times matrices, written out: a product of matrices would be rounded to bfloat16 under autocast."""
    x, y, z = vectors.split(1, -1)
    return x * matrix[..., 0, :] + y * matrix[..., 1, :] + z * matrix[..., 2, :]
