"""Many sheets as one photo on one grid.

    window -> the sheets there -> pixels of each (as it lies, flipped, or warped) -> no-data left out -> one image

Where sheets overlap the first valid pixel wins, in the order of the plan. Nothing here knows patches or networks.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import shapely
from rasterio.features import geometry_mask
from rasterio.transform import Affine
from rasterio.windows import Window

from geoseg.arrays import Image, Valid
from geoseg.errors import SheetChanged, SheetError
from geoseg.geometry.grid import Grid, overlap, slices
from geoseg.options import READ_TIMEOUT
from geoseg.plan import Plan, Sheet, transform_of
from geoseg.sheets.decoder import PixelRequest, decoder, sheet_stat
from geoseg.sheets.door import mask_path, stat_key
from geoseg.sheets.nodata import Place, blanks_of, mask_of, nodata_values, place_of, valid_by_value
from geoseg.sheets.warp import CHUNK, SheetPixels, chunks_of, source_part, warp

__all__ = ["Photo", "area_mask"]


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
    """

    def __init__(
        self, plan: Plan, bands: dict[str, tuple[int, ...]], *, width: int = 8192, patience: float = READ_TIMEOUT
    ) -> None:
        self.plan, self.bands, self.patience = plan, bands, patience
        self.dtype = np.dtype(plan.sheets[0].header.dtype) if plan.sheets else np.dtype("uint8")
        self.count = len(next(iter(bands.values()))) if bands else 0
        self._used: set[str] = set()
        self._decoding = False
        self._chunks: OrderedDict[tuple[str, int, int], tuple[Image, Valid]] = OrderedDict()
        self._most_chunks = 2 * (width // CHUNK + 2)
        rows = max((s.header.block[0] for s in plan.sheets), default=1)
        self._cache = 2 * width * min(rows, 4096) * max(self.count, 3) * self.dtype.itemsize

    def __enter__(self) -> Photo:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        used = [s for s in self.plan.sheets if s.path in self._used]
        if kind is not None and self._decoding:
            decoder().give_up(self)  # leave at once: do not wait for another thread that still reads
        self.close()
        if kind is None:
            _check_unchanged(used, self.patience)

    def close(self) -> None:
        """Close all files."""
        if self._used:
            decoder().forget()
        self._used.clear()
        self._chunks.clear()

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
        for sheet in meeting:
            part = overlap(sheet.window, window)
            if part is None:
                continue
            rows, cols = slices(part, window)
            if valid[rows, cols].all():
                continue
            pixels, good = self.read_sheet(sheet, part)
            good &= ~valid[rows, cols]
            if good.all():
                image[:, rows, cols] = pixels
            else:
                image[:, rows, cols][:, good] = pixels[:, good]
            valid[rows, cols] |= good
        return image, valid

    def validity(self, sheet: Sheet, part: Window) -> Valid:
        """Validity (H, W) of one sheet alone, in a window inside its footprint."""
        return self.read_sheet(sheet, part)[1]

    def read_sheet(self, sheet: Sheet, part: Window) -> tuple[Image, Valid]:
        """Pixels (C, H, W) and validity (H, W) of one sheet alone, in a window inside its footprint."""
        if sheet.mode == "warped":
            return self._read_warped(sheet, part)
        rows, cols = slices(part, sheet.window)
        if sheet.mode == "flipped":
            high = sheet.window.height
            pixels, good = self._read_file(sheet, slice(high - rows.stop, high - rows.start), cols)
            return pixels[:, ::-1], good[::-1].copy()
        return self._read_file(sheet, rows, cols)

    # --- one sheet as it lies in its file

    def _read_file(self, sheet: Sheet, rows: slice, cols: slice) -> tuple[Image, Valid]:
        """Pixels as they lie in the file, and their validity."""
        self._begin(sheet)
        bands = self.bands[sheet.path]
        pixels = self._decode(place_of(sheet, bands), rows, cols)
        good = valid_by_value(pixels, nodata_values(self.plan.values_everywhere, sheet.header))
        mask = mask_of(sheet, bands)
        if mask is not None:
            good &= self._read_mask(sheet, mask, rows, cols) > 0
        if sheet.blanks:
            good &= self._decode(blanks_of(self.plan.masks, sheet), rows, cols)[0] > 0
        return pixels, good

    def _begin(self, sheet: Sheet) -> None:
        """Look at a sheet once more before its first pixel is read."""
        if sheet.path in self._used:
            return
        if not _is_unchanged(sheet, self.patience):
            raise SheetChanged(sheet.path, "was written again since it was planned", "run geoseg tile and infer again")
        if sheet.header.mask == "external":
            self._check_mask(sheet)
        self._used.add(sheet.path)

    def _check_mask(self, sheet: Sheet) -> None:
        try:
            mask = decoder().header(mask_path(Path(sheet.path)), patience=self.patience)
        except SheetError as error:
            raise _mask_error(sheet, error.what) from error
        found, expected = (mask.height, mask.width), (sheet.header.height, sheet.header.width)
        if found != expected:
            raise _mask_error(sheet, f"has {found} rows and columns, expected {expected}")

    def _read_mask(self, sheet: Sheet, mask: Place, rows: slice, cols: slice) -> Image:
        """Mask (H, W) of a sheet, 0 where there is no data."""
        try:
            return np.asarray(self._decode(mask, rows, cols)[0])
        except SheetError as error:
            if mask.path == Path(sheet.path):
                raise
            raise _mask_error(sheet, error.what) from error

    def _decode(self, place: Place, rows: slice, cols: slice) -> Image:
        holes = bool(self.plan.nodata)
        wanted = PixelRequest(
            place.path, place.stat, place.bands, rows, cols, self._cache, holes, self.patience, place.virtual
        )
        self._decoding = True
        try:
            return decoder().read(wanted, who=self)
        finally:
            self._decoding = False

    # --- one sheet that is warped

    def _read_warped(self, sheet: Sheet, part: Window) -> tuple[Image, Valid]:
        image = np.zeros((self.count, part.height, part.width), self.dtype)
        valid = np.zeros((part.height, part.width), bool)
        for chunk in chunks_of(part):
            both = overlap(chunk, part)
            assert both is not None  # `chunks_of` gives those that meet the part
            pixels, good = self._kept_chunk(sheet, chunk)
            there, here = slices(both, chunk), slices(both, part)
            image[(slice(None), *here)] = pixels[(slice(None), *there)]
            valid[here] = good[there]
        return image, valid

    def _kept_chunk(self, sheet: Sheet, chunk: Window) -> tuple[Image, Valid]:
        """A warped chunk; the last few are kept."""
        key = (sheet.path, int(chunk.row_off), int(chunk.col_off))
        if key in self._chunks:
            self._chunks.move_to_end(key)
            return self._chunks[key]
        self._chunks[key] = made = self._warp(sheet, chunk)
        while len(self._chunks) > self._most_chunks:
            self._chunks.popitem(last=False)
        return made

    def _warp(self, sheet: Sheet, chunk: Window) -> tuple[Image, Valid]:
        grid, shape = self.plan.grid, (chunk.height, chunk.width)
        nothing = np.zeros((self.count, *shape), self.dtype), np.zeros(shape, bool)
        inside = source_part(sheet, grid, chunk)
        if inside is None:
            return nothing
        rows, cols = inside
        pixels, good = self._read_file(sheet, rows, cols)
        if not good.any():
            return nothing
        place = transform_of(sheet.header) @ Affine.translation(cols.start, rows.start)
        return warp(SheetPixels(pixels, good, place, sheet.crs), grid, chunk)


def _is_unchanged(sheet: Sheet, patience: float) -> bool:
    """Whether a sheet and its external mask are the files that were planned."""
    path = Path(sheet.path)
    mask = stat_key(mask_path(path)) if sheet.header.mask == "external" else None
    return sheet_stat(path, patience) == sheet.stat and mask == sheet.header.mask_stat


def _check_unchanged(used: list[Sheet], patience: float) -> None:
    """Raise SheetChanged if a sheet was written while it was read: its pixels may be neither the old nor the new."""
    for sheet in used:
        if not _is_unchanged(sheet, patience):
            cure = "wait until it is complete, then run geoseg tile and infer again"
            raise SheetChanged(sheet.path, "was written while it was read", cure)


def _mask_error(sheet: Sheet, what: str) -> SheetError:
    return SheetError(sheet.path, f"has a .msk that {what}", "delete the .msk or make it again")
