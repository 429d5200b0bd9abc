"""From pictures to fields: the models, what they make of a picture, and the files that keep them.

``fast`` is ours, ``paper`` is the published one.
"""

from featurenerf.models.base import Model as Model
from featurenerf.models.fast import FastConfig as FastConfig
from featurenerf.models.fast import FastModel as FastModel
from featurenerf.models.paper import PaperConfig as PaperConfig
from featurenerf.models.paper import PaperModel as PaperModel

MODELS: dict[str, type[Model]] = {model.name: model for model in (FastModel, PaperModel)}
