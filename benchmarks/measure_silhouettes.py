"""How large, and where, an object's outline lies in its canonical picture: the constants of ``featurenerf.pictures``.

    python benchmarks/measure_silhouettes.py chair car

Projects the vertices of 300 generated objects into canonical cameras at random azimuths and elevations of 10 to 30
degrees, from where things are photographed, and measures the box around them in units of the picture's side.
"""

from __future__ import annotations

import itertools
import sys

import numpy as np
import torch

from featurenerf.cameras import PICTURE_SIZE, Camera
from featurenerf.synthesis.objects import generate

ASPECTS = (0, 0.6, 0.8, 1, 1.2, 1.5, 2, 2.5, 4)
OBJECTS, VIEWS, SEED = 300, 8, 1000


def measure(category: str) -> dict[str, np.ndarray]:
    """Each quantity over all objects and views."""
    generator = np.random.default_rng(SEED)
    low, high = [], []
    for index in range(OBJECTS):
        vertices = torch.from_numpy(generate(category, SEED, index).vertices).float()
        for _ in range(VIEWS):
            camera = Camera.look_at(generator.uniform(0, 360), generator.uniform(10, 30))
            xy = camera.project(vertices)[0].numpy() / PICTURE_SIZE
            low.append(xy.min(0))
            high.append(xy.max(0))
    sides, centres = np.subtract(high, low), np.add(high, low) / 2
    return {
        "longest side": sides.max(1),
        "diagonal": np.linalg.norm(sides, axis=1),
        "root of the area": np.sqrt(sides.prod(1)),
        "aspect": sides[:, 0] / sides[:, 1],
        "centre x": centres[:, 0],
        "centre y": centres[:, 1],
    }


if __name__ == "__main__":
    measured = {name: measure(name) for name in sys.argv[1:] or ["chair", "car"]}
    for name, quantities in measured.items():
        for quantity, values in quantities.items():
            median, std = np.median(values), values.std()
            print(f"{name:8} {quantity:17} mean {values.mean():.3f}  median {median:.3f}  std {std:.3f}")
    aspects = np.concatenate([m["aspect"] for m in measured.values()])
    diagonals = np.concatenate([m["diagonal"] for m in measured.values()])
    for low, high in itertools.pairwise(ASPECTS):
        chosen = diagonals[(aspects >= low) & (aspects < high)]
        print(
            f"aspect {low} to {high}: diagonal mean {chosen.mean():.3f}  std {chosen.std():.3f}  ({len(chosen)} views)"
        )
