"""Fingerprints of everything that geoseg writes, to prove that a refactoring leaves the same bytes.

    python benchmarks/same_bytes.py write before.json         # on the old code
    python benchmarks/same_bytes.py write after.json          # on the new code
    python benchmarks/same_bytes.py compare before.json after.json

All cases run through the command line, in a folder of fixed name, on inputs of fixed times, so that paths and times are
the same in both runs. Only what must differ between two runs of the same code is left out of a hash: random names,
clock times, durations, and the keys (hashes of how a question is written down, and the `run_id` that is made of one).
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

PLACE = Path(tempfile.gettempdir()) / "geoseg-same-bytes"
SAMPLE = Path(__file__).resolve().parent.parent / "sample_data"
MOMENT = 1_700_000_000
CLOCK = {"planned", "seconds", "timings_s", "published", "since", "seconds_per_step", "rate", "waiting", "created"}
KEYS = {
    "key",
    "job",
    "sha256",
    "question",
    "file:checksum",
    "file:size",
    "answer",
    "asked",
    "state",
    "versions",
    "seal",
}
TRAINING = """
out: runs/tiny
model: {network: unet_s, classes: isprs, bands: [red, green, blue], gsd: 0.1, name: tiny}
data:
  - {kind: scenes, name: scenes, seed: 1000, count: 4, metres: 32}
  - {kind: scenes, name: held out, seed: 900000, count: 1, metres: 32, use: validation}
crop: 128
batch: 4
threads: 1
workers: 1
stages: [{name: everything, steps: 20, rate: 0.002}]
validate_every: 10
"""


def command(*arguments: object) -> None:
    """Run geoseg in a process of its own, on one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    line = [sys.executable, "-m", "geoseg.cli.main", "-q", *map(str, arguments)]
    done = subprocess.run(line, env=environment, cwd=PLACE, capture_output=True, text=True)
    if done.returncode not in (0, 3):
        sys.exit(f"{' '.join(line)}: exit {done.returncode}\n{done.stdout}{done.stderr}")


def sheets(folder: Path) -> Path:
    """The sample's sheets, labels and classes, with fixed times."""
    for name in ("sheets", "labels", "classes"):
        shutil.copytree(SAMPLE / name, folder / name)
    for path in folder.rglob("*"):
        os.utime(path, (MOMENT, MOMENT))
    return folder / "sheets"


def wide(path: Path, width: int) -> Path:
    """The first sheet, repeated to a width that needs two sectors."""
    import numpy as np
    import rasterio

    with rasterio.open(sorted((SAMPLE / "sheets").glob("*.tif"))[0]) as source:
        pixels, profile = source.read()[:, :512], source.profile
    pixels = np.concatenate([pixels, pixels[:, :, ::-1]] * (width // (2 * pixels.shape[2]) + 1), 2)[:, :, :width]
    profile.update(width=width, height=pixels.shape[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **profile) as out:
        out.write(pixels)
    os.utime(path, (MOMENT, MOMENT))
    return path


def far(path: Path, source: Path) -> None:
    """A sheet moved 500 m to the east: a district of its own."""
    import rasterio

    with rasterio.open(source) as dataset:
        pixels, profile = dataset.read(), dataset.profile
    profile["transform"] = rasterio.Affine.translation(500, 0) @ profile["transform"]
    with rasterio.open(path, "w", **profile) as out:
        out.write(pixels)
    os.utime(path, (MOMENT, MOMENT))


def make_demo(folder: Path) -> None:
    command("demo", "-o", folder / "demo", "--sheets", sheets(folder / "sample"))


def make_sample(folder: Path) -> None:
    run = folder / "run"
    command("tile", sheets(folder / "sample"), "-o", run, "--patch-size", 1280, "--overlap", "40%", "--block-size", 512,
            "--write-patches", "--labels", folder / "sample" / "labels")  # fmt: skip
    command("infer", run, "--probabilities", "--tta", "flip", "--engine", "torch", "--precision", "f32")
    command("mosaic", run, "--exact", "--vector-format", "fgb,geojson,parquet", "--smooth", 0.2, "--min-area", 2)
    command("evaluate", run, folder / "sample" / "labels", "-o", folder / "evaluation")
    command("evaluate", run, SAMPLE / "truth.gpkg", "--vectors", "-o", folder / "vectors")
    command("view", run, "-o", folder / "view.png")
    command("view", run, "--web", "-o", folder / "map.html")
    command("verify", run)


def make_sectors(folder: Path) -> None:
    run = folder / "run"
    command("tile", wide(folder / "sheets" / "wide.tif", 8800), "-o", run)
    command("infer", run)
    command("mosaic", run, "--layers", "landcover,buildings,roads,trees,cars")


def make_districts(folder: Path) -> None:
    first = sorted(sheets(folder / "sample").glob("*.tif"))
    far(first[0].with_name("far.tif"), first[0])
    config = folder / "night.yaml"
    config.write_text("sheets: [sample/sheets]\nout: run\ntile: {nodata: 0~3, block_size: 1024}\ninfer: {tta: d4}\n"
                      "mosaic: {simplify: 0.5, square: false}\nnight: {publish: false}\n")  # fmt: skip
    command("run", config, "--date", "2026-01-02")
    command("run", config, "--date", "2026-01-02")


def make_training(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.yaml").write_text(TRAINING)
    command("train", folder / "tiny.yaml", "--device", "cpu", "--max-steps", 20)
    command("model", "info", folder / "runs" / "tiny" / "model.safetensors")


CASES: dict[str, Callable[[Path], None]] = {
    "demo": make_demo,
    "sample": make_sample,
    "sectors": make_sectors,
    "districts": make_districts,
    "training": make_training,
}


def without(value: object, names: set[str]) -> object:
    """JSON without some keys."""
    if isinstance(value, dict):
        return {k: without(v, names) for k, v in value.items() if k not in names}
    return [without(v, names) for v in value] if isinstance(value, list) else value


def content(path: Path, secrets: list[bytes]) -> bytes:
    """Bytes of a file without what differs between two runs of the same code."""
    data = path.read_bytes()
    for secret in secrets:
        data = data.replace(secret, b"0" * len(secret))
    data = re.sub(rb'"[^"]*/geoseg/weights/', b'"weights/', data)  # where the package lies
    data = re.sub(rb"geoseg \d+\.\d+\.\d+", b"geoseg 0.0.0", data)
    if path.suffix == ".qgz":
        archive = zipfile.ZipFile(io.BytesIO(data))
        return b"".join(n.encode() + archive.read(n) for n in sorted(archive.namelist()))
    if path.suffix == ".parquet":
        import geopandas

        frame = geopandas.read_parquet(path).drop(columns="run_id", errors="ignore")
        return frame.to_wkb().to_csv().encode() + repr(frame.dtypes).encode()
    if path.suffix in (".json", ".geojson"):
        return json.dumps(without(json.loads(data), CLOCK | KEYS), sort_keys=True).encode()
    if path.suffix == ".safetensors":  # its writer puts the metadata in random order
        size = int.from_bytes(data[:8], "little")
        return json.dumps(json.loads(data[8 : 8 + size]), sort_keys=True).encode() + data[8 + size :]
    if path.suffix in (".jsonl", ".csv"):
        return re.sub(rb'("?(seconds|waiting|rate|time|samples_per_second)"?: ?)[^,}\n]+', rb"\1-", data)
    if path.suffix == ".html":
        head, made, tail = data.partition(b"Made by")
        return head + made + re.sub(rb">\d+\.\d</td>", b">-</td>", tail)  # seconds of each step
    return data


def fingerprint(folder: Path) -> dict[str, str]:
    """Hash of each file below a folder; of links where they point."""
    secrets: list[bytes] = []
    for name in ("run.json", "night.json"):
        for path in folder.rglob(name):
            key = json.loads(path.read_bytes()).get("key", "")
            secrets += [key.encode(), key[:12].encode()] if key else []
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        elif path.is_file() and "locks" not in path.parts and path.name != "stamp.json":
            found[name] = hashlib.sha256(content(path, secrets)).hexdigest()
    return found


def write(out: Path, cases: list[str]) -> None:
    known = {}
    for case in cases:
        shutil.rmtree(PLACE, ignore_errors=True)
        PLACE.mkdir(parents=True)
        CASES[case](PLACE / case)
        known[case] = fingerprint(PLACE / case)
        print(f"{case}: {len(known[case])} files", flush=True)
    out.write_text(json.dumps(known, indent=1) + "\n")


def compare(before: Path, after: Path) -> int:
    old, new = json.loads(before.read_text()), json.loads(after.read_text())
    different = 0
    for case in sorted(old.keys() & new.keys()):
        names = sorted(old[case].keys() | new[case].keys())
        changed = [n for n in names if old[case].get(n) != new[case].get(n)]
        print(f"{case}: {len(names) - len(changed)} of {len(names)} files equal")
        for name in changed:
            word = "gone" if name not in new[case] else "new" if name not in old[case] else "differs"
            print(f"  {word}: {name}")
        different += len(changed)
    return 1 if different else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["write", "compare"])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--case", choices=list(CASES), action="append")
    options = parser.parse_args()
    if options.what == "compare":
        return compare(options.files[0], options.files[1])
    write(options.files[0], options.case or list(CASES))
    return 0


if __name__ == "__main__":
    sys.exit(main())
