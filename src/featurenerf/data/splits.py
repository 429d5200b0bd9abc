"""Which objects are for training, validation and testing, and which views are compared: split files.

train, val, test        ids of objects
cross_inst_pairs        {src, trg, view}: two objects, the view of one index
cross_view_pairs        {model_id, src_view, trg_view}: one object, two views
cross_pose_pairs        {src, trg, src_view, trg_view}: two objects, two views; the official files have none
valid_flags_for_test    whether the annotations of a test object can be used
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from featurenerf.data.storage import DataPath, read_json
from featurenerf.errors import InputError
from featurenerf.files import write_json
from featurenerf.limits import parsing

SPLITS = ("train", "val", "test")
PairList = Literal["cross_inst_pairs", "cross_view_pairs", "cross_pose_pairs"]
PAIR_LISTS: tuple[PairList, ...] = get_args(PairList)


@dataclass(frozen=True)
class Pair:
    """Two views that are compared, of two objects or of one; ``also`` are further views of the source object."""

    source_id: str
    source_view: int
    target_id: str
    target_view: int
    also: tuple[int, ...] = ()

    @classmethod
    def from_record(cls, record: Any) -> Pair:
        """A pair from any of the forms that split files have.

        Raises:
            InputError: for anything else.
        """
        try:
            ids = ("model_id", "model_id") if "model_id" in record else ("src", "trg")
            views = ("view", "view") if "view" in record else ("src_view", "trg_view")
            also = tuple(int(view) for view in record.get("also", ()))
            return cls(str(record[ids[0]]), int(record[views[0]]), str(record[ids[1]]), int(record[views[1]]), also)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{record!r} is no pair: it needs src, trg and view; or model_id, src_view and trg_view; "
                "or src, trg, src_view and trg_view"
            ) from error

    def record(self) -> dict[str, Any]:
        """The shortest of the forms that hold the pair; ``also`` is there where there are such views."""
        views: dict[str, Any] = {"src_view": self.source_view, "trg_view": self.target_view}
        if self.also:
            views["also"] = list(self.also)
        if self.source_id == self.target_id:
            return {"model_id": self.source_id, **views}
        if self.source_view == self.target_view and not self.also:
            views = {"view": self.source_view}
        return {"src": self.source_id, "trg": self.target_id, **views}


@dataclass(frozen=True)
class Split:
    """The objects of a category, and pairs of test objects. ``origin`` is the file that it was read from, if any."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    cross_inst_pairs: tuple[Pair, ...] = ()
    cross_view_pairs: tuple[Pair, ...] = ()
    cross_pose_pairs: tuple[Pair, ...] = ()
    valid_flags_for_test: dict[str, bool] | None = None
    origin: str = field(default="", compare=False)

    def ids(self, split: str) -> tuple[str, ...]:
        """The objects of ``train``, ``val`` or ``test``."""
        if split not in SPLITS:
            raise InputError(f"there is no split {split!r}; there are train, val and test")
        return getattr(self, split)

    def only(self, ids: Collection[str]) -> Split:
        """The split without other objects and without their pairs."""
        kept: dict[str, Any] = {split: tuple(name for name in self.ids(split) if name in ids) for split in SPLITS}
        for pairs in PAIR_LISTS:
            both = (pair for pair in getattr(self, pairs) if pair.source_id in ids and pair.target_id in ids)
            kept[pairs] = tuple(both)
        flags = {name: flag for name, flag in (self.valid_flags_for_test or {}).items() if name in ids}
        return Split(**kept, valid_flags_for_test=flags)


def write_split(path: Path, split: Split) -> None:
    write_json(
        path,
        {
            **{name: list(split.ids(name)) for name in SPLITS},
            **{pairs: [pair.record() for pair in getattr(split, pairs)] for pairs in PAIR_LISTS},
            "valid_flags_for_test": split.valid_flags_for_test or dict.fromkeys(split.test, True),
        },
    )


def read_split(path: DataPath) -> Split:
    """Raises InputError where the file is missing, is not JSON or lacks what a split file has."""
    content = read_json(path)
    needed = "it needs the lists train, val and test of object ids, and pairs as in the FeatureNeRF release"
    with parsing(f"{path} is not a split file", needed):
        lists: dict[str, Any] = {name: tuple(map(_object_id, content[name])) for name in SPLITS}
        lists |= {name: tuple(map(Pair.from_record, content.get(name, ()))) for name in PAIR_LISTS}
        flags = {_object_id(name): bool(flag) for name, flag in content.get("valid_flags_for_test", {}).items()}
        return Split(**lists, valid_flags_for_test=flags, origin=str(path))


def _object_id(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not an object id")
    return value
