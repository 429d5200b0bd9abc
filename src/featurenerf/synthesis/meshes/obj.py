"""OBJ files with their material libraries (MTL): trimesh reads the surfaces, this reads the materials.

Formats: Wavefront's Advanced Visualizer manual, appendices B1 and MTL (http://paulbourke.net/dataformats/mtl).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any

import numpy as np

from featurenerf.picture_files import as_rgb
from featurenerf.synthesis.meshes.assets import AssetResolver
from featurenerf.synthesis.meshes.obj_palette import material_library
from featurenerf.synthesis.meshes.pieces import Look, Piece, face_colors, texture_of

_NUMBERS = {"-s": 3, "-o": 3, "-t": 3, "-mm": 2, "-bm": 1, "-boost": 1, "-texres": 1}
_WORDS = ("-blendu", "-blendv", "-cc", "-clamp", "-imfchan", "-type")
"""Options that stand before the name of a picture: with so many numbers at most, or with one word."""


@dataclass
class _Map:
    """A picture as an MTL file names it, and how it is laid on: ``uv * scale + offset``, ``base + gain * texel``."""

    name: str
    scale: list[float] = field(default_factory=lambda: [1.0, 1.0, 1.0])
    offset: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    levels: list[float] = field(default_factory=lambda: [0.0, 1.0])
    clamp: bool = False


@dataclass
class _Material:
    color: list[float] | None = None
    opacity: float = 1.0
    picture: _Map | None = None
    holes: _Map | None = None


def read_obj(content: bytes, assets: AssetResolver) -> dict[str, Piece]:
    """The surfaces of a file by name: one for each object, group and material.

    Colours of vertices multiply those of the material. A file that names no library has the usual colours' names.
    """
    from trimesh.exchange.obj import load_obj
    from trimesh.geometry import triangulate_quads

    text = _decoded(content).replace("\\\n", " ").replace("\\\r\n", " ")
    named = re.findall(r"^[ \t]*mtllib[ \t]+(.*?)[ \t]*\r?$", text, re.MULTILINE)
    text = re.sub(r"mtllib[^\r\n]*", "", text)
    library = "" if named else material_library().decode()
    for names in named:
        library += "\n" + _library(names, assets)
    materials = read_mtl(library)
    loaded: dict[str, Any] = load_obj(
        StringIO("mtllib names\n" + text),
        resolver={"names": "".join(f"newmtl {name}\n" for name in materials)},  # by which it cuts the file into groups
        group_material=True,
        split_objects=True,
        split_groups=True,
    )
    geometry = loaded.get("geometry", {})
    used = {getattr(getattr(made.get("visual"), "material", None), "name", None) for made in geometry.values()}
    looks = {name: _look(material, assets) for name, material in materials.items() if name in used}
    pieces = {}
    for name, made in geometry.items():
        vertices, faces = np.asarray(made["vertices"], np.float64), triangulate_quads(made["faces"])
        visual = made.get("visual")
        uv = getattr(visual, "uv", None)
        uv = None if uv is None or len(uv) != len(vertices) else np.nan_to_num(np.asarray(uv, np.float64)[:, :2])
        given = made.get("vertex_colors")
        colors = None if given is None or len(given) != len(vertices) else face_colors(given, faces)
        material = getattr(getattr(visual, "material", None), "name", None)
        if material in looks:
            look, laid = looks[material]
            if laid is not None and uv is not None:
                uv = uv * laid.scale[:2] + laid.offset[:2]
        else:
            look = Look(np.ones(3) if colors is not None else np.full(3, 0.4))
        pieces[str(name)] = Piece(vertices, faces, look, uv, colors)
    return pieces


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _library(names: str, assets: AssetResolver) -> str:
    """A line may name one file whose name has blanks, or several files."""
    try:
        return _decoded(assets.read(names))
    except FileNotFoundError:
        if len(names.split()) < 2:
            return ""
    assets.missing.pop()
    found = ""
    for name in names.split():
        try:
            found += "\n" + _decoded(assets.read(name))
        except FileNotFoundError:  # ``assets`` keeps its name
            continue
    return found


def read_mtl(text: str) -> dict[str, _Material]:
    """The materials of a library by name; of two with one name the later."""
    found: dict[str, _Material] = {}
    current = _Material()
    for line in text.splitlines():
        key, _, rest = line.strip().partition(" " if " " in line.strip() else "\t")
        key, rest = key.lower(), rest.strip()
        if not rest:
            continue
        if key == "newmtl":
            current = found[" ".join(rest.split())] = _Material()
        elif key == "kd":
            numbers = [float(word) for word in rest.split() if _is_number(word)][:3]
            current.color = numbers * 3 if len(numbers) == 1 else numbers if len(numbers) == 3 else current.color
        elif key == "d" and _is_number(rest.split()[-1]):
            current.opacity = float(rest.split()[-1])
        elif key == "map_kd":
            current.picture = _map(rest)
        elif key == "map_d":
            current.holes = _map(rest)
    return found


def _is_number(word: str) -> bool:
    try:
        return bool(np.isfinite(float(word)))
    except ValueError:
        return False


def _map(rest: str) -> _Map:
    laid = _Map("")
    while True:
        option, _, after = rest.partition(" ")
        option = option.lower()
        words = after.split()
        if option in _WORDS and len(words) > 1:
            laid.clamp = words[0].lower() == "on" if option == "-clamp" else laid.clamp
            count = 1
        elif option in _NUMBERS and len(words) > 1:
            count = 0
            while count < min(_NUMBERS[option], len(words) - 1) and _is_number(words[count]):
                count += 1
            target = {"-s": laid.scale, "-o": laid.offset, "-mm": laid.levels}.get(option, [0.0] * 3)
            target[:count] = [float(word) for word in words[:count]]
        else:
            return replace(laid, name=rest.strip().strip('"'))
        for _ in range(count):
            after = after.lstrip().partition(" ")[2]
        rest = after.lstrip()


def _look(material: _Material, assets: AssetResolver) -> tuple[Look, _Map | None]:
    """Of a material with a picture, the colour is not taken: it is often meaningless there."""
    from trimesh.visual.color import to_rgba

    laid = material.picture
    picture = None if laid is None else assets.texture(laid.name)
    if laid is None or picture is None:
        color = np.full(3, 0.4) if material.color is None else to_rgba(np.clip(material.color, 0, 1))[:3] / 255
        return Look(np.asarray(color, np.float64), opacity=material.opacity), None
    texture = texture_of(picture, picture.has_transparency_data)
    holes = None if material.holes is None else assets.texture(material.holes.name)
    if holes is not None:
        alpha = as_rgb(holes).getchannel("A") if holes.has_transparency_data else holes.convert("L")
        alpha = alpha.resize((texture.shape[1], texture.shape[0]))
        texture = np.concatenate([texture[..., :3], np.asarray(alpha)[::-1, :, None]], 2)
    if laid.levels != [0.0, 1.0]:
        leveled = texture[..., :3] * laid.levels[1] + 255 * laid.levels[0]
        texture = np.concatenate([leveled.clip(0, 255).astype(np.uint8), texture[..., 3:]], 2)
    return Look(np.ones(3), texture, material.opacity, (laid.clamp, laid.clamp)), laid
