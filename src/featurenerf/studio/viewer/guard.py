"""The server of the viewer, with checks in front that viser does not have: Host and Origin, uploads, no public tunnel.

viser (1.1) answers whoever reaches its port, and lets any page that is open in a browser talk to it. Here a request
must name this machine (which a page elsewhere that has its own name point here does not), and one that a page sends
must be a page's that came from here.
"""

from __future__ import annotations

import io
import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from featurenerf.errors import InputError, MissingExtraError
from featurenerf.limits import mebibytes

LOCAL = ("127.0.0.1", "localhost", "::1")
"""Names of this machine that no other machine reaches."""
UPLOAD_BYTES = 2**26
"""Of a file that is uploaded; all that are under way may take twice as much."""
MOST_CLIENTS = 64
"""Pages that are open at once."""
FIRST_PORT = 8080
_MESSAGE_BYTES = 2**24  # of one message from a page: a screenshot is the largest
_PATCHING = threading.Lock()


def refusal(host: str, hosts: Sequence[str], origins: Sequence[str]) -> str | None:
    """Why a request is not answered; None where it is.

    Args:
        host: the address that the server listens on.
        hosts, origins: the headers of these names.
    """
    if len(hosts) != 1 or len(origins) > 1:
        return "a request has one Host and at most one Origin"
    name = _name(f"//{hosts[0]}")
    known = {*LOCAL} if host in LOCAL else {*LOCAL, host, socket.gethostname().lower()}
    if name not in known and (host in LOCAL or not _is_address(name)):
        return "this is not the name of the machine that the viewer runs on"
    if origins and urlsplit(origins[0]).netloc.lower() != hosts[0].lower():
        return "the page that asks is not the viewer's own"
    return None


def _name(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    """A number is no name that somebody else could have point here."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def reach(host: str) -> str:
    """What listening on an address means, in a sentence; empty for this machine's own."""
    if host in LOCAL:
        return ""
    whoever = "every machine that reaches this one" if host in ("0.0.0.0", "::") else f"whoever reaches {host}"
    return (
        f"Listening on {host}: {whoever} can see these pictures, upload, and edit. "
        "There is no password, and nothing is encrypted."
    )


def start(host: str = "127.0.0.1", port: int | None = None) -> Any:
    """A viser server with the checks.

    Args:
        port: None is the first that is free from 8080 on.
    Raises:
        InputError: where nothing can listen there.
        MissingExtraError: without the extra ``view``.
    """
    try:
        import viser
        import websockets.asyncio.server as sockets
    except ImportError as error:
        raise MissingExtraError("viser", "view", "the viewer needs a server") from error
    _check_address(host, port)
    made: list[Any] = []
    plain = sockets.serve

    def checked(handler: Any, at: str, number: int, *, process_request: Any, **options: Any) -> Any:
        def process(connection: Any, request: Any) -> Any:
            headers = request.headers
            why = refusal(host, headers.get_all("Host"), headers.get_all("Origin"))
            if why is not None:
                return connection.respond(HTTPStatus.FORBIDDEN, f"featurenerf view: {why}\n")
            upgrade = headers.get("Upgrade", "") != ""
            if upgrade and made and len(made[0].get_clients()) >= MOST_CLIENTS:
                return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "too many pages are open: close one\n")
            response = process_request(connection, request)
            if response is not None:
                response.headers["Content-Security-Policy"] = "frame-ancestors 'none'"
            return response

        options["max_size"] = _MESSAGE_BYTES
        return plain(handler, at, number, process_request=process, **options)

    with _PATCHING:  # viser takes no check of requests, so it is handed a server that makes one
        sockets.serve = checked  # type: ignore[assignment,misc]
        try:
            with redirect_stdout(io.StringIO()):  # viser prints a box
                server = viser.ViserServer(host, port or FIRST_PORT, label="featurenerf", verbose=False)
        finally:
            sockets.serve = plain  # type: ignore[misc]
    made.append(server)
    _without_tunnel(server)
    return server


def stop(server: Any) -> None:
    with redirect_stdout(io.StringIO()):
        server.stop()


def _check_address(host: str, port: int | None) -> None:
    """viser itself tries a thousand ports, and waits for ever where an address is none of this machine's."""
    if port is not None and not 1 <= port <= 65535:
        raise InputError(f"port is {port}: it must lie between 1 and 65535")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port or 0))
    except OSError as error:
        where = host if port is None else f"{host}, port {port}"
        raise InputError(f"nothing can listen on {where} ({error.strerror or error}): give another") from error


def _without_tunnel(server: Any) -> None:
    """Whoever has the page could ask viser for a public address of it."""
    from viser import _messages

    for kind in (_messages.ShareUrlRequest, _messages.ShareUrlDisconnect):
        server._websock_server.unregister_handler(kind)


def limit_uploads(server: Any, say: Callable[[str], None], most: int = UPLOAD_BYTES) -> None:
    """Refuse files that say they are larger, and drop those that are larger than they said."""
    from viser import _messages

    gui = server.gui
    wire, under_way = gui._websock_interface, gui._current_file_upload_states

    def begin(client: int, message: Any) -> None:
        waiting = sum(state["total_bytes"] for state in under_way.values())
        odd = message.size_bytes < 0 or not 0 <= message.part_count <= max(message.size_bytes, 1)
        if odd or message.size_bytes > most or waiting + message.size_bytes > 2 * most:
            say(f"{message.filename[:60]} is larger than {mebibytes(most)}, or too many files come at once")
            done = max(0, message.size_bytes)
            wire.queue_message(
                _messages.FileTransferPartAck(message.source_component_uuid, message.transfer_uuid, done, done)
            )
            return
        gui._handle_file_transfer_start(client, message)

    def go_on(client: int, message: Any) -> None:
        state = under_way.get(message.transfer_uuid)
        if state is not None and state["transferred_bytes"] + len(message.content) > state["total_bytes"]:
            under_way.pop(message.transfer_uuid, None)
            return
        gui._handle_file_transfer_part(client, message)

    for kind, handler in (
        (_messages.FileTransferStartUpload, begin),
        (_messages.FileTransferPart, go_on),
    ):
        wire.unregister_handler(kind)
        wire.register_handler(kind, handler)
