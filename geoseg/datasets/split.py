"""Splits that do not leak: by whole images, or by ground with a gap between; the same ground in two splits is refused.

Where overlapping patches are split at random, most of the test ground is in training too (93 % in a published
repository, which was withdrawn). Here the ground is split before anything is cut.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
import shapely
from pyproj import Transformer
from rasterio.transform import Affine

from geoseg.datasets.items import Box, Item
from geoseg.errors import UsageError
from geoseg.geometry.ground import metres_per_unit

__all__ = ["SPLITS", "Split", "cut", "refuse_leaks", "split_items"]

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """A way to divide items. By default all are for training.

    `names`: (name, split) of whole images; a name matches as a whole or as an ending. `side`: the split `to` gets this
    side of the set's ground, a share of `share`. `blocks`: side in metres of the squares of a chessboard that are dealt
    at random, a share of `share` to the split `to`. `gap`: metres of ground between splits that nobody reads.
    """

    names: tuple[tuple[str, str], ...] = ()
    side: Literal["", "north", "south", "east", "west"] = ""
    blocks: float = 0.0
    share: float = 0.25
    gap: float = 0.0
    to: str = "validation"
    seed: int = 0


def split_items(items: Sequence[Item], split: Split) -> dict[str, list[Item]]:
    """Items, or parts of items, of each split.

    Raises:
        UsageError: a name in `split` is no item's.
    """
    wanted = dict(split.names)
    hits = [_name_of(item, wanted) for item in items]
    lost = sorted(wanted.keys() - set(hits))
    if lost:
        known = ", ".join(sorted(i.name for i in items)[:12])
        raise UsageError(
            "split", f"names {', '.join(lost)}, which is no image of this data set", f"images: {known}, ..."
        )
    parts: dict[str, list[Item]] = {name: [] for name in SPLITS}
    for item, hit in zip(items, hits, strict=True):
        if hit is not None:
            parts[wanted[hit]].append(item)
    rest = [item for item, hit in zip(items, hits, strict=True) if hit is None]
    for name, part in _divide(rest, split):
        parts[name].append(part)
    return parts


def _name_of(item: Item, names: Iterable[str]) -> str | None:
    """The name that means an item: all of its name, or the ending."""
    return next((n for n in names if item.name == n or item.name.endswith(("_" + n, "/" + n))), None)


def _divide(items: Sequence[Item], split: Split) -> Iterator[tuple[str, Item]]:
    """(split, part) of items that have no name of their own."""
    if split.side:
        return _divide_by_side(items, split)
    if split.blocks:
        return _divide_by_blocks(items, split)
    return (("train", item) for item in items)


def _scale(item: Item) -> float:
    """Metres on the ground per unit of an item's own coordinates."""
    return metres_per_unit(item.image.crs, *_corner(item)) if item.image.crs else 1.0


def _corner(item: Item) -> tuple[float, float]:
    x, y = _place(item) @ (item.region[1], item.region[0])
    return float(x), float(y)


def _place(item: Item) -> Affine:
    """Pixel to ground; images without a place on Earth count in metres from their own upper left corner, north up."""
    return (
        Affine(*item.image.transform[:6])
        if item.image.transform
        else Affine(item.image.gsd, 0, 0, 0, -item.image.gsd, 0)
    )


def _bounds(item: Item) -> tuple[float, float, float, float]:
    """(left, bottom, right, top) of an item's region."""
    row, col, height, width = item.region
    corners = [
        _place(item) @ c for c in ((col, row), (col + width, row + height), (col + width, row), (col, row + height))
    ]
    xs, ys = [c[0] for c in corners], [c[1] for c in corners]
    return min(xs), min(ys), max(xs), max(ys)


def cut(item: Item, left: float, bottom: float, right: float, top: float) -> Item | None:
    """The part of a north-up item whose pixels lie wholly inside a rectangle; None where there is none."""
    inverse = ~_place(item)
    a, b = inverse @ (left, top), inverse @ (right, bottom)
    row, col, height, width = item.region
    row0, col0 = max(row, int(np.ceil(min(a[1], b[1]) - 1e-6))), max(col, int(np.ceil(min(a[0], b[0]) - 1e-6)))
    row1 = min(row + height, int(np.floor(max(a[1], b[1]) + 1e-6)))
    col1 = min(col + width, int(np.floor(max(a[0], b[0]) + 1e-6)))
    return item.within((row0, col0, row1 - row0, col1 - col0)) if row1 > row0 and col1 > col0 else None


def _grounds(items: Iterable[Item]) -> list[list[Item]]:
    """Groups of items that share coordinates: all of one CRS together, each image without a CRS alone."""
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[item.image.crs or f"image {item.image.path}{item.image.scene}"].append(item)
    return list(groups.values())


def _divide_by_side(items: Sequence[Item], split: Split) -> Iterator[tuple[str, Item]]:
    far = 1e12
    for group in _grounds(items):
        boxes = np.array([_bounds(i) for i in group])
        low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
        axis, up = (0, split.side == "east") if split.side in ("east", "west") else (1, split.side == "north")
        gap = split.gap / _scale(group[0])
        reach = split.share * (high[axis] - low[axis])
        border = high[axis] - reach if up else low[axis] + reach
        given = [-far, -far, far, far]
        kept = [-far, -far, far, far]
        given[axis if up else axis + 2] = border
        kept[axis + 2 if up else axis] = border - gap if up else border + gap
        for item in group:
            for name, frame in ((split.to, given), ("train", kept)):
                if (part := cut(item, *frame)) is not None:
                    yield name, part


def _divide_by_blocks(items: Sequence[Item], split: Split) -> Iterator[tuple[str, Item]]:
    for group in _grounds(items):
        scale = _scale(group[0])
        side, gap = split.blocks / scale, split.gap / scale
        for item in group:
            for i, j in _squares(item, side):
                given = np.random.default_rng([split.seed, i & 0xFFFFFFFF, j & 0xFFFFFFFF]).uniform() < split.share
                shrink = gap if given else 0.0
                frame = (i * side + shrink, j * side + shrink, (i + 1) * side - shrink, (j + 1) * side - shrink)
                if (part := cut(item, *frame)) is not None:
                    yield split.to if given else "train", part


def _squares(item: Item, side: float) -> Iterator[tuple[int, int]]:
    """(column, row) of the squares of a chessboard that an item's region reaches."""
    left, bottom, right, top = _bounds(item)
    for i in range(int(np.floor(left / side)), int(np.floor(right / side)) + 1):
        for j in range(int(np.floor(bottom / side)), int(np.floor(top / side)) + 1):
            yield i, j


def refuse_leaks(parts: dict[str, list[Item]]) -> None:
    """Refuse splits that hold the same ground, or the same image under two names.

    Raises:
        UsageError: two splits share ground; names both items.
    """
    frames = {name: [(item, _frame(item)) for item in items] for name, items in parts.items()}
    for one, other in combinations([n for n in frames if frames[n]], 2):
        placed = [(i, f) for i, f in frames[other] if f is not None]
        tree = shapely.STRtree([f for _, f in placed])
        for item, frame in frames[one]:
            if frame is None:
                continue
            for k in tree.query(frame, predicate="intersects").tolist():
                shared = frame.intersection(placed[k][1]).area
                if shared > 1e-6 * min(frame.area, placed[k][1].area):
                    raise UsageError(
                        item.name,
                        f"is in {one}, and shares ground with {placed[k][0].name} in {other}",
                        "split by whole sheets, or by `side` or `blocks` with a `gap`",
                    )
        _refuse_copies(one, parts[one], other, parts[other])


def _frame(item: Item) -> shapely.Geometry | None:
    """The outline of an item's region in degrees on Earth; None without a place."""
    if not item.image.crs:
        return None
    left, bottom, right, top = _bounds(item)
    shrink = min(right - left, top - bottom) * 1e-4
    frame = shapely.segmentize(
        shapely.box(left + shrink, bottom + shrink, right - shrink, top - shrink), (right - left) / 4
    )
    tool = _to_degrees(item.image.crs)
    return shapely.transform(frame, lambda xy: np.column_stack(tool.transform(xy[:, 0], xy[:, 1])))


@lru_cache(maxsize=16)
def _to_degrees(crs: str) -> Transformer:
    return Transformer.from_crs(crs, "EPSG:4326", always_xy=True)


def _identity(item: Item) -> tuple[int, str]:
    if item.image.scene is not None:
        return 0, f"scene {item.image.scene.seed}"
    path = Path(item.image.path)
    return path.stat().st_size if path.is_file() else 0, str(path.resolve())


def _refuse_copies(one: str, first: list[Item], other: str, second: list[Item]) -> None:
    """Refuse the same file, or an identical copy, in two splits where the regions meet."""
    by_size: dict[int, list[tuple[str, Item]]] = defaultdict(list)
    for item in second:
        size, name = _identity(item)
        by_size[size].append((name, item))
    for item in first:
        size, name = _identity(item)
        for twin, its in by_size.get(size, []):
            same = twin == name or (size > 0 and _digest(item.image.path) == _digest(its.image.path))
            if same and _meet(item.region, its.region):
                raise UsageError(
                    item.name,
                    f"is in {one}, and the same image is in {other} as {its.name}",
                    "keep it in one split only",
                )


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


@lru_cache(maxsize=4096)
def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
