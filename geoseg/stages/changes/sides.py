"""The two sides of a comparison: the class rasters and the feature layers of OLD and of NEW, on one grid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from rasterio.io import DatasetReader
from rasterio.windows import Window

from geoseg.arrays import Bytes
from geoseg.classes import NODATA, ClassTable
from geoseg.commit import read_json
from geoseg.errors import UsageError
from geoseg.geometry.blocks import Block, block_window, blocks_of
from geoseg.geometry.grid import Grid, overlap, slices
from geoseg.geometry.ground import metres_per_unit
from geoseg.gis.cog import table_of
from geoseg.gis.vector_door import read_vectors, vector_layers
from geoseg.runfolder.folder import NIGHT_JSON, Run
from geoseg.sheets.door import gdal_settings, open_sheet
from geoseg.stages.changes.grids import grid_of, places_on

__all__ = ["BLOCK", "Both", "Side", "both_sides"]

CACHE = 64 << 20
"""Bytes of decoded tiles that GDAL keeps."""
BLOCK = 2048
"""Pixels along the squares in which rasters are compared: memory depends on it, results do not."""


@dataclass(frozen=True)
class Side:
    """The outputs of one night.

    Attributes:
        folder: where they lie.
        name: of the night's folder, or of the run.
        date: of a published night; "" for a run as it is now.
        rasters: class rasters, several where sheets lie in groups.
        features: the GeoPackage of features; None where there is none.
        table: the classes of the first raster.
    """

    folder: Path
    name: str
    date: str
    rasters: tuple[Path, ...]
    features: Path | None
    table: ClassTable

    def layers(self) -> list[str]:
        """Names of the feature layers."""
        return vector_layers(self.features) if self.features else []

    def layer(self, name: str) -> geopandas.GeoDataFrame:
        """One feature layer, in an order that hangs on nothing but its features."""
        assert self.features is not None
        frame = read_vectors(self.features, name)
        if "id" not in frame:
            raise UsageError(self.features, f"layer {name} has no column id", "give outputs of geoseg mosaic")
        keys = zip(frame["id"].astype(str), frame.geometry.to_wkb(), strict=True)
        order = [i for _, i in sorted((key, i) for i, key in enumerate(keys))]
        return frame.iloc[order].reset_index(drop=True)


@dataclass(frozen=True)
class Both:
    """OLD and NEW on one grid.

    Attributes:
        old: the earlier side.
        new: the later one.
        grid: of the first raster of `old`; anchored at its corner.
        places: each raster's window on the grid, those of `old`, then those of `new`.
        tolerance: metres on the ground.
    """

    old: Side
    new: Side
    grid: Grid
    places: tuple[tuple[Window, ...], tuple[Window, ...]]
    tolerance: float

    @property
    def windows(self) -> list[Window]:
        """Rectangles that a raster of either side covers."""
        pairs = (overlap(a, b) for a in self.places[0] for b in self.places[1])
        return [w for w in pairs if w is not None]

    @property
    def metre(self) -> float:
        """CRS units for a metre on the ground, in the middle of the first window."""
        left, bottom, right, top = self.grid.bounds(self.windows[0])
        return 1 / metres_per_unit(self.grid.crs, (left + right) / 2, (bottom + top) / 2)

    @property
    def reach(self) -> float:
        """The tolerance in CRS units; a little more, so that a move by just as much is within it."""
        return self.tolerance * self.metre + 1e-6 * self.grid.side

    def blocks(self) -> Iterator[tuple[Block, Bytes, Bytes]]:
        """Class values of both sides (BLOCK, BLOCK) block by block; 255 in both where one has no data."""
        with ExitStack() as stack, rasterio.Env(**gdal_settings(CACHE)):
            rasters = [
                [(stack.enter_context(open_sheet(p)), w) for p, w in zip(side.rasters, places, strict=True)]
                for side, places in zip((self.old, self.new), self.places, strict=True)
            ]
            for block in blocks_of(self.windows, BLOCK):
                old, new = (_read(side, block_window(block, BLOCK)) for side in rasters)
                unknown = (old == NODATA) | (new == NODATA)
                old[unknown], new[unknown] = NODATA, NODATA
                yield block, old, new


def _read(rasters: list[tuple[DatasetReader, Window]], window: Window) -> Bytes:
    """Class values of a window, out of the rasters that meet it; 255 beyond them."""
    out = np.full((int(window.height), int(window.width)), NODATA, np.uint8)
    for dataset, place in rasters:
        part = overlap(place, window)
        if part is None:
            continue
        own = Window(part.col_off - place.col_off, part.row_off - place.row_off, part.width, part.height)
        pixels = dataset.read(1, window=own)
        out[slices(part, window)] = np.where(pixels == NODATA, out[slices(part, window)], pixels)
    return out


def both_sides(old: Path, new: Path, tolerance: float | None = None) -> Both:
    """Find the outputs of both sides, and lay them on one grid.

    Args:
        old: a run folder, or a folder of outputs such as a published night.
        new: the same, later.
        tolerance: metres on the ground; None for half a metre, or two pixels where that is more.

    Raises:
        UsageError: no outputs there, another grid, or no common ground.
        PlanError: a run whose mosaic has not finished.
    """
    sides = _side(old), _side(new)
    first = sides[0].rasters[0]
    grid = grid_of(first)
    places = places_on(grid, sides[0].rasters, first), places_on(grid, sides[1].rasters, first)
    both = Both(*sides, grid, places, 0.0)
    if not both.windows:
        raise UsageError(new, f"shares no ground with {old}", "compare two nights of one place")
    return Both(*sides, grid, places, max(0.5, 2 * grid.side / both.metre) if tolerance is None else tolerance)


def _side(place: Path) -> Side:
    """The outputs of a run folder, or of a folder of outputs."""
    if not place.is_dir():
        raise UsageError(place, "is no folder", "name a run folder, or the folder of a published night")
    folder = place.resolve()
    if Run.lies_in(folder):
        _ = Run(folder).finished  # an error where no mosaic has finished
        name, folder = folder.name, Run(folder).out
    else:
        name = folder.parent.name if Run.lies_in(folder.parent) else folder.name
    date = str(read_json(folder / NIGHT_JSON)["date"]) if (folder / NIGHT_JSON).is_file() else ""
    rasters = sorted(p for p in folder.glob("*_classes.tif") if not p.name.startswith("."))
    if not rasters:
        raise UsageError(place, "holds no class raster (*_classes.tif)", "name a run folder, or one of its nights")
    known = [p for p in folder.glob("*.gpkg") if any(r.name.startswith(f"{p.stem}_") for r in rasters)]
    features = max(known, key=lambda p: len(p.stem), default=None)
    return Side(folder, folder.name if date else name, date, tuple(rasters), features, table_of(rasters[0]))
