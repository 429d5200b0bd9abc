"""The page that ``featurenerf demo`` ends with: plain HTML beside its pictures, nothing from the network.

Its text is in ``assets/demo``, a template a piece.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import Any

from featurenerf.files import ASSETS

CLICK = "click.html"
"""The page of all objects in which a click shows the matches (``studio.clickable``)."""
PHOTOGRAPH = "photograph.jpg"
"""What the first figure is lifted from."""
STYLE = (ASSETS / "demo" / "style.css").read_text(encoding="utf-8")
"""Of this page and of the benchmark's report."""


def _filled(template: str, **values: object) -> str:
    return Template((ASSETS / "demo" / f"{template}.html").read_text(encoding="utf-8")).substitute(values)


def page(sections: Sequence[str], parameters: int, encoding: float, seconds: float) -> str:
    """The whole page; ``encoding`` is the median of the seconds that a picture took."""
    numbers = {"parameters": f"{parameters / 1e6:.1f}", "encoding": f"{encoding:.2f}", "seconds": f"{seconds:.0f}"}
    return _filled("page", **numbers, style=STYLE, click=CLICK, sections="".join(sections))


def photographed(figure: str, camera: Mapping[str, Any], truth: tuple[float, float]) -> str:
    """The figure of a photograph whose mask and camera were found, as its report says; ``truth`` is its true azimuth
    and elevation in degrees."""
    found = f"azimuth {camera['azimuth']:.0f}, elevation {camera['elevation']:.0f} degrees"
    found += f", give or take {camera['uncertainty']:.0f}" if camera["how"] == "found" else ""
    known = {"how": camera["how"], "found": found, "truth": f"{truth[0]:.0f} and {truth[1]:.0f}"}
    return _filled("photograph", photograph=PHOTOGRAPH, figure=figure, **known)


def section(category: str, figures: Sequence[str], transfers: int, *, edited: bool) -> str:
    """A category: its figures, ``overview_KIND.png``, ``transfer_KIND_<n>.png`` and ``edit_KIND.png``."""
    kind = escape(category)
    transferred = "".join(_filled("transferred", kind=kind, number=number) for number in range(transfers))
    swapped = _filled("edited", kind=kind) if edited else ""
    shown = {"figures": "".join(figures), "transferred": transferred, "edited": swapped}
    return _filled("section", title=f"{kind.capitalize()}s", kind=kind, **shown)


def figure(name: str, title: str, credit: str, files: Sequence[str]) -> str:
    """One lifted picture: the name of its folder, what to call it, who made it, and what is in the folder."""
    name, title = escape(name), escape(title)
    turntable = next(file for file in files if file.startswith("turntable"))
    moving = f'<img src="{name}/{turntable}" alt="turntable of the {title}">'
    if turntable.endswith(".mp4"):
        moving = f'<video src="{name}/{turntable}" autoplay loop muted playsinline></video>'
    return _filled("figure", name=name, title=title, moving=moving, credit=escape(credit))
