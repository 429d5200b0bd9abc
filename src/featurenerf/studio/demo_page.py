"""The page that ``featurenerf demo`` ends with: plain HTML beside its pictures, nothing from the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

CLICK = "click.html"
"""The page of all objects in which a click shows the matches (``studio.clickable``)."""
PHOTOGRAPH = "photograph.jpg"
"""What the first figure is lifted from."""
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #202226; background: #fcfcfa;
  max-width: 1320px; margin: 2rem auto; padding: 0 1.5rem; }
h1, h2, h3 { font-weight: 600; } h1 { margin-bottom: 0; } h2 { margin-top: 3rem; }
p { max-width: 46rem; color: #555a61; } a { color: #0b5fa5; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1rem; }
figure { margin: 0; padding: .75rem; background: #fff; border: 1px solid #e6e6e2; border-radius: 8px; }
.pair { display: flex; align-items: center; background: #fcfcfa; border-radius: 4px; }
.pair > * { width: 66%; height: auto; } .pair > .given { width: 33%; border-right: 1px solid #e6e6e2; }
figcaption { margin-top: .5rem; font-size: .85rem; color: #555a61; } small { color: #80848a; }
iframe { width: 100%; height: 46rem; border: 1px solid #e6e6e2; border-radius: 8px; }
img.wide { width: 100%; height: auto; display: block; margin: 1rem 0; }
"""


def page(sections: Sequence[str], parameters: int, encoding: float, seconds: float) -> str:
    """The whole page; ``encoding`` is the median of the seconds that a picture took."""
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>featurenerf: one picture in, a 3D field out</title>
<style>{STYLE}</style>
<h1>One picture in, a 3D field out</h1>
<p>From each picture below, and nothing else, a network of {parameters / 1e6:.1f} million parameters made a continuous
field: density, colour and a descriptor for every point in space. The turntables show its colours at the left and its
descriptors, three directions of them as red, green and blue, at the right. The pictures are renders of models
that other people made; the network has seen neither. A picture was encoded in {encoding:.2f} s;
all of this was made in {seconds:.0f} s.
Everything in one picture: <a href="sheet.png">sheet.png</a>.</p>
<h2>Click</h2>
<p>Click on a place of any object: the most similar place of every other one is marked
(<a href="{CLICK}">on a page of its own</a>, a single file).</p>
<iframe src="{CLICK}" title="objects to click on"></iframe>
{"".join(sections)}
</html>
"""


def photographed(figure: str, camera: Mapping[str, Any], truth: tuple[float, float]) -> str:
    """The figure of a photograph whose mask and camera were found, as its report says; ``truth`` is its true azimuth
    and elevation in degrees."""
    found = f"azimuth {camera['azimuth']:.0f}, elevation {camera['elevation']:.0f} degrees"
    sure = f", give or take {camera['uncertainty']:.0f}" if camera["how"] == "found" else ""
    return f"""
<section>
<h2>From a photograph</h2>
<div class="cards">
<figure><img class="wide" src="{PHOTOGRAPH}" alt="a photograph"><figcaption>what was given: a render before
a wall, with a shadow and noise</figcaption></figure>
<figure><img class="wide" src="photograph/mask.png" alt="what was found"><figcaption>what was found in it; the rest is
red</figcaption></figure>
{figure}
</div>
<p>Nobody said where the object is or where the picture was taken from. Camera {camera["how"]}: {found}{sure}; in truth
{truth[0]:.0f} and {truth[1]:.0f}. The other pictures below come without background and with their cameras.</p>
</section>"""


def section(category: str, figures: Sequence[str], transfers: int, *, edited: bool) -> str:
    """A category: its figures, ``overview_KIND.png``, ``transfer_KIND_<n>.png`` and ``edit_KIND.png``."""
    kind = escape(category)
    transferred = "\n".join(_wide(f"transfer_{kind}_{n}.png", f"{kind}s: transferred parts") for n in range(transfers))
    swapped = ""
    if edited:
        swapped = f"""<h3>A part with another object's texture</h3>
<p>The part was marked on the upper picture only. In 3D, each of its points took the colour of the most similar
descriptor in the lower picture; shape and the rest stay. <code>featurenerf edit</code> does this to any two
pictures.</p>
{_wide(f"edit_{kind}.png", f"a {kind} before and after")}"""
    return f"""
<section>
<h2>{kind.capitalize()}s</h2>
<div class="cards">
{"".join(figures)}
</div>
<p>All {kind}s share one set of descriptor colours: what has one colour is one thing to the model.</p>
{_wide(f"overview_{kind}.png", f"views of every {kind}")}
<h3>Marks made on one picture, found on the others</h3>
<p>Parts and keypoints were marked on the picture at the left only. Every other pixel took the label of the most similar
descriptor; no label of a part or keypoint took part in training. The last columns are views that no picture shows.</p>
{transferred}
{swapped}
</section>"""


def figure(name: str, title: str, credit: str, files: Sequence[str]) -> str:
    """One lifted picture: the name of its folder, what to call it, who made it, and what is in the folder."""
    name, title = escape(name), escape(title)
    turntable = next(file for file in files if file.startswith("turntable"))
    if turntable.endswith(".mp4"):
        moving = f'<video src="{name}/{turntable}" autoplay loop muted playsinline></video>'
    else:
        moving = f'<img src="{name}/{turntable}" alt="turntable of the {title}">'
    return f"""<figure>
<div class="pair"><img class="given" src="{name}/prepared.png" alt="picture of the {title}">{moving}</div>
<figcaption><b>{title}</b>:
<a href="{name}/sheet.png">views</a> &middot; <a href="{name}/points.ply">points</a> &middot;
<a href="{name}/mesh.ply">mesh</a> &middot; <a href="{name}/report.json">report</a><br>
<small>{escape(credit)}</small></figcaption>
</figure>
"""


def _wide(file: str, what: str) -> str:
    return f'<a href="{file}"><img class="wide" src="{file}" alt="{what}"></a>'
