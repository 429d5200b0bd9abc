"""Labels and instances of a scene that is composed of several fields, rendered together.

    python examples/05_labels_of_a_scene.py                    # needs the extras data and train; about five minutes
    python examples/05_labels_of_a_scene.py --category car --minutes 10

Chairs are generated, and a field with a label branch is trained on them: besides density and colour it says which part
a point belongs to, as SemanticNeRF does. Pictures of three unseen chairs then become fields, which are moved side by
side into one world. One rendering shows colour, part and instance of each pixel, as PanopticNeRF does.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

import featurenerf
from featurenerf import Camera
from featurenerf.data.labels import generated_labels
from featurenerf.fields.edits import composed, transformed
from featurenerf.studio import figures
from featurenerf.synthesis.make import make_dataset
from featurenerf.synthesis.meshes.appearance import Lighting
from featurenerf.synthesis.meshes.renderer import RenderScene, render_view
from featurenerf.synthesis.objects import generate
from featurenerf.training.config import TrainConfig
from featurenerf.training.loop import train

SEEN_FROM = Camera.look_at(azimuth=35, elevation=20)
"""Where the pictures of the chairs are taken from."""

UNSEEN = 1000
"""Number of the first object that is shown; those with smaller numbers are trained on."""


def trained(args: argparse.Namespace, folder: Path) -> Path:
    """A checkpoint with a label branch; without a feature, so no teacher is needed."""
    data = folder / "data"
    make_dataset(data, args.category, args.objects, views=args.views, workers=2)
    budget = {"steps": args.steps} if args.steps else {"minutes": args.minutes}
    return train(TrainConfig(data, (args.category,), folder / "run", labels=True, feature_dim=0, processes=1, **budget))


def picture_of(category: str, number: int) -> tuple[torch.Tensor, np.ndarray]:
    """A generated object as (4, H, W), and the part labels of its pixels (H, W), which no field sees."""
    scene = RenderScene(generate(category, 0, number), Lighting.random(np.random.default_rng(number)))
    view = render_view(scene, SEEN_FROM)
    return torch.from_numpy(view.picture).permute(2, 0, 1).float() / 255, view.parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--category", default="chair", choices=("chair", "car"))
    parser.add_argument("--objects", type=int, default=60, help="generated objects to train on")
    parser.add_argument("--views", type=int, default=16, help="pictures of each")
    parser.add_argument("--minutes", type=float, default=3.0, help="of training")
    parser.add_argument("--steps", type=int, help="of training, instead of minutes")
    parser.add_argument("--checkpoint", help="one with a label branch, instead of training one")
    parser.add_argument("--out", type=Path, default=Path("labels_of_a_scene.png"))
    args = parser.parse_args()

    with TemporaryDirectory() as folder:
        model = featurenerf.load(args.checkpoint or trained(args, Path(folder)))
    pictures, known = zip(*(picture_of(args.category, UNSEEN + number) for number in range(3)), strict=True)
    chairs = [model.encode(picture, SEEN_FROM) for picture in pictures]
    places = torch.tensor([[0.0, -0.7, 0.0], [0.0, 0.0, 0.0], [0.0, 0.7, 0.0]])
    scene = composed([transformed(chair, translation=place) for chair, place in zip(chairs, places, strict=True)])

    views = [scene.render(Camera.look_at(azimuth, 25, 192, 192, distance=2.8)) for azimuth in (0, 45, 180)]
    solid = [view.alpha[..., 0] > 0.5 for view in views]
    parts = [view.label.argmax(-1) * there for view, there in zip(views, solid, strict=True)]
    instances = [(view.instance.argmax(-1) + 1) * there for view, there in zip(views, solid, strict=True)]
    for number, (chair, truth) in enumerate(zip(chairs, known, strict=True), 1):
        view = chair.render(SEEN_FROM, ["label", "alpha"])
        found, true = view.label.argmax(-1), torch.from_numpy(truth.astype(np.int64))
        right = (found == true)[true > 0].float().mean()
        print(f"chair {number}: {right:.0%} of the pixels that show a part have the right label")

    colors = [figures.color_picture(view) for view in views]
    drawn = {
        "colour": colors,
        "parts": [_tinted(color, labels) for color, labels in zip(colors, parts, strict=True)],
        "instances": [_tinted(color, labels) for color, labels in zip(colors, instances, strict=True)],
    }
    page = figures.sheet(drawn, ["0\N{DEGREE SIGN}", "45\N{DEGREE SIGN}", "180\N{DEGREE SIGN}"], cell=256)
    names = generated_labels(args.category).parts
    figures.with_legends(page, names, set(torch.stack(parts).unique().tolist()), ()).save(args.out)
    print(args.out.resolve())


def _tinted(picture: Image.Image, labels: torch.Tensor) -> Image.Image:
    return figures.draw_parts(picture, labels, 256)


if __name__ == "__main__":
    main()
