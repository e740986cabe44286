"""The CPU backend."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from fakes import save_network
from support import class_raster, write_sheet

from geoseg.classes import ISPRS
from geoseg.errors import NeverEnds
from geoseg.models.facts import Conversion, Normalise
from geoseg.options import InferOptions, MosaicOptions, TileOptions
from geoseg.predict.backend import Rows
from geoseg.predict.cpu import CpuBackend
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


def _backend(score, patience: float | None) -> CpuBackend:
    normalise = Normalise(np.zeros(3, np.float32), np.ones(3, np.float32))
    return CpuBackend(score, Conversion(normalise, (0, 1, 2), 1.0, "m.pt"), lanes=1, patience=patience)


def test_a_batch_that_does_not_come_back_ends_the_run_and_not_the_machine() -> None:
    """The lane stays: nothing can stop a thread inside a network, so the command line ends the process."""
    stop = threading.Event()

    def score(patches):
        stop.wait(30)
        return patches

    backend = _backend(score, 0.2)
    rows = Rows(np.zeros((3, 64, 64), np.uint8), np.ones((64, 64), bool), 0)
    begin = time.monotonic()
    with pytest.raises(NeverEnds, match="has not come back") as caught:
        backend.submit(rows, [0], 64).result()
    backend.close()
    assert time.monotonic() - begin < 10
    assert caught.value.exit_code == 5
    assert caught.value.subject == "m.pt"
    stop.set()


def test_networks_of_ones_own_are_never_timed() -> None:
    backend = _backend(lambda patches: patches, None)
    rows = Rows(np.zeros((3, 64, 64), np.uint8), np.ones((64, 64), bool), 0)
    assert backend.submit(rows, [0], 64).result().shape == (1, 3, 64, 64)
    backend.close()


STUCK = """
import sys, time
import geoseg.predict.build as build
build.PATIENCE = build.SHORTEST_PATIENCE = 0.2
import geoseg.predict.engines as engines
plain = engines.ENGINES["torch"]

def slow(network, shape, precision, lanes):
    score, calls = plain(network, shape, precision, lanes), iter(range(1000))
    return lambda patches: (time.sleep(600) if next(calls) > 1 else None) or score(patches)

engines.ENGINES["torch"] = slow
from geoseg.cli.main import main
main()
"""


def test_the_command_line_ends_with_a_network_that_never_does(tmp_path) -> None:
    network = save_network(tmp_path / "same.pt", Same(), classes=ISPRS.to_json()[:3])
    sheet = write_sheet(tmp_path / "s.tif", RNG.integers(0, 255, (3, 200, 210)).astype(np.uint8))
    words = ["run", sheet, "-o", tmp_path / "run", "--model", network, "--engine", "torch", "--no-vectors"]
    done = subprocess.run([sys.executable, "-c", STUCK, *map(str, words)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 5, done.stderr
    assert f"{network}: has not come back from a batch" in done.stderr
