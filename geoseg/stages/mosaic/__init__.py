"""geoseg mosaic: blocks to rasters, feature layers, report and catalogue."""

from geoseg.options import MosaicOptions
from geoseg.stages.mosaic.mosaic import MosaicReport, mosaic

__all__ = ["MosaicOptions", "MosaicReport", "mosaic"]
