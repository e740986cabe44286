"""A real web server with ranges, and ones that misbehave."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

Misbehave = Callable[["Handler", bytes, int, int], None]
"""Answers a request for a range (first, last + 1) of a file's bytes."""


@dataclass
class Server:
    """What it serves, and what it was asked: `asked` holds (path, Range) of each request.

    `tags`, `times`: whether it gives ETag and Last-Modified; `ranges`: whether it heeds Range.
    """

    root: Path
    url: str = ""
    tags: bool = True
    times: bool = True
    ranges: bool = True
    misbehave: Misbehave | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    facts: Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.facts.asked.append((self.path, self.headers.get("Range", "")))
        file = self.facts.root / unquote(self.path).lstrip("/")
        if not file.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = file.read_bytes()
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        first, last = (int(found[1]), min(int(found[2]) + 1, len(data))) if found else (0, len(data))
        with suppress(BrokenPipeError, ConnectionResetError):
            if self.facts.misbehave is not None:
                self.facts.misbehave(self, data, first, last)
            else:
                self.part(data, first, last)

    def part(self, data: bytes, first: int, last: int, *, body: bytes | None = None, length: int | None = None) -> None:
        """A right answer; `body` and `length` make it a wrong one."""
        if first >= len(data):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if not self.facts.ranges:
            first, last = 0, len(data)
        self.send_response(206 if self.facts.ranges else 200)
        if self.facts.ranges:
            self.send_header("Content-Range", f"bytes {first}-{last - 1}/{len(data)}")
        self.send_header("Content-Length", str(last - first if length is None else length))
        if self.facts.tags:
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()[:16]}"')
        if self.facts.times:
            self.send_header("Last-Modified", "Wed, 01 May 2024 10:00:00 GMT")
        self.end_headers()
        self.wfile.write(data[first:last] if body is None else body)

    def status(self, status: int, **headers: str) -> None:
        """An answer without a body."""
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def serve(root: Path, **facts: object) -> Iterator[Server]:
    """A server of the files in a folder, at a port of this machine."""
    server = Server(root, **facts)  # type: ignore[arg-type]
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"facts": server}))
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


@contextmanager
def listener() -> Iterator[tuple[str, list[object]]]:
    """An address that takes connections and never answers, and the connections that it took."""
    taken: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(0.05)
        ended = threading.Event()

        def take() -> None:
            while not ended.is_set():
                with suppress(TimeoutError, OSError):
                    taken.append(sock.accept()[0])

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}", taken
        finally:
            ended.set()
            thread.join()
            for one in taken:
                one.close()  # type: ignore[attr-defined]


def endless(handler: Handler, data: bytes, first: int, last: int) -> None:
    """The body of the whole file, and then more of it for ever; nobody may read that far."""
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes {first}-{last - 1}/{len(data)}")
    handler.send_header("ETag", '"e"')
    handler.end_headers()
    until = time.monotonic() + 20
    handler.wfile.write(data[first:last])
    while time.monotonic() < until:
        handler.wfile.write(b"\0" * 65536)
