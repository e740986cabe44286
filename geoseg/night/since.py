"""What changed since the night before: changes.gpkg, changes.html and changes.json in the folder of a published night.

the two nights -> compare -> a section in the night's report -> changes.json (written last: with it, it is done)
"""

from __future__ import annotations

import logging
from pathlib import Path

from geoseg.arrays import Json
from geoseg.commit import commit_bytes, commit_json, read_json
from geoseg.errors import PlanError, SheetError, UsageError
from geoseg.gis.report import with_changes
from geoseg.night.catalogue import REPORT
from geoseg.night.publish import nights
from geoseg.runfolder.folder import Run
from geoseg.stages.changes import CHANGES_GPKG, compare

__all__ = ["changes_since"]

log = logging.getLogger(__name__)

DONE = "changes.json"


def changes_since(run: Run, folder: Path) -> Json:
    """Compare a published night with the one before it; what is there already is not made again.

    Returns:
        `old`, `changes` (numbers by layer and kind) and `said` (a line for each layer); empty where there is no night
        before, or none on this grid.

    Raises:
        GeosegError: whatever `compare` raises, but for nights that cannot be compared: that is only logged.
    """
    places = [night.folder for night in nights(run)]
    at = places.index(folder) if folder in places else 0
    if not at:
        return {}
    done = folder / DONE
    if not done.is_file():
        try:
            found = compare(places[at - 1], folder, folder / CHANGES_GPKG)
        except (UsageError, SheetError, PlanError) as error:
            log.warning("what changed since %s is not known: %s", places[at - 1].name, error)
            return {}
        _into_report(folder / REPORT, found.old, found.said())
        commit_json(done, {**found.to_json(), "said": found.said()})
    value = read_json(done)
    return {name: value[name] for name in ("old", "changes", "said")}


def _into_report(report: Path, old: str, said: list[str]) -> None:
    """Say it in the night's report; that of the run, which may be the same file, stays as it is."""
    if report.is_file():
        commit_bytes(report, with_changes(report.read_text("utf-8"), f"Since {old}", said).encode())
