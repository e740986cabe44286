"""The state of a run: which of its blocks are fresh, committed with the key of all that would go into them now.

This is the only place where that is decided.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from geoseg.geometry.blocks import Block
from geoseg.plan import Plan, plan_blocks
from geoseg.runfolder.blocks import Record, block_key
from geoseg.runfolder.folder import Run
from geoseg.runfolder.job import Job
from geoseg.runfolder.records import records_of

__all__ = ["State", "state_of"]


@dataclass(frozen=True)
class State:
    """The blocks of a plan, in order; the records of those that are committed; the records of those that are fresh."""

    blocks: tuple[Block, ...]
    records: dict[Block, Record]
    fresh: dict[Block, Record]

    @property
    def stale(self) -> list[Block]:
        """Blocks that are missing or out of date, in order."""
        return [b for b in self.blocks if b not in self.fresh]

    @property
    def complete(self) -> bool:
        """Whether every block is fresh."""
        return len(self.fresh) == len(self.blocks)


def state_of(
    run: Run, plan: Plan, job: Job | None, blocks: Iterable[Block] | None = None, *, keep: bool = True
) -> State:
    """The state of a run, or of some of its blocks.

    Args:
        run: the folder with the records.
        plan: the plan; that of a forecast is not the run's own.
        job: the job; None where it is not known, and then nothing is fresh.
        blocks: some blocks; by default all of the plan.
        keep: whether to copy the records into one file, so that the next look is faster.
    """
    chosen = tuple(plan_blocks(plan) if blocks is None else blocks)
    records = records_of(run.blocks, run.ledger_json, chosen, keep=keep)
    fresh = {} if job is None else {b: r for b, r in records.items() if r.key == block_key(plan, job, b)}
    return State(chosen, records, fresh)
