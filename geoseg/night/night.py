"""geoseg run: one night.

Sheets and options make a question. Is the last night's answer to it still right?

    yes: nothing to do
    no:  tile -> infer -> mosaic -> out/<date>, latest
    both: metrics, hooks
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from geoseg.errors import UsageError
from geoseg.gis.databases.connection import POSTGIS, check_package
from geoseg.gis.databases.target import Target, holds
from geoseg.models.files import shipped_model
from geoseg.night.listener import QUIET, Listener
from geoseg.night.publish import date_of, prune
from geoseg.night.stamp import Question, question, unchanged
from geoseg.night.tell import Facts, telling
from geoseg.options import MosaicOptions, RunOptions, result_values
from geoseg.parse import file_name
from geoseg.runfolder.folder import Run
from geoseg.runfolder.job import version
from geoseg.sheets.kinds.addresses import is_remote
from geoseg.sheets.listing import list_sheets

if TYPE_CHECKING:
    from geoseg.night.stages import RunReport

__all__ = ["night"]

log = logging.getLogger(__name__)


def night(
    sheets: Sequence[Path],
    run: Run | Path,
    options: RunOptions,
    *,
    listener: Listener = QUIET,
) -> Facts:
    """Bring a run up to date, publish it where that is asked, and tell how it ended.

    Args:
        sheets: files, folders, patterns and lists.
        run: the run folder.
        options: of the whole night.
        listener: hears of the work.

    Returns:
        What happened. Its exit code is 0, or 3 where sheets were quarantined.

    Raises:
        GeosegError: whatever a stage raises; metrics and hooks have been told.
    """
    run = Run.of(run)
    date = date_of(options.night.date or ("today" if options.night.publish else ""))
    options = replace(options, night=replace(options.night, date=date))
    facts = Facts(str(run.folder), date)
    with telling(options.night, facts):
        if options.night.changes and not date:
            cure = "publish each night: --date today, or `publish: true` in the config"
            raise UsageError("--changes", "compares published nights, and this one is not published", cure)
        asked = _asked(sheets, options)
        if not _nothing_new(run, asked, options.mosaic, facts, listener.say):
            listener.begin()
            report = _stages(sheets, run, options, listener, asked)
            _note(facts, report, listener.say)
        if options.night.publish and facts.published:
            for gone in prune(run, options.night.keep, options.night.keep_days * 86400, patience=60):
                listener.say(f"removed {gone}")
    return facts


def _asked(sheets: Sequence[Path], options: RunOptions) -> Question | None:
    """What this night is asked for; None where it must look at everything, does a part only, or will be refused."""
    tiling, aoi = options.tile, options.tile.aoi
    if tiling.overwrite or tiling.retry_failed or options.work.shard or (aoi is not None and aoi.is_dir()):
        return None
    values = {
        f"{stage} {name}": value
        for stage in ("tile", "infer", "mosaic", "night")
        for name, value in result_values(getattr(options, stage)).items()
    }
    paths = list_sheets(sheets, subfolders=tiling.subfolders, is_run=Run.lies_in).paths
    if "remote" not in tiling.allow and any(is_remote(p) for p in paths):
        return None  # `tile` refuses them, and nobody asks their servers
    others = [*(options.infer.model or (shipped_model(),)), *([aoi] if aoi else [])]
    return question(paths, others, {**values, "geoseg": version(), "sheets": list(sheets)}, tiling.read_timeout)


def _nothing_new(
    run: Run, asked: Question | None, outputs: MosaicOptions, facts: Facts, say: Callable[[str], None]
) -> bool:
    """Whether all is as the last night left it, the database too; says so, and what was set aside then."""
    known = None if asked is None else unchanged(run, asked)
    if known is None or not _in_database(run, outputs):
        return False
    for path, reason, cure in known["quarantined"]:
        log.error("%s: %s (%s)", path, reason, cure)
    facts.sheets, facts.quarantined, facts.blocks = known["sheets"], len(known["quarantined"]), known["blocks"]
    facts.exit_code, facts.published = 3 if known["quarantined"] else 0, known["published"]
    facts.changes = known.get("changes", {})
    say(f"nothing to do: {facts.sheets} sheets, {facts.blocks} blocks and all outputs are as the last run left them")
    return True


def _in_database(run: Run, outputs: MosaicOptions) -> bool:
    """Whether the database holds the outputs of a finished run; true where they go into none.

    Raises:
        EnvironmentFault: it cannot be asked.
    """
    if POSTGIS not in outputs.vector_format or not outputs.vectors:
        return True
    check_package()
    name, plan = file_name(outputs.name or run.folder.resolve().name), run.plan
    return holds(Target(name, plan.grid.crs, run.map_key, plan.identity))


def _stages(
    sheets: Sequence[Path], run: Run, options: RunOptions, listener: Listener, asked: Question | None
) -> RunReport:
    """All stages, by whom the options say."""
    from geoseg.night.stages import run_stages  # only now: torch and GDAL take seconds
    from geoseg.work.executor import executor

    work, inference = options.work, options.infer
    with executor(work.workers, work.scheduler, inference.max_ram, inference.device) as who:
        return run_stages(sheets, run, options, listener=listener, executor=who, asked=asked)


def _note(facts: Facts, report: RunReport, say: Callable[[str], None]) -> None:
    """What the stages did."""
    facts.sheets, facts.quarantined = len(report.tile.plan.sheets), len(report.infer.quarantined)
    facts.blocks, facts.computed, facts.seconds = report.infer.blocks, report.infer.computed, report.seconds
    facts.exit_code = 0 if report.complete else 3
    if report.published:
        facts.published = str(report.published)
        say(f"published {report.published}")
    facts.changes = report.changes
    for line in report.changes.get("said", ()):
        say(f"since {report.changes['old']}: {line}")
    facts.partial = report.mosaic is None
    if facts.partial:
        say("this shard is done; the last one to end writes the outputs")
