"""Options of `geoseg mosaic`."""

from __future__ import annotations

from dataclasses import dataclass

from geoseg import parse
from geoseg.layers import GROUPS
from geoseg.options.option import SMALLEST, option, read_timeout

__all__ = ["VECTOR_FORMATS", "MosaicOptions"]

VECTOR_FORMATS = ("fgb", "geojson", "parquet", "pmtiles", "postgis")


@dataclass(frozen=True)
class MosaicOptions:
    """Options of `geoseg mosaic`: which rasters, layers and formats are written, and how outlines are drawn."""

    name: str = option(
        "", "Start of the output names [default: the run folder's name].", metavar="NAME", group="Outputs"
    )
    min_area: float | None = option(
        None,
        f"Smallest polygon in square metres [default: by class, {SMALLEST}].",
        least=0,
        group="Polygons and lines",
    )
    sheet_rasters: bool = option(
        True, "One class raster for each sheet.", flags=("--sheets/--no-sheets",), key="sheets", group="Outputs"
    )
    vectors: bool = option(True, "Land cover, buildings, roads, trees and cars as polygons and lines.", group="Outputs")
    simplify: float = option(
        0.3, "Metres that outlines of the land cover may move.", least=0, group="Polygons and lines"
    )
    smooth: float = option(
        0.0,
        "Metres by which class shares are blurred before the vectors are made; needs infer --probabilities.",
        least=0,
        group="Polygons and lines",
    )
    square: bool = option(True, "Right angles for buildings.", group="Polygons and lines")
    houses: bool = option(
        True, "Attached houses one by one, where the network tells that buildings meet.", group="Polygons and lines"
    )
    all_cars: bool = option(
        False,
        "Keep doubtful cars, too: confidence below 50 %, or with roofs around; the column doubtful marks them.",
        group="Polygons and lines",
    )
    layers: tuple[str, ...] = option(
        GROUPS,
        f"Only these layers: {', '.join(GROUPS)} [default: all].",
        metavar="A,B",
        read=parse.names("--layers", GROUPS, GROUPS),
        group="Outputs",
    )
    vector_format: tuple[str, ...] = option(
        (),
        f"Also these formats, one file for each layer: {', '.join(VECTOR_FORMATS[:-1])}; postgis: the database that"
        " PGHOST and the like name in the environment.",
        metavar="A,B",
        read=parse.names("--vector-format", VECTOR_FORMATS),
        group="Outputs",
    )
    exact: bool = option(False, "Also every class's exact pixel outlines, in NAME_exact.gpkg.", group="Outputs")
    review: int = option(
        0,
        "Also a table review: the places that are most worth a look, so many at most, and 100 random ones; 0: none.",
        metavar="N",
        least=0,
        most=100_000,
        group="Outputs",
    )
    overwrite: bool = option(False, "Write everything again.", key="", results=False, group="Outputs")
    read_timeout: float = read_timeout(key="")
    sector: int = option(
        0, "Pixels along a sector, where large regions are cut; 0 for 8192.", flags=(), key="", least=0, group="Outputs"
    )

    def __post_init__(self) -> None:
        if self.name:
            parse.file_name(self.name)
