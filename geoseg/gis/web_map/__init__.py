"""The web map: tiles in Web Mercator, the page that shows them, and the server of a folder of tiles.

`vendor/` holds MapLibre GL JS 5.24.1 and pmtiles 4.5.0 as npm has them, with their licences.
"""
