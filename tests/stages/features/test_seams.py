"""Whether the pieces of a coverage fit."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from rasterio.windows import Window

from geoseg.geometry.sectors import Sectors, sectors_of
from geoseg.stages.features.seams import Seams
from geoseg.vectorize.coverage import open_edges


def _sectors() -> Sectors:
    whole = Window(0, 0, 128, 64)
    return sectors_of([whole], whole, side=64)


def _pieces(*shapes: shapely.Polygon):
    """(what each sector tells of its pieces, the edges that none shares): two squares of 64 px side by side."""
    checks = [
        {"area": s.area, "matched": True, "polygons": 1, "vertices": 5, "invalid": 0, "pixels": {"tree": s.area}}
        for s in shapes
    ]
    edges = np.concatenate([open_edges(np.array([s], object), Window(0, 0, 128, 64)) for s in shapes])
    return checks, edges


LEFT, RIGHT = shapely.box(0, 0, 64, 64), shapely.box(64, 0, 128, 64)


def test_pieces_that_fit_leave_no_gap_and_no_overlap() -> None:
    seams = Seams()
    seams.add(0, _sectors(), *_pieces(LEFT, RIGHT))
    figures = seams.figures(0.5, {"tree": 128 * 64, "car": 0})
    assert (figures["gap"], figures["overlap"], figures["matched"]) == (0, 0, True)
    assert (figures["polygons"], figures["sectors"], figures["districts"]) == (2, 2, 1)
    assert figures["area_change_percent"] == {"tree": 0.0}
    assert seams.unfit == set()


@pytest.mark.parametrize(
    ("right", "gap", "overlap"),
    [(shapely.box(65, 0, 128, 64), 64, 0), (shapely.box(63, 0, 128, 64), 0, 64)],
    ids=["a gap", "an overlap"],
)
def test_pieces_that_do_not_fit_name_their_district_and_what_is_wrong(right, gap, overlap) -> None:
    seams = Seams()
    seams.add(3, _sectors(), *_pieces(LEFT, right))
    figures = seams.figures(0.5, {})
    assert (figures["gap"], figures["overlap"]) == (gap * 0.25, overlap * 0.25)
    assert not figures["matched"]
    assert seams.unfit == {3}


def test_edges_that_miss_each_other_show_where_areas_do_not() -> None:
    """A piece that is moved leaves as much as it takes."""
    moved = shapely.Polygon([(64, 0), (128, 0), (128, 64), (64, 64), (66, 40), (62, 24)])
    assert moved.area == pytest.approx(64 * 64, abs=80)
    checks, edges = _pieces(LEFT, moved)
    checks[1]["area"] = 64 * 64
    seams = Seams()
    seams.add(0, _sectors(), checks, edges)
    assert seams.figures(1, {})["gap"] == 0
    assert not seams.matched


def test_districts_add_up() -> None:
    seams = Seams()
    for number in range(3):
        seams.add(number, _sectors(), *_pieces(LEFT, RIGHT))
    figures = seams.figures(1, {"tree": 128 * 64})
    assert (figures["districts"], figures["sectors"], figures["polygons"]) == (3, 6, 6)
    assert figures["area_change_percent"] == {"tree": 200.0}
