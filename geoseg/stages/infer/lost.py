"""Sheets that are lost or changed while a run is at work: one that was written again is planned anew, once.

error of a sheet -> the file as it lies there now, on the same grid -> the next revision of the plan
                 -> or, where that fails or it changes again, quarantine: the next run takes it up
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from geoseg.errors import SheetAway, SheetChanged, SheetError, UsageError
from geoseg.options import READ_TIMEOUT
from geoseg.plan import Header, Plan, Sheet
from geoseg.runfolder.folder import Run
from geoseg.runfolder.masks import with_mask
from geoseg.sheets.bands import bands_in_words, without_alpha
from geoseg.sheets.decoder import decoder, sheet_stat
from geoseg.sheets.kinds.addresses import is_remote
from geoseg.sheets.kinds.vrt import vrt_sources
from geoseg.sheets.place import crs_fault, place_sheet

__all__ = ["go_on_without"]

log = logging.getLogger(__name__)

FARTHEST = 100_000.0
"""Metres on the ground that a sheet may have moved when it is written again."""


def go_on_without(run: Run, error: SheetError, seen: Plan, renewed: set[str], patience: float = READ_TIMEOUT) -> None:
    """Save a plan without a sheet that cannot be used any more, or with what has taken its place.

    Nothing is done where another shard has done it already. To be called while the plan is locked.

    Args:
        run: the run folder.
        error: what befell the sheet.
        seen: the plan in which it was.
        renewed: paths that were planned anew before; this one is added.
        patience: seconds that a sheet may take.

    Raises:
        SheetError: the error, where it is not about a sheet of the plan.
        UsageError: no sheet would be left.
    """
    before = next((s for s in seen.sheets if s.path == error.subject), None)
    if before is None:
        raise error
    plan = run.plan
    if before.stat not in [s.stat for s in plan.sheets if s.path == before.path]:
        return
    if isinstance(error, SheetChanged) and before.path not in renewed:
        renewed.add(before.path)
        try:
            run.save(plan.renewed(_as_it_is_now(run, before, plan, patience)))
            log.warning("%s: %s; it is planned anew", error.subject, error.what)
            return
        except SheetError as worse:
            error = worse
    log.error("%s", error)
    changed = plan.without(before.path, error.what, error.cure, lasting=not isinstance(error, SheetAway))
    if not changed.sheets:
        raise UsageError(error.subject, f"{error.what}; no usable sheet is left", error.cure) from error
    run.save(changed)


def _as_it_is_now(run: Run, before: Sheet, plan: Plan, patience: float) -> Sheet:
    """A sheet as its file is now.

    Raises:
        SheetError: it cannot be read, is another kind of image, or lies elsewhere.
    """
    path = Path(before.path)
    stat = sheet_stat(path, patience)
    named = {str(p.parent) for p in vrt_sources(before.header.virtual)} if before.header.virtual else None
    folders = None if named is None else sorted(named)
    header = decoder().header(path, folders=folders, remote=is_remote(path), patience=patience)
    if plan.crs_override or not header.crs or crs_fault(header.crs):
        header = replace(header, crs=before.header.crs)
    if "alpha" not in before.header.meanings:  # it was found to hold data, or the user said so
        header = without_alpha(header)
    if _kind(header) != _kind(before.header):
        what = f"was written again as {_words(header)}; it was {_words(before.header)}"
        raise SheetError(path, what, "run geoseg tile again")
    now = place_sheet(path, header, plan.grid, patience)
    if now.stat != stat:
        raise SheetChanged(path, "is being written", "wait until it is complete, then run the same command again")
    metres = max(abs(a - b) for a, b in zip(_middle(now), _middle(before), strict=True)) * plan.gsd
    if metres > FARTHEST:
        what = f"was written again {metres / 1000:,.0f} km from where it was"
        raise SheetError(path, what, "check its geotransform, then run geoseg tile again")
    return with_mask(run, now, plan, READ_TIMEOUT)


def _kind(header: Header) -> tuple[object, ...]:
    """What must stay for the bands that were chosen to mean the same."""
    return header.georeferenced, header.dtype, header.meanings, header.names


def _words(header: Header) -> str:
    place = "" if header.georeferenced else " without a place"
    return f"{header.dtype} with bands {bands_in_words(header)}{place}"


def _middle(sheet: Sheet) -> tuple[float, float]:
    w = sheet.window
    return w.col_off + w.width / 2, w.row_off + w.height / 2
