"""Ranges of one file on a web server.

Nothing is followed, and nothing more is read than was asked for: a redirect, a body without end and a server that
ignores ranges are refused with the connection closed.
"""

from __future__ import annotations

import base64
import re
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from ssl import SSLCertVerificationError
from urllib.parse import SplitResult, quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from geoseg.errors import SheetAway, SheetError
from geoseg.sheets.kinds.addresses import LOOPBACK, address_of
from geoseg.sheets.kinds.part import TRY_AGAIN, Part, changed

__all__ = ["HttpRanges"]

LONGEST = 10.0
"""Seconds of silence after which it is tried again."""
PAUSES = (0.0, 0.2, 2.0)
"""Seconds before each try."""
PIECE = 64 << 10
"""Bytes between two looks at the clock."""
_DOWNLOAD = "download it and name the file"
_REFUSED = {
    401: ("may not be read without a password (status 401)", f"name it as s3://, gs:// or az://, or {_DOWNLOAD}"),
    403: ("may not be read (status 403)", f"name it as s3://, gs:// or az://, or {_DOWNLOAD}"),
    404: ("is not there (status 404)", "check the address"),
    410: ("is not there any more (status 410)", "check the address"),
    416: ("is empty (0 bytes)", "copy it there again"),
}
"""Status of an answer -> what it means, and what helps."""


class _Unsteady(Exception):
    """An answer that may be another one a little later."""


class HttpRanges:
    """One file on a server, read over one connection that is kept; use it from one thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parts = urlsplit(address_of(path))
        self._connection: HTTPConnection | None = None
        self._whole = True  # whether the last answer was read to its end

    def read(self, first: int, last: int, deadline: float) -> Part:
        """The bytes from `first` up to but not including `last`, or up to the end of the file.

        Args:
            first: of the file.
            last: of the file; it may lie beyond its end.
            deadline: of `time.monotonic`.

        Raises:
            SheetAway: the server cannot be reached, or gives no whole answer in time.
            SheetError: it gives another answer.
        """
        reason = unheard = f"{self._parts.netloc} does not answer"
        for pause in PAUSES:
            time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
            if time.monotonic() >= deadline:
                break
            try:
                return self._ask(first, last, deadline)
            except TimeoutError:
                reason = unheard
            except SSLCertVerificationError as error:
                what = f"lies on a server whose certificate is not trusted: {error.verify_message}"
                raise SheetError(self.path, what, "name its authority's certificate in SSL_CERT_FILE") from error
            except (OSError, HTTPException, _Unsteady) as error:
                reason = _said(error)
            finally:
                if self._connection is not None and not self._whole:
                    self.close()
        raise SheetAway(self.path, f"cannot be read from its server: {reason}", TRY_AGAIN)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ask(self, first: int, last: int, deadline: float) -> Part:
        """One request and its answer."""
        self._whole = False
        limit = max(0.1, min(LONGEST, deadline - time.monotonic()))
        connection = self._connect(limit)
        headers = {"Range": f"bytes={first}-{last - 1}", "Accept-Encoding": "identity", "User-Agent": "geoseg"}
        connection.request("GET", quote(self._parts.path, safe="/%:@!$&'()*+,;=~-._"), headers=headers)
        with connection.getresponse() as answer:
            size = self._check(answer, first, last)
            data = bytearray()
            while len(data) < min(last, size) - first:
                if time.monotonic() > deadline:
                    raise TimeoutError
                piece = answer.read1(min(PIECE, min(last, size) - first - len(data)))
                if not piece:
                    raise _Unsteady("its answers end too early")
                data += piece
            self._whole = answer.isclosed() or answer.length == 0
            return Part(bytes(data), size, answer.getheader("ETag", "").strip(), _seconds(answer))

    def _connect(self, limit: float) -> HTTPConnection:
        """The connection, made where there is none; through the proxy that the environment names for https."""
        if self._connection is None:
            host, port = self._parts.hostname or "", self._parts.port
            proxy = _proxy(host)
            if self._parts.scheme == "http":
                self._connection = HTTPConnection(host, port, timeout=limit)
            elif proxy.hostname:
                self._connection = HTTPSConnection(proxy.hostname, proxy.port or 80, timeout=limit)
                self._connection.set_tunnel(host, port, _authorization(proxy))
            else:
                self._connection = HTTPSConnection(host, port, timeout=limit)
        if self._connection.sock is not None:
            self._connection.sock.settimeout(limit)
        return self._connection

    def _check(self, answer: HTTPResponse, first: int, last: int) -> int:
        """The size of the whole file, where the answer is the range that was asked for.

        Raises:
            SheetError: it is something else.
        """
        status = answer.status
        if status == 429 or status >= 500:
            raise _Unsteady(f"it answers with status {status}")
        if 300 <= status < 400:
            what = f"is sent on to another address (status {status}), which is not followed"
            raise SheetError(self.path, what, "name that address: curl -I shows it")
        if status == 416 and first:
            raise changed(self.path)
        if status in _REFUSED:
            raise SheetError(self.path, *_REFUSED[status])
        if status == 200:
            raise SheetError(self.path, "lies on a server that gives no parts of files (ranges)", _DOWNLOAD)
        found = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", answer.getheader("Content-Range", "").strip())
        begin, end, size = map(int, found.groups()) if found else (-1, -1, -1)
        length = answer.getheader("Content-Length", "").strip()
        packed = answer.getheader("Content-Encoding", "identity").strip() != "identity"
        asked = begin == first and end == min(last, size) - 1 and length in ("", str(end - begin + 1))
        if status != 206 or packed or not asked:
            what = f"lies on a server that gives other bytes than were asked for (status {status})"
            raise SheetError(self.path, what, _DOWNLOAD)
        return size


def _authorization(proxy: SplitResult) -> dict[str, str]:
    """The header that says who asks, where the environment names a user of the proxy."""
    if not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _proxy(host: str) -> SplitResult:
    """The proxy that the environment names for https (`https_proxy`, `no_proxy`), with or without `http://`."""
    named = "" if host in LOOPBACK or proxy_bypass(host) else getproxies().get("https", "")
    return urlsplit(named if "://" in named or not named else f"//{named}")


def _said(error: Exception) -> str:
    """What an error says, in few words: some hold what the server sent."""
    return "".join(c for c in str(error)[:100] if c.isprintable()) or type(error).__name__


def _seconds(answer: HTTPResponse) -> int:
    """When the file was changed, in seconds since 1970; 0 where the answer does not say."""
    with suppress(ValueError, TypeError, OverflowError):
        return int(parsedate_to_datetime(answer.getheader("Last-Modified", "")).timestamp())
    return 0
