"""Pixels and square metres of each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from geoseg.classes import NODATA
from geoseg.geometry.ground import area_factors
from geoseg.runfolder.blocks import Record
from geoseg.stages.mosaic.inputs import Inputs

__all__ = ["class_areas", "class_counts"]


def class_counts(records: Iterable[Record]) -> dict[int, int]:
    """Pixels per class value over all blocks."""
    total: Counter[int] = Counter()
    for record in records:
        total.update(record.counts)
    total.pop(NODATA, None)
    return dict(sorted(total.items()))


def class_areas(inputs: Inputs) -> dict[str, float]:
    """Square metres on the ground per class: pixels of each block times its local factor."""
    total = dict.fromkeys((c.name for c in inputs.table.classes), 0.0)
    grid, size = inputs.plan.grid, inputs.plan.block
    corners = np.array([[(col + 0.5) * size, (row + 0.5) * size] for row, col in inputs.blocks])
    factors = area_factors(grid.crs, grid.x0 + corners[:, 0] * grid.pixel, grid.y0 - corners[:, 1] * grid.pixel_y)
    for record, factor in zip(inputs.records.values(), factors, strict=True):
        for value, pixels in record.counts.items():
            if value != NODATA:
                total[inputs.table.by_value(value).name] += pixels * grid.pixel_area * float(factor)
    return {name: round(area, 2) for name, area in total.items()}
