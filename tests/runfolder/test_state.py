"""Which blocks are fresh, in every situation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plans import a_job, a_plan, a_sheet, touched, write_blocks
from rasterio.windows import Window

from geoseg.geometry.lattice import Lattice
from geoseg.models.facts import EngineFacts, Normalise
from geoseg.plan import plan_blocks
from geoseg.runfolder.folder import Run
from geoseg.runfolder.job import Job
from geoseg.runfolder.state import state_of

NEAR, FAR = a_sheet("near"), a_sheet("far", Window(640, 0, 100, 80))
PLAN = a_plan(NEAR, FAR)
JOB = a_job(PLAN)


@pytest.fixture
def run(tmp_path) -> Run:
    """A run all of whose blocks are committed."""
    run = Run(tmp_path)
    write_blocks(run, PLAN, JOB, plan_blocks(PLAN))
    return run


def stale(run: Run, plan=PLAN, job: Job | None = JOB) -> set[tuple[int, int]]:
    return set(state_of(run, plan, job).stale)


ALL = set(plan_blocks(PLAN))
HERE = {b for b in ALL if b[1] < 4}
THERE = ALL - HERE


def test_what_was_committed_with_the_same_key_is_fresh(run) -> None:
    state = state_of(run, PLAN, JOB)
    assert state.complete
    assert state.stale == []
    assert set(state.fresh) == set(state.records) == set(state.blocks) == ALL
    assert list(state.blocks) == plan_blocks(PLAN)


def test_where_nothing_is_known_or_nothing_is_there_all_is_stale(run, tmp_path) -> None:
    assert stale(run, job=None) == ALL
    assert stale(Run(tmp_path / "empty")) == ALL
    assert not state_of(run, PLAN, None).complete


@pytest.mark.parametrize(
    "facts",
    [
        {"lattice": Lattice(64, 16, 4)},
        {"lattice": Lattice(64, 32)},
        {"facts": EngineFacts("torch", "bf16", "cpu", 1, "none", "1")},
        {"facts": EngineFacts("openvino", "f32", "cpu", 1, "none", "1")},
        {"facts": EngineFacts("torch", "f32", "cpu", 2, "none", "1")},
        {"facts": EngineFacts("torch", "f32", "cpu", 1, "flip", "1")},
        {"facts": EngineFacts("torch", "f32", "cpu", 1, "none", "1/2")},
        {"models": (("/nowhere/net.pt", "abd"),)},
        {"normalise": Normalise(np.ones(3, np.float32), np.ones(3, np.float32))},
        {"normalise": Normalise(np.zeros(3, np.float32), np.full(3, 2, np.float32))},
        {"probabilities": True},
    ],
    ids=lambda f: next(iter(f)),
)
def test_another_job_makes_every_block_stale(run, facts) -> None:
    assert stale(run, job=replace(JOB, **facts)) == ALL


def test_where_a_model_lies_does_not_count(run) -> None:
    assert stale(run, job=replace(JOB, models=(("/elsewhere/net.pt", "abc"),))) == set()


@pytest.mark.parametrize("facts", [{"nodata": ((0.0, 0.0),)}, {"block": 128}], ids=lambda f: next(iter(f)))
def test_another_plan_makes_every_block_stale(run, facts) -> None:
    plan = replace(PLAN, **facts)
    assert stale(run, plan) == set(plan_blocks(plan))


@pytest.mark.parametrize(
    "facts", [{"revision": 7}, {"planned": "again"}, {"bands": (1, 2, 3)}], ids=lambda f: next(iter(f))
)
def test_what_a_plan_only_says_of_itself_makes_nothing_stale(run, facts) -> None:
    """Bands count where the job has made them those of a sheet."""
    assert stale(run, replace(PLAN, **facts)) == set()


def test_a_sheet_that_was_written_again_makes_stale_what_it_reaches_and_no_more(run) -> None:
    assert stale(run, replace(PLAN, sheets=(touched(NEAR), FAR))) == HERE
    assert stale(run, replace(PLAN, sheets=(NEAR, touched(FAR)))) == THERE


def test_a_sheet_that_was_only_touched_makes_nothing_stale(run) -> None:
    same = replace(touched(NEAR), known_as=NEAR.stat)
    assert stale(run, replace(PLAN, sheets=(same, FAR))) == set()


@pytest.mark.parametrize("facts", [{"mode": "warped"}, {"window": Window(0, 1, 100, 80)}], ids=lambda f: next(iter(f)))
def test_a_sheet_that_lies_otherwise_makes_stale_what_it_reaches(run, facts) -> None:
    assert stale(run, replace(PLAN, sheets=(replace(NEAR, **facts), FAR))) >= HERE


def test_other_bands_of_a_sheet_make_stale_what_it_reaches(run) -> None:
    assert stale(run, job=replace(JOB, bands={**JOB.bands, NEAR.path: (3, 2, 1)})) == HERE


def test_a_sheet_that_goes_makes_stale_what_it_reached(run) -> None:
    wide = a_plan(NEAR, a_sheet("beside", Window(100, 0, 28, 80)), FAR)
    write_blocks(run, wide, a_job(wide), plan_blocks(wide))
    assert stale(run, PLAN) == HERE


def test_the_order_of_sheets_that_overlap_counts(run) -> None:
    over = a_plan(NEAR, a_sheet("over"), FAR)
    write_blocks(run, over, a_job(over), plan_blocks(over))
    assert stale(run, replace(over, sheets=(over.sheets[1], NEAR, FAR)), a_job(over)) == HERE


@pytest.mark.parametrize("harm", ["gone", "cut", "no record", "half a record"])
def test_a_block_that_was_harmed_is_stale(run, harm) -> None:
    raster = Path(run.blocks / "0_0.tif")
    record = raster.with_suffix(".json")
    if harm == "gone":
        raster.unlink()
    elif harm == "cut":
        raster.write_bytes(raster.read_bytes()[:-1])
    elif harm == "no record":
        record.unlink()
    else:
        record.write_bytes(record.read_bytes()[:40])
    assert stale(run) == {(0, 0)}


def test_some_blocks_can_be_asked_for_alone(run) -> None:
    state = state_of(run, PLAN, JOB, [(0, 0), (9, 9)])
    assert state.blocks == ((0, 0), (9, 9))
    assert state.stale == [(9, 9)]
