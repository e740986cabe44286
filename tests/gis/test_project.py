"""The QGIS project."""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree

from plans import UTM

from geoseg.gis.project import ProjectLayer, qgis_project

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


def test_equal_input_gives_equal_bytes() -> None:
    one, two = (qgis_project("town", UTM, (0.0, 0.0, 1.0, 1.0), LAYERS) for _ in range(2))
    assert one == two
