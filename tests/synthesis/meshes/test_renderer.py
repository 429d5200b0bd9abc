"""What the renderer says of a picture agrees with the camera, and with the mesh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from box_mesh import make_box
from featurenerf import Camera
from featurenerf.synthesis.meshes.appearance import Lighting
from featurenerf.synthesis.meshes.renderer import RenderScene, render_view, visible_keypoints
from featurenerf.synthesis.objects.labelled import LabelledMesh

pytest.importorskip("embreex", reason="the extra 'data' is not installed")

EXTENT = (0.6, 0.48, 0.64)
CAMERA = Camera.look_at(azimuth=35.0, elevation=30.0)


@pytest.fixture
def box() -> LabelledMesh:
    return make_box(EXTENT)


def unprojected(camera: Camera, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points where depth is known, and which pixels they are of."""
    points = camera.unproject(camera.pixels(), torch.from_numpy(depth)).numpy()
    return points[depth > 0], np.argwhere(depth > 0)


def test_depth_and_parts_agree_with_the_box(box: LabelledMesh) -> None:
    view = render_view(RenderScene(box), CAMERA)
    points, pixels = unprojected(CAMERA, view.depth)
    assert len(points) > 2000
    beyond = np.abs(points) - np.array(EXTENT) / 2
    np.testing.assert_allclose(beyond.max(1), 0, atol=2e-5)  # on the surface
    axis = beyond.argmax(1)
    side = 1 + 2 * axis + (points[np.arange(len(points)), axis] > 0)
    sure = np.sort(beyond, 1)[:, -2] < -1e-3  # away from the edges
    np.testing.assert_array_equal(view.parts[tuple(pixels.T)][sure], side[sure])
    np.testing.assert_array_equal(view.parts > 0, view.depth > 0)


def test_silhouette_is_where_the_surface_projects(box: LabelledMesh) -> None:
    scene = RenderScene(box)
    view = render_view(scene, CAMERA)
    points, _ = scene.sample_surface(200000, np.random.default_rng(0))
    xy, _ = CAMERA.project(torch.from_numpy(points).float())
    x, y = np.floor(xy.numpy()).astype(int).T
    assert (view.picture[y, x, 3] > 0).mean() > 0.995
    covered = np.zeros((128, 128), bool)
    covered[y, x] = True
    assert covered[view.picture[..., 3] == 255].mean() > 0.99
    assert set(np.unique(view.picture[..., 3])) == {0, 51, 102, 153, 204, 255}  # anti-aliased
    assert not view.picture[view.picture[..., 3] == 0].any()


def test_keypoints_are_the_pixels_they_project_to_and_the_hidden_one_is_missing(box: LabelledMesh) -> None:
    view = render_view(RenderScene(box), CAMERA)
    assert 2 not in view.keypoints[:, 2]  # (-x, +y, -z) is behind, seen from azimuth 35
    assert {1, 3, 5, 7, 6, 4} >= set(view.keypoints[:, 2].tolist()) >= {5, 7}
    for x, y, number in view.keypoints:
        xy, _ = CAMERA.project(torch.from_numpy(box.keypoints[number]).float())
        assert (x, y) == tuple(np.floor(xy.numpy()).astype(int))
    everywhere = np.ones((128, 128), bool)
    assert visible_keypoints(RenderScene(replace(box, keypoints={})), CAMERA, everywhere).shape == (0, 3)
    behind = replace(box, keypoints={0: np.array([-0.3, 0.0, 0.0]), 9: np.array([0.3, 0.0, 0.0])})
    assert visible_keypoints(RenderScene(behind), Camera.look_at(0.0, 10.0), everywhere)[:, 2].tolist() == [9]


def test_light_comes_from_where_it_stands(box: LabelledMesh) -> None:
    plain = replace(box, materials=tuple(replace(m, color=np.full(3, 0.8)) for m in box.materials))
    dark = np.zeros(3)
    light = Lighting(np.array([[0.0, 1.0, 0.0]]), np.ones((1, 3)), dark, dark)
    scene = RenderScene(plain, light)
    lit, unlit = (render_view(scene, Camera.look_at(azimuth, 0.0)).picture[64, 64] for azimuth in (90.0, 270.0))
    np.testing.assert_array_equal(lit, [204, 204, 204, 255])
    np.testing.assert_array_equal(unlit, [0, 0, 0, 255])


def test_a_shadow_falls_and_faces_seen_from_behind_are_lit(box: LabelledMesh) -> None:
    floor = np.array([(-0.4, -0.4, -0.4), (0.4, -0.4, -0.4), (0.4, 0.4, -0.4), (-0.4, 0.4, -0.4)])
    lid = floor * (0.5, 0.5, -1)
    mesh = replace(
        box,
        vertices=np.concatenate([floor, lid]),
        faces=np.array([(0, 2, 1), (0, 3, 2), (4, 5, 6), (4, 6, 7)], np.int32),  # the floor looks down
        face_parts=np.ones(4, np.int32),
        face_materials=np.zeros(4, np.int32),
        corner_normals=np.repeat(np.array([[0, 0, -1], [0, 0, 1]], np.float32), 2, 0)[:, None].repeat(3, 1),
        uv=None,
    )
    light = Lighting(np.array([[0.0, 0.0, 1.0]]), np.ones((1, 3)), np.zeros(3), np.zeros(3))
    camera = Camera.look_at(0.0, 45.0)
    picture = render_view(RenderScene(mesh, light), camera).picture

    def colour(point: tuple[float, float, float]) -> int:
        xy, _ = camera.project(torch.tensor(point))
        x, y = xy.long().tolist()
        return int(picture[y, x, :3].max())

    assert colour((0.35, 0.35, -0.4)) > 100
    assert colour((0.1, 0.1, -0.4)) == 0


def test_textures_repeat_and_holes_let_the_light_through() -> None:
    texture = np.full((2, 2, 4), 255, np.uint8)
    texture[1, 0] = (255, 0, 0, 0)  # u < 0.5, v > 0.5 is a hole
    texture[0, 1] = (0, 0, 255, 255)
    box = make_box(texture=texture)
    assert box.uv is not None
    camera = Camera.look_at(0.0, 0.0)
    view = render_view(RenderScene(box), camera)
    again = render_view(RenderScene(replace(box, uv=box.uv - 3)), camera)
    np.testing.assert_array_equal(view.picture, again.picture)
    points, pixels = unprojected(camera, view.depth)
    front = points[:, 0] > 0.29
    assert 0.7 < front.mean() < 0.8  # a quarter of the front is open
    through = points[~front]
    assert (through[:, 0] < 0.29).all()
    assert (np.abs(np.abs(through) / np.array(EXTENT) - 0.5).min(1) < 1e-4).all()
    blue = view.picture[tuple(pixels.T)][:, :3]
    assert ((blue[:, 2] > 60) & (blue[:, 0] < 10)).mean() > 0.2


def test_points_seen_from_outside_are_not_hidden_ones(box: LabelledMesh) -> None:
    inner = make_box((0.2, 0.2, 0.2))
    assert box.uv is not None
    assert inner.uv is not None
    mesh = replace(
        box,
        vertices=np.concatenate([box.vertices, inner.vertices]),
        faces=np.concatenate([box.faces, inner.faces + 8]),
        face_parts=np.concatenate([box.face_parts, np.full(12, 9, np.int32)]),
        face_materials=np.concatenate([box.face_materials] * 2),
        corner_normals=np.concatenate([box.corner_normals] * 2),
        uv=np.concatenate([box.uv] * 2),
    )
    scene = RenderScene(mesh)
    generator = np.random.default_rng(0)
    _, everywhere = scene.sample_surface(1000, generator)
    points, outside = scene.sample_outside(1000, generator)
    assert 9 in mesh.face_parts[everywhere]
    assert 9 not in mesh.face_parts[outside]
    np.testing.assert_allclose((np.abs(points) / (np.array(EXTENT) / 2)).max(1), 1, atol=1e-9)


def test_any_principal_point_and_a_camera_inside_are_honoured(box: LabelledMesh) -> None:
    whole = render_view(RenderScene(box), CAMERA)
    shifted = Camera.from_pose(CAMERA.pose, CAMERA.focal, 64, 64, principal=(44.0, 34.0))
    np.testing.assert_array_equal(render_view(RenderScene(box), shifted).depth, whole.depth[30:94, 20:84])
    inside = render_view(RenderScene(box), Camera.look_at(0.0, 0.0, 16, 16, distance=0.1))
    assert (inside.picture[..., 3] == 255).all()
    assert (inside.depth > 0).all()
