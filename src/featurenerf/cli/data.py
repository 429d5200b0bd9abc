"""``featurenerf data``: make a data set, render one from meshes, pack one, look at one, check one."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Annotated, Literal

import tyro

from featurenerf.cli.arguments import postponed, read
from featurenerf.cli.data_render import render
from featurenerf.errors import InputError


def make(
    out: Path,
    category: tuple[str, ...] = ("chair",),
    objects: int = 200,
    views: int = 50,
    seed: int = 0,
    size: int = 128,
    workers: int = 2,
) -> None:
    """Make a data set of procedural objects: pictures, cameras, parts, keypoints, splits and pairs.

    Stopped half-way, the same command takes the work up again.

    Args:
        out: folder of the data set; it may hold other categories already.
        category: one or several of the categories that have a generator.
        objects: number of objects of each category; 70 % for training, 10 % for validation, 20 % for testing.
        views: pictures of each object.
        seed: another seed makes other objects.
        size: width and height of the pictures, in pixels.
        workers: processes, each on one core; the files do not depend on their number.
    """
    from featurenerf.data.make import Recipe, make_dataset

    for name in category:  # all of them are looked at before the first is made
        Recipe(name, objects, views, seed, size)
    for name in category:
        split = make_dataset(out, name, objects, views, seed, size, workers)
        print(
            f"{out}: {name}, {len(split.train)} objects for training, {len(split.val)} for validation, "
            f"{len(split.test)} for testing, {views} views each"
        )


def pack(
    root: Annotated[Path, tyro.conf.Positional],
    out: Path,
    category: str | None = None,
    shard_size: int = 64,
    splits: Path | None = None,
) -> None:
    """Pack a data set into tar shards that every verb reads from disk, from the web or from object storage.

    Stopped half-way, the same command takes the work up again.

    Args:
        root: folder of the data set, as `featurenerf data make` makes it.
        out: folder of the pack.
        category: name or synset; by default all that are there.
        shard_size: megabytes of a shard; the files of one object are never apart.
        splits: folder of the split files; by default ``splits`` of the data set.
    """
    from featurenerf.data.pack import pack_dataset

    packed = pack_dataset(root, out, category, shard_size * 10**6, splits)
    objects, size = (sum(shard[key] for shard in packed.shards) for key in ("nsamples", "filesize"))
    print(f"{out}: {objects} objects in {len(packed.shards)} shards, {size / 1e6:.1f} MB")


def info(root: Annotated[str, tyro.conf.Positional], category: str | None = None, splits: Path | None = None) -> None:
    """Print what a data set holds: families, parts, keypoints, objects, views, bytes.

    Args:
        root: folder of the data set, a pack, or the address of a pack.
        category: name or synset; by default all that are there.
        splits: folder of the split files; by default ``splits`` of the data set.
    """
    from featurenerf.data.overview import describe, info_table

    print(info_table(describe(root, category, splits)))


def view(
    root: Annotated[str, tyro.conf.Positional],
    out: Path,
    category: str | None = None,
    objects: int = 6,
    views: int = 6,
    split: Literal["train", "val", "test"] | None = None,
    seed: int = 0,
    splits: Path | None = None,
) -> None:
    """Draw a sheet of random objects and views, with their parts and keypoints.

    Args:
        root: folder of the data set, a pack, or the address of a pack.
        out: the picture to write (PNG).
        category: name or synset; may be left out where there is only one.
        objects: how many objects.
        views: how many views of each.
        split: where the objects are drawn from; by default all splits.
        seed: another seed draws others.
        splits: folder of the split files; by default ``splits`` of the data set.
    """
    from featurenerf.data.layout import replace_file
    from featurenerf.data.overview import contact_sheet

    if out.is_dir():
        raise InputError(f"--out {out} is a folder: name the picture that is to be written")
    page = BytesIO()
    contact_sheet(root, category, objects, views, split, seed, splits).save(page, "PNG")
    try:
        replace_file(out, page.getvalue())
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error}): give another --out") from error
    print(out)


def check(root: Annotated[str, tyro.conf.Positional], category: str | None = None, splits: Path | None = None) -> None:
    """Read every file of a data set and name those that are missing or broken; the exit code is 2 where there are any.

    Args:
        root: folder of the data set, a pack, or the address of a pack.
        category: name or synset; by default all that are there.
        splits: folder of the split files; by default ``splits`` of the data set.
    """
    from featurenerf.data.check import check_dataset

    problems = check_dataset(root, category, splits)
    for problem in problems:
        print(problem)
    if problems:
        raise InputError(f"{root}: {len(problems)} problems, named above: make or download these files again")
    print(f"{root}: no problems")


def main(argv: list[str]) -> None:
    """Runs ``featurenerf data ARGV``."""
    verbs = {
        "make": postponed(make),
        "render": postponed(render),
        "pack": postponed(pack),
        "info": postponed(info),
        "view": postponed(view),
        "check": postponed(check),
    }
    parse = tyro.extras.subcommand_cli_from_dict
    read(parse, verbs, prog="featurenerf data", description=__doc__, args=argv)()
