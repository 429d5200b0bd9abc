"""What the viewer does without a page: sessions, clicks, keypoints, parts, edits, files, the volume render."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from analytic_field import COLOURS, RADII, EllipsoidModel, ellipsoid, part
from featurenerf import Camera, InputError
from featurenerf.errors import UnknownObjectError
from featurenerf.pictures import to_image
from featurenerf.studio.parts import PartLabels
from featurenerf.studio.viewer import actions, frames, guard, state
from featurenerf.studio.viewer.colors import normals
from featurenerf.studio.viewer.session_file import read_session, session_bytes
from featurenerf.studio.viewer.volume import FAR, PlacedField, SceneView, scene_view
from featurenerf.studio.viewer.workbench import Workbench, camera_of
from featurenerf.studio.viewer.worker import WorkQueue
from featurenerf.teachers import Teacher
from featurenerf.teachers.projection import Projection
from featurenerf.teachers.word_search import WordSearch

MODEL = EllipsoidModel()


def picture(path: Path) -> Path:
    rgba = torch.zeros(4, 64, 64)
    rgba[:, 16:48, 10:54] = 0.6
    rgba[3, 16:48, 10:54] = 1
    to_image(rgba).save(path)
    return path


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """Two ellipsoids beside each other, as they are added."""
    folder = tmp_path_factory.mktemp("pictures")
    patch = pytest.MonkeyPatch()
    patch.setattr(state, "SURFACE_SIZE", 40)
    made = Workbench(MODEL)
    for name in ("my_chair.png", "other.png"):
        made.upload(picture(folder / name).read_bytes(), name)
    patch.undo()
    return made


@pytest.fixture
def fresh(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """The two ellipsoids, for a test of its own."""
    monkeypatch.setattr(state, "SURFACE_SIZE", 40)
    monkeypatch.setattr(actions, "BAKED_GRID", 32)
    own = Workbench(MODEL)
    own.becomes(bench.session)
    return own


def at(bench: Workbench, name: str, x: float, y: float = 0.0, z: float = 0.15) -> int:
    return bench.session.object(name).nearest(torch.tensor([x, y, z]))


# ---------------------------------------------------------------------- objects and clicks


def test_pictures_become_objects_beside_each_other(bench: Workbench) -> None:
    one, two = bench.session.objects
    assert (one.name, two.name) == ("my chair", "other")
    assert bench.offset("my chair").tolist() == pytest.approx([0, -0.55, 0])  # at the left, seen from +x
    assert bench.offset("other").tolist() == pytest.approx([0, 0.55, 0])
    distance = (one.points / torch.tensor(RADII)).norm(dim=1)
    assert (distance - 1.05).abs().max() < 0.2
    assert one.points[:, 0].min() < -0.38  # the side that the picture does not show, too
    inside = ((one.points[:, 0].abs() - 0.13).abs() > 0.04).nonzero()[:, 0]
    away = (one.surface.rgb[inside] - COLOURS[part(one.points[inside])]).abs().amax(1)
    assert (away < 0.05).float().mean() > 0.95  # rays that graze the surface see two parts


def test_the_same_name_twice_gets_a_number(fresh: Workbench) -> None:
    session = actions.added(fresh.session, fresh.session.objects[0])
    assert [of.name for of in session.objects] == ["my chair", "other", "my chair 2"]


def test_a_ray_hits_the_nearer_side_of_the_object_that_it_meets(bench: Workbench) -> None:
    found = bench.hit(torch.tensor([2.0, 0.55, 0.0]), torch.tensor([-1.0, 0.0, 0.0]))
    assert found is not None
    name, point = found
    assert name == "other"
    place = bench.session.object("other").points[point]
    assert place.tolist() == pytest.approx([0.41, 0, 0], abs=0.04)
    assert bench.hit(torch.tensor([2.0, 0.0, 0.0]), torch.tensor([-1.0, 0.0, 0.0])) is None  # between the two
    assert bench.hit(torch.tensor([2.0, 0.55, 0.0]), torch.tensor([1.0, 0.0, 0.0])) is None  # behind the eye


def test_a_click_finds_the_same_place_on_the_others(fresh: Workbench) -> None:
    click = fresh.clicked("my chair", at(fresh, "my chair", 0.3))
    found = click.found["other"]
    here = fresh.session.object("my chair").points[click.point]
    there = fresh.session.object("other").points[found.point]
    assert (here - there).norm() < 0.05
    assert found.score > 0.99
    assert found.scores.shape == (len(fresh.session.object("other").points),)
    assert "other: 1.00" in fresh.said_of_click()
    fresh.least = 1.1
    assert "other: no match (1.00, below 1.10)" in fresh.said_of_click()


def test_similarity_lights_up_the_part_that_was_clicked(fresh: Workbench) -> None:
    fresh.clicked("my chair", at(fresh, "my chair", 0.3))
    fresh.shown = "similarity"
    bright = fresh.point_colors("other").astype(float).sum(1)
    kind = part(fresh.session.object("other").points).numpy()
    assert bright[kind == 2].mean() > 1.5 * bright[kind == 0].mean()
    strip = fresh.heat_pictures(40)
    assert strip is not None
    assert strip.size == (80, 40)


def test_every_colour_is_of_every_point(fresh: Workbench) -> None:
    for shown in ("rgb", "depth", "normals", "descriptors", "parts"):
        fresh.shown = shown  # type: ignore[assignment]
        assert fresh.point_colors("other").shape == (len(fresh.session.object("other").points), 3)
    fresh.shown = "descriptors"
    one, two = (fresh.point_colors(name).astype(int) for name in ("my chair", "other"))
    assert np.abs(one - two).mean() < 1  # equal objects, one palette


def test_normals_point_outwards(bench: Workbench) -> None:
    of = bench.session.objects[0]
    exact = of.points / torch.tensor(RADII) ** 2
    exact = exact / exact.norm(dim=1, keepdim=True)
    cosine = (normals(of.shape, of.points) * exact).sum(1)
    assert cosine.quantile(0.05) > 0.9


# ---------------------------------------------------------------------- keypoints


def test_keypoints_are_placed_carried_renamed_and_saved(fresh: Workbench) -> None:
    session = actions.keypoint_placed(fresh.session, " front\ntip ", "my chair", at(fresh, "my chair", 0.44, z=0.0))
    session = actions.keypoints_carried(session)
    place = session.keypoints["front tip"]["other"]
    assert place.place == pytest.approx((0.42, 0, 0), abs=0.06)
    assert not place.placed
    assert place.score > 0.99
    session = actions.keypoint_renamed(session, "front tip", "nose")
    record = json.loads(json.dumps(actions.keypoints_record(session)))
    assert set(record["keypoints"]["nose"]) == {"my chair", "other"}
    moved = actions.keypoint_placed(session, "nose", "other", at(fresh, "other", -0.44, z=0.0))
    assert actions.keypoints_carried(moved).keypoints["nose"]["other"].place[0] < -0.38  # what a user placed stays
    with pytest.raises(InputError, match="no keypoint 'tail'; there are: nose"):
        actions.keypoint_renamed(session, "tail", "x")
    with pytest.raises(InputError, match="a keypoint needs a name"):
        actions.keypoint_renamed(session, "nose", " \n")
    assert actions.keypoint_removed(session, "nose").keypoints == {}


def test_a_keypoint_without_a_match_is_not_carried(fresh: Workbench) -> None:
    session = actions.keypoint_placed(fresh.session, "tip", "my chair", at(fresh, "my chair", 0.44))
    carried = actions.keypoints_carried(session, least=1.1)
    assert set(carried.keypoints["tip"]) == {"my chair"}
    assert carried.keypoints_left() == ("tip on other",)
    assert actions.keypoints_carried(session).keypoints_left() == ()


# ---------------------------------------------------------------------- parts


def painted_front(bench: Workbench, name: str = "my chair") -> state.ViewerSession:
    """The front third, by a few dabs."""
    session = bench.session
    for x in (0.2, 0.28, 0.36):
        for y, z in ((0.1, 0.1), (-0.1, 0.1), (0.1, -0.1), (-0.1, -0.1), (0.2, 0.0), (-0.2, 0.0)):
            session = actions.painted(session, "front", name, at(bench, name, x, y, z), 0.1)
    return actions.painted(session, "front", name, at(bench, name, 0.44, 0.0, 0.0), 0.15)


def test_a_dab_paints_what_is_within_its_radius(fresh: Workbench) -> None:
    point = at(fresh, "my chair", 0.3)
    session = actions.painted(fresh.session, "front", "my chair", point, 0.1)
    of = fresh.session.object("my chair")
    near = (of.points - of.points[point]).norm(dim=1) <= 0.1
    assert torch.equal(session.labels_of("my chair") == 1, near)
    assert actions.part_counts(session) == {"my chair": {"front": int(near.sum())}, "other": {"front": 0}}
    smaller = actions.painted(session, None, "my chair", point, 0.05)
    left = int((smaller.labels_of("my chair") == 1).sum())
    assert 0 < left < int(near.sum())
    with pytest.raises(InputError, match=r"brush is 3.0: it must lie between 0.01 and 0.3"):
        actions.painted(session, "front", "my chair", point, 3.0)


def test_labels_of_a_picture_come_with_it_and_fill_the_sides_that_it_does_not_show(bench: Workbench) -> None:
    """They may be of another size than the pictures that the surface is seen in (40 pixels)."""
    of = bench.session.objects[0]
    halves = np.repeat([[1, 2]], 20, axis=0).repeat(10, axis=1)  # 20 x 20: left and right half
    marked = replace(of.subject, labels=PartLabels(halves, {1: "left", 2: "right"}, "halves.png"))
    session = actions.added(state.ViewerSession(), replace(of, subject=marked))
    labels, shown = session.labels_of(of.name), of.surface.shown[0]
    assert session.parts == ("left", "right")
    for half, label in ((shown[:, :18], 1), (shown[:, 22:], 2)):
        assert (half > 0).sum() > 50
        assert (labels[half[half > 0] - 1] == label).all()
    hidden = torch.ones(len(labels), dtype=torch.bool)
    hidden[shown[shown > 0] - 1] = False
    assert hidden.sum() > 100
    assert set(labels[hidden].tolist()) == {1, 2}


def test_parts_are_carried_to_all(fresh: Workbench) -> None:
    session = actions.parts_carried(painted_front(fresh), "my chair")
    labels = session.labels_of("other")
    of = session.object("other")
    assert ((labels == 1) == (session.labels_of("my chair")[: len(labels)] == 1)).float().mean() > 0.95
    assert of.points[labels == 1][:, 0].min() > 0.0
    with pytest.raises(InputError, match="no part is painted on other"):
        actions.parts_carried(fresh.session, "other")


def test_a_stroke_paints_what_the_eye_sees_along_its_way_and_is_one_step(fresh: Workbench) -> None:
    """From straight above: a line along x at y = 0, of which the page tells three places only."""
    offset = fresh.offset("my chair")
    eye = torch.tensor([0.0, 0.0, 3.0]) + offset
    places = [torch.tensor([x, 0.0, 0.15]) + offset for x in (-0.3, 0.0, 0.3)]
    start = fresh.session
    for new, piece in ((True, places[:2]), (False, places[1:])):
        where = fresh.brushed("my chair", "ridge", 0.03, eye, torch.stack(piece), new)
        assert where is not None
    assert (where - places[2]).norm() < 0.08
    of, labels = fresh.session.object("my chair"), fresh.session.labels_of("my chair")
    x, y, z = of.points.T
    ridge = (y.abs() < 0.015) & (x.abs() < 0.28) & (z > 0.05)
    assert ridge.sum() > 20
    assert (labels[ridge] == 1).float().mean() > 0.95
    assert (labels[z < 0] == 0).all()  # the side that the eye does not see
    assert (labels[y.abs() > 0.09] == 0).all()
    assert (fresh.session.labels_of("other") == 0).all()
    done = fresh.session
    beside = torch.stack([eye - torch.tensor([0, 0, 1.0]), eye - torch.tensor([0, 2.0, 1.0])])
    fresh.brushed("my chair", "ridge", 0.03, eye, beside + torch.tensor([0.9, 0.0, 0.0]), True)
    assert fresh.session is done  # beside the object
    fresh.brushed("my chair", None, 0.06, eye, torch.stack(places[:2]), True)
    left = fresh.session.labels_of("my chair")
    assert (left[(x < -0.05) & ridge] == 0).all()
    assert (left[(x > 0.1) & ridge] == 1).float().mean() > 0.95
    fresh.undo()
    assert fresh.session is done
    fresh.undo()
    assert fresh.session is start


# ---------------------------------------------------------------------- words


class ThreeWords(Teacher):
    """A text side in which the three thirds of the ellipsoid are words, and "tip" is like the front."""

    name, dim = "three-words", 3
    known = {"back": (1.0, 0, 0), "middle": (0, 1.0, 0), "front": (0, 0, 1.0), "tip": (0, 0.6, 0.8)}  # noqa: RUF012

    def features(self, pictures: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def embed_text(self, words: Sequence[str]) -> torch.Tensor:
        return torch.tensor([self.known[word] for word in words])


def test_words_are_shown_and_become_parts(fresh: Workbench) -> None:
    fresh._search = WordSearch(ThreeWords(), Projection(torch.zeros(3), torch.eye(3), torch.tensor(1.0), 1.0))
    fresh.ask(["front"])
    fresh.shown = "words"
    for of in fresh.session.objects:
        kind = part(of.points).numpy()
        bright = fresh.point_colors(of.name)
        assert (bright[kind == 2] == [253, 231, 37]).all()  # viridis' ends: a cosine of 1, and of 0
        assert (bright[kind != 2] == [68, 1, 84]).all()
    assert fresh.said() == "Most like 'front', as a cosine: my chair: 1.00; other: 1.00."
    assert fresh.heat_pictures(40) is not None
    fresh.ask(["tip", "front"])  # 0.8 - 1 in front, 0.6 - 0 in the middle, 0 behind
    kind = part(fresh.session.object("other").points).numpy()
    bright = fresh.point_colors("other")
    assert (bright[kind == 2] == [68, 1, 84]).all()
    assert (bright[kind == 1] == [253, 231, 37]).all()
    assert fresh.asked is not None
    session = actions.parts_of_words(fresh.session, fresh.asked.scores, ["tip", "front"])
    assert session.parts == ("tip", "front")
    assert (session.labels_of("other")[kind == 2] == 2).all()
    assert (session.labels_of("other")[kind == 1] == 1).all()
    with pytest.raises(InputError, match="give two words or more"):
        actions.parts_of_words(fresh.session, fresh.asked.scores, ["front"])
    fresh.becomes(actions.without(fresh.session, "my chair"))
    assert set(fresh.asked.scores) == {"other"}
    assert fresh.point_colors("other").shape == (len(kind), 3)


def test_a_model_without_words_says_so(fresh: Workbench) -> None:
    assert not fresh.has_words
    with pytest.raises(InputError, match="no checkpoint"):
        fresh.ask(["seat"])


# ---------------------------------------------------------------------- edits


def test_edits_change_the_field_and_are_undone(fresh: Workbench) -> None:
    fresh.becomes(painted_front(fresh))
    fresh.becomes(actions.edited(fresh.session, "recolor", "my chair", "front", color=(0.0, 0.0, 0.0)))
    seen = fresh.appearance("my chair")
    front = seen.surface.points[:, 0] > 0.2
    back = seen.surface.points[:, 0] < 0.0
    assert seen.surface.rgb[front].mean() < 0.05
    assert seen.surface.rgb[back].mean() > 0.2
    fresh.undo()
    assert fresh.appearance("my chair").surface.rgb[front].mean() > 0.2
    fresh.redo()
    assert fresh.appearance("my chair").surface.rgb[front].mean() < 0.05
    fresh.becomes(actions.edited(fresh.session, "remove", "my chair", "front"))
    assert fresh.appearance("my chair").surface.points[:, 0].max() < 0.35
    assert len(fresh.session.edits["my chair"]) == 2


def test_a_texture_is_taken_from_another_object(fresh: Workbench) -> None:
    """The other's front is black; its texture makes this one's front black, too."""
    session = painted_front(fresh, "other")
    session = actions.parts_carried(session, "other")
    fresh.becomes(session)
    fresh.becomes(actions.edited(fresh.session, "texture", "my chair", "front", like="other"))
    rgb, points = fresh.appearance("my chair").surface.rgb, fresh.appearance("my chair").surface.points
    assert torch.allclose(rgb[points[:, 0] > 0.2].mean(0), COLOURS[2], atol=0.05)


def test_edits_that_lack_something_say_so(fresh: Workbench) -> None:
    with pytest.raises(InputError, match="no part 'front'; there are: none"):
        actions.edited(fresh.session, "remove", "my chair", "front")
    session = painted_front(fresh)
    with pytest.raises(InputError, match="'front' is not painted on other: paint it, or carry it over"):
        actions.edited(session, "remove", "other", "front")
    with pytest.raises(InputError, match="takes from another object"):
        actions.edited(session, "texture", "my chair", "front", like="my chair")
    with pytest.raises(InputError, match="nothing to undo"):
        state.History().undo()


def test_removing_an_object_removes_its_marks(fresh: Workbench) -> None:
    session = actions.keypoint_placed(painted_front(fresh), "tip", "my chair", 0)
    left = actions.without(session, "my chair")
    assert [of.name for of in left.objects] == ["other"]
    assert left.keypoints == {}
    assert left.labels == {}


# ---------------------------------------------------------------------- session files


def test_a_session_is_saved_and_opened_again(fresh: Workbench) -> None:
    session = actions.keypoints_carried(actions.keypoint_placed(painted_front(fresh), "tip", "my chair", 3))
    session = actions.edited(session, "texture", "my chair", "front", like="other")
    content = session_bytes(session)
    assert b"pickle" not in content
    again = read_session(content, MODEL)
    assert [of.name for of in again.objects] == ["my chair", "other"]
    assert again.keypoints == session.keypoints
    assert again.parts == ("front",)
    assert torch.equal(again.labels_of("my chair"), session.labels_of("my chair"))
    edit = again.edits["my chair"][0]
    assert (edit.kind, edit.part, edit.like, edit.like_region) == ("texture", "front", "other", None)
    assert torch.equal(edit.region, session.edits["my chair"][0].region)


def test_a_session_of_what_the_model_does_not_know_is_refused(fresh: Workbench) -> None:
    """Every picture is asked for, as those that are added are."""

    class Choosy(EllipsoidModel):
        def refuse_unknown(self, picture: Any, name: str = "the picture") -> None:
            assert picture.shape[0] == 4
            if "other" in name:
                raise UnknownObjectError(f"{name} shows a cat")

    with pytest.raises(UnknownObjectError, match=r"^the picture of other shows a cat$"):
        read_session(session_bytes(fresh.session), Choosy())


def test_damaged_sessions_are_refused_in_a_sentence(fresh: Workbench) -> None:
    content = session_bytes(painted_front(fresh))
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    record = json.loads(header["__metadata__"]["featurenerf_session"])
    tensors = load(content)

    def changed(**what: object) -> bytes:
        return save(tensors, {"featurenerf_session": json.dumps({**record, **what})})

    bad = {
        "nothing": b"",
        "no file of ours": b"\x80\x04K\x01.",
        "cut short": content[:-5],
        "other tensors": save({"a": torch.zeros(2)}),
        "a later version": changed(version=99),
        "labels without a name": changed(parts=[]),
        "too many objects": changed(objects=[record["objects"][0]] * 100),
        "one name twice": changed(objects=[record["objects"][0]] * 2),
        "a keypoint of nobody": changed(keypoints={"a": {"nobody": {"place": [0, 0, 0], "score": 1, "placed": True}}}),
        "a keypoint nowhere": changed(keypoints={"a": {"other": {"place": [1e300, 0, 0], "score": 1, "placed": True}}}),
        "NaN": save({**tensors, "0.points": tensors["0.points"] * float("nan")}, header["__metadata__"]),
        "a picture of numbers": save({**tensors, "0.picture": torch.zeros(3)}, header["__metadata__"]),
    }
    for what, damaged in bad.items():
        with pytest.raises(InputError, match="the file is no session of the viewer, or is damaged"):
            print(what, read_session(damaged, MODEL, "the file"))


def test_marks_of_another_machine_go_to_the_closest_points(fresh: Workbench) -> None:
    session = painted_front(fresh)
    tensors = load(session_bytes(session))
    header = session_bytes(session)
    metadata = json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])["__metadata__"]
    for name in ("points", "labels"):
        tensors[f"0.{name}"] = tensors[f"0.{name}"][5:].flip(0).contiguous()
    again = read_session(save(tensors, metadata), MODEL)
    same = again.labels_of("my chair") == session.labels_of("my chair")
    assert same.float().mean() > 0.99


# ---------------------------------------------------------------------- the volume render


def test_the_volume_render_puts_each_field_where_it_stands() -> None:
    left, right = torch.tensor([0.0, -0.6, 0.0]), torch.tensor([0.0, 0.6, 0.0])
    shape = ellipsoid()
    camera = Camera.look_at(0, 0, 96, 48, distance=4.0)
    view = scene_view(camera, [PlacedField(shape, left), PlacedField(shape, right)])
    assert view is not None
    xy, _ = camera.project(torch.stack([left, right]))
    for x, y in xy.tolist():
        assert torch.allclose(view.rgb[int(y), int(x)], COLOURS[2], atol=0.02)  # the front of each
        assert view.depth[int(y), int(x)].item() == pytest.approx(4 - 0.42, abs=0.03)
    assert view.depth[24, 48] == FAR
    assert view.rgb[24, 48].tolist() == pytest.approx([252 / 255, 252 / 255, 250 / 255], abs=0.01)
    assert scene_view(camera, [PlacedField(shape, left)], stop=lambda: True) is None


def test_the_volume_render_of_one_object_is_its_field_s_own() -> None:
    shape, offset = ellipsoid(), torch.tensor([0.3, -0.2, 0.1])
    camera = Camera.look_at(40, 25, 40, 40, distance=1.6)
    view = scene_view(camera, [PlacedField(shape, offset)])
    pose = camera.pose.clone()
    pose[:3, 3] -= offset
    exact = shape.render(replace(camera, pose=pose), channels=("rgb", "alpha"))
    paper = torch.tensor([252, 252, 250]) / 255
    assert view is not None
    assert torch.allclose(view.rgb, exact["rgb"] + (1 - exact["alpha"]) * paper, atol=1e-3)


def test_nearer_objects_cover_further_ones() -> None:
    shape = ellipsoid()
    near, far = torch.tensor([1.1, 0.0, 0.0]), torch.zeros(3)
    camera = Camera.look_at(0, 0, 32, 32, distance=4.0)
    placed = [PlacedField(shape, near), PlacedField(shape, far)]
    both = [scene_view(camera, order) for order in (placed, placed[::-1])]
    assert both[0] is not None
    assert both[1] is not None
    assert torch.equal(both[0].rgb, both[1].rgb)
    assert both[0].depth[16, 16].item() == pytest.approx(4 - 1.1 - 0.42, abs=0.03)


def test_a_volume_render_shows_the_colours_of_the_surface(fresh: Workbench) -> None:
    """Parts that are painted are seen on the volume, too; what is not painted is grey."""
    point = at(fresh, "other", 0.4)
    fresh.becomes(actions.painted(fresh.session, "tip", "other", point, 0.2))
    camera = Camera.look_at(0, 0, 64, 32, distance=3.0)
    middle = camera.project(fresh.session.object("other").points[point][None] + fresh.offset("other"))[0][0]
    x, y = (int(value) for value in middle)
    plain = scene_view(camera, fresh.placed())
    assert plain is not None
    assert torch.allclose(plain.rgb[y, x], COLOURS[2], atol=0.05)
    fresh.shown = "parts"
    painted = scene_view(camera, fresh.placed())
    assert painted is not None
    assert torch.allclose(painted.rgb[y, x] * 255, torch.tensor([230.0, 159.0, 0.0]), atol=8)  # the first part's colour
    assert torch.allclose(painted.rgb[y, 63 - x], torch.full((3,), 0.75), atol=0.05)  # nothing on the other object
    assert torch.equal(painted.depth, plain.depth)


class Page:
    """As viser hands over a page; it remembers the heights of what it was shown."""

    client_id = 1

    def __init__(self) -> None:
        self.heights: list[int] = []
        self.scene = self
        eye = {"image_height": 60, "image_width": 60, "fov": 1.0, "aspect": 1.0}
        self.camera = SimpleNamespace(**eye, wxyz=np.array([0.5, -0.5, -0.5, 0.5]), position=np.array([2.0, 0, 0]))

    def set_background_image(self, picture: np.ndarray, *_: object, **__: object) -> None:
        self.heights.append(len(picture))


def test_a_page_gets_a_coarse_render_and_finer_ones_when_it_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "COARSE", (8, 16))
    monkeypatch.setattr(frames, "FULL", (20, 40))
    page, said = Page(), list[str]()
    renders = frames.PageRenders(lambda: {1}, said.append)
    renders.placed = (PlacedField(ellipsoid(), torch.zeros(3)),)
    renders.moved(page)
    assert renders.queue.rest(60)
    assert page.heights == [16, 20, 40]
    slow = scene_view

    def slower(*given: Any) -> SceneView | None:
        time.sleep(0.4)
        return slow(*given)

    monkeypatch.setattr(frames, "scene_view", slower)
    renders.moved(page)
    assert renders.queue.rest(60)
    assert renders.coarse_rows() == 8  # the next one is as coarse as may be
    renders.queue.end()
    assert said == []


def test_a_page_s_camera_looks_where_the_page_does() -> None:
    exact = Camera.look_at(0, 0, 64, 64, distance=2.0, fov=60)
    # OpenCV's axes in the world, seen from +x: right is +y, down is -z, ahead is -x
    camera = camera_of(np.array([0.5, -0.5, -0.5, 0.5]), np.array([2.0, 0, 0]), np.radians(60), 1.0, 64)
    points = torch.tensor([[0.0, 0.3, 0.0], [0.0, 0.0, 0.4], [0.2, -0.1, 0.0]])
    assert torch.allclose(camera.project(points)[0], exact.project(points)[0], atol=1e-3)


# ---------------------------------------------------------------------- worker, guard


def test_a_newer_request_replaces_one_that_waits() -> None:
    said: list[str] = []
    queue, gate, done = WorkQueue(said.append), threading.Event(), list[int]()
    queue.ask(lambda: gate.wait(5) and None)
    time.sleep(0.05)
    for number in range(5):
        queue.ask(lambda number=number: done.append(number), "view")
    queue.ask(lambda: done.append(100))
    queue.ask(lambda: done.append(-1), urgent=True)
    assert queue.hurries()
    gate.set()
    assert queue.rest(5)
    assert done == [-1, 4, 100]
    assert queue.dropped == 4
    queue.end()
    assert said == []


def test_a_task_that_fails_says_so_and_the_worker_goes_on() -> None:
    said: list[str] = []
    queue, done = WorkQueue(said.append), list[int]()

    def wrong() -> None:
        raise InputError("the picture shows no object")

    def broken() -> None:
        raise ZeroDivisionError("by zero")

    for task in (wrong, broken, lambda: done.append(1)):
        queue.ask(task)
    assert queue.rest(5)
    queue.end()
    assert said == ["the picture shows no object", "that did not work (ZeroDivisionError: by zero)"]
    assert done == [1]


@pytest.mark.parametrize(
    ("host", "hosts", "origins", "fine"),
    [
        ("127.0.0.1", ["127.0.0.1:8080"], [], True),
        ("127.0.0.1", ["localhost:8080"], ["http://localhost:8080"], True),
        ("127.0.0.1", ["evil.org:8080"], [], False),  # a name that somebody has point here
        ("127.0.0.1", ["127.0.0.1:8080"], ["http://evil.org"], False),
        ("127.0.0.1", ["127.0.0.1:8080"], ["http://127.0.0.1:9999"], False),  # another program of this machine
        ("127.0.0.1", ["127.0.0.1:8080"], ["null"], False),
        ("127.0.0.1", [], [], False),
        ("127.0.0.1", ["127.0.0.1", "evil.org"], [], False),
        ("127.0.0.1", ["192.168.1.2:8080"], [], False),
        ("0.0.0.0", ["192.168.1.2:8080"], ["http://192.168.1.2:8080"], True),
        ("0.0.0.0", ["evil.org:8080"], ["http://evil.org:8080"], False),
    ],
)
def test_requests_of_others_are_refused(host: str, hosts: list[str], origins: list[str], fine: bool) -> None:
    assert (guard.refusal(host, hosts, origins) is None) == fine


def test_another_address_says_what_it_means() -> None:
    assert guard.reach("127.0.0.1") == ""
    assert "every machine that reaches this one can see these pictures" in guard.reach("0.0.0.0")
    with pytest.raises(InputError, match="port is 70000"):
        guard.start(port=70000)
    with pytest.raises(InputError, match=r"nothing can listen on 203\.0\.113\.7"):
        guard.start("203.0.113.7", 8099)
