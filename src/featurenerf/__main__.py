"""``python -m featurenerf``."""

from featurenerf.cli import main

main()
