"""Labels and instances of a scene that is composed of several fields, rendered together.

    python examples/05_labels_of_a_scene.py                    # needs the extra data: chairs are generated and rendered
    python examples/05_labels_of_a_scene.py --category car --objects 24

The shipped model gets a label branch: beside density and colour its fields then say which part a point belongs to, as
in SemanticNeRF. Only the branch is trained, by cross-entropy of composited logits with the part labels of pictures of
generated objects. (``featurenerf train --labels`` trains a whole field so.) Pictures of three unseen objects become
fields, which are moved side by side into one world. One rendering shows colour, part and instance of each pixel, as in
PanopticNeRF.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import featurenerf
from featurenerf import Camera
from featurenerf.data.labels import generated_labels
from featurenerf.fields.edits import composed, transformed
from featurenerf.models import FastModel
from featurenerf.studio import figures
from featurenerf.synthesis.meshes.appearance import Lighting
from featurenerf.synthesis.meshes.renderer import RenderScene, render_view
from featurenerf.synthesis.objects import generate

SIZE = 64
"""Of the pictures with labels, in pixels."""
UNSEEN = 1000
"""Number of the first object that is shown; those with smaller numbers are trained on."""


def seen(category: str, number: int, cameras: list[Camera]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Pictures (4, H, W) of a generated object, and the part labels (H, W) of their pixels, 0 for none."""
    scene = RenderScene(generate(category, 0, number), Lighting.random(np.random.default_rng(number)))
    views = [render_view(scene, camera) for camera in cameras]
    return [
        (torch.from_numpy(view.picture).permute(2, 0, 1).float() / 255, torch.from_numpy(view.parts.astype(np.int64)))
        for view in views
    ]


def with_labels(model: FastModel, category: str, objects: int, passes: int) -> FastModel:
    """The model with a label branch; everything else stays as it is, and frozen."""
    torch.manual_seed(0)
    labelled = FastModel(replace(model.config, labels=tuple(generated_labels(category).parts)))
    labelled.load_state_dict(model.state_dict(), strict=False)  # all but the branch
    labelled.eval().requires_grad_(False)
    labelled.head.to_label.requires_grad_()
    optimizer = torch.optim.Adam(labelled.head.to_label.parameters(), lr=0.02)
    random = np.random.default_rng(0)
    for step in range(passes * objects):
        azimuth, elevation = random.uniform(-180, 180), random.uniform(5, 45)
        source, target = Camera.look_at(azimuth, elevation), Camera.look_at(azimuth + 40, elevation, SIZE, SIZE)
        (picture, _), (_, labels) = seen(category, step % objects, [source, target])
        view = labelled.encode(picture, source).render(target, ["label"])
        loss = torch.nn.functional.cross_entropy(view.label.flatten(0, 1), labels.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % objects == 0:
            print(f"step {step + 1}: cross-entropy {float(loss.detach()):.2f}")
    return labelled.requires_grad_(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--category", default="chair", choices=("chair", "car"))
    parser.add_argument("--objects", type=int, default=24, help="generated objects that the branch is trained on")
    parser.add_argument("--passes", type=int, default=5, help="over these objects, each time from another side")
    parser.add_argument(
        "--checkpoint", default="chair-car", help="of a fast field: directory, or name of one that ships"
    )
    parser.add_argument("--out", type=Path, default=Path("labels_of_a_scene.png"))
    args = parser.parse_args()

    model = with_labels(featurenerf.load(args.checkpoint), args.category, args.objects, args.passes)
    shown_from = Camera.look_at(azimuth=35, elevation=20)
    fields = []
    for number in range(3):
        ((picture, labels),) = seen(args.category, UNSEEN + number, [shown_from])
        fields.append(model.encode(picture, shown_from))
        found = fields[-1].render(shown_from, ["label"]).label.argmax(-1)
        right = (found == labels)[labels > 0].float().mean()
        print(f"object {number + 1}: {right:.0%} of the pixels that show a part have the right label")

    places = torch.tensor([[0.0, -0.7, 0.0], [0.0, 0.0, 0.0], [0.0, 0.7, 0.0]])
    scene = composed([transformed(field, translation=place) for field, place in zip(fields, places, strict=True)])
    views = [scene.render(Camera.look_at(azimuth, 25, 192, 192, distance=2.8)) for azimuth in (0, 45, 180)]
    solid = [view.alpha[..., 0] > 0.5 for view in views]
    parts = [view.label.argmax(-1) * there for view, there in zip(views, solid, strict=True)]
    instances = [(view.instance.argmax(-1) + 1) * there for view, there in zip(views, solid, strict=True)]

    colors = [figures.color_picture(view) for view in views]
    rows = {
        "colour": colors,
        "parts": [figures.draw_parts(color, labels, 256) for color, labels in zip(colors, parts, strict=True)],
        "instances": [figures.draw_parts(color, labels, 256) for color, labels in zip(colors, instances, strict=True)],
    }
    page = figures.sheet(rows, ["0\N{DEGREE SIGN}", "45\N{DEGREE SIGN}", "180\N{DEGREE SIGN}"], cell=256)
    names = generated_labels(args.category).parts
    figures.with_legends(page, names, set(torch.stack(parts).unique().tolist()), ()).save(args.out)
    print(args.out.resolve())


if __name__ == "__main__":
    main()
