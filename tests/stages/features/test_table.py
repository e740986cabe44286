"""Features as tables: columns, and their types whatever a piece holds."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from support import CRS

from geoseg.classes import ISPRS
from geoseg.layers import LAYERS, columns, tables
from geoseg.options import MosaicOptions
from geoseg.stages.features.memory import array_raster, features_of

PLACE = Affine(0.1, 0, 368_000, 0, -0.1, 5_808_000)


def _layers(raster: np.ndarray):
    return {x.name: x.frame for x in features_of(array_raster(raster, PLACE, CRS, ISPRS), MosaicOptions())}


@pytest.fixture(scope="module")
def full():
    """Layers of a raster that holds a building, a street, a crown and a car."""
    raster = np.full((400, 500), 2, np.uint8)
    raster[40:140, 60:200] = 1
    raster[250:320] = 0
    y, x = np.mgrid[:400, :500]
    raster[np.hypot(y - 90, x - 350) < 40] = 3
    raster[270:290, 100:145] = 4
    return _layers(raster)


@pytest.fixture(scope="module")
def bare():
    """Layers of a meadow."""
    return _layers(np.full((60, 60), 2, np.uint8))


def test_every_table_is_there_and_each_thing_in_it(full, bare) -> None:
    assert set(full) == set(bare) == set(tables())
    assert all(len(frame) > 0 for frame in full.values())
    assert {name for name, frame in bare.items() if len(frame)} == {"landcover"}


def test_columns_have_the_same_types_whether_there_is_a_feature_or_not(full, bare) -> None:
    for name, frame in full.items():
        assert bare[name].dtypes.to_dict() == frame.dtypes.to_dict(), name
        assert bare[name].crs == frame.crs


@pytest.mark.parametrize("layer", list(LAYERS))
def test_a_layer_has_the_columns_of_its_row_and_those_of_all(full, layer) -> None:
    wanted = {"id", "class", "class_id", "confidence", "touches_edge", "sheet", "run_id"}
    there = set()
    for table in LAYERS[layer].tables:
        assert wanted <= set(full[table.name].columns)
        there |= set(full[table.name].columns)
    assert set(LAYERS[layer].columns) <= there
    for name, kind in LAYERS[layer].columns.items():
        assert columns()[name] is kind


def test_areas_and_lengths_are_metres_on_the_ground(full) -> None:
    for frame in full.values():
        if frame.geom_type.iloc[0] == "Polygon":
            assert frame["area_m2"].to_numpy() == pytest.approx(frame.area.to_numpy(), rel=2e-3, abs=2e-3)
            assert frame["perimeter_m"].to_numpy() == pytest.approx(frame.length.to_numpy(), rel=2e-3, abs=0.02)
        assert frame["id"].is_unique
        assert frame["confidence"].between(0, 100).all()
