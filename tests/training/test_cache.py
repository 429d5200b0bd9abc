"""Teacher features on disk: the same to the bit as in memory, whole after a kill, and of one teacher alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from featurenerf.data.objects import Dataset
from featurenerf.errors import InputError
from featurenerf.teachers import Teacher
from featurenerf.teachers.projection import Projection, fit_projection
from featurenerf.training import cache as cache_module
from featurenerf.training import targets as targets_module
from featurenerf.training.batches import Drawing, make_batch
from featurenerf.training.cache import Cells, FeatureCache, picture_key
from featurenerf.training.config import Budget, TrainConfig
from featurenerf.training.loop import train
from featurenerf.training.targets import TeacherTargets, fill_cache, open_cache, training_pictures

BUDGET = Budget(steps=1, objects=2, source_views=1, target_views=2, rays=100, views=4)
CPU = torch.device("cpu")


class Small(Teacher):
    """A random convolution and its square; counts the pictures that it is asked of."""

    name, dim, size = "small", 12, 32
    asked = 0

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            self.layer = nn.Conv2d(3, self.dim // 2, 4, stride=4)
        self.requires_grad_(False)

    def features(self, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        Small.asked += len(pictures)
        maps = self.layer(pictures)
        return torch.cat([maps, maps.square()], 1)


def opened(folder: Path, objects: Dataset, teacher: Teacher | None = None, **changes: object) -> FeatureCache:
    settings = {"components": 8, "bf16": False, **changes}
    return open_cache(folder, teacher or Small(), objects=list(objects), **settings)[0]  # type: ignore[arg-type]


def targets(folder: Path, objects: Dataset, teacher: Teacher | None = None) -> TeacherTargets:
    teacher = teacher or Small()
    cache, projection = open_cache(folder, teacher, list(objects), 8, bf16=False)
    return TeacherTargets(teacher, projection, CPU, cache, bf16=False)


def test_a_map_comes_back_from_its_cells() -> None:
    torch.manual_seed(0)
    there = torch.rand(5, 7) > 0.6
    whole = torch.cat([torch.randn(3, 5, 7) * there, there[None]]).half()
    cells = Cells.of(whole)
    assert cells.values.shape == (int(there.sum()), 3)
    assert torch.equal(cells.map(), whole)
    assert not Cells.of(torch.zeros(4, 5, 7).half()).map().any()


def test_rays_get_the_same_from_disk_and_from_memory(objects: Dataset, tmp_path: Path) -> None:
    """Written by one run and read by the next; the projection is the one that would be fitted."""
    projection = fit_projection(Small(), training_pictures(objects), 8)
    memory = TeacherTargets(Small(), projection, CPU, bf16=False)
    first = targets(tmp_path / "cache", objects)
    assert torch.equal(first.projection.basis, projection.basis)
    batches = [make_batch(objects, Drawing(BUDGET), np.random.default_rng(step)) for step in range(5)]
    expected = [memory.of(batch) for batch in batches]
    for batch, (feature, present) in zip(batches, expected, strict=True):
        got = first.of(batch)
        assert torch.equal(got[0], feature)
        assert torch.equal(got[1], present)
    assert first.cache is not None
    first.cache.flush()
    Small.asked = 0
    second = targets(tmp_path / "cache", objects, Small())
    for batch, (feature, present) in zip(reversed(batches), reversed(expected), strict=True):
        got = second.of(batch)
        assert torch.equal(got[0], feature)
        assert torch.equal(got[1], present)
    assert Small.asked == 0


def test_only_the_objects_cells_are_stored(objects: Dataset, tmp_path: Path) -> None:
    filled = targets(tmp_path / "cache", objects)
    done = fill_cache(filled, list(objects), progress=False)
    assert filled.cache is not None
    assert done.pictures == len(filled.cache) == sum(len(views) for views in objects)
    cells = 0
    for views in objects:
        for view in range(len(views)):
            picture = views.picture(view)
            given = torch.from_numpy(picture[None]).permute(0, 3, 1, 2).float() / 255
            kept = filled.cache[picture_key(picture)]
            assert torch.equal(kept, filled.maps(given)[0])
            cells += int(kept[-1].sum())
    assert cells * 8 * 2 < filled.cache.bytes < cells * 8 * 2 + 100 * len(filled.cache) + 4096
    maps = Small()(torch.from_numpy(objects[0].picture(0)).permute(2, 0, 1)[None].float() / 255)
    assert cells < 0.6 * len(filled.cache) * maps.shape[2] * maps.shape[3]
    assert done.cosine is not None
    assert 0.5 < done.cosine < 1
    everything = _whole(tmp_path / "whole", objects)
    assert fill_cache(everything, list(objects), views=1, progress=False).cosine == pytest.approx(1, abs=1e-4)


def _whole(folder: Path, objects: Dataset) -> TeacherTargets:
    teacher = Small()
    cache, projection = open_cache(folder, teacher, list(objects), teacher.dim, bf16=False)
    return TeacherTargets(teacher, projection, CPU, cache, bf16=False)


def test_bytes_take_half_the_space_and_hardly_change_a_feature(objects: Dataset, tmp_path: Path) -> None:
    caches = {}
    for precision in ("half", "byte"):
        cache, projection = open_cache(
            tmp_path / precision, Small(), list(objects), 12, bf16=False, precision=precision
        )
        filled = fill_cache(TeacherTargets(Small(), projection, CPU, cache, bf16=False), list(objects), progress=False)
        assert filled.cosine is not None
        assert filled.cosine > 0.999
        caches[precision] = cache
    half, byte = (FeatureCache(tmp_path / precision) for precision in caches)
    key = picture_key(objects[1].picture(2))
    assert torch.equal(byte[key], caches["byte"][key])
    assert torch.equal(byte[key], byte.rounded(half[key]))
    assert torch.equal(byte[key][-1], half[key][-1])
    assert (byte[key] == 0).all(0).sum() == (half[key] == 0).all(0).sum()
    assert not torch.equal(byte[key], half[key])
    smaller = half.bytes - byte.bytes
    cells = sum(int(half[picture_key(o.picture(v))][-1].sum()) for o in objects for v in range(len(o)))
    assert abs(smaller - cells * 12) < 16


@pytest.mark.parametrize("precision", ["half", "byte"])
def test_a_cache_of_more_components_serves_runs_of_fewer(objects: Dataset, tmp_path: Path, precision: str) -> None:
    """The projection is the one that would be fitted, the features are those but for rounding."""
    open_cache(tmp_path / "cache", Small(), list(objects), 12, bf16=False, precision=precision)  # type: ignore[arg-type]
    cache, projection = open_cache(tmp_path / "cache", Small(), list(objects), 5, bf16=False)
    direct = fit_projection(Small(), training_pictures(objects), 5)
    assert torch.equal(projection.basis, direct.basis)
    torch.testing.assert_close(projection.scale, direct.scale)
    assert projection.explained == pytest.approx(direct.explained)
    batch = make_batch(objects, Drawing(BUDGET), np.random.default_rng(0))
    expected, present = TeacherTargets(Small(), direct, CPU, bf16=False).of(batch)
    for _ in range(2):  # when they are made, and when they are read
        got, there = TeacherTargets(Small(), projection, CPU, cache, bf16=False).of(batch)
        cache.flush()
        assert torch.equal(there, present)
        assert (got - expected)[present[..., 0] > 0].abs().max() < (0.01 if precision == "half" else 0.2)


def test_filling_goes_on_after_a_kill(objects: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of three pictures; killed at the eighth picture, two shards are there and stay."""
    monkeypatch.setattr(cache_module, "SHARD_PICTURES", 3)
    views = list(objects)
    total = sum(len(one) for one in views)
    filled = targets(tmp_path / "cache", objects)
    add, added = FeatureCache.add, []

    def dying(self: FeatureCache, key: str, features: Tensor) -> None:
        added.append(key)
        if len(added) == 8:
            raise KeyboardInterrupt
        add(self, key, features)

    with monkeypatch.context() as patch:
        patch.setattr(FeatureCache, "add", dying)
        with pytest.raises(KeyboardInterrupt):
            fill_cache(filled, views, progress=False)
    assert len(opened(tmp_path / "cache", objects)) == 7  # what was made is put away
    resumed = targets(tmp_path / "cache", objects)
    assert fill_cache(resumed, views, progress=False).pictures == total - 7
    straight = targets(tmp_path / "straight", objects)
    fill_cache(straight, views, progress=False)
    again = opened(tmp_path / "cache", objects)
    assert straight.cache is not None
    assert len(again) == len(straight.cache) == total
    for one in views:
        key = picture_key(one.picture(0))
        assert torch.equal(again[key], straight.cache[key])
    assert fill_cache(targets(tmp_path / "cache", objects), views, progress=False).pictures == 0
    assert not [path for path in (tmp_path / "cache").iterdir() if path.name.startswith(".")]


def test_shards_are_written_while_a_slow_teacher_works(
    objects: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "SHARD_SECONDS", -1.0)
    fill_cache(targets(tmp_path / "cache", objects), list(objects)[:1], progress=False)
    assert len(list((tmp_path / "cache").glob("shard-*"))) == len(objects[0])


def test_a_picture_that_changed_is_another_picture(objects: Dataset, tmp_path: Path) -> None:
    filled = targets(tmp_path / "cache", objects)
    fill_cache(filled, list(objects), progress=False)
    picture = objects[0].picture(0).copy()
    picture[30, 30, 0] ^= 1
    assert filled.cache is not None
    assert picture_key(objects[0].picture(0)) in filled.cache
    assert picture_key(picture) not in filled.cache


def test_foreign_and_stale_caches_are_refused(objects: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    opened(folder, objects)
    other = Small()
    other.layer.weight.data.mul_(1.01)
    renamed = Small()
    renamed.about = "small@layers=3"
    cases = (
        ({"teacher": other}, "weights"),
        ({"teacher": renamed}, "teacher"),
        ({"precision": "byte"}, "precision"),
        ({"bf16": True}, "bfloat16"),
    )
    for changes, what in cases:
        with pytest.raises(InputError, match=rf"made otherwise \({what}\): give another folder") as caught:
            opened(folder, objects, **changes)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"made otherwise \(pictures\)"):
        open_cache(folder, Small(), list(objects)[:1], 8, bf16=False)
    with pytest.raises(InputError, match="holds 8 components of a feature, not 9"):
        opened(folder, objects, components=9)
    opened(folder, objects)


def test_a_cache_of_the_same_weights_by_another_fingerprint_is_taken(objects: Dataset, tmp_path: Path) -> None:
    """A teacher knows what earlier versions recorded of its weights; the cache keeps its record."""

    class Renumbered(Small):
        def has_weights(self, recorded: str) -> bool:
            return super().has_weights(recorded) or recorded == "as earlier"

    about = tmp_path / "cache" / "cache.json"
    own = opened(tmp_path / "cache", objects).about
    about.write_text(json.dumps({**own, "weights": "as earlier"}))
    assert opened(tmp_path / "cache", objects, Renumbered()).about["weights"] == "as earlier"
    with pytest.raises(InputError, match=r"made otherwise \(weights\)"):
        opened(tmp_path / "cache", objects)
    about.write_text(json.dumps({**own, "weights": "as never"}))
    with pytest.raises(InputError, match=r"made otherwise \(weights\)"):
        opened(tmp_path / "cache", objects, Renumbered())


@pytest.mark.parametrize("there", [True, False])
def test_a_cache_says_in_what_its_features_were_computed(
    there: bool, tiny: Callable[..., TrainConfig], objects: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not what was wanted: bfloat16, which this machine may not have."""
    monkeypatch.setattr(targets_module, "has_bfloat16", lambda device: there)
    targets_module.open_targets(tiny(cache=tmp_path / "cache"), list(objects), CPU)
    assert FeatureCache(tmp_path / "cache").about["bfloat16"] is there


def test_a_cache_of_the_first_format_does_not_know_and_is_taken(objects: Dataset, tmp_path: Path) -> None:
    about = opened(tmp_path / "cache", objects).about
    (tmp_path / "cache" / "cache.json").write_text(json.dumps({**about, "format": 1, "bfloat16": True}))
    assert opened(tmp_path / "cache", objects, bf16=False).about["format"] == 1


def test_a_teacher_with_other_buffers_is_another_teacher(objects: Dataset, tmp_path: Path) -> None:
    """As the means of batch normalisation; a cache of before buffers counted is still known by its parameters."""

    class Normalised(Small):
        def __init__(self, mean: float) -> None:
            super().__init__()
            self.register_buffer("mean", torch.tensor(mean))

    one, two = Normalised(0.5), Normalised(0.6)
    assert one.fingerprint() != two.fingerprint()
    assert one.has_weights(one.fingerprint())
    assert not one.has_weights(two.fingerprint())
    assert one.has_weights(Small().fingerprint())  # what was recorded of it before
    opened(tmp_path / "cache", objects, one)
    with pytest.raises(InputError, match=r"made otherwise \(weights\)"):
        opened(tmp_path / "cache", objects, two)


def test_a_full_disk_keeps_the_shards_that_are_there(
    objects: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = targets(tmp_path / "cache", objects)
    fill_cache(filled, list(objects)[:1], progress=False)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache_module, "save_file", full)
    with pytest.raises(InputError, match=r"cache cannot be written \(No space left on device\): free some space"):
        fill_cache(filled, list(objects), progress=False)
    assert len(opened(tmp_path / "cache", objects)) == len(objects[0])


def test_what_a_killed_process_left_in_a_cache_goes(objects: Dataset, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f".projection.safetensors.{2**30}.tmp").touch()
    opened(tmp_path / "cache", objects)
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["cache.json", "projection.safetensors"]


def test_damaged_caches_are_refused(objects: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    fill_cache(targets(folder, objects), list(objects)[:1], progress=False)
    shard = next(folder.glob("shard-*"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"is damaged .*: delete it, its pictures will be made again"):
        opened(folder, objects)
    shard.unlink()
    assert len(opened(folder, objects)) == 0
    (folder / "projection.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match=r"projection\.safetensors is missing or damaged"):
        opened(folder, objects)
    for content, match in (("{", "is damaged"), ("[]", "is damaged"), (json.dumps({"format": 9}), "is of format 9")):
        (folder / "cache.json").write_text(content)
        with pytest.raises(InputError, match=match):
            opened(folder, objects)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "diary.txt").write_text("")
    with pytest.raises(InputError, match="holds something that is no cache of features"):
        opened(tmp_path / "other", objects)
    with pytest.raises(InputError, match="there is no cache"):
        FeatureCache(tmp_path / "nowhere")


def test_shards_are_mapped_not_read(tmp_path: Path) -> None:
    """A shard of 64 MiB costs no memory before its values are looked at."""
    FeatureCache.create(tmp_path / "cache", {}, Projection.fit(torch.rand(200, 128), 128))
    one = FeatureCache(tmp_path / "cache")
    for number in range(8):
        one._pending[f"{number:032x}"] = torch.ones(129, 181, 181, dtype=torch.float16)
    one.flush()
    del one
    resident = _resident()
    mapped = FeatureCache(tmp_path / "cache")
    assert mapped.bytes > 64 * 2**20
    assert _resident() - resident < 16
    assert mapped[f"{3:032x}"].sum() == 129 * 181 * 181


def _resident() -> float:
    """MiB of anonymous memory of this process."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("needs /proc")
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("RssAnon")) / 1024


def weights(run: Path) -> dict[str, Tensor]:
    return load_file(run / "checkpoint" / "model.safetensors")


def test_training_with_a_cache_ends_where_training_without_does(
    tiny: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit: filling a cache, reading it, resuming with or without it, and with another seed's cache."""
    monkeypatch.setattr(targets_module, "load_teacher", lambda name: Small().eval())
    plain = weights(train(tiny(out=tmp_path / "plain", seed=1)).parent)
    train(tiny(out=tmp_path / "filling", cache=tmp_path / "cache"))
    Small.asked = 0
    read = weights(train(tiny(out=tmp_path / "reading", cache=tmp_path / "cache", seed=1)).parent)
    assert all(torch.equal(plain[name], read[name]) for name in plain)
    assert Small.asked <= 8  # views that the first run did not draw; a run without asks of 192 for the projection
    train(tiny(out=tmp_path / "reading", seed=1, resume=True))  # a cache is no setting of the run
    with pytest.raises(InputError, match="holds 8 components of a feature, not 9"):
        train(tiny(out=tmp_path / "other", cache=tmp_path / "cache", feature_dim=9))
    assert not (tmp_path / "other").exists()
    fewer = weights(train(tiny(out=tmp_path / "fewer", cache=tmp_path / "cache", feature_dim=5, steps=2)).parent)
    assert fewer.keys() == plain.keys()
