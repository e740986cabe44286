"""The layer of cars: doubtful ones are left out unless somebody asks for them."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
import rasterio

import geoseg

GSD = 0.1
PLACE = rasterio.Affine(GSD, 0, 367000, 0, -GSD, 5807000)
ROAD, ROOF, GRASS, CAR = 0, 1, 2, 4


def _cars(classes: np.ndarray, confidence: np.ndarray | None = None, **options: object) -> geopandas.GeoDataFrame:
    layers = geoseg.features(classes, PLACE, "EPSG:25833", geoseg.ISPRS, confidence, layers=("cars",), **options)  # type: ignore[arg-type]
    return layers["cars"]


def _scene(around: int, beside: int = ROAD, share: float = 1.0) -> np.ndarray:
    """A car of 4.5 m x 1.8 m with one class around it, and another for the rest of the columns."""
    classes = np.full((200, 200), beside, np.uint8)
    classes[60:140, 60 : 60 + round(80 * share)] = around
    classes[90:108, 77:122] = CAR
    return classes


@pytest.mark.parametrize(("around", "kept"), [(ROAD, True), (GRASS, True), (ROOF, False)])
def test_a_car_on_a_roof_is_none(around: int, kept: bool) -> None:
    classes = _scene(around)
    assert len(_cars(classes)) == kept
    both = _cars(classes, all_cars=True)
    assert both["doubtful"].tolist() == [not kept]
    assert both["surroundings"].tolist() == [geoseg.ISPRS.by_value(around).name]


def test_a_car_beside_a_house_is_one() -> None:
    """Its front touches the house, less than half of what lies around it is roof."""
    classes = _scene(ROOF, share=0.4)
    assert (classes == ROOF).sum() > 0
    assert len(_cars(classes)) == 1


@pytest.mark.parametrize(("percent", "kept"), [(49, False), (50, True), (90, True)])
def test_a_car_that_the_network_is_not_sure_of_is_doubtful(percent: int, kept: bool) -> None:
    classes = _scene(ROAD)
    confidence = np.where(classes == CAR, percent, 95).astype(np.uint8)
    assert len(_cars(classes, confidence)) == kept
    assert len(_cars(classes, confidence, all_cars=True)) == 1


def test_a_car_with_nothing_around_it_is_kept() -> None:
    classes = np.full((60, 60), 255, np.uint8)
    classes[20:38, 10:55] = CAR
    found = _cars(classes)
    assert found["surroundings"].tolist() == [None]


def test_other_cars_do_not_count_as_surroundings() -> None:
    """Two parked side by side on a roof: each sees the roof, not the other."""
    classes = _scene(ROOF)
    classes[112:130, 77:122] = CAR
    assert len(_cars(classes)) == 0
    assert len(_cars(classes, all_cars=True)) == 2
