"""Sheets that are replaced, cut, deleted, moved or renamed at random moments of a night.

    python benchmarks/changed_sheets.py [--trials 50] [--seed 1]

Each trial changes one of four sheets while `geoseg run` is at work. The night must end with 0 or 3, with the pixels of
a run over the sheets as they were, or over what was left. The same command once more must end with the pixels of a
fresh run over what lies there then.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
import rasterio
from fakes import SlowBlur, save_network
from support import PLACE, moved, write_sheet

from geoseg.errors import GeosegError
from geoseg.night.stages import run_stages
from geoseg.options import InferOptions, MosaicOptions, RunOptions, TileOptions

SIDE = 160
ACTS = ("replaced", "cut", "deleted", "moved", "renamed")


def draw(path: Path, number: int, seed: int) -> None:
    """One of four sheets in a row, with a no-data value, so that the mosaic reads it too."""
    pixels = np.random.default_rng(seed).integers(1, 255, (3, SIDE, SIDE)).astype(np.uint8)
    write_sheet(path, pixels, place=moved(PLACE, SIDE * number, 0), nodata=0)


def command(sheets: Path, run: Path, model: Path) -> list[str]:
    words = ["run", sheets, "-o", run, "--model", model, "--engine", "torch", "--precision", "f32", "--threads", "1"]
    return [sys.executable, "-m", "geoseg", "--quiet", *map(str, words), "--block-size", "64", "--no-vectors"]


def night(sheets: Path, run: Path, model: Path) -> int:
    """An undisturbed night in this process, with the options of `command`; its exit code."""
    options = RunOptions(
        TileOptions(block_size=64),
        InferOptions(model=(model,), engine="torch", precision="f32", threads=1),
        MosaicOptions(vectors=False),
    )
    try:
        return 0 if run_stages([sheets], run, options).complete else 3
    except GeosegError as error:
        return error.exit_code


def pixels(run: Path) -> np.ndarray | None:
    found = sorted((run / "out").glob("*_classes.tif"))
    if not found:
        return None
    with rasterio.open(found[0]) as dataset:
        left = round((dataset.transform.c - PLACE.c) / PLACE.a)
        whole = np.full((SIDE, 4 * SIDE), 255, np.uint8)
        whole[:, left : left + dataset.width] = dataset.read(1)
    return whole


def act(kind: str, sheets: Path, number: int, seed: int) -> None:
    path = sheets / f"{number}.tif"
    if kind == "replaced":
        draw(path, number, seed)
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    elif kind == "deleted":
        path.unlink()
    elif kind == "moved":
        path.rename(sheets.parent / "elsewhere.tif")
    else:
        path.rename(sheets / f"{number}_new.tif")


def trial(number: int, work: Path, model: Path, seconds: float, seed: int) -> str:
    """What went wrong; "" for nothing."""
    chance = random.Random(f"{seed} {number}")
    home = work / str(number)
    sheets = home / "sheets"
    for k in range(4):
        draw(sheets / f"{k}.tif", k, k)
    kind, which = ACTS[number % len(ACTS)], chance.randrange(4)
    process = subprocess.Popen(command(sheets, home / "run", model), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(chance.uniform(0.2, 1) * seconds)
    act(kind, sheets, which, 100 + number)
    said = process.communicate()[1].decode(errors="replace").strip()
    first = pixels(home / "run")
    kept = home / "kept"
    shutil.copytree(sheets, kept)
    if kind == "cut":
        (kept / f"{which}.tif").unlink()
    night(kept, home / "fresh", model)
    before, after = pixels(work / "whole" / "run"), pixels(home / "fresh")
    without = np.array(before)
    without[:, which * SIDE : (which + 1) * SIDE] = 255
    if process.returncode not in (0, 3):
        return f"{kind}: exit {process.returncode}: {said[-200:]}"
    left = home / "left"
    shutil.copytree(sheets, left)
    for path in left.glob(f"{which}*.tif"):
        path.unlink()
    night(left, home / "less", model)
    if first is None or not any(np.array_equal(first, p) for p in (before, after, pixels(home / "less"))):
        return f"{kind}: other pixels than before, after or without it (exit {process.returncode})"
    code = night(sheets, home / "run", model)
    again = pixels(home / "run")
    if code not in (0, 3) or not np.array_equal(again, after):
        return f"{kind}: the next night ends with {code}, and {'other' if code in (0, 3) else 'no'} pixels"
    shutil.rmtree(home)
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/changed_sheets"))
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    work = given.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    model = save_network(work / "slow.pt", SlowBlur(20))
    for k in range(4):
        draw(work / "whole" / "sheets" / f"{k}.tif", k, k)
    assert night(work / "whole" / "sheets", work / "whole" / "run", model) == 0
    begin = time.monotonic()
    subprocess.run(command(work / "whole" / "sheets", work / "timed", model), check=True, capture_output=True)
    seconds = time.monotonic() - begin
    print(f"an undisturbed night takes {seconds:.1f} s")
    wrong = []
    for number in range(given.trials):
        wrong.append(trial(number, work, model, seconds, given.seed))
        print(f"trial {number}: {wrong[-1] or 'as it should be'}", flush=True)
    print(f"{given.trials} trials, {sum(map(bool, wrong))} faults")


if __name__ == "__main__":
    main()
