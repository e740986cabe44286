"""How good the vectors are: objects of generated scenes, masks damaged at three strengths, against the scenes' own polygons.

    python benchmarks/vector_quality.py [--seeds 3]

Damage is what an arg-max of soft scores does: rounded corners, wobbly edges, specks. Means over the seeds; simplify-only beside it.
"""

from __future__ import annotations

import argparse

import numpy as np
import shapely
from scipy import ndimage

from geoseg.learn.objects import matched
from geoseg.learn.vector_metrics import complexity_iou, corners
from geoseg.scenes.objects import Building, Car, Tree
from geoseg.scenes.scene import Scene
from geoseg.vectorize.buildings import square_building
from geoseg.vectorize.cars import split_cars
from geoseg.vectorize.coverage import coverage_figures
from geoseg.vectorize.merge import merge_small
from geoseg.vectorize.simplify import simplified
from geoseg.vectorize.trace import trace_rings
from geoseg.vectorize.trees import split_crowns

GSD, METRES = 0.05, 102.0
LEAST = {0: 1.0, 1: 2.0, 2: 1.0, 3: 1.0, 4: 1.0, 5: 1.0}


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


def to_metres(polygons: np.ndarray, high: int) -> np.ndarray:
    return np.asarray(
        shapely.transform(polygons, lambda xy: np.column_stack([xy[:, 0] * GSD, (high - xy[:, 1]) * GSD]))
    )


def flipped(polygons: list[shapely.Geometry]) -> np.ndarray:
    """Truth with y up, so that both lie alike."""
    return np.asarray(
        shapely.transform(np.array(polygons, object), lambda xy: np.column_stack([xy[:, 0], METRES - xy[:, 1]]))
    )


def truth_of(scene: Scene) -> dict[str, np.ndarray]:
    """Whole outlines of what is hardly hidden."""
    parts: dict[str, list[shapely.Geometry]] = {"building": [], "car": [], "tree": []}
    frame = shapely.box(1, 1, METRES - 1, METRES - 1)
    for kind, name, value in ((Building, "building", 1), (Car, "car", 4), (Tree, "tree", 3)):
        whole = {id(o): s for v, o, s in scene.stack if isinstance(o, kind) and v == value}
        for v, o, seen in scene.truth():
            if v == value and id(o) in whole and whole[id(o)].within(frame):
                largest = max(shapely.get_parts(seen), key=lambda p: p.area)
                if largest.area > 0.9 * whole[id(o)].area:
                    parts[name].append(
                        largest if name == "tree" else whole[id(o)]
                    )  # roofs and cars under a branch are whole ones
    return {n: flipped(p) if p else np.zeros(0, object) for n, p in parts.items()}


def found_of(raster: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], float, float]:
    """Product layers and simplify-only ones, in metres; gap and overlap of the coverage."""
    clean = merge_small(raster, {c: LEAST[c] / GSD**2 for c in LEAST}, skip=255)
    regions = trace_rings(clean)
    figures = coverage_figures(simplified(regions, clean, 0.3 / GSD), float(raster.size))
    exact = to_metres(regions.polygons(), raster.shape[0])
    pick = lambda v: list(exact[regions.values == v])
    product = {
        "building": np.array([square_building(p).polygon for p in pick(1) if p.area > 8], object),
        "car": np.array([c.box for p in pick(4) for c in split_cars(p)], object),
        "tree": np.array([c.polygon for p in pick(3) for c in split_crowns(p)], object),
    }
    simple = {
        "building": np.array([shapely.simplify(p, 0.5) for p in pick(1) if p.area > 8], object),
        "car": np.array([shapely.simplify(p, 0.15) for p in pick(4) if p.area > 2], object),
        "tree": np.array([shapely.simplify(p, 0.15) for p in pick(3) if p.area > 1.5], object),
    }
    return product, simple, figures.gap * GSD**2, figures.overlap * GSD**2


def restricted(found: np.ndarray, truth: np.ndarray, everything: np.ndarray) -> np.ndarray:
    """Found objects that are not of a true object which was left out (hidden or cut by the frame)."""
    if not len(everything):
        return found
    tree = shapely.STRtree(truth) if len(truth) else None
    keep = []
    for p in found:
        inside = p.centroid.within(shapely.box(1, 1, METRES - 1, METRES - 1))
        mine = tree is not None and len(tree.query(p, predicate="intersects")) > 0
        other = shapely.intersection(everything, p)
        keep.append(inside and (mine or shapely.area(other).sum() < 0.2 * p.area))
    return found[np.array(keep, bool)] if len(found) else found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print(
        f"{'level':>5} {'agree':>6} {'object':>9} {'method':>9} {'true':>5} {'F1@.5':>6} {'C-IoU':>6} {'vertices':>8} {'diam err':>8}"
    )
    for level in (1.0, 1.5, 2.0):
        rows: dict[tuple[str, str], list[tuple[float, ...]]] = {}
        agree, gaps = [], []
        for seed in range(700_000, 700_000 + options.seeds):
            scene = Scene(seed, METRES, METRES, GSD)
            labels, truth = scene.labels(0, 0, *scene.shape), truth_of(scene)
            whole = {
                n: flipped([s for v, _, s in scene.truth() if v == k])
                for n, k in (("building", 1), ("car", 4), ("tree", 3))
            }
            raster = damage(labels, np.random.default_rng(seed), level)
            agree.append((raster == labels).mean())
            product, simple, gap, overlap = found_of(raster)
            gaps.append((gap, overlap))
            for method, layers in (("geoseg", product), ("simplify", simple)):
                for name, shapes in layers.items():
                    shapes = restricted(shapes, truth[name], whole[name])
                    counts, pairs = matched(truth[name], shapes)
                    a, b = truth[name][pairs[:, 0]], shapes[pairs[:, 1]]
                    ciou = np.mean([complexity_iou(x, y) for x, y in zip(a, b, strict=True)]) if len(a) else np.nan
                    size = (
                        np.abs(np.sqrt(4 * shapely.area(a) / np.pi) - np.sqrt(4 * shapely.area(b) / np.pi)).mean()
                        if len(a)
                        else np.nan
                    )
                    count = np.mean([corners(x) for x in b]) if len(b) else np.nan
                    rows.setdefault((name, method), []).append(
                        (len(truth[name]), counts.scores()["f1"] or 0, ciou, count, size)
                    )
        for (name, method), values in rows.items():
            n, f1, ciou, count, size = np.nanmean(np.array(values, float), axis=0)
            print(
                f"{level:5} {np.mean(agree):6.3f} {name:>9} {method:>9} {n:5.1f} {f1:6.3f} {ciou:6.3f} {count:8.1f} {size:8.3f}"
            )
        print(
            f"{level:5} gap and overlap of the coverage: {max(g for g, _ in gaps):.6f} and {max(o for _, o in gaps):.6f} m2"
        )


if __name__ == "__main__":
    main()
