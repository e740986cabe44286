"""The rasters of a run: classes and confidence of the whole, and the crop of each sheet in its own size and place.

Where sheets lie scattered over a country, each group of touching sheets has rasters of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rasterio.windows import Window

from geoseg.arrays import Bytes
from geoseg.classes import NODATA, ClassTable
from geoseg.commit import commit_bytes
from geoseg.geometry.scatter import FILLED, HUGE
from geoseg.gis.cog import RasterSpec, write_cog
from geoseg.gis.styles import raster_aux_xml, raster_qml
from geoseg.options import READ_TIMEOUT
from geoseg.plan import Sheet, transform_of
from geoseg.sheets.photo import Photo
from geoseg.stages.mosaic.inputs import Inputs, shifted, tags_of

__all__ = ["class_raster", "confidence_raster", "sheet_rasters", "sidecars"]


log = logging.getLogger(__name__)


def class_raster(inputs: Inputs, counts: dict[int, int]) -> list[Path]:
    """NAME_classes.tif, or NAME_1_classes.tif and so on, and what lies beside them."""
    files: list[Path] = []
    for ending, extent in inputs.rasters:
        path = inputs.run.out / f"{inputs.name}{ending}_classes.tif"
        _write_whole(inputs, path, extent, "class", inputs.table)
        files += [path, *sidecars(path, inputs.table, counts if len(inputs.rasters) == 1 else {})]
    return files


def confidence_raster(inputs: Inputs) -> list[Path]:
    """NAME_confidence.tif, or NAME_1_confidence.tif and so on."""
    files: list[Path] = []
    for ending, extent in inputs.rasters:
        files.append(inputs.run.out / f"{inputs.name}{ending}_confidence.tif")
        _write_whole(inputs, files[-1], extent, "confidence in percent", None)
    return files


def _write_whole(inputs: Inputs, path: Path, extent: Window, text: str, table: ClassTable | None) -> None:
    """The classes (with a table) or the confidence of all blocks of an extent as a COG."""
    grid, band = inputs.plan.grid, 0 if table is not None else 1
    spec = RasterSpec(
        extent.width,
        extent.height,
        grid.crs,
        grid.window_transform(extent),
        text,
        table,
        tags_of(inputs),
        _overviews(inputs, extent),
    )
    read = lambda w: inputs.reader.read(shifted(w, extent))[band]
    write_cog(path, spec, read, lambda w: inputs.reader.empty(shifted(w, extent)))


def _overviews(inputs: Inputs, extent: Window) -> bool:
    """Whether a raster gets overviews.

    A huge one that is nearly empty gets none, since GDAL would look at each of its pixels.
    """
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
