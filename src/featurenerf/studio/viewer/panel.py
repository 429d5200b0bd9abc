"""The controls of the viewer's page. Each says what it is called, and hands what it was asked to the app."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from featurenerf.studio.viewer.actions import BRUSHES
from featurenerf.studio.viewer.colors import SHOWN
from featurenerf.studio.viewer.state import EDITS, ViewerSession

SHAPES = ("points", "mesh", "volume")
CLICKS = ("match", "keypoint", "paint", "erase")
NOTHING = "-"
"""In lists that would be empty."""


def escaped(text: str) -> str:
    """A text that is shown as it is where Markdown or HTML is read."""
    return re.sub(r"([\\`*_{}\[\]()#+.!|~>:/-])", r"\\\1", html.escape(text))


@dataclass(frozen=True, eq=False)
class ControlPanel:
    """viser's handles of the controls, by what they do."""

    says: Any
    busy: Any
    shape: Any
    shown: Any
    clicks: Any
    pictures: Any
    upload: Any
    chosen: Any
    remove: Any
    undo: Any
    redo: Any
    keypoint: Any
    keypoints: Any
    rename: Any
    remove_keypoint: Any
    carry_keypoints: Any
    save_keypoints: Any
    part: Any
    brush: Any
    carry_parts: Any
    counts: Any
    words: Any
    ask: Any
    paint_words: Any
    edit: Any
    edited_part: Any
    like: Any
    color: Any
    apply: Any
    export: Any
    screenshot: Any
    turntable: Any
    save: Any
    reopen: Any

    def follow(self, session: ViewerSession, counts: dict[str, dict[str, int]]) -> None:
        """Bring lists up to what a session has."""
        names = tuple(of.name for of in session.objects) or (NOTHING,)
        for handle, options in (
            (self.chosen, names),
            (self.like, names),
            (self.keypoints, tuple(session.keypoints) or (NOTHING,)),
            (self.edited_part, session.parts or (NOTHING,)),
        ):
            if tuple(handle.options) != options:
                handle.options = options
        lines = [
            f"{escaped(of)}: " + ", ".join(f"{escaped(part)} {count}" for part, count in some.items())
            for of, some in counts.items()
            if some
        ]
        self.counts.content = "  \n".join(lines) or "No part is painted yet."


def controls(gui: Any, words: bool) -> ControlPanel:
    """The controls on viser's panel; those of words are hidden where the model knows none."""
    says = gui.add_markdown("Add a picture, then click on an object.")
    busy = gui.add_progress_bar(100.0, visible=False, animated=True)
    clicks = gui.add_dropdown("A click", CLICKS, hint="match: shows what corresponds on all other objects")
    shape = gui.add_dropdown("Objects as", SHAPES)
    colors = tuple(shown for shown in SHOWN if words or shown != "words")
    shown = gui.add_dropdown("Colours", colors, hint="similarity: to the last click")
    pictures = gui.add_image(np.zeros((1, 1, 3), np.uint8), label="On the pictures", visible=False)
    with gui.add_folder("Objects"):
        upload = gui.add_upload_button("Add a picture", mime_type="image/*")
        chosen = gui.add_dropdown("Object", (NOTHING,), hint="that is edited, exported, removed, or carried from")
        remove = gui.add_button("Remove the object")
        undo, redo = gui.add_button("Undo"), gui.add_button("Redo")
    with gui.add_folder("Keypoints"):
        keypoint = gui.add_text("Name", "tip", hint="of the keypoint that a click places")
        keypoints = gui.add_dropdown("Keypoint", (NOTHING,))
        rename = gui.add_button("Rename it to the name above")
        remove_keypoint = gui.add_button("Remove the keypoint")
        carry_keypoints = gui.add_button("Carry keypoints to all")
        save_keypoints = gui.add_button("Save keypoints as JSON")
    with gui.add_folder("Parts"):
        part = gui.add_text("Part", "seat", hint="that the brush paints")
        brush = gui.add_slider("Brush", BRUSHES[0], BRUSHES[1], 0.01, 0.06, hint="radius, of the object's diagonal")
        carry_parts = gui.add_button("Carry parts to all", hint="from the object that is chosen")
        counts = gui.add_markdown("No part is painted yet.")
    with gui.add_folder("Words", visible=words):
        asked = gui.add_text("Words", "", hint="with commas between them, as: seat, back, leg")
        ask = gui.add_button("Show the first word", hint="what is more like it than like the others")
        paint_words = gui.add_button("Paint the words as parts", hint="each point is the word that it is most like")
    with gui.add_folder("Edits"):
        edit = gui.add_dropdown("Edit", EDITS)
        edited_part = gui.add_dropdown("Painted part", (NOTHING,))
        like = gui.add_dropdown("Taken from", (NOTHING,), hint="the object that lends texture or shape")
        color = gui.add_rgb("Colour", (0, 114, 178))
        apply = gui.add_button("Edit the object")
    with gui.add_folder("Files"):
        export = gui.add_button("Export the object", hint="a zip file with GLB and PLY")
        screenshot = gui.add_button("Screenshot")
        turntable = gui.add_button("Turntable")
        save = gui.add_button("Save the session")
        reopen = gui.add_upload_button("Open a session")
    return ControlPanel(
        says, busy, shape, shown, clicks, pictures, upload, chosen, remove, undo, redo, keypoint, keypoints, rename,
        remove_keypoint, carry_keypoints, save_keypoints, part, brush, carry_parts, counts, asked, ask, paint_words,
        edit, edited_part, like, color, apply, export, screenshot, turntable, save, reopen,
    )  # fmt: skip
