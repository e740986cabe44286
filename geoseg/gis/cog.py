"""Cloud-optimised GeoTIFFs, written window by window and read back before they bear their name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.io import DatasetReader, DatasetWriter, MemoryFile
from rasterio.transform import Affine
from rasterio.windows import Window

from geoseg.arrays import Bytes
from geoseg.classes import ISPRS, NODATA, ClassTable, LandClass
from geoseg.commit import commit_bytes, commit_file
from geoseg.errors import EnvironmentFault
from geoseg.layers import role_of_name
from geoseg.sheets.door import gdal_settings, open_sheet

__all__ = ["RasterSpec", "table_of", "write_cog"]

Read = Callable[[Window], Bytes]
"""Pixels (H, W) of a window."""
Empty = Callable[[Window], bool]
"""Tells of a window that it certainly holds no data."""

IN_MEMORY = 64_000_000
"""Rasters of up to so many pixels are made in memory, larger ones on disk."""

TILE, STRIP = 512, 2048


@dataclass(frozen=True)
class RasterSpec:
    """A raster of one band of uint8: size, place and meaning.

    `table`: classes; None for a plain quantity (confidence). `overviews`: False leaves them out.
    """

    width: int
    height: int
    crs: str
    transform: Affine
    description: str
    table: ClassTable | None = None
    tags: dict[str, str] = field(default_factory=dict)
    overviews: bool = True


def _windows(spec: RasterSpec) -> Iterator[Window]:
    """Strips of squares, in row order."""
    for row in range(0, spec.height, STRIP):
        for col in range(0, spec.width, STRIP):
            yield Window(col, row, min(STRIP, spec.width - col), min(STRIP, spec.height - row))


def _plain_profile(spec: RasterSpec) -> dict[str, object]:
    """Options of the plain GeoTIFF that is made into a COG."""
    return {
        "driver": "GTiff",
        "width": spec.width,
        "height": spec.height,
        "count": 1,
        "dtype": "uint8",
        "crs": spec.crs,
        "transform": spec.transform,
        "nodata": NODATA,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "compress": "zstd",
        "zstd_level": 1,
        "bigtiff": "if_safer",
        "sparse_ok": True,
        **({"photometric": "palette"} if spec.table else {}),
    }


def _cog_options(spec: RasterSpec) -> dict[str, object]:
    """Options of GDAL's COG driver."""
    return {
        "driver": "COG",
        "compress": "deflate",
        "blocksize": TILE,
        "overview_resampling": "mode" if spec.table else "average",
        "bigtiff": "if_safer",
        "num_threads": 1,
        "sparse_ok": True,
        "overviews": "AUTO" if spec.overviews else "NONE",
    }


def _fill(dataset: DatasetWriter, spec: RasterSpec, read: Read, empty: Empty) -> None:
    """Write pixels, colours, description and tags."""
    if spec.table is not None:
        dataset.write_colormap(1, {c.value: (*c.drawn, 255) for c in spec.table.classes})
    for window in _windows(spec):
        if empty(window):
            continue
        pixels = read(window)
        if (pixels != NODATA).any():
            dataset.write(pixels, 1, window=window)
    dataset.set_band_description(1, spec.description)
    dataset.update_tags(**spec.tags)


def write_cog(path: Path, spec: RasterSpec, read: Read, empty: Empty = lambda window: False) -> str:
    """Write a COG (deflate, 512 px tiles, overviews by mode or average, nodata 255); returns its SHA-256.

    Args:
        path: final name.
        spec: what it is.
        read: window of the raster -> pixels (H, W) uint8; called twice for each window, the second time to compare.
        empty: tells of a window that it certainly holds no data: it is not read, and must have no tile in the file.

    Raises:
        EnvironmentFault: it could not be written, or reads back other pixels.
    """
    if spec.width * spec.height <= IN_MEMORY:
        return commit_bytes(path, _encode(path, spec, read, empty))

    def write(temporary: Path) -> None:
        plain = temporary.with_name(temporary.name + ".plain.tif")
        try:
            with rasterio.open(plain, "w", **_plain_profile(spec)) as dataset:
                _fill(dataset, spec, read, empty)
            rasterio.shutil.copy(plain, temporary, **_cog_options(spec))
        except rasterio.errors.RasterioError as error:
            raise EnvironmentFault(
                path, f"cannot be written: {error}", "free some disk space, then run it again"
            ) from error
        finally:
            for rest in temporary.parent.glob(temporary.name + ".*"):
                rest.unlink(missing_ok=True)

    def check(temporary: Path) -> None:
        with rasterio.open(temporary) as dataset:
            _compare(path, dataset, spec, read, empty)

    return commit_file(path, write, check)


def _encode(path: Path, spec: RasterSpec, read: Read, empty: Empty) -> bytes:
    """The bytes of a small raster."""
    try:
        return _make_in_memory(path, spec, read, empty)
    except rasterio.errors.RasterioError as error:
        raise EnvironmentFault(
            path, f"cannot be made in memory: {error}", "free some memory, then run it again"
        ) from error


def _make_in_memory(path: Path, spec: RasterSpec, read: Read, empty: Empty) -> bytes:
    """Make a COG in memory, read it back, and return its bytes."""
    with MemoryFile() as plain, MemoryFile(ext=".tif") as cog:
        with plain.open(**_plain_profile(spec)) as dataset:
            _fill(dataset, spec, read, empty)
        with plain.open() as dataset:
            rasterio.shutil.copy(dataset, cog.name, **_cog_options(spec))
        with cog.open() as dataset:
            _compare(path, dataset, spec, read, empty)
        return bytes(cog.getbuffer())


def _compare(path: Path, dataset: DatasetReader, spec: RasterSpec, read: Read, empty: Empty) -> None:
    """Raise if a file reads back other pixels than were written."""
    for window in _windows(spec):
        if empty(window) and not _has_tile(dataset, window):
            continue
        if not np.array_equal(dataset.read(1, window=window), read(window)):
            raise EnvironmentFault(
                path, "reads back other pixels than were written", "check the disk, then run it again"
            )


def _has_tile(dataset: DatasetReader, window: Window) -> bool:
    """Tell if the file holds a tile of a window (of `_windows`) at all; GDAL reads missing ones as no data."""
    rows = range(window.row_off // TILE, -(-(window.row_off + window.height) // TILE))
    cols = range(window.col_off // TILE, -(-(window.col_off + window.width) // TILE))
    return any(dataset.get_tag_item(f"BLOCK_OFFSET_{c}_{r}", "TIFF", bidx=1) is not None for r in rows for c in cols)


def table_of(raster: Path) -> ClassTable:
    """The class table that a raster carries: names out of geoseg's tag, colours out of its colour table.

    A raster that carries no names is taken to hold the six classes of ISPRS.
    """
    with open_sheet(raster) as dataset, rasterio.Env(**gdal_settings()):
        names = {int(k): str(v) for k, v in json.loads(dataset.tags().get("GEOSEG_CLASSES", "{}")).items()}
        try:
            colours = dataset.colormap(1)
        except ValueError:
            colours = {}
    if not names:
        return ISPRS
    grey = (128, 128, 128, 255)
    own = {(c.value, c.name): c for c in ISPRS.classes}  # its colours of label files are not in the raster
    return ClassTable(
        tuple(
            own.get((value, name)) or LandClass(value, name, tuple(colours.get(value, grey)[:3]), role_of_name(name))
            for value, name in sorted(names.items())
        )
    )
