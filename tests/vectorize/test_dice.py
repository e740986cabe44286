"""Codes of regions: small ones are whole, large ones are cut on an anchored grid."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from rasterio.windows import Window
from shapes import assert_clean
from strategies import blobs, smooth_raster

from geoseg.geometry.grid import slices
from geoseg.geometry.sectors import sectors_of
from geoseg.vectorize.coverage import fit_within, open_edges
from geoseg.vectorize.dice import DICED, SMALL, Codes, Limits, code_core, first_pixels
from geoseg.vectorize.join import frame_of_core, wholes
from geoseg.vectorize.labels import label_regions
from geoseg.vectorize.simplify import simplify
from geoseg.vectorize.trace import trace_rings

CODES = Codes((0, 1, 2), 255)


@given(st.integers(0, 10_000), st.integers(-40, 40), st.integers(-40, 40), st.floats(0.3, 5), st.sampled_from([16, 24]))
@profile(max_examples=60)
def test_codes_hang_on_what_lies_around_a_sector_alone(seed: int, row: int, col: int, scale: float, side: int) -> None:
    raster = blobs(seed, 61, 70, scale)
    whole = Window(col, row, 70, 61)
    sectors = sectors_of([whole], whole, side=side, largest=side // 2)
    together, frames = np.zeros(raster.shape, CODES.dtype), {}
    for sector in sectors.numbers:
        core, window = sectors.core(sector), sectors.around(sector, sectors.largest + 1)

        def made(seen: Window, giant: int, sector=sector, core=core, sides=(sectors.largest, side // 2)) -> np.ndarray:
            part, at = raster[slices(seen, whole)], (seen.row_off, seen.col_off)
            return code_core(part, CODES, slices(core, seen), at, sector, Limits(*sides, giant))

        assert np.array_equal(made(window, 10**6), made(whole, 10**6))
        together[slices(core, whole)] = made(window, 40)
        frames[sector] = frame_of_core(raster[slices(core, whole)], (core.row_off, core.col_off), 255)
    assert np.array_equal(CODES.value_of[together], raster)
    _check_pieces(raster, together, whole, sectors, wholes(frames))


def _check_pieces(raster, together, whole, sectors, whole_of) -> None:
    """Small regions are whole; pieces of large ones lie in one core and know what they are cut from."""
    labels, _ = label_regions(raster)
    corner = np.array([whole.row_off, whole.col_off])
    pieces = trace_rings(together, skip=CODES.skipped, keep_skipped=True)
    sizes = np.bincount(labels.ravel())
    cores = {sector: sectors.core(sector) for sector in sectors.numbers}
    for first, code, pixels, box in zip(pieces.first, pieces.values, pieces.pixels, pieces.boxes(), strict=True):
        label = labels[tuple(first)]
        where = np.argwhere(labels == label)
        extent = (where.max(0) - where.min(0) + 1).max()
        (sector,) = [s for s, c in cores.items() if _holds(c, first + corner)]
        core = cores[sector]
        if CODES.state_of[code] == SMALL:
            assert extent <= sectors.largest
            assert pixels == sizes[label]
            continue
        assert _holds(core, box[[1, 0]] + corner)
        assert _holds(core, box[[3, 2]] - 1 + corner)
        if CODES.skipped[code]:
            continue
        origin = np.array([core.row_off, core.col_off])
        part = raster[slices(core, whole)]
        own = tuple((first_pixels(part, (first + corner - origin)[None])[0] + origin).tolist())
        assert whole_of[sector].get(own, own) == tuple((where[0] + corner).tolist())


def _holds(window: Window, pixel: np.ndarray) -> bool:
    row, col = pixel[0] - window.row_off, pixel[1] - window.col_off
    return 0 <= row < window.height and 0 <= col < window.width


@given(st.integers(0, 10_000), st.floats(0.3, 4), st.sampled_from([0.0, 2.0, 6.0]))
@profile(max_examples=40)
def test_pieces_fit_edge_by_edge_and_a_gap_shows(seed: int, scale: float, tolerance: float) -> None:
    raster = blobs(seed, 50, 64, scale)
    whole = Window(-7, 5, 64, 50)
    sectors = sectors_of([whole], whole, side=24, largest=12)
    together = np.zeros(raster.shape, CODES.dtype)
    for sector in sectors.numbers:
        core = sectors.core(sector)
        together[slices(core, whole)] = code_core(
            raster, CODES, slices(core, whole), (5, -7), sector, Limits(12, 12, 10**6)
        )
    rings = trace_rings(together, skip=CODES.skipped, keep_skipped=True)
    polygons = simplify(rings, together, tolerance)
    owner = [
        next(s for s in sectors.numbers if _holds(sectors.core(s), first + np.array([5, -7]))) for first in rings.first
    ]
    mine = {s: [p for p, o in zip(polygons, owner, strict=True) if o == s] for s in sectors.numbers}

    def fit(pieces) -> bool:
        return fit_within([open_edges(np.array(p, object), whole) for p in pieces.values()], sectors.frame())

    assert fit(mine)
    full = [s for s in sectors.numbers if mine[s]]
    victim = full[seed % len(full)]
    assert not fit({**mine, victim: mine[victim][1:]})
    shifted = shapely.transform(mine[victim][0], lambda xy: np.add(xy, (0.25, 0.0)))
    assert not fit({**mine, victim: [shifted, *mine[victim][1:]]})


def test_giants_are_diced_on_an_anchored_grid() -> None:
    raster = smooth_raster(8, 160, 3)
    rings = trace_rings(raster)
    codes = Codes((0, 1, 2), 255)
    whole = slice(0, 160), slice(0, 160)
    coded_raster = code_core(raster, codes, whole, (-37, 1000), (0, 0), Limits(1000, 32, 150))
    assert np.array_equal(codes.value_of[coded_raster], raster)
    pieces = trace_rings(coded_raster)
    corners = np.diff(rings.rings[rings.parts]) - np.diff(rings.parts)  # rings are closed
    giants = {tuple(f) for f, n in zip(rings.first.tolist(), corners, strict=True) if n > 150}
    assert giants
    area = {g: 0 for g in giants}
    wholes = first_pixels(raster, pieces.first).tolist()
    for first, polygon, pixels, code in zip(wholes, pieces.polygons(), pieces.pixels, pieces.values, strict=True):
        assert (codes.state_of[code] >= DICED) == (tuple(first) in giants)
        if tuple(first) in giants:
            area[tuple(first)] += int(pixels)
            left, top, right, bottom = polygon.bounds
            assert right - left <= 32
            assert bottom - top <= 32
            assert (left + 1000) // 32 == (right + 999) // 32
    sizes = {tuple(f): int(n) for f, n in zip(rings.first.tolist(), rings.pixels, strict=True)}
    assert all(area[g] == sizes[g] for g in giants)
    assert_clean(simplify(pieces, coded_raster, 4.0), raster.size)
