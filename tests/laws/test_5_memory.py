"""Guarantee 5: memory does not grow with the mosaic, and --max-ram is obeyed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import rasterio
from fakes import BandNetwork, save_network
from support import CRS, PLACE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

CHILD = """
import sys
from pathlib import Path
from geoseg.stages.tile.tile import TileOptions, tile
from geoseg.stages.infer.infer import InferOptions, infer
sheet, run, model, ram, readers = sys.argv[1:]
tile([Path(sheet)], Path(run), TileOptions(block_size=1024, overwrite=True))
limit = int(ram) or None
more = {"max_ram": limit, "readers": int(readers)}
infer(Path(run), InferOptions(model=(Path(model),), engine="torch", precision="f32", threads=1, **more))
from geoseg.sheets.decoder import decoder
started = [p for k in range(int(readers)) if (p := decoder(k).process) is not None]
processes = ["self", *(str(p.pid) for p in started)]
peaks = [x for p in processes for x in Path("/proc", p, "status").read_text().splitlines() if x.startswith("VmHWM")]
print(*(int(p.split()[1]) // 1024 for p in peaks))  # getrusage would count the parent's memory at the fork
"""


def tall_sheet(path, width, height):
    """Classes in bands, DEFLATE, 256 px tiles; written strip by strip."""
    profile = {
        "driver": "GTiff",
        "count": 3,
        "height": height,
        "width": width,
        "dtype": "uint8",
        "crs": CRS,
        "transform": PLACE,
    }
    profile |= {"compress": "deflate", "tiled": True, "blockxsize": 256, "blockysize": 256, "interleave": "pixel"}
    strip = np.repeat((np.arange(width) // 50 % 6).astype(np.uint8)[None], 2000, 0)
    with rasterio.open(path, "w", **profile) as dataset:
        for top in range(0, height, 2000):
            rows = strip[: min(2000, height - top)]
            dataset.write(np.stack([rows, rows, rows]), window=((top, top + len(rows)), (0, width)))
    return path


def peak(tmp_path, sheet, network, ram=0, readers=1) -> int:
    """MB of a fresh process that tiles and infers, with its decoders."""
    run = (
        tmp_path / f"run_{sheet.stem}_{ram}_{readers}"
    )  # one of its own: where blocks are done already, nothing would be measured
    words = [sys.executable, "-c", CHILD, str(sheet), str(run), str(network), str(ram << 20), str(readers)]
    said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
    print(said)
    return sum(map(int, said.split()))


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Costs nothing, so that pixels are what is measured."""
    return save_network(tmp_path_factory.mktemp("m") / "truth.pt", BandNetwork(), patch=512, overlap=64)


def test_ten_times_the_height_takes_the_same_memory(tmp_path, network):
    low = peak(tmp_path, tall_sheet(tmp_path / "low.tif", 2000, 10_000), network)
    high = peak(tmp_path, tall_sheet(tmp_path / "high.tif", 2000, 100_000), network)
    assert high <= 1.1 * low, (low, high)


@pytest.mark.parametrize(("readers", "more"), [(1, 400), pytest.param(3, 640, marks=pytest.mark.slow)])
def test_max_ram_is_obeyed(tmp_path, network, readers, more):
    sheet = tall_sheet(tmp_path / "wide.tif", 12_000, 3000)
    free = peak(tmp_path, sheet, network, 0, readers)
    idle = peak(
        tmp_path, sheet, network, 0, readers
    )  # all done: what Python and torch take alone, which differs by hundreds of MB between builds
    tight = peak(tmp_path, sheet, network, idle + more, readers)
    assert tight <= idle + more
    assert tight < free
