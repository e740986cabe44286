"""Sectors: anchored squares in which vectors are made, so that memory does not grow with the area.

    sector -> core (its own pixels) -> window (the core and what lies around it, within the whole)

Sectors depend on the grid's anchor alone: not on blocks, panels, sheets or the process that works on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from rasterio.windows import Window
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geoseg.geometry.grid import grown, overlap

__all__ = ["LARGEST", "SIDE", "Sector", "Sectors", "coarse_window", "districts_of", "goes_on", "sectors_of"]

SIDE = 8192
"""Pixels along a sector, or a little less: sides are whole numbers of coarse pixels."""

LARGEST = SIDE // 4
"""Pixels: a longer or wider region is cut where sectors meet; a smaller one stays whole in its first pixel's sector."""

Sector = tuple[int, int]
"""(row, column) of a sector, counted from the anchor, negative ones too."""


@dataclass(frozen=True)
class Sectors:
    """The sectors of a whole that can hold anything.

    Attributes:
        whole: a window on the grid.
        numbers: of the sectors, in row order.
        side: pixels along a sector, a multiple of twice `step`.
        largest: pixels; longer or wider regions are cut where sectors meet.
        step: pixels of the grid along one of the coarse raster (see `coarse_window`).
    """

    whole: Window
    numbers: tuple[Sector, ...]
    side: int
    largest: int
    step: int = 1

    @property
    def cell(self) -> int:
        """Side of the cells that giants are cut along; sectors end where cells do."""
        return self.side // 2

    @cached_property
    def _known(self) -> frozenset[Sector]:
        return frozenset(self.numbers)

    def meeting(self, window: Window, side: int) -> Iterator[Sector]:
        """Sectors that a window meets: of the grid, with `side` as it is, or of the coarse raster (`side / step`)."""
        for row in range(window.row_off // side, (window.row_off + window.height - 1) // side + 1):
            for col in range(window.col_off // side, (window.col_off + window.width - 1) // side + 1):
                if (row, col) in self._known:
                    yield row, col

    def core(self, sector: Sector) -> Window:
        """The sector's own pixels."""
        square = Window(sector[1] * self.side, sector[0] * self.side, self.side, self.side)
        found = overlap(square, self.whole)
        assert found is not None  # `sectors_of` gives no others
        return found

    def around(self, sector: Sector, reach: int) -> Window:
        """The core with `reach` pixels around it, within the whole."""
        found = overlap(grown(self.core(sector), reach), self.whole)
        assert found is not None  # it holds the core
        return found

    def coarse_core(self, sector: Sector) -> Window:
        """The core on the coarse raster, of which no pixel lies in two cores."""
        return coarse_window(self.core(sector), self.step)

    def coarse_around(self, sector: Sector, reach: int) -> Window:
        """The coarse core and `reach` coarse pixels around it, within the whole."""
        found = overlap(grown(self.coarse_core(sector), reach), coarse_window(self.whole, self.step))
        assert found is not None  # it holds the core
        return found

    def frame(self) -> shapely.Geometry:
        """Lines around all cores together, in pixel corners of the grid."""
        boxes = [self.core(s) for s in self.numbers]
        squares = [shapely.box(w.col_off, w.row_off, w.col_off + w.width, w.row_off + w.height) for w in boxes]
        return shapely.union_all(squares).boundary

    def pixels(self) -> int:
        """Pixels of all cores together."""
        return sum(int(w.width) * int(w.height) for w in map(self.core, self.numbers))


def coarse_window(window: Window, step: int) -> Window:
    """The pixels of a raster of `step` times larger pixels, counted from the anchor, that a window touches."""
    row, col = window.row_off // step, window.col_off // step
    high, wide = -(-(window.row_off + window.height) // step) - row, -(-(window.col_off + window.width) // step) - col
    return Window(col, row, wide, high)


def sectors_of(
    windows: Sequence[Window], whole: Window, *, step: int = 1, side: int = SIDE, largest: int | None = None
) -> Sectors:
    """Sectors of a whole that a window lies in, or comes nearer to than `largest` pixels: the others hold nothing.

    Args:
        windows: of the sheets.
        whole: window that is cut into sectors.
        step: pixels of the grid along a coarse one; the side is made a multiple of twice as many.
        side: pixels along a sector.
        largest: pixels; none: a quarter of the side.
    """
    side = max(1, side // (2 * step)) * 2 * step
    largest = side // 4 if largest is None else largest
    near: set[Sector] = set()
    for window in windows:
        wide = overlap(grown(window, largest + 1), whole)
        if wide is not None:
            rows = range(wide.row_off // side, (wide.row_off + wide.height - 1) // side + 1)
            cols = range(wide.col_off // side, (wide.col_off + wide.width - 1) // side + 1)
            near.update((r, c) for r in rows for c in cols)
    return Sectors(whole, tuple(sorted(near)), side, largest, step)


def districts_of(windows: Sequence[Window], apart: float) -> list[list[int]]:
    """Numbers of the windows of each group; windows nearer than `apart` pixels to each other are in one group.

    In the order of each group's first window.
    """
    boxes = shapely.box(
        *np.array([[w.col_off, w.row_off, w.col_off + w.width, w.row_off + w.height] for w in windows], float).T
    )
    i, j = shapely.STRtree(boxes).query(boxes, predicate="dwithin", distance=apart)
    near = coo_array((np.ones(len(i), bool), (i, j)), shape=(len(boxes), len(boxes)))
    group = connected_components(near, directed=False)[1]
    firsts = dict.fromkeys(group.tolist())
    return [np.flatnonzero(group == g).tolist() for g in firsts]


def goes_on(window: Window, whole: Window) -> tuple[bool, bool, bool, bool]:
    """Whether the whole goes on beyond each side of a window: above, below, left, right."""
    return (
        bool(window.row_off > whole.row_off),
        bool(window.row_off + window.height < whole.row_off + whole.height),
        bool(window.col_off > whole.col_off),
        bool(window.col_off + window.width < whole.col_off + whole.width),
    )
