"""A pickle in an .npz file is read as arrays, by any protocol, and cannot make NumPy take numbers for objects."""

from __future__ import annotations

import pickle
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from featurenerf.data.formats.unpickle import read_npz
from featurenerf.errors import InputError


def written(path: Path, array: Any, shape: tuple[int, ...], protocol: int) -> Path:
    return pickled(path, pickle.dumps(array, protocol), shape)


def pickled(path: Path, content: bytes, shape: tuple[int, ...] = (1,)) -> Path:
    """A file whose array of objects is some pickle."""
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": shape})
    return archived(path, header.getvalue() + content)


def archived(path: Path, member: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labels.npy", member)
    return path


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_arrays_of_arrays_come_back(tmp_path: Path, protocol: int) -> None:
    array = np.empty((2, 2), object)
    array[0, 0] = np.arange(6, dtype=">i4").reshape(2, 3)
    array[0, 1] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    array[1, 0] = [np.int64(3), 4, np.zeros((0, 3))]
    array[1, 1] = np.arange(3, dtype=np.uint8)
    for given in (array, np.asfortranarray(array)):
        found = read_npz(written(tmp_path / "a.npz", given, (2, 2), protocol), "labels")
        for place in ((0, 0), (0, 1), (1, 1)):
            assert found[place].dtype == array[place].dtype
            assert np.array_equal(found[place], array[place])
        assert found[1, 0][:2] == [3, 4]
        assert found[1, 0][2].shape == (0, 3)


class Dtype:
    """A dtype of objects that is said to hold none."""

    def __reduce__(self) -> tuple:
        return np.dtype, ("O8", False, True), (3, "|", None, None, None, -1, -1, 0)


class Forged:
    """An array of objects whose addresses are given as bytes."""

    def __reduce__(self) -> tuple:
        from numpy._core.multiarray import _reconstruct

        return _reconstruct, (np.ndarray, (0,), b"b"), (1, (1,), Dtype(), False, b"A" * 8)


def test_bytes_are_never_taken_for_objects(tmp_path: Path) -> None:
    """NumPy's own way of setting a dtype's state believes the flags, and reading the array then ends the program."""
    try:
        found = read_npz(written(tmp_path / "a.npz", Forged(), (1,), 2), "labels")
    except InputError:
        return
    assert all(isinstance(value, int) for value in found)


def test_an_array_that_holds_itself_is_refused(tmp_path: Path) -> None:
    array = np.empty(1, object)
    array[0] = array
    with pytest.raises(InputError, match=r"a\.npz cannot be read"):
        read_npz(written(tmp_path / "a.npz", array, (1,), 4), "labels")


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "name",
    [
        "os.system", "posix.system", "subprocess.Popen", "builtins.eval", "builtins.getattr", "builtins.bytearray",
        "__builtin__.eval", "__builtin__.bytearray", "other.bytes", "_codecs.decode", "_codecs.lookup",
        "other.encode", "copyreg._reconstructor", "collections.OrderedDict", "numpy.load", "numpy.fromfile",
        "numpy.matrix", "numpy.memmap", "numpy.scalar", "numpy.core.multiarray.fromfile",
        "numpy._core.multiarray._vec_string", "numpy._core.multiarray._frombuffer", "numpy._core.multiarray.ndarray",
        "numpy.core.numeric.full", "numpy._core.numeric._reconstruct", "numpy._core.numeric.scalar", "other.ndarray",
        "other.dtype", "other._reconstruct", "torch._utils._rebuild_tensor",
    ],
)  # fmt: skip
def test_any_other_global_is_refused_by_name(tmp_path: Path, name: str) -> None:
    """Even where the pickle only asks for it and does not call it."""
    module, _, attribute = name.rpartition(".")
    said = name.replace("numpy.core", "numpy._core")
    for content in (
        f"c{module}\n{attribute}\n.".encode(),
        pickle.dumps(module, 4)[:-1] + pickle.dumps(attribute, 4)[2:-1] + b"\x93.",
    ):
        with pytest.raises(InputError, match=rf"a\.npz asks for {said} when it is read") as caught:
            read_npz(pickled(tmp_path / "a.npz", content), "labels")
        assert caught.value.__cause__ is None


def test_what_a_pickle_would_run_does_not_run(tmp_path: Path) -> None:
    class Maker:
        def __reduce__(self) -> tuple:
            return Path.mkdir, (tmp_path / "made",)

    array = np.empty(1, object)
    array[0] = Maker()
    with pytest.raises(InputError, match="do not use this file"):
        read_npz(written(tmp_path / "a.npz", array, (1,), 4), "labels")
    assert not (tmp_path / "made").exists()


def test_text_is_encoded_to_latin1_alone(tmp_path: Path) -> None:
    content = b"c_codecs\nencode\n(Vtext\nV%s\ntR."
    with pytest.raises(InputError, match=r"asks for _codecs\.encode to rot13"):
        read_npz(pickled(tmp_path / "a.npz", content % b"rot13"), "labels")
    with pytest.raises(InputError, match="does not hold the array"):  # it is read, but it is no array
        read_npz(pickled(tmp_path / "a.npz", content % b"latin1"), "labels")


@pytest.mark.parametrize("module", ["builtins", "__builtin__"])
def test_bytes_are_called_for_nothing_only(tmp_path: Path, module: str) -> None:
    for arguments, said in ((b"", "does not hold the array"), (b"I5\n", "broken pickle")):
        content = f"c{module}\nbytes\n(".encode() + arguments + b"tR."
        with pytest.raises(InputError, match=said):
            read_npz(pickled(tmp_path / "a.npz", content), "labels")


@pytest.mark.parametrize(
    ("subarray", "names", "fields"), [((1,), None, None), (None, ("a",), None), (None, None, {"a": 1})]
)
def test_structured_arrays_are_refused(tmp_path: Path, subarray: Any, names: Any, fields: Any) -> None:
    class Structured:
        def __reduce__(self) -> tuple:
            return np.dtype, ("i4", False, True), (3, "|", subarray, names, fields, 4, 1, 0)

    class Holder:
        def __reduce__(self) -> tuple:
            from numpy._core.multiarray import _reconstruct

            return _reconstruct, (np.ndarray, (0,), b"b"), (1, (1,), Structured(), False, b"\0" * 4)

    with pytest.raises(InputError, match="it holds a structured array"):
        read_npz(written(tmp_path / "a.npz", Holder(), (1,), 4), "labels")


# ---------------------------------------------------------------------- what is allowed


def python_2(version: bytes, content: bytes) -> bytes:
    """Two 16-bit numbers as Python 2 pickled an array: text for bytes, and the names of NumPy 1."""
    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R("
        + version
        + b"K\x02\x85cnumpy\ndtype\nU\x02i2\x89\x88\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + content
        + b"tb."
    )


@pytest.mark.parametrize("version", [b"K\x01", b""])
def test_what_python_2_and_the_first_numpy_wrote_is_read(tmp_path: Path, version: bytes) -> None:
    """NumPy before 1.0 wrote no version of the state."""
    found = read_npz(pickled(tmp_path / "a.npz", python_2(version, b"U\x04\x01\x00\xfe\xff"), (2,)), "labels")
    assert found.dtype == np.int16
    assert found.tolist() == [1, -2]
    found[0] = 5  # it is not read-only


def test_an_array_that_is_never_filled_is_empty(tmp_path: Path) -> None:
    content = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R."
    found = read_npz(pickled(tmp_path / "a.npz", content, (0,)), "labels")
    assert (found.shape, found.dtype) == ((0,), np.int8)


def test_a_dtype_may_be_named_in_bytes_and_a_scalar_in_text(tmp_path: Path) -> None:
    dtype = b"cnumpy\ndtype\nC\x02i2\x89\x88\x87R(K\x03U\x01>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    one = b"cnumpy.core.multiarray\nscalar\n" + dtype + b"%s\x86R"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01K\x02\x85"
        b"cnumpy\ndtype\nU\x02O8\x89\x88\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89]("
        + one % b"U\x02\xff\xfe"
        + one % b"C\x02\x01\x02"
        + b"etb."
    )
    found = read_npz(pickled(tmp_path / "a.npz", b"\x80\x04" + array, (2,)), "labels")
    assert found.tolist() == [-2, 258]  # the high byte first


@pytest.mark.parametrize("module", ["numpy.core", "numpy._core"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_built_by_the_names_of_either_numpy(tmp_path: Path, module: str, order: str) -> None:
    array = np.empty(1, object)
    array[0] = np.array([[1, 2, 3], [4, 5, 6]], np.int32, order=order)  # type: ignore[call-overload]
    content = pickle.dumps(array, 2).replace(b"numpy._core", module.encode())
    assert module.encode() in content
    found = read_npz(pickled(tmp_path / "a.npz", content), "labels")
    assert found[0].tolist() == [[1, 2, 3], [4, 5, 6]]
    buffers = pickle.dumps(array[0], 5)
    assert b"_frombuffer" in buffers
    assert read_npz(pickled(tmp_path / "a.npz", buffers, (2, 3)), "labels").tolist() == [[1, 2, 3], [4, 5, 6]]


def test_arrays_in_lists_and_tuples_are_found_and_one_that_is_held_twice_is_one(tmp_path: Path) -> None:
    inner = np.arange(3)
    array = np.empty(3, object)
    array[0], array[1], array[2] = inner, [(inner, "text"), [[inner]]], None
    found = read_npz(written(tmp_path / "a.npz", array, (3,), 4), "labels")
    assert found[0].tolist() == [0, 1, 2]
    assert found[1] == [[found[0], "text"], [[found[0]]]]
    assert found[1][0][0] is found[0]
    assert found[2] is None


# ---------------------------------------------------------------------- arrays of numbers, and broken files


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">i4").reshape(2, 3),
        np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
        np.zeros((0, 3), np.float32),
        np.array(7, np.int16),
    ],
)
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_arrays_of_numbers_come_back(tmp_path: Path, array: np.ndarray, version: tuple[int, int]) -> None:
    content = BytesIO()
    np.lib.format.write_array(content, array, version)
    found = read_npz(archived(tmp_path / "a.npz", content.getvalue()), "labels")
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert np.array_equal(found, array)


def test_what_is_cut_short_is_refused(tmp_path: Path) -> None:
    content = BytesIO()
    np.lib.format.write_array(content, np.arange(6, dtype=np.int64))
    with pytest.raises(InputError, match=r"a\.npz cannot be read \(the file ends early\)"):
        read_npz(archived(tmp_path / "a.npz", content.getvalue()[:-1]), "labels")
    with pytest.raises(InputError, match="cannot be read"):
        read_npz(archived(tmp_path / "a.npz", content.getvalue()[:20]), "labels")
    with pytest.raises(InputError, match="cannot be read"):
        read_npz(pickled(tmp_path / "a.npz", pickle.dumps(np.empty(1, object), 4)[:-3]), "labels")


def test_another_version_of_the_format_is_refused(tmp_path: Path) -> None:
    content = BytesIO()
    np.lib.format.write_array(content, np.arange(3), (3, 0))
    with pytest.raises(InputError, match=r"array format \(3, 0\) is not known"):
        read_npz(archived(tmp_path / "a.npz", content.getvalue()), "labels")


@pytest.mark.parametrize("shape", [(2,), (1, 1), ()])
def test_the_array_is_the_one_that_its_header_announces(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.empty(1, object)
    assert read_npz(written(tmp_path / "a.npz", array, (1,), 4), "labels").shape == (1,)
    with pytest.raises(InputError, match="does not hold the array that its header announces"):
        read_npz(written(tmp_path / "a.npz", array, shape, 4), "labels")
    with pytest.raises(InputError, match="does not hold the array that its header announces"):
        read_npz(written(tmp_path / "a.npz", [1, 2], (2,), 4), "labels")


@pytest.mark.parametrize(
    "content",
    [
        b"cnumpy\nndarray\n(I1\ntR.",  # a stand-in is called with an argument
        b"cnumpy\ndtype\n(tR.",  # a dtype of nothing
        b"cnumpy\ndtype\n(Vnonsense\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(tR.",
        b"0.",  # from an empty stack
        b"h\x07.",  # what was never kept
        b"I1\n}b.",
    ],
)
def test_a_broken_pickle_gets_a_sentence(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.npz cannot be read \(.*\): make or download it again"):
        read_npz(pickled(tmp_path / "a.npz", content), "labels")


def test_a_missing_key_a_missing_file_and_no_archive_are_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", other=np.arange(3))
    with pytest.raises(InputError, match=r"a\.npz holds no array 'labels'"):
        read_npz(tmp_path / "a.npz", "labels")
    assert read_npz(tmp_path / "a.npz", "other").tolist() == [0, 1, 2]
    with pytest.raises(InputError, match=r"b\.npz"):
        read_npz(tmp_path / "b.npz", "labels")
    (tmp_path / "c.npz").write_bytes(b"PK, but no archive")
    with pytest.raises(InputError, match=r"c\.npz cannot be read"):
        read_npz(tmp_path / "c.npz", "labels")


@pytest.mark.parametrize(("offset", "value"), [(6, 1), (8, 99)])
def test_an_archive_that_is_locked_or_packed_in_another_way_is_said(tmp_path: Path, offset: int, value: int) -> None:
    """Flag 1 of the local header and the directory is for a password; 99 is a method that nobody knows."""
    np.savez(tmp_path / "a.npz", labels=np.arange(3))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[offset] = value
    content[content.index(b"PK\x01\x02") + offset + 2] = value
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz cannot be read"):
        read_npz(tmp_path / "a.npz", "labels")


def test_an_array_of_a_negative_length_is_refused(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (-5,), }".ljust(117) + b"\n"
    content = b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header
    with pytest.raises(InputError, match=r"a\.npz cannot be read \(its shape is \(-5,\)\)"):
        read_npz(archived(tmp_path / "a.npz", content), "labels")
