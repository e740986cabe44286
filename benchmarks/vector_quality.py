"""How good the vectors are: the product's layers of damaged masks of generated scenes against the true outlines.

    python benchmarks/vector_quality.py [--seeds 10] [--scenes plain drawn]

`plain`: houses, streets, cars and street trees that hide nothing of each other (`plain_scene.py`). `drawn`: the
labels of the sample generator, where branches hang over roofs and crowns grow into woods; truths that are more than a
tenth hidden, or cut by the frame, are not counted. Damage is what an arg-max of soft scores does: rounded corners,
wobbly edges, specks. Means over the seeds. Beside the product: its coverage without squaring and splitting
(`simplify`), Douglas-Peucker polygon by polygon (`peucker`), and buildingregulariser with its defaults where it is
installed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from plain_scene import GSD, METRES, plain_scene
from rasterio.transform import Affine
from scipy import ndimage

from geoseg.classes import ISPRS, NODATA
from geoseg.layers import ROLES
from geoseg.metrics.objects import match_shapes
from geoseg.metrics.vectors import centreline_scores, complexity_iou, corners, crown_scores, polis
from geoseg.options import MosaicOptions
from geoseg.scenes.objects import Building, Car, Tree
from geoseg.scenes.outlines import street_axis
from geoseg.scenes.scene import Scene
from geoseg.stages.features.memory import array_raster, features_of
from geoseg.vectorize.merge import merge_small
from geoseg.vectorize.trace import trace

VALUES = {"building": 1, "tree": 3, "car": 4}
LAYERS = {"building": "buildings", "tree": "trees", "car": "cars"}
LEAST = {"building": 8.0, "tree": 2.0, "car": 2.0}
WITHIN = 0.5
"""Metres: the buffer of the centreline scores."""
EDGE = 1.0
Outlines = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """Labels, the truth that counts, and every true outline: an object found on one that does not count is left out."""

    labels: np.ndarray
    truth: Outlines
    everything: Outlines
    centrelines: np.ndarray


def plain_case(seed: int) -> Case:
    scene = plain_scene(seed)
    return Case(scene.labels, scene.objects, scene.objects, scene.centrelines)


def drawn_case(seed: int) -> Case:
    """A scene of the sample generator; its y runs down."""
    scene = Scene(seed, METRES, METRES, GSD)
    frame = shapely.box(0, 0, METRES, METRES)
    axes = [shapely.intersection(street_axis(s, scene.layout.frame), frame) for s in scene.layout.streets]
    visible = scene.truth()
    everything = {n: _up([s for v, _, s in visible if v == k]) for n, k in VALUES.items()}
    return Case(scene.labels(0, 0, *scene.shape), _hardly_hidden(scene, visible), everything, _up(axes))


def _up(shapes: list[shapely.Geometry]) -> np.ndarray:
    flip = lambda xy: np.column_stack([xy[:, 0], METRES - xy[:, 1]])
    return np.asarray(shapely.transform(np.array(shapes, object), flip)) if shapes else np.zeros(0, object)


def _hardly_hidden(scene: Scene, visible: list[tuple[int, object, shapely.Geometry]]) -> Outlines:
    """Roofs and cars whole, also where a branch hangs over them; crowns as far as they are seen."""
    parts: dict[str, list[shapely.Geometry]] = {n: [] for n in VALUES}
    frame = shapely.box(EDGE, EDGE, METRES - EDGE, METRES - EDGE)
    for kind, name in ((Building, "building"), (Car, "car"), (Tree, "tree")):
        whole = {id(o): s for v, o, s in scene.stack if isinstance(o, kind) and v == VALUES[name]}
        for v, o, seen in visible:
            if v == VALUES[name] and id(o) in whole and whole[id(o)].within(frame):
                largest = max(shapely.get_parts(seen), key=lambda p: p.area)
                if largest.area > 0.9 * whole[id(o)].area:
                    parts[name].append(largest if name == "tree" else whole[id(o)])
    return {n: _up(p) for n, p in parts.items()}


def damage(truth: np.ndarray, rng: np.random.Generator, level: float) -> np.ndarray:
    """Blurred classes plus correlated noise, arg-max, specks."""
    size = truth.shape
    scores = np.stack([ndimage.gaussian_filter((truth == c).astype(np.float32), 3.5) for c in range(6)])
    for c in range(6):
        for sigma, amount in ((4, 0.10), (12, 0.13)):
            noise = ndimage.gaussian_filter(rng.standard_normal(size, np.float32), sigma)
            scores[c] += level * amount * noise / noise.std()
    out = scores.argmax(0).astype(np.uint8)
    noise = ndimage.gaussian_filter(rng.standard_normal(size, np.float32), 2.5)
    spots, count = ndimage.label(noise > (4.3 - 0.3 * level) * noise.std())
    classes = rng.integers(0, 6, count + 1).astype(np.uint8)
    return np.where(spots > 0, classes[spots], out).astype(np.uint8)


PLACE = Affine(GSD, 0, 0, 0, -GSD, METRES)


def layers(raster: np.ndarray, square: bool = True) -> dict[str, Any]:
    """The feature layers of a class raster, by the product's own path, with its defaults."""
    place = array_raster(raster, PLACE, "EPSG:25833", ISPRS, np.full(raster.shape, 90, np.uint8))
    return {layer.name: layer.frame for layer in features_of(place, MosaicOptions(square=square))}


def product(raster: np.ndarray) -> Outlines:
    frames = layers(raster)
    found = {n: np.asarray(frames[name].geometry) for n, name in LAYERS.items()}
    return {**found, "centreline": np.asarray(frames["road_centrelines"].geometry)}


def simplify_only(raster: np.ndarray) -> Outlines:
    frame = layers(raster, square=False)["landcover"]
    shapes = np.asarray(frame.geometry)
    return {n: shapes[(frame["class_id"] == v) & (shapely.area(shapes) > LEAST[n])] for n, v in VALUES.items()}


def exact(raster: np.ndarray) -> Outlines:
    """Pixel outlines without the regions that are too small."""
    least = {c.value: ROLES[c.role].min_area / GSD**2 for c in ISPRS.classes}
    regions = trace(merge_small(raster, least, skip=NODATA), skip=NODATA)
    shapes = shapely.transform(regions.polygons, lambda xy: xy * [GSD, -GSD] + [0, METRES])
    return {n: shapes[(regions.values == v) & (shapely.area(shapes) > LEAST[n])] for n, v in VALUES.items()}


def peucker(raster: np.ndarray) -> Outlines:
    return {n: shapely.simplify(s, 0.5 if n == "building" else 0.15) for n, s in exact(raster).items()}


def regulariser(raster: np.ndarray) -> Outlines:
    """The package buildingregulariser (MIT) on the exact outlines."""
    try:
        import geopandas
        from buildingregulariser import regularize_geodataframe
    except ImportError:
        return {}
    frame = geopandas.GeoDataFrame(geometry=list(exact(raster)["building"]), crs="EPSG:25833")
    return {"building": np.asarray(shapely.make_valid(regularize_geodataframe(frame, num_cores=1).geometry.to_numpy()))}


METHODS: dict[str, Callable[[np.ndarray], Outlines]] = {
    "geoseg": product,
    "simplify": simplify_only,
    "peucker": peucker,
    "regulariser": regulariser,
}


def counted(found: np.ndarray, truth: np.ndarray, everything: np.ndarray) -> np.ndarray:
    """Found objects less those on a true one that does not count, or at the frame."""
    if not len(found):
        return found
    frame = shapely.box(EDGE, EDGE, METRES - EDGE, METRES - EDGE)
    mine = np.zeros(len(found), bool)
    mine[shapely.STRtree(truth).query(found, predicate="intersects")[0]] = True
    other = np.array([shapely.area(shapely.intersection(everything, p)).sum() < 0.2 * p.area for p in found])
    return np.asarray(found[shapely.within(shapely.centroid(found), frame) & (mine | other)])


def scores(found: np.ndarray, truth: np.ndarray, everything: np.ndarray) -> tuple[float, ...]:
    """Count, F1 at IoU 0.5, means over pairs of C-IoU, PoLiS, vertices and error of the diameter."""
    found = counted(found, truth, everything)
    counts, pairs = match_shapes(truth, found)
    both = list(zip(truth[pairs[:, 0]], found[pairs[:, 1]], strict=True))
    mean = lambda score: float(np.mean([score(a, b) for a, b in both])) if both else np.nan
    size = crown_scores(found, truth)["diameter_error_m"]
    return (
        len(truth),
        counts.scores()["f1"] or 0.0,
        mean(complexity_iou),
        mean(polis),
        mean(lambda a, b: corners(b)),
        np.nan if size is None else size,
    )


def inner(lines: np.ndarray) -> np.ndarray:
    """Lines less the last 3 m at the frame, where a centreline leans over."""
    cut = shapely.intersection(lines, shapely.box(3, 3, METRES - 3, METRES - 3))
    return np.asarray(cut[~shapely.is_empty(cut)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--scenes", nargs="+", choices=("plain", "drawn"), default=("plain", "drawn"))
    parser.add_argument("--methods", nargs="+", choices=tuple(METHODS), default=tuple(METHODS))
    options = parser.parse_args()
    for scenes in options.scenes:
        make = plain_case if scenes == "plain" else drawn_case
        cases = [(seed, make(seed)) for seed in range(700_000, 700_000 + options.seeds)]
        print(f"\n{scenes} scenes, {len(cases)} seeds")
        print(
            f"{'level':>5} {'agree':>6} {'object':>10} {'method':>11} {'true':>6} {'F1@.5':>6} {'C-IoU':>6} "
            f"{'PoLiS':>6} {'corners':>7} {'diam':>6}"
        )
        for level in (1.0, 1.5, 2.0):
            table(cases, level, options.methods)


def table(cases: list[tuple[int, Case]], level: float, methods: list[str]) -> None:
    rows: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    lines, agree = [], []
    for seed, case in cases:
        raster = damage(case.labels, np.random.default_rng(seed), level)
        agree.append((raster == case.labels).mean())
        for method in methods:
            found = METHODS[method](raster)  # raises where the coverage has a gap or an overlap
            for name in VALUES:
                if name in found:
                    row = scores(found[name], case.truth[name], case.everything[name])
                    rows.setdefault((name, method), []).append(row)
            if "centreline" in found:
                got = centreline_scores(inner(found["centreline"]), inner(case.centrelines), WITHIN)
                lines.append([got["completeness"], got["correctness"] or 0.0])
    for name, method in sorted(rows):
        n, f1, ciou, distance, count, size = np.nanmean(np.array(rows[name, method], float), axis=0)
        print(
            f"{level:5} {np.mean(agree):6.3f} {name:>10} {method:>11} {n:6.1f} {f1:6.3f} {ciou:6.3f} "
            f"{distance:6.3f} {count:7.1f} {size:6.3f}"
        )
    if lines:
        complete, correct = np.mean(lines, axis=0)
        print(
            f"{level:5} {np.mean(agree):6.3f} centreline within {WITHIN} m: completeness {complete:.3f}, "
            f"correctness {correct:.3f}"
        )
    print(f"{level:5} every coverage: gap 0 m2, overlap 0 m2, valid", flush=True)


if __name__ == "__main__":
    main()
