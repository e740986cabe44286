"""The temperature with which a network's confidence is right on real ground, from the points of the half `tune`.

    python benchmarks/real_points/calibrate.py MODEL [--from 0.8 --to 4]

The one with the smallest calibration error (five bins of equal ground), doubtful points included: they are ground, too,
and leaving them out would promise too much. It is looked for by cutting thirds off the range.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from draw import read_points
from score import estimate, predict

from geoseg.in_memory import Network
from geoseg.models.files import load_model


def error_at(model: str, temperature: float) -> float:
    """Calibration error on `tune` at a temperature."""
    file = load_model(Path(model))
    network = Network(replace(file, card=replace(file.card, temperature=temperature)))
    points = [p for p in read_points() if p["half"] == "tune"]
    return estimate(points, "tune", predict(network, "tune"), doubtful=True)[0]["calibration error"]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model file, or `shipped`")
    parser.add_argument("--from", dest="low", type=float, default=0.8)
    parser.add_argument("--to", dest="high", type=float, default=4.0)
    parser.add_argument("--out", type=Path, help="JSON of the best")
    given = parser.parse_args()
    tried: dict[float, float] = {}
    low, high = given.low, given.high
    while high - low > 0.2:
        for t in (low + (high - low) / 3, high - (high - low) / 3):
            t = round(t, 2)
            if t not in tried:
                tried[t] = error_at(given.model, t)
                print(f"temperature {t:.2f}: calibration error {tried[t]:.4f}", flush=True)
        left, right = round(low + (high - low) / 3, 2), round(high - (high - low) / 3, 2)
        low, high = (low, right) if tried[left] < tried[right] else (left, high)
    best = min(tried, key=tried.__getitem__)
    print(f"best: {best:.2f}")
    if given.out:
        given.out.write_text(json.dumps({"temperature": best, "calibration error on tune": tried[best]}))


if __name__ == "__main__":
    main()
