"""Masks of blank areas: found once for each sheet as it was delivered, and kept under the hash of its bytes."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window

from geoseg.arrays import Json, Mask
from geoseg.commit import digest, disk_faults, scratch, settle
from geoseg.errors import EnvironmentFault, SheetChanged, SheetError
from geoseg.geometry.ground import metres_per_unit
from geoseg.plan import Plan, Sheet, transform_of
from geoseg.runfolder.folder import Run
from geoseg.sheets.blank_areas import LARGE, blank_rows, read_strips, suspicious_values
from geoseg.sheets.decoder import sheet_stat
from geoseg.sheets.kinds.addresses import is_remote
from geoseg.sheets.nodata import Value

__all__ = ["forget_masks", "with_mask"]

log = logging.getLogger(__name__)


def with_mask(run: Run, sheet: Sheet, plan: Plan, read_timeout: float) -> Sheet:
    """A sheet with the mask of its blank areas, by the rule of the plan; without one where nothing is blank.

    Raises:
        SheetError: it cannot be read, or changes meanwhile.
    """
    if plan.nodata_rule == "everywhere" or (plan.nodata_rule == "none" and not plan.nodata):
        return replace(sheet, blanks="")
    values = plan.nodata or suspicious_values(sheet, read_timeout)
    return replace(sheet, blanks=_mask(run.masks, sheet, values, read_timeout) if values else "")


def _mask(folder: Path, sheet: Sheet, values: tuple[Value, ...], read_timeout: float) -> str:
    """The name of the mask of a sheet, which is made unless it is there; "" where nothing is blank."""
    header = sheet.header
    place = transform_of(header)
    x, y = place @ (header.width / 2, header.height / 2)
    pixel = abs(place.determinant) * metres_per_unit(sheet.crs, x, y) ** 2
    large = LARGE / pixel
    facts = values, round(large, 3), header.mask, header.mask_stat, header.nodata
    rule = hashlib.sha256(repr(facts).encode()).hexdigest()[:12]
    name = f"{_contents(sheet)[:32]}_{rule}.tif"
    if (folder / name).is_file():
        return name
    with scratch(folder / name, ".tif") as temporary:
        with disk_faults(folder / name):
            blank = _write(temporary, sheet, blank_rows(read_strips(sheet, read_timeout), values, large))
        if sheet_stat(Path(sheet.path), read_timeout) != sheet.stat:
            raise SheetChanged(sheet.path, "was written while it was read", "wait until it is complete")
        if not blank:
            return ""
        settle(temporary, folder / name, lambda path: _check(path, blank))
    log.info("%s: %.1f %% of it is blank and holds no data", sheet.path, 100 * blank / (header.width * header.height))
    return name


def _contents(sheet: Sheet) -> str:
    """SHA-256 (hex) of a sheet's bytes; of a virtual or remote one that of its text or address and its stat."""
    if sheet.header.virtual or is_remote(sheet.path):
        return hashlib.sha256(f"{sheet.header.virtual or sheet.path}|{sheet.stat}".encode()).hexdigest()
    try:
        return digest(Path(sheet.path))
    except OSError as error:
        raise SheetError(sheet.path, f"cannot be read: {error.strerror}", "check the path") from error


def _write(path: Path, sheet: Sheet, rows: Iterable[Mask]) -> int:
    """Write a mask as a GeoTIFF, 0 where the sheet is blank and 255 elsewhere; returns the number of blank pixels."""
    header = sheet.header
    profile: Json = {"driver": "GTiff", "count": 1, "dtype": "uint8", "height": header.height, "width": header.width}
    profile |= {"compress": "deflate", "zlevel": 1, "tiled": True, "blockxsize": 512, "blockysize": 256}
    top = blank = 0
    with rasterio.open(path, "w", crs=sheet.crs, transform=transform_of(header), **profile) as dataset:
        for strip in rows:
            window = Window(0, top, header.width, len(strip))
            dataset.write(np.where(strip, 0, 255).astype(np.uint8), 1, window=window)
            top, blank = top + len(strip), blank + int(strip.sum())
    return blank


def _check(path: Path, blank: int) -> None:
    """Read a mask back: GDAL says nothing of a full disk when it closes a file."""
    try:
        with rasterio.open(path) as dataset:
            found = sum(int((dataset.read(1, window=w) == 0).sum()) for _, w in dataset.block_windows(1))
    except RasterioError as error:
        raise EnvironmentFault(path, f"cannot be read back: {error}", "check the disk, then run it again") from error
    if found != blank:
        raise EnvironmentFault(path, f"holds {found} blank pixels, {blank} were written", "check the disk")


def forget_masks(run: Run, plan: Plan, earlier: Plan | None) -> None:
    """Remove the masks that no sheet of a plan has, nor of the one before, by which others may still read.

    To be called under the run's lock, once the plan is saved.
    """
    used = {s.blanks for s in (*plan.sheets, *(earlier.sheets if earlier else ()))}
    for path in run.masks.glob("*.tif"):
        if path.name not in used:
            with disk_faults(path):
                path.unlink(missing_ok=True)
