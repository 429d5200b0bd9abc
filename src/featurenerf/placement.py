"""Whether cameras can be those of an object's pictures: what they see of the sphere in which it lies, and why not."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featurenerf.cameras import OPENCV_TO_OPENGL, Camera

RADIUS = 0.5
"""Of the sphere around the origin in which an object lies: half its bounding box's diagonal."""
LEAST_PIXELS, LEAST_SHARE = 8.0, 0.1
"""Of the sphere in a picture, and share of the picture's width: below both, the scale is wrong."""
LEAST_INSIDE = 0.5
"""Share of an object's pixels that must lie where the sphere is."""
LEAST_EXTENT = 0.1
"""Size of an object in its picture, in those of the sphere, below which the scale is wrong."""
UNITS = "the world's unit is the diagonal of the object's bounding box, and its origin that box's centre"

LOOKED_AT = 256
"""Rows and columns of a mask that are looked at."""


@torch.no_grad()
def misplaced(camera: Camera) -> str | None:
    """Why one camera cannot be that of an object's picture, with the likely cause; None where it can.

    It stands in the object, does not see it, or sees it smaller than a few pixels.
    """
    distance = float(camera.centre.norm())
    if distance < RADIUS:
        return (
            f"the camera stands {distance:.3g} units from the origin, inside the object: {UNITS}; the poses have "
            "another unit or origin, or are world-to-camera where camera-to-world is meant (invert them)"
        )
    if not _sees(camera.pose, camera):
        flipped, inverse = camera.pose * OPENCV_TO_OPENGL.to(camera.pose), torch.linalg.inv(camera.pose)
        if _sees(flipped, camera):
            cause = (
                "it looks the other way, so its axes are taken for another convention's: OpenGL's (+y up, looking "
                "along -z; Blender, NeRF) are exchanged with OpenCV's (+y down, looking along +z; COLMAP)"
            )
        elif any(_sees(pose, camera) for pose in (inverse, inverse * OPENCV_TO_OPENGL.to(inverse))):
            cause = "its inverse looks at the object: give the camera-to-world matrix"
        else:
            cause = f"{UNITS}; it was turned away, or the poses have another origin"
        return f"the camera looks away from the object, which lies within 0.5 of the origin: {cause}"
    across = 2 * RADIUS * float(camera.focal.mean()) / distance
    if across < min(LEAST_PIXELS, LEAST_SHARE * camera.width):
        cause = "poses in millimetres, say, must be divided by that diagonal"
        if float(camera.focal.min()) < LEAST_PIXELS:
            cause = f"or the focal length ({float(camera.focal.min()):.3g}) is not in pixels"
        return f"from {distance:.3g} units away an object is {across:.2g} pixels across: {UNITS}; {cause}"
    return None


@torch.no_grad()
def misframed(camera: Camera, mask: Bool[Tensor, "h w"]) -> str | None:
    """Why an object whose pixels are known cannot lie where the camera says; None where it can, or shows nothing."""
    step = max(1, max(mask.shape) // LOOKED_AT)
    rows, columns = (mask[::step, ::step].nonzero() * step).unbind(-1)
    if len(rows) == 0:
        return None
    xy = torch.stack([columns, rows], -1).to(camera.pose) + 0.5
    origins, directions = camera.rays_through(xy)
    off = torch.linalg.cross(origins, directions).norm(dim=-1)  # the rays' distances from the origin
    inside = float((off < RADIUS * 1.1).float().mean())
    if inside < LEAST_INSIDE:
        return (
            f"{100 * (1 - inside):.0f} % of the object's pixels lie outside of the sphere of radius 0.5 around the "
            f"origin: {UNITS}; the scale or the origin of the poses is another"
        )
    size = float((xy.amax(0) - xy.amin(0) + 1).norm())
    whole = 2 * RADIUS * float(camera.focal.mean()) / float(camera.centre.norm())
    if size < LEAST_EXTENT * whole and inside > 0.99:
        return f"the object is {size / whole:.2g} of a unit large in its picture: {UNITS}; the poses have a larger unit"
    return None


def _sees(pose: Float[Tensor, "4 4"], camera: Camera) -> bool:
    """Whether the sphere reaches into the pyramid that a camera of this pose sees."""
    x, y, z = (-(pose[:3, 3] @ pose[:3, :3])).tolist()  # the origin in the camera's axes
    ahead, (fx, fy), (cx, cy) = -z, camera.focal.tolist(), camera.principal.tolist()
    if ahead < -RADIUS:
        return False
    sides = (
        (x, cx / fx), (-x, (camera.width - cx) / fx),
        (-y, cy / fy), (y, (camera.height - cy) / fy),
    )  # fmt: skip
    return all((off + ahead * slope) / (1 + slope * slope) ** 0.5 > -RADIUS for off, slope in sides)
