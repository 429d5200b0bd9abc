"""The viewer's server, and its page in a real Chromium."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("viser", reason="viser is not installed")

from analytic_field import EllipsoidModel
from browser import opened_page
from featurenerf.pictures import to_image
from featurenerf.studio.viewer import state
from featurenerf.studio.viewer.app import ViewerApp
from featurenerf.studio.viewer.workbench import camera_of

WIDTH, HEIGHT = 1000, 700
PATIENCE = 120_000  # milliseconds: without a graphics card, a frame of a page in 3D takes long on a busy machine


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def picture(path: Path) -> Path:
    rgba = torch.zeros(4, 64, 64)
    rgba[:, 16:48, 10:54] = 0.6
    rgba[3, 16:48, 10:54] = 1
    to_image(rgba).save(path)
    return path


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ViewerApp]:
    monkeypatch.setattr(state, "SURFACE_SIZE", 40)
    made = ViewerApp(EllipsoidModel(), port=free_port())
    made.open_pictures([picture(tmp_path / "one.png"), picture(tmp_path / "two.png")])
    assert made.queue.rest(PATIENCE // 1000)
    assert len(made.bench.session.objects) == 2, made.panel.says.content
    yield made
    made.close()


def until(what: Callable[[], Any], seconds: float = PATIENCE / 1000) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen")


def status(address: str, **headers: str) -> int:
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_requests_of_other_pages_are_refused(app: ViewerApp) -> None:
    assert app.address.startswith("http://127.0.0.1:")
    assert status(app.address) == 200
    assert status(app.address, Host="evil.org") == 403
    assert status(app.address, Origin="http://evil.org") == 403
    assert status(app.address, Origin=app.address) == 200
    assert status(f"{app.address}/%2e%2e/%2e%2e/pyproject.toml") == 404
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    address = app.address.replace("http", "ws")
    with pytest.raises(InvalidStatus, match="403"):
        connect(address, origin="http://evil.org")  # type: ignore[arg-type]
    kinds = {kind.__name__ for kind in app.server._websock_server._incoming_handlers}
    assert "ShareUrlRequest" not in kinds


def test_uploads_are_refused_in_a_sentence(app: ViewerApp, tmp_path: Path) -> None:
    class File:
        def __init__(self, name: str, content: bytes) -> None:
            self.name, self.content = name, content

    before = len(app.bench.session.objects)
    for name, content, said in (
        ("a<b>.png", b"no picture", r"a&lt;b&gt;\.png cannot be read as a picture"),
        ("empty.png", b"", r"empty\.png cannot be read as a picture"),
    ):
        app._uploaded(File(name, content))
        assert app.queue.rest(PATIENCE // 1000)
        assert said in app.panel.says.content
        assert app.panel.busy.visible is False
    app._reopened(File("x.safetensors", b"\x80\x04K\x01."))
    assert app.queue.rest(PATIENCE // 1000)
    assert "no session of the viewer" in app.panel.says.content
    from viser import _messages

    start = _messages.FileTransferStartUpload(app.panel.upload._impl.uuid, "u", "big.png", "image/png", 200, 10**8)
    for handler in app.server._websock_server._incoming_handlers[_messages.FileTransferStartUpload]:
        handler(0, start)
    assert r"big\.png is larger than 64 MiB" in app.panel.says.content
    assert app.server.gui._current_file_upload_states == {}
    app._uploaded(File("three.png", picture(tmp_path / "three.png").read_bytes()))  # it stays up
    assert app.queue.rest(PATIENCE // 1000)
    assert len(app.bench.session.objects) == before + 1


class Hand:
    """Somebody at the page."""

    def __init__(self, page: Any, app: ViewerApp) -> None:
        self.page, self.app = page, app
        self.client = until(lambda: next(iter(app.server.get_clients().values()), None))

    def choose(self, label: str, option: str) -> None:
        self.page.get_by_role("combobox", name=label, exact=True).or_(
            self.page.get_by_label(label, exact=True)
        ).first.click(force=True, timeout=PATIENCE)
        self.page.get_by_role("option", name=option, exact=True).click(force=True, timeout=PATIENCE)

    def click(self, name: str, place: tuple[float, float, float]) -> None:
        """On the surface point of an object that is closest to a place, as the page's camera shows it."""
        of, eye = self.app.bench.session.object(name), self.client.camera
        box = self.page.locator("canvas").first.bounding_box()
        camera = camera_of(eye.wxyz, eye.position, eye.fov, box["width"] / box["height"], round(box["height"]))
        point = of.points[of.nearest(torch.tensor(place))] + self.app.bench.offset(name)
        (x, y), _ = (each[0].tolist() if each.ndim > 1 else each for each in camera.project(point[None]))
        self.page.mouse.click(box["x"] + x, box["y"] + y)


def test_a_click_in_a_browser_finds_the_match(app: ViewerApp) -> None:
    bench = app.bench
    with opened_page(app.address, WIDTH, HEIGHT, served=True) as page:
        hand = Hand(page, app)
        page.get_by_text("Carry parts to all").wait_for(timeout=PATIENCE)

        hand.click("one", (0.4, 0.0, 0.05))
        until(lambda: bench.click)
        assert bench.click.name == "one"
        assert bench.session.object("one").points[bench.click.point][0] > 0.3
        assert bench.click.found["two"].score > 0.9
        page.get_by_text("A point of one is chosen").wait_for(timeout=PATIENCE)

        hand.choose("A click", "keypoint")
        until(lambda: app.panel.clicks.value == "keypoint")
        hand.click("one", (0.4, 0.0, 0.05))
        until(lambda: "tip" in bench.session.keypoints)
