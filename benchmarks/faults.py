"""Real faults against small jobs: random kill -9, kill -9 at write-like system calls, full disks, no-op nights, two workers.

    python benchmarks/faults.py kills --trials 100
    python benchmarks/faults.py calls --every 7        # kill at every 7th write, fsync, rename ... (needs strace)
    python benchmarks/faults.py disk --sizes 20        # RLIMIT_FSIZE: each kind of file cut at each size
    python benchmarks/faults.py noop --sheets 200
    python benchmarks/faults.py workers

Each trial: the job is hurt, every file under a final name is looked at (nothing torn), the same command runs again undisturbed, and the result is compared
with that of a job nobody hurt: pixels and features.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from mosaic import network, town

GEOSEG = [sys.executable, "-m", "geoseg.cli.main", "--quiet"]
QUIET = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def sheets_of(folder: Path, count: int, side: int = 600) -> Path:
    """So many sheets in a row, cut from one drawn town."""
    import rasterio
    from rasterio.windows import Window

    whole = town(folder / "town.tif", 3000)
    there = folder / "sheets"
    there.mkdir(exist_ok=True)
    with rasterio.open(whole) as dataset:
        for k in range(count):
            row, col = divmod(k, max(1, 3000 // side))
            window = Window(col * side, row * side, side, side)
            profile = {**dataset.profile, "width": side, "height": side, "transform": dataset.window_transform(window)}
            with rasterio.open(there / f"s{k:03}.tif", "w", **profile) as out:
                out.write(dataset.read(window=window))
    return there


def command(sheets: Path, run: Path, model: Path, *more: str) -> list[str]:
    return [*GEOSEG, "run", str(sheets), "-o", str(run), "--model", str(model), "--engine", "torch", "--precision", "f32",
            "--threads", "1", "--block-size", "256", "--name", "town", *more]  # fmt: skip


def features(path: Path) -> list[tuple[str, str]]:
    """Hash of every feature table's rows."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        names = [
            r[0]
            for r in database.execute("SELECT table_name FROM gpkg_contents WHERE data_type = 'features' ORDER BY 1")
        ]
        return [
            (n, hashlib.sha256(repr(database.execute(f'SELECT * FROM "{n}"').fetchall()).encode()).hexdigest())
            for n in names
        ]


def result(run: Path) -> dict[str, object]:
    """What must not differ: pixels of blocks and outputs, features."""
    import rasterio

    found: dict[str, object] = {}
    for path in [*sorted((run / "blocks").glob("*.tif")), *sorted((run / "out").rglob("*.tif"))]:
        with rasterio.open(path) as dataset:
            found[str(path.relative_to(run))] = hashlib.sha256(dataset.read().tobytes()).hexdigest()
    found["features"] = features(run / "out" / "town.gpkg")
    return found


def torn(run: Path) -> list[str]:
    """Files under final names that are not whole."""
    import rasterio

    bad = []
    for path in (p for p in run.rglob("*") if p.is_file() and not p.name.startswith(".") and p.parent.name != "locks"):
        try:
            if path.suffix == ".tif":
                with rasterio.open(path) as dataset:
                    dataset.read()
            elif path.suffix == ".json":
                json.loads(path.read_bytes())
            elif path.suffix == ".gpkg":
                with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
                    assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        except Exception as error:
            bad.append(f"{path}: {error!r}")
    return bad


class Jobs:
    """The job nobody hurt, and trials against it."""

    def __init__(self, work: Path, count: int) -> None:
        self.work = work
        self.model = network(work / "band.pt")
        self.sheets = sheets_of(work, count)
        begin = time.monotonic()
        self.start(work / "whole").wait()
        self.seconds = time.monotonic() - begin
        self.whole = result(work / "whole")
        self.trial = 0

    def start(self, run: Path, prefix: tuple[str, ...] = (), **more: object) -> subprocess.Popen[bytes]:
        """The job, begun."""
        return subprocess.Popen([*prefix, *command(self.sheets, run, self.model)], env=QUIET, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, **more)  # fmt: skip

    def fresh(self) -> Path:
        """A run folder of its own."""
        self.trial += 1
        return self.work / f"trial_{self.trial}"

    def recovered(self, run: Path) -> tuple[list[str], bool, float]:
        """(torn files, same result after the same command, its seconds)."""
        bad = torn(run) if run.exists() else []
        begin = time.monotonic()
        again = self.start(run)
        _, err = again.communicate()
        seconds = time.monotonic() - begin
        same = again.returncode == 0 and result(run) == self.whole
        if not same:
            print(f"  DIFFERS: exit {again.returncode} {err.decode()[-300:]}", flush=True)
        shutil.rmtree(run, ignore_errors=True)
        return bad, same, seconds


def kills(work: Path, trials: int) -> None:
    jobs = Jobs(work, 3)
    rng = random.Random(1)
    worst, different, broken, ratios = 0.0, 0, 0, []
    for _ in range(trials):
        run, moment = jobs.fresh(), rng.uniform(0.3, jobs.seconds)
        process = jobs.start(run)
        time.sleep(moment)
        process.kill()
        process.wait()
        bad, same, seconds = jobs.recovered(run)
        different, broken = different + (not same), broken + len(bad)
        ratios.append((moment + seconds) / jobs.seconds)
        worst = max(worst, ratios[-1])
    print(
        f"{trials} random kills: {different} different, {broken} torn; work with one kill {statistics.median(ratios):.2f} x (median), {worst:.2f} x (worst)"
    )


CALLS = "write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,ftruncate,link,linkat,symlink,symlinkat,mkdir,mkdirat"


def calls(work: Path, every: int) -> None:
    """Kill at the n-th write-like call below the run folder, for every n (or every `every`-th)."""
    jobs = Jobs(work, 3)
    different = broken = trials = 0
    number = every
    while True:
        run = jobs.fresh()
        run.mkdir()
        prefix = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={CALLS}",
                  "-e", f"inject={CALLS}:signal=KILL:when={number}")  # fmt: skip
        process = jobs.start(run, prefix)
        process.communicate()
        if process.returncode == 0:  # it got through: there are no more calls
            break
        bad, same, _ = jobs.recovered(run)
        trials, different, broken = trials + 1, different + (not same), broken + len(bad)
        number += every
    print(f"killed at {trials} write-like calls (every {every}): {different} different, {broken} torn")


def disk(work: Path, sizes: int) -> None:
    """No file may grow beyond a limit: as many limits as asked for, up to the largest output."""
    jobs = Jobs(work, 3)
    largest = max(p.stat().st_size for p in (work / "whole").rglob("*") if p.is_file())
    swallowed = different = broken = 0
    for limit in np.geomspace(2000, largest * 0.98, sizes).astype(int).tolist():
        run = jobs.fresh()

        def cut(limit: int = limit) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        process = jobs.start(run, preexec_fn=cut)
        _, err = process.communicate()
        if process.returncode != 4:
            swallowed += 1
            print(f"  limit {limit}: exit {process.returncode} {err.decode()[-200:]}", flush=True)
        bad, same, _ = jobs.recovered(run)
        different, broken = different + (not same), broken + len(bad)
    print(
        f"{sizes} limits from 2 kB to {largest / 1e3:.0f} kB: {swallowed} did not end with 4, {different} different after the rerun, {broken} torn"
    )


def noop(work: Path, count: int) -> None:
    model, sheets, run = network(work / "band.pt"), sheets_of(work, count, 200), work / "run"
    subprocess.run(command(sheets, run, model), env=QUIET, check=True, stdout=subprocess.DEVNULL)
    state = lambda: {
        p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in run.rglob("*") if p.is_file() and p.parent.name != "locks"
    }
    before, times = state(), []
    for _ in range(3):
        begin = time.monotonic()
        subprocess.run(command(sheets, run, model), env=QUIET, check=True, stdout=subprocess.DEVNULL)
        times.append(time.monotonic() - begin)
    changed = sum(before.get(p) != s for p, s in state().items())
    print(f"{count} sheets, nothing new: {min(times):.2f} s (best of 3), {changed} files rewritten")


def workers(work: Path) -> None:
    """Twelve sheets in process and on two workers; one worker killed."""
    jobs = Jobs(work, 12)
    two = work / "two"
    begin = time.monotonic()
    subprocess.run(
        [*command(jobs.sheets, two, jobs.model), "--workers", "2"], env=QUIET, check=True, stdout=subprocess.DEVNULL
    )
    print(
        f"12 sheets: in process {jobs.seconds:.1f} s, two workers {time.monotonic() - begin:.1f} s, same: {result(two) == jobs.whole}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("kills", "calls", "disk", "noop", "workers"))
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--sizes", type=int, default=20)
    parser.add_argument("--sheets", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        {
            "kills": lambda: kills(work, options.trials),
            "calls": lambda: calls(work, options.every),
            "disk": lambda: disk(work, options.sizes),
            "noop": lambda: noop(work, options.sheets),
            "workers": lambda: workers(work),
        }[options.what]()


if __name__ == "__main__":
    main()
