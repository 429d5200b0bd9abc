"""Fields: density, colour, features and descriptors at any point in space, whatever made them."""

from featurenerf.fields.base import CHANNELS as CHANNELS
from featurenerf.fields.base import Field as Field
from featurenerf.fields.base import Rendered as Rendered
from featurenerf.fields.base import Samples as Samples
from featurenerf.fields.volume import VolumeField as VolumeField
