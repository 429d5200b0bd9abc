from __future__ import annotations

from pathlib import Path

import pytest

from release_data import write_release


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small data set in the layout of the release."""
    write_release(tmp_path)
    return tmp_path
