"""``featurenerf lift``: a picture to novel views, a turntable, a point cloud and a mesh."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro

from featurenerf.cli.arguments import Checkpoint, Device, Flag, Force, command, loaded, mask_of, print_files
from featurenerf.data.formats import captures
from featurenerf.errors import InputError, MissingExtraError
from featurenerf.models.base import Model
from featurenerf.studio.lift import LiftSettings
from featurenerf.studio.prepare import Hints

HINTS = ("--box", "--point", "--object", "--network")
"""The options that fill ``Hints``, in its order."""


def lift(
    picture: Annotated[Path, tyro.conf.Positional],
    out: Path,
    settings: Annotated[LiftSettings, tyro.conf.arg(name="")],
    checkpoint: Checkpoint = None,
    mask: Path | None = None,
    no_mask: Flag = False,
    box: tuple[float, float, float, float] | None = None,
    point: tuple[float, float] | None = None,
    object: int | None = None,
    network: str | None = None,
    device: Device = "auto",
    workers: int | None = None,
    source_views: tuple[int, ...] | None = None,
    up: str | None = None,
    front: str | None = None,
    path: Path | None = None,
    force: Force = False,
) -> None:
    """Turn a picture of an object, each of a folder, or several with cameras into novel views, a turntable, a point
    cloud and a mesh that carry descriptors.

    Args:
        picture: the picture file, a folder of them, or a capture: a transforms.json, or a folder with that or with a
            COLMAP model. An alpha channel tells where the object is; a plain background is recognised; anything else
            needs --mask, or the extra `mask` (pip install 'featurenerf[mask]').
        out: folder to make; one that an earlier lift made is replaced.
        settings: what to make.
        mask: picture file of the same size, white where the object is.
        no_mask: take the picture as it is, neither masked nor cropped.
        box: left, top, right and bottom of a box around the object, in pixels of the photograph.
        point: x and y of a place on the object, in pixels of the photograph.
        object: which object, where the picture shows several: 1 is the largest.
        network: what finds the object: birefnet, birefnet-lite, isnet, u2net or u2netp, NAME:PATH, or an ONNX file.
        workers: pictures of a folder that are lifted at a time; by default one a core.
        source_views: numbers of the pictures of a capture that are encoded, in turn; by default three of them.
        up: direction in the world of a capture, such as z or "0,-1,0" (--up=-y); by default found from the cameras.
        front: where the object's front points, likewise; by default estimated from the first picture.
        path: a transforms.json whose cameras a film is taken with, in the world of the capture, or of the object.
    """
    where = mask_of(mask, no_mask)
    if picture.is_dir() and mask is not None and not captures.recognises(picture):
        raise InputError("--mask is of one picture, not of a folder: give pictures with transparency")
    hints: Hints = {"box": box, "point": point, "number": object, "network": network}
    hinted = [name for name, value in zip(HINTS, hints.values(), strict=True) if value is not None]
    if hinted and (mask is not None or no_mask):
        raise InputError(f"{hinted[0]} helps to find the object; --mask or --no-mask says it already: give one of them")
    is_capture = captures.names_capture(picture)
    if hinted and (is_capture or picture.is_dir()):
        raise InputError(f"{hinted[0]} is of one picture, not of a folder or capture: lift its pictures one by one")
    wrong = {"--mask": mask, "--no-mask": no_mask or None} if is_capture else {
        "--source-views": source_views, "--up": up, "--front": front
    }  # fmt: skip
    if given := [name for name, value in wrong.items() if value is not None]:
        kind = "a capture" if is_capture else "a picture without cameras"
        raise InputError(f"{given[0]} does not go with {kind}: leave it out")
    model = loaded(checkpoint, device, force)
    try:
        if is_capture:
            _lift_capture(picture, out, model, source_views, up, front, settings, path)
            return
        if picture.is_dir():
            if path is not None:
                raise InputError("--path is of one picture or capture, not of a folder of pictures")
            _lift_folder(picture, out, model, no_mask, settings, workers)
            return
        from featurenerf.studio.lift import lift as make

        made = make(picture, out, model, mask=where, settings=settings, path=path, **hints)
    except MissingExtraError as error:
        raise InputError(f"{error} (--mask FILE; or --no-mask where the picture is cropped already)") from error
    if (seen := made.report["objects"]) is not None and len(seen["boxes"]) > 1:
        print(_others(**seen))
    print(_camera(made.report["camera"]))
    print_files(made.folder, made.report)


def _lift_capture(
    picture: Path,
    out: Path,
    model: Model,
    source_views: tuple[int, ...] | None,
    up: str | None,
    front: str | None,
    settings: LiftSettings,
    path: Path | None,
) -> None:
    from featurenerf.studio.captures import lift_capture

    made = lift_capture(picture, out, model, pictures=source_views, up=up, front=front, settings=settings, path=path)
    world = made.report["world"]
    print(f"up {world['up']}; front {world['front']}; box from {world['silhouettes']} silhouettes")
    for step in made.report["views"]:
        added = "" if step["added_db"] is None else f" ({step['added_db']:+.2f} dB)"
        names = ", ".join(map(str, step["pictures"]))
        print(f"pictures {names}: {step['psnr']:.2f} dB{added} on {len(made.report['held_back'])} that were held back")
    print_files(made.folder, made.report)


def _lift_folder(
    pictures: Path, out: Path, model: Model, no_mask: bool, settings: LiftSettings, workers: int | None
) -> None:
    from featurenerf.studio.folder import lift_folder

    done = lift_folder(pictures, out, model, mask="none" if no_mask else None, settings=settings, workers=workers)
    for path, place in done.made.items():
        print(f"{place}: {path}")
    if done.failed:
        name, why = next(iter(done.failed.items()))
        every = len(done.made) + len(done.failed)
        raise InputError(f"{len(done.failed)} of {every} pictures could not be lifted, such as {name}: {why}")


def _others(boxes: list[list[int]], taken: int) -> str:
    """That a picture shows several objects, and how to get another of them."""
    listed = "; ".join(f"{number} at {' '.join(map(str, box))}" for number, box in enumerate(boxes, 1))
    which = f"number {taken} was" if taken else "all of them, as its transparency says, were"
    return f"{len(boxes)} objects were found and {which} taken ({listed}): --object N takes another"


def _camera(camera: dict[str, Any]) -> str:
    """What a report says of the camera, in a sentence."""
    where = f"azimuth {camera['azimuth']:.0f}, elevation {camera['elevation']:.0f} degrees"
    if camera["how"] != "found":
        return f"camera {camera['how']} ({where})"
    roll = f", roll {camera['roll']:.0f}" if abs(camera["roll"]) >= 1 else ""
    sure = f"give or take {camera['uncertainty']:.0f}"
    others = ", ".join(f"{other['azimuth']:.0f}" for other in camera["alternatives"])
    perhaps = f"; the azimuth may also be {others}: give --azimuth and --elevation if you know them" if others else ""
    return f"camera found: {where}{roll}, {sure}{perhaps}"


main = command(lift)
