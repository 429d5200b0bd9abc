"""An audit without a network: floors of dependencies, and what is pinned and installed, leave known faults out."""

from __future__ import annotations

import json
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ADVISORIES = json.loads((ROOT / "tests" / "advisories.json").read_text())["advisories"]

NEVER = ("torch.export", "torch.jit", "aot_load_package", "AOTIModelPackageLoader", "aoti_load", "weights_only=False")
"""What would reach the faults that have no fix."""


def affected(release: str, advisory: dict[str, Any]) -> bool:
    first, fixed = advisory.get("introduced", "0"), advisory["fixed"]
    return Version(release) >= Version(first) and (fixed is None or Version(release) < Version(fixed))


def floors() -> dict[str, str]:
    """The oldest release that pip may take of each dependency, of extras too."""
    every = [*PROJECT["dependencies"], *(d for extra in PROJECT["optional-dependencies"].values() for d in extra)]
    found = {}
    for requirement in map(Requirement, every):
        name = canonicalize_name(requirement.name)
        if name == "featurenerf":
            continue
        (least,) = [each.version for each in requirement.specifier if each.operator in (">=", "==")]
        found[name] = least
    return found


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    return {canonicalize_name(r.name): next(iter(r.specifier)).version for r in map(Requirement, lines)}


REACHABLE = [advisory for advisory in ADVISORIES if advisory["fixed"] is not None]


@pytest.mark.parametrize("advisory", REACHABLE, ids=lambda a: f"{a['package']} {a['id']}")
def test_no_release_with_a_known_fault_is_accepted(advisory: dict[str, Any]) -> None:
    name = advisory["package"]
    if name not in floors():
        pytest.skip(f"{name} is no dependency now")
    assert not affected(floors()[name], advisory), f"raise the floor of {name} to {advisory['fixed']}"
    assert not affected(pins()[name], advisory), f"constraints.txt pins a release of {name} with {advisory['id']}"
    try:
        installed = version(name)
    except PackageNotFoundError:
        return
    assert not affected(installed, advisory), f"{name} {installed} has {advisory['id']}: install again"


def test_what_has_no_fix_is_said_not_to_be_reached() -> None:
    unfixed = [advisory for advisory in ADVISORIES if advisory["fixed"] is None]
    assert unfixed
    assert all(len(advisory["reached"]) > 20 for advisory in unfixed)
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    assert "weights_only=True" in source
    for never in NEVER:
        assert never not in source


def test_what_is_affected() -> None:
    advisory = {"introduced": "11.2.0", "fixed": "11.3.0"}
    assert [affected(release, advisory) for release in ("11.1.0", "11.2.0", "11.2.1", "11.3.0")] == [
        False, True, True, False,
    ]  # fmt: skip
    assert affected("10.1", {"fixed": "10.2.0"})
    assert affected("99", {"fixed": None})


def test_every_floor_is_pinned_at_or_above_itself() -> None:
    pinned = pins()
    for name, least in floors().items():
        assert name in pinned, f"constraints.txt does not pin {name}"
        assert Version(pinned[name]) >= Version(least), name
