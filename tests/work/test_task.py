"""One kind of task, with one fence."""

from __future__ import annotations

from geoseg.options import MosaicOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.inputs import load_inputs, mosaic_key
from geoseg.stages.mosaic.work import at_work, load_context, make_sheet
from geoseg.work.local import LOCAL
from geoseg.work.task import Task, do


def test_a_part_of_an_earlier_mosaic_writes_nothing(job, alone, planned) -> None:
    """A worker that was forgotten wakes up after another mosaic has begun."""
    infer(planned, job[1])
    options = MosaicOptions(vectors=False)
    inputs = load_inputs(Run(planned), options)
    late: list[Task] = []
    with at_work(inputs, mosaic_key(inputs, options), options, LOCAL) as work:
        late.append(Task(work.fence, load_context, make_sheet, options, 0, "late"))
    with at_work(inputs, mosaic_key(inputs, options), options, LOCAL):
        assert "another mosaic has begun" in str(do(late[0]))
    assert not (planned / "out" / "sheets").exists()
