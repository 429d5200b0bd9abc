"""What the documentation says is there: links, pictures, commands and their options, code, tables."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import tyro

import featurenerf
from analytic_field import EllipsoidModel
from featurenerf.cli import VERBS
from featurenerf.errors import InputError

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "benchmarks").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("0*.py"))
PICTURES = ROOT / "src" / "featurenerf" / "assets" / "pictures"
PENDING: set[str] = set()
"""Links to what is made later. Take an entry out when it is there."""


def blocks(page: Path, language: str) -> list[str]:
    """The fenced code blocks of a language; "" is those that name none."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return [text for name, text in fenced if name == language]


def commands() -> list[tuple[str, str]]:
    """Every command line of a page that calls featurenerf, with the page's name."""
    found = []
    for page in PAGES:
        lines = [line for block in blocks(page, "") for line in block.replace("\\\n", " ").splitlines()]
        found += [(page.name, line) for line in lines if line.startswith("featurenerf ") and " VERB" not in line]
    return found


# ---------------------------------------------------------------------- links


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if target.relative_to(ROOT).as_posix() in PENDING:
            continue
        assert target.exists(), f"{page.name} links to {link}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}, link


def test_pictures_are_small() -> None:
    made = {path.stem: path.stat().st_size for path in (ROOT / "docs" / "images").glob("*.png")}
    assert {"conventions", "chair", "car"} <= set(made)
    assert all(made[name] < 300_000 for name in ("conventions", "chair", "car"))


# ---------------------------------------------------------------------- commands


class Parsed(Exception):
    """Raised in the place of a verb's work."""


def stopped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def instead(*args: Any, **kwargs: Any) -> None:
        raise Parsed

    return instead


@pytest.mark.parametrize(("page", "line"), commands())
def test_command_lines_parse(page: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cli, subcommands = tyro.cli, tyro.extras.subcommand_cli_from_dict

    def parse(what: Any, **settings: Any) -> None:
        cli(what if isinstance(what, type) else stopped(what), **settings)  # a dataclass is made, a function called
        raise Parsed

    def parse_one_of(verbs: dict[str, Callable[..., Any]], **settings: Any) -> None:
        monkeypatch.setattr(tyro, "cli", cli)
        subcommands({name: stopped(verb) for name, verb in verbs.items()}, **settings)

    monkeypatch.setattr(tyro, "cli", parse)
    monkeypatch.setattr(tyro.extras, "subcommand_cli_from_dict", parse_one_of)
    _, verb, *arguments = shlex.split(line, comments=True)
    assert verb in VERBS, f"{page}: {line}"
    with pytest.raises(Parsed):
        import_module(f"featurenerf.cli.{verb.replace('-', '_')}").main(arguments)


def test_a_wrong_option_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="--outt"):
        test_command_lines_parse("-", "featurenerf demo --outt here", monkeypatch)


def test_every_verb_is_explained() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "cli.md").read_text(), re.MULTILINE)
    assert set(headings) == set(VERBS)
    assert {line.split()[1] for page, line in commands() if page == "README.md"} == set(VERBS)


def test_the_two_commands_are_those_of_the_makefile() -> None:
    quoted = re.findall(r"^make (\w+)", "\n".join(blocks(ROOT / "README.md", "")), re.MULTILINE)
    assert quoted == ["demo", "test"]
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(quoted) <= targets
    assert "make test" in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_scripts_that_are_called_exist(page: Path) -> None:
    for script in re.findall(r"^python (\S+\.py)", "\n".join(blocks(page, "")), re.MULTILINE):
        assert (ROOT / script).is_file(), script


# ---------------------------------------------------------------------- code


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_blocks_compile_and_name_what_exists(page: Path) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "featurenerf":
                assert hasattr(featurenerf, node.attr), node.attr
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("featurenerf"):
                assert all(hasattr(import_module(str(node.module)), alias.name) for alias in node.names)


def test_the_api_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(featurenerf, "load", EllipsoidModel)
    monkeypatch.chdir(tmp_path)
    shutil.copy(PICTURES / "dining_chair.png", "chair.png")
    shutil.copy(PICTURES / "office_chair.png", "other.png")
    (block,) = blocks(ROOT / "README.md", "python")
    names: dict[str, Any] = {}
    exec(compile(block.replace("[136.1, 239.5]", "[128.0, 128.0]"), "README.md", "exec"), names)
    assert names["xy"].shape == (1, 2)
    assert names["index"].shape == (1,)
    assert names["there"].rgb.shape == (1, 3)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(featurenerf, "load", lambda checkpoint: EllipsoidModel())
    out = tmp_path / ("points.ply" if "export" in path.name else "sheet.png")
    monkeypatch.setattr(sys, "argv", [path.name, "--out", str(out)])
    runpy.run_path(str(path), run_name="__main__")
    assert out.stat().st_size > 1000


def test_examples_are_called_as_they_say() -> None:
    for path in EXAMPLES:
        calls = re.findall(r"python (examples/\S+\.py)", path.read_text())
        assert calls
        assert set(calls) == {path.relative_to(ROOT).as_posix()}


def test_tables_of_the_categories_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_tables", ROOT / "docs" / "make_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.PAGE.read_text()
    assert text.count("<!-- tables:") == len(module.CATEGORIES)
    assert text == module.filled(text), "run python docs/make_tables.py"
