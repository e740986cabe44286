"""Real faults against small jobs: kill -9 at random and at system calls that write, full disks, no-op nights, workers.

    python benchmarks/faults.py kills --trials 100
    python benchmarks/faults.py heavy --trials 20    # the same on a job of 20 blocks and more: what a kill costs
    python benchmarks/faults.py calls                # kill before every write, fsync, rename ... (needs cc)
    python benchmarks/faults.py calls --part 1/2     # half of them
    python benchmarks/faults.py disk --sizes 20      # a limit of file size, then full disks (needs root)
    python benchmarks/faults.py noop --sheets 200
    python benchmarks/faults.py workers

Each trial: the job is hurt, every file under a final name is looked at (nothing torn), the same command runs again
undisturbed, and the result is compared with that of a job nobody hurt: pixels and features.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
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

GEOSEG = [sys.executable, "-m", "geoseg.cli.main"]
HERE = Path(__file__).parent
QUIET = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


class Server:
    """geoseg, imported once and forked for each command (see `fork_server.py`)."""

    def __init__(self, work: Path) -> None:
        preload = work / "counted.so"
        built = subprocess.run(["cc", "-shared", "-fPIC", "-o", preload, HERE / "counted.c", "-ldl"], check=False)
        environment = {**QUIET, "LD_PRELOAD": str(preload)} if built.returncode == 0 else QUIET
        self.said = work / "said.txt"
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "fork_server.py")],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, words: list[str], **asked: object) -> int:
        """Start a command; its process."""
        self.process.stdin.write(json.dumps({"words": words, "said": str(self.said), **asked}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["pid"]

    def end(self) -> int:
        """Exit code of the command that was begun; negative for a signal."""
        return json.loads(self.process.stdout.readline())["code"]

    def run(self, words: list[str], **asked: object) -> int:
        """Both."""
        self.begin(words, **asked)
        return self.end()

    def text(self) -> str:
        """What the last command said."""
        return self.said.read_text(errors="replace")


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
    return [
        "--quiet",
        "run",
        str(sheets),
        "-o",
        str(run),
        "--model",
        str(model),
        "--engine",
        "torch",
        "--precision",
        "f32",
        "--threads",
        "1",
        "--block-size",
        "256",
        "--name",
        "town",
        *more,
    ]


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

    def __init__(self, work: Path, count: int, side: int = 600, turns: int = 0) -> None:
        self.work = work
        self.model = network(work / "band.pt") if not turns else heavy(work / "heavy.pt", turns)
        self.sheets = sheets_of(work, count, side)
        self.server = Server(work)
        self.run(work / "warm")  # compiles what is compiled
        begin = time.monotonic()
        assert self.run(work / "whole") == 0, self.server.text()
        self.seconds = time.monotonic() - begin
        self.whole = result(work / "whole")
        self.trial = 0

    def words(self, run: Path) -> list[str]:
        """The job."""
        return command(self.sheets, run, self.model)

    def run(self, run: Path, **asked: object) -> int:
        """The job, to its end; its exit code."""
        return self.server.run(self.words(run), **asked)

    def fresh(self) -> Path:
        """A run folder of its own."""
        self.trial += 1
        return self.work / f"trial_{self.trial}"

    def recovered(self, run: Path) -> tuple[list[str], bool, float]:
        """(torn files, same result after the same command, its seconds)."""
        bad = torn(run) if run.exists() else []
        for name in bad:
            print(f"  TORN: {name}", flush=True)
        begin = time.monotonic()
        code = self.run(run)
        seconds = time.monotonic() - begin
        same = code == 0 and result(run) == self.whole
        if not same:
            print(f"  DIFFERS: exit {code} {self.server.text()[-300:]}", flush=True)
        shutil.rmtree(run, ignore_errors=True)
        return bad, same, seconds


def kills(work: Path, trials: int, *, heavy_job: bool = False) -> None:
    """Kill -9 at random moments; each is followed by the same command."""
    jobs = Jobs(work, 20, 600, turns=30) if heavy_job else Jobs(work, 3)
    blocks = len(list((work / "whole" / "blocks").glob("*.tif")))
    rng = random.Random(1)
    different, broken, ratios = 0, 0, []
    while len(ratios) < trials:
        run, moment = jobs.fresh(), rng.uniform(0.02, jobs.seconds)
        pid = jobs.server.begin(jobs.words(run))
        time.sleep(moment)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if jobs.server.end() != -signal.SIGKILL:  # it had ended before: no trial
            shutil.rmtree(run)
            continue
        bad, same, seconds = jobs.recovered(run)
        different, broken = different + (not same), broken + len(bad)
        ratios.append((moment + seconds) / jobs.seconds)
    print(
        f"{trials} random kills of a job of {blocks} blocks and {jobs.seconds:.1f} s: {different} different, "
        f"{broken} torn;"
        f" work with one kill {statistics.median(ratios):.2f} x (median), {max(ratios):.2f} x (worst)"
    )


WRITING = (
    "write,pwrite64,writev,pwritev,fsync,fdatasync,ftruncate,rename,renameat,renameat2,unlink,unlinkat,link,linkat,"
    "symlink,symlinkat,mkdir,mkdirat"
)


def census(jobs: Jobs, run: Path) -> int:
    """Calls that write below a run folder as the kernel sees them: nothing must escape `counted.so`."""
    trace = run.with_suffix(".trace")
    line = ["strace", "-f", "-qq", "-y", "-e", "signal=none", "-e", f"trace={WRITING}", "-o", str(trace)]
    subprocess.run([*line, *GEOSEG, *jobs.words(run)], env=QUIET, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(run)
    return sum(f"{run}/" in text or f'{run}"' in text for text in trace.read_text(errors="replace").splitlines())


def calls(work: Path, every: int, part: tuple[int, int]) -> None:
    """Kill before the n-th call that writes below the run folder, for every n (or every `every`-th)."""
    jobs = Jobs(work, 3, 150)
    run = jobs.fresh()
    assert jobs.run(run, count=1, below=str(run)) == 0
    total = int(jobs.server.text().rsplit("calls", 1)[1])
    if shutil.which("strace"):
        print(f"{total} calls that write below the run folder; strace sees {census(jobs, jobs.fresh())}", flush=True)
    different = broken = trials = 0
    for number in range(part[0], total + 1, every * part[1]):
        run = jobs.fresh()
        code = jobs.run(run, kill_at=number, below=str(run))
        if code != -signal.SIGKILL:  # threads: not every run makes exactly as many
            print(f"  call {number} of {total} was not reached", flush=True)
        bad, same, _ = jobs.recovered(run)
        trials, different, broken = trials + 1, different + (not same), broken + len(bad)
    print(f"killed at {trials} of {total} write-like calls (part {part}): {different} different, {broken} torn")


def disk(work: Path, sizes: int) -> None:
    """A file size limit, then full disks of so many sizes: under the whole run folder, its blocks, its outputs."""
    jobs = Jobs(work, 3)
    whole = work / "whole"
    largest = max(p.stat().st_size for p in whole.rglob("*") if p.is_file())
    faults = [0, 0, 0]

    def judged(code: int, run: Path, what: str) -> None:
        if code != 4:
            faults[0] += 1
            print(f"  {what}: exit {code} {jobs.server.text()[-200:]}", flush=True)
        bad, same, _ = jobs.recovered(run)
        faults[1] += not same
        faults[2] += len(bad)

    for limit in np.geomspace(2000, largest * 0.98, sizes).astype(int).tolist():
        run = jobs.fresh()
        judged(jobs.run(run, limit=limit), run, f"limit {limit}")
    print(
        f"{sizes} size limits up to {largest / 1e3:.0f} kB: {faults[0]} did not end with 4, {faults[1]} "
        f"different, {faults[2]} torn"
    )
    for part in ("", "blocks", "out", "locks"):
        faults[:], fitted = [0, 0, 0], 0
        used = sum(p.stat().st_size + 4096 for p in (whole / part).rglob("*") if p.is_file())
        for size in np.linspace(4096, used * 0.9, sizes).astype(int).tolist():
            run = jobs.fresh()
            mount = run / part
            mount.mkdir(parents=True)
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", mount], check=False)
            if done.returncode:
                print("  cannot mount a tmpfs here (needs root)")
                return
            code = jobs.run(run)
            faults[2] += len(torn(run))
            if code == 0 and result(run) == jobs.whole:
                fitted += 1  # a file system needs less than was thought: nothing was swallowed
            elif code != 4:
                faults[0] += 1
                print(f"  {part or 'run folder'} of {size}: exit {code} {jobs.server.text()[-200:]}", flush=True)
            subprocess.run(["mount", "-o", f"remount,size={100 << 20}", mount], check=True)
            again = jobs.run(run)
            faults[1] += not (again == 0 and result(run) == jobs.whole)
            subprocess.run(["umount", "-l", mount], check=True)
            shutil.rmtree(run)
        name = part or "the run folder"
        print(
            f"{sizes} disks under {name}, up to {used / 1e3:.0f} kB: {fitted} sufficed, {faults[0]} others did "
            f"not end with 4,"
            f" {faults[1]} different, {faults[2]} torn",
            flush=True,
        )


def noop(work: Path, count: int) -> None:
    model, sheets, run = network(work / "band.pt"), sheets_of(work, count, 200), work / "run"
    subprocess.run([*GEOSEG, *command(sheets, run, model)], env=QUIET, check=True, stdout=subprocess.DEVNULL)
    state = lambda: {
        p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in run.rglob("*") if p.is_file() and p.parent.name != "locks"
    }
    before, times = state(), []
    for _ in range(3):
        begin = time.monotonic()
        subprocess.run([*GEOSEG, *command(sheets, run, model)], env=QUIET, check=True, stdout=subprocess.DEVNULL)
        times.append(time.monotonic() - begin)
    changed = sum(before.get(p) != s for p, s in state().items())
    print(f"{count} sheets, nothing new: {min(times):.2f} s (best of 3), {changed} files rewritten")


def heavy(path: Path, turns: int) -> Path:
    """A network that takes its time: so many convolutions whose results do not count."""
    import torch

    sys.path.insert(0, str(HERE.parent / "tests"))
    from fakes import BandNetwork, save_network

    class Heavy(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.band, self.conv = BandNetwork(), torch.nn.Conv2d(16, 16, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = x[:, :1].repeat(1, 16, 1, 1) / 255
            for _ in range(turns):
                y = torch.tanh(self.conv(y))
            return self.band(x) + 1e-9 * y[:, :6]

    torch.manual_seed(0)
    return save_network(path, Heavy(), patch=256, overlap=64)


def workers(work: Path) -> None:
    """Twelve sheets in process and on two workers; then one worker is killed; then the scheduler's process."""
    jobs = Jobs(work, 12, 600, turns=60)

    def started(run: Path) -> subprocess.Popen[bytes]:
        words = [*GEOSEG, *command(jobs.sheets, run, jobs.model), "--workers", "2"]
        return subprocess.Popen(
            words, env=QUIET, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    begin = time.monotonic()
    assert started(work / "two").wait() == 0
    alone = time.monotonic() - begin
    print(
        f"12 sheets: in process {jobs.seconds:.1f} s, two workers {alone:.1f} s, same: "
        f"{result(work / 'two') == jobs.whole}",
        flush=True,
    )
    committed = sorted(path.stat().st_mtime for path in (work / "two" / "blocks").glob("*.json"))
    print(
        f"  one panel for each worker, {committed[-1] - committed[0]:.1f} s from their first block to the last",
        flush=True,
    )
    for victim in ("worker", "leader"):
        run = work / victim
        begin = time.monotonic()
        process = started(run)
        while len(list((run / "blocks").glob("*.json"))) < 8:
            time.sleep(0.1)
        group = members(process.pid)
        target = process.pid if victim == "leader" else busiest(group, process.pid)
        os.kill(target, signal.SIGKILL)
        code = process.wait()
        took = time.monotonic() - begin
        time.sleep(15 if victim == "leader" else 1)
        left = members(process.pid)
        if victim == "leader":
            print(
                f"leader and scheduler killed: {len(group)} processes before, {len(left)} left after 15 s", flush=True
            )
            begin = time.monotonic()
            assert started(run).wait() == 0
            print(
                f"  the same command again: {time.monotonic() - begin:.1f} s, same: {result(run) == jobs.whole}",
                flush=True,
            )
        else:
            print(
                f"one worker killed: exit {code}, {took:.1f} s ({took - alone:+.1f} s), same: "
                f"{result(run) == jobs.whole}, {len(left)} processes left",
                flush=True,
            )


def members(session: int) -> list[int]:
    """Processes of a session that are alive."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def busiest(group: list[int], leader: int) -> int:
    """The member, not the leader, that has worked most: a worker."""

    def ticks(pid: int) -> int:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    return max((p for p in group if p != leader), key=ticks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("kills", "heavy", "calls", "disk", "noop", "workers"))
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--part", default="1/1", help="calls: so that several processes share them")
    parser.add_argument("--sizes", type=int, default=20)
    parser.add_argument("--sheets", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        {
            "kills": lambda: kills(work, options.trials),
            "heavy": lambda: kills(work, options.trials, heavy_job=True),
            "calls": lambda: calls(work, options.every, tuple(map(int, options.part.split("/")))),
            "disk": lambda: disk(work, options.sizes),
            "noop": lambda: noop(work, options.sheet_rasters),
            "workers": lambda: workers(work),
        }[options.what]()


if __name__ == "__main__":
    main()
