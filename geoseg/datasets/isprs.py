"""The ISPRS 2D labelling benchmarks as they are released: Potsdam and Vaihingen.

Sheets are found by name in all folders, because some archives nest a folder in itself; zeros before numbers do not
matter. The place comes from the GeoTIFF or its .tfw. Colours are decoded by cutting each channel at 127, because some
of the released labels were re-encoded with loss.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from pathlib import Path

from geoseg.classes import ISPRS
from geoseg.datasets.folders import ImageFacts, image_file, label_file
from geoseg.datasets.items import Item
from geoseg.datasets.legend import cube_legend
from geoseg.errors import UsageError

__all__ = ["BOUNDARY_RULES", "isprs_items", "official_split"]

log = logging.getLogger(__name__)

BOUNDARY_RULES = ("all", "noBoundary", "eroded")
"""Which pixels count.

All; those of the released labels without boundaries; or all but a disc of radius 3 px around each border pixel.
"""

GSD = {"potsdam": 0.05, "vaihingen": 0.09}

_TRAIN = {
    "potsdam": (
        "2_10 2_11 2_12 3_10 3_11 3_12 4_10 4_11 4_12 5_10 5_11 5_12 "
        "6_7 6_8 6_9 6_10 6_11 6_12 7_7 7_8 7_9 7_10 7_11 7_12"
    ),
    "vaihingen": "1 3 5 7 11 13 15 17 21 23 26 28 30 32 34 37",
}
_TEST = {
    "potsdam": "2_13 2_14 3_13 3_14 4_13 4_14 4_15 5_13 5_14 5_15 6_13 6_14 6_15 7_13",
    "vaihingen": "2 4 6 8 10 12 14 16 20 22 24 27 29 31 33 35 38",
}
_VALIDATION = {"potsdam": ("2_10",), "vaihingen": ("30",)}

_BROKEN = {
    ("potsdam", "7_10"): "has wrong annotations in the release; most papers leave it out (`exclude: ['7_10']`)",
    ("potsdam", "4_12"): (
        "has a label that was re-encoded with loss; it is decoded by thresholds, exact colours would lose all of it"
    ),
    ("potsdam", "6_7"): (
        "has most cars as (252, 255, 0); they are decoded by thresholds, exact colours would lose 97 % of them"
    ),
}

_BANDS = {"RGB": ("RGB", (1, 2, 3)), "IRRG": ("IRRG", (1, 2, 3)), "RGBIR": ("RGBIR", (1, 2, 3, 4))}
_POTSDAM = re.compile(r"^top_potsdam_(\d+)_(\d+)_(RGB|IRRG|RGBIR|label|label_noBoundary)$", re.IGNORECASE)
_VAIHINGEN = re.compile(r"^top_mosaic_09cm_area(\d+)(_noBoundary)?$", re.IGNORECASE)


def official_split(city: str) -> dict[str, str]:
    """Split ("train", "validation" or "test") of each sheet by its number.

    The official training sheets without the usual validation sheet, that sheet, and the official test sheets.
    """
    split = {n: "train" for n in _TRAIN[city].split()} | {n: "test" for n in _TEST[city].split()}
    return split | {n: "validation" for n in _VALIDATION[city]}


Files = dict[str, dict[str, Path]]
"""Number of a sheet -> kind (bands of an image, boundary rule of a label) -> file."""


def _potsdam_files(root: Path) -> tuple[Files, Files]:
    """Images and labels."""
    images: Files = defaultdict(dict)
    labels: Files = defaultdict(dict)
    for path in sorted(root.rglob("*.tif")):
        if hit := _POTSDAM.match(path.stem):
            number, kind = f"{int(hit[1])}_{int(hit[2])}", hit[3].lower()
            if kind.startswith("label"):
                labels[number]["noBoundary" if kind.endswith("noboundary") else "all"] = path
            else:
                images[number][kind.upper()] = path
    return images, labels


def _vaihingen_files(root: Path) -> tuple[Files, Files]:
    """Images and labels."""
    images: Files = defaultdict(dict)
    labels: Files = defaultdict(dict)
    for path in sorted(root.rglob("*.tif")):
        if hit := _VAIHINGEN.match(path.stem):
            number = str(int(hit[1]))
            if path.parent.name.lower() == "top":
                images[number]["IRRG"] = path
            else:
                labels[number]["noBoundary" if hit[2] else "all"] = path
    return images, labels


def isprs_items(
    root: Path, city: str, bands: str = "RGB", boundary: str = "all", exclude: tuple[str, ...] = (), crs: str = ""
) -> dict[str, list[Item]]:
    """Items of the released sheets by official split ("train", "validation", "test").

    Args:
        root: folder of the unpacked release.
        city: "potsdam" or "vaihingen".
        bands: "RGB", "IRRG" or "RGBIR"; Vaihingen has IRRG only.
        boundary: one of `BOUNDARY_RULES`.
        exclude: numbers to leave out, such as "7_10".
        crs: for copies that have no CRS, only a .tfw.

    Raises:
        UsageError: no such sheet, an image without label, or bands that the city lacks.
    """
    if city == "vaihingen" and bands != "IRRG":
        raise UsageError(
            "bands", f"{bands} for Vaihingen, which was released as near infrared, red, green", "give IRRG"
        )
    images, labels = (_potsdam_files if city == "potsdam" else _vaihingen_files)(root)
    word, chosen = _BANDS[bands]
    numbers = sorted(n for n in images if word in images[n] and n not in exclude)
    if not numbers:
        raise UsageError(
            root,
            f"holds no {city} sheet with bands {bands}",
            "expected names as released, such as top_potsdam_2_10_RGB.tif",
        )
    split = official_split(city)
    parts: dict[str, list[Item]] = {"train": [], "validation": [], "test": []}
    wanted = "noBoundary" if boundary == "noBoundary" else "all"
    facts = ImageFacts(chosen, GSD[city], crs)
    for number in numbers:
        path = images[number][word]
        if number not in labels or wanted not in labels[number]:
            if split.get(number) == "test":
                continue  # held back in the contest's own release
            raise UsageError(path, f"has no label for boundary rule {wanted!r}", "unpack the label archive beside it")
        if (city, number) in _BROKEN:
            log.warning("%s %s", path.name, _BROKEN[city, number])
        eroded = 3 if boundary == "eroded" else 0
        image = image_file(path, facts)
        label = label_file(labels[number][wanted], cube_legend(ISPRS), image, eroded)
        parts[split.get(number, "train")].append(Item.whole(number, image, label))
    return parts
