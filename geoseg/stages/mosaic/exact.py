"""Exact polygons of all classes, traced block by block and joined: they rasterise back to the class raster."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import geopandas
import numpy as np
import shapely

from geoseg.classes import NODATA, LandClass
from geoseg.geometry.ground import area_factors
from geoseg.gis.geopackage import Layer, write_geopackage
from geoseg.gis.styles import fill_qml
from geoseg.stages.features.whole import MIN_AREA, MosaicOptions, MosaicRun
from geoseg.vectorize.join import join
from geoseg.vectorize.trace import Regions, trace

__all__ = ["exact_layers", "traced"]


def traced(r: MosaicRun, number: int) -> Regions:
    """Regions of one block, in its own pixel corners."""
    classes, confidence = r.reader.block(r.blocks[number])
    return trace(classes, confidence, skip=NODATA)


def exact_layers(
    r: MosaicRun, options: MosaicOptions, blocks: Iterable[Regions], features: dict[str, int]
) -> list[Path]:
    """Exact polygons of all classes, one layer per class, joined from what was traced of each block (`traced`, in the order of `r.blocks`)."""
    parts = ((block, regions) for block, regions in zip(r.blocks, blocks, strict=True) if len(regions))
    regions = join(parts, r.plan.block)
    frame = _frame(r, regions)
    layers = []
    for c in r.table.classes:
        smallest = MIN_AREA[c.role] if options.min_area is None else options.min_area
        chosen = frame[(regions.values == c.value) & (frame["area_m2"].to_numpy() >= smallest)]
        features[c.slug] = len(chosen)
        layers.append(
            Layer(c.slug, chosen.reset_index(drop=True), _style(c), f"{c.name}: polygons of at least {smallest:g} m2")
        )
    path = r.out / f"{r.name}_exact.gpkg"
    write_geopackage(path, layers)
    return [path]


_ALPHA = {"ground": 60, "road": 90, "tree": 110, "building": 150, "car": 200, "other": 110}


def _style(c: LandClass) -> str:
    outline = tuple(int(v * 0.55) for v in c.colour)
    return fill_qml(c.colour, alpha=_ALPHA[c.role], outline=(outline[0], outline[1], outline[2]))


def _frame(r: MosaicRun, regions: Regions) -> geopandas.GeoDataFrame:
    """Polygons in the grid's CRS with their attributes."""
    grid = r.plan.grid
    world = shapely.transform(regions.polygons, lambda xy: xy * [grid.pixel, -grid.pixel] + [grid.x0, grid.y0])
    centres = shapely.get_coordinates(shapely.centroid(world)) if len(world) else np.zeros((0, 2))
    factors = area_factors(grid.crs, centres[:, 0], centres[:, 1]) if len(world) else np.zeros(0)
    names = {c.value: c.name for c in r.table.classes}
    return geopandas.GeoDataFrame(
        {
            "id": [f"{row}_{col}" for row, col in regions.first.tolist()],
            "class": [names[v] for v in regions.values.tolist()],
            "class_id": regions.values.astype(np.int32),
            "area_m2": np.round(regions.pixels * grid.pixel**2 * factors, 3),
            "confidence": np.round(regions.weight / np.maximum(1, regions.pixels), 1),
        },
        geometry=world,
        crs=grid.crs,
    )
