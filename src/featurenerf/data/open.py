"""Opening a data set: which format reads what."""

from __future__ import annotations

from pathlib import Path

from featurenerf.data.formats import captures, co3d, release, spair, srn
from featurenerf.data.objects import Dataset, Format
from featurenerf.data.splits import SPLITS
from featurenerf.data.storage import DataPath, data_root
from featurenerf.errors import InputError
from featurenerf.registry import Registry

FORMATS = Registry(
    "format", Format, {module.FORMAT.name: module.FORMAT for module in (srn, co3d, spair, captures, release)}
)
"""A folder is read by the first of these that recognises it; packs are releases."""


def open_dataset(
    root: DataPath | str,
    category: str,
    split: str = "train",
    splits_dir: Path | str | None = None,
    *,
    skip_broken: bool = False,
    progress: bool = True,
) -> Dataset:
    """The objects of a split, whatever format they are in; reads what lists them only.

    Args:
        root: the data set's folder, in one of ``FORMATS``; a pack of a release, or the address of a pack (https://...,
            s3://..., anything that fsspec knows).
        category: name ("chair") or synset ("03001627").
        split: "train", "val" or "test".
        splits_dir: folder of the split files; by default the data set's own.
        skip_broken: read every file of every object first, and leave out those with a broken one.
        progress: show how far that has come.
    Raises:
        InputError: no such folder, category or split, or an empty split.
    """
    where = data_root(root)
    dataset = format_of(where).open_split(where, category, split, None if splits_dir is None else Path(splits_dir))
    if not dataset.objects:
        raise InputError(f"the {split} split of {category} in {where} is empty: take another split")
    return dataset.without_broken(progress=progress) if skip_broken else dataset


def open_splits(root: DataPath | str, category: str, splits_dir: Path | str | None = None) -> dict[str, Dataset]:
    """The splits of a category that have objects.

    Raises:
        InputError: none has any.
    """
    found, problem = {}, None
    for split in SPLITS:
        try:
            found[split] = open_dataset(root, category, split, splits_dir)
        except InputError as error:
            problem = error
    if not found and problem is not None:
        raise problem
    return found


def format_of(root: DataPath) -> Format:
    """The format of a data set. What none recognises is taken for a release, which says what it lacks."""
    if isinstance(root, Path):
        for known in FORMATS.own.values():  # first: to look for those of other packages takes 20 ms
            if known.recognises(root):
                return known
        for name in FORMATS.names():
            if FORMATS[name].recognises(root):
                return FORMATS[name]
    return release.FORMAT
