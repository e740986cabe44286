"""What decides pixels, and the keys that follow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from plans import a_job, a_plan, a_sheet

from geoseg.models.facts import Normalise
from geoseg.runfolder import job as jobs
from geoseg.runfolder.blocks import block_key

floats = st.floats(-1e4, 1e4, width=32)


@given(st.lists(floats, min_size=3, max_size=3), st.booleans())
def test_equal_jobs_have_equal_keys_and_others_have_not(mean, probabilities) -> None:
    normalise = Normalise(np.array(mean, np.float32), np.ones(3, np.float32))
    one, twin = (a_job(normalise=normalise, probabilities=probabilities) for _ in range(2))
    assert one.key == twin.key
    assert one.key != a_job(normalise=normalise, probabilities=not probabilities).key
    other = Normalise(np.nextafter(normalise.mean, np.float32(1e9)), normalise.std)
    assert one.key != a_job(normalise=other, probabilities=probabilities).key


def test_another_version_of_geoseg_has_another_key(monkeypatch) -> None:
    before = a_job().key
    monkeypatch.setattr(jobs, "version", lambda: "0.0.0")
    assert a_job().key != before


def test_each_block_has_a_key_of_its_own() -> None:
    plan = a_plan()
    job = a_job(plan)
    keys = {block_key(plan, job, (row, col)) for row in range(-2, 3) for col in range(-2, 3)}
    assert len(keys) == 25


@given(st.permutations([0, 1, 2]))
def test_sheets_that_a_block_does_not_see_do_not_count(order) -> None:
    from rasterio.windows import Window

    far = [a_sheet(str(i), Window(100_000 * (i + 1), 0, 100, 80)) for i in order]
    near = a_sheet("near")
    alone, among = a_plan(near), a_plan(*far[:2], near, *far[2:])
    assert block_key(alone, a_job(alone), (0, 0)) == block_key(among, a_job(among), (0, 0))
    assert block_key(replace(alone, revision=9, planned="x"), a_job(alone), (0, 0)) == block_key(
        alone, a_job(alone), (0, 0)
    )
