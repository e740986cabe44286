"""The CPU backend."""

from __future__ import annotations

import numpy as np
import torch
from fakes import save_network
from support import class_raster, write_sheet

from geoseg.classes import ISPRS
from geoseg.options import InferOptions, MosaicOptions, TileOptions
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile

RNG = np.random.default_rng(8)


class Same(torch.nn.Module):
    """Gives back its own input: scores that share memory with a lane's patch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def test_scores_may_be_the_patch_itself(tmp_path):
    network = save_network(tmp_path / "same.pt", Same(), classes=ISPRS.to_json()[:3])
    image = RNG.integers(0, 255, (3, 200, 210)).astype(np.uint8)
    sheet = write_sheet(tmp_path / "s.tif", image)
    tile([sheet], tmp_path / "run", TileOptions(block_size=64))
    infer(tmp_path / "run", InferOptions(model=(network,), engine="torch", threads=1))
    mosaic(tmp_path / "run", MosaicOptions(vectors=False))
    found, best = class_raster(tmp_path / "run")[0], image.argmax(0)
    tie = np.sort(image, 0)[-1] == np.sort(image, 0)[-2]
    assert np.array_equal(found[~tie], best[~tie])
