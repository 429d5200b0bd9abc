"""``featurenerf teachers cache``: the features that training will ask for, made beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from featurenerf.errors import InputError


def cache(
    data: str,
    out: Path,
    category: tuple[str, ...],
    teacher: str = "efficientnet-lite0",
    components: int = 64,
    precision: Literal["half", "byte"] = "half",
    views: int | None = None,
    splits: Path | None = None,
    device: str = "auto",
) -> None:
    """Put a teacher's features of a data set's training and validation pictures into a cache.

    Stopped half-way, the same command takes the work up again. `featurenerf train --cache OUT`, with the same data,
    categories and teacher, reads them.

    Args:
        data: the data set: a folder, a pack, or the address of a pack.
        out: folder of the cache.
        category: the categories that one model is to be trained on.
        teacher: NAME[@SETTING=VALUE,...][:PATH], see `featurenerf teachers list`.
        components: principal components that are kept: training's --feature-dim or more; 0 for all.
        precision: byte takes half the space and rounds a little; half is exact where components are --feature-dim.
        views: how many views of each object (the first); by default all.
        splits: folder of the split files; by default ``splits`` of the data set.
        device: where the teacher runs: cpu, cuda or mps; auto is the best that is usable.
    """
    from featurenerf.categories import category_name
    from featurenerf.data.open import open_dataset
    from featurenerf.runtime import has_bfloat16, usable_device
    from featurenerf.teachers import load_teacher, with_prompt
    from featurenerf.training.targets import TeacherTargets, fill_cache, open_cache

    if components < 0:
        raise InputError(f"--components {components}: give a number of components, or 0 for all of them")
    if views is not None and views < 1:
        raise InputError(f"--views {views} leaves no picture: give 1 or more")
    where = usable_device(device)
    train, val = ([o for name in category for o in open_dataset(data, name, part, splits)] for part in ("train", "val"))
    network = load_teacher(with_prompt(teacher, [category_name(name) for name in category])).to(where)
    asked = (out, network, train, components or network.dim)
    kept, projection = open_cache(*asked, bf16=has_bfloat16(where), precision=precision, progress=True)
    targets = TeacherTargets(network, projection, where, kept, bf16=True)
    filled = fill_cache(targets, [*train, *val], views)
    objects = len(train) + len(val)
    print(
        f"{out}: {len(kept)} pictures of {objects} objects, {kept.bytes / 1e6:.1f} MB, "
        f"{kept.bytes / objects / 1e6:.3f} MB an object\n"
        f"{len(projection.basis.T)} of {network.dim} components hold {100 * projection.explained:.1f} % of the variance"
    )
    if filled.cosine is not None:
        print(
            f"{filled.pictures} pictures made, {filled.pictures / filled.seconds:.1f} a second; "
            f"cosine to the full feature {filled.cosine:.4f}"
        )
