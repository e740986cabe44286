"""Orthophotos to seamless class rasters and polygons: tile, infer, mosaic."""
