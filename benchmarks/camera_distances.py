"""What encoding loses where the camera stands nearer or further than the canonical one, and through other lenses.

Generated objects that the checkpoint was not trained on, one picture each, three new views of the canonical camera:

    python benchmarks/camera_distances.py

It takes about ten minutes on one busy core. A line a lens and distance: PSNR of the views (mean over objects), error of
``coordinate`` at the surface that the picture shows, in diagonals, of chairs and of cars.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator

import numpy as np
import torch

import featurenerf
from featurenerf import Camera, Model
from featurenerf.synthesis.meshes.renderer import Lighting, RenderScene, render_view
from featurenerf.synthesis.objects import generate

DISTANCES = (0.9, 1.0, 1.3, 2.0, 2.6, 4.0, 6.0)
WIDTH, HEIGHT = 640, 480
LENSES = {"phone (26 mm)": 462.0, "robot (RealSense D435)": 615.0, "tele (77 mm)": 1369.0}
"""Focal lengths in pixels of a picture 640 wide; of a phone and a tele, those of 36 mm film."""
NEW_VIEWS = ((80, 25), (150, 35), (-60, 15))


def cameras() -> Iterator[tuple[str, float, Camera]]:
    """The sources: the same framing from every distance, then each lens from where the sphere fits its picture."""
    for distance in DISTANCES:
        fov = 2 * math.degrees(math.atan(math.tan(math.radians(49.13) / 2) * 1.3 / distance))
        yield "same framing", distance, Camera.look_at(35, 20, distance=distance, fov=fov)
    for lens, focal in LENSES.items():
        fov = 2 * math.degrees(math.atan(WIDTH / 2 / focal))
        for distance in DISTANCES:
            if focal / distance < HEIGHT:
                yield lens, distance, Camera.look_at(35, 20, WIDTH, HEIGHT, distance=distance, fov=fov)


@torch.no_grad()
def scores(model: Model, scene: RenderScene, camera: Camera, views: list[tuple[Camera, torch.Tensor]]) -> list[float]:
    """PSNR of new views, and error of coordinates on the surface that the picture shows."""
    shown = render_view(scene, camera)
    field = model.encode(torch.from_numpy(shown.picture).permute(2, 0, 1).float() / 255, camera)
    errors = [float((field.render(view, ["rgb"]).rgb - truth).square().mean()) for view, truth in views]
    new = [-10 * math.log10(error) for error in errors]
    depth = torch.from_numpy(shown.depth)
    points = camera.unproject(camera.pixels(), depth)[depth > 0][::7]
    error = (field.query(points, channels=["coordinate"]).coordinate - points).norm(dim=-1).mean()
    return [float(np.mean(new)), float(error)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=2, help="of each category")
    objects = parser.parse_args().objects
    model = featurenerf.load()
    found: dict[tuple[str, float], dict[str, list[list[float]]]] = {}
    for category in ("chair", "car"):
        for index in range(objects):
            scene = RenderScene(generate(category, 990, index), Lighting.random(np.random.default_rng([5, index])))
            views = []
            for azimuth, elevation in NEW_VIEWS:
                view = Camera.look_at(azimuth, elevation)
                truth = torch.from_numpy(render_view(scene, view).picture).float() / 255
                views.append((view, truth[..., :3] * truth[..., 3:]))
            for lens, distance, camera in cameras():
                rows = found.setdefault((lens, distance), {})
                rows.setdefault(category, []).append(scores(model, scene, camera, views))
                print(category, index, lens, distance, rows[category][-1], file=sys.stderr, flush=True)
    print("| lens | distance | chairs: PSNR, dB | error | cars: PSNR, dB | error |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for (lens, distance), rows in found.items():
        cells = [f"{loudness:.2f} | {error:.3f}" for loudness, error in (np.mean(rows[c], 0) for c in ("chair", "car"))]
        print(f"| {lens} | {distance} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
