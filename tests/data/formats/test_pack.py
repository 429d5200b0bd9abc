"""A pack says what the folder says, wherever it lies; what is broken in it is named."""

from __future__ import annotations

import functools
import gc
import hashlib
import json
import re
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from featurenerf.cli.data import main
from featurenerf.data import storage as sources
from featurenerf.data.check import check_dataset
from featurenerf.data.formats.pack import pack_dataset
from featurenerf.data.formats.release import annotation_file, camera_file, picture_folder
from featurenerf.data.open import open_dataset
from featurenerf.data.storage import INDEX, UNFINISHED, Pack, PackPath, data_root, read_json
from featurenerf.errors import InputError
from featurenerf.files import write_json
from release_data import CHAIR, IDS

SMALL = 30_000  # bytes; a shard takes two of the fixture's objects


@pytest.fixture
def pack(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    write_json(root / "made" / f"{CHAIR}.json", {"category": "chair"})
    out = tmp_path_factory.mktemp("packs") / "PACK"
    pack_dataset(root, out, shard_bytes=SMALL, progress=False)
    return out


def index_of(pack: Path) -> dict[str, Any]:
    return json.loads((pack / INDEX).read_text())


def assert_same(one: Path | str, other: Path | str) -> None:
    for split in ("train", "val", "test"):
        left, right = open_dataset(one, "chair", split), open_dataset(other, "chair", split)
        assert left.splits == right.splits
        assert [views.id for views in left] == [views.id for views in right]
        for a, b in zip(left, right, strict=True):
            torch.testing.assert_close(a.cameras().pose, b.cameras().pose, rtol=0, atol=0)
            for view in range(len(a)):
                np.testing.assert_array_equal(a.picture(view), b.picture(view))
                np.testing.assert_array_equal(a.parts(view), b.parts(view))
                np.testing.assert_array_equal(a.keypoints(view), b.keypoints(view))
            every = ((views.part_points() + views.keypoint_candidates()) for views in (a, b))
            for mine, its in zip(*every, strict=True):
                np.testing.assert_array_equal(mine, its)


def test_a_pack_is_read_as_its_folder(root: Path, pack: Path) -> None:
    assert len(index_of(pack)["shardlist"]) > 1
    assert_same(root, pack)
    packed, there = data_root(pack), data_root(root)
    assert isinstance(packed, PackPath)
    assert isinstance(there, Path)

    def walk(folder: Any) -> Iterator[Any]:
        for path in sorted(folder.glob("*"), key=str):
            yield from walk(path) if path.is_dir() else [path]

    files = [str(path.relative_to(there)) for path in walk(there)]
    assert [str(path).removeprefix(f"{pack}/") for path in walk(packed)] == files
    for name in files:
        path = packed / name
        assert path.read_bytes() == (there / name).read_bytes()
        assert path.is_file()
        assert not path.is_dir()
        assert (path.name, path.stem) == ((there / name).name, (there / name).stem)
        assert path.parent.is_dir()
        assert path in set(path.parent.glob(f"*{Path(name).suffix}"))
    for absent in ("img/03001627/zz", "camera/03001627/zz.json", "made/1.json", "camera/1", "img/03001627/aa/9.png"):
        assert not (packed / absent).is_file()
        assert not (packed / absent).is_dir()
        with pytest.raises(FileNotFoundError):
            (packed / absent).read_bytes()


def test_it_passes_the_check(pack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_dataset(pack, progress=False) == []
    assert "4 objects, 12 views; 1 for training" in capsys.readouterr().out


def test_the_bytes_depend_on_the_files_alone(root: Path, pack: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("packs") / "other"
    for path in root.rglob("*"):
        path.touch()
    pack_dataset(root, other, shard_bytes=SMALL, progress=False)
    names = sorted(str(path.relative_to(pack)) for path in pack.rglob("*"))
    assert names == sorted(str(path.relative_to(other)) for path in other.rglob("*"))
    for name in names:
        assert (pack / name).is_dir() or (pack / name).read_bytes() == (other / name).read_bytes()


def test_shards_are_plain_tar_files_and_offsets_are_right(pack: Path) -> None:
    index, members = index_of(pack), json.loads((pack / CHAIR / "members.json").read_text())
    seen = []
    for number, shard in enumerate(index["shardlist"]):
        content = (pack / shard["url"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (shard["filesize"], shard["sha256"])
        assert len(content) <= SMALL + 10240
        with tarfile.open(pack / shard["url"]) as archive:
            names = archive.getnames()
            keys = [name.split("/")[1].split(".")[0] for name in names]
            assert list(dict.fromkeys(keys)) == sorted(set(keys))  # contiguous
            for info in archive.getmembers():
                object_id, _, extension = info.name.removeprefix(f"{CHAIR}/").partition(".")
                assert members[object_id]["shard"] == number
                assert members[object_id]["files"][extension] == [info.offset_data, info.size]
                seen.append((object_id, extension))
    assert {object_id for object_id, _ in seen} == set(IDS)
    assert len(seen) == len(set(seen)) == 4 * (3 + 4 + 1)


def test_long_names_are_kept(root: Path, tmp_path: Path) -> None:
    name = "n" * 150  # longer than a tar header has room for
    camera_file(root, CHAIR, "aa").rename(camera_file(root, CHAIR, name))
    picture_folder(root, CHAIR, "aa").rename(picture_folder(root, CHAIR, name))
    pack_dataset(root, tmp_path / "long", progress=False)
    path = picture_folder(data_root(tmp_path / "long"), CHAIR, name) / "001.png"
    assert path.read_bytes() == (picture_folder(root, CHAIR, name) / "001.png").read_bytes()


@pytest.mark.filterwarnings("ignore")
def test_webdataset_reads_the_shards(root: Path, pack: Path) -> None:
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    urls = [str(pack / shard["url"]) for shard in index_of(pack)["shardlist"]]
    samples = list(
        webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).decode(
            "rgba8", only=["camera.json", "002.png"]
        )
    )
    assert [sample["__key__"] for sample in samples] == [f"{CHAIR}/{object_id}" for object_id in IDS]
    for sample, object_id in zip(samples, IDS, strict=True):
        views = read_json(camera_file(root, CHAIR, object_id))
        assert sample["camera.json"] == views
        picture = (picture_folder(root, CHAIR, object_id) / "002.png").read_bytes()
        np.testing.assert_array_equal(sample["002.png"], np.asarray(Image.open(BytesIO(picture))))
        assert sample["kp_2d.npz"] == annotation_file(root, "kp_2d", CHAIR, object_id).read_bytes()
    gc.collect()  # webdataset leaves files to be closed by the collector, which warns


def test_an_interrupted_call_is_taken_up(
    root: Path,
    pack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from featurenerf.data.formats.pack import Shard

    out, write, written = tmp_path / "again", Shard.write, []

    def failing(shard: Shard, path: Path) -> None:
        if len(written) == 1:
            raise KeyboardInterrupt
        written.append(path)
        write(shard, path)

    monkeypatch.setattr(Shard, "write", failing)
    with pytest.raises(KeyboardInterrupt):
        pack_dataset(root, out, shard_bytes=SMALL, progress=False)
    with pytest.raises(InputError, match="a pack that is not complete"):
        open_dataset(out, "chair")
    with pytest.raises(InputError, match="half-finished pack of other files or settings"):
        pack_dataset(root, out, progress=False)
    monkeypatch.setattr(Shard, "write", lambda shard, path: (written.append(path), write(shard, path)))
    pack_dataset(root, out, shard_bytes=SMALL, progress=False)
    assert len(written) == len(set(written)) == len(index_of(pack)["shardlist"])  # the first was not written again
    assert index_of(out) == index_of(pack)
    assert not (out / UNFINISHED).exists()
    with pytest.raises(InputError, match="holds a pack already"):
        pack_dataset(root, out, shard_bytes=SMALL, progress=False)
    with pytest.raises(InputError, match="holds something else"):
        pack_dataset(root, root, progress=False)
    with pytest.raises(InputError, match="is a pack already"):
        pack_dataset(pack, tmp_path / "third", progress=False)


def test_what_is_broken_is_named(pack: Path) -> None:
    first, second = (pack / shard["url"] for shard in index_of(pack)["shardlist"][:2])
    whole = first.read_bytes()
    first.write_bytes(whole[: len(whole) // 3])
    content = bytearray(second.read_bytes())
    content[600] ^= 255
    second.write_bytes(content)
    problems = check_dataset(pack, progress=False)
    assert any(re.search(r"000000\.tar ends after \d+ of \d+ bytes", problem) for problem in problems)
    assert any("000001.tar is not what was packed: its SHA-256 differs" in problem for problem in problems)
    with pytest.raises(InputError, match=r"^\S+000000\.tar ends early: make the pack or download it again$"):
        open_dataset(pack, "chair", "val")[0].picture(2)
    first.unlink()
    with pytest.raises(InputError, match=r"^\S+000000\.tar is missing: make the pack or download it again$"):
        open_dataset(pack, "chair", "train")[0].picture(0)
    problems = check_dataset(pack, progress=False)
    assert sum("000000.tar is missing" in problem for problem in problems) == 2
    members = pack / CHAIR / "members.json"
    members.write_text("{")
    assert any("members.json cannot be read" in problem for problem in check_dataset(pack, progress=False))
    with pytest.raises(InputError, match=r"members\.json cannot be read"):
        open_dataset(pack, "chair", "train")[0].picture(0)
    (pack / INDEX).write_text('{"format": "featurenerf-pack", "version": 7}')
    with pytest.raises(InputError, match=r"index\.json is not the index of a pack"):
        open_dataset(pack, "chair")


class RangeHandler(SimpleHTTPRequestHandler):
    """Files, and parts of files where the request says which."""

    honours_range = True
    asked: list[str]  # each server's own class has one

    def do_GET(self) -> None:
        path, wanted = Path(self.translate_path(self.path)), self.headers.get("Range")
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        type(self).asked.append(f"{path.name} {wanted or ''}".strip())
        if wanted and int(wanted.partition("=")[2].partition("-")[0]) >= len(content):
            self.send_error(416)
            return
        self.send_response_only(206 if wanted and self.honours_range else 200)
        if wanted and self.honours_range:
            start, end = (int(n) for n in re.fullmatch(r"bytes=(\d+)-(\d+)", wanted).groups())  # type: ignore[union-attr]
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
            content = content[start : end + 1]
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize(
    "wrong", ["[]", '{"aa": {}}', '{"aa": {"shard": 99, "files": {}}}', '{"aa": {"shard": 0, "files": {"x": 1}}}']
)
def test_members_that_say_nothing_are_named(pack: Path, wrong: str) -> None:
    (pack / CHAIR / "members.json").write_text(wrong)
    with pytest.raises(InputError, match=r"members\.json does not say where files are"):
        open_dataset(pack, "chair", "train")[0].cameras()


@pytest.mark.parametrize("name", ["/etc/hostname", "../secret.tar", "03001627/../../secret.tar"])
def test_an_index_does_not_lead_out_of_the_pack(pack: Path, name: str) -> None:
    index = index_of(pack)
    index["shardlist"][0]["url"] = name
    (pack / INDEX).write_text(json.dumps(index))
    with pytest.raises(InputError, match="lies outside of the pack"):
        data_root(pack)


def test_an_empty_index_is_a_broken_pack(pack: Path) -> None:
    (pack / INDEX).write_bytes(b"")
    with pytest.raises(InputError, match=r"index\.json cannot be read"):
        data_root(pack)


@pytest.fixture
def server(pack: Path) -> Iterator[tuple[str, type[RangeHandler]]]:
    pytest.importorskip("aiohttp", reason="the extra 'remote' is not installed")
    handler = type("Handler", (RangeHandler,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(pack.parent))) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}/PACK", handler
        listening.shutdown()


def test_a_pack_streams_over_http(root: Path, server: tuple[str, type[RangeHandler]]) -> None:
    url, handler = server
    views = open_dataset(url, "chair", "test")["cc"]
    handler.asked.clear()
    views.picture(1)
    assert len(handler.asked) == 3  # members.json, the cameras, and one picture: no shard as a whole
    assert "members.json" in handler.asked[0]
    assert all(re.search(r"\.tar bytes=\d+-\d+$", asked) for asked in handler.asked[1:])
    assert_same(root, url)
    assert check_dataset(url, progress=False) == []
    with pytest.raises(InputError, match=r"http://\S+/index\.json is missing"):
        open_dataset(f"{url}/nowhere", "chair")


def test_a_broken_shard_is_named_over_http(pack: Path, server: tuple[str, type[RangeHandler]]) -> None:
    url, _ = server
    shards = [pack / shard["url"] for shard in index_of(pack)["shardlist"]]
    shards[0].write_bytes(shards[0].read_bytes()[:1000])
    shards[1].unlink()
    problems = check_dataset(url, progress=False)
    assert f"{url}/{CHAIR}/000000.tar ends after 1000 of {index_of(pack)['shardlist'][0]['filesize']} bytes" in problems
    assert f"{url}/{CHAIR}/000001.tar is missing" in problems
    with pytest.raises(InputError, match=r"^\S+/000000\.tar ends early: make the pack or download it again$"):
        open_dataset(url, "chair", "train")[0].part_points()


def test_a_local_cache_serves_where_there_are_no_ranges(
    root: Path,
    server: tuple[str, type[RangeHandler]],
) -> None:
    url, handler = server
    handler.honours_range = False
    with pytest.raises(InputError, match=r"its server sends no parts of files: put simplecache:: before the address"):
        open_dataset(url, "chair", "train")[0].picture(1)
    assert_same(root, f"simplecache::{url}")


def test_protocols_that_are_not_there_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_PAUSES", ())
    with pytest.raises(InputError, match=r"nonsense://a/b cannot be opened \(Protocol not known: nonsense"):
        open_dataset("nonsense://a/b", "chair")
    pytest.importorskip("aiohttp", reason="the extra 'remote' is not installed")
    with pytest.raises(InputError, match=r"index\.json cannot be read"):
        open_dataset("http://127.0.0.1:9/PACK", "chair")


def test_a_pack_in_memory(root: Path, pack: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(str(pack), "/bucket/PACK", recursive=True)
    try:
        assert_same(root, "memory://bucket/PACK")
        assert isinstance(data_root("memory://bucket/PACK"), PackPath)
    finally:
        memory.rm("/bucket", recursive=True)


def test_command_line(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "packed"
    main(["pack", str(root), "--out", str(out)])
    assert "4 objects in 1 shards" in capsys.readouterr().out
    main(["check", str(out)])
    assert "no problems" in capsys.readouterr().out
    assert isinstance(data_root(str(out)), PackPath)
    assert isinstance(data_root(str(out)).pack, Pack)  # type: ignore[union-attr]


def test_evaluation_and_training_take_a_pack(root: Path, pack: Path, tmp_path: Path) -> None:
    from featurenerf.cli import eval as evaluation
    from featurenerf.training.config import TrainConfig

    reports = []
    for number, data in enumerate((root, pack)):
        out = tmp_path / f"{number}.json"
        evaluation.main(f"--data {data} --category chair --method same-pixel --out {out} --no-progress".split())
        report = json.loads(out.read_text())
        reports.append([report[key] for key in ("pairs", "part_miou", "keypoint_accuracy", "config")])
    assert reports[0] == reports[1]
    assert reports[0][0] == 1
    config = TrainConfig(f"file://{pack}", ("chair",), tmp_path / "run")  # an address stays as it is
    packed = open_dataset(config.data, "chair")
    np.testing.assert_array_equal(packed[0].picture(1), open_dataset(root, "chair")[0].picture(1))
