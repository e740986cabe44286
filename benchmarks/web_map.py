"""The web map of a run: seconds, peak memory and size of making it, the first picture, and frames while it is panned.

    python benchmarks/web_map.py RUN [PICTURE.png]

The browser is headless Chromium at 1024 x 768 that draws in software (SwiftShader): frames of a machine without a
graphics card. Bars for a town of 98 Mpx (Banepa, 13 cm) on two cores: 120 s, 1.2 GB, 2 s, 100 ms median, 250 ms p95.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browser import chromium

from geoseg.stages.look.serve import server_of

GO = """new Promise((done) => {
  const [west, south, east, north] = D.bounds;
  map.once("idle", () => done(1));
  map.jumpTo({ center: [west + (east - west) * 0.4, south + (north - south) * 0.6], zoom: D.zooms[0] + %d });
})"""
PAN = """new Promise((done) => {
  const times = []; let last = performance.now(), running = true;
  const frame = (now) => { times.push(now - last); last = now; if (running) requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  map.once("moveend", () => { running = false; done(times); });
  map.panBy([%d, %d], { duration: 4000, easing: (t) => t });
})"""


def made(run: Path, out: Path) -> dict[str, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "geoseg", "-q", "view", str(run), "--web", "-o", str(out)], check=True)
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    size = sum(p.stat().st_size for p in out.iterdir())
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
        "size_mb": round(size / 1e6, 1),
    }


def seen(run: Path, out: Path, picture: Path | None) -> dict[str, object]:
    with server_of(run, out, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with chromium(1024, 768) as page:
            page.open(server.address)
            whole = page.ready()
            first = float(page.run("document.documentElement.dataset.first"))
            frames = []
            for zoom in (0, 2, 4):
                page.run(GO % zoom)
                for way in ((700, 300), (-700, -300)):
                    frames += page.run(PAN % way)
            if picture:
                page.run(GO % 4)
                page.look(picture)
            errors = page.errors
        server.shutdown()
    return {
        "first_picture_ms": first,
        "all_of_it_ms": whole,
        "frames": len(frames),
        "frame_median_ms": round(float(np.median(frames)), 1),
        "frame_p95_ms": round(float(np.percentile(frames, 95)), 1),
        "errors": errors,
    }


def main(run: Path, picture: Path | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "map"
        facts = made(run, out)
        print(
            json.dumps(
                {"load": os.getloadavg()[0], "cores": os.cpu_count(), **facts, **seen(run, out, picture)}, indent=1
            )
        )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
