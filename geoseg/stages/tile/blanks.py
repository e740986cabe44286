"""The blank areas of all sheets of a plan: looked for once in each version of a file."""

from __future__ import annotations

from dataclasses import replace

from geoseg.plan import Plan, Sheet
from geoseg.runfolder.folder import Run
from geoseg.runfolder.masks import forget_masks, with_mask

__all__ = ["find_blanks"]


def find_blanks(plan: Plan, run: Run, earlier: Plan | None, read_timeout: float) -> Plan:
    """The plan with a mask for each sheet that has blank areas.

    Args:
        plan: its rule says what counts.
        run: keeps the masks.
        earlier: plan whose masks are kept where file and rule are the same.
        read_timeout: seconds that a sheet may take for 16 MB of pixels.
    """
    known: dict[tuple[str, tuple[int, int], str], Sheet] = {}
    if earlier is not None and (earlier.nodata, earlier.nodata_rule) == (plan.nodata, plan.nodata_rule):
        known = {(s.path, s.stat, s.header.mask): s for s in earlier.sheets}

    def looked_at(sheet: Sheet) -> Sheet:
        before = known.get((sheet.path, sheet.stat, sheet.header.mask))
        if before is not None and (not before.blanks or (run.masks / before.blanks).is_file()):
            return replace(sheet, blanks=before.blanks)
        return with_mask(run, sheet, plan, read_timeout)

    sheets = tuple(looked_at(s) for s in plan.sheets)
    found = replace(plan, sheets=sheets, masks=str(run.masks))
    forget_masks(run, found)
    return found
