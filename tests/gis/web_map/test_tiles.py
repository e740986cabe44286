"""Tiles of web maps: what the pictures show at each zoom, where they lie, and that no feature is lost."""

from __future__ import annotations

import io
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pytest
import shapely
from PIL import Image
from rasterio.windows import Window

from geoseg.classes import ISPRS, NODATA
from geoseg.geometry.grid import Grid
from geoseg.gis.web_map.archive import new_archive, tile_of
from geoseg.gis.web_map.mercator import TILE, WORLD, Placement, tile_bounds, tiles_meeting
from geoseg.gis.web_map.pictures import confidence_colours, distinct, paletted, photo
from geoseg.gis.web_map.pyramid import Pyramid, write_tiles
from geoseg.gis.web_map.vector_tiles import MOST_FEATURES, Crowd, write_vector_tiles

RNG = np.random.default_rng(5)


def test_a_tile_is_where_the_web_looks_for_it() -> None:
    assert tile_bounds(0, 0, 0) == pytest.approx((-WORLD / 2, -WORLD / 2, WORLD / 2, WORLD / 2))
    box = tile_bounds(7, 70, 43)
    assert tiles_meeting(box, 7) == [(70, 43)]
    assert tiles_meeting(box, 8) == [(140, 86), (141, 86), (140, 87), (141, 87)]


def test_the_last_zoom_holds_every_pixel_and_the_first_fits_into_a_tile() -> None:
    grid = Grid("EPSG:25833", 367_600.0, 5_807_400.0, 0.1)
    window = Window(0, 0, 3000, 2000)
    place = Placement.of(grid, window)
    first, last = place.zooms(window)
    left, bottom, right, top = place.bounds(window)
    assert WORLD / TILE / 2**last < 0.1 / np.cos(np.radians(52.4)) * 1.12
    assert max(right - left, top - bottom) <= WORLD / 2**first
    assert not place.local


@pytest.mark.parametrize("crs", ["", 'LOCAL_CS["site",UNIT["metre",1]]', "EPSG:3031"])
def test_what_web_mercator_cannot_show_lies_around_zero_true_to_scale(crs: str) -> None:
    grid, window = Grid(crs, 4000.0, 9000.0, 0.5), Window(0, 0, 200, 100)
    place = Placement.of(grid, window)
    assert place.local
    assert place.bounds(window) == pytest.approx((-50, -25, 50, 25))
    assert place.source((-50, -25, 50, 25)) == pytest.approx((4000, 8950, 4100, 9000))
    assert place.xy(np.array([[4050.0, 8975.0]])) == pytest.approx(np.array([[0.0, 0.0]]))


def _whole(path: Path, zoom: int, tiles: list[tuple[int, int]], blank: int) -> np.ndarray:
    """All tiles of a zoom as one array of palette values."""
    columns, rows = sorted({x for x, _ in tiles}), sorted({y for _, y in tiles})
    out = np.full((len(rows) * TILE, len(columns) * TILE), blank, np.uint8)
    for x, y in tiles:
        data = tile_of(path, zoom, x, y)
        if data:
            j, i = TILE * (y - rows[0]), TILE * (x - columns[0])
            out[j : j + TILE, i : i + TILE] = np.asarray(Image.open(io.BytesIO(data)))
    return out


def test_classes_come_back_pixel_by_pixel_and_empty_tiles_are_left_out(tmp_path: Path) -> None:
    first, last, corner = 15, 18, (8 * 17_000, 8 * 11_000)  # eight by eight tiles, of which six by seven hold something
    truth = np.kron(RNG.integers(0, 6, (TILE, TILE), np.uint8), np.ones((8, 8), np.uint8))
    truth[:, 6 * TILE :] = NODATA
    truth[7 * TILE :] = NODATA
    top_left = tile_bounds(last, *corner)
    box = (
        top_left[0],
        tile_bounds(last, corner[0], corner[1] + 7)[1],
        tile_bounds(last, corner[0] + 7, 0)[2],
        top_left[3],
    )
    asked = []

    def source(part: tuple[float, float, float, float], side: int) -> dict[str, np.ndarray]:
        col = round((part[0] - box[0]) / (WORLD / 2**last) * TILE)
        row = round((box[3] - part[3]) / (WORLD / 2**last) * TILE)
        asked.append((row, col))
        return {"classes": truth[row : row + side, col : col + side]}

    kinds = {"classes": paletted([c.drawn for c in ISPRS.classes], "mode")}
    path = tmp_path / "classes.pmtiles"
    with new_archive(path, "png", box, "classes") as archive:
        write_tiles(Pyramid(first, last, box, lambda part: False), source, kinds, {"classes": archive})
    assert sorted(asked) == [(0, 0), (0, 2048), (2048, 0), (2048, 2048)]  # each square once
    tiles = [(corner[0] + i, corner[1] + j) for j in range(8) for i in range(8)]
    assert (_whole(path, last, tiles, NODATA) == truth).all()
    assert archive.tiles == 42 + 12 + 4 + 1
    assert tile_of(path, last, corner[0] + 6, corner[1]) is None
    one = tile_of(path, first, corner[0] // 8, corner[1] // 8)
    small = np.asarray(Image.open(io.BytesIO(one or b"")))
    assert (small[:448, :384] != NODATA).all()
    assert (small[:, 384:] == NODATA).all()


def test_smaller_pictures_are_modes_and_means_of_what_is_there() -> None:
    classes = paletted([c.drawn for c in ISPRS.classes], "mode")
    four = np.array([[1, 2, 3, 255], [2, 4, 255, 255], [5, 0, 255, 255], [0, 0, 255, 255]], np.uint8)
    assert classes.shrink(four).tolist() == [[2, 3], [0, 255]]
    sure = paletted(confidence_colours(), "mean")
    assert sure.shrink(np.array([[10, 30], [255, 50]], np.uint8)).tolist() == [[30]]
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = (200, 100, 50, 255)
    red, green, blue, _ = photo().shrink(pixels)[0, 0]
    assert abs(int(red) - 200) <= 2  # of what is opaque alone
    assert abs(int(green) - 100) <= 2
    assert abs(int(blue) - 50) <= 2


def test_confidence_is_rounded_in_files_alone() -> None:
    kind = paletted(confidence_colours(), "mean", 5)
    values = np.tile(np.array([[0, 2, 3, 52, 53, 98, 100, 255]], np.uint8), (8, 1))
    shown = np.asarray(Image.open(io.BytesIO(kind.encode(values))))
    assert shown[0].tolist() == [0, 0, 5, 50, 55, 100, 100, 255]
    assert kind.shrink(values)[0].tolist() == [1, 28, 76, 100]


def test_a_pixel_tells_its_value_by_its_colour() -> None:
    assert len(set(confidence_colours())) == 101
    assert len(set(distinct([(9, 9, 255)] * 40))) == 40
    assert distinct([(1, 2, 3), (4, 5, 6)]) == [(1, 2, 3), (4, 5, 6)]


def _package(path: Path, squares: int, spread: float) -> Path:
    x, y = 367_600 + RNG.random(squares) * spread, 5_807_400 + RNG.random(squares) * spread
    shapes = shapely.box(x, y, x + 8, y + 6)
    rows = {"id": [f"{i}_<b>" for i in range(squares)], "confidence": RNG.random(squares) * 100, "run_id": "r"}
    geopandas.GeoDataFrame(rows, geometry=shapes, crs=25833).to_file(path, layer="buildings", driver="GPKG")
    return path


def test_every_feature_is_in_the_tiles_with_its_attributes(tmp_path: Path) -> None:
    package = _package(tmp_path / "a.gpkg", 400, 900.0)
    place = Placement.of(Grid("EPSG:25833", 367_600.0, 5_808_300.0, 0.1), Window(0, 0, 9000, 9000))
    path = tmp_path / "buildings.pmtiles"
    made = write_vector_tiles(path, package, "buildings", place, (15, 18))
    assert made is not None
    assert (made.first, made.last, made.features) == (15, 18, 400)
    assert made.columns == ("id", "confidence")
    truth = geopandas.read_file(package, layer="buildings").to_crs(3857).set_index("id")
    for zoom in (15, 18):
        pieces = pyogrio.read_dataframe(path, layer="buildings", ZOOM_LEVEL=zoom)
        found = pieces.dissolve("id")
        assert set(found.index) == set(truth.index)
        assert found["confidence"].to_numpy() == pytest.approx(truth["confidence"].loc[found.index].to_numpy())
        units = WORLD / 2**zoom / 8192
        wrong = found.geometry.hausdorff_distance(truth.geometry.loc[found.index].reset_index(drop=True), align=False)
        assert wrong.max() < 2 * units


def test_a_layer_begins_where_a_browser_can_draw_its_tiles(tmp_path: Path) -> None:
    package = _package(tmp_path / "a.gpkg", MOST_FEATURES + 500, 90.0)
    place = Placement.of(Grid("EPSG:25833", 367_600.0, 5_808_300.0, 0.1), Window(0, 0, 9000, 9000))
    made = write_vector_tiles(tmp_path / "b.pmtiles", package, "buildings", place, (13, 16))
    assert made is not None
    assert 13 < made.first <= 16
    assert made.features == MOST_FEATURES + 500


def test_a_layer_is_read_in_batches_and_shows_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = _package(tmp_path / "a.gpkg", 90, 900.0)
    frame = geopandas.read_file(package, layer="buildings")
    frame["never"], frame["many"], frame["late"] = None, [None, *range(89)], [None] * 89 + ["<b>"]
    frame["flat"] = [i % 2 == 0 for i in range(90)]
    frame.loc[3, "geometry"] = None
    frame.to_file(package, layer="buildings", driver="GPKG")
    place = Placement.of(Grid("EPSG:25833", 367_600.0, 5_808_300.0, 0.1), Window(0, 0, 9000, 9000))
    found, largest, real = [], [], pyogrio.read_dataframe

    def watched(*args: object, **options: object) -> geopandas.GeoDataFrame:
        largest.append(len(frame := real(*args, **options)))
        return frame

    for batch in (7, 20_000):
        monkeypatch.setattr("geoseg.gis.web_map.vector_tiles.BATCH", batch)
        monkeypatch.setattr(pyogrio, "read_dataframe", watched)
        made = write_vector_tiles(tmp_path / f"{batch}.pmtiles", package, "buildings", place, (15, 16))
        monkeypatch.undo()
        assert made is not None
        assert made.features == 89  # one has no shape
        assert made.columns == ("id", "confidence", "many", "late", "flat")
        found.append(pyogrio.read_dataframe(tmp_path / f"{batch}.pmtiles", layer="buildings", ZOOM_LEVEL=16))
        found[-1] = found[-1].sort_values(["id", "mvt_id"]).reset_index(drop=True)
        assert max(largest) <= batch
    assert found[0].drop(columns="geometry").equals(found[1].drop(columns="geometry"))
    assert found[0].geometry.geom_equals(found[1].geometry).all()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["20000.pmtiles", "7.pmtiles", "a.gpkg"]


def test_tiles_are_told_apart_by_what_a_browser_can_draw() -> None:
    shapes = shapely.points(RNG.random((3000, 2)) * 1000.0)
    whole = Crowd.of(shapes, 17)
    parts = Crowd.of(shapes[:10], 17).with_more(Crowd.of(shapes[10:], 17))
    assert (parts.tiles == whole.tiles).all()
    assert (parts.much == whole.much).all()
    assert whole.much.sum(0).tolist() == [3000, 3000]
    assert whole.first(10) == 10
    assert Crowd(17, whole.tiles, whole.much * 10_000).first(10) == 18


def test_a_tile_of_half_the_world_shows_a_run_in_utm() -> None:
    grid, window = Grid("EPSG:25833", 367_600.0, 5_808_300.0, 0.1), Window(0, 0, 9000, 9000)
    place = Placement.of(grid, window)
    for zoom in range(6):
        met = [part for x, y in np.ndindex(2**zoom, 2**zoom) if (part := place.part(tile_bounds(zoom, x, y)))]
        assert len(met) == 1
        left, bottom, right, top = place.source(met[0])
        assert left == pytest.approx(367_600.0, abs=60)
        assert bottom == pytest.approx(5_807_400.0, abs=60)
        assert right == pytest.approx(368_500.0, abs=60)
        assert top == pytest.approx(5_808_300.0, abs=60)
