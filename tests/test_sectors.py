"""Vectors in sectors: what does not reach far is the same as if all had been done at once, what does is cut, and all pieces fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from conftest import PLACE, moved, write_sheet
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from rasterio.windows import Window
from scipy import ndimage

from geoseg.errors import EnvironmentFault, GeosegError, PlanError
from geoseg.geometry.grid import overlap, slices
from geoseg.geometry.sectors import coarse_window, sectors_of
from geoseg.gis.geopackage import Layer, new_geopackage
from geoseg.layers import makes_any
from geoseg.options import InferOptions, TileOptions
from geoseg.runfolder.folder import Run
from geoseg.scenes.scene import Scene
from geoseg.stages.features import seams, write
from geoseg.stages.features.sector import Step
from geoseg.stages.features.table import KINDS
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic import work as mosaic_work
from geoseg.stages.mosaic.inputs import load_inputs, mosaic_key
from geoseg.stages.mosaic.mosaic import MosaicOptions, mosaic
from geoseg.stages.tile.tile import tile
from geoseg.vectorize.coverage import fit_within, open_edges
from geoseg.vectorize.dice import SMALL, Codes, coded, first_pixels, frame_of_core, wholes
from geoseg.vectorize.labels import label_regions
from geoseg.vectorize.merge import merge_small
from geoseg.vectorize.simplify import simplified
from geoseg.vectorize.trace import trace_rings
from geoseg.work import parts as kept_parts
from geoseg.work.dask import executor
from geoseg.work.local import LOCAL

CODES = Codes((0, 1, 2), 255)
SECTOR, METRES = 640, 64.0
"""Pixels along a sector, and metres; regions of up to 160 px are never cut."""

wholes_of_all = st.builds(
    lambda col, row, wide, high: Window(col, row, wide, high),
    st.integers(-50, 50),
    st.integers(-50, 50),
    st.integers(1, 90),
    st.integers(1, 90),
)


def blobs(seed: int, high: int, wide: int, scale: float) -> np.ndarray:
    """Classes 0 to 2, some of it without data."""
    rng = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(rng.standard_normal((high, wide)), scale) for _ in range(4)]
    return np.array([0, 1, 2, 255], np.uint8)[np.stack(fields).argmax(0)]


# Geometry


@given(wholes_of_all, st.integers(4, 40), st.integers(1, 7))
def test_each_pixel_lies_in_one_core_also_on_the_coarse_raster(whole: Window, side: int, step: int) -> None:
    sectors = sectors_of([whole], whole, step=step, side=side)
    assert sectors.side % (2 * step) == 0
    coarse = coarse_window(whole, step)
    fine_hits, coarse_hits = (np.zeros((w.height, w.width), int) for w in (whole, coarse))
    for sector in sectors.numbers:
        fine_hits[slices(sectors.core(sector), whole)] += 1
        core = sectors.coarse_core(sector)
        assert overlap(core, coarse) == core
        coarse_hits[slices(core, coarse)] += 1
    assert (fine_hits == 1).all()
    assert (coarse_hits == 1).all()
    assert sectors.pixels() == whole.width * whole.height
    assert sectors.frame().length == 2 * (whole.width + whole.height)


def test_far_sectors_are_not_looked_at() -> None:
    sheets = [Window(0, 0, 10, 10), Window(500, 500, 10, 10)]
    sectors = sectors_of(sheets, Window(0, 0, 510, 510), side=50, largest=25)
    assert sectors.numbers == ((0, 0), (9, 9), (9, 10), (10, 9), (10, 10))


# Codes


@given(st.integers(0, 10_000), st.integers(-40, 40), st.integers(-40, 40), st.floats(0.3, 5), st.sampled_from([16, 24]))
@profile(max_examples=60)
def test_codes_hang_on_what_lies_around_a_sector_alone(seed: int, row: int, col: int, scale: float, side: int) -> None:
    raster = blobs(seed, 61, 70, scale)
    whole = Window(col, row, 70, 61)
    sectors = sectors_of([whole], whole, side=side, largest=side // 2)
    together, frames = np.zeros(raster.shape, CODES.dtype), {}
    for sector in sectors.numbers:
        core, window = sectors.core(sector), sectors.around(sector, sectors.largest + 1)

        def made(seen: Window, giant: int, sector=sector, core=core, sides=(sectors.largest, side // 2)) -> np.ndarray:
            part, at = raster[slices(seen, whole)], (seen.row_off, seen.col_off)
            return coded(part, CODES, slices(core, seen), at, sector, largest=sides[0], cell=sides[1], giant=giant)

        assert np.array_equal(made(window, 10**6), made(whole, 10**6))
        together[slices(core, whole)] = made(window, 40)
        frames[sector] = frame_of_core(raster[slices(core, whole)], (core.row_off, core.col_off), 255)
    assert np.array_equal(CODES.value_of[together], raster)
    _check_pieces(raster, together, whole, sectors, wholes(frames))


def _check_pieces(raster, together, whole, sectors, whole_of) -> None:
    """Small regions are whole; pieces of large ones lie in one core and know what they are cut from."""
    labels, _ = label_regions(raster)
    corner = np.array([whole.row_off, whole.col_off])
    pieces = trace_rings(together, skip=CODES.skipped, keep_skipped=True)
    sizes = np.bincount(labels.ravel())
    for first, code, pixels, box in zip(pieces.first, pieces.values, pieces.pixels, pieces.boxes(), strict=True):
        label = labels[tuple(first)]
        where = np.argwhere(labels == label)
        extent = (where.max(0) - where.min(0) + 1).max()
        (core,) = [c for c in map(sectors.core, sectors.numbers) if _holds(c, first + corner)]
        if CODES.state_of[code] == SMALL:
            assert extent <= sectors.largest
            assert pixels == sizes[label]
            continue
        assert _holds(core, box[[1, 0]] + corner)
        assert _holds(core, box[[3, 2]] - 1 + corner)
        if CODES.skipped[code]:
            continue
        (sector,) = [s for s in sectors.numbers if sectors.core(s) == core]
        origin = np.array([core.row_off, core.col_off])
        part = raster[slices(core, whole)]
        own = tuple((first_pixels(part, (first + corner - origin)[None])[0] + origin).tolist())
        assert whole_of[sector].get(own, own) == tuple((where[0] + corner).tolist())


def _holds(window: Window, pixel: np.ndarray) -> bool:
    row, col = pixel[0] - window.row_off, pixel[1] - window.col_off
    return 0 <= row < window.height and 0 <= col < window.width


@given(st.integers(0, 10_000), st.floats(0.3, 4), st.sampled_from([0.0, 2.0, 6.0]))
@profile(max_examples=40)
def test_pieces_fit_edge_by_edge_and_a_gap_shows(seed: int, scale: float, tolerance: float) -> None:
    raster = blobs(seed, 50, 64, scale)
    whole = Window(-7, 5, 64, 50)
    sectors = sectors_of([whole], whole, side=24, largest=12)
    together = np.zeros(raster.shape, CODES.dtype)
    for sector in sectors.numbers:
        core = sectors.core(sector)
        together[slices(core, whole)] = coded(
            raster, CODES, slices(core, whole), (5, -7), sector, largest=12, cell=12, giant=10**6
        )
    rings = trace_rings(together, skip=CODES.skipped, keep_skipped=True)
    polygons = simplified(rings, together, tolerance)
    owner = [
        next(s for s in sectors.numbers if _holds(sectors.core(s), first + np.array([5, -7]))) for first in rings.first
    ]
    mine = {s: [p for p, o in zip(polygons, owner, strict=True) if o == s] for s in sectors.numbers}

    def fit(pieces) -> bool:
        return fit_within([open_edges(np.array(p, object), whole) for p in pieces.values()], sectors.frame())

    assert fit(mine)
    full = [s for s in sectors.numbers if mine[s]]
    victim = full[seed % len(full)]
    assert not fit({**mine, victim: mine[victim][1:]})
    shifted = shapely.transform(mine[victim][0], lambda xy: np.add(xy, (0.25, 0.0)))
    assert not fit({**mine, victim: [shifted, *mine[victim][1:]]})


@given(st.integers(0, 10_000), st.integers(3, 40), st.sampled_from([1, 4, 9]))
@profile(max_examples=40)
def test_what_goes_on_beyond_a_side_is_not_small(seed: int, cut: int, least: int) -> None:
    """Of a part of a raster only what does not reach its cut side is merged; that is what becomes of it in the whole."""
    raster = blobs(seed, 30, 44, 1.0)
    limits = dict.fromkeys(range(3), least)
    part = raster[:, :cut]
    merged = merge_small(part, limits, skip=255, goes_on=(False, False, False, True))
    labels, _ = label_regions(part)
    at_cut = np.isin(labels, np.unique(labels[:, -1]))
    sizes = np.bincount(labels.ravel())[labels]
    untouched = at_cut | (sizes >= least) | (part == 255)
    assert np.array_equal(merged[untouched], part[untouched])


# The stage


@pytest.fixture(scope="module")
def town(tmp_path_factory, truth_network):
    """A run over a drawn town of 900 x 1200 px whose classes the network gives back; blocks are there."""
    folder = tmp_path_factory.mktemp("town")
    scene = Scene(123, 120.0, 90.0, 0.1)
    labels = scene.labels(0, 0, *scene.shape)
    write_sheet(folder / "s/a.tif", np.stack([labels] * 3), place=moved(PLACE, 0, 0), compress="deflate")
    run = folder / "run"
    tile([folder / "s"], run, TileOptions(block_size=256))
    infer(run, InferOptions(model=(truth_network,), engine="torch", precision="f32", threads=1))
    return run


def _layers(run: Path, name: str) -> dict[str, geopandas.GeoDataFrame]:
    path = run / "out" / f"{name}.gpkg"
    names = [n for n in geopandas.list_layers(path).name if n != "layer_styles"]
    return {n: geopandas.read_file(path, layer=n) for n in names}


def _figures(run: Path) -> dict[str, object]:
    return json.loads((run / "run.json").read_text())["coverage"]


@pytest.fixture(scope="module")
def both(town):
    """(layers in one piece, layers in sectors of 384 px, figures of each)."""
    mosaic(town, MosaicOptions(name="one", sheet_rasters=False))
    one, figures = _layers(town, "one"), _figures(town)
    mosaic(town, MosaicOptions(name="many", sheet_rasters=False, sector=SECTOR))
    return one, _layers(town, "many"), figures, _figures(town)


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


def test_pieces_put_together_are_the_whole_before_simplification(town) -> None:
    plain = {"sheet_rasters": False, "simplify": 0.0, "square": False, "layers": ("landcover",)}
    mosaic(town, MosaicOptions(name="one", **plain))
    one = _layers(town, "one")["landcover"]
    mosaic(town, MosaicOptions(name="many", sector=SECTOR, **plain))
    many = _layers(town, "many")["landcover"]
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


def test_sectors_on_workers_give_the_same_bytes(town, tmp_path) -> None:
    options = MosaicOptions(name="many", sheet_rasters=False, sector=SECTOR, overwrite=True)
    mosaic(town, options)
    alone = (town / "out/many.gpkg").read_bytes()
    with executor(workers=2) as two:
        mosaic(town, options, executor=two)
    assert (town / "out/many.gpkg").read_bytes() == alone
    assert not (town / "parts").exists()


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


def _counted(monkeypatch, stop: int = 10**6) -> list[str]:
    """Names of parts that are made from now on; the process is interrupted at number `stop`."""
    names: list[str] = []

    def noted(real, name_of):
        def made(first, second, *more, **named):
            if len(names) == stop:
                raise KeyboardInterrupt
            names.append(name_of(first, second))
            return real(first, second, *more, **named)

        return made

    monkeypatch.setattr(mosaic_work, "do_step", noted(mosaic_work.do_step, lambda step, _: step.name))
    sheets = noted(mosaic_work.sheet_rasters, lambda _, numbers: f"sheet_{numbers}")
    monkeypatch.setattr(mosaic_work, "sheet_rasters", sheets)
    return names


@pytest.mark.parametrize("stop", [1, 6, 14, 16])
def test_a_mosaic_that_was_stopped_makes_no_part_twice(town, monkeypatch, stop) -> None:
    options = MosaicOptions(name=f"stopped{stop}", sector=SECTOR)
    with monkeypatch.context() as patch:
        first = _counted(patch, stop)
        with pytest.raises(KeyboardInterrupt):
            mosaic(town, options)
    second = _counted(monkeypatch)
    mosaic(town, options)
    assert len(first) == stop
    assert not set(first) & set(second)
    assert len(first + second) == 17  # one sheet, four steps of four sectors
    result = (town / f"out/stopped{stop}.gpkg").read_bytes()
    second.clear()
    mosaic(town, replace(options, overwrite=True))
    assert len(second) == 17
    assert (town / f"out/stopped{stop}.gpkg").read_bytes() == result
    assert not (town / "parts").exists()


def test_damaged_parts_are_made_again_and_those_of_another_mosaic_are_not_used(town, monkeypatch) -> None:
    options = MosaicOptions(name="damaged", sector=SECTOR)

    def stopped() -> Path:
        with monkeypatch.context() as patch:
            _counted(patch, 15)
            with pytest.raises(KeyboardInterrupt):
                mosaic(town, replace(options, overwrite=True))
        (folder,) = (town / "parts").iterdir()
        return folder

    for path in sorted([*stopped().iterdir(), *(town / "out/sheets").glob("*.tif")]):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)
    names = _counted(monkeypatch)
    mosaic(town, options)
    assert len(names) == 17
    result = (town / "out/damaged.gpkg").read_bytes()
    mosaic(town, replace(options, overwrite=True))
    assert (town / "out/damaged.gpkg").read_bytes() == result
    old = stopped()
    names.clear()
    mosaic(town, replace(options, simplify=0.5))
    assert len(names) == 17
    assert not old.exists()


def test_what_a_stopped_mosaic_would_have_removed_goes_all_the_same(town, monkeypatch) -> None:
    mosaic(town, MosaicOptions(name="first", sheet_rasters=False, vectors=False))
    assert (town / "out/first_classes.tif").exists()
    second = MosaicOptions(name="second", vectors=False)
    with monkeypatch.context() as patch:
        _counted(patch, 0)
        with pytest.raises(KeyboardInterrupt):
            mosaic(town, second)
    assert not (town / "run.json").exists()
    assert (town / "out/first_classes.tif").exists()
    mosaic(town, second)
    assert not list((town / "out").glob("first*"))


def test_what_lies_behind_links_stays(town, tmp_path) -> None:
    (tmp_path / "precious/folder").mkdir(parents=True)
    (tmp_path / "precious/file").touch()
    options = MosaicOptions(name="links", sheet_rasters=False, vectors=False, overwrite=True)
    (town / "parts").symlink_to(tmp_path / "precious")
    mosaic(town, options)
    assert not (town / "parts").exists()
    (town / "parts").mkdir()
    (town / "parts/link").symlink_to(tmp_path / "precious")
    (town / "parts/file").touch()
    mosaic(town, options)
    assert not (town / "parts").exists()
    assert sorted(p.name for p in (tmp_path / "precious").iterdir()) == ["file", "folder"]


def test_a_result_that_cannot_be_kept_is_a_result(town, monkeypatch, caplog) -> None:
    def full(path, data):
        raise EnvironmentFault(path, "no space left", "free some")

    monkeypatch.setattr(kept_parts, "commit_bytes", full)
    mosaic(town, MosaicOptions(name="unkept", sheet_rasters=False, sector=SECTOR, layers=("landcover",)))
    assert "could not be kept" in caplog.text
    assert (town / "out/unkept.gpkg").exists()


def test_a_mosaic_that_another_one_has_overtaken_leaves_it_alone(town, monkeypatch) -> None:
    """A machine that was suspended wakes up: its lease is another's, whose parts and say are not touched."""
    options = MosaicOptions(name="late", sheet_rasters=False, sector=SECTOR, layers=("landcover",))
    inputs = load_inputs(Run(town), options)
    with mosaic_work.at_work(inputs, mosaic_key(inputs, options), options, LOCAL) as work:
        parts = work.context.kept
        kept = parts.folder
        parts.once("something", lambda: (1, []))

        def overtaken(*_) -> None:
            (town / "locks/mosaic.json").write_text('{"attempt": "another", "left": []}')
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(mosaic_work, "do_step", overtaken)
            with pytest.raises(KeyboardInterrupt):
                list(work.each(mosaic_work.make_step, [Step("district", 0)]))
    assert "another" in (town / "locks/mosaic.json").read_text()
    assert (kept / "something.part").exists()
    with pytest.raises(PlanError, match="another mosaic has begun"):
        parts.once("something else", lambda: (1, []))


def test_squares_that_do_not_fit_are_left_out_and_a_gap_is_no_result(town, monkeypatch, caplog) -> None:
    options = MosaicOptions(name="seams", sheet_rasters=False, sector=SECTOR, layers=("landcover", "buildings"))
    calls = []

    def unfit_once(edges, frame) -> bool:
        calls.append(1)
        return len(calls) > 1 and fit_within(edges, frame)

    monkeypatch.setattr(seams, "fit_within", unfit_once)
    mosaic(town, options)
    assert "squared buildings do not fit" in caplog.text
    assert set(_layers(town, "seams")["buildings"]["status"]) == {"simplified"}
    facts = _figures(town)
    assert facts["matched"]
    assert facts["gap"] == facts["overlap"] == 0
    monkeypatch.setattr(seams, "fit_within", lambda edges, frame: False)
    with pytest.raises(GeosegError, match="no clean coverage"):
        mosaic(town, MosaicOptions(name="never", sheet_rasters=False, sector=SECTOR, layers=("landcover",)))
    assert not (town / "out/never.gpkg").exists()
    assert not (town / "run.json").exists()


def test_batches_are_one_file(town, monkeypatch) -> None:
    """The file is the same however many features are written at a time, but for the order of its pages."""
    options = MosaicOptions(name="many", sheet_rasters=False, sector=SECTOR, overwrite=True)
    mosaic(town, options)
    whole = _layers(town, "many")
    monkeypatch.setattr(write, "BATCH", 10)
    mosaic(town, options)
    parts = _layers(town, "many")
    assert whole.keys() == parts.keys()
    for name, frame in whole.items():
        assert parts[name].dtypes.to_dict() == frame.dtypes.to_dict()
        assert _plain(parts[name]) == _plain(frame)


def test_layers_that_are_empty_at_first_keep_their_columns(town, tmp_path) -> None:
    """A first batch without a car must not make numbers of all that is text in later ones."""
    mosaic(town, MosaicOptions(name="one", sheet_rasters=False))
    layers = _layers(town, "one")
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


def test_errors_of_whoever_makes_layers_are_not_the_disks(tmp_path) -> None:
    def broken():
        raise ConnectionError("a worker hung up")
        yield []

    def write() -> None:
        with new_geopackage(tmp_path / "a.gpkg") as package:
            for layers in broken():
                package.add(layers)

    with pytest.raises(ConnectionError, match="hung up"):
        write()
    assert not list(tmp_path.iterdir())


def test_layers_that_no_class_can_give_are_refused(town, geoseg) -> None:
    code, _, err = geoseg("mosaic", town, "--layers", "cars", "--name", "x", "--overwrite")
    assert code == 0, err  # this table has cars
    assert not makes_any(["other"], ("cars", "roads"))
    assert makes_any(["other"], ("landcover",))
