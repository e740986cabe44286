"""Score networks on the reference points of real ground.

    python benchmarks/real_points/score.py MODEL [MODEL ...] --half tune      # choosing and calibrating
    python benchmarks/real_points/score.py MODEL [MODEL ...] --half test      # what the card reports

Each stratum (place and class of a frozen map) counts by its ground, each place of a half counts the same (estimates of
Stehman 2014, which hold where the map that is scored is not the one that made the strata). Intervals are 95 % of a
bootstrap that draws points anew within strata. Points that are not doubtful are scored alone, and with all others,
where either reading counts half.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from draw import LABELS, STRATA, read_points
from places import load_photos

from geoseg.in_memory import Network, load_model

NAMES = ("impervious", "building", "low veg", "tree", "car", "clutter")
DRAWS, BINS = 1000, 5


def predict(network: Network, half: str) -> dict[int, tuple[int, float]]:
    """Class and confidence (0 to 1) of a network at every point of a half, by the point's number."""
    points = [p for p in read_points() if p["half"] == half]
    found = {}
    for photo in load_photos(half):
        mine = [p for p in points if (p["place"], p["photo"]) == photo.key]
        if mine:
            classes, confidence = network.segment(photo.pixels, gsd=photo.gsd)
            for p in mine:
                at = int(p["row"]) - photo.row, int(p["col"]) - photo.col
                found[int(p["id"])] = int(classes[at]), float(confidence[at]) / 100
    return found


def weights_of(points: list[dict[str, str]], half: str) -> np.ndarray:
    """Share of the ground that each point stands for; a place counts as much as any other."""
    strata = {(s["place"], s["class"]): s["pixels"] for s in json.loads(STRATA.read_text()) if s["half"] == half}
    keys = [(p["place"], int(p["stratum"])) for p in points]
    used = {k: keys.count(k) for k in set(keys)}
    ground = {place: sum(n for (name, _), n in strata.items() if name == place) for place, _ in strata}
    shares = np.array([strata[k] / ground[k[0]] / used[k] for k in keys])
    return shares / shares.sum()


def read_truth() -> dict[int, tuple[int, int, bool]]:
    """The two readings of each point, and whether it is doubtful."""
    with LABELS.open(newline="") as file:
        return {int(r["id"]): (int(r["first"]), int(r["second"]), r["doubtful"] == "1") for r in csv.DictReader(file)}


def scores(truth: np.ndarray, found: np.ndarray, sure: np.ndarray, weight: np.ndarray) -> dict[str, float]:
    """Overall accuracy, F1 of each class with truth, their mean, and the calibration error of five equal bins."""
    total = weight.sum()
    right = found == truth
    result = {"overall accuracy": float((weight * right).sum() / total)}
    f1 = []
    for k, name in enumerate(NAMES):
        both = (weight * (right & (truth == k))).sum()
        size = (weight * (truth == k)).sum() + (weight * (found == k)).sum()
        if (truth == k).any():
            f1.append(float(2 * both / size))
            result[name] = f1[-1]
    result["mean F1"] = float(np.mean(f1))
    order = np.argsort(sure, kind="stable")
    bins = np.minimum((np.cumsum(weight[order]) / total * BINS).astype(int), BINS - 1)
    gaps = [abs((weight[o] * (right[o] - sure[o])).sum()) for o in (order[bins == b] for b in range(BINS))]
    result["calibration error"] = float(sum(gaps) / total)
    return result


def estimate(
    points: list[dict[str, str]], half: str, found: dict[int, tuple[int, float]], doubtful: bool, draws: int = 0
) -> tuple[dict[str, float], list[dict[str, float]]]:
    """Each score, without the doubtful points or with them, and those of some draws of a bootstrap."""
    readings = read_truth()
    kept = [p for p in points if doubtful or not readings[int(p["id"])][2]]
    share = weights_of(kept, half)
    strata = [f"{p['place']}/{p['stratum']}" for p in kept]
    groups = [np.flatnonzero(np.array(strata) == s) for s in sorted(set(strata))]
    numbers = [int(p["id"]) for p in kept]
    both = np.array([readings[i][:2] for i in numbers])
    classes, sure = np.array([found[i][0] for i in numbers]), np.array([found[i][1] for i in numbers])

    def at(index: np.ndarray) -> dict[str, float]:
        # a second row where the readings differ: each counts half
        rows, half_share = np.concatenate([index, index]), np.concatenate([share[index], share[index]]) / 2
        truth = np.concatenate([both[index, 0], both[index, 1]])
        return scores(truth, classes[rows], sure[rows], half_share)

    random = np.random.default_rng(0)
    drawn = [at(np.concatenate([random.choice(g, len(g)) for g in groups])) for _ in range(draws)]
    return at(np.arange(len(kept))), drawn


def with_intervals(
    points: list[dict[str, str]], half: str, found: dict[int, tuple[int, float]], doubtful: bool
) -> dict[str, tuple[float, float, float]]:
    """(estimate, low, high) of each score, without the doubtful points or with them."""
    whole, drawn = estimate(points, half, found, doubtful, DRAWS)
    low_high = {n: np.percentile([d[n] for d in drawn if n in d], [2.5, 97.5]) for n in whole}
    return {n: (value, float(low_high[n][0]), float(low_high[n][1])) for n, value in whole.items()}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="model files, or `shipped`")
    parser.add_argument("--half", choices=("tune", "test"), required=True)
    parser.add_argument("--out", type=Path, help="JSON of all figures")
    given = parser.parse_args()
    points = [p for p in read_points() if p["half"] == given.half]
    table = {}
    for model in given.models:
        found = predict(load_model(model), given.half)
        for doubtful in (False, True):
            result = with_intervals(points, given.half, found, doubtful)
            table[f"{model}, {'with' if doubtful else 'without'} doubtful points"] = result
            print(f"\n{model}, {given.half}, {'with' if doubtful else 'without'} doubtful points")
            for name, (value, low, high) in result.items():
                print(f"  {name:18} {value:.3f}  [{low:.3f}, {high:.3f}]")
        by_place(points, found)
    if given.out:
        given.out.write_text(json.dumps(table, indent=1))


def by_place(points: list[dict[str, str]], found: dict[int, tuple[int, float]]) -> None:
    """Print the share of right points of each place, by ground, doubtful ones left out."""
    readings = read_truth()
    for place in dict.fromkeys(p["place"] for p in points):
        mine = [p for p in points if p["place"] == place and not readings[int(p["id"])][2]]
        weight = weights_of(mine, mine[0]["half"])
        right = [found[int(p["id"])][0] == readings[int(p["id"])][0] for p in mine]
        print(f"  {place:26} {float((weight * right).sum()):.3f} of {len(mine)} points")


if __name__ == "__main__":
    main()
