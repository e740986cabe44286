"""Vector labels burnt into windows on the fly: polygons of a GeoPackage or GeoJSON, boxes of YOLO text files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
import shapely
from rasterio.features import rasterize
from rasterio.transform import Affine, array_bounds

from geoseg.arrays import Bytes
from geoseg.classes import NODATA
from geoseg.errors import SheetError, UsageError

__all__ = ["BOX_CORE", "BOX_EDGE", "burnt_boxes", "burnt_polygons", "read_boxes"]

Codes = tuple[tuple[str, int], ...]

BOX_CORE, BOX_EDGE = 0.56, 1.1
"""Of a box around a turned car only the ellipse of `BOX_CORE` times its size is surely car; out to `BOX_EDGE` times nothing is known."""


@lru_cache(maxsize=8)
def _polygons(
    path: str, crs: str, column: str
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_], shapely.STRtree]:
    try:
        frame = geopandas.read_file(path)
    except Exception as error:  # readers raise what they like
        raise SheetError(path, f"cannot be read as polygons: {error}", "give a GeoPackage or GeoJSON") from error
    if column and column not in frame.columns:
        raise UsageError(path, f"has no column {column!r}", f"it has {', '.join(map(str, frame.columns))}")
    if frame.crs is None:
        raise SheetError(path, "has no CRS", "give it one, for instance with ogr2ogr -a_srs")
    if crs:
        frame = frame.to_crs(crs)
    shapes = np.asarray(frame.geometry.array, object)
    names = frame[column].astype(str).to_numpy(object) if column else np.full(len(frame), "*", object)
    keep = np.array([s is not None and not s.is_empty for s in shapes], bool)
    return shapes[keep], names[keep], shapely.STRtree(shapes[keep])


def burnt_polygons(
    path: str, crs: str, place: Affine, shape: tuple[int, int], codes: Codes, column: str, rest: int
) -> Bytes:
    """Codes (H, W) of a window: what polygons cover gets their code, in file order, the rest `rest`.

    Raises:
        SheetError: the file cannot be read, or a value of `column` that has no code.
    """
    shapes, names, tree = _polygons(path, crs, column)
    frame = shapely.box(*array_bounds(*shape, place))
    meaning = dict(codes)
    pairs = []
    for i in sorted(tree.query(frame, predicate="intersects").tolist()):
        code = meaning.get(str(names[i]), meaning.get("*"))
        if code is None:
            raise SheetError(
                path, f"{column} = {names[i]!r} has no class", f"add it to `classes`: {', '.join(meaning)} are known"
            )
        pairs.append((shapes[i], code))
    if not pairs:
        return np.full(shape, rest, np.uint8)
    return np.asarray(rasterize(pairs, out_shape=shape, transform=place, fill=rest, dtype="uint8"), np.uint8)


@lru_cache(maxsize=64)
def read_boxes(path: str) -> tuple[tuple[str, float, float, float, float], ...]:
    """(class, x, y, width, height) of a YOLO text file: fractions of the image, x and y of the centre.

    Raises:
        SheetError: not five numbers a line.
    """
    rows = []
    for number, line in enumerate(Path(path).read_text().splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        try:
            x, y, w, h = (float(v) for v in parts[1:5])
        except ValueError as error:
            raise SheetError(path, f"line {number}: {line!r}, expected class x y width height", "correct it") from error
        rows.append((parts[0], x, y, w, h))
    return tuple(rows)


@lru_cache(maxsize=64)
def burnt_boxes(path: str, shape: tuple[int, int], codes: Codes, rest: int) -> Bytes:
    """Codes (H, W) of a whole image: the core of each box, a ring that is not known around it, `rest` elsewhere."""
    high, wide = shape
    meaning = dict(codes)
    out = np.full(shape, rest, np.uint8)
    boxes = [
        (meaning.get(k, meaning.get("*", NODATA)), x * wide, y * high, w * wide, h * high)
        for k, x, y, w, h in read_boxes(path)
    ]
    for _, x, y, w, h in boxes:
        rows = slice(max(0, round(y - h * BOX_EDGE / 2)), max(0, round(y + h * BOX_EDGE / 2)))
        out[rows, max(0, round(x - w * BOX_EDGE / 2)) : max(0, round(x + w * BOX_EDGE / 2))] = NODATA
    yy, xx = np.mgrid[0:high, 0:wide] + 0.5
    for code, x, y, w, h in boxes:
        out[((xx - x) / (w * BOX_CORE / 2)) ** 2 + ((yy - y) / (h * BOX_CORE / 2)) ** 2 < 1] = code
    return out
