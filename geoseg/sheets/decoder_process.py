"""The process in which GDAL decodes sheets; `geoseg.sheets.decoder` starts it and talks to it.

    request (one JSON line) -> stdin      stdout -> frames (`geoseg.sheets.readers.talk`)

It opens no file but the sheet that a request names, and is the only process that talks to the servers of remote ones.
It ignores signals: the end of its input is its own end. Its memory is limited.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import BinaryIO

import numpy as np
import rasterio
from rasterio.enums import Interleaving, MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from geoseg.arrays import Image, Json
from geoseg.errors import SheetError
from geoseg.limits import bytes_held, end_with_parent, limit_memory
from geoseg.options import READ_TIMEOUT
from geoseg.plan import Header
from geoseg.sheets.door import gdal_settings, open_sheet, read_header
from geoseg.sheets.kinds.addresses import is_remote
from geoseg.sheets.kinds.part import changed
from geoseg.sheets.kinds.remote import RemoteFile, remote_stat, sought, watched
from geoseg.sheets.readers.memory import HALF, SharedPixels, map_shared
from geoseg.sheets.readers.parts import row_chunks
from geoseg.sheets.readers.talk import COPIED, FRAME, Request

__all__ = ["main"]

CHUNK = 16 << 20
"""Bytes of pixels between two signs of life."""
ALLOWANCE = 2 << 30
"""Bytes that decoding may take on top of GDAL's cache: one block of the largest size allowed, three times."""
MOST_OPEN = 64
"""Files that are open at a time."""
MOST_HELD = 512 << 20
"""Bytes of decoded blocks that all open files may keep: GDAL keeps the last block of each."""

Answer = Json | Image | int
"""JSON, pixels, or the number of bytes of pixels in the shared memory."""
Shape = tuple[int, ...]
RowsCols = tuple[tuple[int, int], tuple[int, int]]
"""First and last + 1 row, first and last + 1 column."""


@dataclass(frozen=True)
class _Open:
    """An open file. `held`: bytes of its last decoded block, which GDAL keeps; `rows`: those of its real blocks.

    `remote`: where its bytes come from, if not from disk.
    """

    stack: ExitStack
    dataset: DatasetReader
    held: int
    rows: int
    remote: RemoteFile | None = None


def main() -> None:
    """Answer requests until the input ends."""
    for number in (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])):
        signal.signal(number, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # so that nothing a library prints is taken for an answer
    end_with_parent()
    shared = map_shared()
    server = _Server(bytes_held(), shared)
    _send(answers, {"ready": True, "shared": shared is not None})
    for line in sys.stdin.buffer:
        if line == COPIED:
            continue  # the last pixels were copied out
        try:
            for answer in server.answers(json.loads(line)):
                _send(answers, answer)
        except SheetError as error:
            _send(answers, {"error": [type(error).__name__, error.subject, error.what, error.cure]})
        except BrokenPipeError:  # the other process has gone
            return


def _send(answers: BinaryIO, answer: Answer) -> None:
    """One frame."""
    if isinstance(answer, int):
        answers.write(FRAME.pack(b"S", answer))
        return
    if isinstance(answer, np.ndarray):
        kind, body = b"P", answer.reshape(-1).view(np.uint8).data
    else:
        kind, body = b"J", memoryview(json.dumps(answer).encode())
    answers.write(FRAME.pack(kind, body.nbytes))
    while body:
        body = body[answers.write(body) :]


class _Server:
    """The open sheets, and the memory they are read into. `held`: bytes of address space when the process began."""

    def __init__(self, held: int, shared: SharedPixels | None) -> None:
        self.held, self.shared = held, shared
        self.buffer = np.empty(0, np.uint8)
        self.open: OrderedDict[tuple[str, tuple[int, ...]], _Open] = OrderedDict()

    def answers(self, request: Request) -> Iterator[Answer]:
        """The answers to a request: one JSON object, and for "read" the pixels, some rows at a time.

        Raises:
            SheetError: whatever is wrong with the file, or with decoding it here.
        """
        path = request.get("path", "")
        limit_memory(self.held + ALLOWANCE + request.get("cache", 0))
        try:
            if request["do"] == "header":
                yield asdict(_header(request))
            elif request["do"] == "stat":
                yield {"stat": remote_stat(Path(path), request.get("patience", READ_TIMEOUT))}
            elif request["do"] == "rows":
                yield {"rows": self._open(request).rows}
            elif request["do"] == "read":
                yield from self._pixels(request)
            else:
                self._forget()
                yield {}
        except (SheetError, BrokenPipeError):
            raise
        except MemoryError as error:
            what = "takes more memory to decode than any sheet should"
            raise SheetError(path, what, "rewrite it with gdal_translate -co TILED=YES") from error
        except Exception as error:  # GDAL's Python layer raises many kinds, and each costs this sheet only
            what = f"cannot be read: {type(error).__name__}: {error}"
            raise SheetError(path, what, "convert it with gdal_translate -of GTiff") from error

    def _pixels(self, request: Request) -> Iterator[Answer]:
        _, _, col0, col1 = request["window"]
        patience = request.get("patience", READ_TIMEOUT)
        with rasterio.Env(**gdal_settings(request["cache"])):
            file = self._open(request)
            dataset = file.dataset
            bands, dtype = (request["bands"], dataset.dtypes[0]) if request["bands"] else ([1], "uint8")
            yield {"dtype": dtype}
            row_bytes = (col1 - col0) * len(bands) * np.dtype(dtype).itemsize
            if request["bands"]:
                with watched(file.remote, patience):
                    _refuse_holes(request, file)
            chunks = self._chunks(request, file, row_bytes)
            shared = self.shared if max(b - a for a, b in chunks) * row_bytes <= HALF else None
            for turn, (top, bottom) in enumerate(chunks):
                window = ((top, bottom), (col0, col1))
                pixels = self._room(shared, turn, np.dtype(dtype), (len(bands), bottom - top, col1 - col0))
                try:
                    with watched(file.remote, patience):
                        self._read(dataset, request["bands"], window, pixels)
                except RasterioError as error:
                    what = f"is damaged: {error.__cause__ or error}"
                    raise SheetError(request["path"], what, "copy it again, then run geoseg tile again") from error
                yield pixels if shared is None else pixels.nbytes

    def _chunks(self, request: Request, file: _Open, row_bytes: int) -> list[tuple[int, int]]:
        """Row ranges that are read at a time: whole blocks, or parts of blocks where the cache keeps the rest."""
        block = file.dataset.block_shapes[0][0]
        if block * row_bytes > CHUNK and self.shared is not None and request["cache"] >= 2 * file.rows * row_bytes:
            block = 1
        first, last = request["window"][:2]
        return row_chunks(first, last, max(1, CHUNK // row_bytes), block)

    def _room(self, shared: SharedPixels | None, turn: int, dtype: np.dtype[np.generic], shape: Shape) -> Image:
        """An array to read into. It is always the same memory, because fresh pages cost more than filling them.

        Raises:
            BrokenPipeError: the other process has gone.
        """
        if shared is not None:
            if turn > 1 and not sys.stdin.buffer.readline():  # until what lies in this half was copied out
                raise BrokenPipeError
            return shared.room(turn, dtype, shape)
        size = int(np.prod(shape)) * dtype.itemsize
        if self.buffer.nbytes < size:
            self.buffer = np.empty(size, np.uint8)
        return self.buffer[:size].view(dtype).reshape(shape)

    def _read(self, dataset: DatasetReader, bands: list[int], window: RowsCols, pixels: Image) -> None:
        """Decode into `pixels`. Where other open files made memory short, they are closed and it is tried once more."""
        for last in (False, True):
            try:
                if bands:
                    dataset.read(bands, window=window, out=pixels)
                else:
                    dataset.read_masks(1, window=window, out=pixels[0])
                return
            except (RasterioError, MemoryError) as error:
                short = isinstance(error, MemoryError) or "allocate" in f"{error} {error.__cause__}"
                if last or not short or len(self.open) < 2:
                    raise
                self._forget(but=dataset)

    def _open(self, request: Request) -> _Open:
        """A file, opened unless it is open; the ones used longest ago are closed to make room."""
        path, virtual, stat = Path(request["path"]), request["virtual"], tuple(request["stat"])
        key = (request["path"], stat)
        known = self.open.get(key)
        if known is not None and known.remote is not None and known.remote.fault is not None:
            self.open.pop(key).stack.close()
        if key not in self.open:
            with ExitStack() as stack:
                remote = stack.enter_context(closing(_remote(request))) if is_remote(path) else None
                if remote is not None and remote.stat != stat:
                    raise changed(path)
                with watched(remote):
                    dataset = stack.enter_context(open_sheet(path, virtual=virtual, remote=remote))
                    rows, cols = dataset.block_shapes[0]
                    real = rows if virtual or rows > 1 else _real_rows(path, remote)
                held = rows * cols * np.dtype(dataset.dtypes[0]).itemsize * dataset.count
                while self.open and self._no_room_for(held):
                    self.open.popitem(last=False)[1].stack.close()
                self.open[key] = _Open(stack.pop_all(), dataset, held, real, remote)
        self.open.move_to_end(key)
        return self.open[key]

    def _no_room_for(self, held: int) -> bool:
        """Whether one more open file, which keeps so many bytes, would be too much."""
        return len(self.open) >= MOST_OPEN or held + sum(f.held for f in self.open.values()) > MOST_HELD

    def _forget(self, but: DatasetReader | None = None) -> None:
        """Close all files but one."""
        for key in [k for k, f in self.open.items() if f.dataset is not but]:
            self.open.pop(key).stack.close()


def _remote(request: Request) -> RemoteFile:
    return RemoteFile(Path(request["path"]), request.get("patience", READ_TIMEOUT))


def _header(request: Request) -> Header:
    """The header of a sheet, which is remote only where the request allows it."""
    path = Path(request["path"])
    with ExitStack() as stack:
        remote = None
        if request["remote"] and is_remote(path):
            remote = stack.enter_context(closing(sought(path, request.get("patience", READ_TIMEOUT))))
            stack.enter_context(watched(remote))
        return read_header(path, codes=request["codes"], folders=request["folders"], remote=remote)


def _real_rows(path: Path, remote: RemoteFile | None) -> int:
    """Rows of the blocks that the file has: GDAL shows a file of one tall strip as strips of one row each."""
    whole = rasterio.Env(**gdal_settings(), GDAL_ENABLE_TIFF_SPLIT="NO")
    with whole, open_sheet(path, checked=False, remote=remote) as dataset:
        return int(dataset.block_shapes[0][0])


def _refuse_holes(request: Request, file: _Open) -> None:
    """Refuse blocks that are not in the file, unless the file says that they hold no data.

    GDAL would read them as 0, or, where their offset is 0, from the file's header.
    """
    row0, row1, col0, col1 = request["window"]
    dataset, high = file.dataset, file.rows
    if dataset.driver != "GTiff":
        return  # other kinds have no blocks that may be left out
    bands = request["bands"] if dataset.interleaving == Interleaving.band else request["bands"][:1]
    masked = bool(set(dataset.mask_flag_enums[0]) & {MaskFlags.per_dataset, MaskFlags.alpha})
    meant = request["holes"] or dataset.nodata is not None or masked
    wide = dataset.block_shapes[0][1]
    rows, cols = range(row0 // high, (row1 - 1) // high + 1), range(col0 // wide, (col1 - 1) // wide + 1)
    for band, row, col in product(bands, rows, cols):
        offset = dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", bidx=band)
        if offset == "0" or (offset is None and not meant):
            what = f"is damaged: block {col}, {row} (column, row) is not in the file"
            cure = "copy it again; if blocks are left out on purpose, say what they mean with --nodata"
            raise SheetError(request["path"], what, cure)


if __name__ == "__main__":
    main()
