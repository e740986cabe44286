"""The GeoPackage of a run that another program has open, or has left a log beside, while the mosaic is made again.

    python benchmarks/open_geopackages.py [--trials 20]

A second SQLite process opens it for reading, holds unsaved edits, has saved to its log (as QGIS does), or was killed
with a log. After each mosaic the file must be readable, and what the other program saved must be in it, or in a copy
that geoseg named.
"""

from __future__ import annotations

import argparse
import io
import logging
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
from fakes import BandNetwork, save_network
from support import write_sheet

from geoseg.errors import GeosegError
from geoseg.options import MosaicOptions
from geoseg.stages.mosaic.mosaic import mosaic

HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA journal_mode = " + sys.argv[2])
database.execute("SELECT count(*) FROM buildings").fetchone()
for order in sys.argv[3:]:
    database.execute(order)
print("open", flush=True)
sys.stdin.read(1)
"""
SAVE = "UPDATE layer_styles SET description = 'mine'"
MODES = {
    "open for reading": ("WAL",),
    "open for reading, without a log": ("DELETE",),
    "open with unsaved edits": ("WAL", "BEGIN IMMEDIATE", SAVE),
    "saved to its log": ("WAL", SAVE),
    "killed with a log": ("WAL", SAVE),
}


def geoseg(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "geoseg", *map(str, words)], capture_output=True, text=True)


def mosaic_again(run: Path) -> tuple[int, str]:
    """The mosaic made again in this process: its exit code, and all that was logged and said."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger("geoseg").addHandler(handler)
    try:
        mosaic(run, MosaicOptions(overwrite=True, sheet_rasters=False))
    except GeosegError as error:
        return error.exit_code, said.getvalue() + str(error)
    finally:
        logging.getLogger("geoseg").removeHandler(handler)
    return 0, said.getvalue()


def fault(path: Path) -> str:
    """What a fresh reader says of the file; "" for nothing."""
    try:
        with closing(sqlite3.connect(path)) as database:
            whole = database.execute("PRAGMA integrity_check").fetchone()[0]
            count = database.execute("SELECT count(*) FROM buildings").fetchone()[0]
        return "" if whole == "ok" and count else f"{whole}, {count} buildings"
    except sqlite3.Error as error:
        return str(error)


def has_mine(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT count(*) FROM layer_styles WHERE description = 'mine'").fetchone()[0] > 0


def trial(run: Path, mode: str) -> str:
    """What went wrong; "" for nothing."""
    (path,) = (run / "out").glob("*.gpkg")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), *MODES[mode]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    holder.stdout.readline()
    if mode.startswith("killed"):
        holder.kill()
        holder.communicate()
    code, said = mosaic_again(run)
    found = fault(path)
    if found:
        return f"while it was open: {found}"
    if code not in (0, 4) or (code == 4 and "is open in another program" not in said):
        return f"exit {code}: {said[-200:]}"
    if not mode.startswith("killed"):
        holder.communicate("x")
    found = fault(path)
    if found:
        return f"after it was closed: {found}"
    if SAVE in MODES[mode] and "unsaved" not in mode:
        copies = list(path.parent.glob("*.edited-*.bak"))
        if not has_mine(path) and not any(has_mine(c) and c.name in said for c in copies):
            return "what was saved is lost"
        for copy in copies:
            copy.unlink()
    code, _ = mosaic_again(run)
    found = fault(path)
    return f"the next one: exit {code}, {found}" if code or found else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/open_geopackages"))
    parser.add_argument("--trials", type=int, default=20)
    given = parser.parse_args()
    work = given.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    model = save_network(work / "truth.pt", BandNetwork())
    classes = np.full((200, 200), 2)
    classes[20:80, 20:80] = classes[120:180, 40:160] = 1
    write_sheet(work / "in" / "a.tif", np.stack([classes] * 3).astype(np.uint8))
    made = geoseg("run", work / "in", "-o", work / "run", "--model", model, "--engine", "torch")
    assert made.returncode == 0, made.stderr
    for mode in MODES:
        wrong = [text for _ in range(given.trials) if (text := trial(work / "run", mode))]
        print(f"{mode}: {given.trials} trials, {len(wrong)} faults{': ' + wrong[0] if wrong else ''}", flush=True)


if __name__ == "__main__":
    main()
