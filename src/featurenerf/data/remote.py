"""What a server on the web may do while a pack is read from it: limits for the http client of ``fsspec``.

A body ends at the limit, whatever the server sends; it is never unpacked. A silent server is left after SILENCE
seconds. Redirects lead neither to private addresses nor from https to http.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from typing import Any

import aiohttp
from yarl import URL

from featurenerf import limits
from featurenerf.limits import BeyondLimitError


def http_options(address: str) -> dict[str, Any]:
    """What ``fsspec`` is to be told of each protocol of the web in an address or a chain of them."""
    seconds = aiohttp.ClientTimeout(limits.TRANSFER, sock_connect=limits.SILENCE, sock_read=limits.SILENCE)
    client = {
        "timeout": seconds,
        "response_class": _LimitedResponse,
        "trace_configs": [_REDIRECTS],
        "auto_decompress": False,
        "headers": {"Accept-Encoding": "identity"},
    }
    return {protocol: {"client_kwargs": client} for protocol in set(re.findall(r"\b(https?)://", address))}


class _LimitedResponse(aiohttp.ClientResponse):
    """A response that ends one byte after what was asked for, so that its reader notices, or at a limit."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        await super().start(connection)
        encoding = self.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            self.close()
            raise BeyondLimitError(f"its server sends it packed by {encoding}, which was not asked for")
        self.content = _Counted(self.content)  # type: ignore[assignment]
        return self

    async def read(self) -> bytes:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.request_info.headers.get("Range", ""))
        most = int(asked[2]) - int(asked[1]) + 1 if asked else limits.JSON_BYTES
        pieces, size = [], 0
        while size <= most and (piece := await self.content.readany()):
            pieces.append(piece)
            size += len(piece)
        if size > most:
            self.close()  # there may be more, without an end
        if size > most and not asked:
            raise BeyondLimitError(f"its server sends more than {limits.mebibytes(most)}")
        return b"".join(pieces)[: most + 1]


class _Counted:
    """The body of a response; what is copied to a file ends at a limit as well."""

    def __init__(self, body: aiohttp.StreamReader) -> None:
        self._body, self._size = body, 0

    async def read(self, size: int = -1) -> bytes:
        return self._counted(await self._body.read(size if size >= 0 else limits.FILE_BYTES))

    async def readany(self) -> bytes:
        return self._counted(await self._body.readany())

    def _counted(self, piece: bytes) -> bytes:
        self._size += len(piece)
        if self._size > limits.DOWNLOAD_BYTES:
            raise BeyondLimitError(f"its server sends more than {limits.mebibytes(limits.DOWNLOAD_BYTES)}")
        return piece

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


async def _check_redirect(session: Any, context: Any, params: aiohttp.TraceRequestRedirectParams) -> None:
    """Refuses a redirect before it is followed."""
    here, location = params.response.url, params.response.headers.get("Location", "")
    there = here.join(URL(location))
    if there.scheme not in ("http", "https") or (here.scheme, there.scheme) == ("https", "http"):
        raise BeyondLimitError(f"its server redirects from {here.scheme} to {there.scheme}")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(there.host, there.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise BeyondLimitError(f"its server redirects to {there.host}, which cannot be found ({error})") from error
    for *_, address in found:
        if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_global:
            raise BeyondLimitError(f"its server redirects to {there.host}, which is a private address")


_REDIRECTS = aiohttp.TraceConfig()
_REDIRECTS.on_request_redirect.append(_check_redirect)
