"""A small web server for one web map: this machine alone, the files of a list alone, whole or in one range.

It answers GET and HEAD on 127.0.0.1. A request that names another host is refused, so that no page from elsewhere can
reach the map by a name that it controls (DNS rebinding).
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from geoseg.errors import EnvironmentFault, PlanError

__all__ = ["PORT", "MapServer", "hosts_of", "map_server"]

PORT = 8321
"""Where maps are served by default."""
PATIENCE = 60.0
"""Seconds without a request after which a connection is closed."""
CHUNK = 1 << 18
HOSTS = ("127.0.0.1", "localhost")
KINDS = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".txt": "text/plain; charset=utf-8", ".pmtiles": "application/vnd.pmtiles",
}  # fmt: skip
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class MapServer(ThreadingHTTPServer):
    """Serves until it is shut down; `address` is what a browser opens."""

    daemon_threads = True
    allow_reuse_address = os.name == "posix"

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that hangs up is no fault."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @property
    def address(self) -> str:
        """The address of the page."""
        return f"http://127.0.0.1:{self.server_port}/"


def hosts_of(port: int) -> set[str]:
    """What a browser may call this server in `Host`; it leaves out the port where that is the one of HTTP."""
    return {f"{host}:{port}" for host in HOSTS} | (set(HOSTS) if port == 80 else set())


def map_server(files: Mapping[str, Path], port: int = PORT) -> MapServer:
    """A server of some files; call its `serve_forever`.

    Args:
        files: by the path under which each is served; "" is the page itself.
        port: where it listens on 127.0.0.1; 0 for any that is free.

    Raises:
        PlanError: a file is not there, or is no regular one.
        EnvironmentFault: the port is taken.
    """
    cure = "make the map again: geoseg view RUN --web"
    for path in files.values():
        try:
            mode = os.lstat(path).st_mode
        except OSError as error:
            raise PlanError(path, f"cannot be served: {error.strerror}", cure) from error
        if not stat.S_ISREG(mode):
            raise PlanError(path, "is no regular file", cure)
    try:
        return MapServer(("127.0.0.1", port), partial(_Request, dict(files)))
    except OSError as error:
        raise EnvironmentFault(f"port {port}", f"cannot be used: {error}", "name another one with --port") from error


class _Request(BaseHTTPRequestHandler):
    """One connection of a browser."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "geoseg", ""
    timeout = PATIENCE

    def __init__(self, files: Mapping[str, Path], *args: object) -> None:
        self.files = files
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Send a file, or one part of it."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Send what `do_GET` would, without the file."""
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:
        """No line for each tile."""

    def _answer(self, body: bool) -> None:
        if self.headers.get("Host", "") not in hosts_of(self.server.server_port):  # type: ignore[attr-defined]
            self._refuse(421, "this server is for 127.0.0.1 alone")
            return
        path = self.files.get(unquote(urlsplit(self.path).path).removeprefix("/"))
        if path is None:
            self._refuse(404, "no such file")
            return
        try:
            file = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except OSError:
            self._refuse(404, "the map was taken away")
            return
        with os.fdopen(file, "rb") as opened:
            facts = os.fstat(opened.fileno())
            part = _part(self.headers.get("Range", ""), facts.st_size)
            if part is None:
                self._refuse(416, "no such part", {"Content-Range": f"bytes */{facts.st_size}"})
                return
            first, last = part
            whole = last - first + 1 == facts.st_size
            self.send_response(200 if whole else 206)
            headers = {
                "Content-Type": KINDS.get(path.suffix, "application/octet-stream"),
                "Content-Length": str(last - first + 1),
                "ETag": f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"',
            }
            if not whole:
                headers["Content-Range"] = f"bytes {first}-{last}/{facts.st_size}"
            self._headers(headers)
            if body:
                opened.seek(first)
                self._send(opened.read, last - first + 1)

    def _send(self, read: object, left: int) -> None:
        assert callable(read)
        try:
            while left > 0 and (data := read(min(CHUNK, left))):
                self.wfile.write(data)
                left -= len(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the browser has moved on

    def _refuse(self, code: int, why: str, headers: Mapping[str, str] | None = None) -> None:
        text = f"{why}\n".encode()
        self.send_response(code)
        self._headers({"Content-Type": KINDS[".txt"], "Content-Length": str(len(text)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(text)

    def _headers(self, own: Mapping[str, str]) -> None:
        shared = {
            "Accept-Ranges": "bytes",
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Frame-Options": "DENY",
        }
        for name, value in {**shared, **own}.items():
            self.send_header(name, value)
        self.end_headers()


def _part(wanted: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a range; all where none, or several, are asked for; None where there are no such bytes.

    RFC 9110, 14.1.2: `bytes=2-5`, `bytes=2-` and `bytes=-5`, the last five.
    """
    found = _RANGE.fullmatch(wanted.strip())
    if not found or found.groups() == ("", ""):
        return 0, size - 1
    first, last = found.groups()
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) and size else None
    begin, end = int(first), min(int(last), size - 1) if last else size - 1
    return (begin, end) if begin <= end else None
