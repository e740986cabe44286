"""What makes blocks stale, and what sets a sheet aside."""

from __future__ import annotations

import json

import numpy as np
from fakes import BandNetwork, save_network
from support import class_raster, write_sheet

from geoseg.options import InferOptions
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
