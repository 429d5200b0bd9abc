"""Several pictures of one object with cameras to everything the model can show of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from featurenerf.arrays import spread
from featurenerf.cameras import Camera
from featurenerf.data.formats.captures import Capture, Direction, open_capture
from featurenerf.errors import InputError
from featurenerf.evaluation.metrics import psnr
from featurenerf.fields.base import Field
from featurenerf.fields.pose import CameraEstimate
from featurenerf.fields.volume import VolumeField
from featurenerf.files import REPORT, fresh_directory, write_json
from featurenerf.models.base import Model
from featurenerf.models.checkpoint import load
from featurenerf.pictures import composite_bytes, from_bytes, to_bytes, to_image
from featurenerf.progress import Progress
from featurenerf.studio import camera_path, figures
from featurenerf.studio.lift import Lifted, LiftSettings, angles_of, made, named_step

SOURCES, HELD = 3, 6
"""How many pictures are encoded unless they are named, and how many others their field is compared with."""
SNAP = 20.0
"""Degrees: a heading that is found so close to a side of the object's box is that side's."""


def lift_capture(
    capture: str | os.PathLike[str] | Capture,
    out: str | os.PathLike[str],
    model: Model | None = None,
    *,
    pictures: Sequence[int] | None = None,
    up: Direction | None = None,
    front: Direction | None = None,
    settings: LiftSettings | None = None,
    path: str | os.PathLike[str] | None = None,
    colors: figures.DescriptorColors | None = None,
    progress: bool = True,
) -> Lifted:
    """Pictures of one object with cameras to what ``lift`` makes of one, and how much each picture helps.

    The field of the first picture, of the first two, and so on is compared with pictures that were held back:
    ``report["views"]`` has the mean PSNR in dB, on black, and what the last picture added.

    Args:
        capture: a folder, a camera file (``transforms.json``), or a capture that is open.
        out: the folder to make.
        model: None is the shipped checkpoint.
        pictures: numbers of the pictures that are encoded, in turn; None takes three, spread evenly.
        up, front: directions in the capture's world; None is what is found. Without a front the heading is that which
            the first picture's camera is estimated to have, or else not known; ``report["world"]`` says which.
        path: a ``transforms.json`` in the capture's world; ``path.mp4`` shows what its cameras see in turn.
        settings, colors, progress: as in ``lift``; the settings' azimuth, elevation and fov are not read.
    Raises:
        InputError: the capture cannot be read or placed, has no such pictures, or shows none of what the model knows.
    """
    settings = settings or LiftSettings()
    if settings.azimuth is not None or settings.fov is not None:
        raise InputError("a capture has cameras: leave azimuth, elevation and fov out")
    views = capture if isinstance(capture, Capture) else open_capture(Path(capture), up, front)
    chosen = _chosen(views, pictures)
    seconds: dict[str, float] = {}
    with (
        fresh_directory(out, "lift") as folder,
        Progress(total=7 + (path is not None), desc="lift", unit="step", leave=False, disable=not progress) as bar,
        torch.no_grad(),
    ):
        step = partial(named_step, bar=bar, seconds=seconds)
        with step("load"):
            model = model or load()
        with step("world"):
            model.refuse_unknown([_picture(views, view) for view in chosen], str(views.source))
            views = _headed(views, chosen[0], model)
        with step("encode"):
            held = _held_back(views, chosen)
            field, helped = _encoded(views, chosen, held, model)
            ready = _picture(views, chosen[0])
            to_image(ready).save(folder / "prepared.png")
        products = made(folder, ready, field, settings, colors, step, progress)
        files = {"prepared.png": "the first picture that was encoded", **products.files}
        if path is not None:
            cameras = camera_path.read(path, settings.size, views.frame)
            with step("path"):
                files |= camera_path.write(folder, field, cameras, products.colors, progress)
        report: dict[str, Any] = {
            "made_by": "lift",
            "capture": str(views.source),
            "pictures": {"there": len(views), "left_out": views.left_out},
            "model": {"field": model.name, "parameters": sum(p.numel() for p in model.parameters())},
            "cameras": [{"picture": views.shots[v].name, **_stands(views.camera(v))} for v in chosen],
            "views": helped,
            "held_back": held,
            "world": _world(views),
            "frame": "right-handed, z up, +x front, +y left",
            **products.record(field),
            "files": files,
            "seconds": seconds,
        }
        write_json(folder / REPORT, report, indent=2)
    return Lifted(Path(out), report, ready, field, products.views, products.colors)


@torch.no_grad()
def encoded_capture(capture: Path, model: Model) -> tuple[Float[Tensor, "_ h w"], VolumeField]:
    """Three pictures of a capture as one field, as ``lift_capture`` chooses and places them; and the first of them.

    Raises:
        InputError: the capture cannot be read or placed, or shows none of what the model knows.
    """
    views = open_capture(capture)
    chosen = _chosen(views, None)
    pictures = [_picture(views, view) for view in chosen]
    model.refuse_unknown(pictures, str(capture))
    views = _headed(views, chosen[0], model)
    return pictures[0], model.encode(pictures, [views.camera(view) for view in chosen])


def _chosen(views: Capture, pictures: Sequence[int] | None) -> list[int]:
    count = len(views)
    if pictures is None:
        return [round(k * count / min(SOURCES, count)) for k in range(min(SOURCES, count))]
    chosen = list(dict.fromkeys(pictures))
    if not chosen or not all(0 <= number < count for number in chosen):
        raise InputError(f"{views.source} has the pictures 0 to {count - 1}, and {list(pictures)} were asked for")
    return chosen


def _headed(views: Capture, first: int, model: Model) -> Capture:
    """The capture with the heading that its first picture seems to have, where no front was given."""
    if not views.frame.front.startswith("unknown"):
        return views
    camera = views.camera(first)
    estimate = model.estimate_camera(_picture(views, first), camera)
    if not estimate.found:
        return views
    degrees = CameraEstimate(camera, 0.0).azimuth - estimate.azimuth
    quarters = 90.0 * round(degrees / 90)
    to_side = abs(degrees - quarters) <= SNAP
    how = "estimated from the first picture" + (", and moved to a side of the box" if to_side else "")
    return views.facing(quarters if to_side else degrees, f"{how}; give or take {estimate.uncertainty:.0f} degrees")


def _held_back(views: Capture, chosen: Sequence[int]) -> list[int]:
    others = [view for view in range(len(views)) if view not in chosen]
    return [others[number] for number in spread(len(others), HELD)]


def _encoded(
    views: Capture, chosen: Sequence[int], held: Sequence[int], model: Model
) -> tuple[Field, list[dict[str, Any]]]:
    """The field of all chosen pictures, and what each of them added on those that were held back."""
    pictures, cameras = [_picture(views, v) for v in chosen], [views.camera(v) for v in chosen]
    truth = {v: composite_bytes(views.picture(v), "black") for v in held}
    helped: list[dict[str, Any]] = []
    field: Field | None = None
    for count in range(1 if held else len(chosen), len(chosen) + 1):
        field = model.encode(pictures[:count], cameras[:count])
        if not held:
            continue
        errors: list[float] = []
        for view, right in truth.items():
            shown = field.render(views.camera(view), channels=["rgb"])["rgb"]
            errors.append(psnr(to_bytes(shown.permute(2, 0, 1)), right) or 0.0)
        mean = float(np.mean(errors))
        added = round(mean - helped[-1]["psnr"], 2) if helped else None
        helped.append({"pictures": list(chosen[:count]), "psnr": round(mean, 2), "added_db": added})
    assert field is not None
    return field, helped


def _picture(views: Capture, view: int) -> Tensor:
    return from_bytes(views.picture(view))


def _stands(camera: Camera) -> dict[str, Any]:
    return {**angles_of(camera), "unit": "degree", "pose": camera.pose.tolist(), "focal": camera.focal.tolist()}


def _world(views: Capture) -> dict[str, Any]:
    """How the object's frame lies in the capture's world, and in the one before nerfstudio turned that."""
    record = views.frame.record()
    if views.applied is not None:
        record["before_applied_transform_to_object"] = (views.frame.matrix @ views.applied).tolist()
    return record
