"""Attached houses one by one: drawn rows from damaged masks, and a real town, cut along `contact` and not cut.

    python benchmarks/attached_houses.py rows [--seeds 10]
    python benchmarks/attached_houses.py town RUN OUTLINES [--bbox W,S,E,N] [--json FILE] [--picture ...]

`rows`: terraces of houses, turned, with steps in depth and in their fronts; masks are damaged as in
`vector_quality.py`, contact is damaged alike. `town`: the layer `buildings` of a finished run against outlines drawn by
hand, in the run's CRS. F1 at IoU 0.5. `split`: true houses of which two found ones hold a quarter each; `merged`: found
ones that hold half of two true ones each. `wall` (rows): metres between a found
common wall and the nearest true one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio
import shapely
from PIL import Image, ImageDraw
from rasterio.enums import Resampling
from rasterio.features import rasterize
from rasterio.transform import Affine
from rasterio.windows import from_bounds
from scipy import ndimage
from vector_quality import damage

from geoseg.classes import ISPRS
from geoseg.datasets.shapes import burn_contact
from geoseg.metrics.objects import match_shapes
from geoseg.options import MosaicOptions
from geoseg.stages.features.memory import array_raster, features_of

GSD, METRES = 0.1, 120.0
SIDE = round(METRES / GSD)
PLACE = Affine(GSD, 0, 0, 0, -GSD, METRES)
WANTED = ("true_objects", "found_objects", "f1", "panoptic_quality", "split", "merged", "wall_m")
Shapes = np.ndarray[Any, Any]


def terraces(seed: int) -> Shapes:
    """True outlines of rows of attached houses."""
    rng = np.random.default_rng(seed)
    angle, houses = rng.uniform(0, np.pi), []
    for row in range(4):
        u, v = rng.uniform(2, 8), 8.0 + 27 * row
        while u < METRES - 25:
            for _ in range(rng.integers(3, 8)):
                wide, deep, front = rng.uniform(5.5, 11), rng.uniform(9, 13), rng.choice([0.0, 0.0, 1.5])
                houses.append(shapely.box(u, v + front, u + wide, v + front + deep))
                u += wide
                if u > METRES - 25:
                    break
            u += rng.uniform(3, 8)
    turned = shapely.affinity.rotate(shapely.MultiPolygon(houses), angle, (METRES / 2, METRES / 2), use_radians=True)
    frame = shapely.box(1, 1, METRES - 1, METRES - 1)
    return np.array([h for h in turned.geoms if h.within(frame)], object)


def damaged(houses: Shapes, seed: int, level: float) -> tuple[Shapes, Shapes]:
    """Class raster and contact in per cent, as a network might see them."""
    rng = np.random.default_rng(seed)
    shape = (SIDE, SIDE)
    labels = rasterize([(h, 1) for h in houses], out_shape=shape, transform=PLACE, fill=2, dtype="uint8")
    meets = ndimage.gaussian_filter(burn_contact(houses, PLACE, shape).astype(np.float32), 3.5)
    for sigma, amount in ((4, 0.10), (12, 0.13)):
        noise = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), sigma)
        meets += level * amount * noise / noise.std()
    return damage(labels, rng, level), (100 * meets.clip(0, 1)).astype(np.uint8)


def buildings(raster: Shapes, contact: Shapes | None) -> Shapes:
    """The layer of buildings, by the product's own path, which raises where there is a gap or an overlap."""
    place = array_raster(raster, PLACE, "EPSG:25833", ISPRS, None, contact)
    frame = features_of(place, MosaicOptions(layers=("buildings",)))[0].frame
    return np.asarray(frame.geometry)


def common_walls(houses: Shapes) -> shapely.Geometry:
    """Lines that two houses share, or nearly share."""
    i, k = shapely.STRtree(houses).query(houses, predicate="dwithin", distance=0.05)
    pairs = i < k
    near = shapely.buffer(houses[k[pairs]], 0.05)
    return shapely.union_all(shapely.intersection(shapely.boundary(houses[i[pairs]]), near))


def scores(truth: Shapes, found: Shapes) -> dict[str, float]:
    """All figures of one place."""
    counts, _ = match_shapes(truth, found)
    t, f = shapely.STRtree(found).query(truth, predicate="intersects")
    part = shapely.area(shapely.intersection(truth[t], found[f])) / shapely.area(truth[t])
    split = np.bincount(t[part > 0.25], minlength=len(truth)) > 1
    merged = np.bincount(f[part > 0.5], minlength=len(found)) > 1
    figures = {k: v for k, v in counts.scores().items() if v is not None}
    return {**figures, "split": int(split.sum()), "merged": int(merged.sum())}


def with_walls(truth: Shapes, found: Shapes) -> dict[str, float]:
    """The same, and how far common walls are off; outlines drawn by hand hardly ever share a wall."""
    walls = shapely.get_coordinates(shapely.segmentize(common_walls(found), 0.5))
    off = shapely.distance(shapely.points(walls), common_walls(truth))
    return {**scores(truth, found), **({"wall_m": float(off.mean())} if len(walls) else {})}


def rows(seeds: int) -> None:
    """Print the table of drawn rows."""
    print(f"{'level':>5} {'houses':>7} {'':>8} {'found':>6} {'F1':>6} {'PQ':>6} {'split':>6} {'merged':>7} {'wall':>6}")
    for level in (1.0, 1.5, 2.0):
        kept: dict[str, list[dict[str, float]]] = {"cut": [], "not cut": []}
        for seed in range(seeds):
            truth = terraces(seed)
            raster, contact = damaged(truth, seed, level)
            kept["cut"].append(with_walls(truth, buildings(raster, contact)))
            kept["not cut"].append(with_walls(truth, buildings(raster, None)))
        for name, all_of in kept.items():
            mean = {k: float(np.mean([one[k] for one in all_of if k in one] or [np.nan])) for k in WANTED}
            print(
                f"{level:5} {mean['true_objects']:7.1f} {name:>8} {mean['found_objects']:6.1f} {mean['f1']:6.3f} "
                f"{mean['panoptic_quality']:6.3f} {mean['split']:6.1f} {mean['merged']:7.1f} {mean['wall_m']:6.2f}",
                flush=True,
            )
    print("every coverage: gap 0 m2, overlap 0 m2, valid")


def town(run: Path, outlines: Path, bbox: str) -> dict[str, dict[str, float]]:
    """Figures of a run's buildings, cut and not cut."""
    (file,) = [p for p in (run / "out").glob("*.gpkg") if not p.stem.endswith("_exact")]
    frame = geopandas.read_file(file, layer="buildings")
    near = shapely.box(*(map(float, bbox.split(",")) if bbox else frame.total_bounds))
    drawn = geopandas.read_file(outlines).to_crs(frame.crs).geometry
    truth = np.array([s.intersection(near) for s in drawn if s.geom_type == "Polygon" and s.intersects(near)], object)
    whole = frame.dissolve("region_id")
    return {n: scores(truth, np.asarray(f.geometry)) for n, f in (("cut", frame), ("not cut", whole))}


def draw(run: Path, photo: Path, around: str, path: Path) -> None:
    """A photo with regions of buildings on the left, and with houses on the right; around: W,S,E,N."""
    left, bottom, right, top = map(float, around.split(","))
    (file,) = [p for p in (run / "out").glob("*.gpkg") if not p.stem.endswith("_exact")]
    frame = geopandas.read_file(file, layer="buildings")
    side = 560
    with rasterio.open(photo) as dataset:
        window = from_bounds(left, bottom, right, top, dataset.transform)
        pixels = dataset.read((1, 2, 3), window=window, out_shape=(3, side, side), resampling=Resampling.average)
    place = np.array([side / (right - left), -side / (top - bottom)])
    panels = []
    for shapes in (frame.dissolve("region_id").geometry, frame.geometry):
        panel = Image.fromarray(np.moveaxis(pixels, 0, 2))
        for ring in shapely.get_rings(shapely.get_parts(np.asarray(shapes))):
            xy = (shapely.get_coordinates(ring) - [left, top]) * place
            ImageDraw.Draw(panel).line([tuple(p) for p in xy.tolist()], (255, 236, 60), 2)
        panels.append(np.asarray(panel))
    Image.fromarray(np.hstack([panels[0], np.full((side, 8, 3), 255, np.uint8), panels[1]])).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="what", required=True)
    drawn = parts.add_parser("rows")
    drawn.add_argument("--seeds", type=int, default=10)
    real = parts.add_parser("town")
    real.add_argument("run", type=Path)
    real.add_argument("outlines", type=Path)
    real.add_argument("--bbox", default="")
    real.add_argument("--json", type=Path)
    real.add_argument("--picture", nargs=3, metavar=("PHOTO", "W,S,E,N", "FILE"), help="draw a place of the run")
    options = parser.parse_args()
    if options.what == "rows":
        rows(options.seeds)
        return
    found = town(options.run, options.outlines, options.bbox)
    for name, figures in found.items():
        print(name, {k: round(v, 3) for k, v in figures.items()})
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    if options.picture:
        photo, around, path = options.picture
        draw(options.run, Path(photo), around, Path(path))


if __name__ == "__main__":
    main()
