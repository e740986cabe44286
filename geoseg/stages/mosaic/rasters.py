"""One class raster per sheet: the crop of the whole on the sheet's own size and transform; and what lies beside a class raster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from geoseg.classes import NODATA, ClassTable
from geoseg.commit import commit_bytes
from geoseg.gis.cog import RasterSpec, write_cog
from geoseg.gis.styles import raster_aux_xml, raster_qml
from geoseg.plan import Sheet
from geoseg.sheets.door import transform_of
from geoseg.sheets.photo import Source
from geoseg.stages.features.whole import MosaicRun, tags_of

__all__ = ["sheet_rasters", "sidecars"]

Bytes = npt.NDArray[np.uint8]


def sidecars(path: Path, table: ClassTable, counts: dict[int, int]) -> list[Path]:
    """`.aux.xml` and `.qml`, so that GIS tools show exactly the named classes."""
    aux, qml = path.with_name(path.name + ".aux.xml"), path.with_suffix(".qml")
    commit_bytes(aux, raster_aux_xml(table, counts).encode())
    commit_bytes(qml, raster_qml(table).encode())
    return [aux, qml]


def sheet_rasters(r: MosaicRun, numbers: Sequence[int], check: Callable[[], None] = lambda: None) -> list[Path]:
    """The crop of the whole for some sheets, each on its own size and transform, 255 outside its own validity; `check` comes before each."""
    files: list[Path] = []
    with Source(r.plan, r.job.bands) as source:
        for number in numbers:
            check()
            sheet, path = r.plan.sheets[number], r.out / "sheets" / f"{r.stems[number]}_classes.tif"
            write_cog(path, _sheet_spec(r, sheet), _sheet_reader(r, sheet, source))
            files += [path, *sidecars(path, r.table, {})]
    return files


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
