"""geoseg mosaic: blocks to rasters, feature layers, report and catalogue."""

from geoseg.stages.mosaic.mosaic import MosaicOptions, MosaicReport, layer_groups, mosaic

__all__ = ["MosaicOptions", "MosaicReport", "layer_groups", "mosaic"]
