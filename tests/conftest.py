"""Shared parts: real GeoTIFFs, and networks whose answer is known."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import settings
from rasterio.transform import Affine

from geoseg.classes import ISPRS

settings.register_profile("geoseg", deadline=None)  # the first call of a kernel compiles it
settings.load_profile("geoseg")

CRS = "EPSG:25833"
PLACE = Affine(0.1, 0, 367_000, 0, -0.1, 5_807_000)


def write_sheet(
    path: Path, pixels: np.ndarray, *, place: Affine = PLACE, crs: str | None = CRS, **profile: object
) -> Path:
    """A real GeoTIFF of (C, H, W) or (H, W) pixels."""
    pixels = pixels if pixels.ndim == 3 else pixels[None]
    settings = {
        "driver": "GTiff",
        "count": len(pixels),
        "height": pixels.shape[1],
        "width": pixels.shape[2],
        "dtype": pixels.dtype.name,
        "crs": crs,
        "transform": place,
        **profile,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **settings) as dataset:
        dataset.write(pixels)
    return path


def moved(place: Affine, col: int, row: int) -> Affine:
    """The place of a crop that starts at (col, row)."""
    return place @ Affine.translation(col, row)


class BandNetwork(torch.nn.Module):
    """Returns the truth: scores are one-hot of the first band, whose values are the classes."""

    def __init__(self, classes: int = 6, height: float = 8.0) -> None:
        super().__init__()
        self.register_buffer("values", torch.arange(classes, dtype=torch.float32)[None, :, None, None])
        self.height = height

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (torch.abs(x[:, :1] - self.values) < 0.5).float() * self.height


class BlurNetwork(torch.nn.Module):
    """Random scores from a neighbourhood of 3 pixels: seams would show."""

    def __init__(self, bands: int = 3, classes: int = 6) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.conv = torch.nn.Conv2d(bands, classes, 7, padding=3)
        for p in self.conv.parameters():
            p.data = torch.randn(p.shape, generator=generator) * 0.05

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


def save_network(path: Path, network: torch.nn.Module, *, bands: int = 3, **card: object) -> Path:
    """TorchScript with its card beside it."""
    with torch.inference_mode():
        torch.jit.trace(network.eval(), torch.zeros(1, bands, 64, 64)).save(str(path))
    facts = {
        "name": path.stem,
        "architecture": "torchscript",
        "classes": ISPRS.to_json(),
        "bands": ["red", "green", "blue"][:bands],
        "mean": [0.0] * bands,
        "std": [1.0] * bands,
        "gsd": 0.1,
        "gsd_range": [0.02, 10.0],
        "patch": 64,
        "overlap": 32,
        "margin": 0,
        "stride": 1,
        "patch_dependent": False,
        **card,
    }
    path.with_suffix(".json").write_text(json.dumps(facts))
    return path


@pytest.fixture(scope="session")
def truth_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network file that gives back the first band as classes."""
    return save_network(tmp_path_factory.mktemp("model") / "truth.pt", BandNetwork())


@pytest.fixture(scope="session")
def blur_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network file whose scores hang on their surroundings."""
    return save_network(
        tmp_path_factory.mktemp("model") / "blur.pt", BlurNetwork(), mean=[100.0] * 3, std=[50.0] * 3, margin=4
    )


@pytest.fixture
def geoseg(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the real command line in this process: (*arguments) -> (exit code, stdout, stderr)."""
    from geoseg.cli.main import main

    def run(*arguments: object) -> tuple[int, str, str]:
        import logging
        import sys

        capsys.readouterr()
        before = sys.argv
        sys.argv = ["geoseg", *map(str, arguments)]
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        finally:
            sys.argv = before
            logging.getLogger().handlers.clear()
        out, err = capsys.readouterr()
        return int(code or 0), out, err

    return run


def class_raster(run: Path) -> tuple[np.ndarray, Affine]:
    """Pixels and place of a run's class raster."""
    (path,) = (run / "out").glob("*_classes.tif")
    with rasterio.open(path) as dataset:
        return dataset.read(1), dataset.transform
