"""geoseg tile: sheets -> plan.json and patches.gpkg.

headers -> usable ones -> one grid -> sheets on it (direct, flipped, warped) -> plan (lattice, blocks) -> run folder

Each step sets aside the sheets that it refuses, with reason and cure; the plan lists them as quarantined.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from geoseg.commit import sweep
from geoseg.errors import UsageError
from geoseg.geometry.grid import Grid, bounding
from geoseg.geometry.ground import metres_per_unit
from geoseg.gis.plan_drawing import draw_plan
from geoseg.models.ensemble import Ensemble, ensemble_of
from geoseg.models.files import load_model
from geoseg.options import TileOptions
from geoseg.plan import (
    Plan,
    Quarantined,
    Sheet,
    disk_needed,
    megapixels,
    memory_needed,
    patch_windows,
    plan_blocks,
)
from geoseg.predict.lattice import fitted_lattice, ratio_of
from geoseg.progress import unheard
from geoseg.runfolder.at_work import watched_by_status
from geoseg.runfolder.contents import recognise
from geoseg.runfolder.folder import Run
from geoseg.runfolder.masks import forget_masks
from geoseg.sheets.listing import Listing, list_sheets
from geoseg.sheets.place import Found
from geoseg.stages.tile import accept
from geoseg.stages.tile.area import area_of
from geoseg.stages.tile.blanks import find_blanks
from geoseg.stages.tile.cautions import cautions
from geoseg.stages.tile.earlier import block_size_of, check_same, lattice_of
from geoseg.stages.tile.grid import choose_grid, crs_wkt
from geoseg.stages.tile.sets import check_one_set

__all__ = ["TileReport", "tile"]

log = logging.getLogger(__name__)

FRESH = 5.0
"""Seconds that another process may take to write a small file of the run that needs no lock."""
FINEST, COARSEST = 1e-3, 1e3
"""Metres on the ground."""


@dataclass(frozen=True)
class TileReport:
    """The plan, its size, and warnings; `disk` and `memory` are rough guesses, in bytes.

    `patches` are those that `infer` scores, if it works with this lattice; `network`: whether the lattice is that of a
    network that was named; `passed_over` says what was not taken out of folders; `came` and `left` count sheets
    that the plan before did not hold, and those that only it held.
    """

    plan: Plan
    patches: int
    blocks: int
    megapixels: float
    disk: float
    memory: float
    warnings: tuple[str, ...]
    network: bool = False
    passed_over: str = ""
    came: int = 0
    left: int = 0


@dataclass(frozen=True)
class Around:
    """What a plan is made for besides its sheets: how they were found, and the networks, None where none is named."""

    listing: Listing
    ensemble: Ensemble | None


def tile(
    sheets: Sequence[Path], run: Run | Path, options: TileOptions | None = None, *, patience: float = 0.0
) -> TileReport:
    """Plan a run: put all sheets on one grid and lay the lattice over them. Sheets that cannot be used are quarantined.

    A run that has a plan keeps its grid, lattice and blocks, and the whole plan where nothing has changed.

    Args:
        sheets: files, folders, patterns and lists.
        run: the run folder; it is made where there is none.
        options: see `TileOptions`.
        patience: seconds to wait for another process that works on the run.

    Raises:
        UsageError: bad options, no usable sheet, or options that contradict the run's plan.
        SheetError: with `strict`, the first sheet that cannot be used.
        Busy: another process works on the run.
    """
    options, run = options or TileOptions(), Run.of(run)
    _check(options)
    ensemble = ensemble_of([load_model(p) for p in options.model]) if options.model else None
    listing = list_sheets(sheets, subfolders=options.subfolders, is_run=Run.lies_in)
    folders = [str(f) for f in listing.searched] if "vrt" in options.allow else None
    headers, refused = accept.read_headers(
        list(listing.paths), options.read_timeout, folders, remote="remote" in options.allow
    )
    with run.lock(patience=patience), watched_by_status(run, "tile", "plan", unheard):
        sweep(run.folder, FRESH)
        sweep(run.locks)
        report = _tile(headers, refused, run, options, Around(listing, ensemble))
        return replace(report, passed_over=listing.said)


def _tile(headers: Found, refused: list[Quarantined], run: Run, options: TileOptions, around: Around) -> TileReport:
    """The stage, step by step, while the run is locked."""
    earlier = None if options.overwrite else run.plan_or_none()
    crs, override = _named_crs(options, earlier)
    alpha = options.alpha or (earlier.alpha if earlier else "auto")
    headers, refused, no_masks = accept.settle_alpha(headers, refused, alpha, earlier, options.read_timeout)
    headers, refused = accept.usable(headers, refused, crs, options.bands, override=override)
    grid = earlier.grid if earlier else choose_grid(headers, crs, options.gsd, options.anchor)
    placed, refused = accept.placed(headers, refused, grid, options.far, options.read_timeout)
    check_one_set(placed, around.listing.searched)
    if earlier is not None:
        placed, refused = _known(placed, refused, run, earlier, options.retry_failed)
    accept.check_left(placed, refused, strict=options.strict)
    plan = replace(_plan(grid, placed, refused, options, earlier), alpha=alpha, crs_override=override)
    plan = find_blanks(
        _with_nodata(_with_lattice(plan, around.ensemble), options, earlier), run, earlier, options.read_timeout
    )
    accept.check_left(list(plan.sheets), list(plan.quarantined), strict=options.strict)
    if earlier is not None and _same(plan, earlier) and run.patches_gpkg.exists():
        return _report(earlier, len(patch_windows(earlier)), around, [])  # the first `tile` has given the warnings
    plan = replace(plan, planned=uuid.uuid4().hex, begun=run.identity or uuid.uuid4().hex)
    run.save(plan)
    forget_masks(run, plan, earlier)
    report = _report(plan, draw_plan(run.patches_gpkg, plan), around, cautions(plan, no_masks))
    before, now = ({s.path for s in p.sheets} for p in (earlier or plan, plan))
    return replace(report, came=len(now - before), left=len(before - now))


def _check(options: TileOptions) -> None:
    """Refuse options that suit no run.

    Raises:
        UsageError: a band below 1, or a GSD that no photo has.
    """
    if options.bands and min(options.bands) < 1:
        raise UsageError("--bands", f"{options.bands}, expected numbers from 1 on", "the first band is 1")
    if options.gsd is not None and not FINEST <= options.gsd <= COARSEST:
        raise UsageError("--gsd", f"{options.gsd} m, expected {FINEST:g} to {COARSEST:g}", "for instance 0.1")


def _named_crs(options: TileOptions, earlier: Plan | None) -> tuple[str, bool]:
    """The CRS (WKT, "" for none) of sheets that have none, and whether it is that of all sheets.

    Raises:
        UsageError: --crs-override without a CRS.
    """
    override = options.crs_override or (earlier is not None and earlier.crs_override)
    if options.crs:
        return crs_wkt(options.crs), override
    if override and earlier is None:
        raise UsageError("--crs-override", "needs --crs", "for instance --crs EPSG:25833 --crs-override")
    return earlier.grid.crs if override and earlier else "", override


def _with_lattice(plan: Plan, ensemble: Ensemble | None) -> Plan:
    """The plan with the patches of a network, those that `infer` will work with; without one, as it is.

    Raises:
        UsageError: patch size or overlap that the network cannot take.
    """
    if ensemble is None:
        return plan
    card = ensemble.card
    ratio = ratio_of(plan.gsd, card, resample=True)  # whether the GSD suits the network is for `infer` to say
    return replace(plan, lattice=fitted_lattice(plan, card, ensemble.margin, ratio))


def _with_nodata(plan: Plan, options: TileOptions, earlier: Plan | None) -> Plan:
    """The plan with the no-data values and rule that the user or the earlier plan gave.

    Raises:
        UsageError: --nodata-everywhere without values.
    """
    values = options.nodata if options.nodata is not None else (earlier.nodata if earlier else ())
    if options.nodata_everywhere and not values:
        raise UsageError("--nodata-everywhere", "needs values", "for instance --nodata 0 --nodata-everywhere")
    if options.nodata_everywhere:
        rule = "everywhere"
    elif options.nodata is not None or earlier is None:
        rule = "none" if options.nodata == () else "blank"
    else:
        rule = earlier.nodata_rule
    return replace(plan, nodata=values, nodata_rule=rule)


def _known(
    placed: list[Sheet], refused: list[Quarantined], run: Run, earlier: Plan, retry: bool
) -> tuple[list[Sheet], list[Quarantined]]:
    """Sheets in the light of the earlier plan: damaged ones stay out unless `retry`, touched ones are recognised."""
    kept, damaged = (placed, []) if retry else accept.still_damaged(placed, earlier)
    return recognise(run, kept, earlier), refused + damaged


def _same(plan: Plan, earlier: Plan) -> bool:
    """Whether nothing but the number of the revision has changed."""
    return replace(plan, revision=earlier.revision, planned=earlier.planned) == earlier


def _report(plan: Plan, patches: int, around: Around, warnings: list[str]) -> TileReport:
    blocks, disk, memory = plan_blocks(plan), disk_needed(plan), memory_needed(plan)
    network = around.ensemble is not None
    return TileReport(plan, patches, len(blocks), megapixels(plan), disk, memory, tuple(warnings), network)


def _plan(
    grid: Grid, placed: list[Sheet], refused: list[Quarantined], options: TileOptions, earlier: Plan | None
) -> Plan:
    """The plan of a new run, or the next revision of an earlier one.

    Raises:
        UsageError: options that contradict the earlier plan, or an area of interest without a sheet.
    """
    sheets, quarantined = tuple(placed), tuple(refused)
    if earlier is None:
        plan = _new_plan(grid, sheets, options)
    else:
        check_same(options, earlier)
        area = area_of(options, grid) if (options.bbox or options.aoi) else earlier.area
        bands = options.bands or earlier.bands
        plan = replace(earlier, sheets=sheets, bands=bands, area=area, revision=earlier.revision + 1)
    if not plan_blocks(plan):
        bounds = ", ".join(f"{v:.2f}" for v in plan.grid.bounds(bounding([s.window for s in plan.sheets])))
        raise UsageError("--bbox, --aoi", "meet no sheet", f"the sheets lie in {bounds} (left, bottom, right, top)")
    return replace(plan, quarantined=quarantined)


def _new_plan(grid: Grid, sheets: tuple[Sheet, ...], options: TileOptions) -> Plan:
    middle = bounding([s.window for s in sheets])
    x, y = grid.transform @ (middle.col_off + middle.width / 2, middle.row_off + middle.height / 2)
    return Plan(
        grid=grid,
        gsd=grid.side * metres_per_unit(grid.crs, x, y),
        lattice=lattice_of(options),
        asked_lattice=options.patch_size is not None or options.overlap is not None,
        block=block_size_of(4096 if options.block_size is None else options.block_size),
        sheets=sheets,
        bands=options.bands,
        area=area_of(options, grid),
    )
