"""The formats that data sets come in, one a module; ``featurenerf.data.open.FORMATS`` lists them."""
