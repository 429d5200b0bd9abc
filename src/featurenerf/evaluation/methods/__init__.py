"""What is compared when two places are matched: a channel of a field, or a baseline."""

from featurenerf.evaluation.methods.base import FeatureMaps as FeatureMaps
from featurenerf.evaluation.methods.base import Inputs as Inputs
from featurenerf.evaluation.methods.base import Method as Method
from featurenerf.evaluation.methods.base import PairView as PairView
from featurenerf.evaluation.methods.base import PictureModel as PictureModel
from featurenerf.evaluation.methods.builtin import BUILTIN
from featurenerf.registry import Registry

METHODS: Registry[Method] = Registry("method", Method, {m.name: m for m in BUILTIN})  # type: ignore[type-abstract]
