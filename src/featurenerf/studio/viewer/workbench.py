"""A running viewer without its page: the session, what is shown of it, and what was worked out for it."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from featurenerf.cameras import OPENCV_TO_OPENGL, Camera
from featurenerf.errors import InputError
from featurenerf.fields.volume import VolumeField
from featurenerf.masks import Mask
from featurenerf.models.base import Model
from featurenerf.pictures import Picture, picture_of
from featurenerf.studio import figures
from featurenerf.studio.clickable import LEAST_SCORE, SurfaceCells
from featurenerf.studio.export import Geometry, mesh
from featurenerf.studio.formats import ExportSettings, export_field
from featurenerf.studio.viewer import actions
from featurenerf.studio.viewer.colors import (
    Shown,
    colors,
    descriptor_colors,
    heat,
    heat_picture,
    nearest_point,
    toward_first,
)
from featurenerf.studio.viewer.state import FieldEdit, FoundMatch, History, ViewerSession, matches, whole_surface
from featurenerf.studio.viewer.volume import PlacedField
from featurenerf.teachers.word_search import WordSearch, has_words

SPACING = 1.1
"""Between the middles of objects, in world units: their spheres of radius 0.5 do not touch."""
_IN_A_ROW = 4
_MESH_GRID = 64
_MOST_DABS = 64  # of the brush, between two places that a page tells


@dataclass(frozen=True, eq=False)
class Appearance:
    """An object after its edits.

    Attributes:
        edits: that it was made with.
        of_points: for each of its surface points, the closest one of the object before its edits.
    """

    edits: tuple[FieldEdit, ...]
    shape: VolumeField
    surface: SurfaceCells
    of_points: Tensor


@dataclass(frozen=True, eq=False)
class Click:
    """The last click.

    Attributes:
        name: of the object.
        point: number of its surface point.
        found: the best match on each object, by name; on itself, too.
    """

    name: str
    point: int
    found: dict[str, FoundMatch]


@dataclass(frozen=True, eq=False)
class AskedWords:
    """The last question in words.

    Attributes:
        scores: name of the object -> similarity of each surface point to each word.
    """

    words: tuple[str, ...]
    scores: dict[str, Float[Tensor, "_ w"]]


class Workbench:
    """What a viewer knows. One thread alone calls it.

    Attributes:
        shown: what colours mean.
        click: None before the first one.
        asked: None before the first question.
        least: score below which there is no match.
    """

    def __init__(self, model: Model, teacher: str | None = None) -> None:
        """
        Args:
            teacher: where the teacher's weights are now, for words (``WordSearch.of``).
        """
        self.model, self._teacher = model, teacher
        self.asked: AskedWords | None = None
        self._search: WordSearch | None = None
        self.history = History()
        self.shown: Shown = "rgb"
        self.click: Click | None = None
        self.least = LEAST_SCORE
        self._brushed: ViewerSession | None = None  # what the last stroke made
        self._made: dict[str, Appearance] = {}
        self._meshes: dict[str, tuple[Appearance, Geometry]] = {}

    @property
    def session(self) -> ViewerSession:
        return self.history.present

    def becomes(self, session: ViewerSession, same_step: bool = False) -> None:
        """The next session. Its edits are tried first: where one cannot be made, nothing changes.

        Args:
            same_step: it is undone together with the present one.
        Raises:
            InputError: where an edit cannot be made, or leaves nothing.
        """
        made = {of.name: self._appearance(session, of.name) for of in session.objects}
        self.history = self.history.then(session, same_step)
        self._keep(made)

    def undo(self) -> None:
        self._turn(self.history.undo())

    def redo(self) -> None:
        self._turn(self.history.redo())

    def _turn(self, history: History) -> None:
        made = {of.name: self._appearance(history.present, of.name) for of in history.present.objects}
        self.history = history
        self._keep(made)

    def _keep(self, made: dict[str, Appearance]) -> None:
        self._made = made
        if self.asked is not None:
            self._score(self.asked.words)
        if self.click is not None and self.click.name not in made:
            self.click = None
        elif self.click is not None:
            self.clicked(self.click.name, self.click.point)

    def _appearance(self, session: ViewerSession, name: str) -> Appearance:
        of, edits = session.object(name), tuple(session.edits.get(name, ()))
        known = self._made.get(name)
        same = known is not None and len(known.edits) == len(edits)
        if known is not None and same and all(a is b for a, b in zip(known.edits, edits, strict=True)):
            return known
        if not edits:
            return Appearance((), of.shape, of.surface, torch.arange(len(of.points)))
        shape = actions.edited_object(session, name)
        surface = whole_surface(shape, f"{name} after the edit")
        return Appearance(edits, shape, surface, nearest_point(surface.points, of.points))

    def appearance(self, name: str) -> Appearance:
        self.session.object(name)
        return self._made[name]

    # ------------------------------------------------------------------ objects in the scene

    def add(self, picture: Picture, name: str, mask: Mask | None = None) -> None:
        """A picture as a new object; raises what ``actions.opened`` raises."""
        self.becomes(actions.added(self.session, actions.opened(self.model, picture, name, mask)))

    def upload(self, content: bytes, name: str) -> None:
        """The content of a picture's file as a new object."""
        self.add(picture_of(content, name), Path(name).stem.replace("_", " "))

    def offset(self, name: str) -> Float[Tensor, " 3"]:
        """Where an object's origin stands: in rows of four from left to right, seen from +x."""
        names = [of.name for of in self.session.objects]
        row, column = divmod(names.index(name), _IN_A_ROW)
        return torch.tensor([-row * SPACING, (column - (across(len(names)) - 1) / 2) * SPACING, 0.0])

    def hit(self, origin: Float[Tensor, " 3"], direction: Float[Tensor, " 3"]) -> tuple[str, int] | None:
        """The object that a ray of the scene meets first, and the surface point of it; None where it meets none."""
        best = None
        for of in self.session.objects:
            seen, own = self._made[of.name], origin - self.offset(of.name)
            point = actions.first_hit(seen.surface.points, own, direction)
            if point is not None:
                away = float((seen.surface.points[point] - own).norm())
                if best is None or away < best[0]:
                    best = (away, of.name, int(seen.of_points[point]))
        return None if best is None else best[1:]

    def brushed(
        self, name: str, part: str | None, radius: float, eye: Float[Tensor, " 3"], way: Float[Tensor, "2 3"], new: bool
    ) -> Float[Tensor, " 3"] | None:
        """A brush that is drawn over an object, as its eye sees it, along a piece of a straight line.

        Pieces of one stroke are undone together. What covers the object is passed by.

        Args:
            part: None erases.
            way: where in the scene the piece starts and ends; the surface that the eye sees there is painted.
            new: whether the stroke starts here.
        Returns:
            where in the scene the brush is now; None where it is beside the object.
        Raises:
            InputError: what ``actions.painted`` raises.
        """
        session, place, offset = self.session, None, self.offset(name)
        seen = self._made[name]
        steps = min(max(int((way[1] - way[0]).norm() / (0.5 * radius)), 1), _MOST_DABS)
        for step in range(1, steps + 1):
            direction = way[0] + (way[1] - way[0]) * (step / steps) - eye
            hit = actions.first_hit(seen.surface.points, eye - offset, direction)
            place = None if hit is None else seen.surface.points[hit] + offset
            if hit is not None:
                session = actions.painted(session, part, name, int(seen.of_points[hit]), radius)
        if session is not self.session:
            self.becomes(session, same_step=not new and self._brushed is self.session)
            self._brushed = session
        return place

    def clicked(self, name: str, point: int) -> Click:
        """Match a surface point with all objects."""
        self.click = Click(name, point, matches(self.session.object(name), point, self.session.objects))
        return self.click

    def said_of_click(self) -> str:
        """What the last click found, in sentences."""
        if self.click is None:
            return "Nothing is chosen yet."
        others = [name for name in self.click.found if name != self.click.name]
        said = [
            f"{name}: {self.click.found[name].score:.2f}"
            if self.click.found[name].score >= self.least
            else f"{name}: no match ({self.click.found[name].score:.2f}, below {self.least:.2f})"
            for name in others
        ]
        return f"A point of {self.click.name} is chosen. " + ("; ".join(said) if said else "There is no other object.")

    # ------------------------------------------------------------------ words

    @property
    def has_words(self) -> bool:
        """Whether the model's fields can be asked in words."""
        return self.model.checkpoint is not None and has_words(self.model.checkpoint, self._teacher)

    def ask(self, words: Sequence[str]) -> None:
        """Compare all surface points with words.

        Raises:
            InputError: where the model's teacher has no text side, or there is no word.
        """
        if self._search is None:
            if self.model.checkpoint is None:
                raise InputError("this model is of no checkpoint, which would say what teacher has words for it")
            self._search = WordSearch.of(self.model.checkpoint, self._teacher)
        self._score(tuple(words))

    @torch.no_grad()
    def _score(self, words: tuple[str, ...]) -> None:
        assert self._search is not None
        scores = {}
        for of in self.session.objects:
            points = of.points.to(of.shape.source.pose)
            feature = of.shape.query(points, channels=("feature",))["feature"]
            scores[of.name] = self._search.scores(feature, words).float().cpu()
        self.asked = AskedWords(words, scores)

    def said_of_words(self) -> str:
        """What the last question found, in a sentence."""
        if self.asked is None or not self.asked.scores:
            return "Nothing is asked yet."
        best = [f"{of}: {float(scores[:, 0].max()):.2f}" for of, scores in self.asked.scores.items()]
        return f"Most like {self.asked.words[0]!r}, as a cosine: {'; '.join(best)}."

    # ------------------------------------------------------------------ what is seen

    def said(self) -> str:
        """What colours show, in sentences."""
        return self.said_of_words() if self.shown == "words" else self.said_of_click()

    def point_colors(self, name: str) -> UInt8[np.ndarray, "n 3"]:
        """Colours of an object's surface points as they are shown now."""
        seen = self.appearance(name)
        scores = None
        if self.shown == "words" and self.asked is not None:
            scores = toward_first(self.asked.scores)[name][seen.of_points]
        elif self.click is not None:
            scores = self.click.found[name].scores[seen.of_points]
        labels = self.session.labels_of(name)[seen.of_points]
        palette = descriptor_colors(self.session.objects) if self.shown == "descriptors" else None
        return colors(self.shown, seen.surface, seen.shape, palette, labels, scores)

    def mesh(self, name: str) -> Geometry:
        """An object's mesh, with colours as they are shown now."""
        seen = self.appearance(name)
        known = self._meshes.get(name)
        if known is None or known[0] is not seen:
            known = self._meshes[name] = (seen, mesh(seen.shape, _MESH_GRID))
        made = known[1]
        if self.shown == "rgb":
            return made
        nearest = nearest_point(torch.from_numpy(made.points), seen.surface.points).numpy()
        return replace(made, rgb=self.point_colors(name)[nearest].astype(np.float32) / 255)

    def placed(self) -> tuple[PlacedField, ...]:
        """What a volume render of the scene shows, with the colours that are shown now."""
        made = []
        for of in self.session.objects:
            seen, offset = self._made[of.name], self.offset(of.name)
            colors = None if self.shown == "rgb" else torch.from_numpy(self.point_colors(of.name)).float() / 255
            made.append(PlacedField(seen.shape, offset, seen.surface.points, colors))
        return tuple(made)

    def heat_pictures(self, size: int = 160) -> Image.Image | None:
        """The pictures of all objects, side by side, with their similarity to the last click, or to words."""
        if self.shown == "words" and self.asked is not None and self.asked.scores:
            seen_as = {of: figures.viridis(scores) for of, scores in toward_first(self.asked.scores).items()}
        elif self.click is not None:
            seen_as = {of: heat(found.scores) for of, found in self.click.found.items()}
        else:
            return None
        return figures.side_by_side([heat_picture(of, seen_as[of.name]) for of in self.session.objects], size)

    # ------------------------------------------------------------------ files

    def exported(self, name: str, settings: ExportSettings | None = None) -> bytes:
        """A zip file of an object after its edits, in the formats of the settings."""
        with tempfile.TemporaryDirectory() as folder:
            export_field(self.appearance(name).shape, Path(folder), settings)
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
                for path in sorted(Path(folder).rglob("*")):
                    if path.is_file():
                        archive.write(path, path.relative_to(folder).as_posix())
        return buffer.getvalue()

    def turntable(self, frames: int = 24, size: int = 128) -> tuple[str, bytes]:
        """A film in which every object turns, side by side: the name of its file, and its content."""
        if not self.session.objects:
            raise InputError("there is no object yet: add a picture")
        each = []
        for camera in figures.around(0.0, 20.0, frames, size):
            views = [figures.render_views(self._made[of.name].shape, [camera])[0] for of in self.session.objects]
            each.append(figures.side_by_side([figures.color_picture(view) for view in views], size))
        with tempfile.TemporaryDirectory() as folder:
            path = figures.write_turntable(each, Path(folder) / "turntable")
            return path.name, path.read_bytes()


def across(count: int) -> int:
    """Number of objects in the first row."""
    return min(count, _IN_A_ROW)


def camera_of(wxyz: np.ndarray, position: np.ndarray, fov: float, aspect: float, height: int) -> Camera:
    """The camera of a page, with a picture of some height.

    Args:
        wxyz, position: camera to world, with OpenCV's axes.
        fov: vertical, in radians.
        aspect: width over height.
    """
    w, x, y, z = np.asarray(wxyz, np.float64) / np.linalg.norm(wxyz)
    pose = torch.eye(4)
    pose[:3, :3] = torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    pose[:3, 3] = torch.from_numpy(np.asarray(position, np.float32))
    width = max(1, round(height * min(max(aspect, 0.25), 4.0)))
    return Camera.from_pose(pose * OPENCV_TO_OPENGL, height / 2 / float(np.tan(fov / 2)), width, height)
