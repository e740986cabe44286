"""Results as bytes without pickle, for later processes: plain values, dataclasses, numpy arrays, geometries, frames.

A user who may write files must not be able to run code with them. So nothing is read but JSON, numbers and WKB, and a
hash over all of it tells whether it is complete.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import geopandas
import numpy as np
import pandas
import shapely

from geoseg.arrays import Bytes, Image, Ints, Shapes
from geoseg.errors import PlanError

__all__ = ["pack", "unpack"]

Node: TypeAlias = "bool | int | float | str | list[Node] | None"
"""JSON of a value: itself, or a list whose first item names the kind of the rest."""

_SHA = hashlib.sha256().digest_size


def pack(value: object) -> bytes:
    """Pack a value as bytes; equal values give equal bytes.

    Args:
        value: None, bool, int, float, str, list, tuple, dict, numpy array or scalar, array of geometries, GeoDataFrame
            (without its index), or a dataclass of these.

    Raises:
        TypeError: it holds something else.
    """
    arrays: dict[str, Image] = {}
    tree = json.dumps(_node(value, arrays)).encode()
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, tree=np.frombuffer(tree, np.uint8), **arrays)
    arrays.clear()
    sha = hashlib.sha256(file.getbuffer()).digest()
    file.seek(0, io.SEEK_END)
    file.write(sha)
    return file.getvalue()


def unpack(data: bytes, kinds: Mapping[str, type] | None = None) -> Any:
    """The value that `pack` was given; `kinds`: the dataclasses in it, by name.

    Raises:
        PlanError: the bytes are not those of `pack`, or hold a dataclass that is not among `kinds`.
    """
    body, sha = memoryview(data)[:-_SHA], data[-_SHA:]
    if hashlib.sha256(body).digest() != sha:
        raise PlanError("a packed result", "is damaged", "make it again")
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        return _value(json.loads(arrays["tree"].tobytes()), arrays, kinds or {})


def _node(value: object, arrays: dict[str, Image]) -> Node:
    """JSON of a value; its arrays are put aside, and named there."""

    def aside(array: Image) -> str:
        name = f"a{len(arrays)}"
        arrays[name] = array
        return name

    def node(part: object) -> Node:
        return _node(part, arrays)

    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, np.generic)):
        return value
    if isinstance(value, list | tuple):
        return ["list" if isinstance(value, list) else "tuple", *map(node, value)]
    if isinstance(value, dict):
        return ["dict", *([node(k), node(v)] for k, v in value.items())]
    if isinstance(value, geopandas.GeoDataFrame):
        columns = [[name, str(c.dtype), node(_column(c))] for name, c in value.items()]
        srs = value.crs and value.crs.srs  # WKT would not come back as it was
        return ["frame", value.geometry.name, srs, *columns]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [[f.name, node(getattr(value, f.name))] for f in dataclasses.fields(value)]
        return ["record", type(value).__name__, *fields]
    if isinstance(value, np.ndarray) and value.dtype == object:
        shapes = shapely.to_wkb(value)
        lengths = np.array([len(s) for s in shapes], np.int64)
        return ["shapes", aside(lengths), aside(np.frombuffer(b"".join(shapes), np.uint8))]
    if isinstance(value, np.ndarray | np.generic):
        return ["array" if isinstance(value, np.ndarray) else "scalar", aside(np.asarray(value))]
    raise TypeError(f"cannot pack {type(value).__name__}")


def _column(column: pandas.Series) -> object:
    """A column of a frame as something that `_node` takes."""
    if isinstance(column, geopandas.GeoSeries):
        return np.asarray(column.to_numpy(), object)
    if isinstance(column.dtype, np.dtype) and column.dtype != object:
        return column.to_numpy()
    return [None if missing else text for text, missing in zip(column, column.isna(), strict=True)]


def _value(node: Any, arrays: Mapping[str, Image], kinds: Mapping[str, type]) -> Any:
    """Inverse of `_node`."""
    if not isinstance(node, list):
        return node
    what, *rest = node
    if what in ("array", "scalar"):
        array = arrays[rest[0]]
        return array if what == "array" else array[()]
    if what == "shapes":
        return _shapes(arrays[rest[0]], arrays[rest[1]])
    if what == "frame":
        name, crs, *columns = rest
        data = {n: _series(_value(c, arrays, kinds), dtype) for n, dtype, c in columns}
        return geopandas.GeoDataFrame(data, geometry=name, crs=crs)
    if what == "record":
        name, *fields = rest
        if name not in kinds:
            what = f"holds a {name}, expected {', '.join(kinds) or 'none'}"
            raise PlanError("a packed result", what, "make it again")
        return kinds[name](**{n: _value(v, arrays, kinds) for n, v in fields})
    if what == "dict":
        return {_value(k, arrays, kinds): _value(v, arrays, kinds) for k, v in rest}
    parts = [_value(part, arrays, kinds) for part in rest]
    return parts if what == "list" else tuple(parts)


def _series(column: object, dtype: str) -> object:
    """A column of a frame from what `_value` gives; lists get their data type back."""
    return pandas.Series(column, dtype=dtype) if isinstance(column, list) else column


def _shapes(lengths: Ints, data: Bytes) -> Shapes:
    """Geometries from their WKB, one after the other, and its lengths."""
    whole, ends = data.tobytes(), np.cumsum(lengths).tolist()
    out = np.empty(len(ends), object)
    out[:] = [whole[end - size : end] for end, size in zip(ends, lengths.tolist(), strict=True)]
    shapes: Shapes = shapely.from_wkb(out)
    return shapes
