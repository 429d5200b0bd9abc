"""``featurenerf demo``: lift the pictures that ship with the package, and carry keypoints and parts between them."""

from __future__ import annotations

from pathlib import Path

from featurenerf.cli.arguments import Checkpoint, Device, command, loaded


def demo(
    out: Path = Path("featurenerf-demo"),
    checkpoint: Checkpoint = None,
    frames: int = 24,
    grid: int = 80,
    device: Device = "auto",
) -> None:
    """Lift the pictures that ship with the package, and carry keypoints and parts between them; ends with a page.

    Args:
        out: folder to make; one that an earlier demo made is replaced.
        frames: of each turntable.
        grid: points a side of the cube in which meshes are looked for.
    """
    from featurenerf.studio.demo import make_demo
    from featurenerf.studio.lift import LiftSettings
    from featurenerf.studio.shipped import examples

    settings = LiftSettings(views=8, frames=frames, grid=grid, points=10000)
    print(make_demo(out, loaded(checkpoint, device, force=True), settings, [*examples.values()]).resolve())


main = command(demo)
