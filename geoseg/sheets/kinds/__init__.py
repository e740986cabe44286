"""Kinds of files that need a look of our own before GDAL opens them."""
