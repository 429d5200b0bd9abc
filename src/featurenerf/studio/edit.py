"""Editing an object that one picture shows: its parts take another colour, another object's texture or shape, or go."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from PIL import Image, ImageColor
from torch import Tensor

from featurenerf import alignment
from featurenerf.cameras import PICTURE_SIZE, Camera
from featurenerf.errors import InputError
from featurenerf.fields.edits import Plain, Texture, composed, isolated, marked, recolored, removed, transformed
from featurenerf.fields.regions import Part, Region, baked
from featurenerf.fields.volume import VolumeField
from featurenerf.files import REPORT, fresh_directory, write_json
from featurenerf.matching import match
from featurenerf.models.settings import check_sizes
from featurenerf.progress import Progress
from featurenerf.studio import figures
from featurenerf.studio.formats import ExportSettings, export_field
from featurenerf.studio.parts import Subject, SurfacePixels, labelled_part, share, surface

Kind = Literal["texture", "recolor", "remove", "isolate", "replace"]

SMALLEST_PART = 12
"""A part of which another object shows fewer pixels than this is not found on it."""
_CONSENSUS = 0.06  # matched points that a similarity transform misses by less agree with it, in world units


@dataclass(frozen=True)
class EditSettings:
    """What ``edit`` shows.

    Attributes:
        views: novel views on the sheet, evenly spread over a full turn.
        frames: of the turntable.
        size: side of the rendered pictures, in pixels.
    """

    views: int = 6
    frames: int = 24
    size: int = PICTURE_SIZE

    def __post_init__(self) -> None:
        check_sizes(self, {"views": (1, 64), "frames": (1, 1000), "size": (16, 1024)})


# ---------------------------------------------------------------------- parts of two objects


def find_part(of: Subject, part: str | None, region: Region | None, others: Sequence[Subject] = ()) -> Region:
    """A part of a subject's object as a region of its field, worked out once.

    Args:
        part: its name or number, where labels say where it is: the subject's own, those of ``others``, or both.
        region: where it is, if not by labels.
    Raises:
        InputError: when neither says where the part is, or no point of the object lies in it.
    """
    found = region
    if found is None:
        if part is None:
            raise InputError("nothing says where the part is: give a part with labels, a click, a place or words")
        found = labelled_part(of.field, part, [of, *others])
    whole = baked(of.field, found)
    if not (whole.inside > 0.5).any():
        raise InputError(f"no point of {of.name} lies in the part: mark more of it, or lower the threshold")
    return whole


def carried_part(to: Subject, of: Subject, region: Region) -> Part:
    """A region of one object as a region of another: its most similar points, by what is seen from four sides."""
    descriptors, labels = [], []
    for camera in _sides(of.camera):
        seen = surface(of.field, camera)
        descriptors.append(seen.descriptor)
        labels.append(share(of.field, region, seen.points).long())
    return Part(torch.cat(descriptors), torch.cat(labels), 1)


def like_part(like: Subject, part: str | None, of: Subject, region: Region) -> Region:
    """The part of another object that a region of ``of`` is: by labels where there are any, or carried over."""
    if part is not None and (like.labels is not None or of.labels is not None):
        return labelled_part(like.field, part, [like, of])
    return carried_part(like, of, region)


def _sides(camera: Camera) -> list[Camera]:
    """A camera, and three turned from it about the world's z axis."""
    found = []
    for turn in (0.0, 90.0, 180.0, 270.0):
        pose = camera.pose.clone()
        pose[:3] = alignment.about_z(turn).to(pose) @ pose[:3]
        found.append(replace(camera, pose=pose))
    return found


# ---------------------------------------------------------------------- edits


@torch.no_grad()
def textured(field: VolumeField, region: Region, like: Subject, like_region: Region) -> VolumeField:
    """The part of a field takes the colours of another object's part, each point that of the most similar descriptor.

    The colours are those that the other picture shows. Where it does not show the part, all of the object is asked, as
    in the paper.
    """
    seen = surface(like.field, like.camera)
    inside = share(like.field, like_region, seen.points)
    within = inside & _surrounded(seen.among(inside), seen)
    chosen = next((seen.among(some) for some in (within, inside) if int(some.sum()) >= SMALLEST_PART), seen)
    return recolored(field, region, Texture(chosen.descriptor, chosen.rgb))


def _surrounded(part: SurfacePixels, whole: SurfacePixels) -> Bool[Tensor, " n"]:
    """Which pixels of a surface have but pixels of a part around them: on its rim, colours are those of two things."""
    size = int(whole.pixels.max()) + 2
    picture = torch.zeros(1, 1, size, size, device=whole.pixels.device)
    picture[0, 0, part.pixels[:, 0], part.pixels[:, 1]] = 1
    return F.avg_pool2d(picture, 3, 1, 1)[0, 0][whole.pixels[:, 0], whole.pixels[:, 1]] > 1 - 1e-4


@torch.no_grad()
def replaced(of: Subject, region: Region, like: Subject, like_region: Region) -> tuple[VolumeField, dict[str, Any]]:
    """The part of an object gives way to another object's part, shape and colour.

    The other part is moved by the similarity transform that best takes its points to the most similar points of this
    one; where both are, densities add and colours are means by density (``fields.edits.composed``).

    Raises:
        InputError: when the other object shows no such part, or the parts do not correspond.
    """
    here, there = _around(of, region), _around(like, like_region)
    for seen, whose in ((here, of), (there, like)):
        if len(seen.points) < SMALLEST_PART:
            raise InputError(f"{whose.name} shows no such part: mark it there, too")
    rotation, translation, scale, agree = similarity(there, here)
    moved = transformed(isolated(like.field, baked(like.field, like_region)), rotation, translation, scale)
    about = {"scale": round(scale, 4), "rotation": rotation.tolist(), "translation": translation.tolist(),
             "matches_that_agree": round(agree, 3)}  # fmt: skip
    return composed([removed(of.field, region), moved]), about


def _around(of: Subject, region: Region) -> SurfacePixels:
    """What of a part is seen from four sides."""
    sides = [surface(of.field, camera) for camera in _sides(of.camera)]
    every = SurfacePixels(
        *(torch.cat([getattr(s, n) for s in sides]) for n in ("pixels", "points", "rgb", "descriptor"))
    )
    return every.among(share(of.field, region, every.points))


def similarity(
    source: SurfacePixels, target: SurfacePixels, trials: int = 300, seed: int = 0
) -> tuple[Float[Tensor, "3 3"], Float[Tensor, " 3"], float, float]:
    """The rotation, translation and scale that take a source's points to the most similar ones of a target.

    Matches that are mutual vote: of the transforms of four matches each, the one that most agree with is fitted again
    to those (RANSAC, Fischler and Bolles 1981).

    Returns:
        also the share of the matches that agree.
    Raises:
        InputError: when hardly any match, or they agree on no scale between a third and three.
    """
    there, _ = match(source.descriptor, target.descriptor)
    back, _ = match(target.descriptor, source.descriptor)
    mutual = back[there] == torch.arange(len(there), device=there.device)
    p, q = source.points[mutual].cpu().double(), target.points[there[mutual]].cpu().double()
    if len(p) < 4:
        raise InputError("the two parts do not correspond: hardly any of their points match")
    drawn = torch.randint(len(p), (trials, 4), generator=torch.Generator().manual_seed(seed))
    rotations, shifts, scales = _fitted(p[drawn], q[drawn])
    moved = scales[:, None, None] * (p @ rotations.mT) + shifts[:, None]
    agree = ((moved - q).norm(dim=-1) < _CONSENSUS) & ((scales > 1 / 3) & (scales < 3))[:, None]
    best = agree[agree.sum(1).argmax()]
    if best.sum() < 4:
        raise InputError("the two parts do not correspond: their points agree on no turn, shift and scale")
    rotation, shift, scale = (x[0] for x in _fitted(p[best][None], q[best][None]))
    return rotation.float(), shift.float(), float(scale), float(best.double().mean())


def _fitted(
    p: Float[Tensor, "t n 3"], q: Float[Tensor, "t n 3"]
) -> tuple[Float[Tensor, "t 3 3"], Float[Tensor, "t 3"], Float[Tensor, " t"]]:
    """Rotations, translations and scales that take points p to q, least squares (Umeyama 1991)."""
    rotation = alignment.similarity(p, q, torch.ones_like(p[..., 0])).rotation
    p_mean, q_mean = p.mean(1, keepdim=True), q.mean(1, keepdim=True)
    turned = (p - p_mean) @ rotation.mT
    scale = (turned * (q - q_mean)).sum((1, 2)) / turned.square().sum((1, 2)).clamp(min=1e-12)
    shift = q_mean[:, 0] - scale[:, None] * (p_mean @ rotation.mT)[:, 0]
    return rotation, shift, scale


# ---------------------------------------------------------------------- the verb


@dataclass(frozen=True, eq=False)
class Edited:
    """What ``edit`` made.

    Attributes:
        folder: where the files are.
        report: the contents of ``report.json``.
        field: the edited one.
    """

    folder: Path
    report: dict[str, Any]
    field: VolumeField


def edited_field(
    kind: Kind, of: Subject, region: Region, part: str | None, like: Subject | None, color: str | None
) -> tuple[VolumeField, dict[str, Any]]:
    """A field after an edit of a kind, and what is to be said of it.

    Raises:
        InputError: when the edit needs another object or a colour that is not there.
    """
    if kind in ("texture", "replace"):
        if like is None:
            raise InputError(f"the edit {kind!r} needs a picture of another object whose part is taken")
        theirs = like_part(like, part, of, region)
        if kind == "texture":
            return textured(of.field, region, like, theirs), {"like": like.name}
        field, about = replaced(of, region, like, theirs)
        return field, {"like": like.name, **about}
    if kind == "recolor":
        red, green, blue = _rgb(color)
        return recolored(of.field, region, Plain((red / 255, green / 255, blue / 255))), {"color": color}
    return (removed if kind == "remove" else isolated)(of.field, region), {}


def _rgb(color: str | None) -> tuple[int, int, int]:
    try:
        red, green, blue = ImageColor.getrgb(color or "")[:3]
    except ValueError as error:
        raise InputError(f"{color!r} is no colour: give one such as #3070c0 or teal") from error
    return red, green, blue


@torch.no_grad()
def edit(
    of: Subject,
    out: str | os.PathLike[str],
    kind: Kind,
    *,
    part: str | None = None,
    region: Region | None = None,
    like: Subject | None = None,
    color: str | None = None,
    settings: EditSettings | None = None,
    exports: ExportSettings | None = None,
    progress: bool = True,
) -> Edited:
    """Edit a part of an object, and show it.

    Writes ``sheet.png`` (before, the part, after), ``turntable.mp4`` (before at the left, after at the right),
    the edited field in the formats of ``exports``, and ``report.json``. The folder appears when all of them are made.

    Args:
        part: name or number, where labels of either picture say where it is.
        region: where the part is, if not by labels: a click, a painted place, words (``studio.parts``).
        like: the other object, for "texture" and "replace".
        color: for "recolor", as in CSS.
    Raises:
        InputError: when nothing says where the part is, the edit lacks something, or ``out`` holds something else.
    """
    settings = settings or EditSettings()
    with (
        fresh_directory(out, "edit") as folder,
        Progress(total=4, desc="edit", unit="step", leave=False, disable=not progress) as bar,
    ):
        bar.set_description("part")
        whole = find_part(of, part, region, [] if like is None else [like])
        field, about = edited_field(kind, of, whole, part, like, color)
        bar.update()
        bar.set_description("views")
        sheet(of, like, whole, field, settings).save(folder / "sheet.png")
        bar.update()
        bar.set_description("turntable")
        name = _turntable(folder, of, field, settings, progress)
        bar.update()
        bar.set_description("exports")
        files = export_field(field, folder, exports, progress=progress)
        bar.update()
        seen_share = float(share(of.field, whole, surface(of.field, of.camera).points).float().mean())
        report = {
            "made_by": "edit", "edit": kind, "picture": of.name, "part": part, **about,
            "share_of_the_object_in_its_picture": round(seen_share, 4),
            "files": {
                "sheet.png": "before, the part, after",
                name: f"{settings.frames} views around the object: before and after",
                **files,
            },
        }  # fmt: skip
        write_json(folder / REPORT, report, indent=2)
    return Edited(Path(out), report, field)


def sheet(
    of: Subject, like: Subject | None, region: Region, field: VolumeField, settings: EditSettings, title: str = ""
) -> Image.Image:
    """Before, the part in its place, and after, from around; the first view is the picture's own."""
    size = settings.size
    cameras = figures.around_from(of.camera, settings.views, size)
    before = figures.render_views(of.field, cameras)
    after = figures.render_views(field, cameras)
    where = marked(of.field, region)
    shares = [where.render(camera, channels=("region",))["region"][..., 0].cpu() for camera in cameras]
    pictures = [figures.color_picture(view) for view in before]
    tinted = [figures.draw_parts(p, (s > 0.5).long(), size) for p, s in zip(pictures, shares, strict=True)]
    theirs = None if like is None else figures.picture_on_paper(like.prepared)
    rows: dict[str, list[Image.Image | None]] = {
        "before": [figures.picture_on_paper(of.prepared), *pictures],
        "part": [None, *tinted],
        "after": [theirs, *(figures.color_picture(v) for v in after)],
    }
    turns = [f"{i * 360 / settings.views:+.0f}\N{DEGREE SIGN}" for i in range(settings.views)]
    return figures.sheet(rows, ["pictures", *turns], title)


def _turntable(folder: Path, of: Subject, field: VolumeField, settings: EditSettings, progress: bool) -> str:
    """Before at the left, after at the right; returns the name of the file."""
    frames = []
    cameras = figures.around_from(of.camera, settings.frames, settings.size)
    for camera in Progress(cameras, desc="turntable", leave=False, disable=not progress):
        pair = [figures.color_picture(figures.render_views(each, [camera])[0]) for each in (of.field, field)]
        frames.append(figures.side_by_side(pair))
    return figures.write_turntable(frames, folder / "turntable").name
