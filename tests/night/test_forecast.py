"""What a night would do."""

from __future__ import annotations

from runs import town_sheet
from support import files_of

from geoseg.night.forecast import forecast
from geoseg.options import InferOptions, TileOptions


def test_the_forecast_is_right_and_writes_nothing(town, blur_network) -> None:
    sheets, run, night = town
    empty = forecast([sheets], run, TileOptions(block_size=64))
    assert len(empty.new) == 6
    assert empty.stale == empty.blocks
    assert not run.exists()
    night()
    changed = town_sheet(sheets, 0, 0, 99)
    town_sheet(sheets, 3, 0, 5)
    (sheets / "s_2_1.tif").unlink()
    before = files_of(run)
    inference = InferOptions(model=(blur_network,), engine="torch", precision="f32", threads=1)
    other = forecast([sheets], run, TileOptions(block_size=64), InferOptions(model=(blur_network,), tta="flip"))
    assert other.stale == other.blocks
    told = forecast([sheets], run, TileOptions(block_size=64), inference)
    assert files_of(run) == before
    assert (len(told.new), told.changed, len(told.gone), told.same) == (1, (str(changed),), 1, 4)
    assert told.seconds > 0
    assert told.stale == night().infer.computed
