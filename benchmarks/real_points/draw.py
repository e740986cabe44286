"""Reference points on real ground: where they lie, and the pictures that a reader looks at.

    python benchmarks/real_points/draw.py points                    # points.csv: random places within strata
    python benchmarks/real_points/draw.py sheets 1 --out /tmp/one   # crops of the first pass, 20 to a sheet
    python benchmarks/real_points/draw.py sheets 2 --out /tmp/two   # the same points in another order
    python benchmarks/real_points/draw.py join /tmp/one /tmp/two    # labels.csv and the agreement of the passes

Strata are the places times the classes of a frozen map, that of the network which geoseg 0.1 shipped. They only steer
how many points fall where: the reader sees neither strata nor predictions, and a score weighs each point by the ground
that it stands for (Olofsson et al. 2014; Stehman 2014 where the map that is scored is another one).
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from places import HERE, Photo, load_photos

COUNTS = {"test": (20, 20, 20, 20, 30, 40), "tune": (14, 14, 14, 14, 20, 26)}
"""Points in each stratum of a place, by class of the frozen map; the rare classes get more."""
APART = 1.5
"""Metres between two points of one photo, at least."""
VIEW = 24.0
"""Metres that a crop shows."""
CELL, ACROSS, DOWN = 300, 5, 4
CODES = {"i": 0, "b": 1, "l": 2, "t": 3, "c": 4, "x": 5}
POINTS, LABELS, STRATA = HERE / "points.csv", HERE / "labels.csv", HERE / "strata.json"


def draw_points(seed: int = 20261128) -> None:
    """Draw the points: at random within each stratum, apart from each other, the same for the same seed."""
    import geoseg

    network, random = geoseg.load_model("shipped-0.1"), np.random.default_rng(seed)
    rows, strata = [], []
    places: dict[str, list[tuple[Photo, np.ndarray]]] = {}
    for photo in load_photos():
        places.setdefault(photo.place, []).append((photo, network.segment(photo.pixels, gsd=photo.gsd)[0]))
    for place, photos in places.items():
        for kind in range(6):
            counts = [int((classes == kind).sum()) for _, classes in photos]
            half, wanted = photos[0][0].half, COUNTS[photos[0][0].half][kind]
            strata.append({"place": place, "half": half, "class": kind, "pixels": sum(counts)})
            taken: list[tuple[int, float, float]] = []
            for _ in range(40 * wanted):
                if len(taken) == wanted or not sum(counts):
                    break
                index = int(random.choice(len(photos), p=np.array(counts) / sum(counts)))
                photo, classes = photos[index]
                inside = np.flatnonzero(classes == kind)
                row, col = divmod(int(random.choice(inside)), classes.shape[1])
                near = (np.hypot(row - r, col - c) * photo.gsd < APART for i, r, c in taken if i == index)
                if any(near):
                    continue
                taken.append((index, row, col))
                rows.append([half, place, photo.path, photo.row + row, photo.col + col, kind])
    with POINTS.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["id", "half", "place", "photo", "row", "col", "stratum"])
        out.writerows([i, *row] for i, row in enumerate(rows))
    STRATA.write_text(json.dumps(strata, indent=1) + "\n")
    print(len(rows), "points")


def read_points() -> list[dict[str, str]]:
    """All points, in the order of their numbers."""
    with POINTS.open(newline="") as file:
        return list(csv.DictReader(file))


def draw_sheets(order: int, out: Path) -> None:
    """Draw the crops of one pass, 20 to a sheet, in an order of its own, and the list which crop is which point."""
    photos = {photo.key: photo for photo in load_photos()}
    points = read_points()
    shuffled = np.random.default_rng(order).permutation(len(points))
    out.mkdir(parents=True, exist_ok=True)
    key = {}
    for first in range(0, len(points), ACROSS * DOWN):
        sheet = Image.new("RGB", (ACROSS * CELL, DOWN * CELL))
        number = first // (ACROSS * DOWN) + 1
        for cell, index in enumerate(shuffled[first : first + ACROSS * DOWN]):
            point = points[int(index)]
            left, top = cell % ACROSS * CELL, cell // ACROSS * CELL
            sheet.paste(_crop(photos[point["place"], point["photo"]], point, cell + 1), (left, top))
            key[f"{number}:{cell + 1}"] = int(point["id"])
        sheet.save(out / f"sheet_{number:02d}.png")
    (out / "key.json").write_text(json.dumps(key))


def _crop(photo: Photo, point: dict[str, str], number: int) -> Image.Image:
    """The ground around a point, the point itself inside an open ring at the middle."""
    row, col = int(point["row"]) - photo.row, int(point["col"]) - photo.col
    half = round(VIEW / 2 / photo.gsd)
    padded = np.pad(photo.pixels, ((0, 0), (half, half), (half, half)), constant_values=128)
    part = padded[:, row : row + 2 * half + 1, col : col + 2 * half + 1]
    crop = Image.fromarray(part.transpose(1, 2, 0)).resize((CELL - 4, CELL - 4), Image.Resampling.BICUBIC)
    draw, middle = ImageDraw.Draw(crop), (CELL - 4) / 2
    for colour, width, radius in (("black", 3, 9), ("yellow", 1, 8)):
        draw.ellipse([middle - radius, middle - radius, middle + radius, middle + radius], outline=colour, width=width)
    draw.rectangle([0, 0, 26, 14], fill="black")
    draw.text((4, 2), str(number), fill="yellow")
    return crop


def join(passes: list[Path]) -> None:
    """Join what was read in two passes (`labels.txt`: lines of `sheet:cell code`) to labels.csv; print the agreement.

    A code is one letter of `CODES`; a question mark after it says that the reader was in doubt. A point is doubtful
    where the readings differ, or where both passes were in doubt.
    """
    read: list[dict[int, tuple[int, bool]]] = []
    for folder in passes:
        key = json.loads((folder / "key.json").read_text())
        lines = [line.split() for line in (folder / "labels.txt").read_text().splitlines() if line.strip()]
        read.append({key[where]: (CODES[code[0]], code.endswith("?")) for where, code in lines})
    first, second = read
    if missing := [i for i in range(len(read_points())) if i not in first or i not in second]:
        raise SystemExit(f"not read in both passes: {missing}")
    with LABELS.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["id", "first", "second", "doubtful"])
        for i in sorted(first):
            (one, unsure), (two, unsure_too) = first[i], second[i]
            out.writerow([i, one, two, int(one != two or (unsure and unsure_too))])
    table = np.zeros((6, 6), int)
    for i, (one, _) in first.items():
        table[one, second[i][0]] += 1
    total = table.sum()
    chance = (table.sum(0) * table.sum(1)).sum() / total**2
    agreed = np.trace(table) / total
    print(table)
    print(f"agreement {agreed:.3f}, kappa {(agreed - chance) / (1 - chance):.3f} of {total} points")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("points")
    sheets = commands.add_parser("sheets")
    sheets.add_argument("order", type=int)
    sheets.add_argument("--out", type=Path, required=True)
    commands.add_parser("join").add_argument("passes", type=Path, nargs=2)
    given = parser.parse_args()
    if given.command == "points":
        draw_points()
    elif given.command == "sheets":
        draw_sheets(given.order, given.out)
    else:
        join(given.passes)


if __name__ == "__main__":
    main()
