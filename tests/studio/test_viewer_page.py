"""The viewer's server: who may ask, what is refused, many pages at once."""

from __future__ import annotations

import socket
import struct
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("viser", reason="viser is not installed")

from analytic_field import EllipsoidModel
from featurenerf.pictures import to_image
from featurenerf.studio.viewer import frames, state
from featurenerf.studio.viewer.app import ViewerApp

PATIENCE = 60_000  # milliseconds; machines are busy


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


class File:
    """As viser hands over what was uploaded."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name, self.content = name, content


def test_uploads_are_refused_in_a_sentence(app: ViewerApp, tmp_path: Path) -> None:
    before = len(app.bench.session.objects)
    size = struct.pack(">2I5B", 60000, 60000, 8, 2, 0, 0, 0)  # 10 GB when it is unpacked
    bomb = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", size), (b"IDAT", zlib.compress(bytes(10**6))), (b"IEND", b"")):
        bomb += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    for name, content, said in (
        ("bomb.png", bomb, "60000 x 60000"),
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
    app._uploaded(File("three.png", picture(tmp_path / "three.png").read_bytes()))  # it stays up
    assert app.queue.rest(PATIENCE // 1000)
    assert len(app.bench.session.objects) == before + 1


class Visitor:
    """A page as the server sees one: a connection that says where its camera is."""

    def __init__(self, app: ViewerApp) -> None:
        import viser
        from websockets.sync.client import connect
        from websockets.typing import Subprotocol

        address, protocol = app.address.replace("http", "ws"), Subprotocol(f"viser-v{viser.__version__}")
        self.socket = connect(address, subprotocols=[protocol], max_size=None, compression=None)

    def send(self, message: Any) -> None:
        import msgspec

        self.socket.send(msgspec.msgpack.encode(message.as_serializable_dict()))

    def look(self, away: float, size: int = 60) -> None:
        from viser import _messages

        # from +x, with OpenCV's axes: right is +y, down is -z, ahead is -x
        pose = ((0.5, -0.5, -0.5, 0.5), (away, 0.0, 0.0))
        self.send(_messages.ViewerCameraMessage(*pose, 1.3, 0.1, 100.0, size, size, (0.0, 0.0, 0.0), (0.0, 0.0, 1.0)))

    def is_sent(self, what: bytes) -> bool:
        """Reads until something is sent that holds this; viser's messages are 16 bytes, and then packed."""
        import zstandard

        end = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < end:
            got = self.socket.recv(PATIENCE / 1000)
            if isinstance(got, bytes) and what in zstandard.ZstdDecompressor().decompressobj().decompress(got[16:]):
                return True
        return False


def test_twenty_pages_of_which_half_go_away_in_the_midst_of_a_render(
    app: ViewerApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "FULL", (24,))
    monkeypatch.setattr(frames, "COARSE", (12, 12))
    app.panel.shape.value = "volume"
    app._do("drawing", lambda: None)
    assert app.queue.rest(PATIENCE // 1000)
    visitors = [Visitor(app) for _ in range(20)]
    for number, visitor in enumerate(visitors):
        visitor.look(2.0 + 0.05 * number)
    visitors[0].look(2.0, size=0)  # a page that is folded away
    for visitor in visitors[10:]:
        visitor.look(2.5)
        visitor.socket.close()
    visitors[0].look(2.2)
    for visitor in visitors[:10]:
        assert visitor.is_sent(b"BackgroundImageMessage")
    until(lambda: len(app.server.get_clients()) == 10)
    assert app.renders.queue.rest(PATIENCE // 1000)
    app._uploaded(File("three.png", picture(tmp_path / "three.png").read_bytes()))  # it stays up
    assert app.queue.rest(PATIENCE // 1000)
    assert len(app.bench.session.objects) == 3
    assert app.panel.says.content == "Nothing is chosen yet\\."
    for visitor in visitors[:10]:
        visitor.socket.close()
    until(lambda: not app.server.get_clients())


def test_a_hundred_megabytes_are_refused_on_all_pages(app: ViewerApp) -> None:
    from viser import _messages

    one, other = Visitor(app), Visitor(app)
    for visitor in (one, other):
        visitor.look(2.0)
    until(lambda: len(app.server.get_clients()) == 2)
    button = app.panel.upload._impl.uuid
    one.send(_messages.FileTransferStartUpload(button, "u", "big.png", "image/png", 100, 10**8))
    for number in range(3):
        one.send(_messages.FileTransferPart(button, "u", number, bytes(10**6)))
    for visitor in (one, other):
        assert visitor.is_sent(b"big.png is larger than 64 MiB")  # a notice, which stays
    assert app.server.gui._current_file_upload_states == {}
    assert len(app.bench.session.objects) == 2
    one.socket.send(b"\x00 no message")
    one.socket.close()
    app._do("failing", lambda: app.bench.appearance("nothing"), name="x")
    assert other.is_sent(b"there is no object 'nothing'")
    other.socket.close()


def test_what_went_wrong_before_a_page_was_open_is_told_to_the_first(app: ViewerApp, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    app.open_pictures([tmp_path / "bad.png", picture(tmp_path / "good.png")])
    assert app.queue.rest(PATIENCE // 1000)
    visitor = Visitor(app)
    visitor.look(2.0)
    assert visitor.is_sent(b"bad.png cannot be read as a picture")
    visitor.socket.close()


def test_a_button_acts_on_what_was_chosen_when_it_was_pressed(app: ViewerApp) -> None:
    """While the worker is busy, somebody chooses another object."""
    gate = threading.Event()
    app.queue.ask(lambda: gate.wait(30) and None)
    app.panel.chosen.value = "one"
    for press in app.panel.remove._impl.update_cb:
        press(None)
    app.panel.chosen.value = "two"
    gate.set()
    assert app.queue.rest(PATIENCE // 1000)
    assert [of.name for of in app.bench.session.objects] == ["two"]
