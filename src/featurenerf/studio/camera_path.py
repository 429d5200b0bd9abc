"""A film of what a field shows along a path of cameras: colour, depth and descriptors beside each other."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from featurenerf.arrays import spread
from featurenerf.cameras import Camera
from featurenerf.data.formats.transforms import read_transforms
from featurenerf.errors import InputError
from featurenerf.fields.base import Field, Rendered
from featurenerf.placement import RADIUS
from featurenerf.progress import Progress
from featurenerf.silhouettes import WorldFrame
from featurenerf.studio import figures

MOST = 1000
"""Frames of a film."""
PER_SECOND = 24
HEIGHT = 256
"""Of the film, in pixels."""


def read(path: str | os.PathLike[str], size: int, frame: WorldFrame | None = None) -> list[Camera]:
    """The cameras of a ``transforms.json``; pictures are not needed.

    Args:
        size: the longer side of what they take, in pixels.
        frame: of the capture in whose world the path is; None is a path in the object's own frame.
    Raises:
        InputError: it is no such file, or has more frames than a film may.
    """
    shots = read_transforms(Path(path), (size, size)).shots
    if len(shots) > MOST:
        raise InputError(f"{os.fspath(path)} has {len(shots)} frames: a film has at most {MOST}")
    cameras = []
    for shot in shots:
        lens, shrink = shot.lens(), size / max(shot.width, shot.height)
        pose = shot.pose[None] if frame is None else frame.place(shot.pose[None])
        placed = Camera.from_pose(
            torch.from_numpy(np.ascontiguousarray(pose[0])), lens.focal, lens.width, lens.height,
            principal=lens.principal,
        )  # fmt: skip
        cameras.append(placed.resize(*(max(2, round(side * shrink)) for side in (shot.width, shot.height))))
    return cameras


def write(
    folder: Path, field: Field, cameras: Sequence[Camera], colors: figures.DescriptorColors | None, progress: bool
) -> dict[str, str]:
    """Writes ``path.mp4`` (``.gif`` without the extra ``video``): what the cameras see in turn, on paper.

    Args:
        colors: of descriptors; None fits them to some of the frames, where there are descriptors.
    Returns:
        the file's name, and what it holds.
    Raises:
        InputError: the cameras see nothing of the object.
    """
    if colors is None and "descriptor" in field.channels:
        some = [cameras[k] for k in spread(len(cameras), 8)]
        colors = figures.DescriptorColors.fit(figures.render_views(field, some))
    away = [float(camera.centre.norm()) for camera in cameras]
    near, far = max(0.0, min(away) - RADIUS), max(away) + RADIUS  # one scale for all frames
    frames = []
    for camera in Progress(cameras, desc="path", leave=False, disable=not progress):
        view = figures.render_views(field, [camera])[0]
        frames.append(_beside(view, colors, near, far))
    name = figures.write_turntable(frames, folder / "path", len(frames) / PER_SECOND, turns=1).name
    return {name: f"{len(frames)} frames along the path: colour, depth{'' if colors is None else ', descriptors'}"}


def _beside(view: Rendered, colors: figures.DescriptorColors | None, near: float, far: float) -> Image.Image:
    pictures = [figures.color_picture(view), figures.depth_picture(view, near, far)]
    pictures += [] if colors is None else [figures.descriptor_picture(view, colors)]
    width = max(2, round(pictures[0].width * HEIGHT / pictures[0].height / 2) * 2)
    frame = Image.new("RGB", (width * len(pictures), HEIGHT), figures.PAPER)
    for number, picture in enumerate(pictures):
        frame.paste(picture.convert("RGB").resize((width, HEIGHT), Image.Resampling.BICUBIC), (number * width, 0))
    return frame
