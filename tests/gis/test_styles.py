"""Styles and sidecars of rasters."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import rasterio
import rasterio.warp

from geoseg.classes import ISPRS


def test_sidecars_hold_exactly_the_classes(finished):
    run, _ = finished
    qml = ElementTree.parse(run / "out/town_classes.qml")
    entries = [(int(e.get("value")), e.get("label"), e.get("color")) for e in qml.iter("paletteEntry")]
    assert entries == [(c.value, c.name, c.hex) for c in ISPRS.classes]
    aux = ElementTree.parse(run / "out/town_classes.tif.aux.xml")
    assert [e.text for e in aux.iter("Category")] == [c.name for c in ISPRS.classes]
    rows = [[f.text for f in row] for row in aux.iter("Row")]
    classes = rasterio.open(run / "out/town_classes.tif").read(1)
    assert [int(r[-1]) for r in rows] == [int((classes == c.value).sum()) for c in ISPRS.classes]
