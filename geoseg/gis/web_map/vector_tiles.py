"""Vector tiles of a table of features, as one PMTiles archive, written by GDAL.

table -> batches -> in Web Mercator, in a file beside the archive; counted -> tiles

No feature is left out: GDAL's limits of a tile are lifted, and where the tiles of a zoom would hold too much for a
browser, the layer begins at the zoom below it. The page says from where on it is shown. Outlines are exact at the last
zoom; further out they lack what is smaller than half a pixel. Of a layer only one batch
is held at a time, and two numbers for each tile.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pyogrio.raw
import shapely

from geoseg.arrays import Doubles, Ints, Shapes
from geoseg.commit import commit_file, disk_faults, scratch
from geoseg.errors import EnvironmentFault
from geoseg.gis.web_map.mercator import MERCATOR, WORLD, Placement

__all__ = ["BATCH", "LEFT_OUT", "Crowd", "VectorTiles", "write_vector_tiles"]

BATCH = 20_000
"""Features that are held at once."""
MOST_VERTICES = 60_000
MOST_FEATURES = 12_000
"""What a tile may hold, but for tiles of the last zoom, which hold what there is."""
UNITS = 8192
"""Units along a tile: as fine as MapLibre draws."""
LEFT_OUT = ("class_id", "run_id")
"""Columns that say nothing on a map of one run."""
HALF_A_PIXEL = UNITS // 1024
"""By which outlines are simplified, but for those of the last zoom, from which all nearer ones are drawn."""
UNLIMITED = "2000000000"


@dataclass(frozen=True)
class VectorTiles:
    """An archive that was written: its zooms, its columns, and how many features it holds."""

    first: int
    last: int
    columns: tuple[str, ...]
    features: int


@dataclass(frozen=True)
class Crowd:
    """How much lies in each tile of a zoom: tiles (N, 2) as x, y; vertices and features (N, 2) of each."""

    zoom: int
    tiles: Ints
    much: Ints

    @classmethod
    def of(cls, shapes: Shapes, zoom: int) -> Crowd:
        """That of shapes in Web Mercator; each counts where its centre lies."""
        boxes = shapely.bounds(shapes)
        centres: Doubles = (boxes[:, :2] + boxes[:, 2:]) / 2
        tiles = np.floor((centres + WORLD / 2) / (WORLD / 2**zoom)).astype(np.int64)
        vertices = shapely.get_num_coordinates(shapes).astype(np.int64)
        return cls(zoom, tiles, np.stack([vertices, np.ones_like(vertices)], axis=1)).merged()

    def merged(self) -> Crowd:
        """The same with each tile once."""
        tiles, place = np.unique(self.tiles, axis=0, return_inverse=True)
        much = np.zeros((len(tiles), 2), np.int64)
        np.add.at(much, place.ravel(), self.much)
        return Crowd(self.zoom, tiles, much)

    def with_more(self, other: Crowd) -> Crowd:
        """Both, of the same zoom."""
        return Crowd(
            self.zoom, np.concatenate([self.tiles, other.tiles]), np.concatenate([self.much, other.much])
        ).merged()

    def first(self, least: int) -> int:
        """The first zoom from which on a browser can draw all tiles, `least` at the earliest; the next one always."""
        crowd, zoom = self, self.zoom + 1
        while crowd.zoom >= least and (crowd.much.max(0) <= (MOST_VERTICES, MOST_FEATURES)).all():
            zoom = crowd.zoom
            crowd = Crowd(crowd.zoom - 1, crowd.tiles // 2, crowd.much).merged()
        return max(zoom, least)


def write_vector_tiles(
    path: Path, package: Path, table: str, placement: Placement, zooms: tuple[int, int]
) -> VectorTiles | None:
    """Write the tiles of one table of a GeoPackage; None where it is empty, and then no file.

    Args:
        path: the PMTiles archive.
        package: the GeoPackage.
        table: its table, which becomes the layer's name.
        placement: where the run lies.
        zooms: the first and the last that are worth it.

    Raises:
        EnvironmentFault: the file could not be written.
    """
    with scratch(path, ".gpkg") as moved, disk_faults(path):
        try:
            return _tiled(path, moved, table, _batches(package, table, placement), zooms)
        except RuntimeError as error:  # pyogrio's errors are RuntimeErrors
            cure = "free some disk space, then run it again"
            raise EnvironmentFault(path, f"cannot be written: {error}", cure) from error


def _batches(package: Path, table: str, placement: Placement) -> Iterator[geopandas.GeoDataFrame]:
    """The features of a table that have a shape, in Web Mercator, in their order."""
    start = 0
    while True:
        frame = pyogrio.read_dataframe(package, layer=table, skip_features=start, max_features=BATCH)
        if not len(frame):
            return
        start += len(frame)
        frame = frame.drop(columns=list(LEFT_OUT), errors="ignore")
        frame = frame[~(frame.geometry.isna() | frame.geometry.is_empty)]
        shapes = shapely.transform(frame.geometry.to_numpy(), placement.xy)
        if len(frame):
            yield frame.set_geometry(geopandas.GeoSeries(shapes, index=frame.index, crs=MERCATOR))


def _tiled(
    path: Path, moved: Path, table: str, batches: Iterator[geopandas.GeoDataFrame], zooms: tuple[int, int]
) -> VectorTiles | None:
    """Write batches into a GeoPackage `moved`, and its tiles into `path`."""
    crowd: Crowd | None = None
    used: dict[str, bool] = {}
    features = 0
    for frame in batches:
        pyogrio.write_dataframe(
            frame, moved, driver="GPKG", layer=table, append=features > 0, layer_options={"SPATIAL_INDEX": "NO"}
        )
        features += len(frame)
        for column in frame.columns.drop(frame.geometry.name):
            used[str(column)] = used.get(str(column), False) or not frame[column].isna().all()
        here = Crowd.of(frame.geometry.to_numpy(), zooms[1] - 1)
        crowd = crowd.with_more(here) if crowd else here
    if crowd is None:
        return None
    made = VectorTiles(crowd.first(zooms[0]), zooms[1], tuple(c for c, any_ in used.items() if any_), features)
    options = {
        "NAME": table, "MINZOOM": str(made.first), "MAXZOOM": str(made.last), "EXTENT": str(UNITS),
        "BUFFER": str(UNITS // 64), "SIMPLIFICATION": str(HALF_A_PIXEL), "SIMPLIFICATION_MAX_ZOOM": "0",
        "MAX_SIZE": UNLIMITED, "MAX_FEATURES": UNLIMITED,
    }  # fmt: skip

    def write(temporary: Path) -> None:
        with pyogrio.raw.open_arrow(moved, layer=table, columns=list(made.columns), batch_size=BATCH) as (meta, rows):
            pyogrio.raw.write_arrow(
                rows, temporary, driver="PMTiles", layer=table, geometry_name=meta["geometry_name"] or "wkb_geometry",
                geometry_type=meta["geometry_type"], crs=MERCATOR, dataset_options=options,
            )  # fmt: skip

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*different CRS.*")
        commit_file(path, write, pyogrio.list_layers)
    return made
