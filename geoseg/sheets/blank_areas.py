"""Areas of a sheet that are white or black because nothing was photographed there, though the file does not say so.

    sample of the sheet -> suspicious values -> one pass from top to bottom -> connected areas -> the blank ones

An area is blank where it hangs together with the sheet's edge, as in GDAL's nearblack, or where it is large and all its
pixels have exactly one value in all bands. So a white car or a black roof stays. Memory is by the width of the sheet:
rows with areas that are still open wait in a file.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import IO

import numpy as np
from scipy import ndimage

from geoseg.arrays import Image, Ints, Mask, Valid
from geoseg.plan import Sheet
from geoseg.sheets.decoder import PixelRequest, decoder
from geoseg.sheets.nodata import BORDERS, Place, Value, flat_border, mask_of, nodata_values, place_of, valid_by_value

__all__ = ["LARGE", "blank_rows", "read_strips", "suspicious_values"]

LARGE = 200.0
"""Square metres on the ground from which on an area of exactly one value is blank."""
ROWS, STRIP = 256, 8_000_000
"""Most rows and pixels of a strip."""
SQUARE = 256
"""Side in pixels of the squares of a sample."""
CONTRAST = 16
"""Grey levels between blank areas and the middle of all else, from which on they stand out."""
OPEN = 2
"""The first number of an area that is not closed yet; 0 is no blank, 1 is one."""

Strip = tuple[Image, Valid]
"""Pixels (C, H, W) of some rows, and where the file says that they are data (H, W)."""


def suspicious_values(sheet: Sheet, read_timeout: float) -> tuple[Value, ...]:
    """Values of large, nearly white or black areas that a sample of a sheet shows; () for none.

    The sample is three corners, and a raster of squares in which only exactly white or black pixels count. A sheet of
    more than 8 bits shows none, nor one that says itself where it has data.

    Raises:
        SheetError: it cannot be read.
    """
    header = sheet.header
    declared = header.mask != "none" or header.nodata is not None
    if declared or header.dtype != "uint8" or min(header.width, header.height) < 32:
        return ()
    found: set[int] = set()
    squares: list[Image] = []
    high, wide = min(2 * SQUARE, header.height), min(2 * SQUARE, header.width)
    for row, col in ((0, 0), (0, header.width - wide), (header.height - high, 0)):
        pixels = _square(sheet, row, col, (high, wide), read_timeout)
        edges = pixels[:, 0 if row == 0 else -1], pixels[:, :, 0 if col == 0 else -1]
        value = flat_border(pixels, edges)
        found |= set() if value is None else {value}
        squares.append(pixels)
    high, wide = min(SQUARE, header.height), min(SQUARE, header.width)
    for row in np.linspace(0, header.height - high, 4).astype(int).tolist():
        for col in np.linspace(0, header.width - wide, 4).astype(int).tolist():
            pixels = _square(sheet, row, col, (high, wide), read_timeout)
            found |= {v for v, _, _ in BORDERS if (pixels == v).all(0).mean() > 0.1}
            squares.append(pixels)
    return tuple((float(v), float(high - low)) for v, low, high in BORDERS if v in found and _stands_out(v, squares))


def _stands_out(value: int, squares: list[Image]) -> bool:
    """Whether the other pixels of a sample are much brighter than black, or darker than white.

    Darkness tells nothing in a sheet that is dark as a whole, nor in one that is all of one colour.
    """
    low, high = next((low, high) for v, low, high in BORDERS if v == value)
    pixels = np.concatenate([s.reshape(len(s), -1) for s in squares], 1)
    others = pixels[:, ~((pixels >= low) & (pixels <= high)).all(0)]
    return bool(others.size) and bool(abs(float(np.median(others)) - value) >= CONTRAST)


def _square(sheet: Sheet, row: int, col: int, shape: tuple[int, int], read_timeout: float) -> Image:
    bands = tuple(i + 1 for i, m in enumerate(sheet.header.meanings) if m != "alpha")[:3]
    rows, cols = slice(row, row + shape[0]), slice(col, col + shape[1])
    return decoder().read(_request(place_of(sheet, bands), rows, cols, read_timeout))


def _request(place: Place, rows: slice, cols: slice, read_timeout: float, *, holes: bool = False) -> PixelRequest:
    wanted = PixelRequest(place.path, place.stat, place.bands, rows, cols, holes=holes, patience=read_timeout)
    return replace(wanted, virtual=place.virtual, dtype=place.dtype)


def read_strips(sheet: Sheet, read_timeout: float) -> Iterator[Strip]:
    """A sheet from top to bottom as its file has it.

    Raises:
        SheetError: it is damaged.
    """
    header = sheet.header
    bands = tuple(i + 1 for i, m in enumerate(header.meanings) if m != "alpha")
    mask, cols = mask_of(sheet, bands), slice(0, header.width)
    high = max(16, min(ROWS, STRIP // header.width))
    for top in range(0, header.height, high):
        rows = slice(top, min(top + high, header.height))
        pixels = decoder().read(_request(place_of(sheet, bands), rows, cols, read_timeout, holes=True))
        valid = valid_by_value(pixels, nodata_values((), header))
        if mask is not None:
            valid &= decoder().read(_request(mask, rows, cols, read_timeout))[0] > 0
        yield pixels, valid


def blank_rows(strips: Iterator[Strip], values: tuple[Value, ...], large: float) -> Iterator[Mask]:
    """Blank pixels (H, W) of each strip of a sheet, after all of it was seen.

    Args:
        strips: of the sheet, from top to bottom.
        values: what may be blank: (value, tolerance) in all bands.
        large: pixels from which on an area of exactly one value is blank.
    """
    with tempfile.TemporaryFile() as edges, tempfile.TemporaryFile() as flats:
        at_edge, flat = _Areas(edges, lambda _, touches: touches), _Areas(flats, lambda size, _: size >= large)
        for pixels, valid in strips:
            near = valid & ~valid_by_value(pixels, values)
            at_edge.add(near | ~valid, near)  # blank areas may reach the edge through declared no-data
            flat.add(exact := near & _one_value(pixels, values), exact)
        for here, there in zip(at_edge.rows(), flat.rows(), strict=True):
            yield here | there


def _one_value(pixels: Image, values: tuple[Value, ...]) -> Mask:
    """Pixels (H, W) that have exactly one value in all bands: one of `values`, 0, or the largest of their type."""
    largest = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "ui" else 1
    exact = (*((value, 0.0) for value, _ in values), (0.0, 0.0), (float(largest), 0.0))
    return ~valid_by_value(pixels, exact)


@dataclass
class _Areas:
    """4-connected areas of a mask that comes strip by strip. Mutable: it is fed, and then read once.

    `is_blank` decides by (pixels, whether it touches the sheet's edge). Areas within one strip are decided at once;
    those that reach the next strip get numbers from `OPEN` on. The strips wait in `file`.
    """

    file: IO[bytes]
    is_blank: Callable[[Ints, Mask], Mask]
    sizes: list[int] = field(default_factory=list)
    touching: list[bool] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    below: Ints | None = None
    strips: list[tuple[int, tuple[int, int]]] = field(default_factory=list)

    def add(self, mask: Mask, shown: Mask) -> None:
        """The next strip (H, W): where areas are, and which of their pixels may be blank."""
        labels, count = ndimage.label(mask)
        sizes = np.bincount(labels.ravel(), minlength=count + 1)
        touches, opened = np.zeros(count + 1, bool), np.zeros(count + 1, bool)
        touches[labels[:, 0]] = touches[labels[:, -1]] = True
        opened[labels[-1]] = True
        (touches if self.below is None else opened)[labels[0]] = True
        numbers = self.is_blank(sizes, touches).astype(np.int64)
        numbers[0], opened[0] = 0, False
        fresh = np.flatnonzero(opened)
        numbers[fresh] = OPEN + len(self.sizes) + np.arange(len(fresh))
        self.parents += range(len(self.parents), len(self.parents) + len(fresh))
        self.sizes += sizes[fresh].tolist()
        self.touching += touches[fresh].tolist()
        if self.below is not None:
            self._join(self.below, numbers[labels[0]])
        self.below = numbers[labels[-1]]
        packed = zlib.compress(np.where(shown, numbers[labels], 0).astype(np.uint32).tobytes(), 1)
        self.file.write(packed)
        self.strips.append((len(packed), mask.shape))

    def _join(self, above: Ints, below: Ints) -> None:
        """Make one of the areas that meet between two rows."""
        both = (above >= OPEN) & (below >= OPEN)
        for pair in np.unique(np.stack([above[both], below[both]]) - OPEN, axis=1).T.tolist():
            a, b = self._root(pair[0]), self._root(pair[1])
            if a != b:
                self.parents[b] = a
                self.sizes[a] += self.sizes[b]
                self.touching[a] = self.touching[a] or self.touching[b]

    def _root(self, number: int) -> int:
        while self.parents[number] != number:
            self.parents[number] = self.parents[self.parents[number]]
            number = self.parents[number]
        return number

    def rows(self) -> Iterator[Mask]:
        """Blank pixels (H, W) of each strip, once all were added."""
        if self.below is not None:
            for number in np.unique(self.below[self.below >= OPEN] - OPEN).tolist():
                self.touching[self._root(number)] = True
        roots = [self._root(k) for k in range(len(self.parents))]
        decided = self.is_blank(np.array(self.sizes, np.int64), np.array(self.touching, bool))
        fate = np.array([False, True, *(decided[r] for r in roots)], bool)
        self.file.seek(0)
        for length, shape in self.strips:
            numbers = np.frombuffer(zlib.decompress(self.file.read(length)), np.uint32).reshape(shape)
            yield fate[numbers]
