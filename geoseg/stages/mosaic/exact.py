"""Exact polygons of all classes, traced block by block and joined: they rasterise back to the class raster."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import geopandas
import numpy as np
import shapely

from geoseg.classes import NODATA, LandClass
from geoseg.colours import darker
from geoseg.geometry.blocks import Block
from geoseg.geometry.ground import area_factors
from geoseg.gis.geopackage import Layer, write_geopackage
from geoseg.gis.styles import fill_qml
from geoseg.layers import ROLES
from geoseg.options import MosaicOptions
from geoseg.runfolder.paths import EXACT
from geoseg.stages.mosaic.inputs import Inputs
from geoseg.vectorize.join import join
from geoseg.vectorize.trace import Regions, trace

__all__ = ["exact_layers", "trace_block"]


def trace_block(inputs: Inputs, block: Block) -> Regions:
    """Regions of one block, in its own pixel corners."""
    classes, confidence = inputs.reader.block(block)
    return trace(classes, confidence, skip=NODATA)


def exact_layers(
    inputs: Inputs, options: MosaicOptions, blocks: Iterable[Regions]
) -> tuple[list[Path], dict[str, int]]:
    """Exact polygons, one layer for each class, joined from the regions of each block (`trace_block`, in order)."""
    parts = ((block, regions) for block, regions in zip(inputs.blocks, blocks, strict=True) if len(regions))
    regions = join(parts, inputs.plan.block)
    frame = _frame(inputs, regions)
    layers, features = [], {}
    for c in inputs.table.classes:
        smallest = ROLES[c.role].min_area if options.min_area is None else options.min_area
        chosen = frame[(regions.values == c.value) & (frame["area_m2"].to_numpy() >= smallest)]
        features[c.slug] = len(chosen)
        layers.append(
            Layer(c.slug, chosen.reset_index(drop=True), _style(c), f"{c.name}: polygons of at least {smallest:g} m2")
        )
    path = inputs.run.out / f"{inputs.name}{EXACT}.gpkg"
    write_geopackage(path, layers)
    return [path], features


def _style(c: LandClass) -> str:
    return fill_qml(c.drawn, alpha=ROLES[c.role].alpha, outline=darker(c.drawn))


def _frame(inputs: Inputs, regions: Regions) -> geopandas.GeoDataFrame:
    """Polygons in the grid's CRS with their attributes."""
    grid = inputs.plan.grid
    world = shapely.transform(regions.polygons, lambda xy: xy * [grid.pixel, -grid.pixel_y] + [grid.x0, grid.y0])
    centres = shapely.get_coordinates(shapely.centroid(world)) if len(world) else np.zeros((0, 2))
    factors = area_factors(grid.crs, centres[:, 0], centres[:, 1]) if len(world) else np.zeros(0)
    names = {c.value: c.name for c in inputs.table.classes}
    return geopandas.GeoDataFrame(
        {
            "id": [f"{row}_{col}" for row, col in regions.first.tolist()],
            "class": [names[v] for v in regions.values.tolist()],
            "class_id": regions.values.astype(np.int32),
            "area_m2": np.round(regions.pixels * grid.pixel_area * factors, 3),
            "confidence": np.round(regions.weight / np.maximum(1, regions.pixels), 1),
        },
        geometry=world,
        crs=grid.crs,
    )
