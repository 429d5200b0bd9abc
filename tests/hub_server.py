"""The Hugging Face hub's endpoint on this machine: as much of it as fetching and sending a model asks for."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40


class Hub(ThreadingHTTPServer):
    """Repositories by name, each with files by name; and what was asked of it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.uploads: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.tokens: set[str | None] = set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self._note(path)
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            name = "/".join(parts[2:4])
            if name not in self.server.repositories:
                self._send(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
                return
            files = self.server.repositories[name]
            if "tree" in parts:
                entries = [{"type": "file", "path": f, "size": len(c), "oid": _sha1(c)} for f, c in files.items()]
                self._send(200, entries)
                return
            siblings = [{"rfilename": f, "size": len(c), "blobId": _sha1(c)} for f, c in files.items()]
            self._send(200, {"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings, "tags": [],
                             "private": False, "downloads": 0, "likes": 0})  # fmt: skip
        elif "resolve" in parts:
            name, file = "/".join(parts[:2]), "/".join(parts[4:])
            content = self.server.repositories.get(name, {}).get(file)
            if content is None:
                self._send(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
                return
            self._send(200, content, {"ETag": f'"{_sha1(content)}"', "X-Repo-Commit": COMMIT})
        else:
            self._send(404, {"error": "no such page"})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self._note(path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = path.strip("/").split("/")
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            self.server.repositories.setdefault(name, {})
            self._send(200, {"url": f"{self.server.address}/{name}", "name": name})
        elif "preupload" in parts:
            large = [f["path"].endswith(".safetensors") for f in json.loads(body)["files"]]
            files = [
                {"path": f["path"], "uploadMode": "lfs" if big else "regular", "shouldIgnore": False}
                for f, big in zip(json.loads(body)["files"], large, strict=True)
            ]
            self._send(200, {"files": files, "commitOid": COMMIT})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**o, "actions": {"upload": {"href": f"{self.server.address}/put/{o['oid']}", "header": {}}}}
                for o in json.loads(body)["objects"]
            ]
            self._send(200, {"transfer": "basic", "objects": objects})
        elif "commit" in parts:
            files = self.server.repositories["/".join(parts[2:4])]
            for line in body.splitlines():
                said = json.loads(line)
                if said["key"] == "file":
                    files[said["value"]["path"]] = base64.b64decode(said["value"]["content"])
                elif said["key"] == "lfsFile":
                    files[said["value"]["path"]] = self.server.uploads[said["value"]["oid"]]
            name = "/".join(parts[2:4])
            url = f"{self.server.address}/{name}/commit/{COMMIT}"
            self._send(200, {"success": True, "commitUrl": url, "commitOid": COMMIT})
        else:
            self._send(200, {})

    def do_PUT(self) -> None:
        self._note(self.path)
        length = self.headers.get("Content-Length")
        self.server.uploads[self.path.rpartition("/")[2]] = self.rfile.read(int(length)) if length else self._chunks()
        self._send(200, {})

    def _chunks(self) -> bytes:
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _note(self, path: str) -> None:
        self.server.asked.append(f"{self.command} {path}")
        self.server.tokens.add(self.headers.get("Authorization"))

    def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@contextmanager
def hub_server() -> Iterator[Hub]:
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
