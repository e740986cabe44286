"""What geoseg costs around a network that costs nothing: CPU seconds and wall seconds per megapixel, step by step.

    python benchmarks/feed.py [--size 6000] [--patch 1024] [--readers 1,2] [--rounds 3] [--layout deflate]
    PYTHONPATH=OTHER_CHECKOUT python benchmarks/feed.py        # another version, beside this one

The network is one 1 x 1 convolution, so the whole of `infer` runs: planning, decoding, cutting, blending, arg-max,
compressing, committing. Its own CPU is taken inside its calls and shown apart. Each round is a process of its own; the
median round is printed. Start-up (imports, kernels, the trial of the graph, a sheet of 600 px) is apart. The floor is
rasterio alone: it reads the same sheet in strips of 512 rows and writes the same blocks, in one thread.

CPU seconds of a step are those of the threads that do it. A step in a decoder process is counted by the process.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch as replaced

import common

SHEETS = {
    "deflate": {"compress": "deflate", "predictor": 2, "tiled": True, "blockxsize": 512, "blockysize": 512},
    "zstd": {"compress": "zstd", "predictor": 2, "tiled": True, "blockxsize": 512, "blockysize": 512},
    "none": {"tiled": True, "blockxsize": 512, "blockysize": 512},
    "jpeg": {"compress": "jpeg", "photometric": "ycbcr", "tiled": True, "blockxsize": 512, "blockysize": 512},
}
"""Layouts of the sheet."""


def model(folder: Path, patch: int) -> Path:
    """A TorchScript of one 1 x 1 convolution (B, 3, P, P) -> (B, 6, P, P), with its card; 25 % overlap."""
    import torch

    from geoseg.classes import ISPRS

    torch.manual_seed(0)
    path = folder / f"free_{patch}.pt"
    with torch.inference_mode():
        network = torch.nn.Conv2d(3, len(ISPRS.classes), 1).eval()
        torch.jit.trace(network, torch.zeros(1, 3, patch, patch)).save(str(path))
    card = {
        "name": "free", "architecture": "torchscript", "classes": ISPRS.to_json(), "bands": ["red", "green", "blue"],
        "mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4], "gsd": 0.1, "gsd_range": [0.05, 0.2],
        "patch": patch, "overlap": patch // 4, "margin": 0, "stride": 1,
    }  # fmt: skip
    path.with_suffix(".json").write_text(json.dumps(card))
    return path


def sheet(folder: Path, size: int, layout: str) -> Path:
    """The sheet of `common`, in another layout."""
    import rasterio

    source = common.sheet(folder / f"sheet_{size}.tif", size, size)
    path = folder / f"sheet_{size}_{layout}.tif"
    if layout == "deflate":
        return source
    if not path.exists():
        with rasterio.open(source) as dataset:
            pixels, profile = dataset.read(), dataset.profile
        for key in ("compress", "predictor", "photometric"):
            profile.pop(key, None)
        with rasterio.open(path, "w", **{**profile, **SHEETS[layout]}) as out:
            out.write(pixels)
    return path


def decoders_cpu() -> float:
    """CPU seconds of the decoder processes of this one (Linux)."""
    total, me = 0.0, os.getpid()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(place.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            if parent == me and b"decoder_process" in place.joinpath("cmdline").read_bytes():
                parts = [t.joinpath("schedstat").read_text() for t in place.joinpath("task").iterdir()]
                total += sum(int(p.split()[0]) for p in parts) / 1e9
        except (OSError, IndexError):
            continue
    return total


def decoders_rss() -> float:
    """Largest resident memory of each decoder process, added up, in MB (Linux)."""
    total, me = 0.0, os.getpid()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(place.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            if parent == me and b"decoder_process" in place.joinpath("cmdline").read_bytes():
                lines = place.joinpath("status").read_text().splitlines()
                total += int(next(x for x in lines if x.startswith("VmHWM")).split()[1]) / 1024
        except (OSError, IndexError):
            continue
    return total


class Meter:
    """CPU seconds by step: what a wrapped function takes in its own thread, without the steps inside it."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.inner: dict[int, list[float]] = defaultdict(lambda: [0.0])

    def wrap(self, step: str, function):
        """The function, timed as a step."""
        import threading

        def timed(*args, **kwargs):
            stack = self.inner[threading.get_ident()]
            stack.append(0.0)
            begin = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                took = time.thread_time() - begin
                self.spent[step] += took - stack.pop()
                stack[-1] += took

        return timed


def steps(meter: Meter, stack: ExitStack) -> None:
    """Put the meter around each step of the product."""
    from geoseg.predict import blend, cpu, engines, stream
    from geoseg.runfolder import blocks
    from geoseg.sheets import decoder, photo
    from geoseg.stages.infer import block_sink

    places = [
        ("receive pixels", decoder.Decoder, "read"),
        ("no-data, put together", photo.Photo, "read"),
        ("cut, normalise", cpu, "cut"),
        ("weighted add", blend.Strip, "add"),
        ("arg-max, confidence", blend.Strip, "finish"),
        ("collect into blocks", block_sink.BlockSink, "__call__"),
        ("compress", blocks, "_encode"),
        ("hash, write, fsync", blocks, "commit_bytes"),
        ("hash, write, fsync", blocks, "commit_state"),
        ("count classes", blocks, "_histogram"),
        ("which patches", stream._Panel, "needed"),
        ("which patches", stream._Panel, "patches"),
    ]
    for step, place, name in places:
        if hasattr(place, name):
            stack.enter_context(replaced.object(place, name, meter.wrap(step, getattr(place, name))))
    original = engines.ENGINES["torch"]

    def engine(*args):
        return meter.wrap("network", original(*args))

    stack.enter_context(replaced.dict(engines.ENGINES, {"torch": engine}))


def one(work: Path, source: Path, patch: int, readers: int) -> dict[str, object]:
    """One `infer` in this process."""
    from dataclasses import fields

    from geoseg.options import InferOptions, TileOptions
    from geoseg.sheets.decoder import decoder
    from geoseg.stages.infer import infer
    from geoseg.stages.infer import panel as stage
    from geoseg.stages.tile import tile

    begin = time.process_time()
    meter, mark = Meter(), {}
    more = {"readers": readers} if "readers" in {f.name for f in fields(InferOptions)} else {}
    asked = InferOptions(model=(model(work, patch),), engine="torch", precision="f32", **more)
    for path, run in ((sheet(work, 600, "deflate"), work / "feed_warm"), (source, work / "feed_run")):
        shutil.rmtree(run, ignore_errors=True)
        tile([path], run, TileOptions())
    infer(work / "feed_warm", asked)  # kernels and the decoder are loaded
    for number in range(readers if more else 0):
        decoder(number).header(source)  # they start, which a small sheet does not ask of them
    with ExitStack() as stack:
        steps(meter, stack)
        stream = stage.stream_panel

        def marked(*args, **kwargs):
            if not mark:
                meter.spent.clear()
                mark.update(wall=time.monotonic(), own=time.process_time(), decoders=decoders_cpu())
            return stream(*args, **kwargs)

        stack.enter_context(replaced.object(stage, "stream_panel", marked))
        report = infer(work / "feed_run", asked)
    own, decoders = time.process_time() - mark["own"], decoders_cpu() - mark["decoders"]
    spent = {"decode": decoders, **meter.spent}
    spent["rest"] = own + decoders - sum(spent.values())
    return {
        "mpx": report.megapixels, "wall": time.monotonic() - mark["wall"], "cpu": own + decoders, "steps": spent,
        "start": mark["own"] - begin, "rss": common.peak_rss(), "decoders_rss": decoders_rss(),
    }  # fmt: skip


def floor(work: Path, source: Path) -> dict[str, float]:
    """Rasterio alone: read the sheet, write the blocks that `infer` wrote."""
    import rasterio

    written = []
    for path in sorted((work / "feed_run" / "blocks").glob("*.tif")):
        with rasterio.open(path) as dataset:
            written.append((dataset.read(), dataset.profile))
    wall, cpu = time.monotonic(), time.process_time()
    with rasterio.open(source) as dataset:
        size = dataset.height
        for top in range(0, size, 512):
            dataset.read(window=((top, min(size, top + 512)), (0, dataset.width)))
    read = time.process_time() - cpu
    for i, (pixels, profile) in enumerate(written):
        with rasterio.open(work / f"floor_{i}.tif", "w", **{**profile, "zstd_level": 1, "sparse_ok": True}) as out:
            out.write(pixels)
    return {"wall": time.monotonic() - wall, "cpu": time.process_time() - cpu, "read": read}


def rounds(options: argparse.Namespace, readers: int) -> list[dict]:
    command = [sys.executable, __file__, "--one", str(readers), "--size", str(options.size), "--work",
               str(options.work), "--patch", str(options.patch), "--layout", options.layout]  # fmt: skip
    found = []
    for _ in range(options.rounds):
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found.append(json.loads(done.stdout.strip().splitlines()[-1]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=6000)
    parser.add_argument("--patch", type=int, default=1024)
    parser.add_argument("--readers", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layout", choices=list(SHEETS), default="deflate")
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks"))
    parser.add_argument("--one", type=int)
    options = parser.parse_args()
    source = sheet(options.work, options.size, options.layout)
    if options.one is not None:
        print(json.dumps(one(options.work, source, options.patch, options.one)))
        return
    print(f"{options.size} x {options.size} px {options.layout}, patch {options.patch}, 25 %; {os.cpu_count()} cores")
    middle = {}
    for readers in map(int, options.readers.split(",")):
        found = rounds(options, readers)
        middle[readers] = sorted(found, key=lambda m: m["cpu"])[len(found) // 2]
        m, walls = middle[readers], [f["wall"] for f in found]
        network = m["steps"].get("network", 0)
        print(
            f"{readers} readers: {m['cpu'] / m['mpx']:.4f} CPU s/Mpx ({(m['cpu'] - network) / m['mpx']:.4f} without the"
            f" network's own), {m['mpx'] / m['cpu']:.0f} Mpx/CPU s; wall {statistics.median(walls):.2f} s (best"
            f" {min(walls):.2f}), {m['mpx'] / min(walls):.0f} Mpx/s; start {m['start']:.1f} CPU s; peak"
            f" {m['rss']:.0f} MB + decoders {m['decoders_rss']:.0f} MB",
            flush=True,
        )
    bare = sorted((floor(options.work, source) for _ in range(3)), key=lambda f: f["cpu"])[1]
    mpx = next(iter(middle.values()))["mpx"]
    print(f"rasterio alone: {bare['cpu'] / mpx:.4f} CPU s/Mpx, of it reading {bare['read'] / mpx:.4f}")
    names = sorted(next(iter(middle.values()))["steps"], key=lambda n: -next(iter(middle.values()))["steps"][n])
    print(f"| step, CPU ms/Mpx | {' | '.join(f'{r} readers' for r in middle)} |\n|---|{'---|' * len(middle)}")
    for name in names:
        figures = (1000 * m["steps"].get(name, 0) / m["mpx"] for m in middle.values())
        print(f"| {name} | {' | '.join(f'{x:.2f}' for x in figures)} |")


if __name__ == "__main__":
    main()
