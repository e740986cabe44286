"""Small drawn towns of 60 x 50 m as finished runs: what is in them is known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from affine import Affine
from support import PLACE, write_sheet

from geoseg.options import MosaicOptions
from geoseg.runfolder.folder import Run
from geoseg.stages.mosaic.from_raster import run_from_raster
from geoseg.stages.mosaic.mosaic import mosaic

ROAD, BUILDING, GRASS, TREE, CAR = range(5)

Box = tuple[int, int, int, int]
"""First row, first column, last row + 1, last column + 1."""


@dataclass(frozen=True)
class Town:
    """Buildings, roads and cars are boxes, trees are circles (row, column, radius); all in pixels of 0.1 m."""

    buildings: tuple[Box, ...] = ((60, 60, 160, 180), (60, 400, 140, 480), (330, 90, 420, 190))
    trees: tuple[tuple[int, int, int], ...] = ((200, 330, 22), (120, 280, 25), (380, 300, 24))
    cars: tuple[Box, ...] = ((262, 100, 282, 145),)
    roads: tuple[Box, ...] = ((240, 0, 300, 600),)
    blank: tuple[Box, ...] = ()
    shape: tuple[int, int] = (500, 600)
    place: Affine = field(default=PLACE)

    def classes(self) -> np.ndarray:
        """The class raster."""
        out = np.full(self.shape, GRASS, np.uint8)
        layers = ((ROAD, self.roads), (BUILDING, self.buildings), (CAR, self.cars), (255, self.blank))
        rows, cols = np.mgrid[: self.shape[0], : self.shape[1]]
        for row, col, radius in self.trees:
            out[(rows - row) ** 2 + (cols - col) ** 2 <= radius**2] = TREE
        for value, boxes in layers:
            for r0, c0, r1, c1 in boxes:
                out[r0:r1, c0:c1] = value
        return out


OLD = Town()
EDITED = replace(
    OLD,
    buildings=(
        (63, 61, 163, 181),  # moved by 0.3 m: the same
        (60, 400, 140, 540),  # 6 m longer
        (350, 430, 430, 520),  # new; the third one is gone
    ),
    trees=OLD.trees[:1] + OLD.trees[2:],  # the second one was felled
    cars=(),  # it drove away
)
EDITS = {
    "buildings": {"added": 1, "removed": 1, "changed": 1, "split": 0, "merged": 0},
    "road_centrelines": {"added": 0, "removed": 0, "changed": 0, "split": 0, "merged": 0},
    "trees": {"added": 0, "removed": 1, "changed": 0, "split": 0, "merged": 0},
    "cars": {"added": 0, "removed": 1, "changed": 0, "split": 0, "merged": 0},
}


def made(folder: Path, town: Town, **options: object) -> Path:
    """A finished run of a town."""
    raster = write_sheet(folder.with_suffix(".tif"), town.classes(), place=town.place, nodata=255)
    run_from_raster(raster, Run(folder))
    mosaic(folder, MosaicOptions(name="town", sheet_rasters=False, **options))
    return folder
