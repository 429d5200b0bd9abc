"""Fields, which pictures are encoded into. ``paper`` is the published model, ``fast`` is ours; both are ``Field``s."""

from featurenerf.fields.base import CHANNELS as CHANNELS
from featurenerf.fields.base import Field as Field
from featurenerf.fields.base import Model as Model
from featurenerf.fields.base import Rendered as Rendered
from featurenerf.fields.base import Samples as Samples
from featurenerf.fields.fast import FastConfig as FastConfig
from featurenerf.fields.fast import FastModel as FastModel
from featurenerf.fields.paper import PaperConfig as PaperConfig
from featurenerf.fields.paper import PaperModel as PaperModel

MODELS: dict[str, type[Model]] = {model.name: model for model in (FastModel, PaperModel)}
