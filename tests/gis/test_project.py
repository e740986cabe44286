"""The QGIS project."""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree

from plans import UTM
from pyproj import CRS

from geoseg.classes import ISPRS
from geoseg.gis.project import ProjectLayer, qgis_project
from geoseg.gis.styles import confidence_qml, photo_qml, raster_qml

LAYERS = [
    ProjectLayer("cars & <vans>", "./town.gpkg|layername=cars", "vector", "<qgis/>", "Polygon"),
    ProjectLayer("classes", "./town_classes.tif", "raster", "<qgis/>", shown=False),
]


def _tree(data: bytes) -> ElementTree.Element:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".qgs")]
        return ElementTree.fromstring(archive.read(name))


def test_layers_lie_in_their_order_shown_or_not() -> None:
    root = _tree(qgis_project("town", UTM, (0.0, 1.0, 2.0, 3.0), LAYERS))
    tree = list(root.iter("layer-tree-layer"))
    assert [(e.get("name"), e.get("checked")) for e in tree] == [
        ("cars & <vans>", "Qt::Checked"),
        ("classes", "Qt::Unchecked"),
    ]
    assert [e.get("source") for e in tree] == [layer.source for layer in LAYERS]
    assert len({e.get("id") for e in tree}) == 2
    assert [root.findtext(f".//extent/{n}") for n in ("xmin", "ymin", "xmax", "ymax")] == ["0.0", "1.0", "2.0", "3.0"]


def test_groups_lie_in_their_order_and_those_with_nothing_shown_are_off() -> None:
    layers = [
        ProjectLayer("cars", "./a.gpkg|layername=cars", "vector", "<qgis/>", "Polygon", group="objects"),
        ProjectLayer("classes", "./a.tif", "raster", raster_qml(ISPRS, 0.6), group="land cover"),
        ProjectLayer("confidence", "./b.tif", "raster", confidence_qml(), shown=False, group="confidence"),
        ProjectLayer("sheet", "/data/sheet.tif", "raster", photo_qml(), group="photo"),
    ]
    root = _tree(qgis_project("town", UTM, (0.0, 1.0, 2.0, 3.0), layers))
    groups = root.findall("./layer-tree-group/layer-tree-group")
    assert [(g.get("name"), g.get("checked")) for g in groups] == [
        ("objects", "Qt::Checked"),
        ("land cover", "Qt::Checked"),
        ("confidence", "Qt::Unchecked"),
        ("photo", "Qt::Checked"),
    ]
    assert [r.get("opacity") for r in root.iter("rasterrenderer")] == ["0.6", "1", "1"]
    view = root.find(".//DefaultViewExtent")
    assert view is not None
    assert [view.get(n) for n in ("xmin", "ymin", "xmax", "ymax")] == ["0.0", "1.0", "2.0", "3.0"]


def test_equal_input_gives_equal_bytes() -> None:
    one, two = (qgis_project("town", UTM, (0.0, 0.0, 1.0, 1.0), LAYERS) for _ in range(2))
    assert one == two


def test_photos_of_one_name_are_two_layers_each_in_its_own_crs() -> None:
    zone = CRS.from_epsg(25832).to_wkt()
    layers = [
        ProjectLayer("tile", "/west/tile.tif", "raster", "", group="photo", crs=zone),
        ProjectLayer("tile", "/east/tile.tif", "raster", "", group="photo"),
    ]
    root = _tree(qgis_project("town", UTM, (0.0, 0.0, 1.0, 1.0), layers))
    ids = [e.findtext("id") for e in root.iter("maplayer")]
    assert len(set(ids)) == 2
    assert ids == [e.get("id") for e in root.iter("layer-tree-layer")]
    assert [e.findtext("srs/spatialrefsys/authid") for e in root.iter("maplayer")] == ["EPSG:25832", "EPSG:25833"]
