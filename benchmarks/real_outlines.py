"""Squared buildings from a labelled mask of a real place against the hand-drawn outlines that the mask was made from.

    python benchmarks/real_outlines.py MASK.tif OUTLINES.geojson [--level 1.5] [--picture worst.png]

The mask is 1 building, 0 not, 255 not labelled. Level 0 takes it as it is; above it is damaged as in
`vector_quality.py` first. Outlines drawn by hand are off by up to a metre and share walls in rows of houses, which a
mask cannot show: pairs are those with IoU of at least 0.5. Beside the product: the same coverage without squaring.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from vector_quality import damage

from geoseg.classes import ISPRS
from geoseg.geometry.ground import area_factors
from geoseg.metrics.vectors import object_scores, shape_scores
from geoseg.options import MosaicOptions
from geoseg.stages.features.memory import array_raster, features_of


def buildings(raster: np.ndarray, place: rasterio.Affine, crs: str, square: bool) -> geopandas.GeoDataFrame:
    """The layer of buildings, by the product's own path."""
    found = array_raster(raster, place, crs, ISPRS, np.full(raster.shape, 90, np.uint8))
    return features_of(found, MosaicOptions(square=square, layers=("buildings",)))[0].frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mask", type=Path)
    parser.add_argument("outlines", type=Path)
    parser.add_argument("--level", type=float, nargs="+", default=(0.0, 1.0, 1.5))
    parser.add_argument("--picture", type=Path, help="the places that fit worst, drawn")
    options = parser.parse_args()
    with rasterio.open(options.mask) as dataset:
        mask, transform, crs = dataset.read(1), dataset.transform, dataset.crs
    rows, cols = np.flatnonzero((mask != 255).any(1)), np.flatnonzero((mask != 255).any(0))
    top, left = int(rows[0]), int(cols[0])
    mask = mask[top : rows[-1] + 1, left : cols[-1] + 1]
    place = transform @ rasterio.Affine.translation(left, top)
    factor = float(area_factors(crs.to_wkt(), np.array([transform.c]), np.array([transform.f]))[0])
    metres = transform.a * factor**0.5
    truth = geopandas.read_file(options.outlines).to_crs(crs)
    frame = shapely.box(
        transform.c + left * transform.a,
        transform.f - (top + mask.shape[0]) * transform.a,
        transform.c + (left + mask.shape[1]) * transform.a,
        transform.f - top * transform.a,
    )
    true = np.array([g for g in truth.geometry if g.geom_type == "Polygon" and g.is_valid and g.within(frame)], object)
    labels = np.where(mask == 1, 1, np.where(mask == 0, 2, 255)).astype(np.uint8)
    print(f"{len(true)} outlines, pixels of {metres * 100:.1f} cm on the ground, metres and corners of pairs")
    for level in options.level:
        raster = labels
        if level:
            rng = np.random.default_rng(0)
            raster = np.where(labels == 255, 255, np.where(damage(labels, rng, level) == 1, 1, 2)).astype(np.uint8)
        for name, square in (("squared", True), ("simplify", False)):
            found = buildings(raster, place, crs.to_wkt(), square)
            shapes = np.asarray(found.geometry)
            objects, both = object_scores(shapes, true), shape_scores(shapes, true)
            states = found["status"].value_counts().to_dict()
            print(
                f"level {level} {name:>8}: {len(shapes):5d} found, F1 {objects['f1']:.3f}, IoU {both['iou']:.3f}, "
                f"C-IoU {both['c_iou']:.3f}, corners {both['vertices']:.1f}, PoLiS "
                f"{both['polis_m'] * factor**0.5:.3f}, "
                f"corner error {both['corner_error_deg']:.1f} deg, {states}",
                flush=True,
            )
            if options.picture and square and level == options.level[0]:
                draw(found, true, options.picture)


def draw(found: geopandas.GeoDataFrame, true: np.ndarray, path: Path) -> None:
    """Eight places around what the fallback kept, and around the worst squared ones: found filled, truth as lines."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    by_fit = found.sort_values("iou_raw")
    chosen = [*by_fit[by_fit.status == "simplified"].head(4).index, *by_fit[by_fit.status == "squared"].head(4).index]
    _, axes = pyplot.subplots(2, 4, figsize=(16, 8))
    for ax, i in zip(axes.flat, chosen, strict=False):
        centre, half = found.geometry[i].centroid, max(found.geometry[i].length / 5, 12)
        around = shapely.box(centre.x - half, centre.y - half, centre.x + half, centre.y + half)
        found[found.intersects(around)].plot(ax=ax, color="#c4605855", edgecolor="#781e1e")
        geopandas.GeoSeries(list(true[shapely.intersects(true, around)])).boundary.plot(
            ax=ax, color="black", linestyle="--"
        )
        ax.set(xlim=(centre.x - half, centre.x + half), ylim=(centre.y - half, centre.y + half), xticks=[], yticks=[])
        ax.set_title(f"{found.status[i]}, IoU with the mask {found.iou_raw[i]:.2f}")
    pyplot.tight_layout()
    pyplot.savefig(path, dpi=60)


if __name__ == "__main__":
    main()
