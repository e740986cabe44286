"""A network that gives something else than scores is refused."""

from __future__ import annotations

import numpy as np
import torch
from fakes import save_network
from support import write_sheet


def test_a_network_of_a_wrong_output_is_refused_before_any_sheet(tmp_path, geoseg):
    class Small(torch.nn.Module):
        def forward(self, x):
            return x[:, :, ::3, ::3].repeat(1, 2, 1, 1)

    path = save_network(tmp_path / "small.pt", Small())
    sheet = write_sheet(tmp_path / "s.tif", np.zeros((3, 80, 80), np.uint8))
    code, _, err = geoseg("run", sheet, "-o", tmp_path / "run", "--model", path, "--engine", "torch")
    assert code == 5
    assert "expected (1, 6, 64, 64)" in err
    assert not (tmp_path / "run/blocks").exists()
