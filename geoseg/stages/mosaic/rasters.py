"""The rasters of a run: classes and confidence of the whole, and the crop of each sheet in its own size and place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rasterio.windows import Window

from geoseg.arrays import Bytes
from geoseg.classes import NODATA, ClassTable
from geoseg.commit import commit_bytes
from geoseg.gis.cog import RasterSpec, write_cog
from geoseg.gis.styles import raster_aux_xml, raster_qml
from geoseg.options import READ_TIMEOUT
from geoseg.plan import Sheet, transform_of
from geoseg.sheets.photo import Photo
from geoseg.stages.mosaic.inputs import Inputs, shifted, tags_of

__all__ = ["class_raster", "confidence_raster", "sheet_rasters", "sidecars"]


log = logging.getLogger(__name__)

HUGE, FILLED = 4_000_000_000, 0.01
"""Rasters of more pixels get overviews only where at least this share of them lies in blocks."""


def class_raster(inputs: Inputs, counts: dict[int, int]) -> list[Path]:
    """NAME_classes.tif, and what lies beside it."""
    path = inputs.run.out / f"{inputs.name}_classes.tif"
    _write_whole(inputs, path, "class", inputs.table, 0)
    return [path, *sidecars(path, inputs.table, counts)]


def confidence_raster(inputs: Inputs) -> list[Path]:
    """NAME_confidence.tif."""
    path = inputs.run.out / f"{inputs.name}_confidence.tif"
    _write_whole(inputs, path, "confidence in percent", None, 1)
    return [path]


def _write_whole(inputs: Inputs, path: Path, text: str, table: ClassTable | None, band: int) -> None:
    """One band of all blocks as a COG."""
    extent, grid = inputs.extent, inputs.plan.grid
    spec = RasterSpec(
        extent.width,
        extent.height,
        grid.crs,
        grid.window_transform(extent),
        text,
        table,
        tags_of(inputs),
        _overviews(inputs),
    )
    read = lambda w: inputs.reader.read(shifted(w, extent))[band]
    write_cog(path, spec, read, lambda w: inputs.reader.empty(shifted(w, extent)))


def _overviews(inputs: Inputs) -> bool:
    """Whether the rasters of the whole get overviews.

    A huge one that is nearly empty gets none, since GDAL would look at each of its pixels.
    """
    extent = inputs.extent
    pixels = int(extent.width) * int(extent.height)
    if pixels <= HUGE or len(inputs.records) * inputs.plan.block**2 >= FILLED * pixels:
        return True
    log.warning(
        "the sheets lie so far apart that the raster of the whole (%d x %d px) gets no overviews",
        extent.width,
        extent.height,
    )
    return False


def sidecars(path: Path, table: ClassTable, counts: dict[int, int]) -> list[Path]:
    """`.aux.xml` and `.qml`, so that GIS tools show exactly the named classes."""
    aux, qml = path.with_name(path.name + ".aux.xml"), path.with_suffix(".qml")
    commit_bytes(aux, raster_aux_xml(table, counts).encode())
    commit_bytes(qml, raster_qml(table).encode())
    return [aux, qml]


def sheet_rasters(
    inputs: Inputs,
    numbers: Sequence[int],
    check: Callable[[], None] = lambda: None,
    *,
    patience: float = READ_TIMEOUT,
) -> list[Path]:
    """The crop of the whole for some sheets, each in its own size and place, 255 where the sheet itself has no data.

    `check` is called before each; `patience`: seconds without a sign of life after which a sheet is given up.
    """
    files: list[Path] = []
    with Photo(inputs.plan, inputs.job.bands, patience=patience) as photo:
        for number in numbers:
            check()
            sheet, path = inputs.plan.sheets[number], inputs.run.out / "sheets" / f"{inputs.stems[number]}_classes.tif"
            write_cog(path, _sheet_spec(inputs, sheet), _sheet_reader(inputs, sheet, photo))
            files += [path, *sidecars(path, inputs.table, {})]
    return files


def _sheet_spec(inputs: Inputs, sheet: Sheet) -> RasterSpec:
    w = sheet.window
    transform = inputs.plan.grid.window_transform(w) if sheet.mode == "warped" else transform_of(sheet.header)
    crs = inputs.plan.grid.crs if sheet.mode == "warped" else sheet.crs
    return RasterSpec(w.width, w.height, crs, transform, "class", inputs.table, tags_of(inputs))


def _sheet_reader(inputs: Inputs, sheet: Sheet, photo: Photo) -> Callable[[Window], Bytes]:
    plain = (
        sheet.header.mask == "none"
        and sheet.header.nodata is None
        and not inputs.plan.values_everywhere
        and not sheet.blanks
        and sheet.header.dtype in ("uint8", "int8", "uint16", "int16")
        and sheet.mode != "warped"
    )

    def read(window: Window) -> Bytes:
        whole = sheet.window
        flipped = sheet.mode == "flipped"
        top = whole.height - window.row_off - window.height if flipped else window.row_off
        part = Window(whole.col_off + window.col_off, whole.row_off + top, window.width, window.height)
        classes = inputs.reader.read(part)[0]
        if not plain:
            classes[~photo.validity(sheet, part)] = NODATA
        return np.ascontiguousarray(classes[::-1]) if flipped else classes

    return read
