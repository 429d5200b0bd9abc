"""``featurenerf demo``: lift the pictures that ship with the package, and carry keypoints and parts between them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from featurenerf import figures
from featurenerf.cameras import Camera
from featurenerf.cli import demo_page
from featurenerf.cli.arguments import postponed, read
from featurenerf.errors import InputError
from featurenerf.fields.base import CHANNELS, Field, Model, Samples
from featurenerf.matching import transfer_keypoints, transfer_parts
from featurenerf.outputs import REPORT, fresh_directory
from featurenerf.photo import Lifted, LiftSettings, lift
from featurenerf.pictures import to_tensor

PICTURES = Path(__file__).parents[1] / "assets" / "pictures"
NOVEL_TURN = 40.0
"""How far, in degrees, the novel view to which labels are carried is turned from the picture's own."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture of the demo and what is known of it.

    Attributes:
        keypoints: name -> (x, y) in pixels of the file; empty where nobody marked any.
        parts: labels of the picture's pixels; None where nobody marked any.
    """

    name: str
    path: Path
    category: str
    azimuth: float
    elevation: float
    credit: str
    keypoints: Mapping[str, tuple[float, float]]
    parts: np.ndarray | None

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")

    def camera(self, width: int, height: int, turn: float = 0.0) -> Camera:
        """The camera that took it, or one turned around the object, with a picture of some size."""
        return Camera.look_at(self.azimuth + turn, self.elevation, width, height)


def read_pictures(directory: Path = PICTURES) -> list[Shown]:
    """The pictures that ``pictures.json`` of a folder names.

    Raises:
        InputError: where it is missing or damaged.
    """
    path = directory / "pictures.json"
    try:
        records = json.loads(path.read_text())
        return [_shown(directory, name, record) for name, record in records.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is missing or damaged ({error!r}): install featurenerf again") from error


def _shown(directory: Path, name: str, record: Mapping[str, Any]) -> Shown:
    parts = None
    if "parts_file" in record:
        with Image.open(directory / record["parts_file"]) as image:
            parts = np.asarray(image).astype(np.int64)
    return Shown(
        name,
        directory / record["file"],
        record["category"],
        float(record["azimuth"]),
        float(record["elevation"]),
        f"{record['author']}, {record['licence']}",
        {k: (float(x), float(y)) for k, (x, y) in record.get("keypoints", {}).items()},
        parts,
    )


def run(out: Path, model: Model, settings: LiftSettings, pictures: Sequence[Shown], progress: bool = True) -> Path:
    """Lift all pictures, transfer the annotations, and write ``index.html``, ``sheet.png`` and a folder a picture.

    Returns:
        the page.
    Raises:
        InputError: where ``out`` holds something that the demo did not make.
    """
    start = time.perf_counter()
    categories = list(dict.fromkeys(p.category for p in pictures))
    with fresh_directory(out, "demo") as folder, torch.no_grad():
        bar = tqdm(total=len(pictures) + len(categories), desc="demo", unit="picture", disable=not progress)
        sections, overall, encoding = [], [], []
        for category in categories:
            own = [p for p in pictures if p.category == category]
            colours = _common_colours(model, own)
            lifted = []
            for picture in own:
                bar.set_description(f"lift {picture.title}")
                lifted.append(_lift_one(folder, picture, model, settings, colours, progress))
                bar.update()
            bar.set_description(f"transfer between {category}s")
            encoding += [made.report["seconds"]["encode"] for made in lifted]
            transfers = _transfer(own, [made.field for made in lifted], settings.size)
            bar.update()
            for number, figure in enumerate(transfers):
                figure.save(folder / f"transfer_{category}_{number}.png")
            overview = _overview(category, own, lifted)
            overview.save(folder / f"overview_{category}.png")
            overall += [overview, *transfers]
            cards = [demo_page.Card(p.name, p.title, p.credit, m.report) for p, m in zip(own, lifted, strict=True)]
            sections.append(demo_page.section(category, cards, len(transfers)))
        bar.set_description("demo")
        bar.close()
        _stacked(overall).save(folder / "sheet.png")
        seconds, size = time.perf_counter() - start, sum(p.numel() for p in model.parameters())
        page = demo_page.page(sections, size, float(np.median(encoding)), seconds)
        (folder / "index.html").write_text(page, encoding="utf-8")
        report = {"made_by": "demo", "pictures": [p.name for p in pictures], "seconds": round(seconds, 1)}
        (folder / REPORT).write_text(json.dumps(report, indent=2) + "\n")
    return Path(out) / "index.html"


# ---------------------------------------------------------------------- lifting


def _common_colours(model: Model, pictures: Sequence[Shown]) -> figures.DescriptorColours:
    """One meaning of the colours for all objects of a category."""
    views: list[figures.View] = []
    for picture in pictures:
        field = model.encode(picture.path, picture.camera(*_file_size(picture)))
        views += figures.render_views(field, figures.around(picture.azimuth, picture.elevation, 3, 64))
    return figures.DescriptorColours.fit(views)


def _file_size(picture: Shown) -> tuple[int, int]:
    with Image.open(picture.path) as image:
        return image.size


def _lift_one(
    folder: Path,
    picture: Shown,
    model: Model,
    settings: LiftSettings,
    colours: figures.DescriptorColours,
    progress: bool,
) -> Lifted:
    known = LiftSettings(**{**vars(settings), "azimuth": picture.azimuth, "elevation": picture.elevation})
    return lift(
        picture.path, folder / picture.name, model, mask="none", settings=known, colours=colours, progress=progress
    )


def _overview(category: str, pictures: Sequence[Shown], lifted: Sequence[Lifted]) -> Image.Image:
    """A row an object: the picture, then novel views in colour, depth and descriptors."""
    rows: dict[str, list[Image.Image | None]] = {}
    count = len(lifted[0].views)
    chosen = sorted({round(turn * count) % count for turn in (1 / 8, 1 / 2, 7 / 8)})
    for picture, made in zip(pictures, lifted, strict=True):
        near, far = figures.depth_range(made.views)
        turned = [made.views[i] for i in chosen]
        rows[picture.title] = [
            figures.picture_on_paper(made.prepared),
            *(figures.colour_picture(v) for v in turned),
            *(figures.depth_picture(v, near, far) for v in turned[:2]),
            *(figures.descriptor_picture(v, made.colours) for v in (made.views[0], *turned)),
        ]
    turns = [f"{i * 360 / count:+.0f}\N{DEGREE SIGN}" for i in chosen]
    columns = ["picture", *turns, *(f"depth {t}" for t in turns[:2]), *(f"descriptor {t}" for t in ("", *turns))]
    return figures.sheet(rows, [c.strip() for c in columns], f"{category.capitalize()}: one picture in, a field out")


# ---------------------------------------------------------------------- transfer


def _transfer(pictures: Sequence[Shown], fields: Sequence[Field], size: int) -> list[Image.Image]:
    """A figure for each annotated picture: its keypoints and parts, carried to all others and to novel views."""
    found = []
    for source, field in zip(pictures, fields, strict=True):
        if source.parts is None:
            continue
        marked, seen = _marks(source, size), _Seen.at(field, source.camera(size, size))
        others = [(p, f) for p, f in zip(pictures, fields, strict=True) if p is not source]
        panels = [_carried(marked, seen, target, other) for target, other in others]
        for target, other in [(source, field), *others][:3]:
            panels.append(_carried(marked, seen, target, other, NOVEL_TURN))
        title = f"What the {source.title}'s marks mean elsewhere"
        names = _part_names(source.category)
        found.append(figures.transfer_figure(marked, panels, list(source.keypoints), names, title))
    return found


@dataclass(frozen=True, eq=False)
class _Seen:
    """A field that was rendered once, at one camera: transfers from and to that view need not render it again."""

    field: Field
    camera: Camera
    view: figures.View

    @classmethod
    def at(cls, field: Field, camera: Camera) -> _Seen:
        return cls(field, camera, figures.render_views(field, [camera])[0])

    @property
    def source(self) -> Camera:
        return self.field.source

    def query(self, points: Tensor, directions: Tensor | None = None, channels: Sequence[str] = CHANNELS) -> Samples:
        return self.field.query(points, directions, channels)

    def render(self, camera: Camera, channels: Sequence[str] = CHANNELS[1:]) -> dict[str, Tensor]:
        if camera is not self.camera:
            raise ValueError("this view was rendered at another camera")
        return {name: getattr(self.view, name) for name in channels}


def _marks(picture: Shown, size: int) -> figures.Panel:
    """A picture with what was marked on it by hand, at a size."""
    assert picture.parts is not None
    rows, columns = (((np.arange(size) + 0.5) * n / size).astype(int) for n in picture.parts.shape)
    scale = size / np.array(_file_size(picture))
    points = np.array(list(picture.keypoints.values())).reshape(-1, 2) * scale
    title = f"{picture.title} (marked by hand)"
    return figures.Panel(title, _own_picture(picture, size), points.astype(np.float32), picture.parts[rows][:, columns])


def _carried(marked: figures.Panel, seen: _Seen, target: Shown, other: Field, turn: float = 0.0) -> figures.Panel:
    """Marks carried to a target's own picture; with ``turn``, to a view of it that was never taken."""
    assert marked.keypoints is not None
    assert marked.parts is not None
    size = marked.picture.width
    there = _Seen.at(other, target.camera(size, size, turn))
    xy, _ = transfer_keypoints(seen, there, marked.keypoints, seen.camera, there.camera)
    # a picture that was taken says itself where its object is
    mask = None if turn else _outline(target, size)
    labels = transfer_parts(seen, there, marked.parts, seen.camera, there.camera, target_mask=mask)
    if turn:
        picture, title = figures.colour_picture(there.view), f"{target.title} {turn:+.0f}\N{DEGREE SIGN}"
    else:
        picture, title = _own_picture(target, size), target.title
    return figures.Panel(title, picture, xy.cpu().numpy(), labels.cpu().numpy())


def _outline(picture: Shown, size: int) -> Bool[Tensor, "s s"]:
    """Where the picture's own alpha shows the object."""
    alpha = Image.open(picture.path).convert("RGBA").getchannel("A").resize((size, size))
    return torch.from_numpy(np.array(alpha) > 127)


def _own_picture(picture: Shown, size: int) -> Image.Image:
    image = figures.picture_on_paper(to_tensor(picture.path))
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _part_names(category: str) -> tuple[str, ...]:
    from featurenerf.data.synthesis import CATEGORIES

    return CATEGORIES[category].part_names


def _stacked(images: Sequence[Image.Image]) -> Image.Image:
    page = Image.new("RGB", (max(i.width for i in images), sum(i.height for i in images)), figures.PAPER)
    top = 0
    for image in images:
        page.paste(image, (0, top))
        top += image.height
    return page


# ---------------------------------------------------------------------- the verb


def demo(out: Path = Path("featurenerf-demo"), checkpoint: str | None = None, frames: int = 24, grid: int = 80) -> None:
    """Lift the pictures that ship with the package, and carry keypoints and parts between them; ends with a page.

    Args:
        out: folder to make; one that an earlier demo made is replaced.
        checkpoint: directory, or name of one that ships; by default the shipped one.
        frames: of each turntable.
        grid: points a side of the cube in which meshes are looked for.
    """
    from featurenerf.checkpoint import DEFAULT, load

    settings = LiftSettings(views=8, frames=frames, grid=grid, points=10000)
    print(run(out, load(checkpoint or DEFAULT), settings, read_pictures()).resolve())


def main(argv: list[str]) -> None:
    """Runs ``featurenerf demo ARGV``."""
    import tyro

    read(tyro.cli, postponed(demo), prog="featurenerf demo", args=argv)()
