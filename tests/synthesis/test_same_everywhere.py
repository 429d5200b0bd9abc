"""The same seed makes the same objects on every machine: against what was recorded on another one.

A generator that draws other objects than before must raise its category's ``version``; then record again:

    python tests/synthesis/test_same_everywhere.py

To be another processor (AVX2 on one that has AVX-512): set NPY_DISABLE_CPU_FEATURES="X86_V4 AVX512_ICL AVX512_SPR",
OPENBLAS_CORETYPE=Haswell and ATEN_CPU_CAPABILITY=avx2, and preload a library whose ``rtcNewDevice(config)`` calls
Embree's with "isa=avx2".
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from PIL import Image

from featurenerf.data.objects import Dataset
from featurenerf.data.open import open_dataset
from featurenerf.synthesis.make import make_dataset
from featurenerf.synthesis.objects import CATEGORIES, generate

pytest.importorskip("embreex", reason="the extra 'data' is not installed")
pytest.importorskip("trimesh", reason="the extra 'data' is not installed")

RECORDED = Path(__file__).parent / "recorded"
SEED, OBJECTS = 11, 6


def objects_digest(category: str) -> str:
    """SHA-256 of geometry, labels and keypoints of some objects."""
    digest = hashlib.sha256()
    for index in range(OBJECTS):
        mesh = generate(category, SEED, index)
        for array in (mesh.vertices, mesh.faces, mesh.face_parts, mesh.face_materials):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(json.dumps({k: v.tolist() for k, v in sorted(mesh.keypoints.items())}).encode())
        digest.update(mesh.family.encode())
    return digest.hexdigest()


def made(root: Path, category: str) -> Dataset:
    make_dataset(root, category, objects=3, views=2, seed=SEED, size=64, workers=1, progress=False)
    return open_dataset(root, category, "test")


def sheet(dataset: Dataset) -> np.ndarray:
    """The test objects' views, one above the other."""
    return np.concatenate([views.picture(view) for views in dataset for view in range(len(views))])


@pytest.mark.parametrize("category", sorted(CATEGORIES))
def test_geometry_labels_and_keypoints_are_the_recorded_ones(category: str) -> None:
    recorded = json.loads((RECORDED / "objects.json").read_text())[category]
    assert recorded["version"] == CATEGORIES[category].version, "record the objects of the new version"
    assert recorded["sha256"] == objects_digest(category), "other objects than before: raise the category's version"


@pytest.mark.parametrize("category", sorted(CATEGORIES))
def test_pictures_and_splits_are_the_recorded_ones(category: str, tmp_path: Path) -> None:
    dataset = made(tmp_path, category)
    split = json.loads((tmp_path / "splits" / f"{CATEGORIES[category].synset}.json").read_text())
    assert split == json.loads((RECORDED / f"{category}.json").read_text())
    recorded = np.asarray(Image.open(RECORDED / f"{category}.png"))
    assert np.abs(sheet(dataset).astype(int) - recorded.astype(int)).max() <= 1


def record() -> None:
    RECORDED.mkdir(exist_ok=True)
    objects = {name: {"version": card.version, "sha256": objects_digest(name)} for name, card in CATEGORIES.items()}
    (RECORDED / "objects.json").write_text(json.dumps(objects, indent=2, sort_keys=True) + "\n")
    for category, card in CATEGORIES.items():
        with TemporaryDirectory() as folder:
            dataset = made(Path(folder), category)
            Image.fromarray(sheet(dataset)).save(RECORDED / f"{category}.png", optimize=True)
            (RECORDED / f"{category}.json").write_bytes((Path(folder) / "splits" / f"{card.synset}.json").read_bytes())


if __name__ == "__main__":
    record()
