"""What makes blocks stale, and what sets a sheet aside."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from fakes import BandNetwork, save_network
from runs import classes_like
from support import PLACE, class_raster, moved, write_sheet

from geoseg.errors import PlanError
from geoseg.options import InferOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile


def test_another_model_makes_all_blocks_stale(tmp_path, geoseg, sheet, blur_network, truth_network):
    base = ["run", sheet, "-o", tmp_path / "run", "--engine", "torch", "--block-size", 64, "--model"]
    geoseg(*base, blur_network)
    assert "16 of 16 computed" in geoseg(*base, truth_network)[1]


RNG = np.random.default_rng(8)


def test_another_card_makes_blocks_stale(tmp_path):
    network = save_network(tmp_path / "n.pt", BandNetwork())
    sheet = write_sheet(tmp_path / "s.tif", RNG.integers(0, 6, (3, 90, 90)).astype(np.uint8))
    tile([sheet], tmp_path / "run")
    options = InferOptions(model=(network,), engine="torch")
    infer(tmp_path / "run", options)
    card = json.loads(network.with_suffix(".json").read_text())
    card["classes"][2]["value"] = 7
    network.with_suffix(".json").write_text(json.dumps(card))
    assert infer(tmp_path / "run", options).computed == 1
    mosaic(tmp_path / "run")
    assert 7 in class_raster(tmp_path / "run")[0]


def test_a_sheet_written_while_it_is_read_is_set_aside(tmp_path, truth_network, monkeypatch):
    image = RNG.integers(0, 6, (3, 60, 60)).astype(np.uint8)
    write_sheet(tmp_path / "in/a.tif", image)
    late = write_sheet(tmp_path / "in/b.tif", image, place=moved(PLACE, 60, 0))
    tile([tmp_path / "in"], tmp_path / "run")
    from geoseg.sheets.photo import Photo

    read = Photo.read_sheet

    def touching(self, sheet, part):
        found = read(self, sheet, part)
        if sheet.path == str(late):
            os.utime(late, ns=(5, 5))
        return found

    monkeypatch.setattr(Photo, "read_sheet", touching)
    report = infer(tmp_path / "run", InferOptions(model=(truth_network,), engine="torch", precision="f32"))
    assert [p.endswith("b.tif") for p in report.quarantined] == [True]
    assert "written while it was read" in Run(tmp_path / "run").plan.quarantined[0].reason
    mosaic(tmp_path / "run")
    assert np.array_equal(class_raster(tmp_path / "run")[0], image[0])


def test_a_sheet_written_again_is_noticed(tmp_path, truth_network):
    path = write_sheet(tmp_path / "s.tif", classes_like())
    tile([path], tmp_path / "run")
    write_sheet(path, classes_like())
    os.utime(path, ns=(1, 1))
    with pytest.raises(PlanError, match="written again.*run geoseg tile again"):
        infer(tmp_path / "run", InferOptions(model=(truth_network,), engine="torch"))
