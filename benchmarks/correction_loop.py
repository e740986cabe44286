"""Does a network get better by what people say of its map, and do the review places beat random ones?

    nice python benchmarks/correction_loop.py --out /tmp/loop            # some 30 minutes on one core
    nice python benchmarks/correction_loop.py --out /tmp/loop --seeds 1 2 3

A town is drawn whose truth is known. A small network that was trained on scenes of other towns maps it. A script plays
the editor: it looks at places of the map and answers by the truth. The network is trained on these answers and on
drawn scenes, and maps the town again, and a second town of the same kind at which nobody looked.

The places are the first 50, 100 and 200 of the table `review`, or as many regions of the same form that are drawn by
area (a random pixel, the region of its class in the map, cut to the same squares of 20 m). Then three rounds of 100
review places each; the table of a round is the one that `mosaic` makes after the round before.

The editor answers `ok` where most of a place is what the map says, `should_be` where more than half of it is another
class, else `wrong`. It draws nothing. Every training takes the same steps from the first network, or in rounds from
the one before; `no answers` takes as many steps on the drawn scenes alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import common  # noqa: F401 - one thread
import geopandas
import numpy as np
import rasterio
import shapely
import torch
from rasterio.features import rasterize
from rasterio.transform import Affine

from geoseg.classes import ISPRS
from geoseg.learn.settings import TrainConfig
from geoseg.metrics.pixels import scores_of, tally
from geoseg.options import InferOptions, MosaicOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.corrections import corrections
from geoseg.stages.infer.infer import infer
from geoseg.stages.mosaic.mosaic import mosaic
from geoseg.stages.sample import SampleOptions, make_sample
from geoseg.stages.tile.tile import tile
from geoseg.stages.train import train

CACHE = Path("correction_loop_scenes")  # drawn once; `main` puts it into the folder
GSD, SIDE, QUARTER = 0.2, 800, "old town"
SQUARE = 20.0
REVIEW = MosaicOptions(name="town", sheet_rasters=False, review=400, layers=("buildings",))
NAMES = {c.value: c.name for c in ISPRS.classes}
SCENES = {"kind": "scenes", "name": "scenes", "seed": 1000, "count": 8, "metres": 48, "pixel_sizes": [0.2, 0.24]}


def config(out: Path, start: Path | None, answers: Path | None, steps: int, rate: float, seed: int) -> TrainConfig:
    data = [{**SCENES, "use": "train"}]
    if answers is not None:
        data.append({"kind": "corrections", "name": "answers", "root": str(answers), "share": 1})
    return TrainConfig.model_validate(
        {
            "out": str(out),
            "model": {
                "network": "unet_s",
                "arguments": {"width": 16},
                "gsd": GSD,
                "patch": 384,
                "overlap": 256,
                "init": None if start is None else str(start),
            },
            "data": data,
            "crop": 96,
            "batch": 6,
            "stages": [{"steps": steps, "rate": rate}],
            "average": 0.98,
            "validate_every": 100_000,
            "checkpoint_every": 100_000,
            "precision": "f32",
            "threads": 1,
            "workers": 0,
            "seed": seed,
        }
    )


def trained(out: Path, *rest: object) -> Path:
    model = out / "model.safetensors"
    if not model.is_file():
        if CACHE.exists():
            shutil.copytree(CACHE, out / "cache", dirs_exist_ok=True)
        train(config(out, *rest), out)
        shutil.copytree(out / "cache", CACHE, dirs_exist_ok=True)
    return model


class Town:
    """A drawn town: its sheet, and its class values."""

    def __init__(self, folder: Path, seed: int) -> None:
        if not folder.exists():
            options = SampleOptions(
                seed=seed, size=(SIDE, SIDE), gsd=GSD, sheets=(1, 1), overlap=0, quarter=QUARTER, ragged=False
            )
            make_sample(folder, options)
        self.sheets = sorted((folder / "sheets").glob("*.tif"))
        with rasterio.open(next((folder / "classes").glob("*.tif"))) as dataset:
            self.truth = dataset.read(1)

    def mapped(self, folder: Path, model: Path) -> Run:
        """The finished run of a network over the town."""
        tile(self.sheets, folder)
        infer(folder, InferOptions(model=(model,), engine="torch", precision="f32"))
        mosaic(folder, REVIEW)
        return Run(folder)

    def score(self, run: Run) -> float:
        """Mean IoU of a map against the truth, over the whole town."""
        with rasterio.open(run.classes) as dataset:
            found = dataset.read(1)
        return float(scores_of(tally(self.truth, found, len(ISPRS)))["mean_iou"])


def answer(shape: shapely.Geometry, name: str, truth: np.ndarray, place: Affine) -> tuple[str, str | None]:
    """What somebody who knows the truth says of a place."""
    inside = rasterize([(shape, 1)], truth.shape, transform=place, dtype="uint8").astype(bool)
    counts = np.bincount(truth[inside], minlength=len(NAMES))
    best = int(counts.argmax())
    if NAMES[best] == name:
        return "ok", None
    return ("should_be", NAMES[best]) if counts[best] > counts.sum() / 2 else ("wrong", None)


def review_places(run: Run, many: int) -> list[tuple[str, shapely.Geometry, str]]:
    """The first places of the table review: id, shape, class."""
    frame = geopandas.read_file(run.out / "town.gpkg", layer="review")
    frame = frame[~frame["sampled"].astype(bool)].head(many)
    return list(zip(frame["id"], frame.geometry, frame["class"], strict=True))


def random_places(run: Run, many: int, seed: int) -> list[tuple[str, shapely.Geometry, str]]:
    """As many regions of the same form around random pixels."""
    from scipy import ndimage

    with rasterio.open(run.classes) as dataset:
        classes, place = dataset.read(1), dataset.transform
    side, rng, found = round(SQUARE / GSD), np.random.default_rng([seed, 99]), {}
    while len(found) < many:
        row, col = (int(v) for v in rng.integers(0, classes.shape))
        top, left = row // side * side, col // side * side
        cell = classes[top : top + side, left : left + side]
        labels, _ = ndimage.label(cell == classes[row, col])
        region = (labels == labels[row - top, col - left]).astype(np.uint8)
        shapes = rasterio.features.shapes(region, region > 0, 4, place @ Affine.translation(left, top))
        first = np.argwhere(region)[0]
        name = f"{top + first[0]}_{left + first[1]}"
        found.setdefault(name, (shapely.union_all([shapely.geometry.shape(s) for s, _ in shapes]), classes[row, col]))
    return [(name, shape, NAMES[int(value)]) for name, (shape, value) in found.items()]


def edited(run: Run, copy: Path, places: list[tuple[str, shapely.Geometry, str]], truth: np.ndarray) -> dict[str, int]:
    """A copy of the map with the editor's verdicts on some places; counts of them."""
    shutil.copy(run.out / "town.gpkg", copy)
    with rasterio.open(run.classes) as dataset:
        place = dataset.transform
    run_id, counts = str(run.finished["key"])[:12], {"ok": 0, "should_be": 0, "wrong": 0}
    with closing(sqlite3.connect(copy)) as database, database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        query = "SELECT srs_id FROM gpkg_geometry_columns WHERE table_name = 'review'"
        (system,) = database.execute(query).fetchone()
        for name, shape, said in places:
            verdict, true = answer(shape, said, truth, place)
            counts[verdict] += 1
            database.execute("DELETE FROM review WHERE id = ?", (name,))
            blob = b"GP\0\1" + int(system).to_bytes(4, "little") + shapely.to_wkb(shape)
            database.execute(
                "INSERT INTO review (geom, id, reason, class, verdict, should_be, sampled, run_id)"
                " VALUES (?, ?, 'played', ?, ?, ?, 0, ?)",
                (blob, name, said, verdict, true, run_id),
            )
    return counts


class Loop:
    """One town, one first network, and all that follows."""

    def __init__(self, out: Path, seed: int, options: argparse.Namespace) -> None:
        self.out, self.seed, self.options, self.rows = out, seed, options, []
        self.town, self.other = Town(out / "town", 70 + seed), Town(out / "other", 170 + seed)
        self.first = trained(out / "first", None, None, options.first, 2e-3, seed)

    def step(self, what: str, start: Path, run: Run | None, places: list, folder: Path) -> Run:
        """Answer some places of a run, train, map again; a row of the table."""
        folder.mkdir(parents=True, exist_ok=True)
        counts, pixels, answers = {}, 0, None
        if run is not None:
            counts = edited(run, folder / "edited.gpkg", places, self.town.truth)
            answers = folder / "answers"
            pixels = sum(corrections(run, folder / "edited.gpkg", answers).pixels.values())
        model = trained(folder / "net", start, answers, self.options.steps, 5e-4, self.seed)
        return self.row(what, model, folder, len(places), counts, pixels)

    def row(self, what: str, model: Path, folder: Path, many: int, counts: dict, pixels: int) -> Run:
        """Map both towns and note how good the maps are."""
        run = self.town.mapped(folder / "run", model)
        other = self.other.mapped(folder / "other", model)
        row = {"what": what, "answers": many, **counts, "known_m2": round(pixels * GSD**2)}
        row |= {"town": round(self.town.score(run), 4), "other": round(self.other.score(other), 4)}
        self.rows.append(row)
        print(json.dumps({"seed": self.seed, **row}), flush=True)
        return run

    def play(self) -> list[dict]:
        """All rows of the table."""
        before = self.row("first network", self.first, self.out / "before", 0, {}, 0)
        self.step("no answers", self.first, None, [], self.out / "none")
        for many in self.options.places:
            for kind in ("review", "random"):
                folder = self.out / f"{kind}{many}"
                run = self.copy(before, folder / "start")
                found = review_places(run, many) if kind == "review" else random_places(run, many, self.seed)
                self.step(kind, self.first, run, found, folder)
        self.rounds(before)
        return self.rows

    def rounds(self, run: Run) -> None:
        """Three rounds in one run folder: answers gather there, and no place is asked twice."""
        run, model = self.copy(run, self.out / "rounds"), self.first
        for number in range(1, self.options.rounds + 1):
            places, folder = review_places(run, 100), self.out / f"round{number}"
            counts = edited(run, self.out / "edited.gpkg", places, self.town.truth)
            found = corrections(run, self.out / "edited.gpkg", folder / "answers")
            model = trained(folder / "net", model, folder / "answers", self.options.steps, 5e-4, self.seed)
            pixels = sum(found.pixels.values())
            self.row(f"round {number}", model, folder, len(places), counts, pixels)
            run = self.town.mapped(run.folder, model)

    @staticmethod
    def copy(run: Run, folder: Path) -> Run:
        """A run folder of its own."""
        if folder.exists():
            shutil.rmtree(folder)
        shutil.copytree(run.folder, folder)
        return Run(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--first", type=int, default=300, help="steps of the first network")
    parser.add_argument("--steps", type=int, default=100, help="steps of each training after it")
    parser.add_argument("--places", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    global CACHE
    CACHE = options.out / "scenes"
    began, rows = time.monotonic(), []
    for seed in options.seeds:
        rows += [{"seed": seed, **row} for row in Loop(options.out / f"seed{seed}", seed, options).play()]
    print(f"{(time.monotonic() - began) / 60:.1f} minutes")
    (options.out / "correction_loop.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
