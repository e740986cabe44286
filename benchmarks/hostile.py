"""Each hostile or damaged input in a process of its own: exit code, message, memory, time, files opened, connections.

python benchmarks/hostile.py [--kinds sheets,virtual,models,graphs,vectors,configs] [--only WORDS] [--jobs 2]

It needs strace.

The cases are those of tests/corpus.py, tests/hostile_models.py and tests/hostile_vectors.py.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import corpus
from fakes import BandNetwork, save_network
from hostile_models import GRAPHS, HONEST, TRIED, exported, flipped, scripted
from hostile_vectors import VECTORS, hostile_vector

URL = "http://127.0.0.1:9"
PACKAGE = str(Path(__file__).parents[1] / "geoseg")
MAKING = threading.Lock()
"""TorchScript compiles one thing at a time."""
LONGEST, LARGEST = 60.0, 4 << 30
USUAL = ("/proc/", "/sys/", "/usr/", "/lib", "/dev/shm", "/etc/os-release")
"""Places that libraries look at whatever the input: ONNX Runtime asks for the name of the system."""
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
            stdout=said, stderr=subprocess.STDOUT, cwd=folder, env={**os.environ, "TMPDIR": str(folder)},
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


def of_virtual(name: str, work: Path, model: Path) -> Seen:
    """A virtual raster beside a right sheet, where they are allowed."""
    folder = fresh(work / "virtual" / name)
    spots = corpus.spots(folder, URL)
    spots["good"].write(compress="deflate")
    spot = next(s for key, s in spots.items() if key != "good")
    spot.path.parent.mkdir(exist_ok=True)
    path = spot.path.with_suffix(".vrt")
    path.write_text(corpus.VIRTUAL[name](spot))
    words = ["run", str(folder / "in" / "good.tif"), str(path), "-o", str(folder / "run"), "--allow", "vrt"]
    return observed(name, folder, [*words, *options(model)], (3,), str(path))


def of_model(name: str, work: Path, good: Path) -> Seen:
    file, made = corpus.MODELS[name]
    folder = fresh(work / "models" / name)
    (folder / file).write_bytes(made(folder / "RAN"))
    return observed(
        name, folder, ["run", str(good), "-o", str(folder / "run"), *options(folder / file)], (5,), str(folder / file)
    )


def of_graph(name: str, work: Path, good: Path) -> Seen:
    """A graph with a card beside it: 5 where it is refused, 0 where only what lies beside it is bad."""
    graph = GRAPHS[name]
    folder = fresh(work / "graphs" / name)
    card = json.loads((work / "truth.json").read_text())
    (folder / "secret.txt").write_bytes(b"7" * 4096)
    with MAKING:
        (folder / graph.file).write_bytes(graph.make(folder))
    (folder / graph.file).with_suffix(".json").write_text(json.dumps(card))
    limits = ["--model-timeout", "8", "--max-ram", "3G"] if graph.outcome == TRIED else []
    wanted = (0,) if graph.outcome == HONEST else (5,)
    words = ["run", str(good), "-o", str(folder / "run"), *options(folder / graph.file), *limits]
    return observed(name, folder, words, wanted, str(folder / graph.file))


FLIPS = {f"{kind} with flipped bits, {seed}": (kind, seed) for kind in ("pt", "pt2") for seed in range(6)}


def of_flipped(name: str, work: Path, good: Path) -> Seen:
    """Bits flipped at random: refused, or read with other weights."""
    kind, seed = FLIPS[name]
    folder = fresh(work / "graphs" / name)
    path = folder / f"m.{kind}"
    with MAKING:
        path.write_bytes(flipped(scripted() if kind == "pt" else exported(), seed))
    path.with_suffix(".json").write_text((work / "truth.json").read_text())
    return observed(name, folder, ["run", str(good), "-o", str(folder / "run"), *options(path)], (0, 5), str(path))


def of_vector(name: str, work: Path, good: Path) -> Seen:
    """A vector file as the area of interest."""
    folder = fresh(work / "vectors" / name)
    path = hostile_vector(name, folder, URL)
    return observed(name, folder, ["tile", str(good), "-o", str(folder / "run"), "--aoi", str(path)], (2,), str(path))


def of_truth(name: str, work: Path, good: Path) -> Seen:
    """A vector file as the truth of an evaluation."""
    name, folder = name.removesuffix(" as truth"), fresh(work / "truths" / name)
    path = hostile_vector(name, folder, URL)
    words = ["evaluate", str(folder / "bait.geojson"), str(path), "--class", "*=building"]
    return observed(f"{name} as truth", folder, words, (2,), str(path))


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
    own = [p for p in seen.opened - usual if not p.startswith((root, *USUAL, sys.prefix, sys.base_prefix, PACKAGE))]
    bait = [p for p in seen.opened if p.endswith("secret.txt")]
    if own or (bait and "link" not in seen.name):
        found.append(f"opened {(own + bait)[:5]}")
    if list(Path(seen.subject or root).parent.rglob("RAN")) if seen.subject else []:
        found.append("code ran")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/hostile"))
    parser.add_argument("--kinds", default="")
    parser.add_argument("--only", default="")
    parser.add_argument("--show", action="store_true", help="print each last line that was said")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    work = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    model = save_network(work / "truth.pt", BandNetwork())
    control = of_sheet("good", work, model)
    (good,) = (work / "sheets").glob("good_*/in/good.tif")
    assert control.code == 0, control.text
    kinds = {
        "sheets": [(of_sheet, n, model) for n in corpus.SHEETS],
        "virtual": [(of_virtual, n, model) for n in corpus.VIRTUAL],
        "models": [(of_model, n, good) for n in corpus.MODELS],
        "graphs": [(of_graph, n, good) for n in GRAPHS] + [(of_flipped, n, good) for n in FLIPS],
        "vectors": [(of_vector, n, good) for n in VECTORS] + [(of_truth, f"{n} as truth", good) for n in VECTORS],
        "configs": [(of_config, n, good) for n in corpus.CONFIGS],
    }
    chosen = given.kinds.split(",") if given.kinds else list(kinds)
    jobs = [j for kind in chosen for j in kinds[kind] if given.only in j[1]]
    with ThreadPoolExecutor(given.jobs) as pool:
        all_seen = list(pool.map(lambda j: j[0](j[1], work, j[2]), jobs))
    bad = 0
    for seen in all_seen:
        if given.show:
            print(f"{seen.code} {seen.name}: {(seen.text.strip().splitlines() or [''])[-1][:300]}")
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
