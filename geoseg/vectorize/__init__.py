"""Arrays to geometries: exact polygons of a class raster, block by block, joined without a seam. Knows no files."""
