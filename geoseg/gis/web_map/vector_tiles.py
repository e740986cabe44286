"""Vector tiles of a table of features, as one PMTiles archive, written by GDAL.

No tile is coarsened or thinned: GDAL's limits of a tile are lifted, and where the tiles of a zoom would hold too much
for a browser, the layer begins at the zoom below it. The page says from where on it is shown.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import shapely

from geoseg.arrays import Ints
from geoseg.commit import commit_file
from geoseg.errors import EnvironmentFault
from geoseg.gis.web_map.mercator import MERCATOR, WORLD, Placement

__all__ = ["LEFT_OUT", "VectorTiles", "write_vector_tiles", "zooms_of"]

MOST_VERTICES = 60_000
MOST_FEATURES = 12_000
"""What a tile may hold, but for tiles of the last zoom, which hold what there is."""
UNITS = 8192
"""Units along a tile: as fine as MapLibre draws."""
LEFT_OUT = ("class_id", "run_id")
"""Columns that say nothing on a map of one run."""
UNLIMITED = "2000000000"


@dataclass(frozen=True)
class VectorTiles:
    """An archive that was written: its zooms, its columns, and how many features it holds."""

    first: int
    last: int
    columns: tuple[str, ...]
    features: int


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
    frame = geopandas.read_file(package, layer=table).drop(columns=list(LEFT_OUT), errors="ignore")
    if not len(frame):
        return None
    shapes = shapely.transform(frame.geometry.to_numpy(), placement.xy)
    frame = frame.set_geometry(geopandas.GeoSeries(shapes, index=frame.index, crs=MERCATOR))
    columns = tuple(str(c) for c in frame.columns if c != frame.geometry.name and not frame[c].isna().all())
    frame = frame[[*columns, frame.geometry.name]]
    first, last = zooms_of(frame, zooms)
    options = {
        "NAME": table, "MINZOOM": str(first), "MAXZOOM": str(last), "EXTENT": str(UNITS), "BUFFER": str(UNITS // 64),
        "MAX_SIZE": UNLIMITED, "MAX_FEATURES": UNLIMITED,
    }  # fmt: skip

    def write(temporary: Path) -> None:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*different CRS.*")
                pyogrio.write_dataframe(frame, temporary, driver="PMTiles", layer=table, dataset_options=options)
        except RuntimeError as error:  # pyogrio's errors are RuntimeErrors
            cure = "free some disk space, then run it again"
            raise EnvironmentFault(path, f"cannot be written: {error}", cure) from error

    commit_file(path, write, pyogrio.list_layers)
    return VectorTiles(first, last, columns, len(frame))


def zooms_of(frame: geopandas.GeoDataFrame, zooms: tuple[int, int]) -> tuple[int, int]:
    """The zooms of a layer: from the first one whose tiles a browser can draw; tiles are told by centres.

    Args:
        frame: features in Web Mercator.
        zooms: the first and the last that are worth it.
    """
    shapes = frame.geometry.to_numpy()
    boxes = shapely.bounds(shapes)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    vertices = shapely.get_num_coordinates(shapes)
    first, last = zooms
    for zoom in range(last - 1, first - 1, -1):
        places = np.floor((centres + WORLD / 2) / (WORLD / 2**zoom)).astype(np.int64)
        if not _fits(places, vertices):
            return zoom + 1, last
    return first, last


def _fits(places: Ints, vertices: Ints) -> bool:
    """Whether no tile holds too much."""
    _, tile = np.unique(places, axis=0, return_inverse=True)
    heavy = np.bincount(tile.ravel(), weights=vertices).max() > MOST_VERTICES
    return not heavy and np.bincount(tile.ravel()).max() <= MOST_FEATURES
