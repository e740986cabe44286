"""geoseg beside MONAI's sliding_window_inference + rasterio: the same sheet, network, patch and overlap, in one call.

    python benchmarks/peers.py [--size 6000]          (needs: pip install monai)

Whole processes, one thread, start-up included, in turn; CPU seconds (user + system) and peak memory of each.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import common


def run_geoseg(sheet: Path, work: Path) -> None:
    """Tile + infer with the automatic engine, to class and confidence blocks on disk."""
    from geoseg.options import InferOptions, TileOptions
    from geoseg.stages.infer.infer import infer
    from geoseg.stages.tile.tile import tile

    run = work / "peer_run"
    tile([sheet], run, TileOptions(overwrite=True))
    report = infer(run, InferOptions(model=(work / "lraspp.pt",), threads=1))
    print(f"  geoseg: {report.patches} patches, {report.engine.engine} {report.engine.precision}", file=sys.stderr)


def run_monai(sheet: Path, work: Path) -> None:
    """What MONAI's documentation shows: read, scale, sliding window with gaussian weights, arg-max, write."""
    import numpy as np
    import rasterio
    import torch
    from monai.inferers import sliding_window_inference

    torch.set_num_threads(1)
    network = common.lraspp()
    with rasterio.open(sheet) as source:
        image, profile = source.read(), source.profile
    mean, std = (np.array(v, np.float32)[:, None, None] for v in ((123.7, 116.3, 103.5), (58.4, 57.1, 57.4)))
    x = torch.from_numpy((image.astype(np.float32) - mean) / std)[None]
    with torch.inference_mode():
        scores = sliding_window_inference(x, (common.PATCH, common.PATCH), 1, network, overlap=0.5, mode="gaussian")
        classes = scores.argmax(1)[0].to(torch.uint8).numpy()
    profile.update(count=1, compress="deflate", predictor=1, photometric="minisblack", nodata=255)
    with rasterio.open(work / "monai.tif", "w", **profile) as target:
        target.write(classes, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=6000)
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks"))
    parser.add_argument("--only", choices=["geoseg", "monai"])
    options = parser.parse_args()
    sheet = common.sheet(options.work / f"sheet_{options.size}.tif", options.size, options.size)
    if options.only:
        (run_geoseg if options.only == "geoseg" else run_monai)(sheet, options.work)
        import time

        print(f"{time.process_time():.2f} {common.peak_rss():.0f}")
        return
    common.model_file(options.work)
    figures = {}
    subprocess.run(
        [sys.executable, __file__, "--only", "geoseg", "--size", "600", "--work", str(options.work)],
        check=True,
        capture_output=True,
    )
    for name in ("geoseg", "monai"):
        command = [sys.executable, __file__, "--only", name, "--size", str(options.size), "--work", str(options.work)]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        figures[name] = tuple(float(v) for v in out.split()[-2:])
        print(f"{name}: {figures[name][0]:.1f} CPU s, {figures[name][1]:.0f} MB", flush=True)
    print(
        f"geoseg / MONAI: CPU {figures['geoseg'][0] / figures['monai'][0]:.3f}, memory "
        f"{figures['geoseg'][1] / figures['monai'][1]:.3f}"
    )


if __name__ == "__main__":
    main()
