"""How well shape is known: silhouettes, thin parts and colours of unseen objects, from one picture with its camera.

    python benchmarks/shape.py --data DATA --category chair car --checkpoint chair-car RUN/checkpoint

The own view and three new ones of each test object. Thin is what a 5 x 5 opening of the exact silhouette removes;
its recall is the share of it that has alpha above 0.5. PSNR is over the whole picture.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

import featurenerf
from featurenerf.data.open import open_dataset

LEAST_THIN = 20
"""Pixels of thin parts that a picture must have to count for their recall."""


def thin_parts(mask: torch.Tensor) -> torch.Tensor:
    """Pixels of a mask (H, W) that an opening with a square of 5 x 5 pixels removes."""
    eroded = -F.max_pool2d(-F.pad(mask[None, None].float(), (2,) * 4), 5, 1)
    return mask & ~(F.max_pool2d(F.pad(eroded, (2,) * 4), 5, 1)[0, 0] > 0.5)


@torch.no_grad()
def measured(model: featurenerf.Model, data: Path, category: str, objects: int, source: int, new: list[int]) -> str:
    rows: dict[str, list[tuple[float, float, float]]] = {"own view": [], "new views": []}
    for views in tqdm(open_dataset(data, category, "test")[:objects], desc=category):
        pictures = {v: torch.from_numpy(views.picture(v)).float() / 255 for v in (source, *new)}
        field = model.encode(pictures[source].permute(2, 0, 1), views.camera(source))
        for view, picture in pictures.items():
            seen = field.render(views.camera(view), ["rgb", "alpha"])
            found, true = seen["alpha"][..., 0] > 0.5, picture[..., 3] > 0.5
            thin = thin_parts(true)
            recall = (found & thin).sum() / thin.sum() if thin.sum() >= LEAST_THIN else torch.tensor(torch.nan)
            overlap = (found & true).sum() / (found | true).sum()
            psnr = -10 * (seen["rgb"] - picture[..., :3] * picture[..., 3:]).square().mean().log10()
            kind = "own view" if view == source else "new views"
            rows[kind].append((float(overlap), float(recall), float(psnr)))
    means = {kind: np.nanmean(np.array(values), 0) for kind, values in rows.items()}
    return "; ".join(f"{kind} IoU {m[0]:.3f}, thin {m[1]:.3f}, PSNR {m[2]:.1f}" for kind, m in means.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--category", nargs="+", default=["chair", "car"])
    parser.add_argument("--checkpoint", nargs="+", default=["chair-car"])
    parser.add_argument("--objects", type=int, default=16)
    parser.add_argument("--source", type=int, default=3, help="number of the view that is encoded")
    parser.add_argument("--new", type=int, nargs="+", default=[8, 13, 0])
    args = parser.parse_args()
    for checkpoint in args.checkpoint:
        model = featurenerf.load(checkpoint)
        for category in args.category:
            found = measured(model, args.data, category, args.objects, args.source, args.new)
            print(f"{checkpoint} {category}: {found}")


if __name__ == "__main__":
    main()
