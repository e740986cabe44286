"""What GIS tools expect to find: cloud-optimised GeoTIFFs, GeoPackages, styles."""
