"""One class raster per sheet: the crop of the whole on the sheet's own size and transform; and what lies beside a class raster."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from geoseg.classes import NODATA, ClassTable
from geoseg.gis.cog import RasterSpec, write_cog
from geoseg.gis.styles import raster_aux_xml, raster_qml
from geoseg.io.commit import commit_bytes
from geoseg.io.plan import Plan, Sheet
from geoseg.io.sheets import transform_of
from geoseg.io.source import Source
from geoseg.stages.mosaic_run import MosaicRun, tags_of

__all__ = ["sheet_rasters", "sidecars"]

Bytes = npt.NDArray[np.uint8]

LONGEST = 200
"""Bytes of a sheet's name that outputs take over: with what is added to it, a file name may have 255."""


def sidecars(path: Path, table: ClassTable, counts: dict[int, int]) -> list[Path]:
    """`.aux.xml` and `.qml`, so that GIS tools show exactly the named classes."""
    aux, qml = path.with_name(path.name + ".aux.xml"), path.with_suffix(".qml")
    commit_bytes(aux, raster_aux_xml(table, counts).encode())
    commit_bytes(qml, raster_qml(table).encode())
    return [aux, qml]


def sheet_rasters(r: MosaicRun, numbers: Sequence[int], check: Callable[[], None] = lambda: None) -> list[Path]:
    """The crop of the whole for some sheets, each on its own size and transform, 255 outside its own validity; `check` comes before each."""
    files: list[Path] = []
    stems = _stems(r.plan)
    with Source(r.plan, r.job.bands) as source:
        for number in numbers:
            check()
            sheet, path = r.plan.sheets[number], r.out / "sheets" / f"{stems[number]}_classes.tif"
            write_cog(path, _sheet_spec(r, sheet), _sheet_reader(r, sheet, source))
            files += [path, *sidecars(path, r.table, {})]
    return files


def _stems(plan: Plan) -> list[str]:
    """A name for each sheet, different even where case does not count; equal file names, and very long ones, get a hash of their path."""
    seen = Counter(s.stem.casefold() for s in plan.sheets)

    def name(sheet: Sheet) -> str:
        short = len(sheet.stem.encode()) <= LONGEST
        if seen[sheet.stem.casefold()] == 1 and short:
            return sheet.stem
        return f"{sheet.stem if short else sheet.stem[: LONGEST // 4]}-{hashlib.sha256(sheet.path.encode(errors='surrogateescape')).hexdigest()[:8]}"

    return [name(s) for s in plan.sheets]


def _sheet_spec(r: MosaicRun, sheet: Sheet) -> RasterSpec:
    w = sheet.window
    transform = r.plan.grid.window_transform(w) if sheet.mode == "warped" else transform_of(sheet.header)
    crs = r.plan.grid.crs if sheet.mode == "warped" else sheet.crs
    return RasterSpec(w.width, w.height, crs, transform, "class", r.table, tags_of(r))


def _sheet_reader(r: MosaicRun, sheet: Sheet, source: Source) -> Callable[[Window], Bytes]:
    plain = (
        sheet.header.mask == "none"
        and sheet.header.nodata is None
        and not r.plan.nodata
        and sheet.header.dtype in ("uint8", "int8", "uint16", "int16")
        and sheet.mode != "warped"
    )

    def read(window: Window) -> Bytes:
        whole = sheet.window
        flipped = sheet.mode == "flipped"
        top = whole.height - window.row_off - window.height if flipped else window.row_off
        part = Window(whole.col_off + window.col_off, whole.row_off + top, window.width, window.height)
        classes = r.reader.read(part)[0]
        if not plain:
            classes[~source.validity(sheet, part)] = NODATA
        return np.ascontiguousarray(classes[::-1]) if flipped else classes

    return read
