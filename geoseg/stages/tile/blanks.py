"""The blank areas of all sheets of a plan: looked for once in each version of a file."""

from __future__ import annotations

from dataclasses import replace

from geoseg.errors import SheetError
from geoseg.plan import Plan, Quarantined, Sheet
from geoseg.runfolder.folder import Run
from geoseg.runfolder.masks import with_mask

__all__ = ["find_blanks"]


def find_blanks(plan: Plan, run: Run, earlier: Plan | None, read_timeout: float) -> Plan:
    """The plan with a mask for each sheet that has blank areas; sheets that cannot be read are quarantined.

    Args:
        plan: its rule says what counts.
        run: keeps the masks.
        earlier: plan whose masks are kept where file and rule are the same.
        read_timeout: seconds that a sheet may take for 16 MB of pixels.
    """
    known: dict[object, Sheet] = {}
    if earlier is not None and (earlier.nodata, earlier.nodata_rule) == (plan.nodata, plan.nodata_rule):
        known = {_version(s): s for s in earlier.sheets}

    def looked_at(sheet: Sheet) -> Sheet:
        before = known.get(_version(sheet))
        if before is not None and (not before.blanks or (run.masks / before.blanks).is_file()):
            return replace(sheet, blanks=before.blanks)
        return with_mask(run, sheet, plan, read_timeout)

    sheets, refused = [], []
    for sheet in plan.sheets:
        try:
            sheets.append(looked_at(sheet))
        except SheetError as error:
            refused.append(Quarantined(sheet.path, error.what, error.cure, sheet.stat))
    out = (*plan.quarantined, *refused)
    return replace(plan, sheets=tuple(sheets), quarantined=out, masks=str(run.masks))


def _version(sheet: Sheet) -> object:
    """A version of a sheet's file and of its mask."""
    return sheet.path, sheet.stat, sheet.header.mask, sheet.header.mask_stat
