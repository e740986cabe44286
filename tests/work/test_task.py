"""One kind of task, with one fence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plans import a_plan

from geoseg.commit import commit_state
from geoseg.errors import EnvironmentFault, PlanError, SheetError
from geoseg.runfolder.folder import Run
from geoseg.work import task as tasks
from geoseg.work.task import Fence, Task, do, results

# The fence


@pytest.fixture
def run(tmp_path) -> Run:
    run = Run(tmp_path / "run")
    run.save(a_plan())
    return run


def test_a_fence_lets_in_whoever_finds_the_run_as_it_was(run) -> None:
    fence = Fence.around(run, "key")
    fence.enter()
    fence.check()
    assert fence.folder == Run(run.folder.absolute())
    assert fence == Fence.around(Run(run.folder), "key")


def test_another_version_is_refused_before_anything_is_looked_at(run, monkeypatch) -> None:
    fence = Fence.around(run, "key")
    monkeypatch.setattr(tasks, "version", lambda: "9.9")
    with pytest.raises(EnvironmentFault, match="runs geoseg 9.9"):
        fence.enter()


def test_a_worker_that_does_not_see_the_run_says_so(run) -> None:
    fence = Fence.around(run, "key")
    run.plan_json.unlink()
    with pytest.raises(EnvironmentFault, match="cannot be seen by a worker"):
        fence.enter()


def test_a_plan_made_meanwhile_keeps_old_work_out(run) -> None:
    fence = Fence.around(run, "key")
    run.save(replace(run.plan, revision=2))
    for look in (fence.enter, fence.check):
        with pytest.raises(PlanError, match="planned again meanwhile"):
            look()
    Fence.around(run, "key").enter()


def test_a_mosaic_begun_meanwhile_keeps_the_old_one_out_and_a_plan_does_not(run) -> None:
    commit_state(run.mosaic_json, {"attempt": "one"})
    fence = Fence.around(run, "key", "one")
    run.save(replace(run.plan, revision=2))
    fence.enter()
    commit_state(run.mosaic_json, {"attempt": "two"})
    with pytest.raises(PlanError, match="another mosaic has begun"):
        fence.enter()


# Tasks


def _load(fence: Fence, settings: object) -> list[object]:
    LOADED.append(settings)
    return [settings]


def _act(context: list[object], item: object, advance) -> object:
    if isinstance(item, Exception):
        raise item
    advance(1)
    return context[0], item


LOADED: list[object] = []


def test_what_tasks_share_is_loaded_once(run) -> None:
    LOADED.clear()
    fence = Fence.around(run, "key")
    found = [do(Task(fence, _load, _act, "settings", k, f"part {k}")) for k in range(3)]
    assert found == [("settings", k) for k in range(3)]
    assert LOADED == ["settings"]
    do(Task(fence, _load, _act, "other", 0, "part"))
    assert LOADED == ["settings", "other"]


def test_errors_of_geoseg_are_outcomes_and_others_are_raised(run) -> None:
    fence = Fence.around(run, "key")
    error = SheetError("a.tif", "is damaged")
    assert do(Task(fence, _load, _act, 0, error, "part")) is error
    with pytest.raises(ZeroDivisionError):
        do(Task(fence, _load, _act, 0, ZeroDivisionError(), "part"))


def test_outside_the_fence_nothing_is_done(run) -> None:
    LOADED.clear()
    late = Task(Fence.around(run, "key"), _load, _act, "late", 0, "part")
    run.save(replace(run.plan, revision=2))
    assert isinstance(do(late), PlanError)
    assert LOADED == []


def test_the_first_error_among_outcomes_is_raised(run) -> None:
    task = Task(Fence.around(run, "key"), _load, _act, 0, 0, "part")
    found = results([(task, 1), (task, 2), (task, PlanError("x", "y")), (task, SheetError("z", "w"))])
    assert next(found) == 1
    assert next(found) == 2
    with pytest.raises(PlanError):
        next(found)
