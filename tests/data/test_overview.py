"""The numbers of a data set are those of its files, in a folder and in a pack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from featurenerf.cli.data import main
from featurenerf.data.formats.pack import pack_dataset
from featurenerf.data.overview import describe, info_table
from featurenerf.errors import InputError
from featurenerf.files import write_json
from published.srn import write_object
from release_data import CHAIR, IDS


@pytest.fixture
def pack(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packs") / "PACK"
    pack_dataset(root, out, progress=False)
    return out


def test_the_numbers_of_a_folder_and_of_its_pack(root: Path, pack: Path) -> None:
    (found,) = describe(root, progress=False)
    assert (found.name, found.synset) == ("chair", CHAIR)
    assert found.objects == {"train": 1, "val": 1, "test": 2}
    assert (found.views, found.size) == (12, (16, 16))
    folders = [root / "img", root / "camera", *root.glob("*_anno")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert found.bytes == sum(path.stat().st_size for path in files)
    assert (found.families, found.parts, found.keypoints) == ({}, tuple("1234"), tuple("0123456789"))
    assert describe(pack, progress=False) == [found]
    write_json(root / "made" / f"{CHAIR}.json", {"families": dict.fromkeys(IDS[:3], "arm") | {IDS[3]: "stool"}})
    (made,) = describe(root, "chair", progress=False)
    assert made.families == {"arm": 3, "stool": 1}
    assert made.parts[0] == "back"
    assert "seat front left" in made.keypoints
    table = info_table([made])
    assert f"| chair | {CHAIR} | 2 | {len(made.parts)} | {len(made.keypoints)} | 1 | 1 | 2 | 12 | 16 x 16 |" in table
    assert "chair, families: arm 3, stool 1" in table
    head, _, row, *_ = table.splitlines()
    cells = dict(zip(head.split(" | "), row.split(" | "), strict=True))
    assert (cells["views in all"], cells["views an object |"]) == ("12", "3 |")  # four objects
    assert info_table([replace(made, views_each=(2, 5))]).splitlines()[2].endswith("| 2 to 5 |")


def test_command_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["info", str(root)])
    assert "| chair |" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"car"):
        main(["info", str(root), "--category", "car"])


def test_other_formats_are_described_too(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_object(tmp_path / f"cars_{split}" / split, 3, 1.3)
    (found,) = describe(tmp_path, progress=False)
    assert (found.name, found.objects, found.views) == ("car", {"train": 1, "val": 0, "test": 1}, 6)
    assert (found.parts, found.keypoints, found.bytes) == ((), (), None)
