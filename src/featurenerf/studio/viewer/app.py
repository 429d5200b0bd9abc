"""The viewer's page: what a user does there goes to a worker, which changes the workbench and draws it again."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from featurenerf.errors import InputError
from featurenerf.models.base import Model
from featurenerf.pictures import to_png
from featurenerf.studio.shipped import shipped_picture
from featurenerf.studio.viewer import actions, guard
from featurenerf.studio.viewer.frames import PageRenders
from featurenerf.studio.viewer.panel import NOTHING, controls, escaped
from featurenerf.studio.viewer.scene import DrawnScene, Place
from featurenerf.studio.viewer.session_file import open_session, read_session, session_bytes
from featurenerf.studio.viewer.state import ViewerSession
from featurenerf.studio.viewer.workbench import Workbench, across
from featurenerf.studio.viewer.worker import Task, WorkQueue

Change = Callable[[ViewerSession], ViewerSession]
_FROM = (0.88, 0.32, 0.35)  # where a page's camera stands at first: in front, a little to the left and above
_AGAIN = 3.0  # seconds
_PATIENCE = 60.0  # seconds that a page may take to send its screenshot


class ViewerApp:
    """A server with a page, and a model at work beside it.

    Attributes:
        server: viser's.
        bench: only the worker's thread may change it.
        queue: the worker.
        renders: volume renders, in a second thread.
    """

    def __init__(
        self, model: Model, host: str = "127.0.0.1", port: int | None = None, teacher: str | None = None
    ) -> None:
        """
        Args:
            teacher: as of ``Workbench``.
        Raises:
            InputError: where nothing can listen there.
            MissingExtraError: without the extra ``view``.
        """
        self.bench = Workbench(model, teacher)
        words = self.bench.has_words
        self.server = guard.start(host, port)
        self.queue = WorkQueue(self.refuse)
        self.renders = PageRenders(self.server.get_clients, self.refuse)
        self.scene = DrawnScene(self.server.scene, self._dropped, self._stroke)
        self.panel = controls(self.server.gui, words)
        self.server.gui.configure_theme(show_logo=False, show_share_button=False, control_width="medium")
        self.server.gui.main_panel.dock_right()  # a floating one covers objects
        self._unseen: deque[str] = deque(maxlen=4)  # refusals while no page was open
        self._refused = ("", 0.0)  # the last sentence, and when
        self._across = 0
        self._pens: dict[int, Place] = {}  # where each page's brush was last
        self._stand_back()
        guard.limit_uploads(self.server, self.refuse)
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
        self._do(f"opening {path.name}", self._change(lambda _: open_session(path, self.bench.model)))

    def wait(self) -> None:
        """Until interrupted."""
        while True:
            time.sleep(3600)

    def close(self) -> None:
        """End the threads after what they are at, and the server."""
        self.queue.end()
        self.renders.queue.end()
        guard.stop(self.server)

    def say(self, sentence: str) -> None:
        """Show a sentence on all pages."""
        self.panel.says.content = escaped(sentence)

    def refuse(self, sentence: str) -> None:
        """Show a sentence on all pages until it is closed: what is said next does not replace it.

        The same again within a few seconds, as of a brush that may not paint, is not shown twice.
        """
        self.say(sentence)
        last, self._refused = self._refused, (sentence, time.monotonic())
        if last[0] == sentence and self._refused[1] - last[1] < _AGAIN:
            return
        pages = list(self.server.get_clients().values())
        if not pages:
            self._unseen.append(sentence)
        for client in pages:
            client.add_notification("That was not done", sentence, color="orange")

    # ------------------------------------------------------------------ what is asked

    def _do(self, what: str, change: Callable[[], str | None], redraw: bool = True, name: str | None = None) -> None:
        """Have the worker change something, and show it; what it returns is said afterwards."""

        def work() -> None:
            self.panel.busy.visible = True
            self.say(f"{what} ...")
            try:
                said = change() or self.bench.said()
                self.say(said if self.bench.session.objects else "Add a picture.")
            finally:
                if redraw:
                    self._show()
                self.panel.busy.visible = False

        self.queue.ask(work, name)

    def _show(self) -> None:
        self._stand_back()
        self.panel.follow(self.bench.session, actions.part_counts(self.bench.session))
        self.scene.draw(self.bench, self.panel.shape.value)
        self._show_canvases()
        self._show_pictures()
        self._render_all()

    def _show_colors(self) -> None:
        self.scene.color(self.bench, self.panel.shape.value)
        self._render_all()

    def _show_canvases(self) -> None:
        self.scene.canvases(self.bench, self.panel.clicks.value in ("paint", "erase"))

    def _show_pictures(self) -> None:
        made = self.bench.heat_pictures()
        self.panel.pictures.visible = made is not None
        if made is not None:
            self.panel.pictures.image = np.asarray(made)

    def _stand_back(self) -> None:
        """Cameras go to where they see all objects, when the row gets longer or shorter."""
        now = across(len(self.bench.session.objects))
        if now == self._across:
            return
        self._across, away = now, 0.55 + 0.8 * (1.1 * now - 0.3)
        x, y, z = (away * part for part in _FROM)
        for camera in (self.server.initial_camera, *(page.camera for page in self.server.get_clients().values())):
            camera.position, camera.look_at = (x, y, z), (0.0, 0.0, 0.0)

    def _change(self, change: Change) -> Task:
        """A task that makes the next session of the present one."""
        return lambda: self.bench.becomes(change(self.bench.session))

    def _wire(self) -> None:
        panel, bench, chosen = self.panel, self.bench, self._chosen
        self.server.scene.on_click()(self._clicked)
        panel.shown.on_update(lambda _: self._do("colouring", self._recolor, False, "shown"))
        panel.clicks.on_update(lambda _: self.queue.ask(self._show_canvases, "canvases"))
        panel.shape.on_update(lambda _: self._do("drawing", lambda: None, name="shape"))
        panel.upload.on_upload(lambda event: self._uploaded(event.target.value))
        panel.reopen.on_upload(lambda event: self._reopened(event.target.value))
        # each takes what the panel says when a button is pressed, and makes of it what the worker does later
        changes: tuple[tuple[Any, str, Callable[[], Change]], ...] = (
            (panel.remove, "removing", lambda: partial(actions.without, name=chosen())),
            (panel.rename, "renaming", self._renaming),
            (
                panel.remove_keypoint, "removing",
                lambda: partial(actions.keypoint_removed, keypoint=panel.keypoints.value),
            ),
            (panel.carry_parts, "carrying parts", lambda: partial(actions.parts_carried, of=chosen())),
            (panel.apply, "editing", self._editing),
        )  # fmt: skip
        for button, what, making in changes:
            self._pressed(button, partial(self._change_pressed, what, making))
        self._pressed(panel.carry_keypoints, lambda _: self._do("carrying keypoints", self._carry_keypoints))
        self._pressed(panel.ask, lambda _: self._do("asking", partial(self._ask, self._words()), name="words"))
        self._pressed(
            panel.paint_words, lambda _: self._do("painting words", partial(self._paint_words, self._words()))
        )
        self._pressed(panel.undo, lambda _: self._do("undoing", bench.undo))
        self._pressed(panel.redo, lambda _: self._do("redoing", bench.redo))
        self._pressed(
            panel.save_keypoints, lambda event: self._send(event, lambda: ("keypoints.json", self._keypoints_file()))
        )
        self._pressed(
            panel.save, lambda event: self._send(event, lambda: ("session.safetensors", session_bytes(bench.session)))
        )
        self._pressed(panel.export, self._export)
        self._pressed(panel.turntable, lambda event: self._send(event, bench.turntable))
        self._pressed(panel.screenshot, self._screenshot)
        self.server.on_client_connect(self._came)
        self.server.on_client_disconnect(self.renders.left)

    def _pressed(self, button: Any, then: Callable[[Any], None]) -> None:
        def press(event: Any) -> None:
            try:
                then(event)
            except InputError as error:
                self.refuse(str(error))

        button.on_click(press)

    def _change_pressed(self, what: str, making: Callable[[], Change], _: Any) -> None:
        self._do(what, self._change(making()))

    def _chosen(self) -> str:
        if self.panel.chosen.value == NOTHING:
            raise InputError("there is no object yet: add a picture")
        return str(self.panel.chosen.value)

    def _recolor(self) -> None:
        self.bench.shown = self.panel.shown.value
        self._show_colors()

    def _carry_keypoints(self) -> str:
        self.bench.becomes(actions.keypoints_carried(self.bench.session, self.bench.least))
        left = self.bench.session.keypoints_left()
        return "" if not left else f"No match of {self.bench.least:.2f} or more: {'; '.join(left)}."

    def _words(self) -> tuple[str, ...]:
        return tuple(word for each in self.panel.words.value.split(",") if (word := each.strip()))

    def _ask(self, words: tuple[str, ...]) -> None:
        self.bench.ask(words)
        self.bench.shown = self.panel.shown.value = "words"

    def _paint_words(self, words: tuple[str, ...]) -> None:
        self.bench.ask(words)
        assert self.bench.asked is not None
        self.bench.becomes(actions.parts_of_words(self.bench.session, self.bench.asked.scores, words))
        self.bench.shown = self.panel.shown.value = "parts"

    def _renaming(self) -> Change:
        old, new = self.panel.keypoints.value, self.panel.keypoint.value
        return lambda now: actions.keypoint_renamed(now, old, new)

    def _editing(self) -> Change:
        panel = self.panel
        red, green, blue = (c / 255 for c in panel.color.value)
        kind, of, part, like = panel.edit.value, self._chosen(), panel.edited_part.value, panel.like.value
        return lambda now: actions.edited(now, kind, of, part, like, (red, green, blue))

    def _clicked(self, event: Any) -> None:
        origin, direction = (
            torch.tensor(each, dtype=torch.float32) for each in (event.ray_origin, event.ray_direction)
        )
        panel, mode = self.panel, self.panel.clicks.value
        with_what = panel.keypoint.value if mode == "keypoint" else panel.part.value if mode == "paint" else None
        click = partial(self._click, origin, direction, mode, with_what, float(panel.brush.value))
        self.queue.ask(click, "click" if mode == "match" else None)

    def _click(
        self, origin: torch.Tensor, direction: torch.Tensor, mode: str, with_what: str | None, radius: float
    ) -> None:
        """
        Args:
            with_what: name of the keypoint, or of the part that is painted.
        """
        bench = self.bench
        found = bench.hit(origin, direction)
        if found is None:
            return
        name, point = found
        if mode == "match":
            bench.clicked(name, point)
            if bench.shown not in ("parts", "similarity"):
                bench.shown = self.panel.shown.value = "similarity"
            self._show_colors()
            self._show_pictures()
        elif mode == "keypoint" and with_what is not None:
            bench.becomes(actions.keypoint_placed(bench.session, with_what, name, point))
            self.scene.mark(bench)
        else:
            bench.becomes(actions.painted(bench.session, with_what, name, point, radius))
            bench.shown = self.panel.shown.value = "parts"
            self._show_colors()
        self.panel.follow(bench.session, actions.part_counts(bench.session))
        self.say(bench.said_of_click() if mode == "match" else f"{mode}: {name}")

    def _stroke(self, name: str, event: Any) -> None:
        """A piece of a stroke over an object."""
        new, ends, panel = event.phase == "start", event.phase == "end", self.panel
        now = event.end_position
        before = event.start_position if new else self._pens.get(event.client_id, now)
        self._pens[event.client_id] = now
        way = torch.tensor([before, now], dtype=torch.float32)
        eye = torch.tensor(event.client.camera.position, dtype=torch.float32)
        part = panel.part.value if panel.clicks.value == "paint" else None
        radius = float(panel.brush.value)
        self.queue.ask(partial(self._brush, name, part, radius, eye, way, new, ends), urgent=True)

    def _brush(
        self, name: str, part: str | None, radius: float, eye: torch.Tensor, way: torch.Tensor, new: bool, ends: bool
    ) -> None:
        place = self.bench.brushed(name, part, radius, eye, way, new)
        self.scene.show_brush(None if ends else place, radius)
        self.queue.ask(self._show_brushed, "brushed", urgent=True)  # once, after all pieces that wait

    def _show_brushed(self) -> None:
        if self.bench.shown != "parts":
            self.bench.shown = self.panel.shown.value = "parts"
        self._show_colors()
        self.panel.follow(self.bench.session, actions.part_counts(self.bench.session))

    def _dropped(self, keypoint: str, of: str, place: tuple[float, float, float]) -> None:
        """A keypoint that was dragged goes to the surface point that is closest to where it was dropped."""

        def move(now: ViewerSession) -> ViewerSession:
            point = now.object(of).nearest(torch.tensor(place) - self.bench.offset(of))
            return actions.keypoint_placed(now, keypoint, of, point)

        self._do("moving", self._change(move))

    # ------------------------------------------------------------------ files

    def _uploaded(self, file: Any) -> None:
        content, name = file.content, file.name[:200]
        self._do(f"encoding {name}", lambda: self.bench.upload(content, name))

    def _reopened(self, file: Any) -> None:
        content, name = file.content, file.name[:200]
        self._do("opening the session", self._change(lambda _: read_session(content, self.bench.model, name)))

    def _keypoints_file(self) -> bytes:
        return (json.dumps(actions.keypoints_record(self.bench.session), indent=2) + "\n").encode()

    def _export(self, event: Any) -> None:
        of = self._chosen()
        self._send(event, lambda: ("object.zip", self.bench.exported(of)))

    def _send(self, event: Any, make: Callable[[], tuple[str, bytes]]) -> None:
        """Have the worker make a file, name and content, and the page that asked for it keep it."""

        def work() -> None:
            name, content = make()
            event.client.send_file_download(name, content, save_immediately=True)

        self._do("making a file", work, redraw=False)

    def _screenshot(self, event: Any) -> None:
        """Beside the worker: it waits for the page."""
        camera = event.client.camera
        try:
            picture = event.client.get_render(camera.image_height, camera.image_width, timeout=_PATIENCE)
        except (RuntimeError, TimeoutError) as error:
            raise InputError("the page sent no screenshot: try again") from error
        content = to_png(Image.fromarray(np.asarray(picture)))
        event.client.send_file_download("screenshot.png", content, save_immediately=True)

    # ------------------------------------------------------------------ volume renders, a page each

    def _came(self, client: Any) -> None:
        client.camera.on_update(lambda _: self.renders.moved(client))
        self.renders.moved(client)
        while self._unseen:
            client.add_notification("That was not done", self._unseen.popleft(), color="orange")

    def _render_all(self) -> None:
        shows = self.panel.shape.value == "volume"
        self.renders.placed = self.bench.placed() if shows else None
        for client in self.server.get_clients().values():
            if shows:
                self.renders.moved(client)
            else:
                client.scene.set_background_image(None)
