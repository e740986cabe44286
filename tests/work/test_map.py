"""Dask's way through a list of tasks: in order or as they come, errors, losses; workers are threads here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from plans import a_plan

from geoseg.errors import EnvironmentFault, GeosegError, PlanError, SheetError
from geoseg.runfolder.folder import Run
from geoseg.work import dask as work
from geoseg.work.dask import DaskExecutor
from geoseg.work.executor import executor
from geoseg.work.task import Fence, Task


@pytest.fixture(scope="module")
def two() -> Iterator[DaskExecutor]:
    """Two workers that are threads of this process."""
    from distributed import Client

    with Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as client:
        yield DaskExecutor(client)


@pytest.fixture
def fence(tmp_path) -> Fence:
    run = Run(tmp_path)
    run.save(a_plan())
    return Fence.around(run, "key")


def _load(fence: Fence, settings: object) -> object:
    return settings


def _act(context: object, item: object, advance) -> object:
    ACTED.append(item)
    if isinstance(item, Exception):
        raise item
    if isinstance(item, float):
        time.sleep(item)
    return item


ACTED: list[object] = []


def _tasks(fence: Fence, *items: object) -> list[Task[object]]:
    return [Task(fence, _load, _act, 0, item, f"part {k}", size=k + 1) for k, item in enumerate(items)]


@pytest.mark.parametrize("ordered", [True, False])
def test_every_task_has_its_outcome_once(two, fence, ordered) -> None:
    told: list[int] = []
    tasks = _tasks(fence, 0.05, *range(1, 30))
    found = list(two.map(tasks, here=lambda: 1 / 0, advance=told.append, ordered=ordered))
    assert sorted(t.name for t, _ in found) == sorted(t.name for t in tasks)
    assert all(t.item == outcome for t, outcome in found)
    assert sum(told) == sum(t.size for t in tasks)
    if ordered:
        assert [t for t, _ in found] == tasks


def test_an_error_of_geosegs_is_an_outcome_that_is_not_tried_again_and_makes_no_progress(two, fence) -> None:
    ACTED.clear()
    told: list[int] = []
    found = dict(
        two.map(_tasks(fence, 1, SheetError("a.tif", "is damaged"), 3), here=lambda: None, advance=told.append)
    )
    kinds = [type(outcome) for outcome in found.values()]
    assert kinds == [int, SheetError, int]
    assert len(ACTED) == 3
    assert sorted(told) == [1, 3]


def test_any_other_error_is_tried_again_and_then_names_the_part(two, fence) -> None:
    ACTED.clear()
    (found,) = two.map(_tasks(fence, ZeroDivisionError("surprise")), here=lambda: None)
    assert isinstance(found[1], PlanError)
    assert "part 0: ZeroDivisionError: surprise" in str(found[1])
    assert len(ACTED) == 1 + work.RETRIES


def test_few_are_under_way_and_none_is_begun_after_one_left(two, fence) -> None:
    ACTED.clear()
    for _, outcome in two.map(_tasks(fence, *[0.01] * 200), here=lambda: None):
        assert outcome == 0.01
        break
    time.sleep(0.2)
    assert len(ACTED) <= 2 * work.AHEAD * two.workers + 1


def test_nothing_to_do(two) -> None:
    assert list(two.map([], here=lambda: None)) == []


class Future:
    """As one of Dask's, with an end of one's choice."""

    def __init__(self, status: str, end: object = None) -> None:
        self.status, self.end = status, end

    def result(self, timeout: float | None = None) -> object:
        if isinstance(self.end, Exception):
            raise self.end
        return self.end

    def exception(self) -> object:
        return self.end


def test_what_becomes_of_a_future(fence) -> None:
    from distributed import KilledWorker

    (task,) = _tasks(fence, 1)
    assert work._outcome(Future("finished", 5), task, final=False) == 5
    lost = work.Lost.RESULT
    assert work._outcome(Future("finished", OSError("gone")), task, final=False) is lost
    assert work._outcome(Future("lost"), task, final=False) is lost
    with pytest.raises(EnvironmentFault, match="was lost"):
        work._outcome(Future("cancelled"), task, final=False)
    killed = KilledWorker("part 0", SimpleNamespace(address="tcp://a"), 3)
    found = work._outcome(Future("error", killed), task, final=True)
    assert isinstance(found, GeosegError)
    assert "more memory" in found.cure


def test_no_workers_and_no_scheduler_are_this_process() -> None:
    with executor() as who:
        assert who.workers == 1
        assert who.max_ram is None


def test_workers_share_the_cores() -> None:
    one, many = work._environment(1), work._environment(10_000)
    assert int(one["GEOSEG_LANES"]) >= int(many["GEOSEG_LANES"]) == 1
