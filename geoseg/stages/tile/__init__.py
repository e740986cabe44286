"""geoseg tile: sheets to a plan."""

from geoseg.stages.tile.tile import TileOptions, TileReport, parse_nodata, tile

__all__ = ["TileOptions", "TileReport", "parse_nodata", "tile"]
