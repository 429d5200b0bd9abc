"""Make the pictures of the documentation: the conventions, and a contact sheet of each generated category.

    python docs/make_images.py          # needs the extra `data`; writes docs/images/

Nothing is drawn by eye: every point of the first panel goes through ``Camera.project``, so that the picture shows the
convention that the package follows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from featurenerf.cameras import DISTANCE, FAR, FOV, NEAR, Camera
from featurenerf.studio.figures import FAINT, INK, PAPER, draw_parts, sheet
from featurenerf.synthesis.meshes.renderer import RenderScene, render_view
from featurenerf.synthesis.objects import CATEGORIES, LabelledMesh, generate

IMAGES = Path(__file__).parent / "images"
FINE = 3
"""Everything is drawn so many times larger and then shrunk."""
RED, GREEN, BLUE, ORANGE = (204, 51, 51), (38, 140, 70), (45, 95, 200), (220, 120, 20)
AZIMUTH, ELEVATION = 40.0, 25.0

Point = Sequence[float] | np.ndarray


class Board:
    """A page that is drawn on in its own pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (FINE * width, FINE * height), PAPER)
        self.draw = ImageDraw.Draw(self.image)

    def line(
        self, points: Sequence[Point], colour: tuple[int, int, int], width: float = 2, dashed: bool = False
    ) -> None:
        fine = [(FINE * float(x), FINE * float(y)) for x, y in points]
        if not dashed:
            self.draw.line(fine, colour, round(FINE * width), joint="curve")
            return
        for a, b in pairwise(fine):
            steps = max(2, round(math.dist(a, b) / (FINE * 4)))
            at = [tuple(p + (q - p) * k / steps for p, q in zip(a, b, strict=True)) for k in range(steps + 1)]
            for k in range(0, steps, 2):
                self.draw.line([at[k], at[k + 1]], colour, round(FINE * width))

    def arrow(self, start: Point, end: Point, colour: tuple[int, int, int], width: float = 2.5) -> None:
        (x0, y0), (x1, y1) = start, end
        length = max(math.dist((x0, y0), (x1, y1)), 1e-6)
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        head = min(11.0, 0.5 * length)
        self.line([(x0, y0), (x1 - ux * head * 0.8, y1 - uy * head * 0.8)], colour, width)
        corners = [(x1, y1)]
        corners += [(x1 - ux * head + s * uy * head * 0.45, y1 - uy * head - s * ux * head * 0.45) for s in (1, -1)]
        self.draw.polygon([(FINE * x, FINE * y) for x, y in corners], colour)

    def dot(self, at: Point, colour: tuple[int, int, int], radius: float = 4) -> None:
        x, y = at
        self.draw.ellipse([FINE * (x - radius), FINE * (y - radius), FINE * (x + radius), FINE * (y + radius)], colour)

    def text(
        self, at: Point, text: str, colour: tuple[int, int, int] = INK, size: int = 14, anchor: str = "lm"
    ) -> None:
        x, y = at
        self.draw.text((FINE * x, FINE * y), text, colour, ImageFont.load_default(FINE * size), anchor=anchor)

    def paste(self, picture: Image.Image, left: int, top: int) -> None:
        self.image.paste(picture, (FINE * left, FINE * top), picture)

    def finished(self) -> Image.Image:
        return self.image.resize((self.image.width // FINE, self.image.height // FINE), Image.Resampling.LANCZOS)


# ---------------------------------------------------------------------- the conventions


def conventions() -> Image.Image:
    """Three panels: the world and a camera in it; the pixel grid; depth along a ray."""
    board = Board(1240, 590)
    _world(board, 560)
    _pixels(board, 640, 60)
    _depth(board, 640, 350)
    return board.finished()


def _world(board: Board, side: int) -> None:
    watcher = Camera.look_at(-14, 22, FINE * side, FINE * side, distance=4.6, fov=29)

    def at(*point: float) -> tuple[float, float]:
        xy, _ = watcher.project(torch.tensor(point, dtype=torch.float32))
        return float(xy[0]) / FINE - 70, float(xy[1]) / FINE + 70

    def arc(points: Sequence[Sequence[float]], colour: tuple[int, int, int]) -> None:
        board.line([at(*p) for p in points], colour, 2)

    chair = _of_family("chair", "side")
    view = render_view(RenderScene(chair), watcher)
    board.paste(Image.fromarray(view.picture), -70, 70)
    for axis, colour, name in (
        ((0.95, 0, 0), RED, "+x  front"),
        ((0, 0.62, 0), GREEN, "+y  left"),
        ((0, 0, 0.85), BLUE, "+z  up"),
    ):
        board.arrow(at(0, 0, 0), at(*axis), colour)
        x, y = at(*axis)
        board.text((x + 8, y + (14 if axis[0] else -4)), name, colour)

    camera = Camera.look_at(AZIMUTH, ELEVATION)
    centre = camera.centre.tolist()
    az, el = math.radians(AZIMUTH), math.radians(ELEVATION)
    foot = [centre[0], centre[1], 0.0]
    board.line([at(0, 0, 0), at(*foot)], FAINT, 1.5, dashed=True)
    board.line([at(*foot), at(*centre)], FAINT, 1.5, dashed=True)
    board.line([at(0, 0, 0), at(*centre)], FAINT, 1.5, dashed=True)
    steps = np.linspace(0, 1, 30)
    arc([(0.6 * math.cos(az * t), 0.6 * math.sin(az * t), 0) for t in steps], ORANGE)
    ray = [(math.cos(az) * math.cos(el * t), math.sin(az) * math.cos(el * t), math.sin(el * t)) for t in steps]
    arc([[1.02 * c for c in p] for p in ray], ORANGE)
    x, y = at(0.63 * math.cos(az / 2), 0.63 * math.sin(az / 2), 0)
    board.text((x + 4, y + 12), f"azimuth {AZIMUTH:g}\N{DEGREE SIGN}", ORANGE)
    x, y = at(*(1.02 * c for c in ray[12]))
    board.text((x + 8, y), f"elevation {ELEVATION:g}\N{DEGREE SIGN}", ORANGE)

    corners = torch.tensor([[0.0, 0], [128, 0], [128, 128], [0, 128]])
    rim = [at(*p) for p in camera.unproject(corners, torch.full((4,), 0.32)).tolist()]
    board.line([*rim, rim[0]], INK, 1.5)
    for corner in rim:
        board.line([at(*centre), corner], INK, 1)
    for column, colour, name in ((0, RED, "x"), (1, GREEN, "y"), (2, BLUE, "z")):
        tip = (camera.centre + 0.3 * camera.pose[:3, column]).tolist()
        board.arrow(at(*centre), at(*tip), colour, 2)
        x, y = at(*(camera.centre + 0.36 * camera.pose[:3, column]).tolist())
        board.text((x, y), name, colour, anchor="mm")
    x, y = at(*centre)
    board.dot((x, y), INK)
    board.text((x - 40, y - 128), f"Camera.look_at({AZIMUTH:g}, {ELEVATION:g})", INK, 15)
    board.text((x - 40, y - 108), "x right, y up, looks along -z", FAINT, 13)
    board.text((24, 28), "World and camera", INK, 20)
    board.text((24, 52), "right-handed; the object's bounding-box diagonal is 1, its centre the origin", FAINT, 13)
    board.text(
        (24, 70), f"canonical camera: distance {DISTANCE:g}, horizontal field of view {FOV:g}\N{DEGREE SIGN}", FAINT, 13
    )


def _pixels(board: Board, left: int, top: int) -> None:
    board.text((left, top - 32), "Pixels (a picture of 4 x 3)", INK, 20)
    cell, columns, rows = 62, 4, 3
    for column in range(columns + 1):
        x = left + 40 + column * cell
        board.line([(x, top + 20), (x, top + 20 + rows * cell)], FAINT, 1)
        board.text((x, top + 8), str(column), FAINT, 12, "mm")
    for row in range(rows + 1):
        y = top + 20 + row * cell
        board.line([(left + 40, y), (left + 40 + columns * cell, y)], FAINT, 1)
        board.text((left + 26, y), str(row), FAINT, 12, "mm")
    for x, y in Camera.look_at(width=columns, height=rows).pixels().reshape(-1, 2).tolist():
        board.dot((left + 40 + x * cell, top + 20 + y * cell), INK, 2.5)
    for x, y in ((0.5, 0.5), (3.5, 2.5)):
        board.text((left + 40 + x * cell, top + 20 + y * cell + 14), f"({x:g}, {y:g})", INK, 12, "mm")
    x, y = left + 40 + columns / 2 * cell, top + 20 + rows / 2 * cell
    board.dot((x, y), RED, 5)
    right = left + 40 + columns * cell + 28
    lines = (
        ("(x, y): x to the right, y down,", INK), ("from the picture's top left corner", INK),
        ("a pixel's centre is at +0.5:", INK), ("array[row, column] is at", INK), ("(column + 0.5, row + 0.5)", INK),
        ("principal point: (W / 2, H / 2)", RED), ("here (2, 1.5)", RED),
    )  # fmt: skip
    for number, (line, colour) in enumerate(lines):
        board.text((right, top + 34 + 25 * number), line, colour, 14)


def _depth(board: Board, left: int, top: int) -> None:
    board.text((left, top - 32), "Depth is the distance along the ray", INK, 20)
    eye = (left + 20, top + 92)
    scale = 240  # pixels a world unit
    half = math.radians(FOV / 2)
    for sign in (-1, 1):
        board.line(
            [eye, (eye[0] + FAR * scale * math.cos(half), eye[1] + sign * 0.5 * FAR * scale * math.sin(half))],
            FAINT,
            1,
        )
    squash = 0.5  # the panel is flatter than the field of view
    for depth, name in ((NEAR, "near"), (FAR, "far")):
        angles = np.linspace(-half, half, 30)
        curve = [(eye[0] + depth * scale * math.cos(a), eye[1] + squash * depth * scale * math.sin(a)) for a in angles]
        board.line(curve, FAINT, 1.5, dashed=False)
        board.text((curve[0][0] + 6, curve[0][1] - 12), f"{name} {depth:g}", FAINT, 13, "mm")
    middle = (eye[0] + DISTANCE * scale, eye[1])
    radius = 0.33 * scale
    box = [middle[0] - radius, middle[1] - squash * 1.6 * radius, middle[0] + radius, middle[1] + squash * 1.6 * radius]
    board.draw.ellipse([FINE * v for v in box], (226, 230, 236), FAINT, FINE)
    board.text((middle[0] + 20, middle[1] + 8), "object", FAINT, 13, "mm")
    hit = (middle[0] - 0.62 * radius, middle[1] - squash * 1.6 * radius * 0.785)
    board.arrow(eye, hit, ORANGE)
    board.dot(hit, ORANGE, 4.5)
    board.text((hit[0] - 146, hit[1] + 2), "depth", ORANGE, 15, "mm")
    board.line([hit, (hit[0], eye[1])], FAINT, 1.5, dashed=True)
    board.arrow(eye, (hit[0], eye[1]), FAINT, 1.5)
    board.text((eye[0] + 136, eye[1] + 12), "not this (z)", FAINT, 13, "mm")
    board.dot(eye, INK)
    board.text((left, top + 206), "rendered depth = sum of weight x depth, not divided by alpha;", INK, 14)
    board.text((left, top + 226), "depth / alpha is the mean depth of what the ray met", INK, 14)


# ---------------------------------------------------------------------- contact sheets


def contact_sheet(category: str, columns: int, cell: int, seed: int = 0) -> Image.Image:
    """One object of each family: as it looks, and its parts; and four of them with their keypoints, numbered by id."""
    names = CATEGORIES[category].part_names
    shown, dotted = [], []
    for family in CATEGORIES[category].families:
        mesh = _of_family(category, family, seed)
        view = render_view(RenderScene(mesh), Camera.look_at(35, 22, 2 * cell, 2 * cell, fov=46))
        picture = Image.new("RGB", (2 * cell, 2 * cell), PAPER)
        colours = Image.fromarray(view.picture)
        picture.paste(colours, (0, 0), colours)
        shown.append((family, picture, draw_parts(picture, view.parts, 256)))
        dotted.append((len(view.keypoints), family, _with_ids(picture, view.keypoints)))
    pages = []
    for start in range(0, len(shown), columns):
        some = shown[start : start + columns]
        rows: dict[str, list[Image.Image | None]] = {"": [p for _, p, _ in some], "parts": [p for *_, p in some]}
        pages.append(sheet(rows, [family for family, *_ in some], cell=cell))
    board = Board(pages[0].width, 330)
    flat = Image.new("RGB", (8, 8), (255, 255, 255))
    for number, name in enumerate(names[1:], start=1):
        colour = draw_parts(flat, np.full((8, 8), number), 8).getpixel((4, 4))
        board.dot((100 * number - 60, 12), colour, 8)
        board.text((100 * number - 44, 12), name)
    board.text((28, 52), "keypoints, by id", FAINT, 13)
    side = (board.image.width // FINE - 56) // 4
    for number, (_, family, picture) in enumerate(sorted(dotted, key=lambda entry: -entry[0])[:4]):
        board.image.paste(picture.resize((FINE * side, FINE * side)), (FINE * (28 + number * side), FINE * 70))
        board.text((28 + (number + 0.5) * side, 64), family, FAINT, 13, "mm")
    pages.append(board.finished())
    whole = Image.new("RGB", (max(p.width for p in pages), sum(p.height for p in pages)), PAPER)
    top = 0
    for page in pages:
        whole.paste(page, (0, top))
        top += page.height
    return whole


def _with_ids(picture: Image.Image, keypoints: np.ndarray) -> Image.Image:
    board = Board(*picture.size)
    board.image.paste(Image.blend(picture.resize(board.image.size), Image.new("RGB", board.image.size, PAPER), 0.35))
    for x, y, number in keypoints.tolist():
        at = (x + 0.5, y + 0.5)
        board.dot(at, (255, 255, 255), 9)
        board.dot(at, BLUE, 8)
        board.text(at, str(number), (255, 255, 255), 10, "mm")
    return board.finished()


def _of_family(category: str, family: str, seed: int = 0) -> LabelledMesh:
    return next(mesh for i in range(400) if (mesh := generate(category, seed, i)).family == family)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    _save(conventions(), "conventions")
    for category, columns, cell in (
        ("chair", 7, 136),
        ("car", 5, 176),
        ("table", 7, 136),
        ("bottle", 6, 136),
        ("airplane", 6, 152),
        ("motorcycle", 5, 176),
    ):
        _save(contact_sheet(category, columns, cell), category)


def _save(image: Image.Image, name: str) -> None:
    small = image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small.save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
