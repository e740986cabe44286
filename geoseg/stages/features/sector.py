"""Feature layers of a run, district by district and sector by sector: memory does not grow with the number of sheets.

    sheets -> districts (nothing reaches from one to another) -> sectors (anchored squares), in four steps:
    blocks -> clean: small regions gone -> kinds: streets and yards -> codes: what is too large cut -> layers

A step looks at its own core and at what lies around it, as the step before left it. So all sectors agree about the
ground between them; this is checked once more when their layers are put together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from rasterio.windows import Window

from geoseg.arrays import Bytes, Ints, Values
from geoseg.classes import NODATA
from geoseg.geometry.grid import bounding, overlap, slices
from geoseg.geometry.sectors import SIDE, Sector, Sectors, coarse_window, districts_of, goes_on, sectors_of
from geoseg.gis.geopackage import Layer
from geoseg.layers import ROLES, makes_any
from geoseg.options import MosaicOptions
from geoseg.stages.features.landcover import feature_layers
from geoseg.stages.features.outline import NEAR, outline_piece, without_small
from geoseg.stages.features.piece import Checks, Ground, Piece, codes_of
from geoseg.stages.features.raster import ClassRaster
from geoseg.stages.features.store import MemoryStore, Store, read_window
from geoseg.stages.features.streets import KIND_CODES, REACH, Streets, coarse_step, cover_of, kinds_of, largest_kind
from geoseg.stages.features.table import sheet_at
from geoseg.vectorize.dice import Codes, Limits, code_core
from geoseg.vectorize.houses.code import Towns, code_houses
from geoseg.vectorize.houses.split import HouseOptions
from geoseg.vectorize.join import Frame, frame_of_core, wholes
from geoseg.vectorize.smooth import smooth_classes

__all__ = ["STEPS", "District", "Found", "Step", "Wholes", "districts", "do_step", "of_one_sector"]

Pixels = Mapping[tuple[int, int], tuple[int, int]]
Wholes = tuple[Pixels, Pixels]
"""First pixels of whole regions, by those of their parts in a core: of classes, of kinds of paved ground."""

APART = 50.0
"""Metres without a sheet that no feature reaches across."""

CLEANING = 512
"""Pixels around a core that are looked at when small regions go to their neighbours."""

SPARE = 64
"""Coarse pixels more than the largest yard that is not cut: outlines look a little beyond themselves."""


@dataclass(frozen=True)
class Found:
    """The outcome of a sector: layers, figures of its coverage, edges that its neighbours must have too."""

    layers: list[Layer]
    checks: Checks
    edges: Ints


@dataclass(frozen=True)
class District:
    """Sheets (by number) that lie far from all others, and its sectors."""

    raster: ClassRaster
    sheets: tuple[int, ...]
    options: MosaicOptions
    key: str

    @cached_property
    def sectors(self) -> Sectors:
        """The sectors with data, or near it."""
        windows = [self.raster.plan.sheets[i].window for i in self.sheets]
        whole = overlap(bounding(windows), self.raster.extent)
        assert whole is not None  # `districts` gives no others
        return sectors_of(windows, whole, step=coarse_step(self.raster.plan.gsd), side=self.options.sector or SIDE)

    @property
    def paved(self) -> bool:
        """True where there are layers of roads."""
        return "roads" in self.options.layers and makes_any((c.role for c in self.raster.table.classes), ("roads",))

    @property
    def least(self) -> dict[int, float]:
        """Smallest region in square metres by class value."""
        one = self.options.min_area
        return {c.value: ROLES[c.role].min_area if one is None else one for c in self.raster.table.classes}

    def clean(self, store: Store, sector: Sector) -> None:
        """First step: classes without small regions, and what covers the ground on the coarse raster."""
        sectors, gsd = self.sectors, self.raster.plan.gsd
        core, window = sectors.core(sector), sectors.around(sector, CLEANING)
        classes = without_small(self._classes(window), self.least, gsd, goes_on(window, sectors.whole))
        classes = classes[slices(core, window)]
        store.put("clean", sector, classes)
        if self.paved:
            store.put("cover", sector, cover_of(classes, core, self.raster.table, sectors.step))

    def kinds(self, store: Store, sector: Sector) -> None:
        """Second step: kinds of paved ground."""
        sectors = self.sectors
        core, window = sectors.coarse_core(sector), sectors.coarse_around(sector, round(REACH / self.pixel))
        whole = coarse_window(sectors.whole, sectors.step)
        kinds = kinds_of(self._read(store, "cover", window), self.pixel, goes_on(window, whole))
        store.put("kinds", sector, kinds[slices(core, window)])

    def codes(self, store: Store, sector: Sector) -> tuple[Frame, Frame | None]:
        """Third step: classes and kinds as codes, large regions cut; returns what neighbours must know of both."""
        sectors = self.sectors
        place = sectors.core(sector), sectors.around(sector, sectors.largest + 1)
        clean = self._read(store, "clean", place[1])
        codes, frame = _cut_large(clean, codes_of(self.raster.table), place, sector, self.limits)
        if self.attached:
            codes = self._houses(codes, clean, place)
        store.put("codes", sector, codes)
        if not self.paved:
            return frame, None
        largest = largest_kind(self.pixel)
        place = sectors.coarse_core(sector), sectors.coarse_around(sector, largest + 1)
        kinds = self._read(store, "kinds", place[1])
        codes, kinds_frame = _cut_large(kinds, KIND_CODES, place, sector, Limits(largest, sectors.side, kinds.size + 1))
        store.put("streets", sector, codes)
        return frame, kinds_frame

    @property
    def attached(self) -> bool:
        """True where attached houses are told apart."""
        return self.options.houses and "contact" in self.raster.aux

    def _houses(self, codes: Values, clean: Values, place: tuple[Window, Window]) -> Values:
        """The codes of a core, where attached houses have their own; place: the core, and the window of `clean`."""
        raster, (core, window) = self.raster, place
        values = tuple(c.value for c in raster.table.classes if c.role == "building")
        contact = raster.reader.beside(window, "contact")
        smallest = max([HouseOptions.least, *(self.least[v] for v in values)])
        options = HouseOptions(least=smallest)
        towns = Towns(np.asarray(clean), contact, values, raster.plan.gsd, self.limits.largest, options)
        return code_houses(codes, codes_of(raster.table), slices(core, window), towns)

    @property
    def pixel(self) -> float:
        """Metres along a coarse pixel."""
        return self.sectors.step * self.raster.plan.gsd

    @property
    def limits(self) -> Limits:
        """Sizes from which on regions are cut; nothing is large where there is one sector only."""
        sectors = self.sectors
        alone = len(sectors.numbers) == 1
        return Limits(sectors.side if alone else sectors.largest, sectors.cell)

    def layers(self, store: Store, sector: Sector, whole_of: Wholes = ({}, {}), *, square: bool = True) -> Found:
        """Last step: land cover as a coverage, and buildings, roads, trees and cars as GIS users want them.

        Raises:
            GeosegError: the coverage is not clean.
        """
        r, sectors = self.raster, self.sectors
        core = sectors.core(sector)
        window = sectors.around(sector, 2 * sectors.largest + NEAR)  # what sticks out, and the buildings beside it
        codes = self._read(store, "codes", window)
        confidence = r.reader.read(window)[1]
        confidence[codes_of(r.table).skipped[codes]] = 0
        streets = self._streets(store, sector, whole_of[1]) if self.paved else None
        piece = Piece(codes, confidence, slices(core, window), streets, whole_of[0])
        ground = Ground(r.plan.grid, window, r.plan.gsd, partial(sheet_at, r.plan), self.key[:12])
        square = square and self.options.square
        found = outline_piece(piece, r.table, ground, self.least, tolerance=self.options.simplify, square=square)
        return Found(
            feature_layers(found, self.options.layers, doubtful=self.options.all_cars), found.checks, found.edges
        )

    def wholes_of(self, frames: Mapping[Sector, tuple[Frame, Frame | None]]) -> dict[Sector, Wholes]:
        """By sector, its regions that are parts of one that goes on in others."""
        classes = wholes({s: f for s, (f, _) in frames.items()})
        kinds = wholes({s: k for s, (_, k) in frames.items() if k is not None})
        return {s: (classes[s], kinds.get(s, {})) for s in frames}

    def _streets(self, store: Store, sector: Sector, whole_of: Pixels) -> Streets:
        sectors = self.sectors
        core, whole = sectors.coarse_core(sector), coarse_window(sectors.whole, sectors.step)
        window = sectors.coarse_around(sector, largest_kind(self.pixel) + SPARE)
        left, top = int(whole.col_off - window.col_off), int(whole.row_off - window.row_off)
        return Streets(
            codes=self._read(store, "streets", window),
            window=window,
            core=slices(core, window),
            frame=(left, top, left + int(whole.width), top + int(whole.height)),
            origin=(int(sectors.whole.row_off), int(sectors.whole.col_off)),
            step=sectors.step,
            pixel=self.pixel,
            whole_of=whole_of,
        )

    def _read(self, store: Store, name: str, window: Window) -> Values:
        """A window of the rasters that a step has left of all sectors."""
        sectors = self.sectors
        fine = name in ("clean", "codes")
        core = sectors.core if fine else sectors.coarse_core
        near = sectors.meeting(window, sectors.side if fine else sectors.side // sectors.step)
        codes = {"codes": codes_of(self.raster.table), "streets": KIND_CODES}.get(name)
        nothing = 0 if name == "cover" else NODATA
        fill, dtype = (nothing, np.uint8) if codes is None else (int(codes.code_of[NODATA, 0]), codes.dtype)
        return read_window(store, name, window, ((s, core(s)) for s in near), fill, dtype)

    def _classes(self, window: Window) -> Bytes:
        """Class values of this district's sheets, smoothed if that was asked for."""
        classes = self.raster.reader.read(window)[0]
        self._blank_others(classes, window)
        if self.options.smooth:
            values = list(self.raster.table.values)
            shares = lambda part: self.raster.reader.shares(part, len(values))
            classes = smooth_classes(shares, classes, window, values, self.options.smooth / self.raster.plan.gsd)
        return classes

    def _blank_others(self, classes: Bytes, window: Window) -> None:
        """Write no data where the window holds sheets of other districts."""
        own = {self.raster.plan.sheets[i].path for i in self.sheets}
        here = self.raster.plan.meeting(window)
        if all(s.path in own for s in here):
            return
        keep = np.zeros(classes.shape, bool)
        for sheet in here:
            part = overlap(sheet.window, window) if sheet.path in own else None
            if part is not None:
                keep[slices(part, window)] = True
        classes[~keep] = NODATA


STEPS = ("clean", "kinds", "codes", "layers")
"""In their order; each is done for all sectors before the next."""


def districts(raster: ClassRaster, options: MosaicOptions, key: str) -> list[District]:
    """Districts that hold something of the area of interest; all sheets as one where none does."""
    windows = [s.window for s in raster.plan.sheets]
    found = districts_of(windows, APART / raster.plan.gsd)
    chosen = [tuple(d) for d in found if any(overlap(windows[i], raster.extent) for i in d)]
    return [District(raster, sheets, options, key) for sheets in chosen or [tuple(range(len(windows)))]]


@dataclass(frozen=True)
class Step:
    """One step for a sector of a district (by number); `what` "district": all steps of a district of one sector.

    `whole_of`: regions that go on in other sectors; `square`: whether its buildings may get right angles.
    """

    what: str
    district: int
    sector: Sector = (0, 0)
    whole_of: Wholes = ({}, {})
    square: bool = True

    @property
    def name(self) -> str:
        """A name that no other step of the same mosaic has."""
        plain = "" if self.square else "_plain"
        return f"{self.what}_{self.district}_{self.sector[0]}_{self.sector[1]}{plain}"


def do_step(step: Step, found: Sequence[District], store: Store) -> Any:
    """Do a step; rasters for the next one go into the store of its district.

    Returns:
        What the step gives: a `Found` for layers, frames for codes, else None.
    """
    district = found[step.district]
    if step.what == "district":
        return of_one_sector(district, square=step.square)
    if step.what == "layers":
        return district.layers(store, step.sector, step.whole_of, square=step.square)
    steps = {"clean": district.clean, "kinds": district.kinds, "codes": district.codes}
    return steps[step.what](store, step.sector)


def _cut_large(
    raster: Bytes, codes: Codes, place: tuple[Window, Window], sector: Sector, limits: Limits
) -> tuple[Values, Frame]:
    """Codes of a sector's core, and its frame; place: the core, and the window that the raster holds."""
    core, window = place
    inside, at = slices(core, window), (int(window.row_off), int(window.col_off))
    cut = code_core(raster, codes, inside, at, sector, limits)
    return cut, frame_of_core(raster[inside], (int(core.row_off), int(core.col_off)), NODATA)


def of_one_sector(district: District, *, square: bool = True) -> Found:
    """All steps of a district that is one sector; nothing is written."""
    (sector,) = district.sectors.numbers
    store = MemoryStore()
    district.clean(store, sector)
    if district.paved:
        district.kinds(store, sector)
    frames = {sector: district.codes(store, sector)}
    return district.layers(store, sector, district.wholes_of(frames)[sector], square=square)
