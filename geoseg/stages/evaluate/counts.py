"""What is counted of one sheet, by strips of rows and by object; adds up over sheets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from rasterio.windows import Window

from geoseg.arrays import Bytes
from geoseg.classes import NODATA, ClassTable
from geoseg.datasets.items import Item, read_labels
from geoseg.datasets.shapes import read_boxes
from geoseg.layers import ROLES
from geoseg.metrics.objects import ObjectCounts, match_boxes, match_shapes
from geoseg.metrics.pixels import (
    Reliability,
    Tally,
    boundary_counts,
    reliability,
    tally,
)
from geoseg.options import EvaluateOptions
from geoseg.vectorize.join import join
from geoseg.vectorize.trace import trace

__all__ = ["ReadBytes", "SheetCounts", "Subject", "counted"]

ReadBytes = Callable[[Window], Bytes]


STRIP = 1024


@dataclass(frozen=True)
class Subject:
    """One sheet's prediction and its labels; windows are those of the item's region."""

    item: Item
    classes: ReadBytes
    confidence: ReadBytes | None


@dataclass(frozen=True)
class SheetCounts:
    """All that is counted of one sheet; adds up."""

    tally: Tally
    reliability: Reliability
    borders: npt.NDArray[np.int64]
    unpredicted: int = 0
    objects: dict[str, ObjectCounts] = field(default_factory=dict)

    def __add__(self, other: SheetCounts) -> SheetCounts:
        names = {**self.objects, **other.objects}
        objects = {n: self.objects.get(n, ObjectCounts()) + other.objects.get(n, ObjectCounts()) for n in names}
        return SheetCounts(
            self.tally + other.tally,
            self.reliability + other.reliability,
            self.borders + other.borders,
            self.unpredicted + other.unpredicted,
            objects,
        )


def _strips(region: tuple[int, int, int, int]) -> Iterator[Window]:
    row, col, height, width = region
    for top in range(row, row + height, STRIP):
        yield Window(col, top, width, min(STRIP, row + height - top))


def counted(subject: Subject, table: ClassTable, options: EvaluateOptions) -> tuple[SheetCounts, tuple[Bytes, Bytes]]:
    """Counts of one sheet by strips of rows, each with a halo for distances to borders."""
    item, count = subject.item, len(table)
    total, sure = Tally.zero(count), Reliability.zero()
    borders = np.zeros((len(options.radius), 4), np.int64)
    unpredicted = 0
    halo = int(max(options.radius, default=0) / item.image.gsd) + 2
    step = max(1, max(item.region[2:]) // 1500)
    thumbs: list[tuple[Bytes, Bytes]] = []
    for strip in _strips(item.region):
        wide, inner = _with_halo(strip, item.region, halo)
        labels, found = read_labels(item, wide), subject.classes(wide)
        total = total + tally(labels[inner], found[inner], count)
        unpredicted += int(((labels[inner] < count) & (found[inner] == NODATA)).sum())
        if subject.confidence is not None:
            sure = sure + reliability(labels[inner], found[inner], subject.confidence(strip), count)
        for k, radius in enumerate(options.radius):
            borders[k] += boundary_counts(labels, found, radius / item.image.gsd, inner)
        first = -(int(strip.row_off) - item.region[0]) % step
        thumbs.append((labels[inner][first::step, ::step], found[inner][first::step, ::step]))
    objects = _objects(subject, table, options)
    thumb = np.concatenate([t[0] for t in thumbs]), np.concatenate([t[1] for t in thumbs])
    return SheetCounts(total, sure, borders, unpredicted, objects), thumb


def _with_halo(strip: Window, region: tuple[int, int, int, int], halo: int) -> tuple[Window, tuple[slice, slice]]:
    top = max(region[0], int(strip.row_off) - halo)
    bottom = min(region[0] + region[2], int(strip.row_off + strip.height) + halo)
    first = int(strip.row_off) - top
    return Window(strip.col_off, top, strip.width, bottom - top), (slice(first, first + int(strip.height)), slice(None))


def _objects(subject: Subject, table: ClassTable, options: EvaluateOptions) -> dict[str, ObjectCounts]:
    """Buildings, cars and whatever else comes in single things, by object, where the labels name any."""
    item, counts = replace(subject.item, labels=replace(subject.item.labels, eroded=0)), {}
    for index, c in enumerate(table.classes):
        if not ROLES[c.role].objects:
            continue
        found = _shapes(item, lambda w, k=index: (subject.classes(w) == k) & (read_labels(item, w) != NODATA), options)  # type: ignore[misc]
        if item.labels.kind == "boxes":
            boxes = _boxes(item, index)
            if len(boxes):
                all_found = _shapes(item, lambda w, k=index: subject.classes(w) == k, options)  # type: ignore[misc]
                counts[c.name] = match_boxes(boxes, all_found)
            continue
        truth = _shapes(item, lambda w, k=index: read_labels(item, w) == k, options)  # type: ignore[misc]
        if len(truth):
            counts[c.name] = match_shapes(truth, found)[0]
    return counts


def _boxes(item: Item, index: int) -> npt.NDArray[np.object_]:
    high, wide = item.image.shape
    meaning = dict(item.labels.codes)
    rows = [r for r in read_boxes(item.labels.path) if meaning.get(r[0], meaning.get("*", NODATA)) == index]
    return np.array(
        [
            shapely.box((x - w / 2) * wide, (y - h / 2) * high, (x + w / 2) * wide, (y + h / 2) * high)
            for _, x, y, w, h in rows
        ],
        object,
    )


def _shapes(
    item: Item, mask: Callable[[Window], npt.NDArray[np.bool_]], options: EvaluateOptions
) -> npt.NDArray[np.object_]:
    """Connected regions of a mask, in pixel corners of the region, traced block by block and joined."""
    row, col, height, width = item.region

    def traced() -> Iterator[Any]:
        for top in range(0, height, 2048):
            for left in range(0, width, 2048):
                window = Window(col + left, row + top, min(2048, width - left), min(2048, height - top))
                inside = mask(window).astype(np.uint8)
                if inside.any():
                    full = np.zeros((2048, 2048), np.uint8)
                    full[: inside.shape[0], : inside.shape[1]] = inside
                    yield (top // 2048, left // 2048), trace(full, skip=0)

    regions = join(traced(), 2048)
    large = regions.pixels * item.image.gsd**2 >= options.min_object
    shapes = regions.polygons[large]
    return np.asarray(shapely.transform(shapes, lambda xy: np.add(xy, (col, row))), object) if len(shapes) else shapes
