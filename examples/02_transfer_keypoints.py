"""Carry the keypoints and parts that were marked on one picture to a picture of another object.

    python examples/02_transfer_keypoints.py                                      # chairs that ship with the package
    python examples/02_transfer_keypoints.py --source hatchback --target beetle

Nothing is trained on these objects: each mark goes to the place with the most similar descriptor.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

import featurenerf
from featurenerf.data.labels import generated_labels
from featurenerf.studio import figures

SIZE = 256
"""Of the shipped pictures, in pixels."""


def main() -> None:
    pictures = featurenerf.examples
    marked = [name for name, picture in pictures.items() if picture.parts is not None]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", choices=marked, default="dining_chair")
    parser.add_argument("--target", choices=list(pictures), default="office_chair")
    parser.add_argument("--checkpoint", default="chair-car", help="directory, or name of one that ships")
    parser.add_argument("--out", type=Path, default=Path("transfer_keypoints.png"))
    args = parser.parse_args()
    source, target = pictures[args.source], pictures[args.target]

    model = featurenerf.load(args.checkpoint)
    source_field = model.encode(source, source.camera())
    target_field = model.encode(target, target.camera())
    names = list(source.keypoints)
    keypoints = torch.tensor(list(source.keypoints.values()))  # (K, 2): x, y
    xy, score = featurenerf.transfer_keypoints(source_field, target_field, keypoints)
    parts = featurenerf.transfer_parts(source_field, target_field, source.parts)
    for name, place, similarity in zip(names, xy.tolist(), score.tolist(), strict=True):
        print(f"{name:24} -> ({place[0]:5.1f}, {place[1]:5.1f})   similarity {similarity:.2f}")

    figure = figures.transfer_figure(
        figures.Panel(f"{source.title} (marked by hand)", source.on_paper(SIZE), keypoints, source.parts),
        [figures.Panel(target.title, target.on_paper(SIZE), xy, parts)],
        names,
        generated_labels(source.category).parts,
    )
    figure.save(args.out)
    print(args.out.resolve())


if __name__ == "__main__":
    main()
