"""Which format reads a folder: ours first, then those of other packages, one of which the docs print."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from documented import blocks, install
from featurenerf.cameras import Camera
from featurenerf.cli.data import main
from featurenerf.data.open import FORMATS, format_of, open_dataset
from featurenerf.data.pairs import drawn_pairs
from featurenerf.data.storage import data_root
from featurenerf.errors import InputError
from published.srn import write_object

Installing = Callable[[str], None]


@pytest.fixture
def installing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installing]:
    """Installs a package with the entry point of the docs, and some code."""
    (points,) = blocks("data.md", "toml", "Add a data format")
    group, point = points.strip().splitlines()
    assert group == '[project.entry-points."featurenerf.formats"]'
    packages = tmp_path / "packages"
    packages.mkdir()
    monkeypatch.syspath_prepend(str(packages))
    yield lambda code: install(packages, "turntable", code, f"[featurenerf.formats]\n{point.replace(chr(34), '')}\n")
    sys.modules.pop("turntable", None)


@pytest.fixture
def turntables(tmp_path: Path) -> Path:
    """Objects oak, ash and elm with two views each, of random pixels; val is empty."""
    root, cameras = tmp_path / "data", Camera.look_at([0, 90], 30, 24, 16)
    objects: dict[str, dict[str, list]] = {"oak": {}, "ash": {}, "elm": {}}
    for number, name in enumerate(objects):
        (root / name).mkdir(parents=True)
        for view, pose in enumerate(cameras.pose.tolist()):
            rgba = np.random.default_rng([number, view]).integers(0, 256, (16, 24, 4), dtype=np.uint8)
            Image.fromarray(rgba).save(root / name / f"{view}.png")
            objects[name][f"{view}.png"] = pose
    about = {"category": "tree", "focal": 20.0, "size": [24, 16], "objects": objects}
    lists: dict[str, list[str]] = {"train": ["oak"], "val": [], "test": ["ash", "elm"]}
    (root / "turntable.json").write_text(json.dumps(about | lists))
    return root


def documented_code() -> str:
    (code,) = blocks("data.md", "python", "Add a data format")
    lines = [line for line in code.splitlines() if line and not line.startswith(("from ", "import "))]
    assert len(lines) <= 25
    return code


def test_the_one_in_the_docs(installing: Installing, turntables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    installing(documented_code())
    assert FORMATS.names() == ["srn", "co3d", "spair", "captures", "release", "turntable"]
    dataset = open_dataset(turntables, "tree", "test")
    assert (dataset.category, [views.id for views in dataset]) == ("tree", ["ash", "elm"])
    camera, expected = dataset["elm"].camera(1), Camera.look_at(90, 30, 24, 16)
    torch.testing.assert_close(camera.pose, expected.pose)
    assert (camera.width, camera.height, camera.focal.tolist(), camera.principal.tolist()) == (
        24,
        16,
        [20, 20],
        [12, 8],
    )
    rgba = np.random.default_rng([2, 1]).integers(0, 256, (16, 24, 4), dtype=np.uint8)
    np.testing.assert_array_equal(dataset["elm"].picture(1), rgba)
    assert len(drawn_pairs(dataset).cross_inst_pairs) == 4  # two ways, two views
    with pytest.raises(InputError, match=r"the val split of tree in .* is empty"):
        open_dataset(turntables, "tree", "val")
    main(["info", str(turntables)])
    assert "| tree | tree | \N{EN DASH} | 0 | 0 | 1 | 0 | 2 | 6 | 24 x 16 |" in capsys.readouterr().out
    main(["check", str(turntables)])
    assert "tree (tree): 3 objects, 6 views; 1 for training, 0 for validation, 2 for testing" in capsys.readouterr().out
    (turntables / "oak" / "1.png").unlink()
    with pytest.raises(InputError, match="1 problems"):
        main(["check", str(turntables)])
    assert f"{turntables / 'oak' / '1.png'} is missing" in capsys.readouterr().out


def test_ours_come_first_and_a_broken_package_hides_none(
    installing: Installing, root: Path, tmp_path: Path, turntables: Path
) -> None:
    installing("FORMAT = 3")
    write_object(tmp_path / "srn" / "cars_train" / "a", 2, 1.3)
    assert open_dataset(root, "chair")[0].id == "aa"
    assert format_of(data_root(tmp_path / "srn")).name == "srn"
    with pytest.raises(InputError, match="'turntable' is not usable: turntable:FORMAT is not a Format of that name"):
        open_dataset(turntables, "tree")


def test_what_no_format_recognises_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"03001627\.json is missing: .* holds no split of chair \(it has: none\)"):
        open_dataset(tmp_path, "chair")
