"""Vectors in sectors: what does not reach far is as if all had been done at once, what does is cut; all pieces fit."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from runs import METRES, SECTOR
from support import PLACE, moved, write_sheet

from geoseg.errors import GeosegError
from geoseg.gis.geopackage import Layer, new_geopackage
from geoseg.layers import makes_any
from geoseg.options import InferOptions, MosaicOptions, TileOptions
from geoseg.scenes.scene import Scene
from geoseg.stages.features import seams, write
from geoseg.stages.features.table import KINDS
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile
from geoseg.vectorize.coverage import fit_within
from geoseg.work.executor import executor


def _layers(run: Path, name: str) -> dict[str, geopandas.GeoDataFrame]:
    path = run / "out" / f"{name}.gpkg"
    names = [n for n in geopandas.list_layers(path).name if n != "layer_styles"]
    return {n: geopandas.read_file(path, layer=n) for n in names}


def _figures(run: Path) -> dict[str, object]:
    return json.loads((run / "run.json").read_text())["coverage"]


@pytest.fixture(scope="module")
def both(drawn_town):
    """(layers in one piece, layers in sectors of 384 px, figures of each)."""
    mosaic(drawn_town, MosaicOptions(name="one", sheet_rasters=False))
    one, figures = _layers(drawn_town, "one"), _figures(drawn_town)
    mosaic(drawn_town, MosaicOptions(name="many", sheet_rasters=False, sector=SECTOR))
    return one, _layers(drawn_town, "many"), figures, _figures(drawn_town)


def test_things_are_the_same_as_in_one_piece(both) -> None:
    one, many, _, figures = both
    assert figures["sectors"] == 4
    assert len(one["cars"]) > 5
    assert _plain(one["cars"]) == _plain(many["cars"])
    halls = one["buildings"][_extent(one["buildings"]) > 0.24 * METRES].union_all().buffer(1)
    houses = [_plain(f[~f.intersects(halls)]) for f in (one["buildings"], many["buildings"])]
    assert len(houses[0]) > 5
    assert houses[0] == houses[1]
    halls = many["buildings"][_extent(many["buildings"]) > 0.27 * METRES]
    assert set(halls["status"]) <= {"simplified"}  # they would not be seen whole from all sides
    whole = set(_plain(one["trees"]))
    assert len(whole & set(_plain(many["trees"]))) >= 0.7 * len(whole)  # large woods are split in windows
    assert many["trees"].area.sum() == pytest.approx(one["trees"].area.sum(), rel=0.02)
    assert many["trees"]["id"].is_unique


def _extent(frame: geopandas.GeoDataFrame) -> np.ndarray:
    left, bottom, right, top = frame.bounds.to_numpy().T
    return np.maximum(right - left, top - bottom)


def _plain(frame: geopandas.GeoDataFrame) -> list[tuple[object, ...]]:
    """Rows that can be compared, of what is not cut."""
    rows = frame.drop(columns=["geometry", "run_id"]).astype(str)
    return sorted(zip(shapely.to_wkt(shapely.normalize(frame.geometry), 6), *rows.to_numpy().T, strict=True))


def test_the_land_cover_is_whole_and_says_what_is_cut(both) -> None:
    one, many, before, figures = both
    for facts in (before, figures):
        assert (facts["gap"], facts["overlap"], facts["invalid"], facts["matched"]) == (0, 0, 0, True)
    cover = many["landcover"]
    assert cover.area.sum() == pytest.approx(one["landcover"].area.sum())
    assert shapely.coverage_is_valid(np.asarray(cover.geometry))
    pieces = cover[cover["part_of"].notna()]
    assert set(pieces["part_of"]) <= set(one["landcover"]["id"])
    assert cover["id"].is_unique
    left, top = cover.total_bounds[0], cover.total_bounds[3]
    for shape in pieces.geometry:
        col, row = (shape.centroid.x - left) // METRES, (top - shape.centroid.y) // METRES
        cell = shapely.box(left + col * METRES, top - (row + 1) * METRES, left + (col + 1) * METRES, top - row * METRES)
        assert cell.buffer(2).covers(shape)  # squared buildings may hand a strip of ground across


def test_pieces_put_together_are_the_whole_before_simplification(drawn_town) -> None:
    plain = {"sheet_rasters": False, "simplify": 0.0, "square": False, "layers": ("landcover",)}
    mosaic(drawn_town, MosaicOptions(name="one", **plain))
    one = _layers(drawn_town, "one")["landcover"]
    mosaic(drawn_town, MosaicOptions(name="many", sector=SECTOR, **plain))
    many = _layers(drawn_town, "many")["landcover"]
    joined = many.dissolve(many["part_of"].fillna(many["id"]))
    assert sorted(joined.index) == sorted(one["id"])
    for _, row in one.iterrows():
        assert joined.geometry[row["id"]].symmetric_difference(row.geometry).area == pytest.approx(0, abs=1e-6)


def test_streets_go_on_across_sectors(both) -> None:
    """Lines that are cut meet again: their ends at seams come in pairs."""
    one, many, _, _ = both
    assert many["roads"].area.sum() == pytest.approx(one["roads"].area.sum(), rel=0.02)
    lines = many["road_centrelines"]
    left, top = many["landcover"].total_bounds[0], many["landcover"].total_bounds[3]
    right, bottom = many["landcover"].total_bounds[2], many["landcover"].total_bounds[1]
    ends = shapely.get_coordinates(lines.geometry.map(lambda g: shapely.MultiPoint([g.coords[0], g.coords[-1]])))
    at_seam = []
    for x, y in ends:
        on_line = min(
            abs((x - left) / METRES - round((x - left) / METRES)), abs((top - y) / METRES - round((top - y) / METRES))
        )
        if on_line < 1e-4 and left + 1 < x < right - 1 and bottom + 1 < y < top - 1:
            at_seam.append((round(x, 3), round(y, 3)))
    assert at_seam
    paired = [e for e in at_seam if at_seam.count(e) >= 2]
    assert len(paired) >= 0.9 * len(at_seam)


def test_sectors_on_workers_give_the_same_bytes(drawn_town, tmp_path) -> None:
    options = MosaicOptions(name="many", sheet_rasters=False, sector=SECTOR, overwrite=True)
    mosaic(drawn_town, options)
    alone = (drawn_town / "out/many.gpkg").read_bytes()
    with executor(workers=2) as two:
        mosaic(drawn_town, options, executor=two)
    assert (drawn_town / "out/many.gpkg").read_bytes() == alone
    assert not (drawn_town / "parts").exists()


def test_districts_that_share_sectors_do_not_mix(tmp_path, truth_network) -> None:
    """Two strips, 51 m apart: both lie in the sectors (0, 0) and (0, 1)."""
    scene = Scene(5, 120.0, 6.0, 0.1)
    for name, row in (("a", 0), ("b", 570)):
        labels = scene.labels(0, 0, *scene.shape) if name == "a" else np.ones(scene.shape, np.uint8)
        write_sheet(tmp_path / f"s/{name}.tif", np.stack([labels] * 3), place=moved(PLACE, 0, row))
    run = tmp_path / "run"
    tile([tmp_path / "s"], run, TileOptions(block_size=256))
    infer(run, InferOptions(model=(truth_network,), engine="torch", precision="f32", threads=1))
    mosaic(run, MosaicOptions(name="one", sheet_rasters=False))
    one = _layers(run, "one")["landcover"].dissolve("class_id")
    mosaic(run, MosaicOptions(name="many", sheet_rasters=False, sector=SECTOR))
    many = _layers(run, "many")["landcover"].dissolve("class_id")
    assert (_figures(run)["districts"], _figures(run)["sectors"]) == (2, 4)
    assert list(one.index) == list(many.index)
    assert (one.symmetric_difference(many).area < 0.02 * one.area).all()


def test_squares_that_do_not_fit_are_left_out_and_a_gap_is_no_result(drawn_town, monkeypatch, caplog) -> None:
    options = MosaicOptions(name="seams", sheet_rasters=False, sector=SECTOR, layers=("landcover", "buildings"))
    calls = []

    def unfit_once(edges, frame) -> bool:
        calls.append(1)
        return len(calls) > 1 and fit_within(edges, frame)

    monkeypatch.setattr(seams, "fit_within", unfit_once)
    mosaic(drawn_town, options)
    assert "squared buildings do not fit" in caplog.text
    assert set(_layers(drawn_town, "seams")["buildings"]["status"]) == {"simplified"}
    facts = _figures(drawn_town)
    assert facts["matched"]
    assert facts["gap"] == facts["overlap"] == 0
    monkeypatch.setattr(seams, "fit_within", lambda edges, frame: False)
    with pytest.raises(GeosegError, match="no clean coverage"):
        mosaic(drawn_town, MosaicOptions(name="never", sheet_rasters=False, sector=SECTOR, layers=("landcover",)))
    assert not (drawn_town / "out/never.gpkg").exists()
    assert not (drawn_town / "run.json").exists()


def test_batches_are_one_file(drawn_town, monkeypatch) -> None:
    """The file is the same however many features are written at a time, but for the order of its pages."""
    options = MosaicOptions(name="many", sheet_rasters=False, sector=SECTOR, overwrite=True)
    mosaic(drawn_town, options)
    whole = _layers(drawn_town, "many")
    monkeypatch.setattr(write, "BATCH", 10)
    mosaic(drawn_town, options)
    parts = _layers(drawn_town, "many")
    assert whole.keys() == parts.keys()
    for name, frame in whole.items():
        assert parts[name].dtypes.to_dict() == frame.dtypes.to_dict()
        assert _plain(parts[name]) == _plain(frame)


def test_layers_that_are_empty_at_first_keep_their_columns(drawn_town, tmp_path) -> None:
    """A first batch without a car must not make numbers of all that is text in later ones."""
    mosaic(drawn_town, MosaicOptions(name="one", sheet_rasters=False))
    layers = _layers(drawn_town, "one")
    for name, frame in layers.items():
        layer = Layer(name, frame, "", geometry_type=frame.geom_type.iloc[0])
        empty = Layer(name, _empty(frame), "", geometry_type=layer.geometry_type)
        path = tmp_path / f"{name}.gpkg"
        with new_geopackage(path) as package:
            package.add([empty])
            package.add([layer])
            package.commit()
        found = geopandas.read_file(path, layer=name)
        assert found.dtypes.to_dict() == frame.dtypes.to_dict(), name
        assert _plain(found) == _plain(frame)


def _empty(frame: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    """As `frame_of` makes it of no rows."""
    made = geopandas.GeoDataFrame({n: [] for n in frame.columns if n != "geometry"}, geometry=[], crs=frame.crs)
    return made.astype({n: KINDS.get(n, object) for n in made.columns if n != "geometry"})


def test_layers_that_no_class_can_give_are_refused(drawn_town, geoseg) -> None:
    code, _, err = geoseg("mosaic", drawn_town, "--layers", "cars", "--name", "x", "--overwrite")
    assert code == 0, err  # this table has cars
    assert not makes_any(["other"], ("cars", "roads"))
    assert makes_any(["other"], ("landcover",))
