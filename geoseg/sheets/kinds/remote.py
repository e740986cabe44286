"""Remote sheets, read by range: only where the user allows it, and GDAL itself never has the network.

    path -> address -> ranges of bytes (web server, bucket) -> blocks that are kept -> file objects for GDAL

A fault of the network does not pass through GDAL: it is kept, GDAL is told that the file ends, and whoever reads looks
for it afterwards.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from rasterio.errors import RasterioError

from geoseg.errors import SheetAway, SheetError
from geoseg.sheets.kinds.addresses import address_of, check_address
from geoseg.sheets.kinds.buckets import BucketRanges
from geoseg.sheets.kinds.https import HttpRanges
from geoseg.sheets.kinds.part import TRY_AGAIN, Part, Ranges, changed

__all__ = ["RemoteFile", "remote_stat", "sought", "watched"]

BLOCK = 1 << 20
"""Bytes of one request."""
MOST_KEPT = 64
"""Blocks that are kept, of all files together."""
SHARE = 0.8
"""Of the time that an answer may take: the rest is for decoding."""
SLOW = 20.0
"""Seconds, or nearly all that an answer may take, after which a server is not asked again for `SILENT` seconds."""
SILENT = 120.0
_silent: dict[str, tuple[float, str]] = {}
"""When each server, or bucket, was last found silent, and in which words."""
_KINDS: dict[str, Callable[[Path], Ranges]] = {
    "https": HttpRanges,
    "http": HttpRanges,
    "s3": BucketRanges,
    "gs": BucketRanges,
    "az": BucketRanges,
}


class RemoteFile:
    """A remote file, whose facts are those of its first answer. Use it from one thread, and `close` it.

    `stat` takes the place of a local file's: its size, and a number that changes with its ETag or its Last-Modified.
    `start`: its first bytes. `fault`: what went wrong while GDAL read it.

    Args:
        path: stands for its address.
        patience: seconds that its first answer may take.
        first: bytes to ask for at once.

    Raises:
        SheetError: it is not there, or lies on a server that gives no ranges or does not say when a file changes.
        SheetAway: its server does not answer.
        UsageError: see `check_address`.
    """

    def __init__(self, path: Path, patience: float, first: int = BLOCK) -> None:
        check_address(path)
        self.path = path
        self.fault: SheetError | None = None
        self.ranges = _KINDS[address_of(path).partition(":")[0]](path)
        self.allow(patience)
        try:
            part = self.ranges.read(0, first, self.deadline)
            if not part.tag and not part.seconds:
                what = "lies on a server that does not say when a file changes (no ETag, no Last-Modified)"
                raise SheetError(path, what, "download it and name the file")
        except SheetError:
            self.ranges.close()
            raise
        self.start, self.stat = part.data, _stat(part)

    def allow(self, patience: float) -> None:
        """Give it time for what is read next: a share of so many seconds, from now on."""
        self.deadline = time.monotonic() + SHARE * patience

    def close(self) -> None:
        """Close its connection."""
        self.ranges.close()

    def opened(self) -> io.RawIOBase:
        """A file object that begins at its first byte."""
        return _Cursor(self)

    def opener(self) -> Callable[..., io.RawIOBase]:
        """What GDAL opens files with: it finds this one under its name, and no other beside it."""

        def find(name: str, mode: str = "rb", **_: object) -> io.RawIOBase:
            if name != self.path.name or mode not in ("r", "rb"):
                raise FileNotFoundError(name)
            return _Cursor(self)

        return find

    def bytes_at(self, place: int, count: int) -> bytes:
        """At most so many bytes from a place on: those up to the end of its block; b"" at the end of the file.

        Raises:
            SheetError: the network, or another file than before.
        """
        if place >= self.stat[0]:
            return b""
        if place < len(self.start):
            return self.start[place : place + count]
        number, within = divmod(place, BLOCK)
        return _block(self, number)[within : within + count]


class _Cursor(io.RawIOBase):
    """A place in a remote file."""

    def __init__(self, file: RemoteFile) -> None:
        self._file, self._at = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._file.stat[0]}[whence]
        return self._at

    def readinto(self, buffer: object) -> int:
        """Fill the buffer up to the end of the file; after a fault that is here."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        done = 0
        while done < len(view) and self._file.fault is None:
            try:
                piece = self._file.bytes_at(self._at, len(view) - done)
            except SheetError as error:
                self._file.fault = error
                break
            if not piece:
                break
            view[done : done + len(piece)] = piece
            done, self._at = done + len(piece), self._at + len(piece)
        return done


@lru_cache(maxsize=MOST_KEPT)
def _block(file: RemoteFile, number: int) -> bytes:
    """One block of a file.

    Raises:
        SheetChanged: it is another file than before.
    """
    part = file.ranges.read(number * BLOCK, (number + 1) * BLOCK, file.deadline)
    if _stat(part) != file.stat:
        raise changed(file.path)
    return part.data


def _stat(part: Part) -> tuple[int, int]:
    """(bytes, nanoseconds of the last change): whole seconds as the server gives them, the rest from the ETag."""
    mixed = int.from_bytes(hashlib.sha256(part.tag.encode()).digest()[:8], "big")
    return part.size, part.seconds * 10**9 + mixed % 10**9


@contextmanager
def watched(file: RemoteFile | None, patience: float | None = None) -> Iterator[None]:
    """Raise what went wrong with the network, rather than what GDAL made of it; GDAL need not have noticed.

    Args:
        file: what is read inside; None for a file on disk.
        patience: see `RemoteFile.allow`.

    Raises:
        SheetError: the fault of the file.
    """
    if file is not None and patience is not None:
        file.allow(patience)
    try:
        yield
    except (SheetError, RasterioError):
        if file is not None and file.fault is not None:
            raise file.fault from None
        raise
    if file is not None and file.fault is not None:
        raise file.fault


def remote_stat(path: Path, patience: float) -> tuple[int, int]:
    """The stat key of a remote file, from a few of its bytes.

    Raises:
        SheetError: see `RemoteFile`.
    """
    file = sought(path, patience, 16)
    file.close()
    return file.stat


def sought(path: Path, patience: float, first: int = BLOCK) -> RemoteFile:
    """A remote file that is looked for, not read: of a server that has just kept us waiting it fails at once.

    A thousand sheets on a server that swallows what it is sent would else take a night. Sheets that are read are not
    given up so quickly: a short gap of the network would cost them all.

    Raises:
        SheetError: see `RemoteFile`.
    """
    check_address(path)
    host = urlsplit(address_of(path)).netloc
    begun = time.monotonic()
    since, what = _silent.get(host, (-SILENT, ""))
    if begun - since < SILENT:
        raise SheetAway(path, what, TRY_AGAIN)
    try:
        file = RemoteFile(path, patience, first)
    except SheetAway as error:
        if (now := time.monotonic()) - begun > min(SLOW, 0.9 * SHARE * patience):
            _silent[host] = now, error.what
        raise
    return file
