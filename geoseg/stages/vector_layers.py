"""Feature layers of a run, district by district and sector by sector: memory hangs on neither the number of sheets nor their area.

    sheets -> districts (nothing reaches from one to another) -> sectors (anchored squares), in four steps:
    blocks -> clean: small regions gone -> kinds: streets and yards -> codes: what is too large cut -> layers

A step looks at its own core and at what lies around it, as the step before left it; so all sectors agree about what lies between them, and that they do is
checked once more when their layers are put together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.windows import Window

from geoseg.classes import NODATA
from geoseg.geometry.districts import districts_of
from geoseg.geometry.grid import bounding, overlap, slices
from geoseg.geometry.sectors import Sector, Sectors, coarse_window, sectors_of
from geoseg.gis.geopackage import Layer
from geoseg.stages.classified import Ground, Piece, cleaned, codes_of, outlined
from geoseg.stages.feature_layers import feature_layers
from geoseg.stages.mosaic_run import MIN_AREA, MosaicOptions, MosaicRun
from geoseg.stages.sector_rasters import Kept, Memory, gathered
from geoseg.stages.smoothing import smoothed
from geoseg.stages.streets import KIND_CODES, REACH, Streets, coarse_step, kinds_of, largest_kind
from geoseg.vectorize.dice import CELL, Frame, coded, frame_of_core, wholes

__all__ = ["STEPS", "District", "Found", "Wholes", "districts", "of_one_sector"]

Bytes = npt.NDArray[np.uint8]
Pixels = Mapping[tuple[int, int], tuple[int, int]]
Wholes = tuple[Pixels, Pixels]
"""First pixels of whole regions, by those of their parts in a core: of classes, of kinds of paved ground."""

APART = 50.0
"""Metres without a sheet that no feature reaches across."""

CLEANING = 512
"""Pixels around a core that are looked at when small regions go to their neighbours."""

SPARE = 64
"""Pixels more than the largest region that is not cut: outlines look a little beyond themselves."""


@dataclass(frozen=True)
class Found:
    """What a sector gives: its layers, figures of its coverage, and the edges that its neighbours must have too (`coverage.open_edges`)."""

    layers: list[Layer]
    checks: dict[str, Any]
    edges: npt.NDArray[np.int64]


@dataclass(frozen=True)
class District:
    """Sheets (by number) that lie far from all others, and its sectors."""

    run: MosaicRun
    sheets: tuple[int, ...]
    options: MosaicOptions
    key: str

    @cached_property
    def sectors(self) -> Sectors:
        """Those with data, or near it."""
        windows = [self.run.plan.sheets[i].window for i in self.sheets]
        whole = overlap(bounding(windows), self.run.extent)
        assert whole is not None  # as `districts` gives them
        side = self.options.sector
        return sectors_of(windows, whole, step=coarse_step(self.run.plan.gsd), side=side, largest=side // 2)

    @property
    def paved(self) -> bool:
        """Whether there are layers of roads."""
        return "roads" in self.options.layers and any(c.role == "road" for c in self.run.table.classes)

    @property
    def least(self) -> dict[int, float]:
        """Smallest region in square metres by class value."""
        one = self.options.min_area
        return {c.value: MIN_AREA[c.role] if one is None else one for c in self.run.table.classes}

    def clean(self, kept: Kept, sector: Sector) -> None:
        """First step: classes without small regions."""
        core, window = self.sectors.core(sector), self.sectors.around(sector, CLEANING)
        classes = self._classes(window)
        kept.put("clean", sector, cleaned(classes, self.least, self.run.plan.gsd)[slices(core, window)])

    def kinds(self, kept: Kept, sector: Sector) -> None:
        """Second step: kinds of paved ground."""
        gsd, sectors = self.run.plan.gsd, self.sectors
        window = sectors.around(sector, int(REACH / gsd))
        kinds = kinds_of(self._gathered(kept, "clean", window), window, self.run.table, gsd)
        core = sectors.coarse_core(sector)
        kept.put("kinds", sector, kinds[slices(core, coarse_window(window, sectors.step))])

    def codes(self, kept: Kept, sector: Sector) -> tuple[Frame, Frame | None]:
        """Third step: classes and kinds as codes, large regions cut; what neighbours must know."""
        sectors = self.sectors
        core, window = sectors.core(sector), sectors.around(sector, sectors.largest + 1)
        clean = self._gathered(kept, "clean", window)
        inside, at = slices(core, window), (int(window.row_off), int(window.col_off))
        cell = min(CELL, sectors.side)  # their lines are lines of cells too
        codes = coded(clean, codes_of(self.run.table), inside, at, sector, largest=sectors.largest, cell=cell)
        kept.put("codes", sector, codes)
        frame = frame_of_core(clean[inside], (int(core.row_off), int(core.col_off)), NODATA)
        if not self.paved:
            return frame, None
        largest = largest_kind(sectors.step * self.run.plan.gsd)
        core, window = sectors.coarse_core(sector), sectors.coarse_around(sector, largest + 1)
        kinds = self._gathered(kept, "kinds", window)
        inside, at = slices(core, window), (int(window.row_off), int(window.col_off))
        codes = coded(kinds, KIND_CODES, inside, at, sector, largest=largest, giant=kinds.size + 1)
        kept.put("streets", sector, codes)
        return frame, frame_of_core(kinds[inside], (int(core.row_off), int(core.col_off)), NODATA)

    def layers(self, kept: Kept, sector: Sector, whole_of: Wholes = ({}, {}), *, square: bool = True) -> Found:
        """Last step: land cover as a coverage, and buildings, roads, trees and cars as GIS users want them.

        Raises:
            GeosegError: the coverage is not clean.
        """
        r, sectors = self.run, self.sectors
        core = sectors.core(sector)
        window = sectors.around(sector, sectors.largest + SPARE)
        codes = self._gathered(kept, "codes", window)
        confidence = r.reader.read(window)[1]
        confidence[codes_of(r.table).skipped[codes]] = 0
        streets = self._streets(kept, sector, whole_of[1]) if self.paved else None
        piece = Piece(codes, confidence, slices(core, window), streets, whole_of[0])
        ground = Ground(r.plan.grid, window, r.plan.gsd, self._sheet_at, self.key[:12])
        found = outlined(
            piece, r.table, ground, self.least, tolerance=self.options.simplify, square=square and self.options.square
        )
        return Found(feature_layers(found, self.options.layers), found.checks, found.edges)

    def wholes_of(self, frames: Mapping[Sector, tuple[Frame, Frame | None]]) -> dict[Sector, Wholes]:
        """By sector, which of its regions are parts of one that goes on in others."""
        classes = wholes({s: f for s, (f, _) in frames.items()})
        kinds = wholes({s: k for s, (_, k) in frames.items() if k is not None})
        return {s: (classes[s], kinds.get(s, {})) for s in frames}

    def _streets(self, kept: Kept, sector: Sector, whole_of: Pixels) -> Streets:
        sectors = self.sectors
        pixel = sectors.step * self.run.plan.gsd
        core, whole = sectors.coarse_core(sector), coarse_window(sectors.whole, sectors.step)
        window = sectors.coarse_around(sector, largest_kind(pixel) + SPARE)
        left, top = int(whole.col_off - window.col_off), int(whole.row_off - window.row_off)
        return Streets(
            codes=self._gathered(kept, "streets", window),
            window=window,
            core=slices(core, window),
            frame=(left, top, left + int(whole.width), top + int(whole.height)),
            origin=(int(sectors.whole.row_off), int(sectors.whole.col_off)),
            step=sectors.step,
            pixel=pixel,
            whole_of=whole_of,
        )

    def _gathered(self, kept: Kept, name: str, window: Window) -> npt.NDArray[Any]:
        """A window of what a step has left of all sectors."""
        sectors = self.sectors
        coarse = name in ("kinds", "streets")
        cores = ((s, sectors.coarse_core(s) if coarse else sectors.core(s)) for s in sectors.numbers)
        codes = {"codes": codes_of(self.run.table), "streets": KIND_CODES}.get(name)
        fill, dtype = (NODATA, np.uint8) if codes is None else (int(codes.code_of[NODATA, 0]), codes.dtype)
        return gathered(kept, name, window, cores, fill, dtype)

    def _classes(self, window: Window) -> Bytes:
        """Class values of this district's sheets, blurred if that was asked for."""
        classes = self.run.reader.read(window)[0]
        self._without_others(classes, window)
        if self.options.smooth:
            values = list(self.run.table.values)
            shares = lambda part: self.run.reader.shares(part, len(values))
            classes = smoothed(shares, classes, window, values, self.options.smooth / self.run.plan.gsd)
        return classes

    def _without_others(self, classes: Bytes, window: Window) -> None:
        """No data where the window holds sheets of other districts."""
        own = {self.run.plan.sheets[i].path for i in self.sheets}
        here = self.run.plan.meeting(window)
        if all(s.path in own for s in here):
            return
        keep = np.zeros(classes.shape, bool)
        for sheet in here:
            part = overlap(sheet.window, window) if sheet.path in own else None
            if part is not None:
                keep[slices(part, window)] = True
        classes[~keep] = NODATA

    def _sheet_at(self, row: int, col: int) -> str:
        """Name of the first sheet whose footprint holds a pixel."""
        return next((Path(s.path).stem for s in self.run.plan.meeting(Window(col, row, 1, 1))), "")


STEPS = ("clean", "kinds", "codes", "layers")
"""In their order; each of all sectors before the next."""


def districts(r: MosaicRun, options: MosaicOptions, key: str) -> list[District]:
    """Those that hold something of the area of interest; all sheets in one where none does."""
    windows = [s.window for s in r.plan.sheets]
    found = districts_of(windows, APART / r.plan.gsd)
    chosen = [tuple(d) for d in found if overlap(bounding([windows[i] for i in d]), r.extent) is not None]
    return [District(r, sheets, options, key) for sheets in chosen or [tuple(range(len(windows)))]]


def of_one_sector(district: District, *, square: bool = True) -> Found:
    """All steps of a district that is one sector; nothing is written."""
    (sector,) = district.sectors.numbers
    kept = Memory()
    district.clean(kept, sector)
    if district.paved:
        district.kinds(kept, sector)
    frames = {sector: district.codes(kept, sector)}
    return district.layers(kept, sector, district.wholes_of(frames)[sector], square=square)
