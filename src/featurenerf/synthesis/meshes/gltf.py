"""glTF 2.0 files (``.glb``, ``.gltf``): what the format and its extensions say of geometry and base colour.

The format: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html. An extension that a file requires is either
honoured, or changes neither geometry nor base colour, or is named in the error. Not shown: animations, skins and morph
targets (a mesh stands as it is stored), cameras, lights, emission, and what a surface reflects or lets through.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import numpy as np
from jaxtyping import Float
from PIL import Image

from featurenerf.limits import json_value
from featurenerf.synthesis.meshes.assets import AssetResolver
from featurenerf.synthesis.meshes.pieces import Look, Piece, texture_of

DRACO = "KHR_draco_mesh_compression"
_PLAIN, _GLOSSY = "pbrMetallicRoughness", "KHR_materials_pbrSpecularGlossiness"
_SOURCES = ("EXT_texture_webp", "EXT_texture_avif")
"""Extensions that give a texture a picture of another format."""
HONOURED = frozenset(
    {
        DRACO, _GLOSSY, *_SOURCES, "KHR_texture_transform", "KHR_mesh_quantization", "KHR_node_visibility",
        "EXT_mesh_gpu_instancing",
    }
)  # fmt: skip
_LOOKS = (
    "anisotropy", "clearcoat", "coat", "diffuse_roughness", "diffuse_transmission", "dispersion", "emissive_strength",
    "ior", "iridescence", "sheen", "specular", "subsurface", "transmission", "unlit", "variants", "volume",
    "volume_scatter",
)  # fmt: skip
IGNORED = frozenset(
    {
        *(f"KHR_materials_{name}" for name in _LOOKS),
        "KHR_lights_punctual", "EXT_lights_ies", "EXT_lights_image_based", "EXT_lights_area", "KHR_animation_pointer",
        "KHR_xmp", "KHR_xmp_json_ld", "KHR_node_hoverability", "KHR_node_selectability", "KHR_interactivity",
        "KHR_audio_emitter", "KHR_audio_graph", "KHR_physics_rigid_bodies", "KHR_collision_shapes",
        "KHR_implicit_shapes", "EXT_mesh_features", "EXT_instance_features", "EXT_structural_metadata",
        "EXT_mesh_manifold", "MSFT_lod", "MSFT_packing_normalRoughnessMetallic",
        "MSFT_packing_occlusionRoughnessMetallic", "CESIUM_primitive_outline", "FB_ngon_encoding",
        "ADOBE_materials_clearcoat_specular", "ADOBE_materials_clearcoat_tint", "ADOBE_materials_thin_transparency",
        "GODOT_single_root", "VRM", "VRMC_vrm", "VRMC_materials_mtoon", "VRMC_springBone", "VRMC_node_constraint",
    }
)  # fmt: skip
"""They change neither geometry nor base colour."""

_TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_CLAMP, _MIRROR = 33071, 33648
LARGEST = 100_000_000
"""Numbers in an accessor, and corners of all faces together, at most."""


def read_gltf(content: bytes, assets: AssetResolver) -> dict[str, Piece]:
    """The surfaces of a file by name, one for each primitive of each node, in the file's frame.

    Raises:
        ValueError: it is no glTF 2.0 file, or requires an extension that is not known.
    """
    return _Reader(content, assets).pieces()


class _Reader:
    def __init__(self, content: bytes, assets: AssetResolver) -> None:
        text, self._inner = _chunks(content) if content[:4] == b"glTF" else (content, b"")
        self.tree: dict[str, Any] = json_value(text)
        self._assets = assets
        self._buffers: dict[int, bytes] = {}
        self._looks: dict[Any, tuple[Look, int, np.ndarray]] = {}
        self._draco: dict[int, Any] = {}
        version = str(self.tree.get("asset", {}).get("version", "1.0"))
        if not version.startswith("2."):
            raise ValueError(f"it is glTF {version}, not 2.0: export it anew")
        unknown = sorted(set(self.tree.get("extensionsRequired", ())) - HONOURED - IGNORED)
        if unknown:
            raise ValueError(f"it requires {', '.join(unknown)}, which is not known here: export it without")

    def _at(self, kind: str, number: int) -> dict[str, Any]:
        entries = self.tree.get(kind, [])
        if not isinstance(number, int) or not 0 <= number < len(entries):
            raise ValueError(f"it has no {number} among its {kind}")
        return entries[number]

    # ------------------------------------------------------------------ bytes and numbers

    def _buffer(self, number: int) -> bytes:
        if number not in self._buffers:
            said = self._at("buffers", number)
            uri = said.get("uri")
            content = self._inner if uri is None else self._linked(uri)
            if len(content) < said.get("byteLength", 0):
                compressed = [e for e in said.get("extensions", {}) if "meshopt" in e]
                why = f"it is compressed by {compressed[0]}: export it without" if compressed else "a buffer ends early"
                raise ValueError(why)
            self._buffers[number] = content
        return self._buffers[number]

    def _linked(self, uri: str) -> bytes:
        if not uri.startswith("data:"):
            try:
                return self._assets.read(unquote(uri))
            except FileNotFoundError:
                raise ValueError(f"its file {uri} is missing, or lies outside of its folder") from None
        head, _, data = uri.partition(",")
        try:
            return base64.b64decode(data, validate=False) if head.endswith(";base64") else unquote_to_bytes(data)
        except binascii.Error as error:
            raise ValueError(f"its data cannot be decoded ({error})") from error

    def _view(self, number: int) -> tuple[bytes, int | None]:
        """A view's bytes, and how far its rows are apart."""
        view = self._at("bufferViews", number)
        start, length = view.get("byteOffset", 0), view["byteLength"]
        content = self._buffer(view["buffer"])
        if start < 0 or length < 0 or start + length > len(content):
            raise ValueError("a buffer ends early")
        return content[start : start + length], view.get("byteStride")

    def numbers(self, number: int) -> np.ndarray:
        """(count, width): whole numbers that stand for fractions are turned into them."""
        said = self._at("accessors", number)
        count, width, dtype = int(said["count"]), _WIDTHS[said["type"]], np.dtype(_TYPES[said["componentType"]])
        if not 0 <= count * width <= LARGEST:
            raise ValueError(f"it has an array of {count} rows")
        if "bufferView" in said:
            content, stride = self._view(said["bufferView"])
            values = _rows(content, said.get("byteOffset", 0), count, width, dtype, stride)
        else:
            values = np.zeros((count, width), dtype)
        if "sparse" in said:
            some = said["sparse"]
            where, new = some["indices"], some["values"]
            kind = np.dtype(_TYPES[where["componentType"]])
            rows = _rows(self._view(where["bufferView"])[0], where.get("byteOffset", 0), some["count"], 1, kind, None)
            values = values.copy()
            values[rows[:, 0]] = _rows(
                self._view(new["bufferView"])[0], new.get("byteOffset", 0), some["count"], width, dtype, None
            )
        return _fractions(values) if said.get("normalized") else values

    # ------------------------------------------------------------------ the tree of nodes

    def pieces(self) -> dict[str, Piece]:
        found: dict[str, Piece] = {}
        corners = 0
        for node, matrix in self._placed_nodes():
            mesh = self._at("meshes", node["mesh"])
            for primitive in mesh.get("primitives", ()):
                piece = self._piece(primitive)
                if piece is None or len(piece.faces) == 0:
                    continue
                for own in self._instances(node, matrix):
                    corners += piece.faces.size
                    if corners > LARGEST:
                        raise ValueError(f"it has over {LARGEST // 3} triangles")
                    vertices = piece.vertices @ own[:3, :3].T + own[:3, 3]
                    found[_free(str(mesh.get("name") or "GLTF"), found)] = replace(piece, vertices=vertices)
        return found

    def _placed_nodes(self) -> Iterator[tuple[dict[str, Any], Float[np.ndarray, "4 4"]]]:
        nodes = self.tree.get("nodes", [])
        scenes = self.tree.get("scenes")
        inner = {child for node in nodes for child in node.get("children", ())}
        roots = self._at("scenes", self.tree.get("scene", 0)).get("nodes", []) if scenes else None
        left = [(n, np.eye(4)) for n in (roots if roots is not None else [*({*range(len(nodes))} - inner)])][::-1]
        seen: set[int] = set()
        while left:
            number, outer = left.pop()
            node = self._at("nodes", number)
            if number in seen:
                raise ValueError(f"its node {number} has two parents")
            seen.add(number)
            if node.get("extensions", {}).get("KHR_node_visibility", {}).get("visible", True) is False:
                continue
            matrix = outer @ _matrix(node)
            if "mesh" in node:
                yield node, matrix
            left += [(child, matrix) for child in node.get("children", ())][::-1]

    def _instances(self, node: dict[str, Any], matrix: np.ndarray) -> Iterator[np.ndarray]:
        said = node.get("extensions", {}).get("EXT_mesh_gpu_instancing", {}).get("attributes")
        if not said:
            yield matrix
            return
        known = {"TRANSLATION": "translation", "ROTATION": "rotation", "SCALE": "scale"}
        values = {known[name]: self.numbers(number) for name, number in said.items() if name in known}
        for row in range(min((len(v) for v in values.values()), default=0)):
            yield matrix @ _matrix({name: v[row].tolist() for name, v in values.items()})

    # ------------------------------------------------------------------ surfaces

    def _piece(self, primitive: dict[str, Any]) -> Piece | None:
        mode = primitive.get("mode", 4)
        names = primitive.get("attributes", {})
        if mode not in (4, 5, 6) or "POSITION" not in names:
            return None
        packed = self._unpacked(primitive)

        def values(name: str) -> np.ndarray:
            return packed[name] if name in packed else self.numbers(names[name])

        vertices = values("POSITION").astype(np.float64)
        order = np.arange(len(vertices))
        if "indices" in primitive:
            order = packed["indices"] if "indices" in packed else self.numbers(primitive["indices"]).reshape(-1)
        faces = _triangles(order.astype(np.int64).reshape(-1), mode)
        if len(faces) and faces.max() >= len(vertices):
            raise ValueError("its faces name vertices that it does not have")
        look, channel, transform = self._look(primitive.get("material"))
        uv = None
        if f"TEXCOORD_{channel}" in names and look.texture is not None:
            given = values(f"TEXCOORD_{channel}").astype(np.float64)[:, :2]
            placed = np.nan_to_num(given) @ transform[:, :2].T + transform[:, 2]
            uv = np.stack([placed[:, 0], 1 - placed[:, 1]], 1)
            if len(uv) != len(vertices):
                raise ValueError("it has not as many texture coordinates as vertices")
        colors = None
        if "COLOR_0" in names:
            given = _fractions(values("COLOR_0"))[:, :3]
            if len(given) != len(vertices):
                raise ValueError("it has not as many colours as vertices")
            colors = np.sqrt(np.nan_to_num(given).clip(0, 1)[faces].mean(1))
        return Piece(vertices, faces, look, uv, colors)

    def _unpacked(self, primitive: dict[str, Any]) -> dict[str, np.ndarray]:
        """What Draco holds of a primitive, by name; nothing where it is not compressed."""
        said = primitive.get("extensions", {}).get(DRACO)
        if said is None:
            return {}
        try:
            import DracoPy
        except ImportError:
            if DRACO not in self.tree.get("extensionsRequired", ()):  # then it is there in the usual form, too
                return {}
            raise ValueError(f"it is compressed by {DRACO}: pip install DracoPy, or export it without") from None
        decoded = DracoPy.decode(self._view(said["bufferView"])[0])
        names = {number: name for name, number in said["attributes"].items()}
        found = {names[a["unique_id"]]: np.asarray(a["data"]) for a in decoded.attributes if a["unique_id"] in names}
        for name, values in found.items():
            if self._at("accessors", primitive["attributes"][name]).get("normalized"):
                found[name] = _fractions(values)
        return {**found, "indices": np.asarray(decoded.faces).reshape(-1)}

    # ------------------------------------------------------------------ looks

    def _look(self, number: int | None) -> tuple[Look, int, Float[np.ndarray, "2 3"]]:
        """A material's look, which texture coordinates it takes, and how they are placed."""
        if number not in self._looks:
            self._looks[number] = self._made_look({} if number is None else self._at("materials", number))
        return self._looks[number]

    def _made_look(self, material: dict[str, Any]) -> tuple[Look, int, np.ndarray]:
        glossy = material.get("extensions", {}).get(_GLOSSY)
        base = material.get(_PLAIN, {}) if glossy is None else glossy
        factor = np.clip(base.get("baseColorFactor" if glossy is None else "diffuseFactor", [1, 1, 1, 1]), 0, 1)
        said = base.get("baseColorTexture" if glossy is None else "diffuseTexture")
        mode, opacity, cutoff = material.get("alphaMode", "OPAQUE"), 1.0, float(material.get("alphaCutoff", 0.5))
        if mode != "OPAQUE":
            opacity = float(factor[3]) if mode == "BLEND" else float(said is not None or factor[3] >= cutoff)
        look = Look(np.sqrt(factor[:3]).astype(np.float64), opacity=opacity)  # factors are linear
        if said is None:
            return look, 0, np.eye(2, 3)
        texture = self._at("textures", said["index"])
        picture = self._picture(texture)
        if picture is None:
            return look, 0, np.eye(2, 3)
        placing = said.get("extensions", {}).get("KHR_texture_transform", {})
        texels = texture_of(picture, mode != "OPAQUE" and picture.has_transparency_data)
        if mode == "MASK" and texels.shape[2] == 4:
            texels[..., 3] = np.where(texels[..., 3] * float(factor[3]) >= 255 * cutoff, 255, 0)
        sampler = self._at("samplers", texture["sampler"]) if "sampler" in texture else {}
        wraps = sampler.get("wrapS"), sampler.get("wrapT")
        transform = _texture_transform(placing)
        if _MIRROR in wraps:  # the picture and its mirror image repeat together
            texels, transform = _with_mirror_image(texels, transform, wraps[0] == _MIRROR, wraps[1] == _MIRROR)
        look = replace(look, texture=texels, clamp=(wraps[0] == _CLAMP, wraps[1] == _CLAMP))
        return look, int(placing.get("texCoord", said.get("texCoord", 0))), transform

    def _picture(self, texture: dict[str, Any]) -> Image.Image | None:
        """None where it is missing, or of a kind that is not read; the assets keep its name."""
        extensions = texture.get("extensions", {})
        number = next((extensions[name]["source"] for name in _SOURCES if name in extensions), texture.get("source"))
        if number is None:
            self._assets.missing += [f"a texture ({', '.join(extensions) or 'without a picture'})"]
            return None
        said = self._at("images", number)
        name = str(said.get("name") or f"image {number}")
        if "bufferView" in said:
            content = self._view(said["bufferView"])[0]
        elif str(said.get("uri", "")).startswith("data:"):
            content = self._linked(said["uri"])
        elif "uri" in said:
            return self._assets.texture(unquote(said["uri"]))
        else:
            raise ValueError(f"its {name} is nowhere")
        return self._assets.opened(content, name)


def _chunks(content: bytes) -> tuple[bytes, bytes]:
    """The text and the bytes of a GLB file."""
    found: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(content):
        length, kind = struct.unpack_from("<I4s", content, at)
        found.setdefault(kind, content[at + 8 : at + 8 + length])
        if at + 8 + length > len(content):
            raise ValueError("it ends early")
        at += 8 + length
    if b"JSON" not in found:
        raise ValueError("it has no text, or is not glTF 2.0")
    return found[b"JSON"], found.get(b"BIN\0", b"")


def _rows(content: bytes, start: int, count: int, width: int, dtype: np.dtype, stride: int | None) -> np.ndarray:
    step = stride or width * dtype.itemsize
    if count == 0:
        return np.zeros((0, width), dtype)
    if start < 0 or step < 1 or start + (count - 1) * step + width * dtype.itemsize > len(content):
        raise ValueError("a buffer ends early")
    return np.ndarray((count, width), dtype, content, start, (step, dtype.itemsize))


def _fractions(values: np.ndarray) -> np.ndarray:
    """Whole numbers that stand for [0, 1] or [-1, 1]."""
    if values.dtype.kind not in "iu":
        return values
    return np.maximum(values / float(np.iinfo(values.dtype).max), -1.0)


def _triangles(order: np.ndarray, mode: int) -> np.ndarray:
    """Of a list, a strip or a fan of corners."""
    if mode == 4:
        return order[: len(order) // 3 * 3].reshape(-1, 3)
    steps = np.arange(max(len(order) - 2, 0))
    if mode == 6:
        return np.stack([order[0 * steps], order[steps + 1], order[steps + 2]], 1)
    odd = steps % 2
    return np.stack([order[steps + odd], order[steps + 1 - odd], order[steps + 2]], 1)


def _matrix(node: dict[str, Any]) -> Float[np.ndarray, "4 4"]:
    """A node's own transform, from its matrix (by columns) or from translation, rotation (x, y, z, w) and scale."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", [0, 0, 0, 1]), np.float64) / max(
        float(np.linalg.norm(node.get("rotation", [0, 0, 0, 1]))), 1e-12
    )
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] *= np.array(node.get("scale", [1, 1, 1]), np.float64)
    matrix[:3, 3] = node.get("translation", [0, 0, 0])
    return matrix


def _texture_transform(placing: dict[str, Any]) -> Float[np.ndarray, "2 3"]:
    """Scaled, then turned counter-clockwise as seen with v down, then moved."""
    angle = float(placing.get("rotation", 0))
    cos, sin = np.cos(angle), np.sin(angle)
    scale = np.array(placing.get("scale", [1, 1]), np.float64)
    turned = np.array([[cos, sin], [-sin, cos]]) * scale
    return np.concatenate([turned, np.array(placing.get("offset", [0, 0]), np.float64)[:, None]], 1)


def _with_mirror_image(
    texels: np.ndarray, transform: np.ndarray, across: bool, down: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of texels go from v = 0 up (glTF's v = 1), so the mirror image comes first there."""
    transform = transform.copy()
    if across:
        texels = np.concatenate([texels, texels[:, ::-1]], 1)
        transform[0] /= 2
    if down:
        texels = np.concatenate([texels[::-1], texels], 0)
        transform[1] /= 2
    return np.ascontiguousarray(texels), transform


def _free(name: str, taken: dict[str, Any]) -> str:
    number, free = 0, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
