"""Each hostile or damaged input in a process of its own: exit code, message, memory, time, files opened, connections.

python benchmarks/hostile.py [--only WORDS] [--jobs 2]      needs strace; the cases are those of tests/corpus.py
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import corpus
from conftest import BandNetwork, save_network

URL = "http://127.0.0.1:9"
PACKAGE = str(Path(__file__).parents[1] / "geoseg")
LONGEST, LARGEST = 60.0, 4 << 30
COMMAND = [sys.executable, "-c", "from geoseg.cli.main import main; main()"]


@dataclass(frozen=True)
class Seen:
    """What became of one case."""

    name: str
    code: int
    wanted: tuple[int, ...]
    text: str
    subject: str
    seconds: float
    peak: int
    opened: frozenset[str]
    called: bool


def observed(name: str, folder: Path, words: list[str], wanted: tuple[int, ...], subject: str) -> Seen:
    """Run geoseg under strace; peak memory is that of its largest process."""
    trace = folder / "trace.txt"
    calls = "trace=open,openat,connect,execve"
    begin = time.monotonic()
    with (folder / "said.txt").open("wb") as said:
        process = subprocess.Popen(
            ["strace", "-f", "-qq", "-s", "512", "-e", "signal=none", "-o", str(trace), "-e", calls, *COMMAND, *words],
            stdout=said, stderr=subprocess.STDOUT, cwd=folder,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    lines = trace.read_text(errors="replace").splitlines()
    opened = {
        m[1]
        for line in lines
        if "ENOENT" not in line and (m := re.search(r'open(?:at)?\((?:AT_FDCWD, )?"([^"]*)"', line))
    }
    called = any("connect(" in line and "AF_INET" in line for line in lines)
    text = (folder / "said.txt").read_text(errors="replace")
    return Seen(
        name,
        process.returncode,
        wanted,
        text,
        subject,
        time.monotonic() - begin,
        usage.ru_maxrss << 10,
        frozenset(opened),
        called,
    )


def options(model: Path) -> list[str]:
    return ["--model", str(model), "--engine", "torch", "--precision", "f32", "--threads", "1", "--no-vectors"]


def of_sheet(name: str, work: Path, model: Path) -> Seen:
    """A sheet case beside a right one: 3 where it is refused, 0 where it is read."""
    folder = fresh(work / "sheets" / name)
    spots = corpus.spots(folder, URL)
    shutil.rmtree(folder / "in")
    (folder / "in").mkdir()
    for key in ("good", name):
        spots[key].path.parent.mkdir(exist_ok=True)
    spots["good"].write(compress="deflate")
    if name != "good":
        corpus.SHEETS[name].make(spots[name])
    outcome = corpus.SHEETS[name].outcome if name != "good" else corpus.READ
    wanted = {corpus.REFUSED: (3,), corpus.READ: (0,), corpus.EITHER: (0, 3)}[outcome]
    sources = [str(folder / "in" / "good.tif"), *([str(spots[name].path.parent)] if name != "good" else [])]
    return observed(
        name,
        folder,
        ["run", *sources, "-o", str(folder / "run"), *options(model)],
        wanted,
        str(spots[name].path.parent),
    )


def of_model(name: str, work: Path, good: Path) -> Seen:
    file, made = corpus.MODELS[name]
    folder = fresh(work / "models" / name)
    (folder / file).write_bytes(made(folder / "RAN"))
    return observed(
        name, folder, ["run", str(good), "-o", str(folder / "run"), *options(folder / file)], (5,), str(folder / file)
    )


def of_config(name: str, work: Path, good: Path) -> Seen:
    text, codes = corpus.CONFIGS[name]
    folder = fresh(work / "configs" / name)
    bait = folder / "secret.txt"
    bait.write_text("EPSG:25833")
    words = {"IN": str(good), "RUN": str(folder / "run"), "BAIT": str(bait), "URL": URL}
    if isinstance(text, str):
        for word, meant in words.items():
            text = text.replace(word, meant)
        text = text.encode()
    (folder / "night.yaml").write_bytes(text)
    return observed(name, folder, ["run", str(folder / "night.yaml")], codes, "")


def fresh(path: Path) -> Path:
    words, number = re.sub(r"\W+", "_", path.name), zlib.crc32(path.name.encode())
    safe = path.with_name(f"{words}_{number:08x}")  # names that differ in what is left out must not meet in one folder
    shutil.rmtree(safe, ignore_errors=True)
    safe.mkdir(parents=True)
    return safe


def faults(seen: Seen, usual: frozenset[str], work: Path) -> list[str]:
    """What is wrong with it; files are compared with those that a run over one right sheet opens."""
    found = []
    if seen.code not in seen.wanted:
        found.append(f"exit {seen.code}, expected {seen.wanted}: {seen.text[-300:]!r}")
    if seen.code and seen.subject and seen.subject not in seen.text:
        found.append("its file is not named")
    if "Traceback" in seen.text:
        found.append("a traceback")
    if seen.peak > LARGEST:
        found.append(f"{seen.peak >> 20} MB")
    if seen.seconds > LONGEST:
        found.append(f"{seen.seconds:.0f} s")
    if seen.called:
        found.append("a connection")
    root = str(work.resolve())
    own = [
        p
        for p in seen.opened - usual
        if not p.startswith(
            (root, "/proc/", "/sys/", sys.prefix, sys.base_prefix, PACKAGE, "/usr/", "/lib", "/dev/shm")
        )
    ]
    bait = [p for p in seen.opened if p.endswith("secret.txt")]
    if own or (bait and "link" not in seen.name):
        found.append(f"opened {(own + bait)[:5]}")
    if list(Path(seen.subject or root).parent.rglob("RAN")) if seen.subject else []:
        found.append("code ran")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/hostile"))
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    work = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    model = save_network(work / "truth.pt", BandNetwork())
    control = of_sheet("good", work, model)
    good = work / "sheets" / "good" / "in" / "good.tif"
    assert control.code == 0, control.text
    jobs = (
        [(of_sheet, n, model) for n in corpus.SHEETS]
        + [(of_model, n, good) for n in corpus.MODELS]
        + [(of_config, n, good) for n in corpus.CONFIGS]
    )
    jobs = [j for j in jobs if given.only in j[1]]
    with ThreadPoolExecutor(given.jobs) as pool:
        all_seen = list(pool.map(lambda j: j[0](j[1], work, j[2]), jobs))
    bad = 0
    for seen in all_seen:
        for fault in faults(seen, control.opened, work):
            bad += 1
            print(f"{seen.name}: {fault}")
    slowest, largest = max(all_seen, key=lambda s: s.seconds), max(all_seen, key=lambda s: s.peak)
    print(
        f"{len(all_seen)} cases, {bad} faults; slowest {slowest.name}: {slowest.seconds:.1f} s; largest "
        f"{largest.name}: {largest.peak >> 20} MB "
        f"(a right sheet alone: {control.seconds:.1f} s, {control.peak >> 20} MB)"
    )


if __name__ == "__main__":
    main()
