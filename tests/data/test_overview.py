"""The numbers and the sheet of a data set are those of its files, in a folder and in a pack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_layout import CHAIR, IDS, root  # noqa: F401  # the fixture

from featurenerf.cli.data import main
from featurenerf.data import layout, overview
from featurenerf.data.overview import contact_sheet, describe, info_table
from featurenerf.data.pack import pack_dataset
from featurenerf.errors import InputError
from published.srn import write_object


@pytest.fixture
def pack(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    out = tmp_path_factory.mktemp("packs") / "PACK"
    pack_dataset(root, out, progress=False)
    return out


def test_the_numbers_of_a_folder_and_of_its_pack(root: Path, pack: Path) -> None:  # noqa: F811
    (found,) = describe(root, progress=False)
    assert (found.name, found.synset) == ("chair", CHAIR)
    assert found.objects == {"train": 1, "val": 1, "test": 2}
    assert (found.views, found.size) == (12, (16, 16))
    folders = [root / "img", root / "camera", *root.glob("*_anno")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert found.bytes == sum(path.stat().st_size for path in files)
    assert (found.families, found.parts, found.keypoints) == ({}, tuple("1234"), tuple("0123456789"))
    assert describe(pack, progress=False) == [found]
    layout.write_json(root / "made" / f"{CHAIR}.json", {"families": dict.fromkeys(IDS[:3], "arm") | {IDS[3]: "stool"}})
    (made,) = describe(root, "chair", progress=False)
    assert made.families == {"arm": 3, "stool": 1}
    assert made.parts[0] == "back"
    assert "seat front left" in made.keypoints
    table = info_table([made])
    assert f"| chair | {CHAIR} | 2 | {len(made.parts)} | {len(made.keypoints)} | 1 | 1 | 2 | 12 | 16 x 16 |" in table
    assert "chair, families: arm 3, stool 1" in table


def test_the_sheet_shows_parts_and_keypoints(root: Path, pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    rows: dict[str, list[Image.Image]] = {}

    def kept(given: dict, **options: object) -> Image.Image:
        rows.update(given)
        return Image.new("RGB", (600, 20))

    whole = contact_sheet(root, objects=2, views=3)
    assert whole.width > 3 * 176
    assert whole.height > 2 * 3 * 176
    np.testing.assert_array_equal(np.asarray(whole), np.asarray(contact_sheet(pack, objects=2, views=3)))
    monkeypatch.setattr(overview, "sheet", kept)
    contact_sheet(root, split="train", views=9)
    assert set(rows) == {"aa", "aa, parts", "aa, keypoints"}
    assert [len(row) for row in rows.values()] == [3, 3, 3]
    (root / "part_2d_anno" / CHAIR / "aa.npz").unlink()
    rows.clear()
    contact_sheet(root, split="train")
    assert set(rows) == {"aa", "aa, keypoints"}


def test_command_line(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    main(["info", str(root)])
    assert "| chair |" in capsys.readouterr().out
    out = tmp_path / "new" / "sheet.png"
    main(["view", str(root), "--objects", "1", "--views", "1", "--out", str(out)])
    with Image.open(out) as image:
        assert image.format == "PNG"
    with pytest.raises(InputError, match="1 objects and 0 views"):
        main(["view", str(root), "--objects", "1", "--views", "0", "--out", str(out)])
    with pytest.raises(InputError, match="is a folder"):
        main(["view", str(root), "--out", str(tmp_path)])
    with pytest.raises(InputError, match=r"car"):
        main(["info", str(root), "--category", "car"])
    layout.write_split(layout.split_file(root, "02958343"), layout.Split((), (), ()))
    with pytest.raises(InputError, match="several categories: give one of car, chair"):
        contact_sheet(root)


def test_other_formats_are_described_too(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_object(tmp_path / f"cars_{split}" / split, 3, 1.3)
    (found,) = describe(tmp_path, progress=False)
    assert (found.name, found.objects, found.views) == ("car", {"train": 1, "val": 0, "test": 1}, 6)
    assert (found.parts, found.keypoints, found.bytes) == ((), (), None)
    assert contact_sheet(tmp_path, views=2).width > 2 * 176
