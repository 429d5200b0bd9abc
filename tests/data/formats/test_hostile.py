"""Files that are rotten or made to harm: refused by name, before they take the machine."""

from __future__ import annotations

import gzip
import json
import pickle
import resource
import shutil
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from featurenerf import limits
from featurenerf.data.formats.unpickle import read_npz
from featurenerf.data.open import open_dataset
from featurenerf.data.storage import data_root, read_file, read_json
from featurenerf.errors import InputError
from release_data import CHAIR, record, write_release


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """Whatever a test reads may add 100 MB to what the process has ever taken."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def objects_file(path: Path, content: bytes, shape: tuple[int, ...] = (1,)) -> Path:
    """A file whose array of objects is some pickle."""
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.npy", header.getvalue() + content)
    return path


def array_of(value: Any) -> np.ndarray:
    array = np.empty(1, object)
    array[0] = value
    return array


def test_lists_that_are_shared_again_and_again(tmp_path: Path) -> None:
    """Forty lists of two, each in the next: a trillion values in 400 bytes."""
    nested: Any = [1, 2]
    for _ in range(40):
        nested = [nested, nested]
    path = objects_file(tmp_path / "a.npz", pickle.dumps(array_of(nested), 4))
    assert path.stat().st_size < 500
    start = time.process_time()
    with pytest.raises(InputError, match=r"a\.npz cannot be read \(its lists hold more than 1000000 values\)"):
        read_npz(path, "labels")
    assert time.process_time() - start < 1


def test_deep_lists(tmp_path: Path) -> None:
    path = objects_file(tmp_path / "a.npz", b"\x80\x04" + b"]" * 50_000 + b"a" * 49_999 + b".")
    with pytest.raises(InputError, match="nested more than 64 deep"):
        read_npz(path, "labels")


@pytest.mark.parametrize("place", [2**29, 2**32 - 1])
def test_a_place_far_in_the_memo(tmp_path: Path, place: int) -> None:
    """The unpickler makes room for all places up to it: 8.6 GB."""
    path = objects_file(tmp_path / "a.npz", b"\x80\x04]r" + place.to_bytes(4, "little") + b".")
    with pytest.raises(InputError, match=r"a\.npz cannot be read \(broken pickle: place \d+ of"):
        read_npz(path, "labels")
    path = objects_file(tmp_path / "b.npz", b"]p%d\n." % place)
    with pytest.raises(InputError, match=r"b\.npz cannot be read \(broken pickle: place \d+ of"):
        read_npz(path, "labels")


def test_lengths_that_a_pickle_does_not_have(tmp_path: Path) -> None:
    for code in (b"\x8e", b"\x96", b"\x8d"):  # of bytes, of a byte array, of a text
        path = objects_file(tmp_path / "a.npz", b"\x80\x05" + code + (2**40).to_bytes(8, "little") + b"abc.")
        with pytest.raises(InputError, match=r"a\.npz cannot be read"):
            read_npz(path, "labels")


def test_too_many_operations(tmp_path: Path) -> None:
    path = objects_file(tmp_path / "a.npz", b"\x80\x04" + b"N" * 1_100_000 + b".")
    assert path.stat().st_size < 5_000
    with pytest.raises(InputError, match="more than 1000000 operations"):
        read_npz(path, "labels")


def test_one_piece_that_becomes_many_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each array copies the bytes that all share."""
    shared = bytes(1_000_000)

    class Shared:
        def __reduce__(self) -> tuple:
            from numpy._core.multiarray import _reconstruct

            return _reconstruct, (np.ndarray, (0,), b"b"), (1, (1_000_000,), np.dtype("u1"), False, shared)

    monkeypatch.setattr(limits, "UNPACKED_BYTES", 10_000_000)
    few, many = ([Shared() for _ in range(count)] for count in (9, 11))
    found = read_npz(objects_file(tmp_path / "a.npz", pickle.dumps(array_of(few), 4)), "labels")
    assert [array.shape for array in found[0]] == [(1_000_000,)] * 9
    with pytest.raises(InputError, match="its arrays take more than 9 MiB"):
        read_npz(objects_file(tmp_path / "b.npz", pickle.dumps(array_of(many), 4)), "labels")


@pytest.mark.parametrize("value", [{"a": 1}, {1, 2}, frozenset([1])])
def test_what_is_no_array_list_text_or_number(tmp_path: Path, value: Any) -> None:
    path = objects_file(tmp_path / "a.npz", pickle.dumps(array_of(value), 4).replace(b"builtins", b"builtins"))
    with pytest.raises(InputError, match=r"it holds a (dict|set|frozenset), which is no array or number"):
        read_npz(path, "labels")


@pytest.mark.parametrize(
    "call",
    [
        b"cnumpy.core.multiarray\n_reconstruct\n(I1\nI2\nI3\nI4\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(I1\nI2\nVx\ntR.",
        b"cnumpy\ndtype\n(C\x02i4I7\nVyes\ntR.",
        b"cnumpy\ndtype\n(Vf4,f4,f4\ntR.",
        b"cnumpy\ndtype\n(V(9999999999,)f4\ntR.",
        b"cnumpy.core.multiarray\nscalar\n(I1\nI2\ntR.",
        b"cnumpy.core.numeric\n_frombuffer\n(I1\nI2\nI3\nI4\ntR.",
        b"c_codecs\nencode\n(I1\nVlatin1\ntR.",
    ],
)
def test_constructors_are_called_with_anything(tmp_path: Path, call: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.npz cannot be read"):
        read_npz(objects_file(tmp_path / "a.npz", call), "labels")


def bomb(path: Path, name: str, size: int, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive, archive.open(name, "w", force_zip64=True) as file:
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    return path


def test_an_archive_that_unpacks_to_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UNPACKED_BYTES", 8 << 20)
    with pytest.raises(InputError, match=r"a\.npz cannot be read \(labels\.npy unpacks to more than 8 MiB\)"):
        read_npz(bomb(tmp_path / "a.npz", "labels.npy", 16 << 20), "labels")
    content = bytearray((tmp_path / "a.npz").read_bytes())
    place = content.index(b"PK\x01\x02") + 24
    content[place : place + 4] = (100).to_bytes(4, "little")  # the size in the directory is a lie
    (tmp_path / "b.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"b\.npz cannot be read"):
        read_npz(tmp_path / "b.npz", "labels")
    with pytest.raises(InputError, match=r"packed by method 14, not deflated"):
        read_npz(bomb(tmp_path / "c.npz", "labels.npy", 1 << 20, zipfile.ZIP_LZMA), "labels")


def test_an_array_that_is_announced_and_not_there(tmp_path: Path) -> None:
    header = BytesIO()
    shape = (2**40, 2**40)
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("labels.npy", header.getvalue())
    with pytest.raises(InputError, match=r"a\.npz cannot be read \(the file ends early\)"):
        read_npz(tmp_path / "a.npz", "labels")


def test_every_flipped_bit_of_an_annotation_is_a_sentence(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", labels=np.arange(100).reshape(10, 10) % 7)
    content, path = (tmp_path / "a.npz").read_bytes(), tmp_path / "b.npz"
    problems = []
    for number in range(0, 8 * len(content), 13):
        broken = bytearray(content)
        broken[number // 8] ^= 1 << number % 8
        path.write_bytes(broken)
        try:
            read_npz(path, "labels")
        except InputError as error:
            problems.append(str(error))
    assert len(problems) > 20
    assert all(str(path) in problem for problem in problems)


# ---------------------------------------------------------------------- JSON and gzip


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[" * 100_000, "RecursionError"),
        (b"[" * 70 + b"]" * 70, "nested more than 64 deep"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "nested more than 64 deep"),
        (b"9" * 5000, "integer string conversion"),
        (b'{"a": ', "JSONDecodeError"),
        (b"\xff\xfe\xfa", "UnicodeDecodeError"),
        (b"", "JSONDecodeError"),
    ],
)
def test_json_that_cannot_be(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.json cannot be read \(.*{said}"):
        read_json(tmp_path / "a.json")


def test_json_within_its_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_text("[" * 64 + "1" + "]" * 64)
    assert read_json(tmp_path / "a.json")[0][0][0]
    (tmp_path / "a.json").write_text(json.dumps([[]] * 100))
    assert len(read_json(tmp_path / "a.json")) == 100
    monkeypatch.setattr(limits, "ELEMENTS", 199)  # 100 lists in one, 99 commas
    with pytest.raises(InputError, match="it holds more than 199 values"):
        read_json(tmp_path / "a.json")
    monkeypatch.setattr(limits, "JSON_BYTES", 10)
    with pytest.raises(InputError, match="it is larger than 0 MiB"):
        read_json(tmp_path / "a.json")


def test_gzip_that_unpacks_to_much(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(bytes(1 << 24))
    assert len(limits.gunzipped(packed)) == 1 << 24
    monkeypatch.setattr(limits, "JSON_BYTES", 1 << 20)
    with pytest.raises(limits.BeyondLimitError, match="it unpacks to more than 1 MiB"):
        limits.gunzipped(packed)


@pytest.mark.parametrize("damage", [lambda p: p[:-4], lambda p: p[:20] + b"\xff" + p[21:], lambda p: b"no gzip" + p])
def test_damaged_gzip_is_a_sentence(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    folder = tmp_path / "chair"
    (folder / "set_lists").mkdir(parents=True)
    packed = gzip.compress(json.dumps([{"sequence_name": "a", "frame_number": n} for n in range(50)]).encode())
    (folder / "frame_annotations.jgz").write_bytes(damage(packed))
    lists = json.dumps({"train": [["a", 1, ""]], "val": [], "test": []})
    (folder / "set_lists" / "set_lists_fewview_dev.json").write_text(lists)
    with pytest.raises(InputError, match=r"frame_annotations\.jgz cannot be read"):
        open_dataset(tmp_path, "chair")


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"pipe cannot be read \(it is no regular file\)"):
        read_file(tmp_path / "pipe")
    for path in (Path("/dev/zero"), tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_file(path)
    with pytest.raises(InputError, match="is missing"):
        read_file(tmp_path / "absent")
    for name in ("a\0b", "\ud800"):
        with pytest.raises(InputError, match="cannot be read"):
            read_file(tmp_path / name)
    (tmp_path / "a").write_bytes(bytes(11))
    monkeypatch.setattr(limits, "FILE_BYTES", 10)
    with pytest.raises(InputError, match="it is larger than 0 MiB"):
        read_file(tmp_path / "a")


# ---------------------------------------------------------------------- annotations and their table


def test_labels_that_the_table_lacks_are_named_and_their_object_is_skipped(tmp_path: Path) -> None:
    from featurenerf.data.check import check_dataset

    write_release(tmp_path)
    table = tmp_path / "labels" / f"{CHAIR}.json"
    table.parent.mkdir()
    names = {"parts": [f"part {n}" for n in range(5)], "keypoints": [f"point {n}" for n in range(16)]}
    table.write_text(json.dumps(names))
    assert check_dataset(tmp_path, progress=False) == []
    file = tmp_path / "part_2d_anno" / CHAIR / "cc.npz"
    parts = record().parts.copy()
    parts[1, 2, 3] = 5
    np.savez(file, labels=parts)
    said = (
        f"{file} has the part 5, and the data set names 0 to 4: correct its labels/*.json, or make the annotation again"
    )
    assert check_dataset(tmp_path, progress=False) == [said]
    kept = open_dataset(tmp_path, "chair", "test", skip_broken=True, progress=False)
    assert [views.id for views in kept] == ["dd"]
    assert kept.broken == {"cc": said}
    table.write_text(json.dumps({**names, "keypoints": ["one", "two"]}))
    problems = "\n".join(check_dataset(tmp_path, progress=False))
    assert f"kp_3d_anno/{CHAIR}/dd.npz has the keypoint 9, and the data set names 0 to 1" in problems
    assert f"kp_2d_anno/{CHAIR}/dd.npz has the keypoint" in problems


# ---------------------------------------------------------------------- servers


class Hostile(BaseHTTPRequestHandler):
    """Answers as the first part of the path says."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        type(self).asked.append(self.path)
        if kind == "silent":
            time.sleep(1.5)
        elif kind == "endless":
            self.send_response(200)
            self.end_headers()
            piece = b"x" * (1 << 20)
            try:
                while True:
                    self.wfile.write(piece)
            except OSError:
                self.close_connection = True
        elif kind == "packed":
            body = gzip.compress(b"{}")
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        elif kind in ("private", "file"):
            port = self.server.server_address[1]
            self.send_response(302)
            self.send_header(
                "Location", f"http://localhost:{port}/fine" if kind == "private" else "file:///etc/hostname"
            )
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif kind == "drip":
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(100):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(0.05)
            except OSError:
                self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[tuple[str, type[Hostile]]]:
    handler = type("Handler", (Hostile,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        listening.daemon_threads = True
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}", handler
        listening.shutdown()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("silent", "its server sends nothing"),
        ("drip", "its server sends nothing"),
        ("endless", "its server sends more than 4 MiB"),
        ("packed", "its server sends it packed by gzip, which was not asked for"),
        ("private", "its server redirects to localhost, which is a private address"),
        ("file", "its server redirects from http to file"),
    ],
)
def test_a_server_cannot_hold_or_fill_the_machine(kind: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp", reason="the extra 'remote' is not installed")
    monkeypatch.setattr(limits, "SILENCE", 0.3 if kind == "silent" else 15)
    monkeypatch.setattr(limits, "TRANSFER", 0.6 if kind == "drip" else 300)
    monkeypatch.setattr(limits, "JSON_BYTES", 4 << 20)
    start = time.monotonic()
    with serving() as (url, handler), pytest.raises(InputError) as caught:
        data_root(f"{url}/{kind}")
    assert str(caught.value).startswith(f"{url}/{kind}/index.json cannot be read (")
    assert said in str(caught.value)
    assert handler.asked == [f"/{kind}/index.json"]  # once: it would be the same again
    assert time.monotonic() - start < 10


def test_a_cache_of_an_endless_body_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp", reason="the extra 'remote' is not installed")
    monkeypatch.setattr(limits, "DOWNLOAD_BYTES", 4 << 20)
    with serving() as (url, _), pytest.raises(InputError, match="its server sends more than 4 MiB"):
        data_root(f"simplecache::{url}/endless")


def test_a_range_of_an_endless_body_ends(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="the extra 'remote' is not installed")
    from featurenerf.data.storage import RemoteStorage

    with serving() as (url, _):
        assert len(RemoteStorage(f"{url}/endless").read("a.tar", 100, 1000)) == 1001  # which says that it is not a part


def test_https_is_not_left_for_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked of the check itself: a server with a certificate is more than a test needs."""
    pytest.importorskip("aiohttp", reason="the extra 'remote' is not installed")
    import asyncio
    from types import SimpleNamespace

    from yarl import URL

    from featurenerf.data import remote

    def redirect(here: str, there: str) -> None:
        response = SimpleNamespace(url=URL(here), headers={"Location": there})
        asyncio.run(remote._check_redirect(None, None, SimpleNamespace(response=response)))  # type: ignore[arg-type]

    with pytest.raises(limits.BeyondLimitError, match=r"from https to http$"):
        redirect("https://8.8.8.8/a", "http://8.8.8.8/a")
    for private in ("10.0.0.1", "192.168.1.1", "169.254.169.254", "[::1]", "127.0.0.1", "[fd00::1]", "0.0.0.0"):
        with pytest.raises(limits.BeyondLimitError, match="which is a private address"):
            redirect("https://8.8.8.8/a", f"https://{private}/a")
    redirect("https://8.8.8.8/a", "/elsewhere")
    redirect("http://8.8.8.8/a", "https://1.1.1.1/a")


def test_an_index_with_lengths_beyond_all_bounds(tmp_path: Path) -> None:
    from featurenerf.data.formats.pack import pack_dataset

    write_release(tmp_path / "data")
    pack_dataset(tmp_path / "data", tmp_path / "pack", progress=False)
    members = tmp_path / "pack" / CHAIR / "members.json"
    content = json.loads(members.read_text())
    before = members.read_bytes()
    for wrong, said in (
        (2**62, "is larger than 1024 MiB"),
        (-1, "-1 is no number of bytes"),
        (1.5, "1.5 is no number"),
    ):
        content["aa"]["files"]["camera.json"][1] = wrong
        members.write_text(json.dumps(content))
        with pytest.raises(InputError, match=said):
            open_dataset(tmp_path / "pack", "chair")[0].cameras()
    members.write_bytes(before)
    shutil.rmtree(tmp_path / "data")
    assert len(open_dataset(tmp_path / "pack", "chair")[0]) == 3
    assert socket.getdefaulttimeout() is None
