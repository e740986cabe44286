"""Which patches are scored: those whose share of the sheets' footprint lies wholly in a neighbour's are left out.

A patch that overhangs the sheets may see nothing there that a neighbour does not see with more context. What is left
out depends only on the windows of the sheets: not on pixels, on an area of interest, or on how the work is shared out.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from rasterio.windows import Window

from geoseg.arrays import Valid
from geoseg.geometry.grid import overlap
from geoseg.geometry.lattice import Lattice

__all__ = ["footprint_reach", "kept_patches"]

_NEIGHBOURS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]


def footprint_reach(lattice: Lattice, rows: range, cols: range) -> Window:
    """The pixels whose footprint decides which of these patches are kept: one stride around their positive weights."""
    stride, inner = lattice.stride, lattice.patch - 2 * lattice.margin
    left, top = (cols.start - 1) * stride, (rows.start - 1) * stride
    return Window(left, top, (len(cols) + 1) * stride + inner, (len(rows) + 1) * stride + inner)


def kept_patches(lattice: Lattice, sheets: Iterable[Window], rows: range, cols: range) -> Valid:
    """Which patches are scored, (len(rows), len(cols)).

    A patch is left out where it has no share of the footprint, or where its share lies wholly in the positive weights
    of one of its 8 neighbours; where that holds both ways, the earlier one of the two is kept. A share that is left out
    always lies in a patch that is kept: of patches that cover one another's shares, the one with the largest share
    (the first of them) stays.

    Args:
        lattice: all patches.
        sheets: the windows of all sheets that meet `footprint_reach` of these patches; others do no harm.
        rows: lattice rows.
        cols: lattice columns.
    """
    reach = footprint_reach(lattice, rows, cols)
    near = [part for w in sheets if (part := overlap(w, reach))]
    wide_rows, wide_cols = range(rows.start - 1, rows.stop + 1), range(cols.start - 1, cols.stop + 1)
    stride, inner = lattice.stride, lattice.patch - 2 * lattice.margin
    size = len(wide_rows), len(wide_cols)
    share = np.zeros(size, bool)
    strips = {offset: np.zeros(size, bool) for offset in _NEIGHBOURS if 0 in offset}
    for w in near:
        ys, xs = (w.row_off, w.row_off + w.height), (w.col_off, w.col_off + w.width)
        all_rows, all_cols = _meeting(ys, 0, inner, stride, wide_rows), _meeting(xs, 0, inner, stride, wide_cols)
        share[all_rows, all_cols] = True
        strips[-1, 0][_meeting(ys, 0, stride, stride, wide_rows), all_cols] = True
        strips[1, 0][_meeting(ys, inner - stride, inner, stride, wide_rows), all_cols] = True
        strips[0, -1][all_rows, _meeting(xs, 0, stride, stride, wide_cols)] = True
        strips[0, 1][all_rows, _meeting(xs, inner - stride, inner, stride, wide_cols)] = True

    def covered(down: int, right: int) -> Valid:
        """Patches whose share lies in that neighbour: nothing is in the strips on the sides away from it."""
        away = np.zeros(size, bool)
        if down:
            away |= strips[-down, 0]
        if right:
            away |= strips[0, -right]
        return ~away

    kept = share[1:-1, 1:-1].copy()
    high, wide = len(rows), len(cols)
    for down, right in _NEIGHBOURS:
        here = covered(down, right)[1:-1, 1:-1]
        there = covered(-down, -right)[1 + down : 1 + down + high, 1 + right : 1 + right + wide]
        earlier = (down, right) < (0, 0)
        kept &= ~(here if earlier else here & ~there)
    return kept


def _meeting(pixels: tuple[int, int], first: int, last: int, stride: int, indices: range) -> slice:
    """Of these patches along one axis, those whose pixels `first` to `last` - 1 meet some pixels of the grid.

    Pixels of a patch are counted from the start of its positive weights.
    """
    begin, end = pixels
    low = (begin - last) // stride + 1
    high = -((first - end) // stride)
    return slice(max(0, low - indices.start), max(0, high - indices.start))
