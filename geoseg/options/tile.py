"""Options of `geoseg tile`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from geoseg import parse
from geoseg.options.option import option, read_timeout

__all__ = ["TileOptions"]


@dataclass(frozen=True)
class TileOptions:
    """Options of `geoseg tile`: the grid, the patches, and which sheets and bands are used."""

    subfolders: bool = option(True, "Look for sheets in the subfolders of folders, too.", group="Sheets")
    allow: tuple[str, ...] = option(
        (),
        "Also read vrt: virtual rasters that name files in their own folder, or in a folder among the SHEETS; remote:"
        " sheets at https://, s3://, gs:// or az:// addresses.",
        metavar="KIND[,KIND]",
        read=parse.names("--allow", ("vrt", "remote")),
        key="",
        group="Sheets",
    )
    patch_size: int | None = option(
        None, "Patch side in pixels of the sheets [default: the network's].", least=1, group="Plan"
    )
    overlap: str | None = option(
        None,
        "Overlap of patches, in pixels or per cent (128, 25%) [default: the network's].",
        read=parse.overlap,
        metavar="N[%]",
        group="Plan",
    )
    model: tuple[Path, ...] = option(
        (),
        "Plan with this network's own patches, so that all figures are those of infer; shipped: the one that comes"
        " along.",
        flags=("-m", "--model"),
        metavar="FILE",
        many=True,
        read=parse.models,
        key="",
        results=False,
        group="Network",
    )
    block_size: int | None = option(None, "Side of an output block in pixels [default: 4096].", least=16, group="Plan")
    bands: tuple[int, ...] = option(
        (),
        "Bands to use, counted from 1, in the network's order: 1,2,3.",
        read=parse.numbers("--bands", int),
        group="Bands and no data",
    )
    alpha: str | None = option(
        None,
        "Whether an alpha band says where data are, or holds data; auto looks at a sample [default: auto].",
        choices=("auto", "mask", "none"),
        group="Bands and no data",
    )
    nodata: tuple[tuple[float, float], ...] | None = option(
        None,
        "Values that mean no data, in all bands, in areas that reach the sheet's edge or are large: 255~12; none"
        " [default: as a sample of each sheet shows].",
        metavar="VALUE[~TOLERANCE][,VALUE..]",
        read=parse.nodata,
        group="Bands and no data",
    )
    nodata_everywhere: bool = option(
        False, "The values of --nodata mean no data wherever they are.", group="Bands and no data"
    )
    crs: str = option(
        "", "CRS of the grid, and of sheets that have none: EPSG:25833.", metavar="CRS", group="Grid and area"
    )
    crs_override: bool = option(False, "--crs is the CRS of all sheets, whatever they say.", group="Grid and area")
    gsd: float | None = option(
        None,
        "Pixel size of the grid in metres on the ground [default: the majority's].",
        least=0,
        above=True,
        group="Grid and area",
    )
    anchor: tuple[float, float] | None = option(
        None,
        "Where the grid begins: x,y in its CRS, moved to a pixel's corner [default: upper left of the first sheets].",
        read=parse.numbers("--anchor", float, 2),
        metavar="X,Y",
        group="Grid and area",
    )
    bbox: tuple[float, float, float, float] | None = option(
        None,
        "Only this area: left,bottom,right,top in the grid's CRS.",
        read=parse.numbers("--bbox", float, 4),
        metavar="LEFT,BOTTOM,RIGHT,TOP",
        group="Grid and area",
    )
    aoi: Path | None = option(
        None, "Only the polygons of this vector file.", metavar="FILE", read=parse.path, group="Grid and area"
    )
    far: float | None = option(
        None,
        "Set sheets aside that lie further than this from the one in the middle: 100km.",
        metavar="DISTANCE",
        read=parse.distance,
        group="Sheets",
    )
    strict: bool = option(False, "Fail on the first sheet that cannot be used.", group="Sheets")
    overwrite: bool = option(False, "Forget an earlier plan of this run folder.", key="", group="Plan")
    retry_failed: bool = option(
        False, "Try sheets again whose pixels could not be read, also unchanged ones.", key="", group="Sheets"
    )
    read_timeout: float = read_timeout(key="")
