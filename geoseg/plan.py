"""The plan of a run: what `geoseg tile` found and decided. Every later stage starts from it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import shapely
from rasterio.transform import Affine
from rasterio.windows import Window

from geoseg.arrays import Json
from geoseg.geometry.blocks import block_window, blocks_of
from geoseg.geometry.footprint import footprint_reach, kept_patches
from geoseg.geometry.grid import Grid, bounding, overlap
from geoseg.geometry.lattice import Lattice

__all__ = [
    "Header",
    "Plan",
    "Quarantined",
    "Sheet",
    "disk_needed",
    "header_from_json",
    "megapixels",
    "memory_needed",
    "patch_windows",
    "patches_of",
    "plan_blocks",
    "transform_of",
]

_SQUARE = 32
"""Patches along a side of the squares of the lattice that are looked at together."""


@dataclass(frozen=True)
class Sheet:
    """One usable sheet. `mode`: "direct" (on the grid), "flipped" (on the grid, south-up) or "warped" (on the fly).

    `window` is its footprint on the grid. `blanks` is the name of the mask of its blank areas, "" for none. `stat`
    (bytes, nanoseconds of the last change) tells whether the file was written again; `known_as` and `known_path` are
    the stat and the path under which the same bytes were first seen, if the file was only touched, copied or moved.
    """

    path: str
    stat: tuple[int, int]
    header: Header
    crs: str
    mode: str
    window: Window
    blanks: str = ""
    known_as: tuple[int, int] | None = None
    known_path: str | None = None

    @property
    def stem(self) -> str:
        """File name without suffix."""
        return Path(self.path).stem

    @cached_property
    def key(self) -> str:
        """Changes when the file, its place or its use changes."""
        w = self.window
        path, stat = self.known_path or self.path, self.known_as or self.stat
        blanks = f"|{self.blanks}" if self.blanks else ""
        return f"{path}|{stat}|{self.header.fingerprint}|{self.mode}|{w.col_off},{w.row_off}{blanks}"


@dataclass(frozen=True)
class Quarantined:
    """A sheet that was left out, why, and what helps.

    `stat` is given where only reading its pixels showed the damage: the sheet stays out until the file changes.
    """

    path: str
    reason: str
    cure: str
    stat: tuple[int, int] | None = None


@dataclass(frozen=True)
class Plan:
    """Grid, lattice, blocks and sheets of a run.

    `gsd`: metres on the ground per pixel, in the middle of the sheets. `asked_lattice`: the user gave patch size or
    overlap; otherwise the model's own are taken. `block`: side of a block in pixels. `nodata`: pairs of (value,
    tolerance). `nodata_rule`: "everywhere", "blank" (only in blank areas, see `sheets.blank_areas`; without values, in
    sheets that show some) or "none". `masks`: the folder of the sheets' masks. `bands`: 1-based, () for "by meaning".
    `alpha`: "auto", "mask" or "none". `crs_override`: all sheets count as in the grid's CRS. `area`: the area of
    interest as WKT in the grid's CRS, "" for all. `revision` counts every change; `planned` names the last one that
    `tile` made, and stays when a sheet is set aside later. `begun` names the run, and stays in all its revisions.
    """

    grid: Grid
    gsd: float
    lattice: Lattice
    asked_lattice: bool
    block: int
    sheets: tuple[Sheet, ...]
    quarantined: tuple[Quarantined, ...] = ()
    bands: tuple[int, ...] = ()
    nodata: tuple[tuple[float, float], ...] = ()
    nodata_rule: str = "everywhere"
    masks: str = field(default="", compare=False)
    area: str = ""
    alpha: str = "auto"
    crs_override: bool = False
    revision: int = 1
    planned: str = ""
    begun: str = ""

    @property
    def identity(self) -> str:
        """Names the run: the same in all revisions of its plan."""
        return self.begun or self.planned or "unnamed"  # plans of earlier versions lack it

    @cached_property
    def _index(self) -> shapely.STRtree:
        """The sheets by place: a run may have ten thousand, and each block asks for the few that it meets."""
        windows = [(s.window.col_off, s.window.row_off, s.window.width, s.window.height) for s in self.sheets]
        left, top, width, height = np.array(windows, float).reshape(-1, 4).T
        return shapely.STRtree(shapely.box(left, top, left + width, top + height))

    @cached_property
    def extent(self) -> Window:
        """Bounding window of all sheets, cut to the area of interest."""
        whole = bounding([s.window for s in self.sheets])
        if not self.area:
            return whole
        return overlap(whole, self.grid.covering(*shapely.from_wkt(self.area).bounds)) or whole

    @property
    def seen(self) -> list[Window]:
        """The parts of the sheets within that extent."""
        return [part for s in self.sheets if (part := overlap(s.window, self.extent)) is not None]

    def meeting(self, window: Window) -> list[Sheet]:
        """The sheets that share a pixel with a window, in the plan's order."""
        left, top = window.col_off, window.row_off
        near = self._index.query(shapely.box(left, top, left + window.width, top + window.height))
        return [s for i in sorted(near.tolist()) if overlap((s := self.sheets[i]).window, window)]

    def footprint(self, window: Window) -> list[Window]:
        """The windows of the sheets that share a pixel with a window."""
        return [s.window for s in self.meeting(window)]

    @property
    def values_everywhere(self) -> tuple[tuple[float, float], ...]:
        """No-data values that count wherever they are."""
        return self.nodata if self.nodata_rule == "everywhere" else ()

    def without(self, path: str, reason: str, cure: str, *, lasting: bool = True) -> Plan:
        """The next revision, with one sheet moved to quarantine; until its file changes, if that is `lasting`."""
        stat = next((s.stat for s in self.sheets if s.path == path and lasting), None)
        return replace(
            self,
            sheets=tuple(s for s in self.sheets if s.path != path),
            quarantined=(*self.quarantined, Quarantined(path, reason, cure, stat)),
            revision=self.revision + 1,
        )

    def renewed(self, sheet: Sheet) -> Plan:
        """The next revision, with a sheet that was written again in the place of the one of its path."""
        sheets = tuple(sheet if s.path == sheet.path else s for s in self.sheets)
        return replace(self, sheets=sheets, revision=self.revision + 1)


@dataclass(frozen=True)
class Header:
    """The header of a sheet: all that it says of itself before any pixel is read.

    `crs`: WKT, "" for none. `transform`: the numbers (a, b, c, d, e, f) of an `Affine`. `meanings`: the colour
    interpretation of each band, lower case. `mask`: "none", "internal", "external" or "alpha"; `mask_stat`: the stat
    key of an external one. `block`: (rows, columns) of a block of the file. `names`: what the file calls each band, ()
    where it names none. `virtual`: the checked text of a virtual raster, "" for other files.
    """

    width: int
    height: int
    bands: int
    dtype: str
    crs: str
    transform: tuple[float, float, float, float, float, float]
    georeferenced: bool
    nodata: float | None
    meanings: tuple[str, ...]
    mask: str
    block: tuple[int, int]
    mask_stat: tuple[int, int] | None = None
    names: tuple[str, ...] = ()
    virtual: str = ""

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all of it."""
        return hashlib.sha256(repr(asdict(self)).encode()).hexdigest()[:16]


def header_from_json(value: Json) -> Header:
    """The header that `dataclasses.asdict` wrote as JSON, where tuples become lists."""
    tuples: Json = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
    return Header(**tuples)


def transform_of(header: Header) -> Affine:
    """The header's geotransform: pixel (col, row) to (x, y) in its CRS."""
    return Affine(*header.transform)


def plan_blocks(plan: Plan) -> list[tuple[int, int]]:
    """Blocks (row, column) that hold at least one pixel of a sheet inside the area of interest, in order."""
    blocks = blocks_of((s.window for s in plan.sheets), plan.block)
    if not plan.area:
        return blocks
    area = shapely.from_wkt(plan.area)
    shapely.prepare(area)
    return [b for b in blocks if area.intersects(shapely.box(*plan.grid.bounds(block_window(b, plan.block))))]


def patch_windows(plan: Plan) -> list[tuple[int, int]]:
    """(row, column) of all patches that are scored for the sheets inside the area of interest, in order."""
    found = patches_of(plan, plan.lattice, (s.window for s in plan.sheets))
    if plan.area:
        area = shapely.from_wkt(plan.area)
        shapely.prepare(area)
        found = {p for p in found if area.intersects(shapely.box(*plan.grid.bounds(plan.lattice.window(*p))))}
    return sorted(found)


def patches_of(plan: Plan, lattice: Lattice, windows: Iterable[Window]) -> set[tuple[int, int]]:
    """(row, column) of the patches of a lattice that are kept (`geometry.footprint`) and reach one of some windows."""
    near: dict[tuple[int, int], set[tuple[int, int]]] = defaultdict(set)
    for w in windows:
        for row in lattice.touching(w.row_off, w.row_off + w.height):
            for col in lattice.touching(w.col_off, w.col_off + w.width):
                near[row // _SQUARE, col // _SQUARE].add((row, col))
    found: set[tuple[int, int]] = set()
    for (row, col), patches in near.items():
        rows, cols = (range(n * _SQUARE, (n + 1) * _SQUARE) for n in (row, col))
        kept = kept_patches(lattice, plan.footprint(footprint_reach(lattice, rows, cols)), rows, cols)
        found.update((r, c) for r, c in patches if kept[r - rows.start, c - cols.start])
    return found


def megapixels(plan: Plan) -> float:
    """Pixels of all sheets in millions; where sheets overlap they count twice."""
    return float(sum(s.window.width * s.window.height for s in plan.sheets) / 1e6)


def disk_needed(plan: Plan) -> float:
    """Bytes that blocks and outputs of a run take on disk, roughly: 2.5 for each pixel."""
    return 2.5e6 * megapixels(plan)


def memory_needed(plan: Plan) -> float:
    """Bytes that `infer` will need with a small network of six classes: a strip as wide as a panel, and its rows."""
    whole = bounding([s.window for s in plan.sheets])
    header = plan.sheets[0].header
    side = plan.lattice.patch if plan.asked_lattice else 1536  # what networks usually want
    pixel = side * (3 * len(header.meanings) * np.dtype(header.dtype).itemsize + 4 * 6) + 4 * plan.block
    return float(0.95e9 + min(whole.width, 32_768) * pixel)
