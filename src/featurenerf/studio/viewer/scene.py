"""What of a workbench is drawn in viser's scene: points or meshes, keypoints, the last click and its matches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from featurenerf.studio import figures
from featurenerf.studio.clickable import CELL
from featurenerf.studio.viewer.workbench import Workbench

_MARK = 0.028
"""Radius of markers, in world units."""
_CHOSEN, _FOUND, _POOR = (213, 94, 0), (0, 158, 115), (128, 132, 138)

Dragged = Callable[[str, str, tuple[float, float, float]], None]
"""Called with a keypoint, an object, and the place of the scene where the keypoint was dropped."""


class DrawnScene:
    """Draws again what changed; nodes are numbered, so that no name of a user's is part of theirs."""

    def __init__(self, scene: Any, dragged: Dragged) -> None:
        self._scene, self._dragged = scene, dragged
        self._objects: dict[str, Any] = {}
        self._marks: list[Any] = []

    def draw(self, bench: Workbench, shape: str) -> None:
        """The objects as points or as meshes (or not at all, where the background shows them), and all marks."""
        for handle in self._objects.values():
            handle.remove()
        self._objects = {}
        for number, of in enumerate(bench.session.objects if shape != "volume" else ()):
            place, seen = bench.offset(of.name).numpy(), bench.appearance(of.name)
            if shape == "mesh":
                self._objects[of.name] = self._mesh(bench, of.name, number, place)
            else:
                self._objects[of.name] = self._scene.add_point_cloud(
                    f"/objects/{number}", seen.surface.points.numpy(), bench.point_colors(of.name), point_size=CELL / 2,
                    point_shape="circle", precision="float32", point_shading="flat", position=place,
                )  # fmt: skip
        self.mark(bench)

    def _mesh(self, bench: Workbench, name: str, number: int, place: Any) -> Any:
        import trimesh

        made, colors = bench.mesh(name)
        body = trimesh.Trimesh(made.points, made.faces, vertex_colors=colors, process=False)
        return self._scene.add_mesh_trimesh(f"/objects/{number}", body, position=place)

    def color(self, bench: Workbench, shape: str) -> None:
        """Bring colours up to date; shapes stay."""
        if shape == "points" and self._objects.keys() == {of.name for of in bench.session.objects}:
            for name, handle in self._objects.items():
                handle.colors = bench.point_colors(name)
            self.mark(bench)
        else:
            self.draw(bench, shape)

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
