"""Categories, which models name too: see ``featurenerf.categories``."""

from featurenerf.categories import SYNSETS as SYNSETS
from featurenerf.categories import category_name as category_name
from featurenerf.categories import synset_of as synset_of
