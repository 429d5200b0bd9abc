"""Pictures to look at: contact sheets, turntables, descriptors as colours, and transferred keypoints and parts."""

from __future__ import annotations

import colorsys
import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from PIL import Image, ImageColor, ImageDraw, ImageFont
from torch import Tensor

from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.fields.base import Field, Rendered
from featurenerf.fields.pose import CameraEstimate
from featurenerf.matching import FOREGROUND_ALPHA, normalise
from featurenerf.pca import principal_components
from featurenerf.pictures import to_image
from featurenerf.progress import Progress

PAPER = (252, 252, 250)
INK, FAINT = (32, 34, 38), (128, 132, 138)

_GAP, _MARGIN = 8, 28
_VIRIDIS = "#440154 #482878 #3e4989 #31688e #26828e #1f9e89 #35b779 #6ece58 #b5de2b #fde725"
_QUALITATIVE = (  # Okabe and Ito's, and three that the colour-blind tell from those
    "#e69f00 #56b4e9 #009e73 #f0e442 #0072b2 #d55e00 #cc79a7 #882255 #c6f0ff #5c3d00"
)

Labels = Int[Tensor, "h w"] | Int[np.ndarray, "h w"]
Keypoints = Shaped[Tensor, "k 2"] | Shaped[np.ndarray, "k 2"]


# ---------------------------------------------------------------------- what cameras see


@torch.no_grad()
def render_views(field: Field, cameras: Sequence[Camera], progress: str | None = None) -> list[Rendered]:
    """Render a field at several cameras, with a progress bar of that name.

    Returns:
        a view a camera, on the CPU: "rgb", "depth", "alpha", and "descriptor" where the field has it.
    """
    channels = ["rgb", "depth", "alpha", *({"descriptor"} & {*field.channels})]
    views = []
    for camera in Progress(cameras, desc=progress, leave=False, disable=progress is None):
        rendered = field.render(camera, channels=channels)
        views.append(Rendered({name: rendered[name].float().cpu() for name in channels}))
    return views


def around(azimuth: float | int, elevation: float | int, count: int, size: int = 128) -> list[Camera]:
    """Canonical cameras on a full turn counter-clockwise around the object; the first stands at ``azimuth``."""
    return [Camera.look_at(azimuth + 360 * i / count, float(elevation), size, size) for i in range(count)]


def around_from(camera: Camera, count: int, size: int = 128) -> list[Camera]:
    """The same; the first stands where a camera does, as seen from the object."""
    stands = CameraEstimate(camera, 0.0)
    return around(stands.azimuth, stands.elevation, count, size)


# ---------------------------------------------------------------------- numbers as colours


@dataclass(frozen=True, eq=False)
class DescriptorColors:
    """Descriptors as colours: their three main directions of variation, as red, green and blue.

    Fitted once and applied to many pictures, so that one colour means one thing in all of them.
    """

    mean: Float[Tensor, " d"]
    directions: Float[Tensor, "d 3"]
    low: Float[Tensor, " 3"]
    high: Float[Tensor, " 3"]

    @classmethod
    def fit(cls, views: Sequence[Rendered], most: int = 20000) -> DescriptorColors:
        """PCA of the L2-normalised descriptors of the views' foreground; the 2nd to 98th percentiles fill [0, 1].

        Raises:
            InputError: where the views show less than four pixels of foreground.
        """
        found = torch.cat([v["descriptor"][v["alpha"][..., 0] > FOREGROUND_ALPHA] for v in views])
        if len(found) < 4:
            raise InputError("the views show no object: the picture may hold none, or the model does not know its kind")
        return cls.of(normalise(found[torch.linspace(0, len(found) - 1, min(most, len(found))).round().long()]))

    @classmethod
    def of(cls, vectors: Float[Tensor, "n d"]) -> DescriptorColors:
        """PCA of at least four descriptors of length 1."""
        found = principal_components(vectors, 3)
        low, high = torch.quantile(found.project(vectors), torch.tensor([0.02, 0.98]), dim=0)
        return cls(found.mean, found.basis, low, high)

    def __call__(self, descriptors: Float[Tensor, "*n d"]) -> Float[Tensor, "*n 3"]:
        """Colours in [0, 1]."""
        projected = (normalise(descriptors.float()) - self.mean) @ self.directions
        return ((projected - self.low) / (self.high - self.low).clamp(min=1e-6)).clamp(0, 1)


def color_picture(view: Rendered) -> Image.Image:
    """The rendered colours, on paper."""
    return _on_paper(view["rgb"], view["alpha"])


def descriptor_picture(view: Rendered, colors: DescriptorColors) -> Image.Image:
    """The rendered descriptors as colours, on paper."""
    return _on_paper(view["alpha"] * colors(view["descriptor"]), view["alpha"])


def depth_picture(view: Rendered, near: float | int, far: float | int) -> Image.Image:
    """The rendered depth, bright where near (viridis), on paper."""
    depth = view["depth"] / view["alpha"].clamp(min=1e-3)
    nearness = 1 - ((depth - near) / max(far - near, 1e-6)).clamp(0, 1)
    colors = viridis(nearness[..., 0])
    return _on_paper(view["alpha"] * colors, view["alpha"])


def viridis(values: Float[Tensor, "*n"]) -> Float[Tensor, "*n 3"]:
    """Numbers in [0, 1] as colours in [0, 1], dark to bright."""
    anchors = torch.tensor([ImageColor.getrgb(name) for name in _VIRIDIS.split()]) / 255
    place = values * (len(anchors) - 1)
    low = place.long().clamp(max=len(anchors) - 2)
    return torch.lerp(anchors[low], anchors[low + 1], (place - low).unsqueeze(-1))


def depth_range(views: Sequence[Rendered]) -> tuple[float, float]:
    """Near and far of what the views show: the 2nd and 98th percentiles of the foreground's depth."""
    depths = torch.cat([(v["depth"] / v["alpha"].clamp(min=1e-3))[v["alpha"] > FOREGROUND_ALPHA] for v in views])
    if len(depths) == 0:
        return 0.8, 1.8
    low, high = np.percentile(depths.numpy(), [2, 98])
    return float(low), float(high)


def taken(picture: Float[Tensor, "_ h w"], alpha: Float[Tensor, "h w"]) -> Image.Image:
    """A picture in which all but the object is dim and red, so that one sees what was taken."""
    elsewhere = 0.3 * picture[:3].mean(0) + torch.tensor([0.6, 0.1, 0.1])[:, None, None]
    return to_image(torch.lerp(elsewhere, picture[:3], alpha[None]))


def picture_on_paper(picture: Float[Tensor, "c h w"]) -> Image.Image:
    """A picture tensor with 3 or 4 channels, on paper where it is transparent."""
    channels = picture.detach().float().cpu().permute(1, 2, 0)
    alpha = channels[..., 3:]
    return _on_paper(channels[..., :3] * alpha, alpha) if len(picture) == 4 else to_image(picture)


def _on_paper(shaded: Float[Tensor, "h w 3"], alpha: Float[Tensor, "h w 1"]) -> Image.Image:
    """Colours that are on black already."""
    return to_image((shaded + (1 - alpha) * (torch.tensor(PAPER) / 255)).permute(2, 0, 1))


# ---------------------------------------------------------------------- sheets and turntables


def sheet(
    rows: Mapping[str, Sequence[Image.Image | None]],
    columns: Sequence[str] = (),
    title: str = "",
    note: str = "",
    cell: int = 176,
) -> Image.Image:
    """Pictures in a grid with the rows' names at the left and the columns' above; None leaves a cell empty."""
    count = max(len(row) for row in rows.values())
    label_font, title_font, note_font = (ImageFont.load_default(cell // n) for n in (11, 7, 13))
    left = _MARGIN + max((round(label_font.getlength(name)) for name in rows), default=0) + 14
    top = _MARGIN + (cell // 7 + 18 if title else 0) + (cell // 11 + 12 if columns else 0)
    width = left + count * (cell + _GAP) - _GAP + _MARGIN
    height = top + len(rows) * (cell + _GAP) + (30 if note else 0) + _MARGIN // 2
    page = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((_MARGIN, _MARGIN - 4), title, INK, title_font)
    for number, name in enumerate(columns):
        draw.text((left + number * (cell + _GAP) + cell / 2, top - 8), name, FAINT, label_font, anchor="ms")
    for line, (name, pictures) in enumerate(rows.items()):
        y = top + line * (cell + _GAP)
        draw.text((left - 14, y + cell / 2), name, FAINT, label_font, anchor="rm")
        for number, picture in enumerate(pictures):
            if picture is not None:
                page.paste(scaled(picture, cell), (left + number * (cell + _GAP), y))
    draw.text((_MARGIN, height - _MARGIN), note, FAINT, note_font)
    return page


def stacked(pages: Sequence[Image.Image]) -> Image.Image:
    """Pages below each other."""
    whole = Image.new("RGB", (max(page.width for page in pages), sum(page.height for page in pages)), PAPER)
    top = 0
    for page in pages:
        whole.paste(page, (0, top))
        top += page.height
    return whole


def turntable_frame(view: Rendered, colors: DescriptorColors | None, size: int = 256) -> Image.Image:
    """A view's colours at the left, its descriptors at the right where there are any."""
    pictures = [color_picture(view), *([] if colors is None else [descriptor_picture(view, colors)])]
    return side_by_side(pictures, size)


def side_by_side(pictures: Sequence[Image.Image], size: int = 256) -> Image.Image:
    """Square pictures beside each other."""
    frame = Image.new("RGB", (len(pictures) * size, size), PAPER)
    for number, picture in enumerate(pictures):
        frame.paste(scaled(picture, size), (number * size, 0))
    return frame


def write_turntable(
    frames: Sequence[Image.Image], stem: str | os.PathLike[str], seconds: float | int = 4.0, turns: int = 2
) -> Path:
    """Write frames, ``turns`` times over, as ``<stem>.mp4`` (H.264) where the extra ``video`` is installed, and once as
    ``<stem>.gif`` elsewhere."""
    try:
        import imageio_ffmpeg
    except ImportError:
        path = Path(f"{os.fspath(stem)}.gif")
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=1000 * seconds / len(frames), loop=0)
        return path
    path = Path(f"{os.fspath(stem)}.mp4")
    writer = imageio_ffmpeg.write_frames(
        str(path), frames[0].size, fps=len(frames) / seconds, codec="libx264", quality=8, macro_block_size=2,
        output_params=["-movflags", "+faststart"],
    )  # fmt: skip
    try:
        writer.send(None)
        for _ in range(turns):  # two of a turntable: some players do not loop
            for frame in frames:
                writer.send(frame.tobytes())
    finally:
        writer.close()
    return path


# ---------------------------------------------------------------------- transfer


@dataclass(frozen=True, eq=False)
class Panel:
    """A picture with what is known, or was transferred, of it.

    Attributes:
        title: one or two words above it.
        keypoints: pixels (x, y) of the picture; a row of NaN is a keypoint that is not shown.
        parts: part labels, 0 = none.
    """

    title: str
    picture: Image.Image
    keypoints: Keypoints | None = None
    parts: Labels | None = None


def transfer_figure(
    source: Panel,
    targets: Sequence[Panel],
    keypoint_names: Sequence[str] = (),
    part_names: Sequence[str] = (),
    title: str = "",
    cell: int = 224,
) -> Image.Image:
    """A source's keypoints and parts at the left, and where they came to lie on each target.

    Args:
        keypoint_names: one a row of each panel's keypoints; shown below with the numbers of the dots.
        part_names: of each label; the first is that of label 0 and not shown.
    """
    panels = [source, *targets]
    drawn: dict[str, list[Image.Image | None]] = {
        "parts": [None if p.parts is None else draw_parts(p.picture, p.parts, cell) for p in panels],
        "keypoints": [None if p.keypoints is None else draw_keypoints(p.picture, p.keypoints, cell) for p in panels],
    }
    rows = {name: pictures for name, pictures in drawn.items() if any(pictures)}
    page = sheet(rows, [p.title for p in panels], title, cell=cell)
    present = {int(n) for p in panels if p.parts is not None for n in np.unique(np.asarray(p.parts))}
    return with_legends(page, part_names, present, keypoint_names)


def with_legends(
    page: Image.Image, part_names: Sequence[str], present: Set[int], keypoint_names: Sequence[str]
) -> Image.Image:
    """A page with the names below of those part labels that are present, and of all keypoints."""
    parts = [("", part_color(n), name) for n, name in enumerate(part_names) if n > 0 and n in present]
    dots = [(str(n + 1), keypoint_color(n, len(keypoint_names)), name) for n, name in enumerate(keypoint_names)]
    font, line = ImageFont.load_default(15), 26
    placed, y = [], page.height - line / 2
    for legend in filter(None, (parts, dots)):
        x, y = float(_MARGIN), y + line
        for mark, color, name in legend:
            width = 42 + round(font.getlength(name))
            if x > _MARGIN and x + width > page.width - _MARGIN:
                x, y = float(_MARGIN), y + line
            placed.append((x, y, mark, color, name))
            x += width
    whole = Image.new("RGB", (page.width, round(y + line / 2) + 12), PAPER)
    whole.paste(page, (0, 0))
    draw = ImageDraw.Draw(whole)
    for x, y, mark, color, name in placed:
        draw.ellipse((x, y - 9, x + 18, y + 9), color)
        draw.text((x + 9, y), mark, _readable_on(color), ImageFont.load_default(11), anchor="mm")
        draw.text((x + 24, y), name, INK, font, anchor="lm")
    return whole


def draw_parts(picture: Image.Image, parts: Labels, size: int = 224) -> Image.Image:
    """A picture in grey, with each part tinted in its label's colour."""
    labels = np.asarray(parts)
    own = np.asarray(scaled(picture, size), np.float32)
    grey = np.asarray(scaled(picture, size).convert("L"), np.float32)[..., None]
    tint = np.zeros((*labels.shape, 4), np.float32)
    for label in np.unique(labels[labels > 0]):
        tint[labels == label] = (*part_color(int(label)), 255)
    layers = [Image.fromarray(tint[..., c]).resize((size, size), Image.Resampling.BILINEAR) for c in range(4)]
    rgb, cover = np.stack([np.asarray(x) for x in layers[:3]], -1), np.asarray(layers[3])[..., None] / 255
    shaded = rgb / np.maximum(cover, 1e-3) * (0.45 + 0.55 * grey / 255)  # light and shade stay visible
    return Image.fromarray((own * (1 - cover) + shaded * cover).clip(0, 255).astype(np.uint8))


def draw_keypoints(picture: Image.Image, keypoints: Keypoints, size: int = 224) -> Image.Image:
    """A picture with numbered dots; colour and number tell which keypoint it is."""
    fine = 3  # drawn larger and shrunk: smooth circles
    page = scaled(picture, size).resize((fine * size, fine * size))
    page = Image.blend(page, Image.new("RGB", page.size, PAPER), 0.25)
    draw = ImageDraw.Draw(page)
    radius, font = fine * size / 30, ImageFont.load_default(round(fine * size / 22))
    points = np.asarray(keypoints, np.float64) * (fine * size / np.array(picture.size))
    for number, (x, y) in enumerate(points):
        if np.isfinite(x + y):
            color = keypoint_color(number, len(points))
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), color, (255, 255, 255), round(fine * 1.4))
            draw.text((x, y), str(number + 1), _readable_on(color), font, anchor="mm")
    return page.resize((size, size), Image.Resampling.LANCZOS)


def scaled(picture: Image.Image, size: int) -> Image.Image:
    """A picture as RGB, scaled to ``size`` pixels a side."""
    picture = picture.convert("RGB")
    return picture if picture.size == (size, size) else picture.resize((size, size), Image.Resampling.BICUBIC)


def part_color(label: int) -> tuple[int, ...]:
    colors = _QUALITATIVE.split()
    return ImageColor.getrgb(colors[(label - 1) % len(colors)])


def keypoint_color(number: int, count: int) -> tuple[int, ...]:
    red, green, blue = colorsys.hsv_to_rgb(number / max(count, 1), 0.75, 0.9 if number % 2 else 0.72)
    return round(255 * red), round(255 * green), round(255 * blue)


def _readable_on(color: tuple[int, ...]) -> tuple[int, int, int]:
    return (255, 255, 255) if np.dot(color, (0.3, 0.59, 0.11)) < 150 else (0, 0, 0)
