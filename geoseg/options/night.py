"""Options of a night: who computes, and what becomes of its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from geoseg import parse
from geoseg.errors import UsageError
from geoseg.options.option import option

__all__ = ["NightOptions", "WorkOptions"]


@dataclass(frozen=True)
class WorkOptions:
    """Who computes: this process, a local Dask cluster, a scheduler of yours, or one shard of several."""

    workers: int = option(
        0, "Processes of a local Dask cluster [default: none].", least=0, results=False, group="Computing"
    )
    scheduler: str = option(
        "",
        "A Dask scheduler of yours: tcp://HOST:8786, tls://HOST:8786.",
        metavar="ADDR",
        results=False,
        group="Computing",
    )
    shard: tuple[int, int] | None = option(
        None,
        "Only this share of the blocks: 1/4, or auto in a job array (Slurm, AWS Batch; auto/N in Kubernetes).",
        metavar="I/N",
        key="",
        read=parse.shard,
        results=False,
        group="Computing",
    )

    def __post_init__(self) -> None:
        if self.shard and (self.workers or self.scheduler):
            what = "together with --workers or --scheduler"
            raise UsageError("--shard", what, "choose one way to share the work out")
        if self.workers and self.scheduler:
            raise UsageError("--workers", "together with --scheduler", "the scheduler has workers of its own")


@dataclass(frozen=True)
class NightOptions:
    """A night as a whole: whether it is published, what stays of earlier ones, and who is told how it ended."""

    date: str = option(
        "",
        "Keep the outputs as out/DATE and switch out/latest to them: 2026-11-21 or today.",
        metavar="DATE",
        key="",
        read=parse.day,
        group="Nights",
    )
    quarantine_ok: bool = option(
        False,
        "Exit code 0 instead of 3 where sheets were quarantined.",
        key="",
        results=False,
        group="Messages and exit code",
    )
    dry_run: bool = option(
        False, "Only say what is new, changed or stale, and its cost.", key="", results=False, group="Nights"
    )
    metrics: Path | None = option(
        None,
        "Write a Prometheus textfile at the end.",
        metavar="FILE",
        read=parse.path,
        results=False,
        group="Messages and exit code",
    )
    log_json: bool = option(
        False, "Log lines as JSON, also what each stage did.", key="", results=False, group="Messages and exit code"
    )
    publish: bool = option(
        False, "Publish each night under its date, as --date today.", flags=(), results=False, group="Nights"
    )
    changes: bool = option(
        False,
        "Say what changed since the night before, in changes.gpkg, the report, metrics and hooks.",
        group="Nights",
    )
    keep: int = option(
        14, "Published nights that stay whatever their age.", flags=(), least=1, results=False, group="Nights"
    )
    keep_days: float = option(
        14, "Published nights younger than this stay too.", flags=(), least=0, results=False, group="Nights"
    )
    success: tuple[str, ...] = option(
        (), "Command that is told of a good end.", flags=(), key="", results=False, group="Messages and exit code"
    )
    failure: tuple[str, ...] = option(
        (), "Command that is told of a bad end.", flags=(), key="", results=False, group="Messages and exit code"
    )
    webhook: str = option(
        "", "Address that is told how it ended.", flags=(), key="", results=False, group="Messages and exit code"
    )
