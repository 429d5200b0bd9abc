"""The command line: ``featurenerf VERB``. Each verb is a module of this package, imported when it is called."""

from __future__ import annotations

import signal
import sys
import threading
from importlib import import_module
from types import FrameType

import featurenerf
from featurenerf.errors import InputError, MissingExtraError, UnknownObjectError
from featurenerf.files import FULL
from featurenerf.runtime import keep_freed_memory

VERBS = {
    "demo": "lift and compare the pictures that ship with the package",
    "lift": "a picture, or a folder of them, to a turntable, a sheet, a point cloud and a mesh",
    "page": "pictures to one HTML file: a click on an object shows what corresponds on all others",
    "view": "objects in the browser: click, carry over, paint, edit, export",
    "edit": "a part of an object takes another's colour, texture or shape, or goes",
    "export": "one picture to GLB, PLY, OBJ, splats, a dense grid or views with cameras",
    "data": "make, render, pack, look at and check data sets",
    "train": "train a field on a data set",
    "models": "the checkpoints that ship, and what is known of one",
    "teachers": "the networks that a field can be distilled from",
    "eval": "score a checkpoint: keypoint and part transfer, novel views",
    "benchmark": "a recipe of experiments, from data to a report with intervals",
    "import-official": "turn a checkpoint of the authors' program into one of ours",
}


class _Terminated(KeyboardInterrupt):
    """SIGTERM, as batch systems send it: what is half made is put away as after Ctrl-C."""


def main() -> None:
    """Run a verb. What the user got wrong ends in one sentence and exit code 2."""
    verb, rest = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("--help", [])
    if verb in ("-h", "--help"):
        print("usage: featurenerf VERB ...   (featurenerf VERB --help says more)\n")
        print("\n".join(f"  {name:16} {what}" for name, what in VERBS.items()))
        print("\n  --version        which featurenerf this is")
        return
    if verb in ("-V", "--version"):
        print(featurenerf.__version__)  # that of the package's metadata, which a clone that is not installed lacks
        return
    before = None
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, _terminate)
    try:
        if verb not in VERBS:
            raise InputError(f"there is no verb {verb!r}; there are: {', '.join(VERBS)}")
        keep_freed_memory()
        import_module(f"featurenerf.cli.{verb.replace('-', '_')}").main(rest)
    except (InputError, MissingExtraError) as error:
        force = "; --force goes on all the same" if isinstance(error, UnknownObjectError) else ""
        print(f"featurenerf {verb}: {error}{force}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in FULL:
            raise
        where = error.filename or "a file"
        print(f"featurenerf {verb}: {where} cannot be written ({error.strerror}): free some space", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as stop:
        how, code = ("terminated", 143) if isinstance(stop, _Terminated) else ("interrupted", 130)
        print(f"\nfeaturenerf {verb}: {how}", file=sys.stderr)
        sys.exit(code)
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # what is being put away is put away once
    raise _Terminated
