"""The QGIS project."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path, PureWindowsPath
from xml.etree import ElementTree

from plans import UTM
from pyproj import CRS

from geoseg.classes import ISPRS
from geoseg.gis import project
from geoseg.gis.project import ProjectLayer, deeper, place_beside, qgis_project
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


def test_photos_are_named_as_qgis_names_them(tmp_path) -> None:
    """Relative where both lie under one folder of the disk's root, else absolute: `QgsPathResolver::writePath`."""
    out = tmp_path / "town/out"
    out.mkdir(parents=True)
    assert place_beside(tmp_path / "photos/a b.tif", out) == "../../photos/a b.tif"
    assert place_beside(tmp_path / "town/a.tif", out) == "../a.tif"
    assert place_beside(out / "a.tif", out) == "./a.tif"
    assert place_beside(out / "more/a.tif", out) == "./more/a.tif"
    assert place_beside(Path("/nowhere at all/a.tif"), out) == "/nowhere at all/a.tif"
    (tmp_path / "link").symlink_to(tmp_path / "town", target_is_directory=True)
    assert place_beside(tmp_path / "photos/a.tif", tmp_path / "link/out") == "../../photos/a.tif"


def test_another_drive_is_named_in_full() -> None:
    here = PureWindowsPath(r"C:\work\town\out")
    assert project._from(PureWindowsPath(r"C:\work\photos\a.tif"), here) == "../../photos/a.tif"
    assert project._from(PureWindowsPath(r"D:\work\photos\a.tif"), here) == ""
    assert project._from(PureWindowsPath(r"\\server\share\a.tif"), here) == ""


def test_a_project_for_a_folder_further_in_finds_the_same_photos() -> None:
    layers = [
        *LAYERS,
        ProjectLayer("a", '../../photos/a "1".tif', "raster", ""),
        ProjectLayer("b", "/b.tif", "raster", ""),
    ]
    before = qgis_project("town", UTM, (0.0, 0.0, 1.0, 1.0), layers)
    after = _tree(deeper(before))
    expected = [*(layer.source for layer in LAYERS), '../../../photos/a "1".tif', "/b.tif"]
    assert [e.get("source") for e in after.iter("layer-tree-layer")] == expected
    assert [e.findtext("datasource") for e in after.iter("maplayer")] == expected
    assert [e.get("id") for e in after.iter("layer-tree-layer")] == [
        e.get("id") for e in _tree(before).iter("layer-tree-layer")
    ]
