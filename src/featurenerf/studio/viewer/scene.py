"""What of a workbench is drawn in viser's scene: points or meshes, keypoints, the last click and its matches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from featurenerf.studio import figures
from featurenerf.studio.clickable import CELL
from featurenerf.studio.mesh_files import colored_glb
from featurenerf.studio.viewer.workbench import Workbench

_MARK = 0.028
"""Radius of markers, in world units."""
_FROM_Y_UP = (0.5, 0.5, 0.5, 0.5)  # glTF's axes to the world's, as a quaternion
_CHOSEN, _FOUND, _POOR = (213, 94, 0), (0, 158, 115), (128, 132, 138)

Place = tuple[float, float, float]
Dragged = Callable[[str, str, Place], None]
"""Called with a keypoint, an object, and the place of the scene where the keypoint was dropped."""
Brushed = Callable[[str, Any], None]
"""Called with an object and viser's event of a drag over it, in the thread of the server."""


class DrawnScene:
    """Draws again what changed; nodes are numbered, so that no name of a user's is part of theirs."""

    def __init__(self, scene: Any, dragged: Dragged, brushed: Brushed) -> None:
        self._scene, self._dragged, self._brushed = scene, dragged, brushed
        self._objects: dict[str, Any] = {}
        self._marks: list[Any] = []
        self._canvases: list[Any] = []
        self._brush: Any = None
        self._taken = np.zeros(3)

    def draw(self, bench: Workbench, shape: str) -> None:
        """The objects as points or as meshes (or not at all, where the background shows them), and all marks."""
        for handle in self._objects.values():
            handle.remove()
        self._objects = {}
        for number, of in enumerate(bench.session.objects if shape != "volume" else ()):
            place, seen = bench.offset(of.name).numpy(), bench.appearance(of.name)
            if shape == "mesh":
                self._objects[of.name] = self._scene.add_glb(
                    f"/objects/{number}", colored_glb(bench.mesh(of.name)), wxyz=_FROM_Y_UP, position=place
                )
            else:
                self._objects[of.name] = self._scene.add_point_cloud(
                    f"/objects/{number}", seen.surface.points.numpy(), bench.point_colors(of.name), point_size=CELL / 2,
                    point_shape="circle", precision="float32", point_shading="flat", position=place,
                )  # fmt: skip
        self.mark(bench)

    def color(self, bench: Workbench, shape: str) -> None:
        """Bring colours up to date; shapes stay."""
        if shape == "points" and self._objects.keys() == {of.name for of in bench.session.objects}:
            for name, handle in self._objects.items():
                handle.colors = bench.point_colors(name)
            self.mark(bench)
        else:
            self.draw(bench, shape)

    def canvases(self, bench: Workbench, wanted: bool) -> None:
        """Bodies that nobody sees, around the points of objects: a drag over one is the brush's, not the camera's."""
        for handle in self._canvases:
            handle.remove()
        self._canvases = []
        for number, of in enumerate(bench.session.objects if wanted else ()):
            place = bench.offset(of.name).numpy()
            body = self._scene.add_mesh_simple(
                f"/canvases/{number}", *_octahedra(bench.appearance(of.name).surface.points), opacity=0.0,
                cast_shadow=False, receive_shadow=False, position=place,
            )  # fmt: skip

            body.on_drag("left")(partial(self._drawn, of.name, place))
            self._canvases.append(body)

    async def _drawn(self, name: str, home: np.ndarray, event: Any) -> None:
        """Not a task of another thread, since those come in any order."""
        if event.phase == "start":
            self._taken = np.asarray(event.start_position) - home
        # viser draws an arrow from where a body was taken to the pointer; it has no length where the body follows
        event.target.position = home if event.phase == "end" else np.asarray(event.end_position) - self._taken
        self._brushed(name, event)

    def show_brush(self, place: torch.Tensor | None, radius: float) -> None:
        """A ball as large as the brush, where that is now; None hides it."""
        if self._brush is not None and (place is None or self._brush.radius != radius):
            self._brush.remove()
            self._brush = None
        if place is None:
            return
        if self._brush is None:
            self._brush = self._scene.add_icosphere("/brush", radius, _CHOSEN, opacity=0.35, cast_shadow=False)
        self._brush.position = place.numpy()

    def mark(self, bench: Workbench) -> None:
        """Keypoints, the last click and its matches."""
        for handle in self._marks:
            handle.remove()
        self._marks = []
        click, count = bench.click, len(bench.session.keypoints)
        if click is not None:
            for of in bench.session.objects:
                found = click.found[of.name]
                chosen = of.name == click.name
                poor = found.score < bench.least
                color = _CHOSEN if chosen else _POOR if poor else _FOUND
                text = "chosen" if chosen else f"no match {found.score:.2f}" if poor else f"{found.score:.2f}"
                place = of.points[click.point if chosen else found.point] + bench.offset(of.name)
                self._ball(f"/click/{len(self._marks)}", place, color, text, poor and not chosen)
        for number, (name, places) in enumerate(bench.session.keypoints.items()):
            for owner, at in places.items():
                place = torch.tensor(at.place) + bench.offset(owner)
                text = name if at.placed else f"{name} {at.score:.2f}"
                ball = self._ball(f"/keypoints/{len(self._marks)}", place, figures.keypoint_color(number, count), text)

                def drop(event: Any, name: str = name, owner: str = owner) -> None:
                    if event.phase == "end":
                        x, y, z = event.end_position
                        self._dragged(name, owner, (x, y, z))

                ball.on_drag("left")(drop)

    def _ball(self, node: str, place: torch.Tensor, color: tuple[int, ...], text: str, faint: bool = False) -> Any:
        ball = self._scene.add_icosphere(
            node, _MARK, color, subdivisions=2, position=place.numpy(), opacity=0.4 if faint else None
        )
        label = self._scene.add_label(f"{node}/text", text, position=(0.0, 0.0, 1.3 * _MARK), anchor="bottom-center")
        self._marks += [label, ball]
        return ball


def _octahedra(points: Float[Tensor, "n 3"]) -> tuple[Float[np.ndarray, "v 3"], Int64[np.ndarray, "f 3"]]:
    """Vertices and faces of a body without gaps around a surface that has a point in each of its cells."""
    side = 2 * CELL
    middles = torch.unique((points / side).round(), dim=0).numpy() * side
    corners = np.concatenate([np.eye(3), -np.eye(3)]) * side
    faces = np.array([[x, y, z] if (x + y + z) % 2 else [x, z, y] for x in (0, 3) for y in (1, 4) for z in (2, 5)])
    vertices = (middles[:, None] + corners).reshape(-1, 3).astype(np.float32)
    return vertices, (6 * np.arange(len(middles))[:, None, None] + faces).reshape(-1, 3)
