"""geoseg tile: sheets -> plan.json and patches.gpkg.

headers -> one grid -> sheets on it (direct, flipped, warped, quarantined) -> lattice and blocks -> plan
"""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from rasterio.windows import Window

from geoseg.errors import SheetError, UsageError
from geoseg.geometry.grid import Grid, bounding, same_crs
from geoseg.geometry.ground import metres_per_unit
from geoseg.geometry.lattice import Lattice, block_window, blocks_of
from geoseg.gis.geopackage import Layer, write_geopackage
from geoseg.gis.styles import fill_qml
from geoseg.io.commit import sweep
from geoseg.io.decoder import decoder
from geoseg.io.lease import lease
from geoseg.io.listing import find_sheets
from geoseg.io.plan import Plan, Quarantined, Sheet, load_plan, save_plan
from geoseg.io.sheets import Header
from geoseg.stages.contents import recognised
from geoseg.stages.placing import Found, choose_grid, crs_name, crs_wkt, place_sheet

__all__ = ["TileOptions", "TileReport", "parse_nodata", "plan_blocks", "tile"]

log = logging.getLogger(__name__)

DEFAULT_LATTICE = Lattice(512, 128)
MOST_DRAWN = 300_000
FARTHEST = 100_000.0
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
    found, refused = _headers(paths)
    with lease(run, patience=patience):
        for place in (run, run / "locks"):
            sweep(place)
        return _tile(paths, found, refused, run, options)


def _tile(paths: list[Path], found: Found, refused: list[Quarantined], run: Path, options: TileOptions) -> TileReport:
    earlier = load_plan(run) if (run / "plan.json").exists() and not options.overwrite else None
    crs = crs_wkt(options.crs) if options.crs else ""
    found, nowhere = _georeferenced(found, crs)
    found, aliens = _alike(found, options.bands)
    refused += nowhere + aliens
    if not found:
        raise _nothing_left(paths, refused)
    grid = earlier.grid if earlier else choose_grid(found, crs, options.gsd, options.anchor)
    placed, lost = _placed(found, grid)
    placed, far = _near(placed, grid)
    refused += lost + far
    if earlier is not None:
        placed, damaged = ([*placed], []) if options.retry_failed else _still_damaged(placed, earlier)
        placed, refused = recognised(run, placed, earlier), refused + damaged
    if options.strict and refused:
        first = refused[0]
        raise SheetError(first.path, first.reason, first.cure)
    if not placed:
        raise _nothing_left(paths, refused)
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
    size = _megapixels(plan)
    return TileReport(plan, patches, len(plan_blocks(plan)), size, 2.5e6 * size, _memory(plan), tuple(warnings))


def _still_damaged(placed: list[Sheet], earlier: Plan) -> tuple[list[Sheet], list[Quarantined]]:
    """(sheets to use, sheets set aside): those whose pixels could not be read, and that nobody has written since, stay out."""
    known = {(q.path, q.stat): q for q in earlier.quarantined if q.stat is not None}
    damaged = [known[s.path, s.stat] for s in placed if (s.path, s.stat) in known]
    out = {q.path for q in damaged}
    return [s for s in placed if s.path not in out], damaged


def _nothing_left(paths: list[Path], refused: list[Quarantined]) -> UsageError:
    first = refused[0]
    return UsageError(first.path, f"{first.reason}; none of {len(paths)} sheets can be used", first.cure)


def _quarantined(error: SheetError) -> Quarantined:
    return Quarantined(error.subject, error.what, error.cure)


def _headers(paths: list[Path]) -> tuple[Found, list[Quarantined]]:
    found: Found = []
    refused: list[Quarantined] = []
    for path in paths:
        name = str(path).encode(errors="backslashreplace").decode()
        if name != str(path):
            reason = "has a name that is not UTF-8, which neither JSON nor a GeoPackage can hold"
            refused.append(Quarantined(name, reason, "rename it"))
            continue
        try:
            found.append((path, decoder().header(path)))
        except SheetError as error:
            refused.append(_quarantined(error))
    return found, refused


def _georeferenced(found: Found, crs: str) -> tuple[Found, list[Quarantined]]:
    """Sheets that say where they lie, or are told by --crs."""
    kept: Found = []
    refused: list[Quarantined] = []
    for path, header in found:
        if not header.georeferenced:
            reason = "has no georeference (no geotransform, no .tfw beside it)"
            refused.append(Quarantined(str(path), reason, "add one with gdal_edit -a_ullr, or a .tfw"))
        elif not (header.crs or crs):
            refused.append(Quarantined(str(path), "has no CRS", "name it with --crs EPSG:..."))
        else:
            kept.append((path, replace(header, crs=header.crs or crs)))
    return kept, refused


def _colour_bands(header: Header) -> int:
    return sum(m != "alpha" for m in header.meanings)


def _alike(found: Found, bands: tuple[int, ...]) -> tuple[Found, list[Quarantined]]:
    """Sheets of the majority's data type that hold the bands asked for (or as many as the majority)."""
    if not found:
        return [], []
    dtype = Counter(h.dtype for _, h in found).most_common(1)[0][0]
    count = Counter(_colour_bands(h) for _, h in found if h.dtype == dtype).most_common(1)[0][0]
    kept: Found = []
    refused: list[Quarantined] = []
    for path, header in found:
        if header.dtype != dtype:
            refused.append(
                Quarantined(
                    str(path), f"is {header.dtype}, most sheets are {dtype}", "convert it, or make a run of its own"
                )
            )
        elif bands and max(bands) > header.bands:
            refused.append(
                Quarantined(str(path), f"has {header.bands} bands, --bands asks for band {max(bands)}", "leave it out")
            )
        elif not bands and _colour_bands(header) != count:
            reason = f"has {_colour_bands(header)} bands, most sheets have {count}"
            refused.append(Quarantined(str(path), reason, "pick common bands with --bands, or make a run of its own"))
        else:
            kept.append((path, header))
    return kept, refused


def _placed(found: Found, grid: Grid) -> tuple[list[Sheet], list[Quarantined]]:
    placed: list[Sheet] = []
    refused: list[Quarantined] = []
    for path, header in found:
        try:
            placed.append(place_sheet(path, header, grid))
        except SheetError as error:
            refused.append(_quarantined(error))
    return placed, refused


def _near(placed: list[Sheet], grid: Grid) -> tuple[list[Sheet], list[Quarantined]]:
    """Sheets at most `FARTHEST` metres from the one in their middle: a raster over all others would hold next to nothing."""
    if not placed:
        return [], []
    centres = np.array(
        [(s.window.col_off + s.window.width / 2, s.window.row_off + s.window.height / 2) for s in placed]
    )
    middle = centres[np.abs(centres - np.median(centres, axis=0)).sum(1).argmin()]
    x, y = grid.transform @ tuple(middle)
    metres = np.abs(centres - middle).max(1) * grid.pixel * metres_per_unit(grid.crs, x, y)
    kept = [s for s, m in zip(placed, metres, strict=True) if m <= FARTHEST]
    what, cure = (
        "lies {:,.0f} km from the middle of the others",
        "check its geotransform, or make a run of its own for it",
    )
    refused = [
        Quarantined(s.path, what.format(m / 1000), cure) for s, m in zip(placed, metres, strict=True) if m > FARTHEST
    ]
    return kept, refused


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


def plan_blocks(plan: Plan) -> list[tuple[int, int]]:
    """Blocks that hold at least one pixel of a sheet inside the area of interest."""
    blocks = blocks_of((s.window for s in plan.sheets), plan.block)
    if not plan.area:
        return blocks
    area = shapely.from_wkt(plan.area)
    shapely.prepare(area)
    return [b for b in blocks if area.intersects(shapely.box(*plan.grid.bounds(block_window(b, plan.block))))]


def _megapixels(plan: Plan) -> float:
    return float(sum(s.window.width * s.window.height for s in plan.sheets) / 1e6)


def _memory(plan: Plan) -> float:
    """Bytes that `infer` will need with a small network of six classes: a strip as wide as a panel, and its rows."""
    whole = bounding([s.window for s in plan.sheets])
    header = plan.sheets[0].header
    side = plan.lattice.patch if plan.asked_lattice else 1536  # what networks usually want
    pixel = side * (3 * len(header.meanings) * np.dtype(header.dtype).itemsize + 4 * 6) + 4 * plan.block
    return float(0.95e9 + min(whole.width, 32_768) * pixel)


def patch_windows(plan: Plan) -> list[tuple[int, int]]:
    """(row, column) of all patches that can reach a sheet."""
    found: set[tuple[int, int]] = set()
    lattice = plan.lattice
    for w in (s.window for s in plan.sheets):
        rows = lattice.touching(w.row_off, w.row_off + w.height)
        cols = lattice.touching(w.col_off, w.col_off + w.width)
        found.update((r, c) for r in rows for c in cols)
    if plan.area:
        area = shapely.from_wkt(plan.area)
        shapely.prepare(area)
        found = {p for p in found if area.intersects(shapely.box(*plan.grid.bounds(lattice.window(*p))))}
    return sorted(found)


def draw_plan(run: Path, plan: Plan) -> int:
    """Write patches.gpkg (sheets, blocks, patches as polygons) to look at in QGIS; returns the number of patches."""
    import geopandas

    def frame(windows: list[Window], **columns: object) -> geopandas.GeoDataFrame:
        places = np.array([(w.col_off, w.row_off, w.width, w.height) for w in windows], float).reshape(-1, 4)
        left, top = plan.grid.x0 + places[:, 0] * plan.grid.pixel, plan.grid.y0 - places[:, 1] * plan.grid.pixel
        right, bottom = left + places[:, 2] * plan.grid.pixel, top - places[:, 3] * plan.grid.pixel
        shapes = shapely.box(left, bottom, right, top) if len(places) else []
        return geopandas.GeoDataFrame(columns, geometry=shapes, crs=plan.grid.crs)

    patches, blocks = patch_windows(plan), plan_blocks(plan)
    drawn = patches[:MOST_DRAWN]
    layers = [
        Layer(
            "patches",
            frame([plan.lattice.window(*p) for p in drawn], row=[r for r, _ in drawn], col=[c for _, c in drawn]),
            fill_qml((255, 140, 0), alpha=25, outline=(255, 140, 0), width=0.2),
            f"patches of {plan.lattice.patch} px, overlap {plan.lattice.overlap} px",
        ),
        Layer(
            "blocks",
            frame(
                [block_window(b, plan.block) for b in blocks], row=[r for r, _ in blocks], col=[c for _, c in blocks]
            ),
            fill_qml((0, 0, 0), alpha=0, outline=(40, 40, 160), width=0.5),
            f"output blocks of {plan.block} px",
        ),
        Layer(
            "sheets",
            frame(
                [s.window for s in plan.sheets],
                path=[s.path for s in plan.sheets],
                mode=[s.mode for s in plan.sheets],
                order=list(range(len(plan.sheets))),
            ),
            fill_qml((0, 0, 0), alpha=0, outline=(180, 0, 0), width=0.7),
            "sheets in order: the first valid pixel wins",
        ),
    ]
    write_geopackage(run / "patches.gpkg", layers)
    return len(patches)


def _warnings(plan: Plan, options: TileOptions) -> list[str]:
    warnings = []
    warped = [s for s in plan.sheets if s.mode == "warped"]
    if warped:
        warnings.append(
            f"{len(warped)} of {len(plan.sheets)} sheets are off the grid and will be warped on the fly (first: {warped[0].path})"
        )
    if not plan.nodata:
        suspects = [(s, kind) for s in plan.sheets if (kind := _undeclared_border(s)) is not None]
        for value, spec, word in ((255, "255~12", "white"), (0, "0~3", "black")):
            paths = [s.path for s, kind in suspects if kind == value]
            if paths:
                warnings.append(
                    f"{len(paths)} sheets hold large {word} areas that are not declared as no-data (first: {paths[0]});"
                    f" if they are, run tile again with --nodata {spec} --overwrite"
                )
    return warnings


def _undeclared_border(sheet: Sheet) -> int | None:
    """255 or 0 if a sample of at most three blocks shows a large, nearly white or black area; None otherwise."""
    header = sheet.header
    if (
        header.mask != "none"
        or header.nodata is not None
        or header.dtype != "uint8"
        or min(header.width, header.height) < 32
    ):
        return None
    bands = tuple(i + 1 for i, m in enumerate(header.meanings) if m != "alpha")[:3]
    high, wide = min(512, header.height), min(512, header.width)
    try:
        for row, col in ((0, 0), (0, header.width - wide), (header.height - high, 0)):
            rows, cols = slice(row, row + high), slice(col, col + wide)
            pixels = decoder().read(Path(sheet.path), sheet.stat, bands, rows, cols, 64 << 20)
            edges = pixels[:, 0 if row == 0 else -1], pixels[:, :, 0 if col == 0 else -1]  # the sheet's own
            for value, low, top in ((255, 243, 255), (0, 0, 3)):
                flat, *along = (((p >= low) & (p <= top)).all(0).mean() for p in (pixels, *edges))
                if flat > 0.1 and max(along) > 0.1:
                    return value
    except SheetError as error:
        log.warning("%s", error)
    return None
