"""Export an object's surface as points that carry descriptors, and find a place on it by similarity.

    python examples/03_export_points.py                        # a car that ships with the package
    python examples/03_export_points.py my_car.png --out mine.ply

Any PLY viewer shows the colours; ``featurenerf.studio.export.read_ply`` (or a PLY reader) gives the descriptors back.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

import featurenerf
from featurenerf.pictures import to_tensor
from featurenerf.studio import export


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


def _text(numbers: np.ndarray) -> str:
    return "(" + ", ".join(f"{number:.2f}" for number in numbers) + ")"


if __name__ == "__main__":
    main()
