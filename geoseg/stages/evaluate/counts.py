"""The counts of one sheet, by strips of rows and by object; they add up over sheets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import shapely
from rasterio.windows import Window

from geoseg.arrays import Bytes, Ints, Mask, Shapes
from geoseg.classes import NODATA, ClassTable
from geoseg.datasets.items import Box, Item, read_labels
from geoseg.datasets.shapes import read_boxes
from geoseg.geometry.blocks import Block
from geoseg.layers import ROLES
from geoseg.metrics.objects import ObjectCounts, match_boxes, match_shapes
from geoseg.metrics.pixels import Reliability, Tally, boundary_counts, reliability, tally
from geoseg.options import EvaluateOptions
from geoseg.vectorize.join import join
from geoseg.vectorize.trace import Regions, trace

__all__ = ["ReadBytes", "SheetCounts", "Subject", "Thumb", "count_sheet"]

ReadBytes = Callable[[Window], Bytes]
"""Pixels (H, W) of any window."""

ReadMask = Callable[[Window], Mask]

Thumb = tuple[Bytes, Bytes]
"""Label codes and predicted classes of a sheet (H, W), at most about 1500 pixels a side: for its map of errors."""

STRIP = 1024
"""Rows that are counted at a time."""
BLOCK = 2048
"""Side in pixels of the blocks that objects are traced in."""


@dataclass(frozen=True)
class Subject:
    """The prediction of one sheet, and its item, which holds the labels; windows are those of the item's image.

    `classes` reads class indices; `confidence` reads percent.
    """

    item: Item
    classes: ReadBytes
    confidence: ReadBytes | None


@dataclass(frozen=True)
class SheetCounts:
    """The counts of one sheet, or of several.

    `borders` has one row (`pixels.boundary_counts`) for each radius; `unpredicted` counts labelled pixels without a
    prediction, `unlabelled` pixels without a label; `objects` is by class name.
    """

    tally: Tally
    reliability: Reliability
    borders: Ints
    unpredicted: int = 0
    unlabelled: int = 0
    objects: dict[str, ObjectCounts] = field(default_factory=dict)

    def __add__(self, other: SheetCounts) -> SheetCounts:
        names = {**self.objects, **other.objects}
        objects = {n: self.objects.get(n, ObjectCounts()) + other.objects.get(n, ObjectCounts()) for n in names}
        return SheetCounts(
            self.tally + other.tally,
            self.reliability + other.reliability,
            self.borders + other.borders,
            self.unpredicted + other.unpredicted,
            self.unlabelled + other.unlabelled,
            objects,
        )


def _strips(region: Box) -> Iterator[Window]:
    row, col, height, width = region
    for top in range(row, row + height, STRIP):
        yield Window(col, top, width, min(STRIP, row + height - top))


def count_sheet(subject: Subject, table: ClassTable, options: EvaluateOptions) -> tuple[SheetCounts, Thumb]:
    """The counts of one sheet, by strips of rows with a halo for distances to borders; and its small picture."""
    item, count = subject.item, len(table)
    total, sure = Tally.zero(count), Reliability.zero()
    borders = np.zeros((len(options.radius), 4), np.int64)
    unpredicted = unlabelled = 0
    halo = int(max(options.radius, default=0) / item.image.gsd) + 2
    step = max(1, max(item.region[2:]) // 1500)
    thumbs: list[Thumb] = []
    for strip in _strips(item.region):
        wide, inner = _with_halo(strip, item.region, halo)
        labels, found = read_labels(item, wide), subject.classes(wide)
        total = total + tally(labels[inner], found[inner], count)
        unpredicted += int(((labels[inner] < count) & (found[inner] == NODATA)).sum())
        unlabelled += int((labels[inner] == NODATA).sum())
        if subject.confidence is not None:
            sure = sure + reliability(labels[inner], found[inner], subject.confidence(strip), count)
        for k, radius in enumerate(options.radius):
            borders[k] += boundary_counts(labels, found, radius / item.image.gsd, inner)
        first = -(int(strip.row_off) - item.region[0]) % step
        thumbs.append((labels[inner][first::step, ::step], found[inner][first::step, ::step]))
    objects = _objects(subject, table, options)
    thumb = np.concatenate([t[0] for t in thumbs]), np.concatenate([t[1] for t in thumbs])
    return SheetCounts(total, sure, borders, unpredicted, unlabelled, objects), thumb


def _with_halo(strip: Window, region: Box, halo: int) -> tuple[Window, tuple[slice, slice]]:
    """A strip with `halo` rows above and below, and the part of that window which is the strip."""
    top = max(region[0], int(strip.row_off) - halo)
    bottom = min(region[0] + region[2], int(strip.row_off + strip.height) + halo)
    first = int(strip.row_off) - top
    return Window(strip.col_off, top, strip.width, bottom - top), (slice(first, first + int(strip.height)), slice(None))


def _objects(subject: Subject, table: ClassTable, options: EvaluateOptions) -> dict[str, ObjectCounts]:
    """Counts by object of classes that come in single things, such as buildings, where the labels hold any."""
    item = replace(subject.item, labels=replace(subject.item.labels, eroded=0))
    counts = {}
    for index, c in enumerate(table.classes):
        if not ROLES[c.role].objects:
            continue
        if item.labels.kind == "boxes":
            boxes = _boxes(item, index)
            if len(boxes):
                counts[c.name] = match_boxes(boxes, _shapes(item, _prediction_of(subject, index), options))
            continue
        truth = _shapes(item, _labels_of(item, index), options)
        if len(truth):
            found = _shapes(item, _where_labelled(item, _prediction_of(subject, index)), options)
            counts[c.name], _ = match_shapes(truth, found)
    return counts


def _prediction_of(subject: Subject, index: int) -> ReadMask:
    """Pixels that are predicted as a class."""
    return lambda window: subject.classes(window) == index


def _labels_of(item: Item, index: int) -> ReadMask:
    """Pixels that are labelled as a class."""
    return lambda window: read_labels(item, window) == index


def _where_labelled(item: Item, mask: ReadMask) -> ReadMask:
    """Pixels of a mask that have a label."""
    return lambda window: mask(window) & (read_labels(item, window) != NODATA)


def _boxes(item: Item, index: int) -> Shapes:
    """True boxes of a class, in pixels of the image."""
    high, wide = item.image.shape
    meaning = dict(item.labels.codes)
    boxes = [
        shapely.box((x - w / 2) * wide, (y - h / 2) * high, (x + w / 2) * wide, (y + h / 2) * high)
        for name, x, y, w, h in read_boxes(item.labels.path)
        if meaning.get(name, meaning.get("*", NODATA)) == index
    ]
    return np.array(boxes, object)


def _shapes(item: Item, mask: ReadMask, options: EvaluateOptions) -> Shapes:
    """Connected regions of a mask inside the item's region, as polygons in pixel corners of the image."""
    row, col = item.region[:2]
    regions = join(_trace_blocks(item, mask), BLOCK)
    large = regions.pixels * item.image.gsd**2 >= options.min_object
    shapes = regions.polygons[large]
    return np.asarray(shapely.transform(shapes, lambda xy: np.add(xy, (col, row))), object) if len(shapes) else shapes


def _trace_blocks(item: Item, mask: ReadMask) -> Iterator[tuple[Block, Regions]]:
    """Regions of a mask in each block of the item's region that holds any."""
    row, col, height, width = item.region
    for top in range(0, height, BLOCK):
        for left in range(0, width, BLOCK):
            window = Window(col + left, row + top, min(BLOCK, width - left), min(BLOCK, height - top))
            inside = mask(window).astype(np.uint8)
            if inside.any():
                full = np.zeros((BLOCK, BLOCK), np.uint8)
                full[: inside.shape[0], : inside.shape[1]] = inside
                yield (top // BLOCK, left // BLOCK), trace(full, skip=0)
