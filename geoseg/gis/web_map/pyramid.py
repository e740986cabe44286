"""Tiles of several pictures at all zooms, each pixel read once.

squares of 4 x 4 tiles at the last zoom -> their tiles -> half as wide: the zoom above -> ... -> one tile at the first

A square is asked for, cut and thrown away before the next one; what is kept are four tiles at each zoom above.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from geoseg.arrays import Bytes
from geoseg.gis.web_map.archive import Archive
from geoseg.gis.web_map.mercator import TILE, Bounds, tile_bounds, tiles_meeting
from geoseg.gis.web_map.pictures import Kind

__all__ = ["SQUARE", "Pictures", "Pyramid", "Source", "write_tiles"]

LEVELS = 2
"""Zooms between a square and the tile that it makes above."""
SQUARE = TILE * 2**LEVELS
"""Side of a square in pixels."""
THREADS = 2

Pictures = dict[str, Bytes]
"""One picture (H, W, ...) by name; those that show nothing are left out."""
Source = Callable[[Bounds, int], Pictures]
"""Pictures of a box of Web Mercator, so many pixels wide and high."""


@dataclass(frozen=True)
class Pyramid:
    """What is tiled: the first and the last zoom, a box, and which part of it holds anything at all."""

    first: int
    last: int
    box: Bounds
    empty: Callable[[Bounds], bool]


def write_tiles(pyramid: Pyramid, source: Source, kinds: Mapping[str, Kind], archives: Mapping[str, Archive]) -> None:
    """Write all tiles of all pictures.

    Args:
        pyramid: zooms and place.
        source: gives the pixels, for each square once.
        kinds: of each picture.
        archives: where the tiles of each picture go.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        writer = _Writer(pyramid, source, kinds, archives, pool)
        for x, y in tiles_meeting(pyramid.box, pyramid.first):
            writer.tile(pyramid.first, x, y)


@dataclass(frozen=True)
class _Writer:
    pyramid: Pyramid
    source: Source
    kinds: Mapping[str, Kind]
    archives: Mapping[str, Archive]
    pool: ThreadPoolExecutor

    def tile(self, zoom: int, x: int, y: int) -> Pictures:
        """Write a tile and all below it; returns its pictures (512, 512, ...)."""
        if self.pyramid.empty(tile_bounds(zoom, x, y)):
            return {}
        levels = self.pyramid.last - zoom
        if levels <= LEVELS:
            pictures = self.source(tile_bounds(zoom, x, y), TILE * 2**levels)
            for level in range(levels, 0, -1):
                self._write(zoom + level, x * 2**level, y * 2**level, pictures)
                pictures = self._shrunk(pictures)
        else:
            below = [[self.tile(zoom + 1, 2 * x + i, 2 * y + j) for i in (0, 1)] for j in (0, 1)]
            pictures = self._shrunk(self._joined(below))
        self._write(zoom, x, y, pictures)
        return pictures

    def _shrunk(self, pictures: Pictures) -> Pictures:
        return {name: self.kinds[name].shrink(picture) for name, picture in pictures.items()}

    def _joined(self, below: list[list[Pictures]]) -> Pictures:
        """Four tiles as one picture, twice as wide."""
        joined: Pictures = {}
        for j, i in ((0, 0), (0, 1), (1, 0), (1, 1)):
            for name, picture in below[j][i].items():
                if name not in joined:
                    shape = (2 * TILE, 2 * TILE, *picture.shape[2:])
                    joined[name] = np.full(shape, 0 if picture.ndim == 3 else 255, np.uint8)
                joined[name][j * TILE : (j + 1) * TILE, i * TILE : (i + 1) * TILE] = picture
        return joined

    def _write(self, zoom: int, x: int, y: int, pictures: Pictures) -> None:
        """Cut pictures whose upper left tile is x, y into tiles, and write those that show something."""
        parts = list(_parts(pictures, x, y))
        encoded = self.pool.map(lambda part: self._bytes(part[0], part[3]), parts)
        for (name, column, row, _), data in zip(parts, encoded, strict=True):
            if data:
                self.archives[name].add(zoom, column, row, data)

    def _bytes(self, name: str, picture: Bytes) -> bytes:
        kind = self.kinds[name]
        return b"" if kind.blank(picture) else kind.encode(picture)


def _parts(pictures: Pictures, x: int, y: int) -> Iterator[tuple[str, int, int, Bytes]]:
    for name, picture in pictures.items():
        for row in range(picture.shape[0] // TILE):
            for column in range(picture.shape[1] // TILE):
                part = picture[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
                yield name, x + column, y + row, part
