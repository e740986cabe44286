"""TorchScript, torch.export and ONNX in place."""

from __future__ import annotations

import warnings

import numpy as np
import rasterio
import rasterio.warp
import torch
from fakes import BlurNetwork
from support import write_sheet

from geoseg.options import InferOptions, MosaicOptions
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.tile.tile import tile

RNG = np.random.default_rng(9)


def test_every_kind_of_model_file_gives_the_same_classes(tmp_path, blur_network):
    """TorchScript, torch.export, ONNX: one network, one answer."""
    image = RNG.integers(0, 255, (3, 150, 150)).astype(np.uint8)
    sheet = write_sheet(tmp_path / "s.tif", image)
    card = blur_network.with_suffix(".json").read_text()
    network = BlurNetwork().eval()
    example = torch.zeros(1, 3, 64, 64)
    torch.export.save(torch.export.export(network, (example,)), tmp_path / "blur.pt2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (example,), tmp_path / "blur.onnx", dynamo=False, input_names=["x"], output_names=["y"]
        )
    (tmp_path / "blur.json").write_text(card)
    results = []
    for path in (blur_network, tmp_path / "blur.pt2", tmp_path / "blur.onnx"):
        run = tmp_path / path.suffix[1:]
        tile([sheet], run)
        infer(run, InferOptions(model=(path,), engine="torch", precision="f32"))
        mosaic(run, MosaicOptions(vectors=False))
        results.append(rasterio.open(next((run / "out").glob("*_classes.tif"))).read(1))
    assert all((r == results[0]).mean() > 0.9999 for r in results)
