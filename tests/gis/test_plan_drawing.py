"""The plan as a drawing."""

from __future__ import annotations

import geopandas
from plans import GRID, a_plan, a_sheet
from rasterio.windows import Window

from geoseg.gis.plan_drawing import draw_plan
from geoseg.plan import patch_windows, plan_blocks


def test_every_sheet_block_and_patch_is_drawn_where_it_lies(tmp_path) -> None:
    plan = a_plan(a_sheet("a"), a_sheet("b", Window(300, -200, 90, 70)))
    assert draw_plan(tmp_path / "patches.gpkg", plan) == len(patch_windows(plan))
    layers = {n: geopandas.read_file(tmp_path / "patches.gpkg", layer=n) for n in ("sheets", "blocks", "patches")}
    assert len(layers["sheets"]) == 2
    assert len(layers["blocks"]) == len(plan_blocks(plan))
    assert len(layers["patches"]) == len(patch_windows(plan))
    assert all(frame.crs.to_epsg() == 25833 for frame in layers.values())
    left, bottom, right, top = layers["sheets"].total_bounds
    expected = GRID.bounds(Window(0, -200, 390, 280))
    assert (round(left, 3), round(bottom, 3), round(right, 3), round(top, 3)) == tuple(round(v, 3) for v in expected)
    assert layers["blocks"].union_all().buffer(1e-6).covers(layers["sheets"].union_all())


def test_equal_plans_give_equal_bytes(tmp_path) -> None:
    for name in ("a", "b"):
        draw_plan(tmp_path / f"{name}.gpkg", a_plan())
    assert (tmp_path / "a.gpkg").read_bytes() == (tmp_path / "b.gpkg").read_bytes()
