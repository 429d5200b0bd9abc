"""One picture of an object in, a continuous 3D field out: density, colour, feature and descriptor anywhere.

    model = featurenerf.load()
    field = model.encode(picture)
    samples = field.query(points)
    views = field.render(featurenerf.Camera.look_at(azimuth=40, elevation=25))

The way of a picture: ``pictures``, ``studio.prepare``, ``models``, ``fields``, ``rendering``, ``matching``.
"""

from featurenerf.cameras import Camera as Camera
from featurenerf.errors import InputError as InputError
from featurenerf.errors import MissingExtraError as MissingExtraError
from featurenerf.fields import Field as Field
from featurenerf.fields import Samples as Samples
from featurenerf.fields.pose import CameraEstimate as CameraEstimate
from featurenerf.fields.registration import Registration as Registration
from featurenerf.matching import match as match
from featurenerf.matching import transfer_keypoints as transfer_keypoints
from featurenerf.matching import transfer_parts as transfer_parts
from featurenerf.models import Model as Model
from featurenerf.models.checkpoint import load as load
from featurenerf.models.checkpoint import save as save
from featurenerf.models.estimate import estimate_camera as estimate_camera
from featurenerf.studio.folder import encode_folder as encode_folder
from featurenerf.studio.folder import lift_folder as lift_folder
from featurenerf.studio.lift import lift as lift
from featurenerf.studio.prepare import prepare as prepare
from featurenerf.studio.shipped import examples as examples

__version__ = "0.2.0.dev0"
