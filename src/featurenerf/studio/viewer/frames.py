"""Volume renders of the scene, for each page its own: coarse while its camera moves, full when it rests."""

from __future__ import annotations

import time
from collections.abc import Callable, Container
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from featurenerf.studio.viewer.volume import PlacedField, scene_view
from featurenerf.studio.viewer.workbench import camera_of
from featurenerf.studio.viewer.worker import WorkQueue

FULL = (128, 256)
"""Rows of the renders when the camera rests, one after the other."""
COARSE = (32, 128)
"""The least and the most rows while the camera moves."""
COARSE_SECONDS = 0.1
"""That a coarse render may take; it gets as many rows as the last ones let expect in that time."""
_REST = 0.15  # seconds without a move after which a camera rests


class PageRenders:
    """Renders in a thread of their own, so that pages turn while the model is at work.

    Attributes:
        placed: what is rendered; whoever changes the scene sets it, and asks for all pages.
        queue: the thread.
    """

    def __init__(self, open_pages: Callable[[], Container[int]], say: Callable[[str], None]) -> None:
        """
        Args:
            open_pages: numbers of the pages that are open.
            say: called with a sentence where a render fails.
        """
        self.placed: tuple[PlacedField, ...] | None = None
        self.queue = WorkQueue(say)
        self._open_pages = open_pages
        self._pace = COARSE_SECONDS / 48**2  # seconds for each pixel of a square picture, as it last took

    def moved(self, client: Any) -> None:
        """A page's camera moved, or the scene changed."""
        if self.placed is not None:
            self.queue.ask(partial(self._coarse, client), f"coarse {client.client_id}", urgent=True)

    def left(self, client: Any) -> None:
        """A page was closed."""
        for kind in ("coarse", "full"):
            self.queue.forget(f"{kind} {client.client_id}")

    def coarse_rows(self) -> int:
        """Rows that a coarse render gets now."""
        return min(max(int((COARSE_SECONDS / self._pace) ** 0.5), COARSE[0]), COARSE[1])

    def _coarse(self, client: Any) -> None:
        rows, start = self.coarse_rows(), time.perf_counter()
        self._send(client, rows, lambda: False)
        self._pace = (time.perf_counter() - start) / rows**2
        self._ask_full(client, time.monotonic() + _REST)

    def _ask_full(self, client: Any, rests: float, step: int = 0) -> None:
        self.queue.ask(partial(self._full, client, rests, step), f"full {client.client_id}")

    def _full(self, client: Any, rests: float, step: int) -> None:
        """After a rest, the first and then finer ones; whatever camera moves meanwhile comes first."""
        while time.monotonic() < rests and not self.queue.hurries():
            time.sleep(0.01)
        if self.queue.hurries() or not self._send(client, FULL[step], self.queue.hurries):
            self._ask_full(client, rests, step)
        elif step + 1 < len(FULL):
            self._ask_full(client, rests, step + 1)

    def _send(self, client: Any, rows: int, stop: Callable[[], bool]) -> bool:
        """False where ``stop`` said so meanwhile."""
        placed, eye = self.placed, client.camera
        if placed is None or client.client_id not in self._open_pages():
            return True
        if not (
            eye.image_height > 0 and eye.image_width > 0 and np.isfinite([*eye.wxyz, *eye.position, eye.fov]).all()
        ):
            return True  # a page that shows nothing now
        camera = camera_of(eye.wxyz, eye.position, eye.fov, eye.aspect, rows)
        view = scene_view(camera, placed, stop)
        if view is None:
            return False
        with suppress(RuntimeError):  # the page has gone meanwhile
            picture = (view.rgb * 255).round().byte().numpy()
            client.scene.set_background_image(picture, "jpeg", jpeg_quality=90, depth=view.depth.numpy())
        return True
