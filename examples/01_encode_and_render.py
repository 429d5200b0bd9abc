"""Encode one picture and look at the field from new sides.

    python examples/01_encode_and_render.py                      # a chair that ships with the package
    python examples/01_encode_and_render.py my_chair.png --out mine.png

Writes a sheet of views: colour, depth, and descriptors as colours.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

import featurenerf
from featurenerf.pictures import to_tensor
from featurenerf.studio import figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", type=Path, help="any picture of a chair or a car")
    parser.add_argument("--checkpoint", default="chair-car", help="directory, or name of one that ships")
    parser.add_argument("--out", type=Path, default=Path("encode_and_render.png"))
    args = parser.parse_args()

    model = featurenerf.load(args.checkpoint)
    if args.picture is None:  # this one's camera is known, and it is a canonical picture already
        shipped = featurenerf.examples["dining_chair"]
        picture, camera = to_tensor(shipped), shipped.camera()
    else:  # masked, cropped and scaled; its heading is unknown, so the world is that of an assumed camera
        picture = featurenerf.prepare(args.picture)
        camera = featurenerf.Camera.look_at()

    field = model.encode(picture, camera)
    azimuth = 35 if args.picture is None else 0
    views = figures.render_views(field, figures.around(azimuth, 20, count=6))
    points = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.45]])  # (2, 3): the centre, and a place above it
    density = field.query(points, channels=["density"])["density"]
    print(f"density at the centre {density[0]:.3g}, above the object {density[1]:.3g} per unit of length")
    print(f"the field has {', '.join(f'{name} ({size})' for name, size in field.channels.items())}")

    colors = figures.DescriptorColors.fit(views)
    near, far = figures.depth_range(views)
    rows = {
        "colour": [figures.picture_on_paper(picture), *(figures.color_picture(v) for v in views)],
        "depth": [None, *(figures.depth_picture(v, near, far) for v in views)],
        "descriptor": [None, *(figures.descriptor_picture(v, colors) for v in views)],
    }
    figures.sheet(rows, ["picture", *(f"{60 * i:+d}\N{DEGREE SIGN}" for i in range(6))]).save(args.out)
    print(args.out.resolve())


if __name__ == "__main__":
    main()
