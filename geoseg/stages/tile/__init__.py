"""geoseg tile: from sheets to a plan."""

from geoseg.options import TileOptions
from geoseg.stages.tile.tile import TileReport, tile

__all__ = ["TileOptions", "TileReport", "tile"]
