"""Patches that the lattice leaves out: how many are scored, and what that does to the borders of a photo.

python benchmarks/lattice.py count      # 6000 x 6000 px, 512 px, 50 %: plan, one process, two workers
python benchmarks/lattice.py quality    # accuracy of the outermost 256 px with all patches, and with the kept ones
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import common
import numpy as np
from rasterio.windows import Window
from scene_preset import GSD, SEEDS, draw

from geoseg.geometry.grid import grown
from geoseg.geometry.lattice import Lattice

BORDER = 256


def count() -> None:
    from geoseg.options import InferOptions, TileOptions
    from geoseg.plan import patch_windows
    from geoseg.runfolder.folder import Run
    from geoseg.stages.infer.infer import infer
    from geoseg.stages.tile.tile import tile
    from geoseg.work.executor import executor as executor_of

    with tempfile.TemporaryDirectory() as folder:
        sheet, model = common.sheet(Path(folder) / "sheet.tif"), common.model_file(Path(folder))
        for name, workers in (("one process", 0), ("two workers", 2)):
            run = Path(folder) / name
            tile([sheet], run, TileOptions(patch_size=common.PATCH, overlap=str(common.OVERLAP)))
            lattice, planned = Run(run).plan.lattice, len(patch_windows(Run(run).plan))
            options = InferOptions(model=(model,))
            with executor_of(workers, "", None, "cpu") as who:
                report = infer(run, options, executor=who)
            every = len(lattice.touching(0, 6000)) ** 2
            print(f"{name}: without the rule {every}, planned {planned}, scored {report.patches}, twice {report.twice}")


def quality(scenes: int) -> None:
    from geoseg.models.files import load_model, shipped_model
    from geoseg.models.load import build_network
    from geoseg.predict.build import default_lanes
    from geoseg.predict.region import region_backend
    from geoseg.predict.stream import Ends, stream_panel

    model = load_model(shipped_model())
    card = model.card
    for lattice in (Lattice(common.PATCH, common.OVERLAP), Lattice(card.patch, card.overlap, card.margin)):
        fitted = replace(card, patch=lattice.patch, overlap=lattice.overlap, margin=lattice.margin)
        backend = region_backend(build_network(model), fitted, Fraction(1), lanes=default_lanes())
        right, patches, pixels = {"all": 0, "kept": 0}, {"all": 0, "kept": 0}, 0
        for seed in SEEDS[:scenes]:
            tile = draw(seed)
            image = np.ascontiguousarray(np.moveaxis(tile.image[..., :3], 2, 0))
            whole = Window(0, 0, image.shape[2], image.shape[1])
            border = np.ones(image.shape[1:], bool)
            border[BORDER:-BORDER, BORDER:-BORDER] = False
            for kind, footprint in (("all", grown(whole, 4 * lattice.patch)), ("kept", whole)):
                rows: list[np.ndarray] = []
                ends = Ends(_reader(image), lambda part, to=rows: to.append(part.classes), lambda _, f=footprint: [f])
                patches[kind] += stream_panel(ends, lattice, whole, backend)
                right[kind] += int((np.concatenate(rows) == tile.labels)[border].sum())
            pixels += int(border.sum())
        backend.close()
        for kind in right:
            share = right[kind] / pixels
            print(f"{lattice}, {GSD} m: {kind} {patches[kind]} patches, border right {share:.5f} of {pixels}")


def _reader(image: np.ndarray):
    high, wide = image.shape[1:]

    def read(w: Window) -> tuple[np.ndarray, np.ndarray]:
        out, valid = np.zeros((len(image), w.height, w.width), image.dtype), np.zeros((w.height, w.width), bool)
        y0, x0 = max(0, w.row_off), max(0, w.col_off)
        y1, x1 = min(high, w.row_off + w.height), min(wide, w.col_off + w.width)
        if y1 > y0 and x1 > x0:
            here = np.s_[y0 - w.row_off : y1 - w.row_off, x0 - w.col_off : x1 - w.col_off]
            out[(slice(None), *here)], valid[here] = image[:, y0:y1, x0:x1], True
        return out, valid

    return read


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["count", "quality"])
    parser.add_argument("--scenes", type=int, default=20)
    arguments = parser.parse_args()
    count() if arguments.what == "count" else quality(arguments.scenes)
