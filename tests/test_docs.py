"""What the documentation says is there: links, pictures, commands and their options, code, tables."""

from __future__ import annotations

import ast
import functools
import re
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest
import tyro
import yaml
from nbclient import NotebookClient

import featurenerf
from analytic_field import EllipsoidModel
from featurenerf.cli import VERBS
from featurenerf.errors import InputError
from small_fast_model import small_fast_model

ROOT = Path(__file__).parents[1]
PAGES = [*(path for folder in (".", "docs", "benchmarks") for path in sorted((ROOT / folder).glob("*.md")))]
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXAMPLES = sorted((ROOT / "examples").glob("0*.py"))


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


def anchors(page: Path) -> set[str]:
    """What a link to a heading of a page ends in."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(target), link


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


def test_the_api_of_the_readme_runs_as_pasted_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = blocks(ROOT / "README.md", "python")
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)
    assert names["index"].shape == (1,)
    assert names["there"].rgb.shape == (1, 3)
    assert names["picture"].shape == (128, 128, 3)
    x, y = names["xy"].numpy()[0]  # the office chair's foot has a hub and five tips: low in the picture, wherever
    assert 0 < x < 128
    assert y > 90
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trains = "labels" in path.name
    monkeypatch.setattr(featurenerf, "load", lambda checkpoint: small_fast_model() if trains else EllipsoidModel())
    out = tmp_path / ("points.ply" if "export" in path.name else "sheet.png")
    short = ["--objects", "1", "--passes", "1"] if trains else []
    monkeypatch.setattr(sys, "argv", [path.name, "--out", str(out), *short])
    runpy.run_path(str(path), run_name="__main__")
    assert out.stat().st_size > 1000
    assert out.with_suffix(".png").is_file()


def test_every_example_is_a_how_to_with_its_picture() -> None:
    page = (ROOT / "docs" / "how-to.md").read_text()
    for path in EXAMPLES:
        number, name = path.stem.split("_", 1)
        (section,) = re.findall(rf"^## {int(number)}\. .*?(?=^## )", page, re.DOTALL | re.MULTILINE)
        assert f"python examples/{path.name}\n" in section
        assert f"](images/{name}.png)" in section


# ---------------------------------------------------------------------- site and notebooks


def test_every_page_has_a_place_in_the_site() -> None:
    """The strict build (``make docs``, in ``.ci/run``) fails otherwise, too; this says so in a fraction of a second."""
    navigation = (ROOT / "mkdocs.yml").read_text().split("\nnav:\n")[1]
    listed = set(re.findall(r"(\S+\.md)$", navigation, re.MULTILINE))
    pages = {page.relative_to(ROOT).as_posix() for page in PAGES}
    assert pages | {f"notebooks/{path.stem}.md" for path in NOTEBOOKS} <= listed
    assert "make docs" in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
@pytest.mark.filterwarnings("default")  # the kernel's own
def test_notebooks_run_from_top_to_bottom(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    saved = [bool(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"]
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    assert [bool(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"] == saved
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    if path.stem == "from_a_photo_to_a_click":
        (page,) = tmp_path.rglob("page.html")
        assert 100_000 < page.stat().st_size < 1_000_000
    else:  # of a chair with a diagonal of 90 cm
        (median,) = re.findall(r"median (\d+) cm", "".join(output.get("text", "") for output in outputs))
        assert int(median) < 30


def test_examples_are_called_as_they_say() -> None:
    for path in EXAMPLES:
        calls = re.findall(r"python (examples/\S+\.py)", path.read_text())
        assert calls
        assert set(calls) == {path.relative_to(ROOT).as_posix()}


# ---------------------------------------------------------------------- tables, names, sizes


@pytest.fixture(scope="module")
def tables() -> Iterator[ModuleType]:
    """``benchmarks/tables.py``."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield import_module("tables")
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_tables_are_those_of_the_records(page: Path, tables: ModuleType) -> None:
    text = page.read_text()
    assert text == tables.filled(text, tables.read_records()), "run python benchmarks/tables.py pages"
    assert text.count("<!-- tables: ") == text.count("<!-- end -->")


def test_every_table_is_on_a_page(tables: ModuleType) -> None:
    shown = set(re.findall(r"<!-- tables: ([\w-]+) -->", "".join(page.read_text() for page in PAGES)))
    assert shown == set(tables.TABLES)


def test_a_changed_record_changes_its_tables(tables: ModuleType) -> None:
    records = tables.read_records()
    row = "| **fast field, shipped** | 0.55 / 0.75 | 0.52 / 0.71 |"
    assert row in tables.shipped(records)
    (changed,) = tables.select(
        records, {"group": "shipped", "label": "shipped", "method": "descriptor", "category": "chair", "task": "view"}
    )
    assert "| 0.71 / 0.85 |" in tables.shipped(records)
    changed["part_miou"], changed["keypoint_accuracy"] = 0.124, {"2.5": 0.9, "10": 0.987}
    assert "| 0.12 / 0.99 |" in tables.shipped(records)
    assert "| 0.71 / 0.85 |" not in tables.shipped(records)
    assert "| chair | view | shipped | 50 | 0.124 |" in tables.everything(records)


def test_records_say_where_they_are_from(tables: ModuleType) -> None:
    """What is not known of them is null, never missing."""
    records = tables.read_records()
    assert len(records) >= 308
    for record in records:
        assert {"group", "label", "commit", "date", "machine", "command"} <= set(record)
        assert {"task", "job"} & set(record)
        assert re.fullmatch(r"[0-9a-f]{7,}(-dirty)?", record["commit"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", record["date"])
        if "task" in record:
            assert {"data", "category", "split", "pairs", "part_miou", "keypoint_accuracy", "run"} <= set(record)
            assert "config" not in record


@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda p: p.stem)
def test_benchmarks_import(script: Path, tables: ModuleType) -> None:
    """Names that a script takes from the package inside its functions, too."""
    import_module(script.stem)
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("featurenerf"):
            assert all(hasattr(import_module(str(node.module)), alias.name) for alias in node.names)


def test_what_moved_is_where_the_changes_say() -> None:
    rows = re.findall(r"^\| `(featurenerf[^|]*) \| ([^|]*) \|$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert len(rows) > 20
    for _, now in rows:
        names = re.findall(r"`([\w.]+)`", now)
        for name in names:
            import_module(name if name[0] != "." else names[0].rpartition(".")[0] + name)


def test_files_that_the_architecture_names_exist() -> None:
    named = set(re.findall(r"`([\w/]+\.py)`", (ROOT / "docs" / "architecture.md").read_text()))
    assert len(named) > 8
    for name in named:
        assert (ROOT / name).is_file() or (ROOT / "src" / "featurenerf" / name).is_file(), name


def test_the_readme_and_the_glossary_stay_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
    terms = re.findall(r"^\| (.+?) \|", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)[1:]
    assert len(set(terms)) == len(terms) <= 30


def test_the_citation_names_program_and_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert (citation["title"], citation["license"]) == ("featurenerf", "MIT")
    paper = citation["preferred-citation"]
    assert [author["family-names"] for author in paper["authors"]] == ["Ye", "Wang", "Wang"]
    assert f"{{{paper['title']}}}" in (ROOT / "README.md").read_text()
