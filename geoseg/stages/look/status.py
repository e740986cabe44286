"""geoseg status: how far a run is, from its records alone; those that did not change are not opened again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from geoseg.errors import PlanError
from geoseg.runfolder.at_work import AtWork, at_work
from geoseg.runfolder.folder import Run
from geoseg.runfolder.state import State, state_of

__all__ = ["Status", "status"]


@dataclass(frozen=True)
class Status:
    """How far a run is.

    Attributes:
        sheets: how many.
        quarantined: path, reason and cure of each sheet that was set aside.
        blocks: how many the run has.
        blocks_done: how many of them are up to date.
        finished: whether the outputs are there and up to date.
        next: the command that comes next.
        latest: folder of the night that readers of `latest` see, "" where none was published.
        at_work: who works on the run now, and how far each is.
    """

    sheets: int
    quarantined: tuple[dict[str, str], ...]
    blocks: int
    blocks_done: int
    finished: bool
    next: str
    latest: str = ""
    at_work: tuple[AtWork, ...] = ()


def status(run: Run | Path) -> Status:
    """Tell how far a run is.

    Raises:
        PlanError: no plan there.
    """
    run = Run.of(run)
    plan = run.plan
    try:
        job = run.job
        state = state_of(run, plan, job)
        done = len(state.fresh)
    except (PlanError, KeyError):  # infer has not ended once, or sheets were added since: count what is there
        state = state_of(run, plan, None)
        done = len(state.records)
    finished = state.complete and _outputs_hold(run, state)
    latest = str(run.latest.resolve()) if run.latest.exists() else ""
    quarantined = tuple(asdict(q) for q in plan.quarantined)
    working = tuple(at_work(run))
    follows = "wait until it is done" if working else _next(run, state, finished)
    return Status(len(plan.sheets), quarantined, len(state.blocks), done, finished, follows, latest, working)


def _next(run: Run, state: State, finished: bool) -> str:
    """The command that comes next."""
    if finished:
        return "nothing: done"
    return f"geoseg mosaic {run.folder}" if state.complete else f"geoseg infer {run.folder}"


def _outputs_hold(run: Run, state: State) -> bool:
    """Tell if the outputs are there, and were made of these blocks."""
    if not run.run_json.exists():
        return False
    made = run.finished
    same = made.get("blocks", {}) == {f"{b[0]}_{b[1]}": state.fresh[b].sha256 for b in state.blocks}
    edited = run.feature_file  # which people may edit in its place
    sizes = {run.folder / name: size for name, size in made.get("files", {}).items()}
    return same and all(_has(path, size) or path == edited for path, size in sizes.items())


def _has(path: Path, size: int) -> bool:
    """Tell if a file is there, as large as it was when it was committed."""
    return path.exists() and path.stat().st_size == size
