"""Small glTF files written by hand: a triangle, and what extensions say of it."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

CORNERS = np.array([(0, 0, 0), (2, 0, 0), (0, 1, 0)], np.float32)
_COMPONENTS = {"int8": 5120, "uint8": 5121, "int16": 5122, "uint16": 5123, "uint32": 5125, "float32": 5126}
_KINDS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}


class Gltf:
    """A file with one node, one mesh and one primitive; ``tree`` can be changed before it is written."""

    def __init__(self, corners: np.ndarray = CORNERS, normalized: bool = False) -> None:
        self.content = b""
        self.tree: dict[str, Any] = {
            "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
            "meshes": [{"name": "thing", "primitives": [{"attributes": {}}]}],
            "accessors": [], "bufferViews": [],
        }  # fmt: skip
        self.primitive["attributes"]["POSITION"] = self.array(corners, normalized)

    @property
    def primitive(self) -> dict[str, Any]:
        return self.tree["meshes"][0]["primitives"][0]

    @property
    def node(self) -> dict[str, Any]:
        return self.tree["nodes"][0]

    def view(self, content: bytes, **more: Any) -> int:
        self.content += bytes(-len(self.content) % 4)
        self.tree["bufferViews"].append(
            {"buffer": 0, "byteOffset": len(self.content), "byteLength": len(content), **more}
        )
        self.content += content
        return len(self.tree["bufferViews"]) - 1

    def array(self, values: np.ndarray, normalized: bool = False, **more: Any) -> int:
        """The number of an accessor; rows are padded to four bytes, as the format asks."""
        values = values[:, None] if values.ndim == 1 else values
        row = values.dtype.itemsize * values.shape[1]
        step = row if values.shape[1] == 1 else row + -row % 4
        content = b"".join(v.tobytes().ljust(step, b"\0") for v in values)
        stride = {} if step == row else {"byteStride": step}
        accessor = {
            "bufferView": self.view(content, **stride), "componentType": _COMPONENTS[values.dtype.name],
            "count": len(values), "type": _KINDS[values.shape[1]], **more,
        }  # fmt: skip
        self.tree["accessors"].append({**accessor, **({"normalized": True} if normalized else {})})
        return len(self.tree["accessors"]) - 1

    def attribute(self, name: str, values: np.ndarray, normalized: bool = False) -> None:
        self.primitive["attributes"][name] = self.array(values, normalized)

    def material(self, **said: Any) -> None:
        self.primitive["material"] = 0
        self.tree["materials"] = [said]

    def picture(self, content: bytes, **more: Any) -> dict[str, Any]:
        """A texture; returns what a material says of it."""
        self.tree["images"] = [{"bufferView": self.view(content), "mimeType": "image/png"}]
        self.tree["textures"] = [{"source": 0, **more}]
        return {"index": 0}

    def write(self, path: Path) -> Path:
        tree = {**self.tree, "buffers": [{"byteLength": len(self.content)}]}
        if path.suffix == ".gltf":
            tree["buffers"][0]["uri"] = "a%20buffer.bin"
            (path.parent / "a buffer.bin").write_bytes(self.content)
            path.write_text(json.dumps(tree))
            return path
        text = json.dumps(tree).encode()
        text += b" " * (-len(text) % 4)
        data = self.content + bytes(-len(self.content) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(data), b"BIN\0") + data
        path.write_bytes(b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks)
        return path
