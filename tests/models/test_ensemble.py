"""Members of an ensemble must agree."""

from __future__ import annotations

import numpy as np
from fakes import BandNetwork, save_network
from support import write_sheet


def test_ensembles_must_agree(tmp_path, truth_network, geoseg):
    other = save_network(tmp_path / "other.pt", BandNetwork(), gsd=0.2)
    sheet = write_sheet(tmp_path / "s.tif", np.zeros((3, 80, 80), np.uint8))
    code, _, err = geoseg("run", sheet, "-o", tmp_path / "run", "--model", truth_network, "--model", other)
    assert code == 5
    assert "other gsd" in err
    twin = save_network(tmp_path / "twin.pt", BandNetwork())
    assert (
        geoseg("run", sheet, "-o", tmp_path / "run", "--model", truth_network, "--model", twin, "--engine", "torch")[0]
        == 0
    )
