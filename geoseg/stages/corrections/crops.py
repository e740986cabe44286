"""Crops of the photo around corrections: anchored squares of the grid, each with what lies around it.

statements -> squares that they touch -> photo and labels of each, as GeoTIFFs
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from rasterio.windows import Window

from geoseg.classes import NODATA, ClassTable
from geoseg.commit import commit_bytes
from geoseg.datasets.corrections.manifest import image_path, label_path
from geoseg.geometry.blocks import Block, block_window, blocks_of
from geoseg.geometry.grid import grown, overlap, slices
from geoseg.gis.crop import crop_geotiff
from geoseg.plan import Plan
from geoseg.runfolder.blocks import BlockReader
from geoseg.sheets.photo import Photo
from geoseg.stages.corrections.labels import burn
from geoseg.stages.corrections.statements import Statement

__all__ = ["Ground", "Written", "write_crops"]

CORE, AROUND = 32.0, 16.0
"""Metres along a square, and what a crop shows around it: a network sees 20 m and more around a pixel."""


_LARGE = 1000
"""Corners from which on a shape is cut to each crop before it is burnt."""


@dataclass(frozen=True)
class Ground:
    """What crops are cut from: the plan, the photo in the network's bands, the map, and the values of labels."""

    plan: Plan
    photo: Photo
    reader: BlockReader
    table: ClassTable
    values: dict[str, int]


@dataclass(frozen=True)
class Written:
    """Names of the crops, and known pixels by what is known of them, each counted once."""

    crops: list[str]
    pixels: Counter[str]


def write_crops(folder: Path, ground: Ground, statements: list[Statement]) -> Written:
    """Write the crops of all squares of which anything is known; memory holds one of them.

    Raises:
        SheetError: a sheet cannot be read.
        PlanError: a block of the map cannot be read.
    """
    side, around = (max(8, round(metres / ground.plan.gsd)) for metres in (CORE, AROUND))
    tree = shapely.STRtree([one.shape for one in statements])
    crops, pixels = [], Counter[str]()
    for square in sorted(set(_squares(ground.plan, statements, side))):
        core = block_window(square, side)
        window = grown(core, around)
        frame = shapely.box(*ground.plan.grid.bounds(window))
        near = [_cut(statements[i], frame) for i in sorted(tree.query(frame).tolist())]
        image, valid = ground.photo.read(window)
        classes = ground.reader.read(window)[0]
        labels = burn(near, ground.values, classes, ground.plan.grid.window_transform(window))
        labels[~valid] = NODATA
        counts = np.bincount(labels[slices(core, window)].ravel(), minlength=256)
        known = {said: int(counts[value]) for said, value in ground.values.items() if counts[value]}
        if not known:
            continue
        name = f"{square[0]}_{square[1]}"
        commit_bytes(image_path(folder, name), crop_geotiff(ground.plan.grid, window, image, valid))
        commit_bytes(
            label_path(folder, name), crop_geotiff(ground.plan.grid, window, labels[None], None, _colours(ground))
        )
        crops.append(name)
        pixels.update(known)
    return Written(crops, pixels)


def _cut(one: Statement, frame: shapely.Polygon) -> Statement:
    """What a statement says within a crop and a little around it: large shapes have too many corners to burn each time.

    Those about pixels like the one in their middle stay whole.
    """
    if one.alike or shapely.get_num_coordinates(one.shape) < _LARGE:
        return one
    around = frame.buffer(max(frame.bounds[2] - frame.bounds[0], 1.0), join_style="mitre")
    return replace(one, shape=shapely.intersection(one.shape, around))


def _squares(plan: Plan, statements: list[Statement], side: int) -> Iterator[Block]:
    """Anchored squares of the plan's extent that a statement touches."""
    inverse = ~plan.grid.transform
    for one in statements:
        if one.shape.is_empty:
            continue
        shapely.prepare(one.shape)
        left, bottom, right, top = one.shape.bounds
        (col, row), (last_col, last_row) = inverse @ (left, top), inverse @ (right, bottom)
        first = int(np.floor(col)), int(np.floor(row))
        size = max(1, int(np.ceil(last_col)) - first[0]), max(1, int(np.ceil(last_row)) - first[1])
        inside = overlap(Window(*first, *size), plan.extent)  # who draws a polygon around a country means the photo
        for square in blocks_of([inside] if inside is not None else [], side):
            if one.shape.intersects(shapely.box(*plan.grid.bounds(block_window(square, side)))):
                yield square


def _colours(ground: Ground) -> dict[int, tuple[int, int, int, int]]:
    """The colour of each class; half as dark for ground that is not of it."""
    colours = {c.name: c.drawn for c in ground.table.classes}
    found = {}
    for said, value in ground.values.items():
        r, g, b = colours[said.removeprefix("not ")]
        pale = said.startswith("not ")
        found[value] = ((r + 255) // 2, (g + 255) // 2, (b + 255) // 2, 255) if pale else (r, g, b, 255)
    return found
