"""A run brought up to date night after night: what is computed again."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from runs import PLAIN, town_sheet
from support import class_raster, files_of

from geoseg.errors import UsageError
from geoseg.geometry.blocks import block_window
from geoseg.geometry.grid import grown, overlap
from geoseg.night.stages import run_stages
from geoseg.options import InferOptions, MosaicOptions, NightOptions, RunOptions, TileOptions, WorkOptions
from geoseg.plan import plan_blocks
from geoseg.runfolder.folder import Run


def test_a_second_night_writes_nothing_and_says_so(town) -> None:
    _, run, night = town
    night(mosaic=MosaicOptions(name="town"), date="2026-11-20")
    before = files_of(run)
    report = night(mosaic=MosaicOptions(name="town"), date="2026-11-20")
    assert report.infer.computed == 0
    assert report.mosaic.skipped
    assert files_of(run) == before


def test_sheets_that_were_only_touched_make_nothing_stale(town) -> None:
    sheets, _run, night = town
    night()
    for path in sheets.iterdir():
        os.utime(path)
    report = night()
    assert report.infer.computed == 0
    assert report.mosaic.skipped
    assert night().infer.computed == 0


def test_sheets_in_another_folder_make_nothing_stale(town) -> None:
    sheets, run, night = town
    night()
    before = files_of(run / "out")
    there = sheets.rename(sheets.with_name("delivered"))
    options = RunOptions(
        TileOptions(block_size=64),
        InferOptions(model=(Path(Run(run).models[0]["path"]),), engine="torch", precision="f32", threads=1),
        MosaicOptions(name="town", vectors=False),
    )
    for _ in range(2):
        report = run_stages([there], run, options)
        assert report.infer.computed == 0
        assert report.mosaic.skipped
    assert files_of(run / "out") == before
    assert {Path(s.path).parent for s in Run(run).plan.sheets} == {there}


def _reached(run: Path, path: Path) -> set[tuple[int, int]]:
    plan = Run(run).plan
    window = next(s.window for s in plan.sheets if s.path == str(path))
    patch = Run(run).job.lattice.patch
    return {b for b in plan_blocks(plan) if overlap(window, grown(block_window(b, plan.block), patch))}


def test_a_replaced_sheet_costs_the_blocks_that_its_patches_reach(town, tmp_path) -> None:
    sheets, run, night = town
    night()
    changed = town_sheet(sheets, 0, 0, 99)
    report = night()
    assert report.infer.computed == len(_reached(run, changed)) < report.infer.blocks
    night(tmp_path / "anew")
    assert np.array_equal(class_raster(run)[0], class_raster(tmp_path / "anew")[0])


@pytest.mark.parametrize(("col", "row"), [(-1, 0), (0, -1), (3, 1)])
def test_a_sheet_added_in_any_direction_moves_nothing(town, tmp_path, col, row) -> None:
    sheets, run, night = town
    night()
    anchor = Run(run).plan.grid
    added = town_sheet(sheets, col, row, 7)
    report = night()
    assert Run(run).plan.grid == anchor
    assert report.infer.computed == len(_reached(run, added)) < report.infer.blocks
    other = tmp_path / "other"
    shutil.copytree(run, other, ignore=shutil.ignore_patterns("blocks", "out", "run.json"))
    night(other)  # all blocks from scratch, on the same anchor
    assert np.array_equal(class_raster(run)[0], class_raster(other)[0])


def test_a_run_made_anew_on_the_same_anchor_is_the_same(town, tmp_path) -> None:
    """Also where sheets were added to the west and north since: lost run folders can be made again, pixel for pixel."""
    sheets, run, night = town
    night()
    grid = Run(run).plan.grid
    town_sheet(sheets, -1, 0, 7)
    town_sheet(sheets, 0, -1, 8)
    night()
    night(tmp_path / "anew", anchor=(grid.x0 + 0.03, grid.y0 - 0.03))
    assert Run(tmp_path / "anew").plan.grid == grid
    (one, here), (other, there) = class_raster(run), class_raster(tmp_path / "anew")
    assert here == there
    assert np.array_equal(one, other)
    with pytest.raises(UsageError, match="planned with"):
        night(anchor=(grid.x0 + 5, grid.y0))
    with pytest.raises(UsageError, match="the sheets begin at"):
        night(tmp_path / "far", anchor=(1e12, 0.0))


def test_a_sheet_that_goes_leaves_no_pixel(town) -> None:
    sheets, run, night = town
    night()
    before, place = class_raster(run)
    (sheets / "s_2_0.tif").unlink()
    night()
    after, there = class_raster(run)
    assert there == place
    assert (after[:128, 256:] == 255).all()
    assert (before[:128, 256:] != 255).all()


def test_damage_is_remembered_until_the_file_changes(town) -> None:
    sheets, run, night = town
    bad = sheets / "s_1_0.tif"
    whole = bad.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    first = night()
    assert not first.complete
    assert [q.path for q in Run(run).plan.quarantined] == [str(bad)]
    second = night()
    assert not second.complete
    assert second.infer.computed == 0
    assert not night(retry_failed=True).complete  # tried, refused again
    assert [q.path for q in Run(run).plan.quarantined] == [str(bad)]
    bad.write_bytes(whole)
    third = night()
    assert third.complete
    assert third.infer.computed > 0


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_damage_that_the_last_shard_meets_leaves_no_night_without_outputs(town, tmp_path, blur_network, order) -> None:
    """Blocks of a shard that has ended become stale: the last one does them, as a run without the sheet would."""
    sheets, run, _ = town
    inference = InferOptions(model=(blur_network,), engine="torch", precision="f32", threads=1)

    def shard(index: int):
        work, night = WorkOptions(shard=(index, 2)), NightOptions(date="2026-01-01")
        return run_stages([sheets], run, RunOptions(TileOptions(block_size=64), inference, PLAIN, work, night))

    bad = sheets / ("s_1_1.tif" if order[1] else "s_1_0.tif")
    whole = bad.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    first = shard(order[0])
    assert first.mosaic is None
    assert not (run / "run.json").exists()
    last = shard(order[1])
    assert last.mosaic is not None
    assert last.published == run / "out/2026-01-01"
    assert [q.path for q in Run(run).plan.quarantined] == [str(bad)]
    other = tmp_path / "other"
    shutil.copytree(run, other, ignore=shutil.ignore_patterns("blocks", "out", "run.json"))
    run_stages([sheets], other, RunOptions(TileOptions(block_size=64), inference, PLAIN))
    assert np.array_equal(class_raster(run)[0], class_raster(other)[0])


def test_a_broken_webhook_or_metrics_folder_changes_nothing(town, tmp_path, blur_network, geoseg) -> None:
    config = tmp_path / "nightly.yaml"
    config.write_text(
        "sheets: [sheets]\nout: run\ntile: {block_size: 64}\n"
        f"infer: {{model: {blur_network}, engine: torch, precision: f32}}\n"
        "mosaic: {vectors: false}\n"
        "night: {metrics: sheets/s_0_0.tif/m.prom, hooks: {success: [/no/such/program], webhook: 'http://a b/'}}\n"
    )
    assert geoseg("run", config)[0] == 0


def test_what_killed_processes_left_is_gone_after_the_next_start(town) -> None:
    _, run, night = town
    night()
    left = [run / "blocks" / f".{'0' * 12}.tmp", run / "out" / f".{'a' * 12}.tmp.gpkg", run / f".{'b' * 12}.tmp"]
    young = run / "locks" / f".{'c' * 12}.tmp"  # written without a lock, perhaps by a process that is alive
    for path in (*left, young):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - 60,) * 2)
    mine = run / "out" / ".mine.tmp"
    mine.write_bytes(b"somebody's")
    night(mosaic=MosaicOptions(name="town", vectors=False, overwrite=True))
    assert not any(p.exists() for p in left)
    assert young.exists()
    assert mine.exists()
    os.utime(young, (0, 0))
    night()
    assert not young.exists()
