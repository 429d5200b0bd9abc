"""What the ray caster sees is what a rasteriser sees: OpenGL, in software (moderngl on EGL), on generated objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from featurenerf import Camera
from featurenerf.synthesis.meshes.renderer import RenderScene, render_view
from featurenerf.synthesis.objects import CATEGORIES, LabelledMesh, generate

pytest.importorskip("embreex", reason="the extra 'data' is not installed")
moderngl = pytest.importorskip("moderngl", reason="moderngl is not installed")

SIZE = 128
VERTEX = """
#version 330
uniform mat4 world_to_camera;
uniform mat4 camera_to_clip;
in vec3 position;
out vec3 seen;
void main() {
    vec4 there = world_to_camera * vec4(position, 1.0);
    seen = there.xyz;
    gl_Position = camera_to_clip * there;
}
"""
FRAGMENT = """
#version 330
in vec3 seen;
out vec4 found;
void main() { found = vec4(float(gl_PrimitiveID + 1), length(seen), 0.0, 1.0); }
"""


@pytest.fixture(scope="module")
def context() -> Iterator[Any]:
    try:
        made = moderngl.create_context(standalone=True, backend="egl")
    except Exception as error:
        pytest.skip(f"no OpenGL without a display (apt: libegl1 libgl1-mesa-dri): {error}")
    yield made
    made.release()


def rasterised(context: Any, mesh: LabelledMesh, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Face of each pixel (-1 for none) and its distance from the camera."""
    width, height = camera.width, camera.height
    (fx, fy), (cx, cy) = camera.focal.double().tolist(), camera.principal.double().tolist()
    near, far = 0.3, 3.0
    to_clip = np.array(
        [
            [2 * fx / width, 0, 1 - 2 * cx / width, 0],
            [0, 2 * fy / height, 2 * cy / height - 1, 0],
            [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, -1, 0],
        ]
    )
    program = context.program(vertex_shader=VERTEX, fragment_shader=FRAGMENT)
    program["world_to_camera"].write(np.linalg.inv(camera.pose.double().numpy()).T.astype("f4").tobytes())
    program["camera_to_clip"].write(to_clip.T.astype("f4").tobytes())
    corners = context.buffer(mesh.vertices[mesh.faces].astype("f4").tobytes())
    colour, depth = context.texture((width, height), 4, dtype="f4"), context.depth_texture((width, height))
    target = context.framebuffer([colour], depth)
    target.use()
    context.enable_only(moderngl.DEPTH_TEST)
    target.clear(0, 0, 0, 0, depth=1.0)
    context.vertex_array(program, [(corners, "3f", "position")]).render(moderngl.TRIANGLES)
    found = np.frombuffer(colour.read(), "f4").reshape(height, width, 4)[::-1]  # row 0 is at the bottom
    for each in (program, corners, colour, depth, target):
        each.release()
    return found[..., 0].astype(int) - 1, found[..., 1]


def away_from_edges(values: np.ndarray) -> np.ndarray:
    """Where a pixel and its eight neighbours have one value."""
    padded = np.pad(values, 1, mode="edge")
    shifted = [padded[y : y + values.shape[0], x : x + values.shape[1]] for y in range(3) for x in range(3)]
    return np.all([each == values for each in shifted], 0)


@pytest.mark.parametrize("category", sorted(CATEGORIES))
def test_both_see_the_same(category: str, context: Any) -> None:
    pixels = agreements = parts_agree = inner_pixels = outline = 0
    errors = []
    for index in range(3):
        mesh = generate(category, 5, index)
        mesh = replace(mesh, materials=tuple(replace(m, texture=None) for m in mesh.materials))  # no holes
        scene = RenderScene(mesh)
        for azimuth, elevation in ((30.0, 20.0), (160.0, 55.0), (275.0, 5.0)):
            camera = Camera.look_at(azimuth, elevation, SIZE, SIZE)
            view = render_view(scene, camera)
            origins, directions = camera.rays_through(camera.pixels().reshape(-1, 2))
            cast = scene.cast(origins.numpy(), directions.numpy())
            ours = cast.faces.reshape(SIZE, SIZE)
            from_edge = np.minimum(np.minimum(cast.u, cast.v), 1 - cast.u - cast.v).reshape(SIZE, SIZE)
            theirs, distance = rasterised(context, mesh, camera)
            sure = (ours >= 0) & (from_edge > 0.02)
            pixels += sure.sum()
            agreements += (sure & (ours == theirs)).sum()
            inner = away_from_edges(view.parts) & (view.parts > 0)
            inner_pixels += inner.sum()
            parts_agree += (inner & (np.where(theirs >= 0, mesh.face_parts[theirs], 0) == view.parts)).sum()
            outline += ((ours >= 0) != (theirs >= 0)).sum()
            errors.append(np.abs(distance - view.depth)[(ours == theirs) & (ours >= 0)])
    assert pixels > 2000
    assert agreements / pixels > 0.999
    assert parts_agree / inner_pixels > 0.999
    assert outline / (9 * SIZE * SIZE) < 0.001
    error = np.concatenate(errors)
    assert (error < 1e-5).mean() > 0.999
    assert np.median(error) < 1e-6
    assert error.max() < 1e-4  # where a face is seen from its edge
