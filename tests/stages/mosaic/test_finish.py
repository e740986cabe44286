"""run.json, and outputs of an earlier state."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import rasterio.warp
import torch
from support import write_sheet

from geoseg import commit
from geoseg.classes import ISPRS
from geoseg.options import InferOptions, MosaicOptions
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile


def test_run_json_adds_up(finished):
    run, _ = finished
    facts = json.loads((run / "run.json").read_text())
    classes = rasterio.open(run / "out/town_classes.tif").read(1)
    for c in ISPRS.classes:
        assert facts["areas_m2"][c.name] == pytest.approx((classes == c.value).sum() * 0.01, rel=2e-3, abs=0.02)
    assert all(commit.digest(run / f) == sha for f, sha in facts["sha256"].items())
    assert facts["versions"]["torch"] == torch.__version__.split("+")[0]


RNG = np.random.default_rng(8)


def test_outputs_of_an_earlier_state_go(tmp_path, truth_network):
    sheet = write_sheet(tmp_path / "s.tif", RNG.integers(0, 6, (3, 60, 60)).astype(np.uint8))
    run = tmp_path / "run"
    tile([sheet], run)
    infer(run, InferOptions(model=(truth_network,), engine="torch"))
    mosaic(run, MosaicOptions(name="one"))
    (run / "out/mine.txt").write_text("the user's own file stays")
    mosaic(run, MosaicOptions(name="two", vectors=False))
    names = {p.name for p in (run / "out").iterdir()}
    assert not [n for n in names if n.startswith("one") or n.endswith(".gpkg")]
    assert "mine.txt" in names
