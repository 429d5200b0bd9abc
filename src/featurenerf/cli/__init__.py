"""The command line: ``featurenerf VERB``. Each verb is a module of this package, imported when it is called."""

from __future__ import annotations

import sys
from importlib import import_module

from featurenerf.errors import InputError, MissingExtraError
from featurenerf.runtime import keep_freed_memory

VERBS = {
    "demo": "lift and compare the pictures that ship with the package",
    "lift": "one picture to a turntable, a sheet, a point cloud and a mesh",
    "page": "pictures to one HTML file: a click on an object shows what corresponds on all others",
    "data": "make, render, pack, look at and check data sets",
    "train": "train a field on a data set",
    "teachers": "the networks that a field can be distilled from",
    "eval": "score a checkpoint: keypoint and part transfer, novel views",
    "import-official": "turn a checkpoint of the authors' program into one of ours",
}


def main() -> None:
    """Run a verb. What the user got wrong ends in one sentence and exit code 2."""
    verb, rest = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("--help", [])
    if verb in ("-h", "--help"):
        print("usage: featurenerf VERB ...   (featurenerf VERB --help says more)\n")
        print("\n".join(f"  {name:16} {what}" for name, what in VERBS.items()))
        return
    if verb == "--version":
        from importlib.metadata import version

        print(version("featurenerf"))
        return
    try:
        if verb not in VERBS:
            raise InputError(f"there is no verb {verb!r}; there are: {', '.join(VERBS)}")
        keep_freed_memory()
        import_module(f"featurenerf.cli.{verb.replace('-', '_')}").main(rest)
    except (InputError, MissingExtraError) as error:
        print(f"featurenerf {verb}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"\nfeaturenerf {verb}: interrupted", file=sys.stderr)
        sys.exit(130)
