"""What geoseg adds to the bare network, in CPU milliseconds per patch.

    python benchmarks/infer_overhead.py [--size 6000] [--work DIR]

One 6000 x 6000 uint8 RGB DEFLATE sheet, torchvision's LRASPP, 512 px patches, 50 % overlap, one lane. The network's
CPU is taken inside its own calls, in the same run; the rest (reading, cutting, blending, arg-max, confidence,
no-data, writing, commits) is geoseg's. Start-up (imports, compiling) is apart.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path

import common
import numpy as np
import rasterio


def measure(engine: str, precision: str, work: Path, sheet: Path) -> dict[str, float]:
    """Run `infer` once; CPU seconds inside and outside the network's calls."""
    from geoseg.options import InferOptions, TileOptions
    from geoseg.predict import build as predictor
    from geoseg.predict import engines
    from geoseg.stages.infer import infer
    from geoseg.stages.infer import panel as stage
    from geoseg.stages.tile import tile

    spent = {"inside": 0.0, "calls": 0}
    original = engines.ENGINES[engine]

    def timed(network, shape, precision, lanes):
        score = original(network, shape, precision, lanes)

        def call(patches):
            begin = time.thread_time()
            out = score(patches)
            spent["inside"] += time.thread_time() - begin
            spent["calls"] += 1
            return out

        return call

    marks: dict[str, object] = {}
    stream = stage.stream_panel

    def marked(*args, **kwargs):  # the first panel starts: all is loaded and compiled
        if "cpu" not in marks:
            marks["cpu"], marks["threads"] = time.process_time(), common.thread_seconds()
            marks["calls"], marks["inside"] = spent["calls"], spent["inside"]
        return stream(*args, **kwargs)

    network = common.lraspp()
    engines.ENGINES[engine], stage.stream_panel = timed, marked
    build, predictor.build_network = predictor.build_network, lambda model: network
    run = work / f"run_{engine}_{precision}"
    shutil.rmtree(run, ignore_errors=True)
    python_before = common.python_threads()
    try:
        tile([sheet], run, TileOptions())
        report = infer(
            run,
            InferOptions(model=(common.model_file(work),), engine=engine, precision=precision, threads=1),
        )
        total = time.process_time() - marks["cpu"]
        before, after = marks["threads"], common.thread_seconds()
        foreign = {t for t in before if t not in python_before}  # the engine's own threads
        engine_threads = sum(after.get(t, before[t]) - before[t] for t in foreign)
    finally:
        engines.ENGINES[engine], stage.stream_panel, predictor.build_network = original, stream, build
    inside = spent["inside"] - marks["inside"] + (engine_threads if engine != "torch" else 0)
    patches = spent["calls"] - marks["calls"]
    assert patches == report.patches
    return {
        "patches": patches,
        "network_ms": 1000 * inside / patches,
        "rest_ms": 1000 * (total - inside) / patches,
        "ratio": total / inside,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=6000)
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks"))
    options = parser.parse_args()
    sheet = common.sheet(options.work / f"sheet_{options.size}.tif", options.size, options.size)
    small = common.sheet(options.work / "sheet_600.tif", 600, 600)
    measure("torch", "f32", options.work / "warm", small)  # compiles kernels
    print("| engine | patches | network CPU ms/patch | geoseg's own ms/patch | run / network |")
    print("|---|---|---|---|---|")
    for engine, precision in (("torch", "f32"), ("openvino", "f32"), ("openvino", "bf16")):
        m = measure(engine, precision, options.work, sheet)
        print(
            f"| {engine} {precision} | {m['patches']} | {m['network_ms']:.1f} | {m['rest_ms']:.2f} | "
            f"{m['ratio']:.3f} |",
            flush=True,
        )
    rasters = []
    for name in ("run_torch_f32", "run_openvino_f32"):
        blocks = sorted((options.work / name / "blocks").glob("*.tif"))
        rasters.append(np.stack([rasterio.open(p).read(1) for p in blocks]))
    valid = rasters[0] != 255
    print(
        f"classes OpenVINO f32 = torch f32: {100 * (rasters[0] == rasters[1])[valid].mean():.4f} % of "
        f"{valid.sum():,} pixels"
    )


if __name__ == "__main__":
    main()
