"""Tiny random weights of every teacher, written once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_weights import write_weights


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The path to the weights of a teacher, by name."""
    made: dict[str, Path] = {}

    def path(name: str) -> Path:
        if name not in made:
            made[name] = write_weights(name, tmp_path_factory.mktemp(name.replace(".", "-")))
        return made[name]

    return path
