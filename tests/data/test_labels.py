"""Every data set says what its labels mean; those from before there were tables of names mean what they meant."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from featurenerf.data.formats.pack import pack_dataset
from featurenerf.data.labels import LabelNames, generated_labels
from featurenerf.data.objects import part_names
from featurenerf.data.open import open_dataset
from featurenerf.errors import InputError
from featurenerf.files import write_json
from featurenerf.synthesis.write import write_labels
from release_data import CHAIR

CHAIR_PARTS = ("background", "back", "seat", "leg", "arm")
CHAIR_MIRROR = (1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14, 16, 17, 18, 19)
MINE = LabelNames(("background", "top"), ("left", "middle", "right"), (2, 1, 0))


def labels_of(data: Path) -> LabelNames:
    dataset = open_dataset(data, "chair", "test")
    assert {views.names for views in dataset} == {dataset.labels}
    return dataset.labels


def made(root: Path, **content: Any) -> Path:
    write_json(root / "made" / f"{CHAIR}.json", content)
    return root


def test_the_names_of_the_generators() -> None:
    chair = generated_labels("chair")
    assert (chair.parts, chair.mirror) == (CHAIR_PARTS, CHAIR_MIRROR)
    assert (chair.keypoints[0], chair.keypoints[1], chair.keypoints[-1]) == (
        "seat front left",
        "seat front right",
        "stem centre",
    )
    assert generated_labels(CHAIR) == chair
    assert generated_labels("dragon") == LabelNames()
    counts = {name: len(generated_labels(name).keypoints) for name in ("airplane", "bottle", "car", "motorcycle")}
    assert counts == {"airplane": 19, "bottle": 19, "car": 22, "motorcycle": 20}


@pytest.mark.parametrize("category", ["airplane", "bottle", "car", "chair", "motorcycle", "table"])
def test_left_mirrors_right(category: str) -> None:
    names = generated_labels(category)
    assert names.parts[0] == "background"
    for name, mirror in zip(names.keypoints, names.mirror, strict=True):
        swapped = re.sub("left|right", lambda side: "right" if side[0] == "left" else "left", name)
        assert names.keypoints[mirror] == swapped


def test_a_table_of_names_is_believed(root: Path) -> None:
    write_labels(made(root, category="chair"), CHAIR, MINE)
    text = (root / "labels" / f"{CHAIR}.json").read_text()
    assert text == ('{"parts": ["background", "top"], "keypoints": ["left", "middle", "right"], "mirror": [2, 1, 0]}')
    assert labels_of(root) == MINE
    assert part_names(open_dataset(root, "chair")) == ("background", "top")


def test_data_that_nobody_describes_have_no_names(root: Path) -> None:
    """As the official release: neither labels/ nor made/."""
    assert not (root / "labels").exists()
    assert labels_of(root) == LabelNames()
    with pytest.raises(InputError, match="whose data set names its parts"):
        part_names(open_dataset(root, "chair"))


def test_data_that_our_generator_made_before_there_were_tables(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made(root, category="chair", objects=4, version="2.3", families={"aa": "side"})
    pack = tmp_path_factory.mktemp("packs") / "old"
    pack_dataset(root, pack, progress=False)
    assert not (pack / "labels").exists()
    for data in (root, pack):
        assert labels_of(data).parts == CHAIR_PARTS
        assert labels_of(data).keypoints[16] == "seat centre"
        assert labels_of(data).mirror == CHAIR_MIRROR
        assert open_dataset(data, "chair").families == {"aa": "side"}


def test_data_of_annotated_meshes_before_there_were_tables(root: Path) -> None:
    """Their names are those of their annotations; what mirrors what is known where they have the generator's names."""
    about = {"annotations": ["AnnotationTable"], "part_names": ["background", "cushion"]}
    ours = list(generated_labels("chair").keypoints)
    assert labels_of(made(root, **about, keypoint_names=ours)) == LabelNames(
        ("background", "cushion"), tuple(ours), CHAIR_MIRROR
    )
    assert labels_of(made(root, **about, keypoint_names=["a", "b"])) == LabelNames(
        ("background", "cushion"), ("a", "b")
    )
    assert labels_of(made(root, annotations=[])) == LabelNames()


def test_a_pack_carries_the_names(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    write_labels(root, CHAIR, MINE)
    pack = tmp_path_factory.mktemp("packs") / "new"
    pack_dataset(root, pack, progress=False)
    assert labels_of(pack) == MINE
    assert json.loads((pack / "index.json").read_text())["files"].keys() >= {f"labels/{CHAIR}.json"}


@pytest.mark.parametrize(
    "content",
    ["[]", '{"parts": [1]}', '{"parts": 3}', '{"keypoints": ["a", "b"], "mirror": [0, 0]}',
     '{"keypoints": ["a"], "mirror": [1, 0]}', "{"],
)  # fmt: skip
def test_broken_tables_are_named(root: Path, content: str) -> None:
    (root / "labels").mkdir()
    (root / "labels" / f"{CHAIR}.json").write_text(content)
    with pytest.raises(InputError, match=rf"labels/{CHAIR}\.json (is no table of label names|cannot be read)"):
        open_dataset(root, "chair")
