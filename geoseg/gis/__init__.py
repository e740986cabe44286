"""Files for GIS tools: cloud-optimised GeoTIFFs, GeoPackages, styles, projects, catalogues, pages."""
