"""``featurenerf view``: pictures as objects of one scene in the browser."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import tyro

from featurenerf.cli.arguments import Checkpoint, Device, Flag, Force, command, loaded
from featurenerf.errors import InputError


def view(
    pictures: Annotated[tuple[Path, ...], tyro.conf.Positional] = (),
    session: Path | None = None,
    port: int | None = None,
    host: str = "127.0.0.1",
    no_browser: Flag = False,
    checkpoint: Checkpoint = None,
    teacher: str | None = None,
    device: Device = "auto",
    force: Force = False,
) -> None:
    """Look at objects in the browser: click, carry over, paint, edit, export.

    Ctrl-C ends it.

    Args:
        pictures: picture files, an object each; more can be added in the browser.
        session: a file that the viewer saved.
        port: where the page is; by default the first that is free from 8080 on.
        host: address to listen on. Only this machine reaches the default; any other address opens the page to others.
        teacher: where the weights of the checkpoint's teacher are, if not where they were in training; for words.
        no_browser: only print the page's address.
    """
    from featurenerf.studio.viewer import guard
    from featurenerf.studio.viewer.app import ViewerApp

    for path in (*pictures, *((session,) if session else ())):
        if not path.is_file():
            raise InputError(f"there is no file {path}")
    model = loaded(checkpoint, device, force)
    for path in pictures:
        model.refuse_unknown(path, str(path))  # here, since the page could only say it
    app = ViewerApp(model, host, port, teacher)
    try:
        print(app.address, flush=True)
        if warning := guard.reach(host):
            print(f"featurenerf view: {warning}", file=sys.stderr)
        if session is not None:
            app.open_session(session)
        app.open_pictures(pictures)
        if not no_browser:
            webbrowser.open(app.address)
        app.wait()
    except KeyboardInterrupt as stop:
        if type(stop) is not KeyboardInterrupt:  # Ctrl-C is how one ends it; other signals are told apart
            raise
    finally:
        app.close()


main = command(view)
