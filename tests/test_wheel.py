"""The wheel as it is built: what it carries, under which licences, and what PyPI shows of it."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("hatchling", reason="builds a wheel")
ROOT = Path(__file__).parents[1]
RELATIVE = re.compile(r"\]\((?!https?://|#|mailto:)")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(out.glob("*.whl")))


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    return message_from_bytes(wheel.read(next(name for name in wheel.namelist() if name.endswith("/METADATA"))))


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``hatch_build.py``."""
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("hatch_build")


def test_what_it_carries(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert "featurenerf/py.typed" in names
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {"featurenerf"}
    kinds = {Path(name).suffix for name in names if name.startswith("featurenerf/")}
    ours = {".py", ".js", ".css", ".html", ".json", ".md", ".typed"}
    assert kinds == {*ours, ".png", ".safetensors"}  # a new kind needs a line in licences/
    assert {name for name in names if name.endswith(".js")} == {"featurenerf/assets/page/page.js"}  # our own
    assert sum(info.compress_size for info in wheel.infolist()) < 25_000_000


def test_licence_texts_of_all_of_it(wheel: zipfile.ZipFile, metadata: Message) -> None:
    texts = {Path(name).name: wheel.read(name).decode() for name in wheel.namelist() if "/licenses/" in name}
    assert set(texts) == {"LICENSE", "README.md", "Apache-2.0.txt", "CC-BY-3.0.txt", "CC-BY-3.0-US.txt"}
    assert "Permission is hereby granted, free of charge" in texts["LICENSE"]
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in texts["Apache-2.0.txt"]
    assert "Attribution 3.0 Unported" in texts["CC-BY-3.0.txt"]
    assert "Attribution 3.0 United States" in texts["CC-BY-3.0-US.txt"]
    assert metadata["License-Expression"] == "MIT AND Apache-2.0 AND CC-BY-3.0 AND CC-BY-3.0-US"
    assert {Path(name).name for name in metadata.get_all("License-File")} == set(texts)
    attribution = wheel.read("featurenerf/assets/pictures/ATTRIBUTION.md").decode()
    pictures = {Path(name).name for name in wheel.namelist() if name.endswith(".png")}
    for picture in pictures:  # part labels are named with their picture
        assert f"`{picture.replace('_parts', '')}`" in attribution


def test_links_and_classifiers(metadata: Message) -> None:
    urls = dict(value.split(", ", 1) for value in metadata.get_all("Project-URL"))
    assert urls["Paper"] == "https://arxiv.org/abs/2303.12786"
    classifiers = metadata.get_all("Classifier")
    assert "Typing :: Typed" in classifiers
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)} <= set(classifiers)
    assert not any(name.startswith("License ::") for name in classifiers)  # the expression says it
    assert metadata["Requires-Python"] == ">=3.11"


def test_no_link_of_the_readme_is_relative(metadata: Message) -> None:
    text = metadata.get_payload()
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert len(text) > 5000
    assert not RELATIVE.search(text)


def test_relative_links_become_absolute_where_the_address_is_known(hook: ModuleType) -> None:
    text = "![a b](docs/a.png) [page](docs/x.md#top) [web](https://w.org/y) [here](#numbers)"
    assert hook.for_pypi(text, "https://r.org/o/n") == (
        "![a b](https://r.org/o/n/raw/main/docs/a.png) [page](https://r.org/o/n/blob/main/docs/x.md#top) "
        "[web](https://w.org/y) [here](#numbers)"
    )
    assert hook.for_pypi(text, "") == " page (`docs/x.md#top`) [web](https://w.org/y) [here](#numbers)"
    readme = (ROOT / "README.md").read_text()
    assert RELATIVE.search(readme)
    assert not RELATIVE.search(hook.for_pypi(readme, "https://r.org/o/n"))


def test_one_line_makes_all_links(hook: ModuleType) -> None:
    settings = {"repository": "https://r.org/o/n/", "urls": {"Paper": "https://p.org"}}
    metadata: dict[str, dict[str, str]] = {}
    hook.ReleaseMetadata(str(ROOT), settings).update(metadata)
    assert metadata["urls"] == {
        "Paper": "https://p.org",
        "Repository": "https://r.org/o/n",
        "Documentation": "https://r.org/o/n/tree/main/docs",
        "Changelog": "https://r.org/o/n/blob/main/CHANGELOG.md",
        "Issues": "https://r.org/o/n/issues",
    }
