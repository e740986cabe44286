"""The engine is chosen once."""

from __future__ import annotations

import os

import numpy as np
from support import PLACE, moved, write_sheet

from geoseg.options import InferOptions
from geoseg.stages.infer.infer import infer
from geoseg.stages.tile.tile import tile

RNG = np.random.default_rng(8)


def test_damage_in_the_precision_sample_costs_that_sheet(tmp_path, blur_network, monkeypatch):
    monkeypatch.setattr("geoseg.predict.choice.supports_bf16", lambda engine: True)
    image = RNG.integers(0, 255, (3, 200, 200)).astype(np.uint8)
    write_sheet(tmp_path / "in/a.tif", image)
    bad = write_sheet(tmp_path / "in/b.tif", image, place=moved(PLACE, 200, 0), compress="deflate")
    data = bytearray(bad.read_bytes())
    data[3000:-3000] = os.urandom(len(data) - 6000)
    bad.write_bytes(data)
    tile([tmp_path / "in"], tmp_path / "run")
    report = infer(tmp_path / "run", InferOptions(model=(blur_network,), engine="torch"))
    assert [p.endswith("b.tif") for p in report.quarantined] == [True]
    assert report.computed > 0
