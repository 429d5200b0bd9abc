"""An ONNX file that is rotten is a sentence, at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurenerf.errors import InputError
from featurenerf.teachers.onnx_file import read_onnx

# ModelProto.graph { initializer { dims: 2, data_type: FLOAT, name: "w", raw_data: 1.0, 2.0 } }
TENSOR = b"\x08\x02\x10\x01\x42\x01w\x4a\x08\x00\x00\x80\x3f\x00\x00\x00\x40"
GRAPH = b"\x2a" + bytes([len(TENSOR)]) + TENSOR
MODEL = b"\x3a" + bytes([len(GRAPH)]) + GRAPH


def test_a_small_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(MODEL)
    constants, nodes = read_onnx(tmp_path / "a.onnx")
    assert {name: value.tolist() for name, value in constants.items()} == {"w": [1.0, 2.0]}
    assert nodes == []


@pytest.mark.parametrize(
    "content", [b"\xff" * 1_000_000, b"\x3a" + b"\xff" * 9 + b"\x01", b"", b"no file of this kind"]
)
def test_nonsense_is_refused(tmp_path: Path, content: bytes) -> None:
    """An integer of a million bytes would take minutes to add up."""
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.onnx is damaged, or not an ONNX file"):
        read_onnx(tmp_path / "a.onnx")


def test_every_damage_is_a_sentence(tmp_path: Path) -> None:
    refused = 0
    for number in range(8 * len(MODEL)):
        flipped = bytearray(MODEL)
        flipped[number // 8] ^= 1 << number % 8
        for content in (bytes(flipped), MODEL[: number // 8]):
            (tmp_path / "a.onnx").write_bytes(content)
            try:
                read_onnx(tmp_path / "a.onnx")
            except InputError:
                refused += 1
    assert refused > len(MODEL)
