"""geoseg tile: sheets -> plan.json and patches.gpkg.

headers -> one grid -> sheets on it (direct, flipped, warped, quarantined) -> lattice and blocks -> plan
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import shapely

from geoseg.commit import sweep
from geoseg.errors import SheetError, UsageError
from geoseg.geometry.grid import Grid, bounding, same_crs
from geoseg.geometry.ground import metres_per_unit
from geoseg.geometry.lattice import Lattice
from geoseg.plan import Plan, Quarantined, Sheet, load_plan, save_plan
from geoseg.runfolder.contents import recognised
from geoseg.runfolder.lease import lease
from geoseg.sheets.listing import find_sheets
from geoseg.stages.planned import draw_plan, megapixels, memory_needed, patch_windows, plan_blocks
from geoseg.stages.tile.accept import (
    alike,
    georeferenced,
    headers_of,
    near,
    nothing_left,
    placed_on,
    still_damaged,
    undeclared_border,
)
from geoseg.stages.tile.place import Found, choose_grid, crs_name, crs_wkt

__all__ = ["TileOptions", "TileReport", "parse_nodata", "tile"]

log = logging.getLogger(__name__)

DEFAULT_LATTICE = Lattice(512, 128)
FINEST, COARSEST = 1e-3, 1e3  # metres on the ground


@dataclass(frozen=True)
class TileOptions:
    """Options of `geoseg tile`; the command line's help says what each one means."""

    patch_size: int | None = None
    overlap: str | None = None
    block_size: int | None = None
    bands: tuple[int, ...] = ()
    nodata: tuple[tuple[float, float], ...] = ()
    crs: str = ""
    gsd: float | None = None
    anchor: tuple[float, float] | None = None
    bbox: tuple[float, float, float, float] | None = None
    aoi: Path | None = None
    strict: bool = False
    overwrite: bool = False
    retry_failed: bool = False


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


def tile(sheets: Sequence[Path], run: Path, options: TileOptions | None = None, *, patience: float = 0.0) -> TileReport:
    """Plan a run: put all sheets on one grid and lay the lattice over them; sheets that cannot be used are quarantined.

    A run that has a plan keeps its grid, lattice and blocks, and the whole plan where nothing has changed. `patience`: seconds to wait for another
    process that works on the run.

    Raises:
        UsageError: bad options, no usable sheet, or options that contradict the run's plan.
        SheetError: with `strict`, the first sheet that cannot be used.
    """
    options = options or TileOptions()
    if options.bands and min(options.bands) < 1:
        raise UsageError("--bands", f"{options.bands}, expected numbers from 1 on", "the first band is 1")
    if options.gsd is not None and not FINEST <= options.gsd <= COARSEST:
        raise UsageError("--gsd", f"{options.gsd} m, expected {FINEST:g} to {COARSEST:g}", "for instance 0.1")
    paths = find_sheets(sheets)
    found, refused = headers_of(paths)
    with lease(run, patience=patience):
        for place in (run, run / "locks"):
            sweep(place)
        return _tile(paths, found, refused, run, options)


def _tile(paths: list[Path], found: Found, refused: list[Quarantined], run: Path, options: TileOptions) -> TileReport:
    earlier = load_plan(run) if (run / "plan.json").exists() and not options.overwrite else None
    crs = crs_wkt(options.crs) if options.crs else ""
    found, nowhere = georeferenced(found, crs)
    found, aliens = alike(found, options.bands)
    refused += nowhere + aliens
    if not found:
        raise nothing_left(paths, refused)
    grid = earlier.grid if earlier else choose_grid(found, crs, options.gsd, options.anchor)
    placed, lost = placed_on(found, grid)
    placed, far = near(placed, grid)
    refused += lost + far
    if earlier is not None:
        placed, damaged = ([*placed], []) if options.retry_failed else still_damaged(placed, earlier)
        placed, refused = recognised(run, placed, earlier), refused + damaged
    if options.strict and refused:
        first = refused[0]
        raise SheetError(first.path, first.reason, first.cure)
    if not placed:
        raise nothing_left(paths, refused)
    plan = _plan(grid, placed, refused, options, earlier)
    if not plan_blocks(plan):
        bounds = ", ".join(f"{v:.2f}" for v in plan.grid.bounds(bounding([s.window for s in plan.sheets])))
        raise UsageError("--bbox, --aoi", "meet no sheet", f"the sheets lie in {bounds} (left, bottom, right, top)")
    warnings: list[str] = []
    if (
        earlier is not None
        and replace(plan, revision=earlier.revision, planned=earlier.planned) == earlier
        and (run / "patches.gpkg").exists()
    ):
        plan, patches = (
            earlier,
            len(patch_windows(earlier)),
        )  # nothing new: what there was to warn of was said the first time
    else:
        warnings = _warnings(plan, options)
        plan = replace(plan, planned=uuid.uuid4().hex)
        save_plan(run, plan)
        patches = draw_plan(run, plan)
    size = megapixels(plan)
    return TileReport(plan, patches, len(plan_blocks(plan)), size, 2.5e6 * size, memory_needed(plan), tuple(warnings))


def _plan(
    grid: Grid, placed: list[Sheet], refused: list[Quarantined], options: TileOptions, earlier: Plan | None
) -> Plan:
    if earlier is not None:
        _check_same(options, earlier)
        area = _area(options, grid) if (options.bbox or options.aoi) else earlier.area
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
        lattice=_lattice(options),
        asked_lattice=options.patch_size is not None or options.overlap is not None,
        block=_block_size(4096 if options.block_size is None else options.block_size),
        sheets=tuple(placed),
        quarantined=tuple(refused),
        bands=options.bands,
        nodata=options.nodata,
        area=_area(options, grid),
    )


def _check_same(options: TileOptions, earlier: Plan) -> None:
    """A run keeps its grid, lattice and blocks: options that would change them are refused."""
    old = earlier.lattice
    asked = _lattice(
        replace(options, patch_size=options.patch_size or old.patch, overlap=options.overlap or str(old.overlap))
    )
    lattice = f"{old.patch} px, overlap {old.overlap} px" if earlier.asked_lattice else "the network's own patches"
    same_lattice = earlier.asked_lattice and asked == old
    same_gsd = options.gsd is None or abs(options.gsd / earlier.gsd - 1) <= 0.01
    for name, given, same, planned in (
        ("--patch-size", options.patch_size, same_lattice, lattice),
        ("--overlap", options.overlap, same_lattice, lattice),
        ("--block-size", options.block_size, options.block_size == earlier.block, earlier.block),
        ("--gsd", options.gsd, same_gsd, f"{earlier.gsd:g}"),
        (
            "--anchor",
            options.anchor,
            options.anchor is None or _near_anchor(options.anchor, earlier.grid),
            f"{earlier.grid.x0:.2f},{earlier.grid.y0:.2f}",
        ),
        (
            "--crs",
            options.crs,
            not options.crs or same_crs(crs_wkt(options.crs), earlier.grid.crs),
            crs_name(earlier.grid.crs),
        ),
    ):
        if given and not same:
            what = f"{given}, but this run was planned with {planned}"
            raise UsageError(name, what, "leave it out, name a new run folder, or --overwrite")


def _near_anchor(asked: tuple[float, float], grid: Grid) -> bool:
    """Whether an anchor asked for is the grid's, but for the move to a pixel's corner."""
    return max(abs(asked[0] - grid.x0), abs(asked[1] - grid.y0)) <= 0.51 * grid.pixel


def _block_size(size: int) -> int:
    if size < 16 or size % 16:
        raise UsageError("--block-size", f"{size} px, expected a multiple of 16", "4096 is a good size")
    return size


def _lattice(options: TileOptions) -> Lattice:
    patch = DEFAULT_LATTICE.patch if options.patch_size is None else options.patch_size
    text = (options.overlap or "").strip()
    if not text:
        return Lattice(patch, patch // 4)
    try:
        pixels = round(patch * float(text[:-1]) / 100) if text.endswith("%") else int(text)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            "--overlap", f"{text!r} is not a number of pixels or per cent", "for instance 128 or 25%"
        ) from error
    return Lattice(patch, pixels)


def parse_nodata(text: str) -> tuple[tuple[float, float], ...]:
    """`VALUE[~TOLERANCE][,VALUE..]` as pairs.

    Raises:
        UsageError: not numbers.
    """
    pairs = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        value, _, tolerance = part.partition("~")
        try:
            pairs.append((float(value), float(tolerance or 0)))
        except ValueError as error:
            raise UsageError(
                "--nodata", f"{part!r} is not VALUE or VALUE~TOLERANCE", "for instance 255~12 or 0"
            ) from error
    return tuple(pairs)


def _area(options: TileOptions, grid: Grid) -> str:
    """Area of interest as WKT in the grid's CRS; "" for all."""
    shapes = []
    if options.bbox is not None:
        left, bottom, right, top = options.bbox
        if left >= right or bottom >= top:
            raise UsageError(
                "--bbox",
                f"{options.bbox}, expected left,bottom,right,top in the grid's CRS",
                "left < right, bottom < top",
            )
        shapes.append(shapely.box(left, bottom, right, top))
    if options.aoi is not None:
        shapes.append(_polygons(options.aoi, grid))
    if not shapes:
        return ""
    area = shapes[0] if len(shapes) == 1 else shapely.intersection(shapes[0], shapes[1])
    if area.is_empty:
        raise UsageError("--aoi", "does not meet --bbox", "leave one of them out")
    return str(shapely.to_wkt(area, rounding_precision=6))


def _polygons(path: Path, grid: Grid) -> shapely.Geometry:
    import geopandas
    from pyogrio.errors import DataSourceError

    try:
        frame = geopandas.read_file(path)
    except DataSourceError as error:
        raise UsageError(
            path, f"cannot be read as vector data: {error}", "name a GeoPackage, GeoJSON or Shapefile of polygons"
        ) from error
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise UsageError(path, "holds no geometry", "name a file of polygons")
    if frame.crs is None:
        raise UsageError(path, "has no CRS", "assign one first")
    area = shapely.union_all(frame.to_crs(grid.crs).geometry.make_valid().to_numpy())
    if area.area == 0:
        raise UsageError(path, "holds no polygon", "name a file of polygons")
    return area


def _warnings(plan: Plan, options: TileOptions) -> list[str]:
    warnings = []
    warped = [s for s in plan.sheets if s.mode == "warped"]
    if warped:
        warnings.append(
            f"{len(warped)} of {len(plan.sheets)} sheets are off the grid and will be warped on the fly (first: {warped[0].path})"
        )
    if not plan.nodata:
        suspects = [(s, kind) for s in plan.sheets if (kind := undeclared_border(s)) is not None]
        for value, spec, word in ((255, "255~12", "white"), (0, "0~3", "black")):
            paths = [s.path for s, kind in suspects if kind == value]
            if paths:
                warnings.append(
                    f"{len(paths)} sheets hold large {word} areas that are not declared as no-data (first: {paths[0]});"
                    f" if they are, run tile again with --nodata {spec} --overwrite"
                )
    return warnings
