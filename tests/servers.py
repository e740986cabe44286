"""A real web server with ranges, and ones that misbehave."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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
def serve(root: Path, certificate: Path | None = None, **facts: object) -> Iterator[Server]:
    """A server of the files in a folder, at a port of this machine; with a certificate and its key by https."""
    server = Server(root, **facts)  # type: ignore[arg-type]
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"facts": server}))
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        http.socket = context.wrap_socket(http.socket, server_side=True)
        server.url = server.url.replace("http", "https")
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


@contextmanager
def listener() -> Iterator[tuple[str, list[socket.socket]]]:
    """An address that takes connections and never answers, and the connections that it took."""
    taken: list[socket.socket] = []
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
                one.close()


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


def own_certificate(path: Path) -> Path:
    """A certificate of 127.0.0.1 that only it vouches for, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    with path.open("ab") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM, *form))
    return path
