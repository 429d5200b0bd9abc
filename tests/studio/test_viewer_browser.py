"""The viewer in a real Chromium, with what ships: what a stranger does with two pictures, from loading to reopening.

The documentation's pictures of the viewer are taken here: ``VIEWER_PICTURES=docs/images pytest`` with this file.
"""

from __future__ import annotations

import io
import json
import os
import socket
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

pytest.importorskip("viser", reason="viser is not installed")

import featurenerf
from browser import opened_page
from featurenerf.studio.viewer import actions, state
from featurenerf.studio.viewer.app import ViewerApp
from featurenerf.studio.viewer.workbench import camera_of

WIDTH, HEIGHT = 1100, 700
PATIENCE = 600  # seconds: without a graphics card, a frame of a page in 3D takes long on a busy machine
BYTES = 150_000


class Hand:
    """Somebody at the page."""

    def __init__(self, page: Any, app: ViewerApp) -> None:
        page.set_default_timeout(PATIENCE * 1000)
        self.page, self.app = page, app
        page.get_by_text("Carry parts to all").wait_for()
        self.client = self.until(lambda: next(iter(app.server.get_clients().values()), None))

    def until(self, what: Callable[[], Any]) -> Any:
        """Wait until something is there; what the viewer says where it does not come."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = what()
            if found:
                return found
            self.page.wait_for_timeout(100)
        raise AssertionError(f"it did not happen; the viewer says: {self.app.panel.says.content}")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def choose(self, label: str, option: str, handle: Any) -> None:
        self.page.get_by_label(label, exact=True).first.click()
        self.page.get_by_role("option", name=option, exact=True).click()
        self.until(lambda: handle.value == option)

    def type(self, label: str, text: str, handle: Any) -> None:
        beside = f"xpath=//label[normalize-space()='{label}']/ancestor::*[.//input][1]//input"
        self.page.locator(beside).first.fill(text)
        self.until(lambda: handle.value == text)

    def takes_brush(self, radius: str) -> None:
        number = "xpath=//label[normalize-space()='Brush']/ancestor::*[.//input][1]//input[@type='text']"
        self.page.locator(number).fill(radius)
        self.until(lambda: self.app.panel.brush.value == float(radius))

    def gives(self, name: str, *, path: Path) -> None:
        """Choose a file for a button."""
        with self.page.expect_file_chooser() as chooser:
            self.press(name)
        chooser.value.set_files(path)

    def keeps(self, name: str) -> bytes:
        with self.page.expect_download() as download:
            self.press(name)
        return Path(download.value.path()).read_bytes()

    def pixel(self, name: str, point: int) -> tuple[float, float]:
        """Where the page shows a surface point of an object."""
        eye, box = self.client.camera, self.page.locator("canvas").first.bounding_box()
        camera = camera_of(eye.wxyz, eye.position, eye.fov, box["width"] / box["height"], round(box["height"]))
        place = self.app.bench.session.object(name).points[point] + self.app.bench.offset(name)
        x, y = camera.project(place[None])[0][0].tolist()
        return box["x"] + x, box["y"] + y

    def click(self, name: str, point: int) -> None:
        self.page.mouse.click(*self.pixel(name, point))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=6)
        self.page.mouse.up()

    def rests(self) -> None:
        """Wait until the camera does: it glides to a stop."""
        still, place = 0, None
        while still < 5:
            self.page.wait_for_timeout(200)
            now = self.client.camera.position.tolist()
            still, place = (still + 1 if now == place else 0), now

    def photograph(self, folder: Path, name: str) -> None:
        path = folder / f"{name}.png"
        self.page.mouse.move(5, HEIGHT - 5)
        self.page.wait_for_timeout(1500)  # texts in the scene take a while
        self.page.screenshot(path=path)
        Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(path, optimize=True)
        assert path.stat().st_size < BYTES


def front(of: Any, x: float, y: float, z: float) -> int:
    """Number of an object's surface point closest to a place."""
    return int(of.nearest(torch.tensor([x, y, z])))


def looks_at(hand: Hand, app: ViewerApp, folder: Path) -> None:
    """Orbit, and click: the seat of one chair is found on the other, which is as high and blue."""
    bench, page = app.bench, hand.page
    before = hand.client.camera.position.copy()
    hand.drag((300, 600), (340, 620))  # to the left, and higher
    hand.until(lambda: abs(hand.client.camera.position - before).max() > 0.1)
    hand.rests()
    seat = front(bench.session.object("dining chair"), 0.12, 0.0, 0.0)
    hand.click("dining chair", seat)
    click = hand.until(lambda: bench.click)
    assert click.name == "dining chair"
    one, other = (bench.session.object(name) for name in ("dining chair", "office chair"))
    assert (one.points[click.point] - one.points[seat]).norm() < 0.05
    found = click.found["office chair"]
    assert other.surface.rgb[found.point].argmax() == 2
    assert abs(float(other.points[found.point][2]) - float(one.points[seat][2])) < 0.15
    page.get_by_text("A point of dining chair is chosen").wait_for()
    assert app.panel.pictures.visible
    hand.photograph(folder, "viewer_click")


def marks(hand: Hand, app: ViewerApp) -> None:
    """Place a keypoint, carry it over, move it; it is in the file."""
    bench, panel = app.bench, app.panel
    hand.choose("A click", "keypoint", panel.clicks)
    hand.type("Name", "left front", panel.keypoint)
    corner = front(bench.session.object("dining chair"), 0.14, 0.14, 0.0)
    hand.click("dining chair", corner)
    hand.until(lambda: "left front" in bench.session.keypoints)
    hand.press("Carry keypoints to all")
    hand.until(lambda: "office chair" in bench.session.keypoints["left front"])
    carried = bench.session.keypoints["left front"]["office chair"]
    assert not carried.placed
    assert carried.place[1] > 0  # left is left
    record = json.loads(hand.keeps("Save keypoints as JSON"))["keypoints"]["left front"]
    assert record["office chair"]["xyz"] == pytest.approx(carried.place)
    of = bench.session.object("office chair")
    x, y = hand.pixel("office chair", of.nearest(torch.tensor(carried.place)))
    hand.drag((x, y), (x - 40, y - 20))
    hand.until(lambda: bench.session.keypoints["left front"]["office chair"].placed)
    assert bench.session.keypoints["left front"]["office chair"].place != carried.place


def paints(hand: Hand, app: ViewerApp, folder: Path) -> None:
    """Paint the seat of one chair, and carry it to the other."""
    bench, panel = app.bench, app.panel
    hand.choose("A click", "paint", panel.clicks)
    hand.type("Part", "cushion", panel.part)
    chair = bench.session.object("dining chair")
    hand.takes_brush("0.12")
    for x, y in ((0.08, -0.09), (0.08, 0.09)):
        before = actions.part_counts(bench.session)["dining chair"].get("cushion", 0)
        hand.click("dining chair", front(chair, x, y, 0.0))
        hand.until(lambda b=before: actions.part_counts(bench.session)["dining chair"].get("cushion", 0) > b)
    draws(hand, app)
    hand.choose("Object", "dining chair", panel.chosen)
    hand.press("Carry parts to all")
    hand.until(lambda: actions.part_counts(bench.session)["office chair"]["cushion"])
    other = bench.session.object("office chair")
    cushion = bench.session.labels_of("office chair") == bench.session.label("cushion")
    assert (other.surface.rgb[cushion].argmax(1) == 2).float().mean() > 0.8  # blue as its seat is
    hand.page.get_by_text("cushion").first.wait_for()
    hand.photograph(folder, "viewer_parts")


def draws(hand: Hand, app: ViewerApp) -> None:
    """Strokes of the brush over the chair's back: a smaller brush, undone as one step, erased; the camera stays."""
    bench, panel = app.bench, app.panel
    chair, label = bench.session.object("dining chair"), bench.session.label("cushion")
    low, high = front(chair, -0.09, 0.0, 0.28), front(chair, -0.14, 0.0, 0.4)
    before, eye = bench.session.labels_of("dining chair").clone(), hand.client.camera.position.copy()

    def is_painted(point: int) -> bool:
        return int(bench.session.labels_of("dining chair")[point]) == label

    def is_still() -> bool:
        return app.queue.rest(PATIENCE)

    assert not is_painted(low)
    assert not is_painted(high)
    hand.takes_brush("0.05")
    stroke = hand.pixel("dining chair", low), hand.pixel("dining chair", high)
    hand.drag(*stroke)
    hand.until(lambda: is_painted(low) and is_painted(high))
    assert is_still()
    middle = front(chair, -0.11, 0.0, 0.34)
    assert is_painted(middle)  # the brush was not put down between the places that the page tells
    assert not is_painted(front(chair, -0.11, 0.15, 0.34))
    assert (hand.client.camera.position == eye).all()
    hand.press("Undo")
    hand.until(lambda: not is_painted(middle))
    assert torch.equal(bench.session.labels_of("dining chair"), before)
    hand.drag(*stroke)
    hand.until(lambda: is_painted(middle) and is_still())
    hand.choose("A click", "erase", panel.clicks)
    hand.takes_brush("0.08")
    hand.drag(*stroke)
    hand.until(lambda: not (is_painted(low) or is_painted(middle) or is_painted(high)))
    hand.drag((300, 640), (330, 650))  # beside the objects the camera turns as before
    hand.until(lambda: abs(hand.client.camera.position - eye).max() > 0.02)
    hand.rests()


def swaps(hand: Hand, app: ViewerApp, folder: Path) -> None:
    """The dining chair's cushion takes the office chair's texture; undone, and done again."""
    bench, panel = app.bench, app.panel
    hand.choose("Painted part", "cushion", panel.edited_part)
    hand.choose("Taken from", "office chair", panel.like)
    hand.press("Edit the object")
    hand.until(lambda: bench.session.edits.get("dining chair"))
    seen = bench.appearance("dining chair")
    region = bench.session.edits["dining chair"][0].region[seen.of_points]
    assert (seen.surface.rgb[region].argmax(1) == 2).float().mean() > 0.6  # it was red and is blue
    hand.press("Undo")
    hand.until(lambda: not bench.session.edits)
    hand.press("Redo")
    hand.until(lambda: bench.session.edits.get("dining chair"))
    hand.choose("Colours", "rgb", panel.shown)
    hand.choose("Objects as", "volume", panel.shape)
    assert app.queue.rest(PATIENCE)
    assert app.renders.queue.rest(PATIENCE)
    hand.photograph(folder, "viewer_swap")
    blue = Image.open(folder / "viewer_swap.png").convert("RGB")
    x, y = hand.pixel("dining chair", front(bench.session.object("dining chair"), 0.05, -0.1, 0.0))
    red, _, shown = blue.getpixel((round(x), round(y)))
    assert shown > red


def keeps_and_reopens(hand: Hand, app: ViewerApp, folder: Path) -> None:
    """Files of the object and the session; after a new start of the session all is there again."""
    bench = app.bench
    seen = Image.open(io.BytesIO(hand.keeps("Screenshot")))
    assert seen.width / seen.height == pytest.approx(hand.client.camera.aspect, rel=0.02)
    with zipfile.ZipFile(io.BytesIO(hand.keeps("Export the object"))) as archive:
        assert {"mesh.glb", "mesh.ply", "points.ply"} <= set(archive.namelist())
        assert archive.read("mesh.glb")[:4] == b"glTF"
    path = folder / "session.safetensors"
    path.write_bytes(hand.keeps("Save the session"))
    was = bench.session
    hand.press("Remove the object")
    hand.until(lambda: len(bench.session.objects) == 1)
    hand.gives("Open a session", path=path)
    hand.until(lambda: len(bench.session.objects) == 2)
    assert bench.session is not was
    assert bench.session.keypoints == was.keypoints
    assert set(bench.session.edits) == {"dining chair"}
    for of in was.objects:
        assert torch.equal(bench.session.labels_of(of.name), was.labels_of(of.name))


def test_a_stranger_s_way_through_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "SURFACE_SIZE", 72)  # for speed
    monkeypatch.setattr(actions, "BAKED_GRID", 48)
    folder = Path(os.environ.get("VIEWER_PICTURES", tmp_path))
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    app = ViewerApp(featurenerf.load(), port=port)
    try:
        app.open_pictures([featurenerf.examples["dining_chair"].path])
        with opened_page(app.address, WIDTH, HEIGHT, served=True) as page:
            hand = Hand(page, app)
            hand.gives("Add a picture", path=featurenerf.examples["office_chair"].path)
            hand.until(lambda: len(app.bench.session.objects) == 2)
            for close in page.locator(".mantine-Notification-closeButton").all():
                close.click()  # the browser has no graphics card, says viser
            looks_at(hand, app, folder)
            marks(hand, app)
            paints(hand, app, folder)
            swaps(hand, app, folder)
            keeps_and_reopens(hand, app, tmp_path)
    finally:
        app.close()
