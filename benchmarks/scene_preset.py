"""The frozen test preset: 40 procedural scenes that no training may use (seeds 800 000 to 800 039, 96 m at 10 cm).

    python benchmarks/scene_preset.py freeze            # once, before training: writes scene_preset.json
    python benchmarks/scene_preset.py check             # the generator still draws the same scenes
    python benchmarks/scene_preset.py write --out DIR   # images and labels as NAME.png, NAME_label.png, for geoseg
    evaluate

Labels are the same on any machine; images to one grey level (so their hash may differ where the hash of labels does
not).
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
from PIL import Image

from geoseg.scenes.scene import Scene, Tile

SEEDS, METRES, GSD = range(800_000, 800_040), 96.0, 0.1
FROZEN = Path(__file__).with_suffix(".json")
POTSDAM = (29.6, 25.7, 22.6, 15.5, 1.8, 4.8)


def draw(seed: int) -> Tile:
    scene = Scene(seed, METRES, METRES, GSD)
    return scene.tile(0, 0, *scene.shape)


def digests(tile: Tile) -> dict[str, str]:
    image = np.ascontiguousarray(tile.image[..., :3])
    return {
        "labels": hashlib.sha256(tile.labels.tobytes()).hexdigest(),
        "image": hashlib.sha256(image.tobytes()).hexdigest(),
    }


def freeze() -> None:
    rows, counts = {}, np.zeros(6, np.int64)
    for seed in SEEDS:
        tile = draw(seed)
        rows[str(seed)] = digests(tile)
        counts += np.bincount(tile.labels.ravel(), minlength=6)
    shares = (100 * counts / counts.sum()).round(2).tolist()
    FROZEN.write_text(
        json.dumps({"metres": METRES, "gsd": GSD, "shares": shares, "potsdam": POTSDAM, "scenes": rows}, indent=1)
        + "\n"
    )
    print("shares", shares, "Potsdam", POTSDAM)


def check() -> None:
    known = json.loads(FROZEN.read_text())["scenes"]
    found = {str(seed): digests(draw(seed)) for seed in SEEDS}
    labels = sum(found[s]["labels"] != known[s]["labels"] for s in known)
    images = sum(found[s]["image"] != known[s]["image"] for s in known)
    print(f"{labels} of {len(known)} label rasters differ, {images} images")
    raise SystemExit(labels > 0)


def write(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:
        tile = draw(seed)
        Image.fromarray(np.ascontiguousarray(tile.image[..., :3])).save(out / f"{seed}.png")
        Image.fromarray(tile.labels).save(out / f"{seed}_label.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("freeze", "check", "write"))
    parser.add_argument("--out", type=Path, default=Path("scene_preset"))
    options = parser.parse_args()
    {"freeze": freeze, "check": check, "write": lambda: write(options.out)}[options.what]()


if __name__ == "__main__":
    main()
