"""Many sheets as one photo on one grid.

    window -> the sheets there -> pixels of each (as it lies, flipped, or warped) -> no-data left out -> one image

Where sheets overlap the first valid pixel wins, in the order of the plan. Nothing here knows patches or networks.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import shapely
from rasterio.features import geometry_mask
from rasterio.transform import Affine
from rasterio.windows import Window

from geoseg.arrays import Image, Valid
from geoseg.errors import SheetError
from geoseg.geometry.grid import Grid, overlap, slices
from geoseg.options import READ_TIMEOUT
from geoseg.plan import Plan, Sheet, transform_of
from geoseg.sheets.decoder import PixelRequest, decoder
from geoseg.sheets.nodata import Place, blanks_of, mask_of, nodata_values, place_of, valid_by_value
from geoseg.sheets.readers.parts import parts_of, read_parts
from geoseg.sheets.readers.same_file import begin, check_unchanged, mask_error
from geoseg.sheets.readers.strips import apart, real_block
from geoseg.sheets.warp import CHUNK, SheetPixels, chunks_of, source_part, warp

__all__ = ["Photo", "area_mask"]

Coming = Future[tuple[Image, Valid]]
"""Pixels and validity that another thread reads."""
ChunkKey = tuple[str, int, int]
"""A sheet's path, row and column of a chunk."""
AWAY = 10.0
"""Seconds that decoders which are told to end may take: they are killed, but a dead disk keeps a process."""


def area_mask(area: str, grid: Grid, window: Window) -> Valid:
    """Pixels (H, W) of a window whose centre lies in an area of interest (WKT, "" for everywhere)."""
    shape = (window.height, window.width)
    if not area:
        return np.ones(shape, bool)
    polygon = shapely.from_wkt(area)
    return np.asarray(~geometry_mask([polygon], shape, grid.window_transform(window)))


class Photo:
    """The plan's sheets as one image of the chosen bands. Read it from one thread; `close` or `with` closes its files.

    Args:
        plan: the sheets and their places.
        bands: 1-based band numbers by the path of each sheet.
        width: columns of the widest window that will be read.
        patience: seconds without a sign of life after which a sheet is given up.
        readers: decoder processes that share the work.
    """

    def __init__(
        self,
        plan: Plan,
        bands: dict[str, tuple[int, ...]],
        *,
        width: int = 8192,
        patience: float = READ_TIMEOUT,
        readers: int = 1,
    ) -> None:
        self.plan, self.bands, self.patience = plan, bands, patience
        self.dtype = np.dtype(plan.sheets[0].header.dtype) if plan.sheets else np.dtype("uint8")
        self.count = len(next(iter(bands.values()))) if bands else 0
        self._used: set[str] = set()
        self._lock, self._decoding, self._closed = threading.Lock(), 0, False
        self._blocks: dict[str, tuple[int, int]] = {}
        self._chunks: OrderedDict[ChunkKey, tuple[Image, Valid]] = OrderedDict()
        self._most_chunks = 2 * (width // CHUNK + 2)
        rows = max((s.header.block[0] for s in plan.sheets), default=1)
        self._places = {s.path: i for i, s in enumerate(plan.sheets)}
        self.readers = range(max(1, readers))
        self._pool = ThreadPoolExecutor(readers, "decoder") if readers > 1 else None
        self._column = 2 * min(rows, 4096) * max(self.count, 3) * self.dtype.itemsize
        self._cache = width * self._column

    def __enter__(self) -> Photo:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        used = [s for s in self.plan.sheets if s.path in self._used]
        self.close()
        if kind is None:
            check_unchanged(used, self.patience)

    def close(self) -> None:
        """Close all files. What other threads still read is broken off, and nothing more is read."""
        with self._lock:
            self._closed = True
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._break_off()
        if self._used:
            for number in self.readers:
                decoder(number).forget()
        self._used.clear()
        self._chunks.clear()

    def _break_off(self) -> None:
        """End what the decoders do for this photo, and wait until no thread writes into an array any more.

        A thread may only now come to its turn, so they are told more than once.
        """
        end = time.monotonic() + AWAY
        while self._decoding and time.monotonic() < end:
            for number in self.readers:
                decoder(number).give_up(self)
            time.sleep(0.01)
        if self._pool is not None and not self._decoding:
            self._pool.shutdown(wait=True)

    def read(self, window: Window) -> tuple[Image, Valid]:
        """Pixels (C, H, W) of a window, and where any sheet has data (H, W); 0 elsewhere.

        Raises:
            SheetError: a sheet is damaged; names it.
            SheetChanged: a sheet was written again since it was planned.
        """
        meeting = self.plan.meeting(window)
        if len(meeting) == 1 and overlap(meeting[0].window, window) == window:  # nothing to put together
            pixels, good = self.read_sheet(meeting[0], window)
            return (pixels if good.all() else np.where(good, pixels, self.dtype.type(0))), good
        image = np.zeros((self.count, window.height, window.width), self.dtype)
        valid = np.zeros((window.height, window.width), bool)
        parts = [(sheet, part) for sheet in meeting if (part := overlap(sheet.window, window)) is not None]
        ahead = self._read_ahead(parts)
        for sheet, part in parts:
            rows, cols = slices(part, window)
            if valid[rows, cols].all():
                continue
            free = not valid[rows, cols].any()
            coming = ahead.get(sheet.path)
            out = image[:, rows, cols] if free and coming is None else None
            pixels, good = self.read_sheet(sheet, part, out) if coming is None else coming.result()
            if not free:
                good &= ~valid[rows, cols]
            if not good.all():
                image[:, rows, cols] = np.where(good, pixels, 0 if free else image[:, rows, cols])
            elif pixels is not out:
                image[:, rows, cols] = pixels
            valid[rows, cols] |= good
        return image, valid

    def _read_ahead(self, parts: list[tuple[Sheet, Window]]) -> dict[str, Coming]:
        """Sheets that no other of them overlaps, each read by one of the decoders; the others wait for their turn."""
        if self._pool is None or self._closed or len(parts) < 2:
            return {}
        found = {}
        for sheet, part in apart(parts):
            number = self._places[sheet.path] % len(self.readers)
            found[sheet.path] = self._pool.submit(self.read_sheet, sheet, part, None, number)
        return found

    def validity(self, sheet: Sheet, part: Window) -> Valid:
        """Validity (H, W) of one sheet alone, in a window inside its footprint."""
        return self.read_sheet(sheet, part)[1]

    def read_sheet(
        self, sheet: Sheet, part: Window, out: Image | None = None, number: int | None = None
    ) -> tuple[Image, Valid]:
        """Pixels (C, H, W) and validity (H, W) of one sheet alone, in a window inside its footprint.

        Args:
            sheet: the sheet.
            part: the window.
            out: an array that may be filled with the pixels, and is then the one that is returned.
            number: the decoder that reads all of it; None for all of them.
        """
        if sheet.mode == "warped":
            return self._read_warped(sheet, part)
        rows, cols = slices(part, sheet.window)
        if sheet.mode == "flipped":
            high = sheet.window.height
            pixels, good = self._read_file(sheet, slice(high - rows.stop, high - rows.start), cols, number=number)
            return pixels[:, ::-1], good[::-1].copy()
        return self._read_file(sheet, rows, cols, out, number)

    # --- one sheet as it lies in its file

    def _read_file(
        self, sheet: Sheet, rows: slice, cols: slice, out: Image | None = None, number: int | None = None
    ) -> tuple[Image, Valid]:
        """Pixels as they lie in the file, and their validity."""
        if sheet.path not in self._used:
            begin(sheet, self.patience)
            self._used.add(sheet.path)
        bands = self.bands[sheet.path]
        pixels = self._decode_parts(sheet, rows, cols, out, number)
        good = valid_by_value(pixels, nodata_values(self.plan.values_everywhere, sheet.header))
        mask = mask_of(sheet, bands)
        if mask is not None:
            good &= self._read_mask(sheet, mask, rows, cols, number) > 0
        if sheet.blanks:
            good &= self._decode(blanks_of(self.plan.masks, sheet), rows, cols, number)[0] > 0
        return pixels, good

    def _read_mask(self, sheet: Sheet, mask: Place, rows: slice, cols: slice, number: int | None) -> Image:
        """Mask (H, W) of a sheet, 0 where there is no data."""
        try:
            return np.asarray(self._decode(mask, rows, cols, number)[0])
        except SheetError as error:
            if mask.path == Path(sheet.path):
                raise
            raise mask_error(sheet, error.what) from error

    def _decode_parts(self, sheet: Sheet, rows: slice, cols: slice, out: Image | None, number: int | None) -> Image:
        """Pixels of a sheet, decoded by one decoder, or by all side by side."""
        place = place_of(sheet, self.bands[sheet.path])
        if self._pool is None or self._closed or number is not None:
            return self._decode(place, rows, cols, number, out)
        parts = parts_of(rows, cols, real_block(sheet, self._blocks, self.patience), len(self.readers))
        if len(parts) < 2:
            return self._decode(place, rows, cols, None, out)
        shape = (len(place.bands), rows.stop - rows.start, cols.stop - cols.start)
        whole = np.empty(shape, sheet.header.dtype) if out is None else out
        read_parts(self._pool, parts, whole, lambda i, part, there: self._decode(place, *part, i, there))
        return whole

    def _decode(self, place: Place, rows: slice, cols: slice, number: int | None, out: Image | None = None) -> Image:
        """Pixels from one decoder, whose cache holds what it reads of a row of blocks; None for the first one."""
        share = self._cache if number is None else self._cache // len(self.readers)
        cache = max(share, min(self._cache, (cols.stop - cols.start) * self._column))
        holes = bool(self.plan.nodata)
        wanted = PixelRequest(place.path, place.stat, place.bands, rows, cols, cache, holes, self.patience)
        with self._lock:
            if self._closed:
                raise SheetError(place.path, "is read after its photo was closed", "run the same command again")
            self._decoding += 1
        try:
            return decoder(number or 0).read(replace(wanted, virtual=place.virtual, dtype=place.dtype), self, out)
        finally:
            with self._lock:
                self._decoding -= 1

    # --- one sheet that is warped

    def _read_warped(self, sheet: Sheet, part: Window) -> tuple[Image, Valid]:
        image = np.zeros((self.count, part.height, part.width), self.dtype)
        valid = np.zeros((part.height, part.width), bool)
        chunks = list(chunks_of(part))
        coming = self._warp_ahead(sheet, chunks)
        for chunk in chunks:
            both = overlap(chunk, part)
            assert both is not None  # `chunks_of` gives those that meet the part
            pixels, good = self._kept_chunk(sheet, chunk, coming.get(_chunk_key(sheet, chunk)))
            there, here = slices(both, chunk), slices(both, part)
            image[(slice(None), *here)] = pixels[(slice(None), *there)]
            valid[here] = good[there]
        return image, valid

    def _warp_ahead(self, sheet: Sheet, chunks: list[Window]) -> dict[ChunkKey, Coming]:
        """Chunks that are not kept from before, warped side by side; the same columns by the same decoder."""
        if self._pool is None or self._closed:
            return {}
        return {
            key: self._pool.submit(self._warp, sheet, chunk, int(chunk.col_off) // CHUNK % len(self.readers))
            for chunk in chunks
            if (key := _chunk_key(sheet, chunk)) not in self._chunks
        }

    def _kept_chunk(self, sheet: Sheet, chunk: Window, coming: Coming | None) -> tuple[Image, Valid]:
        """A warped chunk, which may be coming; the last few are kept."""
        key = _chunk_key(sheet, chunk)
        if key in self._chunks:
            self._chunks.move_to_end(key)
            return self._chunks[key]
        self._chunks[key] = made = self._warp(sheet, chunk, 0) if coming is None else coming.result()
        while len(self._chunks) > self._most_chunks:
            self._chunks.popitem(last=False)
        return made

    def _warp(self, sheet: Sheet, chunk: Window, number: int) -> tuple[Image, Valid]:
        grid, shape = self.plan.grid, (chunk.height, chunk.width)
        nothing = np.zeros((self.count, *shape), self.dtype), np.zeros(shape, bool)
        inside = source_part(sheet, grid, chunk)
        if inside is None:
            return nothing
        rows, cols = inside
        pixels, good = self._read_file(sheet, rows, cols, number=number)
        if not good.any():
            return nothing
        place = transform_of(sheet.header) @ Affine.translation(cols.start, rows.start)
        return warp(SheetPixels(pixels, good, place, sheet.crs), grid, chunk)


def _chunk_key(sheet: Sheet, chunk: Window) -> ChunkKey:
    return sheet.path, int(chunk.row_off), int(chunk.col_off)
