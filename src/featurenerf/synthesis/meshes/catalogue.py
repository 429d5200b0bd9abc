"""Finding the meshes of a category: in a folder, a Sweet Home 3D catalogue, a ShapeNet folder or a list of meshes.

What is found is a ``MeshEntry``: where the mesh lies, how it is turned, and who made it under which licence.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from featurenerf import limits
from featurenerf.categories import category_name, synset_of
from featurenerf.data.storage import read_file, read_json
from featurenerf.errors import InputError
from featurenerf.limits import parsing, unzipped
from featurenerf.synthesis.meshes.entry import Attribution, MeshEntry
from featurenerf.synthesis.meshes.files import MESH_SUFFIXES, Axis, axes_rotation

RESERVED = ("SweetHome3D#BlendSwap-CC-0-Models", "SweetHome3D#BlendSwap-CC-BY-Models")
"""Catalogues that this project keeps for its last test: nothing is trained on, tuned on or selected by them."""


def find_meshes(
    meshes: Path | str,
    category: str,
    up: Axis | None = None,
    front: Axis | None = None,
    only: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
    broken: list[str] | None = None,
) -> list[MeshEntry]:
    """The meshes of a category, sorted by id.

    Args:
        meshes: one of
            a Sweet Home 3D catalogue (.sh3f, .jar or .zip file, or the folder that one was unpacked to), or a folder
            that holds .sh3f files or sweethome3d.jar, of which the reserved ones are left out; entries of the category
            are known by their names; those of "other" are none of the six categories;
            a ShapeNet folder: ``<synset>/<id>/model.obj`` (v1) or ``<synset>/<id>/models/model_normalized.obj`` (v2);
            a list of meshes: a JSON file ``{"objects": [{"name", "path", "up", "front", "author", "licence", ...}]}``;
            a folder, searched for OBJ, GLB, glTF, PLY, OFF, STL and AC3D files, all of which are taken.
        category: name, such as "chair", or synset.
        up, front: the files' axes. By default those of the source: what a catalogue says of each entry; y and x for
            ShapeNet v1, y and -z for v2; y and z for all others.
        only, without: patterns (* and ?) of ids to take and to leave out.
        broken: where it is noted what is wrong with each catalogue, and each entry of a catalogue or list, that cannot
            be read; it is left out then.
    Raises:
        InputError: there is nothing there, or no mesh of the category; a catalogue or an entry cannot be read, and no
            ``broken`` is given.
    """
    meshes = Path(meshes)
    left_out: list[str] = []
    found = _find(meshes, category, up, front, _Leaving(broken is not None, left_out))
    if broken is not None:
        broken += left_out
    wanted = [
        entry
        for entry in found
        if (not only or any(fnmatchcase(entry.id, pattern) for pattern in only))
        and not any(fnmatchcase(entry.id, pattern) for pattern in without)
    ]
    if not wanted:
        raise InputError(
            f"{meshes}: no mesh of category {category!r}"
            + (f" is left of {len(found)} by the patterns given" if found else "; give another folder or category")
            + (f" ({len(left_out)} cannot be read; the first: {left_out[0]})" if left_out else "")
        )
    taken: dict[str, MeshEntry] = {}
    for entry in wanted:
        if taken.setdefault(entry.id, entry) is not entry:
            raise InputError(f"{meshes}: two meshes are called {entry.id}: {taken[entry.id].model} and {entry.model}")
    return [taken[object_id] for object_id in sorted(taken)]


@dataclass(frozen=True)
class _Leaving:
    """Notes what cannot be read, where that is wanted."""

    wanted: bool
    noted: list[str]

    @contextmanager
    def each(self) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            if not self.wanted:
                raise
            self.noted.append(str(error))


def _find(meshes: Path, category: str, up: Axis | None, front: Axis | None, leaving: _Leaving) -> list[MeshEntry]:
    if os.path.isfile(meshes):
        if meshes.suffix.lower() == ".json":
            return _listed(meshes, up, front, leaving)
        if meshes.suffix.lower() in MESH_SUFFIXES:
            return [_plain(meshes, meshes.parent, up, front)]
        return _catalogued(meshes, category, up, front, leaving)
    if not os.path.isdir(meshes):
        raise InputError(f"there is no {meshes}: give a folder of meshes, a catalogue, or a list of meshes")
    if _properties_file(meshes) is not None:
        return _catalogued(meshes, category, up, front, leaving)
    archives = sorted([*meshes.rglob("*.sh3f"), *meshes.rglob("sweethome3d.jar")])
    if archives:
        entries: list[MeshEntry] = []
        for archive in archives:
            with leaving.each():
                entries += _catalogued(archive, category, up, front, leaving)
        return [entry for entry in entries if not entry.attribution.reserved]
    shapenet = _shapenet(meshes, synset_of(category), up, front)
    if shapenet is not None:
        return shapenet
    files = [path for path in sorted(meshes.rglob("*")) if path.suffix.lower() in MESH_SUFFIXES and path.is_file()]
    return _with_own_ids([_plain(path, meshes, up, front) for path in files])


def _with_own_ids(entries: list[MeshEntry]) -> list[MeshEntry]:
    """Files of one name in several formats get the format in their ids, other files of one id a digest of the name."""
    kept = Counter(entry.id for entry in entries)
    entries = [e if kept[e.id] == 1 else replace(e, id=f"{e.id}-{Path(e.model).suffix[1:].lower()}") for e in entries]
    still = Counter(entry.id for entry in entries)
    return [e if still[e.id] == 1 else replace(e, id=f"{e.id}-{_digest(e.attribution.source)}") for e in entries]


def _rows(rotation: np.ndarray) -> tuple[tuple[float, float, float], ...]:
    return tuple((float(x), float(y), float(z)) for x, y, z in rotation)


def _axes(up: str | None, front: str | None, usual: tuple[Axis, Axis] = ("y", "z")) -> Any:
    return _rows(axes_rotation(up or usual[0], front or usual[1]))


def _safe(name: str) -> str:
    """A name that can be a file's; where letters that are not Latin are lost, with a digest of all of them."""
    safe = re.sub(r"[^A-Za-z0-9.+-]+", "_", name.replace("#", "-")).strip("_.") or "mesh"
    is_told = name.isascii() and (safe != "mesh" or name == "mesh")
    return safe if is_told else f"{safe}-{_digest(name)}"


def _digest(name: str) -> str:
    return hashlib.sha256(unicodedata.normalize("NFC", name).encode(errors="surrogatepass")).hexdigest()[:8]


# ---------------------------------------------------------------------- folders and lists


def _plain(path: Path, root: Path, up: Axis | None, front: Axis | None) -> MeshEntry:
    relative = path.relative_to(root)
    object_id = _safe("-".join([*relative.parent.parts, relative.stem]))
    own = path.parent.parent if path.suffix.lower() == ".ac" and path.parent.name == "Models" else None
    licences = [found for folder in {path.parent, root} for found in sorted(folder.glob("LICEN[CS]E*"))]
    licence = f"see {licences[0].name} in its folder" if licences else ""
    return MeshEntry(
        object_id,
        str(path),
        _axes(up, front, ("y", "-x") if path.suffix.lower() == ".ac" else ("y", "z")),  # FlightGear's, or most others'
        attribution=Attribution(title=relative.stem, licence=licence, source=str(relative)),
        root=own,
    )


def _listed(path: Path, up: Axis | None, front: Axis | None, leaving: _Leaving) -> list[MeshEntry]:
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("objects"), list):
        raise InputError(f'{path} is not a list of meshes: it needs {{"objects": [{{"name": ..., "path": ...}}]}}')
    entries = []
    for number, record in enumerate(content["objects"]):
        with leaving.each():
            entries.append(_record(path, number, record, up, front))
    return entries


def _record(path: Path, number: int, record: Any, up: Axis | None, front: Axis | None) -> MeshEntry:
    what = f"{path} is not a list of meshes: object {number} is broken"
    with parsing(what, "give it a name and a path"):
        about = {key: record.get(key, "") for key in ("author", "licence", "licence_url")}
        attribution = Attribution(record["name"], **about, source=record.get("source", record.get("package", "")))
        object_id, model = _safe(record["name"]), str(path.parent / record["path"])
    try:
        axes = _axes(up or record.get("up"), front or record.get("front"))
    except InputError as error:
        raise InputError(f"{path}: object {number}: {error}") from error
    return MeshEntry(object_id, model, axes, attribution=attribution)


def _shapenet(root: Path, synset: str, up: Axis | None, front: Axis | None) -> list[MeshEntry] | None:
    """The meshes of a synset; None where the folder is none of ShapeNet's."""
    folder = root if root.name == synset else root / synset
    if not folder.is_dir():
        return None
    entries = []
    for model in sorted(folder.iterdir()):
        for name, axes in _SHAPENET_MODELS.items():
            if (model / name).is_file():
                about = Attribution(
                    model.name, "", "ShapeNet's terms of use", "https://shapenet.org/terms", f"ShapeNet {synset}"
                )
                entries.append(
                    MeshEntry(model.name, str(model / name), _axes(up, front, axes), attribution=about, root=model)
                )
                break
    return entries or None


_SHAPENET_MODELS: dict[str, tuple[Axis, Axis]] = {"model.obj": ("y", "x"), "models/model_normalized.obj": ("y", "-z")}
"""Mesh file of v1 and of v2, with its axes up and front (README.txt of either release)."""


# ---------------------------------------------------------------------- Sweet Home 3D


@dataclass(frozen=True)
class _Words:
    """How an entry of a category is known: by its English name, or, among vehicles, by its tags."""

    name: str
    but: str = "(?!)"
    vehicle: str = "(?!)"

    def match(self, record: dict[str, str]) -> bool:
        name, tags = record.get("name", "").lower(), record.get("tags", "").lower()
        if re.search(self.but, name):
            return False
        is_vehicle = record.get("category", "").lower() == "vehicles"
        return bool(re.search(self.name, name)) or (is_vehicle and bool(re.search(self.vehicle, tags)))


class _Others(_Words):
    """Entries that nobody takes for one of the categories: not what only resembles them, such as sofas and vases."""

    def match(self, record: dict[str, str]) -> bool:
        is_vehicle = record.get("category", "").lower() == "vehicles"
        return not is_vehicle and not re.search(self.but, record.get("name", "").lower())


_WORDS = {
    "airplane": _Words(r"\b(air|aero)?planes?\b|\baircraft\b|\bglider\b"),
    "bottle": _Words(r"\bbottles?\b"),
    "car": _Words(r"\bcar\b|\bsuv\b", r"\bbus\b|\btruck\b|\bseat\b$", r"\bcar\b"),
    "chair": _Words(r"\b(arm)?chairs?\b|\bstools?\b", r"\btables?\b|\botto?man\b|\bbeach\b|\bwheelchair\b|\blounge"),
    "motorcycle": _Words(r"\bmotor(cycle|bike)s?\b", vehicle=r"\bmotor(cycle|bike)s?\b"),
    "table": _Words(
        r"\b(tables?|desk)\b",
        r"\blamp\b|\bchairs?\b|\b(changing|dressing|bedside)\b|\btable (lamp|football|tennis|top)\b",
    ),
    "other": _Others(
        "",
        r"chair|stool|table|desk|sofa|couch|bench|\bbank\b|futon|tatami|puff|ottoman|seat|stroller|cycle|scooter|bike"
        r"|truck|\bbus\b|\bcars?\b|\bvan\b|plane|bottle|vase|\bjar\b|pottery|candle|living room|sitting|holding",
    ),
}


def read_catalogue(
    catalogue: Path | str, category: str, up: Axis | None = None, front: Axis | None = None
) -> list[MeshEntry]:
    """The entries of one category of a Sweet Home 3D catalogue.

    Args:
        catalogue: an .sh3f, .jar or .zip file, or the folder that one was unpacked to.
    Raises:
        InputError: it is no such catalogue.
    """
    return _catalogued(Path(catalogue), category, up, front, _Leaving(False, []))


def _catalogued(
    catalogue: Path, category: str, up: Axis | None, front: Axis | None, leaving: _Leaving
) -> list[MeshEntry]:
    header, records = parse_properties(_properties(catalogue))
    category = category_name(category)
    words = _WORDS.get(category, _Words(rf"\b{re.escape(category)}s?\b"))
    is_folder = catalogue.is_dir()
    entries = []
    for number, record in sorted(records.items()):
        if "model" not in record or not words.match(record):
            continue
        object_id = _safe(record.get("id") or f"{catalogue.stem}-{number}")
        member = record["model"].lstrip("/")
        given = record.get("license") or header.get("license", "")
        about = Attribution(
            title=record.get("name", ""),
            author=record.get("creator", ""),
            licence=given,
            licence_url=_licence_url(given),
            source=f"{header.get('name', catalogue.name)} {header.get('version', '')}".strip() + f", {member}",
            reserved=header.get("id") in RESERVED,
        )
        model = str(catalogue / member) if is_folder else member
        with leaving.each():
            rotation = _turned(record.get("modelRotation", ""), up, front, f"{catalogue}: {object_id}")
            entries.append(MeshEntry(object_id, model, rotation, None if is_folder else catalogue, about))
    return entries


def _turned(
    model_rotation: str, up: Axis | None, front: Axis | None, origin: str
) -> tuple[tuple[float, float, float], ...]:
    """The catalogue's own rotation turns a model to y up and z front."""
    if up is not None or front is not None:
        return _axes(up, front)
    try:
        own = np.array([float(x) for x in model_rotation.split()] or np.eye(3), np.float64).reshape(3, 3)
        if not np.abs(own).max() <= limits.LENGTH:
            raise ValueError("NaN, or too large")
    except ValueError:
        raise InputError(f"{origin}: modelRotation is not a 3 x 3 matrix: {model_rotation}") from None
    return _rows(axes_rotation("y", "z") @ own)


def parse_properties(text: str) -> tuple[dict[str, str], dict[int, dict[str, str]]]:
    """The ``key=value`` and the ``key#N=value`` lines of a Java properties file."""
    header: dict[str, str] = {}
    records: dict[int, dict[str, str]] = {}
    for line in re.sub(r"\\\r?\n[ \t]*", "", text).splitlines():
        match = re.match(r"[ \t]*([A-Za-z_]\w*)(?:#(\d+))?[ \t]*[=:][ \t]*(.*?)[ \t]*$", line)
        if match is None:
            continue
        key, number, value = match.groups()
        value = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), value)
        value = re.sub(r"\\(.)", r"\1", value)
        (header if number is None else records.setdefault(int(number), {}))[key] = value
    return header, records


_PROPERTIES = ("PluginFurnitureCatalog.properties", "com/eteks/sweethome3d/io/DefaultFurnitureCatalog.properties")


def _properties_file(folder: Path) -> Path | None:
    return next((folder / name for name in _PROPERTIES if (folder / name).is_file()), None)


def _properties(catalogue: Path) -> str:
    wrong = f"{catalogue} is not a furniture catalogue: give an .sh3f file, or a folder that holds {_PROPERTIES[0]}"
    if catalogue.is_dir():
        path = _properties_file(catalogue)
        if path is None:
            raise InputError(wrong)
        return read_file(path).decode("latin-1")
    what, advice = f"{catalogue} is not a furniture catalogue", "give an .sh3f file, or the folder that one unpacks to"
    with parsing(what, advice), zipfile.ZipFile(catalogue) as content:
        name = next((name for name in _PROPERTIES if name in content.namelist()), None)
        if name is not None:
            return unzipped(content, name).decode("latin-1")
    raise InputError(wrong)


_LICENCES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda text: "attribution 3.0 united states" in text, "https://creativecommons.org/licenses/by/3.0/us/"),
    (lambda text: "attribution 3.0" in text or "cc-by 3.0" in text, "https://creativecommons.org/licenses/by/3.0/"),
    (lambda text: "public domain" in text or "cc0" in text, "https://creativecommons.org/publicdomain/zero/1.0/"),
)


def _licence_url(text: str) -> str:
    return next((url for holds, url in _LICENCES if holds(text.lower())), "")
