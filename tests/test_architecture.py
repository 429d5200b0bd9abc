"""The floor plan: what may import what, read from the imports. docs/architecture.md draws it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

import featurenerf

PACKAGE = Path(featurenerf.__file__).parent
ROOT = Path(__file__).parents[1]

FLOORS = (
    ("errors",),
    ("limits", "categories"),
    (
        *(
            "arrays",
            "cameras",
            "lenses",
            "placement",
            "silhouettes",
            "shown",
            "files",
            "locks",
            "progress",
            "runtime",
            "registry",
            "settings",
            "pca",
        ),
        *("picture_files", "pictures", "text_tables", "rendering", "networks", "outlines", "masks", "alignment"),
    ),
    ("matching",),
    ("fields",),
    ("models",),
    ("teachers",),
    ("data",),
    ("training", "evaluation"),
    ("studio",),
    ("benchmark",),
    ("cli", "__main__"),
)
"""From the ground up; a module imports what is on its own floor or below."""
WING = "synthesis"
"""What makes data. It rests on the ground floor and on ``data``, and nothing else imports it but its own verbs."""
WING_VERBS = {"cli.data_make", "cli.data_render"}
WING_NEEDS = {*FLOORS[0], *FLOORS[1], *FLOORS[2], "data", WING}
LINES = 27_103
"""Of the package without the wing and its verbs. The goal is 11,500."""


def name_of(path: Path) -> str:
    """A file's module, below the package: "models.fast", "models" for its __init__, "" for the package's."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def imports(module: str) -> frozenset[str]:
    """The modules of the package that a module imports, anywhere in its code."""
    found = set()
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "featurenerf":
                parts = name.split(".")[1:]
                while parts and ".".join(parts) not in FILES:
                    parts.pop()
                found.add(".".join(parts))
    return frozenset(found - {module})


def room(module: str) -> str:
    return module.split(".")[0]


def floor(module: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room(module) in rooms)


MODULES = [module for module in FILES if module and room(module) != WING]


@pytest.mark.parametrize("module", MODULES)
def test_no_module_imports_from_a_floor_above(module: str) -> None:
    above = {other for other in imports(module) - {""} if room(other) != WING and floor(other) > floor(module)}
    assert not above


def test_nothing_but_its_verbs_imports_the_wing() -> None:
    into = {m for m in MODULES if any(room(other) == WING for other in imports(m))}
    assert into == WING_VERBS & set(FILES)


def test_the_wing_rests_on_the_ground_and_on_data() -> None:
    for module in FILES:
        if room(module) == WING:
            assert {room(other) for other in imports(module)} <= WING_NEEDS, module


def test_there_is_no_circle() -> None:
    """A package's __init__ stands for its front door: what it re-exports does not count as an import of it."""
    edges = {m: {o for o in imports(m) if not m.startswith(f"{o}.")} for m in FILES if m}
    while edges:
        free = [m for m, needs in edges.items() if not needs & edges.keys()]
        assert free, f"these import each other: {sorted(edges)}"
        for m in free:
            del edges[m]


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_files_can_be_read_in_one_sitting() -> None:
    assert {m: lines(path) for m, path in FILES.items() if lines(path) > 400} == {}


def test_the_package_stays_small() -> None:
    assert sum(lines(FILES[m]) for m in FILES if room(m) != WING and m not in WING_VERBS) <= LINES


def test_no_two_classes_have_one_name() -> None:
    names = Counter(
        node.name
        for m, path in FILES.items()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_every_module_level_name_is_used() -> None:
    """Somewhere in the package, its tests, examples or docs, beside where it is defined."""
    places = [ROOT / name for name in ("src", "tests", "examples", "benchmarks", "docs")]
    text = "\n".join(p.read_text() for place in places for p in place.rglob("*") if p.suffix in (".py", ".md", ".toml"))
    words = Counter(re.findall(r"[A-Za-z_]\w*", text))
    unused = []
    for module, path in FILES.items():
        for node in ast.parse(path.read_text()).body:
            defined = []
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                defined = [node.name]
            elif isinstance(node, ast.Assign):
                defined = [target.id for target in node.targets if isinstance(target, ast.Name)]
            unused += [f"{module}.{name}" for name in defined if words[name] < 2]
    assert unused == []


def test_training_and_evaluation_do_not_know_models() -> None:
    """No model is asked what it is: it brings its initialisation, its losses and its sampling."""
    for module, path in FILES.items():
        if room(module) in ("training", "evaluation", "studio"):
            text = path.read_text()
            assert not re.search(r"isinstance\([^)]*(FastModel|PaperModel)", text), module
            assert not re.search(r"\.name\s*==\s*[\"'](fast|paper)", text), module
            assert not {"models.fast", "models.paper"} & imports(module), module
