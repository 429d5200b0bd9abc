"""Where a part is: labels read, named and carried; clicks; painted places."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from analytic_field import part
from featurenerf.errors import InputError
from featurenerf.pictures import Square
from featurenerf.studio.parts import (
    PartLabels,
    Subject,
    clicked,
    labelled_part,
    read_labels,
    read_painted,
    share,
    subject,
    surface,
)
from featurenerf.studio.shipped import PICTURES
from side_view import MODEL, side_view, thirds


def write(path: Path, labels: np.ndarray) -> Path:
    Image.fromarray(labels).save(path)
    return path


# ---------------------------------------------------------------------- files


def test_labels_are_numbers_of_palette_or_grey_pictures(tmp_path: Path) -> None:
    numbers = np.array([[0, 1], [2, 7]], np.uint8)
    palette = Image.new("P", (2, 2))
    palette.putdata(numbers.ravel().tolist())
    palette.putpalette([255, 0, 0] * 256)
    palette.save(tmp_path / "p.png")
    for path in (write(tmp_path / "l.png", numbers), tmp_path / "p.png"):
        assert read_labels(path).labels.tolist() == [[0, 1], [2, 7]]
    deep = write(tmp_path / "i.png", np.array([[0, 300]], np.uint16))
    assert read_labels(deep).labels.tolist() == [[0, 300]]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (["seat", "leg"], {1: "seat", 2: "leg"}),
        (["background", "seat", "leg"], {0: "background", 1: "seat", 2: "leg"}),
        ({"2": "leg", "1": "seat"}, {1: "seat", 2: "leg"}),
    ],
)
def test_names_come_from_the_json_file_beside(tmp_path: Path, content: object, names: dict[int, str]) -> None:
    path = write(tmp_path / "B_parts.png", thirds(4, 4))
    (tmp_path / "B_parts.json").write_text(json.dumps(content))
    assert dict(read_labels(path).names) == names
    assert dict(read_labels(path, ["a", "b"]).names) == {1: "a", 2: "b"}  # what is given goes first


def test_names_of_the_pictures_that_ship_are_known() -> None:
    labels = read_labels(PICTURES / "hatchback_parts.png")
    assert labels.names[4] == "wheel"
    assert labels.number("wheel") == labels.number("4") == 4
    assert subject(MODEL, PICTURES / "hatchback.png").labels is not None
    assert subject(MODEL, PICTURES / "beetle.png").labels is None


def test_an_unknown_part_lists_the_known(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path / "b.png", thirds(9, 9)), ["front", "middle", "back", "roof"])
    assert labels.number("back") == 3
    for unknown in ("wheel", "9", "0", "background", "-1"):
        with pytest.raises(InputError, match=r"b\.png: it has front \(1\), middle \(2\), back \(3\)"):
            labels.number(unknown)
    with pytest.raises(InputError, match="no pixel is labelled roof"):
        labels.number("roof")


def test_what_is_no_picture_of_labels_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file of labels at .*absent\.png"):
        read_labels(tmp_path / "absent.png")
    with pytest.raises(InputError, match="picture of colours"):
        read_labels(write(tmp_path / "rgb.png", np.ones((4, 4, 3), np.uint8)))
    with pytest.raises(InputError, match="labels nothing"):
        read_labels(write(tmp_path / "zero.png", np.zeros((4, 4), np.uint8)))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match=r"cannot be read as a picture .*: give a PNG of numbers"):
        read_labels(tmp_path / "text.png")
    path = write(tmp_path / "ok.png", thirds(4, 4))
    for odd in ("3", "[1, 2]", '{"seat": 1}', "[", '"seat"'):
        (tmp_path / "ok.json").write_text(odd)
        with pytest.raises(InputError, match=r"ok\.json does not name parts"):
            read_labels(path)


def test_a_painted_place_is_points_and_a_radius(tmp_path: Path) -> None:
    path = tmp_path / "painted.json"
    path.write_text('{"points": [[0, 0, 0], [0.3, 0, 0]], "radius": 0.1}')
    found = read_painted(path)(torch.tensor([[0.05, 0.0, 0.0], [0.15, 0.0, 0.0], [0.3, 0.0, 0.09]]), {})
    assert found.tolist() == [True, False, True]
    for odd in ("{}", "[]", '{"points": [], "radius": 1}', '{"points": [[0, 0]], "radius": 1}', "x",
                '{"points": [[0, 0, 0]], "radius": 0}', '{"points": [[0, 0, NaN]], "radius": 1}'):  # fmt: skip
        path.write_text(odd)
        with pytest.raises(InputError, match="no painted place"):
            read_painted(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_painted(tmp_path / "absent.json")


# ---------------------------------------------------------------------- pixels


def test_labels_are_cut_out_with_the_picture() -> None:
    """An object at the right of a wide picture: its labels are where it is in the prepared picture."""
    picture = torch.zeros(4, 60, 200)
    picture[:, 10:50, 140:180] = 1
    labels = np.zeros((60, 200), np.int64)
    labels[10:30, 140:180], labels[30:50, 140:180], labels[0:5] = 1, 2, 3
    made = subject(MODEL, picture, labels=PartLabels(labels, {}, "labels"))
    assert made.labels is not None
    alpha = made.prepared[3].numpy() > 0.9
    cut = made.labels.labels
    assert set(np.unique(cut[alpha])) == {1, 2}
    rows = np.nonzero(alpha.any(1))[0]
    assert (cut[alpha] == 1).mean() == pytest.approx(0.5, abs=0.03)
    assert (cut[rows[2]][alpha[rows[2]]] == 1).all()
    assert (cut[rows[-3]][alpha[rows[-3]]] == 2).all()


def test_labels_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match="labels has 64 x 64 pixels and the picture 128 x 128"):
        side_view(PartLabels(thirds(64, 64).astype(np.int64), {}, "labels"))


def test_a_click_is_what_is_like_that_pixel() -> None:
    seen = side_view()
    region = clicked(seen, 40.0, 64.0, 0.9)  # the front third
    points = torch.tensor([[0.3, 0.0, 0.1], [0.3, 0.1, 0.0], [0.0, 0.0, 0.1], [-0.3, 0.0, 0.0]])
    assert share(seen.field, region, points).tolist() == [True, True, False, False]
    with pytest.raises(InputError, match=r"at \(2, 2\) the picture shows no object"):
        clicked(seen, 2.0, 2.0, 0.9)
    shifted = Subject("the picture", seen.field, seen.prepared, Square(100.0, 50.0, 64.0), (300, 300), None)
    there = clicked(shifted, 100 + 40 / 2, 50 + 64 / 2, 0.9)  # the same pixel of a picture that was cut out
    assert torch.equal(there.descriptor, region.descriptor)


def test_what_a_camera_sees_is_on_the_surface() -> None:
    view = side_view()
    seen = surface(view.field, view.camera)
    assert seen.points[:, 1].min() > -0.05  # the left half
    there = seen.pixels[:, 1] < 45
    assert (part(seen.points[there]) == 2).all()


# ---------------------------------------------------------------------- regions


def test_labels_of_one_side_are_found_all_around_and_on_another_object() -> None:
    labelled = side_view(PartLabels(thirds().astype(np.int64), {1: "front", 3: "back"}, "labels"))
    points = torch.tensor([[0.3, 0.1, 0.0], [0.3, -0.1, 0.0], [0.0, -0.2, 0.0], [-0.3, -0.1, 0.05]])
    own = labelled_part(labelled.field, "front", [labelled])
    assert own.places is not None
    assert share(labelled.field, own, points).tolist() == [True, True, False, False]
    other = side_view()
    carried = labelled_part(other.field, "back", [other, labelled])
    assert carried.places is None
    assert share(other.field, carried, points).tolist() == [False, False, False, True]


def test_without_labels_or_on_the_background_a_part_is_nowhere() -> None:
    with pytest.raises(InputError, match="no labels say where the part 'front' is"):
        labelled_part(side_view().field, "front", [side_view()])
    beside = np.zeros((128, 128), np.int64)
    beside[:4, :4] = 1
    made = side_view(PartLabels(beside, {}, "labels"))
    with pytest.raises(InputError, match="lies beside the object"):
        labelled_part(made.field, "1", [made])
