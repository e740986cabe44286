"""The guarantees of the README, through the real command line on real files."""

from __future__ import annotations

import importlib
import json

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from conftest import CRS, PLACE, class_raster, moved, write_sheet
from rasterio.features import rasterize
from rasterio.transform import Affine

from geoseg.options import InferOptions, TileOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import MosaicOptions, mosaic
from geoseg.stages.tile.tile import tile

infer_stage = importlib.import_module("geoseg.stages.infer.infer")

RNG = np.random.default_rng(3)


def truth(height: int, width: int) -> np.ndarray:
    """Three bands; the first holds random classes."""
    first = RNG.integers(0, 6, (height, width), dtype=np.uint8)
    return np.stack([first, RNG.integers(0, 255, (height, width), dtype=np.uint8), first])


def photo(height: int, width: int) -> np.ndarray:
    """Three smooth bands with detail at all scales."""
    y, x = np.mgrid[:height, :width]
    waves = [
        100 + 60 * np.sin(x / (5 + 3 * b)) * np.cos(y / (7 + b)) + 30 * np.sin((x * y) / (900 + 100 * b))
        for b in range(3)
    ]
    return np.clip(np.stack(waves) + RNG.normal(0, 6, (3, height, width)), 0, 255).astype(np.uint8)


def pixels_of(run) -> np.ndarray:
    """Class and confidence of a run's outputs."""
    return np.stack(
        [rasterio.open(next((run / "out").glob(f"*_{kind}.tif"))).read(1) for kind in ("classes", "confidence")]
    )


def polygons_of(run) -> list[tuple[str, bytes]]:
    """All features of a run's GeoPackage, in an order that hangs on nothing but them."""
    path = next((run / "out").glob("*.gpkg"))
    found = []
    for layer in geopandas.list_layers(path).name:
        if layer != "layer_styles":
            frame = geopandas.read_file(path, layer=layer)
            shapes = shapely.to_wkb(shapely.normalize(frame.geometry.to_numpy()))
            found += list(zip(frame["id"], frame["class"], shapes, frame["confidence"].astype(str), strict=True))
    return sorted(found)


# --- 1. identity


@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (1, 2), (2, 1), (1, 65), (65, 1), (31, 33), (63, 64), (64, 64), (65, 64), (64, 65), (65, 65), (130, 97)],
)
def test_a_network_that_returns_the_truth_gives_it_back(tmp_path, geoseg, truth_network, height, width):
    sheet = truth(height, width)
    path = write_sheet(tmp_path / "s.tif", sheet)
    code, _, err = geoseg(
        "run",
        path,
        "-o",
        tmp_path / "run",
        "--model",
        truth_network,
        "--block-size",
        64,
        "--min-area",
        0,
        "--engine",
        "torch",
    )
    assert code == 0, err
    classes, place = class_raster(tmp_path / "run")
    assert np.array_equal(classes, sheet[0])
    assert place == PLACE
    with rasterio.open(tmp_path / "run/out/sheets/s_classes.tif") as own:
        assert np.array_equal(own.read(1), sheet[0])
        assert own.transform == PLACE


def test_every_size_up_to_a_patch_and_one(tmp_path, truth_network):
    """1 x n and n x n for every n up to patch + 1, as one run: sheets far apart share a grid."""
    sheets = {}
    for n in range(1, 66):
        for shape in ((1, n), (n, n)):
            name = f"{shape[0]}x{shape[1]}"
            sheets[name] = truth(*shape)
            write_sheet(
                tmp_path / "in" / f"{name}.tif", sheets[name], place=moved(PLACE, 200 * n, 0 if shape[0] == 1 else 300)
            )
    tile([tmp_path / "in"], tmp_path / "run", TileOptions(block_size=128))
    infer(tmp_path / "run", InferOptions(model=(truth_network,), engine="torch"))
    mosaic(tmp_path / "run", MosaicOptions(vectors=False))
    for name, pixels in sheets.items():
        with rasterio.open(tmp_path / f"run/out/sheets/{name}_classes.tif") as own:
            assert np.array_equal(own.read(1), pixels[0]), name


@pytest.mark.parametrize("kind", ["nodata", "internal", "external", "alpha"])
def test_identity_holds_up_to_every_kind_of_mask(tmp_path, truth_network, kind):
    sheet = truth(150, 140)
    hole = np.zeros((150, 140), bool)
    hole[20:60, 30:90] = hole[0, :5] = hole[149, 139] = hole[100:, 70] = True
    path = tmp_path / "s.tif"
    if kind == "nodata":
        sheet[:, hole] = 200
        write_sheet(path, sheet, nodata=200)
    elif kind == "alpha":
        alpha = np.where(hole, 0, 255).astype(np.uint8)
        write_sheet(path, np.concatenate([sheet, alpha[None]]), photometric="rgb", alpha="yes")
    elif kind == "internal":
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            rasterio.open(
                path, "w", driver="GTiff", count=3, height=150, width=140, dtype="uint8", crs=CRS, transform=PLACE
            ) as dataset,
        ):
            dataset.write(sheet)
            dataset.write_mask(~hole)
    else:
        write_sheet(path, sheet)
        write_sheet(tmp_path / "s.tif.msk", np.where(hole, 0, 255).astype(np.uint8))
    tile([path], tmp_path / "run", TileOptions(block_size=64))
    infer(tmp_path / "run", InferOptions(model=(truth_network,), engine="torch"))
    mosaic(tmp_path / "run")
    expected = np.where(hole, 255, sheet[0])
    assert np.array_equal(class_raster(tmp_path / "run")[0], expected)
    assert np.array_equal(rasterio.open(tmp_path / "run/out/sheets/s_classes.tif").read(1), expected)


def test_a_zero_in_one_band_is_data(tmp_path, truth_network):
    sheet = truth(40, 40)
    sheet[1:] = 7
    sheet[0, :20] = 0
    path = write_sheet(tmp_path / "s.tif", sheet, nodata=0)
    tile([path], tmp_path / "run")
    infer(tmp_path / "run", InferOptions(model=(truth_network,)))
    mosaic(tmp_path / "run")
    assert np.array_equal(class_raster(tmp_path / "run")[0], sheet[0])


# --- 2. partition does not show


@pytest.fixture(scope="module")
def reference(tmp_path_factory, blur_network):
    """A run of two sheets with an irregular hole, done in one block."""
    folder = tmp_path_factory.mktemp("reference")
    image = photo(300, 340)
    image[:, 100:140, 150:210] = 0
    write_sheet(folder / "in/a.tif", image[:, :, :200], nodata=0)
    write_sheet(folder / "in/b.tif", image[:, :, 170:], place=moved(PLACE, 170, 0), nodata=0)
    return folder / "in", image, _whole_run(folder / "in", folder / "run", blur_network, 512)


def _whole_run(sheets, run, model, block, **options):
    tile([sheets], run, TileOptions(block_size=block))
    infer(run, InferOptions(model=(model,), engine="torch", precision="f32", **options))
    mosaic(run, MosaicOptions(min_area=0))
    return run


@pytest.mark.parametrize(
    ("block", "widest", "options"),
    [
        (64, 99, {}),
        (64, 1, {}),
        (128, 2, {"threads": 1}),
        (80, 3, {"threads": 2}),
        (128, 1, {"batch_size": 3}),
        (336, 99, {"batch_size": 5}),
    ],
)
def test_blocks_panels_lanes_and_batches_do_not_show(
    tmp_path, monkeypatch, reference, blur_network, block, widest, options
):
    sheets, _, whole = reference
    monkeypatch.setattr(infer_stage, "widest_panel", lambda *_: widest)
    run = _whole_run(sheets, tmp_path / "run", blur_network, block, **options)
    assert np.array_equal(pixels_of(run), pixels_of(whole))
    assert polygons_of(run) == polygons_of(whole)


def test_patches_at_panel_borders_are_counted(tmp_path, monkeypatch, blur_network):
    sheets = write_sheet(tmp_path / "s.tif", photo(210, 240))
    monkeypatch.setattr(infer_stage, "widest_panel", lambda *_: 1)
    tile([sheets], tmp_path / "run", TileOptions(block_size=64))
    report = infer(tmp_path / "run", InferOptions(model=(blur_network,), engine="torch"))
    monkeypatch.setattr(infer_stage, "widest_panel", lambda *_: 99)
    tile([sheets], tmp_path / "one", TileOptions(block_size=64))
    whole = infer(tmp_path / "one", InferOptions(model=(blur_network,), engine="torch"))
    assert whole.twice == 0
    assert report.twice >= report.patches - whole.patches - 2
    assert report.twice > 0


# --- 3. sheet cuts do not show


@pytest.mark.parametrize(("cuts", "overlap"), [(2, 0), (2, 30), (3, 0), (3, 17)])
def test_one_photo_or_many_sheets(tmp_path, blur_network, cuts, overlap):
    image = photo(210, 240)
    write_sheet(tmp_path / "one/s.tif", image)
    edges = [np.linspace(0, n, cuts + 1).astype(int) for n in image.shape[1:]]
    for r in range(cuts):
        for c in range(cuts):
            row, col = max(0, edges[0][r] - overlap), max(0, edges[1][c] - overlap)
            part = image[:, row : edges[0][r + 1], col : edges[1][c + 1]]
            write_sheet(tmp_path / "many" / f"s_{r}_{c}.tif", part, place=moved(PLACE, col, row))
    one = _whole_run(tmp_path / "one", tmp_path / "run1", blur_network, 128)
    many = _whole_run(tmp_path / "many", tmp_path / "run2", blur_network, 128)
    assert np.array_equal(pixels_of(one), pixels_of(many))
    assert polygons_of(one) == polygons_of(many)
    whole = class_raster(one)[0]
    for r in range(cuts):
        for c in range(cuts):
            row, col = max(0, edges[0][r] - overlap), max(0, edges[1][c] - overlap)
            own = rasterio.open(many / f"out/sheets/s_{r}_{c}_classes.tif")
            assert own.transform.almost_equals(moved(PLACE, col, row))
            assert np.array_equal(own.read(1), whole[row : row + own.height, col : col + own.width])


def test_south_up_sheets_keep_their_own_orientation(tmp_path, blur_network):
    image = photo(90, 100)
    write_sheet(tmp_path / "n/s.tif", image)
    south_up = Affine(0.1, 0, PLACE.c, 0, 0.1, PLACE.f - 9.0)
    write_sheet(tmp_path / "s/s.tif", image[:, ::-1], place=south_up)
    one = _whole_run(tmp_path / "n", tmp_path / "run1", blur_network, 64)
    two = _whole_run(tmp_path / "s", tmp_path / "run2", blur_network, 64)
    assert Run(two).plan.sheets[0].mode == "flipped"
    assert np.array_equal(pixels_of(one), pixels_of(two))
    own = rasterio.open(two / "out/sheets/s_classes.tif")
    assert own.transform == south_up
    assert np.array_equal(own.read(1)[::-1], class_raster(one)[0])


@pytest.mark.parametrize("side", ["west", "north", "east", "south"])
def test_growth_in_any_direction_keeps_grid_and_far_blocks(tmp_path, blur_network, side):
    image = photo(400, 400)
    parts = {
        "west": (slice(None), slice(0, 64)), "north": (slice(0, 64), slice(None)),
        "east": (slice(None), slice(336, 400)), "south": (slice(336, 400), slice(None)),
    }  # fmt: skip
    rest = {
        "west": (slice(None), slice(64, 400)), "north": (slice(64, 400), slice(None)),
        "east": (slice(None), slice(0, 336)), "south": (slice(0, 336), slice(None)),
    }  # fmt: skip
    for name, (rows, cols) in (("a", rest[side]), ("b", parts[side])):
        place = moved(PLACE, cols.start or 0, rows.start or 0)
        write_sheet(tmp_path / f"{name}.tif", image[:, rows, cols], place=place)
    run = tmp_path / "run"
    tile([tmp_path / "a.tif"], run, TileOptions(block_size=64))
    infer(run, InferOptions(model=(blur_network,), engine="torch"))
    before = {p.name: p.stat().st_mtime_ns for p in (run / "blocks").glob("*.tif")}
    grid = Run(run).plan.grid
    tile([tmp_path / "a.tif", tmp_path / "b.tif"], run)
    assert Run(run).plan.grid == grid
    report = infer(run, InferOptions(model=(blur_network,), engine="torch"))
    after = {p.name: p.stat().st_mtime_ns for p in (run / "blocks").glob("*.tif")}
    same = [name for name in before if before[name] == after[name]]
    assert 0 < report.computed < report.blocks
    assert len(same) >= len(before) // 2
    mosaic(run, MosaicOptions(vectors=False))
    fresh = tmp_path / "fresh"
    write_sheet(tmp_path / "whole.tif", image)
    tile([tmp_path / "whole.tif"], fresh, TileOptions(block_size=64))
    infer(fresh, InferOptions(model=(blur_network,), engine="torch"))
    mosaic(fresh, MosaicOptions(vectors=False))
    if side in ("east", "south"):  # the same anchor, so the same lattice
        assert np.array_equal(pixels_of(run), pixels_of(fresh))
    else:  # another anchor: classes agree but for a few near ties in the tapers
        assert (pixels_of(run)[0] == pixels_of(fresh)[0]).mean() > 0.999


def test_what_lies_far_away_changes_no_feature(tmp_path, blur_network):
    """Two towns in one run have the features of each town alone; their windows even overlap."""
    image = photo(210, 240)
    town = [
        write_sheet(tmp_path / "in/a.tif", image),
        write_sheet(tmp_path / "in/b.tif", image, place=moved(PLACE, 2000, 2100)),
    ]
    other = [write_sheet(tmp_path / "in/c.tif", image[:, :, ::-1], place=moved(PLACE, 1000, 1200))]
    run = tmp_path / "run"
    found = {}
    for name, sheets in (("both", [*town, *other]), ("town", town[:1]), ("far", town[1:]), ("other", other)):
        tile(sheets, run, TileOptions(block_size=64))  # the grid stays where the first one put it
        infer(run, InferOptions(model=(blur_network,), engine="torch"))
        mosaic(run)
        found[name] = polygons_of(run)
        facts = json.loads((run / "run.json").read_text())["coverage"]
        assert (facts["districts"], facts["gap"], facts["overlap"]) == (3 if name == "both" else 1, 0, 0)
    assert found["both"] == sorted(found["town"] + found["far"] + found["other"])
    assert found["town"]


# --- 4. vectors are exact


def test_polygons_rasterise_back_to_the_class_raster(reference):
    run = reference[2]
    classes, place = class_raster(run)
    mosaic(run, MosaicOptions(min_area=0.0, exact=True))
    path = next((run / "out").glob("*_exact.gpkg"))
    shapes = []
    for layer in geopandas.list_layers(path).name:
        if layer != "layer_styles":
            frame = geopandas.read_file(path, layer=layer)
            assert frame.geometry.is_valid.all()
            shapes += list(zip(frame.geometry, frame["class_id"], strict=True))
    back = rasterize(shapes, out_shape=classes.shape, transform=place, fill=255, dtype="uint8")
    assert np.array_equal(back, classes)
    total = sum(shape.area for shape, _ in shapes)
    assert total == pytest.approx((classes != 255).sum() * 0.01, rel=1e-9)
