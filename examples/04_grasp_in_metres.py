"""Carry a grasp point from one object to others that an RGB-D camera sees, in that camera's frame and in metres.

    python examples/04_grasp_in_metres.py                     # needs the extra data: chairs are generated and rendered
    python examples/04_grasp_in_metres.py --category car --objects 5

A point is marked on one object: for a robot, where its gripper once held. Its descriptor is looked for on another
object, which was never seen, from its picture, depth map and intrinsics alone. What the generator knows of the same
point says how far off the answer is. No camera is given: each is found. The picture that is written shows the keypoints
of the first object, and where they were found on the others.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

import featurenerf
from featurenerf import Camera
from featurenerf.data.labels import generated_labels
from featurenerf.studio import figures
from featurenerf.synthesis.meshes.appearance import Lighting
from featurenerf.synthesis.meshes.renderer import RenderScene, render_view
from featurenerf.synthesis.objects import generate

WIDTH, HEIGHT, FOCAL = 320, 240, 300.0
DIAGONAL = 0.9
"""Metres that the diagonal of every object's bounding box has."""

LEAST_INLIERS = 0.5
"""An object whose depth map agrees less with its field is left alone."""


class Shot:
    """What an RGB-D camera takes of a generated object, and where the object truly is."""

    def __init__(self, category: str, number: int, azimuth: float, elevation: float, distance: float) -> None:
        mesh = generate(category, 7, number)
        pose = Camera.look_at(azimuth, elevation, distance=distance).pose
        camera = Camera.from_pose(pose, FOCAL, WIDTH, HEIGHT)
        seen = render_view(RenderScene(mesh, Lighting.random(np.random.default_rng(number))), camera)
        self.picture = torch.from_numpy(seen.picture).permute(2, 0, 1).float() / 255
        slant = ((camera.pixels() - camera.principal) / camera.focal).square().sum(-1).add(1).sqrt()
        self.depth = DIAGONAL * torch.from_numpy(seen.depth) / slant  # along the optical axis, in metres; 0 is none
        self.intrinsics = [[FOCAL, 0, WIDTH / 2 - 0.5], [0, FOCAL, HEIGHT / 2 - 0.5], [0, 0, 1]]
        self.keypoints = {number: torch.from_numpy(place).float() for number, place in mesh.keypoints.items()}
        self.world_to_camera = camera.world_to_camera

    def in_metres(self, place: torch.Tensor) -> torch.Tensor:
        """Where a point of the object's frame truly is, in the camera's frame (OpenCV axes)."""
        return DIAGONAL * self.world_to_camera(place[None])[0] * torch.tensor([1.0, -1.0, -1.0])

    def register(self, model: featurenerf.Model) -> featurenerf.Registration:
        self.ready, self.crop = featurenerf.prepare(self.picture, return_crop=True)
        lens = self.crop.camera(self.intrinsics)
        field = model.encode(self.ready, featurenerf.estimate_camera(self.ready, model, lens).camera)
        return field.register(self.depth, self.intrinsics, crop=self.crop)

    def drawn(self, title: str, points: dict[int, torch.Tensor], names: list[int]) -> figures.Panel:
        """The prepared picture with points of the camera's frame, a row for each of the names."""
        nowhere = torch.full((3,), torch.nan)
        x, y, z = torch.stack([points.get(name, nowhere) for name in names]).unbind(-1)
        pixels = torch.stack([FOCAL * x / z + WIDTH / 2, FOCAL * y / z + HEIGHT / 2], -1)
        return figures.Panel(title, figures.picture_on_paper(self.ready), self.crop.from_picture(pixels))


def surface(found: featurenerf.Registration) -> torch.Tensor:
    """Points in metres, all around the object, hidden ones too: where its field is solid."""
    steps = torch.linspace(-0.5, 0.5, 33)
    places = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    density = found.field.query(places, channels=("density",)).density
    return found.to_camera(places[density > 0.25 * density.max()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--category", choices=("chair", "car"), default="chair")
    parser.add_argument("--objects", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", default="chair-car", help="directory, or name of one that ships")
    parser.add_argument("--out", type=Path, default=Path("grasp_in_metres.png"))
    args = parser.parse_args()
    random, model = np.random.default_rng(args.seed), featurenerf.load(args.checkpoint)
    names = generated_labels(args.category).keypoints

    with torch.no_grad():
        shown = Shot(args.category, 1, 35, 25, 1.7)
        known = shown.register(model)
        print(f"the marked object: {known}")
        shared = sorted(shown.keypoints)
        marked = {keypoint: shown.in_metres(shown.keypoints[keypoint]) for keypoint in shared}
        panels = [shown.drawn("marked", marked, shared)]
        errors: dict[str, list[float]] = {}
        for number in range(2, args.objects + 2):
            other = Shot(
                args.category, number, random.uniform(-70, 70), random.uniform(10, 40), random.uniform(1.5, 2.2)
            )
            found = other.register(model)
            print(f"object {number}: {found}")
            if found.inliers < LEAST_INLIERS:
                print("  not taken: the depth map does not agree with what the field says")
                continue
            candidates = surface(found)
            described = found.describe(candidates)
            carried = {}
            for keypoint in sorted(marked.keys() & other.keypoints.keys()):
                index, score = featurenerf.match(known.describe(marked[keypoint][None]), described)
                carried[keypoint] = candidates[index[0]]
                error = float((carried[keypoint] - other.in_metres(other.keypoints[keypoint])).norm())
                errors.setdefault(names[keypoint], []).append(error)
                x, y, z = carried[keypoint].tolist()
                print(
                    f"  {names[keypoint]:24} at ({x:+.2f}, {y:+.2f}, {z:.2f}) m, similarity {float(score):.2f}: "
                    f"{100 * error:.0f} cm off"
                )
            panels.append(other.drawn(f"object {number}", carried, shared))
    if errors:
        every = [error for found_errors in errors.values() for error in found_errors]
        best = min(errors, key=lambda name: float(np.median(errors[name])))
        within = np.mean([error < 0.1 * DIAGONAL for error in every])
        print(
            f"{len(every)} points: median {100 * np.median(every):.0f} cm, "
            f"{within:.0%} within {100 * 0.1 * DIAGONAL:.0f} cm (a tenth of the diagonal); best: {best}"
        )
    figures.transfer_figure(panels[0], panels[1:], [names[keypoint] for keypoint in shared]).save(args.out)
    print(args.out.resolve())


if __name__ == "__main__":
    main()
