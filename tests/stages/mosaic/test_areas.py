"""Pixels and square metres of each class."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from plans import GRID, a_plan, a_sheet
from rasterio.windows import Window

from geoseg.classes import ISPRS
from geoseg.geometry.ground import metres_per_unit
from geoseg.runfolder.blocks import Record
from geoseg.stages.mosaic.areas import class_areas, class_counts

RECORDS = {
    (0, 0): Record("k", "s", 1, {1: 100, 3: 50, 255: 3946}, 0.0),
    (0, 1): Record("k", "s", 1, {1: 20, 255: 4076}, 0.0),
}


def test_pixels_add_up_over_blocks_without_those_that_hold_nothing() -> None:
    assert class_counts(RECORDS.values()) == {1: 120, 3: 50}
    assert class_counts([]) == {}


def test_areas_are_square_metres_on_the_ground_and_name_every_class() -> None:
    plan = a_plan(a_sheet(window=Window(0, 0, 128, 64)))
    inputs = SimpleNamespace(table=ISPRS, plan=plan, blocks=list(RECORDS), records=RECORDS)
    areas = class_areas(inputs)
    assert list(areas) == [c.name for c in ISPRS.classes]
    pixel = (0.1 * metres_per_unit(GRID.crs, GRID.x0, GRID.y0)) ** 2
    assert areas["building"] == pytest.approx(120 * pixel, rel=1e-3, abs=0.006)
    assert areas["car"] == 0
