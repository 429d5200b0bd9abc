"""A pickle in an .npz file is read as arrays, by any protocol, and cannot make NumPy take numbers for objects."""

from __future__ import annotations

import pickle
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from featurenerf.data.unpickle import read_npz
from featurenerf.errors import InputError


def written(path: Path, array: Any, shape: tuple[int, ...], protocol: int) -> Path:
    content = BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "|O", "fortran_order": False, "shape": shape})
    content.write(pickle.dumps(array, protocol))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labels.npy", content.getvalue())
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
