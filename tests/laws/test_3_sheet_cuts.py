"""Guarantee 3: sheet cuts do not show, and growth moves nothing."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine
from rasterio.windows import Window
from runs import photo, pixels_of, polygons_of, whole_run
from support import PLACE, class_raster, moved, write_sheet

from geoseg.geometry.grid import bounding
from geoseg.options import InferOptions, MosaicOptions, TileOptions
from geoseg.plan import plan_blocks
from geoseg.runfolder.blocks import BlockReader
from geoseg.runfolder.folder import Run
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile

EVERYWHERE = Window(-10_000, -10_000, 20_000, 20_000)


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
    one = whole_run(tmp_path / "one", tmp_path / "run1", blur_network, 128)
    many = whole_run(tmp_path / "many", tmp_path / "run2", blur_network, 128)
    assert np.array_equal(pixels_of(one), pixels_of(many))
    assert polygons_of(one) == polygons_of(many)
    whole = class_raster(one)[0]
    for r in range(cuts):
        for c in range(cuts):
            row, col = max(0, edges[0][r] - overlap), max(0, edges[1][c] - overlap)
            own = rasterio.open(many / f"out/sheets/s_{r}_{c}_classes.tif")
            assert own.transform.almost_equals(moved(PLACE, col, row))
            assert np.array_equal(own.read(1), whole[row : row + own.height, col : col + own.width])


@pytest.mark.parametrize("seed", [1, 2])
def test_any_shape_cut_in_two_ways_and_into_other_blocks(tmp_path, blur_network, seed) -> None:
    """Squares of ground drawn at random: one sheet each in blocks of 64 px, or one for each run of them along a row."""
    cell, cells = 47, np.random.default_rng(seed).random((4, 5)) < 0.6
    image = photo(4 * cell, 5 * cell)
    for r, row in enumerate(cells):
        edges = np.flatnonzero(np.diff(np.r_[0, row, 0]))
        for a, b in edges.reshape(-1, 2):
            for kind, ends in (("runs", [(a, b)]), ("squares", [(c, c + 1) for c in range(a, b)])):
                for c0, c1 in ends:
                    part = image[:, r * cell : (r + 1) * cell, c0 * cell : c1 * cell]
                    place = moved(PLACE, c0 * cell, r * cell)
                    write_sheet(tmp_path / kind / f"s_{r}_{c0}.tif", part, place=place)
    found = []
    for kind, block in (("runs", 336), ("squares", 64)):
        run = Run(tmp_path / f"run-{kind}")
        tile([tmp_path / kind], run.folder, TileOptions(block_size=block))
        infer(run, InferOptions(model=(blur_network,), engine="torch", precision="f32"))
        plan = Run(run.folder).plan
        found.append(
            np.stack(BlockReader(run.blocks, plan, plan_blocks(plan)).read(bounding(plan.footprint(EVERYWHERE))))
        )
    assert np.array_equal(*found)
    assert (found[0][0] != 255).sum() == cells.sum() * cell**2


def test_south_up_sheets_keep_their_own_orientation(tmp_path, blur_network):
    image = photo(90, 100)
    write_sheet(tmp_path / "n/s.tif", image)
    south_up = Affine(0.1, 0, PLACE.c, 0, 0.1, PLACE.f - 9.0)
    write_sheet(tmp_path / "s/s.tif", image[:, ::-1], place=south_up)
    one = whole_run(tmp_path / "n", tmp_path / "run1", blur_network, 64)
    two = whole_run(tmp_path / "s", tmp_path / "run2", blur_network, 64)
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
