"""``featurenerf data``: make a data set, render one from meshes, pack one, look at one, check one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from featurenerf.cli.arguments import commands
from featurenerf.cli.data_make import make
from featurenerf.cli.data_render import render
from featurenerf.errors import InputError

Root = Annotated[
    str, tyro.conf.Positional, tyro.conf.arg(help="folder of the data set, a pack, or the address of a pack.")
]
Category = Annotated[str | None, tyro.conf.arg(help="name or synset; by default all that are there.")]
Splits = Annotated[Path | None, tyro.conf.arg(help="folder of the split files; by default ``splits`` of the data set.")]


def pack(
    root: Annotated[Path, tyro.conf.Positional],
    out: Path,
    category: Category = None,
    shard_size: int = 64,
    splits: Splits = None,
) -> None:
    """Pack a data set into tar shards that every verb reads from disk, from the web or from object storage.

    Stopped half-way, the same command takes the work up again.

    Args:
        root: folder of the data set, as `featurenerf data make` makes it.
        out: folder of the pack.
        shard_size: megabytes of a shard; the files of one object are never apart.
    """
    from featurenerf.data.formats.pack import pack_dataset

    packed = pack_dataset(root, out, category, shard_size * 10**6, splits)
    objects, size = (sum(shard[key] for shard in packed.shards) for key in ("nsamples", "filesize"))
    print(f"{out}: {objects} objects in {len(packed.shards)} shards, {size / 1e6:.1f} MB")


def info(root: Root, category: Category = None, splits: Splits = None) -> None:
    """Print what a data set holds: families, parts, keypoints, objects, views, bytes."""
    from featurenerf.data.overview import describe, info_table

    print(info_table(describe(root, category, splits)))


def view(
    root: Root,
    out: Path,
    category: str | None = None,
    objects: int = 6,
    views: int = 6,
    split: Literal["train", "val", "test"] | None = None,
    seed: int = 0,
    splits: Splits = None,
) -> None:
    """Draw a sheet of random objects and views, with their parts and keypoints.

    Args:
        out: the picture to write (PNG).
        category: name or synset; may be left out where there is only one.
        objects: how many objects.
        views: how many views of each.
        split: where the objects are drawn from; by default all splits.
        seed: another seed draws others.
    """
    from featurenerf.files import write_bytes, writing
    from featurenerf.pictures import to_png
    from featurenerf.studio.contact_sheet import contact_sheet

    if out.is_dir():
        raise InputError(f"--out {out} is a folder: name the picture that is to be written")
    page = contact_sheet(root, category, objects, views, split, seed, splits)
    with writing(out):
        write_bytes(out, to_png(page))
    print(out)


def check(root: Root, category: Category = None, splits: Splits = None) -> None:
    """Read every file of a data set and name those that are missing or broken; the exit code is 2 if there are any."""
    from featurenerf.data.check import check_dataset

    problems = check_dataset(root, category, splits)
    for problem in problems:
        print(problem)
    if problems:
        raise InputError(f"{root}: {len(problems)} problems, named above: make or download these files again")
    print(f"{root}: no problems")


main = commands("data", __doc__, {verb.__name__: verb for verb in (make, render, pack, info, view, check)})
