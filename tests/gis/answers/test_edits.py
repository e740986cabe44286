"""Edits told from the original: by id, then by place."""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas
import pytest
import shapely
from shapely.affinity import translate

from geoseg.classes import ISPRS
from geoseg.errors import UsageError
from geoseg.gis.answers.blobs import shape_of
from geoseg.gis.answers.edits import edits_of
from geoseg.gis.geopackage import Layer, write_geopackage

HOUSE, ROAD = shapely.box(0, 0, 10, 10), shapely.box(20, 0, 90, 6)
ROWS = [("0_0", "building", 1, HOUSE), ("5_5", "impervious surface", 0, ROAD)]


def _file(path: Path, rows: list[tuple], crs: str = "EPSG:25833", layer: str = "landcover") -> Path:
    names, classes, values, shapes = zip(*rows, strict=True)
    data = {"id": list(names), "class": list(classes), "class_id": list(values)}
    frame = geopandas.GeoDataFrame(data, geometry=list(shapes), crs=crs).astype({"id": object, "class": object})
    write_geopackage(path, [Layer(layer, frame, "<qgis></qgis>")])
    return path


def _said(folder: Path, rows: list[tuple]) -> list[tuple[str, str, str, float]]:
    original = _file(folder / "original.gpkg", ROWS)
    edited = _file(folder / "edited.gpkg", rows)
    return [(e.kind, e.says, e.name, round(e.shape.area, 3)) for e in edits_of(edited, original, ISPRS)]


CASES = {
    "nothing": (ROWS, []),
    "another order, other corners first, without names": (
        [(None, *ROWS[1][1:3], ROAD.reverse()), ("0_0", "building", 1, HOUSE.normalize())],
        [],
    ),
    "moved house": (
        [("0_0", "building", 1, translate(HOUSE, 4)), ROWS[1]],
        [("moved", "is", "building", 100.0), ("moved", "is not", "building", 40.0)],
    ),
    "longer road": (
        [ROWS[0], ("5_5", "impervious surface", 0, shapely.box(21, 0, 100, 6))],
        [("moved", "is", "impervious surface", 60.0), ("moved", "is not", "impervious surface", 6.0)],
    ),
    "other name": ([("0_0", "tree", 1, HOUSE), ROWS[1]], [("reclassified", "is", "tree", 100.0)]),
    "other value": ([("0_0", "building", 3, HOUSE), ROWS[1]], [("reclassified", "is", "tree", 100.0)]),
    "gone": ([ROWS[1]], [("deleted", "is not", "building", 100.0)]),
    "copy pasted elsewhere": (
        [*ROWS, ("0_0", "building", 1, translate(HOUSE, 0, 50))],
        [("added", "is", "building", 100.0)],
    ),
    "split, one half is a tree": (
        [("0_0", "building", 1, shapely.box(0, 0, 5, 10)), ("0_0", "tree", 3, shapely.box(5, 0, 10, 10)), ROWS[1]],
        [("moved", "is", "building", 50.0), ("reclassified", "is", "tree", 50.0)],
    ),
    "drawn without a class": ([*ROWS, (None, None, None, translate(HOUSE, 0, 50))], [("added", "", "", 100.0)]),
    "a bow tie": (
        [*ROWS, (None, "tree", None, shapely.Polygon([(0, 50), (4, 54), (4, 50), (0, 54)]))],
        [("added", "is", "tree", 8.0)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_edit_says_of_which_ground_it_speaks(name: str, tmp_path: Path) -> None:
    rows, expected = CASES[name]
    assert sorted(_said(tmp_path, rows)) == sorted(expected)


def test_a_layer_in_another_crs_or_without_names_is_refused(tmp_path: Path) -> None:
    original = _file(tmp_path / "original.gpkg", ROWS)
    other = _file(tmp_path / "other.gpkg", ROWS, "EPSG:25832")
    with pytest.raises(UsageError, match="its layer landcover has another coordinate system"):
        edits_of(other, original, ISPRS)
    bare = tmp_path / "bare.gpkg"
    geopandas.read_file(original, layer="landcover")[["class", "geometry"]].to_file(
        bare, layer="landcover", driver="GPKG", engine="pyogrio"
    )
    with pytest.raises(UsageError, match="lacks class_id, id .edit a copy of NAME.gpkg"):
        edits_of(bare, original, ISPRS)


def test_a_layer_that_only_one_side_has_says_nothing(tmp_path: Path) -> None:
    original = _file(tmp_path / "original.gpkg", ROWS)
    alone = _file(tmp_path / "alone.gpkg", ROWS[:1], layer="buildings")
    assert edits_of(alone, Path(shutil.copy(original, tmp_path / "o.gpkg")), ISPRS) == []


def test_shapes_are_read_with_and_without_a_box_around_them() -> None:
    body = shapely.to_wkb(HOUSE)
    assert shape_of(b"GP\0\1" + bytes(4) + body, Path("x")).equals(HOUSE)
    assert shape_of(b"GP\0\3" + bytes(4) + bytes(32) + body, Path("x")).equals(HOUSE)
    assert shape_of(None, Path("x")) is None
    with pytest.raises(UsageError, match="x: holds a geometry"):
        shape_of(b"GP\0\1" + bytes(4) + b"\1\x0a\0\0\0", Path("x"))
    with pytest.raises(UsageError, match="none of a GeoPackage"):
        shape_of(b"nothing at all", Path("x"))
