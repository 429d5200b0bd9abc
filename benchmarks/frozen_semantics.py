"""A checkpoint whose semantics are the teacher's principal components, in place of the layer that was trained.

    python benchmarks/frozen_semantics.py OUT [--checkpoint chair-car] [--weight 1.6]

OUT is for ``featurenerf eval --checkpoint OUT`` and ``benchmarks/photographs.py FOLDER --checkpoint OUT``. The
descriptors' feature part is left out. The checkpoint must have as many semantics as its teacher has components.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from shutil import copy

from safetensors.torch import load_file

import featurenerf
from featurenerf.models import FastModel
from featurenerf.models.checkpoint import directory_of, read_config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--checkpoint", default="chair-car")
    parser.add_argument("--weight", type=float, default=1.6)
    options = parser.parse_args()

    directory, given = directory_of(options.checkpoint), featurenerf.load(options.checkpoint)
    components = load_file(directory / "teacher.safetensors")
    model = FastModel(replace(given.config, semantic_weight=options.weight, feature_weight=0.0))
    model.load_state_dict(given.state_dict())
    mean, basis = components["mean"].float(), components["basis"].float() / components["scale"].float()
    model.net.set_semantics(mean, basis)
    featurenerf.save(model, options.out, {"teacher": read_config(directory)["teacher"]})
    copy(directory / "teacher.safetensors", options.out)
    print(f"checkpoint: {options.out}")


if __name__ == "__main__":
    main()
