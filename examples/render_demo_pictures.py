"""Render the pictures of the demo (src/featurenerf/assets/pictures) from your own copy of their meshes.

    apt-get download sweethome3d-furniture && dpkg -x sweethome3d-furniture_*.deb furniture
    python examples/render_demo_pictures.py furniture --out pictures

The Debian package carries meshes under Creative Commons licences; this script reads them where they are, and writes
the pictures, the part labels of the sources, pictures.json and ATTRIBUTION.md. No mesh is part of featurenerf.

Parts and keypoints are annotated on the mesh, in the package's frame (+x front, +y left, z up, diagonal 1): a part is
the group of a face, refined by where on the object a pixel lies; a keypoint is a 3D point, kept where it is in sight.
"""

from __future__ import annotations

import argparse
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from featurenerf.cameras import Camera
from featurenerf.synthesis.meshes.files import Axis, group_names, load_mesh
from featurenerf.synthesis.meshes.renderer import RenderScene, render_view
from featurenerf.synthesis.objects import CATEGORIES

SIZE = 256
IN_SIGHT = 0.03
"""A keypoint is in sight where the surface is no nearer to the camera than the keypoint less this distance."""
PALETTE = (0, 0, 0, 78, 121, 167, 242, 142, 43, 89, 161, 79, 225, 87, 89, 118, 183, 178, 237, 201, 72)
LIBRARIES = {
    "Scopia": ("Scopia Visual Interfaces Systems, s.l. (http://www.scopia.es)", "CC BY 3.0", "by/3.0/"),
    "KatorLegaz": ("Andrew Kator & Jennifer Legaz", "CC BY 3.0 US", "by/3.0/us/"),
}
"""Author and licence of the libraries in the package (its copyright file names them)."""

Point = tuple[float, float, float]
BACK, SEAT, LEG, ARM = 1, 2, 3, 4
BODY, HOOD, ROOF, WHEEL, WINDOW, LIGHT = 1, 2, 3, 4, 5, 6


@dataclass(frozen=True)
class Demo:
    """A mesh of the package and how it is shown.

    Attributes:
        model: path in the library's archive; ``up`` and ``front`` are its axes.
        groups: part of the groups whose name contains the key; the others are part 1.
        refine: (n, 3) points and their (n,) parts to better parts.
        sided, central: 3D keypoints; a sided one is the left one, its mirror image is the right one.
    """

    name: str
    category: str
    library: str
    model: str
    azimuth: float
    up: Axis = "y"
    front: Axis = "z"
    elevation: float = 20.0
    groups: dict[str, int] = field(default_factory=dict)
    refine: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    sided: dict[str, Point] = field(default_factory=dict)
    central: dict[str, Point] = field(default_factory=dict)

    def keypoints(self) -> dict[str, Point]:
        left = {f"{name} left": at for name, at in self.sided.items()}
        right = {f"{name} right": (x, -y, z) for name, (x, y, z) in self.sided.items()}
        return left | right | self.central


def dining_chair_parts(points: np.ndarray, parts: np.ndarray) -> np.ndarray:
    x, y, z = points.T
    post = (z < -0.01) & (np.abs(y) > 0.145) & ((x > 0.155) | (x < -0.135))
    return np.select([z > 0.008, post, z > -0.068], [BACK, LEG, SEAT], LEG)


def teak_armchair_parts(points: np.ndarray, parts: np.ndarray) -> np.ndarray:
    x, y, z = points.T
    side = np.abs(y) > 0.155
    arm = side & (((z > 0.03) & (x > -0.122)) | ((z > -0.06) & (x > 0.19)))
    post = side & ((x > 0.2) | (x < -0.105))
    return np.select([arm, (z > -0.06) & (x < -0.07), (z > -0.105) & ~post], [ARM, BACK, SEAT], LEG)


def hatchback_parts(points: np.ndarray, parts: np.ndarray) -> np.ndarray:
    x, y, z = points.T
    roof = (z > 0.128) & (x < 0.1) & (np.abs(y) < 0.12)
    hood = (x > 0.19) & (x < 0.4) & (np.abs(y) < 0.13) & (z > 0.03 - 0.16 * (x - 0.19))
    return np.select([parts != BODY, roof, hood], [parts, ROOF, HOOD], BODY)


DEMOS = (
    Demo(
        "dining_chair", "chair", "Scopia", "scopia/chair4/chair4.obj", azimuth=35,
        refine=dining_chair_parts,
        sided={
            "seat front": (0.2, 0.186, -0.012), "seat back": (-0.13, 0.172, -0.005),
            "back top": (-0.195, 0.175, 0.4), "back bottom": (-0.145, 0.17, 0.03),
            "leg tip front": (0.205, 0.185, -0.4), "leg tip back": (-0.165, 0.17, -0.4),
        },
        central={
            "seat centre": (0.03, 0, 0.002), "back top centre": (-0.185, 0, 0.4), "back centre": (-0.185, 0, 0.25),
        },
    ),
    Demo(
        "teak_armchair", "chair", "Scopia", "scopia/silla_teca/silla_teca.obj", azimuth=-35, front="x",
        refine=teak_armchair_parts,
        sided={
            "seat front": (0.235, 0.15, -0.075), "seat back": (-0.105, 0.155, -0.065),
            "back top": (-0.225, 0.2, 0.365), "back bottom": (-0.12, 0.17, -0.03),
            "leg tip front": (0.235, 0.2, -0.365), "leg tip back": (-0.16, 0.2, -0.365),
            "arm front": (0.25, 0.19, 0.06), "arm back": (-0.11, 0.19, 0.065),
        },
        central={
            "seat centre": (0.06, 0, -0.075), "back top centre": (-0.225, 0, 0.35), "back centre": (-0.15, 0.025, 0.14),
        },
    ),
    Demo("striped_chair", "chair", "Scopia", "scopia/chair3/chair3.obj", azimuth=50),
    Demo("office_chair", "chair", "KatorLegaz", "katorlegaz/office-chair/office-chair.obj", azimuth=25),
    Demo(
        "hatchback", "car", "Scopia", "scopia/seat_leon/seat_leon.obj", azimuth=40,
        groups={"cristales": WINDOW, "llantas": WHEEL, "neumaticos": WHEEL, "faros": LIGHT},
        refine=hatchback_parts,
        sided={
            "wheel front": (0.255, 0.175, -0.085), "wheel back": (-0.27, 0.175, -0.085),
            "headlight": (0.39, 0.115, -0.01), "taillight": (-0.41, 0.12, 0.03),
            "windshield bottom": (0.165, 0.133, 0.052), "roof front": (0.032, 0.108, 0.134),
            "roof back": (-0.28, 0.1, 0.13), "rear window bottom": (-0.4, 0.105, 0.078), "mirror": (0.11, 0.19, 0.05),
        },
        central={
            "bumper front centre": (0.43, 0, -0.07), "bumper back centre": (-0.43, 0, -0.06),
            "hood front centre": (0.4, 0, 0.012), "roof centre": (-0.1, 0, 0.15),
        },
    ),
    Demo("beetle", "car", "KatorLegaz", "katorlegaz/VW-new-beetle/VW-new-beetle.obj", azimuth=-40),
    Demo("people_carrier", "car", "Scopia", "scopia/renault-scenic/renault-scenic.obj", azimuth=60),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "package", type=Path, help="where sweethome3d-furniture was unpacked, or / where it is installed"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--azimuth", type=float, help="show every object from this azimuth instead of its own")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    records = {}
    with TemporaryDirectory() as meshes:
        for library in LIBRARIES:
            archive = args.package / "usr/share/sweethome3d/furniture" / f"{library}.sh3f"
            if not archive.is_file():
                parser.error(f"there is no {archive}: unpack the Debian package sweethome3d-furniture there first")
            with zipfile.ZipFile(archive) as content:
                content.extractall(Path(meshes) / library)
        for demo in DEMOS:
            azimuth = demo.azimuth if args.azimuth is None else args.azimuth
            records[demo.name] = show(demo, Path(meshes) / demo.library / demo.model, azimuth, args.out)
            print(args.out / f"{demo.name}.png")
    (args.out / "pictures.json").write_text(json.dumps(records, indent=2) + "\n")
    (args.out / "ATTRIBUTION.md").write_text(attribution())


def show(demo: Demo, path: Path, azimuth: float, out: Path) -> dict[str, object]:
    """Write one object's picture, and its part labels where it has them; returns its record in pictures.json."""
    parts = {g: next((p for key, p in demo.groups.items() if key in g), 1) for g in group_names(path)}
    scene = RenderScene(load_mesh(path, up=demo.up, front=demo.front, parts=parts))
    camera = Camera.look_at(azimuth, demo.elevation, SIZE, SIZE)
    view = render_view(scene, camera)
    Image.fromarray(view.picture, "RGBA").save(out / f"{demo.name}.png", optimize=True)
    author, licence, deed = LIBRARIES[demo.library]
    record: dict[str, object] = {
        "file": f"{demo.name}.png",
        "category": demo.category,
        "azimuth": azimuth,
        "elevation": demo.elevation,
        "author": author,
        "licence": licence,
        "licence_url": f"https://creativecommons.org/licenses/{deed}",
    }
    if demo.refine is None:
        return record

    seen = view.depth > 0
    depth = torch.from_numpy(view.depth)
    points = camera.unproject(camera.pixels(), depth).numpy()[seen]
    labels = np.zeros((SIZE, SIZE), np.uint8)
    labels[seen] = demo.refine(points, view.parts[seen])
    picture = Image.fromarray(labels, "P")
    picture.putpalette(PALETTE)
    picture.save(out / f"{demo.name}_parts.png", optimize=True)

    named = demo.keypoints()
    known = CATEGORIES[demo.category].keypoint_names
    assert set(named) <= set(known), (
        f"{demo.name}: {sorted(set(named) - set(known))} are no keypoints of a {demo.category}"
    )
    at = torch.tensor(list(named.values()), dtype=torch.float32)
    xy, distance = camera.project(at)
    hits = scene.cast(*(np.ascontiguousarray(r.numpy()) for r in camera.rays_through(xy)))
    shown = np.isfinite(hits.distances) & (np.abs(hits.distances - distance.numpy()) < IN_SIGHT)
    record["parts_file"] = f"{demo.name}_parts.png"
    record["part_names"] = list(CATEGORIES[demo.category].part_names)
    record["keypoints"] = {
        name: [round(float(x), 1), round(float(y), 1)] for name, (x, y), s in zip(named, xy, shown, strict=True) if s
    }
    return record


def attribution() -> str:
    rows = []
    for demo in DEMOS:
        author, licence, deed = LIBRARIES[demo.library]
        licence = f"[{licence}](https://creativecommons.org/licenses/{deed})"
        rows.append(f"| `{demo.name}.png` | `{demo.library}.sh3f: {demo.model}` | {author} | {licence} |")
    return "\n".join(
        [
            "# Attribution of the pictures",
            "",
            "These pictures and part labels are not under the licence of featurenerf: each is under the licence of the",
            "3D model that it shows. The models come with the Debian package",
            "[sweethome3d-furniture](https://packages.debian.org/stable/sweethome3d-furniture) (1.8).",
            "What was done: the model was centred, scaled, turned, and rendered at 256 x 256 pixels by",
            "`examples/render_demo_pictures.py`; the part labels and keypoints that it projects were added by hand.",
            "No endorsement by the authors, or by the makers of the things shown, is implied.",
            "",
            "| picture | model | author | licence |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
