"""Sheets are decoded in another process: what crashes GDAL, takes all memory or never ends costs one sheet.

The process is started at the first sheet, and serves everything in this process that reads sheets. Where it dies, or is
silent for too long, a fresh one tries the same once more, so that a sheet is not blamed for what befell the machine.
"""

from __future__ import annotations

import atexit
import json
import logging
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from geoseg.arrays import Image, Json
from geoseg.errors import SheetAway, SheetError
from geoseg.options import READ_TIMEOUT
from geoseg.plan import Header
from geoseg.sheets.decoder_handle import DecoderHandle, ProcessGone, Refusal
from geoseg.sheets.door import stat_key
from geoseg.sheets.kinds.addresses import is_remote
from geoseg.sheets.readers.answers import dtype_in, error_in, header_in, rows_in, stat_in
from geoseg.sheets.readers.talk import Request
from geoseg.spawn import module_command

__all__ = ["Decoder", "PixelRequest", "decoder", "sheet_stat"]

log = logging.getLogger(__name__)

TRIES = 2

Got = TypeVar("Got")
Said = TypeVar("Said")


@dataclass(frozen=True)
class PixelRequest:
    """A window of a sheet to be decoded.

    `stat`: its stat key; another one has the file opened again. `bands`: 1-based, none for the mask inside the file.
    `rows`, `cols`: of the file. `cache`: bytes for GDAL's block cache. `holes`: whether blocks that are not in the file
    may be read as 0. `patience`: seconds that each part of the answer (16 MB of pixels) may take. `virtual`: the
    checked text of a virtual raster. `dtype`: the data type that the file has; "" for any that sheets may have.
    """

    path: Path
    stat: tuple[int, int]
    bands: tuple[int, ...]
    rows: slice
    cols: slice
    cache: int = 64 << 20
    holes: bool = False
    patience: float = READ_TIMEOUT
    virtual: str = ""
    dtype: str = ""


class Decoder:
    """One process that decodes sheets; `command` starts it. Threads may share it; it answers one request at a time."""

    def __init__(self, command: tuple[str, ...] | None = None) -> None:
        self.command = command or module_command("geoseg.sheets.decoder_process")
        self._lock = threading.Lock()
        self._handle: DecoderHandle | None = None
        self._given_up = False
        self._for: object = None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process that runs now; None before the first sheet."""
        return self._handle.process if self._handle is not None else None

    def header(
        self,
        path: Path,
        *,
        codes: bool = False,
        folders: Sequence[str] | None = None,
        remote: bool = False,
        patience: float = READ_TIMEOUT,
    ) -> Header:
        """Header of a sheet, as `door.read_header` gives it; `remote`: whether it may be an address.

        Raises:
            SheetError: it cannot be opened, or opening it crashes or never ends.
        """
        allowed = None if folders is None else list(folders)
        request: Request = {"do": "header", "path": str(path), "codes": codes, "folders": allowed, "remote": remote}

        def receive(said: Json) -> Header:
            header = header_in(said)
            if header.virtual and folders is None:
                raise ValueError("virtual")  # its text would have other files opened
            return header

        return self._ask(request, lambda handle: _read(handle.receive_json(), receive), patience)

    def stat(self, path: Path, patience: float = READ_TIMEOUT) -> tuple[int, int]:
        """The stat key of a remote sheet: its size, and a number that changes when it is written again.

        Raises:
            SheetError: it is not there, or its server cannot be used.
            SheetAway: its server does not answer.
        """
        request: Request = {"do": "stat", "path": str(path)}
        return self._ask(request, lambda handle: _read(handle.receive_json(), stat_in), patience)

    def block_rows(self, path: Path, stat: tuple[int, int], virtual: str, patience: float = READ_TIMEOUT) -> int:
        """Rows of the blocks that a file has, where GDAL shows one tall strip as many.

        Raises:
            SheetError: it cannot be opened.
        """
        request: Request = {"do": "rows", "path": str(path), "stat": list(stat), "virtual": virtual}
        return self._ask(request, lambda handle: _read(handle.receive_json(), rows_in), patience)

    def read(self, wanted: PixelRequest, who: object = None, out: Image | None = None) -> Image:
        """Pixels (C, H, W) of a window in the file's data type; without bands its own mask, uint8 (1, H, W).

        Args:
            wanted: the pixels.
            who: the reader on whose behalf `give_up` may end the request.
            out: an array (C, H, W) to fill and return, where it has the file's data type.

        Raises:
            SheetError: it is damaged, or decoding it crashes, takes too much memory or never ends.
        """
        rows, cols = wanted.rows, wanted.cols
        shape = (len(wanted.bands) or 1, rows.stop - rows.start, cols.stop - cols.start)

        def receive(handle: DecoderHandle) -> Image:
            dtype = np.dtype(_read(handle.receive_json(), lambda said: dtype_in(said, wanted.dtype)))
            pixels = out if out is not None and out.dtype == dtype else np.empty(shape, dtype)
            handle.receive_pixels(pixels)
            return pixels

        request: Request = {
            "do": "read",
            "stat": list(wanted.stat),
            "bands": list(wanted.bands),
            "window": [rows.start, rows.stop, cols.start, cols.stop],
            "cache": wanted.cache,
            "holes": wanted.holes,
            "path": str(wanted.path),
            "virtual": wanted.virtual,
        }
        return self._ask(request, receive, wanted.patience, who)

    def forget(self) -> None:
        """Close the files that the process holds open."""
        if self._handle is not None and self._handle.ours:
            self._ask({"do": "forget", "path": "."}, lambda handle: handle.receive_json(), READ_TIMEOUT)

    def give_up(self, who: object) -> None:
        """End the request of a reader that leaves while another thread of it waits for the answer; no other request."""
        if self._for is who:
            self._given_up = True
            if self._handle is not None:
                self._handle.break_off()

    def close(self) -> None:
        """End the process."""
        handle, self._handle = self._handle, None
        if handle is not None and handle.ours:
            handle.close()

    def _ask(
        self, request: Request, receive: Callable[[DecoderHandle], Got], patience: float, who: object = None
    ) -> Got:
        with self._lock:
            self._given_up, self._for = False, who
            try:
                return self._try(request, receive, patience)
            finally:
                self._for = None

    def _try(self, request: Request, receive: Callable[[DecoderHandle], Got], patience: float) -> Got:
        """The answer to a request, if need be of a second process.

        Raises:
            SheetError: the answer is an error, or no process survives the request.
        """
        line, path = json.dumps({**request, "patience": patience}).encode() + b"\n", request["path"]
        for left in reversed(range(TRIES)):
            try:
                return self._exchange(line, path, receive, patience)
            except ProcessGone as gone:
                if not left or self._given_up:
                    if is_remote(request["path"]):
                        cure = "run geoseg tile and infer again, with a longer --read-timeout, or download it"
                        raise SheetAway(request["path"], f"cannot be read: {gone}", cure) from gone
                    cure = "look at it with gdalinfo; copy it again, or leave it out"
                    raise SheetError(request["path"], f"cannot be decoded: {gone}", cure) from gone
                log.info("%s: %s; trying again", request["path"], gone)
        raise AssertionError("the last try returns or raises")

    def _exchange(self, line: bytes, path: str, receive: Callable[[DecoderHandle], Got], patience: float) -> Got:
        complete = False
        try:
            handle = self._start(patience)
            handle.send(line)
            got = receive(handle)
            complete = True
            return got
        except Refusal as refusal:
            error = _read(refusal.said, lambda said: error_in(said, path))
            complete = True  # an answer like any other
            raise error from None
        finally:
            if not complete:
                self.close()  # the rest of its answer would be taken for the answer to the next request

    def _start(self, patience: float) -> DecoderHandle:
        """The process that runs, or a fresh one."""
        if self._handle is None or not self._handle.ours:
            self._handle = handle = DecoderHandle(self.command)
            handle.patience = patience
            handle.await_ready()
        self._handle.patience = patience
        return self._handle


def _read(said: Said, read: Callable[[Said], Got]) -> Got:
    """What an answer means; ProcessGone where no decoder would give it."""
    try:
        return read(said)
    except (KeyError, TypeError, ValueError, MemoryError) as error:
        raise ProcessGone(f"its process answers with nonsense ({type(error).__name__}: {error})") from error


def decoder(number: int = 0) -> Decoder:
    """A decoder that this process uses; each number stands for another one, which starts when it is first asked."""
    with _DECODERS_LOCK:
        if number not in _DECODERS:
            _DECODERS[number] = made = Decoder()
            atexit.register(made.close)
        return _DECODERS[number]


_DECODERS: dict[int, Decoder] = {}
_DECODERS_LOCK = threading.Lock()


def sheet_stat(path: Path, patience: float = READ_TIMEOUT) -> tuple[int, int]:
    """`door.stat_key` of a sheet, or `Decoder.stat` of a remote one: another pair means that it was written again.

    Args:
        path: of the sheet.
        patience: seconds that a server may take.

    Raises:
        SheetError: it is not there.
    """
    return decoder().stat(path, patience) if is_remote(path) else stat_key(path)
