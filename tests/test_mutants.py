"""Which mutants are made of a piece of code, and of which parts of it none is made."""

from __future__ import annotations

from pathlib import Path

import pytest

import mutants


def changes(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The changed lines of every mutant of a module."""
    monkeypatch.setattr(mutants, "PACKAGE", tmp_path)
    (tmp_path / "module.py").write_text(text)
    return [after for _, _, _, after, _ in mutants.mutants("module.py")]


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("a < b", ["a > b", "a <= b"]),
        ("a >= b", ["a <= b", "a > b"]),
        ("a == b", ["a != b"]),
        ("a + b", ["a - b"]),
        ("a // b", ["a * b"]),
        ("a**b", ["a*b"]),
        ("a is not None", ["a is None"]),
        ("a not in b", ["a in b"]),
        ("not a", ["a"]),
        ("-a", ["a"]),
        ("a and b", ["a or b"]),
        ("(a) | (b)", ["(a) & (b)"]),
        ("True", ["False"]),
        ("a[3]", ["a[(3 + 1)]", "a[(3 - 1)]"]),
        ("a[0]", ["a[(0 + 1)]"]),
        ("0.5", ["(0.5 * 1.1 + 0.01)"]),
        ("1e-6", ["(1e-6 * 1.1 + 0.01)"]),
        ("a.width", ["a.height"]),
        ("a.amin(b)", ["a.amax(b)"]),
        ("a.clamp(min=b)", ["a.clamp(max=b)", "a"]),
        ("a.detach()", ["a"]),
        ("(a - b).abs()", ["(a + b).abs()", "(a - b)"]),
        ("np.abs(a)", ["(a)"]),
        ("f(a, b)", ["f(b, a)"]),
        ("min(a, b)", ["max(a, b)"]),
        ("a if b else c", ["a if False else c"]),
    ],
)
def test_mutants_of_a_line(line: str, after: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert changes(f"x = {line}\n", tmp_path, monkeypatch) == [f"x = {new}" for new in after]


def test_a_call_and_a_branch_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert changes("if a:\n    check(b)\n", tmp_path, monkeypatch) == ["if False:", "pass"]


def test_no_mutant_of_texts_types_decorators_and_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '''"""One or two, a < b."""
from typing import Literal

@cache(maxsize=8)
def f(a: "Float[Tensor, 'b 3']", b: Literal["c + 1"] | None) -> int | None:
    """More than 1 line:

    a and b, a < b.
    """
    raise ValueError(
        f"{1 + 1} of {a < b}"
    )
    return "a < b and 5"  # a < b
'''
    assert changes(text, tmp_path, monkeypatch) == []
