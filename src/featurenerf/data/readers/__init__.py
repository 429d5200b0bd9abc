"""Data sets in their published formats, one a module: each is a ``featurenerf.data.views.Reader``."""
