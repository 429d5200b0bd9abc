"""The viewer's page: what a user does there goes to a worker, which changes the workbench and draws it again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from featurenerf.errors import InputError
from featurenerf.models.base import Model
from featurenerf.studio.shipped import shipped_picture
from featurenerf.studio.viewer import actions, guard
from featurenerf.studio.viewer.panel import NOTHING, controls, escaped
from featurenerf.studio.viewer.scene import DrawnScene
from featurenerf.studio.viewer.session_file import open_session, read_session, session_bytes
from featurenerf.studio.viewer.workbench import Workbench, camera_of
from featurenerf.studio.viewer.worker import Task, WorkQueue

COARSE, FULL = 48, 128
"""Rows of the volume render while the camera moves, and when it rests."""
_REST = 0.15  # seconds without a move after which a camera rests


class ViewerApp:
    """A server with a page, and a model at work beside it.

    Attributes:
        server: viser's.
        bench: only the worker's thread may change it.
        queue: the worker.
    """

    def __init__(self, model: Model, host: str = "127.0.0.1", port: int | None = None) -> None:
        """
        Raises:
            InputError: where nothing can listen there.
            MissingExtraError: without the extra ``view``.
        """
        self.bench = Workbench(model)
        self.server = guard.start(host, port)
        self.queue = WorkQueue(self.say)
        self.scene = DrawnScene(self.server.scene, self._dropped)
        self.panel = controls(self.server.gui)
        self.server.gui.configure_theme(show_logo=False, show_share_button=False, control_width="large")
        self.server.initial_camera.position = (2.6, 0.0, 1.1)
        self.server.initial_camera.look_at = (0.0, 0.0, 0.0)
        guard.limit_uploads(self.server, self.say)
        self._wire()

    @property
    def address(self) -> str:
        host = self.server.get_host()
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server.get_port()}"

    def open_pictures(self, pictures: Sequence[Path]) -> None:
        """Have pictures made into objects, one after the other."""
        for path in pictures:
            shipped = shipped_picture(path)
            name = path.stem.replace("_", " ") if shipped is None else shipped.title
            self._do(f"encoding {name}", partial(self.bench.add, path, name))

    def open_session(self, path: Path) -> None:
        """Have a file that the viewer saved made into the session."""
        self._do(f"opening {path.name}", self._change(lambda: open_session(path, self.bench.model)))

    def wait(self) -> None:
        """Until interrupted."""
        while True:
            time.sleep(3600)

    def close(self) -> None:
        """End the worker after what it is at, and the server."""
        self.queue.end()
        guard.stop(self.server)

    def say(self, sentence: str) -> None:
        """Show a sentence on all pages."""
        self.panel.says.content = escaped(sentence)

    # ------------------------------------------------------------------ what is asked

    def _do(self, what: str, change: Task, redraw: bool = True, name: str | None = None) -> None:
        """Have the worker change something, and show it."""

        def work() -> None:
            self.panel.busy.visible = True
            self.say(f"{what} ...")
            try:
                change()
                self.say(self.bench.said_of_click() if self.bench.session.objects else "Add a picture.")
            finally:
                if redraw:
                    self._show()
                self.panel.busy.visible = False

        self.queue.ask(work, name)

    def _show(self) -> None:
        self.panel.follow(self.bench.session, actions.part_counts(self.bench.session))
        self.scene.draw(self.bench, self.panel.shape.value)
        self._show_pictures()
        self._render_all()

    def _show_pictures(self) -> None:
        made = self.bench.heat_pictures()
        self.panel.pictures.visible = made is not None
        if made is not None:
            self.panel.pictures.image = np.asarray(made)

    def _change(self, change: Callable[[], Any]) -> Task:
        """A task that makes the next session of this one."""
        return lambda: self.bench.becomes(change())

    def _wire(self) -> None:
        panel, bench = self.panel, self.bench
        self.server.scene.on_click()(self._clicked)
        panel.shown.on_update(lambda _: self._do("colouring", self._recolor, False, "shown"))
        panel.shape.on_update(lambda _: self._do("drawing", lambda: None, name="shape"))
        panel.upload.on_upload(lambda event: self._uploaded(event.target.value))
        panel.reopen.on_upload(lambda event: self._reopened(event.target.value))
        for button, what, change in (
            (panel.remove, "removing", lambda: actions.without(bench.session, self._chosen())),
            (panel.rename, "renaming", self._renamed),
            (
                panel.remove_keypoint, "removing",
                lambda: actions.keypoint_removed(bench.session, panel.keypoints.value),
            ),
            (
                panel.carry_keypoints, "carrying keypoints",
                lambda: actions.keypoints_carried(bench.session, bench.least),
            ),
            (panel.carry_parts, "carrying parts", lambda: actions.parts_carried(bench.session, self._chosen())),
            (panel.apply, "editing", self._edit),
        ):  # fmt: skip
            button.on_click(lambda _, what=what, change=change: self._do(what, self._change(change)))
        panel.undo.on_click(lambda _: self._do("undoing", bench.undo))
        panel.redo.on_click(lambda _: self._do("redoing", bench.redo))
        panel.save_keypoints.on_click(lambda event: self._send(event, "keypoints.json", self._keypoints_file))
        panel.save.on_click(
            lambda event: self._send(event, "session.safetensors", lambda: session_bytes(bench.session))
        )
        panel.export.on_click(lambda event: self._send(event, "object.zip", lambda: bench.exported(self._chosen())))
        panel.turntable.on_click(lambda event: self._send(event, None, bench.turntable))
        panel.screenshot.on_click(self._screenshot)
        self.server.on_client_connect(self._came)
        self.server.on_client_disconnect(lambda client: self.queue.forget(f"view {client.client_id}"))

    def _chosen(self) -> str:
        if self.panel.chosen.value == NOTHING:
            raise InputError("there is no object yet: add a picture")
        return str(self.panel.chosen.value)

    def _recolor(self) -> None:
        self.bench.shown = self.panel.shown.value
        self.scene.color(self.bench, self.panel.shape.value)

    def _renamed(self) -> Any:
        return actions.keypoint_renamed(self.bench.session, self.panel.keypoints.value, self.panel.keypoint.value)

    def _edit(self) -> Any:
        panel = self.panel
        red, green, blue = (c / 255 for c in panel.color.value)
        return actions.edited(
            self.bench.session, panel.edit.value, self._chosen(), panel.edited_part.value, panel.like.value,
            (red, green, blue),
        )  # fmt: skip

    def _clicked(self, event: Any) -> None:
        origin, direction = (
            torch.tensor(each, dtype=torch.float32) for each in (event.ray_origin, event.ray_direction)
        )
        mode = self.panel.clicks.value
        self.queue.ask(partial(self._click, origin, direction, mode), "click" if mode == "match" else None)

    def _click(self, origin: torch.Tensor, direction: torch.Tensor, mode: str) -> None:
        bench = self.bench
        found = bench.hit(origin, direction)
        if found is None:
            return
        name, point = found
        if mode == "match":
            bench.clicked(name, point)
            if bench.shown not in ("parts", "similarity"):
                bench.shown = self.panel.shown.value = "similarity"
            self.scene.color(bench, self.panel.shape.value)
            self._show_pictures()
        elif mode == "keypoint":
            bench.becomes(actions.keypoint_placed(bench.session, self.panel.keypoint.value, name, point))
            self.scene.mark(bench)
        else:
            part = None if mode == "erase" else self.panel.part.value
            bench.becomes(actions.painted(bench.session, part, name, point, float(self.panel.brush.value)))
            bench.shown = self.panel.shown.value = "parts"
            self.scene.color(bench, self.panel.shape.value)
        self.panel.follow(bench.session, actions.part_counts(bench.session))
        self.say(bench.said_of_click() if mode == "match" else f"{mode}: {name}")

    def _dropped(self, keypoint: str, of: str, place: tuple[float, float, float]) -> None:
        """A keypoint that was dragged goes to the surface point that is closest to where it was dropped."""

        def move() -> Any:
            bench = self.bench
            point = bench.session.object(of).nearest(torch.tensor(place) - bench.offset(of))
            return actions.keypoint_placed(bench.session, keypoint, of, point)

        self._do("moving", self._change(move))

    # ------------------------------------------------------------------ files

    def _uploaded(self, file: Any) -> None:
        name = file.name[:200]
        self._do(f"encoding {name}", lambda: self.bench.upload(file.content, name))

    def _reopened(self, file: Any) -> None:
        def read() -> Any:
            return read_session(file.content, self.bench.model, file.name[:200])

        self._do("opening the session", self._change(read))

    def _keypoints_file(self) -> bytes:
        return (json.dumps(actions.keypoints_record(self.bench.session), indent=2) + "\n").encode()

    def _send(self, event: Any, name: str | None, make: Callable[[], Any]) -> None:
        """Have the worker make a file, and the page that asked for it keep it."""

        def work() -> None:
            made = make()
            title, content = (name, made) if name is not None else made
            event.client.send_file_download(title, content, save_immediately=True)

        self._do("making a file", work, redraw=False)

    def _screenshot(self, event: Any) -> None:
        """Beside the worker: it waits for the page."""
        camera = event.client.camera
        picture = event.client.get_render(camera.image_height, camera.image_width)
        buffer = BytesIO()
        Image.fromarray(np.asarray(picture)).save(buffer, "PNG")
        event.client.send_file_download("screenshot.png", buffer.getvalue(), save_immediately=True)

    # ------------------------------------------------------------------ volume renders, a page each

    def _came(self, client: Any) -> None:
        client.camera.on_update(lambda _: self._moved(client))
        self._moved(client)

    def _render_all(self) -> None:
        for client in self.server.get_clients().values():
            if self.panel.shape.value == "volume":
                self._moved(client)
            else:
                client.scene.set_background_image(None)

    def _moved(self, client: Any) -> None:
        if self.panel.shape.value == "volume":
            self.queue.ask(partial(self._render, client, COARSE), f"view {client.client_id}", urgent=True)

    def _render(self, client: Any, rows: int) -> None:
        if client.client_id not in self.server.get_clients() or self.panel.shape.value != "volume":
            return
        name, eye = f"view {client.client_id}", client.camera
        if rows == FULL:
            end = time.monotonic() + _REST
            while time.monotonic() < end:
                if self.queue.waits(name):
                    return
                time.sleep(0.01)
        camera = camera_of(eye.wxyz, eye.position, eye.fov, eye.aspect, rows)
        view = self.bench.view(camera, (lambda: self.queue.waits(name)) if rows == FULL else (lambda: False))
        if view is None:
            return
        with suppress(RuntimeError):  # the page has gone meanwhile
            picture = (view.rgb * 255).round().byte().numpy()
            client.scene.set_background_image(picture, "jpeg", jpeg_quality=90, depth=view.depth.numpy())
        if rows == COARSE:
            self.queue.ask(partial(self._render, client, FULL), f"full {client.client_id}")
