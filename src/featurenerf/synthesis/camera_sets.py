"""Sets of cameras that objects are rendered from."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from featurenerf.cameras import DISTANCE, PICTURE_SIZE, Camera

CameraSet = Literal["canonical", "wide"]
"""The canonical camera from all sides, or cameras as people hold them (``wide_cameras``)."""


def set_cameras(
    kind: CameraSet, count: int, size: int, own: np.random.Generator, common: np.random.Generator, *, training: bool
) -> Camera:
    """Cameras of an object: ``own`` random ones for training, else those that all objects have in ``common``."""
    if kind == "wide":
        return wide_cameras(count, size, own if training else common)
    return training_cameras(count, size, own) if training else fixed_cameras(count, size)


def training_cameras(count: int, size: int, generator: np.random.Generator) -> Camera:
    """Random cameras, spread evenly over the upper hemisphere up to 80 degrees of elevation."""
    azimuths = generator.uniform(0, 360, count)
    elevations = np.rad2deg(np.arcsin(generator.uniform(0, np.sin(np.deg2rad(80)), count)))
    return Camera.look_at(azimuths.tolist(), elevations.tolist(), size, size)


def fixed_cameras(count: int, size: int = PICTURE_SIZE) -> Camera:
    """The cameras of validation and test objects: a spiral from 5 to 75 degrees of elevation."""
    low, high = np.sin(np.deg2rad([5, 75]))
    elevations = np.rad2deg(np.arcsin(low + (high - low) * (np.arange(count) + 0.5) / count))
    azimuths = np.rad2deg(np.arange(count) * np.pi * (3 - np.sqrt(5))) % 360
    return Camera.look_at(azimuths.tolist(), elevations.tolist(), size, size)


def wide_cameras(count: int, size: int, generator: np.random.Generator) -> Camera:
    """Random cameras as people hold them: the object is in the picture, about in its middle, and no more is certain.

    Elevations are spread evenly over the sphere between -10 and 75 degrees, distances from 0.95 to 6 diagonals (evenly
    in their logarithm, with the lens that keeps the object's size in the picture, to a tenth), rolls normally (5
    degrees). Pictures are crops of larger ones: the optical axis misses the object by up to 12 degrees.
    """
    low, high = np.sin(np.deg2rad([-10, 75]))
    azimuths, elevations = generator.uniform(0, 360, count), np.arcsin(generator.uniform(low, high, count))
    distances = np.exp(generator.uniform(np.log(0.95), np.log(6), count))
    rolls = np.deg2rad(np.clip(generator.normal(0, 5, count), -20, 20))
    aside, towards = np.deg2rad(12) * np.sqrt(generator.uniform(0, 1, count)), generator.uniform(0, 2 * np.pi, count)
    zooms, shifts = np.exp(generator.uniform(-0.1, 0.1, count)), generator.uniform(-0.04, 0.04, (count, 2))
    camera = Camera.look_at(azimuths.tolist(), np.rad2deg(elevations).tolist(), size, size)
    backward = camera.pose[:, :3, 2].double()
    poses = camera.pose.double()
    poses[:, :3, 3] = backward * torch.from_numpy(distances)[:, None]
    turns = np.stack([_turn(*angles) for angles in zip(aside, towards, rolls, strict=True)])
    poses[:, :3, :3] = poses[:, :3, :3] @ torch.from_numpy(turns)
    reach = np.sqrt(distances**2 - 0.25) / np.sqrt(DISTANCE**2 - 0.25)  # of the sphere that holds the object
    focal = torch.from_numpy(float(camera.focal[0, 0]) * reach * zooms).float()[:, None].expand(count, 2)
    wide = Camera.from_pose(poses.float(), focal, size, size)
    middle = wide.project(torch.zeros(count, 1, 3))[0][:, 0]
    principal = wide.principal - middle + size / 2 + torch.from_numpy(size * shifts).float()
    return Camera.from_pose(wide.pose, focal, size, size, principal=principal)


def _turn(aside: float, towards: float, roll: float) -> Float[np.ndarray, "3 3"]:
    """A camera's rotation by ``aside`` about an axis in its picture, then about its own."""
    x, y = np.cos(towards), np.sin(towards)
    skew = np.array([[0, 0, y], [0, 0, -x], [-y, x, 0]])
    tilt = np.eye(3) + np.sin(aside) * skew + (1 - np.cos(aside)) * skew @ skew
    c, s = np.cos(roll), np.sin(roll)
    return tilt @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
