"""CPU seconds and peak memory of the whole mosaic stage on a drawn town.

    python benchmarks/mosaic.py [--size 6000]
    python benchmarks/mosaic.py --size 20000 --kills 3      # how much work a kill -9 costs

The sheet's first band holds the classes and a small network returns them, so that `tile` and `infer` are cheap; only
`mosaic` is measured, after a first one on a corner has compiled and loaded everything. The town is drawn once at 300
x 300 m and repeated.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import common
import numpy as np


def network(path: Path) -> Path:
    """A network that gives back the classes of band 1."""
    import torch

    from geoseg.classes import ISPRS

    class Band(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("values", torch.arange(6, dtype=torch.float32)[None, :, None, None])

        def forward(self, x):
            return (torch.abs(x[:, :1] - self.values) < 0.5).float() * 8

    with torch.inference_mode():
        torch.jit.trace(Band().eval(), torch.zeros(1, 3, 512, 512)).save(str(path))
    card = {
        "name": "band",
        "architecture": "torchscript",
        "classes": ISPRS.to_json(),
        "bands": ["red", "green", "blue"],
        "mean": [0, 0, 0],
        "std": [1, 1, 1],
        "gsd": 0.05,
        "gsd_range": [0.01, 1],
        "patch": 512,
        "overlap": 0,
        "margin": 0,
        "stride": 32,
    }
    path.with_suffix(".json").write_text(json.dumps(card))
    return path


def town(path: Path, size: int) -> Path:
    """A sheet of size x size px whose bands all hold class values, slightly damaged."""
    import rasterio
    from rasterio.transform import Affine
    from vector_quality import damage

    from geoseg.scenes.scene import Scene

    if path.exists():
        return path
    scene = Scene(123, 300.0, 300.0, 0.05)
    part = damage(scene.labels(0, 0, *scene.shape), np.random.default_rng(0), 1.0)
    profile = {"driver": "GTiff", "count": 3, "height": size, "width": size, "dtype": "uint8", "crs": "EPSG:25833"}
    profile |= {"transform": Affine(0.05, 0, 367_000, 0, -0.05, 5_807_000), "compress": "deflate", "tiled": True}
    with rasterio.open(path, "w", blockxsize=512, blockysize=512, interleave="pixel", **profile) as dataset:
        for top in range(0, size, 1000):
            rows = part[np.arange(top, min(top + 1000, size)) % len(part)][:, np.arange(size) % len(part)]
            dataset.write(np.stack([rows] * 3), window=((top, top + len(rows)), (0, size)))
    return path


def run_of(work: Path, size: int, model: Path) -> Path:
    from geoseg.options import InferOptions, TileOptions
    from geoseg.stages.infer.infer import infer
    from geoseg.stages.tile.tile import tile

    run = work / f"mosaic_run_{size}"
    if not (run / "blocks").exists():
        tile([town(work / f"town_{size}.tif", size)], run, TileOptions())
        infer(run, InferOptions(model=(model,), engine="torch", precision="f32", threads=1))
    shutil.rmtree(run / "out", ignore_errors=True)
    (run / "run.json").unlink(missing_ok=True)
    return run


def killed(run: Path, count: int) -> None:
    """Kill -9 at moments spread over the mosaic, each followed by the same command."""

    def started(name: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "geoseg.cli.main", "mosaic", str(run), "--name", name]
        return subprocess.Popen(words, stdout=subprocess.DEVNULL)

    def features() -> dict[str, int]:
        return json.loads((run / "run.json").read_text())["features"]

    begin = time.monotonic()
    assert started("whole").wait() == 0
    whole, wanted = time.monotonic() - begin, features()
    print(f"undisturbed: {whole:.0f} s", flush=True)
    for trial in range(count):
        moment = whole * (trial + 0.5) / count
        process = started(f"trial{trial}")
        time.sleep(moment)
        process.kill()
        process.wait()
        begin = time.monotonic()
        assert started(f"trial{trial}").wait() == 0
        again = time.monotonic() - begin
        ratio, same = (moment + again) / whole, features() == wanted
        print(f"killed after {moment:.0f} s: {again:.0f} s more, {ratio:.2f} x, same numbers: {same}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=6000)
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks"))
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--prepare", action="store_true", help="only make the runs")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    from geoseg.stages.mosaic.mosaic import mosaic

    model = options.work / "band.pt"
    if not model.exists():
        network(model)
    small, run = run_of(options.work, 1000, model), run_of(options.work, options.size, model)
    if options.prepare:
        return
    if options.kills:
        killed(run, options.kills)
        return
    mosaic(small)
    begin = time.process_time()
    report = mosaic(run)
    seconds = time.process_time() - begin
    timings = json.loads((run / "run.json").read_text())["timings_s"]
    print(f"{options.size} x {options.size} px: {seconds:.1f} CPU s, peak {common.peak_rss():.0f} MB")
    print(f"wall s by part: {timings}\nfeatures: {report.features}")


if __name__ == "__main__":
    main()
