"""Shards of a run: which are done, at work, or still to come."""

from __future__ import annotations

from pathlib import Path

from geoseg.commit import commit_json, read_json
from geoseg.plan import Plan
from geoseg.runfolder.folder import Run
from geoseg.runfolder.lease import held_locks

__all__ = ["Shard", "mark_done", "shard_name", "shards_at_work", "shards_done", "shards_pending"]

Shard = tuple[int, int]
"""(number from 0, how many there are)."""


def shard_name(shard: Shard) -> str:
    """The name of a shard's lock."""
    return f"shard_{shard[0] + 1}_of_{shard[1]}"


def _done_path(run: Run, shard: Shard) -> Path:
    return run.locks / f"{shard_name(shard)}.done"


def mark_done(run: Run, shard: Shard, plan: Plan) -> None:
    """Note that a shard of a plan is done."""
    commit_json(_done_path(run, shard), {"planned": plan.planned})


def shards_done(run: Run, plan: Plan, count: int) -> bool:
    """Whether all shards of this plan are done."""
    return all(_belongs_to(_done_path(run, (i, count)), plan) for i in range(count))


def shards_at_work(run: Run) -> bool:
    """Whether a shard is at work now."""
    return bool(held_locks(run.locks, "shard_*"))


def shards_pending(run: Run, plan: Plan) -> bool:
    """Whether a shard is at work, or some of this plan are done, so that others are to follow."""
    return shards_at_work(run) or any(_belongs_to(p, plan) for p in run.locks.glob("shard_*.done"))


def _belongs_to(path: Path, plan: Plan) -> bool:
    return path.exists() and read_json(path).get("planned") == plan.planned
