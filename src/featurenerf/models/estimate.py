"""The camera that took a picture, found by a model."""

from __future__ import annotations

from featurenerf.cameras import Camera
from featurenerf.errors import InputError
from featurenerf.fields import Field
from featurenerf.fields.pose import CameraEstimate, estimated_camera
from featurenerf.models.base import Model
from featurenerf.models.checkpoint import load
from featurenerf.pictures import Picture


def estimate_camera(picture: Picture | Field, model: Model | None = None, lens: Camera | None = None) -> CameraEstimate:
    """The camera that took a picture of an object, in the object's own frame (+x front, z up, diagonal 1).

    The field of the picture predicts where each visible point lies in the object's frame, and knows where it lies in
    the camera's; the camera is the robust rigid fit between the two. How large the object is in the picture and that it
    is in the middle are taken for granted, as ``featurenerf.prepare`` makes them: distance follows from the focal
    length. A picture in which nothing is found, or a model without coordinates, is no error: ``found`` is then False,
    and the camera is ``Camera.look_at(azimuth=0, elevation=20)``.

    Args:
        picture: path, PIL image or (3|4, H, W) float tensor in [0, 1], as ``Model.encode`` takes it; or a field, whose
            first picture is meant.
        model: None is the shipped checkpoint. A field needs none.
        lens: focal length and principal point of the picture, such as ``crop.camera(intrinsics)``; its pose is not
            read. None is a field of view of 49.13 degrees, looking straight at the object.
    Raises:
        InputError: for an unreadable picture, a lens of another picture size, or a lens or model beside a field.
    """
    if isinstance(picture, Field):
        if model is not None or lens is not None:
            raise InputError("a field has its model and its lens already: give the field alone, or the picture")
        return picture.estimate or estimated_camera(picture)
    return (model or load()).estimate_camera(picture, lens)
