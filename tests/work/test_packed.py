"""Results without pickle: what comes back is what went in, whatever is damaged is noticed, and nothing can be run."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pandas.testing import assert_frame_equal

from geoseg.errors import PlanError
from geoseg.work.packed import pack, unpack


@dataclass(frozen=True)
class Pair:
    left: object
    right: object


KINDS = {"Pair": Pair}

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()

numbers = arrays.arrays(
    st.sampled_from([np.uint8, np.int64, np.float64, np.bool_]), arrays.array_shapes(min_dims=1, min_side=0)
)

keys = st.text() | st.integers() | st.tuples(st.integers(), st.integers())

values = st.recursive(
    plain | numbers,
    lambda v: st.lists(v) | st.lists(v).map(tuple) | st.dictionaries(keys, v, max_size=4) | st.builds(Pair, v, v),
    max_leaves=12,
)


def same(a: object, b: object) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, Pair):
        return same(a.left, b.left) and same(a.right, b.right)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return a == b and str(a) == str(b)


@given(values)
def test_what_comes_back_is_what_went_in(value: object) -> None:
    assert same(unpack(pack(value), KINDS), value)
    assert pack(value) == pack(value)


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_any_flipped_bit_is_noticed(place: int, bit: int) -> None:
    data = bytearray(pack({"a": np.arange(30), "b": ["c", None]}))
    data[place % len(data)] ^= 1 << bit
    with pytest.raises(PlanError, match="damaged"):
        unpack(bytes(data))


CRS = (
    "EPSG:32633",
    "ESRI:102003",
    "+proj=tmerc +lon_0=9 +k=1 +x_0=3500000 +ellps=bessel +towgs84=598,73,418,0,0,0,6.7 +units=m",
    "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=40 +lon_0=10",
)


@pytest.mark.parametrize("rows", [0, 1, 3])
@pytest.mark.parametrize("crs", CRS)
def test_frames_keep_columns_types_and_every_coordinate(rows: int, crs: str) -> None:
    rng = np.random.default_rng(rows)
    shapes = [shapely.Point(x, y).buffer(1) for x, y in 1e6 * rng.random((rows, 2))]
    data = {
        "id": np.array([f"é{i}" for i in range(rows)], object),
        "note": np.array([None] * rows, object),
        "class_id": np.arange(rows, dtype=np.int32),
        "edge": np.zeros(rows, bool),
        "area": np.where(rng.random(rows) < 0.5, np.nan, rng.random(rows)),
    }
    frame = geopandas.GeoDataFrame(data, geometry=shapes, crs=crs).astype({"id": object, "note": object})
    found = unpack(pack(frame))
    assert_frame_equal(found, frame)
    assert found.crs == frame.crs
    assert found.crs.srs == frame.crs.srs
    assert list(shapely.to_wkb(found.geometry.to_numpy())) == list(shapely.to_wkb(np.array(shapes, object)))


def test_nothing_else_is_packed_or_made() -> None:
    with pytest.raises(TypeError, match="cannot pack set"):
        pack({1, 2})
    with pytest.raises(PlanError, match="holds a Pair, expected none"):
        unpack(pack(Pair(1, 2)))
