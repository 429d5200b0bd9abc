"""The pictures that ship with the package, lifted, and keypoints and parts carried between them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.fields.base import Field, Rendered, Samples
from featurenerf.files import REPORT, fresh_directory, write_json
from featurenerf.matching import first_source_camera, transfer_keypoints, transfer_parts
from featurenerf.models.base import Model
from featurenerf.pictures import open_picture
from featurenerf.progress import Progress
from featurenerf.shown import remembering, seen_by
from featurenerf.studio import demo_page, figures
from featurenerf.studio.clickable import ClickableObject, clickable_views, write_page
from featurenerf.studio.edit import EditSettings, find_part, like_part, textured
from featurenerf.studio.edit import sheet as edit_sheet
from featurenerf.studio.lift import Lifted, LiftSettings, lift
from featurenerf.studio.parts import subject
from featurenerf.studio.shipped import DemoPicture as DemoPicture
from featurenerf.studio.shipped import read_pictures as read_pictures

EDITS = {"chair": ("dining_chair", "seat", "striped_chair"), "car": ("hatchback", "body", "beetle")}
"""Of each category the picture that is edited, its part, and the picture whose texture that takes."""
NOVEL_TURN = 40.0
"""How far, in degrees, the novel view to which labels are carried is turned from the picture's own."""


def make_demo(
    out: Path, model: Model, settings: LiftSettings, pictures: Sequence[DemoPicture], *, progress: bool = True
) -> Path:
    """Lift all pictures, transfer the annotations, and write ``index.html``, ``click.html``, ``sheet.png`` and
    a folder a picture.

    Returns:
        the page.
    Raises:
        InputError: where ``out`` holds something that the demo did not make.
    """
    start = time.perf_counter()
    categories = list(dict.fromkeys(p.category for p in pictures))
    with (
        fresh_directory(out, "demo") as folder,
        Progress(total=len(pictures) + len(categories), desc="demo", unit="picture", disable=not progress) as bar,
        torch.no_grad(),
    ):
        pages: list[Image.Image] = []
        sections = [_as_photographed(folder, model, settings, pictures[0], progress)]
        encoding: list[float] = []
        objects: list[ClickableObject] = []
        for category in categories:
            own = [p for p in pictures if p.category == category]
            colors = _common_colors(model, own)
            lifted = []
            for picture in own:
                bar.set_description(f"lift {picture.title}")
                known = replace(settings, azimuth=float(picture.azimuth), elevation=picture.elevation)
                place = folder / picture.name
                lifted.append(
                    lift(picture.path, place, model, mask="none", settings=known, colors=colors, progress=progress)
                )
                bar.update()
            objects += [_clickable(p, made, settings) for p, made in zip(own, lifted, strict=True)]
            encoding += [made.report["seconds"]["encode"] for made in lifted]
            bar.set_description(f"transfer between {category}s")
            transfers = _transfers(own, [made.field for made in lifted], settings.size)
            bar.update()
            for number, figure in enumerate(transfers):
                figure.save(folder / f"transfer_{category}_{number}.png")
            swapped = _swap(model, category, own, settings.size)
            if swapped is not None:
                swapped.save(folder / f"edit_{category}.png")
                transfers.append(swapped)
            overview = _overview(category, own, lifted)
            overview.save(folder / f"overview_{category}.png")
            pages += [overview, *transfers]
            shown = [
                demo_page.figure(p.name, p.title, f"{p.author}, {p.licence}", [*made.report["files"]])
                for p, made in zip(own, lifted, strict=True)
            ]
            marked = sum(p.parts is not None for p in own)
            sections.append(demo_page.section(category, shown, marked, edited=swapped is not None))
        bar.set_description("demo")
        figures.stacked(pages).save(folder / "sheet.png")
        write_page(folder / demo_page.CLICK, objects)
        seconds, size = time.perf_counter() - start, sum(p.numel() for p in model.parameters())
        page = demo_page.page(sections, size, float(np.median(encoding)), seconds)
        (folder / "index.html").write_text(page, encoding="utf-8")
        report = {"made_by": "demo", "pictures": [p.name for p in pictures], "seconds": round(seconds, 1)}
        write_json(folder / REPORT, report, indent=2)
    return Path(out) / "index.html"


def photograph(picture: DemoPicture, width: int = 480, height: int = 400) -> Image.Image:
    """A shipped picture as a camera might have taken it: beside the middle, before a wall, with a shadow and noise."""
    shown = open_picture(picture.path).convert("RGBA").resize((height * 3 // 4,) * 2, Image.Resampling.LANCZOS)
    left, top = width // 3, height // 6
    alpha = shown.getchannel("A")
    x0, _, x1, y1 = (side + (left, top)[i % 2] for i, side in enumerate(alpha.getbbox() or (0, 0, *shown.size)))
    rows = np.linspace(0, 1, height)[:, None, None]
    wall = np.array([0.80, 0.79, 0.77]) - 0.02 * rows - 0.01 * (rows > 0.6)
    scene = Image.fromarray(np.broadcast_to(wall * 255, (height, width, 3)).round().astype(np.uint8))
    shadow, reach = Image.new("L", scene.size), (x1 - x0) // 8
    ImageDraw.Draw(shadow).ellipse((x0 - reach, y1 - 3 * reach, x1 + 2 * reach, y1 + reach), fill=64)
    scene.paste((0, 0, 0), mask=shadow.filter(ImageFilter.GaussianBlur(height / 40)))
    scene.paste(shown, (left, top), alpha)
    noise = np.random.default_rng(0).normal(0, 1, (height, width, 3))
    return Image.fromarray((np.asarray(scene) + noise).round().clip(0, 255).astype(np.uint8))


def _as_photographed(folder: Path, model: Model, settings: LiftSettings, picture: DemoPicture, progress: bool) -> str:
    """The first picture lifted from a photograph of it, whose mask and camera nobody gives."""
    photograph(picture).save(folder / demo_page.PHOTOGRAPH, quality=92)
    known = replace(settings, azimuth=None, elevation=None)
    made = lift(folder / demo_page.PHOTOGRAPH, folder / "photograph", model, settings=known, progress=progress)
    truth = (float(picture.azimuth), float(picture.elevation))
    credit = f"{picture.author}, {picture.licence}"
    shown = demo_page.figure("photograph", picture.title, credit, [*made.report["files"]])
    return demo_page.photographed(shown, made.report["camera"], truth)


def _clickable(picture: DemoPicture, made: Lifted, settings: LiftSettings) -> ClickableObject:
    """From the views that were rendered for the sheet, of which the first is the picture's own."""
    cameras = figures.around(picture.azimuth, picture.elevation, settings.views, settings.size)
    return clickable_views([cameras[0], *cameras], [made.views[0], *made.views], made.prepared, picture.title)


def _common_colors(model: Model, pictures: Sequence[DemoPicture]) -> figures.DescriptorColors:
    """One meaning of the colours for all objects of a category."""
    views: list[Rendered] = []
    for picture in pictures:
        field = model.encode(picture.path, picture.camera(*open_picture(picture.path).size))
        views += figures.render_views(field, figures.around(picture.azimuth, picture.elevation, 3, 64))
    return figures.DescriptorColors.fit(views)


def _overview(category: str, pictures: Sequence[DemoPicture], lifted: Sequence[Lifted]) -> Image.Image:
    """A row an object: the picture, then novel views in colour, depth and descriptors."""
    rows: dict[str, list[Image.Image | None]] = {}
    count = len(lifted[0].views)
    chosen = sorted({round(turn * count) % count for turn in (1 / 8, 1 / 2, 7 / 8)})
    for picture, made in zip(pictures, lifted, strict=True):
        assert made.colors is not None
        near, far = figures.depth_range(made.views)
        turned = [made.views[i] for i in chosen]
        rows[picture.title] = [
            figures.picture_on_paper(made.prepared),
            *(figures.color_picture(v) for v in turned),
            *(figures.depth_picture(v, near, far) for v in turned[:2]),
            *(figures.descriptor_picture(v, made.colors) for v in (made.views[0], *turned)),
        ]
    turns = [f"{i * 360 / count:+.0f}\N{DEGREE SIGN}" for i in chosen]
    columns = ["picture", *turns, *(f"depth {t}" for t in turns[:2]), "descriptor", *(f"descriptor {t}" for t in turns)]
    return figures.sheet(rows, columns, f"{category.capitalize()}: one picture in, a field out")


# ---------------------------------------------------------------------- transfer


@dataclass(frozen=True, eq=False)
class _RenderedField:
    """A field that is known from one camera: what matching asks of that view was rendered beforehand, once."""

    source: Camera
    view: Rendered

    def render(self, camera: Camera, channels: Sequence[str] = ()) -> Rendered:
        return self.view

    def query(self, points: Tensor, directions: Tensor | None = None, channels: Sequence[str] = ()) -> Samples:
        raise NotImplementedError


def _rendered(field: Field, camera: Camera) -> _RenderedField:
    seen = seen_by(first_source_camera(field), camera)
    shown = None if seen is None else seen.shown
    return _RenderedField(remembering(camera, shown), figures.render_views(field, [camera])[0])


def _transfers(pictures: Sequence[DemoPicture], fields: Sequence[Field], size: int) -> list[Image.Image]:
    """A figure for each annotated picture: its keypoints and parts, carried to all others and to novel views."""
    found = []
    for source, own in zip(pictures, fields, strict=True):
        if source.parts is None:
            continue
        marked, source_view = _marked(source, size), _rendered(own, source.camera(size, size))
        others = [(p, f) for p, f in zip(pictures, fields, strict=True) if p is not source]
        panels = [_carried(marked, source_view, target, other) for target, other in others]
        panels += [_carried(marked, source_view, p, f, NOVEL_TURN) for p, f in [(source, own), *others][:3]]
        title = f"What the {source.title}'s marks mean elsewhere"
        found.append(figures.transfer_figure(marked, panels, list(source.keypoints), source.part_names, title))
    return found


def _swap(model: Model, category: str, pictures: Sequence[DemoPicture], size: int) -> Image.Image | None:
    """A part of one picture's object with the texture of another's; None where the pictures are not there."""
    name, part, like_name = EDITS.get(category, ("", "", ""))
    known = {picture.name: picture for picture in pictures}
    if name not in known or like_name not in known:
        return None
    of, like = (subject(model, known[each].path) for each in (name, like_name))
    region = find_part(of, part, None)
    field = textured(of.field, region, like, like_part(like, part, of, region))
    title = f"The {part} of the {known[name].title} with the texture of the {known[like_name].title}"
    return edit_sheet(of, like, region, field, EditSettings(size=size), title)


def _marked(picture: DemoPicture, size: int) -> figures.Panel:
    """A picture with what was marked on it by hand, at a size."""
    assert picture.parts is not None
    rows, columns = (((np.arange(size) + 0.5) * n / size).astype(int) for n in picture.parts.shape)
    points = np.array(list(picture.keypoints.values())).reshape(-1, 2) * (
        size / np.array(open_picture(picture.path).size)
    )
    parts = picture.parts[rows][:, columns]
    return figures.Panel(f"{picture.title} (marked by hand)", picture.on_paper(size), points.astype(np.float32), parts)


def _carried(
    marked: figures.Panel, source_view: _RenderedField, target: DemoPicture, field: Field, turn: float = 0.0
) -> figures.Panel:
    """Marks carried to a target's own picture; with ``turn``, to a view of it that was never taken."""
    assert marked.keypoints is not None
    assert marked.parts is not None
    size = marked.picture.width
    target_view = _rendered(field, target.camera(size, size, turn))
    xy, _ = transfer_keypoints(source_view, target_view, marked.keypoints)
    alpha = open_picture(target.path).convert("RGBA").getchannel("A").resize((size, size))
    mask = None if turn else np.array(alpha) > 127  # a picture that was taken says itself where its object is
    labels = transfer_parts(source_view, target_view, marked.parts, target_mask=mask)
    picture = figures.color_picture(target_view.view) if turn else target.on_paper(size)
    title = f"{target.title} {turn:+.0f}\N{DEGREE SIGN}" if turn else target.title
    return figures.Panel(title, picture, xy.numpy(), labels.numpy())
