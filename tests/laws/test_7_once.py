"""Guarantee 7: each pixel is read once per panel, and patches computed twice are counted."""

from __future__ import annotations

import importlib
import itertools

import numpy as np
from runs import photo
from support import write_sheet

from geoseg.geometry.lattice import Lattice
from geoseg.models.facts import Conversion, Normalise
from geoseg.options import InferOptions, TileOptions
from geoseg.predict.cpu import CpuBackend
from geoseg.predict.stream import Ends, stream_panel
from geoseg.stages.infer.infer import infer
from geoseg.stages.tile.tile import tile

infer_stage = importlib.import_module("geoseg.stages.infer.infer")


def test_patches_at_panel_borders_are_counted(tmp_path, monkeypatch, blur_network):
    sheets = write_sheet(tmp_path / "s.tif", photo(210, 240))
    monkeypatch.setattr(infer_stage, "widest_panel", lambda *_: 1)
    tile([sheets], tmp_path / "run", TileOptions(block_size=64))
    report = infer(tmp_path / "run", InferOptions(model=(blur_network,), engine="torch"))
    monkeypatch.setattr(infer_stage, "widest_panel", lambda *_: 99)
    tile([sheets], tmp_path / "one", TileOptions(block_size=64))
    whole = infer(tmp_path / "one", InferOptions(model=(blur_network,), engine="torch"))
    assert whole.twice == 0
    assert report.twice >= report.patches - whole.patches - 2
    assert report.twice > 0


def test_each_row_is_read_once_and_in_order():
    """Guarantee 7: the windows that a panel asks its reader for do not overlap and leave no row out."""
    from rasterio.windows import Window

    lattice, panel = Lattice(64, 24, 4), Window(30, -10, 200, 900)
    asked = []

    def read(w):
        asked.append((w.row_off, w.row_off + w.height, w.col_off, w.width))
        return np.full((1, w.height, w.width), 3, np.uint8), np.ones((w.height, w.width), bool)

    normalise = Normalise(np.zeros(1, np.float32), np.ones(1, np.float32))
    backend = CpuBackend(lambda p: np.repeat(p, 2, axis=1), Conversion(normalise, (0, 1), 1.0))
    stream_panel(Ends(read, lambda rows: None, lambda _: [panel]), lattice, panel, backend)
    backend.close()
    assert all(a[1] == b[0] and a[2:] == b[2:] for a, b in itertools.pairwise(asked))
    assert asked[0][0] <= panel.row_off
    assert asked[-1][1] >= panel.row_off + panel.height
