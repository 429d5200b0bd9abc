"""Export an object's surface as points that carry descriptors, and find a place on it by similarity.

    python examples/03_export_points.py                        # a car that ships with the package
    python examples/03_export_points.py my_car.png --out mine.ply

Any PLY viewer shows the colours; ``featurenerf.studio.export.read_ply`` (or a PLY reader) gives the descriptors back. A
picture beside the file shows the points from three sides: their colours, and how similar each is to one of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import featurenerf
from featurenerf.pictures import to_tensor
from featurenerf.studio import export, figures

SIZE = 256
"""Of the drawn points, in pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", type=Path, help="any picture of a chair or a car")
    parser.add_argument("--checkpoint", default="chair-car", help="directory, or name of one that ships")
    parser.add_argument("--out", type=Path, default=Path("points.ply"))
    args = parser.parse_args()

    model = featurenerf.load(args.checkpoint)
    if args.picture is None:
        shipped = featurenerf.examples["hatchback"]
        picture, camera = to_tensor(shipped), shipped.camera()
    else:
        picture, camera = featurenerf.prepare(args.picture), featurenerf.Camera.look_at()
    field = model.encode(picture, camera)

    cloud = export.point_cloud(field, most=5000)
    export.write_ply(args.out, cloud)
    size = cloud.points.max(0) - cloud.points.min(0)
    print(f"{len(cloud.points)} points in a box of {_text(size)} (x front, y left, z up)")

    again = export.read_ply(args.out)
    descriptors = torch.from_numpy(again.descriptor)  # (N, D)
    query = descriptors[:1]  # the first point's; take any other point's, or another object's
    index, score = featurenerf.match(query, descriptors[1:])
    found = again.points[1:][int(index)]
    print(f"most similar to the point at {_text(again.points[0])}: the one at {_text(found)}, by {float(score):.3f}")
    print(args.out.resolve())

    alike = torch.nn.functional.cosine_similarity(descriptors, query).clamp(0, 1).unsqueeze(1)  # (N, 1)
    heat = (1 - alike) * torch.tensor([0.85, 0.85, 0.85]) + alike * torch.tensor([0.84, 0.37, 0.0])
    around = figures.around(35, 20, count=3, size=SIZE)
    places, colors = torch.from_numpy(again.points), torch.from_numpy(again.rgb)
    rows = {
        "colour": [_drawn(places, colors, at) for at in around],
        "similarity": [_drawn(places, heat, at) for at in around],
    }
    drawn = args.out.with_suffix(".png")
    figures.sheet(rows).save(drawn)
    print(drawn.resolve())


def _drawn(places: torch.Tensor, colors: torch.Tensor, camera: featurenerf.Camera) -> Image.Image:
    """Points (N, 3) of colours (N, 3) as squares of three pixels, the nearest above the others."""
    page = np.full((SIZE, SIZE, 3), 252, np.uint8)
    xy, depth = camera.project(places)
    for number in depth.argsort(descending=True).tolist():
        x, y = xy[number].floor().int().tolist()
        page[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = (255 * colors[number]).byte().numpy()
    return Image.fromarray(page)


def _text(numbers: np.ndarray) -> str:
    return "(" + ", ".join(f"{number:.2f}" for number in numbers) + ")"


if __name__ == "__main__":
    main()
