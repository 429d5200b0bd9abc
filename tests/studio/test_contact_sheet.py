"""The sheet of a data set shows its objects with their labels, whatever format they are in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featurenerf.cli.data import main
from featurenerf.data.formats.pack import pack_dataset
from featurenerf.data.formats.release import split_file
from featurenerf.data.splits import Split, write_split
from featurenerf.errors import InputError
from featurenerf.studio import contact_sheet as module
from featurenerf.studio.contact_sheet import contact_sheet
from published.srn import write_object
from release_data import CHAIR, write_release


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_release(tmp_path / "data")
    return tmp_path / "data"


def test_the_sheet_shows_parts_and_keypoints(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: dict[str, list[Image.Image]] = {}

    def kept(given: dict, **options: object) -> Image.Image:
        rows.update(given)
        return Image.new("RGB", (600, 20))

    pack_dataset(root, tmp_path / "pack", progress=False)
    whole = contact_sheet(root, objects=2, views=3)
    assert whole.width > 3 * 176
    assert whole.height > 2 * 3 * 176
    np.testing.assert_array_equal(np.asarray(whole), np.asarray(contact_sheet(tmp_path / "pack", objects=2, views=3)))
    monkeypatch.setattr(module, "sheet", kept)
    contact_sheet(root, split="train", views=9)
    assert set(rows) == {"aa", "aa, parts", "aa, keypoints"}
    assert [len(row) for row in rows.values()] == [3, 3, 3]
    (root / "part_2d_anno" / CHAIR / "aa.npz").unlink()
    rows.clear()
    contact_sheet(root, split="train")
    assert set(rows) == {"aa", "aa, keypoints"}


def test_command_line(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "sheet.png"
    main(["view", str(root), "--objects", "1", "--views", "1", "--out", str(out)])
    with Image.open(out) as image:
        assert image.format == "PNG"
    with pytest.raises(InputError, match="1 objects and 0 views"):
        main(["view", str(root), "--objects", "1", "--views", "0", "--out", str(out)])
    with pytest.raises(InputError, match="is a folder"):
        main(["view", str(root), "--out", str(tmp_path)])
    write_split(split_file(root, "02958343"), Split((), (), ()))
    with pytest.raises(InputError, match="several categories: give one of car, chair"):
        contact_sheet(root)


def test_a_published_format(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_object(tmp_path / f"cars_{split}" / split, 3, 1.3)
    assert contact_sheet(tmp_path, views=2).width > 2 * 176
