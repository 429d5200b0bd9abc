"""A hash of the modules that a command uses, and one of what a data set holds: what was measured of others is void."""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Collection, Iterable
from functools import cache, lru_cache
from pathlib import Path

import featurenerf
from featurenerf.data.open import format_of, open_splits
from featurenerf.data.storage import data_root
from featurenerf.evaluation import METHODS
from featurenerf.models import MODELS
from featurenerf.teachers import TEACHERS, parse

_PACKAGE = Path(featurenerf.__file__).parent


def code_hash(entries: Iterable[str], field: str | None = None, teacher: str | None = None, method: str = "") -> str:
    """Of the modules that these ones (``training.loop``) import, directly or not, comments and docstrings left out.

    Args:
        field: of the models, only this one's modules count; None is none of them.
        teacher: likewise; its name with settings.
        method: of evaluation; that of another package counts, too.
    """
    kinds = {name: _module_of(kind) for name, kind in MODELS.items()}
    families = {name: _module_of(TEACHERS.own[name].make) for name in TEACHERS.own}
    named = None if teacher is None else parse(teacher)[0]
    unused = {module for name, module in kinds.items() if name != field} - {kinds.get(field or "")}
    unused |= {*families.values()} - {None if named is None else families.get(named.name)}
    unused |= set() if field else {"models.official"}
    digest = hashlib.sha256()
    for module in sorted(_closure(tuple(entries), frozenset(unused))):
        digest.update(f"{module} {_code(_file(module))}".encode())
    others = [] if named is None or named.name in families else [Path(inspect.getfile(named.make))]
    if method and method not in METHODS.own:
        others.append(Path(inspect.getfile(type(METHODS[method]))))
    for path in others:
        digest.update(_code(path).encode())
    return digest.hexdigest()[:16]


@lru_cache
def data_hash(root: str, category: str) -> str:
    """Of a data set that a user names: its format, its objects by split, and the pairs that it lists."""
    digest = hashlib.sha256(format_of(data_root(root)).name.encode())
    for split, dataset in open_splits(root, category).items():
        ids = [f"{views.id}:{len(views)}" for views in dataset]
        pairs = [dataset.cross_inst_pairs, dataset.cross_view_pairs, dataset.cross_pose_pairs]
        digest.update(repr((split, ids, pairs, dataset.families)).encode())
    return digest.hexdigest()[:16]


def files_hash(*paths: Path) -> str:
    """Of what files hold."""
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in paths)).hexdigest()[:16]


def _module_of(thing: object) -> str:
    module = inspect.getmodule(thing)
    return "" if module is None else module.__name__.removeprefix("featurenerf.")


def _file(module: str) -> Path:
    path = _PACKAGE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@lru_cache
def _closure(entries: tuple[str, ...], unused: frozenset[str]) -> Collection[str]:
    found: set[str] = set()
    new = set(entries)
    while new:
        module = new.pop()
        if module in found or module in unused or not module:
            continue
        found.add(module)
        new |= _imports(module)
    return found


@cache
def _imports(module: str) -> frozenset[str]:
    """The modules of the package that a module imports anywhere, and the packages that hold it."""
    parts = module.split(".")
    found = {".".join(parts[:count]) for count in range(1, len(parts))}
    for node in ast.walk(ast.parse(_file(module).read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if not name.startswith("featurenerf."):
                continue
            path = name.split(".")[1:]
            while path and not _file(".".join(path)).is_file():
                path.pop()
            found.add(".".join(path))
    return frozenset(found)


@cache
def _code(path: Path) -> str:
    """A file's program: without comments, blank lines and docstrings."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [part for part in body if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))]
            node.body = kept  # type: ignore[attr-defined]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
