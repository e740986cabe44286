"""The table of places that are worth a look, and of random ones."""

from __future__ import annotations

import sqlite3
import zipfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from rasterio.windows import Window
from support import PLACE, write_sheet

from geoseg.classes import ISPRS
from geoseg.errors import UsageError
from geoseg.options import MosaicOptions
from geoseg.runfolder.folder import Run
from geoseg.scenes.scene import Scene
from geoseg.stages.mosaic import from_raster, review
from geoseg.stages.mosaic.from_raster import run_from_raster
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.mosaic.random_places import PLACES, allocation, nothing_drawn, with_pixels

ROOF, GRASS, CAR = 1, 2, 4
PLAIN = MosaicOptions(sheet_rasters=False, review=40)
MISTAKE = shapely.box(PLACE.c + 60, PLACE.f - 30, PLACE.c + 68, PLACE.f - 20)
"""A house of 8 m x 10 m that the network was hardly sure of."""


@dataclass(frozen=True)
class Map:
    """Class values and confidence as files."""

    classes: Path
    confidence: Path


@pytest.fixture(scope="module")
def drawn_map(tmp_path_factory) -> Map:
    """A drawn town of 80 m x 70 m; 90 % everywhere, less in blobs and in a car, 2 % in one house that is none."""
    folder = tmp_path_factory.mktemp("map")
    scene = Scene(123, 80.0, 70.0, 0.1)
    classes = scene.labels(0, 0, *scene.shape).astype(np.uint8)
    confidence = np.full(classes.shape, 90, np.uint8)
    for row, col in np.random.default_rng(5).integers(0, 660, (40, 2)):
        confidence[row : row + 40, col : col + 60] = 55
    classes[450:468, 300:345], confidence[450:468, 300:345] = CAR, 20
    classes[195:305, 590:690] = GRASS
    classes[200:300, 600:680], confidence[200:300, 600:680] = ROOF, 2
    return Map(write_sheet(folder / "c.tif", classes), write_sheet(folder / "p.tif", confidence))


def _review(drawn: Map, folder: Path, options: MosaicOptions = PLAIN) -> geopandas.GeoDataFrame:
    run = run_from_raster(drawn.classes, Run(folder), drawn.confidence, ISPRS)
    mosaic(run, options)
    return geopandas.read_file(next((folder / "out").glob("*.gpkg")), layer="review")


@pytest.fixture(scope="module")
def table(drawn_map, tmp_path_factory) -> geopandas.GeoDataFrame:
    return _review(drawn_map, tmp_path_factory.mktemp("one") / "town")


def test_the_worst_mistake_comes_first(table: geopandas.GeoDataFrame) -> None:
    first = table.iloc[0]
    assert (first["reason"], first["class"], first["rank"]) == ("low confidence", "building", 1)
    assert first.geometry.equals(MISTAKE)
    assert first["score"] == pytest.approx(0.98 * first["area_m2"], abs=1e-3)
    assert first["area_m2"] == pytest.approx(80, rel=0.01)


def test_ranked_places_descend_are_few_enough_and_fit_a_screen(table: geopandas.GeoDataFrame) -> None:
    ranked = table[~table["sampled"]]
    assert 5 < len(ranked) <= PLAIN.review
    assert ranked["score"].is_monotonic_decreasing
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    unsure = ranked[ranked["reason"] == "low confidence"].bounds
    assert (unsure.maxx - unsure.minx).max() <= review.LARGEST + 0.01
    assert (unsure.maxy - unsure.miny).max() <= review.LARGEST + 0.01
    assert (ranked.loc[ranked["reason"] == "low confidence", "confidence"] < review.SURE).all()
    assert table["id"].is_unique
    assert table.geometry.is_valid.all()
    assert table[["verdict", "should_be", "note"]].isna().all(axis=None)


def test_every_class_is_sampled_and_the_judged_pixel_lies_in_the_middle(drawn_map, table) -> None:
    import rasterio

    sampled = table[table["sampled"]]
    assert len(sampled) == PLACES
    assert sampled["class"].value_counts().min() >= 8
    with rasterio.open(drawn_map.classes) as dataset:
        pixels, place = dataset.read(1), dataset.transform
    for _, row in sampled.iterrows():
        col, line = ~place @ row.geometry.centroid.coords[0]
        assert pixels[int(line), int(col)] == row["class_id"]
        assert (col % 1, line % 1) == pytest.approx((0.5, 0.5), abs=1e-4)
        assert row["stratum_pixels"] == (pixels == row["class_id"]).sum()
        assert row["stratum_places"] == (sampled["class_id"] == row["class_id"]).sum()
        assert (row["map_pixels"], row["map_places"]) == ((pixels != 255).sum(), PLACES)
    assert (table.loc[~table["sampled"], list(review.STRATUM)] == 0).all(axis=None)


def _comparable(frame: geopandas.GeoDataFrame) -> list[tuple[str, ...]]:
    rows = frame.assign(shape=shapely.to_wkb(frame.geometry.to_numpy(), hex=True)).drop(columns=["geometry", "run_id"])
    return [tuple(row) for row in rows.astype(str).to_numpy()]


def test_sectors_blocks_and_the_squares_that_are_read_do_not_show(drawn_map, tmp_path, monkeypatch) -> None:
    only = MosaicOptions(sheet_rasters=False, review=40, layers=("landcover",))
    expected = _comparable(_review(drawn_map, tmp_path / "same", only))
    sectors = MosaicOptions(sheet_rasters=False, review=40, layers=("landcover",), sector=640)
    assert _comparable(_review(drawn_map, tmp_path / "sectors", sectors)) == expected
    monkeypatch.setattr(review, "STRETCH", 200)
    monkeypatch.setattr(from_raster, "BLOCK", 160)
    assert _comparable(_review(drawn_map, tmp_path / "blocks", only)) == expected


def test_random_places_do_not_depend_on_ranked_ones(drawn_map, table, tmp_path) -> None:
    few = _review(drawn_map, tmp_path / "town", MosaicOptions(sheet_rasters=False, review=1, layers=("landcover",)))
    assert len(few[~few["sampled"]]) == 1
    assert _comparable(few[few["sampled"]].drop(columns="rank")) == _comparable(
        table[table["sampled"]].drop(columns="rank")
    )


def test_equal_runs_give_equal_bytes_that_list_what_may_be_written(drawn_map, tmp_path) -> None:
    few = {"sheet_rasters": False, "review": 5, "layers": ("landcover",)}
    _review(drawn_map, tmp_path / "town", MosaicOptions(**few))
    before = (tmp_path / "town/out/town.gpkg").read_bytes()
    _review(drawn_map, tmp_path / "town", MosaicOptions(**few, overwrite=True))
    assert (tmp_path / "town/out/town.gpkg").read_bytes() == before
    with closing(sqlite3.connect(tmp_path / "town/out/town.gpkg")) as database:
        lists = database.execute(
            "SELECT constraint_name, value FROM gpkg_data_column_constraints WHERE constraint_name LIKE 'review%'"
        ).fetchall()
        said = dict(database.execute("SELECT column_name, name FROM gpkg_data_columns WHERE table_name = 'review'"))
    assert {v for name, v in lists if name == "review_verdict"} == {"ok", "wrong", "should_be"}
    assert {v for name, v in lists if name == "review_should_be"} == {c.name for c in ISPRS.classes}
    assert said["score"] == "At stake (m²)"
    with zipfile.ZipFile(tmp_path / "town/out/town.qgz") as archive:
        tree = archive.read("town.qgs").decode()
    assert tree.index("<layer-tree-group name=") == tree.index('<layer-tree-group name="review" checked="Qt::Checked"')


def test_without_the_option_there_is_no_such_table(drawn_map, tmp_path) -> None:
    run = run_from_raster(drawn_map.classes, Run(tmp_path / "town"), drawn_map.confidence, ISPRS)
    report = mosaic(run, MosaicOptions(sheet_rasters=False, layers=("landcover",)))
    assert "review" not in report.features
    with pytest.raises(UsageError, match="--no-vectors"):
        mosaic(run, MosaicOptions(vectors=False, review=20))


def test_doubtful_cars_and_odd_buildings_are_places(drawn_map, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(review, "ODD", 0.99)
    found = _review(drawn_map, tmp_path / "town", MosaicOptions(sheet_rasters=False, review=1000, all_cars=True))
    cars = geopandas.read_file(tmp_path / "town/out/town.gpkg", layer="cars")
    buildings = geopandas.read_file(tmp_path / "town/out/town.gpkg", layer="buildings")
    odd = buildings[(buildings["iou_raw"] < review.ODD) & buildings["part_of"].isna()]
    assert len(odd) > 2
    assert cars["doubtful"].any()
    assert set(cars.loc[cars["doubtful"], "component"]) | set(odd["id"]) <= set(found["id"])
    assert {"odd shape", "doubtful car", "low confidence", "random place"} <= set(found["reason"])


def test_places_of_one_score_are_chosen_alike_whatever_squares_are_read(tmp_path, monkeypatch) -> None:
    classes = np.full((700, 900), GRASS, np.uint8)
    raster, trust = write_sheet(tmp_path / "c.tif", classes), write_sheet(tmp_path / "p.tif", classes // classes * 50)
    only = MosaicOptions(sheet_rasters=False, review=3, layers=("landcover",))
    expected = _comparable(_review(Map(raster, trust), tmp_path / "whole", only))
    monkeypatch.setattr(review, "STRETCH", 200)
    assert _comparable(_review(Map(raster, trust), tmp_path / "parts", only)) == expected


@dataclass(frozen=True)
class Package:
    """What `review` asks of a GeoPackage that is being written."""

    path: Path
    counts: tuple[str, ...] = ("cars",)

    def rows(self, query: str) -> geopandas.GeoDataFrame:
        """The answer to an SQL query."""
        return geopandas.read_file(self.path, sql=query, engine="pyogrio")


def test_cars_of_one_region_are_one_place_before_the_best_are_taken(tmp_path) -> None:
    """Two regions: one of five small cars, 50 m2, and one car of 15 m2; and cars that are no doubt."""
    sizes = [("7_9", 10.0)] * 5 + [("1_1", 15.0)] + [("2_2", 99.0)]
    values = {"component": [c for c, _ in sizes], "area_m2": [a for _, a in sizes]}
    values |= {"id": [f"{c}_{k}" for k, (c, _) in enumerate(sizes)], "class_id": 4, "confidence": 30.0}
    values["doubtful"] = [c != "2_2" for c, _ in sizes]
    boxes = [shapely.box(3 * k, 0, 3 * k + 2, 5) for k in range(len(sizes))]
    frame = geopandas.GeoDataFrame(values, geometry=boxes, crs=25833)
    for order, name in ((frame, "a"), (frame.iloc[::-1], "b")):
        order.to_file(tmp_path / f"{name}.gpkg", layer="cars")
        first, second = review._doubtful_cars(Package(tmp_path / f"{name}.gpkg"), 2)
        assert [(p.id, p.score, p.area) for p in review._best([first, second], 2)] == [("7_9", 50, 50), ("1_1", 15, 15)]
        (only,) = review._doubtful_cars(Package(tmp_path / f"{name}.gpkg"), 1)
        assert only.id == "7_9"
        assert only.shape.equals(shapely.box(0, 0, 14, 5))
    assert review._doubtful_cars(Package(tmp_path / "a.gpkg", ()), 1) == []


def test_a_sample_is_the_same_whatever_is_read_first() -> None:
    classes = np.random.default_rng(1).integers(0, 4, (300, 400), np.uint8)
    classes[:50] = 255
    parts = [Window(c, r, 100, 60) for r in range(0, 300, 60) for c in range(0, 400, 100)]
    forward, backward = nothing_drawn(), nothing_drawn()
    for one, other in zip(parts, parts[::-1], strict=True):
        forward = _with(forward, classes, one)
        backward = _with(backward, classes, other)
    assert np.array_equal(forward.numbers, backward.numbers)
    assert np.array_equal(forward.pixels, backward.pixels)
    assert forward.counts[:5].tolist() == [(classes == v).sum() for v in range(5)]
    rows = forward.pixels[:4, :, 0] + 1000
    assert abs(rows.mean() - 175) < 12  # the middle of rows 50 to 300, which hold data
    other = with_pixels(nothing_drawn(), classes, (-1000, 7), 10)
    assert not np.array_equal(other.pixels, forward.pixels)


def _with(drawn, classes, window):
    part = classes[window.row_off : window.row_off + window.height, window.col_off : window.col_off + window.width]
    return with_pixels(drawn, part, (window.row_off - 1000, window.col_off + 7), 9)


def test_places_are_shared_out_by_area_with_some_for_each_class() -> None:
    shares = allocation({0: 7_100_000, 1: 1_900_000, 2: 990_000, 3: 10_000, 4: 0})
    assert shares == {0: 8 + 48, 1: 8 + 13, 2: 8 + 7, 3: 8}
    assert allocation({0: 5}) == {0: 5}
    assert allocation({}) == {}
    assert set(allocation(dict.fromkeys(range(80), 1000)).values()) == {2}


def test_what_was_answered_is_not_asked_again(drawn_map, table, tmp_path) -> None:
    _review(drawn_map, tmp_path / "town")
    first = table.iloc[:3]
    with closing(sqlite3.connect(tmp_path / "town/out/town.gpkg")) as database, database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE review SET verdict = 'ok' WHERE rank <= 3")
    again = _review(drawn_map, tmp_path / "town", MosaicOptions(sheet_rasters=False, review=39))
    ranked, before = again[~again["sampled"]], table[~table["sampled"]]
    assert not set(ranked["id"]) & set(first["id"])
    assert ranked["id"].tolist()[:30] == before["id"].tolist()[3:33]
    assert _comparable(again[again["sampled"]].drop(columns="rank")) == _comparable(
        table[table["sampled"]].drop(columns="rank")
    )
