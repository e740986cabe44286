"""Which blocks of a run are fresh: committed with the key of what would go into them now. The only place where that is decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from geoseg.geometry.blocks import Block
from geoseg.plan import Plan, plan_blocks
from geoseg.runfolder.blocks import Record
from geoseg.runfolder.folder import Run
from geoseg.runfolder.job import Job, block_key
from geoseg.runfolder.records import records_of

__all__ = ["State", "state_of"]


@dataclass(frozen=True)
class State:
    """Blocks that a plan asks for, in order; records of those that are committed; and which of these are `fresh`."""

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
        run: where the records lie.
        plan: what is asked for; a forecast has another one than the run.
        job: what decides the pixels; None where that is not known: then nothing is fresh.
        blocks: all that the plan asks for, by default.
        keep: whether the records may be copied into one file, so that the next look is faster.
    """
    chosen = tuple(plan_blocks(plan) if blocks is None else blocks)
    records = records_of(run.blocks, run.ledger_json, chosen, keep=keep)
    fresh = {} if job is None else {b: r for b, r in records.items() if r.key == block_key(plan, job, b)}
    return State(chosen, records, fresh)
