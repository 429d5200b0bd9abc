"""A session as one file: safetensors with a JSON text in its header. Nothing in it is run.

It holds pictures, cameras and marks. Fields are encoded again when it is opened, by the model that the viewer has.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from featurenerf import limits
from featurenerf.cameras import Camera
from featurenerf.matching import first_source_camera
from featurenerf.models.base import Model
from featurenerf.studio.parts import Subject
from featurenerf.studio.viewer.state import (
    EDITS,
    MOST_NAMES,
    MOST_OBJECTS,
    FieldEdit,
    KeypointPlace,
    ViewedObject,
    ViewerSession,
    clean_name,
    whole_surface,
    with_object,
)

SESSION_BYTES = 2**26
"""Of a session file."""
_KEY, _VERSION = "featurenerf_session", 1
_SIDE = 1024  # of a prepared picture, in pixels
_MOST_EDITS = 64  # of an object


def session_bytes(session: ViewerSession) -> bytes:
    """The content of a session's file."""
    tensors: dict[str, Tensor] = {}
    objects = []
    for number, of in enumerate(session.objects):
        edits = session.edits.get(of.name, ())
        tensors[f"{number}.picture"] = of.subject.prepared.float().contiguous()
        tensors[f"{number}.points"] = of.points.contiguous()
        tensors[f"{number}.labels"] = session.labels_of(of.name).to(torch.uint8)
        for step, edit in enumerate(edits):
            tensors[f"{number}.{step}.region"] = edit.region.clone()
            if edit.like_region is not None:
                tensors[f"{number}.{step}.like_region"] = edit.like_region.clone()
        if of.camera_given:
            camera = first_source_camera(of.shape)
            tensors[f"{number}.pose"] = camera.pose.cpu().contiguous()
            tensors[f"{number}.focal"] = camera.focal.cpu() / torch.tensor([camera.width, camera.height])
        objects.append(
            {
                "name": of.name, "given": of.camera_given,
                "edits": [{"kind": e.kind, "part": e.part, "color": list(e.color), "like": e.like} for e in edits],
            }
        )  # fmt: skip
    record = {
        "version": _VERSION, "objects": objects, "parts": list(session.parts),
        "keypoints": {
            name: {of: {"place": list(at.place), "score": at.score, "placed": at.placed} for of, at in places.items()}
            for name, places in session.keypoints.items()
        },
    }  # fmt: skip
    return save(tensors, {_KEY: json.dumps(record)})


def read_session(content: bytes, model: Model, name: str = "the session") -> ViewerSession:
    """The session of a file's content. Its pictures are encoded again.

    Args:
        name: what messages call the file.
    Raises:
        InputError: it is no session of the viewer, is damaged, beyond a limit, or holds a picture of nothing that the
            model knows (``Model.refuse_unknown``).
    """
    with limits.parsing(f"{name} is no session of the viewer, or is damaged", "give a file that the viewer saved"):
        if len(content) > SESSION_BYTES:
            raise limits.BeyondLimitError(f"it is larger than {limits.mebibytes(SESSION_BYTES)}")
        record = _record(content)
        tensors = load(content)
        for key, value in tensors.items():
            if not torch.isfinite(value.float()).all():
                raise ValueError(f"{key} holds NaN or infinite numbers")
        plans = record["objects"]
        if not isinstance(plans, list) or len(plans) > MOST_OBJECTS:
            raise ValueError(f"it must hold at most {MOST_OBJECTS} objects")
        names = [clean_name(plan["name"], "an object") for plan in plans]
        if len(set(names)) < len(names):
            raise ValueError("two objects have one name")
        keypoints, parts = _keypoints(record["keypoints"], names), _parts(record["parts"])
        for number, name in enumerate(names):
            if int(tensors[f"{number}.labels"].max()) > len(parts):
                raise ValueError(f"a label of {name} has no name")
        session = ViewerSession(keypoints=keypoints, parts=parts)
        for number, plan in enumerate(plans):
            session = with_object(session, _object(model, number, plan, tensors))
        labels = {
            of.name: _onto(of.points, tensors[f"{number}.points"], tensors[f"{number}.labels"]).long()
            for number, of in enumerate(session.objects)
        }
        return replace(session, labels=labels, edits=_edits(session, plans, tensors))


def open_session(path: Path, model: Model) -> ViewerSession:
    """The session of a file; raises what ``read_session`` raises."""
    with limits.parsing(f"{path} cannot be read", "give a file that the viewer saved"):
        content = limits.file_bytes(path, SESSION_BYTES)
    return read_session(content, model, str(path))


def _record(content: bytes) -> dict[str, Any]:
    """The JSON text in the header, before any tensor is made."""
    length = int.from_bytes(content[:8], "little")
    if not 0 < length <= len(content) - 8:
        raise ValueError("its header is cut short")
    header = limits.json_value(content[8 : 8 + length])
    record = limits.json_value(header["__metadata__"][_KEY])
    if record["version"] != _VERSION:
        raise ValueError(f"it is of version {record['version']}, and this program reads {_VERSION}")
    return dict(record)


def _object(model: Model, number: int, plan: dict[str, Any], tensors: dict[str, Tensor]) -> ViewedObject:
    name = clean_name(plan["name"], "an object")
    picture = tensors[f"{number}.picture"]
    if picture.dtype != torch.float32 or picture.ndim != 3 or len(picture) not in (3, 4):
        raise ValueError(f"the picture of {name} is no picture")
    height, width = picture.shape[1:]
    if not 1 <= min(height, width) <= max(height, width) <= _SIDE:
        raise ValueError(f"the picture of {name} has {width} x {height} pixels")
    model.refuse_unknown(picture.clamp(0, 1), f"the picture of {name}")
    camera = None
    if plan["given"]:
        focal = tensors[f"{number}.focal"] * torch.tensor([width, height])
        camera = Camera.from_pose(tensors[f"{number}.pose"], focal, width, height)
    made = Subject(name, model.encode(picture.clamp(0, 1), camera), picture, None, (width, height), None)
    return ViewedObject(name, made, whole_surface(made.field, name), bool(plan["given"]))


def _parts(names: Any) -> tuple[str, ...]:
    parts = tuple(clean_name(name, "a part") for name in names)
    if len(parts) > MOST_NAMES or len(set(parts)) < len(parts):
        raise ValueError("names of parts are too many, or one is there twice")
    return parts


def _onto(now: Tensor, then: Tensor, marks: Tensor) -> Tensor:
    """Marks of surface points as they were on those of now: on another machine a few points differ."""
    if (
        marks.shape != then.shape[:1]
        or then.ndim != 2
        or then.shape[1] != 3
        or then.dtype != torch.float32
        or len(then) == 0
    ):
        raise ValueError("marks and surface points differ in number")
    if torch.equal(now, then):
        return marks
    return marks[torch.cdist(now, then.to(now)).argmin(1)]


def _edits(session: ViewerSession, plans: list[Any], tensors: dict[str, Tensor]) -> dict[str, tuple[FieldEdit, ...]]:
    numbers = {of.name: number for number, of in enumerate(session.objects)}

    def region(key: str, of: str) -> Tensor:
        then = tensors[f"{numbers[of]}.points"]
        return _onto(session.object(of).points, then, tensors[key].bool())

    edits = {}
    for number, (of, plan) in enumerate(zip(session.objects, plans, strict=True)):
        made = []
        for step, each in enumerate(plan["edits"][: _MOST_EDITS + 1]):
            kind, like = each["kind"], each["like"]
            if kind not in EDITS or step == _MOST_EDITS or (like is None) == (kind in ("texture", "replace")):
                raise ValueError(f"edit {step + 1} of {of.name} is none")
            key, (red, green, blue) = f"{number}.{step}", (min(max(float(c), 0.0), 1.0) for c in each["color"])
            theirs = None if f"{key}.like_region" not in tensors else region(f"{key}.like_region", like)
            own = region(f"{key}.region", of.name)
            name = clean_name(each["part"], "a part")
            made.append(FieldEdit(kind, name, own, (red, green, blue), like and session.object(like).name, theirs))
        if made:
            edits[of.name] = tuple(made)
    return edits


def _keypoints(record: dict[str, Any], names: list[str]) -> dict[str, dict[str, KeypointPlace]]:
    if len(record) > MOST_NAMES:
        raise ValueError(f"it holds more than {MOST_NAMES} keypoints")
    keypoints = {}
    for name, places in record.items():
        found = {}
        for of, at in places.items():
            x, y, z = (float(value) for value in at["place"])
            if not abs(x) + abs(y) + abs(z) < limits.LENGTH:
                raise ValueError(f"keypoint {name} is nowhere")
            if of not in names:
                raise ValueError(f"keypoint {name} is of no object")
            found[of] = KeypointPlace((x, y, z), float(at["score"]), bool(at["placed"]))
        if any(at.placed for at in found.values()):
            keypoints[clean_name(name, "a keypoint")] = found
    return keypoints
