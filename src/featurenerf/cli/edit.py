"""``featurenerf edit``: a part of an object takes another colour, another object's texture or shape, or goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from featurenerf.cli.arguments import Checkpoint, Device, Flag, Force, command, loaded, mask_of, print_files
from featurenerf.errors import InputError
from featurenerf.studio.edit import EditSettings, Kind
from featurenerf.studio.formats import ExportSettings

if TYPE_CHECKING:
    from featurenerf.fields.regions import Region
    from featurenerf.studio.parts import Subject


def edit(
    picture: Annotated[Path, tyro.conf.Positional],
    out: Path,
    settings: Annotated[EditSettings, tyro.conf.arg(name="")],
    exports: Annotated[ExportSettings, tyro.conf.arg(name="")],
    edit: Kind = "texture",
    part: str | None = None,
    like: Path | None = None,
    labels: Path | None = None,
    like_labels: Path | None = None,
    part_names: tuple[str, ...] = (),
    click: tuple[float, float] | None = None,
    threshold: float = 0.8,
    painted: Path | None = None,
    words: tuple[str, ...] = (),
    teacher: str | None = None,
    color: str | None = None,
    azimuth: float | None = None,
    elevation: float | None = None,
    like_azimuth: float | None = None,
    like_elevation: float | None = None,
    mask: Path | None = None,
    like_mask: Path | None = None,
    no_mask: Flag = False,
    checkpoint: Checkpoint = None,
    device: Device = "auto",
    force: Force = False,
) -> None:
    """Edit a part of the object that a picture shows: in 3D, so that it is the same from all sides.

    Where the part is, one of these says: --part with labels of either picture, --click, --painted, or --words.

    Args:
        picture: picture of the object that is edited.
        out: folder to make; one that an earlier edit made is replaced.
        settings: what to show.
        exports: what to write of the edited object.
        edit: texture: the part takes the colours of the part of the object in --like; replace: its shape, too;
            recolor: the part takes --color; remove: the part goes; isolate: all else goes.
        part: name of the part, or its number in the labels.
        like: picture of another object, from which texture or shape are taken.
        labels: PNG of numbers (palette or grey, 0 = none) in the pixels of the picture. A picture that ships with the
            package has its own.
        like_labels: such a PNG for the picture of --like, instead or as well.
        part_names: names of the numbers 1, 2, ...; otherwise a JSON file beside the labels says them.
        click: x and y of a pixel of the picture: the part is what is like it.
        threshold: how much like the click, as a cosine similarity.
        painted: JSON file with points in space and the radius of a brush.
        words: the part in a word, and at least one word for what it is not; needs a checkpoint whose teacher has a
            text side.
        teacher: where that teacher's weights are, if not where they were in training.
        color: as in CSS, such as "#3070c0" or teal.
        azimuth: where the picture was taken from, in degrees: 0 is the object's front, 90 its left side.
        elevation: degrees above the ground plane.
        like_azimuth: the same of --like.
        like_elevation: the same of --like.
        mask: picture file of the same size, white where the object is.
        like_mask: the same of --like.
        no_mask: take both pictures as they are, neither masked nor cropped.
    """
    from featurenerf.models.checkpoint import DEFAULT
    from featurenerf.studio.edit import edit as make
    from featurenerf.studio.parts import read_labels, subject

    ways = {"--part": part is not None, "--click": click is not None, "--painted": painted is not None}
    ways["--words"] = bool(words)
    given = [name for name, there in ways.items() if there]
    if len(given) != 1:
        wrong = f"{' and '.join(given)} contradict each other" if given else "nothing says which part is meant"
        raise InputError(f"{wrong}: give one of {', '.join(ways)}")
    for name, wanted, there in (
        ("--like", edit in ("texture", "replace"), like),
        ("--color", edit == "recolor", color),
    ):
        if wanted and there is None:
            raise InputError(f"--edit {edit} needs {name}")
    where, where_like = mask_of(mask, no_mask), mask_of(like_mask, no_mask)
    if like is None and like_labels is not None:
        raise InputError("--like-labels needs --like, the picture that they belong to")
    known = None if labels is None else read_labels(labels, part_names)
    theirs = None if like_labels is None else read_labels(like_labels, part_names)
    model = loaded(checkpoint, device, force)
    of = subject(model, picture, labels=known, mask=where, azimuth=azimuth, elevation=elevation)
    other = None
    if like is not None:
        other = subject(model, like, labels=theirs, mask=where_like, azimuth=like_azimuth, elevation=like_elevation)
    region = _region(of, click, threshold, painted, words, checkpoint or DEFAULT, teacher)
    made = make(of, out, edit, part=part, region=region, like=other, color=color, settings=settings, exports=exports)
    print_files(made.folder, made.report)


def _region(
    of: Subject,
    click: tuple[float, float] | None,
    threshold: float,
    painted: Path | None,
    words: tuple[str, ...],
    checkpoint: str,
    teacher: str | None,
) -> Region | None:
    """Where the part is, if not by labels."""
    from featurenerf.studio.parts import clicked, read_painted

    if click is not None:
        return clicked(of, *click, threshold)
    if painted is not None:
        return read_painted(painted)
    if words:
        from featurenerf.teachers.word_search import Named, WordSearch

        return Named(WordSearch.of(checkpoint, teacher), words)
    return None


main = command(edit)
