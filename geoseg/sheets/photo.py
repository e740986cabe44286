"""Many sheets as one image on one grid.

The order of the plan decides where sheets overlap: the first valid pixel wins. Nothing here knows patches or networks.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import shapely
from rasterio.features import geometry_mask
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject, transform_bounds
from rasterio.windows import Window

from geoseg.arrays import Image, Valid
from geoseg.errors import PlanError, SheetError
from geoseg.geometry.grid import Grid, overlap, slices
from geoseg.options import READ_TIMEOUT
from geoseg.plan import Plan, Sheet, transform_of
from geoseg.sheets.decoder import PixelRequest, decoder
from geoseg.sheets.door import mask_path, stat_key

__all__ = ["Source", "area_mask"]


CHUNK = 512
"""Warped sheets are computed in squares of this side, anchored on the grid, whatever window is asked for."""


def area_mask(area: str, grid: Grid, window: Window) -> Valid:
    """Pixels (H, W) whose centre lies in an area of interest (WKT, "" for everywhere)."""
    shape = (window.height, window.width)
    if not area:
        return np.ones(shape, bool)
    polygon = shapely.from_wkt(area)
    return np.asarray(~geometry_mask([polygon], shape, grid.window_transform(window)))


class Source:
    """The plan's sheets as one image of the chosen bands; files that are open for it are closed by `close` or `with`.

    To be read from one thread. `bands` are 1-based indices per sheet path; `width` is that of the widest window; `patience`
    are seconds without a sign of life after which a sheet is given up.
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

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        used = [s for s in self.plan.sheets if s.path in self._used]
        if kind is not None and self._decoding:
            decoder().give_up(self)  # whoever leaves does not wait for a thread of its own that still reads
        self.close()
        if kind is None:
            self._check_after(used)

    def _check_after(self, used: list[Sheet]) -> None:
        """Raise SheetError if a sheet was written while it was read: what was read of it may be neither old nor new."""
        for sheet in used:
            if not _unchanged(sheet):
                raise SheetError(
                    sheet.path, "was written while it was read", "let it be finished, then run geoseg tile again"
                )

    def close(self) -> None:
        """Close all files."""
        if self._used:
            decoder().forget()
        self._used.clear()
        self._chunks.clear()

    def read(self, window: Window) -> tuple[Image, Valid]:
        """Pixels (C, H, W) of a window and which of them (H, W) any sheet has data for; 0 elsewhere.

        Raises:
            SheetError: a sheet is damaged; names it.
            PlanError: a sheet was written again since it was planned.
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
        """Pixels (C, H, W) and validity (H, W) of one sheet in a window that lies inside its footprint."""
        if sheet.mode == "warped":
            return self._warped(sheet, part)
        rows, cols = slices(part, sheet.window)
        if sheet.mode == "flipped":
            high = sheet.window.height
            pixels, good = self._pixels(sheet, slice(high - rows.stop, high - rows.start), cols)
            return pixels[:, ::-1], good[::-1].copy()
        return self._pixels(sheet, rows, cols)

    def _begin(self, sheet: Sheet) -> None:
        """Look at a sheet once more before its first pixel is read."""
        if sheet.path in self._used:
            return
        if not _unchanged(sheet):
            raise PlanError(sheet.path, "was written again since geoseg tile looked at it", "run geoseg tile again")
        if sheet.header.mask == "external":
            self._check_mask(sheet)
        self._used.add(sheet.path)

    def _check_mask(self, sheet: Sheet) -> None:
        try:
            mask = decoder().header(mask_path(Path(sheet.path)), patience=self.patience)
        except SheetError as error:
            raise SheetError(sheet.path, f"has a .msk that {error.what}", "delete or redo the .msk") from error
        found, expected = (mask.height, mask.width), (sheet.header.height, sheet.header.width)
        if found != expected:
            raise SheetError(sheet.path, f"has a .msk of {found}, expected {expected}", "delete or redo the .msk")

    def _pixels(self, sheet: Sheet, rows: slice, cols: slice) -> tuple[Image, Valid]:
        """Pixels as they lie in the file, and their validity."""
        self._begin(sheet)
        bands = self.bands[sheet.path]
        pixels = self._decoded(sheet, bands, rows, cols)
        good = self._by_value(sheet, pixels)
        alpha = sheet.header.meanings.index("alpha") + 1 if sheet.header.mask == "alpha" else 0
        if alpha:
            if alpha not in bands:  # a band that the user names is data, whatever the file calls it
                good &= self._decoded(sheet, (alpha,), rows, cols)[0] > 0
        elif sheet.header.mask == "internal":
            good &= self._decoded(sheet, (), rows, cols)[0] > 0
        elif sheet.header.mask == "external":
            good &= self._external(sheet, rows, cols) > 0
        return pixels, good

    def _decoded(self, sheet: Sheet, bands: tuple[int, ...], rows: slice, cols: slice) -> Image:
        return self._from(Path(sheet.path), sheet.stat, bands, rows, cols)

    def _from(self, path: Path, stat: tuple[int, int], bands: tuple[int, ...], rows: slice, cols: slice) -> Image:
        self._decoding = True
        try:
            holes = bool(self.plan.nodata)
            wanted = PixelRequest(path, stat, bands, rows, cols, self._cache, holes, self.patience)
            return decoder().read(wanted, who=self)
        finally:
            self._decoding = False

    def _external(self, sheet: Sheet, rows: slice, cols: slice) -> Image:
        """Pixels (H, W) of the .msk beside a sheet."""
        path, stat = mask_path(Path(sheet.path)), sheet.header.mask_stat
        assert stat is not None  # as `read_header` found the file
        try:
            return np.asarray(self._from(path, stat, (1,), rows, cols)[0])
        except SheetError as error:
            raise SheetError(sheet.path, f"has a .msk that {error.what}", "delete or redo the .msk") from error

    def _by_value(self, sheet: Sheet, pixels: Image) -> Valid:
        """False where all bands hold a no-data value, or any is not a finite number."""
        specs = [*self.plan.nodata]
        if sheet.header.nodata is not None and np.isfinite(sheet.header.nodata):
            specs.append((sheet.header.nodata, 0.0))
        good = np.ones(pixels.shape[1:], bool)
        if pixels.dtype.kind == "f":
            good &= np.isfinite(pixels).all(0)
        for value, tolerance in specs:
            if pixels.dtype.kind in "ui":
                limits = np.iinfo(pixels.dtype)
                low, high = max(value - tolerance, limits.min), min(value + tolerance, limits.max)
                if low > high:
                    continue
            else:
                low, high = value - tolerance, value + tolerance
            good &= ~((pixels >= low) & (pixels <= high)).all(0)
        return good

    def _warped(self, sheet: Sheet, part: Window) -> tuple[Image, Valid]:
        image = np.zeros((self.count, part.height, part.width), self.dtype)
        valid = np.zeros((part.height, part.width), bool)
        for row in range(part.row_off // CHUNK, (part.row_off + part.height - 1) // CHUNK + 1):
            for col in range(part.col_off // CHUNK, (part.col_off + part.width - 1) // CHUNK + 1):
                chunk = Window(col * CHUNK, row * CHUNK, CHUNK, CHUNK)
                both = overlap(chunk, part)
                assert both is not None  # chunks are those that meet the part
                pixels, good = self._chunk(sheet, chunk)
                there, here = slices(both, chunk), slices(both, part)
                image[(slice(None), *here)] = pixels[(slice(None), *there)]
                valid[here] = good[there]
        return image, valid

    def _chunk(self, sheet: Sheet, chunk: Window) -> tuple[Image, Valid]:
        key = (sheet.path, int(chunk.row_off), int(chunk.col_off))
        if key in self._chunks:
            self._chunks.move_to_end(key)
            return self._chunks[key]
        made = self._warp(sheet, chunk)
        self._chunks[key] = made
        while len(self._chunks) > self._most_chunks:
            self._chunks.popitem(last=False)
        return made

    def _warp(self, sheet: Sheet, chunk: Window) -> tuple[Image, Valid]:
        """One chunk of a warped sheet: bilinear, invalid pixels carry no weight, so no border bleeds in."""
        grid, header = self.plan.grid, sheet.header
        shape = (chunk.height, chunk.width)
        nothing = np.zeros((self.count, *shape), self.dtype), np.zeros(shape, bool)
        inside = _source_window(sheet, grid, chunk)
        if inside is None:
            return nothing
        rows, cols = inside
        pixels, good = self._pixels(sheet, rows, cols)
        if not good.any():
            return nothing
        place = transform_of(header) @ Affine.translation(cols.start, rows.start)
        layers = np.concatenate([np.where(good, pixels, 0).astype(np.float32), good[None].astype(np.float32)])
        out = np.zeros((self.count + 1, *shape), np.float32)
        reproject(
            layers,
            out,
            src_transform=place,
            src_crs=sheet.crs,
            dst_transform=grid.window_transform(chunk),
            dst_crs=grid.crs,
            resampling=Resampling.bilinear,
        )
        weight = out[-1]
        valid = weight > 0.5
        values = out[:-1] / np.maximum(weight, 0.5)
        if self.dtype.kind in "ui":
            limits = np.iinfo(self.dtype)
            values = np.clip(np.rint(values), limits.min, limits.max)
        return np.where(valid, values, 0).astype(self.dtype), valid


def _unchanged(sheet: Sheet) -> bool:
    """Whether a sheet and its external mask are the files that were planned."""
    path = Path(sheet.path)
    mask = stat_key(mask_path(path)) if sheet.header.mask == "external" else None
    return stat_key(path) == sheet.stat and mask == sheet.header.mask_stat


def _source_window(sheet: Sheet, grid: Grid, chunk: Window) -> tuple[slice, slice] | None:
    """Rows and columns of a sheet that a chunk needs, with 4 pixels to spare; None where they do not meet."""
    bounds = transform_bounds(grid.crs, sheet.crs, *grid.bounds(chunk), densify_pts=21)
    inverse = ~transform_of(sheet.header)
    corners = [inverse @ (x, y) for x in (bounds[0], bounds[2]) for y in (bounds[1], bounds[3])]
    col0, col1 = min(c for c, _ in corners), max(c for c, _ in corners)
    row0, row1 = min(r for _, r in corners), max(r for _, r in corners)
    spare = 4 + int(max((col1 - col0) / chunk.width, (row1 - row0) / chunk.height, 1) * 2)
    left, right = max(0, int(col0) - spare), min(sheet.header.width, int(col1) + 1 + spare)
    top, bottom = max(0, int(row0) - spare), min(sheet.header.height, int(row1) + 1 + spare)
    return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None
