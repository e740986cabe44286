"""Tasks in this process."""

from __future__ import annotations

import pytest
from plans import a_plan

from geoseg.errors import SheetError
from geoseg.runfolder.folder import Run
from geoseg.work.local import LOCAL
from geoseg.work.task import Fence, Task


def _never(fence: Fence, settings: object) -> object:
    raise AssertionError("`here` makes the context")


def _act(context: object, item: object, advance) -> object:
    if isinstance(item, Exception):
        raise item
    advance(10)
    return context, item


@pytest.fixture
def fence(tmp_path) -> Fence:
    run = Run(tmp_path)
    run.save(a_plan())
    return Fence.around(run, "key")


def test_tasks_are_done_in_order_with_one_context(fence) -> None:
    made: list[int] = []
    told: list[int] = []
    tasks = [Task(fence, _never, _act, None, k, str(k)) for k in range(4)]
    found = list(LOCAL.map(tasks, here=lambda: made.append(1) or "context", advance=told.append))
    assert found == [(t, ("context", k)) for k, t in enumerate(tasks)]
    assert (made, told) == ([1], [10] * 4)


def test_nothing_to_do_makes_no_context() -> None:
    assert list(LOCAL.map([], here=lambda: 1 / 0)) == []


def test_an_error_ends_it_and_what_comes_after_is_not_begun(fence) -> None:
    tasks = [Task(fence, _never, _act, None, k, str(k)) for k in (0, SheetError("a", "b"), 2)]
    found = LOCAL.map(tasks, here=lambda: "context")
    assert next(found)[1] == ("context", 0)
    with pytest.raises(SheetError):
        next(found)
