"""Shards: which have ended, which are awaited."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plans import a_plan

from geoseg.runfolder.folder import Run
from geoseg.runfolder.shards import mark_done, shard_name, shards_at_work, shards_done, shards_pending

PLAN = a_plan()


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(tmp_path)


def test_all_shards_of_a_plan_have_ended_when_each_has(run) -> None:
    for index in (2, 0, 1):
        assert not shards_done(run, PLAN, 3)
        mark_done(run, (index, 3), PLAN)
    assert shards_done(run, PLAN, 3)


def test_shards_of_another_plan_or_another_number_do_not_count(run) -> None:
    for index in range(2):
        mark_done(run, (index, 2), PLAN)
    assert not shards_done(run, replace(PLAN, planned="again"), 2)
    assert not shards_done(run, PLAN, 3)
    assert shards_done(run, replace(PLAN, revision=5), 2)  # a sheet set aside meanwhile: the same plan


def test_others_are_awaited_while_one_is_at_work_or_has_ended(run) -> None:
    assert not shards_pending(run, PLAN)
    with run.lock(shard_name((0, 4))):
        assert shards_at_work(run)
        assert shards_pending(run, PLAN)
    assert not shards_at_work(run)
    assert not shards_pending(run, PLAN)
    mark_done(run, (0, 4), replace(PLAN, planned="earlier"))
    assert not shards_pending(run, PLAN)
    mark_done(run, (0, 4), PLAN)
    assert shards_pending(run, PLAN)


def test_names_count_from_one() -> None:
    assert shard_name((0, 4)) == "shard_1_of_4"
