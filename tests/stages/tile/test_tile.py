"""geoseg tile."""

from __future__ import annotations

import numpy as np
import pytest
from runs import classes_like
from support import PLACE, moved, write_sheet

from geoseg.options import InferOptions, TileOptions
from geoseg.stages.infer.infer import infer
from geoseg.stages.tile.tile import tile


def test_a_plan_keeps_its_lattice_and_blocks(tmp_path, geoseg, sheet):
    geoseg("tile", sheet, "-o", tmp_path / "run", "--block-size", 64)
    code, _, err = geoseg("tile", sheet, "-o", tmp_path / "run", "--block-size", 128)
    assert code == 2
    assert "planned with 64" in err
    assert geoseg("tile", sheet, "-o", tmp_path / "run", "--block-size", 128, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bbox", "13,52,14,53"], "meet no sheet"),
        (["--bands", "0,1,2"], "expected numbers from 1 on"),
        (["--gsd", "0"], "--gsd"),
        (["--overlap", "inf%"], "not a number of pixels or per cent"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(tmp_path, geoseg, words, message):
    sheet = write_sheet(tmp_path / "s.tif", np.zeros((3, 30, 30), np.uint8))
    code, _, err = geoseg("tile", sheet, "-o", tmp_path / "run", *words)
    assert code == 2
    assert message in err


def test_gaps_of_kilometres_cost_nothing(tmp_path, truth_network):
    sheet = classes_like()
    write_sheet(tmp_path / "in/a.tif", sheet)
    write_sheet(tmp_path / "in/b.tif", sheet, place=moved(PLACE, 300_000, 200_000))  # 30 km east, 20 km south
    tile([tmp_path / "in"], tmp_path / "run", TileOptions(block_size=128))
    report = infer(tmp_path / "run", InferOptions(model=(truth_network,), engine="torch"))
    assert report.blocks <= 5
    mosaic_names = {p.name for p in (tmp_path / "run/blocks").glob("*.tif")}
    assert len(mosaic_names) == report.blocks
