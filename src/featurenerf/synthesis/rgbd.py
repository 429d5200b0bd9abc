"""RGB-D frames of generated objects, for the task ``camera-space`` (``evaluation.camera_space`` says the format)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from featurenerf.cameras import Camera
from featurenerf.data.labels import generated_labels
from featurenerf.files import write_json
from featurenerf.synthesis.meshes.appearance import Lighting
from featurenerf.synthesis.meshes.renderer import RenderScene, render_view
from featurenerf.synthesis.objects import generate

WIDTH, HEIGHT, FOCAL = 320, 240, 300.0
ALIKE = 0.02
"""A turn is a symmetry where it puts 98 of 100 vertices, and all keypoints, so near to others (diagonals)."""


def write_frames(folder: Path, category: str, frames: int, pairs: int, seed: int = 0) -> Path:
    """Frames of so many objects, one of each, and pairs of different ones; returns the list, ``CATEGORY.json``.

    Objects have diagonals of 0.3 to 1.2 m and stand 1.3 to 2.2 diagonals away, seen from 10 to 40 degrees above.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng([seed, len(category), *category.encode()])
    records = [_frame(folder, category, number, seed, random) for number in range(frames)]
    drawn = [random.choice(frames, 2, replace=False).tolist() for _ in range(pairs)]
    path = folder / f"{category}.json"
    names = list(generated_labels(category).keypoints)
    write_json(path, {"keypoints": names, "frames": records, "pairs": drawn})
    return path


def _frame(folder: Path, category: str, number: int, seed: int, random: np.random.Generator) -> dict[str, Any]:
    mesh = generate(category, seed, number)
    diagonal = float(random.uniform(0.3, 1.2))
    pose = Camera.look_at(random.uniform(-180, 180), random.uniform(10, 40), distance=random.uniform(1.3, 2.2)).pose
    camera = Camera.from_pose(pose, FOCAL, WIDTH, HEIGHT)
    seen = render_view(RenderScene(mesh, Lighting.random(random)), camera)
    slant = ((camera.pixels() - camera.principal) / camera.focal).square().sum(-1).add(1).sqrt().numpy()
    millimetres = 1000 * diagonal * seen.depth / slant
    name = f"{category}_{number}"
    Image.fromarray(seen.picture).save(folder / f"{name}.png")
    Image.fromarray(millimetres.round().clip(0, 65535).astype(np.uint16)).save(folder / f"{name}_depth.png")
    to_camera = np.linalg.inv(pose.numpy().astype(np.float64))
    opencv = np.array([1, -1, -1])
    points = {
        str(key): (diagonal * opencv * (to_camera[:3, :3] @ place + to_camera[:3, 3])).round(5).tolist()
        for key, place in mesh.keypoints.items()
    }
    return {
        "object": name,
        "picture": f"{name}.png",
        "depth": f"{name}_depth.png",
        "depth_unit": 0.001,
        "diagonal": round(diagonal, 5),
        "intrinsics": [[FOCAL, 0, WIDTH / 2 - 0.5], [0, FOCAL, HEIGHT / 2 - 0.5], [0, 0, 1]],
        "keypoints": points,
        "symmetries": symmetries(np.asarray(mesh.vertices), mesh.keypoints),
    }


def symmetries(
    vertices: Float[np.ndarray, "v 3"], keypoints: dict[int, Float[np.ndarray, " 3"]]
) -> list[dict[str, int]]:
    """To which keypoint each goes in the quarter turns about the upright axis that leave an object as it is."""
    from scipy.spatial import cKDTree

    numbers, places = list(keypoints), np.array([*keypoints.values()]).reshape(-1, 3)
    found = []
    for quarter in (1, 2, 3):
        turn = np.linalg.matrix_power(np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]), quarter)
        off = cKDTree(vertices).query(vertices @ turn.T)[0]
        distance, index = cKDTree(places).query(places @ turn.T) if len(places) else (np.ones(1), np.zeros(1, int))
        if np.mean(off < ALIKE) >= 0.98 and (distance < ALIKE).all():
            found.append({str(number): numbers[i] for number, i in zip(numbers, index.tolist(), strict=True)})
    return found
