"""Folders of pictures, with one model: encoded one after another, or lifted.

Pictures are worked on in threads, each of which computes on one core: that keeps all cores busy, which the many small
steps of one picture do not. As many pictures are in memory as there are threads, and as many fields again.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from PIL import Image

from featurenerf.cameras import Camera
from featurenerf.errors import InputError, MissingExtraError
from featurenerf.fields.volume import VolumeField
from featurenerf.files import REPORT, maker, write_json
from featurenerf.models.base import Model
from featurenerf.models.checkpoint import load
from featurenerf.pictures import to_tensor
from featurenerf.progress import Progress
from featurenerf.runtime import threads
from featurenerf.studio.lift import LiftSettings, lift
from featurenerf.studio.prepare import prepare

T = TypeVar("T")
Folder = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""A folder, whose pictures are taken in the order of their names, or the paths of pictures."""


def encode_folder(
    pictures: Folder,
    model: Model | None = None,
    *,
    camera: Camera | None = None,
    prepared: bool = False,
    skip_broken: bool = False,
    workers: int | None = None,
) -> Iterator[tuple[Path, VolumeField]]:
    """The fields of all pictures of a folder, one at a time and in the order of the pictures' names.

    Fields are made when they are asked for, a few ahead, and are not kept: memory does not grow with the folder.

    Args:
        pictures: a folder, or paths of pictures.
        model: None is the shipped checkpoint.
        camera: that took every picture; None finds that of each, as in ``Model.encode``.
        prepared: take the pictures as they are, neither masked nor cropped.
        skip_broken: leave out pictures that cannot be read or show no object, with a warning each.
        workers: threads; None is one a core.
    Raises:
        InputError: for a folder without pictures; and for one that cannot be encoded, unless such are skipped.
    """
    paths = pictures_of(pictures)
    model = load() if model is None else model
    return _fields(paths, model, camera, prepared, skip_broken, workers)


def _fields(
    paths: Sequence[Path], model: Model, camera: Camera | None, prepared: bool, skip: bool, workers: int | None
) -> Iterator[tuple[Path, VolumeField]]:
    def encode(path: Path) -> VolumeField:
        with torch.no_grad():
            return model.encode(to_tensor(path) if prepared else prepare(path), camera)

    for path, found in _in_threads(encode, paths, workers):
        try:
            field = found()
        except InputError as error:
            if not skip:
                raise InputError(f"{path} cannot be encoded: {error}") from error
            warnings.warn(f"{path} is left out: {error}", stacklevel=2)
            continue
        yield path, field


@dataclass(frozen=True)
class LiftedFolder:
    """What ``lift_folder`` made.

    Attributes:
        folder: where the folders of the pictures are.
        made: the folder of each picture that was lifted, by the picture's path.
        failed: why a picture was not, by its path.
    """

    folder: Path
    made: dict[Path, Path]
    failed: dict[Path, str]


def lift_folder(
    pictures: Folder,
    out: str | os.PathLike[str],
    model: Model | None = None,
    *,
    mask: Literal["none"] | None = None,
    settings: LiftSettings | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> LiftedFolder:
    """Lift all pictures of a folder, each into a folder of its own name within ``out``, which also gets a report.

    A picture that cannot be lifted is named in the result, and the others are lifted all the same.

    Args:
        pictures: a folder, or paths of pictures.
        out: the folder to make; an earlier call's folders of the same pictures are replaced.
        model, mask, settings: as in ``lift``.
        workers: threads; None is one a core.
    Raises:
        InputError: for a folder without pictures, or where ``out`` holds something else.
    """
    paths, out = pictures_of(pictures), Path(out)
    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or maker(out) == "lift_folder")):
        raise InputError(f"{out} holds something that lifting a folder did not make: give another folder")
    model = load() if model is None else model
    stems = Counter(path.stem for path in paths)
    places = {path: out / (path.stem if stems[path.stem] == 1 else path.name) for path in paths}
    write_json(out / REPORT, {"made_by": "lift_folder"})

    def work(path: Path) -> None:
        lift(path, places[path], model, mask=mask, settings=settings, progress=False)

    made: dict[Path, Path] = {}
    failed: dict[Path, str] = {}
    for path, found in Progress(
        _in_threads(work, paths, workers), "lift", len(paths), unit="picture", disable=not progress
    ):
        try:
            found()
            made[path] = places[path]
        except (InputError, MissingExtraError) as error:
            failed[path] = str(error)
    report = {
        "made_by": "lift_folder",
        "pictures": {place.name: str(path) for path, place in made.items()},
        "failed": {str(path): why for path, why in failed.items()},
    }
    write_json(out / REPORT, report, indent=2)
    return LiftedFolder(out, made, failed)


def pictures_of(pictures: Folder) -> list[Path]:
    """The paths that are meant.

    Raises:
        InputError: where there is no picture.
    """
    if not isinstance(pictures, (str, os.PathLike)):
        paths = [Path(path) for path in pictures]
        where = "the list"
    else:
        folder, endings = Path(pictures), {*Image.registered_extensions(), ".heic", ".heif"}
        if not os.path.isdir(folder):
            raise InputError(f"there is no folder {folder}: give a folder of pictures, or a list of their paths")
        files = (path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        paths, where = sorted(path for path in files if path.suffix.lower() in endings), str(folder)
    if not paths:
        raise InputError(f"{where} holds no picture: give a folder of PNG, JPEG or WebP files")
    return paths


def _in_threads(
    work: Callable[[Path], T], paths: Sequence[Path], workers: int | None
) -> Iterator[tuple[Path, Callable[[], T]]]:
    """What ``work`` makes of each path, in order: a function that returns it, or raises what went wrong.

    No more than one is begun ahead of those that the threads work on.
    """
    workers = min(workers or torch.get_num_threads(), len(paths))
    if workers < 1:
        raise InputError(f"workers is {workers}: give 1 or more")
    ahead: deque[tuple[Path, Future[Any]]] = deque()
    rest = iter(paths)
    with threads(max(1, torch.get_num_threads() // workers)), ThreadPoolExecutor(workers) as pool:
        try:
            while True:
                while len(ahead) < workers + 1 and (path := next(rest, None)) is not None:
                    ahead.append((path, pool.submit(work, path)))
                if not ahead:
                    return
                path, future = ahead.popleft()
                future.exception()  # waits
                yield path, future.result
                del future
        finally:
            for _, waiting in ahead:
                waiting.cancel()
