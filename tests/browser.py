"""A real Chromium, where there is one, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
"""What draws in 3D without a graphics card."""


@contextmanager
def opened_page(address: str, width: int = 1300, height: int = 900, served: bool = False) -> Iterator[Any]:
    """A page of a browser; at its end, the test fails for errors of scripts on it, and for requests of a network.

    Args:
        served: the page comes from a server, which alone it may ask.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if PROGRAM is None:
        pytest.skip("there is no Chromium (Debian: apt install chromium)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox", *WEBGL])
        page = browser.new_page(viewport={"width": width, "height": height})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        own = (address, "blob:", "data:") if served else ("file:", "blob:", "data:")
        page.on("request", lambda request: None if request.url.startswith(own) else errors.append(request.url))
        page.goto(address)
        yield page
        browser.close()
        assert errors == []
