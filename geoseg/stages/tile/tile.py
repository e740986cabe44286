"""geoseg tile: sheets -> plan.json and patches.gpkg.

headers -> one grid -> sheets on it (direct, flipped, warped, quarantined) -> lattice and blocks -> plan
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
from geoseg.options import TileOptions
from geoseg.plan import Plan, Quarantined, Sheet, megapixels, memory_needed, patch_windows, plan_blocks
from geoseg.runfolder.contents import recognise
from geoseg.runfolder.folder import Run
from geoseg.sheets.listing import find_sheets
from geoseg.stages.tile import accept
from geoseg.stages.tile.agree import block_size_of, check_same, lattice_of
from geoseg.stages.tile.area import area_of
from geoseg.stages.tile.place import Found, choose_grid, crs_wkt

__all__ = ["TileReport", "tile"]

log = logging.getLogger(__name__)

FINEST, COARSEST = 1e-3, 1e3  # metres on the ground


@dataclass(frozen=True)
class TileReport:
    """What was planned, and what the user should look at; expected bytes of disk and memory are rough."""

    plan: Plan
    patches: int
    blocks: int
    megapixels: float
    disk: float
    memory: float
    warnings: tuple[str, ...]


def tile(
    sheets: Sequence[Path], run: Run | Path, options: TileOptions | None = None, *, patience: float = 0.0
) -> TileReport:
    """Plan a run: put all sheets on one grid and lay the lattice over them; sheets that cannot be used are quarantined.

    A run that has a plan keeps its grid, lattice and blocks, and the whole plan where nothing has changed.

    Args:
        sheets: files, folders, patterns and lists.
        run: the run folder; made where there is none.
        options: see `TileOptions`.
        patience: seconds to wait for another process that works on the run.

    Raises:
        UsageError: bad options, no usable sheet, or options that contradict the run's plan.
        SheetError: with `strict`, the first sheet that cannot be used.
    """
    options, run = options or TileOptions(), Run.of(run)
    if options.bands and min(options.bands) < 1:
        raise UsageError("--bands", f"{options.bands}, expected numbers from 1 on", "the first band is 1")
    if options.gsd is not None and not FINEST <= options.gsd <= COARSEST:
        raise UsageError("--gsd", f"{options.gsd} m, expected {FINEST:g} to {COARSEST:g}", "for instance 0.1")
    paths = find_sheets(sheets)
    found, refused = accept.headers_of(paths, options.read_timeout)
    with run.lock(patience=patience):
        for place in (run.folder, run.locks):
            sweep(place)
        return _tile(found, refused, run, options)


def _tile(found: Found, refused: list[Quarantined], run: Run, options: TileOptions) -> TileReport:
    earlier = None if options.overwrite else run.plan_or_none()
    crs = crs_wkt(options.crs) if options.crs else ""
    found, refused = accept.usable(found, refused, crs, options.bands)
    grid = earlier.grid if earlier else choose_grid(found, crs, options.gsd, options.anchor)
    placed, refused = accept.placed(found, refused, grid)
    if earlier is not None:
        placed, damaged = (placed, []) if options.retry_failed else accept.still_damaged(placed, earlier)
        placed, refused = recognise(run, placed, earlier), refused + damaged
    accept.check_left(placed, refused, strict=options.strict)
    plan = _plan(grid, placed, refused, options, earlier)
    if not plan_blocks(plan):
        bounds = ", ".join(f"{v:.2f}" for v in plan.grid.bounds(bounding([s.window for s in plan.sheets])))
        raise UsageError("--bbox, --aoi", "meet no sheet", f"the sheets lie in {bounds} (left, bottom, right, top)")
    if earlier is not None and _same(plan, earlier) and run.patches_gpkg.exists():
        return _report(earlier, len(patch_windows(earlier)), [])  # what there was to warn of was said the first time
    plan = replace(plan, planned=uuid.uuid4().hex)
    run.save(plan)
    return _report(plan, draw_plan(run.patches_gpkg, plan), _warnings(plan))


def _same(plan: Plan, earlier: Plan) -> bool:
    """Whether nothing has changed but the number of the revision."""
    return replace(plan, revision=earlier.revision, planned=earlier.planned) == earlier


def _report(plan: Plan, patches: int, warnings: list[str]) -> TileReport:
    size = megapixels(plan)
    return TileReport(plan, patches, len(plan_blocks(plan)), size, 2.5e6 * size, memory_needed(plan), tuple(warnings))


def _plan(
    grid: Grid, placed: list[Sheet], refused: list[Quarantined], options: TileOptions, earlier: Plan | None
) -> Plan:
    if earlier is not None:
        check_same(options, earlier)
        area = area_of(options, grid) if (options.bbox or options.aoi) else earlier.area
        return replace(
            earlier,
            sheets=tuple(placed),
            quarantined=tuple(refused),
            nodata=options.nodata or earlier.nodata,
            bands=options.bands or earlier.bands,
            area=area,
            revision=earlier.revision + 1,
        )
    middle = bounding([s.window for s in placed])
    x, y = grid.transform @ (middle.col_off + middle.width / 2, middle.row_off + middle.height / 2)
    return Plan(
        grid=grid,
        gsd=grid.pixel * metres_per_unit(grid.crs, x, y),
        lattice=lattice_of(options),
        asked_lattice=options.patch_size is not None or options.overlap is not None,
        block=block_size_of(4096 if options.block_size is None else options.block_size),
        sheets=tuple(placed),
        quarantined=tuple(refused),
        bands=options.bands,
        nodata=options.nodata,
        area=area_of(options, grid),
    )


def _warnings(plan: Plan) -> list[str]:
    warnings = []
    warped = [s for s in plan.sheets if s.mode == "warped"]
    if warped:
        warnings.append(
            f"{len(warped)} of {len(plan.sheets)} sheets are off the grid and will be warped on the fly (first: {warped[0].path})"
        )
    if not plan.nodata:
        suspects = [(s, kind) for s in plan.sheets if (kind := accept.undeclared_border(s)) is not None]
        for value, spec, word in ((255, "255~12", "white"), (0, "0~3", "black")):
            paths = [s.path for s, kind in suspects if kind == value]
            if paths:
                warnings.append(
                    f"{len(paths)} sheets hold large {word} areas that are not declared as no-data (first: {paths[0]});"
                    f" if they are, run tile again with --nodata {spec} --overwrite"
                )
    return warnings
