"""Which objects are for training, validation and testing, in the ways in which data sets publish it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from featurenerf.categories import category_name
from featurenerf.data.formats.release import split_file
from featurenerf.data.splits import Split, read_split
from featurenerf.data.storage import read_file, read_json
from featurenerf.errors import InputError
from featurenerf.limits import parsing

_NAMES = ("train", "val", "test")


def read_split_lists(folder: Path | str, synset: str) -> Split:
    """The split of one category; pairs only where the files have them.

    Args:
        folder: holds one of these.
            ``<synset>.json``: a split file of this program or of the FeatureNeRF release;
            ``all.csv``: ShapeNet's, with the columns synsetId, modelId and split;
            ``train.txt``, ``val.txt``, ``test.txt``: KeypointNet's lines ``<synset>-<id>``;
            ``shuffled_train_file_list.json`` and so on: ShapeNet Part's ``"shape_data/<synset>/<id>"``;
            ``Chair.train.json`` and so on: PartNet's ``{anno_id, model_id}``.
    Raises:
        InputError: it holds none of them, or the category is not in them.
    """
    folder = Path(folder)
    path = split_file(folder, synset, folder)
    if path.is_file():
        return read_split(path)
    title = category_name(synset).capitalize()
    forms = {"{}.txt": _keypointnet, "shuffled_{}_file_list.json": _shapenet_part, f"{title}.{{}}.json": _partnet}
    if (folder / "all.csv").is_file():
        lists = _shapenet(folder / "all.csv", synset)
    else:
        for form, reader in forms.items():
            files = [folder / form.format(name) for name in _NAMES]
            if all(file.is_file() for file in files):
                lists = [reader(file, synset) for file in files]
                break
        else:
            raise InputError(
                f"{folder} holds no split of {title}: give a folder with {path.name}, all.csv, train.txt, "
                f"shuffled_train_file_list.json or {title}.train.json"
            )
    train, val, test = (tuple(dict.fromkeys(ids)) for ids in lists)
    if not train and not test:
        raise InputError(f"{folder}: the split lists no object of {title} ({synset})")
    return Split(train, val, test)


def _keypointnet(path: Path, synset: str) -> list[str]:
    parts = (line.strip().split("-", 1) for line in _text(path).splitlines() if line.strip())
    return [part[1] for part in parts if len(part) == 2 and part[0] == synset]


def _shapenet_part(path: Path, synset: str) -> list[str]:
    return [str(name).split("/")[-1] for name in _json_list(path) if str(name).split("/")[-2:-1] == [synset]]


def _partnet(path: Path, synset: str) -> list[str]:
    try:
        return [str(entry["model_id"]) for entry in _json_list(path)]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is not a list of annotations with a model_id: download it again") from error


def _shapenet(path: Path, synset: str) -> list[list[str]]:
    with parsing(f"{path} lacks the columns synsetId, modelId and split, or a value of them"):
        rows = [row for row in csv.DictReader(_text(path).splitlines()) if row["synsetId"].zfill(8) == synset]
        return [[row["modelId"] for row in rows if row["split"] == name] for name in _NAMES]


def _json_list(path: Path) -> list[Any]:
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(f"{path} is not a list: download it again")
    return content


def _text(path: Path) -> str:
    content = read_file(path)
    with parsing(f"{path} cannot be read"):
        return content.decode()
