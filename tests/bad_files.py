"""Files that are no usable sheet: how each is made, why it is refused, and the cure."""

from __future__ import annotations

import os

import numpy as np
import rasterio
from rasterio.transform import Affine
from support import CRS, PLACE, write_sheet

RNG = np.random.default_rng(11)


def _palette(path):
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        height=20,
        width=20,
        dtype="uint8",
        crs=CRS,
        transform=PLACE,
        photometric="palette",
    ) as d:
        d.write_colormap(1, {0: (0, 0, 0, 255), 1: (255, 0, 0, 255)})
        d.write(np.zeros((1, 20, 20), np.uint8))


def _cut(path):
    write_sheet(path, RNG.integers(0, 255, (3, 200, 200)).astype(np.uint8))
    path.write_bytes(path.read_bytes()[:300])


BAD = {
    "empty": (lambda p: p.write_bytes(b""), "empty", "copy it again"),
    "text": (lambda p: p.write_text("hello, not a picture"), "not a TIFF", "gdal_translate"),
    "html": (lambda p: p.write_text("<html>404</html>"), "not a TIFF", "gdal_translate"),
    "png": (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 99), "cannot be read", "copy it again"),
    "vrt": (lambda p: p.write_text("<VRTDataset rasterXSize='5' rasterYSize='5'/>"), "not a TIFF", "gdal_translate"),
    "header only": (lambda p: p.write_bytes(b"II*\0"), "cannot be read", "cut short"),
    "cut": (_cut, "cannot be read|is damaged", "copy it again"),
    "palette": (_palette, "palette", "-expand rgb"),
    "complex": (lambda p: write_sheet(p, np.zeros((3, 9, 9), np.complex64)), "complex64", "gdal_translate -ot"),
    "folder": (lambda p: p.mkdir(), "no sheet there", "name files"),
    "missing": (lambda p: None, "cannot be opened", "check the path"),
    "fifo": (lambda p: os.mkfifo(p), "not a regular file", "name GeoTIFF"),
    "dangling link": (lambda p: p.symlink_to("nowhere.tif"), "cannot be opened", "check the path"),
    "degrees": (
        lambda p: write_sheet(
            p, np.zeros((3, 9, 9), np.uint8), crs="EPSG:4326", place=Affine(1e-6, 0, 13, 0, -1e-6, 52)
        ),
        "degrees",
        "--crs",
    ),
    "many bands": (lambda p: write_sheet(p, np.zeros((40, 9, 9), np.uint8)), "40 bands", "gdal_translate -b"),
    "no georeference": (lambda p: _plain(p), "no georeference", ".tfw"),
}


def _plain(path):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_sheet(path, np.zeros((3, 9, 9), np.uint8), place=Affine.identity())
