"""What fields look like: an unseen object, the view that was encoded, another one, and what the field shows there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from featurenerf.benchmark.cells import Cell, Made
from featurenerf.data.open import open_dataset
from featurenerf.files import write_bytes
from featurenerf.models.checkpoint import load
from featurenerf.pictures import composite_bytes, from_bytes, to_png
from featurenerf.studio.figures import (
    DescriptorColors,
    color_picture,
    descriptor_picture,
    picture_on_paper,
    render_views,
    sheet,
)

SIDE = 64
"""Of the renders, in pixels: a picture of the paper's field takes seconds so."""
COLUMNS = ("encoded", "real", "rendered", "descriptors")


def strip(cell: Cell, out: Path) -> Path:
    """The pictures of the field of an evaluation, as one file, which is made once; its path."""
    (training,) = [n for n in cell.needs if n.kind == "train"]
    path = out / "pictures" / f"{training.key}.png"
    if path.is_file():
        return path
    where = cell.arguments[cell.arguments.index("--data") + 1]
    root = where.path(out) if isinstance(where, Made) else where
    views = open_dataset(root, cell.about["category"], "test")[0]
    model = load(training.made(out) / "checkpoint")
    shown = min(1, len(views) - 1)
    source, target = (np.asarray(views.picture(view)) for view in (0, shown))
    with torch.no_grad():
        field = model.encode(from_bytes(composite_bytes(source)), views.camera(0))
        (seen,) = render_views(field, [views.camera(shown).resize(SIDE, SIDE)])
    real = [picture_on_paper(from_bytes(p)) for p in (source, target)]
    try:
        colors = descriptor_picture(seen, DescriptorColors.fit([seen]))
    except ValueError:  # it shows nothing yet
        colors = None
    write_bytes(path, to_png(sheet({"": [*real, color_picture(seen), colors]}, COLUMNS, cell=128)))
    return path
