"""The places of real ground that no network learns from: see places.json."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("GEOSEG_DATA", HERE.parent.parent / "data"))
"""The folder of the open data sets; `data/` of the checkout, or what GEOSEG_DATA names."""


@dataclass(frozen=True)
class Photo:
    """One photo of a place, or a window of one: its pixels (3, H, W) uint8 and where they start."""

    half: str
    place: str
    path: str
    row: int
    col: int
    gsd: float
    pixels: np.ndarray

    @property
    def key(self) -> tuple[str, str]:
        """The names that points carry."""
        return self.place, self.path


def load_photos(half: str = "") -> Iterator[Photo]:
    """All photos of `tune`, of `test`, or of both, place by place."""
    for place in json.loads((HERE / "places.json").read_text())["places"]:
        if half not in ("", place["half"]):
            continue
        for pattern in place["photos"]:
            for path in sorted(DATA.glob(pattern)):
                with rasterio.open(path) as photo:
                    row, col, height, width = place.get("window") or (0, 0, photo.height, photo.width)
                    pixels = photo.read([1, 2, 3], window=Window(col, row, width, height))
                name = path.relative_to(DATA).as_posix()
                yield Photo(place["half"], place["name"], name, row, col, place["gsd"], pixels)
