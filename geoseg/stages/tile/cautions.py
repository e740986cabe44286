"""What a plan has that its user should hear of before hours of computing."""

from __future__ import annotations

import math
from pathlib import Path

from geoseg.geometry.grid import bounding, same_crs
from geoseg.geometry.ground import shift_accuracy
from geoseg.geometry.scatter import touching_groups
from geoseg.plan import Plan
from geoseg.sheets.blank_areas import LARGE
from geoseg.sheets.place import crs_name, degrees_of

__all__ = ["cautions"]


def cautions(plan: Plan, no_masks: list[tuple[Path, str]]) -> list[str]:
    """Alpha bands that are none, sheets that will be warped, and areas that are taken for no data."""
    warnings = []
    if no_masks:
        path, bands = no_masks[0]
        warnings.append(
            f"the alpha band of {len(no_masks)} sheets holds many values, so it is no mask but data (first: {path}:"
            f" {bands}); if it is a mask, run tile again with --alpha mask"
        )
    warped = [s for s in plan.sheets if s.mode == "warped"]
    if warped:
        what = "sheets are off the grid and will be warped on the fly"
        warnings.append(f"{len(warped)} of {len(plan.sheets)} {what} (first: {warped[0].path})")
    warnings += _said_shifts(plan)
    warnings += _said_groups(plan)
    if plan.nodata_rule == "blank" and not plan.nodata:
        warnings += _said_blanks(plan)
    return warnings


def _said_shifts(plan: Plan) -> list[str]:
    """Sheets that another datum may put off by more than half a pixel."""
    warnings = []
    for crs in dict.fromkeys(s.crs for s in plan.sheets if not same_crs(s.crs, plan.grid.crs)):
        first = next(s for s in plan.sheets if s.crs == crs)
        accuracy = shift_accuracy(crs, plan.grid.crs, *degrees_of(first))
        if accuracy is None or accuracy > plan.gsd / 2:
            known = "an accuracy that nobody knows" if accuracy is None else f"an accuracy of {accuracy:g} m"
            warnings.append(
                f"sheets in {crs_name(crs)} are laid on {crs_name(plan.grid.crs)} by a change of datum with {known}, so"
                f" they may lie that far off (first: {first.path})"
            )
    return warnings


def _said_groups(plan: Plan) -> list[str]:
    """Sheets so far apart that `mosaic` will write rasters for each group of them."""
    groups = touching_groups(plan.seen)
    if len(groups) < 2:
        return []
    whole = bounding(groups)
    far = math.hypot(whole.width, whole.height) * plan.gsd / 1000
    return [
        f"the sheets lie in {len(groups)} groups over {far:,.0f} km, so mosaic will write rasters for each group; if a"
        " sheet is misplaced, set it aside with --far 100km"
    ]


def _said_blanks(plan: Plan) -> list[str]:
    """What was taken for no data although nobody said so."""
    blank = [s for s in plan.sheets if s.blanks]
    if not blank:
        return []
    return [
        f"{len(blank)} sheets hold white or black areas that reach their edge or are larger than {LARGE:g} m2, which"
        f" are taken for no data (first: {blank[0].path}); if they are photographed, run tile again with --nodata none"
    ]
