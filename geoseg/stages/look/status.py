"""geoseg status: how far a run is, from its records alone; those that have not changed since the last look are not opened again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from geoseg.commit import read_json
from geoseg.errors import PlanError
from geoseg.plan import load_plan
from geoseg.runfolder.job import block_key, load_job
from geoseg.runfolder.records import records_of
from geoseg.stages.planned import plan_blocks

__all__ = ["Status", "status"]


@dataclass(frozen=True)
class Status:
    """Counts of a run, the command that comes next, and the folder of the night that readers of `latest` see ("" where none was published)."""

    sheets: int
    quarantined: tuple[dict[str, str], ...]
    blocks: int
    blocks_done: int
    finished: bool
    next: str
    latest: str = ""


def status(run: Path) -> Status:
    """State of a run.

    Raises:
        PlanError: no plan there.
    """
    plan = load_plan(run)
    blocks = plan_blocks(plan)
    records = records_of(run, blocks)
    try:
        job, _, _ = load_job(run)
        fresh = [records[b] for b in blocks if b in records and records[b].key == block_key(plan, job, b)]
    except (PlanError, KeyError):  # infer has not ended once, or sheets were added since: count what is there
        fresh = list(records.values())
        job = None
    finished = False
    if job is not None and len(fresh) == len(blocks) and (run / "run.json").exists():
        made = read_json(run / "run.json")
        same = made.get("blocks", {}) == {f"{b[0]}_{b[1]}": r.sha256 for b, r in zip(blocks, fresh, strict=True)}
        finished = same and all(_has(run / name, size) for name, size in made.get("files", {}).items())
    link = run / "out" / "latest"
    latest = str(link.resolve()) if link.exists() else ""
    todo = (
        "nothing: done"
        if finished
        else f"geoseg mosaic {run}"
        if job is not None and len(fresh) == len(blocks)
        else f"geoseg infer {run}"
    )
    return Status(
        len(plan.sheets), tuple(asdict(q) for q in plan.quarantined), len(blocks), len(fresh), finished, todo, latest
    )


def _has(path: Path, size: int) -> bool:
    return path.exists() and path.stat().st_size == size
